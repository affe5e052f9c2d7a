"""Where a network's inputs and its answers are cut off, and how often."""

import numpy as np
import pytest

from cogan_lib.tiles.bounds import (
    HEADROOM,
    count_cut_off,
    scale_inputs,
    to_physical,
)
from cogan_lib.tiles.scaling import PatchMinMax, Scaling

CO = Scaling.fit("asinh", np.array([-0.5, 0.1, 1.0, 124.0]), softening=0.3)
DUST = Scaling.fit("log", np.array([0.1, 1.0, 10.0]), softening=0.01)


def test_headroom_is_counted_in_standard_deviations_of_the_scaled_values():
    for scaling in (CO, DUST):
        low, high = scaling.limits(0.7)
        np.testing.assert_allclose(
            scaling.forward(np.array([low, high])),
            scaling.forward(np.array([scaling.low, scaling.high])) + [-0.7, 0.7],
        )
        assert scaling.limits() == (scaling.low, scaling.high)
        assert scaling.bound(1e9, 0.7) == high and scaling.bound(high, 0.7) == high
    assert PatchMinMax().limits() == Scaling("log", 1.0, 0.0, 1.0).limits() == (-np.inf, np.inf)


def test_an_answer_may_be_brighter_than_the_training_but_not_explode():
    scaled = CO.forward(np.array([[[200.0, 1e9, -0.4]]]))
    bright, spike, negative = to_physical(scaled, CO).ravel()
    assert bright == pytest.approx(200) and negative == 0
    assert spike == pytest.approx(CO.limits(HEADROOM)[1])


def test_inputs_go_a_little_beyond_the_training():
    low, high = DUST.limits(HEADROOM)
    tiles = np.array([0.0, low, 3.0, high, 1e6]).reshape(1, 1, 1, 5)
    expected = DUST.forward(np.array([low, low, 3.0, high, high]))
    np.testing.assert_allclose(scale_inputs(tiles, [DUST]).ravel(), expected, rtol=1e-6)


def test_pixels_are_counted_once():
    inputs = {"DUST": np.array([1e-9, 1.0, 1e9, 1.0]), "N_HI": np.array([1e-9, 1.0, 1.0, 1e-9])}
    outputs = {"A": np.array([0.0, 1e9, 1e9, 1.0]), "B": np.array([0.0, 0.0, 1e9, 1.0])}
    scalings = {"DUST": DUST, "N_HI": DUST, "A": CO, "B": CO}
    counts = count_cut_off(inputs, outputs, scalings)
    assert counts == {"cutbelow": 2, "cutabove": 1, "atbound": 2}
    assert not any(count_cut_off(inputs, outputs, dict.fromkeys(scalings, PatchMinMax())).values())
