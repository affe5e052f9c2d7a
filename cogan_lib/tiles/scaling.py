"""Amplitudes to network units and back: global, invertible scalings, and the paper's per-patch one.

A global scaling is fitted once on the training tiles and stored with the weights, so that K km/s
come out of a network that works in units of one. The paper scales every patch by its own
extremes; then the amplitude is gone, and only the target itself can give it back.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import numpy as np

from ..base.files import CoganError


@dataclass(frozen=True)
class Scaling:
    """(f(x) - mean) / std, f being log10 (floored at `softening`) or asinh(x / softening).

    `low` and `high` are the extremes, in physical units, of what it was fitted to; see `bound`.
    """

    kind: str
    softening: float
    mean: float
    std: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        numbers = self.softening, self.mean, self.std, self.low or 0.0, self.high or 0.0
        positive = min(self.softening, self.std) > 0
        if self.kind not in ("log", "asinh") or not np.isfinite(numbers).all() or not positive:
            raise CoganError(
                f"{self} does not describe a scaling; kind is log or asinh, softening and std are "
                "positive and finite."
            )

    @classmethod
    def fit(cls, kind: str, values: np.ndarray, softening: float | None = None) -> Scaling:
        """Fit to `values` (any shape, physical units).

        `softening` is in the unit of the values; for 'log' it defaults to half the smallest
        positive value.

        Raises
        ------
        CoganError
            Unknown kind; values that are not finite, not positive anywhere (log), or all alike.
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
        if not std > 0:
            raise CoganError("A scaling cannot be fitted to values that are all alike.")
        ends = float(values.min()), float(values.max())
        return cls(kind, float(softening), float(unscaled.mean()), std, *ends)

    def forward(self, x):
        """Physical units to network units; numpy arrays and torch tensors alike."""
        lib = np if isinstance(x, np.ndarray) else sys.modules["torch"]
        if self.kind == "log":
            curved = lib.log10(lib.clip(x, self.softening, None))
        else:
            curved = lib.arcsinh(x / self.softening)
        return (curved - self.mean) / self.std

    def inverse(self, y):
        """Network units to physical units."""
        lib = np if isinstance(y, np.ndarray) else sys.modules["torch"]
        curved = y * self.std + self.mean
        return 10.0**curved if self.kind == "log" else self.softening * lib.sinh(curved)

    def bound(self, x):
        """Physical units, cut off at the extremes of the values that the scaling was fitted to.

        A network knows nothing beyond them, and sinh or 10^y would turn its guess into a spike.
        """
        return x if self.low is None else x.clip(self.low, self.high)

    def to_dict(self) -> dict:
        """Plain types, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PatchMinMax:
    """The paper's scaling: each patch and channel from its own [min, max] to [-1, 1]."""

    kind: str = "minmax"

    @staticmethod
    def bound(x):
        """As it is: no range was fitted."""
        return x

    @staticmethod
    def extremes(x):
        """Minimum and maximum of each image, shape (..., 2, 1, 1)."""
        lib = np if isinstance(x, np.ndarray) else sys.modules["torch"]
        return lib.stack([lib.amin(x, (-2, -1)), lib.amax(x, (-2, -1))], -1)[..., None, None]

    def forward(self, x):
        """Physical units to [-1, 1]; the amplitude is lost."""
        ends = self.extremes(x)
        low, high = ends[..., 0, :, :], ends[..., 1, :, :]
        return 2 * (x - low) / (high - low + 1e-30) - 1

    def inverse(self, y, extremes):
        """[-1, 1] to physical units, given somebody's extremes."""
        low, high = extremes[..., 0, :, :], extremes[..., 1, :, :]
        return low + (y + 1) / 2 * (high - low)

    def to_dict(self) -> dict:
        """Plain types, for JSON."""
        return asdict(self)


def to_physical(
    made: np.ndarray,
    scaling: Scaling | PatchMinMax,
    real: np.ndarray | None = None,
) -> np.ndarray:
    """A generator's output for one line, from scaled units to K km/s.

    It is kept within the range of the training tiles (`Scaling.bound`) and is never negative: the
    noise of the training tiles goes below zero, an emission does not. The per-patch scaling has no
    amplitude of its own and takes that of the real tiles.

    Parameters
    ----------
    made, real : ndarray, shape (n, npix, npix)
    scaling : Scaling or PatchMinMax

    Returns
    -------
    ndarray, shape (n, npix, npix), float64
    """
    made = made.astype(np.float64)
    if isinstance(scaling, PatchMinMax):
        if real is None:
            raise CoganError("The minmax scaling has no amplitude of its own; give the real tiles.")
        return scaling.inverse(made, scaling.extremes(real.astype(np.float64)))
    return scaling.bound(scaling.inverse(made)).clip(0)


def scaling_from_dict(content: dict) -> Scaling | PatchMinMax:
    """The scaling that `to_dict` wrote; anything else is a `CoganError`."""
    try:
        if content["kind"] == "minmax":
            return PatchMinMax()
        numbers = [float(content[key]) for key in ("softening", "mean", "std")]
        ends = [content.get(key) for key in ("low", "high")]
        numbers += [None if end is None else float(end) for end in ends]
    except (KeyError, TypeError, ValueError) as error:
        raise CoganError(f"{content!r} does not describe a scaling ({error}).") from error
    return Scaling(str(content["kind"]), *numbers)
