"""What the flow is compared with: two other diffusions, a Gaussian without a network, one mistake.

The other two train the same network on the same patches. Linear flow goes in straight lines,
x = (1 - t) x0 + t n (Lipman et al. 2023, arXiv:2210.02747); DDPM predicts the noise of a thousand
small steps (Ho, Jain & Abbeel 2020, arXiv:2006.11239), of which DDIM takes a few
(Song, Meng & Ermon 2021, arXiv:2010.02502).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError
from ...learn import flow
from . import physics

KINDS = ("trig", "linear", "ddpm")
#: Small steps of DDPM, and the noise's share in the first and the last.
DDPM_STEPS, DDPM_BETAS = 1000, (1e-4, 0.02)
#: How each is sampled: function evaluations are 16, 25 and 25.
STEPS = {"trig": 8, "linear": 25, "ddpm": 25}


def ddpm_angles() -> Tensor:
    """Angle of each of DDPM's steps: the cosine is what is left of the data, shape (1000,)."""
    betas = torch.linspace(*DDPM_BETAS, DDPM_STEPS, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0).sqrt().acos().float()


def example(kind: str, x0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Make what a network of one kind is trained on.

    Parameters
    ----------
    kind : {'trig', 'linear', 'ddpm'}
    x0 : Tensor, shape (n, h, w)
        White images.
    generator : torch.Generator

    Returns
    -------
    x : Tensor, shape (n, h, w)
    phi : Tensor, shape (n,)
        What the network is told of the time, from 0 to pi / 2.
    target : Tensor, shape (n, h, w)

    Raises
    ------
    CoganError
        If there is no such kind.
    """
    noise = torch.randn(x0.shape, generator=generator)
    if kind == "trig":
        phi = flow.logit_normal(len(x0), generator)
        return flow.mixed(x0, noise, phi), phi, flow.target(x0, noise, phi)
    if kind == "linear":
        phi = flow.logit_normal(len(x0), generator)
        t = (phi / (math.pi / 2))[:, None, None]
        return (1 - t) * x0 + t * noise, phi, noise - x0
    if kind == "ddpm":
        phi = ddpm_angles()[torch.randint(DDPM_STEPS, (len(x0),), generator=generator)]
        return flow.mixed(x0, noise, phi), phi, noise
    raise CoganError(f"The kind of diffusion is {kind!r}; choose {', '.join(KINDS)}.")


@torch.no_grad()
def sample(
    kind: str, network: flow.Velocity, noise: Tensor, condition: Tensor, steps: int | None = None
) -> Tensor:
    """Draw white images with a network of one kind.

    Parameters
    ----------
    kind : {'trig', 'linear', 'ddpm'}
        Heun steps in the angle; Euler steps along straight lines; DDIM without new noise.
    network : callable
    noise : Tensor, shape (n, h, w)
    condition : Tensor, shape (n, k)
    steps : int, optional
        By default `STEPS`.

    Returns
    -------
    Tensor, shape (n, h, w)

    Raises
    ------
    CoganError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise CoganError(f"The kind of diffusion is {kind!r}; choose {', '.join(KINDS)}.")
    steps = STEPS[kind] if steps is None else steps
    if kind == "trig":
        return flow.sample(network, noise, condition, steps)
    x = noise
    if kind == "linear":
        for left in range(steps, 0, -1):
            phi = x.new_full((len(x),), math.pi / 2 * left / steps)
            x = x - network(x, phi, condition) / steps
        return x
    angles = ddpm_angles()[torch.linspace(DDPM_STEPS - 1, 0, steps).long()].tolist() + [0.0]
    for now, then in zip(angles, angles[1:], strict=False):
        found = network(x, x.new_full((len(x),), now), condition)
        clean = (x - math.sin(now) * found) / math.cos(now)
        x = math.cos(then) * clean + math.sin(then) * found
    return x


def perfect(kind: str, variance: Tensor) -> flow.Velocity:
    """Make the network that has learnt all there is, for independent Gaussian numbers.

    What is wrong with samples that it draws is the sampler's fault alone.

    Parameters
    ----------
    kind : {'trig', 'linear', 'ddpm'}
    variance : Tensor, shape (...)
        Of the data, in the shape of one example.

    Returns
    -------
    callable
        E[target | x] of `example`, a linear function of x; it needs no condition.
    """

    def network(x: Tensor, phi: Tensor, condition: Tensor) -> Tensor:
        angle = phi.double().reshape(-1, *[1] * (x.ndim - 1))
        if kind == "linear":
            t = angle / (math.pi / 2)
            data, noise = 1 - t, t
            wanted = noise - data * variance
        else:
            data, noise = angle.cos(), angle.sin()
            wanted = noise if kind == "ddpm" else data * noise * (1 - variance)
        return wanted / (data**2 * variance + noise**2) * x

    return network


def sampler_error(kind: str, variance: Tensor, steps: int | None = None) -> Tensor:
    """Compute the power that a perfect network's samples have, over what they should have.

    Parameters
    ----------
    kind : {'trig', 'linear', 'ddpm'}
    variance : Tensor, shape (n,)
        Of the data; the noise has 1.
    steps : int, optional

    Returns
    -------
    Tensor, shape (n,)
    """
    start = torch.ones(1, len(variance), dtype=torch.float64)
    gain = sample(kind, perfect(kind, variance.double()), start, torch.zeros(1), steps)
    return gain[0] ** 2 / variance


def diagonal_gaussian(cosmologies: np.ndarray, generator: torch.Generator) -> Tensor:
    """Draw patches of independent cosine amplitudes, each of the right variance.

    All that the true spectrum tells is in it; what lacks are the correlations of a patch's waves.

    Parameters
    ----------
    cosmologies : ndarray, shape (n, 5)
        Runs of equal rows are computed once.
    generator : torch.Generator

    Returns
    -------
    Tensor, shape (n, SIDE, SIDE)
        [uK]
    """
    distinct, which = np.unique(cosmologies, axis=0, return_inverse=True)
    scatters = [np.sqrt(physics.dct_variance(physics.covariance(row))) for row in distinct]
    scatter = torch.from_numpy(np.stack(scatters)).float()[torch.from_numpy(which.reshape(-1))]
    waves = torch.from_numpy(physics.dct_matrix()).float()
    amplitudes = torch.randn(scatter.shape, generator=generator) * scatter
    return waves.T @ amplitudes @ waves


def min_max(maps: Tensor) -> Tensor:
    """Stretch each map to -1 ... 1, as pictures are prepared: the amplitude is gone.

    Parameters
    ----------
    maps : Tensor, shape (n, h, w)

    Returns
    -------
    Tensor, shape (n, h, w)
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return 2 * (maps - low) / (high - low) - 1


Sampler = Callable[[np.ndarray, torch.Generator], Tensor]
