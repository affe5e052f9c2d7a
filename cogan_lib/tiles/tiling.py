"""Sphere to flat tiles and back.

Out: the map's a_lm are summed *at the tiles' points* (`harmonics.Interpolant`), so that a
band-limited map is cut exactly. Back: see `joining`.
Chapter 01 draws the geometry, chapter 04 the joining.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.checks import check_angles, check_centres
from ..base.files import CoganError
from ..sky.harmonics import ACCURACY, Interpolant, map2alm
from ..sky.maps import full_sky
from .geometry import Geometry, tile_points
from .geometry import tile_centres as tile_centres  # handed on: all of a tile in one place
from .geometry import tile_lonlat as tile_lonlat
from .geometry import tile_vectors as tile_vectors
from .joining import BLEND as BLEND
from .joining import Joiner as Joiner
from .joining import join_tiles as join_tiles

#: Points evaluated at once: bounds the memory beside the tiles themselves.
_CHUNK_POINTS = 1_000_000


def map_to_alm(values: np.ndarray, lmax: int | None = None) -> np.ndarray:
    """Compute the a_lm of a full map without holes.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING.
    lmax : int, optional
        Default: 3 nside - 1.

    Returns
    -------
    ndarray of complex
        healpy's order.

    Raises
    ------
    CoganError
        If it is no map, or has holes.

    Examples
    --------
    >>> map_to_alm(np.full(12 * 4**2, 2.0), lmax=1).real.round(4)  # 2 sqrt(4 pi)
    array([7.0898, 0.    , 0.    ])
    """
    values = full_sky(values)
    if not np.isfinite(values).all():
        raise CoganError("The map has NaN or infinite pixels; fill them first (sky.fill_missing).")
    lmax = 3 * hp.npix2nside(values.size) - 1 if lmax is None else lmax
    return map2alm(values, lmax, enough=ACCURACY)


def cut_maps(
    maps: list[Interpolant],
    geometry: Geometry,
    centres: np.ndarray,
    angles: np.ndarray | None = None,
) -> np.ndarray:
    """Cut tiles of several band-limited maps at the same centres, exact to 1e-5.

    Parameters
    ----------
    maps : list of Interpolant
        Each map, ready for points anywhere (`harmonics.Interpolant`).
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    angles : ndarray, shape (n,), optional
        Position angle of each tile (`geometry.tile_vectors`) in degrees.

    Returns
    -------
    ndarray, shape (n, len(maps), npix, npix), float32
        In the maps' units.

    Raises
    ------
    CoganError
        If a centre is no point of the sphere, or there is not one finite angle per centre.
    """
    centres = check_centres(centres)
    if angles is not None:
        angles = check_angles(angles, len(centres))
    nthreads = max(of_one.nthreads for of_one in maps)
    tiles = np.empty((len(centres), len(maps), geometry.npix, geometry.npix), dtype=np.float32)
    chunk = max(1, _CHUNK_POINTS // geometry.npix**2)
    for start in range(0, len(centres), chunk):
        part = slice(start, start + chunk)
        turns = None if angles is None else angles[part]
        points = tile_points(geometry, centres[part], nthreads, turns)
        for i, values_at in enumerate(maps):
            tiles[part, i] = values_at(points.reshape(-1, 3)).reshape(points.shape[:-1])
    return tiles


def cut_tiles(
    alm: np.ndarray,
    geometry: Geometry,
    centres: np.ndarray,
    nthreads: int = 1,
    angles: np.ndarray | None = None,
) -> np.ndarray:
    """Cut tiles of one band-limited map, exact to 1e-5.

    Parameters
    ----------
    alm : ndarray of complex
        From `map_to_alm`.
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    nthreads : int
    angles : ndarray, shape (n,), optional
        As for `cut_maps`.

    Returns
    -------
    ndarray, shape (n, npix, npix), float32
        In the map's unit.

    Raises
    ------
    CoganError
        If a centre is no point of the sphere.

    Examples
    --------
    >>> alm = map_to_alm(np.full(12 * 8**2, 2.0))
    >>> cut_tiles(alm, Geometry(8, 60.0), tile_centres(1))[0, 0, :2].round(2)
    array([2., 2.], dtype=float32)
    """
    return cut_maps([Interpolant(alm, nthreads)], geometry, centres, angles)[:, 0]


def share_of_tiles(mask: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Find the share of each tile that a mask covers, from the pixels that its points fall in.

    Parameters
    ----------
    mask : ndarray of bool, shape (12 * nside**2,)
        RING.
    lon, lat : ndarray, shape (n, npix, npix)
        From `tile_lonlat`, in degrees.

    Returns
    -------
    ndarray, shape (n,)
    """
    nside = hp.npix2nside(mask.size)
    return np.array(
        [
            mask[hp.ang2pix(nside, tile_lon, tile_lat, lonlat=True)].mean()
            for tile_lon, tile_lat in zip(lon, lat, strict=True)
        ]
    )
