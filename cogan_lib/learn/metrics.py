"""Measures of images against others, and of seconds against seconds.

MaxRel, ZNCC and SSIM are equations 30-38 of Su et al. (2025).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from skimage.metrics import structural_similarity


def max_rel(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Compute the mean absolute error over the pixel's brightest channel (equation 30).

    Parameters
    ----------
    generated, real : ndarray, shape (n, channels, h, w)
        Intensities.

    Returns
    -------
    ndarray, shape (n,)
        Per cent.
    """
    brightest = real.max(axis=1, keepdims=True)
    return 100 * (np.abs(real - generated) / brightest).mean(axis=(1, 2, 3))


def zncc(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Correlate the pixels of each image, averaged over the channels (equations 31 and 32).

    Parameters
    ----------
    generated, real : ndarray, shape (n, channels, h, w)
        Scaled logarithms.

    Returns
    -------
    ndarray, shape (n,)
        A channel in which the real image is the same everywhere says nothing and does not count.
    """
    a, b = (x.astype(float).reshape(*x.shape[:2], -1) for x in (generated, real))
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    spread = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    says = b.std(-1) > 1e-6
    one = np.where(says, (a * b).sum(-1) / np.where(spread > 0, spread, 1.0), 0.0)
    return one.sum(-1) / np.maximum(says.sum(-1), 1)


def ssim(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Compute the structural similarity, averaged over the channels (equations 33-38).

    Gaussian windows of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, the
    border of half a window left out: scikit-image then agrees with torchmetrics, which the released
    code calls. The range L is that of the channel over all real images that are handed in.

    Parameters
    ----------
    generated, real : ndarray, shape (n, channels, h, w)
        Scaled logarithms; at least 11 pixels along a side.

    Returns
    -------
    ndarray, shape (n,)
        A channel in which all real images are the same everywhere does not count.
    """
    ranges = real.max(axis=(0, 2, 3)) - real.min(axis=(0, 2, 3))
    says = ranges > 1e-6
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    values = [
        [
            structural_similarity(b.astype(float), a.astype(float), data_range=span, **options)
            for a, b, span in zip(one[says], other[says], ranges[says], strict=True)
        ]
        for one, other in zip(generated, real, strict=True)
    ]
    return np.mean(values, axis=1)


def seconds_each(
    tasks: dict[str, Callable[[], object]],
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time each task in each round; the tasks take turns, after one round to warm up.

    In turns, because on a shared machine the minutes differ: what slows one down slows the other,
    and the ratio of neighbours holds. `time.process_time` as the clock leaves out what other
    programs take; it is right for one thread on a CPU.

    Parameters
    ----------
    tasks : dict of name to callable
        Called without arguments.
    rounds : int
        That are timed.
    clock : callable
        Seconds.

    Returns
    -------
    dict of name to list of float
        Seconds in each round.
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            started = clock()
            task()
            if number:
                found[name].append(clock() - started)
    return found
