"""The instrument's noise, drawn anew: what a generated map lacks before it is compared with a real.

A generator's map is free of noise, a survey's is not; whoever compares the two finds the noise and
nothing else. The noise is taken as white on the sky before it was smoothed to the map's beam, with
the level that the map's error column gives from place to place.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.checks import check_alike
from ..base.files import CoganError
from ..sky.harmonics import alm2map, beam_lmax, map2alm
from ..sky.lines import COLUMN_UNITS
from ..sky.skyfile import Sky
from .geometry import Geometry
from .tiling import cut_tiles, map_to_alm


def noise_map(error: np.ndarray, fwhm_arcmin: float, seed: int | list[int]) -> np.ndarray:
    """Draw a map of noise: white, smoothed to a beam, with the given standard deviation.

    Parameters
    ----------
    error : ndarray, shape (12 * nside**2,)
        Standard deviation of each pixel, RING.
    fwhm_arcmin : float
        Beam to which the noise was smoothed, full width at half maximum.
    seed : int or list of int

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        In the unit of `error`.

    Raises
    ------
    CoganError
        If an error is negative or not finite.

    Examples
    --------
    >>> noise = noise_map(np.full(12 * 16**2, 0.1), fwhm_arcmin=400.0, seed=1)
    >>> 0.09 < noise.std() < 0.11
    True
    """
    error = check_alike("Noise", error, error)[0]
    if error.min() < 0:
        raise CoganError("Some standard errors are negative; fix the sky's error column.")
    nside = hp.npix2nside(error.size)
    lmax = beam_lmax(nside, fwhm_arcmin)
    white = np.random.default_rng(seed).standard_normal(error.size)
    alm = map2alm(white, lmax, iterations=0)
    beam = hp.gauss_beam(np.radians(fwhm_arcmin / 60), lmax=lmax)
    ell = np.arange(lmax + 1)
    area = hp.nside2pixarea(nside)  # C_ell of the white map
    spread = np.sqrt(np.sum((2 * ell + 1) / (4 * np.pi) * area * beam**2))
    return error * alm2map(hp.almxfl(alm, beam / spread), nside)


def noise_tiles(
    sky: Sky,
    target: str,
    geometry: Geometry,
    centres: np.ndarray,
    seed: int,
    nthreads: int = 1,
) -> np.ndarray:
    """Draw the noise of one of a sky's CO lines, and cut it into tiles as the line itself is.

    Parameters
    ----------
    sky : Sky
        With the error column of `target`.
    target : str
        W_CO10 or W_CO21.
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    seed : int
        Another seed or line, another draw.
    nthreads : int

    Returns
    -------
    ndarray, shape (n, npix, npix), float32
        K km/s, to be added to generated tiles of these places.

    Raises
    ------
    CoganError
        If the sky has no such error column.
    """
    if f"{target}_ERR" not in sky.maps:
        raise CoganError(
            f"The sky has no column {target}_ERR; a generated map cannot be compared with a real "
            "one without the noise of that."
        )
    fwhm = float(sky.meta.get("fwhmeff", sky.fwhm_arcmin))
    draw = [seed, 353, list(COLUMN_UNITS).index(target)]  # no other random step has such a seed
    drawn = noise_map(sky.maps[f"{target}_ERR"], fwhm, draw)
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    return cut_tiles(map_to_alm(drawn, lmax), geometry, centres, nthreads)
