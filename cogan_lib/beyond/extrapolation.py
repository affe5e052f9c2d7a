"""How far from its training a generator must reach, by dust and HI of a sky and of its tiles.

The one definition of "outside the training" is `extrapolation`: a pair of dust and N_HI is outside
if it is not in the `training_region`. (`Scaling.bound` says nothing of that: it cuts each column
off, a little beyond its own extremes, so that no network runs away with a guess.)

Weights that come with the package have their region beside them, so that one need not have the
maps that they were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import healpy as hp
import numpy as np
from scipy.spatial import cKDTree

from ..base.files import CoganError, read_json, reading, write_json
from ..tiles.patches import Patches

BIN_DEX, INSIDE_SHARE = 0.1, 0.998  # of the training region
PAIR = ("DUST", "N_HI")
#: In a folder of weights.
REGION = "training_region.json"
LATITUDE_BANDS = ((0, 5), (5, 10), (10, 20), (20, 30), (30, 45), (45, 60), (60, 90))


def latitude(nside: int) -> np.ndarray:
    """Compute the distance of every pixel from the plane.

    Parameters
    ----------
    nside : int

    Returns
    -------
    ndarray, shape (12 * nside**2,)
        In degrees.
    """
    return np.abs(hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)[1])


def log10(maps: list[np.ndarray]) -> np.ndarray:
    """Take log10; what is not positive counts as the map's smallest positive value.

    Parameters
    ----------
    maps : list of ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (maps, n)

    Examples
    --------
    >>> log10([np.array([10.0, -1.0, 1000.0])])
    array([[1., 1., 3.]])
    """
    return np.log10([np.maximum(v, np.min(v[v > 0])) for v in np.asarray(maps, np.float64)])


def training_inputs(patches: Patches) -> np.ndarray:
    """Take dust and N_HI of the training tiles, whatever other tracers they have.

    Parameters
    ----------
    patches : Patches

    Returns
    -------
    ndarray, shape (n, 2, npix, npix)
        DUST, N_HI in physical units.

    Raises
    ------
    CoganError
        If the tiles lack one of the two.
    """
    names = patches.meta["input_columns"]
    if missing := [name for name in PAIR if name not in names]:
        raise CoganError(
            f"The tiles have no {' and no '.join(missing)}, which tell what is outside the "
            f"training; they have {', '.join(names)}."
        )
    return patches.select("train").inputs[:, [names.index(name) for name in PAIR]]


def training_region(train_inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the cells of (log10 dust, log10 N_HI) in which training pixels lie.

    Of all cells of 0.1 dex, the fewest that together hold 99.8 % of the training pixels (their
    highest-density region): joint, because dust and HI each within its extremes may be a pair that
    was never seen, and without the few stray pixels that stretch extremes.

    Parameters
    ----------
    train_inputs : ndarray, shape (n, 2, npix, npix)
        Dust and N_HI of training tiles, in physical units.

    Returns
    -------
    low : ndarray, shape (2,)
        Lower corner of the grid of cells [dex].
    region : ndarray of bool, shape (n_dust, n_hi)
        Which cells are the region.

    Raises
    ------
    CoganError
        If no pixel has positive dust and N_HI.
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
    """Compute how far each pixel's dust and HI lie outside the training region.

    Parameters
    ----------
    maps : dict with DUST and N_HI, shape (12 * nside**2,)
        Values that are not positive count as the smallest positive one.
    train_inputs : ndarray, shape (n, 2, npix, npix)
        As in `training_region`.

    Returns
    -------
    flag : ndarray, shape (12 * nside**2,), int16
        0 inside, 2 with both inputs beyond the region's extent, 1 else (one of them, or an unusual
        pair).
    distance : ndarray, shape (12 * nside**2,), float32
        To the nearest cell, in dex of (dust, N_HI); 0 inside.

    Raises
    ------
    CoganError
        If a map is missing, or no training pixel is positive.
    """
    _check_pair(maps)
    return outside_region(maps, *training_region(train_inputs))


def outside_region(
    maps: Mapping[str, np.ndarray], low: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute what `extrapolation` does, of a training region that is known already.

    Parameters
    ----------
    maps : dict with DUST and N_HI, shape (12 * nside**2,)
        Values that are not positive count as the smallest positive one.
    low : ndarray, shape (2,)
    region : ndarray of bool, shape (n_dust, n_hi)
        From `training_region`.

    Returns
    -------
    flag : ndarray, shape (12 * nside**2,), int16
    distance : ndarray, shape (12 * nside**2,), float32

    Raises
    ------
    CoganError
        If a map is missing.
    """
    _check_pair(maps)
    place = (log10([maps[name] for name in PAIR]).T - low) / BIN_DEX
    cells, occupied = np.floor(place).astype(int), np.argwhere(region)
    clipped = np.clip(cells, 0, np.array(region.shape) - 1)
    inside = region[tuple(clipped.T)] & (clipped == cells).all(axis=1)
    outside = np.clip(cells, occupied.min(axis=0), occupied.max(axis=0)) != cells
    flag = np.where(inside, 0, np.maximum(outside.sum(axis=1), 1))
    nearest = cKDTree(occupied + 0.5).query(place)[1]
    gap = np.abs(place - occupied[nearest] - 0.5) - 0.5  # to the sides of the nearest cell
    distance = np.where(inside, 0, BIN_DEX * np.hypot(*gap.clip(0).T))
    return flag.astype(np.int16), distance.astype(np.float32)


def save_region(path: str | Path, low: np.ndarray, region: np.ndarray, **facts: object) -> Path:
    """Write a training region as JSON, a line of 0 and 1 for each step of dust.

    Parameters
    ----------
    path : path
    low : ndarray, shape (2,)
    region : ndarray of bool, shape (n_dust, n_hi)
        From `training_region`.
    **facts : object
        What it was made from.

    Returns
    -------
    Path
        `path`.
    """
    rows = ["".join("01"[cell] for cell in row) for row in region.astype(int)]
    content = {"columns": PAIR, "bin_dex": BIN_DEX, "low": np.round(low, 6).tolist()}
    return write_json(path, {**content, "region": rows, **facts})


def load_region(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read what `save_region` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    low : ndarray, shape (2,)
    region : ndarray of bool, shape (n_dust, n_hi)

    Raises
    ------
    CoganError
        If the file is missing, damaged, or of cells of another size.
    """
    content = read_json(path, "install the package again")
    with reading(path, "training region", "install the package again"):
        if content["columns"] != list(PAIR) or content["bin_dex"] != BIN_DEX:
            raise ValueError("it is of other columns or cells")
        return np.array(content["low"]), np.array([list(row) for row in content["region"]]) == "1"


def _check_pair(maps: Mapping[str, np.ndarray]) -> None:
    if not set(PAIR) <= set(maps):
        raise CoganError(
            f"The maps DUST and N_HI are needed; there are {', '.join(maps) or 'none'}."
        )


def by_latitude(flag: np.ndarray, distance: np.ndarray, maps: Mapping[str, np.ndarray]) -> list:
    """Summarise bands of latitude: shares of flags, median and 95 % distance, means of maps.

    Parameters
    ----------
    flag, distance : ndarray, shape (12 * nside**2,)
        From `extrapolation`.
    maps : dict of str to ndarray, shape (12 * nside**2,)

    Returns
    -------
    list of dict
    """
    b, rows = latitude(hp.npix2nside(flag.size)), []
    for low, high in LATITUDE_BANDS:
        good = (b >= low) & (b < high)
        row = {"b_deg": [low, high], "mean": {n: float(v[good].mean()) for n, v in maps.items()}}
        row["flag_shares"] = [float((flag[good] == value).mean()) for value in range(3)]
        rows.append(row | {"distance_dex": np.percentile(distance[good], [50, 95]).tolist()})
    return rows
