"""How good the spectra are: chi^2, lines, the latent numbers' meaning, and what does not fit."""

from __future__ import annotations

import numpy as np

from ...base.files import CoganError
from ...learn.compare import auc, classifier_auc, ks, nearest_ratio
from ...learn.latent import active_units, kl_to_normal
from .data import StarSample, noisy, scaled_labels
from .network import SpectrumVAE, latent_of, reconstruction
from .physics import SIGMA, WAVELENGTH_A

#: Features that are measured: the middle, and the half width of the window [Angstrom].
FEATURES = {
    "Ca II K": (3933.7, 18.0), "Hγ": (4340.5, 40.0), "Hβ": (4861.3, 40.0), "G band": (4304.0, 18.0),
    "Mg b": (5175.0, 30.0), "Na D": (5893.0, 25.0), "Hα": (6562.8, 40.0), "TiO": (7085.0, 40.0),
}  # fmt: skip
#: Share of spectra without a fault that may be called anomalous.
FALSE_ALARMS = 0.01
#: Pixels without noise above this are the continuum's.
CONTINUUM = 0.995
#: Spectra of the training that principal components are found of.
COMPONENTS_OF = 4000


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
    """Test a score that should be higher for anomalous spectra.

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


def alike(
    real: np.ndarray, generated: np.ndarray, training: StarSample, held_out: StarSample, seed: int
) -> dict:
    """Compare generated spectra with real ones: lines, a classifier, and nearness to the training.

    Parameters
    ----------
    real : ndarray, shape (n, PIXELS)
        With noise.
    generated : ndarray, shape (m, PIXELS)
        Without; it is added here.
    training, held_out : StarSample
    seed : int
        For the noise and the folds.

    Returns
    -------
    dict
        ``auc`` of a classifier of principal components, ``auc_lines`` of one of depths and
        widths; the largest KS distance of ``depths`` and ``widths``, and the smallest p-value of
        all of them, times their number (``p_value``, Bonferroni); ``nearest`` (see
        `learn.compare.nearest_ratio`), of spectra without noise.
    """
    seen = noisy(generated, np.random.default_rng(seed))
    lines = [np.hstack([line_depths(x), equivalent_widths(x)]) for x in (real, seen)]
    distance, p_value = ks(*lines)
    spectra = (real, seen, generated, training.clean, held_out.clean)
    rows = principal(np.concatenate(spectra), training.clean[:COMPONENTS_OF])
    real, seen, *clean = np.split(rows, np.cumsum([len(x) for x in spectra])[:-1])
    return {
        "auc": classifier_auc(real, seen, seed),
        "auc_lines": classifier_auc(*lines, seed),
        "depths": float(distance[: len(FEATURES)].max()),
        "widths": float(distance[len(FEATURES) :].max()),
        "p_value": float(min(1.0, p_value.min() * len(p_value))),
        "nearest": nearest_ratio(*clean),
    }


def assess(network: SpectrumVAE, stars: StarSample, flux: np.ndarray) -> dict:
    """Measure what a network makes of spectra, whatever likelihood it was trained with.

    Parameters
    ----------
    network : SpectrumVAE
    stars : StarSample
        Held out.
    flux : ndarray, shape (n, PIXELS)
        Of the same stars, with noise.

    Returns
    -------
    dict
        ``chi2`` per pixel in units of the known noise; ``own_chi2`` in units of the noise that the
        network's own likelihood stands for, which for a Bernoulli one is sqrt(p (1 - p)); the
        ``error`` of the decoded spectra (rms) and the ``bias`` of their continuum, both over the
        noise; ``kl`` of each unit [nats] and how many are ``active``.
    """
    mean, sd = latent_of(network, flux)
    model = reconstruction(network, flux)
    variance = SIGMA**2
    if network.likelihood == "bernoulli":
        variance = model * (1 - model)
    empty = stars.clean > CONTINUUM
    return {
        "chi2": float(chi2_per_pixel(flux, model).mean()),
        "own_chi2": float(((flux - model) ** 2 / variance).mean()),
        "error": float(np.sqrt(chi2_per_pixel(model, stars.clean).mean())),
        "bias": float(((model - stars.clean) / SIGMA)[empty].mean()),
        "kl": kl_to_normal(mean, 2 * sd.log()).mean(0).tolist(),
        "active": int(active_units(mean).sum()),
    }
