"""Is the power right? Generated over real, tile by tile, in the mean of the logarithms.

The spectra of a sky's tiles span five decades. A ratio of their medians compares one tile of one
sky with another tile of the other, and can be 1 where every tile is wrong; each tile's own ratio,
and the geometric mean over the tiles, cannot.
"""

from __future__ import annotations

import numpy as np

from .spectra import power_spectra

#: Less than this times the reference's power counts as this: logarithms stay finite.
LEAST_RATIO = 1e-6


def log_ratio(power: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Compute ln(power / reference) of paired spectra.

    Parameters
    ----------
    power, reference : ndarray, shape (n tiles, bins)
        Row by row of the same place.

    Returns
    -------
    ndarray, shape (n tiles, bins)
        NaN where the reference has no power; at least ln 1e-6 elsewhere.

    Examples
    --------
    >>> log_ratio(np.array([[np.e, 0.0, 1.0]]), np.array([[1.0, 1.0, 0.0]])).round(1)
    array([[  1. , -13.8,   nan]])
    """
    powered = reference > 0
    ratio = np.divide(power, reference, out=np.full(np.shape(power), np.nan), where=powered)
    return np.log(np.maximum(ratio, LEAST_RATIO))


def paired_ratio(logs: np.ndarray) -> np.ndarray:
    """Compute the geometric mean over tiles of paired ratios.

    Parameters
    ----------
    logs : ndarray, shape (n tiles, bins)
        From `log_ratio`.

    Returns
    -------
    ndarray, shape (bins,)
        NaN where no tile says anything.

    Examples
    --------
    >>> paired_ratio(np.log([[2.0, 1.0], [0.5, np.nan]])).round(6)
    array([1., 1.])
    """
    said = ~np.isnan(logs)
    count = said.sum(axis=0)
    total = np.where(said, logs, 0).sum(axis=0)
    return np.where(count > 0, np.exp(total / np.maximum(count, 1)), np.nan)


def power_kept(tiles: np.ndarray, reference: np.ndarray, **grid) -> tuple[np.ndarray, np.ndarray]:
    """Geometric mean over the tiles of the power divided by that of a reference, bin by bin.

    A pair whose reference has no power, being constant, says nothing and is left out: a generator
    that has hardly been trained makes such tiles.

    Parameters
    ----------
    tiles, reference : ndarray, shape (n, npix, npix)
        Of the same places.
    **grid
        As in `spectra.all_spectra`.

    Returns
    -------
    ell : ndarray, shape (n_bins,)
    share : ndarray, shape (n_bins,)
        NaN where no pair says anything.

    Examples
    --------
    >>> from cogan_lib.validation.spectra import bin_edges
    >>> tiles = np.random.default_rng(1).standard_normal((4, 64, 64))
    >>> tiles[0] = 0.0
    >>> edges, _ = bin_edges(8.0, 7.5, fwhm_arcmin=20.0)
    >>> power_kept(2 * tiles, tiles, pixel_arcmin=7.5, edges=edges)[1].round(6)
    array([4., 4., 4., 4., 4., 4.])
    """
    ell, top = power_spectra(tiles, **grid)
    bottom = power_spectra(reference, **grid)[1]
    scale = np.abs(reference).max(axis=(1, 2)) * np.radians(grid["pixel_arcmin"] / 60)
    noise = 1e-24 * scale[:, None] ** 2  # what rounding leaves of a nearly constant tile
    return ell, paired_ratio(log_ratio(top, np.where(bottom > noise, bottom, 0)))
