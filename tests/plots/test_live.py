"""The live figures: what they say agrees with what is computed, and the page has all of it."""

import re

import healpy as hp
import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.gan import two_numbers
from cogan_lib.gan.rate_trial import rates, trial
from cogan_lib.gan.recipes import TrainingSettings
from cogan_lib.plots import live, live_skies, live_training, slider
from cogan_lib.plots.slider import LiveFigure
from cogan_lib.tiles import handover, leak
from cogan_lib.tiles.geometry import Geometry, tile_centres
from cogan_lib.tiles.joining import Joiner
from cogan_lib.validation.quiz import impostors
from tests.legible import check_legible
from tests.plots.reading import images

QUICK = {
    "beam": lambda sky: live.beam(sky),
    "projection": lambda sky: live.projection(sky),
    "split": lambda sky: live.split(32),
    "scaling": lambda sky: live.scaling(sky),
    "norm": lambda sky: live_training.norm(sky),
    "joining": lambda sky: live_skies.joining(sky),
    "quiz": lambda sky: live_skies.quiz(sky),
}


@pytest.fixture(scope="module")
def sky():
    return live.small_sky()


@pytest.fixture(scope="module")
def figures(sky):
    return {name: make(sky) for name, make in QUICK.items()}


@pytest.mark.parametrize("name", QUICK)
def test_each_choice_has_a_sentence_and_the_pictures_are_legible(figures, name):
    figure = figures[name]
    choices = figure.combinations()
    said = [figure.describe(*at) for at in choices]
    assert len(set(said)) >= len(said) - 4 and all(re.search(r"\d", text) for text in said)
    assert figure.start in choices
    check_legible(figure.draw(*choices[-1]))


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text).group(1))


def test_the_numbers_are_those_that_theory_knows(figures):
    say = figures["projection"].describe
    assert "100.0% of the sky" in say("equal area (ZEA)", 58)
    # TAN: a pixel's area falls as cos^3 of the distance from the centre; the corner's is close to
    corner = np.cos(np.arctan(np.radians(30) / np.sqrt(2) * 45 / 48)) ** 3
    assert abs(number(r"shows ([\d.]+)%", say("gnomonic (TAN)", 30)) / 100 - corner) < 0.01
    say = figures["split"].describe
    assert number(r": (\d+)% of the test", say("at random", 0)) > 90
    assert number(r": (\d+)% of the test", say("in blocks of longitude", 1.5)) == 0
    say = figures["norm"].describe
    assert "output 1.00 times" in say(4, "with instance norm")
    assert "output 4.00 times" in say(4, "without")
    say = figures["scaling"].describe
    assert "1.00 and 1.00: which tile is the bright one is lost" in say(
        "each tile by its own range"
    )


def test_the_quiz_has_a_right_side_and_names_what_sees_it(figures):
    quiz = figures["quiz"]
    answers = [quiz.answer(*at) for at in quiz.combinations()]
    assert sorted(side for side, _ in answers) == ["left"] * 3 + ["right"] * 3
    assert all(f"Real is what stands on the {side}" in text for side, text in answers)
    assert all("What sees it best" in text or "No test sees it" in text for _, text in answers)


def test_a_copy_without_a_fault_is_seen_by_no_test(monkeypatch):
    monkeypatch.setattr("cogan_lib.validation.quiz.FAULTS", {"rescaled": ((0.0,), "{strength}")})
    real = np.random.default_rng(1).lognormal(size=(12, 24, 24))
    (same,) = impostors(real, np.arange(12), pixel_arcmin=40.0, fwhm_arcmin=90.0, seed=1)
    assert same.seen_by == [] and same.verdict["passes"]


def test_hand_over_weights_are_the_joiner_s():
    geometry, centre_nside, nside = Geometry(16, 120.0), 4, 4
    joiner, values = Joiner(geometry, centre_nside, nside), np.arange(192.0) % 7
    for i, value in enumerate(values):
        joiner.add(i, np.full((1, 1, 16, 16), value))
    centres = hp.ang2vec(*tile_centres(centre_nside).T, lonlat=True)
    points = np.stack(hp.pix2vec(nside, np.arange(192)), axis=1)
    spacing = hp.nside2resol(centre_nside)
    w = handover.weights(points, centres, spacing, live_skies.BLEND)
    np.testing.assert_allclose(values @ w, joiner.finish()[0], atol=2e-3)
    assert (handover.power_kept(w) <= 1 + 1e-12).all()
    with pytest.raises(CoganError, match="blend"):
        handover.weights(points, centres, spacing, 0.0)


def test_the_landscape_has_two_equal_valleys_unless_a_term_sees_the_sign():
    ends = torch.tensor([1.0, -1.0])
    both = two_numbers.loss(ends, ends)
    assert torch.allclose(both[0], both[1]) and abs(float(both[0]) - 0.25) < 1e-2
    for term in ({"identity": 1.0}, {"pair": 1.0}):
        true, mirrored = two_numbers.loss(ends, ends, **term)
        assert true < mirrored - 0.5
    path = two_numbers.descend(torch.tensor([[0.3, 0.3], [-0.3, -0.3]]), rate=0.01, steps=60)
    assert path[-1, 0, 0] > 0.7 and path[-1, 1, 0] < -0.7


def test_a_rate_that_falls_is_the_library_s_and_ends_lower():
    falling = rates(0.1, 60, True)
    assert falling[0] == 0.1 == falling[30] and falling[-1] < 0.01
    assert TrainingSettings().learning_rate > 0
    x = np.random.default_rng(1).normal(size=(512, 2))
    y, held = np.tanh(x[:, 0]) + 0.1 * x[:, 1], np.arange(512) < 256
    ends = [trial(x, y, held, rates(0.3, 60, falls))[1][-3:].mean() for falls in (False, True)]
    assert ends[1] < ends[0]
    with pytest.raises(CoganError, match="finite"):
        trial(np.full((512, 2), np.nan), y, held, falling)
    with pytest.raises(CoganError, match="512, 9 of them held out"):
        trial(x, y, np.arange(512) < 9, falling)
    y[held] = 0.5 + 0.01 * x[held, 0]  # another law, which it is not trained on
    errors = trial(x, y, held, rates(0.3, 60, True))[1]
    assert errors[-1] > 10, "it has learnt the others"


def test_a_guard_keeps_its_distance_and_needs_a_test_tile():
    lonlat = np.stack([np.arange(0, 90.0, 3), np.zeros(30)], axis=1)
    test = np.arange(30) < 3
    train = leak.with_guard(lonlat, test, 8.9)
    assert lonlat[train, 0].min() == 15.0
    assert leak.shared_sky(Geometry(16, 15.0), lonlat, train, test, 64) == 0
    assert leak.shared_sky(Geometry(16, 60.0), lonlat, ~test, test, 64) > 0.3
    with pytest.raises(CoganError, match="0 test tiles"):
        leak.with_guard(lonlat, test & False, 9.0)


def two_dials(**options) -> LiveFigure:
    return LiveFigure(
        lambda a, b: live.panels(1.0, 1)[0], {"a": [1, 2, 3], "b": ["x", "y"]}, "Grey.",
        lambda a, b: f"{a} of {b} <are> shown.", **options,
    )  # fmt: skip


def test_a_page_of_two_controls_holds_every_combination_and_its_sentence():
    page = slider._page(two_dials(start=(2, "y"))).data
    found = images(page)
    assert [image["data-value"] for image in found] == [
        f"{a}, {b}" for a in (1, 2, 3) for b in ("x", "y")
    ]
    shown = [" hidden>" not in tag for tag in re.findall("<img[^>]*>", page)]
    assert shown == [False, False, False, True, False, False]
    assert found[0]["alt"] == "Grey. a: 1, b: x. 1 of x &lt;are&gt; shown."
    assert 'aria-valuetext="2. 2 of y &lt;are&gt; shown."' in page
    assert '<p class="cogan-says" style="margin: 0.4rem 0">2 of y &lt;are&gt; shown.</p>' in page


def test_a_kernel_has_the_same_figure_with_widgets(monkeypatch):
    monkeypatch.setattr(slider, "_somebody_is_there", lambda: True)
    asked = two_dials(choices=("left", "right"), answer=lambda a, b: ("left", f"It is {a}."))
    picture, one, other, says, buttons, answer = asked.show().children
    assert (one.index, other.index) == (1, 1) and "2 of y &lt;are" in says.value
    one.value = 0
    assert "1 of y" in says.value and images(picture.value)[0]["data-value"] == "1, y"
    buttons.children[1].click()
    assert "No. It is 1." in answer.value
    buttons.children[0].click()
    assert "Right. It is 1." in answer.value
    other.value = 0
    assert answer.value == ""


def test_controls_that_nobody_could_move_are_refused():
    for controls, words in (({}, "not 0"), ({"a": [1], "b": [1], "c": [1]}, "not 3"),
                            ({"a": []}, "'a' has no values")):  # fmt: skip
        with pytest.raises(CoganError, match=words):
            LiveFigure(lambda *_: None, controls, "Grey.")
    with pytest.raises(CoganError, match="'a' can't start at 4"):
        LiveFigure(lambda a: None, {"a": [1]}, "Grey.", start=(4,))
