"""Nearest neighbours tell copies, images that resemble each other, and kinds that are missing.

Distances are Euclidean, between rows. Both statistics are means of a logarithm of two nearest
distances, so that few exact copies among many images count.
"""

from __future__ import annotations

import numpy as np

#: So many nearest rows are looked at; if none of the wanted kind is among them, the last one's
#: distance stands for it.
NEAREST = 48
#: Distances below this share of the median nearest one count as this share: copies are at 0.
LEAST = 1e-3
CHUNK = 50  # sets of labels in memory at a time


def squared_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of all pairs, by one product of matrices.

    Parameters
    ----------
    rows, others : ndarray, shapes (n, k) and (m, k)

    Returns
    -------
    ndarray, shape (n, m)
    """
    lengths = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.maximum(lengths - 2 * rows @ others.T, 0)


def to_any_pose(rows: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """Squared distance of each row to the nearest pose of each of the others.

    Parameters
    ----------
    rows : ndarray, shape (n, k)
    posed : ndarray, shape (poses, m, k)
        Of `image_numbers.poses`.

    Returns
    -------
    ndarray, shape (n, m)
    """
    nearest = squared_distances(rows, posed[0])
    for pose in posed[1:]:
        np.minimum(nearest, squared_distances(rows, pose), out=nearest)
    return nearest


def memory(squared: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """How much nearer generated images are to what was trained on than to what was not.

    The statistic is the mean over generated images of ln(d_held-out / d_training), with d the
    distance to the nearest image of a kind. Whatever is wrong with the generated images moves both
    distances; only what was trained on can make them differ. If the generator has learnt the
    population and not its examples, it doesn't know which of the real images it was shown, and the
    labels of these can be exchanged.

    Parameters
    ----------
    squared : ndarray, shape (n generated, m real)
        Squared distances.
    labels : ndarray, shape (sets, m)
        +1 trained on, -1 held out.

    Returns
    -------
    statistics : ndarray, shape (sets,)
    share : float
        Of generated images whose nearest real one was trained on, for the first set of labels.
    """
    order, logs = _nearest(squared)
    found = []
    for part in _parts(labels):
        shown = part[:, order] > 0
        found.append((_first(logs, ~shown) - _first(logs, shown)).mean(axis=1))
    return np.concatenate(found), float(np.mean(labels[0, order[:, 0]] > 0))


def strangers(squared: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """How much nearer images are to their own kind than to the other.

    The statistic is the sum of two means of ln(d_other / d_own). Over generated images it is large
    where they resemble each other more than they resemble real ones: few kinds again and again.
    Over real images, where nothing generated is near: a kind is missing.

    Parameters
    ----------
    squared : ndarray, shape (n, n)
        Squared distances of real and generated images.
    labels : ndarray, shape (sets, n)
        +1 real, -1 generated.

    Returns
    -------
    statistics : ndarray, shape (sets,)
    parts : dict of str to float
        The two means for the first set of labels: ``generated`` and ``real``.
    """
    squared = squared.copy()
    np.fill_diagonal(squared, np.inf)
    order, logs = _nearest(squared)
    found = []
    for part in _parts(labels):
        own = part[:, order] == part[:, :, None]
        apart = _first(logs, ~own) - _first(logs, own)
        found.append([_mean(apart, part > 0), _mean(apart, part < 0)])
    real, generated = np.concatenate(found, axis=1)
    return real + generated, {"generated": float(generated[0]), "real": float(real[0])}


def _parts(labels: np.ndarray):
    return np.array_split(labels.astype(np.int8), -(-len(labels) // CHUNK))


def _nearest(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the nearest rows, nearest first, and the logarithms of their distances."""
    count = min(NEAREST, squared.shape[1] - 1)
    order = np.argpartition(squared, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(squared, order, axis=1)
    sort = np.argsort(near, axis=1, kind="stable")
    near = np.sqrt(np.take_along_axis(near, sort, axis=1))
    floor = LEAST * np.median(near[:, -1]) + 1e-30
    return np.take_along_axis(order, sort, axis=1), np.log(np.maximum(near, floor))


def _first(logs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Of each row in each set, the log distance of the first that is wanted, (sets, n)."""
    place = wanted.argmax(axis=2)
    there = np.take_along_axis(wanted, place[:, :, None], axis=2)[:, :, 0]
    place = np.where(there, place, logs.shape[1] - 1)
    return logs[np.arange(len(logs)), place]


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return (values * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)
