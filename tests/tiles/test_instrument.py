"""The instrument's noise: its level, its smoothness, and that it makes comparisons fair."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles.geometry import Geometry, tile_centres
from cogan_lib.tiles.instrument import noise_map, noise_spectrum, noise_tiles
from tests.toy_reports import report_of, sky

NSIDE, FWHM, LMAX = 64, 120.0, 150
BEAM = hp.gauss_beam(np.radians(FWHM / 60), lmax=LMAX) ** 2
SPECTRUM = BEAM / np.sum((2 * np.arange(LMAX + 1) + 1) / (4 * np.pi) * BEAM)  # variance 1
LATITUDE = hp.pix2ang(NSIDE, np.arange(hp.nside2npix(NSIDE)), lonlat=True)[1]


def test_noise_has_the_error_columns_pattern_and_the_spectrum_asked_for():
    error = np.where(LATITUDE > 0, 0.3, 0.1)
    noise = noise_map(error, SPECTRUM, seed=1)
    for half, level in ((LATITUDE > 5, 0.3), (LATITUDE < -5, 0.1)):
        assert noise[half].std() == pytest.approx(level, rel=0.06)
        assert abs(noise[half].mean()) < 0.15 * level
    cl = hp.anafast(noise_map(np.full_like(error, 0.2), SPECTRUM, seed=2), lmax=LMAX)
    for low, high in ((5, 30), (30, 60), (60, 100)):
        part = slice(low, high)
        assert cl[part].mean() == pytest.approx(0.04 * SPECTRUM[part].mean(), rel=0.15)


def test_the_spectrum_is_measured_near_the_poles_whatever_shines_elsewhere():
    error = 0.1 * (1 + 0.5 * np.sin(np.radians(LATITUDE)))  # patterns do not matter
    values = 1.7 + noise_map(1.5 * error, SPECTRUM, seed=3)  # neither the zero
    values += 200 * np.exp(-((LATITUDE / 15) ** 2))  # nor the plane
    values[np.flatnonzero(LATITUDE > 70)[::300]] += 50  # nor a few points
    found = noise_spectrum(values, error, LMAX)
    for low, high in ((2, 40), (40, 80), (80, 110)):
        part = slice(low, high)
        ratio = found[part].mean() / SPECTRUM[part].mean()
        assert ratio == pytest.approx(2.25, rel=0.2), (low, high)


def test_noise_is_seeded_and_lines_have_their_own():
    error = np.full(hp.nside2npix(NSIDE), 0.1)
    real = noise_map(error, SPECTRUM, seed=4)
    maps = {"W_CO10": real, "W_CO10_ERR": error, "W_CO21": real, "W_CO21_ERR": error}
    toy = Sky(maps, dict.fromkeys(maps, "K km/s"), FWHM, {})
    cut = Geometry(16, 60.0), tile_centres(2)[:3]
    one, again, other = (noise_tiles(toy, "W_CO10", *cut, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    second = noise_tiles(toy, "W_CO21", *cut, 1)
    assert one.shape == (3, 16, 16) and one.std() == pytest.approx(0.1, rel=0.3)
    for apart in (other, second):
        assert abs(np.corrcoef(one.ravel(), apart.ravel())[0, 1]) < 0.35
    bare = Sky({"W_CO10": error}, {"W_CO10": "K km/s"}, FWHM, {})
    with pytest.raises(CoganError, match="no column W_CO10_ERR"):
        noise_tiles(bare, "W_CO10", *cut, 1)


def test_noise_makes_a_noisy_sky_and_its_truth_alike():
    """The truth without noise is told from the noisy real map; with noise of its own it is not."""
    truth, inputs, blocks = sky()
    draw = np.random.default_rng(12)
    level = 0.5 * truth.std()
    noise = level * draw.standard_normal((2, *truth.shape))
    without = report_of(truth + noise[0], truth, inputs, blocks)
    fair = report_of(truth + noise[0], truth, inputs, blocks, noise=noise[1])
    assert without["spectrum"]["p_value"] < 0.01 < 0.05 < fair["spectrum"]["p_value"]
    assert without["minkowski"]["p_value"] < 0.01 < 0.05 < fair["minkowski"]["p_value"]
    np.testing.assert_allclose(fair["spectrum"]["paired_ratio"], 1, atol=0.1)
    assert without["spectrum"]["paired_ratio"][-1] < 0.5
    assert fair["noise_added"] and not without["noise_added"]
    # how well the truth predicts is no matter of noise added
    assert fair["r2_heldout"] == without["r2_heldout"]
    assert fair["rho_ell_real_mock"] == without["rho_ell_real_mock"]
