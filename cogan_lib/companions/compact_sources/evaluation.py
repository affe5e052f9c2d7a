"""How good fluxes and backgrounds are: errors over the rms, noise in holes, spectra and pixels.

Every number has an interval: what it would have been, had other cut-outs been drawn (bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from ...base.files import CoganError

#: Edges of the groups of signal to noise: decades.
DECADES = (3.0, 3e1, 3e2, 3e3, 3e4)
#: An error beyond so many rms is a failure.
FAILURE = 2.0
#: Bootstrap draws, and the share of them within an interval.
DRAWS, LEVEL = 500, 0.95
#: Steps of the pixels' distribution, over so many standard deviations on either side.
STEPS, SPAN = 400, 6.0


class Measured(NamedTuple):
    """A number, or an array of them, and its interval."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interval(statistic: Callable[[np.ndarray], np.ndarray], n: int, seed: int = 0) -> Measured:
    """Compute a statistic of cut-outs, and its interval by the bootstrap.

    Parameters
    ----------
    statistic : callable
        Takes the numbers of the cut-outs to use, and returns a float or an array.
    n : int
        Number of cut-outs.
    seed : int

    Returns
    -------
    Measured

    Raises
    ------
    CoganError
        If there are no cut-outs.

    Examples
    --------
    >>> values = np.arange(9.0)
    >>> mean = interval(lambda use: values[use].mean(), 9)
    >>> bool(mean.low < mean.value == 4 < mean.high)
    True
    """
    if n < 1:
        raise CoganError("An interval needs at least one cut-out.")
    choices = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
    drawn = [statistic(use) for use in choices]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Measured(statistic(np.arange(n)), low, high)


def error_measures(error: np.ndarray, seed: int = 0) -> dict[str, Measured]:
    """Compute the bias, the scatter and the failures of errors over the rms.

    Parameters
    ----------
    error : ndarray, shape (n,)
        Over the local rms; NaN where the method gave no flux, which is a failure.
    seed : int

    Returns
    -------
    dict of str to Measured
        ``bias`` (mean), ``median``, ``mean_abs``, ``rms`` (about zero), ``failed`` (share beyond
        `FAILURE`).

    Raises
    ------
    CoganError
        If there are no errors, or none is finite.
    """
    error = np.asarray(error, dtype=float)
    good = error[np.isfinite(error)]
    if error.ndim != 1 or not good.size:
        raise CoganError(
            f"Measures need finite errors in one row; of {error.size}, {good.size} are."
        )
    failed = ~(np.abs(error) <= FAILURE)

    def over(statistic: Callable[[np.ndarray], float], values: np.ndarray) -> Measured:
        return interval(lambda use: statistic(values[use]), len(values), seed)

    return {
        "bias": over(np.mean, good),
        "median": over(np.median, good),
        "mean_abs": over(lambda e: np.abs(e).mean(), good),
        "rms": over(lambda e: np.sqrt((e * e).mean()), good),
        "failed": over(np.mean, failed),
    }


def by_group(
    error: np.ndarray, by: np.ndarray, edges: Sequence[float] = DECADES, seed: int = 0
) -> dict[tuple[float, float], dict[str, Measured]]:
    """Compute the `error_measures` by flux, or by the local rms.

    Parameters
    ----------
    error, by : ndarray, shape (n,)
        Errors over the rms; fluxes over the rms, or the rms.
    edges : sequence of float
        Of the groups, rising; the upper edge of the last one counts.
    seed : int

    Returns
    -------
    dict of (float, float) to dict
        By the edges of each group that has errors.

    Raises
    ------
    CoganError
        If the shapes differ, or the edges don't rise.
    """
    error, by, edges = (np.asarray(a, dtype=float) for a in (error, by, edges))
    if error.shape != by.shape:
        raise CoganError(f"Errors of shape {error.shape} can't be grouped by {by.shape} numbers.")
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise CoganError(f"The groups' edges must rise; they are {edges.tolist()}.")
    which = np.where(by == edges[-1], len(edges) - 1, np.searchsorted(edges, by, side="right")) - 1
    return {
        (float(edges[i]), float(edges[i + 1])): error_measures(error[which == i], seed)
        for i in range(len(edges) - 1)
        if np.isfinite(error[which == i]).any()
    }


def hole_errors(
    filled: np.ndarray, truth: np.ndarray, hole: np.ndarray, rms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare the pixels of each filled hole with the background that was there.

    Parameters
    ----------
    filled, truth : ndarray, shape (n, side, side)
    hole : ndarray of bool, shape (n, side, side)
    rms : ndarray, shape (n,)
        Of the ring.

    Returns
    -------
    mean_abs, mean : ndarray, shape (n,)
        Of the error of the hole's pixels, over the rms.

    Raises
    ------
    CoganError
        If the shapes differ, a hole is empty, or an rms not positive.
    """
    apart = _in_holes(np.asarray(filled, float) - truth, hole)
    if np.shape(rms) != (len(apart),) or not (np.asarray(rms) > 0).all():
        raise CoganError(f"{len(apart)} holes need a positive rms each, not {np.shape(rms)}.")
    return np.nanmean(np.abs(apart), axis=1) / rms, np.nanmean(apart, axis=1) / rms


def variance_ratio(filled: np.ndarray, hole: np.ndarray, seed: int = 0) -> Measured:
    """Compare the variance in the holes with that in pieces of the same shape around them.

    A rough background varies less within a small piece than within a wide ring; pieces of one shape
    expect the same. They lie to the eight sides of the hole, and one counts if it is whole.

    Parameters
    ----------
    filled : ndarray, shape (n, side, side)
    hole : ndarray of bool, shape (n, side, side)
        Of the central source.
    seed : int

    Returns
    -------
    Measured
        Sum of the holes' variances over that of the pieces around, each cut-out divided by its own
        variance outside the hole first.

    Raises
    ------
    CoganError
        If the shapes differ, or no hole has a whole piece beside it.
    """
    _in_holes(filled, hole)
    side = hole.shape[-1]
    inside, around = np.full((2, len(hole)), np.nan)
    for i, (image, hidden) in enumerate(zip(np.asarray(filled, float), hole, strict=True)):
        rows, columns = np.nonzero(hidden)
        step = int(max(np.ptp(rows), np.ptp(columns))) + 2
        pieces = [
            image[rows + up, columns + right]
            for up in (-step, 0, step)
            for right in (-step, 0, step)
            if (up or right)
            and 0 <= rows.min() + up <= rows.max() + up < side
            and 0 <= columns.min() + right <= columns.max() + right < side
        ]
        whole = [piece.var() for piece in pieces if np.isfinite(piece).all()]
        if whole:
            outside = np.nanvar(image[~hidden])
            inside[i], around[i] = image[hidden].var() / outside, np.mean(whole) / outside
    good = np.isfinite(inside) & np.isfinite(around)
    if not good.any():
        raise CoganError("No hole has a piece of its size beside it, whole and without a gap.")
    inside, around = inside[good], around[good]
    return interval(lambda use: inside[use].sum() / around[use].sum(), len(inside), seed)


def power_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the azimuthal mean of each cut-out's power spectrum, tapered (Hann).

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        Without gaps.

    Returns
    -------
    k : ndarray, shape (bins,)
        [cycles per pixel], from one cycle per side to 0.5.
    power : ndarray, shape (n, bins)

    Raises
    ------
    CoganError
        If the cut-outs are no stack of squares, or have gaps.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[1] != image.shape[2] or not np.isfinite(image).all():
        raise CoganError(f"A spectrum needs square cut-outs without a gap, not {image.shape}.")
    side = image.shape[-1]
    taper = np.hanning(side + 1)[:-1]
    window = taper[:, None] * taper
    level = (image * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    power = np.abs(fft.fft2((image - level) * window)) ** 2 / (window**2).sum()
    which = np.rint(side * np.hypot(fft.fftfreq(side)[:, None], fft.fftfreq(side))).astype(int)
    numbers = np.arange(1, side // 2 + 1)
    means = [ndimage.mean(one, which, numbers) for one in power]
    return numbers / side, np.array(means)


def power_ratio(
    after: np.ndarray, before: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, Measured]:
    """Divide the power spectra of filled cut-outs by those of the truth.

    Parameters
    ----------
    after, before : ndarray, shape (n, side, side)
    seed : int

    Returns
    -------
    k : ndarray, shape (bins,)
        [cycles per pixel]; beyond the beam's own 1 / FWHM there may be next to nothing to divide.
    ratio : Measured, of arrays of shape (bins,)
        Of the mean spectra, each cut-out divided by its variance before first.

    Raises
    ------
    CoganError
        If the shapes differ, or a cut-out is no square without gaps.
    """
    if np.shape(after) != np.shape(before):
        raise CoganError(f"Spectra of {np.shape(after)} and {np.shape(before)} can't be compared.")
    k, above = power_spectrum(after)
    below = power_spectrum(before)[1]
    scale = np.var(before, axis=(1, 2), dtype=float)[:, None]
    above, below = above / scale, below / scale
    return k, interval(lambda use: above[use].mean(0) / below[use].mean(0), len(above), seed)


def pixel_distance(
    after: np.ndarray, before: np.ndarray, hole: np.ndarray, seed: int = 0
) -> Measured:
    """Compare the distributions of the pixels in the holes, after and before (Kolmogorov-Smirnov).

    Each cut-out is standardised by what lies outside its hole, before. Pixels of one hole are not
    independent: trust the interval, over whole cut-outs, not tables of the test.

    Parameters
    ----------
    after, before : ndarray, shape (n, side, side)
    hole : ndarray of bool, shape (n, side, side)
    seed : int

    Returns
    -------
    Measured
        Largest difference of the cumulative distributions.

    Raises
    ------
    CoganError
        If the shapes differ.
    """
    hidden = [_in_holes(image, hole) for image in (after, before)]
    outside = np.where(hole, np.nan, before)
    level = np.nanmean(outside, axis=(1, 2))[:, None]
    spread = np.nanstd(outside, axis=(1, 2))[:, None]
    edges = np.concatenate([[-np.inf], np.linspace(-SPAN, SPAN, STEPS + 1), [np.inf]])
    counts = []
    for pixels in hidden:
        standard = (pixels - level) / spread
        counts.append(np.array([np.histogram(p[np.isfinite(p)], edges)[0] for p in standard]))

    def largest(use: np.ndarray) -> float:
        one, other = (np.bincount(use, minlength=len(c)) @ c for c in counts)
        return float(np.abs(one.cumsum() / one.sum() - other.cumsum() / other.sum()).max())

    return interval(largest, len(level), seed)


def _in_holes(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Pixels of each hole in a row, NaN beyond the end of the shorter ones."""
    image, hole = np.asarray(image), np.asarray(hole)
    if image.shape != hole.shape or image.ndim != 3 or not hole.any(axis=(1, 2)).all():
        raise CoganError(
            f"Cut-outs of {image.shape} need a hole each; the masks are {hole.shape}, or empty."
        )
    count = hole.sum(axis=(1, 2))
    rows = np.full((len(image), count.max()), np.nan)
    rows[np.arange(count.max()) < count[:, None]] = image[hole]
    return rows
