"""How good profiles are: errors with distance, the spread's coverage, and fingers of God."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ...base.files import CoganError
from .physics import BINS, CELL_DEG, STEP_KPC

#: Where errors are quoted.
DISTANCES_KPC = (1.0, 3.0, 5.0, 8.0, 10.0)
#: Share of a normal distribution within one standard deviation.
ONE_SIGMA = 0.6827
#: Distances over which correlations are averaged, and the longest lag [kpc].
CORRELATED_KPC, LONGEST_KPC = (1.5, 6.0), 3.0
#: Of the blurs that are tried [kpc], and their number.
WIDEST_KPC, BLURS = 2.0, 9


def bin_at(distance_kpc: float) -> int:
    """Find the bin that ends at a distance."""
    number = round(distance_kpc / STEP_KPC) - 1
    if not 0 <= number < BINS:
        raise CoganError(
            f"No bin ends at {distance_kpc:g} kpc; profiles reach from {STEP_KPC:g} to "
            f"{BINS * STEP_KPC:g} kpc."
        )
    return number


def rmse_at(
    found: Tensor, real: Tensor, distances_kpc: Sequence[float] = DISTANCES_KPC
) -> dict[float, float]:
    """Compute the root mean square error of the cumulative A_V.

    Parameters
    ----------
    found, real : Tensor, shape (n, BINS)
        A_V of each bin [mag].
    distances_kpc : sequence of float

    Returns
    -------
    dict of float to float
        [mag] at each distance.
    """
    apart = (found - real).cumsum(1)
    return {d: float(apart[:, bin_at(d)].square().mean().sqrt()) for d in distances_kpc}


def bias_at(
    found: Tensor, real: Tensor, distances_kpc: Sequence[float] = DISTANCES_KPC
) -> dict[float, float]:
    """Compute the mean error of the cumulative A_V, as `rmse_at`."""
    apart = (found - real).cumsum(1)
    return {d: float(apart[:, bin_at(d)].mean()) for d in distances_kpc}


def spread_factors(found: Tensor, wide: Tensor, real: Tensor) -> Tensor:
    """Find the factors that let a spread cover 68 per cent of the errors, bin by bin.

    Parameters
    ----------
    found, real : Tensor, shape (n, BINS)
        A_V of each bin [mag].
    wide : Tensor, shape (n, BINS)
        Of `network.spread`.

    Returns
    -------
    Tensor, shape (BINS,)
    """
    return torch.quantile((found - real).cumsum(1).abs() / wide.clamp_min(1e-6), ONE_SIGMA, dim=0)


def coverage_at(
    found: Tensor, wide: Tensor, real: Tensor, distances_kpc: Sequence[float] = DISTANCES_KPC
) -> dict[float, float]:
    """Compute the share of errors that are within the spread.

    Parameters
    ----------
    found, real : Tensor, shape (n, BINS)
        A_V of each bin [mag].
    wide : Tensor, shape (n, BINS)
        Standard deviation of the cumulative A_V [mag].
    distances_kpc : sequence of float

    Returns
    -------
    dict of float to float
    """
    inside = (found - real).cumsum(1).abs() <= wide
    return {d: float(inside[:, bin_at(d)].float().mean()) for d in distances_kpc}


def correlations(
    dust: np.ndarray, cell_deg: float = CELL_DEG
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlate the dust of a map with itself, along the sightlines and across them.

    The mean over longitude, of each latitude and distance, is taken out first: the disc is long and
    thin, too, and no finger. Each distance's scatter is set to one.

    Parameters
    ----------
    dust : ndarray, shape (n_lat, n_lon, BINS)
        A_V of each bin of the map's cells [mag].
    cell_deg : float

    Returns
    -------
    lag_kpc, radial, transverse : ndarray, shape (n_lags,)
        The latter two are one at lag zero; averages over `CORRELATED_KPC`.
    """
    first, last = (round(d / STEP_KPC) for d in CORRELATED_KPC)
    lags = np.arange(round(LONGEST_KPC / STEP_KPC) + 1)
    cells = dust - dust.mean(1, keepdims=True)
    cells = cells / np.maximum(cells.std((0, 1)), 1e-9)
    radial = np.array(
        [(cells[..., first:last] * cells[..., first + k : last + k]).mean() for k in lags]
    )
    transverse = np.zeros(len(lags))
    for number in range(first, last):
        side_kpc = np.radians(cell_deg) * STEP_KPC * (number + 0.5)
        layer = cells[..., number]
        steps = range(min(layer.shape[1], int(LONGEST_KPC / side_kpc) + 2))
        along = [(layer[:, k:] * layer[:, : layer.shape[1] - k]).mean() for k in steps]
        transverse += np.interp(lags * STEP_KPC, side_kpc * np.array(steps), along)
    return lags * STEP_KPC, radial / radial[0], transverse / transverse[0]


def correlation_lengths(dust: np.ndarray, cell_deg: float = CELL_DEG) -> dict[str, float]:
    """Find the lags at which the `correlations` fall to one half; fingers are long and thin.

    Parameters
    ----------
    dust : ndarray, shape (n_lat, n_lon, BINS)
        A_V of each bin of the map's cells [mag].
    cell_deg : float

    Returns
    -------
    dict of str to float
        ``radial`` and ``transverse`` [kpc], and ``ratio``, their quotient.

    Raises
    ------
    CoganError
        If the map is too small for its correlation to fall that far.
    """
    lag_kpc, radial, transverse = correlations(dust, cell_deg)
    found = {"radial": _half(lag_kpc, radial), "transverse": _half(lag_kpc, transverse)}
    return found | {"ratio": found["radial"] / found["transverse"]}


def blur_along(real: np.ndarray, radial_kpc: float, cell_deg: float = CELL_DEG) -> float:
    """Find the Gaussian blur along the sightlines that gives the real map a radial length.

    Parameters
    ----------
    real : ndarray, shape (n_lat, n_lon, BINS)
        A_V of each bin of the map's cells [mag].
    radial_kpc : float
        Of another map, by `correlation_lengths`.
    cell_deg : float

    Returns
    -------
    float
        Its sigma [kpc]: zero for a length not above the real map's, and not above `WIDEST_KPC`.
    """
    sigmas = np.linspace(0, WIDEST_KPC, BLURS)
    blurred = [gaussian_filter1d(real, sigma / STEP_KPC, axis=-1) for sigma in sigmas[1:]]
    lengths = [_half_or_end(*correlations(one, cell_deg)[:2]) for one in (real, *blurred)]
    return float(np.interp(radial_kpc, np.maximum.accumulate(lengths), sigmas))


def _half_or_end(lag_kpc: np.ndarray, correlation: np.ndarray) -> float:
    try:
        return _half(lag_kpc, correlation)
    except CoganError:
        return float(lag_kpc[-1])


def _half(lag: np.ndarray, correlation: np.ndarray) -> float:
    """Find the first lag at which it is one half."""
    below = np.flatnonzero(correlation < 0.5)
    if not below.size:
        raise CoganError(
            f"The correlation doesn't fall to one half within {lag[-1]:g} kpc; the map is too "
            "small or too smooth for a correlation length."
        )
    i = below[0]
    share = (correlation[i - 1] - 0.5) / (correlation[i - 1] - correlation[i])
    return float(lag[i - 1] + share * (lag[i] - lag[i - 1]))
