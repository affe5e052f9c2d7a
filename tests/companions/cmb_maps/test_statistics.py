"""The expectation through the window is that of exact patches, and shapes follow the formulas."""

import numpy as np
import pytest

from cogan_lib.companions.cmb_maps import physics, statistics


def test_expected_is_the_mean_of_exact_patches(fiducial):
    found = statistics.measured(fiducial.numpy())
    apart = found.mean(axis=0) / statistics.expected([physics.FIDUCIAL])[0] - 1
    error = found.std(axis=0) / found.mean(axis=0) / np.sqrt(len(found) / 2)  # shared fields
    assert (np.abs(apart) < 3.5 * error).all()
    assert np.abs(apart).mean() < 0.012


def test_counting_modes_is_wrong_for_windowed_patches(fiducial):
    """2 / N_modes of the whole patch is far from the variance of its bins."""
    found = statistics.measured(fiducial.numpy())
    relative = found.var(axis=0) / found.mean(axis=0) ** 2
    lowest = 360 / (physics.SIDE * physics.PIXEL_ARCMIN / 60)
    modes = np.pi * np.diff(statistics.EDGES**2) / lowest**2
    assert 1.3 < np.median(relative / (2 / modes)) < 1.8


def test_moments_and_shapes(fiducial):
    sigma0, _ = statistics.field_moments(physics.FIDUCIAL)
    assert sigma0 == pytest.approx(np.sqrt(physics.covariance(physics.FIDUCIAL)[63, 63]))
    moments = statistics.one_point(fiducial.numpy(), sigma0)
    assert moments["scatter"] == pytest.approx(1, abs=0.03)
    assert abs(moments["skewness"]) < 0.06 and abs(moments["kurtosis"]) < 0.1
    found, formula = statistics.shapes(fiducial.numpy(), physics.FIDUCIAL)
    worst = np.abs(found - formula).max(axis=1) / np.abs(formula).max(axis=1)
    assert (worst < 0.04).all()
