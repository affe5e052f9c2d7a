"""CO line images of a cube of gas: local thermodynamic equilibrium, one straight ray per pixel.

Along a ray, with the observer at z = 0 looking towards growing z,

    I_nu = I_background exp(-tau(L)) + int_0^L eta_nu exp(-tau_nu) dz,   tau_nu(z) = int_0^z chi_nu

(De Ceuster et al. 2022; Su et al. 2025, equations 1-11). Opacity and emissivity are Gaussians in
frequency, shifted by the gas's motion along the ray. In a wind this shift may exceed the line's
width from one grid point to the next, so chi must not be added up point by point: between two
points chi_nu is *integrated*, in closed form, with density and velocity linear in z.

Everything is in SI units and float64, in torch, on the device of its inputs, and differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import constants
from torch import Tensor

from ...base.files import CoganError
from ...base.units import CO_GHZ

C, H, K = constants.c, constants.h, constants.k
CO_MASS = 28.0 * constants.atomic_mass
CMB_KELVIN = 2.7255

#: Frequencies of CO J=1-0 and 2-1 [Hz] and Einstein A [1/s]: LAMDA (Schoeier et al. 2005).
FREQUENCY = {upper: CO_GHZ[upper] * 1e9 for upper in (1, 2)}
EINSTEIN_A = {1: 7.203e-8, 2: 6.910e-7}

#: A rotor E_J/h = B J(J+1) - D J^2 (J+1)^2 that has these two lines, and as many levels as LAMDA.
DISTORTION_HZ = (2 * FREQUENCY[1] - FREQUENCY[2]) / 24
ROTATION_HZ = FREQUENCY[1] / 2 + 2 * DISTORTION_HZ
LEVELS = 41

#: Below this change of the profile's argument the closed form loses digits, and a series is used.
SMALL_STEP = {torch.float64: 2e-3, torch.float32: 0.1}
#: The same for the optical depth of an interval.
SMALL_DEPTH = 1e-2
#: Cells of a few rows of an image that a CPU works on: all that comes of them stays in its cache.
CELLS_AT_ONCE = 8192


@dataclass(frozen=True)
class COLine:
    """CO J = upper -> upper - 1.

    Attributes
    ----------
    upper : int
        J of the upper level, 1 or 2.
    """

    upper: int

    def __post_init__(self) -> None:
        """Refuse other lines."""
        if self.upper not in FREQUENCY:
            raise CoganError(f"The CO line must be upper level 1 or 2, but is {self.upper!r}.")

    @property
    def frequency(self) -> float:
        """Rest frequency [Hz]."""
        return FREQUENCY[self.upper]

    @property
    def name(self) -> str:
        """As in the literature, for example CO J=2-1."""
        return f"CO J={self.upper}-{self.upper - 1}"


def level_energies() -> Tensor:
    """Compute the energies of the rotational levels of CO, J = 0...40.

    Returns
    -------
    Tensor, shape (41,)
        E_J [joule].
    """
    jj = torch.arange(LEVELS, dtype=torch.float64)
    jj = jj * (jj + 1)
    return H * (ROTATION_HZ * jj - DISTORTION_HZ * jj**2)


def populations(temperature: Tensor, upper: int) -> tuple[Tensor, Tensor]:
    """Share CO between the lower and the upper level of a line, after Boltzmann (equation 10).

    Parameters
    ----------
    temperature : Tensor, any shape
        Kelvin.
    upper : int
        J of the upper level.

    Returns
    -------
    tuple of Tensor
        x_(J-1) and x_J, of the temperature's shape.
    """
    energy = level_energies().to(temperature.device)
    beta = 1 / (K * temperature)
    partition = torch.zeros_like(temperature)
    for j in range(LEVELS):  # level by level: 41 cubes at once would not fit into a cache
        partition = partition + (2 * j + 1) * torch.exp(-energy[j] * beta)
    lower, higher = (
        (2 * j + 1) * torch.exp(-energy[j] * beta) / partition for j in (upper - 1, upper)
    )
    return lower, higher


def planck(temperature: Tensor | float, frequency: float) -> Tensor:
    """Compute Planck's law.

    Parameters
    ----------
    temperature : Tensor or float, any shape
        Kelvin.
    frequency : float
        Hz.

    Returns
    -------
    Tensor, same shape, float64
        B_nu [W m^-2 Hz^-1 sr^-1].
    """
    temperature = torch.as_tensor(temperature, dtype=torch.float64)
    photon = H * frequency
    return 2 * photon * frequency**2 / C**2 / torch.expm1(photon / (K * temperature))


def line_coefficients(
    temperature: Tensor, density: Tensor, line: COLine, turbulence: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute opacity, source function and width of the line at each point (equations 4-9).

    Parameters
    ----------
    temperature : Tensor, any shape
        Kelvin.
    density : Tensor, same shape
        Number of CO molecules [m^-3].
    turbulence : float
        v_turb [m/s]: the profile's 1/e half width is nu/c sqrt(2 k T/m + v_turb^2).

    Returns
    -------
    tuple of Tensor
        chi_ij n / dnu, so that chi_nu = this x exp(-b^2) / sqrt(pi) [1/m]; S [W m^-2 Hz^-1 sr^-1];
        the width as a velocity, c dnu / nu [m/s].
    """
    nu, a_ij = line.frequency, EINSTEIN_A[line.upper]
    b_ij = a_ij * C**2 / (2 * H * nu**3)
    b_ji = b_ij * (2 * line.upper + 1) / (2 * line.upper - 1)
    x_lower, x_upper = populations(temperature, line.upper)
    photon = H * nu / (4 * math.pi)
    chi = photon * (x_lower * b_ji - x_upper * b_ij)
    width = torch.sqrt(2 * K * temperature / CO_MASS + turbulence**2)
    return chi * density / (nu * width / C), photon * x_upper * a_ij / chi, width


def profile_arguments(velocity: Tensor, width: Tensor, channels: Tensor) -> Tensor:
    """Compute b = (nu' - nu_0)/dnu of equation 6 at each channel and point, nu' = nu (1 + v_z/c).

    Parameters
    ----------
    velocity, width : Tensor, shape (n, nz, ny, nx)
        v_z [m/s], positive for gas that recedes from the observer, and the line's width.
    channels : Tensor, shape (n_channels,)
        Velocities v of the channels [m/s] in the radio convention, nu = nu_0 (1 - v/c).

    Returns
    -------
    Tensor, shape (n, n_channels, nz, ny, nx)
        Zero where the gas moves with the channel's velocity.
    """
    v = channels[:, None, None, None]
    v_z = velocity[:, None]
    return (v_z - v - v * v_z / C) / width[:, None]


def interval_depths(opacity: Tensor, b: Tensor, spacing: float) -> Tensor:
    """Integrate the optical depth between grid points, opacity and b linear between them.

    With opacity a_0...a_1 and b_0...b_1 at the ends, and s = (a_1 - a_0)/(b_1 - b_0),

        dtau = dz/(b_1 - b_0) { (a_0 - s b_0) [erf(b_1) - erf(b_0)]/2
                                + s [exp(-b_0^2) - exp(-b_1^2)]/(2 sqrt(pi)) } .

    Where b hardly changes this is a difference of equals; there the trapezoid with its first
    correction, dz {(g_0 + g_1)/2 + (g_0' - g_1')/12}, g = a exp(-b^2)/sqrt(pi), is good to 1e-10
    (in single precision to 1e-6).

    Parameters
    ----------
    opacity : Tensor, shape (n, nz, ny, nx)
        The first of `line_coefficients`.
    b : Tensor, shape (n, n_channels, nz, ny, nx)
        Of `profile_arguments`.
    spacing : float
        Between grid points [m].

    Returns
    -------
    Tensor, shape (n, n_channels, nz - 1, ny, nx)
    """
    a = opacity[:, None].expand_as(b)
    gauss, error = torch.exp(-b * b) / math.sqrt(math.pi), torch.erf(b)
    a0, a1, b0, b1 = a[:, :, :-1], a[:, :, 1:], b[:, :, :-1], b[:, :, 1:]
    g0, g1 = gauss[:, :, :-1], gauss[:, :, 1:]
    da, db = a1 - a0, b1 - b0
    small = db.abs() < SMALL_STEP[b.dtype]

    step = torch.where(small, 1.0, db)  # keeps infinities out of values and gradients
    slope = da / step
    area = (error[:, :, 1:] - error[:, :, :-1]) / 2
    closed = ((a0 - slope * b0) * area + slope * (g0 - g1) / 2) / step

    change = g0 * (da - 2 * a0 * b0 * db) - g1 * (da - 2 * a1 * b1 * db)
    series = (a0 * g0 + a1 * g1) / 2 + change / 12
    return spacing * torch.where(small, series, closed)


def emergent(depths: Tensor, source: Tensor, background: Tensor | float = 0.0) -> Tensor:
    """Add up what leaves the cube towards the observer: the formal solution by intervals.

    In each interval S is linear in tau, from S_0 at its near end to S_1:

        dI = exp(-tau_0) [S_0 (1 - e^-d - w) + S_1 w],   w = (1 - (1 + d) e^-d)/d,   d = dtau .

    Parameters
    ----------
    depths : Tensor, shape (n, n_channels, nz - 1, ny, nx)
        Of `interval_depths`; index 0 is next to the observer.
    source : Tensor, shape (n, nz, ny, nx)
        S [W m^-2 Hz^-1 sr^-1].
    background : Tensor or float
        Intensity that enters behind.

    Returns
    -------
    Tensor, shape (n, n_channels, ny, nx)
        I_nu [W m^-2 Hz^-1 sr^-1].
    """
    tau = torch.cumsum(depths, 2)
    seen = torch.exp(depths - tau)  # exp(-tau) at the near end
    thin = depths < SMALL_DEPTH
    d = torch.where(thin, 1.0, depths)
    absorbed = -torch.expm1(-depths)
    closed = (1 - (1 + d) * torch.exp(-d)) / d
    series = depths * (
        1 / 2 - depths * (1 / 3 - depths * (1 / 8 - depths * (1 / 30 - depths / 144)))
    )
    far = torch.where(thin, series, closed)
    s = source[:, None]
    gained = seen * (s[:, :, :-1] * (absorbed - far) + s[:, :, 1:] * far)
    return gained.sum(2) + background * torch.exp(-tau[:, :, -1])


def line_images(
    velocity: Tensor,
    temperature: Tensor,
    density: Tensor,
    channels: Tensor,
    spacing: float,
    line: COLine,
    turbulence: float,
    background: float = 0.0,
) -> Tensor:
    """Solve for the images of a batch of cubes in the channels of a CO line.

    Parameters
    ----------
    velocity, temperature, density : Tensor, shape (n, nz, ny, nx)
        v_z [m/s], T [K], n_CO [m^-3] on grid points; the first plane, z = 0, is the nearest.
    channels : Tensor, shape (n_channels,)
        Velocities of the channels [m/s], positive for receding gas.
    spacing : float
        Between grid points [m].
    line : COLine
    turbulence : float
        v_turb [m/s].
    background : float
        Intensity behind the cube [W m^-2 Hz^-1 sr^-1].

    Returns
    -------
    Tensor, shape (n, n_channels, ny, nx)
        I_nu [W m^-2 Hz^-1 sr^-1], float64.

    Raises
    ------
    CoganError
        If cubes or channels are not usable; see `check_cubes`, `check_channels`.
    """
    check_cubes(velocity, temperature, density)
    velocity, temperature, density, channels = (
        field.to(velocity.device, torch.float64)
        for field in (velocity, temperature, density, channels)
    )
    fields = (velocity, *line_coefficients(temperature, density, line, turbulence))
    check_channels(channels, velocity, fields[-1].amax((1, 2, 3)))

    def solve(velocity: Tensor, opacity: Tensor, source: Tensor, width: Tensor) -> Tensor:
        b = profile_arguments(velocity, width, channels)
        return emergent(interval_depths(opacity, b, spacing), source, background)

    if velocity.device.type != "cpu":
        return solve(*fields)
    rows = max(1, CELLS_AT_ONCE // (velocity.shape[1] * velocity.shape[3]))
    return torch.cat([
        torch.cat([solve(*some) for some in zip(*(x.split(rows, 2) for x in cube), strict=True)], 2)
        for cube in zip(*(field.split(1) for field in fields), strict=True)
    ])  # fmt: skip


def check_cubes(velocity: Tensor, temperature: Tensor, density: Tensor) -> None:
    """Refuse what is no gas that a ray can cross.

    Parameters
    ----------
    velocity, temperature, density : Tensor, shape (n, nz, ny, nx)
        As `line_images` takes them.

    Raises
    ------
    CoganError
        If shapes differ, values are not finite, the density is negative, or the temperature is
        below that of the cosmic background.
    """
    cubes = {"velocity": velocity, "temperature": temperature, "density": density}
    shapes = {name: tuple(cube.shape) for name, cube in cubes.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise CoganError(f"The cubes differ in shape ({listed}); put them on one grid.")
    if velocity.ndim != 4 or velocity.shape[1] < 2:
        raise CoganError(
            f"Cubes must have the shape (n, nz, ny, nx) with nz of at least 2, not "
            f"{shapes['velocity']}."
        )
    for name, cube in cubes.items():
        if torch.isfinite(cube.detach().sum()):  # far quicker than to look at each
            continue
        if bad := int((~torch.isfinite(cube)).sum()):
            raise CoganError(f"The {name} has {bad} values that are not finite; fill them first.")
    if (lowest := float(density.detach().min())) < 0:
        raise CoganError(f"The density falls to {lowest:.3g} m^-3; it must not be negative.")
    if (lowest := float(temperature.detach().min())) < CMB_KELVIN:
        raise CoganError(
            f"The temperature falls to {lowest:.3g} K, below that of the cosmic background "
            f"({CMB_KELVIN} K); set a floor."
        )


def check_channels(channels: Tensor, velocity: Tensor, widest: Tensor) -> None:
    """Refuse channels none of which sees any of a cube's gas.

    Parameters
    ----------
    channels : Tensor, shape (n_channels,)
        Velocities [m/s].
    velocity : Tensor, shape (n, nz, ny, nx)
        v_z [m/s].
    widest : Tensor, shape (n,)
        The line's largest width in each cube [m/s].

    Raises
    ------
    CoganError
        If there is a cube that no channel meets.
    """
    reach = 6 * widest  # the profile is 1e-16 there
    low, high = velocity.amin((1, 2, 3)) - reach, velocity.amax((1, 2, 3)) + reach
    hit = (channels[:, None] >= low) & (channels[:, None] <= high)
    if not bool(hit.any(0).all()):
        cube = int((~hit.any(0)).nonzero()[0])
        raise CoganError(
            f"No channel ({float(channels.min()):g} to {float(channels.max()):g} m/s) meets the "
            f"line of cube {cube}, whose gas emits from {float(low[cube]):.0f} to "
            f"{float(high[cube]):.0f} m/s; give the channels as velocities in m/s."
        )
