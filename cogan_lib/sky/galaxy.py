"""The shape of the Galaxy: arms, warp and flare, and its smooth layers of atomic and molecular gas.

Numbers without a source were chosen so that the embedded sky resembles the real one.
"""

from __future__ import annotations

import numpy as np

R_SUN_KPC = 8.3
Z_SUN_KPC = 0.020
R_BAR_KPC = 3.0
R_HEATING_KPC = 7.0  # the radiation field falls with exp(-R / R_HEATING_KPC)
CM_PER_KPC = 3.0857e21

_PITCH, _ARM_PHASE = np.tan(np.radians(-12.0)), np.radians(25.0)


def gas_columns(
    near_kpc: float, far_kpc: float, lon_deg: np.ndarray, lat_deg: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns of the smooth atomic and molecular layers between two distances from the Sun.

    The atomic layer has the vertical profile of Dickey & Lockman (1990), and the radial fall and
    flaring of Kalberla & Kerp (2009). The molecular one is a Gaussian in height, densest 5 kpc from
    the centre and thin in the Local Bubble; 2 % of the atoms' mass, at any height, is translucent
    molecular gas. Both layers have the clouds' spiral arms and warp.

    Parameters
    ----------
    near_kpc, far_kpc : float
        The shell.
    lon_deg, lat_deg : ndarray
        Galactic coordinates (shapes that broadcast).

    Returns
    -------
    hi, h2 : ndarray
        N(HI) and N(H2) [cm-2].
    heating, ratio : ndarray
        Radiation field in solar units (mean over the atoms), W(CO 2-1) / W(CO 1-0) (mean over H2).
    """
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    edges = np.linspace(near_kpc, far_kpc, 9)
    step = CM_PER_KPC * (edges[1] - edges[0])
    hi = h2 = heated = excited = 0.0
    for d in (edges[1:] + edges[:-1]) / 2:
        x = d * np.cos(lat) * np.cos(lon) - R_SUN_KPC
        y = d * np.cos(lat) * np.sin(lon)
        radius, phi = np.hypot(x, y), np.arctan2(y, x)
        z = d * np.sin(lat) + Z_SUN_KPC - warp_kpc(radius, phi)
        beyond = np.clip(radius - R_SUN_KPC, 0, None)
        arms = 1 + 0.35 * np.cos(4 * (phi - arm_phase(radius)))
        flare = np.exp(beyond / 9.8)
        h = np.abs(z) / flare
        height = 0.395 * 2 ** -((h / 0.106) ** 2) + 0.107 * 2 ** -((h / 0.265) ** 2)
        height += 0.064 * np.exp(-h / 0.403)
        fall = np.exp(-beyond / 3.15) * (1 - 0.7 * np.exp(-((radius / 3) ** 2))) / flare
        atoms = 0.95 * height * fall * arms * step
        thickness = 0.040 * np.cosh(radius / 10) / np.cosh(R_SUN_KPC / 10)
        ring = np.exp((R_SUN_KPC - 5 - np.abs(radius - 5)) / 1.55)
        bubble = -np.expm1(-((d / 0.3) ** 3))
        molecules = 0.14 * bubble * ring * arms * np.exp(-0.5 * (z / thickness) ** 2) * step
        molecules = molecules + 0.01 * atoms
        hi, h2 = hi + atoms, h2 + molecules
        heated = heated + atoms * dust_heating(radius)
        excited = excited + molecules * line_ratio(radius)
    return hi, h2, heated / hi, excited / np.maximum(h2, 1e-300)


def dust_heating(radius_kpc: np.ndarray) -> np.ndarray:
    """Compute the radiation field that heats dust, in units of that at the Sun.

    More starlight inside: exp(-(R - R_sun) / 7 kpc). It is the dust's radiance per hydrogen atom.

    Parameters
    ----------
    radius_kpc : ndarray
        Galactocentric radius.

    Returns
    -------
    ndarray, shaped as the radius
    """
    return np.exp(-(radius_kpc - R_SUN_KPC) / R_HEATING_KPC)


def line_ratio(radius_kpc: np.ndarray) -> np.ndarray:
    """Compute W(CO 2-1) / W(CO 1-0): 0.76 in the centre, 0.62 at the Sun.

    Parameters
    ----------
    radius_kpc : ndarray
        Galactocentric radius.

    Returns
    -------
    ndarray, shaped as the radius
    """
    return 0.62 * np.exp(-(radius_kpc - R_SUN_KPC) / 40.0)


def warp_kpc(radius_kpc: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Compute the height of the midplane: a warp of 50 pc per kiloparsec from 9 kpc on.

    Parameters
    ----------
    radius_kpc, phi : ndarray
        Galactocentric radius and azimuth [rad].

    Returns
    -------
    ndarray, shaped as both
        In kpc.
    """
    return 0.05 * np.clip(radius_kpc - 9, 0, None) * np.sin(phi)


def arm_phase(radius_kpc: np.ndarray) -> np.ndarray:
    """Compute the Galactocentric azimuth of one of the four arms (pitch angle 12 degrees).

    Parameters
    ----------
    radius_kpc : ndarray

    Returns
    -------
    ndarray, shaped as the radius
        In rad.
    """
    return _ARM_PHASE + np.log(np.maximum(radius_kpc, 0.1) / R_BAR_KPC) / _PITCH
