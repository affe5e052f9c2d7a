"""New spectra: from the prior, from what the encoder makes of the training, by label, in between.

Noise is never part of a decoded spectrum; `data.noisy` adds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError
from ...learn.latent import active_units
from .data import Stars, scaled_labels
from .network import SpectrumVAE, decoded, latent_of

#: Of the polynomial from labels to latent numbers, and the ridge's weight per star.
DEGREE, RIDGE = 5, 1e-8


def from_prior(network: SpectrumVAE, n: int, seed: int) -> Tensor:
    """Draw latent numbers from N(0, 1), as the loss assumes them.

    Parameters
    ----------
    network : SpectrumVAE
    n, seed : int

    Returns
    -------
    Tensor, shape (n, latent)
    """
    return torch.randn(n, network.latent, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class LatentGaussian:
    """A Gaussian of the latent numbers that the training's spectra have: ex-post density.

    Attributes
    ----------
    mean : ndarray, shape (latent,)
    covariance : ndarray, shape (latent, latent)
        Of draws from the posteriors: the scatter of their means, and their own.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, network: SpectrumVAE, flux: np.ndarray) -> LatentGaussian:
        """Fit the Gaussian.

        Parameters
        ----------
        network : SpectrumVAE
        flux : ndarray, shape (n, PIXELS)
            Of the training, with noise.

        Returns
        -------
        LatentGaussian

        Raises
        ------
        CoganError
            As `network.check_spectra`.
        """
        mean, sd = (x.double().numpy() for x in latent_of(network, flux))
        return cls(mean.mean(0), np.cov(mean.T) + np.diag((sd**2).mean(0)))

    def draw(self, n: int, seed: int) -> Tensor:
        """Draw latent numbers.

        Parameters
        ----------
        n, seed : int

        Returns
        -------
        Tensor, shape (n, latent)
        """
        rng = np.random.default_rng(seed)
        return torch.from_numpy(rng.multivariate_normal(self.mean, self.covariance, n)).float()


@dataclass(frozen=True)
class LabelMap:
    """From labels to the latent numbers of such a star: a polynomial of the scaled labels.

    A conditional decoder would be told the labels, and as they say all that there is to know of a
    spectrum, its latent numbers would carry nothing. This map leaves them their meaning.

    Attributes
    ----------
    weights : ndarray, shape (n_terms, latent)
        Units that carry nothing have 0.
    """

    weights: np.ndarray

    @classmethod
    def of(cls, network: SpectrumVAE, stars: Stars, rng: np.random.Generator) -> LabelMap:
        """Fit the polynomial to what the encoder makes of stars.

        Parameters
        ----------
        network : SpectrumVAE
        stars : Stars
            Of the training.
        rng : numpy Generator
            For their noise.

        Returns
        -------
        LabelMap

        Raises
        ------
        CoganError
            If there are fewer stars than terms.
        """
        terms = _terms(stars.labels)
        if len(terms) < terms.shape[1]:
            raise CoganError(f"{len(terms)} stars are too few for {terms.shape[1]} terms.")
        mean = latent_of(network, stars.observe(rng))[0]
        used = active_units(mean).numpy()
        gram = terms.T @ terms + RIDGE * len(terms) * np.eye(terms.shape[1])
        weights = np.linalg.solve(gram, terms.T @ (mean.double().numpy() * used))
        return cls(weights)

    def latent(self, labels: np.ndarray) -> Tensor:
        """Compute the latent numbers.

        Parameters
        ----------
        labels : ndarray, shape (n, 2) or (n, 3)
            As those of the stars it was fitted to.

        Returns
        -------
        Tensor, shape (n, latent)
        """
        return torch.from_numpy(_terms(labels) @ self.weights).float()


def _terms(labels: np.ndarray) -> np.ndarray:
    """All products of up to `DEGREE` scaled labels."""
    x = scaled_labels(labels) / 2  # most of the population within 1
    terms = [np.ones(len(x))]
    for degree in range(1, DEGREE + 1):
        for chosen in combinations_with_replacement(range(x.shape[1]), degree):
            terms.append(x[:, chosen].prod(axis=1))
    return np.stack(terms, axis=1)


def interpolate(network: SpectrumVAE, one: np.ndarray, other: np.ndarray, steps: int) -> np.ndarray:
    """Decode stars along the straight line between the latent numbers of two.

    Parameters
    ----------
    network : SpectrumVAE
    one, other : ndarray, shape (PIXELS,)
        Fluxes over the continuum.
    steps : int
        Spectra, both ends counted.

    Returns
    -------
    ndarray, shape (steps, PIXELS)

    Raises
    ------
    CoganError
        If there are fewer than two steps.
    """
    if steps < 2:
        raise CoganError(f"An interpolation needs at least 2 steps, not {steps}.")
    first, last = latent_of(network, np.stack([one, other]))[0]
    share = torch.linspace(0, 1, steps)[:, None]
    return decoded(network, (1 - share) * first + share * last)
