"""Scalings that are fitted to a sky itself, not to tiles of it.

Where training tiles lie at random places, scalings that are fitted to them change with every draw,
and with them what "the same scaling" means. The sky's own pixels do not.
"""

from __future__ import annotations

from dataclasses import replace

import healpy as hp
import numpy as np

from ..base.units import CO_SOFTENING
from ..sky.skyfile import Sky
from .poses import HIGHEST_DEG
from .scaling import Scaling, tracer_scaling
from .split import distance_to_block

#: Mean and standard deviation are those within so many degrees of the plane, where CO is.
BRIGHT_DEG = 30.0


def map_scalings(
    sky: Sky, held_out: tuple[tuple[float, float], ...], guard_deg: float
) -> dict[str, Scaling]:
    """Fit a scaling to each tracer and each CO line, outside held-out longitudes.

    Parameters
    ----------
    sky : Sky
    held_out : tuple of (float, float)
        Blocks of longitude in degrees.
    guard_deg : float
        Pixels keep this distance from them.

    Returns
    -------
    dict of str to Scaling
        Logarithm for the tracers, asinh for CO. Its extremes (`Scaling.bound`) are those within 75
        degrees of the plane, where training tiles may lie.

    Raises
    ------
    CoganError
        If a column has no positive value there, or all values are alike.
    """
    lon, lat = hp.pix2ang(sky.nside, np.arange(hp.nside2npix(sky.nside)), lonlat=True)
    near = np.min([distance_to_block(lon, lat, block) for block in held_out], axis=0)
    seen = (near >= guard_deg) & (np.abs(lat) < HIGHEST_DEG)
    bright, scalings = seen & (np.abs(lat) < BRIGHT_DEG), {}
    for name in (*sky.inputs, *sky.targets):
        values = sky.maps[name].astype(np.float64)
        if name in sky.targets:
            scaling = Scaling.fit("asinh", values[bright], CO_SOFTENING)
        else:
            scaling = tracer_scaling(values[bright], values)
        ends = float(values[seen].min()), float(values[seen].max())
        scalings[name] = replace(scaling, low=ends[0], high=ends[1])
    return scalings
