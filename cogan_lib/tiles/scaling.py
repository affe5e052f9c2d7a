"""Amplitudes to network units and back: global, invertible scalings, and the paper's own.

A global scaling is fitted once on the training tiles and stored with the weights, so that K km/s
come out of a network that works in units of one. The paper scales every patch by its own
extremes; then the amplitude is gone, and only the target itself can give it back.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass

import numpy as np

from ..base.files import CoganError

#: Values that vary by less, on the curved scale, are all alike: it is what cutting and rounding do.
LEAST_STD = 1e-4
#: Tiles scaled at once: bounds the memory that double precision takes.
_TOGETHER = 256


def _library(x: object):
    """NumPy, or torch for its tensors, without importing it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(x, torch.Tensor) else np


def _array(x: object):
    """Turn plain numbers and lists into an array; tensors and arrays stay."""
    return x if hasattr(x, "clip") else np.asarray(x, dtype=np.float64)


@dataclass(frozen=True)
class Scaling:
    """(f(x) - mean) / std, f being log10 (floored at `softening`) or asinh(x / softening).

    Attributes
    ----------
    kind : {'log', 'asinh'}
        f is log10, floored at `softening`, or asinh(x / softening).
    softening : float
        In the unit of the values.
    mean, std : float
        Of f over the values that it was fitted to.
    low, high : float, optional
        The extremes, in physical units, of what it was fitted to; see `bound`.

    Examples
    --------
    >>> scaling = Scaling.fit("asinh", np.array([0.0, 0.3, 30.0]), softening=0.3)
    >>> y = scaling.forward(np.array([0.3, 30.0]))
    >>> scaling.inverse(y).round(6)
    array([ 0.3, 30. ])
    """

    kind: str
    softening: float
    mean: float
    std: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that describe no scaling."""
        numbers = self.softening, self.mean, self.std, self.low or 0.0, self.high or 0.0
        positive = min(self.softening, self.std) > 0
        if self.kind not in ("log", "asinh") or not np.isfinite(numbers).all() or not positive:
            raise CoganError(
                f"{self} does not describe a scaling; kind is log or asinh, softening and std are "
                "positive and finite."
            )

    @classmethod
    def fit(cls, kind: str, values: np.ndarray, softening: float | None = None) -> Scaling:
        """Fit to values in physical units.

        Parameters
        ----------
        kind : {'log', 'asinh'}
        values : array_like, any shape
        softening : float, optional
            In the unit of the values; by default, for 'log', half the smallest positive value.

        Returns
        -------
        Scaling

        Raises
        ------
        CoganError
            Unknown kind; values that are not finite, not positive anywhere (log), or all alike.

        Examples
        --------
        >>> Scaling.fit("log", np.array([1.0, 100.0])).mean
        1.0
        """
        if kind not in ("log", "asinh"):
            raise CoganError(f"Scaling {kind!r} is unknown; choose 'log' or 'asinh'.")
        if np.asarray(values).dtype.kind not in "fiu":
            raise CoganError("A scaling needs real numbers; convert the values first.")
        values = np.asarray(values, dtype=np.float64)
        if values.size == 0 or not np.isfinite(values).all():
            raise CoganError(
                "A scaling needs finite values; there are NaN, infinities or none at all."
            )
        if softening is None:
            positive = values[values > 0]
            if positive.size == 0:
                raise CoganError("A log scaling needs positive values; there are none.")
            softening = float(positive.min()) / 2
        if not 0 < softening < np.inf:
            raise CoganError(f"The softening is {softening}; it must be positive and finite.")
        unscaled = cls(kind, float(softening), 0.0, 1.0).forward(values)
        std = float(unscaled.std())
        if not std > LEAST_STD:
            raise CoganError("A scaling cannot be fitted to values that are all alike.")
        ends = float(values.min()), float(values.max())
        return cls(kind, float(softening), float(unscaled.mean()), std, *ends)

    def forward(self, x):
        """Scale physical units to network units.

        Parameters
        ----------
        x : ndarray or Tensor

        Returns
        -------
        ndarray or Tensor, shaped as `x`
        """
        lib = _library(x)
        if self.kind == "log":
            curved = lib.log10(lib.clip(_array(x), self.softening, None))
        else:
            curved = lib.arcsinh(_array(x) / self.softening)
        return (curved - self.mean) / self.std

    def inverse(self, y):
        """Scale network units to physical units.

        Parameters
        ----------
        y : ndarray or Tensor

        Returns
        -------
        ndarray or Tensor, shaped as `y`
        """
        lib, y = _library(y), _array(y)
        curved = y * self.std + self.mean
        return 10.0**curved if self.kind == "log" else self.softening * lib.sinh(curved)

    def limits(self, headroom: float = 0.0) -> tuple[float, float]:
        """Say where `bound` cuts off.

        Parameters
        ----------
        headroom : float
            How far beyond the extremes, in standard deviations of the scaled values.

        Returns
        -------
        low, high : float
            Physical units; infinite for a scaling that knows no extremes.

        Examples
        --------
        >>> scaling = Scaling.fit("log", np.array([1.0, 100.0]))
        >>> [round(end, 2) for end in scaling.limits(headroom=0.5)]
        [0.32, 316.23]
        """
        if self.low is None:
            return -math.inf, math.inf
        if not headroom:
            return self.low, self.high
        ends = self.forward(self.low) - headroom, self.forward(self.high) + headroom
        return float(self.inverse(ends[0])), float(self.inverse(ends[1]))

    def bound(self, x, headroom: float = 0.0):
        """Cut physical units off near the extremes of the values that the scaling was fitted to.

        Not at them, if `headroom` says so: the brightest tile of the training is not the brightest
        of the sky. But a bound there must be, since sinh and 10^y turn a guess into a spike.

        Parameters
        ----------
        x : ndarray or Tensor
        headroom : float
            As for `limits`; of networks, see `bounds`.

        Returns
        -------
        ndarray or Tensor, shaped as `x`
        """
        return x if self.low is None else _array(x).clip(*self.limits(headroom))

    def to_dict(self) -> dict:
        """Give plain types, for JSON.

        Returns
        -------
        dict
        """
        return asdict(self)


def tracer_scaling(values: np.ndarray, whole: np.ndarray) -> Scaling:
    """Fit the logarithm to a tracer, with a floor far below its sky.

    Harmonic sums may ring below zero beside bright points; what is below the lowest thousandth of
    the whole map counts as that.

    Parameters
    ----------
    values : ndarray
        That the scaling is fitted to.
    whole : ndarray
        The whole map.

    Returns
    -------
    Scaling
    """
    floor = float(np.percentile(whole, 0.1))
    return Scaling.fit("log", values, floor if floor > 0 else None)


@dataclass(frozen=True)
class PatchMinMax:
    """The paper's scaling: each patch and channel from its own [min, max] to [-1, 1].

    Attributes
    ----------
    kind : 'minmax'
        Told apart by it from `Scaling` in a file.
    """

    kind: str = "minmax"

    @staticmethod
    def limits(headroom: float = 0.0) -> tuple[float, float]:
        """Say that there are no bounds: no range was fitted (`Scaling.limits`)."""
        return -math.inf, math.inf

    @staticmethod
    def bound(x, headroom: float = 0.0):
        """Leave values as they are (`Scaling.bound`)."""
        return x

    @staticmethod
    def extremes(x):
        """Find minimum and maximum of each image.

        Parameters
        ----------
        x : ndarray or Tensor, shape (..., npix, npix)

        Returns
        -------
        ndarray or Tensor, shape (..., 2, 1, 1)
        """
        lib = _library(x)
        return lib.stack([lib.amin(x, (-2, -1)), lib.amax(x, (-2, -1))], -1)[..., None, None]

    def forward(self, x):
        """Scale each image to [-1, 1]; the amplitude is lost.

        Parameters
        ----------
        x : ndarray or Tensor, shape (..., npix, npix)

        Returns
        -------
        ndarray or Tensor, shaped as `x`
        """
        ends = self.extremes(x)
        low, high = ends[..., 0, :, :], ends[..., 1, :, :]
        return 2 * (x - low) / (high - low + 1e-30) - 1

    def inverse(self, y, extremes):
        """Scale [-1, 1] to physical units, given somebody's extremes.

        Parameters
        ----------
        y : ndarray or Tensor, shape (..., npix, npix)
        extremes : ndarray or Tensor, shape (..., 2, 1, 1)

        Returns
        -------
        ndarray or Tensor, shaped as `y`
        """
        low, high = extremes[..., 0, :, :], extremes[..., 1, :, :]
        return low + (y + 1) / 2 * (high - low)

    def to_dict(self) -> dict:
        """Give plain types, for JSON.

        Returns
        -------
        dict
        """
        return asdict(self)


def scale(
    tiles: np.ndarray,
    scalings: list[Scaling | PatchMinMax],
    numbers: np.ndarray | None = None,
) -> np.ndarray:
    """Scale tiles, each channel by its own scaling.

    Parameters
    ----------
    tiles : ndarray, shape (n, channels, npix, npix)
        Physical units.
    scalings : list of Scaling or PatchMinMax
        One per channel.
    numbers : ndarray of int, optional
        Of the tiles to scale, all by default: so a split is scaled without a copy of it.

    Returns
    -------
    ndarray, shape (len(numbers), channels, npix, npix), float32

    Examples
    --------
    >>> tiles = np.linspace(0, 5, 12, dtype=np.float32).reshape(3, 1, 2, 2)
    >>> scale(tiles, [PatchMinMax()], np.array([2])).round(2)[0, 0]
    array([[-1.  , -0.33],
           [ 0.33,  1.  ]], dtype=float32)
    """
    numbers = np.arange(len(tiles)) if numbers is None else numbers
    scaled = np.empty((len(numbers), len(scalings), *tiles.shape[2:]), dtype=np.float32)
    for start in range(0, len(numbers), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        for i, scaling in enumerate(scalings):
            scaled[part, i] = scaling.forward(tiles[numbers[part], i].astype(np.float64))
    return scaled


def scaling_from_dict(content: dict) -> Scaling | PatchMinMax:
    """Make the scaling that `to_dict` wrote.

    Parameters
    ----------
    content : dict

    Returns
    -------
    Scaling or PatchMinMax

    Raises
    ------
    CoganError
        If it describes none.

    Examples
    --------
    >>> scaling_from_dict({"kind": "minmax"})
    PatchMinMax(kind='minmax')
    """
    try:
        if content["kind"] == "minmax":
            return PatchMinMax()
        numbers = [float(content[key]) for key in ("softening", "mean", "std")]
        ends = [content.get(key) for key in ("low", "high")]
        numbers += [None if end is None else float(end) for end in ends]
    except (KeyError, TypeError, ValueError) as error:
        raise CoganError(f"{content!r} does not describe a scaling ({error}).") from error
    return Scaling(str(content["kind"]), *numbers)
