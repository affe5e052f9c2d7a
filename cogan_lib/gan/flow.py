"""Members by flow matching: noise is carried, in a few steps, into a CO tile that could be real.

Take a tile x_1 of real CO (scaled) and a tile x_0 of Gaussian noise, and go straight from one to
the other, x_t = (1 - t) x_0 + t x_1. Many pairs' lines pass through one point x_t; the mean of
their velocities, given dust and hydrogen, is a field that carries the distribution of the noise
into that of CO given its inputs (Lipman et al. 2023, arXiv:2210.02747; conditional here). A network
learns the field by least squares: no discriminator, no cycle, nothing to balance.

The network's answer is written as the mean of x_1 that is still possible at x_t,

    D = t / s^2 x_t + (1 - t) / s F(x_t / s, t, inputs),    s^2 = t^2 + (1 - t)^2,

so that F, what is trained, always has inputs and answers of about unit variance (Karras et al.
2022, arXiv:2206.00364, for noise levels instead of times). The velocity is (D - x_t)/(1 - t). At
t = 0 the noise says nothing of x_1: D is then the mean of all CO that the inputs allow, the best
guess in one evaluation.

The way is gone in a few steps by the rule of Adams and Bashforth of second order: the velocity is
carried on along a straight line through this and the last one, and each step costs one evaluation.
With 8 steps members of a Gaussian have 0.94 of their true standard deviation where the inputs leave
a quarter of the variance open, with 16 steps 0.98 (Euler's rule: 0.83, 0.91).
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..base.files import CoganError
from .networks import Generator, NetworkSettings

#: What tells the network the time: t, and a wave that tells the ends apart.
CLOCK = 3


def clock(t: Tensor) -> Tensor:
    """Write times as channels: 2 t - 1, sin(2 pi t), cos(2 pi t).

    Parameters
    ----------
    t : Tensor, shape (b,)

    Returns
    -------
    Tensor, shape (b, 3, 1, 1)

    Examples
    --------
    >>> clock(torch.tensor([0.0, 0.5]))[:, 0].flatten().tolist()
    [-1.0, 0.0]
    """
    turn = 2 * math.pi * t
    return torch.stack([2 * t - 1, turn.sin(), turn.cos()], dim=1)[..., None, None]


def times(steps: int) -> list[float]:
    """Divide the way into steps, short ones at both ends, where the path bends.

    Parameters
    ----------
    steps : int

    Returns
    -------
    list of float
        `steps` + 1 times from 0 to 1.

    Examples
    --------
    >>> times(2)
    [0.0, 0.5, 1.0]
    """
    return [round((1 - math.cos(math.pi * i / steps)) / 2, 12) for i in range(steps + 1)]


class Flow(nn.Module):
    """A generator of members: inputs and noise to CO, by `steps` evaluations of one network.

    Parameters
    ----------
    inputs, targets : int
        Channels.
    settings : NetworkSettings
        Its `noise` has one field per target, its `flow_steps` say in how many steps (`times`) the
        noise is carried to CO.

    Raises
    ------
    CoganError
        If the settings are those of another kind of generator.
    """

    def __init__(self, inputs: int, targets: int, settings: NetworkSettings) -> None:
        super().__init__()
        if settings.flow_steps < 1 or len(settings.noise) != targets:
            raise CoganError(
                f"A flow takes at least one step and a field of noise for each of the {targets} "
                f"targets; these settings have {settings.flow_steps} and {len(settings.noise)}."
            )
        self.inputs, self.noise, self.steps = inputs, targets, settings.flow_steps
        plain = replace(settings, noise=(), flow_steps=0)
        self.network = Generator(inputs + targets + CLOCK, targets, plain)

    def mean(self, known: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """Estimate the mean of x_1, given inputs and x_t: D above.

        Parameters
        ----------
        known : Tensor, shape (b, inputs, h, w)
        x : Tensor, shape (b, targets, h, w)
        t : Tensor, shape (b,)

        Returns
        -------
        Tensor, shape (b, targets, h, w)
        """
        skip, out, answer = self._parts(known, x, t)
        return skip * x + out * answer

    def _parts(self, known: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s2 = (t**2 + (1 - t) ** 2)[:, None, None, None]
        far = (1 - t)[:, None, None, None]
        time = clock(t).to(x.dtype).expand(-1, -1, *x.shape[-2:])
        answer = self.network(torch.cat([known, x * s2.rsqrt(), time], dim=1))
        return t[:, None, None, None] / s2, far * s2.rsqrt(), answer

    def loss(self, known: Tensor, real: Tensor, noise: Tensor, t: Tensor, context: int) -> Tensor:
        """Mean squared error of F, without the context.

        Parameters
        ----------
        known : Tensor, shape (b, inputs, h, w)
        real, noise : Tensor, shape (b, targets, h, w)
            x_1 and x_0.
        t : Tensor, shape (b,)
            In [0, 1).
        context : int
            Pixels on every side that do not count.

        Returns
        -------
        Tensor, scalar
        """
        far = (1 - t)[:, None, None, None]
        x = far * noise + (1 - far) * real
        skip, out, answer = self._parts(known, x, t)
        wanted = (real - skip * x) / out
        inner = slice(context, real.shape[-1] - context)
        return (answer - wanted).float()[..., inner, inner].square().mean()

    def forward(self, x: Tensor) -> Tensor:
        """Carry (b, inputs + targets, h, w), the latter noise, to (b, targets, h, w)."""
        known, now = x[:, : self.inputs], x[:, self.inputs :]
        before, slope = None, None
        for t, after in pairwise(times(self.steps)):
            mean = self.mean(known, now, torch.full((len(x),), t, device=x.device))
            here = (mean - now) / (1 - t)
            step = after - t
            curve = 0.0 if slope is None or after == 1 else (here - slope) / (t - before)
            before, slope = t, here
            now = now + step * here + step**2 / 2 * curve
        return now
