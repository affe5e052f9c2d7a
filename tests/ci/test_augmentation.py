"""Tasks of chapter 13: classes are what they say, and what is made of tiles keeps its physics."""

import augmentation_tasks as tasks
import numpy as np
import pytest

from cogan_lib.companions.augmentation.tasks import Labelled
from cogan_lib.companions.hii_regions import physics


def test_noise_is_the_telescopes_once_more():
    real = Labelled(tasks.seen(np.zeros((4, 64, 64)), np.random.default_rng(1)), np.arange(4))
    found = tasks.noisier(real, 20, np.random.default_rng(2))
    assert np.sinh(found.inputs / 2).std() == pytest.approx(physics.NOISE * np.sqrt(2), rel=0.1)


def test_a_wrong_simulator_is_smoother_and_has_no_bright_side():
    right, wrong = (tasks.regions(60, np.random.default_rng(1), wrong) for wrong in (False, True))
    np.testing.assert_array_equal(right.labels, wrong.labels)
    steep = [np.abs(np.diff(np.sinh(some.inputs), axis=-1)).max((1, 2, 3)).mean()
             for some in (right, wrong)]  # fmt: skip
    assert steep[1] < 0.8 * steep[0]


def test_both_hands_are_as_frequent():
    found = tasks.handed(300, np.random.default_rng(1))
    assert len(found) == 300 and found.labels.mean() == pytest.approx(0.5, abs=0.1)


def test_scaled_tiles_have_no_logarithm_of_noise():
    inputs = np.full((1, 2, 4, 4), -1.0)
    found = tasks.scaled(inputs, np.full((1, 4, 4), 0.3))
    np.testing.assert_allclose(found.inputs[0, :, 0, 0], [-1, 19], rtol=1e-6)
    np.testing.assert_allclose(np.sinh(found.labels), 1.0, rtol=1e-6)
