"""Log-normal fields: skewed, never negative, and known to the last digit.

A field is W = exp(g - SIGMA^2 / 2), and g is Gaussian with correlation SIGMA^2 exp(-r / LENGTH).
So the mean of W is 1, its correlation is exp(xi_g) - 1 (Coles & Jones 1991), its pixels have a
log-normal distribution, and the density of a whole field is that of g, up to a Jacobian.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import fft, stats
from scipy.linalg import solve_triangular

#: Pixels along a side of a field, and of the periodic one from which it is cut: a field has no
#: opposite side that it fits to.
SIDE, PERIODIC = 32, 64
#: Scatter of the logarithm, and its correlation length [pixels].
SIGMA, LENGTH = 0.5, 4.0
#: Standard deviation and skewness of the field; its mean is 1.
SCATTER = float(np.sqrt(np.expm1(SIGMA**2)))
SKEWNESS = float((np.exp(SIGMA**2) + 2) * SCATTER)
ONE_POINT = stats.lognorm(SIGMA, scale=np.exp(-(SIGMA**2) / 2))


def log_correlation(r: np.ndarray) -> np.ndarray:
    """Compute the correlation of the logarithm.

    Parameters
    ----------
    r : ndarray
        Distance [pixels].

    Returns
    -------
    ndarray
    """
    return SIGMA**2 * np.exp(-np.asarray(r, float) / LENGTH)


def correlation(r: np.ndarray) -> np.ndarray:
    """Compute the correlation of the field, exp(xi_g) - 1.

    Parameters
    ----------
    r : ndarray
        Distance [pixels].

    Returns
    -------
    ndarray

    Examples
    --------
    >>> bool(np.isclose(correlation(0.0), SCATTER**2))
    True
    """
    return np.expm1(log_correlation(r))


@cache
def _waves() -> np.ndarray:
    """Amplitude of each wave of the periodic field, shape (PERIODIC, PERIODIC)."""
    away = np.minimum(np.arange(PERIODIC), PERIODIC - np.arange(PERIODIC))
    power = fft.fft2(log_correlation(np.hypot(away[:, None], away))).real
    return np.sqrt(np.maximum(power, 0))  # none is below zero by more than rounding


def fields(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw exact fields.

    Each is cut from a periodic one of its own, and the real and the imaginary part of one
    transform are two of those.

    Parameters
    ----------
    n : int
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float32
    """
    drawn = []
    for start in range(0, n, 1000):
        shape = (2, (min(n - start, 1000) + 1) // 2, PERIODIC, PERIODIC)
        white = rng.standard_normal(shape, np.float32)
        waves = fft.fft2(white[0] + 1j * white[1]) * _waves().astype(np.float32)
        both = fft.ifft2(waves)[:, :SIDE, :SIDE]
        drawn += [both.real, both.imag]
    logarithm = np.concatenate(drawn)[:n]
    return np.exp(logarithm - SIGMA**2 / 2).astype(np.float32)


def scaled(field: np.ndarray) -> np.ndarray:
    """Bring fields to mean 0 and scatter 1, as the networks see them.

    The logarithm, which a network could be given instead, would be half of the answer.

    Parameters
    ----------
    field : ndarray

    Returns
    -------
    ndarray
    """
    return (field - 1) / SCATTER


def unscaled(x: np.ndarray) -> np.ndarray:
    """Undo `scaled`.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    ndarray
    """
    return 1 + SCATTER * x


@cache
def _root() -> np.ndarray:
    """Lower triangle L of the covariance L L^T of a field's logarithm."""
    row, column = (x.ravel() for x in np.mgrid[:SIDE, :SIDE])
    apart = np.hypot(row[:, None] - row, column[:, None] - column)
    return np.linalg.cholesky(log_correlation(apart))


def surprise(field: np.ndarray) -> np.ndarray:
    """Compute minus the logarithm of the exact density of each field.

    Parameters
    ----------
    field : ndarray, shape (n, SIDE, SIDE)
        Above zero.

    Returns
    -------
    ndarray, shape (n,)
        [nats]; its mean over exact fields is the least that any model can reach.
    """
    logarithm = np.log(np.asarray(field, float)).reshape(len(field), -1)
    white = solve_triangular(_root(), (logarithm + SIGMA**2 / 2).T, lower=True)
    constant = np.log(np.diag(_root())).sum() + SIDE**2 / 2 * np.log(2 * np.pi)
    return 0.5 * (white**2).sum(axis=0) + constant + logarithm.sum(axis=1)


def gaussian_fit(training: np.ndarray, logarithm: bool) -> tuple[np.ndarray, np.ndarray]:
    """Fit a Gaussian to fields, or to their logarithms: the rival without a network.

    With the logarithm it is the exact family, and so the answer. Without it, it has the right mean
    and the right spectrum, and nothing else.

    Parameters
    ----------
    training : ndarray, shape (n, SIDE, SIDE)
    logarithm : bool

    Returns
    -------
    mean : ndarray, shape (SIDE^2,)
    root : ndarray, shape (SIDE^2, SIDE^2)
        Lower triangle of the covariance.
    """
    rows = np.concatenate([training, training[:, ::-1], training.swapaxes(1, 2)])  # some mirrors
    rows = rows.reshape(len(rows), -1).astype(float)
    rows = np.log(rows) if logarithm else rows
    covariance = np.cov(rows, rowvar=False)
    covariance[np.diag_indices_from(covariance)] += 1e-6
    return rows.mean(axis=0), np.linalg.cholesky(covariance)


def gaussian_draw(
    fit: tuple[np.ndarray, np.ndarray], n: int, logarithm: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw fields of a Gaussian.

    Parameters
    ----------
    fit : tuple
        Of `gaussian_fit`.
    n : int
    logarithm : bool
        As it was fitted.
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE)
    """
    mean, root = fit
    rows = mean + rng.standard_normal((n, len(mean))) @ root.T
    return (np.exp(rows) if logarithm else rows).reshape(n, SIDE, SIDE)
