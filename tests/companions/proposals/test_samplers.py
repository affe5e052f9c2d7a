"""Reference samplers: every object passes the checks, and the published relations are there."""

import json

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals import physics, samplers
from cogan_lib.companions.proposals.objects import KINDS, refusal


@pytest.fixture(scope="module")
def drawn():
    return {
        kind: draw(20_000, np.random.default_rng(1)) for kind, draw in samplers.SAMPLERS.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_passes(kind, drawn):
    assert list(drawn[kind]) == list(KINDS[kind].model_fields)
    for row in list(zip(*(values.tolist() for values in drawn[kind].values()), strict=True))[:400]:
        assert not refusal(kind, json.dumps(dict(zip(drawn[kind], row, strict=True))))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_objects(kind):
    one, other = (samplers.SAMPLERS[kind](20, np.random.default_rng(3)) for _ in range(2))
    assert all((one[name] == other[name]).all() and len(one[name]) == 20 for name in one)


def test_flares_have_the_medians_of_their_classes(drawn):
    flares = drawn["flare"]
    duration = flares["rise_min"] + flares["decay_min"]
    letter = flares["goes_class"].astype("<U1")
    for name, low, high in (("C", 11, 16), ("M", 18, 26), ("X", 25, 45)):
        assert low < np.median(duration[letter == name]) < high
    assert 8 < np.mean(letter == "C") / np.mean(letter == "M") < 11  # index near 2


def test_galaxies_follow_the_mass_size_relation(drawn):
    galaxies = drawn["galaxy"]
    above = galaxies["log_mass"] - physics.SIZE_PIVOT
    slope, middle = np.polyfit(above, np.log10(galaxies["radius_kpc"]), 1)
    assert (slope, middle) == pytest.approx((0.71, 0.42), abs=0.01)
    residual = physics.size_residual(galaxies["log_mass"], galaxies["radius_kpc"])
    assert residual.std() == pytest.approx(1, abs=0.03)


def test_planets_have_their_valley_and_circular_short_orbits(drawn):
    planets = drawn["planet"]
    over = np.log10(planets["radius_earth"] / samplers.valley_radius(planets["period_day"]))
    inside, below, above = (
        np.count_nonzero((over > a) & (over < a + 0.06)) for a in (-0.03, -0.17, 0.08)
    )
    assert inside < 0.6 * below and inside < 0.6 * above
    hot = planets["period_day"] < 3
    assert np.median(planets["eccentricity"][hot]) < 0.01
    assert np.median(planets["eccentricity"][planets["period_day"] > 30]) > 0.05
    rate = [np.count_nonzero((planets["period_day"] > a) & (planets["period_day"] < 2 * a))
            for a in (2.5, 5, 20, 40, 80)]  # fmt: skip
    assert rate[1] / rate[0] == pytest.approx(2**1.5, rel=0.15)
    assert rate[4] / rate[2] == pytest.approx(4**0.1, rel=0.1)


def test_clusters_are_in_equilibrium_and_no_larger_if_massive(drawn):
    clusters = drawn["cluster"]
    assert abs(np.corrcoef(np.log(clusters["mass_msun"]),
                           np.log(clusters["half_mass_radius_pc"]))[0, 1]) < 0.03  # fmt: skip
    assert (clusters["n_stars"] % 1 == 0).all()
    assert np.mean(clusters["fe_h"] > -1) == pytest.approx(0.3, abs=0.03)


def test_a_power_law_of_index_1_is_flat_in_logarithm():
    values = samplers.truncated_power_law(10_000, 1.0, 1.0, 100.0, np.random.default_rng(1))
    assert np.log10(values).mean() == pytest.approx(1, abs=0.02)
    assert values.min() >= 1 and values.max() <= 100
    with pytest.raises(CoganError, match="cannot go from"):
        samplers.truncated_power_law(10, 2.0, 1.0, 1.0, np.random.default_rng(1))
    with pytest.raises(CoganError, match="at least 1 object"):
        samplers.flares(0, np.random.default_rng(1))
