"""The embedded sky: dust, atomic hydrogen and CO of an invented Galaxy, from a seed alone.

The Galaxy is cut into shells of distance. Each shell holds its clouds and its part of the smooth
layers (`clouds`, `galaxy`), torn into filaments by a log-normal turbulence of fixed outer scale
in parsec: near gas looks large, far gas fine. Dust follows all gas, N_H = N_HI + 2 X_CO W_CO + gas
without CO, and is warm where starlight is strong (`dust`); so dust minus HI holds the CO, but not
it alone, and a second band of dust tells more.

Everything is computed on a grid that suits the beam, not the output (`turbulence`): one seed and
one beam give one sky, whatever its NSIDE.
"""

from __future__ import annotations

import logging

import healpy as hp
import numpy as np
from scipy.ndimage import map_coordinates

from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from . import dust
from .clouds import disc_clouds, local_clouds, paint
from .galaxy import R_SUN_KPC, gas_columns, line_ratio
from .harmonics import alm2map, map2alm
from .lines import X_CO
from .maps import check_beam, check_nside
from .skyfile import Sky
from .turbulence import OUTER_SCALE_KPC, Grid, density, fill, summed, turbulent_spectrum

log = logging.getLogger(__name__)

SHELL_EDGES_KPC = np.geomspace(0.06, 25.0, 11)
CELL_KPC = 0.06  # independent cells along a line of sight
CONTRAST, CONTRAST_DARK, CONTRAST_HI = 2.0, 0.8, 0.7  # sd of ln density in one cell
OPAQUE = 8.0  # times the mean, where 12CO saturates
DARK_FRACTION = 0.8  # H2 without CO, per H2 with CO
HALO_FRACTION = 0.15  # atoms around a cloud, per hydrogen atom inside
SATURATION_HI = 2.5e22  # column at which 21 cm becomes opaque [cm-2]
NOISE = {"W_CO10": 0.13, "W_CO21": 0.063}  # [K km/s] at 20 arcmin, in the mean over the sky
UNITS = {
    "DUST": "MJy/sr",
    "N_HI": "cm-2",
    "DUST_353": "MJy/sr",
    "W_CO10": "K km/s",
    "W_CO21": "K km/s",
}
FINEST_BEAM_ARCMIN, WIDEST_BEAM_ARCMIN, LARGEST_NSIDE = 5.0, 600.0, 2048


def make_sky(nside: int = 256, fwhm_arcmin: float = 20.0, seed: int = 1) -> Sky:
    """Make the embedded synthetic sky.

    Parameters
    ----------
    nside : int
        HEALPix resolution, a power of two up to 2048.
    fwhm_arcmin : float
        Beam of all maps before they are averaged over pixels; not finer than a pixel, nor than 5
        arcmin. What is left of both is a beam of hypot(fwhm_arcmin, a pixel), 24.3 arcmin at NSIDE
        256 for 20 arcmin (`window`): ``fwhmeff`` in `meta`, and `Sky.effective_fwhm_arcmin`.
    seed : int
        Seed of all that is random; the same seed gives the same sky, bit for bit.

    Returns
    -------
    Sky
        Columns DUST (the radiance, as the brightness at 857 GHz that dust of the local temperature
        would have) and DUST_353 (the brightness at 353 GHz), both in MJy/sr and with little noise;
        N_HI [cm-2]; and W_CO10, W_CO21 [K km/s] with noise and with their standard errors
        W_CO10_ERR, W_CO21_ERR. The physical parameters are in `meta`.

    Raises
    ------
    CoganError
        NSIDE, beam or seed is impossible, or the beam is finer than a pixel.

    Examples
    --------
    >>> sky = make_sky(nside=8, fwhm_arcmin=600.0, seed=1)
    >>> sky.inputs, sky.targets, sky.units["W_CO10"]
    (['DUST', 'N_HI', 'DUST_353'], ['W_CO10', 'W_CO21'], 'K km/s')
    """
    nside, fwhm_arcmin, seed = _check(nside, fwhm_arcmin, seed)
    grid = Grid.for_beam(fwhm_arcmin, seed)
    log.info("synthetic sky: NSIDE %d by way of NSIDE %d", nside, grid.nside)
    gas = _gas(grid)
    gas["N_HI"] = -SATURATION_HI * np.expm1(-gas["N_HI"] / SATURATION_HI)

    lmax = min(grid.lmax, 3 * nside - 1)
    beam = window(nside, fwhm_arcmin)[: lmax + 1]
    maps = {}
    for name in UNITS:
        alm = map2alm(gas.pop(name), lmax, iterations=1)
        maps[name] = alm2map(hp.almxfl(alm, beam, inplace=True), nside)
    units = dict(UNITS)
    power = beam**2 / np.sum((2 * np.arange(lmax + 1) + 1) / (4 * np.pi) * beam**2)
    scan = _scan_pattern(nside) * 20 / fwhm_arcmin
    for key, levels in ((30, NOISE), (31, dust.NOISE)):
        for number, (name, level) in enumerate(levels.items()):
            maps[name] += level * scan * alm2map(grid.alm((key, number), power), nside)
    for name, level in NOISE.items():
        maps[f"{name}_ERR"] = level * scan
        units[f"{name}_ERR"] = UNITS[name]
    meta = {
        "origin": "synthetic",
        "seed": seed,
        "x_co": X_CO,
        "r_sun": R_SUN_KPC,
        "dust_ghz": dust.GHZ,
        "emissiv": dust.EMISSIVITY,
        "t_dust": dust.T_LOCAL_K,
        "beta": dust.BETA,
        "co_dark": DARK_FRACTION,
        "r21_sun": float(line_ratio(R_SUN_KPC)),
        "fwhmeff": effective_fwhm(nside, fwhm_arcmin),  # [arcmin]
    }
    maps = {name: values.astype(np.float32) for name, values in maps.items()}
    return Sky(maps, units, fwhm_arcmin, meta)


def effective_fwhm(nside: int, fwhm_arcmin: float) -> float:
    """Width of the Gaussian in `window`: that of the beam, and a whole pixel, in quadrature.

    Parameters
    ----------
    nside : int
    fwhm_arcmin : float

    Returns
    -------
    float
        Full width at half maximum [arcmin].

    Examples
    --------
    >>> round(effective_fwhm(256, 20.0), 2)
    24.27
    """
    return float(np.hypot(fwhm_arcmin, hp.nside2resol(nside, arcmin=True)))


def window(nside: int, fwhm_arcmin: float) -> np.ndarray:
    """Transfer function of the maps, up to ell = 3 nside - 1 where HEALPix ends.

    It is the Gaussian beam, times a Gaussian as wide as a pixel (for the averaging within pixels;
    both together are one of `effective_fwhm`), times a cosine roll-off over the last tenth of ell.
    A beam of 20 arcmin alone still has 17 % at the end of NSIDE 256: bright clouds would be ringed,
    and the plane would be seen at the poles.

    Parameters
    ----------
    nside : int
    fwhm_arcmin : float
        Full width at half maximum of the beam [arcmin].

    Returns
    -------
    ndarray, shape (3 * nside,)

    Examples
    --------
    >>> b_ell = window(64, 60.0)
    >>> b_ell.shape, float(b_ell[0])
    ((192,), 1.0)
    """
    lmax = 3 * nside - 1
    fwhm = np.hypot(np.radians(fwhm_arcmin / 60), hp.nside2resol(nside))
    last_tenth = np.clip((np.arange(lmax + 1) / lmax - 0.9) / 0.1, 0, 1)
    return hp.gauss_beam(fwhm, lmax=lmax) * np.cos(np.pi / 2 * last_tenth) ** 2


def sky_statistics(sky: Sky, target: str = "W_CO21") -> dict:
    """Numbers by which two skies, real or synthetic, are compared.

    Parameters
    ----------
    sky : Sky
        With DUST, N_HI, the target and its error column.
    target : str
        CO column.

    Returns
    -------
    dict
        ``correlation`` (Pearson, of logarithms, abs(b) < 20 deg and CO > 0: ``co_dust``, ``co_hi``,
        ``dust_hi``); ``snr8`` (sky fraction above S/N 8: ``sky``, and by latitude band);
        ``percentiles`` (5, 16, 50, 84, 95, 99 of the target by latitude band [K km/s]);
        ``spectrum`` (``ell_min``, ``ell_max``, ``slope``: C_ell ~ ell^slope of the map as it is,
        from 60 to 400 or, with a wider beam, to the beam's 1 / sigma).

    Raises
    ------
    CoganError
        If the sky lacks one of these columns.
    """
    missing = [n for n in ("DUST", "N_HI", target, f"{target}_ERR") if n not in sky.maps]
    if missing:
        raise CoganError(
            f"The sky has no column {', '.join(missing)}; it has {', '.join(sky.maps)}."
        )
    co = sky.maps[target].astype(float)
    snr = co / sky.maps[f"{target}_ERR"]
    latitude = np.abs(hp.pix2ang(sky.nside, np.arange(co.size), lonlat=True)[1])
    use = (latitude < 20) & (co > 0) & (sky.maps["DUST"] > 0) & (sky.maps["N_HI"] > 0)
    pearson = np.corrcoef(
        [np.log10(values[use]) for values in (co, sky.maps["DUST"], sky.maps["N_HI"])]
    )
    bands = {"0-5": (0, 5), "5-10": (5, 10), "10-20": (10, 20), "20-90": (20, 91)}
    inside = {name: (latitude >= low) & (latitude < high) for name, (low, high) in bands.items()}
    steps = (5, 16, 50, 84, 95, 99)
    sigma = np.radians(sky.fwhm_arcmin / 60) / FWHM_PER_SIGMA
    ell_max = int(min(400, 1 / sigma, 2 * sky.nside))
    ell_min = min(60, ell_max // 4)
    ell = np.arange(ell_min, ell_max + 1)
    spectrum = hp.anafast(co, lmax=ell_max, iter=1)[ell]
    return {
        "target": target,
        "correlation": {
            "co_dust": float(pearson[0, 1]),
            "co_hi": float(pearson[0, 2]),
            "dust_hi": float(pearson[1, 2]),
        },
        "snr8": {"sky": float(np.mean(snr > 8))}
        | {name: float(np.mean(snr[which] > 8)) for name, which in inside.items()},
        "percentiles": {
            name: {
                str(p): float(v) for p, v in zip(steps, np.percentile(co[w], steps), strict=True)
            }
            for name, w in inside.items()
        },
        "spectrum": {
            "ell_min": ell_min,
            "ell_max": ell_max,
            "slope": float(np.polyfit(np.log(ell), np.log(spectrum), 1)[0]),
        },
    }


def _gas(grid: Grid) -> dict[str, np.ndarray]:
    """Dust, atoms and CO before beam and noise, summed over the shells, on the internal grid."""
    clouds = disc_clouds(grid.rng(1)).join(local_clouds(grid.rng(2)))
    shell_of = np.searchsorted(SHELL_EDGES_KPC, clouds.distance_kpc) - 1
    lon_deg = np.linspace(0, 360, 241)
    lat_deg = 90 * np.sinh(4 * np.linspace(-1, 1, 241)) / np.sinh(4)  # finest at the plane
    lon, lat = hp.pix2ang(grid.nside, np.arange(hp.nside2npix(grid.nside)), lonlat=True)
    at = np.stack([np.interp(lat, lat_deg, np.arange(241)), lon / 1.5])
    below_12_deg = turbulent_spectrum(grid.lmax, 15, 2.6)
    starlight = np.exp(dust.SCATTER_FIELD * grid.field(20, below_12_deg))
    opacity = np.exp(dust.SCATTER_OPACITY * grid.field(21, below_12_deg))
    total = {name: np.zeros(lon.size) for name in UNITS}
    for shell, (near, far) in enumerate(zip(SHELL_EDGES_KPC, SHELL_EDGES_KPC[1:], strict=False)):
        dense, plain, atomic = grid.turbulence(shell, np.sqrt(near * far))
        columns = gas_columns(near, far, lon_deg[None, :], lat_deg[:, None])
        hi, h2, field, ratio = (map_coordinates(column, at, order=1) for column in columns)
        field *= starlight
        cells = 1 + (far - near) / CELL_KPC
        hi *= density(atomic, summed(CONTRAST_HI, cells))
        contrast = summed(CONTRAST, cells)
        inside = density(dense, contrast, OPAQUE)
        denser = density(dense, 1.05 * contrast, OPAQUE)  # CO 2-1: dense gas is excited best
        layer = h2 / X_CO
        dark = DARK_FRACTION * h2 * density(plain, summed(CONTRAST_DARK, cells))

        some = clouds.select(shell_of == shell)
        h2 = some.flux * some.x_co
        painted = np.stack(
            [some.flux, some.flux * line_ratio(some.radius_kpc), h2, h2 * some.heating]
        )
        co10, co21, h2, heated = paint(some, painted, grid.nside, grid.rng(12, shell))
        total["W_CO10"] += fill(co10, inside) + layer * inside
        total["W_CO21"] += fill(co21, denser) + 0.9 * ratio * layer * denser
        halo = 2 * HALO_FRACTION * fill(h2, density(atomic, CONTRAST_HI))
        total["N_HI"] += hi + halo

        # a pixel's clouds of one shell have one temperature; their envelopes are not shaded
        lit = starlight * np.divide(heated, h2, out=np.ones_like(h2), where=h2 > 0)
        veil = 2 * DARK_FRACTION * fill(h2, density(plain, CONTRAST_DARK))
        core = 2 * fill(h2, inside)
        complexes = 1 + (far - near) / OUTER_SCALE_KPC  # that share this column of clouds
        dust.shine(total, hi + halo + 2 * dark, field, opacity)
        shaded = field * dust.shielding(dust.AV_TRANSLUCENT * inside)
        dust.shine(total, 2 * X_CO * layer * inside, shaded, opacity)
        dust.shine(total, veil, lit, opacity)
        shaded = lit * dust.shielding(core / complexes / dust.HYDROGEN_PER_AV)
        dust.shine(total, core, shaded, opacity)
    return total


def _scan_pattern(nside: int) -> np.ndarray:
    """Noise relative to its mean: a scan of Planck's kind looks longest at the ecliptic poles."""
    lon, lat = hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)
    ecliptic = hp.Rotator(coord=["G", "E"])(lon, lat, lonlat=True)[1]
    return 1.12 - 0.48 * np.abs(np.sin(np.radians(ecliptic))) ** 3


def _check(nside: int, fwhm_arcmin: float, seed: int) -> tuple[int, float, int]:
    nside = check_nside(nside)
    if nside > LARGEST_NSIDE:
        raise CoganError(
            f"NSIDE is {nside}; the embedded sky is made up to NSIDE {LARGEST_NSIDE}, lower it."
        )
    try:
        beam, whole = float(fwhm_arcmin), int(seed)
    except (TypeError, ValueError, OverflowError) as error:
        raise CoganError(
            f"fwhm_arcmin is {fwhm_arcmin!r} and seed is {seed!r}; both must be finite numbers."
        ) from error
    if not FINEST_BEAM_ARCMIN <= beam <= WIDEST_BEAM_ARCMIN:
        raise CoganError(
            f"fwhm_arcmin is {fwhm_arcmin}; the embedded sky is made with beams from "
            f"{FINEST_BEAM_ARCMIN:g} to {WIDEST_BEAM_ARCMIN:g} arcmin."
        )
    check_beam(nside, beam)
    if whole != seed or whole < 0:
        raise CoganError(f"The seed is {seed}; it must be a whole number, 0 or larger.")
    return nside, beam, whole
