"""Spectra of real model atmospheres: Kurucz's grid of [M/H] = 0, on the toy's own pixels.

The file is that of the package sdf (Kennedy, MIT licence): ATLAS9 fluxes per frequency [Jy/sr] by
wavelength, temperature and gravity. In the optical its samples are 10 to 20 Angstrom apart, coarser
than our pixels: lines are as blurred as at a resolving power of about 250.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.interpolate import PchipInterpolator, RegularGridInterpolator

from ...base.files import CoganError, reading
from .data import StarSample
from .physics import RANGE_A, WAVELENGTH_A, continuum

#: Temperatures that stars are drawn from [K]; cooler and hotter ones of the grid are left out.
TEFF_K = (3500.0, 10_000.0)
#: What is read beyond either end of our pixels [Angstrom].
BEYOND_A = 60.0


@dataclass(frozen=True)
class Grid:
    """Spectra of a grid of temperatures and gravities.

    Attributes
    ----------
    teff_k : ndarray, shape (n_teff,)
    log_g : ndarray, shape (n_log_g,)
    flux : ndarray, shape (n_teff, n_log_g, PIXELS)
        Over the continuum.
    """

    teff_k: np.ndarray
    log_g: np.ndarray
    flux: np.ndarray

    def spectra(self, labels: np.ndarray) -> np.ndarray:
        """Interpolate between the grid's spectra, linearly in log Teff and log g.

        Parameters
        ----------
        labels : ndarray, shape (n, 2)
            Teff [K], log g.

        Returns
        -------
        ndarray, shape (n, PIXELS), float32

        Raises
        ------
        CoganError
            If these are no labels, or a star lies outside of the grid.
        """
        labels, ends = np.asarray(labels, float), [self.teff_k[[0, -1]], self.log_g[[0, -1]]]
        low, high = np.transpose(ends)
        fits_in = labels.ndim == 2 and labels.shape[1] == 2
        if not fits_in or not ((labels >= low) & (labels <= high)).all():
            raise CoganError(
                f"The grid has stars of {low[0]:g} to {high[0]:g} K and log g {low[1]:g} to "
                f"{high[1]:g}; give rows of these two labels."
            )
        at = RegularGridInterpolator((np.log(self.teff_k), self.log_g), self.flux)
        where = np.column_stack([np.log(labels[:, 0]), labels[:, 1]])
        return at(where).astype(np.float32)

    def draw_stars(self, n: int, rng: np.random.Generator) -> StarSample:
        """Draw stars, uniform in log Teff and log g.

        Parameters
        ----------
        n : int
        rng : numpy Generator

        Returns
        -------
        StarSample
            With two labels.
        """
        teff = np.exp(rng.uniform(*np.log(self.teff_k[[0, -1]]), n)).clip(*self.teff_k[[0, -1]])
        labels = np.column_stack([teff, rng.uniform(*self.log_g[[0, -1]], n)])
        return StarSample(labels, self.spectra(labels))


def read_grid(path: str | Path) -> Grid:
    """Read the grid, divide each spectrum by its continuum, and resample it.

    Parameters
    ----------
    path : path
        ``kurucz-0.0_SpecModel.fits``.

    Returns
    -------
    Grid
        Of `TEFF_K`.

    Raises
    ------
    CoganError
        If it cannot be read, or is another kind of file.
    """
    if not Path(path).exists():
        raise CoganError(f"There is no file {path}; the chapter goes on with the toy's lines.")
    with reading(path, "grid of Kurucz's spectra", "get the file again"), fits.open(path) as file:
        wavelength_a = 1e4 * file["WAVLNTHS"].data["WAVLNTHS"].astype(float)
        teff, log_g = (file[name].data[name].astype(float) for name in ("TEFF", "LOGG"))
        models = file["MODELS"].data.astype(float)
        if models.shape != (len(wavelength_a), len(teff), len(log_g)):
            raise ValueError(f"the spectra have shape {models.shape}")
    seen = (wavelength_a > RANGE_A[0] - BEYOND_A) & (wavelength_a < RANGE_A[1] + BEYOND_A)
    warm = (teff >= TEFF_K[0]) & (teff <= TEFF_K[1])
    flux = np.moveaxis(models[seen][:, warm], 0, -1) / wavelength_a[seen] ** 2  # per wavelength
    flux /= continuum(wavelength_a[seen], flux)
    return Grid(
        teff[warm], log_g, PchipInterpolator(wavelength_a[seen], flux, axis=-1)(WAVELENGTH_A)
    )
