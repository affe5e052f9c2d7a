"""The sections of the verdict, each from one statistic's numbers of real and generated tiles."""

from __future__ import annotations

import re

import numpy as np

from ..base.units import CO_SOFTENING
from . import morphology
from .amplitude import asinh_scale
from .blocks import block_interval
from .power import log_ratio, paired_ratio

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles of a tile's structures


def numbers(values: np.ndarray) -> list[float]:
    """Make a list of floats with six significant digits, for JSON.

    Parameters
    ----------
    values : array_like, shape (n,)

    Returns
    -------
    list of float

    Examples
    --------
    >>> numbers([1 / 3, 20.0])
    [0.333333, 20.0]
    """
    return [float(f"{value:.6g}") for value in np.asarray(values)]


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Divide, giving 0 where the bottom is 0."""
    return np.where(bottom != 0, top / np.where(bottom != 0, bottom, 1), 0.0)


def band(values: np.ndarray) -> dict:
    """Find the median and 2.5-97.5 % interval over tiles.

    Parameters
    ----------
    values : ndarray, shape (n tiles, points)

    Returns
    -------
    dict of str to list
        ``median``, ``low`` and ``high`` of each point.
    """
    low, median, high = np.percentile(values, [2.5, 50, 97.5], axis=0)
    return {"median": numbers(median), "low": numbers(low), "high": numbers(high)}


def interval(statistic, blocks: np.ndarray, seed: int, draws: int = 500) -> dict:
    """Find the 95 % interval of a statistic over blocks of sky.

    Parameters
    ----------
    statistic : callable
        As in `blocks.block_interval`.
    blocks : ndarray of int, shape (n tiles,)
    seed : int
    draws : int

    Returns
    -------
    dict of str to float, or to list
        ``low`` and ``high``.
    """
    ends = block_interval(statistic, blocks, seed, draws=draws)
    pair = [numbers(end) if np.ndim(end) else float(end) for end in ends]
    return dict(zip(("low", "high"), pair, strict=True))


def _inside(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where the generated median is in the real interval, and where that says anything.

    A point says nothing where the real interval has no width and the generated median is just
    there, as V1 at a threshold that no tile reaches.
    """
    low, high = np.percentile(real, [2.5, 97.5], axis=0)
    median = np.median(generated, axis=0)
    return (median >= low) & (median <= high), (high > low) | (median != low)


def _share(inside: np.ndarray, counted: np.ndarray) -> float:
    return float(inside[counted].mean()) if counted.any() else 1.0


def spectrum_section(real, generated, ell, edges, in_beam, unit, blocks, seed) -> dict:
    """Compare power spectra.

    Parameters
    ----------
    real, generated : ndarray, shape (n tiles, bins)
        In `unit`.
    ell : ndarray, shape (bins,)
        Mean multipoles.
    edges : ndarray, shape (bins + 1,)
    in_beam : ndarray of bool, shape (bins,)
        Bins within the beam, of which ``inside_2sigma`` is the share.
    unit : str
    blocks : ndarray of int, shape (n tiles,)
        Of `sky_blocks`.
    seed : int
        For the intervals of the ratios.

    Returns
    -------
    dict
        See `report.validate`.
    """
    inside, _ = _inside(real, generated)
    logs = log_ratio(generated, real)[(real > 0).all(axis=1)]
    powered = blocks[(real > 0).all(axis=1)]

    def median_ratio(tiles):
        return _ratio(np.median(generated[tiles], axis=0), np.median(real[tiles], axis=0))

    return {
        "ell": numbers(ell),
        "ell_edges": numbers(edges),
        "in_beam": in_beam.tolist(),
        "unit": unit,
        "real": band(real),
        "mock": band(generated),
        "paired_ratio": numbers(paired_ratio(logs)),
        "paired_ratio_95": interval(lambda tiles: paired_ratio(logs[tiles]), powered, seed),
        "median_ratio": numbers(median_ratio(slice(None))),
        "median_ratio_95": interval(median_ratio, blocks, seed),
        "tile_ratio": band(np.exp(logs)),
        "inside": inside.tolist(),
        "inside_2sigma": _share(inside, in_beam),
    }


def log_spectra(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Take log10 of spectra, kept finite by a millionth of others' median spectrum.

    Parameters
    ----------
    values, like : ndarray, shape (n tiles, bins)
        The spectra, and the others.

    Returns
    -------
    ndarray, shape (n tiles, bins)
    """
    return np.log10(np.maximum(values, 0) + 1e-6 * np.median(like, axis=0))


def minkowski_section(real, generated, thresholds, blocks, seed) -> dict:
    """Compare Minkowski functionals.

    Parameters
    ----------
    real, generated : sequence of three ndarray, shape (n tiles, thresholds)
        V0, V1 and V2, as `morphology.minkowski` gives them.
    thresholds : ndarray
    blocks : ndarray of int, shape (n tiles,)
        Of `sky_blocks`.
    seed : int
        For the intervals of the peaks.

    Returns
    -------
    dict
        ``peak_ratio`` is that of the largest medians, ``peak_ratio_95`` its interval,
        ``median_ratio`` the median over thresholds at which the real median is at least a twentieth
        of its peak.
    """
    names = ("V0", "V1", "V2")
    section = {"thresholds": numbers(thresholds), "units": ["1", "deg-1", "deg-2"]}
    section |= {"peak_ratio": {}, "peak_ratio_95": {}, "median_ratio": {}}
    verdicts = [_inside(r, m) for r, m in zip(real, generated, strict=True)]
    for name, r, m, (inside, counted) in zip(names, real, generated, verdicts, strict=True):
        section[name] = {"real": band(r), "mock": band(m), "inside": inside.tolist()}
        section[name]["inside_2sigma"] = _share(inside, counted)
        peaks = peak_ratio(r, m)
        section["peak_ratio_95"][name] = peak_interval(r, [m], blocks, seed)
        r, m = np.median(r, axis=0), np.median(m, axis=0)
        large = np.abs(r) >= 0.05 * np.abs(r).max()
        middle = np.median(_ratio(m[large], r[large]))
        section["peak_ratio"][name], section["median_ratio"][name] = numbers([peaks, middle])
    inside, counted = (np.concatenate(parts) for parts in zip(*verdicts, strict=True))
    section["inside_2sigma"] = _share(inside, counted)
    section["points"] = int(counted.sum())
    return section


def peak_ratio(real: np.ndarray, generated: np.ndarray) -> float:
    """Divide the largest median over tiles of a Minkowski functional by the real one.

    Parameters
    ----------
    real, generated : ndarray, shape (n tiles, thresholds)

    Returns
    -------
    float
    """
    return float(_ratio(*(np.abs(np.median(v, axis=0)).max() for v in (generated, real))))


def peak_interval(real: np.ndarray, members, blocks: np.ndarray, seed: int) -> dict:
    """Find the interval of the mean over members of `peak_ratio`, among thresholds near the peaks.

    Parameters
    ----------
    real : ndarray, shape (n tiles, thresholds)
    members : sequence of ndarrays of that shape
    blocks : ndarray of int, shape (n tiles,)
        Of `sky_blocks`.
    seed : int

    Returns
    -------
    dict of str to float
        ``low`` and ``high``.
    """
    near = np.zeros(real.shape[1], dtype=bool)
    for values in (real, *members):
        height = np.abs(np.median(values, axis=0))
        near |= height >= 0.5 * height.max()
    together = np.stack([real, *members])[:, :, near]

    def mean_ratio(tiles):  # of `peak_ratio`, all at once
        tops = np.abs(np.median(together[:, tiles], axis=1)).max(axis=1)
        return _ratio(tops[1:], tops[0]).mean()

    return interval(mean_ratio, blocks, seed, draws=200)


def structure_quantiles(tiles, pixel_arcmin, fwhm_arcmin, threshold) -> tuple[dict, np.ndarray]:
    """Find each tile's LEVELS quantiles of each descriptor, and its number of structures.

    A tile without any structure has area, perimeter, compactness and circularity 0.

    Parameters
    ----------
    tiles : ndarray, shape (n, npix, npix)
        W in K km/s.
    pixel_arcmin, fwhm_arcmin : float
        Side of a pixel, and the beam, whose disc is the smallest structure that counts.
    threshold : float
        In standard deviations above each tile's mean.

    Returns
    -------
    quantiles : dict of str to ndarray, shape (n, levels)
    count : ndarray of int, shape (n,)
    """
    found = morphology.structures(
        tiles,
        pixel_arcmin=pixel_arcmin,
        threshold=threshold,
        smallest_arcmin2=np.pi * fwhm_arcmin**2 / 4,
    )
    count = np.bincount(found["tile"], minlength=len(tiles))
    order = np.argsort(found["tile"], kind="stable")
    ends = np.cumsum(count)[:-1]
    quantiles = {}
    for name in morphology.DESCRIPTORS:
        groups = np.split(found[name][order], ends)
        rows = [np.quantile(g, LEVELS) if g.size else np.zeros(len(LEVELS)) for g in groups]
        quantiles[name] = np.array(rows)
    return quantiles, count


def shapes_section(real, generated, real_count, generated_count, threshold) -> dict:
    """Compare the shapes of structures.

    Parameters
    ----------
    real, generated : dict of str to ndarray
        Quantiles, from `structure_quantiles`.
    real_count, generated_count : ndarray of int, shape (n tiles,)
        Structures per tile.
    threshold : float
        With which they were found.

    Returns
    -------
    dict
        One entry per descriptor, and ``inside_2sigma`` over all.
    """
    section = {"levels": list(LEVELS), "threshold_sigma": threshold}
    section["structures_per_tile"] = {
        "real": float(real_count.mean()),
        "mock": float(generated_count.mean()),
    }
    section["units"] = {"area": "deg2", "perimeter": "deg", "compactness": "1", "circularity": "1"}
    shares = []
    for name in morphology.DESCRIPTORS:
        inside, counted = _inside(real[name], generated[name])
        medians = np.median(generated[name], axis=0), np.median(real[name], axis=0)
        section[name] = {
            "real": band(real[name]),
            "mock": band(generated[name]),
            "median_ratio": numbers(_ratio(*medians)),
            "inside": inside.tolist(),
        }
        shares.append((inside, counted))
    section["inside_2sigma"] = _share(*(np.concatenate(p) for p in zip(*shares, strict=True)))
    return section


def pdf_section(
    real: np.ndarray,
    generated: np.ndarray,
    unit: str = "K km/s",
    softening: float = CO_SOFTENING,
    bins: int = 50,
) -> dict:
    """Find the share of the pixels in each bin of y = asinh(W / 0.3 K km/s).

    Parameters
    ----------
    real, generated : ndarray, any shape
        W in K km/s, or another target.
    unit : str
    softening : float
        As for `amplitude.asinh_scale`.
    bins : int
        From the least to the largest value of both.

    Returns
    -------
    dict
        The bins' edges, in y and in the unit, and the shares.
    """
    y_real, y_generated = asinh_scale(real, softening), asinh_scale(generated, softening)
    low, high = min(y_real.min(), y_generated.min()), max(y_real.max(), y_generated.max())
    edges = np.linspace(low, high, bins + 1)
    shares = [np.histogram(y, edges)[0] / y.size for y in (y_real, y_generated)]
    return {
        "asinh_edges": numbers(edges),
        "edges_" + re.sub(r"\W+", "_", unit): numbers(softening * np.sinh(edges)),
        "real": numbers(shares[0]),
        "mock": numbers(shares[1]),
    }
