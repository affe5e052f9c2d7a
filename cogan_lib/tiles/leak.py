"""How much of the test sky a training has seen, however tiles are dealt out to the two."""

from __future__ import annotations

import healpy as hp
import numpy as np
from scipy.spatial import cKDTree

from ..base.files import CoganError
from .geometry import Geometry, tile_lonlat


def with_guard(lonlat: np.ndarray, test: np.ndarray, guard_deg: float) -> np.ndarray:
    """Choose the training tiles: those whose centres keep a distance from all test tiles'.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
        Centres in degrees.
    test : ndarray of bool, shape (n,)
    guard_deg : float
        0: whatever is not a test tile.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    CoganError
        If no tile is to be tested, or the guard is negative.

    Examples
    --------
    >>> lonlat = np.array([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    >>> with_guard(lonlat, np.array([True, False, False]), 8.0)
    array([False, False,  True])
    """
    if not test.any() or not guard_deg >= 0:
        raise CoganError(
            f"There are {test.sum()} test tiles and a guard of {guard_deg} degrees; give at least "
            "one test tile and no negative guard."
        )
    vectors = hp.ang2vec(*lonlat.T, lonlat=True)
    chord = cKDTree(vectors[test]).query(vectors)[0]
    return ~test & (chord >= 2 * np.sin(np.radians(guard_deg) / 2))


def shared_sky(
    geometry: Geometry, lonlat: np.ndarray, train: np.ndarray, test: np.ndarray, nside: int
) -> float:
    """Find what share of the test tiles' sky stands in training tiles as well.

    Parameters
    ----------
    geometry : Geometry
    lonlat : ndarray, shape (n, 2)
        Centres in degrees.
    train, test : ndarray of bool, shape (n,)
    nside : int
        Of the sky pixels that are counted.

    Returns
    -------
    float
    """
    pixels = hp.ang2pix(nside, *tile_lonlat(geometry, lonlat), lonlat=True)
    seen = np.zeros(hp.nside2npix(nside), dtype=bool)
    seen[pixels[train]] = True
    return float(seen[np.unique(pixels[test])].mean())
