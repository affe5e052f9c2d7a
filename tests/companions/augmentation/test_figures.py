"""Figures of learning curves: what is drawn is what was given, legibly."""

from functools import partial

import numpy as np
import pytest

from cogan_lib.companions.augmentation import curves, figures
from cogan_lib.companions.augmentation.balance import SCORES
from tests.legible import check_legible

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
NAMES = ("none", "flips, 90°", "any pose", "noise", "Gaussian of the few", "GAN, named by the few",
         "GAN, measured", "wrong simulator", "simulator")  # fmt: skip
RNG = np.random.default_rng(6)
SCORED = {name: 0.6 + 0.04 * np.arange(8) + 0.02 * i + RNG.normal(0, 0.02, (4, 8))
          for i, name in enumerate(NAMES)}  # fmt: skip
SUMMARY = {name: curves.interval(values) for name, values in SCORED.items()}
GAINS = curves.gains(SCORED, 1)
REMEDIES = ("never", "plain", "threshold", "weights", "oversampled", "GAN, named by the few")
RARE = {
    name: {key: curves.interval(0.5 + 0.1 * RNG.random(4)) for key in SCORES} for name in REMEDIES
}
IMAGES = {name: RNG.random((8, 16, 16)) for name in NAMES[:4]}
ALL = {
    "curves": partial(figures.curves, SIZES, SUMMARY, "share of right answers",
                      {"measured, untrained": 0.92}),
    "gains": partial(figures.gains, SIZES, GAINS, "gain in accuracy"),
    "verdicts": partial(figures.table_of_verdicts, SIZES, GAINS),
    "imbalance": partial(figures.imbalance, RARE),
    "examples": partial(figures.examples, IMAGES),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_texts_can_be_read_in_the_book_and_stand_apart(name):
    check_legible(ALL[name]())


def test_curves_and_bands_are_those_given_and_none_is_black():
    (axes,) = ALL["curves"]().axes
    lines = {line.get_label(): line for line in axes.lines}
    for name in NAMES:
        np.testing.assert_array_equal(lines[name].get_ydata(), SUMMARY[name]["mean"])
    assert lines["none"].get_color() == figures.REAL
    looks = {(line.get_color(), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == len(lines)
    low = axes.collections[0].get_paths()[0].vertices[:, 1].min()
    assert low == pytest.approx(min(SUMMARY["none"]["low"]))


def test_gains_are_full_marks_where_they_are_more_than_chance():
    grid = [axes for axes in ALL["gains"]().axes if axes.get_visible()]
    assert [axes.get_title() for axes in grid] == list(GAINS)
    for axes, gain in zip(grid, GAINS.values(), strict=True):
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        assert [line.get_ydata()[0] for line in marks] == gain["mean"]
        full = [line.get_markerfacecolor() != "none" for line in marks]
        assert full == [verdict != "open" for verdict in gain["verdict"]]


def test_a_table_has_brackets_where_nothing_is_known():
    (axes,) = ALL["verdicts"]().axes
    words = np.array([text.get_text() for text in axes.texts]).reshape(len(GAINS), len(SIZES))
    for row, gain in zip(words, GAINS.values(), strict=True):
        assert [word[0] == "(" for word in row] == [word == "open" for word in gain["verdict"]]


def test_a_useless_classifier_stands_on_the_line():
    for axes, useless in zip(ALL["imbalance"]().axes, (0.95, 0.5, 0.5), strict=True):
        assert axes.lines[0].get_xdata()[0] == useless
