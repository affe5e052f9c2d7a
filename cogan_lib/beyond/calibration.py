"""Whether the spread of the members is the size of their error: ranks, coverage and proper scores.

Amplitudes are compared as y = asinh(W / 0.3 K km/s).
"""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from ..validation.amplitude import asinh_scale


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
        (level to the share of real values within the members' central interval of that level; m
        members can reach (m - 1)/(m + 1) at most, so 95 % takes 39), ``spread_over_error`` (rms
        spread, times sqrt(1 + 1/m), over the rms error of the mean; 1 if calibrated), ``crps``
        (fair for m members), ``crps_of_one`` (mean absolute error of a single member) and
        ``mean_error`` (real minus mean).

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
    ordered = np.sort(y, axis=0)
    below, equal = (y < y_real).sum(axis=0), (y == y_real).sum(axis=0)
    rank = below + np.random.default_rng(seed).integers(0, equal + 1)
    coverage = {}
    for level in levels:
        # Weibull's positions, i/(m + 1): with these, members and real values of one distribution
        # cover the level; beyond the outermost member it is that member
        ends = np.quantile(ordered, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
        coverage[f"{level:g}"] = float(((y_real >= ends[0]) & (y_real <= ends[1])).mean())
    mean, variance = y.mean(axis=0), y.var(axis=0, ddof=1)
    error = np.sqrt(((y_real - mean) ** 2).mean())
    spread = np.sqrt(variance.mean() * (1 + 1 / m))
    single = np.abs(y - y_real).mean()
    weights = 2 * np.arange(1, m + 1) - m - 1  # sum_ij |y_i - y_j| of sorted values
    differences = 2 * (weights[:, None] * ordered).sum(axis=0).mean() / (m * (m - 1))
    return {
        "members": m,
        "rank": (np.bincount(rank, minlength=m + 1) / rank.size).tolist(),
        "coverage": coverage,
        "spread_over_error": float(spread / error) if error else 0.0,
        "crps": float(single - differences / 2),
        "crps_of_one": float(single),
        "mean_error": float((y_real - mean).mean()),
    }
