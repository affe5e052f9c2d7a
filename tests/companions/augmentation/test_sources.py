"""Sources: what moves an image moves its map, mirrors change the hand, a Gaussian its moments."""

import numpy as np
import pytest

from cogan_lib.companions.augmentation import sources
from cogan_lib.companions.augmentation.tasks import Labelled

RNG = np.random.default_rng(4)
IMAGE = RNG.normal(size=(1, 1, 16, 16)).astype(np.float32)


def hand(images):
    """The class of an L: 1 if it is the image itself, rotated or not; 0 if it is its mirror."""
    own = [np.rot90(IMAGE[0, 0], k) for k in range(4)]
    return np.array([any(np.array_equal(image[0], one) for one in own) for image in images])


def test_turns_and_mirrors_are_all_eight_and_labels_follow():
    real = Labelled(IMAGE, np.ones(1, np.int64))
    found = sources.turned(real, 200, np.random.default_rng(1), mirrored=lambda label: 1 - label)
    np.testing.assert_array_equal(found.labels, hand(found.inputs))
    assert len(np.unique(found.inputs, axis=0)) == 8
    wrong = sources.turned(real, 200, np.random.default_rng(1))
    assert wrong.labels.all() and 60 < np.sum(hand(wrong.inputs) != wrong.labels) < 140
    only = sources.turned(real, 200, np.random.default_rng(1), flip=False)
    assert hand(only.inputs).all() and len(np.unique(only.inputs, axis=0)) == 4
    assert real.labels[0] == 1 and np.array_equal(real.inputs, IMAGE)  # real ones stay


@pytest.mark.parametrize("source", [sources.turned, sources.posed])
def test_a_map_moves_with_its_inputs(source):
    y, x = np.indices((16, 16)) - 7.5
    blob = np.exp(-((x - 2) ** 2 + (y - 1) ** 2) / 4)[None].astype(np.float32)
    found = source(Labelled(blob[None] * 2, blob), 50, np.random.default_rng(2))
    np.testing.assert_allclose(found.inputs[:, 0], 2 * found.labels, atol=1e-5)
    assert found.labels.sum((1, 2)) == pytest.approx(blob.sum(), rel=0.05)
    assert len(np.unique(found.labels.round(4), axis=0)) > 4


def test_poses_rotate_about_the_middle_by_what_is_left_of_it():
    y, x = np.indices((33, 33)) - 16.0
    blob = np.exp(-((x - 6) ** 2 + y**2) / 4)[None, None].astype(np.float32)
    real = Labelled(blob, np.ones(1, np.int64))
    found = sources.posed(real, 100, np.random.default_rng(2), shift_px=0.0).inputs[:, 0]
    weight = found / found.sum((1, 2), keepdims=True)
    centre = np.stack([(weight * axis).sum((1, 2)) for axis in (x, y)])
    assert np.hypot(*centre) == pytest.approx(6.0, abs=0.1)
    assert np.histogram(np.arctan2(*centre), 4, (-np.pi, np.pi))[0].min() > 10
    shifted = sources.posed(real, 300, np.random.default_rng(2), shift_px=2.0).inputs[:, 0]
    weight = shifted / shifted.sum((1, 2), keepdims=True)
    radius = np.hypot(*((weight * axis).sum((1, 2)) for axis in (x, y)))
    assert 3 < radius.min() < 5 and 7 < radius.max() < 9


def test_a_gaussian_has_the_moments_of_each_class_and_no_more_dimensions_than_examples():
    n = 300
    mix = RNG.normal(size=(3, 64))
    labels = np.arange(n) % 2
    rows = RNG.normal(size=(n, 3)) @ mix + 5 * labels[:, None]
    real = Labelled(rows.reshape(n, 1, 8, 8).astype(np.float32), labels)
    found = sources.gaussian(real, 6000, np.random.default_rng(1))
    for one in (0, 1):
        old, new = (
            some.inputs[some.labels == one].reshape(-1, 64).astype(float) for some in (real, found)
        )
        np.testing.assert_allclose(new.mean(0), old.mean(0), atol=0.15)
        np.testing.assert_allclose(np.cov(new.T), np.cov(old.T), atol=0.1 * np.cov(old.T).max())
    three = sources.gaussian(real.take(real.labels == 1).take(slice(0, 3)), 50, RNG)
    drawn = three.inputs.reshape(50, -1)
    assert np.linalg.matrix_rank(drawn - drawn.mean(0), tol=1e-3) == 2
    one = sources.gaussian(real.take(slice(0, 1)), 3, RNG)
    np.testing.assert_allclose(one.inputs, np.repeat(real.inputs[:1], 3, 0), atol=1e-5)


def test_noise_of_what_components_leave_keeps_the_variance():
    rows = RNG.normal(size=(400, 1, 8, 8)).astype(np.float32)  # 64 equal components, 32 are kept
    found = sources.gaussian(Labelled(rows, np.zeros(400, np.int64)), 4000, RNG)
    assert found.inputs.var() == pytest.approx(rows.var(), rel=0.03)


def test_maps_are_generated_with_their_inputs():
    inputs = RNG.normal(size=(6, 2, 4, 4)).astype(np.float32)
    real = Labelled(inputs, inputs.sum(1))
    found = sources.gaussian(real, 20, RNG)
    np.testing.assert_allclose(found.labels, found.inputs.sum(1), atol=1e-4)


def test_unnamed_images_are_named_by_what_the_few_have_taught():
    def learner(examples, seed):
        assert len(examples) == 3
        return lambda images: np.stack([0 * images[:, 0, 0, 0], images[:, 0, 0, 0]], 1)

    def draw(n, rng):
        return rng.normal(size=(n, 1, 2, 2))

    real = Labelled(np.zeros((3, 1, 2, 2)), np.zeros(3, np.int64))
    found = sources.read_by(learner, draw)(real, 40, np.random.default_rng(1))
    np.testing.assert_array_equal(found.labels, found.inputs[:, 0, 0, 0] > 0)
