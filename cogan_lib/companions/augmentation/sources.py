"""Where more examples come from: the few real ones moved and mirrored, or a generator of them.

A source is a callable ``source(real, n, rng)`` that gives n more examples. What it makes of the
real ones alone can hold no more than they and its own assumptions: that the sky has no preferred
direction, for example. What it makes of anything else (a simulator, a generator that was trained on
other data) is knowledge from outside, and a comparison must say so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from .tasks import Labelled, Predictor

#: n more examples, from the real ones and a random generator.
Source = Callable[[Labelled, int, np.random.Generator], Labelled]
#: Most principal components of `gaussian`.
COMPONENTS = 32


def turned(
    real: Labelled,
    n: int,
    rng: np.random.Generator,
    *,
    flip: bool = True,
    mirrored: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Labelled:
    """Rotate by multiples of 90 degrees, and mirror every other one.

    Parameters
    ----------
    real : Labelled
    n : int
    rng : numpy Generator
    flip : bool
        Mirror, or only rotate.
    mirrored : callable, optional
        From the class of an image to that of its mirror image. By default both are one class;
        where the class is a sense of rotation, that is wrong.

    Returns
    -------
    Labelled
        n of them.
    """
    rows = rng.integers(len(real), size=n)
    inputs, labels = real.inputs[rows], real.labels[rows]
    turns, flips = rng.integers(4, size=n), rng.integers(2, size=n) * flip
    for turn in range(4):
        for side in range(2):
            part = (turns == turn) & (flips == side)
            inputs[part] = _turn(inputs[part], turn, side)
            if labels.ndim > 1:
                labels[part] = _turn(labels[part], turn, side)
            elif side and mirrored:
                labels[part] = mirrored(labels[part])
    return Labelled(inputs, labels)


def _turn(images: np.ndarray, turns: int, flip: int) -> np.ndarray:
    return np.rot90(images[..., ::-1] if flip else images, turns, (-2, -1))


def posed(
    real: Labelled, n: int, rng: np.random.Generator, *, shift_px: float = 1.5, flip: bool = True
) -> Labelled:
    """Rotate by any angle, shift, and mirror every other one, by cubic interpolation.

    What comes in at the edges is mirrored there.

    Parameters
    ----------
    real : Labelled
    n : int
    rng : numpy Generator
    shift_px : float
        At most, along either axis [pixels].
    flip : bool

    Returns
    -------
    Labelled
        n of them.
    """
    rows = rng.integers(len(real), size=n)
    angle = rng.uniform(0, 2 * np.pi, n)
    side = 1 - 2 * rng.integers(2, size=n) * flip
    height, width = real.inputs.shape[2:]
    shift = rng.uniform(-shift_px, shift_px, (2, n)) * 2 / np.array([[width], [height]])
    rotation = [[side * np.cos(angle), -np.sin(angle)], [side * np.sin(angle), np.cos(angle)]]
    both = [[*line, move] for line, move in zip(rotation, shift, strict=True)]
    poses = torch.from_numpy(np.moveaxis(np.array(both), -1, 0).astype(np.float32))
    maps = real.labels.ndim > 1
    images = np.concatenate([real.inputs, real.labels[:, None]], 1) if maps else real.inputs
    images = torch.from_numpy(images[rows])
    grid = affine_grid(poses, list(images.shape), align_corners=False)
    options = {"mode": "bicubic", "padding_mode": "reflection", "align_corners": False}
    moved = grid_sample(images, grid, **options).numpy()
    return Labelled(moved[:, :-1], moved[:, -1]) if maps else Labelled(moved, real.labels[rows])


def gaussian(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
    """Draw from a Gaussian fitted to the real examples, class by class: a cheap generator.

    Probabilistic principal components (Tipping & Bishop 1999): the mean, the strongest
    `COMPONENTS`, and white noise of the mean variance of the others. A map is generated with its
    inputs.

    Parameters
    ----------
    real : Labelled
        All that it is fitted to.
    n : int
    rng : numpy Generator

    Returns
    -------
    Labelled
        n of them, as many of each class as there are among the real ones.
    """
    if real.labels.ndim > 1:
        images = np.concatenate([real.inputs, real.labels[:, None]], 1)
        drawn = _gaussian(images, n, rng)
        return Labelled(drawn[:, :-1], drawn[:, -1])
    labels = real.labels[rng.integers(len(real), size=n)]
    inputs = np.empty((n, *real.inputs.shape[1:]), np.float32)
    for one in np.unique(labels):
        inputs[labels == one] = _gaussian(
            real.inputs[real.labels == one], np.count_nonzero(labels == one), rng
        )
    return Labelled(inputs, labels)


def _gaussian(images: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    rows = images.reshape(len(images), -1).astype(np.float64)
    mean = rows.mean(0)
    rows = rows - mean
    degrees = max(len(rows) - 1, 1)
    variances, mixes = np.linalg.eigh(rows @ rows.T / degrees)  # smaller than the covariance
    strongest = np.argsort(variances)[::-1][:COMPONENTS]
    kept = np.maximum(variances[strongest], 0)
    left = max(np.sum(rows**2) / degrees - kept.sum(), 0) / max(rows.shape[1] - len(kept), 1)
    # rows.T @ mixes has the squared length degrees * variance
    scores = rng.standard_normal((n, len(kept))) * np.sqrt(
        np.maximum(kept - left, 0) / np.maximum(kept * degrees, 1e-12)
    )
    drawn = mean + scores @ (mixes[:, strongest].T @ rows)
    drawn += np.sqrt(left) * rng.standard_normal(drawn.shape)
    return drawn.reshape(n, *images.shape[1:]).astype(np.float32)


def read_by(
    learner: Callable[[Labelled, int], Predictor],
    draw: Callable[[int, np.random.Generator], np.ndarray],
) -> Source:
    """Make a source of images that nobody knows the class of: what the few have taught names it.

    Parameters
    ----------
    learner : callable
        From the real examples and a seed to a predictor, which names the images.
    draw : callable
        From a number and a random generator to images (n, c, h, w).

    Returns
    -------
    callable
    """

    def source(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
        predict, images = learner(real, int(rng.integers(2**31))), draw(n, rng)
        return Labelled(images, predict(images).argmax(1))

    return source
