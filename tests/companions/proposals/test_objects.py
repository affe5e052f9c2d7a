"""Proposals: what is possible passes, and every fault is refused with its number and its rule."""

import json

import numpy as np
import pytest
from astropy import constants, units
from astropy.cosmology import Planck18
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals import physics
from cogan_lib.companions.proposals.objects import KINDS, TASKS, Flare, number_fields, refusal
from cogan_lib.companions.proposals.wrong import DOCUMENT, POSSIBLE, WRONG

FAULTS = [(kind, fault) for kind, faults in WRONG.items() for fault in faults]


@pytest.mark.parametrize("kind", KINDS)
def test_possible_objects_pass_and_are_frozen(kind):
    one = KINDS[kind].model_validate_json(json.dumps(POSSIBLE[kind]))
    assert one.model_dump() == POSSIBLE[kind] and not one.broken_laws()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(one, number_fields(kind)[0], 1.0)
    schema = KINDS[kind].model_json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(POSSIBLE[kind])
    assert all("description" in field for field in schema["properties"].values())
    assert TASKS[kind].count(".") and "\n" not in TASKS[kind]


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_faults_are_refused_in_words(kind, fault):
    text, words = WRONG[kind][fault]
    (reason,) = refusal(kind, text)
    assert words in reason.sentence and reason.sentence.endswith(".")


@pytest.mark.parametrize("kind", DOCUMENT)
def test_each_example_of_the_document_is_possible(kind):
    assert not any(refusal(kind, json.dumps(one)) for one in DOCUMENT[kind])


def test_all_broken_rules_are_said():
    bad = {**POSSIBLE["flare"], "goes_class": "X2.3", "energy_erg": 1e32}
    found = refusal("flare", json.dumps(bad))
    assert [reason.rule for reason in found] == ["class against peak", "energy"]
    with pytest.raises(ValidationError) as caught:
        Flare(**bad)
    message = caught.value.errors()[0]["msg"]
    assert all(reason.sentence in message for reason in found)
    many = {"goes_class": 5, "peak_w_m2": -1, "rise_min": None, "more": 1}
    rules = [reason.rule for reason in refusal("flare", json.dumps(many))]
    assert rules == ["type", "range", "type", "missing", "missing", "extra"]


def test_long_nonsense_stays_short():
    long = json.dumps({**POSSIBLE["flare"], "goes_class": "M" * 10_000, "peak_w_m2": "9" * 10_000})
    assert all(len(reason.sentence) < 250 for reason in refusal("flare", long))


@given(st.text(max_size=20) | st.floats().map(lambda x: json.dumps({"period_day": x})))
@settings(max_examples=20, deadline=None)
def test_no_text_is_more_than_refused(text):
    for kind in KINDS:
        assert all(reason.sentence for reason in refusal(kind, text)) and refusal(kind, text)


@given(st.floats(1e-8, 9e-3))
@settings(max_examples=30, deadline=None)
def test_a_class_is_that_of_its_peak(peak):
    flux, step = physics.class_flux(physics.class_of(peak))
    assert abs(peak - flux) <= step * (1 + 1e-6)


def test_a_class_may_be_rounded_or_cut_to_its_digits():
    for name, peak, ok in (("M2", 2.9e-5, True), ("M2.3", 2.39e-5, True), ("M2.3", 2.5e-5, False),
                           ("X12.0", 1.2e-3, True), ("B5.0", 5e-7, True)):  # fmt: skip
        most = physics.most_energy_erg(peak, 20.0)
        one = {**POSSIBLE["flare"], "goes_class": name, "peak_w_m2": peak, "energy_erg": most / 2}
        assert (refusal("flare", json.dumps(one)) == []) is ok
    with pytest.raises(CoganError, match="no GOES class"):
        physics.class_flux("M0.3")


def test_constants_are_astropys():
    unit = units.pc * (units.km / units.s) ** 2 / units.M_sun
    assert constants.G.to_value(unit) == pytest.approx(physics.G, rel=1e-4)
    assert (units.pc / (units.km / units.s)).to("Myr") == pytest.approx(physics.MYR, rel=1e-5)
    assert Planck18.age(0.7).to_value("Gyr") == pytest.approx(physics.AGE_GYR, rel=1e-3)
    assert (constants.M_sun / constants.M_earth).value == pytest.approx(
        physics.SUN_OVER_EARTH, rel=1e-3
    )


def test_tides_are_goldreich_and_soters_and_leave_the_earth_alone():
    period, radius, q = 4 * 86400.0, 1.2 * constants.R_earth.value, 500.0
    orbit = (constants.GM_sun.value * (period / 2 / np.pi) ** 2) ** (1 / 3)
    mass = physics.planet_mass(1.2) * (constants.M_earth / constants.M_sun).value
    time = 4 / 63 * q * period / (2 * np.pi) * mass * (orbit / radius) ** 5
    assert physics.circularisation_gyr(4.0, 1.2) == pytest.approx(time / 3.156e16, rel=0.02)
    assert physics.largest_eccentricity(1.0, 11.0) == physics.FORCED
    assert physics.largest_eccentricity(300.0, 1.0) == pytest.approx(physics.LARGEST)
    assert physics.planet_mass(1.0) == pytest.approx(1, rel=0.05)
    assert physics.planet_mass(3.9) == pytest.approx(15, rel=0.1)  # Neptune has 17


def test_a_plummer_sphere_is_in_equilibrium():
    """Its potential energy is 3 pi / 32 G M^2 / a, its half-mass radius 1.305 a."""
    mass, a = 1e5, 2.0
    exact = np.sqrt(3 * np.pi / 32 * physics.G * mass / a / 3)
    assert physics.virial_dispersion(mass, 1.305 * a) == pytest.approx(exact, rel=0.03)
    crossing = physics.crossing_myr(1.305 * a, exact)
    assert crossing == pytest.approx(0.555, rel=0.01)  # 2.61 pc at 4.6 km/s
    assert physics.relaxation_myr(mass, 1.305 * a, 2e5) > 300 * crossing


def test_the_neupert_effect_is_within_a_flare():
    time = np.arange(0, 1800, 4.0)
    hard = sum(a * np.exp(-(((time - t) / 40) ** 2)) for a, t in ((1, 200), (2, 320), (0.7, 450)))
    soft = physics.soft_xrays(hard, 4.0, 600.0)
    integral = np.cumsum(hard) * 4.0
    slope = np.gradient(physics.soft_xrays(hard, 4.0, 1e9), 4.0)
    assert np.corrcoef(slope, hard)[0, 1] > 0.99
    np.testing.assert_allclose(physics.soft_xrays(hard, 4.0, 1e9), integral, rtol=1e-4, atol=1e-6)
    assert hard.argmax() < soft.argmax() < len(soft) - 1
