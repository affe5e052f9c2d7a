"""Are generated examples like real ones, and no copies? Tests of rows of numbers.

The sky's own test is `validation.two_sample`, which exchanges whole blocks of sky; here every row
is an independent example, and a fold of rows is enough.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp, rankdata

from ..base.files import CoganError

FOLDS = 5
#: Rows of either kind that the classifier takes, at most: its kernel has the square of them all.
MOST_ROWS = 1500


def classifier_auc(real: np.ndarray, generated: np.ndarray, seed: int) -> float:
    """How well a classifier tells generated rows from real ones that it has not seen.

    Kernel ridge regression on the labels, with a Gaussian kernel of the median distance, of columns
    that are scaled to variance 1; five folds.

    Parameters
    ----------
    real, generated : ndarray, shapes (n, k) and (m, k)
        A row of features per example; the first `MOST_ROWS` count.
    seed : int
        For the folds.

    Returns
    -------
    float
        The chance that a generated row scores higher than a real one: about 0.5 if they are alike,
        1 if they are told apart at once.

    Raises
    ------
    CoganError
        If there are fewer rows than folds, or the rows have different features.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> bool(classifier_auc(rng.normal(0, 1, (200, 2)), rng.normal(3, 1, (200, 2)), seed=1) > 0.95)
    True
    """
    real, generated = _rows(real, generated)
    real, generated = real[:MOST_ROWS], generated[:MOST_ROWS]
    rows = np.concatenate([real, generated])
    scatter = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / np.where(scatter > 0, scatter, 1)
    labels = np.repeat([-1.0, 1.0], [len(real), len(generated)])
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(n) % FOLDS for n in (len(real), len(generated))])
    squared = cdist(rows, rows, "sqeuclidean")
    width = np.median(squared)
    kernel = np.exp(-squared / (width if width > 0 else 1))
    areas = []
    for test in (fold == i for i in range(FOLDS)):
        train = kernel[np.ix_(~test, ~test)] + np.eye(np.count_nonzero(~test))
        middle = labels[~test].mean()
        weights = linalg.solve(train, labels[~test] - middle, assume_a="pos")
        scores = kernel[np.ix_(test, ~test)] @ weights
        areas.append(auc(scores[labels[test] < 0], scores[labels[test] > 0]))
    return float(np.mean(areas))


def auc(low: np.ndarray, high: np.ndarray) -> float:
    """Chance that one of `high` is above one of `low`: the area below the ROC curve.

    Parameters
    ----------
    low, high : ndarray, shapes (n,) and (m,)
        Scores; equal ones count half.

    Returns
    -------
    float

    Examples
    --------
    >>> auc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    ranks = rankdata(np.concatenate([low, high]))[len(low) :]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))


def nearest_ratio(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> float:
    """Compare how near generated and held-out rows come to the training's.

    Parameters
    ----------
    generated, training, held_out : ndarray, shapes (n, k), (m, k) and (l, k)

    Returns
    -------
    float
        Median nearest distance of generated rows over that of held-out rows: about 1 if nothing is
        copied, near 0 for copies.

    Raises
    ------
    CoganError
        If there are no rows, or they have different features.
    """
    generated, training = _rows(generated, training, fewest=1)
    held_out, _ = _rows(held_out, training, fewest=1)
    tree = cKDTree(training)
    near = [np.median(tree.query(rows)[0]) for rows in (generated, held_out)]
    return float(near[0] / near[1])


def ks(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare the distribution of each column (Kolmogorov and Smirnov).

    Parameters
    ----------
    real, generated : ndarray, shapes (n, k) and (m, k)

    Returns
    -------
    distance : ndarray, shape (k,)
        Largest difference of the two cumulative distributions.
    p_value : ndarray, shape (k,)
        Of each column alone.

    Raises
    ------
    CoganError
        If there are no rows, or they have different features.
    """
    real, generated = _rows(real, generated, fewest=1)
    found = ks_2samp(real, generated, axis=0)
    return np.asarray(found.statistic), np.asarray(found.pvalue)


def _rows(one, other, fewest: int = FOLDS) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(one, float), np.asarray(other, float)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise CoganError(f"Rows of shapes {one.shape} and {other.shape} have no columns in common.")
    if min(len(one), len(other)) < fewest:
        raise CoganError(f"{len(one)} and {len(other)} rows are too few; give at least {fewest}.")
    return one, other
