"""Molecular clouds in three dimensions, and their painting on the sphere with flux conserved.

The clouds of the disc follow MCMole3D (Puglisi, Fabbian & Baccigalupi 2017, arXiv:1701.07856): a
ring and four logarithmic arms, a layer that flares, a broken power law of sizes, and an emissivity
that falls with the Galactocentric radius. Clouds of the solar neighbourhood, gathered in complexes
on a ring tilted like Gould's belt, are added: they are what one sees beyond 5 degrees of latitude.
Numbers without a source were chosen so that the sky resembles the real one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import healpy as hp
import numpy as np

from .galaxy import R_BAR_KPC, R_SUN_KPC, Z_SUN_KPC, arm_phase, dust_heating, warp_kpc
from .lines import X_CO

_R_EMISSIVITY_KPC = 6.6


@dataclass(frozen=True)
class Clouds:
    """Molecular clouds, one entry each.

    Attributes
    ----------
    lon_deg, lat_deg : ndarray, shape (n,)
        Galactic coordinates.
    distance_kpc, radius_kpc : ndarray, shape (n,)
        Distance from the Sun, and distance from the Galaxy's axis.
    size_pc : ndarray, shape (n,)
        Diameter: four standard deviations of the Gaussian envelope, geometric mean of both axes.
    brightness : ndarray, shape (n,)
        W(CO 1-0) in the middle of the envelope [K km/s].
    x_co : ndarray, shape (n,)
        N(H2) / W(CO 1-0) [cm-2 / (K km/s)].
    heating : ndarray, shape (n,)
        Radiation field around the cloud, in units of that of the solar neighbourhood: the dust's
        radiance per hydrogen atom. It scatters log-normally, as clouds with young stars are warm.
    """

    lon_deg: np.ndarray
    lat_deg: np.ndarray
    distance_kpc: np.ndarray
    radius_kpc: np.ndarray
    size_pc: np.ndarray
    brightness: np.ndarray
    x_co: np.ndarray
    heating: np.ndarray

    @property
    def sigma_rad(self) -> np.ndarray:
        """Standard deviation of the envelope [rad]."""
        return self.size_pc / 4 / (1000 * self.distance_kpc)

    @property
    def flux(self) -> np.ndarray:
        """W(CO 1-0) integrated over the envelope [K km/s sr]."""
        return self.brightness * 2 * np.pi * self.sigma_rad**2

    def select(self, which: np.ndarray) -> Clouds:
        """Select the clouds of a mask or of a list of numbers.

        Parameters
        ----------
        which : ndarray of bool, shape (n,), or of int

        Returns
        -------
        Clouds
        """
        return Clouds(*(getattr(self, each.name)[which] for each in fields(self)))

    def join(self, other: Clouds) -> Clouds:
        """Join these clouds and others.

        Parameters
        ----------
        other : Clouds

        Returns
        -------
        Clouds
        """
        pairs = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return Clouds(*(np.concatenate(pair) for pair in pairs))


def disc_clouds(rng: np.random.Generator, n: int = 40_000) -> Clouds:
    """Draw clouds of the Galactic disc.

    One tenth lies in a ring, nine tenths on four spiral arms; of all of them 3 % are in the central
    molecular zone (wide lines: bright, and a fourth of the disc's X_CO).

    Parameters
    ----------
    rng : numpy Generator
    n : int
        Number of clouds.

    Returns
    -------
    Clouds
    """
    radius = np.abs(rng.normal(5.8, 2.3, n))
    phi = rng.uniform(0, 2 * np.pi, n)
    on_arm = rng.random(n) < 0.9
    arm = arm_phase(radius) + np.pi / 2 * rng.integers(0, 4, n)
    width = 0.30 + 0.10 * np.clip((radius - R_BAR_KPC) / 9.0, 0, None)
    radius = np.where(on_arm, rng.normal(radius, width), radius)
    inner = radius < R_BAR_KPC
    phi = np.where(on_arm & ~inner, arm, phi)
    radius = np.where(inner, np.abs(rng.normal(0, R_BAR_KPC / 1.5, n)), radius)
    # 2.355 and not FWHM_PER_SIGMA: another number would be another sky for every seed
    height = rng.normal(0, 0.1 / 2.355 * np.cosh(radius / 10.0)) + warp_kpc(radius, phi)
    central = rng.random(n) < 0.03
    radius = np.where(central, 0.25 * np.sqrt(rng.random(n)), radius)
    height = np.where(central, rng.normal(0, 0.030, n), height)
    size = draw_sizes(rng, radius) * np.where(central, 3.0, 1.0)
    brightness = 6.0 * np.exp(-(radius - R_SUN_KPC) / _R_EMISSIVITY_KPC) * lognormal(rng, 0.4, n)
    brightness = np.where(central, 0.8 * brightness, brightness)
    place = np.stack([radius * np.cos(phi), radius * np.sin(phi), height])
    clouds = seen_from_sun(rng, place, size, brightness)
    return clouds.select(clouds.distance_kpc > 0.3)


def local_clouds(rng: np.random.Generator, n_complexes: int = 50) -> Clouds:
    """Draw clouds within a kiloparsec, in complexes 100 pc long.

    Two thirds of these lie on a ring tilted by 14 degrees (Gould's belt), the others in a layer of
    60 pc scale height; none within 90 pc (the Local Bubble).

    Parameters
    ----------
    rng : numpy Generator
    n_complexes : int
        Number of complexes; each has about 60 clouds.

    Returns
    -------
    Clouds
    """
    phi = rng.uniform(0, 2 * np.pi, n_complexes)
    ring = rng.normal(0.35, 0.08, n_complexes)
    x, y, tilt, node = ring * np.cos(phi) + 0.1, ring * np.sin(phi), np.radians(14), np.radians(285)
    belt = np.stack(
        [
            x * np.cos(node) - y * np.cos(tilt) * np.sin(node),
            x * np.sin(node) + y * np.cos(tilt) * np.cos(node),
            y * np.sin(tilt),
        ]
    )
    layer = rng.uniform(-0.8, 0.8, (3, n_complexes))
    layer[2] = rng.laplace(0, 0.06, n_complexes)
    centre = np.where(rng.random(n_complexes) < 0.65, belt, layer)
    axis = rng.standard_normal((3, n_complexes))
    axis *= 0.045 / np.linalg.norm(axis, axis=0)
    members = rng.poisson(60, n_complexes)
    n = members.sum()
    place = np.repeat(centre, members, axis=1) + rng.normal(0, 0.012, (3, n))
    place += np.repeat(axis, members, axis=1) * rng.standard_normal(n)
    place += np.array([[-R_SUN_KPC], [0], [Z_SUN_KPC]])
    size = draw_sizes(rng, np.hypot(place[0], place[1]), largest_pc=30.0)
    of_complex = np.repeat(lognormal(rng, 0.5, n_complexes), members)
    clouds = seen_from_sun(rng, place, size, 1.0 * of_complex * lognormal(rng, 0.5, n))
    return clouds.select(clouds.distance_kpc > 0.09)


def draw_sizes(
    rng: np.random.Generator, radius_kpc: np.ndarray, largest_pc: float = 60.0
) -> np.ndarray:
    """Draw cloud sizes by inverting the integral of their density (eq. 4 of Puglisi+ 2017).

    The density is L^0.8 from 0.3 to 20.4 pc and from there to `largest_pc` L^-3.9 (L^-3.3 outside
    the solar circle).

    Parameters
    ----------
    rng : numpy Generator
    radius_kpc : ndarray, shape (n,)
        Galactocentric radius.
    largest_pc : float

    Returns
    -------
    ndarray, shape (n,)
        Sizes [pc].
    """
    smallest, typical = 0.3, 20.4
    steep = 1 - np.where(radius_kpc < R_SUN_KPC, 3.9, 3.3)
    below = (typical - smallest**1.8 / typical**0.8) / 1.8
    above = typical * ((largest_pc / typical) ** steep - 1) / steep
    draw = rng.random(radius_kpc.size) * (below + above)
    low = (smallest**1.8 + 1.8 * typical**0.8 * np.minimum(draw, below)) ** (1 / 1.8)
    high = typical * (1 + steep * np.maximum(draw - below, 0) / typical) ** (1 / steep)
    return np.where(draw < below, low, high)


def paint(clouds: Clouds, fluxes: np.ndarray, nside: int, rng: np.random.Generator) -> np.ndarray:
    """Paint elliptical Gaussian clouds on the sphere; what is painted is conserved exactly.

    A cloud smaller than half a pixel is shared among the four pixels around it (bilinear weights,
    which sum to one); the profile of a larger one is divided by its sum over the cloud's pixels.
    (A disc query alone loses every cloud that holds no pixel centre: at NSIDE 128, two in three.)

    Parameters
    ----------
    clouds : Clouds
    fluxes : ndarray, shape (q, n)
        What to paint, several quantities at once [unit sr].
    nside : int
        Resolution of the map.
    rng : numpy Generator
        For axis ratios (1 to 3) and position angles.

    Returns
    -------
    ndarray, shape (q, 12 * nside**2)
        Maps; their sum times the solid angle of a pixel is the sum of `fluxes`.
    """
    n_pixels = hp.nside2npix(nside)
    maps = np.zeros((len(fluxes), n_pixels))
    sigma = clouds.sigma_rad
    ratio = rng.uniform(1, 3, sigma.size)
    angle = rng.uniform(0, np.pi, sigma.size)
    resolved = sigma > hp.nside2resol(nside) / 2
    points = np.flatnonzero(~resolved)
    where, share = hp.get_interp_weights(
        nside, clouds.lon_deg[points], clouds.lat_deg[points], lonlat=True
    )
    for each, flux in zip(maps, fluxes, strict=True):
        each += np.bincount(where.ravel(), (share * flux[points]).ravel(), minlength=n_pixels)
    lon, lat = np.radians(clouds.lon_deg), np.radians(clouds.lat_deg)
    for i in np.flatnonzero(resolved):
        long, short = sigma[i] * ratio[i] ** 0.5, sigma[i] * ratio[i] ** -0.5
        disc, x, y = _disc(nside, lon[i], lat[i], min(3.7 * long, 1.5))
        u = x * np.cos(angle[i]) + y * np.sin(angle[i])
        v = y * np.cos(angle[i]) - x * np.sin(angle[i])
        profile = np.exp(-0.5 * ((u / long) ** 2 + (v / short) ** 2))
        maps[:, disc] += fluxes[:, i, None] * (profile / profile.sum())
    return maps / hp.nside2pixarea(nside)


def lognormal(rng: np.random.Generator, sigma: float, n: int) -> np.ndarray:
    """Draw log-normal numbers of mean one.

    Parameters
    ----------
    rng : numpy Generator
    sigma : float
        Standard deviation of the logarithm.
    n : int

    Returns
    -------
    ndarray, shape (n,)
    """
    return np.exp(rng.normal(-(sigma**2) / 2, sigma, n))


def _disc(nside: int, lon: float, lat: float, radius: float) -> tuple[np.ndarray, ...]:
    """Pixels around a direction, and their offsets to east and north [rad]."""
    centre = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    disc = hp.query_disc(nside, centre, radius)
    seen = np.array(hp.pix2vec(nside, disc))
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    return disc, east @ seen, np.cross(centre, east) @ seen


def seen_from_sun(
    rng: np.random.Generator, place: np.ndarray, size_pc: np.ndarray, brightness: np.ndarray
) -> Clouds:
    """Place clouds at Galactocentric x, y, z, and see them from the Sun.

    Parameters
    ----------
    rng : numpy Generator
        For X_CO and heating, which scatter from cloud to cloud.
    place : ndarray, shape (3, n)
        In kpc; the Sun is at (-R_SUN_KPC, 0, Z_SUN_KPC).
    size_pc, brightness : ndarray, shape (n,)
        As in `Clouds`.

    Returns
    -------
    Clouds
    """
    x, y, z = place - np.array([[-R_SUN_KPC], [0], [Z_SUN_KPC]])
    distance = np.sqrt(x**2 + y**2 + z**2)
    radius = np.hypot(place[0], place[1])
    n = radius.size
    x_co = X_CO * np.where(radius < 0.6, 0.25, 1.0) * lognormal(rng, 0.3, n)
    heating = dust_heating(radius) * lognormal(rng, 0.6, n)
    lon, lat = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(z / distance))
    return Clouds(lon, lat, distance, radius, size_pc, brightness, x_co, heating)
