"""Measures by value: errors, groups, variances, spectra and distributions whose truth is known."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import evaluation, masks, rivals, truth

SIDE = 96
RNG = np.random.default_rng(11)
WHITE = RNG.normal(3.0, 2.0, (150, SIDE, SIDE))
HOLE = np.broadcast_to(masks.hole(SIDE, 7.0, 48, 48), WHITE.shape)


def test_errors_by_value():
    found = evaluation.error_measures([1.0, -1.0, 3.0, 0.5, np.nan, 1.5, -2.0, 2.1])
    values = {name: float(m.value) for name, m in found.items()}
    good = np.array([1.0, -1.0, 3.0, 0.5, 1.5, -2.0, 2.1])
    assert values == pytest.approx(
        {
            "bias": good.mean(),
            "median": 1.0,
            "mean_abs": 11.1 / 7,
            "rms": np.sqrt((good**2).mean()),
            "failed": 3 / 8,
        }
    )


def test_the_interval_is_that_of_the_mean():
    values = RNG.normal(5, 2, 400)
    found = evaluation.interval(lambda use: values[use].mean(), 400)
    error = values.std() / 20
    assert found.value == values.mean()
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.25 * error)
    assert found == evaluation.interval(lambda use: values[use].mean(), 400)
    assert found != evaluation.interval(lambda use: values[use].mean(), 400, seed=1)


def test_groups_by_decade():
    snr = np.array([3.0, 29.0, 30.0, 3e4, 2.0, 5e4, 1e3])
    error = np.array([1.0, 2.0, 5.0, 7.0, 100.0, 100.0, np.nan])
    found = evaluation.by_group(error, snr)
    biases = {edges: m["bias"].value for edges, m in found.items()}
    assert biases == {(3.0, 30.0): 1.5, (30.0, 300.0): 5.0, (3000.0, 30000.0): 7.0}
    two = evaluation.by_group(error, snr, edges=(0, 100, 1e5))
    assert [m["failed"].value for m in two.values()] == [0.5, 1.0]


def test_errors_of_holes():
    real, hole = WHITE[:2], HOLE[:2].copy()
    hole[1] = masks.hole(SIDE, 3.0, 48, 48)
    filled = np.where(hole, real + 1.0, np.nan)
    filled[0, :48] -= 2.0  # half a hole too low
    mean_abs, mean = evaluation.hole_errors(filled, real, hole, np.array([2.0, 4.0]))
    assert mean_abs == pytest.approx([0.5, 0.25])
    below = hole[0, :48].sum() / hole[0].sum()
    assert mean == pytest.approx([(1 - 2 * below) / 2, 0.25])


def test_variance_in_holes_over_around():
    assert evaluation.variance_ratio(WHITE, HOLE).value == pytest.approx(1, abs=0.03)
    half = np.where(HOLE, 3 + 0.5 * (WHITE - 3), WHITE)
    found = evaluation.variance_ratio(half, HOLE)
    assert found.value == pytest.approx(0.25, abs=0.01)
    assert found.low < found.value < found.high
    assert evaluation.variance_ratio(np.where(HOLE, 3, WHITE), HOLE).value == 0


def test_a_slope_varies_as_much_in_the_hole_as_around_it():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    slope = np.stack([3.0 * rows + columns, columns]).astype(float)
    slope[1, :, 60:] = np.nan  # pieces with gaps don't count
    assert evaluation.variance_ratio(slope, HOLE[:2]).value == pytest.approx(1)


def test_a_white_spectrum_is_flat_and_its_level_is_the_variance():
    k, power = evaluation.power_spectrum(WHITE)
    assert (k[0], k[-1], len(k)) == (1 / SIDE, 0.5, 48)
    np.testing.assert_allclose(power.mean(0)[1:], 4.0, rtol=0.1)
    wave = np.cos(2 * np.pi * 12 * np.arange(SIDE) / SIDE)[None, None] * np.ones((1, SIDE, 1))
    assert evaluation.power_spectrum(wave)[1][0].argmax() == 11


def test_the_ratio_of_spectra():
    k, ratio = evaluation.power_ratio(5 + 3 * WHITE, WHITE)
    assert k.shape == ratio.value.shape == ratio.low.shape == (48,)
    np.testing.assert_allclose(ratio.value, 9)
    other = RNG.normal(0, 2, WHITE.shape)
    _, ratio = evaluation.power_ratio(other, WHITE)
    assert ((ratio.low < 1) & (ratio.high > 1)).mean() > 0.8


def test_a_flat_fill_takes_power_and_its_rim_adds_some():
    before = truth.backgrounds(90, np.random.default_rng(1)).image
    filled = rivals.annulus(before, HOLE[:90])
    k, ratio = evaluation.power_ratio(filled, before)
    assert ratio.value[1:4].max() < 0.95
    assert ratio.low[(k > 0.15) & (k < 0.25)].min() > 1.1


def test_the_distance_of_distributions():
    assert evaluation.pixel_distance(WHITE, WHITE, HOLE).value == 0
    shifted = evaluation.pixel_distance(WHITE + 2.0, WHITE, HOLE)  # by one standard deviation
    assert shifted.value == pytest.approx(0.3829, abs=0.01)
    assert shifted.low < shifted.value < shifted.high
    assert evaluation.pixel_distance(WHITE + 100, WHITE, HOLE).value > 0.99
    mean = np.where(HOLE, 3.0, WHITE)
    assert evaluation.pixel_distance(mean, WHITE, HOLE).value == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: evaluation.interval(np.mean, 0), "at least one cut-out"),
        (lambda: evaluation.error_measures([]), "Measures need finite errors"),
        (lambda: evaluation.error_measures([np.nan]), "Measures need finite errors"),
        (lambda: evaluation.error_measures([[1.0]]), "Measures need finite errors"),
        (lambda: evaluation.by_group([1.0], [1.0, 2.0]), "can't be grouped"),
        (lambda: evaluation.by_group([1.0], [1.0], edges=(3, 3)), "edges must rise"),
        (lambda: evaluation.by_group([1.0], [1.0], edges=(3,)), "edges must rise"),
        (
            lambda: evaluation.hole_errors(WHITE[:2], WHITE[:2], HOLE[:2], [1.0, 0.0]),
            "positive rms each",
        ),
        (lambda: evaluation.hole_errors(WHITE[:2], WHITE[:2], HOLE[:2], [1.0]), "positive rms"),
        (lambda: evaluation.hole_errors(WHITE[:2], WHITE[:2], ~HOLE[:2] & HOLE[:2], 1), "empty"),
        (lambda: evaluation.variance_ratio(WHITE[:2], HOLE[:1]), "need a hole each"),
        (
            lambda: evaluation.variance_ratio(WHITE[:1, 40:56, 40:56], HOLE[:1, 40:56, 40:56]),
            "beside",
        ),
        (lambda: evaluation.power_spectrum(WHITE[0]), "square cut-outs without a gap"),
        (lambda: evaluation.power_spectrum(WHITE[:2] * np.nan), "square cut-outs without a gap"),
        (lambda: evaluation.power_ratio(WHITE[:2], WHITE[:1]), "can't be compared"),
        (lambda: evaluation.pixel_distance(WHITE[0], WHITE[0], HOLE[0]), "need a hole each"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(CoganError, match=sentence):
        call()
