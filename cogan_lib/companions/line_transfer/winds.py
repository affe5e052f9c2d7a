"""Winds of evolved stars with a spiral wake of a companion, in closed form at any point.

An AGB star loses gas in a wind that a close companion winds up into a spiral (Homan et al. 2015).
With r softened to r_s^2 = r^2 + r_0^2, so that the star's surroundings stay resolved,

    v_r = v_inf (1 - R_0/r_s)^beta          v_phi = v_rot r_0/r_s
    rho = Mdot/(4 pi r_s^2 v_r) (1 + contrast S) exp(clumps)
    T = T_star (R_star/r_s)^eps + T_S S
    S = sum_m exp(-[(r - b (phi + 2 pi m - phi_0))/sigma_r]^2/2 - [(theta - pi/2)/sigma_th]^2/2)

As they are formulas, a rotated wind is had without interpolation: ask for the positions in the
wind's own frame, and rotate the velocities back. They are float64 in torch, so that an image has a
gradient with respect to each number of the wind that it shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy import constants
from scipy.spatial.transform import Rotation
from torch import Tensor

AU = constants.au
SOLAR_MASS_A_YEAR = 1.98841e30 / constants.Julian_year
H2_MASS = 2.016 * constants.atomic_mass

#: Half the box, the softening r_0, R_0, R_star [au]; T_S, and the least temperature [K].
HALF_BOX_AU, SOFTENING_AU, LAUNCH_AU, STAR_AU = 200.0, 15.0, 4.0, 1.5
SPIRAL_KELVIN, FLOOR_KELVIN = 60.0, 20.0
CO_PER_H2 = 3e-4
#: v_turb of all winds [m/s].
TURBULENCE = 1500.0
#: Channels of the images [m/s]: the core of the line of most winds, wing to wing.
CHANNELS = np.linspace(-12e3, 12e3, 7)
WAVES = 16


@dataclass(frozen=True)
class Wind:
    """Numbers of one wind: floats, or tensors without a dimension where gradients are wanted.

    Attributes
    ----------
    mass_loss : float
        Mdot [solar masses a year].
    speed, rotation : float
        v_inf and v_rot [m/s].
    beta, cooling : float
        Exponents of the velocity and temperature laws.
    star_kelvin : float
        T_star [K].
    contrast : float
        Density in the middle of the spiral's arms, over that of the smooth wind, minus 1.
    spacing_au, width_au, width_deg, phase : float
        Distance of the arms (2 pi b), sigma_r, sigma_theta, phi_0 [rad].
    clumps : float
        Standard deviation of ln density on top.
    waves_per_au, phases : tuple
        Wave vectors (16 x 3) and phases (16) of the clumps.
    """

    mass_loss: float
    speed: float
    rotation: float
    beta: float
    star_kelvin: float
    cooling: float
    contrast: float
    spacing_au: float
    width_au: float
    width_deg: float
    phase: float
    clumps: float
    waves_per_au: tuple
    phases: tuple


def draw_wind(rng: np.random.Generator) -> Wind:
    """Draw a wind with random numbers; the ranges are ours, around those of Homan et al. (2015).

    Parameters
    ----------
    rng : Generator

    Returns
    -------
    Wind
    """
    spacing = rng.uniform(100, 200)  # arms are a cell wide at least, on a grid of 32
    directions = rng.standard_normal((WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.exp(rng.uniform(np.log(50), np.log(200), (WAVES, 1)))
    return Wind(
        mass_loss=float(10 ** rng.uniform(-7, -5)),
        speed=rng.uniform(10e3, 20e3),
        rotation=rng.uniform(0, 4e3),
        beta=rng.uniform(0.3, 0.6),
        star_kelvin=rng.uniform(2000, 3000),
        cooling=rng.uniform(0.4, 0.7),
        contrast=float(10 ** rng.uniform(0, 1)),
        spacing_au=spacing,
        width_au=spacing * rng.uniform(0.13, 0.2),
        width_deg=rng.uniform(10, 30),
        phase=rng.uniform(0, 2 * np.pi),
        clumps=rng.uniform(0, 0.4),
        waves_per_au=tuple(map(tuple, 2 * np.pi * directions / lengths)),
        phases=tuple(rng.uniform(0, 2 * np.pi, WAVES)),
    )


def spiral(wind: Wind, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Compute S of the formula above: 1 in the middle of an arm, 0 far from any.

    Parameters
    ----------
    wind : Wind
    x, y, z : Tensor, any shape
        Position in the wind's frame [au]; the companion's orbit lies in z = 0.

    Returns
    -------
    Tensor, same shape
    """
    radius = torch.sqrt(x**2 + y**2 + z**2)
    latitude = torch.atan2(z, torch.hypot(x, y))
    turns = (torch.atan2(y, x) - wind.phase) / (2 * np.pi)
    across = radius / wind.spacing_au - turns
    across = across - torch.round(across.detach())  # to the nearest arm, in arm spacings
    near = sum(
        torch.exp(-0.5 * ((across + m) * (wind.spacing_au / wind.width_au)) ** 2)
        for m in (-1, 0, 1)
    )
    return near * torch.exp(-0.5 * (torch.rad2deg(latitude) / wind.width_deg) ** 2)


def fields_at(wind: Wind, position_au: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute velocity, temperature and CO density at points of the wind's frame.

    Parameters
    ----------
    wind : Wind
    position_au : Tensor, shape (3, ...)
        x, y, z [au].

    Returns
    -------
    tuple of Tensor
        Velocity [m/s], shape (3, ...); T [K]; n_CO [m^-3].
    """
    x, y, z = position_au
    soft = torch.sqrt(x**2 + y**2 + z**2 + SOFTENING_AU**2)
    radial = wind.speed * (1 - LAUNCH_AU / soft) ** wind.beta
    around = wind.rotation * SOFTENING_AU / soft
    velocity = torch.stack([radial * x - around * y, radial * y + around * x, radial * z]) / soft

    arms = spiral(wind, x, y, z)
    temperature = wind.star_kelvin * (STAR_AU / soft) ** wind.cooling + SPIRAL_KELVIN * arms
    mass_loss = wind.mass_loss * SOLAR_MASS_A_YEAR
    density = mass_loss / (4 * np.pi * (soft * AU) ** 2 * radial) * (1 + wind.contrast * arms)
    if wind.clumps:
        grain = torch.zeros_like(soft)
        for wave, phase in zip(wind.waves_per_au, wind.phases, strict=True):
            grain = grain + torch.cos(wave[0] * x + wave[1] * y + wave[2] * z + phase)
        grain = grain * (wind.clumps * math.sqrt(2 / WAVES))
        density = density * torch.exp(grain - wind.clumps**2 / 2)
    return velocity, temperature.clamp_min(FLOOR_KELVIN), CO_PER_H2 * density / H2_MASS


def grid_au(npix: int, points: int | None = None) -> Tensor:
    """Lay the grid points of the box as the observer sees it.

    Parameters
    ----------
    npix : int
        Points along a side of the images.
    points : int, optional
        Along the line of sight; by default as many.

    Returns
    -------
    Tensor, shape (3, points, npix, npix)
        x, y, z [au]; the axes after the first are z (away from the observer), y, x.
    """
    across, along = (
        (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * HALF_BOX_AU - HALF_BOX_AU
        for n in (npix, points or npix)
    )
    z, y, x = torch.meshgrid(along, across, across, indexing="ij")
    return torch.stack([x, y, z])


def seen_at(wind: Wind, sky_au: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
    """Compute what the solver takes at points of the sky's frame, of a wind that is rotated.

    Positions are rotated, and velocities with them: a vector u of the wind's frame points to R u
    on the sky, so that a point p on the sky shows what the wind has at R^-1 p.

    Parameters
    ----------
    wind : Wind
    sky_au : Tensor, shape (3, ...)
        x, y, z [au], z away from the observer.
    rotation : Rotation
        R, from the wind's frame to that of the sky.

    Returns
    -------
    tuple of Tensor, shape (...)
        v_z [m/s], T [K], n_CO [m^-3].
    """
    matrix = torch.from_numpy(rotation.as_matrix())
    velocity, temperature, density = fields_at(wind, torch.tensordot(matrix.T, sky_au, 1))
    return torch.tensordot(matrix[2], velocity, 1), temperature, density


def seen_from(wind: Wind, npix: int, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the cubes that the solver takes: `seen_at` on the points of `grid_au`.

    Parameters
    ----------
    wind : Wind
    npix : int
        Side of the cubes.
    rotation : Rotation
        R, from the wind's frame to that of the sky.

    Returns
    -------
    tuple of Tensor, shape (npix, npix, npix)
        v_z [m/s], T [K], n_CO [m^-3], axes z, y, x.
    """
    return seen_at(wind, grid_au(npix), rotation)


def through_star(
    wind: Wind, npix: int, rotation: Rotation, depth: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the fields in a plane through the star, between the planes of `seen_from`'s grid.

    Parameters
    ----------
    wind : Wind
    npix : int
        Points along a side.
    rotation : Rotation
        R, from the wind's frame to that of the sky.
    depth : bool
        The plane y = 0, of x and the line of sight, instead of the sky's, z = 0.

    Returns
    -------
    tuple of Tensor, shape (npix, npix)
        v_z [m/s], T [K], n_CO [m^-3]; axes z (or y), x.
    """
    line = grid_au(npix)[0, 0, 0]
    first, second = torch.meshgrid(line, line, indexing="ij")
    zero = torch.zeros_like(first)
    return seen_at(
        wind, torch.stack([second, zero, first] if depth else [second, first, zero]), rotation
    )


def spacing_m(npix: int) -> float:
    """Compute the distance of neighbouring grid points.

    Parameters
    ----------
    npix : int
        Points along a side of the box.

    Returns
    -------
    float
        Metres.
    """
    return 2 * HALF_BOX_AU / npix * AU


def views(rng: np.random.Generator, number: int, face_on: bool = False) -> list[Rotation]:
    """Draw directions to look from: uniform over all rotations (Haar), or about z only.

    A uniform axis with a uniform angle, which the paper's code draws, is not uniform over
    rotations: it prefers small ones.

    Parameters
    ----------
    rng : Generator
    number : int
        Of directions.
    face_on : bool
        About z only.

    Returns
    -------
    list of Rotation
    """
    if face_on:
        return list(Rotation.from_euler("z", rng.uniform(0, 2 * np.pi, (number, 1))))
    return list(Rotation.random(number, rng))


def plain_numbers(wind: Wind) -> dict[str, float]:
    """List the wind's scalars by name, without the clumps' waves.

    Parameters
    ----------
    wind : Wind

    Returns
    -------
    dict of str to float
    """
    values = ((entry.name, getattr(wind, entry.name)) for entry in fields(wind))
    return {name: value for name, value in values if not isinstance(value, tuple)}
