"""Figures of proposals: what is drawn is what was given."""

import numpy as np
import pytest

from cogan_lib.companions.proposals import object_figures as figures
from cogan_lib.companions.proposals import physics, samplers
from cogan_lib.companions.proposals.draws import BIASES
from cogan_lib.companions.proposals.objects import KINDS, number_fields
from cogan_lib.plots.style import GENERATED
from tests.legible import check_legible

RNG = np.random.default_rng(4)
REFERENCE = {kind: draw(300, RNG) for kind, draw in samplers.SAMPLERS.items()}
FEW = {kind: draw(5, RNG) for kind, draw in samplers.SAMPLERS.items()}
ROWS = {
    name: [
        {"strength": x, "draws": 100 / x, "low": 80 / x, "high": None} for x in bias.strengths[1:]
    ]
    for name, bias in BIASES.items()
}


def drawn(figure):
    """A figure that was drawn, and can be read."""
    check_legible(figure)
    return figure


@pytest.mark.parametrize("kind", KINDS)
def test_marginals_have_a_panel_per_field_and_whole_shares(kind):
    figure = drawn(figures.marginals(kind, REFERENCE[kind], {"model": FEW[kind]}))
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_xlabel() for axes in panels] == [
        figures.LABELS[field][0] for field in number_fields(kind)
    ]
    for axes in panels:
        outline = next(p for p in axes.patches if p.get_label() == "model")
        steps = outline.get_xy()[:, 1]
        assert steps.max() >= 0.2 - 1e-9 and steps.max() <= 1 + 1e-9


def test_flares_lie_on_their_plane_with_the_classes_named():
    (axes,) = drawn(figures.peak_duration(REFERENCE["flare"], {"model": FEW["flare"]})).axes
    points = next(line for line in axes.lines if line.get_label() == "model")
    np.testing.assert_array_equal(points.get_xdata(), FEW["flare"]["peak_w_m2"])
    assert {"C", "M"} <= {text.get_text() for text in axes.texts}


def test_the_valley_is_drawn_over_its_place():
    left, right = drawn(figures.radius_valley(REFERENCE["planet"], {"model": FEW["planet"]})).axes
    valley = next(line for line in left.lines if line.get_label() == "valley")
    np.testing.assert_allclose(valley.get_ydata(), samplers.valley_radius(valley.get_xdata()))
    area = np.trapezoid(right.lines[0].get_ydata(), np.log10(right.lines[0].get_xdata()))
    assert 0.8 < area <= 1.001  # giants are beyond


def test_draws_are_over_the_share_of_the_largest_bias():
    (axes,) = drawn(figures.draws_needed({**ROWS, "radius valley": []}, 40)).axes
    assert len(axes.containers) == len(BIASES) - 1
    line = axes.containers[0].lines[0]
    assert line.get_xdata()[-1] == 1 and line.get_ydata()[-1] == pytest.approx(
        100 / BIASES[next(iter(BIASES))].strengths[-1]
    )
    assert axes.texts[0].get_text() == "40 proposals"


def test_refusals_are_counted_by_rule():
    counts = {"free": {"json": 3}, "constrained": {"range": 2, "json": 1}}
    (axes,) = drawn(figures.refused(counts)).axes
    assert [bar.get_width() for bar in axes.patches] == [3, 0, 1, 2]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["json", "range"]


def test_the_neupert_effect_is_drawn_to_one_scale():
    hard = np.exp(-(((np.arange(100) - 30) / 8) ** 2))
    (axes,) = drawn(figures.neupert(hard, physics.soft_xrays(hard, 4.0, 300.0), 4.0)).axes
    assert [line.get_ydata().max() for line in axes.lines] == pytest.approx([1, 1, 1])
    assert axes.lines[1].get_color() == GENERATED
