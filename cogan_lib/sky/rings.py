"""Rings around bright places, and single absurd pixels: measured, warned of, refused or capped.

A grid of NSIDE ends at ell = 3 NSIDE - 1. Where a beam still passes something there, the sum of
harmonics is cut off, and a bright place is ringed by ripples, below zero on faint sky: with one
pixel per FWHM the beam still passes 0.43 of a wave's amplitude, with 1.5 pixels 0.15, with 2.2
pixels 0.02, and a point has rings of 8, 2 and 0.2 % of its own peak.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import healpy as hp
import numpy as np

from ..base.checks import check_positive
from ..base.files import CoganError
from .harmonics import alm2map, map2alm
from .lines import TRACERS

log = logging.getLogger(__name__)

#: Pixels per FWHM from which on a Gaussian beam leaves no rings; compared to one decimal.
RING_FREE = 2.2
NEAR_DEG = 4.0  # around the deepest ring, where its share is counted
FINEST_MEASURED = 512  # NSIDE; finer skies of so few pixels per FWHM are warned of unmeasured
#: A pixel is absurd if it is so many times the median of its neighbours; or, of a tracer, so many
#: times as far below zero as nine pixels in ten are from it.
ABSURD = 10.0
#: Where the median of the N_HI of a whole sky lies [cm-2], generously; the real one is 4e20.
USUAL_N_HI = 1e18, 1e24
_BRIGHTEST = 99.9  # per cent; a spike is among the rest


@dataclass(frozen=True)
class Rings:
    """Where a map that is known by its a_lm falls below its floor, also between its pixels.

    Attributes
    ----------
    share : float
        Of the sky below the floor.
    near : float
        The same within 4 degrees of the lowest place.
    lowest : float
        The value there.
    lon_deg, lat_deg : float
        The lowest place.
    """

    share: float
    near: float
    lowest: float
    lon_deg: float
    lat_deg: float


def pixels_per_fwhm(nside: int, fwhm_arcmin: float) -> float:
    """Count the pixels of a grid in a beam's full width at half maximum.

    Parameters
    ----------
    nside : int
    fwhm_arcmin : float

    Returns
    -------
    float
        To one decimal.

    Examples
    --------
    >>> pixels_per_fwhm(256, 20.0), pixels_per_fwhm(256, 30.0)
    (1.5, 2.2)
    """
    return round(float(fwhm_arcmin / hp.nside2resol(nside, arcmin=True)), 1)


def find_rings(alm: np.ndarray, nside: int, floor: float = 0.0) -> Rings:
    """Measure how far a map falls below a floor, on a grid twice as fine as its own.

    Tiles are cut between the pixels, where rings are deeper than in them.

    Parameters
    ----------
    alm : ndarray of complex
        Of the map.
    nside : int
        Its own grid.
    floor : float
        What the map cannot be below.

    Returns
    -------
    Rings

    Examples
    --------
    >>> spot = np.zeros(12 * 16**2)
    >>> spot[0] = 1.0
    >>> rings = find_rings(map2alm(spot, 47), 16)
    >>> rings.share > 0.1, rings.lowest < -0.05, rings.lat_deg > 80
    (True, True, True)
    """
    fine = alm2map(alm, 2 * nside)
    lowest = int(np.argmin(fine))
    place = hp.pix2vec(2 * nside, lowest)
    around = fine[hp.query_disc(2 * nside, place, np.radians(NEAR_DEG))]
    lon, lat = hp.vec2ang(np.array(place), lonlat=True)
    return Rings(
        share=float(np.mean(fine < floor)),
        near=float(np.mean(around < floor)),
        lowest=float(fine[lowest]),
        lon_deg=float(lon[0]),
        lat_deg=float(lat[0]),
    )


def check_ring_free(alm: np.ndarray, nside: int, fwhm_arcmin: float, least: float) -> None:
    """Check that a map which we make has no rings.

    With fewer pixels per FWHM than `RING_FREE` this must be shown: the map that was smoothed is
    nowhere below zero, and neither is what came of it. (Noise around zero would hide rings.)

    Parameters
    ----------
    alm : ndarray of complex
        Of the smoothed map.
    nside : int
    fwhm_arcmin : float
        Its beam.
    least : float
        The smallest value of the map before it was smoothed.

    Raises
    ------
    CoganError
        If it rings, or may.
    """
    pixels = pixels_per_fwhm(nside, fwhm_arcmin)
    if pixels >= RING_FREE:
        return
    found = find_rings(alm, nside) if least >= 0 else None
    if found and not found.share:
        return
    how = (
        f"down to {found.lowest:.3g} beside l={found.lon_deg:.1f}, b={found.lat_deg:.1f}"
        if found
        else "which the map's own values below zero would hide"
    )
    raise CoganError(
        f"A beam of {fwhm_arcmin:g} arcmin has {pixels:g} pixels per FWHM at NSIDE {nside}, which "
        f"rings bright places ({how}); {_cure(nside, fwhm_arcmin)}."
    )


def warn_of_rings(
    maps: Mapping[str, np.ndarray], units: Mapping[str, str], fwhm_arcmin: float, where: str
) -> None:
    """Measure the rings of a sky that was read, and warn of what is found.

    Dust and N_HI cannot be below zero; of CO what counts lies below twice its own minimum, since
    noise is a little deeper between the pixels. Nothing is done at `RING_FREE` pixels per FWHM
    or more, nor for a sky without dust and N_HI.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (12 * nside**2,)
        Columns of a sky file, without holes.
    units : dict of str to str
    fwhm_arcmin : float
    where : str
        Whose they are, for the warning.
    """
    columns = [name for name in ("DUST", "N_HI", "W_CO10", "W_CO21") if name in maps]
    if not {"DUST", "N_HI"} & set(columns):
        return
    nside = hp.npix2nside(maps[columns[0]].size)
    pixels = pixels_per_fwhm(nside, fwhm_arcmin)
    if pixels >= RING_FREE:
        return
    if nside > FINEST_MEASURED:
        found = ["not measured at this NSIDE"]
    else:
        found = [_said_of(name, maps[name], units[name]) for name in columns]
        found = [sentence for sentence in found if sentence]
    if found:
        log.warning(
            "%s has %g pixels per FWHM, fewer than %g, and its bright places are ringed (%s). To "
            "be rid of the rings, %s.",
            where,
            pixels,
            RING_FREE,
            "; ".join(found),
            _cure(nside, fwhm_arcmin),
        )


def warn_of_values(maps: Mapping[str, np.ndarray], units: Mapping[str, str], where: str) -> None:
    """Warn of tracers whose numbers are not what their name and unit say.

    An N_HI that is a logarithm, in other units, or another column; and values far below zero, which
    no emission has: a number for "no value" that the header does not name.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (12 * nside**2,)
        Columns of a sky file, without holes.
    units : dict of str to str
    where : str
        Whose they are, for the warning.

    Examples
    --------
    >>> warn_of_values({"N_HI": np.full(48, 3e20)}, {"N_HI": "cm-2"}, "a map")
    """
    for name in (name for name in TRACERS if name in maps):
        values, unit = maps[name], units[name]
        sample = np.abs(values[:: max(1, values.size // 100_000)])
        if name == "N_HI" and not USUAL_N_HI[0] < np.median(sample) < USUAL_N_HI[1]:
            log.warning(
                "N_HI of %s has the median %.3g %s, and the sky about 4e20: see whether it is a "
                "logarithm, has another unit than it says, or is another column.",
                where,
                np.median(sample),
                unit,
            )
        below = values < -ABSURD * np.percentile(sample, 90)
        if below.any():
            log.warning(
                "%s of %s has %d pixels far below zero (to %.3g %s), which no emission has; if "
                "that says that there is no value, name it in the header (BAD_DATA).",
                name,
                where,
                below.sum(),
                values.min(),
                unit,
            )


def cap_spikes(
    values: np.ndarray, times: float | None, where: str, unit: str = "", frame: str = "G"
) -> np.ndarray:
    """Name pixels that are absurdly brighter than all around them, and cap them if asked.

    A pixel is such a spike if it is among the brightest 0.1 % of the map, brighter than each of its
    neighbours, which are all positive (so that noise is none), and more than `times` (else
    `ABSURD`) times their median: no beam of a pixel or more makes that.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING; NaN where there is no value.
    times : float, optional
        Cap spikes at so many times the median of their neighbours. Without it they stay, with a
        warning.
    where : str
        Whose they are, for the log.
    unit : str
    frame : {'G', 'C', 'E'}
        Of the map; places are said in Galactic coordinates.

    Returns
    -------
    ndarray, shape (12 * nside**2,)
        `values` itself where nothing is capped.

    Raises
    ------
    CoganError
        If `times` is not above 1.

    Examples
    --------
    >>> sky = np.ones(48)
    >>> sky[7] = 414.0
    >>> float(cap_spikes(sky, 10.0, "a map")[7])
    10.0
    """
    if times is not None:
        check_positive(cap_spikes=times)
        if times <= 1:
            raise CoganError(f"cap_spikes is {times:g}; it must be above 1, for example {ABSURD}.")
    nside = hp.npix2nside(values.size)
    sample = values[:: max(1, values.size // 100_000)]
    bright = np.flatnonzero(values >= np.nanpercentile(sample, _BRIGHTEST))
    around = hp.get_all_neighbours(nside, bright)
    around = np.where(around >= 0, values[around], np.nan)
    known = ~np.isnan(around).all(axis=0)
    bright, around = bright[known], around[:, known]
    median = np.nanmedian(around, axis=0)
    own = values[bright].astype(np.float64)
    spike = (own > (times or ABSURD) * median) & (own > np.nanmax(around, axis=0))
    spike &= np.nanmin(around, axis=0) > 0
    if not spike.any():
        return values
    bright, median, own = bright[spike], median[spike], own[spike]
    places = hp.Rotator(coord=[frame, "G"])(*hp.pix2ang(nside, bright, lonlat=True), lonlat=True)
    lon, lat = np.reshape(places, (2, -1))
    named = "; ".join(
        f"{own[i]:.3g} {unit} at l={lon[i] % 360:.1f}, b={lat[i]:.1f}, {own[i] / median[i]:.3g} "
        "times the median of its neighbours".replace("  ", " ")
        for i in np.argsort(-own)[:3]
    )
    log.warning(
        "%s has %d absurd pixel%s (%s)%s; %s.",
        where,
        bright.size,
        "s" * (bright.size > 1),
        named,
        ", the brightest named" * (bright.size > 3),
        f"read again with cap_spikes={ABSURD:g} to cap such pixels at so many times that median"
        if times is None
        else f"capped at {times:g} times that median",
    )
    if times is None:
        return values
    capped = np.array(values)
    capped[bright] = times * median
    return capped


def _said_of(name: str, values: np.ndarray, unit: str) -> str:
    """Say by how much a map of a sky rings; '' if it does not."""
    own = float(values.min())
    floor = 2 * min(own, 0.0) if name.startswith("W_") else 0.0
    nside = hp.npix2nside(values.size)
    rings = find_rings(map2alm(values, 3 * nside - 1, iterations=1), nside, floor)
    if not rings.share:
        return ""
    below = "zero" if floor == 0 else f"{floor:.3g}, twice its own minimum,"
    return (
        f"{name} is below {below} in {100 * rings.share:.2g} % of the sky, and in "
        f"{100 * rings.near:.2g} % of what is within {NEAR_DEG:g} degrees of "
        f"l={rings.lon_deg:.1f}, b={rings.lat_deg:.1f}, where it falls to {rings.lowest:.3g} {unit}"
    )


def _cure(nside: int, fwhm_arcmin: float) -> str:
    """Say which beam or which NSIDE has no rings."""
    wider = RING_FREE * hp.nside2resol(nside, arcmin=True)
    finer = nside
    while pixels_per_fwhm(finer, fwhm_arcmin) < RING_FREE:
        finer *= 2
    return (
        f"smooth to a beam of {wider:.3g} arcmin, or make the maps at NSIDE {finer}, so that they "
        f"have at least {RING_FREE:g} pixels per FWHM"
    )
