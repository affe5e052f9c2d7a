"""Filter a map of an emission to its stated beam, without pixels below zero.

A network draws what it likes between its pixels, cuts its answer off at zero, and is joined from
tiles: such a map says "20 arcmin" and holds structure that no beam of 20 arcmin lets through.
Every transform of it then rings. Three steps cure that, all in harmonic space:

1. Beyond the beam's multipole pi / FWHM nothing may exceed what a beam lets through: the power law
   that the map follows below it, carried on, times B_ell^2.
2. The last part of the band fades to zero. Where a grid is coarse the beam still passes there (0.17
   at NSIDE 256 and 20 arcmin), and a band that ends in a step rings as far as the eye can see.
3. What is still below zero is filled in, from what lies around it: each round adds the missing,
   takes as much from the positive pixels within a few beams in proportion to their brightness (so
   that flux stays where it is), and keeps of the change what is within the band. "Below zero" is
   below a trace of the brightness around, so that the faintest ripples stay above it.

What remains: a map with sharp peaks on empty ground can't be both positive and limited to a band
in which its beam has not died away. The last step leaves faint ripples, which the map itself has
cut off at zero, and which come back when it is transformed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import healpy as hp
import numpy as np

from ..base.units import FWHM_PER_SIGMA
from .harmonics import alm2map, beam_lmax, map2alm

#: The share of the band that fades. Less rings (0.10: 30 times the resampling error), and more
#: would touch multipoles that the spectra of tiles use (at NSIDE 256 and 20 arcmin: to 614).
FADES = 0.15
#: Rounds of filling in, each by so much more than is missing. On a coarse grid twice as much, or
#: twice as many, feeds modes that the pixels hardly see.
ROUNDS, PUSH = 5, 1.5
#: What is filled in is taken from so many beams (FWHM) around; it is filled up to so much of the
#: mean brightness there.
AROUND_BEAMS, TRACE = 6.0, 0.003
#: Flux that is missing, over that of the map, at which nothing more is done.
ENOUGH = 1e-6


def beam_window(power: np.ndarray, fwhm_arcmin: float) -> np.ndarray:
    """Find the filter that leaves a map no more small structure than its beam lets through.

    Parameters
    ----------
    power : ndarray, shape (lmax + 1,)
        C_ell of the map.
    fwhm_arcmin : float
        Full width at half maximum of its Gaussian beam [arcmin].

    Returns
    -------
    ndarray, shape (lmax + 1,)
        Factors for a_lm: 1 up to the beam's multipole pi / FWHM, 0 behind the band's end.

    Examples
    --------
    >>> ell = np.arange(192)
    >>> window = beam_window(1 / (1.0 + ell) ** 2, fwhm_arcmin=120.0)  # no beam at all
    >>> [round(float(window[at]), 2) for at in (60, 90, 120, 160)]
    [1.0, 1.0, 0.59, 0.22]
    """
    ell, lmax = np.arange(power.size), power.size - 1
    fade = np.clip((ell - (1 - FADES) * lmax) / (FADES * lmax + 1), 0, 1)
    window = np.cos(np.pi / 2 * fade) ** 2
    fwhm = math.radians(fwhm_arcmin / 60)
    of_beam = math.pi / fwhm
    below = (ell > 0.4 * of_beam) & (ell <= of_beam) & (power > 0)
    if of_beam >= lmax or below.sum() < 8:  # no beam within the band, or nothing to go by
        return window
    beam = np.exp(-((ell * fwhm / FWHM_PER_SIGMA) ** 2))  # B_ell^2
    slope = np.polyfit(np.log(ell[below]), np.log(power[below] / beam[below]), 1)[0]
    allowed = np.maximum(ell, 1.0) ** min(slope, 0.0) * beam
    near = below & (ell > 0.8 * of_beam)
    allowed *= power[near].sum() / allowed[near].sum()
    # compared in bands of 3 %: a single C_ell scatters
    half = np.maximum(1, 0.03 * ell).astype(int)
    start, end = np.maximum(ell - half, 0), np.minimum(ell + half, lmax) + 1
    sums = [np.r_[0.0, np.cumsum(x)] for x in (allowed, power)]
    allowed, found = (total[end] - total[start] for total in sums)
    excess = np.maximum(found / np.maximum(allowed, np.finfo(float).tiny), 1)
    return window / np.sqrt(np.where(ell > of_beam, excess, 1))


def limit_to_beam(values: np.ndarray, fwhm_arcmin: float, positive: bool = True) -> np.ndarray:
    """Filter a map to its beam (`beam_window`), and fill in what then lies below zero.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING, without holes.
    fwhm_arcmin : float
        Full width at half maximum of the beam that the map is said to have [arcmin].
    positive : bool
        Whether it is of an emission; else its negative values are its own, and it is only filtered.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        The sum over the sky is that of `values`.

    Examples
    --------
    >>> source = np.zeros(12 * 32**2)
    >>> source[[5000, 5001]] = 100.0, 70.0
    >>> smooth = limit_to_beam(source, fwhm_arcmin=600.0)
    >>> bool(smooth.min() >= 0), round(float(smooth.sum() / source.sum()), 2)
    (True, 1.0)
    """
    nside = hp.npix2nside(values.size)
    lmax = beam_lmax(nside, fwhm_arcmin)
    mean = values.mean(dtype=np.float64)  # apart: it is exact, a transform of it is not
    alm = map2alm(values - mean, lmax, enough=ENOUGH)
    window = beam_window(hp.alm2cl(alm), fwhm_arcmin)
    alm = hp.almxfl(alm, window)
    alm[0] += mean * math.sqrt(4 * math.pi)
    filtered = alm2map(alm, nside)
    if not positive:
        return filtered
    around = _smoothing(nside, AROUND_BEAMS * fwhm_arcmin)
    for _ in range(ROUNDS):
        there = np.maximum(filtered, 0)
        brightness = np.maximum(around(there), 1e-5 * there.mean())
        missing = np.maximum(TRACE * brightness - filtered, 0)
        if missing.sum() <= ENOUGH * there.sum():
            break
        missing -= there * around(missing / brightness)
        alm += hp.almxfl(map2alm(PUSH * missing, lmax, iterations=0), window)
        filtered = alm2map(alm, nside)
    np.maximum(filtered, 0, out=filtered)
    total, now = values.sum(dtype=np.float64), filtered.sum()
    return filtered * (total / now) if min(total, now) > 0 else filtered


def _smoothing(nside: int, fwhm_arcmin: float) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function that smooths maps by a Gaussian beam, which is positive everywhere."""
    lmax = beam_lmax(nside, fwhm_arcmin)
    beam = hp.gauss_beam(math.radians(fwhm_arcmin / 60), lmax=lmax)
    return lambda of_map: alm2map(hp.almxfl(map2alm(of_map, lmax, iterations=0), beam), nside)
