"""Learning curves: equal real examples for all, gains seed by seed, and what they are worth."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.augmentation import curves
from cogan_lib.companions.augmentation.tasks import Labelled, Task, few

RNG = np.random.default_rng(3)


def points(n, rng):
    """Images of one pixel, of class 1 if it is above zero."""
    x = rng.normal(size=(n, 1, 1, 1)).astype(np.float32)
    return Labelled(x, (x[:, 0, 0, 0] > 0).astype(np.int64))


def nearest_mean(examples, seed):
    """A learner: the nearer of both classes' means; of one class alone it knows no other."""
    x, y = examples.inputs[:, 0, 0, 0], examples.labels
    means = [x[y == one].mean() if (y == one).any() else np.inf for one in (0, 1)]
    return lambda images: -np.abs(images[:, :, 0, 0] - np.array(means))


TASK = Task("points", "class", points(200, RNG), points(500, RNG))


def test_real_examples_are_nested_and_those_of_the_seed():
    ten, thirty = few(TASK, 10, 1), few(TASK, 30, 1)
    np.testing.assert_array_equal(ten.inputs, thirty.inputs[:10])
    assert not np.array_equal(ten.inputs, few(TASK, 10, 2).inputs)
    with pytest.raises(CoganError, match="200 real examples .* 201 were asked for"):
        few(TASK, 201, 1)


def test_all_sources_see_the_same_real_examples():
    seen = {}

    def spy(name):
        def source(real, n, rng):
            seen[name] = real.inputs
            return points(n, rng)

        return source

    sources = {"none": None, "one": spy("one"), "other": spy("other")}
    found = curves.learning_curve(TASK, [4, 16], sources, [1, 2, 3], nearest_mean, 100)
    np.testing.assert_array_equal(seen["one"], seen["other"])
    assert {name: np.shape(rows) for name, rows in found.items()} == dict.fromkeys(sources, (3, 2))
    again = curves.learning_curve(TASK, [4, 16], sources, [1, 2, 3], nearest_mean, 100)
    assert again == found
    alone = curves.learning_curve(TASK, [16], {"one": spy("one")}, [2], nearest_mean, 100)
    assert alone["one"][0][0] == found["one"][1][1]  # whatever stands beside it
    assert curves.gains(found, TASK.sign)["one"]["mean"][0] > 0


def test_an_interval_holds_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(1).normal(2.0, 1.0, (5, 4000))
    found = curves.interval(draws)
    inside = (np.array(found["low"]) < 2) & (np.array(found["high"]) > 2)
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
    with pytest.raises(CoganError, match="One seed has no scatter"):
        curves.interval([1.0])


def test_gains_are_paired_and_their_sign_is_that_of_help():
    hard = np.array([[0.0], [0.3], [0.6]])  # seeds differ by more than the source gives
    found = curves.gains({"none": hard, "worse": hard + [[0.05], [0.06], [0.04]]}, sign=-1)
    assert found["worse"]["verdict"] == ["hurts"]
    assert curves.gains({"none": hard, "it": hard}, 1)["it"]["verdict"] == ["open"]
    assert "none" not in found
    with pytest.raises(CoganError, match="no 'none' to compare with; there are worse"):
        curves.gains({"worse": hard}, 1)


def test_what_examples_are_worth():
    sizes, base = [8, 16, 32], [0.5, 0.7, 0.9]
    assert curves.worth(sizes, base, base, 1) == pytest.approx(sizes)
    errors = [0.9, 0.7, 0.5]
    assert curves.worth(sizes, errors, [0.7, 0.5, 0.1], -1) == pytest.approx([16, 32, 32])


def test_bad_tasks_are_refused_with_a_sentence():
    one = points(5, RNG)
    with pytest.raises(CoganError, match="'class' or 'map'"):
        Task("it", "klass", one, one)
    with pytest.raises(CoganError, match="labels of it are .* not of the kind 'map'"):
        Task("it", "map", one, one)
    with pytest.raises(CoganError, match="Examples are images"):
        Labelled(np.zeros((3, 1, 2, 2)), np.zeros(4))


def test_the_score_of_maps_is_an_error():
    maps = Labelled(np.zeros((3, 1, 2, 2), np.float32), np.ones((3, 2, 2), np.float32))
    task = Task("maps", "map", maps, maps)
    assert task.score(lambda images: images[:, 0] + 3) == pytest.approx(2.0)
    assert task.sign == -1
