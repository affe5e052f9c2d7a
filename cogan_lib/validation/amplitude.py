"""Amplitudes: the scale on which they are compared, and the variance that a prediction explains.

W is in K km/s. As CO spans decades, amplitudes are compared as y = asinh(W / 0.3 K km/s): linear at
the noise, logarithmic above.
"""

from __future__ import annotations

import numpy as np

from ..base.checks import check_alike
from ..base.files import CoganError
from ..base.units import CO_SOFTENING


def asinh_scale(w: np.ndarray) -> np.ndarray:
    """y = asinh(W / 0.3 K km/s), float64."""
    return np.arcsinh(np.asarray(w, dtype=np.float64) / CO_SOFTENING)


def middle_of(members: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """The W whose asinh(W / 0.3 K km/s) is the mean over the members, the first axis."""
    return CO_SOFTENING * np.sinh(np.mean([asinh_scale(w) for w in members], axis=0))


def r2_score(real: np.ndarray, predicted: np.ndarray) -> float:
    """1 - sum (y_real - y_predicted)^2 / sum (y_real - mean)^2 with y = asinh(W / 0.3 K km/s)."""
    real, predicted = check_alike("R2", real, predicted)
    y = asinh_scale(real)
    residual, variance = ((y - asinh_scale(predicted)) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    if not variance > 0:
        raise CoganError(
            "The real values are all alike, so no share of their variance is explained."
        )
    return float(1 - residual / variance)
