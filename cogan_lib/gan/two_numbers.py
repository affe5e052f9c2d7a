"""The smallest Cycle-GAN: two translations that are one number each, and where its training ends.

a and b are numbers from a normal distribution, correlated by `RHO`; G_AB(a) = w a, G_BA(b) = v b.
The discriminators are the best possible ones, D = p / (p + q). Chapter 02 builds it step by step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RHO = 0.9
CYCLE = 10.0
_MEAN_ABS = math.sqrt(2 / math.pi)  # of a standard normal variable
_LEAST = 0.05  # generated values are never quite a spike


def _normal(x: Tensor, sigma: Tensor | float) -> Tensor:
    return torch.exp(-((x / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))


def adversarial(w: Tensor) -> Tensor:
    """Loss of a generator against the best discriminator, the integral of q^3 / (p + q)^2.

    Parameters
    ----------
    w : Tensor
        Its number: real values have standard deviation 1, generated ones w.

    Returns
    -------
    Tensor, shaped as `w`
        1/4, its least, where w is 1 or -1.
    """
    x = torch.linspace(-8, 8, 321)
    p, q = _normal(x, 1.0), _normal(x, (w**2 + _LEAST**2).sqrt()[..., None])
    return (q**3 / (p + q).clamp_min(1e-30) ** 2).sum(-1) * (x[1] - x[0])


def loss(
    w: Tensor, v: Tensor, identity: Tensor | float = 0.0, pair: Tensor | float = 0.0
) -> Tensor:
    """Loss of both translations together.

    Parameters
    ----------
    w, v : Tensor
        Of one shape: dust to CO, and back.
    identity, pair : float or Tensor
        Weights of the two terms that can tell a sign; 0 leaves them out.

    Returns
    -------
    Tensor, of that shape
    """
    total = (adversarial(w) + adversarial(v)) / 2 + CYCLE * _MEAN_ABS * (w * v - 1).abs()
    total = total + identity * _MEAN_ABS * ((w - 1).abs() + (v - 1).abs()) / 2
    misses = [(u**2 + 1 - 2 * u * RHO).sqrt() for u in (w, v)]
    return total + pair * _MEAN_ABS * sum(misses) / 2


def descend(start: Tensor, rate: float = 0.005, steps: int = 400, **terms) -> Tensor:
    """Walk down the gradient.

    Parameters
    ----------
    start : Tensor, shape (..., 2)
        w and v.
    rate : float
    steps : int
    **terms : float or Tensor
        Of `loss`.

    Returns
    -------
    Tensor, shape (steps + 1, ..., 2)
    """
    path = [start]
    for _ in range(steps):
        here = path[-1].clone().requires_grad_()
        loss(here[..., 0], here[..., 1], **terms).sum().backward()
        path.append((here - rate * here.grad).detach())
    return torch.stack(path)
