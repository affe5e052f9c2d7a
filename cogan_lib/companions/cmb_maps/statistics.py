"""What is measured on maps, and what theory says it should be, through the same window.

A patch is no periodic box: its window mixes multipoles, and its modes are fewer than a count of
them says. So the expectation of a measured spectrum is the sum over all waves of the field of what
the estimator finds in one wave of unit power, and its scatter is that of exact patches.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats
from scipy.fft import dctn, idctn

from ...validation.morphology import gaussian_minkowski, minkowski
from ...validation.spectra import power_spectra
from .physics import FIELD, PIXEL, PIXEL_ARCMIN, SIDE, grid_ell, on_grid, spectrum

#: Edges of the bins of multipole: from a wave on the window's width to the finest, 15 bins.
EDGES = np.linspace(45, 1080, 16)
#: Thresholds of the Minkowski functionals, in the field's own standard deviations.
THRESHOLDS = np.arange(-12, 13) / 4


def measured(maps: np.ndarray) -> np.ndarray:
    """Measure the spectrum of each map.

    Parameters
    ----------
    maps : ndarray, shape (n, SIDE, SIDE)
        [uK]

    Returns
    -------
    ndarray, shape (n, 15)
        [uK^2], of `cogan_lib.validation.spectra`.
    """
    return power_spectra(np.asarray(maps), pixel_arcmin=PIXEL_ARCMIN, edges=EDGES)[1]


@cache
def bin_ell() -> np.ndarray:
    """Mean multipole of each bin, shape (15,)."""
    return power_spectra(np.ones((1, SIDE, SIDE)), pixel_arcmin=PIXEL_ARCMIN, edges=EDGES)[0]


@cache
def coupling() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Send each wave of the periodic field through the estimator.

    Waves that differ by a mirror or by an exchange of the axes give the same.

    Returns
    -------
    rows, columns : ndarray, shape (n_waves,)
        Places of the waves in `physics.on_grid`, one for all that are alike.
    found : ndarray, shape (n_waves, 15)
        Expected bins for C = 1 in all the waves that are alike, and 0 elsewhere.
    """
    half = FIELD // 2
    rows, columns = (x.ravel() for x in np.mgrid[: half + 1, : half + 1])
    kept = (rows >= columns) & (rows > 0)
    rows, columns = rows[kept], columns[kept]
    phase = 2 * np.pi / FIELD * np.arange(SIDE)
    found = np.zeros((rows.size, EDGES.size - 1))
    for start in range(0, rows.size, 256):
        part = slice(start, start + 256)
        down = np.exp(1j * rows[part, None] * phase)
        across = np.exp(1j * columns[part, None] * phase)
        wave = down[:, :, None] * across[:, None, :]
        found[part] = measured(wave.real) + measured(wave.imag)
    # how many of the field's FIELD^2 waves are alike, each with the power C / (FIELD PIXEL)^2
    mirrors = [np.where((x == 0) | (x == half), 1, 2) for x in (rows, columns)]
    alike = mirrors[0] * mirrors[1] * np.where(rows == columns, 1, 2)
    return rows, columns, found * (alike / (FIELD * PIXEL) ** 2)[:, None]


def expected(cosmologies: np.ndarray) -> np.ndarray:
    """Compute the spectrum that `measured` finds on average, without drawing a map.

    Parameters
    ----------
    cosmologies : ndarray, shape (n, 5)

    Returns
    -------
    ndarray, shape (n, 15)
        [uK^2]
    """
    rows, columns, found = coupling()
    return on_grid(spectrum(cosmologies))[:, rows, columns] @ found


def field_moments(cosmology: np.ndarray) -> tuple[float, float]:
    """Compute the standard deviations of the field and of its gradient.

    Parameters
    ----------
    cosmology : array_like, shape (5,)

    Returns
    -------
    sigma0 : float
        [uK]
    sigma1 : float
        Of the gradient's length [uK / deg].
    """
    power = on_grid(spectrum([cosmology]))[0] / (FIELD * PIXEL) ** 2
    power[:, 1:-1] *= 2  # the other half of the waves
    steep = np.radians(grid_ell())  # per degree
    return float(np.sqrt(power.sum())), float(np.sqrt((power * steep**2).sum()))


def one_point(maps: np.ndarray, scatter: float) -> dict[str, float]:
    """Compute the moments of all pixels together, in units of the field's own scatter.

    Parameters
    ----------
    maps : ndarray, shape (n, SIDE, SIDE)
    scatter : float
        Of `field_moments`.

    Returns
    -------
    dict of str to float
        Mean, scatter, skewness and excess kurtosis.
    """
    pixels = np.asarray(maps, dtype=float).ravel() / scatter
    return {
        "mean": float(pixels.mean()),
        "scatter": float(pixels.std()),
        "skewness": float(stats.skew(pixels)),
        "kurtosis": float(stats.kurtosis(pixels)),
    }


def shapes(maps: np.ndarray, cosmology: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure Minkowski functionals, and compute the Gaussian formulas.

    The thresholds are in units of the field's true scatter, as a map's own would hide its error.
    Waves as short as two pixels are too few points for a spline: slopes at the border come out
    several times too steep. So maps are first drawn on pixels of half the side, by their cosine
    waves, and lose their outermost pixels; exact maps then are within 1 % of the formulas.

    Parameters
    ----------
    maps : ndarray, shape (n, SIDE, SIDE)
    cosmology : array_like, shape (5,)

    Returns
    -------
    found, formula : ndarray, shape (3, 25)
        Means over the maps at `THRESHOLDS`: area, edge [1/deg], Euler number [1/deg^2].
    """
    sigma0, sigma1 = field_moments(cosmology)
    return curves(maps, sigma0), np.stack(gaussian_minkowski(THRESHOLDS, sigma0, sigma1))


def curves(maps: np.ndarray, scatter: float) -> np.ndarray:
    """Measure Minkowski functionals as `shapes`, of any field.

    Parameters
    ----------
    maps : ndarray, shape (n, SIDE, SIDE)
    scatter : float
        Unit of the thresholds.

    Returns
    -------
    ndarray, shape (3, 25)
    """
    fine = np.zeros((len(maps), 2 * SIDE, 2 * SIDE), dtype=np.float32)
    fine[:, :SIDE, :SIDE] = 2 * dctn(np.asarray(maps) / scatter, axes=(1, 2), norm="ortho")
    fine = idctn(fine, axes=(1, 2), norm="ortho")[:, 2:-2, 2:-2]
    found = minkowski(
        fine, THRESHOLDS, pixel_arcmin=PIXEL_ARCMIN / 2, oversample=1, standardised=True
    )
    return np.stack([curve.mean(axis=0) for curve in found])
