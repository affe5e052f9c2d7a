"""Whether the spread of the members is the size of their error: ranks, coverage and proper scores.

`calibration` compares amplitudes, as y = asinh(W / 0.3 K km/s); what it is made of takes any
numbers, such as the logarithm of a power.
"""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from .amplitude import asinh_scale


def ranks(values: np.ndarray, real: np.ndarray, seed: int) -> np.ndarray:
    """Count the members below each real value.

    Parameters
    ----------
    values : ndarray, shape (m, ...)
        Of the members.
    real : ndarray, shape (...)
    seed : int
        Where real values and members are equal, the rank is drawn.

    Returns
    -------
    ndarray of int, shape (...)
        0 to m, each as likely if the real values are like one more member's.

    Examples
    --------
    >>> ranks(np.array([[1.0], [2.0], [4.0]]), np.array([3.0]), seed=1)
    array([2])
    """
    below, equal = (values < real).sum(axis=0), (values == real).sum(axis=0)
    return below + np.random.default_rng(seed).integers(0, equal + 1)


def within(values: np.ndarray, real: np.ndarray, level: float) -> np.ndarray:
    """Find which real values lie in the members' central interval of a level.

    Its ends stand at Weibull's positions, i/(m + 1): with these, members and real values of one
    distribution cover the level; beyond the outermost member it is that member. So m members
    can reach (m - 1)/(m + 1) at most: 90 % takes 19, and 95 % takes 39.

    Parameters
    ----------
    values : ndarray, shape (m, ...)
        Of the members.
    real : ndarray, shape (...)
    level : float
        Between 0 and 1.

    Returns
    -------
    ndarray of bool, shape (...)

    Examples
    --------
    >>> within(np.arange(9.0)[:, None], np.array([4.2]), 0.5)
    array([ True])
    """
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    return (real >= low) & (real <= high)


def fair_crps(values: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Compute the continuous ranked probability score of each real value, fair for m members.

    ``<|y_i - y|> - <|y_i - y_j|> / 2`` over members i and couples of different members i, j (Ferro
    2014, QJRMS 140, 1917): in the mean lowest for members of the real values' distribution, for
    any number of members.

    Parameters
    ----------
    values : ndarray, shape (m, ...)
        Of the members, m >= 2; a length of 1 stands for any.
    real : ndarray, shape (...)

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> fair_crps(np.array([[0.0], [2.0]]), np.array([1.0]))
    array([0.])
    """
    m = len(values)
    weights = 2 * np.arange(1, m + 1) - m - 1  # sum_ij |y_i - y_j| of sorted values
    couples = 2 * np.tensordot(weights, np.sort(values, axis=0), 1) / (m * (m - 1))
    return np.abs(values - real).mean(axis=0) - couples / 2


def calibration(
    members: np.ndarray, real: np.ndarray, seed: int, levels: tuple[float, ...] = (0.68, 0.95)
) -> dict:
    """Compare the spread of the members with the size of their error.

    Parameters
    ----------
    members : ndarray, shape (m, ...)
        W in K km/s.
    real : ndarray, shape (...)
        W in K km/s.
    seed : int
        Where real values and members are equal, the rank is drawn.
    levels : tuple of float
        Of the intervals whose coverage is counted.

    Returns
    -------
    dict
        JSON-ready, of asinh(W / 0.3 K km/s): ``rank`` (share of the real values between the sorted
        members, m + 1 numbers, all equal if the real sky is like one more member), ``coverage``
        (level to the share of real values `within` the members' central interval of that level),
        ``spread`` (rms over the values, times sqrt(1 + 1/m)), ``error`` (rms, of the mean),
        ``spread_over_error`` (1 if calibrated), ``crps`` (`fair_crps`), ``crps_of_one`` (mean
        absolute error of a single member) and ``mean_error`` (real minus mean).

    Raises
    ------
    CoganError
        If there is one member, shapes differ, or a value is not finite.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(10, 2000))
    >>> found = calibration(draws[:9], draws[9], seed=1)  # the real values are one more member
    >>> 0.9 < found["spread_over_error"] < 1.1
    True
    """
    y, y_real = asinh_scale(members).reshape(len(members), -1), asinh_scale(real).ravel()
    m = len(y)
    if m < 2 or y.shape[1] != y_real.size:
        raise CoganError(
            f"Members of shape {np.shape(members)} do not fit real values of shape "
            f"{np.shape(real)}; give at least two members of the same shape."
        )
    if not (np.isfinite(y).all() and np.isfinite(y_real).all()):
        raise CoganError("Members or real values are NaN or infinite; leave such tiles out.")
    rank = ranks(y, y_real, seed)
    mean, variance = y.mean(axis=0), y.var(axis=0, ddof=1)
    error = np.sqrt(((y_real - mean) ** 2).mean())
    spread = np.sqrt(variance.mean() * (1 + 1 / m))
    return {
        "members": m,
        "rank": (np.bincount(rank, minlength=m + 1) / rank.size).tolist(),
        "coverage": {f"{level:g}": float(within(y, y_real, level).mean()) for level in levels},
        "spread": float(spread),
        "error": float(error),
        "spread_over_error": float(spread / error) if error else 0.0,
        "crps": float(fair_crps(y, y_real).mean()),
        "crps_of_one": float(np.abs(y - y_real).mean()),
        "mean_error": float((y_real - mean).mean()),
    }
