"""Methods without a network: the red clump's colour and a linear regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg, ndimage, optimize
from torch import Tensor

from ...base.files import CoganError
from .data import Drawn, Survey
from .physics import BINS, COLOUR, MAGNITUDE, SIDE, STEP_KPC

#: The red clump: M_Ks (Ruiz-Dern et al. 2018) and (J - Ks)_0.
CLUMP_MAGNITUDE, CLUMP_COLOUR = -1.606, 0.65
#: Bluer stars are dwarfs in front [mag]; a clump with fewer stars is not seen.
BLUEST, FEWEST = 0.45, 4.0
SMOOTHED = 1.5  # pixels
#: Of the regression: pixels that are summed, examples, and the ridge's weight.
SUMMED, DRAWN, RIDGE = 2, 20_000, 30.0


def red_clump(counts: Tensor, law: tuple[float, float]) -> Tensor:
    """Follow the clump's colour excess down the diagram (Lopez-Corredoira et al. 2002).

    In each row the fullest colour redder than the dwarfs is taken for the clump: E(J - Ks) gives
    A_Ks, A_Ks and the row's magnitude the distance. Extinction may not fall with distance, and
    beyond the last row it stays.

    Parameters
    ----------
    counts : Tensor, shape (n, SIDE, SIDE)
    law : tuple of float
        A_J / A_V and A_Ks / A_V.

    Returns
    -------
    Tensor, shape (n, BINS)
        A_V of each bin [mag].
    """
    at_j, at_ks = law
    colours = np.linspace(*COLOUR, SIDE, endpoint=False) + (COLOUR[1] - COLOUR[0]) / SIDE / 2
    ks = np.linspace(*MAGNITUDE, SIDE, endpoint=False) + (MAGNITUDE[1] - MAGNITUDE[0]) / SIDE / 2
    smooth = ndimage.gaussian_filter(
        counts.numpy().astype(float), (0, SMOOTHED, SMOOTHED), mode="constant"
    )
    smooth[:, :, colours < BLUEST] = 0
    fullest = smooth.argmax(2)
    excess = np.maximum(colours[fullest] - CLUMP_COLOUR, 0)
    a_v = excess / (at_j - at_ks)
    distance = 10 ** ((ks - at_ks * a_v - CLUMP_MAGNITUDE - 10) / 5)  # kpc
    enough = np.take_along_axis(smooth, fullest[..., None], 2)[..., 0] > 0.1
    stars = (counts.numpy() * (colours >= BLUEST)).sum(2) >= FEWEST
    edges = STEP_KPC * (np.arange(BINS) + 1)
    found = np.zeros((len(counts), BINS), np.float32)
    for row in range(len(counts)):
        used = enough[row] & stars[row]
        order = np.argsort(distance[row][used])
        if not order.size:
            continue
        d, values = distance[row][used][order], a_v[row][used][order]
        rising = optimize.isotonic_regression(values, weights=np.sqrt(d)).x
        found[row] = np.interp(edges, np.concatenate([[0], d]), np.concatenate([[0], rising]))
    return torch.from_numpy(np.diff(found, axis=1, prepend=0))


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
    both = torch.stack([counts, reference], 1)
    summed = torch.nn.functional.avg_pool2d(both, SUMMED) * SUMMED**2
    return torch.log1p(summed).flatten(1).numpy().astype(np.float32)


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
