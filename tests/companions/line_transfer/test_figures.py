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


def of_the_ticks(axis):
    apart, texts = stand_apart(axis)
    assert apart and len(texts) >= 2, texts
    return texts


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


def test_compared_cuts_share_a_scale_and_show_the_emulator_minus_the_solver():
    v = np.linspace(-24.0, 24.0, 25)
    real = np.full((25, 8), 0.3)
    real[4, 6], brighter = 30.0, real.copy()
    brighter[4, 6] = 34.0
    figure = figures.cuts_compared({"solver": real, "emulator": brighter}, v, 200.0)
    FigureCanvasAgg(figure).draw()
    solver, emulator, apart = (axes.images[0] for axes in figure.axes[:3])
    assert solver.norm.vmax == emulator.norm.vmax == 30.0
    found = apart.get_array()
    assert found.shape == (8, 25) and found[6, 4] == pytest.approx(4.0)
    assert np.count_nonzero(found) == 1
    assert apart.norm.vmin == -apart.norm.vmax
    assert [axes.get_title() for axes in figure.axes[:3]] == ["solver", "emulator", "difference"]


@pytest.mark.parametrize(("best", "worst"), [(1.2, 4), (4.0, 4), (30.0, 4), (8.0, 300)])
def test_a_race_marks_medians_and_a_rival_and_its_ticks_stand_apart(best, worst):
    rng = np.random.default_rng(0)
    names = ("cubes", "rays", "the mean picture")
    found = {
        name: {
            "max_rel": best * factor * np.exp(0.3 * rng.standard_normal(101)),
            "zncc": 1 - 0.1 * min(factor, 8) * rng.random(101),
            "ssim": 1 - 0.1 * min(factor, 8) * rng.random(101),
        }
        for name, factor in zip(names, (worst, 1, 8), strict=True)
    }
    figure = figures.race(found, "the mean picture")
    FigureCanvasAgg(figure).draw()
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["cubes", "rays"]
    for axes, key in zip(figure.axes, ("max_rel", "zncc", "ssim"), strict=True):
        of_the_ticks(axes.xaxis)
        points, rival = axes.lines[0], axes.lines[-1]
        np.testing.assert_allclose(
            points.get_xdata(), [np.median(found[n][key]) for n in names[:2]]
        )
        assert rival.get_xdata()[0] == np.median(found[names[2]][key])
    assert first.get_ylim()[0] > first.get_ylim()[1], "the first network stands above"


def test_fits_are_drawn_over_the_truth_in_the_plane_of_the_orbit():
    radius, turn = np.linspace(16, 200, 20), np.linspace(0, 6, 50)
    laws = {name: 10 + k * np.sqrt(radius) for k, name in enumerate(("truth", "a", "b"))}
    arms = {name: 30 * turn * np.array([np.cos(turn), np.sin(turn)]) for name in laws}
    figure = figures.fits(radius, laws, np.geomspace(1e7, 1e9, 64).reshape(8, 8), arms, 200.0)
    FigureCanvasAgg(figure).draw()
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == list(laws)
    assert right.get_xlim() == right.get_ylim() == (-200.0, 200.0)
    assert right.images[0].origin == "lower" and len(right.lines) == 3
    of_the_ticks(left.xaxis)
