"""How far a place lies outside the training range of dust and HI."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.beyond.extrapolation import extrapolation
from tests.toys import inputs_at


def test_flags_and_distances_of_known_places():
    """Training on a diagonal strip: off the strip is unusual though each input is in range."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 1, 64 * 400)
    strip = inputs_at(t + rng.uniform(-0.05, 0.05, t.size), 21 + t)
    place = np.array(
        [  # log dust, log N_HI, flag, distance in dex
            (0.5, 21.5, 0, 0.0),
            (0.05, 21.95, 1, None),  # a pair never seen
            (-1.0, 21.05, 1, 0.9),  # dust too low
            (0.95, 23.0, 1, 1.0),  # HI too high
            (-1.0, 20.0, 2, np.hypot(0.9, 1.0)),
            (2.0, 23.0, 2, np.hypot(1.0, 1.0)),
        ],
        dtype=object,
    )
    maps = {"DUST": 10.0 ** place[:, 0].astype(float), "N_HI": 10.0 ** place[:, 1].astype(float)}
    flag, distance = extrapolation(maps, strip)
    assert flag.tolist() == list(place[:, 2])
    for found, wanted in zip(distance, place[:, 3], strict=True):
        assert found > 0.3 if wanted is None else found == pytest.approx(wanted, abs=0.11)
    maps["DUST"][0] = -1.0  # ringing below zero: as low as the lowest, not a crash
    flag, distance = extrapolation(maps, strip)
    assert flag[0] == 1 and np.isfinite(distance).all()


def test_training_pixels_are_inside_but_for_the_stray_ones():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 0.4, 64 * 500)
    train = inputs_at(x, 21 + 0.5 * x + rng.normal(0, 0.1, x.size))
    train[0, :, 0, 0] = 1e4, 1e25  # one mad pixel must not stretch the range
    maps = {"DUST": train[:, 0].ravel(), "N_HI": train[:, 1].ravel()}
    flag, distance = extrapolation(maps, train)
    assert 0.997 < (flag == 0).mean() < 1 and flag[0] == 2 and distance[0] > 2
    assert ((distance > 0) <= (flag > 0)).all()
    with pytest.raises(CoganError, match="positive"):
        extrapolation(maps, -train)
