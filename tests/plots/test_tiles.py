"""Figures of chapter 01: they draw what they are given, awkward values included."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from cogan_lib.base.files import CoganError
from cogan_lib.plots import tiles as figures
from cogan_lib.plots.style import column_norm
from cogan_lib.tiles import tiling


def test_planes_leave_out_what_has_no_logarithm():
    x = np.random.default_rng(1).lognormal(size=2000)
    y = 2 * x
    x[:100] = -1.0
    figure = figures.density_planes({"x": x, "y": y}, y, "y")
    medians = figure.axes[0].lines[0]
    np.testing.assert_allclose(medians.get_ydata(), 2 * medians.get_xdata(), rtol=0.3)


def test_a_scale_needs_something_to_draw():
    for name, values in (
        ("DUST", np.zeros(4)),
        ("N_HI", -np.ones(4)),
        ("W_CO21", np.full(4, np.nan)),
    ):
        with pytest.raises(CoganError, match=f"column {name} has no value"):
            column_norm(name, values)
    norm = column_norm("DUST", np.array([-1.0, 0.0, np.nan, 2.0, 8.0]))
    assert 2 <= norm.vmin < norm.vmax <= 8


def test_a_tile_across_longitude_zero_has_short_coordinate_lines():
    geometry = tiling.Geometry(32, 15.0)
    lon, lat = (v[0] for v in tiling.tile_lonlat(geometry, np.array([[0.5, 10.0]])))
    tile = lat / 10
    figure = figures.cutting_panels(tile, (lon, lat), {"a": tile, "b": 0 * tile}, "W_CO21", "K")
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels
    assert not {"362°", "-2°", "-4°"} & set(labels)


def test_a_region_shows_the_pixels_under_its_points():
    values = np.arange(12.0)
    points = np.stack([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    np.testing.assert_array_equal(figures.region(values, points) >= 8, [False, True])


def test_what_is_below_zero_is_red():
    ringed, clean = np.full((4, 4), 5.0), np.geomspace(1, 100, 16).reshape(4, 4)
    ringed[0, 0] = -0.1
    figure = figures.ring_panels({"1.1": ringed, "2.2": clean}, "DUST", "mag")
    image = figure.axes[0].images[0]
    colours = image.cmap(image.norm(image.get_array()))
    assert tuple(colours[0, 0]) == (1.0, 0.0, 0.0, 1.0)
    assert not (colours[1:] == (1.0, 0.0, 0.0, 1.0)).all(axis=-1).any()


def test_the_other_figures_are_drawn():
    tiles = np.random.default_rng(2).normal(size=(2, 16, 16))
    cells = np.repeat([[0] * 8 + [1] * 8], 16, axis=0)
    for figure in (
        figures.round_trip_panels(tiles[0], tiles[0], cells, 4.0, "W_CO21", "K km/s"),
        figures.scaling_histograms({"a": tiles, "b": tiles, "c": tiles}),
        figures.scaled_tiles({"physical": tiles, "scaled": tiles}, "ab", "W_CO21", "K km/s"),
    ):
        assert isinstance(figure, Figure)
        figure.canvas.draw()
