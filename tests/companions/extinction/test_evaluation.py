"""Errors, coverage and correlation lengths of profiles whose answers are known."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import evaluation
from cogan_lib.companions.extinction.physics import BINS

from .conftest import seeded

HALF = np.sqrt(2 * np.log(2)) * np.sqrt(2)  # of the correlation, for a kernel of sigma 1


def spikes(*places):
    """Profiles that are zero but for (bin, A_V)."""
    found = torch.zeros(len(places), BINS)
    for row, (number, a_v) in enumerate(places):
        found[row, number] = a_v
    return found


def test_errors_by_hand():
    """3 mag too much from 2 kpc on in one profile, 1 too little from 7 kpc on in the other."""
    found, real = spikes((19, 3.0), (0, 0.0)), spikes((0, 0.0), (69, 1.0))
    assert evaluation.rmse_at(found, real) == pytest.approx(
        {1: 0, 3: np.sqrt(4.5), 5: np.sqrt(4.5), 8: np.sqrt(5), 10: np.sqrt(5)}
    )
    assert evaluation.bias_at(found, real) == pytest.approx({1: 0, 3: 1.5, 5: 1.5, 8: 1, 10: 1})
    wide = torch.full((2, BINS), 2.0)
    assert evaluation.coverage_at(found, wide, real) == {1: 1.0, 3: 0.5, 5: 0.5, 8: 0.5, 10: 0.5}


@pytest.mark.parametrize(("distance", "number"), [(0.1, 0), (1.0, 9), (10.0, 99), (12.8, 127)])
def test_a_distance_is_the_far_edge_of_its_bin(distance, number):
    assert evaluation.bin_at(distance) == number
    edge = spikes((number, 1.0)), torch.zeros(1, BINS)
    assert evaluation.rmse_at(*edge, [distance]) == {distance: 1.0}
    if number + 1 < BINS:
        behind = spikes((number + 1, 1.0)), torch.zeros(1, BINS)
        assert evaluation.rmse_at(*behind, [distance]) == {distance: 0.0}


@pytest.mark.parametrize("distance", [0.0, -1.0, 0.04, 12.9, 20.0])
def test_a_distance_without_a_bin_is_refused(distance):
    """The last bin would have answered for the Sun's place."""
    with pytest.raises(CoganError, match="profiles reach from 0.1 to 12.8 kpc"):
        evaluation.rmse_at(torch.zeros(1, BINS), torch.zeros(1, BINS), [distance])


def test_factors_of_normal_errors_are_their_scatter():
    """Errors of 2 spreads in one half of the bins and of half a spread in the other."""
    n, generator = 20_000, seeded(1)
    wide = 0.1 + torch.rand(n, BINS, generator=generator)
    scale = torch.where(torch.arange(BINS) < 64, 2.0, 0.5)
    apart = scale * wide * torch.randn(n, BINS, generator=generator)
    found = apart.diff(dim=1, prepend=torch.zeros(n, 1))
    real = torch.zeros(n, BINS)
    factors = evaluation.spread_factors(found, wide, real)
    np.testing.assert_allclose(factors, scale, rtol=0.04)
    shares = evaluation.coverage_at(found, factors * wide, real)
    assert all(share == pytest.approx(0.6827, abs=0.001) for share in shares.values())
    shares = evaluation.coverage_at(found, wide, real)
    assert shares[5.0] == pytest.approx(0.3829, abs=0.02)  # within half a sigma
    assert shares[8.0] == pytest.approx(0.9545, abs=0.01)  # within two


def field(along_kpc, across_kpc, seed, shape=(10, 400)):
    """White noise under Gaussian kernels of so many kpc (sigma), along and across the rays."""
    noise = np.random.default_rng(seed).normal(size=(*shape, BINS + 40))
    noise = ndimage.gaussian_filter1d(noise, along_kpc / 0.1, axis=2)[..., 20:-20]
    sides = np.radians(0.5) * 0.1 * (np.arange(BINS) + 0.5)
    for number, side in enumerate(sides):
        noise[..., number] = ndimage.gaussian_filter1d(
            noise[..., number], min(across_kpc / side, 300), axis=1, mode="wrap"
        )
    return noise


@pytest.mark.parametrize(("along", "across"), [(0.25, 0.1), (0.15, 0.15), (0.4, 0.08)])
def test_correlation_lengths_are_those_of_the_kernels(along, across):
    """Noise under a kernel of FWHM w is correlated by one half over w / sqrt(2)."""
    found = [evaluation.correlation_lengths(field(along, across, seed)) for seed in range(3)]
    radial, transverse = (np.mean([x[k] for x in found]) for k in ("radial", "transverse"))
    assert pytest.approx(2 * np.sqrt(2 * np.log(2)) / np.sqrt(2)) == HALF
    assert radial == pytest.approx(HALF * along, rel=0.08)
    assert transverse == pytest.approx(HALF * across, rel=0.15)
    assert found[0]["ratio"] == pytest.approx(found[0]["radial"] / found[0]["transverse"])


def test_correlations_are_the_kernels_gaussian():
    """exp(-lag^2 / 4 sigma^2), along and across."""
    found = [evaluation.correlations(field(0.3, 0.12, seed)) for seed in range(4)]
    lag, radial, transverse = (np.mean([x[k] for x in found], axis=0) for k in range(3))
    np.testing.assert_allclose(lag, 0.1 * np.arange(31))
    near = lag < 1
    np.testing.assert_allclose(radial[near], np.exp(-(lag[near] ** 2) / 0.36), atol=0.04)
    np.testing.assert_allclose(
        transverse[lag < 0.4], np.exp(-(lag[lag < 0.4] ** 2) / 0.0576), atol=0.07
    )
    assert radial[0] == transverse[0] == 1


def test_fingers_of_god_are_long_and_thin():
    """Sightlines that know nothing of each other: across, no more than the sampling's half step."""
    smooth = field(0.3, 1e-9, seed=1)
    found = evaluation.correlation_lengths(smooth)
    assert found["radial"] == pytest.approx(0.5, rel=0.08)
    assert found["transverse"] == pytest.approx(0.05, rel=0.1)
    assert found["ratio"] > 9


def test_the_disc_does_not_count():
    """What a latitude and distance have in common, and a scatter that changes with distance."""
    dust = field(0.2, 0.1, seed=1)
    wave = 5 + 3 * np.sin(np.arange(BINS) / 9)
    disc = 100 * wave * np.arange(len(dust))[:, None, None]
    plain, other = (evaluation.correlation_lengths(x) for x in (dust, wave * dust + disc))
    assert other == pytest.approx(plain, rel=1e-6)


def test_a_map_that_is_the_same_everywhere_along_its_rays_is_refused():
    rays = np.random.default_rng(1).normal(size=(8, 92, 1)) * np.ones(BINS)
    with pytest.raises(CoganError, match="doesn't fall to one half within 3 kpc"):
        evaluation.correlation_lengths(rays)


def test_a_blur_is_found_again():
    real = field(0.1, 0.15, seed=2, shape=(4, 200))
    for sigma in (0.5, 1.0):
        blurred = ndimage.gaussian_filter1d(real, sigma / 0.1, axis=-1)
        length = evaluation.correlation_lengths(blurred)["radial"]
        assert evaluation.blur_along(real, length) == pytest.approx(sigma, abs=0.03)
    assert evaluation.blur_along(real, 0.01) == 0
