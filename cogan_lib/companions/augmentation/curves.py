"""Scores against the number of real examples, and whether a difference is more than chance."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from ...base.files import CoganError
from .sources import Source
from .tasks import Labelled, Predictor, Task, few

#: What all others are compared with: the real examples and nothing else.
NONE = "none"
LEVEL = 0.95


def learning_curve(
    task: Task,
    sizes: Sequence[int],
    sources: Mapping[str, Source | None],
    seeds: Sequence[int],
    learner: Callable[[Labelled, int], Predictor],
    extra: int,
) -> dict[str, list[list[float]]]:
    """Train on few real examples, with and without more from each source, and test.

    All sources see the same real examples, and the learner starts from the same weights and makes
    as many steps: what differs is the examples alone. Those of a smaller size are among those of a
    larger one.

    Parameters
    ----------
    task : Task
    sizes : sequence of int
        Numbers of real examples.
    sources : dict of name to Source or None
        None gives nothing: train on the real examples alone.
    seeds : sequence of int
        Each with other real examples and other first weights.
    learner : callable
        From examples and a seed to a predictor.
    extra : int
        More examples that a source gives.

    Returns
    -------
    dict of name to list of list of float
        Score by seed and size.

    Raises
    ------
    CoganError
        If there are fewer real examples than asked for.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in sources}
    for seed in seeds:
        for name, source in sources.items():
            row = []
            for n in sizes:
                real = few(task, n, seed)
                rng = np.random.default_rng([seed, n, zlib.crc32(name.encode())])
                examples = real.plus(source(real, extra, rng)) if source else real
                row.append(task.score(learner(examples, seed)))
            found[name].append(row)
    return found


def interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> dict:
    """Mean over the seeds with its interval, by Student's t.

    Parameters
    ----------
    values : array_like, shape (seeds,) or (seeds, sizes)
        Seeds are independent.
    level : float
        Chance that the interval of one number holds the mean of very many seeds.

    Returns
    -------
    dict
        ``mean``, ``low``, ``high``: float, or a list by size.

    Raises
    ------
    CoganError
        If there are fewer than two seeds.

    Examples
    --------
    >>> found = interval([0.1, 0.2, 0.3])
    >>> [round(found[key], 3) for key in ("low", "mean", "high")]
    [-0.048, 0.2, 0.448]
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        raise CoganError("One seed has no scatter; give two or more.")
    mean = values.mean(0)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values, axis=0)
    return {"mean": mean.tolist(), "low": (mean - half).tolist(), "high": (mean + half).tolist()}


def gains(
    curves: Mapping[str, Sequence[Sequence[float]]], sign: int, against: str = NONE
) -> dict[str, dict]:
    """Compare each source with none, seed by seed: equal real examples, equal first weights.

    Parameters
    ----------
    curves : dict of name to array_like, shape (seeds, sizes)
        Of `learning_curve`.
    sign : int
        `Task.sign`.
    against : str
        What the others are compared with.

    Returns
    -------
    dict of name to dict
        `interval` of the gain by size, positive if it helps, for each but `against`; and
        ``verdict`` by size: ``helps`` or ``hurts`` if the interval does not hold 0, else ``open``.

    Raises
    ------
    CoganError
        If there is no `against`, or fewer than two seeds.
    """
    if against not in curves:
        raise CoganError(f"There is no {against!r} to compare with; there are {', '.join(curves)}.")
    base, found = np.asarray(curves[against]), {}
    for name, curve in curves.items():
        if name != against:
            gain = interval(sign * (np.asarray(curve) - base))
            ends = zip(gain["low"], gain["high"], strict=True)
            words = ["helps" if low > 0 else "hurts" if high < 0 else "open" for low, high in ends]
            found[name] = gain | {"verdict": words}
    return found


def worth(
    sizes: Sequence[int], base: Sequence[float], scores: Sequence[float], sign: int
) -> list[float]:
    """How many real examples alone give the score that fewer give with more from a source.

    Interpolated in the logarithm of the number, along the running best of the curve without.

    Parameters
    ----------
    sizes : sequence of int
    base, scores : sequence of float
        Mean scores by size, without and with.
    sign : int
        `Task.sign`.

    Returns
    -------
    list of float
        By size; never above the largest one, nor below the smallest.

    Examples
    --------
    >>> [round(n, 1) for n in worth([10, 100], [0.5, 0.7], [0.6, 0.9], 1)]
    [31.6, 100.0]
    """
    best = np.maximum.accumulate(sign * np.asarray(base, float))
    best += 1e-9 * np.arange(len(best))  # so that a flat curve is passed once
    return np.exp(np.interp(sign * np.asarray(scores, float), best, np.log(sizes))).tolist()
