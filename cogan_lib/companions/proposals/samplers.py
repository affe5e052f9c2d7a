"""Reference populations from published relations: what a model's proposals are compared with.

Each sampler takes the number of objects and a generator, and returns one array per field; all of
its objects pass the checks of `objects`. Numbers that are called *stand-in* have the right size and
shape, and no paper is held to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...base.files import CoganError
from . import physics
from .objects import KINDS, Cluster

Table = dict[str, np.ndarray]

#: Index and ends [W/m^2] of the flares' peak fluxes.
PEAK_INDEX, PEAKS = 1.98, (1e-6, 1e-3)
#: Medians at a C3 flare [minutes], growth with the peak, scatter [dex], correlation of the two.
RISE_MIN, DECAY_MIN, GROWTH, TIME_DEX, TIME_RHO = 6.0, 8.0, 0.2, 0.3, 0.5
#: Mean over the rise (linear) and over the decay (exponential, to half), in units of the peak.
RISE_SHAPE, DECAY_SHAPE = 0.5, 0.5 / np.log(2)

#: Periods: the break [day] and the indices of dN/dlnP below and above it.
BREAK_DAY, PERIOD_INDICES = 10.0, (1.5, 0.1)
#: The valley: log10 R = slope log10 P + its place at one day.
VALLEY_SLOPE, VALLEY_LOG = -0.09, 0.37
#: Super-Earths, sub-Neptunes: share, radius over the valley's, scatter [dex]; giants: radius.
ROCKY_SHARE, ROCKY_OVER, ROCKY_DEX = 0.45, 0.72, 0.055
NEPTUNE_SHARE, NEPTUNE_OVER, NEPTUNE_DEX = 0.50, 1.3, 0.07
GIANT_EARTH, GIANT_DEX = 10.0, 0.1
#: Of the Beta distribution of eccentricities, and the ages of stars [Gyr].
ECCENTRICITY, AGES_GYR = (0.697, 3.27), (1.0, 10.0)

#: Mass function of quiescent galaxies, 10.3 to 11.8: log10 of its knee, faint slope.
KNEE_LOG, KNEE_SLOPE, MASSES = 10.9, -0.5, (10.3, 11.8)
#: log10 of the specific star formation rate [1/yr] and of the Sersic index: median, scatter.
SSFR_LOG, SERSIC_LOG, SERSIC_SLOPE = (-11.8, 0.35), (0.6, 0.13), 0.1

#: Globular clusters: log10 of mass and half-mass radius [pc], median and scatter; [Fe/H] of the two
#: groups: share, mean, scatter; mean stellar mass [M_sun], scatter; scatter of the dispersion.
MASS_LOG, RADIUS_LOG = (5.3, 0.5), (0.6, 0.2)
POOR, RICH = (0.7, -1.6, 0.3), (0.3, -0.55, 0.2)
MEAN_MASS, VIRIAL_DEX = (physics.kroupa_mean_mass(), 0.02), 0.02


def truncated_power_law(
    n: int, index: float, low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw from dN/dx ~ x^-index between two ends, by inversion.

    Parameters
    ----------
    n : int
    index, low, high : float
        Any index; 0 < low < high.
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    CoganError
        If the ends are none.
    """
    if not 0 < low < high < np.inf:
        raise CoganError(f"A power law cannot go from {low} to {high}.")
    share, span, slope = rng.random(n), np.log(high / low), 1 - index
    if abs(slope * span) < 1e-9:
        return low * np.exp(share * span)
    return low * np.exp(np.log1p(share * np.expm1(slope * span)) / slope)


def flares(n: int, rng: np.random.Generator, index: float = PEAK_INDEX) -> Table:
    """Draw flares of classes C to X9.

    Peak fluxes: a power law of index 1.98 +- 0.11 (Aschwanden & Freeland 2012, with the background
    taken off; Veronig et al. 2002 found 2.11 +- 0.13 without). Rise and decay: log-normal, growing
    slowly with the peak (medians by class as in Veronig et al. 2002, of about 10-15, 20-25 and 30
    minutes for C, M, X; growth, scatter and correlation are stand-ins). Energies are of these
    curves until half of the peak, scattered by 0.03 dex, a stand-in. That strong flares last longer
    is *not* the Neupert effect, as the document has it: that one says that a flare's soft X-rays
    follow the integral over time of its hard X-rays (Neupert 1968; Veronig et al. 2002b), within
    each flare.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    index : float
        Of the peaks.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """

    def draw(n):
        peak = truncated_power_law(n, index, *PEAKS, rng)
        one, other = rng.standard_normal((2, n))
        other = TIME_RHO * one + np.sqrt(1 - TIME_RHO**2) * other
        growth = GROWTH * np.log10(peak / 3e-6)
        rise, decay = (
            median * 10 ** (growth + TIME_DEX * scatter)
            for median, scatter in ((RISE_MIN, one), (DECAY_MIN, other))
        )
        shape = (RISE_SHAPE * rise + DECAY_SHAPE * decay) / (rise + decay)
        scatter = 10 ** (0.03 * rng.standard_normal(n))
        energy = physics.most_energy_erg(peak, rise + decay) * shape * scatter
        return {"peak_w_m2": peak, "rise_min": rise, "decay_min": decay, "energy_erg": energy}

    def lawful(t):
        most = physics.most_energy_erg(t["peak_w_m2"], t["rise_min"] + t["decay_min"])
        low, high = physics.ENERGY_SHARE
        return (low * most <= t["energy_erg"]) & (t["energy_erg"] <= high * most)

    table = _kept("flare", draw, n, lawful)
    names = np.array([physics.class_of(peak) for peak in table["peak_w_m2"]], dtype="<U5")
    return {"goes_class": names, **table}


def planets(n: int, rng: np.random.Generator, valley: float = 1.0) -> Table:
    """Draw the planets of Sun-like stars.

    Periods: a broken power law with the break near 10 days and indices of dN/dlnP of about 1.5 and
    0 (as Mulders et al. 2018 fit it; rounded). Radii: super-Earths and sub-Neptunes on either side
    of a valley at log10 R = -0.09 log10 P + 0.37 (Van Eylen et al. 2018; peaks near 1.3 and 2.4 as
    in Fulton et al. 2017), and giants; shares and widths are stand-ins. Eccentricities: Beta(0.697,
    3.27), of planets with periods below 382 days (Kipping 2013), damped by tides over the star's
    age.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    valley : float
        1: as it is; 0: super-Earths and sub-Neptunes are one log-normal of equal mean and scatter;
        in between, a share of planets is drawn so.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """

    def draw(n):
        period = _periods(n, rng)
        centre = VALLEY_SLOPE * np.log10(period) + VALLEY_LOG
        kind = rng.choice(3, n, p=[ROCKY_SHARE, NEPTUNE_SHARE, 1 - ROCKY_SHARE - NEPTUNE_SHARE])
        over = np.log10([ROCKY_OVER, NEPTUNE_OVER])
        width = np.array([ROCKY_DEX, NEPTUNE_DEX])
        shares = np.array([ROCKY_SHARE, NEPTUNE_SHARE]) / (ROCKY_SHARE + NEPTUNE_SHARE)
        mean = shares @ over
        scatter = np.sqrt(shares @ (width**2 + (over - mean) ** 2))
        noise = rng.standard_normal(n)
        two = centre + np.append(over, 0)[kind] + np.append(width, 0)[kind] * noise
        one = centre + mean + scatter * noise
        small = np.where(rng.random(n) < valley, two, one)
        log_radius = np.where(kind == 2, np.log10(GIANT_EARTH) + GIANT_DEX * noise, small)
        radius = 10**log_radius
        start = rng.beta(*ECCENTRICITY, n)
        age = rng.uniform(*AGES_GYR, n)
        left = start * np.exp(-age / physics.circularisation_gyr(period, radius))
        left[start > physics.LARGEST] = 1.0  # these are drawn again
        return {"period_day": period, "radius_earth": radius, "eccentricity": left}

    return _kept(
        "planet", draw, n,
        lambda t: t["eccentricity"]
        <= physics.largest_eccentricity(t["period_day"], t["radius_earth"]),
    )  # fmt: skip


def galaxies(n: int, rng: np.random.Generator, offset_dex: float = 0.0) -> Table:
    """Draw massive quiescent galaxies at z = 0.7.

    Radii: log10 R = 0.42 + 0.71 log10(M / 5e10) with a scatter of 0.11 dex, in kpc (van der Wel et
    al. 2014, table 1, early types at 0.5 < z < 1). Masses follow a Schechter function, specific
    star formation rates and Sersic indices are log-normal: stand-ins.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    offset_dex : float
        Added to the relation's log radius.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """

    def draw(n):
        grid = np.linspace(*MASSES, 501)
        x = 10 ** (grid - KNEE_LOG)
        share = np.cumsum(x ** (KNEE_SLOPE + 1) * np.exp(-x))
        log_mass = np.interp(rng.random(n), (share - share[0]) / (share[-1] - share[0]), grid)
        above = log_mass - physics.SIZE_PIVOT
        log_radius = physics.SIZE_LOG_KPC + physics.SIZE_SLOPE * above + offset_dex
        noise = rng.standard_normal((3, n))
        sersic = SERSIC_LOG[0] + SERSIC_SLOPE * above + SERSIC_LOG[1] * noise[2]
        return {
            "log_mass": log_mass,
            "sfr_msun_yr": 10 ** (log_mass + SSFR_LOG[0] + SSFR_LOG[1] * noise[1]),
            "radius_kpc": 10 ** (log_radius + physics.SIZE_SCATTER * noise[0]),
            "sersic_n": 10**sersic,
        }

    def lawful(t):
        residual = physics.size_residual(t["log_mass"], t["radius_kpc"])
        quiet = t["sfr_msun_yr"] <= physics.most_sfr(t["log_mass"])
        return quiet & (np.abs(residual) <= physics.SIZE_SIGMAS)

    return _kept("galaxy", draw, n, lawful)


def clusters(n: int, rng: np.random.Generator, rich: float = RICH[0]) -> Table:
    """Draw globular clusters for N-body runs.

    Masses: log-normal around 2e5 M_sun, as the luminosity function of globular clusters with a
    mass-to-light ratio of 2. Half-mass radii: log-normal around 4 pc, whatever the mass (the
    document has massive ones larger; those of the Milky Way are not). [Fe/H]: two groups around
    -1.6 and -0.55 (both as in the catalogue of Harris 1996; widths and shares are rounded). The
    scatter of the mean stellar mass and of the dispersion are stand-ins. Stars:
    of the mean mass of Kroupa's (2001) mass function. Dispersion: of equilibrium (Spitzer 1987).

    Parameters
    ----------
    n : int
    rng : numpy Generator
    rich : float
        Share of the metal-rich group.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """

    def draw(n):
        noise = rng.standard_normal((5, n))
        mass = 10 ** (MASS_LOG[0] + MASS_LOG[1] * noise[0])
        radius = 10 ** (RADIUS_LOG[0] + RADIUS_LOG[1] * noise[1])
        group = np.where(rng.random(n) < rich, 1, 0)
        _, middles, widths = np.transpose([POOR, RICH])
        virial = physics.virial_dispersion(mass, radius)
        return {
            "mass_msun": mass,
            "half_mass_radius_pc": radius,
            "n_stars": np.round(mass / (MEAN_MASS[0] * 10 ** (MEAN_MASS[1] * noise[3]))),
            "dispersion_km_s": virial * 10 ** (VIRIAL_DEX * noise[4]),
            "fe_h": middles[group] + widths[group] * noise[2],
        }

    def lawful(t):
        low, high = Cluster.RELAXATION_MYR
        time = physics.relaxation_myr(t["mass_msun"], t["half_mass_radius_pc"], t["n_stars"])
        return (low <= time) & (time <= high)

    return _kept("cluster", draw, n, lawful)


SAMPLERS: dict[str, Callable[[int, np.random.Generator], Table]] = {
    "flare": flares, "planet": planets, "galaxy": galaxies, "cluster": clusters,
}  # fmt: skip


def valley_radius(period_day):
    """Compute where the radius valley lies (Van Eylen et al. 2018).

    Parameters
    ----------
    period_day : float or ndarray

    Returns
    -------
    float or ndarray
        [R_earth]

    Examples
    --------
    >>> [round(float(valley_radius(p)), 2) for p in (3, 10, 30)]
    [2.12, 1.91, 1.73]
    """
    return 10 ** (VALLEY_LOG + VALLEY_SLOPE * np.log10(period_day))


def _periods(n: int, rng: np.random.Generator) -> np.ndarray:
    """Invert the broken power law piece by piece; dN/dP has the indices less 1."""
    low, high = KINDS["planet"].RANGES["period_day"][:2]
    (a, b), (left, right) = PERIOD_INDICES, (low / BREAK_DAY, high / BREAK_DAY)
    short, long = (1 - left**a) / a, (right**b - 1) / b
    first = rng.random(n) < short / (short + long)
    below = truncated_power_law(n, 1 - a, low, BREAK_DAY, rng)
    return np.where(first, below, truncated_power_law(n, 1 - b, BREAK_DAY, high, rng))


def _kept(kind: str, draw: Callable, n: int, lawful: Callable[[Mapping], np.ndarray]) -> Table:
    """Draw until `n` objects are within their ranges and lawful; few are not."""
    if n < 1:
        raise CoganError(f"A sampler draws at least 1 object, not {n}.")
    parts: list[Table] = []
    while (got := sum(len(next(iter(part.values()))) for part in parts)) < n:
        table = draw(int(1.2 * (n - got)) + 10)
        ranges = KINDS[kind].RANGES.items()
        inside = [(low <= table[f]) & (table[f] <= high) for f, (low, high, *_) in ranges]
        keep = np.logical_and.reduce([*inside, lawful(table)])
        parts.append({field: values[keep] for field, values in table.items()})
    return {field: np.concatenate([part[field] for part in parts])[:n] for field in parts[0]}
