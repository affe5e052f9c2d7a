"""Figures of the chapter on extinction: what is drawn is what was given, with units, legibly."""

from functools import partial

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cogan_lib.companions.extinction import figures, map_figures
from cogan_lib.companions.extinction.evaluation import DISTANCES_KPC
from cogan_lib.companions.extinction.physics import BINS, COLOUR, MAGNITUDE, SIDE, STEP_KPC
from cogan_lib.plots import slider
from cogan_lib.plots.style import GENERATED, REAL
from tests.legible import check_legible

LAW = (0.28, 0.11)
EDGES = STEP_KPC * np.arange(1, BINS + 1)
RNG = np.random.default_rng(8)
DEPTH = 0.1 * EDGES + 4.0 * (EDGES > 4)
CLEAR = RNG.poisson(2.0, (SIDE, SIDE)) * (np.arange(SIDE) < 20) + 0.03
SEEN = RNG.poisson(1.0, (SIDE, SIDE)).astype(float)
REAL_SIX = np.cumsum(RNG.exponential(0.05, (6, BINS)), axis=1)
RMSE = {
    "network": [0.15, 0.24, 0.34, 0.57, 0.67],
    "linear regression": [0.3, 0.5, 0.8, 1.1, 1.3],
    "red clump": [0.8, 1.0, 3.5, 4.5, 6.5],
    "training mean": [1.2, 2.3, 3.0, 3.7, 4.1],
}
LON, LAT = np.arange(257.5, 303, 1.0), np.arange(-4.5, 5, 1.0)
RANGES = ((0, 2), (2, 5), (5, 10))
TITLES = ("truth", "network", "red clump", "linear regression")
ARMS = {"Carina-Sagittarius": (np.linspace(0.5, 4, 9), np.linspace(0, -9, 9))}
LAG = np.linspace(0, 1.5, 16)
AREAS = (0.01, 0.03, 0.1, 0.3, 1.0)


def tracks():
    a_v = np.linspace(0, 10, 41)
    return {
        "dwarf": (0.3 * 10 ** (-a_v / 50), a_v, 0.4 + 0.17 * a_v),
        "clump": (3.0 * 10 ** (-a_v / 50), a_v, 0.65 + 0.17 * a_v),
        "giant": (12.0 * 10 ** (-a_v / 50), a_v, 1.6 + 0.17 * a_v),
    }


def dust():
    """Maps of different values everywhere, without dust in places."""
    n = np.arange(len(TITLES) * len(LON) * BINS).reshape(len(TITLES), len(LON), BINS)
    return dict(zip(TITLES, 0.001 + (n % 977) / 300 * (n % 5 > 0), strict=True))


def sky():
    shape = len(TITLES), len(RANGES), len(LAT), len(LON)
    return dict(zip(TITLES, np.arange(np.prod(shape)).reshape(shape) / 1e3, strict=True))


ALL = {
    "one star": partial(figures.one_star, tracks(), (1.5, 11.0)),
    "diagrams": partial(figures.diagrams, CLEAR, SEEN, DEPTH, LAW),
    "cloud": partial(figures.cloud, CLEAR, SEEN, DEPTH, LAW, 4.0),
    "profiles": partial(
        figures.profiles, REAL_SIX, 1.1 * REAL_SIX, 0.1 * REAL_SIX,
        {"red clump": 0.5 * REAL_SIX, "linear regression": 0.9 * REAL_SIX},
    ),
    "errors": partial(figures.errors, RMSE, "sightlines that were trained on"),
    "calibration": partial(
        figures.calibration, DISTANCES_KPC, (0.3, 0.3, 0.2, 0.4, 0.4), (0.67, 0.7, 0.66, 0.69, 0.7)
    ),
    "fewer stars": partial(figures.fewer_stars, AREAS, RMSE | {"training mean": 3.0}),
    "memory": partial(figures.memory, dict(list(RMSE.items())[:3])),
    "face on": partial(map_figures.face_on, dust(), LON, ARMS),
    "slices": partial(map_figures.slices, sky(), LON, LAT, RANGES),
    "correlations": partial(
        map_figures.correlations, LAG,
        {"truth": (np.exp(-LAG), np.exp(-2 * LAG)), "network": (np.exp(-LAG), np.exp(-3 * LAG))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_texts_can_be_read_in_the_book_and_stand_apart(name):
    check_legible(ALL[name]())


@pytest.mark.parametrize("name", ALL)
def test_axes_say_their_units(name):
    figure = ALL[name]()
    without = {"errors within the spread", "share of the cell that is seen", "stars per pixel"}
    without |= {"correlation of the dust", *TITLES, "linear\nregression"}
    labels = {label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())}
    assert labels - {""}
    for label in labels - {""} - without:
        assert label.endswith(("[mag]", "[kpc]", "[deg]", "[mag/kpc]")), label


def test_a_star_s_markers_stand_where_its_colour_fits():
    (axes,) = ALL["one star"]().axes
    lines = {line.get_label(): line for line in axes.lines}
    for kind, (distance, a_v, _) in tracks().items():
        np.testing.assert_array_equal(lines[kind].get_xdata(), distance)
        np.testing.assert_array_equal(lines[kind].get_ydata(), a_v)
    markers = [line.get_xydata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    a_v = np.array([1.1, 0.85]) / 0.17  # a giant is redder than that without dust
    assert [marker[1] for marker in markers] == pytest.approx(a_v)
    assert [m[0] for m in markers] == pytest.approx([0.3, 3.0] * 10 ** (-a_v / 50), rel=1e-3)
    assert axes.get_xscale() == "log"


def test_diagrams_have_bright_stars_above_and_leave_empty_pixels_white():
    left, middle, right, bar = ALL["diagrams"]().axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [0, *DEPTH])
    np.testing.assert_allclose(left.lines[0].get_xdata(), [0, *EDGES])
    images = [axes.images[0] for axes in (middle, right)]
    for axes, image, counts in zip((middle, right), images, (CLEAR, SEEN), strict=True):
        shown = image.get_array()
        np.testing.assert_array_equal(shown.mask, counts < 0.5)
        np.testing.assert_array_equal(shown.compressed(), counts[counts >= 0.5])
        assert image.origin == "upper"
        assert tuple(image.get_extent()) == (*COLOUR, *MAGNITUDE[::-1])
        assert axes.get_ylim() == MAGNITUDE[::-1] and axes.get_xlim() == COLOUR
    assert images[0].norm is images[1].norm and images[0].norm.vmin == 1
    arrow = next(text for text in right.texts if getattr(text, "arrow_patch", None))
    assert np.subtract(arrow.xy, arrow.xyann) == pytest.approx([5 * 0.17, 5 * 0.11])
    assert [text.get_text() for text in right.texts if "A_V" in text.get_text()] == [
        "$A_V$ = 5 mag"
    ]
    assert bar.get_ylabel() == "stars per pixel"


def test_a_cloud_bends_the_red_clump_and_changes_nothing_else():
    left, right, _ = ALL["cloud"]().axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [0, *DEPTH])
    assert list(left.lines[1].get_xdata()) == [4.0, 4.0]
    lines = {line.get_label(): line.get_xydata() for line in right.lines}
    straight, bent = lines["red clump without dust"], lines["red clump with dust"]
    np.testing.assert_allclose(straight[:, 0], 0.65)
    np.testing.assert_allclose(straight[99], (0.65, -1.606 + 15))  # 10 kpc
    np.testing.assert_allclose(bent - straight, np.outer(DEPTH, (0.17, 0.11)), atol=1e-12)
    assert right.get_ylim() == MAGNITUDE[::-1] and right.get_xlim() == COLOUR
    nearer = figures.cloud(CLEAR, 9 * SEEN, DEPTH, LAW, 1.0)
    assert nearer.axes[1].images[0].norm.vmax == right.images[0].norm.vmax
    assert (nearer.get_size_inches() == right.figure.get_size_inches()).all()


def test_nine_clouds_weigh_less_than_half_a_megabyte():
    pictures = RNG.poisson(CLEAR, (9, SIDE, SIDE))

    def draw(number):
        return figures.cloud(CLEAR, pictures[number], DEPTH, LAW, number + 1.0)

    page = slider.slider(draw, list(range(9)), "distance [kpc]", "A diagram.")
    assert len(page.data) < 500_000
    assert len({part.split('"')[0] for part in page.data.split('width="')[1:]}) == 1


def test_profiles_are_those_given_and_no_band_is_negative():
    figure = figures.profiles(REAL_SIX, 1.1 * REAL_SIX, 2 * REAL_SIX, {"rival": REAL_SIX / 2})
    assert len(figure.axes) == 6
    for row, axes in enumerate(figure.axes):
        lines = {line.get_label(): line for line in axes.lines}
        for name, factor in (("real", 1), ("network", 1.1), ("rival", 0.5)):
            np.testing.assert_allclose(lines[name].get_ydata(), [0, *factor * REAL_SIX[row]])
            np.testing.assert_allclose(lines[name].get_xdata(), [0, *EDGES])
        assert lines["real"].get_color() == REAL and lines["network"].get_color() == GENERATED
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert heights.min() == 0
        assert heights.max() == pytest.approx(3.1 * REAL_SIX[row, -1])
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["real", "network", "its 68 %", "rival"]


def test_errors_are_drawn_at_their_distances_and_the_prior_is_grey():
    (axes,) = ALL["errors"]().axes
    lines = {line.get_label(): line for line in axes.lines}
    for name, values in RMSE.items():
        np.testing.assert_array_equal(lines[name].get_xdata(), DISTANCES_KPC)
        np.testing.assert_array_equal(lines[name].get_ydata(), values)
    assert axes.get_yscale() == "log"
    assert (
        lines["training mean"].get_color() == "0.45" and lines["network"].get_color() == GENERATED
    )
    assert axes.get_title() == "sightlines that were trained on"


def test_fewer_stars_have_the_prior_s_level():
    (axes,) = ALL["fewer stars"]().axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines["training mean"].get_ydata()) == {3.0}
    np.testing.assert_array_equal(lines["network"].get_xdata(), AREAS)
    np.testing.assert_array_equal(lines["network"].get_ydata(), RMSE["network"])
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_calibration_shows_the_aim_between_nothing_and_all():
    (axes,) = ALL["calibration"]().axes
    aim, before, after = axes.lines
    assert set(aim.get_ydata()) == {0.6827} and aim.get_label() == "aim, 68 %"
    np.testing.assert_array_equal(before.get_ydata(), (0.3, 0.3, 0.2, 0.4, 0.4))
    np.testing.assert_array_equal(after.get_ydata(), (0.67, 0.7, 0.66, 0.69, 0.7))
    assert axes.get_ylim() == (0, 1)


def test_memory_has_a_row_a_distance_the_nearest_above():
    (axes,) = ALL["memory"]().axes
    for line, values in zip(axes.lines, list(RMSE.values())[:3], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), values)
        np.testing.assert_array_equal(line.get_ydata(), range(5))
    assert axes.yaxis_inverted() and axes.get_xlim()[0] == 0
    assert axes.get_yticklabels()[0].get_text() == "1 kpc"


def test_from_above_the_wedge_lies_where_its_longitudes_are():
    figure = ALL["face on"]()
    bins = 100
    for axes, title in zip(figure.axes, TITLES, strict=False):
        (mesh,) = axes.collections
        values, norm = dust()[title][:, :bins], mesh.norm
        np.testing.assert_allclose(mesh.get_array(), np.maximum(values, norm.vmin))
        corners = mesh.get_coordinates()
        np.testing.assert_allclose(np.hypot(*corners[:, -1].T), 10.0)
        np.testing.assert_allclose(corners[:, 0], 0)
        first, last = corners[0, -1], corners[-1, -1]
        for corner, lon in ((first, 257), (last, 303)):
            angle = np.degrees(np.arctan2(corner[1], corner[0])) % 360
            assert angle == pytest.approx(lon)
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.transpose([*ARMS.values()][0]))
        assert axes.get_xlim()[0] < corners[..., 0].min() and axes.get_aspect() == 1
        assert axes.get_title() == title
    assert len({axes.collections[0].norm for axes in figure.axes[:4]}) == 1
    FigureCanvasAgg(figure).draw()
    panel = figure.axes[0]
    assert {text.get_text() for text in panel.texts} == {"Sun", "l = 257°", "l = 303°"}
    for text in panel.texts:
        box = text.get_window_extent()
        assert panel.bbox.x0 < box.x0 and box.x1 < panel.bbox.x1, text.get_text()


def test_three_maps_from_above_leave_the_fourth_panel_empty():
    three = dict(list(dust().items())[:3])
    figure = map_figures.face_on(three, LON, {})
    assert [axes.axison for axes in figure.axes[:4]] == [True, True, True, False]
    assert not figure.legends


def test_slices_grow_to_the_left_with_one_scale_a_column():
    figure = ALL["slices"]()
    panels = np.array(figure.axes[:12]).reshape(4, 3)
    for row, title in zip(panels, TITLES, strict=True):
        for axes, values in zip(row, sky()[title], strict=True):
            (mesh,) = axes.collections
            np.testing.assert_array_equal(mesh.get_array(), values)
            assert axes.get_xlim() == (303.0, 257.0) and axes.get_ylim() == (-5.0, 5.0)
            np.testing.assert_allclose(mesh.get_coordinates()[0, 0], (257.0, -5.0))
    for column in panels.T:
        assert len({axes.collections[0].norm for axes in column}) == 1
        assert column[0].collections[0].norm.vmin == 0
    assert [axes.get_title() for axes in panels[0]] == ["0 to 2 kpc", "2 to 5 kpc", "5 to 10 kpc"]
    assert len(figure.axes) == 15


def test_correlations_have_the_truth_in_black_and_the_half_marked():
    along, across = ALL["correlations"]().axes
    for axes, rates in ((along, (1, 1)), (across, (2, 3))):
        truth, network, half = axes.lines
        for line, rate in zip((truth, network), rates, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), np.exp(-rate * LAG))
            np.testing.assert_array_equal(line.get_xdata(), LAG)
        assert truth.get_color() == REAL and network.get_color() == GENERATED
        assert set(half.get_ydata()) == {0.5}
