"""The two terms of a variational autoencoder's loss, and which of its units carry something."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Variance of a unit's posterior mean over the data above which it is active (Burda et al. 2016).
ACTIVE = 0.01


def gaussian_nll(x: Tensor, mean: Tensor, sigma: Tensor | float) -> Tensor:
    """Compute minus the logarithm of a Gaussian likelihood, summed over the pixels.

    Parameters
    ----------
    x, mean : Tensor, shape (n, ...)
    sigma : Tensor, or float
        Known noise of each pixel; of a shape that fits.

    Returns
    -------
    Tensor, shape (n,)
        Sum of 0.5 ((x - mean) / sigma)^2 + ln sigma + 0.5 ln 2 pi.

    Examples
    --------
    >>> found = gaussian_nll(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]), 1.0)
    >>> round(float(found), 4)  # 0.5 + ln 2 pi
    2.3379
    """
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    each = 0.5 * ((x - mean) / sigma) ** 2 + sigma.log() + 0.5 * math.log(2 * math.pi)
    return each.flatten(1).sum(1)


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute the divergence of each unit's posterior from N(0, 1).

    Parameters
    ----------
    mean, log_variance : Tensor, shape (n, k)

    Returns
    -------
    Tensor, shape (n, k)
        In nats: 0.5 (mean^2 + variance - 1 - ln variance).

    Examples
    --------
    >>> kl_to_normal(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([[0., 2.]])
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def draw(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw from posteriors so that gradients reach their parameters: mean + sd * noise.

    Parameters
    ----------
    mean, log_variance : Tensor, shape (n, k)
    generator : torch Generator, optional

    Returns
    -------
    Tensor, shape (n, k)
    """
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * log_variance).exp() * noise


def active_units(mean: Tensor) -> Tensor:
    """Find the units whose posterior mean differs from example to example.

    Parameters
    ----------
    mean : Tensor, shape (n, k)
        Posterior means of at least two examples.

    Returns
    -------
    Tensor of bool, shape (k,)

    Examples
    --------
    >>> active_units(torch.tensor([[1.0, 0.01], [-1.0, -0.01]])).tolist()
    [True, False]
    """
    return mean.var(0) > ACTIVE
