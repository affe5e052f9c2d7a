"""Four numbers that say what an image shows, measured; of a generated one nothing else is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ...base.files import CoganError

#: Smoothing before the outline is drawn [pixels], the least brightness that is not noise, and the
#: share of a region's mean brightness at its outline.
SMOOTH_PX, FAINTEST, OUTLINE = 1.5, 0.06, 0.2
#: By what beam and smoothing move the outline outwards [pixels].
OUTWARDS_PX = 1.4
#: Rounds in which the dipole found is divided out before the outline is drawn anew, because a dark
#: side's outline lies too far inside and hides half of the asymmetry; the least that is divided by.
ROUNDS, DARKEST = 3, 0.25
#: Middle and limb of a region meet here, over its radius.
MIDDLE = 0.5
#: Thicknesses for which the ratio of brightness of middle and limb is known.
TABLE = np.linspace(0.02, 1.0, 99)


def shape_numbers(images: np.ndarray) -> np.ndarray:
    """Measure the shapes of regions in images with noise.

    Radius and ellipticity are those of the outline: its area and the ratio of the axes of its
    second moments. In its elliptical coordinates u, the thickness is that of the shell with this
    ratio of mean brightness within u = 0.5 and beyond, and the asymmetry,
    ``2 |sum I u| / sum I u^2``, the amplitude of a dipole ``I_0(|u|) (1 + A.u)``.

    Parameters
    ----------
    images : ndarray, shape (n, h, w)
        Brightness.

    Returns
    -------
    ndarray, shape (n, 4)
        `physics.SHAPES`: radius [pixels], thickness, ellipticity, asymmetry. An image without a
        region has zeros.

    Raises
    ------
    CoganError
        If these are no images.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 3 or not np.isfinite(images).all():
        raise CoganError(f"Shapes are measured in finite images (n, h, w), not {images.shape}.")
    smooth = gaussian_filter(images, (0, SMOOTH_PX, SMOOTH_PX))
    flat = smooth
    for _ in range(ROUNDS):
        frame = _frame(flat, smooth > FAINTEST)
        bright = np.where(frame.within, images, 0)
        weight = 2 / np.maximum((bright * frame.r2).sum((1, 2)), 1e-6)
        dipole = [weight * (bright * axis).sum((1, 2)) for axis in (frame.u, frame.v)]
        slope = _over(dipole[0]) * frame.u + _over(dipole[1]) * frame.v
        slope /= np.sqrt(np.maximum(frame.r2, 1))  # no steeper beyond the limb
        flat = smooth / np.maximum(1 + slope, DARKEST)
    middle = frame.r2 < MIDDLE**2
    inner, outer = (
        np.where(part, images, 0).sum((1, 2)) for part in (middle, frame.within & ~middle)
    )
    ratio = inner / MIDDLE**2 / np.maximum(outer / (1 - MIDDLE**2), 1e-6)
    thickness = np.interp(ratio, middle_over_limb(TABLE), TABLE)
    radius, ellipticity = np.sqrt(frame.a * frame.b), 1 - frame.b / frame.a
    found = np.stack([radius, thickness, ellipticity, np.hypot(*dipole)], axis=1)
    return np.where(frame.area[:, None] > 0, found, 0.0)


def middle_over_limb(thickness: np.ndarray) -> np.ndarray:
    """Compute the ratio of a shell's mean brightness within `MIDDLE` of its radius and beyond.

    The integral of `physics.limb_profile` over a disc of radius u is 1 - (1 - u^2)^(3/2) for the
    sphere, less the like for the hollow.

    Parameters
    ----------
    thickness : ndarray

    Returns
    -------
    ndarray
        From 0.46 (thin) to 1.62 (filled).
    """
    hollow = 1 - np.asarray(thickness, float)
    gone = np.maximum(hollow**2 - MIDDLE**2, 0) ** 1.5
    inner = 1 - (1 - MIDDLE**2) ** 1.5 - (hollow**3 - gone)
    outer = 1 - hollow**3 - inner
    return inner / MIDDLE**2 / (outer / (1 - MIDDLE**2))


@dataclass(frozen=True)
class _Frame:
    """Elliptical coordinates (u, v) of each image's region, r2 = u^2 + v^2, and its half axes."""

    area: np.ndarray
    a: np.ndarray
    b: np.ndarray
    u: np.ndarray
    v: np.ndarray
    r2: np.ndarray
    within: np.ndarray


def _frame(smooth: np.ndarray, seen: np.ndarray) -> _Frame:
    mean = np.where(seen, smooth, 0).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    inside = seen & (smooth > _over(OUTLINE * mean))
    area = inside.sum((1, 2))
    y, x = np.indices(smooth.shape[1:], dtype=np.float32)
    weight = inside / _over(np.maximum(area, 1))
    dx, dy = (axis - _over((weight * axis).sum((1, 2))) for axis in (x, y))
    xx, yy, xy = ((weight * p * q).sum((1, 2)) for p, q in ((dx, dx), (dy, dy), (dx, dy)))
    spread = np.hypot((xx - yy) / 2, xy)
    # An ellipse of half axes a, b has variances a^2 / 4, b^2 / 4.
    a, b = (2 * np.sqrt(np.maximum((xx + yy) / 2 + s * spread, 1e-6)) for s in (1, -1))
    a, b = (np.maximum(axis - OUTWARDS_PX, 1.0) for axis in (a, b))
    turn = _over(np.arctan2(2 * xy, xx - yy) / 2)
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / _over(a)
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / _over(b)
    r2 = u * u + v * v
    within = r2 < _over(1 + 2 * OUTWARDS_PX / a) ** 2  # what the beam moved out, too
    return _Frame(area, a, b, u, v, r2, within)


def _over(values: np.ndarray) -> np.ndarray:
    """Give each image's number the axes of its pixels."""
    return np.asarray(values, np.float32)[:, None, None]
