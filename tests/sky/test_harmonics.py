"""Transforms against healpy, and a map's values between its pixels against a finer grid."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.sky.harmonics import Interpolant, alm2map, beam_lmax, map2alm

NSIDE = 32


def white(lmax=3 * NSIDE - 1, seed=3):
    """a_lm of unit variance up to lmax: the hardest band-limited map."""
    np.random.seed(seed)  # noqa: NPY002 - healpy's synalm knows no generator
    return hp.synalm(np.ones(lmax + 1), lmax=lmax)


@pytest.mark.parametrize("lmax", [20, 3 * NSIDE - 1])
@pytest.mark.parametrize("iterations", [0, 3])
def test_transforms_are_healpys(lmax, iterations):
    alm = white(lmax)
    values = alm2map(alm, NSIDE)
    np.testing.assert_allclose(values, hp.alm2map(alm, NSIDE, lmax=lmax), atol=1e-10)
    ours, theirs = map2alm(values, lmax, iterations), hp.map2alm(values, lmax=lmax, iter=iterations)
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_a_well_sampled_map_needs_fewer_iterations(monkeypatch):
    alm = white(NSIDE)
    values, rounds = alm2map(alm, NSIDE), []
    monkeypatch.setattr(
        "cogan_lib.sky.harmonics.alm2map", lambda *given: rounds.append(1) or alm2map(*given)
    )
    found = map2alm(values, NSIDE, iterations=9, enough=1e-4)
    assert len(rounds) < 5
    assert (values - alm2map(found, NSIDE)).std() < 1e-4 * values.std()


def test_a_map_is_known_between_its_pixels():
    """Evaluated at the pixels of a four times finer grid, it is the map made on that grid."""
    alm, fine = white(), 4 * NSIDE
    theta, phi = hp.pix2ang(fine, np.arange(hp.nside2npix(fine)))
    values = Interpolant(alm)(np.stack([theta, phi, np.zeros_like(phi)], axis=1))
    truth = alm2map(alm, fine)
    assert np.abs(values - truth).max() < 1e-4 * truth.std()


def test_nothing_is_left_of_a_beam_beyond_its_last_multipole():
    assert beam_lmax(256, 20.0) == 767, "here the grid ends first"
    lmax = beam_lmax(2048, 15.0)
    window = hp.gauss_beam(np.radians(15 / 60), lmax=3 * 2048)
    assert lmax < 3000 and 1e-6 < window[lmax] < 5e-6
