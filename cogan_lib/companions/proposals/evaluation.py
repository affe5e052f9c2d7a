"""How good accepted proposals are as a population: rates, distributions, correlations, indices.

A single proposal may be possible, and all of them together still no sample of anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, spearmanr

from ...base.files import CoganError
from ...learn.compare import ks
from . import samplers
from .objects import Proposal, number_fields

#: Of all intervals.
CONFIDENCE = 0.95
#: Digits to which two proposals are compared.
DUPLICATE_DIGITS = 3
#: Kernel of the density of log10 radius [dex], and how far around the valley its peaks lie [dex].
VALLEY_DEX, VALLEY_REACH = 0.035, 0.25
#: A valley is seen where the ratio's interval is below it: never in 240 samples without one.
VALLEY_SEEN = 0.75


def acceptance(n_ok: int, n: int) -> dict[str, float]:
    """Estimate a share from a count, with Wilson's interval.

    Parameters
    ----------
    n_ok, n : int
        Accepted, of all.

    Returns
    -------
    dict
        ``rate``, ``low``, ``high``, ``n``.

    Raises
    ------
    CoganError
        If there is nothing to count.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in acceptance(0, 40).items()}
    {'rate': 0.0, 'low': 0.0, 'high': 0.088, 'n': 40}
    """
    if not 0 <= n_ok <= n or n < 1:
        raise CoganError(f"{n_ok} of {n} is no share.")
    z = float(norm.isf((1 - CONFIDENCE) / 2))
    rate = n_ok / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2)
    return {
        "rate": rate,
        "low": 0.0 if n_ok == 0 else float(middle - half),
        "high": 1.0 if n_ok == n else float(middle + half),
        "n": n,
    }


def table(proposals: Sequence[Proposal]) -> dict[str, np.ndarray]:
    """Put accepted proposals of one kind into columns.

    Parameters
    ----------
    proposals : sequence of Proposal

    Returns
    -------
    dict of str to ndarray, shape (n,)
        By field, as a sampler gives them.

    Raises
    ------
    CoganError
        If there are none, or of several kinds.
    """
    if len({type(one) for one in proposals}) != 1:
        raise CoganError("A table needs proposals of one kind, at least one of them.")
    rows = [one.model_dump() for one in proposals]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def marginals(
    kind: str, proposed: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Compare each field's distribution with the reference's (Kolmogorov and Smirnov).

    Parameters
    ----------
    kind : str
    proposed, reference : dict of str to ndarray, shapes (n,) and (m,)
        Of `table` and of a sampler.

    Returns
    -------
    dict of str to dict
        By field that is a number: ``distance`` and ``p_value``, of each alone.
    """
    fields = number_fields(kind)
    columns = [np.column_stack([one[name] for name in fields]) for one in (reference, proposed)]
    found = zip(*ks(*columns), strict=True)
    return {
        name: {"distance": float(distance), "p_value": float(p_value)}
        for name, (distance, p_value) in zip(fields, found, strict=True)
    }


def rank_correlations(
    kind: str, proposed: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float | None]]:
    """Compute Spearman's correlation of each pair of fields.

    Parameters
    ----------
    kind : str
    proposed : dict of str to ndarray, shape (n,)

    Returns
    -------
    dict of str to dict
        By ``"field, field"``: ``rho``, and the interval ``low``, ``high`` by Fisher's z with the
        error of Bonett & Wright (2000). All are None if a field has one value alone or there are
        fewer than 4 rows.
    """
    z = norm.isf((1 - CONFIDENCE) / 2)
    found = {}
    for one, other in combinations(number_fields(kind), 2):
        x, y = np.asarray(proposed[one], float), np.asarray(proposed[other], float)
        if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
            found[f"{one}, {other}"] = dict.fromkeys(("rho", "low", "high"))
            continue
        rho = float(spearmanr(x, y).statistic)
        middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
        half = z * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
        low, high = (float(np.tanh(middle + sign * half)) for sign in (-1, 1))
        found[f"{one}, {other}"] = {"rho": rho, "low": low, "high": high}
    return found


def power_law_index(values: np.ndarray, low: float, high: float) -> dict[str, float]:
    """Estimate the index of dN/dx ~ x^-index between two ends, by maximum likelihood.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Those outside the ends are left out.
    low, high : float
        The distribution ends there; a model's that simply has no brighter flares is biased low if
        `high` is forgotten.

    Returns
    -------
    dict
        ``index``, ``error`` (from the curvature of the likelihood), ``n`` within the ends.

    Raises
    ------
    CoganError
        If the ends are none, or fewer than 2 different values are between them.
    """
    if not 0 < low < high < np.inf:
        raise CoganError(f"A power law cannot go from {low} to {high}.")
    values = np.asarray(values, float)
    t = np.log(values[(values >= low) & (values <= high)] / low)
    span = float(np.log(high / low))
    if len(t) < 2 or np.ptp(t) == 0:
        raise CoganError(f"The index needs 2 different values from {low:g} to {high:g}.")
    mean = t.mean()

    def excess(slope):  # d ln L / d slope, over n: t has the density ~ exp(slope t)
        return _truncated_mean(slope, span) - mean

    ends = 1.0
    while excess(-ends) > 0 or excess(ends) < 0:
        ends *= 2
    slope = brentq(excess, -ends, ends)
    step = 1e-3
    variance = (excess(slope + step) - excess(slope - step)) / (2 * step)
    return {
        "index": float(1 - slope),
        "error": float(1 / np.sqrt(variance * len(t))),
        "n": len(t),
    }


def duplicates(kind: str, proposed: Mapping[str, np.ndarray]) -> float:
    """Compute the share of proposals that repeat an earlier one to three digits.

    Parameters
    ----------
    kind : str
    proposed : dict of str to ndarray, shape (n,)

    Returns
    -------
    float
        0 for a sampler, near 1 for a model that knows one answer.
    """
    columns = np.column_stack([proposed[name] for name in number_fields(kind)])
    rows = [tuple(f"{x:.{DUPLICATE_DIGITS - 1}e}" for x in row) for row in columns]
    return 1 - len(set(rows)) / len(rows)


def rise_below_decay(flares: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Count flares that rise no slower than they decay: most do, and a single one need not.

    Parameters
    ----------
    flares : dict of str to ndarray, shape (n,)

    Returns
    -------
    dict
        Of `acceptance`.
    """
    below = flares["rise_min"] <= flares["decay_min"]
    return acceptance(int(below.sum()), len(below))


def valley_depth(
    planets: Mapping[str, np.ndarray], rng: np.random.Generator, rounds: int = 200
) -> dict[str, float | bool]:
    """Measure the radius valley: density there over that of the lower of the peaks beside it.

    Radii are divided by the valley's at the planet's own period (`samplers.valley_radius`).

    Parameters
    ----------
    planets : dict of str to ndarray, shape (n,)
    rng : numpy Generator
    rounds : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``ratio`` with ``low`` and ``high``, the ``n`` planets near it, and whether it is ``seen``.
        Chance makes peaks: without a valley the ratio is about 0.9, and 0.8 of 40 planets; of the
        sampler's it is 0.4.

    Raises
    ------
    CoganError
        If fewer than 10 planets are near it.
    """
    x = np.log10(planets["radius_earth"] / samplers.valley_radius(planets["period_day"]))
    x = x[np.abs(x) < VALLEY_REACH + 3 * VALLEY_DEX]
    if len(x) < 10:
        raise CoganError(f"{len(x)} planets near the radius valley are too few to see it.")
    grid = np.linspace(-VALLEY_REACH, VALLEY_REACH, 51)
    kernel = np.exp(-(((grid[:, None] - x) / VALLEY_DEX) ** 2) / 2)
    # Rounds of the bootstrap are weights of the planets, the first is of the sample itself.
    weights = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), rounds).T
    density = kernel @ np.column_stack([np.ones(len(x)), weights])
    near = np.abs(grid) < VALLEY_REACH / 4
    left, right = density[grid < 0].max(0), density[grid > 0].max(0)
    ratio = density[near].min(0) / np.maximum(np.minimum(left, right), 1e-9)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratio[1:], [tail, 1 - tail])
    return {
        "ratio": float(ratio[0]),
        "low": float(low),
        "high": float(high),
        "n": len(x),
        "seen": bool(high < VALLEY_SEEN),
    }


def _truncated_mean(slope: float, span: float) -> float:
    """Mean of t on [0, span] with the density ~ exp(slope t)."""
    x = slope * span
    if abs(x) < 1e-4:
        return span * (0.5 + x / 12)
    return span * (1 / -np.expm1(-x) - 1 / x)
