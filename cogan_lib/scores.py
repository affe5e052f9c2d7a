"""Small judges: explained variance, the log-linear fit to beat, how far chance moves a number, and
a permutation test, with the blocks of sky that the last two need.

W is in K km/s. As CO spans decades, amplitudes are compared as y = asinh(W / 0.3 K km/s): linear at
the noise, logarithmic above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cogan_lib.checks import check_alike, check_centres, check_lonlat, check_positive
from cogan_lib.files import CoganError
from cogan_lib.spectra import check_tiles

SOFTENING = 0.3  # K km/s


def asinh_scale(w: np.ndarray) -> np.ndarray:
    """y = asinh(W / 0.3 K km/s), float64."""
    return np.arcsinh(np.asarray(w, dtype=np.float64) / SOFTENING)


def middle_of(members: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """The W whose asinh(W / 0.3 K km/s) is the mean over the members, the first axis."""
    return SOFTENING * np.sinh(np.mean([asinh_scale(w) for w in members], axis=0))


def r2_score(real: np.ndarray, predicted: np.ndarray) -> float:
    """1 - sum (y_real - y_predicted)^2 / sum (y_real - mean)^2 with y = asinh(W / 0.3 K km/s)."""
    real, predicted = check_alike("R2", real, predicted)
    y = asinh_scale(real)
    residual, variance = ((y - asinh_scale(predicted)) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    if not variance > 0:
        raise CoganError(
            "The real values are all alike, so no share of their variance is explained."
        )
    return float(1 - residual / variance)


@dataclass(frozen=True)
class LogLinear:
    """The fit a network must beat: asinh(W / 0.3) = c_0 + sum_i c_i log10(max(x_i, floor_i))."""

    coefficients: tuple[float, ...]  # c_0, then one an input
    floors: tuple[float, ...]  # in the inputs' units; keeps the logarithm finite

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """W in K km/s, shape (n, npix, npix), from inputs (n, channels, npix, npix)."""
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 4 or inputs.shape[1] != len(self.floors):
            raise CoganError(
                f"The fit takes inputs (n, {len(self.floors)}, npix, npix), not {inputs.shape}."
            )
        y = np.full((len(inputs), *inputs.shape[2:]), self.coefficients[0])
        for channel, floor in enumerate(self.floors):
            y += self.coefficients[channel + 1] * np.log10(np.maximum(inputs[:, channel], floor))
        return SOFTENING * np.sinh(y)


def fit_loglinear(
    inputs: np.ndarray, targets: np.ndarray, most_pixels: int = 2_000_000
) -> LogLinear:
    """Least squares of asinh(W / 0.3 K km/s) on log10 of the inputs over training tiles.

    Parameters
    ----------
    inputs : ndarray, shape (n, channels, npix, npix)
        Physical and positive (dust, N_HI). The lowest thousandth of the positive pixels, and all
        that ringing or noise made negative, count as that thousandth's upper end.
    targets : ndarray, shape (n, npix, npix)
        W in K km/s.
    most_pixels : int
        Of more pixels than this, every k-th is used.

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or an input is not positive in most pixels.
    """
    inputs, targets = np.asarray(inputs), check_tiles("training", targets)
    if inputs.ndim != 4 or inputs[:, 0].shape != targets.shape:
        raise CoganError(
            f"The fit needs inputs (n, channels, npix, npix) for targets {targets.shape}; "
            f"it got {inputs.shape}."
        )
    stride = -(-targets.size // most_pixels)
    pixels = [inputs[:, channel].ravel()[::stride] for channel in range(inputs.shape[1])]
    pixels = np.array(pixels, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise CoganError("The training inputs hold NaN or infinite values; leave such tiles out.")
    medians = np.median(pixels, axis=1)
    if np.any(medians <= 0):
        raise CoganError(
            f"Input channel {int(np.argmin(medians))} is not positive in most training pixels, so "
            "it has no logarithm; give inputs in physical units, not scaled ones."
        )
    floors = np.array([np.quantile(values[values > 0], 1e-3) for values in pixels])
    logs = np.log10(np.maximum(pixels, floors[:, None]))
    centre = logs.mean(axis=1)  # log10 N_HI is about 21: centring keeps the fit well conditioned
    design = np.vstack([np.ones(logs.shape[1]), logs - centre[:, None]]).T
    solution = np.linalg.lstsq(design, asinh_scale(targets.ravel()[::stride]), rcond=None)[0]
    solution[0] -= solution[1:] @ centre
    return LogLinear(tuple(solution.tolist()), tuple(floors.tolist()))


def sky_blocks(lon_deg: np.ndarray, lat_deg: np.ndarray, block_deg: float = 15.0) -> np.ndarray:
    """Number the block of sky, about `block_deg` square, that each tile centre lies in."""
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
    level: float = 0.68,
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
    mock: np.ndarray,
    blocks: np.ndarray,
    seed: int,
    permutations: int = 2000,
) -> float:
    """Permutation p-value of a mean difference between paired real and mock statistics.

    Null hypothesis: in every block of sky the labels "real" and "mock" could be exchanged, for all
    of its tiles at once, without changing the distribution of the statistics. Neighbouring tiles
    overlap and a mock tile has the same sky behind it as its real partner, so single tiles, or
    tiles of different places, are *not* exchangeable; a block wider than a tile swapped as a whole
    is, up to the tiles that straddle two blocks. The test statistic is

        T = sum_j (sum_i d_ij)^2 / sum_i d_ij^2,    d = mock - real, i over tiles, j over features,

    large when the mock deviates in the same sense all over the sky (features whose differences
    are below a thousandth of the tiles' own scatter are left out). Its reference distribution
    comes from all 2^k swaps for k <= 10 blocks, from random ones for more. With k blocks no p can
    be below 2 / 2^k. Because the pairing removes the variety of the sky, a small p may go with a
    mock well inside the real 2-sigma interval: the interval asks whether a mock tile could be a
    real tile, p asks whether there is any systematic difference.

    Parameters
    ----------
    real, mock : ndarray, shape (n, m)
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
    """
    real, mock = check_alike("The p-value", real, mock)
    if np.shape(blocks) != (len(real),):
        raise CoganError(f"{len(real)} tiles need as many block numbers, not {np.shape(blocks)}.")
    difference = mock - real
    scale = np.sqrt((difference**2).mean(axis=0))
    differs = scale > 1e-3 * np.concatenate([real, mock]).std(axis=0)
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
