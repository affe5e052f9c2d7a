"""Figures of the chapter on compact sources: what is drawn is what was given, legibly."""

from functools import partial

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from cogan_lib.companions.compact_sources import figures, map_figures
from cogan_lib.companions.compact_sources.masks import hole, ring
from cogan_lib.plots import slider
from cogan_lib.plots.style import BASE, GENERATED
from tests.legible import check_legible

RNG = np.random.default_rng(4)
SIDE = 96
IMAGES = RNG.normal(0, 1, (3, SIDE, SIDE))
HOLES = hole(SIDE, 9.0, np.array([48.0, 47.6, 48.3]), np.array([48.0, 48.2, 47.9]))
RING = ring(SIDE, 10, 22, 48, 48)
STRIPES = np.repeat(RING[:, 48:49], SIDE, axis=1)
SOURCE = 200 * np.exp(-0.1 * ((np.indices((SIDE, SIDE)) - 48) ** 2).sum(0))
TITLES = (
    *("image", "real background", "annulus", "biharmonic", "masked network"),
    *("Gaussian process", "Gaussian process, a draw"),
)
COLUMNS = {title: IMAGES + 100 * SOURCE * (title == "image") for title in TITLES}
EDGES = (3, 30, 300, 3000, 30000)
FLUX_METHODS = ("joint network", "Gaussian process", "masked network", "PSF fit", "biharmonic")
FLUX_METHODS += ("annulus", "Background2D")
ERRORS = {
    name: [(0.3 * i + 0.01 * j, 0.28 * i, 0.35 * i) for j in range(4)]
    for i, name in enumerate(FLUX_METHODS, start=1)
}
ERRORS["annulus"][3] = (np.nan, np.nan, np.nan)
WIDER = (-10, -5, 0, 5, 10)
K = np.arange(1, SIDE // 2 + 1) / SIDE
POWER = {name: 1 + 0.1 * i * K for i, name in enumerate(TITLES[2:], start=1)}
VARIANCES = {name: (0.2 * i, 0.18 * i, 0.25 * i) for i, name in enumerate(TITLES[2:], start=1)}
ABLATION = {
    "all losses, unmasked pixels": (0.81, 0.78, 0.85),
    "no style": (0.8, 0.77, 0.84),
    "min-max with the source": (1.1, 1.07, 1.14),
}
CONSTANTS = np.geomspace(0.01, 100, 9)
FORMS = {"ratio form": (CONSTANTS, CONSTANTS), "released form": (CONSTANTS, CONSTANTS / 576)}
MAP = np.pad(RNG.normal(5, 1, (120, 200)), ((0, 0), (10, 0)), constant_values=np.nan)
SOURCES = np.array([(30.0, 40.0), (104.4, 60.0), (104.6, 20.0), (180.0, 90.0)])
HIDDEN = np.zeros(MAP.shape, dtype=bool)
HIDDEN[88:93, 178:183] = True

KINDS = ("Gaussian", "log-normal", "filaments")

ALL = {
    "cutout": partial(map_figures.cutout, IMAGES[0] + SOURCE, HOLES[0], RING, STRIPES),
    "fills": partial(map_figures.fills, COLUMNS, HOLES, KINDS),
    "flux errors": partial(figures.flux_errors, EDGES, ERRORS, "with pixel noise"),
    "widths": partial(
        figures.widths, WIDER,
        {name: i * np.array(WIDER) for i, name in enumerate(FLUX_METHODS, start=1)},
    ),
    "power": partial(figures.power, K, POWER, 0.25),
    "variances": partial(figures.variances, VARIANCES),
    "before": partial(map_figures.before_after, MAP, MAP + 1, SOURCES, HIDDEN, 1.0),
    "before and after": partial(map_figures.before_after, MAP, MAP + 1, SOURCES, HIDDEN, 0.5),
    "after": partial(map_figures.before_after, MAP, MAP + 1, SOURCES, HIDDEN, 0.0),
    "ablation": partial(figures.ablation, ABLATION),
    "last layer": partial(figures.last_layer, FORMS),
}  # fmt: skip


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize("name", ALL)
def test_texts_can_be_read_in_the_book_and_stand_apart(name):
    check_legible(ALL[name]())


def test_axes_say_what_and_in_which_unit():
    labels = {
        label
        for draw in ALL.values()
        for axes in draw().axes
        for label in (axes.get_xlabel(), axes.get_ylabel())
    }
    bare = {"constant given", "value predicted", "", *KINDS}  # of no unit
    for label in labels - bare:
        unit = label.endswith(("[%]", "[rms]", "[cycles per pixel]", " rms", " pixels"))
        assert unit or " over " in label, label


def test_methods_look_the_same_in_all_figures_and_no_two_alike():
    chosen = figures.looks(figures.METHODS)
    assert len({tuple(look.values()) for look in chosen.values()}) == len(chosen)
    some = figures.looks(["something new", "annulus", "joint network", "another"])
    assert some["annulus"] == chosen["annulus"] and list(some)[0] == "something new"
    assert len({tuple(look.values()) for look in some.values()}) == 4


def test_a_cutout_has_its_annulus_twice_and_counts_in_the_ring_s_rms():
    image = 7 + 2 * (IMAGES[0] + SOURCE)
    image[28:36, 80:] += 50.0  # seen by the stripes alone
    figure = map_figures.cutout(image, HOLES[0], RING, STRIPES)
    left, right, bar = figure.axes
    expected = (image - np.median(image[RING])) / image[RING].std()
    for axes, around in ((left, RING), (right, STRIPES)):
        picture, tint = axes.images
        np.testing.assert_allclose(picture.get_array(), expected)
        np.testing.assert_array_equal(tint.get_array()[..., 3] > 0, around)
        assert isinstance(picture.norm, colors.AsinhNorm) and picture.norm.vmax == expected.max()
        outline, hidden = axes.collections
        reach = {BASE: 22, GENERATED: 9}
        for drawn, colour in ((outline, BASE), (hidden, GENERATED)):
            assert colors.to_hex(drawn.get_edgecolor()[0]) == colour
            corners = drawn.get_paths()[0].vertices
            assert corners[:, 1].max() == pytest.approx(48 + reach[colour], abs=0.51)
    assert left.get_xlabel() == "standard deviation: 1 rms"
    more = image[STRIPES].std() / image[RING].std()
    assert more > 2 and right.get_xlabel() == f"standard deviation: {more:.3g} rms"
    assert right.get_title() == "of an array of shape (1, 96, 96)"
    assert bar.get_ylabel().endswith("[rms]")
    faint = map_figures.cutout(IMAGES[0] + SOURCE / 10, HOLES[0], RING, STRIPES)
    assert {-3, 0, 3} <= set(faint.axes[2].get_yticks()), "what is below the ring has a number, too"


def test_fills_share_a_row_s_colours_and_show_the_middle():
    figure = ALL["fills"]()
    grid = np.array(figure.axes).reshape(3, len(TITLES))
    for row, line in enumerate(grid):
        for axes, title in zip(line, TITLES, strict=True):
            (picture,) = axes.images
            np.testing.assert_array_equal(picture.get_array(), COLUMNS[title][row, 24:72, 24:72])
            (outline,) = axes.collections
            corners = outline.get_paths()[0].vertices
            assert corners.mean(axis=0) == pytest.approx([24, 24], abs=0.6)
        assert len({axes.images[0].get_clim() for axes in line}) == 1
        assert line[0].images[0].get_clim()[1] < 4  # the source has no part in it
    assert [axes.get_title().replace("\n", " ") for axes in grid[0]] == list(TITLES)
    assert tuple(axes.get_ylabel() for axes in grid[:, 0]) == KINDS


def test_fills_of_small_cutouts_are_whole():
    nothing = np.zeros((1, 32, 32), dtype=bool)
    figure = map_figures.fills({"image": IMAGES[:1, :32, :32]}, nothing, KINDS[:1])
    assert figure.axes[0].images[0].get_array().shape == (32, 32)
    assert not figure.axes[0].collections


def test_flux_errors_stand_in_their_decades_with_their_intervals():
    (axes,) = ALL["flux errors"]().axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert len(axes.containers) == len(ERRORS)
    places = []
    for bars, (name, three) in zip(axes.containers, ERRORS.items(), strict=True):
        data, _, (lengths,) = bars.lines
        value, low, high = np.transpose(three)
        np.testing.assert_array_equal(data.get_ydata(), value)
        drawn = np.array([segment[:, 1] for segment in lengths.get_segments() if len(segment)])
        good = np.isfinite(value)
        np.testing.assert_allclose(drawn, np.stack([low, high], 1)[good])
        assert data.get_color() == figures.METHODS[name][0] and bars.get_label() == name
        places.append(data.get_xdata())
    assert (np.array(places) > EDGES[:-1]).all() and (np.array(places) < EDGES[1:]).all()
    assert (np.diff(places, axis=0) > 0).all()
    assert axes.get_ylim()[0] < 0.28 and axes.get_ylim()[1] > 0.35 * len(ERRORS)
    assert axes.get_title() == "with pixel noise"


def test_widths_are_those_given_around_a_line_at_zero():
    (axes,) = ALL["widths"]().axes
    zero, *drawn = axes.lines
    assert set(zero.get_ydata()) == {0}
    for number, (line, name) in enumerate(zip(drawn, FLUX_METHODS, strict=True), start=1):
        np.testing.assert_array_equal(line.get_xdata(), WIDER)
        np.testing.assert_array_equal(line.get_ydata(), number * np.array(WIDER))
        assert line.get_label() == name
    assert list(axes.get_xticks()) == list(WIDER)


def test_power_has_its_band_its_beam_and_no_line_that_hides_the_rest():
    (axes,) = figures.power(K, POWER | {"annulus": 1 + 90 * K}, 0.25).axes
    lines = lines_of(axes)
    np.testing.assert_array_equal(lines["biharmonic"].get_ydata(), POWER["biharmonic"])
    np.testing.assert_array_equal(lines["annulus (to 46)"].get_xdata(), K)
    both = figures.power(K, {"annulus": np.where(K < 0.2, 0.4, 2.0)}, 0.25).axes[0]
    assert "annulus (to 0.4 and 2)" in lines_of(both)
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.95, 1.05))
    assert any(set(line.get_xdata()) == {0.25} for line in axes.lines)
    assert axes.get_xscale() == "log" and axes.get_ylim() == (0.9, 1.3)
    assert axes.get_xlim() == (K[0], K[-1])


def test_variances_have_a_row_a_method_and_a_line_at_one():
    (axes,) = ALL["variances"]().axes
    assert set(axes.lines[0].get_xdata()) == {1}
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(VARIANCES) and axes.yaxis_inverted() and axes.get_xlim()[0] == 0
    for number, (bars, three) in enumerate(zip(axes.containers, VARIANCES.values(), strict=True)):
        data, _, (length,) = bars.lines
        assert (data.get_xdata()[0], data.get_ydata()[0]) == (three[0], number)
        np.testing.assert_allclose(length.get_segments()[0][:, 0], three[1:])
    (small,) = figures.variances({"annulus": (0.0, 0.0, 0.0)}).axes
    assert small.get_xlim()[1] > 1
    assert not small.containers[0].lines[0].get_clip_on(), "at zero, half a dot was cut off"


def test_a_map_is_as_it_was_left_of_the_line_and_cleaned_right_of_it():
    for share, split in ((0.0, 0), (0.5, 105), (1.0, 210)):
        (axes,) = map_figures.before_after(MAP, MAP + 1, SOURCES, HIDDEN, share).axes
        shown = axes.images[0].get_array().filled(np.nan)
        step = shown - (MAP - np.nanmedian(MAP[~HIDDEN]))
        np.testing.assert_allclose(step[:, 10:split], 0, atol=1e-12)
        np.testing.assert_allclose(step[:, max(split, 10) :], 1)
        assert np.isnan(shown[:, :10]).all()
        rings, line = axes.lines
        np.testing.assert_array_equal(rings.get_xydata(), SOURCES[SOURCES[:, 0] < split - 0.5])
        assert set(line.get_xdata()) == {split - 0.5}
        opaque = {text.get_text() for text in axes.findobj(Text) if text.get_alpha()}
        assert opaque == {*["as it was"] * (share > 0), *["cleaned"] * (share < 1)}


def test_the_slider_s_maps_have_one_size_and_one_scale_whatever_the_sources_are():
    bright = np.where(HIDDEN, 1e5, MAP)
    drawn = [
        map_figures.before_after(image, MAP, SOURCES, HIDDEN, share)
        for image, share in ((MAP, 0.0), (bright, 0.3), (bright, 1.0))
    ]
    assert len({figure.axes[0].images[0].get_clim() for figure in drawn}) == 1
    assert len({tuple(figure.get_size_inches()) for figure in drawn}) == 1
    for figure in drawn:
        FigureCanvasAgg(figure).draw()
    assert len({figure.axes[0].get_position().bounds for figure in drawn}) == 1


def test_seven_maps_of_nothing_but_noise_weigh_less_than_a_megabyte():
    noise = RNG.normal(size=(2, 420, 420))
    nothing = np.zeros(noise[0].shape, dtype=bool)

    def draw(share):
        return map_figures.before_after(*noise, SOURCES, nothing, share)

    page = slider.slider(draw, [float(x) for x in np.linspace(0, 1, 7)], "cleaned from", "A map.")
    assert len(page.data) < 1_000_000
    assert len({part.split('"')[0] for part in page.data.split('width="')[1:]}) == 1


def test_ablation_marks_what_the_others_are_compared_with():
    (axes,) = ALL["ablation"]().axes
    assert set(axes.lines[0].get_xdata()) == {0.81}
    shades = [bars.lines[0].get_color() for bars in axes.containers]
    assert shades == [GENERATED, BASE, BASE]
    values = [bars.lines[0].get_xdata()[0] for bars in axes.containers]
    assert values == [three[0] for three in ABLATION.values()]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ABLATION)


def test_the_last_layer_s_missing_factor_can_be_read():
    figure = ALL["last layer"]()
    (axes,) = figure.axes
    ratio, released = axes.lines
    np.testing.assert_array_equal(ratio.get_ydata(), CONSTANTS)
    np.testing.assert_array_equal(released.get_ydata(), CONSTANTS / 576)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["ratio form: slope 1", "released form: slope 1/576"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
