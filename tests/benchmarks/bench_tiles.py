"""Sphere to tiles and back, against reproject, which the paper's code uses."""

import ducc0
import healpy as hp
import numpy as np
import pytest
from skies import centre_nside, gaussian_alm, gaussian_map, geometry

from cogan_lib.sky.harmonics import Interpolant
from cogan_lib.synthesis import synthesis_grid
from cogan_lib.tiles.geometry import tile_angles, tile_centres
from cogan_lib.tiles.tiling import cut_maps, map_to_alm

reproject = pytest.importorskip("reproject")
FEW = 16  # tiles that the rival cuts
BATCH = 64  # tiles cut or joined at once


def zea_wcs(shape, centre):
    """The same grid in the words of FITS."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["GLON-ZEA", "GLAT-ZEA"]
    wcs.wcs.crval, wcs.wcs.crpix = centre, [(shape.npix + 1) / 2] * 2
    wcs.wcs.cdelt = [-shape.pixel_arcmin / 60, shape.pixel_arcmin / 60]
    return wcs


def their_cut(values, shape, centre):
    return reproject.reproject_from_healpix(
        (values, "galactic"), zea_wcs(shape, centre), (shape.npix, shape.npix), nested=False
    )[0]


def their_join(tile, shape, centre, nside):
    return reproject.reproject_to_healpix(
        (tile, zea_wcs(shape, centre)), "galactic", order="bicubic", nside=nside
    )[0]


@pytest.fixture(scope="module")
def places(size):
    """Places all over the sky, the first of them away from the poles."""
    return tile_centres(centre_nside(size.nside))[
        5 :: max(1, 12 * centre_nside(size.nside) ** 2 // FEW)
    ]


def harmonic_sum(alm, shape, centres):
    """Truth: the a_lm summed at the tiles' points to ten digits."""
    points = np.stack(tile_angles(shape, centres), axis=-1).reshape(-1, 2)
    lmax = hp.Alm.getlmax(alm.size)
    sums = ducc0.sht.synthesis_general(
        alm=alm[None], loc=points, lmax=lmax, spin=0, epsilon=1e-10, nthreads=1
    )
    return sums.reshape(len(centres), shape.npix, shape.npix)


def full_sky(maps, nside):
    """Cut every tile of the sky, in batches, and keep none."""
    centres = tile_centres(centre_nside(nside))
    for start in range(0, len(centres), BATCH):
        cut_maps(maps, geometry(nside), centres[start : start + BATCH])


@pytest.mark.parametrize("work", ["cut", "cut-map"])
def test_cut_ours(size, measure, agree, places, work):
    nside, shape = size.nside, geometry(size.nside)
    alm, values = gaussian_alm(nside), gaussian_map(nside)
    lmax = hp.Alm.getlmax(alm.size)
    few = places[:4]
    truth = harmonic_sum(alm, shape, few)
    made_of = alm if work == "cut" else map_to_alm(values, lmax)
    ours = cut_maps([Interpolant(made_of)], shape, few)[:, 0]
    theirs = their_cut(values, shape, few[0])
    off = np.abs(theirs - truth[0]).max() / truth.std()
    what = f"greatest error in sd of the harmonic sum (the rival: {off:.2g}), ours"
    tolerance = 1e-4 if work == "cut" else 1e-3  # the analysis ends after three iterations
    agree(work, what, np.abs(ours - truth).max() / truth.std(), tolerance)

    def ours_full_sky():
        full_sky([Interpolant(alm if work == "cut" else map_to_alm(values, lmax))], nside)

    n, points = len(tile_centres(centre_nside(nside))), shape.npix**2
    note = f"full sky of {n:,} tiles, what is done once a map included"
    measure(
        ours_full_sky,
        work,
        "ours",
        count=n,
        rounds=1,
        note=note,
        bytes=8 * values.size / n + 4 * points,
    )


@pytest.mark.parametrize("work", ["cut", "cut-map"])
def test_cut_theirs(size, measure, places, work):
    values, shape = gaussian_map(size.nside), geometry(size.nside)
    measure(
        lambda: [their_cut(values, shape, centre) for centre in places[:FEW]],
        *(work, "theirs"),
        count=min(FEW, len(places)),
        note=f"the rival cut {min(FEW, len(places))} tiles",
    )


def test_join_ours(size, measure, agree):
    nside = size.nside
    _, joiner = synthesis_grid(geometry(nside), nside)
    shape, n = joiner.geometry, len(joiner.centres)
    index = n // 3
    maps = [Interpolant(gaussian_alm(nside))]
    tiles = cut_maps(maps, shape, joiner.centres[index : index + BATCH])
    pixels, _, values = joiner._pull(index, tiles[0])
    theirs = their_join(tiles[0, 0], shape, joiner.centres[index], nside)[pixels]
    worst = np.abs(values[0] - theirs).max() / theirs.std()
    agree("join", "greatest difference of one tile's pixels, in sd", worst, 1e-3)

    def ours_full_sky():
        for start in range(0, n, BATCH):
            joiner.add(start, tiles[: n - start])
        joiner.finish()

    measure(
        ours_full_sky,
        *("join", "ours"),
        count=n,
        rounds=1,
        note=f"full sky of {n:,} tiles of {shape.npix} pixels, the generator's context included",
        bytes=4 * shape.npix**2 + 4 * 12 * nside**2 / n,
    )


def test_join_theirs(size, measure):
    nside = size.nside
    _, joiner = synthesis_grid(geometry(nside), nside)
    centre = joiner.centres[len(joiner.centres) // 3]
    tile = cut_maps([Interpolant(gaussian_alm(nside))], joiner.geometry, centre)[0, 0]
    measure(
        lambda: their_join(tile, joiner.geometry, centre, nside),
        *("join", "theirs"),
        rounds=1,
        note="the rival joined one tile",
    )
