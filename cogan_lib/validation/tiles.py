"""Stacks of flat tiles: what every statistic asks of them, and standardised tiles."""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError


def check_tiles(name: str, tiles: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Check a stack of tiles, and refuse all that no statistic can use.

    Parameters
    ----------
    name : str
        What the sentence of the error calls them.
    tiles : array_like, shape (n, npix, npix)
    like : ndarray, optional
        Tiles of the shape that these must have.

    Returns
    -------
    ndarray, shape (n, npix, npix)

    Raises
    ------
    CoganError
        If the shape is not (n, npix, npix), a value is not finite, or the shape differs from
        that of `like`.
    """
    tiles = np.asarray(tiles)
    if tiles.ndim != 3 or tiles.shape[1] != tiles.shape[2] or tiles.size == 0:
        raise CoganError(
            f"The {name} tiles have shape {tiles.shape}; give a stack (n, npix, npix) of squares."
        )
    if tiles.dtype.kind not in "fiu":
        raise CoganError(f"The {name} tiles are of type {tiles.dtype}; give real numbers.")
    if like is not None and tiles.shape != like.shape:
        raise CoganError(
            f"The {name} tiles have shape {tiles.shape}, the others {like.shape}; "
            "cut both at the same centres with the same geometry."
        )
    if not np.isfinite(tiles).all():
        bad = int(np.flatnonzero(~np.isfinite(tiles).all(axis=(1, 2)))[0])
        raise CoganError(
            f"The {name} tiles hold NaN or infinite values (first in tile {bad}); "
            "fill or leave out such tiles first."
        )
    return tiles


def standardise(tiles: np.ndarray) -> np.ndarray:
    """Subtract each tile's mean and divide by its standard deviation; a constant tile becomes 0.

    Parameters
    ----------
    tiles : ndarray, shape (n, npix, npix)

    Returns
    -------
    ndarray, shape (n, npix, npix), float64

    Examples
    --------
    >>> standardise(np.array([[[0.0, 2.0], [2.0, 0.0]]]))
    array([[[-1.,  1.],
            [ 1., -1.]]])
    """
    tiles = np.asarray(tiles, dtype=np.float64)
    offset = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    deviation = offset.std(axis=(1, 2), keepdims=True)
    # A constant tile has a deviation of rounding size, not exactly 0.
    constant = deviation <= 1e-12 * np.abs(tiles).max(axis=(1, 2), keepdims=True)
    return np.where(constant, 0.0, offset / np.where(constant, 1.0, deviation))
