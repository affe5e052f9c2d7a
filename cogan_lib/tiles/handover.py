"""Weights with which neighbouring tiles are joined, for any width of the zone of hand-over.

`joining.Joiner` uses one width, `joining.BLEND`. Here it can be varied, to see what it costs.
"""

from __future__ import annotations

import numpy as np

from ..base.checks import check_positive


def weights(points: np.ndarray, centres: np.ndarray, spacing: float, blend: float) -> np.ndarray:
    """Compute the normalised weights exp(-d^2 / (D b)) of tiles at points of the sky.

    Parameters
    ----------
    points : ndarray, shape (..., 3)
        Unit vectors.
    centres : ndarray, shape (n, 3)
        Of the tiles.
    spacing : float
        D, the spacing of the centres in radians.
    blend : float
        b / D; near 0 each point belongs to the nearest centre.

    Returns
    -------
    ndarray, shape (n, ...)
        They sum to 1 over the tiles.

    Raises
    ------
    CoganError
        If spacing or blend is not positive.

    Examples
    --------
    >>> x, y = np.eye(3)[:2]
    >>> weights((x + y)[None] / np.sqrt(2), np.stack([x, y]), 1.0, 0.05).ravel()
    array([0.5, 0.5])
    """
    check_positive(spacing=spacing, blend=blend)
    closeness = np.moveaxis(points @ centres.T, -1, 0)  # d^2 = 2 - 2 closeness
    ahead = 2 * (closeness - closeness.max(axis=0)) / (spacing**2 * blend)
    raw = np.exp(np.maximum(ahead, -700))
    return raw / raw.sum(axis=0)


def power_kept(of_tiles: np.ndarray) -> np.ndarray:
    """Tell what joining leaves of the power on which tiles disagree: the sum of squared weights.

    Parameters
    ----------
    of_tiles : ndarray, shape (n, ...)
        From `weights`.

    Returns
    -------
    ndarray, shape (...)
        1 where one tile alone speaks.
    """
    return (of_tiles**2).sum(axis=0)
