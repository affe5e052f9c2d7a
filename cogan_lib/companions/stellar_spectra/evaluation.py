"""How good the spectra are: chi^2, lines, the latent numbers' meaning, and what does not fit."""

from __future__ import annotations

import numpy as np

from .physics import SIGMA


def chi2_per_pixel(flux: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Compare spectra with models of them, in units of the known noise.

    Parameters
    ----------
    flux, model : ndarray, shape (n, PIXELS)

    Returns
    -------
    ndarray, shape (n,)
        Mean over the pixels of ((flux - model) / sigma)^2: 1 if the model is right.
    """
    return (((flux - model) / SIGMA) ** 2).mean(axis=1)
