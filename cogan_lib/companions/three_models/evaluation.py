"""What generated fields are put to: nine measures, each against exact fields or a formula."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ...base.files import CoganError
from ...learn import latent
from ...learn.compare import classifier_auc, nearest_ratio
from ...validation.morphology import minkowski
from ...validation.spectra import power_spectra
from .physics import ONE_POINT, SCATTER, SIDE, correlation, scaled, surprise
from .training import vae_loss

#: A size of a pixel, for the library's spectra and shapes; nothing depends on it.
PIXEL_ARCMIN = 60.0
#: Edges of the bands of wave numbers [cycles per pixel], up to the finest.
K_EDGES = np.linspace(0.03, 0.5, 11)
#: Thresholds of the Minkowski functionals [the field's true standard deviation above its mean].
THRESHOLDS = np.arange(-7, 17) / 4
#: Distances at which the correlation is compared with the formula [pixels].
LAGS = np.array([1, 2, 4, 8])
#: Fields for the classifiers and the search for copies; pixels that are averaged for the search.
TESTED, BLOCK = 600, 4


def band_powers(fields: np.ndarray) -> np.ndarray:
    """Measure the power of each field in bands of wave number.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (n, len(K_EDGES) - 1)
        Of `cogan_lib.validation.spectra` [pixels^2].
    """
    pixel = np.radians(PIXEL_ARCMIN / 60)
    edges = K_EDGES * 2 * np.pi / pixel
    about_0 = np.asarray(fields, float) - 1
    return power_spectra(about_0, pixel_arcmin=PIXEL_ARCMIN, edges=edges)[1] / pixel**2


def correlations(fields: np.ndarray) -> np.ndarray:
    """Measure the correlation along rows and columns, about the known mean.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (len(LAGS),)
    """
    u = np.asarray(fields, float) - 1
    across = [np.mean(u[:, :, lag:] * u[:, :, :-lag]) for lag in LAGS]
    down = [np.mean(u[:, lag:] * u[:, :-lag]) for lag in LAGS]
    return np.mean([across, down], axis=0)


def shapes(fields: np.ndarray) -> np.ndarray:
    """Measure mean Minkowski functionals, thresholds in the field's true scatter.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (3, len(THRESHOLDS))
    """
    curves = minkowski(
        scaled(np.asarray(fields, float)), THRESHOLDS, pixel_arcmin=PIXEL_ARCMIN, standardised=True
    )
    return np.stack([curve.mean(axis=0) for curve in curves])


def features(fields: np.ndarray) -> np.ndarray:
    """Collect what the classifier of summaries looks at: log powers, quantiles, steepness.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (n, 19)
    """
    rows = np.asarray(fields, float).reshape(len(fields), -1)
    quantiles = np.quantile(rows, (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99), axis=1).T
    moments = np.column_stack([rows.std(axis=1), stats.skew(rows, axis=1)])
    return np.column_stack([np.log(band_powers(fields)), quantiles, moments])


def blocks(fields: np.ndarray) -> np.ndarray:
    """Average pixels: short rows that still show a field.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (n, (SIDE / BLOCK)^2)
    """
    sides = SIDE // BLOCK
    return (
        np.reshape(fields, (-1, sides, BLOCK, sides, BLOCK)).mean((2, 4)).reshape(len(fields), -1)
    )


def assess(fields: np.ndarray, real: np.ndarray, training: np.ndarray, seed: int) -> dict:
    """Put generated fields to all tests.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)
    real : ndarray, shape (m, SIDE, SIDE)
        Exact ones that no training saw.
    training : ndarray, shape (l, SIDE, SIDE)
        That the model was trained on, or one like it.
    seed : int
        Of the classifiers' folds.

    Returns
    -------
    dict
        JSON-ready. ``ratio``, mean of the band powers over that of real fields, and ``spread``,
        variance of their logarithm from field to field, likewise; ``spread_mean`` of the bands;
        ``rms`` and ``worst``, of ratio - 1; ``correlation``, worst
        error at `LAGS` over the field's variance; ``ks``, largest difference of the pixels'
        distribution from the formula; ``skewness``; ``negative``, share of pixels below zero;
        ``minkowski``, worst error of each functional over its own largest value; ``auc`` and
        ``auc_pixels`` of two classifiers; ``nearest`` of `learn.compare.nearest_ratio`.

    Raises
    ------
    CoganError
        If there are fewer than 100 fields.
    """
    if min(len(fields), len(real)) < 100:
        raise CoganError(f"{len(fields)} and {len(real)} fields are too few; take at least 100.")
    powers = [band_powers(some) for some in (fields, real)]
    ratio = powers[0].mean(axis=0) / powers[1].mean(axis=0)
    logs = [np.log(some).var(axis=0) for some in powers]  # a few bright fields would decide
    spread = logs[0] / logs[1]
    pixels = np.asarray(fields, float).ravel()
    exact = shapes(real)
    apart = np.abs(shapes(fields) - exact).max(axis=1) / np.abs(exact).max(axis=1)
    few = [some[:TESTED] for some in (real, fields)]
    wrong = np.abs(correlations(fields) - correlation(LAGS)).max() / SCATTER**2
    return {
        "ratio": ratio.tolist(),
        "rms": float(np.sqrt(np.mean((ratio - 1) ** 2))),
        "worst": float(np.abs(ratio - 1).max()),
        "spread": spread.tolist(),
        "spread_mean": float(spread.mean()),
        "correlation": float(wrong),
        "ks": float(stats.ks_1samp(pixels, ONE_POINT.cdf, mode="asymp").statistic),
        "skewness": float(stats.skew(pixels)),
        "negative": float(np.mean(pixels < 0)),
        "minkowski": apart.tolist(),
        "auc": classifier_auc(*(features(some) for some in few), seed),
        "auc_pixels": classifier_auc(*(some.reshape(len(some), -1) for some in few), seed),
        "nearest": nearest_ratio(blocks(few[1]), blocks(training), blocks(few[0])),
    }


@torch.no_grad()
def vae_bound(network: nn.Module, fields: np.ndarray, seed: int, draws: int = 8) -> dict:
    """Compare the autoencoder's bound with the exact density of held-out fields.

    Parameters
    ----------
    network : Vae
    fields : ndarray, shape (n, SIDE, SIDE)
    seed : int
    draws : int
        Of the code, for each field.

    Returns
    -------
    dict
        ``excess`` [nats per field]: minus the bound, less the least that is possible;
        ``active``, units of the code in use; ``sigma``, the noise of its pixels in units of the
        field's scatter; ``explained``, share of the variance that a code's field has.
    """
    x = torch.from_numpy(scaled(fields).astype(np.float32))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bound = np.mean([float(vae_loss(network, x)) for _ in range(draws)])
    mean, _ = network.encode(x)
    left = (network.decoder(mean) - x).var() / x.var()
    return {
        "excess": float(bound + SIDE**2 * math.log(SCATTER) - surprise(fields).mean()),
        "active": int(latent.active_units(mean).sum()),
        "sigma": float(network.log_sigma.exp()),
        "explained": 1 - float(left),
    }


def flow_excess(network: nn.Module, fields: np.ndarray, seed: int, steps: int = 32) -> float:
    """Compare the flow's density with the exact one: it has one, as its path has an inverse.

    Along dx/dphi = v the logarithm of the density changes by -div v (Chen et al. 2018); the
    divergence is estimated with one random sign per pixel (Hutchinson), and Heun's steps go from
    the field to noise, whose density is known.

    Parameters
    ----------
    network : FieldFlow
    fields : ndarray, shape (n, SIDE, SIDE)
    seed : int
        Of the signs.
    steps : int

    Returns
    -------
    float
        [nats per field] of minus ln p, over the least that is possible.
    """
    x = torch.from_numpy(scaled(fields).astype(np.float32))
    generator, step = torch.Generator().manual_seed(seed), math.pi / 2 / steps
    grown = torch.zeros(len(x))
    for number in range(steps):
        sign = torch.randint(0, 2, x.shape, generator=generator) * 2.0 - 1
        first, rise = _with_divergence(network, x, step * number, sign)
        second, other = _with_divergence(network, x + step * first, step * (number + 1), sign)
        x, grown = x + step / 2 * (first + second), grown + step / 2 * (rise + other)
    nll = 0.5 * (x**2).flatten(1).sum(1) + SIDE**2 / 2 * math.log(2 * math.pi) - grown
    return float(nll.double().mean() + SIDE**2 * math.log(SCATTER) - surprise(fields).mean())


def _with_divergence(
    network: nn.Module, x: Tensor, phi: float, sign: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the velocity, and its divergence by one random direction."""
    x = x.detach().requires_grad_()
    velocity = network(x, x.new_full((len(x),), phi))
    (pulled,) = torch.autograd.grad((velocity * sign).sum(), x)
    return velocity.detach(), (pulled * sign).flatten(1).sum(1)


def gaussian_excess(
    fit: tuple[np.ndarray, np.ndarray], logarithm: bool, fields: np.ndarray
) -> float:
    """Compare the density of a fitted Gaussian with the exact one.

    Parameters
    ----------
    fit : tuple
        Of `physics.gaussian_fit`.
    logarithm : bool
        As it was fitted.
    fields : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    float
        [nats per field], as `flow_excess`.
    """
    mean, root = fit
    rows = np.asarray(fields, float).reshape(len(fields), -1)
    values = np.log(rows) if logarithm else rows
    white = np.linalg.solve(root, (values - mean).T)
    nll = 0.5 * (white**2).sum(axis=0) + np.log(np.diag(root)).sum()
    nll += SIDE**2 / 2 * np.log(2 * np.pi) + (np.log(rows).sum(axis=1) if logarithm else 0)
    return float(np.mean(nll - surprise(fields)))
