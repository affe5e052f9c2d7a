"""Numbers that describe a tile, for the sharp verdict (`two_sample`): how it looks, not where.

Log spectrum within the beam, Minkowski curves, quantiles of the amplitude, and a texture seen by
fixed oriented filters.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.fft import fft2, ifft2

from . import morphology, spectra
from .amplitude import asinh_scale

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99)
DIRECTIONS = 4  # of the filters


def tile_features(tiles: np.ndarray, pixel_arcmin: float, fwhm_arcmin: float) -> dict:
    """Numbers that describe each tile, in four sets.

    Parameters
    ----------
    tiles : ndarray, shape (n, npix, npix)
        W in K km/s; real and generated in one stack: the floor of the logarithm is the same.
    pixel_arcmin, fwhm_arcmin : float
        Tile pixel and beam.

    Returns
    -------
    dict of ndarrays, each (n, number of features)
        ``spectrum``: log10 C_ell in the bins within the beam; ``minkowski``: V0, V1, V2 of the
        standardised tile; ``pdf``: quantiles of asinh(W / 0.3 K km/s); ``texture``: see `texture`.
    """
    edges, in_beam = spectra.bin_edges(
        tiles.shape[-1] * pixel_arcmin / 60, pixel_arcmin, fwhm_arcmin
    )
    _, power = spectra.power_spectra(tiles, pixel_arcmin=pixel_arcmin, edges=edges)
    floor = 1e-6 * np.median(power, axis=0) + 1e-30
    y = asinh_scale(tiles)
    chunks = np.array_split(y, -(-y.size // spectra.CHUNK_PIXELS))
    return {
        "spectrum": np.log10(np.maximum(power, 0) + floor)[:, in_beam],
        "minkowski": np.hstack(morphology.minkowski(tiles, pixel_arcmin=pixel_arcmin)),
        "pdf": np.quantile(y.reshape(len(y), -1), QUANTILES, axis=1).T,
        "texture": np.vstack([texture(part, fwhm_arcmin / pixel_arcmin) for part in chunks]),
    }


def texture(y: np.ndarray, fwhm_px: float) -> np.ndarray:
    """Scattering coefficients: what two fixed layers of oriented filters see.

    They are the two layers of a convolutional network that needs no training (Bruna & Mallat 2013,
    IEEE PAMI 35, 1872; for interstellar maps Allys et al. 2019, A&A 629, A115)::

        S1(j, t) = log <|y * psi_jt|>
        S2(j, j', t' - t) = log <||y * psi_jt| * psi_j't'|> - log S1,   j' > j

    with psi a Gaussian of relative width 0.4 about the wavelength 2 fwhm 2^j (at least 4 pixels,
    at most 0.7 of the side) and the direction t. S1 keeps the direction, S2 only the difference of
    two (its average over t).

    Parameters
    ----------
    y : ndarray, shape (n, npix, npix)
        Scaled maps; the mean is removed and the edges are tapered.
    fwhm_px : float
        Beam in pixels.

    Returns
    -------
    ndarray, shape (n, number of coefficients)
    """
    npix = y.shape[-1]
    waves = max(2 * fwhm_px, 4.0) * 2.0 ** np.arange(4)
    centres = 1 / waves[waves <= 0.7 * npix]
    k = np.fft.fftfreq(npix)
    angles = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    centre, angle = centres[:, None, None, None], angles[:, None, None]
    offset = np.hypot(k[:, None] - centre * np.sin(angle), k - centre * np.cos(angle))
    bands = np.exp(-((offset / (0.4 * centre)) ** 2) / 2)  # (scales, directions, npix, npix)
    bands[..., 0, 0] = 0  # blind to the mean
    transform = fft2((y - y.mean(axis=(1, 2), keepdims=True)) * spectra.apodisation(npix))
    first, second = [], {}
    for j, t in product(range(centres.size), range(DIRECTIONS)):
        modulus = np.abs(ifft2(transform * bands[j, t], overwrite_x=True))
        level = modulus.mean(axis=(1, 2)) + 1e-6
        first.append(np.log(level))
        again = fft2(modulus)
        for wider, other in product(range(j + 1, centres.size), range(DIRECTIONS)):
            s2 = np.abs(ifft2(again * bands[wider, other], overwrite_x=True)).mean(axis=(1, 2))
            apart = (other - t) % DIRECTIONS
            key = j, wider, min(apart, DIRECTIONS - apart)
            second[key] = second.get(key, 0) + s2 / level
    return np.stack([*first, *(np.log(total + 1e-6) for total in second.values())], axis=1)
