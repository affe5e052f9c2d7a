"""A map filtered to its beam: what it loses, what it keeps, and that nothing falls below zero."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.sky.beam_limit import beam_window, limit_to_beam
from cogan_lib.sky.harmonics import alm2map, beam_lmax, map2alm

CASES = [(64, 120.0), (64, 90.0), (128, 120.0)]  # pixels per beam: 2.2, 1.6, 4.4


def clouds(nside, fwhm_arcmin):
    """Clouds with edges on empty ground, drawn finer than the beam, as a network does."""
    np.random.seed(3)  # noqa: NPY002 - healpy's synfast knows no generator
    cl = np.r_[0, 0, np.arange(2.0, 3 * nside) ** -2.6]
    field = hp.synfast(cl, nside, fwhm=np.radians(fwhm_arcmin / 60) * 0.6)
    return 0.3 * np.sinh(np.maximum(1.5 * field / field.std() + 0.5, 0))


def power(values, fwhm_arcmin):
    return hp.alm2cl(map2alm(values, beam_lmax(hp.npix2nside(values.size), fwhm_arcmin)))


def again(values, fwhm_arcmin):
    """The map after a transform and back."""
    nside = hp.npix2nside(values.size)
    return alm2map(map2alm(values, beam_lmax(nside, fwhm_arcmin)), nside)


@pytest.mark.parametrize(("nside", "fwhm"), CASES)
def test_a_map_keeps_its_flux_and_band_and_hardly_rings(nside, fwhm):
    before = clouds(nside, fwhm)
    after = limit_to_beam(before, fwhm)
    assert after.min() >= 0
    assert after.sum() == pytest.approx(before.sum(), rel=1e-9)
    ratio = power(after, fwhm) / power(before, fwhm)
    of_beam = int(180 * 60 / fwhm)
    assert np.exp(np.log(ratio[2:of_beam]).mean()) == pytest.approx(1, abs=0.03)
    assert np.corrcoef(before, after)[0, 1] > 0.99

    def rings(values):
        back = again(values, fwhm)
        error = (back - values).std() / values.std()
        return np.array([(back < 0).mean(), -back[back < 0].sum() / back.sum(), error])

    share, flux, error = rings(after) / rings(before)
    assert share < 0.4 and flux < 0.05 and error < 0.2


@pytest.mark.parametrize(("nside", "fwhm"), CASES)
def test_beyond_the_beam_power_falls_as_the_beam_squared(nside, fwhm):
    """As a power law times B_ell^2, within a factor of two, to where the band fades."""
    before, of_beam = clouds(nside, fwhm), int(180 * 60 / fwhm)
    beam = hp.gauss_beam(np.radians(fwhm / 60), 3 * nside) ** 2
    end = min(int(0.85 * 3 * nside), int(2.2 * of_beam))

    def excess(values):
        cl = power(values, fwhm)
        ell = np.arange(of_beam // 2, of_beam)
        slope, level = np.polyfit(np.log(ell), np.log(cl[ell] / beam[ell]), 1)
        ell = np.arange(int(0.9 * end), end)
        return cl[ell].mean() / (np.exp(level) * ell**slope * beam[ell]).mean()

    assert excess(before) > (3 if nside == 128 else 1)
    assert 0.3 < excess(limit_to_beam(before, fwhm)) < 2
    cl = power(limit_to_beam(before, fwhm), fwhm)
    assert cl[-1] < 1e-3 * cl[of_beam], "no step at the band's end"


def test_a_map_of_the_beam_stays():
    nside, fwhm = 128, 120.0
    np.random.seed(4)  # noqa: NPY002
    cl = np.r_[0, 0, np.arange(2.0, 300) ** -2.6]
    field = hp.synfast(cl, nside, fwhm=np.radians(fwhm / 60), lmax=299)
    values = 10 + field / field.std()
    assert np.abs(limit_to_beam(values, fwhm) - values).max() < 0.01
    np.testing.assert_allclose(limit_to_beam(np.full(12 * 32**2, 3.0), 240.0), 3, rtol=1e-6)
    assert not limit_to_beam(np.zeros(12 * 32**2), 240.0).any()


def test_negative_values_of_its_own_are_kept_where_asked():
    values = clouds(64, 120.0) - 1
    filtered = limit_to_beam(values, 120.0, positive=False)
    assert filtered.min() < -0.9 and filtered.mean() == pytest.approx(values.mean(), abs=1e-5)


def test_a_beam_beyond_the_band_only_fades_its_end():
    window = beam_window(np.ones(97), 10.0)
    assert (window[:81] == 1).all() and window[-1] < 0.02 and (np.diff(window) <= 0).all()
