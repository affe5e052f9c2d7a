"""Learners: they learn what can be learnt, equal seeds give equal answers."""

from dataclasses import replace

import numpy as np
import pytest

from cogan_lib.companions.augmentation import balance, learners
from cogan_lib.companions.augmentation.tasks import Labelled, Task
from cogan_lib.learn.blocks import count_parameters

RNG = np.random.default_rng(5)
SHORT = replace(learners.IMAGES, steps=40, batch=32)


def spots(n, rng, faint=1.0):
    """Noise with a spot above (1) or below (0) the middle."""
    labels = rng.integers(2, size=n)
    images = rng.normal(size=(n, 1, 16, 16)).astype(np.float32)
    images[labels == 1, :, :8] += faint
    images[labels == 0, :, 8:] += faint
    return Labelled(images, labels)


@pytest.fixture(scope="module")
def task():
    return Task("spots", "class", spots(300, RNG, 0.3), spots(300, RNG, 0.3))


def test_a_network_learns_classes_and_follows_its_seed(task):
    predict = learners.classifier(task.train, 1, recipe=SHORT)
    assert task.score(predict) > 0.9
    again = learners.classifier(task.train, 1, recipe=SHORT)
    np.testing.assert_array_equal(predict(task.test.inputs), again(task.test.inputs))
    assert np.exp(predict(task.test.inputs)).sum(1) == pytest.approx(1, abs=1e-5)
    assert count_parameters(learners.image_network((1, 64, 64), 2, 8)) < 50_000


def test_a_straight_line_is_the_least_squares_fit():
    inputs = RNG.normal(20, 1, (3, 2, 8, 8))
    line = learners.straight_line(Labelled(inputs, 1 + 2 * inputs[:, 0] - inputs[:, 1]))
    new = RNG.normal(0, 1, (2, 2, 8, 8))
    np.testing.assert_allclose(line(new), 1 + 2 * new[:, 0] - new[:, 1], atol=1e-8)


def test_a_network_of_maps_starts_from_the_line_and_beats_it_where_it_bends():
    def bent(n):
        inputs = RNG.normal(0, 1, (n, 2, 1, 1)) + RNG.normal(0, 0.3, (n, 2, 8, 8))
        inputs = inputs.astype(np.float32)
        return Labelled(inputs, np.abs(inputs[:, 0]) + inputs[:, 1])

    task = Task("bent", "map", bent(64), bent(64))
    none = replace(learners.MAPS, steps=1, rate=1e-9)
    line = task.score(learners.straight_line(task.train))
    assert task.score(learners.mapper(task.train, 1, recipe=none)) == pytest.approx(line, rel=1e-5)
    few = replace(learners.MAPS, steps=60, rate=5e-3)
    assert task.score(learners.mapper(task.train, 1, recipe=few)) < 0.6 * line


def test_of_a_rare_class_accuracy_tells_nothing(task, monkeypatch):
    monkeypatch.setattr(
        balance, "classifier", lambda *a, **o: learners.classifier(*a, recipe=SHORT, **o)
    )
    sources = {
        "more": lambda real, n, rng: spots(n, rng, 0.3),
        "nothing": lambda real, n, rng: Labelled(real.inputs[:5], 0 * real.labels[:5]),
    }
    found = balance.remedies(task, sources, 100, 1)
    ways = ["never", "plain", "threshold", "weights", "oversampled"]
    assert list(found) == ways + list(sources)
    assert found["nothing"] == found["plain"]  # of the same examples
    assert found["never"]["accuracy"] == 0.95 and found["never"]["balanced"] == 0.5
    assert found["more"]["balanced"] > found["plain"]["balanced"]
    assert found["threshold"]["auc"] == found["plain"]["auc"]  # the same network
    assert found["threshold"]["found"] >= found["plain"]["found"]
    assert found["never"]["auc"] == 0.5


def test_rare_examples_have_their_share(task):
    found = balance.rare(task, 100, 1)
    assert found.labels.sum() == 5 and len(found) == 100
    assert balance.rare(task, 8, 1).labels.sum() == 1
    with pytest.raises(ValueError, match="real examples of class 0; 285 are needed"):
        balance.rare(task, 300, 1)


def test_scores_weigh_the_classes_as_the_world_does():
    chance, labels = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0, 0, 1, 1])
    found = balance.scores(chance, labels, 0.5, share=0.1)
    assert found["accuracy"] == pytest.approx(0.5) and found["right"] == pytest.approx(0.1)
