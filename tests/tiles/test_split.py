"""Six folds are the whole circle once; the usual split is the default and what it was."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.tiles.split import (
    FOLDS,
    TEST_BLOCKS,
    TRAIN,
    VALIDATION_BLOCKS,
    assign_split,
    blocks_of_fold,
    distance_to_block,
)


def test_the_folds_tile_the_circle_once():
    blocks = sorted(itertools.chain(*FOLDS))
    assert [start for start, _ in blocks] == [0, *(end for _, end in blocks[:-1])]
    assert blocks[-1][1] == 360 and len(blocks) == 18
    assert FOLDS[0] is TEST_BLOCKS == ((100, 120), (200, 230), (345, 360))
    for fold in FOLDS:
        assert len(fold) == 3 and 57 <= sum(end - start for start, end in fold) <= 65


def test_the_rest_is_dealt_out_in_order_of_longitude():
    width = Fraction(115, 6)
    rest = [(20 * i, 20 * i + 20) for i in range(5)] + [(a, a + 20) for a in range(120, 200, 20)]
    rest += [(230 + i * width, 230 + (i + 1) * width) for i in range(6)]
    for i, block in enumerate(rest):
        found = FOLDS[1 + i % 5][i // 5]
        np.testing.assert_allclose(found, [float(edge) for edge in block], rtol=1e-15)


def test_every_point_is_in_a_fold_and_at_the_poles_in_all():
    random = np.random.default_rng(1)
    lon, lat = random.uniform(0, 360, 20_000), random.uniform(-90, 90, 20_000)
    inside = [np.min([distance_to_block(lon, lat, b) for b in fold], 0) == 0 for fold in FOLDS]
    np.testing.assert_array_equal(np.sum(inside, axis=0), 1)
    pole = [distance_to_block(np.array([7.0]), np.array([-90.0]), b) for b in sum(FOLDS, ())]
    np.testing.assert_allclose(pole, 0, atol=1e-9)


def test_blocks_of_a_fold():
    assert blocks_of_fold(0) == (TEST_BLOCKS, VALIDATION_BLOCKS)
    assert [blocks_of_fold(k) for k in range(1, 7)] == [(fold, ()) for fold in FOLDS]
    for wrong in (-1, 7, "one"):
        with pytest.raises(CoganError, match=f"no fold {wrong}; choose 1 to 6"):
            blocks_of_fold(wrong)


def test_the_usual_blocks_are_the_default():
    random = np.random.default_rng(2)
    lon, lat = random.uniform(0, 360, (3000, 1)), random.uniform(-80, 80, (3000, 1))
    lon, lat = lon + random.uniform(0, 3, (3000, 5)), lat + random.uniform(0, 3, (3000, 5))
    usual = assign_split(lon, lat, 8.0)
    np.testing.assert_array_equal(usual, assign_split(lon, lat, 8.0, *blocks_of_fold(0)))
    alone = assign_split(lon, lat, 8.0, *blocks_of_fold(1))
    held_out = [label for label in np.unique(usual) if (usual == label).any()]
    assert held_out == [0, 1, 2, 3] and sorted(np.unique(alone)) == [0, 2, 3]
    np.testing.assert_array_equal(alone == 2, usual == 2)
    assert (alone[usual == TRAIN] == TRAIN).all() and (alone == TRAIN).sum() > 1.2 * (
        usual == TRAIN
    ).sum()
