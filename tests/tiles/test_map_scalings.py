"""Scalings of a sky itself: of which pixels, and by value."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles.map_scalings import map_scalings
from cogan_lib.tiles.split import blocks_of_fold, distance_to_block

NSIDE, GUARD = 32, 8.0
LON, LAT = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2), lonlat=True)
BLOCKS = blocks_of_fold(1)[0]
NEAR = np.min([distance_to_block(LON, LAT, block) for block in BLOCKS], axis=0)
BRIGHT = (NEAR >= GUARD) & (np.abs(LAT) < 30)
SEEN = (NEAR >= GUARD) & (np.abs(LAT) < 75)
UNITS = {"DUST": "mag", "N_HI": "cm-2", "W_CO21": "K km/s"}


def constructed(**changes):
    """One half of the pixels that count is ten times the other, in every column.

    Dust: log10 is 0 or 1. HI: 20 or 21. CO: asinh(W / 0.3) is 1 or 3. Farther from the plane, up
    to 75 degrees, lie the extremes.
    """
    maps = {}
    for name, low, high in (
        ("DUST", 1.0, 10.0),
        ("N_HI", 1e20, 1e21),
        ("W_CO21", 0.3 * np.sinh(1), 0.3 * np.sinh(3)),
    ):
        values = np.full(LON.size, low)
        values[np.flatnonzero(BRIGHT)[::2]] = high
        far = np.flatnonzero(SEEN & ~BRIGHT)
        values[far[0]], values[far[1:40]] = 30 * high, low / 30
        maps[name] = values
    maps |= changes
    return Sky(maps, UNITS, 240.0)


def test_mean_and_spread_are_those_near_the_plane_and_the_extremes_those_of_all():
    found = map_scalings(constructed(), BLOCKS, GUARD)
    share = BRIGHT.sum()
    half = (share + 1) // 2 / share
    for name, kind, low, high in (
        ("DUST", "log", 0, 1), ("N_HI", "log", 20, 21), ("W_CO21", "asinh", 1, 3),
    ):  # fmt: skip
        scaling, values = found[name], constructed().maps[name]
        assert scaling.kind == kind
        assert scaling.mean == pytest.approx(low + half * (high - low), rel=1e-9)
        assert scaling.std == pytest.approx((high - low) * np.sqrt(half * (1 - half)), rel=1e-9)
        assert scaling.low == values[SEEN].min() and scaling.high == values[SEEN].max()
        assert scaling.high > values[BRIGHT].max() and scaling.low < values[BRIGHT].min()
    assert found["W_CO21"].softening == 0.3
    assert found["DUST"].softening == np.percentile(constructed().maps["DUST"], 0.1)


def test_what_is_held_out_or_near_a_pole_does_not_count():
    """Whatever stands there, the scalings are the same, bit by bit."""
    plain = constructed()
    spoilt = {name: np.where(SEEN, values, 7 * values) for name, values in plain.maps.items()}
    # (the floor of the logarithm may be anybody's: here it is that of the faint pixels that count)
    assert map_scalings(constructed(**spoilt), BLOCKS, GUARD) == map_scalings(plain, BLOCKS, GUARD)
    inside = SEEN & (NEAR < GUARD + 3)
    spoilt = {name: np.where(inside, 7 * values, values) for name, values in plain.maps.items()}
    changed = map_scalings(constructed(**spoilt), BLOCKS, GUARD)
    assert changed["DUST"].mean > map_scalings(plain, BLOCKS, GUARD)["DUST"].mean


def test_each_fold_has_scalings_of_its_own():
    sky = constructed()
    means = {
        map_scalings(sky, blocks_of_fold(fold)[0], GUARD)["W_CO21"].mean for fold in range(1, 7)
    }
    assert len(means) == 6


def test_a_column_without_structure_is_refused():
    flat = constructed(DUST=np.full(LON.size, 2.0))
    with pytest.raises(CoganError, match="all alike"):
        map_scalings(flat, BLOCKS, GUARD)
    with pytest.raises(CoganError, match="no|positive"):
        map_scalings(constructed(N_HI=np.full(LON.size, -1.0)), BLOCKS, GUARD)
