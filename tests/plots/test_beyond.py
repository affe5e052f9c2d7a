"""The figures of chapter 06 can be drawn, and show the numbers that they are given."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.plots import beyond as figures

DRAW = np.random.default_rng(1)


def drawn(figure, panels):
    assert len(figure.axes) == panels
    figure.canvas.draw()
    return figure


def test_scores_mark_their_lowest_point():
    width = np.linspace(0, 2, 9)
    figure = figures.guesses_and_scores(
        np.array([100.0, 300.0]),
        {"a member": np.ones(2), "the best guess": np.full(2, 0.3)},
        width,
        {"L1": width, "CRPS": (width - 1) ** 2},
    )
    marked = [line.get_xdata()[0] for line in drawn(figure, 2).axes[1].lines if line.get_ms() == 8]
    assert marked == [0.0, 1.0]


def test_noise_and_places_have_a_panel_each():
    noise = {"sphere": DRAW.standard_normal((3, 8, 8)), "flat": DRAW.standard_normal((3, 8, 8))}
    shared = {"sphere": slice(4, None), "flat": slice(0, 4)}
    drawn(figures.noise_tiles(noise, ["fine", "middle", "wide"], shared), 7)
    tile = np.exp(DRAW.standard_normal((8, 8)))
    pictures = {"dust": (tile, "DUST"), "CO": (tile, "W_CO21"), "mean": (tile, "W_CO21")}
    figure = figures.one_place(pictures, {"DUST": "mag", "W_CO21": "K km/s"}, 7.5)
    drawn(figure, 4 + 3)  # one place stays empty; a bar for each picture


def test_calibration_shows_a_flat_histogram_at_one():
    spread = np.linspace(0.1, 1, 4)
    levels = np.array([0.5, 0.95])
    rank = np.full(10, 0.1)
    figure = drawn(figures.calibration_panels(rank, spread, spread, levels, levels), 3)
    np.testing.assert_allclose([bar.get_height() for bar in figure.axes[0].patches], 1)


def test_each_method_is_a_point():
    points = {"log-linear fit": (0.6, 0.1), "one member": (0.5, 1.0), "mean of members": (0.7, 0.2)}
    axes = drawn(figures.accuracy_and_power(points), 1).axes[0]
    found = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines[:3]]
    assert found == list(points.values())


@pytest.mark.parametrize("lines", [1, 2])
def test_line_ratios_of_two_lines_or_a_sentence(lines):
    ratio = np.full(hp.nside2npix(8), 0.7)
    ratio[:100] = np.nan
    ratios = {"real": ratio, "one member": ratio} if lines == 2 else {}
    drawn(figures.ratio_maps(ratios), 4 if lines == 2 else 1)
    figure = drawn(figures.ratio_shares(ratios, dict.fromkeys(ratios, np.ones(768))), 1)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [] if lines == 2 else "one CO line" in texts[0]


def test_the_power_of_the_verdict_has_a_panel_a_case_or_a_sentence():
    tests = ("all", "spectrum", "minkowski", "pdf", "classifier", "paired_spectrum")
    fails = dict.fromkeys(tests, {"share": 0.5, "low": 0.4, "high": 0.6})
    faults = [{"fault": "factor", "size": size, "fails": fails} for size in (1.0, 2.0)]
    faults.append({"fault": "random phases", "size": None, "fails": fails})
    case = {"blocks": 17, "tiles": 79, "faults": faults}
    figure = drawn(figures.verdict_power({"same places": case, "other places": case}), 2)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines[:6]] == [2] * 6
    drawn(figures.verdict_power({}), 1)
