"""Noise of the members: unit variance, the stated spectrum, the same on the sphere and flat."""

import healpy as hp
import numpy as np
import pytest
import torch

from cogan_lib.gan.noise import SIGMA, flat_noise, noise_alm


def test_flat_fields_have_unit_variance_and_the_stated_correlation():
    widths = (3.0, 12.0)
    tiles = flat_noise(400, 32, widths, torch.Generator().manual_seed(1)).numpy()
    assert tiles.shape == (400, 2, 32, 32)
    np.testing.assert_allclose(tiles.var(axis=(0, 2, 3)), 1, atol=0.08)
    for field, fwhm in zip(tiles.swapaxes(0, 1), widths, strict=True):
        for step in (1, 4):
            found = (field[:, :, :-step] * field[:, :, step:]).mean()
            expected = np.exp(-(step**2) / (4 * (SIGMA * fwhm) ** 2))  # of a doubly smoothed field
            assert found == pytest.approx(expected, abs=0.06)


def test_a_seed_gives_the_same_field_and_another_seed_another():
    first, again, other = (
        flat_noise(2, 16, (3.0,), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    one, same, two = (noise_alm(16, 600.0, seed) for seed in ((1, 0), (1, 0), (2, 0)))
    np.testing.assert_array_equal(one, same)
    assert abs(np.vdot(one, two)) < 0.5 * np.vdot(one, one).real


def test_fields_on_the_sphere_have_the_flat_fields_variance_and_correlation():
    fwhm, nside = 300.0, 64
    alm = np.array([noise_alm(nside, fwhm, (seed, 3)) for seed in range(4)])
    maps = np.array([hp.alm2map(a, nside) for a in alm])
    assert maps.var() == pytest.approx(1, abs=0.05)
    step = np.radians(3.0)
    lon, lat = hp.pix2ang(nside, np.arange(maps.shape[1]), lonlat=True)
    near = np.abs(lat) < 10
    shifted = [
        hp.get_interp_val(m, lon[near] + np.degrees(step), lat[near], lonlat=True) for m in maps
    ]
    found = (maps[:, near] * np.array(shifted)).mean()
    sigma = np.radians(SIGMA * fwhm / 60)
    step = step * np.cos(np.radians(lat[near]))
    assert found == pytest.approx(np.exp(-(step**2) / (4 * sigma**2)).mean(), abs=0.08)


def test_no_width_means_no_channel():
    assert flat_noise(3, 16, (), torch.Generator()).shape == (3, 0, 16, 16)
