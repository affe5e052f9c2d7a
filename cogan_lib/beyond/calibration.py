"""Is the spread of the members the size of their error? Ranks, coverage and proper scores.

Amplitudes are compared as y = asinh(W / 0.3 K km/s).
"""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from ..validation.amplitude import asinh_scale


def calibration(
    members: np.ndarray, real: np.ndarray, seed: int, levels: tuple[float, ...] = (0.68, 0.95)
) -> dict:
    """Is the spread of the members the size of their error?

    Parameters
    ----------
    members : ndarray, shape (m, ...)
        W in K km/s.
    real : ndarray, shape (...)
    seed : int
        Where truth and members are equal, the rank is drawn.

    Returns
    -------
    dict
        JSON-ready, of asinh(W / 0.3 K km/s): ``rank`` (share of the true values between the sorted
        members, m + 1 numbers, all equal if truth is like one more member), ``coverage`` (level to
        the share of true values within the members' central interval of that level; m members
        can reach (m - 1)/(m + 1) at most, so 95 % takes 39),
        ``spread_over_error`` (rms spread, times sqrt(1 + 1/m), over the rms error of the mean; 1 if
        calibrated), ``crps`` (fair for m members), ``crps_of_one`` (mean absolute error of a single
        member) and ``mean_error`` (truth minus mean).
    """
    y, truth = asinh_scale(members).reshape(len(members), -1), asinh_scale(real).ravel()
    m = len(y)
    if m < 2 or y.shape[1] != truth.size:
        raise CoganError(
            f"Members of shape {np.shape(members)} do not fit real values of shape "
            f"{np.shape(real)}; give at least two members of the same shape."
        )
    if not (np.isfinite(y).all() and np.isfinite(truth).all()):
        raise CoganError("Members or real values are NaN or infinite; leave such tiles out.")
    ordered = np.sort(y, axis=0)
    below, equal = (y < truth).sum(axis=0), (y == truth).sum(axis=0)
    rank = below + np.random.default_rng(seed).integers(0, equal + 1)
    # positions (i + 1)/(m + 1): with these, members and truth of one distribution cover the level
    places = np.arange(1, m + 1) / (m + 1)
    coverage = {}
    for level in levels:
        ends = [_quantile(ordered, places, (1 + sign * level) / 2) for sign in (-1, 1)]
        coverage[f"{level:g}"] = float(((truth >= ends[0]) & (truth <= ends[1])).mean())
    mean, variance = y.mean(axis=0), y.var(axis=0, ddof=1)
    error = np.sqrt(((truth - mean) ** 2).mean())
    spread = np.sqrt(variance.mean() * (1 + 1 / m))
    single = np.abs(y - truth).mean()
    weights = 2 * np.arange(1, m + 1) - m - 1  # sum_ij |y_i - y_j| of sorted values
    differences = 2 * (weights[:, None] * ordered).sum(axis=0).mean() / (m * (m - 1))
    return {
        "members": m,
        "rank": (np.bincount(rank, minlength=m + 1) / rank.size).tolist(),
        "coverage": coverage,
        "spread_over_error": float(spread / error) if error else 0.0,
        "crps": float(single - differences / 2),
        "crps_of_one": float(single),
        "mean_error": float((truth - mean).mean()),
    }


def _quantile(ordered: np.ndarray, places: np.ndarray, level: float) -> np.ndarray:
    """Quantile of sorted columns, interpolated; the outermost member beyond the last place."""
    position = np.interp(level, places, np.arange(len(places)))
    low = int(position)
    high = min(low + 1, len(places) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
