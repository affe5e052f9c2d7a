"""The power spectrum of a background, from the pixels around a hole, by likelihood on a grid.

A background is a constant and a stationary, isotropic Gaussian process of power

.. math:: P(k) = A [ (k^2 + k_0^2)^{s/2} B^2(k) + c^2 B^2(k) + w^2 ],

sky and noise smoothed by the beam, and white noise of the pixels. The grid runs over the slope s
and the two noises relative to the sky; the best amplitude A is known in closed form. A grid,
because local optimisers run away along the valleys in which one noise replaces the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, linalg

from ...base.files import CoganError

#: Slopes of the sky's power, and rms of either noise over that of the sky.
SLOPES = (-1.5, -2.0, -2.5, -3.0, -3.5, -4.0)
CORRELATED = (0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 3.0)
WHITE = (0.0005, 0.001, 0.003, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 1.5)
#: White noise thought added to the data, over the rms of a block's pixels: below the beam, a map
#: without any has nothing but rounding, which would outweigh all else.
FLOOR = 1e-3
#: The sky's rms counts structure smaller than SKY beams; its power is flat beyond LARGEST beams.
SKY, LARGEST = 24, 50
#: Sides of the blocks that the likelihood looks at [pixels]; smaller ones where no large one fits.
BLOCKS = (12, 8, 5)
#: Pixels from one block to the next, and the fewest blocks that make a ring.
STEP, FEWEST = 3, 4
#: Width of the Gaussian by which blocks near the hole count more [FWHM]: real skies change.
NEAR = 3.0


@dataclass(frozen=True)
class Spectra:
    """The spectrum chosen for each of n cut-outs.

    Attributes
    ----------
    slope, correlated, white : ndarray, shape (n,)
        Slope of the sky's power; rms of the noises over the sky's.
    amplitude : ndarray, shape (n,)
        Variance of the sky on scales below `SKY` beams, in the image's unit squared.
    """

    slope: np.ndarray
    correlated: np.ndarray
    white: np.ndarray
    amplitude: np.ndarray


def stride(fwhm_px: float) -> int:
    """Pixels from one datum to the next: wide beams need not every pixel."""
    return max(1, int(fwhm_px // 4))


@lru_cache(maxsize=8)
def _parts(fwhm_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Covariance by lag (rows, columns) of the sky for each slope, and of correlated noise."""
    side = fft.next_fast_len(int(np.ceil(2 * LARGEST * fwhm_px)), real=True)
    kx, ky = fft.rfftfreq(side), fft.fftfreq(side)
    k2 = kx**2 + ky[:, None] ** 2
    beam2 = np.exp(-4 * np.pi**2 * k2 * fwhm_px**2 / (8 * np.log(2)))
    small = k2 > (1 / (SKY * fwhm_px)) ** 2
    found = []
    for slope in (*SLOPES, 0.0):
        power = (k2 + (1 / (LARGEST * fwhm_px)) ** 2) ** (slope / 2) * beam2
        power[0, 0] = 0  # the constant is fitted
        lags = fft.irfft2(power, (side, side))
        lags /= fft.irfft2(power * small, (side, side))[0, 0]
        found.append(lags[: side // 2, : side // 2])
    return np.stack(found[:-1]), found[-1]


def covariance(
    model: tuple[float, float, float], fwhm_px: float, one: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Compute the covariance between pixels, for an amplitude of 1.

    Parameters
    ----------
    model : tuple of float
        Slope (one of `SLOPES`), rms of the correlated and of the white noise over the sky's.
    fwhm_px : float
    one, other : ndarray, shape (m, 2) and (k, 2), int
        Rows and columns.

    Returns
    -------
    ndarray, shape (m, k)
    """
    sky, noise = _parts(fwhm_px)
    slope, correlated, white = model
    lags = sky[SLOPES.index(slope)] + correlated**2 * noise
    lags[0, 0] += white**2
    down, along = (np.abs(one[:, None, axis] - other[None, :, axis]) for axis in (0, 1))
    return lags.ravel()[down * lags.shape[1] + along]


@lru_cache(maxsize=6)
def _grid(fwhm_px: float, block: int) -> tuple[list, np.ndarray, np.ndarray]:
    """Models; for each the inverse covariance of a block beside a constant, and log determinant.

    Of the symmetric matrices only the upper triangles, with what is off the diagonal twice.
    """
    models = [(s, c, w) for s in SLOPES for c in CORRELATED for w in WHITE]
    places = np.stack(np.divmod(np.arange(block**2), block), 1) * stride(fwhm_px)
    inverses = np.empty((len(models), block**2 * (block**2 + 1) // 2))
    dets = np.empty(len(models))
    for i, model in enumerate(models):
        root = linalg.cholesky(covariance(model, fwhm_px, places, places), lower=True)
        half, _ = linalg.lapack.dtrtri(root, lower=1)
        inverse = half.T @ half
        ones = inverse.sum(0)
        inverse -= np.outer(ones, ones) / ones.sum()
        inverses[i] = (2 * inverse - np.diag(np.diag(inverse)))[np.triu_indices(block**2)]
        dets[i] = 2 * np.log(np.diag(root)).sum() + np.log(ones.sum())
    return models, inverses, dets


def _blocks(known: np.ndarray, block: int, step: int) -> np.ndarray:
    """Flat indices, (blocks, block**2), of blocks of known pixels alone."""
    side = known.shape[1]
    first = [np.arange(0, length - (block - 1) * step, STEP * step) for length in known.shape]
    starts = (first[0][:, None] * side + first[1]).ravel()
    within = np.arange(block) * step
    index = starts[:, None] + (within[:, None] * side + within).ravel()
    return index[known.ravel()[index].all(1)]


def ring_spectra(
    image: np.ndarray, known: np.ndarray, centre: np.ndarray, fwhm_px: float
) -> Spectra:
    """Choose the most likely spectrum of each cut-out.

    The likelihood is that of blocks of pixels, as if they were independent, each with a constant of
    its own; of a cut-out it needs the blocks' mean product of pixels alone.

    Parameters
    ----------
    image : ndarray, shape (n, rows, columns)
    known : ndarray of bool, same shape
        Pixels of background alone.
    centre : ndarray, shape (n, 2)
        Row and column of the holes.
    fwhm_px : float
        Of the beam.

    Returns
    -------
    Spectra

    Raises
    ------
    CoganError
        If the known pixels of a cut-out hold no blocks.
    """
    step, cache = stride(fwhm_px), {}
    products: dict = {block: ([], []) for block in BLOCKS}
    for row, (values, free) in enumerate(zip(image, known, strict=True)):
        key = free.tobytes()
        if key not in cache:
            fitting = ((b, _blocks(free, b, step)) for b in BLOCKS)
            cache[key] = next(((b, i) for b, i in fitting if len(i) >= FEWEST), None)
        if cache[key] is None:
            raise CoganError(
                f"Cut-out {row} has no ring left: around the hole, no squares of {BLOCKS[-1]} "
                "pixels are free of other sources and missing data."
            )
        block, index = cache[key]
        middle = np.stack(np.divmod(index[:, 0], free.shape[1]), 1) + (block - 1) * step / 2
        far2 = ((middle - centre[row]) ** 2).sum(1)
        weight = np.exp(-0.5 * (far2 - far2.min()) / (NEAR * fwhm_px) ** 2)
        data = values.ravel()[index]
        product = _product(data - data.mean(), weight / weight.sum())
        products[block][0].append(row)
        products[block][1].append(product[np.triu_indices(block**2)])
    found = np.empty((len(image), 4))
    for block, (rows, product) in products.items():
        if rows:
            models, inverses, dets = _grid(fwhm_px, block)
            amplitudes = np.stack(product) @ inverses.T / (block**2 - 1)
            amplitudes = np.maximum(amplitudes, 1e-100)  # of a constant image
            best = np.argmin(dets + (block**2 - 1) * np.log(amplitudes), axis=1)
            found[rows, :3] = np.array(models)[best]
            found[rows, 3] = amplitudes[np.arange(len(rows)), best]
    return Spectra(*found.T)


def _product(data: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean product of a block's pixels, over blocks, with the thought noise on its diagonal."""
    product = (data * weight[:, None]).T @ data
    spread = np.trace(product) / len(product) - product.mean()
    product[np.diag_indices_from(product)] += FLOOR**2 * spread
    return product
