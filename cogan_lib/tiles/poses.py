"""Tiles at random places and position angles: where a network is trained, beside the grid.

A network that is trained on a grid's tiles, however flipped and rotated, sees the same few thousand
pictures again and again; the sky has as many others as one cares to cut.
"""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from .geometry import Geometry, tile_lonlat
from .split import (
    TEST_BLOCKS,
    TRAIN,
    VALIDATION_BLOCKS,
    Blocks,
    assign_split,
    distance_to_block,
)
from .tiling import share_of_tiles

#: Farther from the plane no centre is drawn: near the poles a tile lies in all longitudes.
HIGHEST_DEG = 75.0
#: Places drawn for each that is wanted, before it is given up.
_TRIES = 5_000
_TOGETHER = 4096


def border_of(npix: int) -> np.ndarray:
    """Mark the outermost pixels of a tile.

    Parameters
    ----------
    npix : int

    Returns
    -------
    ndarray of bool, shape (npix, npix)

    Examples
    --------
    >>> int(border_of(8).sum())
    28
    """
    border = np.ones((npix, npix), dtype=bool)
    border[1:-1, 1:-1] = False
    return border


def draw_poses(
    seed: int,
    n: int,
    geometry: Geometry,
    strong: np.ndarray,
    *,
    context: int = 0,
    faint_share: float = 0.0,
    min_share: float = 0.02,
    test: Blocks = TEST_BLOCKS,
    validation: Blocks = VALIDATION_BLOCKS,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw places and position angles of training tiles.

    Uniformly on the sphere within 75 degrees of the plane, so that the whole tile, its context
    included, keeps a tile's side from all validation and test longitudes (`split.assign_split`).

    Parameters
    ----------
    seed : int
    n : int
        Tiles.
    geometry : Geometry
        Of the tiles without their context.
    strong : ndarray of bool, shape (12 * nside**2,)
        Pixels, RING, in which CO is well above the noise.
    context : int
        Pixels on every side of a tile that networks see and nobody asks for.
    faint_share : float
        This share of the tiles may lie anywhere there; of the others at least `min_share` of the
        pixels without the context are strong.
    min_share : float
    test, validation : tuple of (float, float)
        The blocks of longitude in degrees that are held out.

    Returns
    -------
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees; those from anywhere come first.
    angles : ndarray, shape (n,)
        Position angles (`geometry.tile_vectors`) in degrees, from 0 to 360.

    Raises
    ------
    CoganError
        If hardly any place fits.

    Examples
    --------
    >>> everywhere = np.ones(48, dtype=bool)
    >>> centres, angles = draw_poses(1, 5, Geometry(16, 30.0), everywhere, context=4)
    >>> centres.shape, angles.shape, bool((np.abs(centres[:, 1]) < 75).all())
    ((5, 2), (5,), True)
    """
    random = np.random.default_rng([seed, 75])  # no other random step has such a seed
    anywhere = round(faint_share * n)
    shape = (geometry, context, (test, validation))
    parts = [
        _draw(random, anywhere, shape, None, min_share),
        _draw(random, n - anywhere, shape, strong, min_share),
    ]
    lon, lat, angles = np.concatenate(parts).T
    return np.stack([lon, lat], axis=1), angles


def _draw(
    random: np.random.Generator,
    n: int,
    shape: tuple[Geometry, int, tuple[Blocks, Blocks]],
    strong: np.ndarray | None,
    min_share: float,
) -> np.ndarray:
    """Draw until n places fit: longitude, latitude, angle, shape (n, 3)."""
    found, left = [np.empty((0, 3))], n
    for _ in range(0, max(_TRIES * n, _TOGETHER), _TOGETHER):
        if left <= 0:
            break
        u = random.random((_TOGETHER, 3))  # as many whatever fits: one stream, one result
        highest = np.sin(np.radians(HIGHEST_DEG))
        latitude = np.degrees(np.arcsin(highest * (2 * u[:, 1] - 1)))
        poses = np.stack([360 * u[:, 0], latitude, 360 * u[:, 2]], axis=1)
        poses = poses[_may_fit(poses, *shape)]
        for start in range(0, len(poses), 64):
            if left <= 0:
                break
            some = poses[start : start + 64]
            some = some[_fits(some, *shape, strong, min_share)][:left]
            found.append(some)
            left -= len(some)
    if left > 0:
        geometry, context, _ = shape
        raise CoganError(
            f"Only {n - left} of {n} tiles of {geometry.grown(context).side_deg:g} degrees found a "
            "place in the training longitudes; lower snr_min or context, or take smaller tiles."
        )
    return np.concatenate(found)


def _may_fit(
    poses: np.ndarray, geometry: Geometry, context: int, held_out: tuple[Blocks, Blocks]
) -> np.ndarray:
    """Tell quickly which places a tile's inscribed circle, less a tenth of it, allows."""
    least = geometry.side_deg + 0.45 * geometry.grown(context).side_deg
    lon, lat = poses[:, 0], poses[:, 1]
    distances = [distance_to_block(lon, lat, block) for blocks in held_out for block in blocks]
    return np.min(distances, axis=0) >= least


def _fits(
    poses: np.ndarray,
    geometry: Geometry,
    context: int,
    held_out: tuple[Blocks, Blocks],
    strong: np.ndarray | None,
    min_share: float,
) -> np.ndarray:
    """Tell which tiles keep the guard and are strong enough, shape (len(poses),)."""
    whole = geometry.grown(context)
    lon, lat = tile_lonlat(whole, poses[:, :2], poses[:, 2])
    border = border_of(whole.npix)
    good = assign_split(lon[:, border], lat[:, border], geometry.side_deg, *held_out) == TRAIN
    if strong is not None:
        inner = slice(context, whole.npix - context)
        lon, lat = lon[good][:, inner, inner], lat[good][:, inner, inner]
        good[good] = share_of_tiles(strong, lon, lat) >= min_share
    return good
