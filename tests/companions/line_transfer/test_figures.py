"""Figures of the chapter on lines: axes in au, channels by sign, colour bars that can be read."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cogan_lib.companions.line_transfer import figures, winds

CHANNELS_KMS = winds.CHANNELS / 1e3


def slices_of(coldest, hottest):
    ramp = np.geomspace(coldest, hottest, 64).reshape(8, 8)
    v = np.linspace(-1.4, 1.4, 64).reshape(8, 8)
    return {"density": 1e7 * ramp, "temperature": ramp, "velocity": v, "depth": 10 * v}


def stand_apart(axis):
    """Whether no two tick labels of an axis overlap; with their texts."""
    labels = [label for label in axis.get_ticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    ends = sorted((b.y0, b.y1) if axis.axis_name == "y" else (b.x0, b.x1) for b in boxes)
    apart = all(a[1] <= b[0] for a, b in zip(ends, ends[1:], strict=False))
    return apart, [label.get_text() for label in labels]


@pytest.mark.parametrize("ends", [(90.0, 700.0), (20.0, 2400.0), (110.0, 250.0), (130.0, 190.0)])
def test_a_wind_has_axes_in_au_and_ticks_that_stand_apart(ends):
    images = np.geomspace(0.1, 40.0, 7 * 64).reshape(7, 8, 8)
    figure = figures.wind_and_images(slices_of(*ends), images, CHANNELS_KMS, 200.0)
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            apart, texts = stand_apart(axis)
            assert apart, texts
            assert len(texts) <= 5, texts
    maps = [axes for axes in figure.axes if axes.get_xlabel() == "x [au]"]
    assert len(maps) == 5, "four slices, and the first channel"
    for axes in maps:
        assert axes.get_xlim() == axes.get_ylim() == (-200.0, 200.0)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[0] == "−12 km/s" and titles[3] == "0 km/s" and titles[6] == "+12 km/s"


def test_a_cut_puts_gas_that_comes_towards_us_on_the_left():
    v = np.linspace(-24.0, 24.0, 25)
    cut = np.full((25, 8), 0.3)
    cut[4, 6] = 30.0
    figure = figures.position_velocity(cut, v, 200.0, 16.0)
    FigureCanvasAgg(figure).draw()
    axes, bar = figure.axes
    (image,) = axes.images
    row, column = np.unravel_index(np.argmax(image.get_array()), (8, 25))
    left, right, bottom, top = image.get_extent()
    assert left + (column + 0.5) * (right - left) / 25 == pytest.approx(v[4])
    assert bottom + (row + 0.5) * (top - bottom) / 8 == pytest.approx(125.0)
    assert [line.get_xdata()[0] for line in axes.lines] == [-16.0, 16.0]
    apart, texts = stand_apart(bar.yaxis)
    assert apart and 2 <= len(texts) <= 5, texts


def test_pictures_of_a_case_stand_as_those_of_a_wind_do():
    images = np.full((7, 8, 8), 0.3)
    images[:, 6, 1] = 30.0  # up and to the left
    figure = figures.cases({"best": (images, images)}, CHANNELS_KMS, 200.0)
    FigureCanvasAgg(figure).draw()
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 14
    for axes in pictures:
        assert axes.images[0].origin == "lower"
        assert axes.get_xlim() == axes.get_ylim() == (-200.0, 200.0)
    (bar,), (label,) = pictures[0].lines, pictures[0].texts
    assert np.ptp(bar.get_xdata()) == 100.0 and label.get_text() == "100 au"


def test_the_legend_of_the_rules_covers_no_curve():
    fine, coarse = np.linspace(0, 400, 200), np.linspace(0, 400, 9)
    errors = {
        f"{rule}, v_turb {v} km/s": {32: e, 64: e / 3, 128: e / 9, 256: 0.002}
        for rule, v, e in (
            ("exact between points", 1.5, 0.02),
            ("trapezoid", 1.5, 0.05),
            ("exact between points", 0.15, 0.03),
            ("trapezoid", 0.15, 0.4),
        )
    }
    figure = figures.ray(fine, np.exp(-fine), coarse, np.exp(-coarse), errors)
    FigureCanvasAgg(figure).draw()
    right = figure.axes[1]
    box = right.get_legend().get_window_extent()
    for line in right.lines:
        points = right.transData.transform(line.get_xydata())
        pairs = zip(points, points[1:], strict=False)
        way = np.concatenate([np.linspace(a, b, 50) for a, b in pairs])
        assert not box.count_contains(way), line.get_label()
