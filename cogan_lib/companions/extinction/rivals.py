"""Methods without a network: the red clump's colour and a linear regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg, ndimage, optimize
from torch import Tensor

from ...base.files import CoganError
from .data import AT_ONCE, Drawn, Survey
from .physics import BINS, COLOUR, LIMITS, MAGNITUDE, SIDE, STEP_KPC

#: The red clump: M_Ks (Ruiz-Dern et al. 2018) and (J - Ks)_0.
CLUMP_MAGNITUDE, CLUMP_COLOUR = -1.606, 0.65
#: Bluer stars are dwarfs [mag]; a row is the clump's if it is fullest this near without dust.
BLUEST, NEAR = 0.45, 0.11
#: Pixels of smoothing (rows, columns), and the least stars per smoothed pixel at a peak.
SMOOTHED, LEAST = (1.0, 1.5), 0.5
#: By how much the track may step back to the blue, and how near it may come to J's limit [mag].
BACK, BEFORE_LIMIT = 0.15, 0.2
#: Of the regression: pixels that are summed, examples, and the ridge's weight.
SUMMED, DRAWN, RIDGE = 2, 20_000, 30.0


def red_clump(counts: Tensor, reference: Tensor, law: tuple[float, float], mean: Tensor) -> Tensor:
    """Follow the clump's colour excess down the diagram.

    In rows whose fullest colour without dust is the clump's, the fullest colour with dust is taken
    for the clump's, from bright rows to faint ones and never back to the blue, until J's limit
    cuts it off. E(J - Ks) gives A_Ks; A_Ks and the row's magnitude give the distance. Extinction
    may not fall with distance; beyond the last row it grows as the mean profile does.

    Parameters
    ----------
    counts, reference : Tensor, shape (n, SIDE, SIDE)
    law : tuple of float
        A_J / A_V and A_Ks / A_V.
    mean : Tensor, shape (BINS,)
        Mean profile of the training [mag per bin].

    Returns
    -------
    Tensor, shape (n, BINS)
        A_V of each bin [mag].
    """
    at_j, at_ks = law
    colours, ks = _middles(COLOUR), _middles(MAGNITUDE)
    excess, used = _clump_track(counts, reference, colours, ks)
    a_v = excess / (at_j - at_ks)
    distance = 10 ** ((ks - at_ks * a_v - CLUMP_MAGNITUDE - 10) / 5)  # kpc
    edges, usual = STEP_KPC * (np.arange(BINS) + 1), mean.cumsum(0).numpy()
    found = np.tile(usual.astype(np.float32), (len(counts), 1))
    for row in np.flatnonzero(used.any(1)):
        order = np.argsort(distance[row][used[row]])
        d, values = distance[row][used[row]][order], a_v[row][used[row]][order]
        values = optimize.isotonic_regression(values).x
        near = np.interp(edges, np.concatenate([[0], d]), np.concatenate([[0], values]))
        found[row] = near + np.maximum(usual - np.interp(d[-1], edges, usual), 0)
    return torch.from_numpy(np.diff(found, axis=1, prepend=np.float32(0)))


def _middles(span: tuple[float, float]) -> np.ndarray:
    return span[0] + (span[1] - span[0]) * (np.arange(SIDE) + 0.5) / SIDE


def _clump_track(counts, reference, colours, ks):
    """Excess [mag] of each row's fullest colour, and which rows say something, (n, SIDE) each."""
    smooth, clear = (
        ndimage.gaussian_filter(x.numpy().astype(float), (0, *SMOOTHED), mode="constant")
        * (colours >= BLUEST)
        for x in (counts, reference)
    )
    ours = np.abs(colours[clear.argmax(2)] - CLUMP_COLOUR) <= NEAR
    last, alive = np.full(len(counts), CLUMP_COLOUR), np.ones(len(counts), bool)
    track, used = np.zeros(ours.shape), np.zeros(ours.shape, bool)
    for row in range(SIDE):
        allowed = smooth[:, row] * (colours >= last[:, None] - BACK)
        track[:, row] = colours[allowed.argmax(1)]
        seen = ks[row] + track[:, row] + BEFORE_LIMIT < LIMITS["J"]
        alive &= seen | ~ours[:, row]
        used[:, row] = ours[:, row] & alive & (allowed.max(1) >= LEAST)
        last = np.where(used[:, row], track[:, row], last)
    return np.maximum(track - CLUMP_COLOUR, 0), used


@dataclass(frozen=True)
class LinearRegression:
    """Cumulative A_V as a weighted sum of a diagram's logarithmic counts.

    Attributes
    ----------
    weights : ndarray, shape (n_features, BINS)
    offset : ndarray, shape (BINS,)
    middle : ndarray, shape (n_features,)
        Mean features.
    """

    weights: np.ndarray
    offset: np.ndarray
    middle: np.ndarray

    def predict(self, counts: Tensor, reference: Tensor) -> Tensor:
        """Compute profiles; sums that are negative or fall with distance are lifted.

        Parameters
        ----------
        counts, reference : Tensor, shape (n, SIDE, SIDE)

        Returns
        -------
        Tensor, shape (n, BINS)
            A_V of each bin [mag].
        """
        sums = (_features(counts, reference) - self.middle) @ self.weights + self.offset
        rising = np.maximum.accumulate(np.maximum(sums, 0), axis=1)
        return torch.from_numpy(np.diff(rising, axis=1, prepend=0).astype(np.float32))


def _features(counts: Tensor, reference: Tensor) -> np.ndarray:
    """Logarithms of the summed pixels, of both diagrams."""
    parts = []
    for pair in zip(counts.split(AT_ONCE), reference.split(AT_ONCE), strict=True):
        summed = torch.nn.functional.avg_pool2d(torch.stack(pair, 1), SUMMED) * SUMMED**2
        parts.append(torch.log1p(summed).flatten(1).numpy())
    return np.concatenate(parts)


def fit_linear(examples: Drawn) -> LinearRegression:
    """Solve the ridge regression of the cumulative A_V.

    Parameters
    ----------
    examples : Drawn
        On the CPU.

    Returns
    -------
    LinearRegression

    Raises
    ------
    CoganError
        If there are fewer than two.
    """
    if len(examples.a_v) < 2:
        raise CoganError("A regression needs at least two examples.")
    x, y = _features(examples.counts, examples.reference), examples.a_v.cumsum(1).numpy()
    middle, offset = x.mean(0), y.mean(0)
    x -= middle
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += RIDGE
    weights = linalg.solve(gram, x.T @ (y - offset), assume_a="pos")
    return LinearRegression(weights, offset, middle)


def linear_regression(survey: Survey, seed: int, n: int = DRAWN) -> LinearRegression:
    """Fit the regression to new draws of a survey.

    Parameters
    ----------
    survey : Survey
    seed : int
    n : int
        Number of examples.

    Returns
    -------
    LinearRegression
    """
    return fit_linear(survey.examples(n, torch.Generator().manual_seed(seed)))
