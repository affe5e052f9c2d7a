"""What the benchmarks cut, join and translate: one Gaussian sky, scaled with NSIDE."""

from __future__ import annotations

from functools import lru_cache

import healpy as hp
import numpy as np
from measuring import NAME, SIZES

from cogan_lib.sky.harmonics import alm2map, beam_lmax
from cogan_lib.tiles.geometry import Geometry

NPIX = SIZES[NAME].npix
REFERENCE_NSIDE = 2048  # there tiles have pixels of 1.5 arcmin and the sky a beam of 15


def geometry(nside: int) -> Geometry:
    """A tile, its pixels 1.5 arcmin at NSIDE 2048: as many pixels of the map in it at any NSIDE."""
    return Geometry(NPIX, 1.5 * REFERENCE_NSIDE / nside)


def fwhm_arcmin(nside: int) -> float:
    """A beam of 15 arcmin for a tile of 128 pixels of 1.5 arcmin."""
    return 60 * geometry(nside).side_deg / 12.8


def centre_nside(nside: int) -> int:
    """Centres about half a tile apart; at full size 12,288 of them at NSIDE 2048."""
    return 2 * nside // NPIX


@lru_cache(maxsize=2)
def gaussian_alm(nside: int, seed: int = 1) -> np.ndarray:
    """a_lm of a map of unit variance with C_ell ~ (1 + ell/50)^-2.6 under the beam."""
    lmax = beam_lmax(nside, fwhm_arcmin(nside))
    ell = np.arange(lmax + 1)
    power = (1 + ell / 50) ** -2.6 * hp.gauss_beam(np.radians(fwhm_arcmin(nside) / 60), lmax) ** 2
    power /= ((2 * ell + 1) * power).sum() / (4 * np.pi)
    np.random.seed(seed)  # noqa: NPY002 - healpy's synalm knows no generator
    return hp.synalm(power, lmax=lmax)


@lru_cache(maxsize=2)
def gaussian_map(nside: int, seed: int = 1) -> np.ndarray:
    """The map of `gaussian_alm`, float64."""
    return alm2map(gaussian_alm(nside, seed), nside)
