"""What the checks and the reference samplers know: flares, orbits, galaxies, clusters.

Numbers stand beside their source. A *stand-in* is a round number of the right size that no paper is
held to.
"""

from __future__ import annotations

import re

import numpy as np

from ...base.files import CoganError

#: Peak fluxes in 1-8 Angstrom at which the GOES classes begin [W/m^2].
CLASSES = {"A": 1e-8, "B": 1e-7, "C": 1e-6, "M": 1e-5, "X": 1e-4}
#: Area of the sphere around the Sun at the Earth's distance [m^2].
SPHERE_M2 = 4 * np.pi * 1.495978707e11**2
#: Energy radiated over peak times duration times the sphere: never more than 1, and a light curve
#: that is below a tenth of its peak on average has ended long before.
ENERGY_SHARE = (0.1, 1.0)

#: Kepler's third law for a planet of a Sun-like star: the Earth's orbit [m], its period [day].
ORBIT_M, YEAR_DAY = 1.495978707e11, 365.25
EARTH_M, SUN_OVER_EARTH = 6.371e6, 332946.0
#: Below this radius [R_earth] a planet is rocky, above the other it is a giant.
ROCKY, GIANT = 1.8, 8.0
#: Modified tidal quality factors Q' = 3 Q / (2 k2) of rocky planets, Neptunes, giants: stand-ins in
#: the range of Goldreich & Soter (1966), Q of 10-500 for rock and above 6e4 for giant planets.
QUALITY = (500.0, 1e5, 1e6)
#: What tides have had [Gyr], and by how much weaker than with these Q' they may be; the largest
#: eccentricity when they began, and what neighbours force.
TIDES_GYR, TIDES_WEAKER, LARGEST, FORCED = 5.0, 10.0, 0.4, 0.05

#: Galaxies: age of the universe at z = 0.7 [Gyr] (Planck 2018), and the specific star formation of
#: a quiescent galaxy in units of its inverse (Pacifici et al. 2016): below 0.2.
AGE_GYR, QUIESCENT = 7.3, 0.2
#: log10 of the radius [kpc] at 5e10 M_sun, the slope, and the scatter [dex] of early-type galaxies
#: at 0.5 < z < 1 (van der Wel et al. 2014, table 1; fitted above 2e10 M_sun); what is within it.
SIZE_LOG_KPC, SIZE_SLOPE, SIZE_SCATTER = 0.42, 0.71, 0.11
SIZE_PIVOT, SIZE_SIGMAS = float(np.log10(5e10)), 3.0

#: Newton's constant [pc (km/s)^2 / M_sun], and 1 pc / (km/s) [Myr].
G, MYR = 4.30091e-3, 0.977792
#: <v^2> = 0.4 G M / r_h holds for most models of clusters (Spitzer 1987): in one direction.
VIRIAL = 0.4 / 3
#: Coulomb logarithm ln(0.11 N) (Giersz & Heggie 1994).
COULOMB = 0.11


def class_flux(goes_class: str) -> tuple[float, float]:
    """Say which peak flux a GOES class stands for, and the unit of its last digit.

    Parameters
    ----------
    goes_class : str
        Letter and number, such as M2.3 or X12.

    Returns
    -------
    flux, step : float
        In W/m^2.

    Raises
    ------
    CoganError
        If it is no class.

    Examples
    --------
    >>> class_flux("M2.3"), class_flux("X1")
    ((2.3e-05, 1e-06), (0.0001, 0.0001))
    """
    found = re.fullmatch(r"([ABCMX])(\d{1,2}(?:\.(\d))?)", goes_class)
    if not found or float(found[2]) < 1 or (found[1] != "X" and float(found[2]) >= 10):
        raise CoganError(
            f"{goes_class[:20]!r} is no GOES class: one of A, B, C, M, X and a number from 1.0 to "
            "9.9 (X goes on), such as M2.3."
        )
    unit = CLASSES[found[1]]
    return float(f"{float(found[2]) * unit:.6g}"), float(f"{unit * (0.1 if found[3] else 1):.6g}")


def class_of(peak_w_m2: float) -> str:
    """Name the GOES class of a peak flux, its number cut to one digit after the point.

    Parameters
    ----------
    peak_w_m2 : float
        At least 1e-8.

    Returns
    -------
    str

    Examples
    --------
    >>> class_of(2.3e-5), class_of(1.5e-3)
    ('M2.3', 'X15.0')
    """
    letter = [name for name, flux in CLASSES.items() if peak_w_m2 >= flux * (1 - 1e-9)][-1]
    return f"{letter}{np.floor(peak_w_m2 / CLASSES[letter] * 10 + 1e-6) / 10:.1f}"


def most_energy_erg(peak_w_m2, duration_min):
    """Compute what a flare would radiate in 1-8 Angstrom if it stayed at its peak throughout.

    Parameters
    ----------
    peak_w_m2, duration_min : float or ndarray

    Returns
    -------
    float or ndarray
        Into all directions.
    """
    return SPHERE_M2 * np.asarray(peak_w_m2) * 60 * np.asarray(duration_min) * 1e7


def soft_xrays(hard: np.ndarray, step_s: float, cooling_s: float) -> np.ndarray:
    """Follow the soft X-rays of one flare, given its hard X-rays: the Neupert effect.

    ``dS/dt = H - S / cooling``: electrons that brake (H) heat the plasma whose thermal emission is
    S (Neupert 1968; Veronig et al. 2002). It ties two light curves of one flare, and says nothing
    about whether strong flares last longer than weak ones.

    Parameters
    ----------
    hard : ndarray, shape (n,)
        Rate of energy that goes in, of any unit.
    step_s, cooling_s : float
        Between samples, and the time in which the plasma loses 1/e.

    Returns
    -------
    ndarray, shape (n,)
        Energy, in the same unit times seconds.

    Examples
    --------
    >>> soft_xrays(np.array([0.0, 1.0, 1.0, 0.0]), 1.0, 1e9).round(6).tolist()
    [0.0, 1.0, 2.0, 2.0]
    """
    soft, now, keep = np.empty(len(hard)), 0.0, np.exp(-step_s / cooling_s)
    gained = cooling_s * -np.expm1(-step_s / cooling_s)
    for i, rate in enumerate(hard):
        now = now * keep + rate * gained
        soft[i] = now
    return soft


def planet_mass(radius_earth):
    """Estimate a planet's mass from its radius (Chen & Kipping 2017, mean relation).

    Parameters
    ----------
    radius_earth : float or ndarray

    Returns
    -------
    float or ndarray
        In Earth's: R = 1.008 M^0.279 below 2.04, R = 0.808 M^0.589 above; the largest radii belong
        to masses of any giant, of which this is the least.
    """
    radius = np.asarray(radius_earth, float)
    return np.where(radius < 1.23, (radius / 1.008) ** (1 / 0.279), (radius / 0.808) ** (1 / 0.589))


def circularisation_gyr(period_day, radius_earth):
    """Compute how fast tides in the planet make its orbit around a Sun-like star circular.

    ``e / |de/dt| = (4/63) (Q'/n) (m/M) (a/R)^5`` (Goldreich & Soter 1966).

    Parameters
    ----------
    period_day, radius_earth : float or ndarray

    Returns
    -------
    float or ndarray
        [Gyr]; uncertain by the factor by which Q' is, ten.

    Examples
    --------
    >>> [round(float(circularisation_gyr(p, 1.2)), 3) for p in (1, 6.1, 20)]
    [0.001, 1.617, 277.625]
    """
    radius = np.asarray(radius_earth, float)
    years = np.asarray(period_day) / YEAR_DAY
    quality = np.select([radius < ROCKY, radius < GIANT], QUALITY[:2], QUALITY[2])
    distance = years ** (2 / 3) * ORBIT_M / (radius * EARTH_M)
    ratio = planet_mass(radius) / SUN_OVER_EARTH
    return 4 / 63 * quality * years / (2 * np.pi) * ratio * distance**5 / 1e9


def largest_eccentricity(period_day, radius_earth):
    """Compute what tides have left of the largest eccentricity after `TIDES_GYR`, at the least.

    As Q' is known to a factor of ten only, they count as that much weaker.

    Parameters
    ----------
    period_day, radius_earth : float or ndarray

    Returns
    -------
    float or ndarray
        At least `FORCED`, which neighbours keep up.
    """
    time = TIDES_WEAKER * circularisation_gyr(period_day, radius_earth)
    return np.maximum(LARGEST * np.exp(-TIDES_GYR / time), FORCED)


def size_residual(log_mass, radius_kpc):
    """Compare a galaxy's radius with the mass-size relation.

    Parameters
    ----------
    log_mass, radius_kpc : float or ndarray
        log10 of M_sun, and the effective radius.

    Returns
    -------
    float or ndarray
        In units of the relation's scatter.
    """
    expected = SIZE_LOG_KPC + SIZE_SLOPE * (np.asarray(log_mass) - SIZE_PIVOT)
    return (np.log10(radius_kpc) - expected) / SIZE_SCATTER


def most_sfr(log_mass):
    """Compute the star formation rate below which a galaxy at z = 0.7 is quiescent.

    Parameters
    ----------
    log_mass : float or ndarray

    Returns
    -------
    float or ndarray
        [M_sun/yr]
    """
    return QUIESCENT / (AGE_GYR * 1e9) * 10.0 ** np.asarray(log_mass)


def virial_dispersion(mass_msun, half_mass_radius_pc):
    """Compute the velocity dispersion in one direction of a cluster in equilibrium.

    Parameters
    ----------
    mass_msun, half_mass_radius_pc : float or ndarray

    Returns
    -------
    float or ndarray
        [km/s]
    """
    return np.sqrt(VIRIAL * G * np.asarray(mass_msun) / np.asarray(half_mass_radius_pc))


def crossing_myr(half_mass_radius_pc, dispersion_km_s):
    """Compute the time that a star takes over the half-mass radius.

    Parameters
    ----------
    half_mass_radius_pc, dispersion_km_s : float or ndarray

    Returns
    -------
    float or ndarray
        [Myr]
    """
    return MYR * np.asarray(half_mass_radius_pc) / np.asarray(dispersion_km_s)


def relaxation_myr(mass_msun, half_mass_radius_pc, n_stars):
    """Compute the half-mass relaxation time (Spitzer 1987).

    ``0.138 N^(1/2) r_h^(3/2) / (m^(1/2) G^(1/2) ln(0.11 N))`` with the mean mass m.

    Parameters
    ----------
    mass_msun, half_mass_radius_pc, n_stars : float or ndarray

    Returns
    -------
    float or ndarray
        [Myr]
    """
    n = np.asarray(n_stars, float)
    orbit = np.sqrt(np.asarray(half_mass_radius_pc) ** 3 / (G * np.asarray(mass_msun)))
    return MYR * 0.138 * n * orbit / np.log(COULOMB * n)


def kroupa_mean_mass(low: float = 0.08, high: float = 100.0) -> float:
    """Compute the mean mass of new stars (Kroupa 2001: slopes 1.3 to 0.5 M_sun, 2.3 above).

    Parameters
    ----------
    low, high : float
        Ends of the mass function [M_sun], on either side of 0.5.

    Returns
    -------
    float
        [M_sun]

    Examples
    --------
    >>> round(kroupa_mean_mass(), 2), round(kroupa_mean_mass(0.08, 0.85), 2)
    (0.57, 0.27)
    """

    def moment(power):
        parts = ((low, 0.5, 1.3), (0.5, high, 2.3))
        ends = [(b ** (k := power + 1 - s) - a**k) / k * 0.5**s for a, b, s in parts]
        return sum(ends)

    return float(moment(1) / moment(0))
