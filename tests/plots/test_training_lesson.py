"""Figures of chapter 00: they show the walk that was walked, legibly, and refuse what is none."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.plots import training_lesson as figures
from tests.legible import check_legible

A, B = np.linspace(-3, 1, 21), np.linspace(-0.5, 2.5, 16)
RNG = np.random.default_rng(1)
X = RNG.normal(1.2, 0.4, 200)
Y = -1.6 + 1.3 * X + RNG.normal(0, 0.3, X.size)
AXES = ("log dust", "log CO")


@pytest.fixture(scope="module")
def landscape():
    misfit = A[:, None] + B[:, None, None] * X - Y
    return figures.Landscape(A, B, np.mean(misfit**2, axis=-1))


def drawn(axes):
    """Points of all lines in a panel."""
    return [np.transpose(line.get_data()) for line in axes.lines]


def test_the_star_stands_at_the_lowest_place(landscape):
    lines = {"flat": (0.0, 0.0), "right": (-1.6, 1.3)}
    figure = figures.landscape_and_data(landscape, lines, (X, Y), AXES)
    left, right = figure.axes
    star, *marks = drawn(left)
    np.testing.assert_allclose(star[0], (-1.6, 1.3), atol=0.2)
    np.testing.assert_allclose(np.concatenate(marks), list(lines.values()))
    ends = drawn(right)[2]
    np.testing.assert_allclose(ends[:, 1], -1.6 + 1.3 * ends[:, 0])
    assert [text.get_text() for text in right.get_legend().get_texts()] == list(lines)
    check_legible(figure)


def test_a_walk_that_runs_away_moves_no_rim(landscape):
    walks = {"calm": np.array([[0, 1.0], [-1, 1.2]]), "wild": np.array([[0, 1.0], [1e9, -1e9]])}
    figure = figures.paths(landscape, walks)
    for axes in figure.axes:
        assert axes.get_xlim() == (A[0], A[-1]) and axes.get_ylim() == (B[0], B[-1])
    check_legible(figure)


def test_a_step_shows_the_walk_so_far_and_its_line(landscape):
    walk = np.array([[0.0, 1.0], [-1.0, 0.5], [-1.6, 1.3]])
    figure = figures.descent(landscape, walk, 1, (X, Y), AXES)
    left, right = figure.axes
    np.testing.assert_array_equal(drawn(left)[1], walk[:2])
    ends = drawn(right)[1]
    np.testing.assert_allclose(ends[:, 1], -1.0 + 0.5 * ends[:, 0])
    assert left.get_title() == "after 1 step" and right.get_title() == "a = −1.00, b = 0.50"
    check_legible(figure)
    for step in (-1, 3):
        with pytest.raises(CoganError, match=f"steps 0 to 2, but not {step}"):
            figures.descent(landscape, walk, step, (X, Y), AXES)


def test_the_lowest_validation_error_is_marked():
    history = {
        "steps": [5, 10, 50, 100],
        "training": [0.4, 0.3, 0.1, 0.03],
        "validation": [0.4, 0.28, 0.3, 0.4],
    }
    curves = {"after 10 steps": (X, Y), "after 100 steps": (X, 9 * Y)}
    figure = figures.overfitting((X[:9], Y[:9]), (X, Y), curves, history, AXES)
    left, right = figure.axes
    np.testing.assert_allclose(drawn(right)[2], [[10, 0.28]])
    assert left.get_ylim()[1] < 2 * Y.max(), "a curve that leaves the data moves no rim"
    check_legible(figure)


def test_what_is_no_landscape_is_one_sentence():
    with pytest.raises(CoganError, match=r"shape \(16, 21\), at least \(2, 2\), not \(21, 16\)"):
        figures.Landscape(A, B, np.ones((21, 16)))
    for bad in (0.0, np.nan):
        with pytest.raises(CoganError, match="finite and above zero"):
            figures.Landscape(A, B, np.full((16, 21), bad))
    flat = figures.Landscape(A, B, np.ones((16, 21)))
    assert figures.paths(flat, {"still": np.zeros((1, 2))}).axes
