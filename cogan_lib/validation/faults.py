"""Six faulty generators, made from real images: to prove what a test of generated images sees.

Each takes a pool of real images that nobody else has seen and what a generator was trained on, and
gives `n` images with one fault, whose strength can be chosen, down to none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from ..base.checks import check_positive
from ..base.files import CoganError
from .exchange import whiten
from .image_numbers import log_power, marginals, poses, scale_of
from .neighbours import squared_distances


class Made(NamedTuple):
    """What a faulty generator makes.

    Attributes
    ----------
    images : ndarray, shape (n, side, side)
    source : ndarray of int, shape (n,)
        Number of the real image behind each, in the pool; of a copy, in the training set, counted
        on behind the pool. With it, labels go along.
    """

    images: np.ndarray
    source: np.ndarray


def blurred(pool, training, n, strength, rng) -> Made:
    """Fresh images, smoothed with a Gaussian of sigma `strength` pixels."""
    which = _fresh(pool, n, rng)
    return Made(gaussian_filter(pool[which], (0, strength, strength), mode="reflect"), which)


def rescaled(pool, training, n, strength, rng) -> Made:
    """Fresh images, 1 + `strength` times as bright."""
    which = _fresh(pool, n, rng)
    return Made((1 + strength) * pool[which], which)


def phase_randomised(pool, training, n, strength, rng) -> Made:
    """Fresh images whose waves keep their power; `strength` of a full random phase is added."""
    which = _fresh(pool, n, rng)
    noise = np.angle(np.fft.rfft2(rng.standard_normal(pool[which].shape)))
    # Waves that are their own mirror images have a sign, not a phase: they stay.
    side = pool.shape[-1]
    for row in {0, side // 2 if side % 2 == 0 else 0}:
        for column in {0, side // 2 if side % 2 == 0 else 0}:
            noise[:, row, column] = 0
    waves = np.fft.rfft2(pool[which]) * np.exp(1j * strength * noise)
    return Made(np.fft.irfft2(waves, s=pool.shape[1:]), which)


def copying(pool, training, n, strength, rng) -> Made:
    """Fresh images, but the share `strength` are copies of training images, rotated or mirrored.

    A little noise, a twentieth of the images' scatter, is added to the copies.
    """
    which = _fresh(pool, n, rng)
    images = pool[which].astype(float)
    copies = rng.permutation(n)[: round(strength * n)]
    source = rng.integers(len(training), size=len(copies))
    posed = poses(np.asarray(training, float)[source])
    chosen = posed[rng.integers(8, size=len(copies)), np.arange(len(copies))]
    images[copies] = chosen + 0.05 * np.std(pool) * rng.standard_normal(chosen.shape)
    which[copies] = len(pool) + source
    return Made(images, which)


def collapsed(pool, training, n, strength, rng) -> Made:
    """Fresh images of some kinds: the share `strength` that is least like one of them is lost.

    Alike are images of like brightness and like spectra. Near a strength of 1 few are left, and
    come again and again.
    """
    brightness = scale_of(pool)(marginals(pool))
    kinds = np.hstack([whiten(brightness), whiten(log_power(pool)[1])])
    centre = kinds[[rng.integers(len(pool))]]
    nearest = np.argsort(squared_distances(kinds, centre)[:, 0])
    kept = nearest[: max(1, round((1 - strength) * len(pool)))]
    which = rng.choice(kept, n, replace=len(kept) < n)
    return Made(pool[which].astype(float), which)


def biased(pool, training, n, strength, rng) -> Made:
    """Fresh images in other shares: weights exp(`strength` z), z the standardised brightness.

    The brightness is the mean of the scaled image.
    """
    if len(pool) < n:
        raise CoganError(f"{n} images of a pool of {len(pool)} can't be chosen with other weights.")
    brightness = scale_of(pool)(pool).mean(axis=(1, 2))
    z = (brightness - brightness.mean()) / max(brightness.std(), 1e-300)
    # The n largest of weight plus a Gumbel number are a draw without replacement.
    which = np.argsort(-(strength * z + rng.gumbel(size=len(z))))[:n]
    return Made(pool[which].astype(float), which)


#: Faulty generators, and the strength at which each is tried.
FAULTS: dict[str, tuple[Callable[..., Made], float]] = {
    "blurred": (blurred, 0.6),
    "rescaled": (rescaled, 0.2),
    "phases randomised": (phase_randomised, 0.5),
    "copying": (copying, 0.2),
    "collapsed": (collapsed, 0.5),
    "biased": (biased, 0.5),
}


def faulty(
    name: str,
    pool: np.ndarray,
    training: np.ndarray,
    n: int,
    *,
    seed: int,
    strength: float | None = None,
) -> Made:
    """Draw images of a faulty generator.

    Parameters
    ----------
    name : str
        One of `FAULTS`.
    pool : ndarray, shape (m, side, side)
        Real images, at least n; `collapsed` and `biased` want several times as many to choose from.
    training : ndarray, shape (t, side, side)
        What `copying` copies.
    n : int
    seed : int
    strength : float, optional
        0 is no fault.

    Returns
    -------
    Made

    Raises
    ------
    CoganError
        For an unknown fault, a negative strength or too small a pool.

    Examples
    --------
    >>> pool = np.random.default_rng(1).standard_normal((30, 16, 16))
    >>> made = faulty("rescaled", pool, pool, 10, seed=1, strength=1.0)
    >>> bool(np.allclose(made.images, 2 * pool[made.source]))
    True
    """
    if name not in FAULTS:
        raise CoganError(f"There is no fault {name!r}; choose one of {', '.join(FAULTS)}.")
    make, usual = FAULTS[name]
    strength = usual if strength is None else strength
    check_positive(n=n)
    if not 0 <= strength < np.inf:
        raise CoganError(f"The strength of a fault is {strength}; give 0 or more.")
    return make(np.asarray(pool), np.asarray(training), n, strength, np.random.default_rng(seed))


def _fresh(pool: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of n different images."""
    if len(pool) < n:
        raise CoganError(f"{n} fresh images can't come from a pool of {len(pool)}.")
    return rng.permutation(len(pool))[:n]
