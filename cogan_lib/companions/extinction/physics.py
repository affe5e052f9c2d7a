"""What is true: a toy Galaxy of stars, dust in front of them, and the diagrams that a survey sees.

Stars are drawn by inverting their distributions, so each diagram has stars of its own: expected
numbers, distances and magnitudes are of a Poisson process, not of a catalogue that was made once.
All arrays are torch tensors, and everything runs where they are, CPU or GPU.

Densities and luminosity functions are a toy, ours; the red clump is that of Ruiz-Dern et al.
(2018), the limits are 2MASS's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError

#: A diagram's pixels along either axis, and what they span: J - Ks and Ks [mag].
SIDE = 64
COLOUR = (-0.5, 5.9)
MAGNITUDE = (4.7, 14.3)
#: 2MASS, level 1: ten sigma, 99 per cent complete [mag].
LIMITS = {"J": 15.8, "Ks": 14.3}
#: Middle of the bands [micron] (Cohen et al. 2003).
BANDS = {"J": 1.235, "Ks": 2.159}
CELL_DEG = 0.5
#: Bins of a profile: A_V in each [mag]; the document's network has as many outputs.
BINS, STEP_KPC = 128, 0.1
#: Of the map.
LONGITUDES, LATITUDES = (257.0, 303.0), (-5.0, 5.0)

SUN_KPC = 8.2  # from the Galactic centre
SCALE_KPC, HEIGHT_KPC = 2.5, 0.3
FARTHEST_KPC = 20.0  # stars beyond the profile's end lie behind all of its dust
COLOUR_SCATTER = 0.04
#: Two stars nearer than this are one source, the brighter [arcsec]: two of 2MASS's beams.
BLEND_ARCSEC = 5.0
MARGIN = 0.5  # noise may bring a star this much [mag] beyond the limit into the sample
KNOTS = 1024


@dataclass(frozen=True)
class Component:
    """One kind of stars.

    Attributes
    ----------
    density_pc3 : float
        Stars per cubic parsec at the Sun.
    share : callable
        Share of them that is brighter than an absolute magnitude M_Ks.
    quantile : callable
        Its inverse.
    colour : callable
        Mean (J - Ks)_0 at M_Ks.
    """

    density_pc3: float
    share: Callable[[Tensor], Tensor]
    quantile: Callable[[Tensor], Tensor]
    colour: Callable[[Tensor], Tensor]


_GIANTS = 0.28, -6.5, 2.0  # N ~ 10^(0.28 M) between two magnitudes
_CLUMP = -1.606, 0.18
_LOW, _HIGH = (10 ** (_GIANTS[0] * end) for end in _GIANTS[1:])

COMPONENTS = {
    "main sequence": Component(
        0.02,
        lambda m: ((m - 1) / 6).clamp(0, 1) ** 2,
        lambda p: 1 + 6 * p.sqrt(),
        lambda m: 0.05 + 0.13 * (m - 1),
    ),
    "giants": Component(
        4e-4,
        lambda m: ((10 ** (_GIANTS[0] * m) - _LOW) / (_HIGH - _LOW)).clamp(0, 1),
        lambda p: (_LOW + p * (_HIGH - _LOW)).log10() / _GIANTS[0],
        lambda m: 0.60 + 0.07 * (1 - m).clamp_min(0),
    ),
    "red clump": Component(
        2e-4,
        lambda m: torch.special.ndtr((m - _CLUMP[0]) / _CLUMP[1]),
        lambda p: _CLUMP[0] + _CLUMP[1] * torch.special.ndtri(p),
        lambda m: torch.full_like(m, 0.65),
    ),
}


@dataclass(frozen=True)
class Sightlines:
    """Stars to be expected along some sightlines, in cells of `CELL_DEG` on a side.

    Attributes
    ----------
    lon_deg, lat_deg : ndarray, shape (n,)
    expected : Tensor, shape (n, n_components)
        Stars that would be bright enough without dust.
    distances_kpc : Tensor, shape (n, n_components, KNOTS + 1)
        Their distance at evenly spaced shares.
    """

    lon_deg: np.ndarray
    lat_deg: np.ndarray
    expected: Tensor
    distances_kpc: Tensor

    def to(self, device: str) -> Sightlines:
        """Copy the tables to a device."""
        tables = self.expected.to(device), self.distances_kpc.to(device)
        return Sightlines(self.lon_deg, self.lat_deg, *tables)


@cache
def extinction_law() -> tuple[float, float]:
    """A_J / A_V and A_Ks / A_V of Gordon et al. (2023), R_V = 3.1, by the package dust_extinction.

    Returns
    -------
    tuple of float
    """
    from astropy import units as u
    from dust_extinction.parameter_averages import G23

    at_j, at_ks = G23(Rv=3.1)(np.array(list(BANDS.values())) * u.micron)
    return float(at_j), float(at_ks)


def sightlines(lon_deg: np.ndarray, lat_deg: np.ndarray) -> Sightlines:
    """Tabulate the stars along sightlines: n(d) d^2 times the share that is bright enough.

    Parameters
    ----------
    lon_deg, lat_deg : array_like, shape (n,)
        Galactic.

    Returns
    -------
    Sightlines

    Raises
    ------
    CoganError
        If a position is not one of the sky, or there is none.
    """
    lon, lat = (np.atleast_1d(np.asarray(x, float)) for x in (lon_deg, lat_deg))
    if not lon.size or lon.shape != lat.shape or not np.isfinite([lon, lat]).all():
        raise CoganError(
            "Sightlines need as many finite longitudes as latitudes, at least one of each."
        )
    if np.abs(lat).max() > 90:
        raise CoganError(f"A latitude is {lat[np.abs(lat).argmax()]:g} deg, beyond the poles.")
    d = np.linspace(0, FARTHEST_KPC, 4001)[1:]
    x, y, z = galactocentric(lon[:, None], lat[:, None], d)
    density = np.exp(-(np.hypot(x, y) - SUN_KPC) / SCALE_KPC - np.abs(z) / HEIGHT_KPC)
    area = np.radians(CELL_DEG) ** 2 * np.cos(np.radians(lat))[:, None]
    volume = 1e9 * area * d**2 * (d[1] - d[0])  # pc^3
    faintest = torch.from_numpy(LIMITS["Ks"] + MARGIN - distance_modulus(d))
    expected, quantiles = [], []
    for component in COMPONENTS.values():
        seen = density * volume * component.density_pc3 * component.share(faintest).numpy()
        total = np.cumsum(seen, axis=1)
        expected.append(total[:, -1])
        shares = np.linspace(0, 1, KNOTS + 1)
        edges = np.concatenate([[0], d])
        quantiles.append(
            [np.interp(shares, np.concatenate([[0], row / row[-1]]), edges) for row in total]
        )
    tables = np.stack(expected, 1), np.stack(quantiles, 1)
    return Sightlines(lon, lat, *(torch.from_numpy(x.astype(np.float32)) for x in tables))


def galactocentric(lon_deg, lat_deg, distance_kpc):
    """Turn Galactic coordinates into x (the Sun at +8.2), y (towards l = 90) and z [kpc].

    Parameters
    ----------
    lon_deg, lat_deg, distance_kpc : ndarray
        That broadcast together.

    Returns
    -------
    tuple of ndarray
    """
    l, b = np.radians(lon_deg), np.radians(lat_deg)  # noqa: E741
    x = SUN_KPC - distance_kpc * np.cos(b) * np.cos(l)
    return x, distance_kpc * np.cos(b) * np.sin(l), distance_kpc * np.sin(b)


def distance_modulus(distance_kpc):
    """Compute m - M = 5 log10(d / 10 pc).

    Parameters
    ----------
    distance_kpc : ndarray or Tensor

    Returns
    -------
    ndarray or Tensor
    """
    log10 = torch.log10 if isinstance(distance_kpc, Tensor) else np.log10
    return 5 * log10(distance_kpc) + 10


def profiles(n: int, generator: torch.Generator) -> Tensor:
    """Draw extinction profiles: exponentiated 1D Gaussian random fields, thinner far away.

    Amplitude k^-s with s of 0.6-1.2; ln of the density has a scatter of 0.5-1.3; scale length 4-20
    kpc; 0.5-15 mag in the first 10 kpc. The document doesn't say its own choices: these are ours.

    Parameters
    ----------
    n : int
    generator : Generator
        The result is on its device.

    Returns
    -------
    Tensor, shape (n, BINS)
        A_V of each bin [mag].
    """
    device = generator.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, generator=generator, device=device)

    k = torch.arange(1, BINS + 1, device=device)  # of twice the length, which is not periodic
    waves = torch.randn(n, BINS, 2, generator=generator, device=device)
    waves = torch.view_as_complex(waves) * k ** -uniform(0.6, 1.2)
    waves = torch.cat([torch.zeros_like(waves[:, :1]), waves], 1)
    field = torch.fft.irfft(waves, n=2 * BINS)[:, :BINS]
    field = (field - field.mean(1, keepdim=True)) / field.std(1, keepdim=True)
    d = STEP_KPC * (torch.arange(BINS, device=device) + 0.5)
    dust = torch.exp(uniform(0.5, 1.3) * field - d / uniform(4, 20))
    return dust * uniform(0.5, 15) / dust[:, : round(10 / STEP_KPC)].sum(1, keepdim=True)


@dataclass(frozen=True)
class Stars:
    """Stars that a survey sees, of several examples.

    Attributes
    ----------
    example : Tensor of int, shape (n,)
        Whose star it is.
    colour, magnitude : Tensor, shape (n,)
        J - Ks and Ks as measured [mag].
    """

    example: Tensor
    colour: Tensor
    magnitude: Tensor


def stars(
    lines: Sightlines,
    which: Tensor,
    a_v: Tensor,
    generator: torch.Generator,
    *,
    area: float | Tensor = 1.0,
    law: tuple[float, float] | None = None,
    zero_point_j: float = 0.0,
) -> Stars:
    """Draw the stars of sightlines behind dust, as the survey measures them.

    Parameters
    ----------
    lines : Sightlines
    which : Tensor of int, shape (n,)
        The sightline of each example.
    a_v : Tensor, shape (n, BINS)
        Extinction of each bin [mag].
    generator : Generator
        On the tensors' device.
    area : float or Tensor, shape (n,)
        Of the cells, in units of the full ones.
    law : tuple of float, optional
        A_J / A_V and A_Ks / A_V; by default `extinction_law`.
    zero_point_j : float
        Error of J's calibration [mag], which the network was not told of.

    Returns
    -------
    Stars
    """
    at_j, at_ks = extinction_law() if law is None else law
    depth = torch.cat([torch.zeros_like(a_v[:, :1]), a_v.cumsum(1)], 1).flatten()
    area = torch.as_tensor(area, dtype=a_v.dtype, device=a_v.device).expand(len(which))
    found = []
    for number, component in enumerate(COMPONENTS.values()):
        counts = torch.poisson(area * lines.expected[which, number], generator=generator).long()
        example = torch.arange(len(which), device=which.device).repeat_interleave(counts)
        u = torch.rand(2, len(example), generator=generator, device=which.device)
        e = torch.randn(3, len(example), generator=generator, device=which.device)
        table = lines.distances_kpc[:, number].flatten()
        d = _between(table, which[example] * (KNOTS + 1), u[0] * KNOTS, KNOTS)
        modulus = distance_modulus(d)
        brighter = component.share(LIMITS["Ks"] + MARGIN - modulus)
        absolute = component.quantile((u[1] * brighter).clamp_min(1e-7))
        dust = _between(depth, example * (BINS + 1), d / STEP_KPC, BINS)
        ks = absolute + modulus + at_ks * dust
        j = absolute + modulus + component.colour(absolute) + COLOUR_SCATTER * e[0] + at_j * dust
        ks = ks + e[1] * magnitude_error(ks, LIMITS["Ks"])
        j = j + e[2] * magnitude_error(j, LIMITS["J"]) + zero_point_j
        seen = ((ks < LIMITS["Ks"]) & (j < LIMITS["J"])).nonzero()[:, 0]
        found.append((example[seen], (j - ks)[seen], ks[seen]))
    example, colour, ks = (torch.cat(parts) for parts in zip(*found, strict=True))
    kept = _not_blended(example, ks, area, generator)
    return Stars(example[kept], colour[kept], ks[kept])


def magnitude_error(magnitude: Tensor, limit: float) -> Tensor:
    """Photometric error: 0.02 mag, and a sky whose noise is a tenth of a star's flux at the limit.

    Parameters
    ----------
    magnitude : Tensor
    limit : float
        Where S/N is 10 [mag].

    Returns
    -------
    Tensor
        [mag]
    """
    sky = 0.1086 * torch.exp((0.4 * math.log(10)) * (magnitude - limit).clamp_max(2))
    return (0.02**2 + sky * sky).sqrt()


def _between(table: Tensor, start: Tensor, at: Tensor, last: int) -> Tensor:
    """Interpolate in rows of a flattened table that begin at `start`; constant beyond the end."""
    at = at.clamp(max=last)
    low = at.long().clamp(max=last - 1)
    index = start + low
    left = table[index]
    return left + (at - low) * (table[index + 1] - left)


def _not_blended(example: Tensor, ks: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    """Leave out stars with a brighter one within `BLEND_ARCSEC`: the crowding term."""
    row = _pixel(ks, MAGNITUDE).clamp(0, SIDE - 1)
    cell = example * SIDE + row
    brighter = torch.bincount(cell, minlength=len(area) * SIDE).view(-1, SIDE).cumsum(1)
    near = math.pi * BLEND_ARCSEC**2 / (3600 * CELL_DEG) ** 2 / area
    survival = torch.exp(-near[:, None] * brighter).flatten()
    chance = torch.rand(len(ks), generator=generator, device=ks.device)
    return (chance < survival[cell]).nonzero()[:, 0]


def _pixel(values: Tensor, span: tuple[float, float]) -> Tensor:
    return ((values - span[0]) * (SIDE / (span[1] - span[0]))).floor().long()


def diagrams(found: Stars, n: int) -> Tensor:
    """Count stars in colour-magnitude diagrams.

    Parameters
    ----------
    found : Stars
    n : int
        Number of examples.

    Returns
    -------
    Tensor, shape (n, SIDE, SIDE), float32
        Rows are Ks, bright ones first, columns J - Ks. Stars outside don't count.
    """
    row, column = _pixel(found.magnitude, MAGNITUDE), _pixel(found.colour, COLOUR)
    inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
    pixel = (found.example * SIDE + row) * SIDE + column
    counts = torch.bincount(pixel[inside], minlength=n * SIDE * SIDE)
    return counts.view(n, SIDE, SIDE).float()
