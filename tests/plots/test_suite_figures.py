"""The suite's figures show every test, fault and number."""

import numpy as np

from cogan_lib.plots import suite_figures
from cogan_lib.validation.suite import TESTS, validate_generated


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_catch_table_has_a_cell_for_each_test_and_fault():
    row = {name: 0.25 for name in TESTS[:8]} | {"all": 1.0}
    figure = suite_figures.catch_table({"blurred": {"50": row, "200": row}, "copying": {"50": row}})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert texts(axes).count("25") == 3 * 8 and texts(axes).count("100") == 3
    assert (
        len(suite_figures.catch_table({"biased": {"50": row, "9": row}}, ["9"]).axes[0].texts) == 9
    )


def test_a_verdict_is_drawn_with_all_its_tests():
    real, generated, held_out = np.random.default_rng(1).lognormal(size=(3, 30, 16, 16))
    verdict = validate_generated(real, generated, held_out, seed=1, draws=499)
    figure = suite_figures.verdict_chart({"perfect": verdict})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (points,) = (line for line in axes.lines if len(line.get_xdata()) == 8)
    assert np.allclose(points.get_xdata(), [test.adjusted for test in verdict.tests.values()])


def test_the_skew_is_drawn_for_each_generator():
    row = {"shares_read": (0.5, 0.9), "shares_out": (0.5, 0.95), "errors": (0.01, 0.01)}
    row |= {"slope": 1.3, "slope_error": 0.1}
    figure = suite_figures.skew({"copies": row, "typical": row})
    figure.draw_without_rendering()
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["copies: 1.30 ± 0.10", "typical: 1.30 ± 0.10"]
