"""Figures of HII regions: what is drawn is what was given, legibly."""

from functools import partial

import numpy as np
import pytest

from cogan_lib.companions.hii_regions import figures
from cogan_lib.companions.hii_regions.evaluation import K_EDGES, TESTS, corners
from cogan_lib.companions.hii_regions.physics import RANGES, SHAPES, SIDE
from cogan_lib.plots.style import GENERATED
from tests.legible import check_legible

RNG = np.random.default_rng(8)
IMAGES = RNG.random((32, SIDE, SIDE))
NUMBERS = RNG.uniform(*np.transpose(list(RANGES.values())), (300, 4))
RINGS = len(K_EDGES) - 1
RATIOS = {f"seed {i}": 1 + 0.02 * i * np.ones(RINGS) for i in (1, 2, 3)}
ERRORS = {name: np.full(RINGS, 0.01) for name in RATIOS}
FULL = dict(zip(corners(), np.linspace(0, 2, 16), strict=True))
GOOD = dict.fromkeys(TESTS, True)

ALL = {
    "panels": partial(figures.panels, IMAGES[:16], IMAGES[16:]),
    "walk": partial(figures.walk, IMAGES[:24].reshape(3, 8, SIDE, SIDE)),
    "region": partial(figures.region, IMAGES[0], NUMBERS[0]),
    "distributions": partial(
        figures.distributions, NUMBERS, {"seed 1": NUMBERS[:200], "collapsed": NUMBERS[:5]}
    ),
    "spectrum": partial(figures.spectrum, RATIOS, ERRORS),
    "coverage": partial(figures.coverage_map, {"healthy": FULL, "collapsed": FULL}),
    "verdicts": partial(
        figures.verdicts, {"real": GOOD, "copies": {**GOOD, "nearest": False}, "collapsed": GOOD}
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_texts_can_be_read_in_the_book_and_stand_apart(name):
    check_legible(ALL[name]())


def test_images_are_those_given_on_one_scale():
    figure = ALL["panels"]()
    shown = [axes.images[0] for axes in figure.axes]
    np.testing.assert_array_equal([image.get_array() for image in shown], IMAGES)
    assert {image.norm for image in shown} == {figures.BRIGHTNESS}
    rows = [axes.images[0].get_array() for axes in ALL["walk"]().axes]
    np.testing.assert_array_equal(rows, IMAGES[:24])
    (axes,) = ALL["region"]().axes
    assert f"radius {NUMBERS[0, 0]:.1f} pixels" in axes.get_title()
    assert all(name in axes.get_title() for name in SHAPES)


def test_distributions_have_one_area():
    for axes in ALL["distributions"]().axes:
        bars = axes.patches[:30]
        area = sum(bar.get_height() * bar.get_width() for bar in bars)
        assert area == pytest.approx(1)
    assert axes.patches[30].get_edgecolor()[:3] == pytest.approx(
        [int(GENERATED[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    )


def test_a_spectrum_has_its_limit_and_intervals():
    (axes,) = ALL["spectrum"]().axes
    lines = {line.get_label(): line for line in axes.lines}
    for name, ratio in RATIOS.items():
        np.testing.assert_array_equal(lines[name].get_ydata(), ratio)
        assert lines[name].get_xdata()[0] == 1.5
    bands = axes.collections
    assert len(bands) == 3
    heights = bands[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1.0, 1.04))


def test_corners_stand_where_their_letters_say():
    axes = ALL["coverage"]().axes[0]
    values = axes.images[0].get_array()
    assert values[2, 1] == FULL["+--+"]  # high radius, low thickness; low ellipticity, high asymm.
    assert axes.get_yticklabels()[2].get_text() == "high\nlow"
    assert axes.get_xticklabels()[1].get_text() == "low\nhigh"


def test_verdicts_say_who_sees():
    (axes,) = ALL["verdicts"]().axes
    words = np.array([text.get_text() for text in axes.texts]).reshape(3, len(TESTS))
    assert np.argwhere(words == "sees it").tolist() == [[1, TESTS.index("nearest")]]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["real", "copies", "collapsed"]
