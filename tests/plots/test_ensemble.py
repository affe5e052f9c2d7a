"""The figures of an ensemble can be drawn from stored numbers, and show them."""

import json

import numpy as np
import pytest

from cogan_lib.plots import ensemble as figures
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.validation.ensemble import judge_tiles
from tests.toy_reports import FWHM, NPIX, PIXEL, clouds, places


@pytest.fixture(scope="module")
def judged():
    real, members = clouds(8, 1), np.stack([clouds(8, seed) for seed in range(2, 6)])
    lonlat, geometry = places(np.arange(8) // 2), Geometry(NPIX, PIXEL)
    noise = np.zeros_like(members)
    found = judge_tiles(real, 9 * members, lonlat, geometry, FWHM, noise=noise, seed=1)
    return json.loads(json.dumps(found))


def test_members_are_lines_and_the_real_sky_is_hollow_where_it_is_outside(judged):
    figure = figures.band_power({"one": judged, "other": judged})
    assert len(figure.axes) == 4
    figure.canvas.draw()
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() for dot in dots] == ["white"] * len(judged["ell"])
    thin = [line for line in figure.axes[0].lines if line.get_lw() == 0.5]
    np.testing.assert_allclose([line.get_ydata() for line in thin], judged["power"]["members"])


def test_places_have_a_panel_per_bin_and_the_sky_a_mark(judged):
    figure = figures.place_among_members(judged)
    figure.canvas.draw()
    assert len(figure.axes) == len(judged["ell"])
    marks = [line.get_xdata()[0] for a in figure.axes for line in a.lines if line.get_ms() == 8]
    assert marks == judged["power"]["rank"] == [0.0] * len(marks)


def row(low, high, ratio, members=()):
    ends = {"low": ratio / 2, "high": ratio * 2}
    return {"b_deg": [low, high], "ratio": ratio, "ratio_95": ends, "members": list(members)}


def test_ratios_stand_at_their_bands_and_negative_ones_do_no_harm():
    rows = {"members' mean": [row(0, 5, 0.9, [0.8, 1.0]), row(5, 10, 1.2), row(30, 45, -0.3)],
            "before": [row(5, 10, 2.3)]}  # fmt: skip
    figure = figures.latitude_panels(rows)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0-5", "5-10", "30-45"]
    found = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(found["members' mean"], [0.9, 1.2, -0.3])
    np.testing.assert_array_equal(found["before"], [2.3])
    low, high = axes.get_ylim()
    assert low < figures.TARGET[0] and high > 4.6


def test_without_an_ensemble_the_figures_say_so():
    for figure in (
        figures.band_power({}), figures.place_among_members({}), figures.latitude_panels({"a": []})
    ):  # fmt: skip
        assert figure.axes[0].texts[0].get_text() == figures.NOTHING


def test_a_path_has_a_column_per_time_on_one_scale():
    tiles = np.arange(16.0).reshape(4, 4)
    figure = figures.flow_path([(0.0, -tiles, tiles), (0.5, tiles, tiles), (1.0, tiles, tiles)])
    figure.canvas.draw()
    assert [axes.get_title() for axes in figure.axes[:3]] == ["t = 0.00", "t = 0.50", "t = 1.00"]
    assert len({axes.images[0].get_clim() for axes in figure.axes[:6]}) == 1
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), -tiles)
