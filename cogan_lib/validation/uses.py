"""What generated images are good for: readers trained on them, and the labels asked of them.

The reader that is trained here is small: ridge regression of labels on the similarity of an image
to some landmarks, a Gaussian of the distance (Nystroem's short form of a kernel machine). So it can
be trained anew for each of a thousand exchanged sets of labels.
"""

from __future__ import annotations

import numpy as np

from .exchange import rank_distances
from .neighbours import squared_distances

LANDMARKS = 48
RIDGE = 1e-3  # over the number of images


class Bench:
    """Similarities of all images to landmarks, and their labels, standardised.

    Parameters
    ----------
    pool, held_out : ndarray, shapes (n, k) and (m, k)
        Small images as rows; those of the pool are real and generated.
    labels, held_out_labels : ndarray, shapes (n, q) and (m, q)
        What there is to learn.
    seed : int
        Of the landmarks, which are images of the pool and of the held-out ones.
    """

    def __init__(self, pool, held_out, labels, held_out_labels, seed: int) -> None:
        every = np.concatenate([pool, held_out])
        rng = np.random.default_rng(seed)
        marks = every[rng.choice(len(every), min(LANDMARKS, len(every)), replace=False)]
        squared = squared_distances(every, marks)
        similar = np.exp(-squared / np.median(squared))
        similar = (similar - similar.mean(axis=0)) / np.maximum(similar.std(axis=0), 1e-12)
        every_labels = np.concatenate([labels, held_out_labels])
        middle, scatter = every_labels.mean(axis=0), every_labels.std(axis=0)
        y = (every_labels - middle) / np.where(scatter > 0, scatter, 1)
        ones = np.column_stack([similar, np.ones(len(every))])
        self.x, self.x_held = np.split(ones, [len(pool)])
        self.y, self.y_held = np.split(y, [len(pool)])

    def trained(self, weights: np.ndarray) -> np.ndarray:
        """Coefficients of readers that are trained on the images with these weights, 0 or 1.

        Parameters
        ----------
        weights : ndarray, shape (sets, n)

        Returns
        -------
        ndarray, shape (sets, landmarks + 1, q)
        """
        x, y, p = self.x, self.y, self.x.shape[1]
        squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1).astype(np.float32)
        products = (x[:, :, None] * y[:, None, :]).reshape(len(x), -1)
        left = (weights.astype(np.float32) @ squares).reshape(-1, p, p).astype(np.float64)
        ridge = RIDGE * weights.sum(axis=1)[:, None, None] * np.eye(p)
        return np.linalg.solve(left + ridge, (weights @ products).reshape(len(weights), p, -1))


def trained_on_generated(bench: Bench, labels: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Find what a reader trained on generated images loses on held-out real ones.

    Parameters
    ----------
    bench : Bench
    labels : ndarray, shape (sets, n)
        +1 real, -1 generated.

    Returns
    -------
    statistics : ndarray, shape (sets,)
        Mean squared error of the reader trained on generated images, less that of one trained on
        real ones, in units of the labels' variance.
    parts : dict of str to float
        Both errors for the first set: ``generated`` and ``real``.
    """
    errors = {}
    for name, kind in (("generated", -1), ("real", 1)):
        read = np.einsum("mp,spq->smq", bench.x_held, bench.trained((labels == kind) * 1.0))
        errors[name] = ((read - bench.y_held) ** 2).mean(axis=(1, 2))
    lost = errors["generated"] - errors["real"]
    return lost, {name: float(error[0]) for name, error in errors.items()}


def tested_on_generated(bench: Bench, labels: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Compare how a reader trained on held-out images does on generated and on real ones.

    Parameters
    ----------
    bench : Bench
    labels : ndarray, shape (sets, n)

    Returns
    -------
    statistics : ndarray, shape (sets,)
        Absolute difference of the mean squared errors, in units of the labels' variance.
    parts : dict of str to float
        Both errors for the first set: ``generated`` and ``real``.
    """
    x, y, p = bench.x_held, bench.y_held, bench.x_held.shape[1]
    reader = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(p), x.T @ y)
    errors = ((bench.x @ reader - bench.y) ** 2).mean(axis=1)
    real, generated = ((labels == kind) * 1.0 for kind in (1, -1))
    real, generated = (some @ errors / some.sum(axis=1) for some in (real, generated))
    parts = {"generated": float(generated[0]), "real": float(real[0])}
    return np.abs(generated - real), parts


def obeyed(
    asked: np.ndarray, measured: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    """Compare labels measured on generated images with those asked for, beside real images'.

    Parameters
    ----------
    asked, measured : ndarray, shape (n, q)
        Labels that were asked for (of real images: known), and measured on the images.
    labels : ndarray, shape (sets, n)

    Returns
    -------
    statistics : ndarray, shape (sets,)
        Anderson and Darling's distance of the errors, measured less asked, and of their absolute
        values; the largest of all labels.
    parts : dict of str to float
        Root mean square of the errors over the real labels' scatter, the worst label, for the first
        set: ``generated`` and ``real``.
    """
    errors = measured - asked
    scatter = np.maximum(asked[labels[0] > 0].std(axis=0), 1e-300)
    _, distances = rank_distances(np.hstack([errors, np.abs(errors)]), labels)
    rms = [np.sqrt((errors[labels[0] == kind] ** 2).mean(axis=0)) / scatter for kind in (-1, 1)]
    parts = {"generated": float(rms[0].max()), "real": float(rms[1].max())}
    return distances.max(axis=1), parts
