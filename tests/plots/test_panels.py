"""Skies have a graticule and tiles a scale, colour bars few ticks, and none of it collides."""

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cogan_lib.plots import panels, style

RANGES = [
    ("DUST", (0.01, 30.0)),
    ("DUST", (2.1, 3.4)),  # less than a factor of two
    ("N_HI", (5e19, 2e22)),
    ("N_HI", (1.2e20, 1.5e20)),
    ("N_HI", (1.4e21, 2.6e21)),
    ("W_CO10", (-0.5, 2.0)),
    ("W_CO21", (-0.5, 450.0)),
    ("EBV_SFD", (1e-4, 1e-2)),
]


def tiles_of(low, high, shape=(2, 16, 16)):
    return np.geomspace(max(low, 1e-3), high, int(np.prod(shape))).reshape(shape)


def extents(axis):
    """Start and end of each tick label along its axis, in pixels, in order."""
    axis.figure.canvas.draw()
    labels = [label for label in axis.get_ticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    vertical = axis.axis_name == "y"
    return sorted((b.y0, b.y1) if vertical else (b.x0, b.x1) for b in boxes)


@pytest.mark.parametrize("draw", ["tiles", "skies"])
@pytest.mark.parametrize(("name", "ends"), RANGES)
def test_ticks_of_colour_bars_stand_apart(name, ends, draw):
    if draw == "tiles":
        figure = panels.tile_panels({name: tiles_of(*ends)}, units="cm-2")
    else:
        sky = tiles_of(*ends, shape=(12 * 16**2,))
        figure = panels.sky_panels({name: sky}, "cm-2")
    FigureCanvasAgg(figure)
    bar = figure.axes[-1]
    axis = bar.yaxis if draw == "tiles" else bar.xaxis
    found = extents(axis)
    assert 2 <= len(found) <= 8
    assert all(a[1] <= b[0] for a, b in zip(found, found[1:], strict=False)), found


def test_ticks_are_round_and_inside():
    for low, high in ((0.8, 1200.0), (0.03, 0.9), (2.1, 3.4), (1e19, 3e22)):
        ticks = style.few_ticks(colors.LogNorm(low, high))
        assert low <= ticks[0] and ticks[-1] <= high and len(ticks) >= 2
    assert style.few_ticks(colors.AsinhNorm(1.0, -1.0, 100.0))[0] == 0.0
    narrow = [style.tick_label(tick) for tick in style.few_ticks(colors.LogNorm(1.4e21, 2.6e21))]
    assert len(set(narrow)) == len(narrow) >= 2, "no two ticks are called the same"
    assert style.tick_label(1.6e21) == "$1.6\\times10^{21}$"
    assert style.tick_label(2e20) == "$2\\times10^{20}$" and style.tick_label(1e21) == "$10^{21}$"


@pytest.mark.parametrize(
    ("npix", "pixel", "length"),
    [(64, 7.5, "2°"), (32, 15, "2°"), (128, 1.5, "1°"), (32, 1.5, "18′")],
)
def test_a_scale_bar_has_the_length_that_it_says(npix, pixel, length):
    figure = panels.tile_panels({"DUST": tiles_of(0.1, 3, (2, npix, npix))}, pixel_arcmin=pixel)
    first = figure.axes[0]
    (bar,), (label,) = first.lines, first.texts
    degrees = float(label.get_text()[:-1]) / (1 if label.get_text()[-1] == "°" else 60)
    assert np.ptp(bar.get_xdata()) == pytest.approx(degrees * 60 / pixel)
    assert np.ptp(bar.get_xdata()) < npix / 2
    assert first.get_xlim() == (-0.5, npix - 0.5)
    assert not figure.axes[1].lines, "one bar is enough"


def test_skies_have_coordinates_that_leave_the_plane_free():
    figure = panels.sky_panels({"DUST": tiles_of(0.1, 3, (12 * 16**2,))}, "mag")
    sky = figure.axes[0]
    assert {text.get_text() for text in sky.texts} == {"120°", "60°", "0°", "300°", "240°"}
    for text in sky.texts:
        assert abs(np.degrees(text.xy[1])) > 50
        # longitude grows to the left
        assert text.get_text() == f"{round(-np.degrees(text.xy[0])) % 360}°"
    assert [label.get_text() for label in sky.get_yticklabels()][-1] == "60°"
