"""A 3D truth for the map: dust in arms and clouds that hang together across sightlines.

The document's region, the tangent of the Carina arm, with a toy of its dust: an exponential disc,
two logarithmic arms, and log-normal turbulence of many scales. All numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .physics import (
    BINS,
    CELL_DEG,
    LATITUDES,
    LONGITUDES,
    STEP_KPC,
    SUN_KPC,
    galactocentric,
)

#: Arms: radius [kpc] on the line from the Sun to the centre, pitch [deg], width [kpc].
ARMS = {"Carina-Sagittarius": (7.4, 14.0, 0.35), "Perseus": (10.2, 10.0, 0.4)}
ARM_CONTRAST = 8.0
#: At the Sun, between the arms [mag/kpc].
LOCAL_MAG_KPC = 0.25
SCALE_KPC, HEIGHT_KPC = 4.0, 0.12
#: Turbulence: scatter of the density's logarithm, longest and shortest wave [kpc].
SCATTER, WAVES_KPC = 0.8, (2.0, 0.2)
MODES = 400
POINTS = 3  # along each bin


@dataclass(frozen=True)
class Galaxy:
    """Dust of one seed.

    Attributes
    ----------
    waves : ndarray, shape (MODES, 3)
        Wave vectors [1/kpc].
    amplitudes, phases : ndarray, shape (MODES,)
    """

    waves: np.ndarray
    amplitudes: np.ndarray
    phases: np.ndarray

    def density(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Compute the extinction per length.

        Parameters
        ----------
        x, y, z : ndarray, shape (n,)
            Galactocentric [kpc], as `physics.galactocentric` gives them.

        Returns
        -------
        ndarray, shape (n,)
            A_V per kpc [mag/kpc].
        """
        disc = LOCAL_MAG_KPC * np.exp((SUN_KPC - np.hypot(x, y)) / SCALE_KPC)
        arms = sum(
            np.exp(-0.5 * (arm_offset(x, y, name) / width) ** 2)
            for name, (_, _, width) in ARMS.items()
        )
        at = torch.from_numpy(np.stack([x, y, z], -1).astype(np.float32))
        waves = torch.from_numpy(self.waves.astype(np.float32))
        phases = torch.from_numpy(self.phases.astype(np.float32))
        amplitudes = torch.from_numpy(self.amplitudes.astype(np.float32))
        turbulence = torch.cat(
            [torch.cos(some @ waves.T + phases) @ amplitudes for some in at.split(20_000)]
        ).numpy()
        smooth = disc * (1 + ARM_CONTRAST * arms) * np.exp(-np.abs(z) / HEIGHT_KPC)
        return smooth * np.exp(SCATTER * turbulence - SCATTER**2 / 2)

    def profiles(self, lon_deg: np.ndarray, lat_deg: np.ndarray) -> np.ndarray:
        """Integrate the density along sightlines.

        Parameters
        ----------
        lon_deg, lat_deg : ndarray, shape (n,)

        Returns
        -------
        ndarray, shape (n, BINS), float32
            A_V of each bin [mag].
        """
        d = STEP_KPC * (np.arange(BINS * POINTS) + 0.5) / POINTS
        at = galactocentric(np.asarray(lon_deg)[:, None], np.asarray(lat_deg)[:, None], d)
        x, y, z = (np.broadcast_to(part, (len(lon_deg), len(d))).ravel() for part in at)
        density = self.density(x, y, z).reshape(len(lon_deg), BINS, POINTS)
        return (density.mean(-1) * STEP_KPC).astype(np.float32)


def galaxy(seed: int) -> Galaxy:
    """Draw the waves of a turbulence whose power falls as k^-11/3.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Galaxy
    """
    rng = np.random.default_rng([seed, 8])
    longest, shortest = (2 * np.pi / wave for wave in WAVES_KPC)
    k = np.exp(rng.uniform(np.log(longest), np.log(shortest), MODES))
    direction = rng.normal(size=(MODES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    power = k ** (3 - 11 / 3)  # of a mode, when the modes are spread evenly in ln k
    amplitudes = np.sqrt(2 * power / power.sum())
    return Galaxy(k[:, None] * direction, amplitudes, rng.uniform(0, 2 * np.pi, MODES))


def arm_offset(x: np.ndarray, y: np.ndarray, arm: str) -> np.ndarray:
    """Compute how far from an arm's middle a point lies, along the radius and across the arm.

    Parameters
    ----------
    x, y : ndarray
        Galactocentric [kpc].
    arm : str
        Of `ARMS`.

    Returns
    -------
    ndarray
        [kpc], positive outside.
    """
    radius, pitch_deg, _ = ARMS[arm]
    tangent = np.tan(np.radians(pitch_deg))
    middle = radius * np.exp(-np.arctan2(y, x) * tangent)
    return (np.hypot(x, y) - middle) * np.cos(np.arctan(tangent))


def map_grid(cell_deg: float = CELL_DEG) -> tuple[np.ndarray, np.ndarray]:
    """List the middles of the map's cells.

    Parameters
    ----------
    cell_deg : float

    Returns
    -------
    tuple of ndarray, shape (n_lat, n_lon)
        Longitudes and latitudes [deg].
    """
    lon, lat = (
        np.arange(low + cell_deg / 2, high, cell_deg) for low, high in (LONGITUDES, LATITUDES)
    )
    return tuple(np.meshgrid(lon, lat))
