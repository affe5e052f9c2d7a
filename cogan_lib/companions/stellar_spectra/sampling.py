"""New spectra: from the prior, from what the encoder makes of the training, by label, in between.

Noise is never part of a decoded spectrum; `data.noisy` adds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal
from torch import Tensor

from ...base.files import CoganError
from ...learn.latent import active_units
from .data import StarSample, scaled_labels
from .network import SpectrumVAE, decoded, latent_of

#: Of the polynomial from labels to latent numbers, and the ridge's weight per star.
DEGREE, RIDGE = 7, 1e-8
#: Of the mixture: its Gaussians, steps of the fit, and the least width, as a share of the whole.
COMPONENTS, ROUNDS, FLOOR = 32, 50, 1e-6


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
class LatentMixture:
    """A mixture of Gaussians of the latent numbers that the training has: its ex-post density.

    Attributes
    ----------
    weights : ndarray, shape (k,)
    means : ndarray, shape (k, latent)
    covariances : ndarray, shape (k, latent, latent)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def of(
        cls, network: SpectrumVAE, flux: np.ndarray, seed: int, components: int = COMPONENTS
    ) -> LatentMixture:
        """Fit the mixture to one draw from each spectrum's posterior (expectation, maximisation).

        Parameters
        ----------
        network : SpectrumVAE
        flux : ndarray, shape (n, PIXELS)
            Of the training, with noise.
        seed, components : int
            With one component it is the Gaussian of equal mean and covariance.

        Returns
        -------
        LatentMixture

        Raises
        ------
        CoganError
            If there are fewer than ten spectra per component.
        """
        mean, sd = (x.double().numpy() for x in latent_of(network, flux))
        if len(mean) < 10 * components:
            raise CoganError(f"{len(mean)} spectra are too few for {components} Gaussians.")
        rng = np.random.default_rng(seed)
        z = mean + sd * rng.standard_normal(mean.shape)
        whole = np.cov(z.T)
        weights, means = (
            np.full(components, 1 / components),
            z[rng.permutation(len(z))[:components]],
        )
        covariances = np.repeat(whole[None], components, axis=0)
        for _ in range(ROUNDS):
            parts = [
                np.log(weight) + multivariate_normal(middle, width).logpdf(z)
                for weight, middle, width in zip(weights, means, covariances, strict=True)
            ]
            share = softmax(np.stack(parts), axis=0)
            sums = share.sum(axis=1) + 1e-9
            weights, means = sums / sums.sum(), share @ z / sums[:, None]
            covariances = np.stack(
                [
                    (z - m).T @ (r[:, None] * (z - m)) / s
                    for r, m, s in zip(share, means, sums, strict=True)
                ]
            )
            covariances += FLOOR * np.diag(np.diag(whole))
        return cls(weights, means, covariances)

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
        chosen = rng.choice(len(self.weights), n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        roots = np.linalg.cholesky(self.covariances)
        return torch.from_numpy(self.means[chosen] + np.einsum("nij,nj->ni", roots[chosen], noise))


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
    def of(cls, network: SpectrumVAE, stars: StarSample, rng: np.random.Generator) -> LabelMap:
        """Fit the polynomial to what the encoder makes of stars.

        Parameters
        ----------
        network : SpectrumVAE
        stars : StarSample
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
