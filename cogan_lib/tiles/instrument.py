"""The instrument's noise, drawn anew: what a generated map lacks before it is compared with a real.

A generator's map is free of noise, a survey's is not; whoever compares the two finds the noise and
nothing else. How the noise's strength varies from place to place, the map's error column says. How
smooth it is, nobody says: the stated beam tells how the sky was smoothed last, and the noise has
passed other filters too. So the noise's spectrum is measured where a CO map shows hardly anything
else, within 30 degrees of the poles. Of another target nobody knows where it shows nothing: its
noise is taken for white before the stated beam.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.checks import check_alike
from ..base.files import CoganError
from ..sky.harmonics import alm2map, beam_lmax, gaussian_alm, map2alm
from ..sky.lines import COLUMN_UNITS, LINES
from ..sky.skyfile import Sky
from .geometry import Geometry
from .tiling import cut_tiles, map_to_alm

#: Latitude beyond which a CO map is taken for noise, and by which it counts in full [deg].
POLAR_DEG = (60.0, 65.0)
#: A pixel of more standard errors than this is no noise.
CLIP = 5.0
#: Width in multipole over which the noise's spectrum is averaged.
BIN_ELL = 20
#: Below this share of lmax (ell 60 at NSIDE 256), where faint CO is, the noise is taken as white.
LOWEST = 0.08


def _checked(error: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Raise `CoganError` unless standard errors are positive, and as many as the values."""
    error, _ = check_alike("Noise", error, error if values is None else values)
    if not error.min() > 0:
        raise CoganError("Some standard errors are not positive; fix the sky's error column.")
    return error


def noise_spectrum(values: np.ndarray, error: np.ndarray, lmax: int) -> np.ndarray:
    """Measure the spectrum of a CO map's noise, in units of its standard error, near the poles.

    Parameters
    ----------
    values, error : ndarray, shape (12 * nside**2,)
        The map and its standard errors, RING, Galactic.
    lmax : int

    Returns
    -------
    ndarray, shape (lmax + 1,)
        C_ell of the noise over its standard error: its variance is 1 if the error column is right
        where this was measured.

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or an error is not positive.
    """
    error, nside = _checked(error, values), hp.npix2nside(np.size(values))
    latitude = np.abs(hp.pix2ang(nside, np.arange(error.size), lonlat=True)[1])
    x = np.clip((latitude - POLAR_DEG[0]) / (POLAR_DEG[1] - POLAR_DEG[0]), 0, 1)
    window = np.sin(np.pi / 2 * x) ** 2
    polar = window > 0
    noise = np.where(polar, values - np.median(values[polar]), 0) / error
    alm = map2alm(window * np.clip(noise, -CLIP, CLIP), lmax)
    cl = hp.alm2cl(alm) / (window**2).mean()
    ell = np.arange(lmax + 1)
    which = ell // BIN_ELL
    weight = 2.0 * ell + 1
    means = np.bincount(which, weight * cl) / np.bincount(which, weight)
    centres = np.bincount(which, weight * ell) / np.bincount(which, weight)
    known = centres > LOWEST * lmax
    return np.exp(np.interp(ell, centres[known], np.log(np.maximum(means[known], 1e-30))))


def noise_map(error: np.ndarray, spectrum: np.ndarray, seed: int | list[int]) -> np.ndarray:
    """Draw a map of Gaussian noise with the given spectrum, in units of the given errors.

    Parameters
    ----------
    error : ndarray, shape (12 * nside**2,)
        Standard error of each pixel, RING.
    spectrum : ndarray, shape (lmax + 1,)
        Of the noise over its standard error, from `noise_spectrum`.
    seed : int or list of int

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        In the unit of `error`.

    Raises
    ------
    CoganError
        If an error is not positive, or not finite.

    Examples
    --------
    >>> flat = np.full(48, 4 * np.pi / 48**2)  # white: 48 multipoles, 48^2 waves
    >>> noise = noise_map(np.full(12 * 16**2, 0.1), flat, seed=1)
    >>> bool(0.09 < noise.std() < 0.11)
    True
    """
    error = _checked(error)
    alm = gaussian_alm(np.random.default_rng(seed), spectrum)
    return error * alm2map(alm, hp.npix2nside(error.size))


def beam_noise(fwhm_arcmin: float, lmax: int) -> np.ndarray:
    """Compute the spectrum of noise of variance 1 that was white before a Gaussian beam.

    Parameters
    ----------
    fwhm_arcmin : float
    lmax : int

    Returns
    -------
    ndarray, shape (lmax + 1,)

    Examples
    --------
    >>> spectrum = beam_noise(300.0, 95)
    >>> round(float((spectrum * (2 * np.arange(96) + 1)).sum() / (4 * np.pi)), 6)
    1.0
    """
    spectrum = hp.gauss_beam(np.radians(fwhm_arcmin / 60), lmax) ** 2
    return spectrum * (4 * np.pi / (spectrum * (2 * np.arange(lmax + 1) + 1)).sum())


def noise_tiles(
    sky: Sky,
    target: str,
    geometry: Geometry,
    centres: np.ndarray,
    seed: int,
    nthreads: int = 1,
) -> np.ndarray:
    """Draw the noise of one of a sky's targets, and cut it into tiles as the line itself is.

    Parameters
    ----------
    sky : Sky
        With `target` and its error column.
    target : str
        Such as W_CO21.
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    seed : int
        Another seed or target, another draw.
    nthreads : int

    Returns
    -------
    ndarray, shape (n, npix, npix), float32
        In the target's unit, to be added to generated tiles of these places.

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
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    error = sky.maps[f"{target}_ERR"]
    number = [*COLUMN_UNITS, *sky.targets].index(target)
    if target in LINES:
        spectrum = noise_spectrum(sky.maps[target], error, lmax)
    else:
        spectrum = beam_noise(sky.fwhm_arcmin, lmax)
    draw = [seed, 353, number]  # no other random step has such a seed
    drawn = noise_map(error, spectrum, draw)
    return cut_tiles(map_to_alm(drawn, lmax), geometry, centres, nthreads)
