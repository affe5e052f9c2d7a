"""Trigonometric flow matching: a circle from data to noise, and the ways back along it.

With x0 of unit variance and n white noise, x = cos(phi) x0 + sin(phi) n keeps its variance at all
angles, and its velocity along the circle is dx/dphi = cos(phi) n - sin(phi) x0. A network that
learns the mean velocity of all circles through x is an ordinary differential equation; from pure
noise at phi = pi / 2 down to 0 it draws data (Albergo & Vanden-Eijnden 2023, arXiv:2209.15571).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..base.files import CoganError

#: Velocity from the state, the angle of each example, and what it is conditioned on.
Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]
METHODS = ("heun", "euler")


def mixed(x0: Tensor, noise: Tensor, phi: Tensor) -> Tensor:
    """Go from the data by an angle towards the noise.

    Parameters
    ----------
    x0, noise : Tensor, shape (n, ...)
    phi : Tensor, shape (n,)
        From 0 (data) to pi / 2 (noise).

    Returns
    -------
    Tensor, shape (n, ...)
    """
    phi = _wide(phi, x0)
    return phi.cos() * x0 + phi.sin() * noise


def target(x0: Tensor, noise: Tensor, phi: Tensor) -> Tensor:
    """Compute the velocity of one circle, d(`mixed`)/dphi.

    Parameters
    ----------
    x0, noise : Tensor, shape (n, ...)
    phi : Tensor, shape (n,)

    Returns
    -------
    Tensor, shape (n, ...)
    """
    phi = _wide(phi, x0)
    return phi.cos() * noise - phi.sin() * x0


def logit_normal(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw angles: the logistic function of a normal deviate, times pi / 2.

    The middle, where there is something to learn, is drawn more often than the ends. The draws are
    stratified, one from each n-th of the distribution, which makes the loss less noisy.

    Parameters
    ----------
    n : int
    generator : torch.Generator, optional

    Returns
    -------
    Tensor, shape (n,)
    """
    share = torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)
    return torch.special.ndtri((share / n).clamp(1e-6, 1 - 1e-6)).sigmoid() * (math.pi / 2)


@torch.no_grad()
def path(
    network: Velocity, noise: Tensor, condition: Tensor, steps: int, method: str = "heun"
) -> Iterator[tuple[float, Tensor]]:
    """Go from noise to data in equal steps of the angle, and hand out each state on the way.

    Parameters
    ----------
    network : callable
        Velocity of (x, phi, condition).
    noise : Tensor, shape (n, ...)
    condition : Tensor, shape (n, ...)
    steps : int
    method : {'heun', 'euler'}
        Heun's takes the mean of the velocities at both ends of a step: two calls, an error of
        second order.

    Yields
    ------
    phi : float
    x : Tensor, shape (n, ...)

    Raises
    ------
    CoganError
        For no steps, or another method.
    """
    if steps < 1 or method not in METHODS:
        raise CoganError(f"Take at least 1 step of {' or '.join(METHODS)}, not {steps} {method!r}.")
    x, step = noise, math.pi / 2 / steps
    yield math.pi / 2, x
    for left in range(steps, 0, -1):
        start, end = (x.new_full((len(x),), step * number) for number in (left, left - 1))
        velocity = network(x, start, condition)
        if method == "heun":
            ahead = network(x - step * velocity, end, condition)
            velocity = (velocity + ahead) / 2
        x = x - step * velocity
        yield step * (left - 1), x


def sample(
    network: Velocity, noise: Tensor, condition: Tensor, steps: int, method: str = "heun"
) -> Tensor:
    """Draw data: the last state of `path`.

    Parameters
    ----------
    network, noise, condition, steps, method
        As for `path`.

    Returns
    -------
    Tensor, shape (n, ...)

    Examples
    --------
    Data of unit variance, independent of each other, stand still on the whole circle:

    >>> noise = torch.ones(2, 3)
    >>> sample(lambda x, phi, condition: 0 * x, noise, torch.zeros(2), steps=4).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    for _phi, x in path(network, noise, condition, steps, method):
        found = x
    return found


def _wide(phi: Tensor, like: Tensor) -> Tensor:
    return phi.reshape(-1, *[1] * (like.ndim - 1))
