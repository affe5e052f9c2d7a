"""The rival that needs no training: the solver in single precision, cube by cube, from a table.

What an emulator gains has to be measured against a solver that is written for speed. Two rules of
the optical depth: the exact one of `physics.interval_depths`, and the trapezoid, which is wrong
where the velocity changes by more than the line's width from point to point, and cheap.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .physics import (
    CO_MASS,
    COLine,
    K,
    check_cubes,
    emergent,
    interval_depths,
    profile_arguments,
)
from .tables import line_table


@torch.no_grad()
def quick_images(
    velocity: Tensor,
    temperature: Tensor,
    density: Tensor,
    channels: Tensor,
    spacing: float,
    line: COLine,
    turbulence: float,
    trapezoid: bool = False,
) -> Tensor:
    """Solve for the images of a batch of cubes, quickly.

    Parameters
    ----------
    velocity, temperature, density : Tensor, shape (n, nz, ny, nx)
        As `physics.line_images` takes them.
    channels : Tensor, shape (n_channels,)
        Velocities of the channels [m/s].
    spacing : float
        Between grid points [m].
    line : COLine
    turbulence : float
        v_turb [m/s].
    trapezoid : bool
        Add up the opacity of the grid points instead of integrating between them, with the source
        function constant in each interval.

    Returns
    -------
    Tensor, shape (n, n_channels, ny, nx)
        I_nu [W m^-2 Hz^-1 sr^-1], float32.

    Raises
    ------
    CoganError
        If the cubes are not usable.
    """
    check_cubes(velocity, temperature, density)
    table = line_table(line, turbulence, str(velocity.device))
    channels = channels.to(velocity.device, torch.float32)
    rule = _trapezoid if trapezoid else _exact
    found = []
    for cube in zip(velocity, temperature, density, strict=True):  # one at a time fits in a cache
        v_z, kelvin, number = (field.to(torch.float32)[None] for field in cube)
        opacity, source = table(kelvin.log())
        width = torch.sqrt(kelvin * (2 * K / CO_MASS) + turbulence**2)
        b = profile_arguments(v_z, width, channels)
        found.append(rule(torch.exp(opacity) * number, b, torch.exp(source), spacing))
    return torch.cat(found)


def _exact(opacity: Tensor, b: Tensor, source: Tensor, spacing: float) -> Tensor:
    return emergent(interval_depths(opacity, b, spacing).clamp_min(0), source)


def _trapezoid(opacity: Tensor, b: Tensor, source: Tensor, spacing: float) -> Tensor:
    chi = (opacity * (spacing / 2 / math.sqrt(math.pi)))[:, None] * torch.exp(-b * b)
    depths = chi[:, :, :-1] + chi[:, :, 1:]
    seen = torch.exp(-torch.cumsum(depths, 2))
    seen = torch.cat([torch.ones_like(seen[:, :, :1]), seen], 2)
    middle = (source[:, None, :-1] + source[:, None, 1:]) / 2
    return ((seen[:, :, :-1] - seen[:, :, 1:]) * middle).sum(2)
