"""One number a line that undoes the shrinking of a trained generator's amplitudes.

The L1 terms of the objective pull each pixel towards a median, so faint comes out too bright and
bright too faint. After training, asinh(W / 0.3 K km/s) (or log W) is multiplied by a stretch,
fitted on training tiles alone, such that made tiles have the power of the real ones.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from .networks import translate
from .patches import Patches, scale
from .scaling import PatchMinMax, Scaling
from .spectra import bin_edges, power_spectra

#: Training tiles used, evenly spread over the pile; stretches tried lie between the two ends.
MOST_TILES = 256
RANGE = (0.7, 1.4)


def to_physical(
    made: np.ndarray,
    scaling: Scaling | PatchMinMax,
    stretch: float = 1.0,
    real: np.ndarray | None = None,
) -> np.ndarray:
    """A generator's output for one line, from scaled units to K km/s.

    It is stretched, kept within the range of the training tiles (`Scaling.bound`) and never
    negative: the noise of the training tiles goes below zero, an emission does not. The per-patch
    scaling has no amplitude of its own and takes that of the real tiles.

    Parameters
    ----------
    made, real : ndarray, shape (n, npix, npix)
    scaling : Scaling or PatchMinMax
    stretch : float
        See `fit_stretch`.

    Returns
    -------
    ndarray, shape (n, npix, npix), float64
    """
    made = made.astype(np.float64)
    if isinstance(scaling, PatchMinMax):
        return scaling.inverse(made, scaling.extremes(real.astype(np.float64)))
    return scaling.bound(scaling.inverse(made, stretch)).clip(0)


def fit_stretch(generator: nn.Module, patches: Patches) -> dict[str, float]:
    """Stretch of each target column.

    It makes the mean of log10(C_ell made / C_ell real), over training tiles and the multipole bins
    within the beam, zero; a per-patch scaling has no amplitude to correct and gets 1.

    Parameters
    ----------
    generator : Module
    patches : Patches
        The training tiles alone are used.

    Returns
    -------
    dict of str to float
    """
    train = patches.select("train")
    some = slice(None, None, -(-len(train.split) // MOST_TILES))
    grid = patches.meta["geometry"]
    pixel = grid["pixel_arcmin"]
    edges, in_beam = bin_edges(grid["npix"] * pixel / 60, pixel, patches.meta["fwhm_arcmin"])
    made = translate(generator, scale(train.inputs[some], patches.input_scalings))

    def log_power(tiles: np.ndarray) -> float:
        _, spectra = power_spectra(tiles, pixel_arcmin=pixel, edges=edges)
        return float(np.mean(np.log10(np.maximum(spectra[:, in_beam], 1e-30))))

    stretch = {}
    for i, name in enumerate(patches.meta["target_columns"]):
        scaling = patches.target_scalings[i]
        if not isinstance(scaling, Scaling):
            stretch[name] = 1.0
            continue
        wanted = log_power(train.targets[some, i])
        low, high = RANGE
        for _ in range(20):  # power grows with the stretch, so halving the interval finds it
            middle = (low + high) / 2
            tiles = to_physical(made[:, i], scaling, middle)
            low, high = (middle, high) if log_power(tiles) < wanted else (low, middle)
        stretch[name] = round((low + high) / 2, 5)
    return stretch
