"""What is true: shells and bubbles of ionised gas, whose shapes are known because we drew them.

A region is an ellipsoid of gas with a hollow of the same form, optically thin, so its brightness is
the length of gas along the line of sight: the limb of a shell is bright, its middle is not empty.
One side is brighter than the other, turbulence makes lumps, a telescope's beam smooths, and its
noise comes on top. Brightness is in units of a region's typical mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from torch import Tensor

from ...base.files import CoganError

#: Pixels of an image; the beam and the noise of the telescope, which we know.
SIDE, FWHM_PX, NOISE = 64, 3.0, 0.05
#: Ranges of the shape numbers, all uniform: the radius is that of the circle of equal area, the
#: thickness that of the shell over the radius, the ellipticity 1 - b/a, the asymmetry the amplitude
#: of the brightness's dipole at the limb.
RANGES = {
    "radius": (8.0, 18.0),
    "thickness": (0.15, 0.9),
    "ellipticity": (0.0, 0.5),
    "asymmetry": (0.0, 0.8),
}
SHAPES = tuple(RANGES)
#: Scatter of ln brightness from region to region, and of ln emission within one (turbulence).
SCATTER, TURBULENCE, SLOPE = 0.3, 0.2, -11 / 3
OUTER_PX = 25.0  # largest lumps; larger ones would be a region's asymmetry
JITTER_PX = 1.5  # a centre is at most so far from the image's
CHUNK = 256  # images in memory at a time


@dataclass(frozen=True)
class Regions:
    """Images and what they show.

    Attributes
    ----------
    sky : ndarray, shape (n, SIDE, SIDE), float32
        Brightness, smoothed by the beam, without noise.
    shapes : ndarray, shape (n, 4)
        The real `SHAPES`: radius [pixels], thickness, ellipticity, asymmetry.
    angles : ndarray, shape (n, 2), float32
        Of the major axis, from x to y, and of the bright side, from the major axis to the minor
        one, of which the ellipse has been made a circle [radians].
    """

    sky: np.ndarray
    shapes: np.ndarray
    angles: np.ndarray


def limb_profile(u: np.ndarray, thickness: np.ndarray | float) -> np.ndarray:
    """Compute the brightness of a round shell of gas, whose mean over its disc is 1.

    The line of sight at distance u from the centre crosses sqrt(1 - u^2) of the outer sphere and
    sqrt(h^2 - u^2) of the hollow of radius h = 1 - thickness (each twice).

    Parameters
    ----------
    u : ndarray
        Distance from the centre over the radius.
    thickness : ndarray or float
        Of the shell over the radius, above 0; 1 is a filled sphere.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> limb_profile(np.array([0.0, 0.6, 2.0]), 1.0)
    array([1.5, 1.2, 0. ])
    """
    hollow = 1 - np.asarray(thickness)
    length = np.sqrt(np.maximum(1 - u**2, 0)) - np.sqrt(np.maximum(hollow**2 - u**2, 0))
    return length / (2 / 3 * (1 - hollow**3))


def turbulence(n: int, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Draw periodic Gaussian fields of mean 0 and variance 1: a power law up to `OUTER_PX`.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    side : int

    Returns
    -------
    ndarray, shape (n, side, side), float32
    """
    k = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None])
    k[k < 1 / OUTER_PX] = np.inf
    amplitude = (k ** (SLOPE / 2)).astype(np.float32)
    white = rng.standard_normal((n, side, side), np.float32)
    field = fft.irfft2(fft.rfft2(white) * amplitude, s=(side, side))
    return field / field.std(axis=(1, 2), keepdims=True)


def beam_transfer(side: int = SIDE) -> np.ndarray:
    """Compute the Fourier transform of the beam, of sum 1, on the half-plane of a real image.

    Parameters
    ----------
    side : int

    Returns
    -------
    ndarray, shape (side, side // 2 + 1), float32
    """
    sigma = FWHM_PX / np.sqrt(8 * np.log(2))
    k2 = fft.fftfreq(side)[:, None] ** 2 + fft.rfftfreq(side)[None] ** 2
    return np.exp(-2 * np.pi**2 * sigma**2 * k2).astype(np.float32)


def regions(n: int, rng: np.random.Generator, shapes: np.ndarray | None = None) -> Regions:
    """Draw regions.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    shapes : ndarray, shape (n, 4), optional
        `SHAPES` of one's own; else they are drawn from `RANGES`.

    Returns
    -------
    Regions

    Raises
    ------
    CoganError
        If there are none to draw, or the shapes do not fit.
    """
    if n < 1:
        raise CoganError(f"{n} regions were asked for; take at least one.")
    if shapes is None:
        shapes = rng.uniform(*np.transpose(list(RANGES.values())), (n, len(SHAPES)))
    shapes = np.asarray(shapes, float)
    if shapes.shape != (n, len(SHAPES)):
        raise CoganError(f"The shapes are {shapes.shape}; {n} regions need {n, len(SHAPES)}.")
    sky, angles = np.empty((n, SIDE, SIDE), np.float32), np.empty((n, 2), np.float32)
    transfer = beam_transfer()
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        emission, angles[part] = _emission(shapes[part], rng)
        sky[part] = fft.irfft2(fft.rfft2(emission) * transfer, s=(SIDE, SIDE))
    return Regions(np.maximum(sky, 0), shapes, angles)


def _emission(shapes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Brightness before the beam, float32, and the angles of `Regions`."""
    n = len(shapes)
    radius, thickness, ellipticity, asymmetry = shapes.T.astype(np.float32)[..., None, None]
    turn, bright_side = rng.uniform(0, 2 * np.pi, (2, n, 1, 1)).astype(np.float32)
    centre = (SIDE - 1) / 2 + rng.uniform(-JITTER_PX, JITTER_PX, (2, n, 1, 1)).astype(np.float32)
    y, x = np.arange(SIDE, dtype=np.float32)[:, None] - centre[0], np.arange(SIDE) - centre[1]
    stretch = np.sqrt(1 - ellipticity)  # b / r and r / a
    major = (x * np.cos(turn) + y * np.sin(turn)) * stretch / radius
    minor = (y * np.cos(turn) - x * np.sin(turn)) / stretch / radius
    dipole = 1 + asymmetry * (major * np.cos(bright_side) + minor * np.sin(bright_side))
    lumps = np.exp(TURBULENCE * turbulence(n, rng) - TURBULENCE**2 / 2)
    level = np.exp(SCATTER * rng.standard_normal((n, 1, 1), np.float32) - SCATTER**2 / 2)
    u = np.hypot(major, minor)
    found = (limb_profile(u, thickness) * np.where(u < 1, dipole, 0) * lumps * level).astype("f4")
    return found, np.stack([turn, bright_side], axis=1)[..., 0, 0]


def observed(sky: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the telescope's noise, to real and to generated skies alike.

    Parameters
    ----------
    sky : ndarray
        Smoothed by the beam.
    rng : numpy Generator

    Returns
    -------
    ndarray, float32
    """
    return sky + NOISE * rng.standard_normal(np.shape(sky), np.float32)


def scaled(image: Tensor) -> Tensor:
    """Scale brightness as the discriminator sees it: one invertible function, equal for all images.

    Linear where there is little but noise, logarithmic where it is bright. An image's own minimum
    and maximum would hide how bright it is.

    Parameters
    ----------
    image : Tensor

    Returns
    -------
    Tensor
    """
    return (2 * image).asinh()


def unscaled(value: Tensor) -> Tensor:
    """Invert `scaled`.

    Parameters
    ----------
    value : Tensor

    Returns
    -------
    Tensor
    """
    return value.sinh() / 2
