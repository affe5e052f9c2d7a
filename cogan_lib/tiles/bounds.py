"""What a network is given, and what of its answer is kept: cut off near what it was trained on.

Networks extrapolate without shame, so something must stop them; but a sky is brighter somewhere
than the training tiles are, so nothing stops *at* their extremes. How often a bound bites is
counted, and a generated sky's header tells it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..base.files import CoganError
from .scaling import PatchMinMax, Scaling, scale

#: How far beyond the extremes of the training tiles a network's inputs and its answers may go, in
#: standard deviations of the scaled values. With the shipped weights, whose training ends at 124 K
#: km/s, dust goes beyond in the Galactic centre: 0.5 for both (252 K km/s) makes CO there that is
#: nearer to the real one than 0, and 1.0 or 3.0 no nearer. In Orion and rho Ophiuchi generators of
#: members go as far as they may: beyond 1000 K km/s beside a real 30 to 50.
HEADROOM = 0.5
#: A pixel of a joined map counts as cut off from this share of the bound on: splines ripple there.
_AT = 0.99


def scale_inputs(tiles: np.ndarray, scalings: list[Scaling | PatchMinMax]) -> np.ndarray:
    """Cut a network's inputs off at their bounds (`Scaling.bound`), and scale them.

    Parameters
    ----------
    tiles : ndarray, shape (n, channels, npix, npix)
        Physical units.
    scalings : list of Scaling or PatchMinMax
        One per channel.

    Returns
    -------
    ndarray, shape (n, channels, npix, npix), float32
    """
    known = [s.bound(tiles[:, i], HEADROOM) for i, s in enumerate(scalings)]
    return scale(np.stack(known, axis=1), scalings)


def to_physical(
    generated: np.ndarray,
    scaling: Scaling | PatchMinMax,
    real: np.ndarray | None = None,
    least: float = 0.0,
) -> np.ndarray:
    """Bring a generator's output for one line from scaled units to K km/s.

    It is cut off beyond the range of the training tiles (`Scaling.bound`) and is never negative:
    the noise of the training tiles goes below zero, an emission does not. The per-patch scaling has
    no amplitude of its own and takes that of the real tiles.

    Parameters
    ----------
    generated, real : ndarray, shape (n, npix, npix)
        Scaled units, and K km/s.
    scaling : Scaling or PatchMinMax
    least : float
        Below this nothing is left [K km/s]. A generator that makes maps as the survey has them,
        noise included, may go below zero (-inf); without it their mean would be too bright.

    Returns
    -------
    ndarray, shape (n, npix, npix), float64

    Raises
    ------
    CoganError
        If the scaling is per patch and there are no real tiles.
    """
    generated = generated.astype(np.float64)
    if isinstance(scaling, PatchMinMax):
        if real is None:
            raise CoganError("The minmax scaling has no amplitude of its own; give the real tiles.")
        return scaling.inverse(generated, scaling.extremes(real.astype(np.float64)))
    return scaling.bound(scaling.inverse(generated), HEADROOM).clip(least)


def count_cut_off(
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    scalings: Mapping[str, Scaling | PatchMinMax],
) -> dict[str, int]:
    """Count the pixels of a sky at which a generator's inputs or its answer were cut off.

    Parameters
    ----------
    inputs, outputs : mapping of str to ndarray, shape (npix,)
        Columns in physical units: those that it was given, and what became of its answers.
    scalings : mapping of str to Scaling or PatchMinMax
        Of all these columns.

    Returns
    -------
    dict
        Numbers of pixels, as a sky file's header has them: ``cutbelow`` and ``cutabove``, where at
        least one input lies below or above its bound; ``atbound``, where at least one output is at
        its upper bound (99 % of it, as joining leaves no value exact).

    Examples
    --------
    >>> scalings = {"DUST": Scaling("log", 0.1, 0.0, 1.0, low=0.1, high=10.0)}
    >>> count_cut_off({"DUST": np.array([0.01, 1.0, 20.0, 40.0])}, {}, scalings)
    {'cutbelow': 1, 'cutabove': 1, 'atbound': 0}
    """

    def some(of_columns: list[np.ndarray]) -> int:
        return int(np.logical_or.reduce(of_columns).sum()) if of_columns else 0

    given = [(values, *scalings[name].limits(HEADROOM)) for name, values in inputs.items()]
    made = [(values, scalings[name].limits(HEADROOM)[1]) for name, values in outputs.items()]
    return {
        "cutbelow": some([values < low for values, low, _ in given]),
        "cutabove": some([values > high for values, _, high in given]),
        "atbound": some([values >= _AT * high for values, high in made]),
    }
