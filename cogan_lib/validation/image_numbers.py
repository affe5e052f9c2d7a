"""Numbers that describe an image of any kind and in any unit, for the suite.

`features` describes tiles of CO in K km/s; here nothing is known of the images but that larger is
brighter. Brightness is scaled by one function for all stacks, y = asinh((x - median) / scatter).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from ..base.files import CoganError
from . import morphology, spectra

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
#: Names of the numbers of `marginals`.
MARGINALS = ("mean", "scatter", *(f"{100 * q:g} % quantile" for q in QUANTILES))
#: Thresholds of the Minkowski curves, in each image's standard deviations.
THRESHOLDS = np.arange(-3, 9) / 2
#: A size of a pixel, for the library's spectra and shapes; nothing depends on it.
PIXEL_ARCMIN = 60.0
#: Bands of the power spectrum, and pixels along a side of the small images that are compared one by
#: one.
BANDS, SMALL = 8, 16
FEWEST_PIXELS = 8
CHUNK = 64  # images in memory at a time
#: Beyond this, sums over an image overflow in single precision, and powers of them in double.
LARGEST = 1e30


class Scale(NamedTuple):
    """How brightness is scaled: one invertible function for all images."""

    middle: float
    width: float

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Y = asinh((x - middle) / width)."""
        return np.arcsinh((images - self.middle) / self.width)


def scale_of(images: np.ndarray) -> Scale:
    """Choose the scale: the median, and half of what lies between 16 and 84 % of the pixels.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)
        Of all stacks together.

    Returns
    -------
    Scale
    """
    low, middle, high = np.quantile(images, (0.16, 0.5, 0.84))
    return Scale(float(middle), float((high - low) / 2 or images.std()))


def marginals(images: np.ndarray) -> np.ndarray:
    """Brightness of each image: one row per image, because its pixels are not independent.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)

    Returns
    -------
    ndarray, shape (n, len(MARGINALS))
    """
    rows = images.reshape(len(images), -1)
    return np.column_stack(
        [rows.mean(axis=1), rows.std(axis=1), *np.quantile(rows, QUANTILES, axis=1)]
    )


def log_power(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the power in bands of wave number (`spectra`).

    Parameters
    ----------
    images : ndarray, shape (n, side, side)

    Returns
    -------
    k : ndarray, shape (bands,)
        [cycles per pixel]
    logs : ndarray, shape (n, bands)
        Natural logarithm of the power [square of the images' unit x pixels].
    """
    side = images.shape[-1]
    edges, _ = spectra.bin_edges(side * PIXEL_ARCMIN / 60, PIXEL_ARCMIN, 0.0, max_bins=BANDS)
    ell, power = spectra.power_spectra(images, pixel_arcmin=PIXEL_ARCMIN, edges=edges)
    pixel = np.radians(PIXEL_ARCMIN / 60)
    floor = 1e-9 * np.median(power) + 1e-300
    return ell * pixel / (2 * np.pi), np.log((np.maximum(power, 0) + floor) / pixel**2)


def moments(images: np.ndarray) -> np.ndarray:
    """Skewness and excess kurtosis of each image, and of what is left of it in bands of scale.

    A band is the difference of two Gaussian smoothings, of sigma s and 2 s pixels with s = 0.5, 1,
    2 and so on to an eighth of the side. The spectrum says how strong a band is; these say whether
    it is made of ripples everywhere or of few bright places, which phases decide.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)

    Returns
    -------
    ndarray, shape (n, 2 (1 + bands))
        asinh of the numbers: single images have long tails.
    """
    side = images.shape[-1]
    k2 = fft.fftfreq(side)[:, None] ** 2 + fft.rfftfreq(side) ** 2
    sigmas = 0.5 * 2.0 ** np.arange(int(np.log2(side / 4)))
    smooth = [np.exp(-2 * np.pi**2 * k2 * s**2) for s in (*sigmas, 2 * sigmas[-1])]
    bands = [fine - coarse for fine, coarse in zip(smooth, smooth[1:], strict=False)]
    found = []
    for start in range(0, len(images), CHUNK):
        part = np.asarray(images[start : start + CHUNK], np.float32)
        waves = fft.rfft2(part - part.mean(axis=(1, 2), keepdims=True))
        maps = [part, *(fft.irfft2(waves * band.astype("f4"), s=(side, side)) for band in bands)]
        found.append(np.column_stack([_two_moments(some) for some in maps]))
    return np.arcsinh(np.vstack(found))


def _two_moments(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    square = rows**2
    variance = np.maximum(square.mean(axis=1), 1e-300)
    skew = (square * rows).mean(axis=1) / variance**1.5
    return np.column_stack([skew, (square**2).mean(axis=1) / variance**2 - 3])


def curves(images: np.ndarray) -> np.ndarray:
    """Minkowski curves of each image, standardised by itself.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)

    Returns
    -------
    ndarray, shape (n, 3 len(THRESHOLDS))
    """
    return np.hstack(
        morphology.minkowski(images, THRESHOLDS, pixel_arcmin=PIXEL_ARCMIN, oversample=1)
    )


def small(images: np.ndarray, scale: Scale) -> np.ndarray:
    """Average pixels: small images of scaled brightness that still show what the large ones do.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)
        What is left of a side that `SMALL` does not divide is cut off, on both sides alike.
    scale : Scale

    Returns
    -------
    ndarray, shape (n, at most SMALL, the same), float32
    """
    side = images.shape[-1]
    size = max(1, -(-side // SMALL))
    first, count = (side % size) // 2, side // size
    cut = scale(images)[:, first : first + count * size, first : first + count * size]
    return cut.reshape(-1, count, size, count, size).mean((2, 4)).astype(np.float32)


def poses(images: np.ndarray) -> np.ndarray:
    """All eight rotations and mirror images of each image.

    Parameters
    ----------
    images : ndarray, shape (n, side, side)

    Returns
    -------
    ndarray, shape (8, n, side, side)
    """
    both = np.stack([images, images.swapaxes(1, 2)])
    return np.concatenate([np.rot90(both, turns, (2, 3)) for turns in range(4)])


def as_numbers(what: str, values, kinds: str = "fiu") -> np.ndarray:
    """Take real numbers of any shape, and refuse what is none in one sentence.

    Parameters
    ----------
    what : str
        What the sentence of the error calls them.
    values : array_like
    kinds : str
        Kinds of numpy's types that are taken.

    Returns
    -------
    ndarray

    Raises
    ------
    CoganError
        For rows of unequal lengths, masked values, text, None and objects.
    """
    parts = values if isinstance(values, list | tuple) else ()
    if any(np.ma.is_masked(some) for some in (values, *parts)):
        raise CoganError(f"{what} have masked values; fill them or leave them out.")
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise CoganError(f"{what} are no array; give rows of equal lengths.") from None
    if found.dtype.kind not in kinds:
        wanted = "real numbers" if "f" in kinds else "whole numbers"
        raise CoganError(f"{what} have shape {found.shape} and type {found.dtype}; give {wanted}.")
    return found


def check_stack(name: str, images: np.ndarray, fewest: int, side: int | None = None) -> np.ndarray:
    """Check a stack of images, and refuse all that no test can use.

    Parameters
    ----------
    name : str
        What the sentence of the error calls them.
    images : array_like, shape (n, side, side)
    fewest : int
        Images that there must be.
    side : int, optional
        Pixels along a side that they must have.

    Returns
    -------
    ndarray, float64

    Raises
    ------
    CoganError
        If the shape is wrong, images are too few or too small, or a value is masked, not finite or
        too large; if an image is constant.
    """
    images = as_numbers(f"The {name} images", images)
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise CoganError(
            f"The {name} images have shape {images.shape} and type {images.dtype}; give a stack "
            "(n, side, side) of real numbers."
        )
    if len(images) < fewest:
        raise CoganError(f"{len(images)} {name} images are too few; give at least {fewest}.")
    if images.shape[1] < FEWEST_PIXELS or images.shape[1] != (side or images.shape[1]):
        wanted = side or f"at least {FEWEST_PIXELS}"
        raise CoganError(
            f"The {name} images have {images.shape[1]} pixels along a side; give {wanted}, "
            "as all stacks must have the same."
        )
    rows = images.reshape(len(images), -1)
    if (bad := ~np.isfinite(rows).all(axis=1)).any():
        raise CoganError(
            f"{bad.sum()} of the {len(bad)} {name} images hold NaN or infinite values (the first "
            f"is number {int(bad.argmax())}); fill them or leave them out."
        )
    if (rows.max() > LARGEST) or (rows.min() < -LARGEST):
        raise CoganError(
            f"The {name} images have values beyond {LARGEST:g}, whose powers overflow; choose "
            "another unit."
        )
    constant = np.ptp(rows, axis=1) == 0
    if constant.all():
        raise CoganError(f"All {name} images are constant; there is nothing to compare.")
    if constant.any():
        raise CoganError(
            f"{constant.sum()} of the {len(bad)} {name} images are constant (the first is number "
            f"{int(constant.argmax())}); find out why, and leave them out."
        )
    return images.astype(np.float64)
