"""Blocks of sky: how far chance moves a number, and a permutation test.

Neighbouring tiles overlap and err together, so blocks of them are drawn or exchanged as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.checks import check_alike, check_centres, check_lonlat, check_positive
from ..base.files import CoganError


def sky_blocks(lon_deg: np.ndarray, lat_deg: np.ndarray, block_deg: float = 15.0) -> np.ndarray:
    """Find the number of the block of sky, about `block_deg` square, of each tile centre.

    Parameters
    ----------
    lon_deg, lat_deg : array_like, shape (n,)
        Tile centres in degrees.
    block_deg : float
        Side of a block.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> sky_blocks([100, 101, 200], [0, 1, 0])
    array([0, 0, 1])
    """
    check_positive(block_deg=block_deg)
    lon, lat = check_lonlat(lon_deg, lat_deg)
    lon = np.mod(lon, 360)
    band = np.floor((lat + 90) / block_deg)
    height = np.cos(np.radians((band + 0.5) * block_deg - 90))
    around = np.maximum(np.round(360 * height / block_deg), 1)
    pair = np.stack([band, np.floor(lon / 360 * around)], axis=1)
    return np.unique(pair, axis=0, return_inverse=True)[1].ravel()


def separate_blocks(lonlat_deg: np.ndarray, side_deg: float) -> np.ndarray:
    """Blocks of sky to exchange in a test, so far apart that their tiles show different sky.

    In blocks that touch, neighbouring tiles share clouds, and the generator's error with them;
    exchanging one and not the other looks like a difference, far more often than it should.

    A block is a tile and those whose centres are within a quarter of a side of its own. Such tiles
    are chosen at least 1.5 sides apart, those with the most tiles around them first, so that two
    tiles of different blocks are at least one side apart.

    Parameters
    ----------
    lonlat_deg : ndarray, shape (n, 2)
        Tile centres.
    side_deg : float
        Side of a tile.

    Returns
    -------
    ndarray of int, shape (n,)
        Number of the tile's block, -1 for a tile between blocks.

    Examples
    --------
    >>> separate_blocks(np.array([[100.0, 0.0], [101.0, 0.0], [130.0, 0.0]]), side_deg=8.0)
    array([0, 0, 1])
    """
    check_positive(side_deg=side_deg)
    lon, lat = np.radians(check_centres(lonlat_deg)).T
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    apart = np.degrees(np.arccos(np.clip(points @ points.T, -1, 1)))
    around = apart <= side_deg / 4
    blocks, centres = np.full(len(lon), -1), []
    for tile in np.argsort(-around.sum(axis=1), kind="stable"):
        if not centres or apart[tile, centres].min() >= 1.5 * side_deg:
            blocks[around[tile]] = len(centres)
            centres.append(tile)
    return blocks


def block_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    blocks: np.ndarray,
    seed: int,
    level: float = 0.95,
    draws: int = 500,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a statistic if other blocks of such sky had been held out (block bootstrap).

    Blocks are drawn with replacement, each with all its tiles, because neighbouring tiles overlap
    and err together.

    Parameters
    ----------
    statistic : callable
        Takes the numbers of the tiles to use, shape (n,), and returns an array.
    blocks : ndarray of int, shape (n,)
        Which block each tile belongs to.
    seed : int
    level : float
        Share of the draws inside.
    draws : int

    Returns
    -------
    low, high : ndarray, shaped as the statistic

    Raises
    ------
    CoganError
        If there are no blocks or draws, or `level` is not between 0 and 1.

    Examples
    --------
    >>> values, blocks = np.arange(8.0), np.repeat(np.arange(4), 2)
    >>> low, high = block_interval(lambda use: values[use].mean(), blocks, seed=1)
    >>> bool(low < values.mean() < high)
    True
    """
    if np.size(blocks) == 0 or draws < 1 or not 0 < level < 1:
        raise CoganError(
            f"An interval needs blocks, draws and a level between 0 and 1; there are "
            f"{np.size(blocks)} tiles and {draws} draws, and level is {level}."
        )
    _, which = np.unique(np.asarray(blocks), return_inverse=True)
    members = [np.flatnonzero(which.ravel() == i) for i in range(which.max() + 1)]
    choices = np.random.default_rng(seed).integers(0, len(members), (draws, len(members)))
    drawn = [statistic(np.concatenate([members[i] for i in choice])) for choice in choices]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def swap_p_value(
    real: np.ndarray,
    generated: np.ndarray,
    blocks: np.ndarray,
    seed: int,
    permutations: int = 2000,
) -> float:
    """Permutation p-value of a mean difference between paired real and generated statistics.

    Null hypothesis: in every block of sky the labels "real" and "generated" could be exchanged, for
    all of its tiles at once, without changing the distribution of the statistics. Neighbouring
    tiles overlap and a generated tile has the same sky behind it as its real partner, so single
    tiles, or tiles of different places, are *not* exchangeable; a block wider than a tile swapped
    as a whole is, up to the tiles that straddle two blocks. The test statistic is

        T = sum_j (sum_i d_ij)^2 / sum_i d_ij^2,    d = generated - real, i: tiles, j: features,

    large when the generated tiles deviate in the same sense all over the sky (features whose
    differences are below a thousandth of the tiles' own scatter are left out). Its reference
    distribution comes from all 2^k swaps for k <= 10 blocks, from random ones for more. With k
    blocks no p can be below 2 / 2^k. Because the pairing removes the variety of the sky, a small p
    may go with tiles well inside the real 2-sigma interval: the interval asks whether a generated
    tile could be a real one, p asks whether there is any systematic difference.

    Parameters
    ----------
    real, generated : ndarray, shape (n, m)
        Features of each tile, row by row the same place on the sky.
    blocks : ndarray of int, shape (n,)
        Which block each tile belongs to.
    seed : int
    permutations : int
        Random swaps, for more than 10 blocks.

    Returns
    -------
    float
        1 if nothing differs.

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or the blocks are not one per tile.
    """
    real, generated = check_alike("The p-value", real, generated)
    if np.shape(blocks) != (len(real),):
        raise CoganError(f"{len(real)} tiles need as many block numbers, not {np.shape(blocks)}.")
    difference = generated - real
    scale = np.sqrt((difference**2).mean(axis=0))
    differs = scale > 1e-3 * np.concatenate([real, generated]).std(axis=0)
    if not differs.any():
        return 1.0
    difference = difference[:, differs] / scale[differs]
    names, which = np.unique(np.asarray(blocks), return_inverse=True)
    sums = np.zeros((names.size, difference.shape[1]))
    np.add.at(sums, which.ravel(), difference)
    exact = names.size <= 10
    if exact:
        bits = (np.arange(2**names.size)[:, None] >> np.arange(names.size)) & 1
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (permutations, names.size))
    swapped = (((1.0 - 2 * bits) @ sums) ** 2).sum(axis=1)
    observed = (sums.sum(axis=0) ** 2).sum()
    as_large = np.count_nonzero(swapped >= observed * (1 - 1e-9))
    return float(as_large / len(bits) if exact else (as_large + 1) / (len(bits) + 1))
