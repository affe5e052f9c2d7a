"""The figures of chapter 05 can be drawn from a stored report, with one CO line or two."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from cogan_lib.plots import style
from cogan_lib.plots.morphology import (
    excursion_sets,
    minkowski_bands,
    shape_bands,
    structure_map,
)
from cogan_lib.plots.validation import (
    amplitude_planes,
    correlation_bands,
    pdf_curves,
    spectra_bands,
)
from tests.toy_reports import FWHM, PIXEL, report_of, sky


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Two sections, one of them good, one of a constant sky, as they come back from JSON."""
    real, inputs, blocks = sky(24)
    report = {
        "W_CO10": report_of(real, 1.3 * real, inputs, blocks),
        "W_CO21": report_of(real, np.ones_like(real), inputs, blocks),
    }
    report["W_CO10"]["tiles_bare"] = {"spectrum": report["W_CO10"]["spectrum"]}
    return json.loads(json.dumps(report))


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (spectra_bands, 2),
        (correlation_bands, 1),
        (minkowski_bands, 4),
        (shape_bands, 4),
        (pdf_curves, 1),
    ],
)
def test_bands_are_drawn_from_the_report_alone(sections, draw, panels):
    for count in (1, 2):
        figure = draw(dict(list(sections.items())[:count]))
        assert isinstance(figure, Figure) and len(figure.axes) == panels * count
        figure.canvas.draw()


def test_tiles_are_drawn():
    real, inputs, _ = sky(24)
    figures = [
        excursion_sets(real[0], "W_CO21", (0, 1, 2), PIXEL),
        structure_map(real[0], "W_CO21", "area", pixel_arcmin=PIXEL, smallest_arcmin2=FWHM**2),
        amplitude_planes({"W_CO21": real}, {"generated": {"W_CO21": 1.2 * real}}),
    ]
    for figure in figures:
        figure.canvas.draw()
    assert "$R^2$ = 0.9" in figures[-1].axes[0].get_title()


def test_table_escapes_its_cells():
    table = style.html_table(["a", "b"], [["<x>", 1]]).data
    assert "&lt;x&gt;" in table and "<td>1</td>" in table
