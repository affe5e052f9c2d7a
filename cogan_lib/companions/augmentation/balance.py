"""A rare class: what helps to find it, and why the share of right answers does not tell.

Of one image in twenty being a bubble, whoever never says bubble is right 19 times in 20. So each
class is scored alone; the balanced accuracy is the mean of both shares, 0.5 for whoever says always
the same, and the AUC asks whether rare ones score higher at all, wherever the threshold lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from ...base.files import CoganError
from ...learn.compare import auc
from .learners import classifier
from .sources import Source
from .tasks import Labelled, Predictor, Task

#: Share of class 1 among the real examples.
RARE = 0.05
#: A source is asked for so many times what is lacking, since not all will be of class 1.
DRAWN = 3
SCORES = ("accuracy", "balanced", "found", "right", "auc")


def rare(task: Task, n: int, seed: int, share: float = RARE) -> Labelled:
    """Take real examples of which few are of class 1.

    Parameters
    ----------
    task : Task
        Of two classes.
    n : int
    seed : int
    share : float
        Of class 1; at least one example is.

    Returns
    -------
    Labelled
        In random order.

    Raises
    ------
    CoganError
        If there are not so many of a class.
    """
    rng, rows = np.random.default_rng([seed, 22]), []
    ones = max(1, round(share * n))
    for one, count in ((0, n - ones), (1, ones)):
        found = np.flatnonzero(task.train.labels == one)
        if len(found) < count:
            raise CoganError(
                f"{task.name} has {len(found)} real examples of class {one}; {count} are needed."
            )
        rows.append(rng.permutation(found)[:count])
    return task.train.take(rng.permutation(np.concatenate(rows)))


def scores(chance: np.ndarray, labels: np.ndarray, threshold: float, share: float = RARE) -> dict:
    """Score answers about a world in which class 1 is rare, by a test set in which it need not be.

    Each class is counted alone, and weighed as it is frequent.

    Parameters
    ----------
    chance : ndarray, shape (n,)
        Of class 1.
    labels : ndarray of int, shape (n,)
    threshold : float
        Above it, the answer is 1.
    share : float
        Of class 1 in the world.

    Returns
    -------
    dict of float
        ``accuracy``, the share of right answers; ``balanced`` accuracy; ``found``, the share of
        class 1 that is called so; ``right``, the share of what is called 1 that is (0 if nothing
        is); ``auc``.

    Examples
    --------
    >>> never = scores(np.zeros(4), np.array([0, 0, 1, 1]), 0.5)
    >>> never["accuracy"], never["balanced"], never["found"]
    (0.95, 0.5, 0.0)
    """
    called = chance > threshold
    found, false = (float(called[labels == one].mean()) for one in (1, 0))
    ones = share * found + (1 - share) * false
    return {
        "accuracy": share * found + (1 - share) * (1 - false),
        "balanced": (found + 1 - false) / 2,
        "found": found,
        "right": share * found / ones if ones > 0 else 0.0,
        "auc": auc(chance[labels == 0], chance[labels == 1]),
    }


def remedies(
    task: Task, sources: Mapping[str, Source], n: int, seed: int, share: float = RARE
) -> dict[str, dict]:
    """Train on real examples of which few are of class 1, with every remedy, and score.

    Parameters
    ----------
    task : Task
        Of two classes.
    sources : dict of name to Source
        Each fills class 1 up to the number of class 0, as far as what it gives is of class 1: a
        source whose classes are named by whoever has hardly seen class 1 may give none.
    n : int
        Real examples.
    seed : int
    share : float
        Of class 1, among the real examples and in the world that is scored.

    Returns
    -------
    dict of name to dict
        `scores` of: ``never`` (who always says 0, and has learnt nothing); ``plain``;
        ``threshold``, the same network, which says 1 above a chance of `share` instead of 1/2;
        ``weights`` in the loss; ``oversampled``, the few repeated; and one for each source.
    """
    real = rare(task, n, seed, share)
    ones = real.take(real.labels == 1)
    lacking = len(real) - 2 * len(ones)
    labels, inputs = task.test.labels, task.test.inputs

    def answers(predict: Predictor) -> np.ndarray:
        return np.exp(predict(inputs)[:, 1])

    def filled(source: Source) -> Labelled:
        drawn = source(real, DRAWN * lacking, np.random.default_rng([seed, 23]))
        return real.plus(drawn.take(drawn.labels == 1).take(slice(0, lacking)))

    def trained(examples: Labelled, **options) -> np.ndarray:
        return answers(classifier(examples, seed, **options))

    plain = trained(real)
    of = partial(scores, labels=labels, share=share)
    repeated = np.arange(lacking) % len(ones)
    found = {
        "never": of(np.zeros(len(labels)), threshold=0.5),
        "plain": of(plain, threshold=0.5),
        "threshold": of(plain, threshold=share),
        "weights": of(trained(real, weights=(0.5 / (1 - share), 0.5 / share)), threshold=0.5),
        "oversampled": of(trained(real.plus(ones.take(repeated))), threshold=0.5),
    }
    return found | {
        name: of(trained(filled(source)), threshold=0.5) for name, source in sources.items()
    }


def of_ones(source: Source) -> Source:
    """Make a source of what is made of class 1 alone: other classes are not wasted time on.

    Parameters
    ----------
    source : Source
        That makes examples of the class of the real ones.

    Returns
    -------
    callable
    """
    return lambda real, n, rng: source(real.take(real.labels == 1), n, rng)
