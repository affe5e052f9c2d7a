"""How good the spectra are: chi^2, lines, the latent numbers' meaning, and what does not fit."""

from __future__ import annotations

import numpy as np

from ...base.files import CoganError
from ...learn.compare import auc
from .data import scaled_labels
from .physics import SIGMA, WAVELENGTH_A

#: Features that are measured: the middle, and the half width of the window [Angstrom].
FEATURES = {
    "Ca II K": (3933.7, 18.0), "Hγ": (4340.5, 40.0), "Hβ": (4861.3, 40.0), "G band": (4304.0, 18.0),
    "Mg b": (5175.0, 30.0), "Na D": (5893.0, 25.0), "Hα": (6562.8, 40.0), "TiO": (7085.0, 40.0),
}  # fmt: skip
#: Share of spectra without a fault that may be called anomalous.
FALSE_ALARMS = 0.01


def chi2_per_pixel(flux: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Compare spectra with models of them, in units of the known noise.

    Parameters
    ----------
    flux, model : ndarray, shape (n, PIXELS)

    Returns
    -------
    ndarray, shape (n,)
        Mean over the pixels of ((flux - model) / sigma)^2: 1 if the model is right.

    Examples
    --------
    >>> float(chi2_per_pixel(np.ones((1, 512)) + 2 * SIGMA, np.ones((1, 512)))[0])
    4.0
    """
    return (((flux - model) / SIGMA) ** 2).mean(axis=1)


def worst_pixel(flux: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Find how far the brightest residual is above its model, in units of the noise.

    Parameters
    ----------
    flux, model : ndarray, shape (n, PIXELS)

    Returns
    -------
    ndarray, shape (n,)
    """
    return ((flux - model) / SIGMA).max(axis=1)


def line_depths(flux: np.ndarray) -> np.ndarray:
    """Measure how deep each feature is: 1 minus the mean of its three middle pixels.

    Parameters
    ----------
    flux : ndarray, shape (n, PIXELS)
        Over the continuum.

    Returns
    -------
    ndarray, shape (n, n_features)
    """
    middles = [np.abs(WAVELENGTH_A - at).argmin() for at, _ in FEATURES.values()]
    return np.stack([1 - flux[:, i - 1 : i + 2].mean(axis=1) for i in middles], axis=1)


def equivalent_widths(flux: np.ndarray) -> np.ndarray:
    """Measure what each feature takes away: the integral of 1 - flux over its window.

    Parameters
    ----------
    flux : ndarray, shape (n, PIXELS)
        Over the continuum.

    Returns
    -------
    ndarray, shape (n, n_features)
        [Angstrom]
    """
    step = np.gradient(WAVELENGTH_A)
    windows = [np.abs(WAVELENGTH_A - at) <= half for at, half in FEATURES.values()]
    return np.stack([((1 - flux) * step)[:, use].sum(axis=1) for use in windows], axis=1)


def principal(flux: np.ndarray, like: np.ndarray, components: int = 20) -> np.ndarray:
    """Project spectra on the leading principal components of some, in units of the noise.

    Parameters
    ----------
    flux, like : ndarray, shapes (n, PIXELS) and (m, PIXELS)
        `like`: real ones, to find the components of.
    components : int

    Returns
    -------
    ndarray, shape (n, components)
        Noise alone scatters by 1 in each.
    """
    middle = like.mean(axis=0)
    _, _, directions = np.linalg.svd((like - middle) / SIGMA, full_matrices=False)
    return ((flux - middle) / SIGMA) @ directions[:components].T


def linear_probe(
    z: np.ndarray, labels: np.ndarray, z_test: np.ndarray, labels_test: np.ndarray
) -> np.ndarray:
    """Predict labels by a weighted sum of latent numbers.

    Parameters
    ----------
    z, z_test : ndarray, shapes (n, latent) and (m, latent)
        Posterior means, to fit and to test on.
    labels, labels_test : ndarray, shapes (n, k) and (m, k)

    Returns
    -------
    ndarray, shape (k,)
        R^2 on the test, of log Teff, log g, [Fe/H].
    """
    design, design_test = (np.column_stack([np.ones(len(x)), x]) for x in (z, z_test))
    real, real_test = scaled_labels(labels), scaled_labels(labels_test)
    found = design_test @ np.linalg.lstsq(design, real, rcond=None)[0]
    return 1 - ((found - real_test) ** 2).mean(axis=0) / real_test.var(axis=0)


def roc(usual: np.ndarray, anomalous: np.ndarray) -> dict:
    """Judge a score that should be higher for anomalous spectra.

    Parameters
    ----------
    usual, anomalous : ndarray, shapes (n,) and (m,)

    Returns
    -------
    dict
        ``auc``, and ``found``: the share of anomalous spectra above the score that a share of
        `FALSE_ALARMS` of the usual ones exceeds.

    Raises
    ------
    CoganError
        If either is empty.

    Examples
    --------
    >>> roc(np.arange(100.0), np.array([50.0, 200.0]))
    {'auc': 0.7525, 'found': 0.5}
    """
    if not len(usual) or not len(anomalous):
        raise CoganError("A ROC curve needs usual and anomalous spectra.")
    limit = np.quantile(usual, 1 - FALSE_ALARMS)
    return {"auc": auc(usual, anomalous), "found": float((anomalous > limit).mean())}
