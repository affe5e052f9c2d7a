"""What holds whatever the numbers: scalings, tiles, splits and sky files, tried by Hypothesis."""

import healpy as hp
import numpy as np
import pytest
import torch
from astropy.io import fits
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cogan_lib.sky.lines import COLUMN_UNITS
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky
from cogan_lib.tiles.geometry import Geometry, tile_angles, tile_lonlat, tile_vectors
from cogan_lib.tiles.scaling import PatchMinMax, Scaling, scaling_from_dict
from cogan_lib.tiles.split import (
    SPLITS,
    TEST,
    TEST_BLOCKS,
    TRAIN,
    UNUSED,
    VALIDATION,
    VALIDATION_BLOCKS,
    assign_split,
)
from cogan_lib.tiles.tiling import (
    Joiner,
    cut_tiles,
    join_tiles,
    map_to_alm,
)

quickly = settings(
    deadline=None,
    derandomize=True,  # the same cases at each `make test`
    max_examples=30,
    phases=(Phase.explicit, Phase.generate),  # a failure is shown as it was found
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(["log", "asinh"])
projections = st.sampled_from(["ZEA", "TAN"])


# --- scalings -------------------------------------------------------------------------------------


@st.composite
def scalings(draw):
    """Any scaling that is fitted to dust, N_HI or CO."""
    magnitude = 10.0 ** draw(st.floats(-6, 22))
    softening = magnitude * 10.0 ** draw(st.floats(-4, 0))
    return Scaling(draw(kinds), softening, draw(st.floats(-30, 30)), draw(st.floats(0.01, 10)))


@quickly
@given(scalings(), arrays(np.float64, 20, elements=st.floats(0, 6)))
def test_a_scaling_is_invertible_and_monotone(scaling, decades):
    """From the softening to a million times it; asinh as far below zero."""
    x = scaling.softening * 10.0**decades
    x = np.sort(np.concatenate([-x, x])) if scaling.kind == "asinh" else np.sort(x)
    y = scaling.forward(x)
    assert np.isfinite(y).all() and (np.diff(y) >= 0).all()
    apart = np.diff(x) > 1e-9 * np.abs(x[1:])
    assert (np.diff(y)[apart] > 0).all()
    np.testing.assert_allclose(scaling.inverse(y), x, rtol=1e-9, atol=1e-9 * scaling.softening)
    tensor = torch.from_numpy(x)
    np.testing.assert_allclose(scaling.forward(tensor).numpy(), y, rtol=1e-12, atol=1e-12)
    assert scaling_from_dict(scaling.to_dict()) == scaling


@quickly
@given(kinds, seeds, st.floats(0.1, 3), st.floats(-5, 21))
def test_a_fitted_scaling_gives_units_of_one_and_its_own_range(kind, seed, width, decade):
    values = 10.0**decade * np.random.default_rng(seed).lognormal(0, width, (5, 4, 4))
    scaling = Scaling.fit(kind, values, 10.0**decade / 10 if kind == "asinh" else None)
    scaled = scaling.forward(values)
    assert scaled.mean() == pytest.approx(0, abs=1e-6) and scaled.std() == pytest.approx(1)
    assert (scaling.low, scaling.high) == (values.min(), values.max())
    np.testing.assert_array_equal(scaling.bound(10 * values), np.minimum(10 * values, values.max()))


@quickly
@given(seeds, st.floats(-3, 22))
def test_minmax_goes_to_one_and_back_with_the_extremes_alone(seed, decade):
    tiles = 10.0**decade * np.random.default_rng(seed).random((2, 3, 4, 4))
    scaling = PatchMinMax()
    scaled = scaling.forward(tiles)
    assert scaled.min() == -1 and scaled.max() == pytest.approx(1, abs=1e-9)
    back = scaling.inverse(scaled, scaling.extremes(tiles))
    np.testing.assert_allclose(back, tiles, rtol=1e-9, atol=1e-9 * 10.0**decade)


# --- tiles ----------------------------------------------------------------------------------------


def point(lon_deg, lat_deg) -> np.ndarray:
    """Unit vectors, shape (..., 3)."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


places = st.tuples(st.floats(0, 360), st.floats(-90, 90))


@quickly
@given(places, projections, st.integers(8, 40), st.floats(1, 60))
def test_a_tile_lies_around_its_centre(place, projection, npix, pixel_arcmin):
    """Unit vectors, the right distances from the centre, and angles that say the same."""
    geometry = Geometry(npix, pixel_arcmin, projection)
    vectors = tile_vectors(geometry, np.array([place]))[0]
    np.testing.assert_allclose((vectors**2).sum(-1), 1, rtol=1e-12)
    centre = point(*place)
    corner = np.radians(pixel_arcmin / 60) * (npix - 1) / np.sqrt(2)  # in the plane
    away = 2 * np.arcsin(corner / 2) if projection == "ZEA" else np.arctan(corner)
    for at in (0, -1):
        distance = 2 * np.arcsin(np.linalg.norm(vectors[at, at] - centre) / 2)
        assert distance == pytest.approx(away, rel=1e-6)
    colatitude, lon = (angle[0] for angle in tile_angles(geometry, np.array([place])))
    assert (lon >= 0).all() and (lon < 2 * np.pi).all()
    # the pole's longitude is open, and arccos is coarse there
    again = point(np.degrees(lon), 90 - np.degrees(colatitude))
    np.testing.assert_allclose(again, vectors, atol=1e-7)


@settings(quickly, max_examples=6)
@given(seeds, projections, st.sampled_from([8, 16]), st.floats(1.8, 3.2))
def test_sphere_to_tiles_to_sphere(seed, projection, centre_nside, slope):
    """What is cut and joined again is the sky, and keeps its flux."""
    nside, lmax, rng = 32, 63, np.random.default_rng(seed)
    ell, size = np.arange(1, lmax + 1), hp.Alm.getsize(lmax)
    alm = rng.normal(size=size) + 1j * rng.normal(size=size)
    alm[: lmax + 1] = alm[: lmax + 1].real
    shape = np.r_[0, ell ** (-slope / 2)] * hp.gauss_beam(np.radians(3), lmax=lmax)
    values = hp.alm2map(hp.almxfl(alm, shape), nside, lmax=lmax)
    values += 10 * values.std()
    pixel = 20.0
    side = 2 * np.degrees(Joiner.reach(centre_nside)) * 60 / pixel
    geometry = Geometry(int(side) + 14, pixel, projection)
    joiner = Joiner(geometry, centre_nside, nside)
    tiles = cut_tiles(map_to_alm(values, lmax), geometry, joiner.centres)
    back = join_tiles(joiner, tiles[:, None])[0]
    assert np.std(back - values) < 2e-3 * np.std(values)
    assert back.sum() == pytest.approx(values.sum(), rel=1e-5)


@settings(quickly, max_examples=10)
@given(places)
def test_a_tile_of_equal_areas_keeps_the_flux_of_a_cloud(place):
    nside, geometry = 32, Geometry(48, 60.0)
    pixels = np.stack(hp.pix2vec(nside, np.arange(12 * nside**2)))
    width = np.radians(4) ** 2
    cloud = np.exp(-(1 - point(*place) @ pixels) / width)
    tile = cut_tiles(map_to_alm(cloud), geometry, np.array([place]))[0]
    flux = 2 * np.pi * width * -np.expm1(-2 / width)
    assert tile.sum(dtype=float) * np.radians(1) ** 2 == pytest.approx(flux, rel=2e-3)


@settings(quickly, max_examples=8)
@given(seeds, projections, st.integers(8, 16), st.floats(5, 35))
def test_splits_share_no_sky(seed, projection, npix, pixel_arcmin):
    """Held-out tiles lie in one block; training tiles keep a tile's side from all of them."""
    rng, geometry = np.random.default_rng(seed), Geometry(npix, pixel_arcmin, projection)
    lat = np.degrees(np.arcsin(rng.uniform(-0.7, 0.7, 200)))
    centres = np.stack([rng.uniform(0, 360, 200), lat], axis=1)
    edge = np.ones((npix, npix), dtype=bool)
    edge[1:-1, 1:-1] = False
    lon, lat = (angle[:, edge] for angle in tile_lonlat(geometry, centres))
    split = assign_split(lon, lat, geometry.side_deg)
    assert set(split) <= {*SPLITS.values(), UNUSED}
    points = point(lon, lat)
    for label, blocks in ((TEST, TEST_BLOCKS), (VALIDATION, VALIDATION_BLOCKS)):
        for tile in np.flatnonzero(split == label):
            inside = [((lon[tile] >= low) & (lon[tile] <= high)).all() for low, high in blocks]
            assert sum(inside) == 1
        held, train = points[split == label], points[split == TRAIN].reshape(-1, 3)
        if len(held) and len(train):
            nearest = max((tile @ train.T).max() for tile in held)
            assert np.degrees(np.arccos(np.clip(nearest, -1, 1))) >= geometry.side_deg - 1e-6
    # a block of one kind is nowhere near one of the other
    for low, high in TEST_BLOCKS:
        assert all(high < other[0] or other[1] < low for other in VALIDATION_BLOCKS)


# --- sky files ------------------------------------------------------------------------------------

names = st.lists(st.sampled_from(sorted(COLUMN_UNITS)), min_size=1, max_size=5, unique=True)
words = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
facts = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,19}", fullmatch=True).filter(
        lambda key: (
            not key.startswith(("fwhm", "nside", "end", "naxis", "t", "continue", "bitpix"))
            and key not in ("comment", "history", "simple", "ordering", "object", "theap")
        )
    ),
    st.integers(-(2**31), 2**31) | st.floats(-1e30, 1e30) | words.map(str.strip),
    max_size=4,
)


@quickly
@given(names, st.sampled_from([1, 2, 4, 16]), seeds, st.floats(0.5, 600), facts)
def test_a_sky_comes_back_as_it_was_written(tmp_path, names, nside, seed, fwhm, meta):
    rng = np.random.default_rng(seed)
    maps = {
        name: (10.0 ** rng.uniform(-30, 28) * rng.normal(size=12 * nside**2)).astype(np.float32)
        for name in names
    }
    for values in maps.values():
        assert np.abs(values).max() < 1e29  # beyond, spellings of "no value" begin
    for name in names:
        if name.endswith("_ERR"):  # an error of zero or less is none
            maps[name] = np.abs(maps[name]) + np.float32(1e-30)
    units = {name: COLUMN_UNITS[name][0] for name in names}
    back = read_sky(write_sky(tmp_path / "sky.fits", Sky(maps, units, fwhm, meta)))
    assert list(back.maps) == names and back.units == units and back.nside == nside
    assert back.fwhm_arcmin == pytest.approx(fwhm, rel=1e-12)
    for name in names:
        assert back.maps[name].dtype == np.float32
        np.testing.assert_array_equal(back.maps[name], maps[name])
    for key, value in meta.items():
        assert back.meta[key] == (pytest.approx(value) if isinstance(value, float) else value)


def dipole(nside: int, order: str, frame: str) -> np.ndarray:
    """1 + the cosine of the distance from the Galactic point (30, 40), stored as a file may be."""
    lon, lat = hp.pix2ang(nside, np.arange(12 * nside**2), nest=order != "RING", lonlat=True)
    if frame != "G":
        lon, lat = hp.Rotator(coord=[frame, "G"])(lon, lat, lonlat=True)
    return 1 + point(lon, lat) @ point(30.0, 40.0)


@quickly
@given(
    st.sampled_from([8, 16]),
    st.sampled_from(["RING", "NESTED", "NEST", "nested"]),
    st.sampled_from(["G", "GALACTIC", "C", "ICRS", "E", "ecliptic"]),
    st.sampled_from(["E", "D", "I", "J", "K"]),
    st.sampled_from([1, 64]),
    st.booleans(),
)
def test_any_order_frame_and_type_arrive_ring_and_galactic(
    tmp_path, nside, order, frame, form, a_row, foreign
):
    """As a sky file and as a foreign map, in rows of one value or of many."""
    scale = 1.0 if form in "ED" else 1e4
    values = scale * dipole(nside, order, "C" if frame == "ICRS" else frame[0].upper())
    values = np.round(values) if form in "IJK" else values
    column = fits.Column("DUST", f"{a_row}{form}", "MJy/sr", array=values.reshape(-1, a_row))
    table = fits.BinTableHDU.from_columns([column])
    table.header.update(NSIDE=nside, ORDERING=order, COORDSYS=frame, FWHM=600.0)
    table.writeto(tmp_path / "sky.fits", overwrite=True)
    truth = scale * dipole(nside, "RING", "G")
    path = tmp_path / "sky.fits"
    read = read_map(path, to_unit="MJy/sr") if foreign else read_sky(path).maps["DUST"]
    np.testing.assert_allclose(read, truth, atol=0.02 * scale)
    if frame[0] == "G":
        np.testing.assert_allclose(read, truth, atol=0.51 if form in "IJK" else 1e-6)
