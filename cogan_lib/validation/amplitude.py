"""Amplitudes: the scale on which they are compared, and the variance that a prediction explains.

W is in K km/s. As CO spans decades, amplitudes are compared as y = asinh(W / 0.3 K km/s): linear at
the noise, logarithmic above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ..base.checks import check_alike
from ..base.files import CoganError
from ..base.units import CO_SOFTENING


def softening_of(meta: Mapping, target: str) -> float:
    """Find the softening of a target's scale in what describes tiles of it.

    Parameters
    ----------
    meta : mapping
        Of `cogan_lib.tiles.patches.Patches`.
    target : str

    Returns
    -------
    float
        In the target's unit: 0.3 K km/s of CO.
    """
    return meta.get("softening", {}).get(target, CO_SOFTENING)


def asinh_scale(w: np.ndarray, softening: float = CO_SOFTENING) -> np.ndarray:
    """Compute y = asinh(W / 0.3 K km/s), the scale on which amplitudes are compared.

    Parameters
    ----------
    w : array_like
        W in K km/s, or another target.
    softening : float
        In the unit of `w` (`softening_of`).

    Returns
    -------
    ndarray, float64
        Without unit.

    Examples
    --------
    >>> asinh_scale([0.0, 0.3, 30.0]).round(3)
    array([0.   , 0.881, 5.298])
    """
    return np.arcsinh(np.asarray(w, dtype=np.float64) / softening)


def middle_of(
    members: np.ndarray | list[np.ndarray], softening: float = CO_SOFTENING
) -> np.ndarray:
    """Compute the W whose asinh(W / 0.3 K km/s) is the mean over the members.

    Parameters
    ----------
    members : ndarray, shape (m, ...), or list of ndarrays
        W in K km/s.
    softening : float
        As for `asinh_scale`.

    Returns
    -------
    ndarray, shape (...)
        W in K km/s.

    Examples
    --------
    >>> middle_of([np.array([-3.0, 1.0]), np.array([3.0, 1.0])]).round(6)
    array([0., 1.])
    """
    return softening * np.sinh(np.mean([asinh_scale(w, softening) for w in members], axis=0))


def r2_sums(
    real: np.ndarray, predicted: np.ndarray, scale: Callable[[np.ndarray], np.ndarray] = asinh_scale
) -> np.ndarray:
    """Find what R^2 needs of each tile: R^2 of any set of tiles is `r2_of` the sum over them.

    Parameters
    ----------
    real, predicted : ndarray of one shape, (n, ...)
        W in K km/s.
    scale : callable
        From W to y, of which R^2 is; ``np.asarray`` for W itself.

    Returns
    -------
    ndarray, shape (n, 4)
        Of y, asinh(W / 0.3 K km/s) unless told otherwise, less its mean over all: number, sum of y,
        of y^2, and of the squared residual.

    Raises
    ------
    CoganError
        If shapes differ, or a value is not finite.
    """
    real, predicted = check_alike("R2", real, predicted)
    y = scale(real).reshape(len(real), -1)
    residual = y - scale(predicted).reshape(len(real), -1)
    y = y - y.mean()  # changes no R^2, and keeps the digits of the sums
    parts = [np.full(len(y), y.shape[1]), *(v.sum(axis=1) for v in (y, y**2, residual**2))]
    return np.stack(parts, axis=1)


def r2_of(sums: np.ndarray) -> float:
    """Compute R^2 from sums.

    Parameters
    ----------
    sums : ndarray, shape (n, 4)
        Rows of `r2_sums`.

    Returns
    -------
    float
        0 if all real values are alike.
    """
    variance = _variance(sums)
    return float(1 - sums[:, 3].sum() / variance) if variance > 0 else 0.0


def _variance(sums: np.ndarray) -> float:
    """Sum of the squared distances of y from its mean."""
    n, y, squares, _ = sums.sum(axis=0)
    return float(squares - y**2 / n)


def r2_score(real: np.ndarray, predicted: np.ndarray, softening: float = CO_SOFTENING) -> float:
    """Compute the share of the variance of asinh(W / 0.3 K km/s) that a prediction explains.

    R^2 = 1 - sum (y_real - y_predicted)^2 / sum (y_real - mean)^2 with y = asinh(W / 0.3 K km/s).

    Parameters
    ----------
    real, predicted : ndarray of one shape
        W in K km/s.
    softening : float
        As for `asinh_scale`.

    Returns
    -------
    float
        1 for a perfect prediction, 0 for the mean, negative if worse.

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or all real values are alike.

    Examples
    --------
    >>> real = np.array([0.0, 1.0, 5.0])
    >>> r2_score(real, real), round(r2_score(real, real[::-1]), 3)
    (1.0, -2.988)
    """
    sums = r2_sums(real, predicted, partial(asinh_scale, softening=softening))
    if not _variance(sums) > 0:
        raise CoganError(
            "The real values are all alike, so no share of their variance is explained."
        )
    return r2_of(sums)
