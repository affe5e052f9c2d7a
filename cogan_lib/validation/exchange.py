"""Tests by exchanged labels: statistics of many sets of labels "real" and "generated" at once.

All are linear in the labels or nearly so, so that a thousand sets cost little more than one. The
verdict on skies (`two_sample`) and the one on any stacks (`suite`) are made of them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from ..base.files import CoganError

ALPHA = 0.05  # false alarm rate of a verdict of several tests
MOST_COMPONENTS = 10  # of one set of features; beyond, directions hold little but noise
FOLDS = 5


def whiten(features: np.ndarray) -> np.ndarray:
    """Leading principal components, each of variance 1, of features scaled by their scatter.

    Without it a power spectrum counts as one number, its brightness, which changes most from place
    to place. Labels play no part, so the exchanged sets stay as likely as the labels as they are.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        A row per tile, of all labels.

    Returns
    -------
    ndarray, shape (n, at most `MOST_COMPONENTS`)
        One column of zeros if nothing varies.

    Examples
    --------
    >>> whiten(np.array([[1.0, 5.0], [3.0, 5.0]])).round(6).ravel().tolist() in ([1, -1], [-1, 1])
    True
    """
    centred = features - features.mean(axis=0)
    scatter = centred.std(axis=0)
    varies = scatter > 1e-9 * np.abs(features).max(axis=0)
    if not varies.any():
        return np.zeros((len(features), 1))
    u, s, _ = np.linalg.svd(centred[:, varies] / scatter[varies], full_matrices=False)
    share = np.cumsum(s**2) / (s**2).sum()
    return u[:, : min(MOST_COMPONENTS, np.searchsorted(share, 0.999) + 1)] * np.sqrt(len(u))


def label_sets(
    blocks: np.ndarray, n_real: int, paired: bool, draws: int, seed: int, tests: int
) -> np.ndarray:
    """Labels, +1 real and -1 generated: as they are first, then exchanged.

    Paired: all 2^(k-1) distinct exchanges if they are no more than draws + 1 (exchanging every
    block changes nothing). Else whole blocks are dealt out anew.

    Parameters
    ----------
    blocks : ndarray of int, shape (n,)
        Of each tile; the real ones are first.
    n_real : int
    paired : bool
        Every block has as many tiles of either kind, of the same places.
    draws : int
        Sets beside the labels as they are.
    seed : int
    tests : int
        How many tests share the sets.

    Returns
    -------
    ndarray, shape (sets, n)

    Raises
    ------
    CoganError
        If the blocks are too few for a difference seen by one test alone to be significant.
    """
    names, which = np.unique(blocks, return_inverse=True)
    k = names.size
    given = np.where(np.arange(len(blocks)) < n_real, 1.0, -1.0)
    k_real = np.unique(blocks[:n_real]).size
    distinct = 2 ** (k - 1) if paired else math.comb(k, k_real) // 2
    if tests > ALPHA * distinct:
        raise CoganError(
            f"{k} blocks of sky are too few: no difference between generated and real could be "
            f"significant; use tiles of at least {8 if paired else 10} blocks that do not touch."
        )
    rng = np.random.default_rng(seed)
    if paired:
        exchanged = rng.integers(0, 2, (draws + 1, k))
        exchanged[0] = 0
        if distinct <= draws + 1:
            exchanged = (np.arange(distinct)[:, None] >> np.arange(k)) & 1
        return given * (1 - 2.0 * exchanged[:, which])
    dealt = np.where(np.isin(names, blocks[:n_real]), 1.0, -1.0)
    return np.array([dealt, *(rng.permutation(dealt) for _ in range(draws))])[:, which]


def energy_distances(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 - (<d_rr> + <d_gg>) / (2 <d_rg>) for each set of labels: 0 if alike, 1 if worlds apart.

    < > is the mean Euclidean distance over all couples of real (r) and generated (g) tiles.

    Parameters
    ----------
    features : ndarray, shape (n, k)
    labels : ndarray, shape (sets, n)

    Returns
    -------
    ndarray, shape (sets,)
    """
    distance = cdist(features, features)
    real, generated = np.maximum(labels, 0), np.maximum(-labels, 0)
    real /= real.sum(axis=1, keepdims=True)
    generated /= generated.sum(axis=1, keepdims=True)
    from_real, from_generated = real @ distance, generated @ distance
    within = (from_real * real).sum(axis=1) + (from_generated * generated).sum(axis=1)
    across = (from_real * generated).sum(axis=1)
    return np.where(across > 0, 1 - within / np.where(across > 0, 2 * across, 1), 0)


def classifier_aucs(
    features: np.ndarray, blocks: np.ndarray, labels: np.ndarray, seed: int
) -> np.ndarray:
    """Held-out AUC, for each set of labels, of a classifier trained on these labels.

    The classifier is kernel ridge regression on the labels (a least-squares support vector
    machine) with a Gaussian kernel. A network trained on a few hundred tiles would learn less, and
    not a thousand times over; here the held-out scores are linear in the labels, K_test,train
    (K_train + 1)^-1 y_train, so that one solution per fold serves all sets. Folds are of whole
    blocks: a tile, its neighbours and its partner are all trained on or all held out, so that
    knowing the place is of no use.

    AUC is the chance that a real tile scores higher than a generated one; 0.5 is guessing.

    Parameters
    ----------
    features : ndarray, shape (n, k)
    blocks : ndarray of int, shape (n,)
    labels : ndarray, shape (sets, n)
    seed : int
        Of the folds.

    Returns
    -------
    ndarray, shape (sets,)
    """
    squared = cdist(features, features, "sqeuclidean")
    width = np.median(squared)
    kernel = np.exp(-squared / (width if width > 0 else 1))
    names, which = np.unique(blocks, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(names.size) % FOLDS)[which]
    scores = np.empty_like(labels)
    for held_out in (fold == i for i in range(FOLDS)):
        train = kernel[np.ix_(~held_out, ~held_out)] + np.eye(np.count_nonzero(~held_out))
        weights = np.linalg.solve(train, kernel[np.ix_(~held_out, held_out)])
        y = labels[:, ~held_out]
        scores[:, held_out] = (y - y.mean(axis=1, keepdims=True)) @ weights
    ranks = rankdata(np.round(scores, 9), axis=1)  # equal tiles score equal
    n_real = np.count_nonzero(labels > 0, axis=1)
    n_generated = labels.shape[1] - n_real
    return ((ranks * (labels > 0)).sum(axis=1) - n_real * (n_real + 1) / 2) / (n_real * n_generated)


def rank_distances(numbers: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the two cumulative distributions of each number, for each set of labels.

    With F_r and F_g of n real and m generated tiles, N = n + m, and H that of them all:
    Kolmogorov and Smirnov's max ``|F_r - F_g|``, and Anderson and Darling's
    A^2 = n m / N sum_j (F_r - F_g)^2 / (H (1 - H)) / N over all tiles but the last (Pettitt 1976,
    Biometrika 63, 161), which weighs the tails as much as the middle.

    Parameters
    ----------
    numbers : ndarray, shape (n, k)
        One row per tile.
    labels : ndarray, shape (sets, n)

    Returns
    -------
    ks, ad : ndarrays, each (sets, k)

    Examples
    --------
    >>> ks, _ = rank_distances(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, 1.0, -1.0]]))
    >>> ks
    array([[1.]])
    """
    total = numbers.shape[0]
    real = (labels > 0).astype(np.float32)
    n_real = real.sum(axis=1, keepdims=True)
    found = np.zeros((2, len(labels), numbers.shape[1]))
    for column, values in enumerate(numbers.T):
        order = np.argsort(values, kind="stable")
        ends = np.flatnonzero(np.diff(values[order]) > 0)  # the last of equal ones
        if not ends.size:
            continue
        below = np.cumsum(real[:, order], axis=1)[:, ends]
        apart = np.abs(below / n_real - (ends + 1 - below) / (total - n_real))
        share = (ends + 1) / total
        weight = np.diff(ends, prepend=-1) / total / (share * (1 - share))
        found[0, :, column] = apart.max(axis=1)
        found[1, :, column] = apart**2 @ weight
    found[1] *= n_real * (total - n_real) / total
    return found[0], found[1]


def mean_differences(numbers: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the means of each number, real less generated, for each set of labels.

    Parameters
    ----------
    numbers : ndarray, shape (n, k)
        One row per tile.
    labels : ndarray, shape (sets, n)

    Returns
    -------
    difference, error : ndarrays, each (sets, k)
        The error is the standard one, from the scatter of the tiles of either kind.
    """
    centred = numbers - numbers.mean(axis=0)
    means, variances = [], []
    for kind in (1, -1):
        weights = (labels == kind) * 1.0
        count = weights.sum(axis=1, keepdims=True)
        means.append(weights @ centred / count)
        scatter = np.maximum(weights @ centred**2 / count - means[-1] ** 2, 0)
        variances.append(scatter / np.maximum(count - 1, 1))
    return means[0] - means[1], np.sqrt(variances[0] + variances[1]) + 1e-12


def p_values(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p-value of each test, alone and among the others.

    The first set is that of the labels as they are; every set gets the p-values that it would have
    in its place. Among the others: the share of sets whose smallest p-value is no larger
    (Westfall & Young 1993), so that the smallest of these is the p-value of all together.

    Parameters
    ----------
    statistics : ndarray, shape (sets, tests)
        Large where real and generated differ.

    Returns
    -------
    alone, together : ndarrays, each (tests,)
    """
    rounded = np.round(statistics, 9)  # rounding is no difference
    sets = len(rounded)
    p = (sets + 1 - rankdata(rounded, "min", axis=0)) / sets
    smallest = p.min(axis=1)
    return p[0], (smallest[:, None] <= p[0]).mean(axis=0)
