"""Random places: uniform, within the guards whatever the angle and context, strong where asked."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.tiles.geometry import Geometry, tile_lonlat
from cogan_lib.tiles.poses import HIGHEST_DEG, draw_poses
from cogan_lib.tiles.split import (
    FOLDS,
    TEST_BLOCKS,
    VALIDATION_BLOCKS,
    blocks_of_fold,
    distance_to_block,
)

GEOMETRY, CONTEXT, NSIDE = Geometry(16, 30.0), 4, 32
LON, LAT = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2), lonlat=True)
STRONG = np.abs(LAT) < 3


@pytest.fixture(scope="module")
def poses():
    return draw_poses(1, 300, GEOMETRY, STRONG, context=CONTEXT, faint_share=0.4)


def share_of_strong(centres, angles):
    lon, lat = tile_lonlat(GEOMETRY, centres, angles)
    return STRONG[hp.ang2pix(NSIDE, lon, lat, lonlat=True)].mean(axis=(1, 2))


def test_no_pixel_of_a_tile_or_its_context_is_near_held_out_longitudes(poses):
    lon, lat = tile_lonlat(GEOMETRY.grown(CONTEXT), *poses)
    for block in (*TEST_BLOCKS, *VALIDATION_BLOCKS):
        assert distance_to_block(lon, lat, block).min() >= GEOMETRY.side_deg
        # and by the plainest rule there is
        assert not (((lon >= block[0]) & (lon <= block[1])).any())


@pytest.mark.parametrize("fold", [2, 6])
def test_a_fold_holds_out_its_own_longitudes_and_no_others(fold):
    test, validation = blocks_of_fold(fold)
    options = {"context": CONTEXT, "faint_share": 1.0, "test": test, "validation": validation}
    lon, lat = tile_lonlat(
        GEOMETRY.grown(CONTEXT), *draw_poses(1, 300, GEOMETRY, STRONG, **options)
    )
    for i, blocks in enumerate(FOLDS, start=1):
        nearest = min(distance_to_block(lon, lat, block).min() for block in blocks)
        assert nearest >= GEOMETRY.side_deg if i == fold else nearest == 0


def test_the_share_that_may_be_faint_is_and_the_others_are_strong(poses):
    centres, angles = poses
    assert centres.shape == (300, 2) and (np.abs(centres[:, 1]) < HIGHEST_DEG).all()
    share = share_of_strong(centres, angles)
    assert (share[120:] >= 0.02).all()
    assert (share[:120] < 0.02).mean() > 0.5
    assert 0 <= angles.min() < 20 and 340 < angles.max() < 360


def test_places_are_uniform_in_the_sine_of_latitude_where_all_latitudes_are_free():
    """Far from the poles the guard takes the same longitudes; there sin b is uniform."""
    centres, _ = draw_poses(3, 2000, Geometry(8, 30.0), STRONG, faint_share=1.0)
    sine = np.sin(np.radians(centres[:, 1]))
    allowed = np.sin(np.radians([-20, -10, 0, 10, 20]))
    counts, _ = np.histogram(sine, allowed)
    expected = counts.sum() * np.diff(allowed) / np.ptp(allowed)
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()
    gaps = np.array([[0, 50], [60, 100], [120, 150], [160, 200], [230, 280], [290, 345]])
    assert all(((centres[:, 0] > a) & (centres[:, 0] < b)).sum() > 50 for a, b in gaps)


def test_a_seed_repeats_its_poses_and_another_does_not(poses):
    again = draw_poses(1, 300, GEOMETRY, STRONG, context=CONTEXT, faint_share=0.4)
    for one, other in zip(again, poses, strict=True):
        np.testing.assert_array_equal(one, other)
    other, _ = draw_poses(2, 5, GEOMETRY, STRONG, context=CONTEXT)
    assert not np.isin(other, poses[0]).any()


def test_a_sky_without_a_place_gets_a_sentence():
    with pytest.raises(CoganError, match="found a place"):
        draw_poses(1, 1, GEOMETRY, np.zeros(12, dtype=bool))
