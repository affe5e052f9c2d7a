"""The population, its noise, and spectra that are not its."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.stellar_spectra import data, physics


def test_labels_follow_the_population_within_limits():
    labels = data.draw_labels(20_000, np.random.default_rng(1))
    low, high = np.transpose(physics.LIMITS)
    assert (labels >= low).all() and (labels <= high).all()
    scaled = data.scaled_labels(labels)
    assert np.abs(scaled.mean(0)).max() < 0.1 and np.abs(scaled.std(0) - 1).max() < 0.1
    assert np.abs(np.corrcoef(scaled.T) - np.eye(3)).max() < 0.03
    again = data.draw_labels(20_000, np.random.default_rng(1))
    assert (labels == again).all()


def test_noise_is_what_is_said(stars):
    residual = (stars.observe(np.random.default_rng(2)) - stars.clean) / physics.SIGMA
    np.testing.assert_allclose(residual.std(axis=0), 1, atol=0.1)
    assert abs(residual.mean()) < 0.01


def test_anomalies_differ_as_they_should():
    kinds = {kind: data.anomalies(kind, 200, np.random.default_rng(3)) for kind in data.ANOMALIES}
    alpha = np.abs(physics.WAVELENGTH_A - 6562.8).argmin()
    usual = data.draw_stars(200, np.random.default_rng(3))
    assert kinds["emission"][:, alpha].mean() > usual.clean[:, alpha].mean() + 0.2
    above = (kinds["cosmic ray"] - usual.clean) / physics.SIGMA
    assert (above.max(axis=1) > 4).mean() > 0.95
    assert np.isfinite(kinds["double"]).all() and kinds["double"].shape == (200, physics.PIXELS)


def test_what_cannot_be_drawn_is_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(CoganError, match="at least one"):
        data.draw_stars(0, rng)
    with pytest.raises(CoganError, match="no anomaly 'ufo'; take one of emission"):
        data.anomalies("ufo", 3, rng)
