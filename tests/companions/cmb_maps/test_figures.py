"""Figures of the chapter: what is drawn is what was given."""

import numpy as np
from matplotlib.figure import Figure

from cogan_lib.companions.cmb_maps import figures, rivals
from cogan_lib.companions.cmb_maps.statistics import THRESHOLDS

RNG = np.random.default_rng(1)
MAPS = RNG.normal(0, 100, (3, 64, 64))
ELL = np.linspace(80, 1040, 15)


def drawn(figure):
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure.axes


def test_maps_share_a_scale():
    axes = drawn(figures.map_rows({"exact": MAPS, "generated": MAPS}, ["a", "b", "c"]))
    assert len({one.images[0].get_clim() for one in axes[:6]}) == 1
    assert [one.get_title() for one in axes[:3]] == ["a", "b", "c"]


def test_frame_of_the_film():
    left, right, _ = drawn(figures.frame(np.pi / 4, MAPS[0], MAPS[1], 300.0))
    assert left.get_title() == "angle 45°"
    assert np.abs(np.asarray(left.images[0].get_array()) - MAPS[0]).max() < 300 / 64 + 1


def test_power_and_its_interval():
    (axes,) = drawn(figures.power(ELL, {"generated": (np.ones(15), np.full(15, 0.1))}))
    assert "over expected" in axes.get_ylabel()


def test_why_they_fail_shows_networks_and_samplers():
    ratios = {kind: np.ones(15) for kind in rivals.KINDS}
    perfect = {kind: np.ones(4) for kind in rivals.KINDS} | {"variance": np.logspace(-1, 1, 4)}
    left, right = drawn(figures.why_they_fail(ELL, ratios, perfect))
    assert len(left.lines) == len(right.lines) == 4


def test_response_names_the_slopes():
    some = RNG.uniform(-1, 1, (9, 5))
    axes = drawn(figures.response(some, some, some, [1, 2, 3, 4, 5]))
    assert axes[3].get_title().endswith("4.00")


def test_shapes_with_and_without_formulas():
    curves = np.ones((3, THRESHOLDS.size))
    assert len(drawn(figures.shapes(curves, curves, curves))[0].lines) == 3
    assert len(drawn(figures.shapes(curves, curves))[0].lines) == 2


def test_posteriors_hold_the_right_shares():
    x, y = np.linspace(-3, 3, 61), np.linspace(-3, 3, 61)
    density = np.exp(-(x[:, None] ** 2 + y**2) / 2)
    (axes,) = drawn(figures.posteriors((x, y), {"exact": density / density.sum()}, (0, 0)))
    outer, inner = axes.collections[0].get_paths()
    assert np.hypot(*outer.vertices.T).max() > 2.4 > 1.6 > np.hypot(*inner.vertices.T).max()
