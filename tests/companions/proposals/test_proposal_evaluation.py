"""Rates, distributions and indices, each on what is known; and the draws that a test needs."""

import numpy as np
import pytest
from scipy.stats import binomtest, kstest, norm

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals import draws, evaluation, samplers
from cogan_lib.companions.proposals.objects import KINDS
from cogan_lib.companions.proposals.wrong import POSSIBLE


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize(("n_ok", "n"), [(0, 40), (3, 40), (20, 40), (40, 40)])
def test_the_interval_is_wilsons(n_ok, n):
    found = evaluation.acceptance(n_ok, n)
    exact = binomtest(n_ok, n).proportion_ci(method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((exact.low, exact.high))
    with pytest.raises(CoganError, match="no share"):
        evaluation.acceptance(n + 1, n)


def test_a_table_has_the_fields_of_a_sampler(rng):
    made = evaluation.table([KINDS["flare"](**POSSIBLE["flare"])] * 3)
    assert list(made) == list(samplers.flares(1, rng)) and made["goes_class"][0] == "M2.3"
    assert evaluation.duplicates("flare", made) == pytest.approx(2 / 3)
    with pytest.raises(CoganError, match="one kind"):
        evaluation.table([])


def test_marginals_see_one_field_that_is_off(rng):
    planets, reference = samplers.planets(200, rng), samplers.planets(5000, rng)
    found = evaluation.marginals("planet", planets, reference)
    assert all(field["p_value"] > 1e-3 for field in found.values())
    round_numbers = {**planets, "period_day": np.full(200, 10.0)}
    found = evaluation.marginals("planet", round_numbers, reference)
    assert found["period_day"]["p_value"] < 1e-9 < 1e-3 < found["radius_earth"]["p_value"]


def test_rank_correlations_have_their_interval(rng):
    clusters = samplers.clusters(400, rng)
    found = evaluation.rank_correlations("cluster", clusters)
    assert found["mass_msun, n_stars"]["rho"] > 0.99
    free = found["mass_msun, half_mass_radius_pc"]
    assert free["low"] < 0 < free["high"] and free["high"] - free["low"] < 0.25
    same = {name: np.ones(9) for name in clusters}
    assert evaluation.rank_correlations("cluster", same)["mass_msun, fe_h"]["rho"] is None


@pytest.mark.parametrize("index", [0.5, 1.0, 1.8, 2.0, 3.0])
def test_the_index_of_many_draws_is_right(index):
    rng = np.random.default_rng(7)
    values = samplers.truncated_power_law(100_000, index, 1e-6, 1e-3, rng)
    found = evaluation.power_law_index(values, 1e-6, 1e-3)
    assert abs(found["index"] - index) < 3 * found["error"] < 0.03 and found["n"] == 100_000


def test_the_index_has_the_error_that_it_says():
    rng = np.random.default_rng(8)
    found = [
        evaluation.power_law_index(samplers.truncated_power_law(200, 1.98, 1.0, 1e3, rng), 1.0, 1e3)
        for _ in range(150)
    ]
    scatter = np.std([one["index"] for one in found])
    assert scatter == pytest.approx(np.mean([one["error"] for one in found]), rel=0.15)


def test_the_upper_end_matters():
    values = samplers.truncated_power_law(20_000, 1.2, 1.0, 30.0, np.random.default_rng(9))
    right = evaluation.power_law_index(values, 1.0, 30.0)["index"]
    assert abs(right - 1.2) < 0.05 < evaluation.power_law_index(values, 1.0, 1e6)["index"] - 1.2
    for bad in (np.full(9, 2.0), np.array([5.0]), np.array([])):
        with pytest.raises(CoganError, match="2 different values"):
            evaluation.power_law_index(bad, 1.0, 30.0)


def test_a_valley_is_measured(rng):
    real, filled = (samplers.planets(1500, rng, valley=valley) for valley in (1.0, 0.0))
    deep, flat = (evaluation.valley_depth(planets, rng, 100) for planets in (real, filled))
    assert deep["high"] < 0.65 < 0.75 < flat["low"] and deep["seen"] and not flat["seen"]
    with pytest.raises(CoganError, match="too few"):
        evaluation.valley_depth({name: values[:5] for name, values in real.items()}, rng)


def test_most_flares_rise_faster_than_they_decay(rng):
    found = evaluation.rise_below_decay(samplers.flares(2000, rng))
    assert 0.6 < found["low"] < found["high"] < 0.72


def shifted(n, rng):
    return rng.normal(0.5, 1, n)


def test_the_draws_needed_give_the_power_that_was_asked():
    reference = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = draws.draws_needed(reference, shifted, np.random.default_rng(1), repeats=200, most=100)
    assert 30 < found["low"] < found["draws"] < found["high"] < 70
    rng, n = np.random.default_rng(2), round(found["draws"])
    seen = [kstest(shifted(n, rng), "norm").pvalue < 0.05 for _ in range(200)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.09)


def test_no_bias_is_seen_as_often_as_the_level_says():
    reference = np.random.default_rng(1).normal(size=100_000)
    curve = draws.power_curve(
        reference, lambda n, rng: rng.normal(size=n), [10, 100], np.random.default_rng(2)
    )
    assert (curve < 0.08).all() and (curve > 0.02).all()
    never = draws.draws_needed(
        reference, lambda n, rng: rng.normal(size=n), np.random.default_rng(3), repeats=50, most=60
    )
    assert never["draws"] is None


@pytest.mark.parametrize("name", draws.BIASES)
def test_a_larger_bias_needs_fewer_draws(name):
    found = draws.BIASES[name].needed(1, repeats=40, most=400)
    needed = [row["draws"] or np.inf for row in found]
    assert needed == sorted(needed, reverse=True) and needed[-1] < 400
    assert [row["strength"] for row in found] == list(draws.BIASES[name].strengths)


def test_strength_zero_is_the_reference():
    for bias in draws.BIASES.values():
        one, other = (bias.draw(3000, 0.0, np.random.default_rng(i)) for i in (1, 2))
        assert kstest(one, other).pvalue > 1e-3


def test_a_shuffled_column_passes_ks_and_has_lost_its_correlation(rng):
    flares = samplers.flares(400, rng)
    shuffled = {**flares, "energy_erg": rng.permutation(flares["energy_erg"])}
    found = evaluation.marginals("flare", shuffled, flares)
    assert found["energy_erg"]["distance"] == 0
    rho = evaluation.rank_correlations("flare", flares)["peak_w_m2, energy_erg"]["rho"]
    assert rho > 0.7 and draws.draws_for_correlation(rho) < 20
    lost = evaluation.rank_correlations("flare", shuffled)["peak_w_m2, energy_erg"]
    assert lost["low"] < 0.05 < lost["high"] + 0.15
