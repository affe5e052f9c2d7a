"""An emulator that is told what is known: rays are parallel, a channel is a shift of velocity.

Each pixel of an image depends on the column of gas behind it alone, so one small network serves
all pixels. A channel v shows gas that moves with v_z as the channel 0 shows gas that moves with
v_z - v (Galileo), so the same network serves all channels. And of temperature, density, molecule,
line and turbulence nothing counts but opacity and source function, of which the source function
only scales. What is left to learn is the formal solution of one ray.

`RaySettings.knows` takes these away again, one by one, to see what each is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError
from ...learn.blocks import Residual
from .data import LN_DENSITY, faintest
from .physics import CO_MASS, COLine, K, check_channels, check_cubes
from .tables import line_table

#: What a network may know, each beside what stands before it.
KNOWLEDGE = ("rays", "shift", "line")
#: The profile's argument b is cut at this many widths, where exp(-b^2) is 1e-7, and divided by it.
REACH = 4.0
#: A step of 1 in the output is this in ln I.
STEP = 4.0
#: ln I that an output of 0 stands for where the source function is not known.
MIDDLE = -32.0
#: ln of the optical depth between two points that is taken for none.
DARK = -12.0
#: Rays that are worked on at once: by a CPU, where their numbers then stay in its cache, and a GPU.
CPU_RAYS, GPU_RAYS = 1024, 1 << 17


@dataclass(frozen=True)
class RaySettings:
    """Shape of the network.

    Attributes
    ----------
    knows : str
        ``rays``: each pixel depends on its own column, which gives all `channels`; ``shift``: and a
        channel is a shift of velocity; ``line``: and the gas counts by opacity and source alone.
    width : int
        Numbers between two layers.
    points : int
        Points of a column; one with others is resampled.
    channels : int
        That the network was trained for; only where the shift is not known.
    """

    knows: str = "line"
    width: int = 32
    points: int = 32
    channels: int = 7

    def __post_init__(self) -> None:
        """Refuse what is not among `KNOWLEDGE`."""
        if self.knows not in KNOWLEDGE:
            raise CoganError(f"A network knows one of {', '.join(KNOWLEDGE)}, not {self.knows!r}.")


class RayEmulator(nn.Module):
    """The network of one ray: two layers about a residual block.

    Parameters
    ----------
    settings : RaySettings
    """

    def __init__(self, settings: RaySettings) -> None:
        super().__init__()
        self.settings = settings
        width, points = settings.width, settings.points
        # What differs from channel to channel and what doesn't: the latter is done once per ray.
        self.moving = nn.Linear(points, width)
        self.still = nn.Linear(2 * points, width, bias=False)
        body = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.block = Residual(body)
        self.last = nn.Linear(width, settings.channels if settings.knows == "rays" else 1)
        nn.init.zeros_(body[2].weight)

    def forward(self, moving: Tensor, still: Tensor) -> Tensor:
        """Apply the network.

        Parameters
        ----------
        moving : Tensor, shape (n_rays, n_channels, points)
            What the channel changes; without the shift known, n_channels is 1.
        still : Tensor, shape (n_rays, 2 * points)

        Returns
        -------
        Tensor, shape (n_rays, n_channels)
        """
        first = functional.gelu(self.moving(moving) + self.still(still)[:, None])
        return self.last(self.block(first)).flatten(1)

    def ln_intensity(
        self,
        velocity: Tensor,
        ln_kelvin: Tensor,
        ln_density: Tensor,
        channels: Tensor,
        spacing: float,
        line: COLine,
        turbulence: float,
    ) -> Tensor:
        """Compute ln I of rays.

        Parameters
        ----------
        velocity, ln_kelvin, ln_density : Tensor, shape (n_rays, points)
            v_z [m/s], ln T, and ln n_CO [m^-3] along each ray, the nearest point first.
        channels : Tensor, shape (n_channels,)
            Velocities of the channels [m/s].
        spacing : float
            Between points [m].
        line : COLine
        turbulence : float
            v_turb [m/s].

        Returns
        -------
        Tensor, shape (n_rays, n_channels), float32
            ln I_nu; in use no brighter than the ray's largest source function, where that is known.
            (In training without this limit, at which a gradient would end.)
        """
        knows = self.settings.knows
        if knows == "rays":
            if len(channels) != self.settings.channels:
                raise CoganError(
                    f"This network draws the {self.settings.channels} channels that it was trained "
                    f"for, not {len(channels)}; one that knows the shift draws any."
                )
            moving = velocity[:, None] / 1e4
        else:
            per_width = torch.rsqrt(torch.exp(ln_kelvin) * (2 * K / CO_MASS) + turbulence**2)
            per_width = per_width / REACH
            b = torch.addcmul(
                (velocity * per_width)[:, None], -channels[:, None], per_width[:, None]
            )
            moving = b.clamp(-1, 1)
        if knows == "line":
            opacity, source = line_table(line, turbulence, str(velocity.device))(ln_kelvin)
            top = source.amax(1, keepdim=True)
            depth = opacity + ln_density + math.log(spacing)
            still = torch.cat([depth.clamp_min(DARK) / 3, source - top], 1)
        else:
            top = torch.full_like(velocity[:, :1], MIDDLE)
            still = torch.cat([ln_kelvin - 5, (ln_density - LN_DENSITY + 3) / 3], 1)
        found = top + STEP * self(moving, still)
        return torch.minimum(found, top) if knows == "line" and not self.training else found


def along_rays(field: Tensor, points: int) -> Tensor:
    """Take a cube apart into columns, and resample them if they have other points.

    Parameters
    ----------
    field : Tensor, shape (n, nz, ny, nx)
    points : int

    Returns
    -------
    Tensor, shape (n * ny * nx, points), float32
        At the centres of `points` equal parts of the ray, by linear interpolation.
    """
    columns = field.to(torch.float32).permute(0, 2, 3, 1).flatten(0, 2)
    if columns.shape[1] == points:
        return columns.contiguous()
    return functional.interpolate(columns[:, None], points, mode="linear")[:, 0]


def imitate(
    network: RayEmulator,
    velocity: Tensor,
    temperature: Tensor,
    density: Tensor,
    channels: Tensor,
    spacing: float,
    line: COLine,
    turbulence: float,
) -> Tensor:
    """Draw line images as `physics.line_images` does, with the same arguments and no background.

    Nothing is drawn fainter than `data.faintest`, 0.26 K: below, the network has learnt nothing.

    Parameters
    ----------
    network : RayEmulator
    velocity, temperature, density : Tensor, shape (n, nz, ny, nx)
        v_z [m/s], T [K], n_CO [m^-3] on grid points; the first plane, z = 0, is the nearest.
    channels : Tensor, shape (n_channels,)
        Velocities of the channels [m/s].
    spacing : float
        Between grid points [m].
    line : COLine
    turbulence : float
        v_turb [m/s].

    Returns
    -------
    Tensor, shape (n, n_channels, ny, nx), float32
        I_nu [W m^-2 Hz^-1 sr^-1].

    Raises
    ------
    CoganError
        If the cubes are not usable, or no channel meets their gas.
    """
    check_cubes(velocity, temperature, density)
    widest = torch.sqrt(temperature.amax((1, 2, 3)) * (2 * K / CO_MASS) + turbulence**2)
    check_channels(channels.to(velocity.device), velocity, widest)
    kelvin, number = (field.to(torch.float32) for field in (temperature, density))
    logs = torch.log(kelvin), torch.log(number.clamp_min(1e-30))
    return torch.exp(ln_images(network, velocity, *logs, channels, spacing, line, turbulence))


def ln_images(
    network: RayEmulator,
    velocity: Tensor,
    ln_kelvin: Tensor,
    ln_density: Tensor,
    channels: Tensor,
    spacing: float,
    line: COLine,
    turbulence: float,
) -> Tensor:
    """Draw the logarithms of line images from logarithms, as data folders have them.

    Parameters
    ----------
    network : RayEmulator
    velocity, ln_kelvin, ln_density : Tensor, shape (n, nz, ny, nx)
        v_z [m/s], ln T, ln n_CO [m^-3].
    channels : Tensor, shape (n_channels,)
        Velocities of the channels [m/s].
    spacing : float
        Between grid points [m].
    line : COLine
    turbulence : float
        v_turb [m/s].

    Returns
    -------
    Tensor, shape (n, n_channels, ny, nx), float32
        ln I_nu, not below `data.faintest`.
    """
    n, nz, ny, nx = velocity.shape
    points = network.settings.points
    columns = [along_rays(field, points) for field in (velocity, ln_kelvin, ln_density)]
    channels = channels.to(velocity.device, torch.float32)
    options = (channels, spacing * nz / points, line, turbulence)
    at_once = CPU_RAYS if velocity.device.type == "cpu" else GPU_RAYS
    parts = [
        network.ln_intensity(*some, *options)
        for some in zip(*(column.split(at_once) for column in columns), strict=True)
    ]
    images = torch.cat(parts).clamp_min(faintest(line))
    return images.unflatten(0, (n, ny, nx)).permute(0, 3, 1, 2)
