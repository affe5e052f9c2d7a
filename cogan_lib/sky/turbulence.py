"""Turbulence of the embedded sky: the grid that it is computed on, and its random fields.

The grid suits the beam, not the output, and every field has a random stream of its own (a key), so
that one more field changes none of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import ducc0
import healpy as hp
import numpy as np

from ..base.units import FWHM_PER_SIGMA
from .harmonics import alm2map, gaussian_alm

OUTER_SCALE_KPC = 0.5  # largest eddies
SLOPE = 2.6  # angular power spectrum of the log-density, below the outer scale
SLOPE_FLOW = 4.0  # and of the flow that bends it


@dataclass(frozen=True)
class Grid:
    """The internal grid: fine enough for the beam (2.8 pixels per FWHM), and its random fields.

    Attributes
    ----------
    nside, lmax : int
    seed : int
        Of the sky.
    """

    nside: int
    lmax: int
    seed: int

    @classmethod
    def for_beam(cls, fwhm_arcmin: float, seed: int) -> Grid:
        """Choose the grid of a beam.

        Parameters
        ----------
        fwhm_arcmin : float
        seed : int

        Returns
        -------
        Grid
        """
        nside = 64
        while hp.nside2resol(nside, arcmin=True) > fwhm_arcmin / 2.8:
            nside *= 2
        sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
        return cls(nside, min(int(3.0 / sigma), 3 * nside - 1), seed)

    def rng(self, *key: int) -> np.random.Generator:
        """Start the random stream of a key.

        Parameters
        ----------
        *key : int

        Returns
        -------
        numpy Generator
        """
        return np.random.default_rng([self.seed, *key])

    def alm(self, key: tuple[int, ...], spectrum: np.ndarray) -> np.ndarray:
        """Draw a_lm of a spectrum.

        Parameters
        ----------
        key : tuple of int
        spectrum : ndarray
            C_ell.

        Returns
        -------
        ndarray of complex
        """
        return gaussian_alm(self.rng(*key), spectrum)

    def field(self, key: int, spectrum: np.ndarray) -> np.ndarray:
        """Draw a Gaussian field of a spectrum.

        Parameters
        ----------
        key : int
        spectrum : ndarray
            C_ell.

        Returns
        -------
        ndarray, shape (12 * nside**2,)
        """
        return alm2map(self.alm((key,), spectrum), self.nside)

    def turbulence(self, shell: int, distance_kpc: float) -> tuple[np.ndarray, ...]:
        """Unit-variance log-density of dense, of dark and of atomic gas in one shell.

        Dense gas: a Gaussian field plus ridges along the zero lines of another one (sheets and
        filaments between colliding flows), all bent by a large-scale flow. Dark gas has no ridges;
        atomic gas shares 75 % of the dense gas's field.

        Parameters
        ----------
        shell : int
            Key of the shell.
        distance_kpc : float
            Of the shell: eddies of one size look smaller farther away.

        Returns
        -------
        dense, dark, atomic : ndarray, shape (12 * nside**2,)
        """
        ell_outer = max(np.pi * distance_kpc / OUTER_SCALE_KPC, 3.0)
        spectrum = turbulent_spectrum(self.lmax, ell_outer, SLOPE)
        flow = turbulent_spectrum(self.lmax, ell_outer, SLOPE_FLOW)
        theta, phi = hp.pix2ang(self.nside, np.arange(hp.nside2npix(self.nside)))
        where = np.stack([theta, phi], axis=-1)
        alm = np.stack([self.alm((key, shell), flow) for key in (13, 14)])
        south, east = 0.07 * np.pi / ell_outer * self._evaluate(alm, where)
        x = np.sin(theta) + south * np.cos(theta)
        where[:, 0] = np.arctan2(np.hypot(x, east), np.cos(theta) - south * np.sin(theta))
        phi += np.arctan2(east, x)
        where[:, 1] = np.minimum(phi % (2 * np.pi), np.nextafter(2 * np.pi, 0))
        plain, folded, other = (
            _standard(self._evaluate(self.alm((key, shell), spectrum)[None], where)[0])
            for key in (10, 11, 15)
        )
        ridges = _standard(-np.log(np.hypot(folded, 0.15)))
        dense = 0.66 * plain + 0.75 * ridges
        return dense, plain, 0.75 * dense + 0.66 * other

    def _evaluate(self, alm: np.ndarray, where: np.ndarray) -> np.ndarray:
        return ducc0.sht.synthesis_general(
            alm=alm, loc=where, lmax=self.lmax, spin=len(alm) - 1, epsilon=1e-5, nthreads=1
        )


def density(field: np.ndarray, contrast: float, opaque: float | None = None) -> np.ndarray:
    """Log-normal density of mean one; above `opaque` times the mean it saturates.

    Parameters
    ----------
    field : ndarray
        Of unit variance.
    contrast : float
        Standard deviation of the logarithm.
    opaque : float, optional

    Returns
    -------
    ndarray, shaped as the field
    """
    density = np.exp(contrast * field)
    density /= density.mean()
    if opaque is not None:
        density /= 1 + density / opaque
        density /= density.mean()
    return density


def fill(envelopes: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Painted envelopes with the density as their inner structure; the sum is conserved.

    Parameters
    ----------
    envelopes, density : ndarray

    Returns
    -------
    ndarray
    """
    filled = envelopes * density
    return filled * (envelopes.sum() / max(filled.sum(), 1e-300))


def summed(contrast: float, cells: float) -> float:
    """Contrast of the sum of several independent log-normal cells.

    Parameters
    ----------
    contrast : float
        Of one cell.
    cells : float
        Their number.

    Returns
    -------
    float

    Examples
    --------
    >>> summed(0.7, 1), round(summed(0.7, 10), 2)
    (0.7, 0.25)
    """
    return float(np.sqrt(np.log1p(np.expm1(contrast**2) / cells)))


def turbulent_spectrum(lmax: int, ell_outer: float, slope: float) -> np.ndarray:
    """Power law below an outer scale, of unit variance on a sphere without resolution limit.

    Parameters
    ----------
    lmax : int
    ell_outer : float
        Multipole of the outer scale.
    slope : float
        C_ell ~ ell^-slope beyond it.

    Returns
    -------
    ndarray, shape (lmax + 1,)
    """
    ell = np.arange(1, 50_001.0)
    power = (1 + (ell / ell_outer) ** 2) ** (-slope / 2)
    power *= 4 * np.pi / np.sum((2 * ell + 1) * power)
    return np.concatenate([[0.0], power[:lmax]])


def _standard(field: np.ndarray) -> np.ndarray:
    return (field - field.mean()) / field.std()
