"""How far from its training must a generator reach? Dust and HI of a sky against those of the tiles
that it has learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping

import healpy as hp
import numpy as np
from scipy.spatial import cKDTree

from ..base.files import CoganError

BIN_DEX, INSIDE_SHARE = 0.1, 0.998  # of the training region
LATITUDE_BANDS = ((0, 5), (5, 10), (10, 20), (20, 30), (30, 45), (45, 60), (60, 90))


def latitude(nside: int) -> np.ndarray:
    """Distance from the plane of every pixel in degrees, shape (12 * nside**2,)."""
    return np.abs(hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)[1])


def log10(maps: list[np.ndarray]) -> np.ndarray:
    """log10; what is not positive counts as the map's smallest positive value."""
    return np.log10([np.maximum(v, np.min(v[v > 0])) for v in np.asarray(maps, np.float64)])


def training_region(train_inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells of (log10 dust, log10 N_HI) in which training pixels lie.

    Of all cells of 0.1 dex, the fewest that together hold 99.8 % of the training pixels (their
    highest-density region): joint, because dust and HI each within its extremes may be a pair
    that was never seen, and without the few stray pixels that stretch extremes.
    Takes dust and N_HI of training tiles in physical units, shape (n, 2, npix, npix). Returns the
    lower corner of the grid of cells, dex, and which of them are the region, shape (n_dust, n_hi).
    """
    pixels = np.moveaxis(np.asarray(train_inputs, np.float64), 1, 0).reshape(2, -1)
    logs = np.log10(pixels[:, (pixels > 0).all(axis=0)])
    if not logs.size:
        raise CoganError("No training pixel has positive dust and N_HI; give physical units.")
    low = np.floor(logs.min(axis=1) / BIN_DEX) * BIN_DEX
    cells = ((logs - low[:, None]) / BIN_DEX).astype(int)
    counts = np.zeros(cells.max(axis=1) + 1, dtype=int)
    np.add.at(counts, tuple(cells), 1)
    fullest = np.sort(counts.ravel())[::-1]
    fewest = fullest[np.searchsorted(fullest.cumsum(), INSIDE_SHARE * counts.sum())]
    return low, counts >= fewest


def extrapolation(
    maps: Mapping[str, np.ndarray], train_inputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel's dust and HI lie outside the training region.

    Takes full-sky maps DUST and N_HI (values that are not positive count as the smallest positive
    one) and the inputs of the training tiles, as `training_region` does. Returns ``flag`` (int16):
    0 inside, 2 with both inputs beyond the region's extent, 1 else (one of them, or an unusual
    pair); and ``distance`` (float32) to the nearest cell, in dex of (dust, N_HI), 0 inside.
    """
    if not {"DUST", "N_HI"} <= set(maps):
        raise CoganError(
            f"The maps DUST and N_HI are needed; there are {', '.join(maps) or 'none'}."
        )
    low, region = training_region(train_inputs)
    place = (log10([maps["DUST"], maps["N_HI"]]).T - low) / BIN_DEX
    cells, occupied = np.floor(place).astype(int), np.argwhere(region)
    clipped = np.clip(cells, 0, np.array(region.shape) - 1)
    inside = region[tuple(clipped.T)] & (clipped == cells).all(axis=1)
    outside = np.clip(cells, occupied.min(axis=0), occupied.max(axis=0)) != cells
    flag = np.where(inside, 0, np.maximum(outside.sum(axis=1), 1))
    nearest = cKDTree(occupied + 0.5).query(place)[1]
    gap = np.abs(place - occupied[nearest] - 0.5) - 0.5  # to the sides of the nearest cell
    distance = np.where(inside, 0, BIN_DEX * np.hypot(*gap.clip(0).T))
    return flag.astype(np.int16), distance.astype(np.float32)


def by_latitude(flag: np.ndarray, distance: np.ndarray, maps: Mapping[str, np.ndarray]) -> list:
    """For bands of latitude: shares of the flags, median and 95 % distance, means of the maps."""
    b, rows = latitude(hp.npix2nside(flag.size)), []
    for low, high in LATITUDE_BANDS:
        good = (b >= low) & (b < high)
        row = {"b_deg": [low, high], "mean": {n: float(v[good].mean()) for n, v in maps.items()}}
        row["flag_shares"] = [float((flag[good] == value).mean()) for value in range(3)]
        rows.append(row | {"distance_dex": np.percentile(distance[good], [50, 95]).tolist()})
    return rows
