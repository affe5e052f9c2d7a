"""The cloud population: flux conserved whatever the pixel, the published numbers, pysm3's scale."""

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.beyond.cloud_population import cloud_map, cloud_population, plane_total
from cogan_lib.sky.galaxy import Z_SUN_KPC


@pytest.fixture(scope="module")
def clouds():
    return cloud_population(1234567)


def total(w_co):
    return w_co.sum() * 4 * np.pi / w_co.size


@pytest.mark.parametrize("nside", [32, 128])
@pytest.mark.parametrize("fwhm_arcmin", [None, 120.0])
def test_flux_is_that_of_the_clouds_at_any_pixel_size(clouds, nside, fwhm_arcmin):
    emissivity = 240.0 * np.exp(-clouds.radius_kpc / 6.6)
    size_kpc = 1.5e-3 * clouds.size_pc
    solid_angle = 2 * np.pi * (size_kpc / clouds.distance_kpc / 6) ** 2
    expected = (emissivity * solid_angle).sum()
    w_co = cloud_map(nside, 1234567, fwhm_arcmin=fwhm_arcmin)
    assert total(w_co) == pytest.approx(expected, rel=0.01)
    assert w_co.min() > -1e-3 * w_co.max()


def test_population_has_the_published_numbers(clouds):
    percentiles = np.percentile(1.5 * clouds.size_pc, [1, 16, 50, 84, 99])
    np.testing.assert_allclose(percentiles[1:], [9.6, 18.0, 27.1, 51.7], rtol=0.02)
    assert percentiles[0] == pytest.approx(2.1, rel=0.1)
    radius = np.percentile(clouds.radius_kpc, [50, 84])
    np.testing.assert_allclose(radius, [5.8, 5.8 + 2.7 / np.sqrt(2 * np.log(2))], atol=0.1)
    height = clouds.distance_kpc * np.sin(np.radians(clouds.lat_deg)) + Z_SUN_KPC
    assert height.std() == pytest.approx(0.052, rel=0.05)


def test_hardly_a_cloud_is_high_and_none_of_these_large():
    seeds = [cloud_population(seed) for seed in range(10)]
    high = [np.abs(clouds.lat_deg) > 20 for clouds in seeds]
    assert 0 < sum(h.sum() for h in high) < 60  # of 400,000
    for clouds, h in zip(seeds, high, strict=True):
        assert np.all(np.degrees(6 * clouds.sigma_rad[h]) <= 3)


def test_clouds_follow_four_arms():
    clouds = cloud_population(3)
    lon, lat = np.radians(clouds.lon_deg), np.radians(clouds.lat_deg)
    x = clouds.distance_kpc * np.cos(lat) * np.cos(lon) - 8.3
    y = clouds.distance_kpc * np.cos(lat) * np.sin(lon)
    disc = clouds.radius_kpc > 4
    arm = np.log(clouds.radius_kpc[disc] / 3) / np.tan(np.radians(-12)) + np.radians(25)
    order = np.exp(4j * (np.arctan2(y, x)[disc] - arm)).mean()
    assert order.real > 0.3  # 0 without arms; the arms' width lowers it from 1
    assert abs(order.imag) < 0.1


def test_a_seed_is_a_map():
    one, same, other = (cloud_map(32, seed, n=500) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_beam_has_the_width_asked_for():
    cloud = cloud_population(0, n=1)
    w_co = cloud_map(128, 0, n=1, fwhm_arcmin=120.0)
    centre = hp.ang2vec(cloud.lon_deg[0], cloud.lat_deg[0], lonlat=True)
    away = np.arccos(np.clip(centre @ np.array(hp.pix2vec(128, np.arange(w_co.size))), -1, 1))
    near = away < np.radians(8)
    sigma = np.sqrt((w_co * away**2)[near].sum() / w_co[near].sum() / 2)
    assert np.degrees(sigma) == pytest.approx(2.0 / 2.3548, rel=0.03)


def test_normalised_to_the_total_in_the_plane():
    like = np.random.default_rng(1).random(hp.nside2npix(64))
    latitude = np.abs(hp.pix2ang(64, np.arange(like.size), lonlat=True)[1])
    expected = like[latitude < 2].sum() * hp.nside2pixarea(64)
    assert plane_total(like) == pytest.approx(expected)
    scaled, plain = cloud_map(32, 1, like=like), cloud_map(32, 1)
    assert plane_total(scaled) == pytest.approx(expected)
    np.testing.assert_allclose(scaled / scaled.sum(), plain / plain.sum())
    like[latitude > 2] = 1e6  # what is outside does not count
    like[np.flatnonzero(latitude < 2)[:2]] = hp.UNSEEN, np.nan  # nor what is missing
    assert 0.9 * expected < plane_total(like) < expected


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"nside": 33}, "power of two"),
        ({"fwhm_arcmin": 10.0}, "finer than"),
        ({"n": 0}, "must be positive"),
        ({"seed": -1}, "seed"),
        ({"like": np.ones(100)}, "no HEALPix map"),
        ({"like": np.full(768, hp.UNSEEN)}, "total of 0"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(arguments, message):
    with pytest.raises(CoganError, match=message):
        cloud_map(**{"nside": 32, "seed": 1, **arguments})
