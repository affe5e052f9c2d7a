"""What a point-like source looks like: Gaussian, Airy and Moffat beams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ...base.files import CoganError

BEAMS = ("gaussian", "airy", "moffat")
MOFFAT_BETA = 3.0  # exponent of the wings
AIRY_HALF = 1.616339948  # where (2 J1(v) / v)^2 is one half
MIN_FWHM_PX = 2.0  # at least 2 pixels per FWHM


@dataclass(frozen=True)
class Beam:
    """A point-like source's shape.

    Attributes
    ----------
    kind : {"gaussian", "airy", "moffat"}
    fwhm_px : float
        Geometric mean of the widths along both axes [pixels]; at least 2.
    elongation : float
        Long over short axis.
    angle_deg : float
        Of the long axis, from the columns' axis (x) towards the rows' axis (y).

    Raises
    ------
    CoganError
        If the kind is unknown, or a number is out of range.
    """

    kind: str
    fwhm_px: float
    elongation: float = 1.0
    angle_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in BEAMS:
            raise CoganError(f"The beam is {self.kind!r}; it may be {', '.join(BEAMS)}.")
        if not MIN_FWHM_PX <= self.fwhm_px < np.inf:
            raise CoganError(
                f"The beam's FWHM is {self.fwhm_px:g} pixels; a source needs at least "
                f"{MIN_FWHM_PX:g} pixels per FWHM."
            )
        if not (1 <= self.elongation < np.inf and np.isfinite(self.angle_deg)):
            raise CoganError(
                f"The beam's elongation is {self.elongation:g}, at an angle of "
                f"{self.angle_deg:g} degrees; it is the long over the short axis, 1 or more."
            )

    @property
    def area_px(self) -> float:
        """Sum of an untruncated image of peak 1 [pixels]."""
        if self.kind == "gaussian":
            return np.pi * self.fwhm_px**2 / (4 * np.log(2))
        if self.kind == "airy":
            return np.pi * (self.fwhm_px / AIRY_HALF) ** 2
        return np.pi * self._moffat_width**2 / (MOFFAT_BETA - 1)

    def image(self, side: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Draw the beam.

        Parameters
        ----------
        side : int
            Of the image [pixels].
        x, y : float or ndarray, shape (...)
            Centre: column and row.

        Returns
        -------
        ndarray, shape (..., side, side)
            Its peak is 1, at the centre.
        """
        x, y = (np.asarray(at, dtype=float)[..., None, None] for at in (x, y))
        return self._at(np.arange(side) - x, np.arange(side)[:, None] - y)

    def profile(self, radius_px: np.ndarray) -> np.ndarray:
        """Compute the brightness of the round beam at a distance from its centre.

        Parameters
        ----------
        radius_px : ndarray

        Returns
        -------
        ndarray, shaped as the radius
        """
        radius_px = np.asarray(radius_px, dtype=float)
        if self.kind == "gaussian":
            return np.exp(-4 * np.log(2) * (radius_px / self.fwhm_px) ** 2)
        if self.kind == "airy":
            v = np.maximum(2 * AIRY_HALF / self.fwhm_px * radius_px, 1e-9)
            return (2 * special.j1(v) / v) ** 2
        return (1 + (radius_px / self._moffat_width) ** 2) ** -MOFFAT_BETA

    def distorted(self, dx: np.ndarray, dy: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Compute the brightness of a beam that is wider, longer or elsewhere than stated.

        Parameters
        ----------
        dx, dy : ndarray, shape (...)
            Columns and rows from the stated centre.
        shape : ndarray, shape (..., 5)
            Natural logarithm of the width over the stated one; two distortions, along the axes and
            along the diagonals, that leave the area as it is; columns and rows of the centre.

        Returns
        -------
        ndarray, shape (...)
            The peak is 1.
        """
        wider, plus, cross, right, up = np.moveaxis(shape, -1, 0)
        # The exponential of a symmetric matrix without a trace
        size = np.hypot(plus, cross)
        strain = np.where(size > 0, np.sinh(size) / np.where(size > 0, size, 1), 1)
        level, narrow = np.cosh(size), np.exp(-wider)
        dx, dy = dx - right, dy - up
        return self._at(
            narrow * ((level - strain * plus) * dx - strain * cross * dy),
            narrow * ((level + strain * plus) * dy - strain * cross * dx),
        )

    def _at(self, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        angle = np.radians(self.angle_deg)
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / np.sqrt(self.elongation)
        across = (dy * np.cos(angle) - dx * np.sin(angle)) * np.sqrt(self.elongation)
        return self.profile(np.hypot(along, across))

    @property
    def _moffat_width(self) -> float:
        return self.fwhm_px / (2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
