"""Where sources are hidden: rings, holes by signal to noise, and the blending at a hole's rim."""

from __future__ import annotations

import numpy as np

#: Inner and outer edge of the ring [FWHM]; 10 and 22 pixels, the document's, for a beam of 4.
RING_FWHM = (2.5, 5.5)


def ring(
    side: int, inner_px: float, outer_px: float, x: float | None = None, y: float | None = None
) -> np.ndarray:
    """Find the pixels of a ring around a source.

    Parameters
    ----------
    side : int
        Of the cut-out.
    inner_px, outer_px : float
        Radii, both within the ring.
    x, y : float, optional
        The source; pixel (side // 2, side // 2) unless given.

    Returns
    -------
    ndarray of bool, shape (side, side)
    """
    x, y = (side // 2 if at is None else at for at in (x, y))
    radius = np.hypot(np.arange(side)[None] - x, np.arange(side)[:, None] - y)
    return (radius >= inner_px) & (radius <= outer_px)
