"""Measures of spectra, by value."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.stellar_spectra import data, evaluation
from cogan_lib.companions.stellar_spectra.evaluation import FEATURES
from cogan_lib.companions.stellar_spectra.physics import PIXELS, SIGMA, WAVELENGTH_A


def dip(name, depth, sd_a=12.0):
    at = FEATURES[name][0]
    return (1 - depth * np.exp(-0.5 * ((WAVELENGTH_A - at) / sd_a) ** 2))[None]


def test_a_line_of_known_depth_and_width():
    k = list(FEATURES).index("Hα")
    assert evaluation.line_depths(dip("Hα", 0.4))[0, k] == pytest.approx(
        0.35, abs=0.02
    )  # a mean of pixels
    expected = 0.4 * 12 * np.sqrt(2 * np.pi)
    assert evaluation.equivalent_widths(dip("Hα", 0.4))[0, k] == pytest.approx(expected, rel=0.02)
    others = np.delete(evaluation.line_depths(dip("Hα", 0.4))[0], k)
    assert np.abs(others).max() < 1e-6


def test_noise_has_scatter_one_in_each_component(stars):
    rng = np.random.default_rng(1)
    noise = data.noisy(np.ones((2000, PIXELS), np.float32), rng)
    found = evaluation.principal(noise, stars.clean, components=5)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.06)


def test_real_spectra_are_like_real_ones_and_blurred_are_not(stars):
    rng = np.random.default_rng(2)
    some, other = (data.draw_stars(600, rng) for _ in range(2))
    found = evaluation.alike(some.observe(rng), other.clean, stars, some, seed=1)
    assert abs(found["auc"] - 0.5) < 0.06 and found["p_value"] > 0.01
    assert found["nearest"] == pytest.approx(1, abs=0.15)
    wrong = evaluation.alike(some.observe(rng), 0.5 + 0.5 * other.clean, stars, some, seed=1)
    assert wrong["auc"] > 0.65 and wrong["p_value"] < 1e-3
    copies = evaluation.alike(some.observe(rng), stars.clean[:600], stars, some, seed=1)
    assert copies["nearest"] == 0


def test_a_probe_finds_what_is_linear():
    rng = np.random.default_rng(3)
    labels, labels_test = (data.draw_labels(500, rng) for _ in range(2))
    z, z_test = (data.scaled_labels(x)[:, [1, 0, 0]] for x in (labels, labels_test))
    found = evaluation.linear_probe(z, labels, z_test, labels_test)
    assert found[:2] == pytest.approx([1, 1]) and abs(found[2]) < 0.05


def test_a_score_is_judged_at_one_false_alarm_in_a_hundred():
    usual = np.linspace(0, 1, 1001)
    found = evaluation.roc(usual, np.array([0.5, 0.985, 0.995, 2.0]))
    assert found["found"] == 0.5
    with pytest.raises(CoganError, match="needs usual"):
        evaluation.roc(usual, np.array([]))


def test_the_worst_pixel_is_the_brightest():
    flux = np.ones((1, PIXELS))
    flux[0, 7] += 9 * SIGMA[7]
    flux[0, 9] -= 20 * SIGMA[9]
    assert evaluation.worst_pixel(flux, np.ones((1, PIXELS)))[0] == pytest.approx(9)
