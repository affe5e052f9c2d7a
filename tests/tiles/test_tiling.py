"""The sphere-to-tile road: exact out, accurate back, no seams, no mirror images."""

from functools import lru_cache

import healpy as hp
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from scipy.special import sph_harm_y

from cogan_lib.base.files import CoganError
from cogan_lib.tiles.geometry import Geometry, tile_centres, tile_lonlat, tile_vectors
from cogan_lib.tiles.tiling import Joiner, cut_tiles, join_tiles, map_to_alm

NSIDE, FWHM = 64, 90.0
GEOMETRY, GROWN = Geometry(32, 15.0), Geometry(56, 15.0)


@lru_cache
def sky_map(nside=NSIDE, fwhm=FWHM, seed=1):
    """A seeded Gaussian sky with a steep spectrum and a beam, and its a_lm."""
    np.random.seed(seed)  # noqa: NPY002 - healpy's synfast knows no generator
    ell = np.arange(3 * nside)
    cl = np.where(ell > 1, np.maximum(ell, 1.0) ** -2.6, 0)
    values = hp.synfast(cl, nside, fwhm=np.radians(fwhm / 60))
    alm = map_to_alm(values)
    return hp.alm2map(alm, nside, lmax=3 * nside - 1), alm


@pytest.mark.parametrize(
    ("nside", "fwhm", "geometry", "centre_nside"),
    [
        (64, 90.0, Geometry(40, 15.0), 16),  # smoke
        pytest.param(256, 20.0, Geometry(80, 7.5), 16, marks=pytest.mark.slow),  # laptop and real
        (64, 90.0, Geometry(40, 15.0, "TAN"), 16),
    ],
)
def test_round_trip_is_good_to_a_tenth_of_a_percent(nside, fwhm, geometry, centre_nside):
    values, alm = sky_map(nside, fwhm)
    tiles = cut_tiles(alm, geometry, tile_centres(centre_nside))
    back = join_tiles(Joiner(geometry, centre_nside, nside), tiles[:, None])[0]
    assert np.std(back - values) / np.std(values) < 1e-3


def test_round_trip_leaves_no_seam_in_the_spectrum():
    """C_ell of (back - sky) stays 10^5 below the sky's: no extra power at the cells' spacing."""
    values, alm = sky_map()
    tiles = cut_tiles(alm, Geometry(40, 15.0), tile_centres(16))
    back = join_tiles(Joiner(Geometry(40, 15.0), 16, NSIDE), tiles[:, None])[0]
    ell = np.arange(2, 121)
    noise, signal = hp.anafast(back - values, lmax=120)[ell], hp.anafast(values, lmax=120)[ell]
    assert (noise < 1e-4 * signal).all()


def test_disagreeing_tiles_keep_their_power():
    """White noise drawn afresh for every tile: the joined sky keeps nearly all of its variance
    (plain averaging of overlapping tiles would lose more than half)."""
    rng = np.random.default_rng(2)
    geometry, centres = Geometry(40, 15.0), tile_centres(16)
    noise = rng.normal(size=(len(centres), 1, 40, 40))
    # smooth within a tile, so that interpolation itself costs nothing
    smooth = np.fft.ifft2(
        np.fft.fft2(noise)
        * np.exp(-40 * np.add.outer(np.fft.fftfreq(40) ** 2, np.fft.fftfreq(40) ** 2))
    ).real
    joined = join_tiles(Joiner(geometry, 16, 128), smooth)[0]
    assert 0.85 < joined.var() / smooth.var() < 1.02


def test_context_around_a_tile_and_threads_change_nothing():
    """The joiner leaves the outer part of enlarged tiles aside, whoever computes them."""
    _, alm = sky_map()
    skies = []
    for geometry, nthreads in ((Geometry(40, 15.0), 1), (GROWN, 1), (GROWN, 3)):
        joiner = Joiner(geometry, 16, NSIDE, nthreads)
        skies.append(join_tiles(joiner, cut_tiles(alm, geometry, joiner.centres)[:, None])[0])
    tight, grown, threads = skies
    assert np.abs(grown - tight).max() < 1e-3 * tight.std()
    np.testing.assert_array_equal(threads, grown)


def test_cutting_equals_the_harmonic_sum():
    """ducc0's points against scipy-free truth: a handful of multipoles written out."""
    lmax = 8
    alm = np.zeros(hp.Alm.getsize(lmax), dtype=complex)
    alm[hp.Alm.getidx(lmax, 1, 0)] = 1.0  # sqrt(3/4pi) sin b
    alm[hp.Alm.getidx(lmax, 2, 2)] = 0.5  # 2 * 0.5 * sqrt(15/32pi) cos^2 b cos 2l
    centres = np.array([[0.0, 0.0], [359.99, -60.0], [123.0, 88.0]])
    lon, lat = np.radians(tile_lonlat(GEOMETRY, centres))
    truth = np.sqrt(3 / 4 / np.pi) * np.sin(lat)
    truth = truth + np.sqrt(15 / 32 / np.pi) * np.cos(lat) ** 2 * np.cos(2 * lon)
    np.testing.assert_allclose(cut_tiles(alm, GEOMETRY, centres), truth, atol=2e-5)


@pytest.mark.parametrize("projection", ["ZEA", "TAN"])
def test_parity_north_is_up_and_longitude_grows_to_the_left(projection):
    geometry = Geometry(32, 15.0, projection)
    lon, lat = tile_lonlat(geometry, np.array([[40.0, 10.0]]))
    assert (np.diff(lat[0], axis=0) > 0).all()
    assert (np.diff(lon[0], axis=1) < 0).all()
    vectors = tile_vectors(geometry, np.array([[40.0, 10.0]]))
    np.testing.assert_allclose((vectors**2).sum(-1), 1, rtol=1e-12)


def test_zea_tiles_have_equal_areas_and_conserve_flux():
    """The solid angle of every ZEA pixel is the same, so a sum over a tile is a flux."""
    geometry = Geometry(64, 30.0)
    v = tile_vectors(geometry, np.array([[70.0, -35.0]]))[0]
    cells = np.cross(v[1:, :-1] - v[:-1, 1:], v[1:, 1:] - v[:-1, :-1])
    areas = 0.5 * np.linalg.norm(cells, axis=-1)
    np.testing.assert_allclose(areas, np.radians(0.5) ** 2, rtol=2e-3)
    centre = hp.ang2vec(70.0, -35.0, lonlat=True)
    pixels = np.stack(hp.pix2vec(NSIDE, np.arange(12 * NSIDE**2)))
    sigma = np.radians(2.0)
    blob = np.exp(-(1 - centre @ pixels) / sigma**2)
    tile = cut_tiles(map_to_alm(blob), geometry, np.array([[70.0, -35.0]]))[0]
    assert tile.sum() * np.radians(0.5) ** 2 == pytest.approx(
        blob.sum() * hp.nside2pixarea(NSIDE), rel=1e-3
    )


def test_agrees_with_reproject():
    """An independent implementation of the same ZEA grid, on a smooth map."""
    reproject = pytest.importorskip("reproject")
    from astropy.coordinates import Galactic
    from astropy.wcs import WCS

    values, alm = sky_map(256, 120.0)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["GLON-ZEA", "GLAT-ZEA"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [10.0, 20.0], [16.5, 16.5], [-0.25, 0.25]
    theirs, _ = reproject.reproject_from_healpix(
        (values, Galactic()), wcs, shape_out=(32, 32), nested=False
    )
    ours = cut_tiles(alm, GEOMETRY, np.array([[10.0, 20.0]]))[0]
    assert np.std(ours - theirs) < 2e-2 * np.std(ours)  # theirs is bilinear


def test_bad_input_gets_a_sentence():
    with pytest.raises(CoganError, match="Projection 'CAR'"):
        Geometry(32, 15.0, "CAR")
    with pytest.raises(CoganError, match="not usable"):
        Geometry(4, 15.0)
    with pytest.raises(CoganError, match="leave gaps"):
        Joiner(Geometry(16, 15.0), 16, NSIDE)
    with pytest.raises(CoganError, match="NaN"):
        map_to_alm(np.full(12 * 16**2, np.nan))
    joiner = Joiner(Geometry(40, 15.0), 16, NSIDE)
    with pytest.raises(CoganError, match="100.0% of the sky"):
        joiner.finish()
    joiner.add(0, np.ones((1, 1, 40, 40)))
    with pytest.raises(CoganError, match="got no tile"):
        joiner.finish()


@pytest.mark.parametrize("projection", ["ZEA", "TAN"])
def test_a_rotated_tile_shows_the_sky_where_the_position_angle_says(projection):
    """Every pixel's place by astropy's offsets, its value by healpy's synthesis at that place."""
    _, alm = sky_map()
    geometry, centre, angle = Geometry(16, 30.0, projection), (70.0, -35.0), 37.0
    origin = SkyCoord(*centre, unit="deg")
    i = (np.arange(16) - 7.5) * np.radians(0.5)
    left, up = np.meshgrid(-i, i)  # east of the upward direction is to the left, as on the sky
    r = np.hypot(left, up)
    distance = 2 * np.arcsin(r / 2) if projection == "ZEA" else np.arctan(r)
    places = origin.directional_offset_by(
        (angle + np.degrees(np.arctan2(left, up))) * units.deg, distance * units.rad
    )
    lon, lat = tile_lonlat(geometry, np.array([centre]), np.array([angle]))
    np.testing.assert_allclose(lon[0], places.ra.deg, atol=1e-9)
    np.testing.assert_allclose(lat[0], places.dec.deg, atol=1e-9)
    tile = cut_tiles(alm, geometry, np.array([centre, centre]), angles=np.array([angle, 0.0]))
    some = np.array([[0, 0], [3, 12], [8, 8], [15, 1]])
    theta, phi = np.pi / 2 - places.dec.rad[*some.T], places.ra.rad[*some.T]
    degree, order = hp.Alm.getlm(hp.Alm.getlmax(alm.size))
    for at, colatitude, longitude in zip(some, theta, phi, strict=True):
        waves = sph_harm_y(degree, order, colatitude, longitude)
        value = np.where(order > 0, 2, 1) @ (alm * waves).real
        assert tile[0][*at] == pytest.approx(value, abs=2e-5 * float(tile.std()))
    assert np.abs(tile[0] - tile[1]).max() > 0.1 * tile.std()


def test_position_angle_zero_changes_no_bit_and_a_quarter_is_a_rotation():
    _, alm = sky_map()
    centres = np.array([[10.0, 80.0], [359.0, -3.0], [200.0, 20.0]])
    plain = cut_tiles(alm, GEOMETRY, centres)
    np.testing.assert_array_equal(cut_tiles(alm, GEOMETRY, centres, angles=np.zeros(3)), plain)
    quarter = cut_tiles(alm, GEOMETRY, centres, angles=np.full(3, 90.0))
    # up is east: what was on the left is on top (row 0 is at the bottom)
    expected = np.rot90(plain, 1, axes=(1, 2))
    np.testing.assert_allclose(quarter, expected, atol=2e-4 * plain.std())
    with pytest.raises(CoganError, match="position angles"):
        cut_tiles(alm, GEOMETRY, centres, angles=np.zeros(2))
