"""The embedded sky: flux conserved, one seed one sky, hydrogen that adds up, true errors, beam."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.sky import embedded
from cogan_lib.sky.clouds import disc_clouds, local_clouds, paint
from cogan_lib.sky.embedded import make_sky, sky_statistics, window
from cogan_lib.sky.galaxy import gas_columns
from cogan_lib.sky.maps import to_grid
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky

COLUMNS = ["DUST", "N_HI", "DUST_353", "W_CO10", "W_CO21", "W_CO10_ERR", "W_CO21_ERR"]


@pytest.fixture
def sky(sky64):
    return sky64


@pytest.fixture(scope="module")
def coarse():
    return make_sky(32, 160.0, seed=1)


@pytest.fixture(scope="module")
def clouds():
    return disc_clouds(np.random.default_rng(1)).join(local_clouds(np.random.default_rng(2)))


def latitude(nside):
    return np.abs(hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)[1])


@pytest.mark.parametrize("nside", [8, 32, 128])
def test_painting_conserves_flux(clouds, nside):
    some = clouds.select(np.arange(0, clouds.flux.size, 20))
    fluxes = np.stack([some.flux, np.ones_like(some.flux)])
    maps = paint(some, fluxes, nside, np.random.default_rng(0))
    assert np.all(maps >= 0)
    np.testing.assert_allclose(
        maps.sum(axis=1) * hp.nside2pixarea(nside), fluxes.sum(axis=1), rtol=1e-9
    )


def test_no_cloud_is_lost_between_pixel_centres(clouds):
    smallest = clouds.select(np.argsort(clouds.sigma_rad)[:5])
    for i in range(5):
        one = smallest.select([i])
        (painted,) = paint(one, one.flux[None], 16, np.random.default_rng(0))
        brightest = hp.pix2ang(16, painted.argmax(), lonlat=True)
        away = hp.rotator.angdist(brightest, (one.lon_deg[0], one.lat_deg[0]), lonlat=True)
        assert np.degrees(away) < 1.5 * np.degrees(hp.nside2resol(16))


def test_cloud_population_has_the_published_shape(clouds):
    disc = disc_clouds(np.random.default_rng(3))
    away = disc.radius_kpc > 0.3  # from the centre, where the clouds are larger
    median = np.median(disc.size_pc[away])
    assert 17 < median < 20  # 18.0 pc for this law, by an independent sampling
    assert disc.size_pc[away].min() >= 0.3 and disc.size_pc[away].max() <= 60
    assert np.mean(np.abs(disc.lat_deg) < 5) > 0.95
    beyond = clouds.distance_kpc > 1
    assert (
        np.abs(clouds.lat_deg[~beyond]).max()
        > 15
        > np.percentile(np.abs(clouds.lat_deg[beyond]), 99)
    )


def test_hydrogen_disc_grows_towards_the_plane():
    lat_deg = np.array([0.0, 10.0, 30.0, 90.0])
    hi, h2, heating, ratio = (
        sum(columns)
        for columns in zip(
            *(gas_columns(a, b, 120.0, lat_deg) for a, b in [(0.06, 0.5), (0.5, 3), (3, 25)]),
            strict=True,
        )
    )
    assert np.all(np.diff(hi) < 0) and np.all(np.diff(h2) < 0)
    assert 1e20 < hi[-1] < 5e20  # the observed column to the pole is about 2e20 cm-2
    assert np.all(heating > 0) and np.all(ratio > 0)


def test_sky_has_its_columns_units_and_sane_values(sky, tmp_path):
    assert list(sky.maps) == COLUMNS and set(sky.units) == set(COLUMNS)
    for values in sky.maps.values():
        assert values.dtype == np.float32 and values.shape == (12 * 64**2,)
        assert np.isfinite(values).all()
    assert sky.maps["DUST"].min() > 0 and sky.maps["N_HI"].min() > 5e19
    assert sky.meta["origin"] == "synthetic" and sky.meta["seed"] == 1
    again = read_sky(write_sky(tmp_path / "sky.fits", sky))
    assert again.meta["seed"] == 1 and again.units == sky.units and again.fwhm_arcmin == 90


def test_same_seed_same_sky_other_seed_other_sky(coarse):
    again, other = make_sky(32, 160.0, seed=1), make_sky(32, 160.0, seed=2)
    for name in COLUMNS:
        np.testing.assert_array_equal(coarse.maps[name], again.maps[name])
    assert not np.array_equal(coarse.maps["W_CO21"], other.maps["W_CO21"])
    high = latitude(32) > 20
    logs = [np.log(each.maps["N_HI"][high]) for each in (coarse, other)]
    assert np.corrcoef(logs)[0, 1] < 0.97  # the same Galaxy, other turbulence


def test_one_sky_at_every_nside_and_its_window(coarse):
    fine = make_sky(64, 160.0, seed=1)
    ell = np.arange(2, 60)
    for name in ("DUST", "N_HI"):
        spectra = [hp.anafast(each.maps[name].astype(float), lmax=60) for each in (coarse, fine)]
        cross = hp.anafast(coarse.maps[name].astype(float), fine.maps[name].astype(float), lmax=60)
        np.testing.assert_allclose(cross[ell] ** 2 / (spectra[0] * spectra[1])[ell], 1, atol=0.01)
        expected = (window(32, 160.0)[ell] / window(64, 160.0)[ell]) ** 2
        np.testing.assert_allclose((spectra[0] / spectra[1])[ell], expected, rtol=0.05)


def test_maps_have_the_beam(coarse, sky):
    ell = np.arange(10, 50)
    ratio = [
        hp.anafast(each.maps["N_HI"].astype(float), lmax=60)[ell]
        / window(each.nside, each.fwhm_arcmin)[ell] ** 2
        for each in (coarse, sky)
    ]
    assert np.abs(np.log(np.median(ratio[0] / ratio[1]))) < 0.05
    sigma = np.radians(90 / 60) / np.sqrt(8 * np.log(2))
    beam = window(2048, 90.0)[round(1 / sigma)]  # where a pixel is no matter
    assert beam == pytest.approx(np.exp(-0.5), abs=0.01)


def test_noise_is_as_large_as_the_error_column(coarse, monkeypatch):
    monkeypatch.setattr(embedded, "NOISE", {"W_CO10": 1e-9, "W_CO21": 1e-9})
    quiet = make_sky(32, 160.0, seed=1)
    for name in ("W_CO10", "W_CO21"):
        error = coarse.maps[f"{name}_ERR"].astype(float)
        noise = (coarse.maps[name].astype(float) - quiet.maps[name]) / error
        assert noise.std() == pytest.approx(1, abs=0.04)
        assert abs(noise.mean()) < 0.1
        assert 1.3 < error.max() / error.min() < 2.5  # the scan
    high = latitude(32) > 60
    signal = quiet.maps["W_CO21"]
    assert 0 < signal[high].mean() < 0.01 * signal[latitude(32) < 5].mean()


def test_dust_minus_hydrogen_holds_the_co(sky):
    use = (latitude(64) < 20) & (sky.maps["W_CO10"] > 5 * sky.maps["W_CO10_ERR"])
    dust, hi, co = (np.log(sky.maps[name][use]) for name in ("DUST", "N_HI", "W_CO10"))
    residual = dust - np.polyval(np.polyfit(hi, dust, 1), hi)
    of_co = co - np.polyval(np.polyfit(hi, co, 1), hi)
    assert 0.4 < np.corrcoef(residual, of_co)[0, 1] < 0.97  # a lead, and not the answer
    hydrogen = sky.maps["N_HI"] + 2 * sky.meta["x_co"] * np.clip(sky.maps["W_CO10"], 0, None)
    emissivity = sky.maps["DUST"] / hydrogen / sky.meta["emissiv"]
    assert 0.5 < np.median(emissivity) < 2  # the budget closes, within the scatter


def test_line_ratio_follows_brightness(sky):
    bright = sky.maps["W_CO10"] > 1
    co10, co21 = sky.maps["W_CO10"][bright], sky.maps["W_CO21"][bright]
    ratio = co21 / co10
    assert 0.5 < np.percentile(ratio, 5) < np.percentile(ratio, 95) < 0.75
    assert np.corrcoef(np.log(co10), ratio)[0, 1] > 0.2


@pytest.mark.parametrize("target", ["W_CO10", "W_CO21"])
def test_statistics_are_those_of_a_galaxy(sky, target):
    found = sky_statistics(sky, target)
    assert 0.80 < found["correlation"]["co_dust"] < 0.95
    assert 0.65 < found["correlation"]["co_hi"] < 0.90
    assert 0.15 < found["snr8"]["sky"] < 0.45
    bands = [found["percentiles"][name]["50"] for name in ("0-5", "5-10", "10-20", "20-90")]
    assert bands == sorted(bands, reverse=True)
    assert -3.5 < found["spectrum"]["slope"] < -1.5


def test_embedded_sky_resembles_the_real_one(sky, real_data):
    source = read_sky(real_data / "sky-nside256.fits")
    names = ("DUST", "N_HI", "W_CO21")  # by way of a grid on which 90 arcmin leave no rings
    maps = {n: hp.ud_grade(to_grid(source.maps[n], 128, 20.0, 90.0), 64) for n in names}
    maps["W_CO21_ERR"] = source.maps["W_CO21_ERR"][: 12 * 64**2] * 20 / 90
    units = source.units
    real, ours = sky_statistics(Sky(maps, units, 90.0)), sky_statistics(sky)
    for pair in ("co_dust", "co_hi", "dust_hi"):
        assert ours["correlation"][pair] == pytest.approx(real["correlation"][pair], abs=0.1)
    for band in ("0-5", "5-10", "10-20"):
        for percentile in ("50", "84", "95"):
            value = real["percentiles"][band][percentile]
            assert ours["percentiles"][band][percentile] == pytest.approx(value, rel=0.35)
    assert ours["spectrum"]["slope"] == pytest.approx(real["spectrum"]["slope"], abs=0.3)


def test_statistics_name_the_missing_column(sky):
    with pytest.raises(CoganError, match="W_CO32"):
        sky_statistics(sky, "W_CO32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((48, 90.0, 1), "power of two"),
        ((-64, 90.0, 1), "power of two"),
        ((4096, 90.0, 1), "up to NSIDE 2048"),
        ((64, -20.0, 1), "beams from"),
        ((64, float("nan"), 1), "beams from"),
        ((64, "wide", 1), "finite numbers"),
        ((64, 20.0, 1), "raise nside or fwhm_arcmin"),
        ((64, 90.0, -1), "whole number"),
        ((64, 90.0, 1.5), "whole number"),
    ],
)
def test_bad_input_is_refused_before_any_work(arguments, message):
    with pytest.raises(CoganError, match=message):
        make_sky(*arguments)
