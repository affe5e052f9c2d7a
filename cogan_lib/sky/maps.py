"""One full-sky map: its grid, its holes, its frame, and another beam or NSIDE.

Maps are HEALPix, in RING order.
"""

from __future__ import annotations

import logging
from typing import Literal

import healpy as hp
import numpy as np

from ..base.checks import nan_where_missing
from ..base.files import CoganError
from .harmonics import alm2map, map2alm
from .rings import check_ring_free

log = logging.getLogger(__name__)

#: Largest share of the sky without a value that is filled from its rims.
MOST_MISSING = 0.2
#: A map is not band-limited if its rotation lies beyond its extremes in more than this share of
#: the sky, or below by more than this part of its range; smooth maps stay at 1e-4 and 1e-3.
MOST_BEYOND = 1e-3, 1e-2
_CHUNK = 1 << 14  # pixels interpolated at a time


def check_nside(nside: object, where: str = "NSIDE") -> int:
    """Check that a number is a HEALPix resolution: a power of two between 1 and 8192.

    Parameters
    ----------
    nside : object
        What is given as NSIDE.
    where : str
        What the sentence of the error calls it.

    Returns
    -------
    int
        `nside`.

    Raises
    ------
    CoganError
        If it is none.

    Examples
    --------
    >>> check_nside(256)
    256
    """
    try:
        value = int(nside)
    except (TypeError, ValueError, OverflowError):
        value = 0
    if value < 1 or value > 8192 or value & (value - 1) or float(nside) != value:
        raise CoganError(f"{where} is {nside!r}; it must be a power of two from 1 to 8192.")
    return value


def to_arcmin(beam: object) -> object:
    """Return a beam given as an astropy angle in arcmin; anything else as it is.

    Parameters
    ----------
    beam : float or astropy.units.Quantity

    Returns
    -------
    float
        In arcmin.

    Raises
    ------
    CoganError
        If it is a Quantity, but no angle.
    """
    if getattr(beam, "unit", None) is None:
        return beam
    try:
        return float(beam.to_value("arcmin"))
    except (ValueError, TypeError) as error:
        raise CoganError(f"The beam {beam} is no angle; give its width in arcmin.") from error


def check_beam(nside: int, fwhm_arcmin: float) -> None:
    """Check that the pixels of a grid are no wider than a beam.

    Less cannot be a map of that beam at all; without rings it is from `rings.RING_FREE` pixels per
    FWHM on.

    Parameters
    ----------
    nside : int
    fwhm_arcmin : float
        Full width at half maximum of the beam [arcmin].

    Raises
    ------
    CoganError
        If the beam is finer than a pixel of `nside`, or not finite.
    """
    pixel = hp.nside2resol(nside, arcmin=True)
    if not pixel <= fwhm_arcmin < np.inf:
        raise CoganError(
            f"A beam of {fwhm_arcmin:g} arcmin needs pixels finer than the {pixel:.1f} arcmin of "
            f"NSIDE {nside}; raise nside or fwhm_arcmin."
        )


def is_map_size(size: int) -> bool:
    """Whether so many pixels are a full sky: 12 NSIDE^2, NSIDE being a power of two.

    Parameters
    ----------
    size : int

    Returns
    -------
    bool

    Examples
    --------
    >>> is_map_size(12 * 32**2), is_map_size(12 * 24**2)
    (True, False)
    """
    return bool(hp.isnpixok(size)) and hp.isnsideok(hp.npix2nside(size), nest=True)


def full_sky(values: np.ndarray) -> np.ndarray:
    """Check that values are a full-sky map, and return them as float64.

    Infinite pixels are refused: one of them would poison every a_lm.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        NaN where there is no value, or as `nan_where_missing` knows.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        NaN where there is no value.

    Raises
    ------
    CoganError
        If the size or type is that of no map, or a pixel is infinite.
    """
    full = nan_where_missing(values)
    if full.ndim != 1 or not is_map_size(full.size) or full.dtype.kind not in "fiu":
        raise CoganError(
            f"Values of shape {full.shape} ({full.dtype}) are no full-sky HEALPix map; give "
            "12 nside^2 real numbers, nside being a power of two."
        )
    if np.isinf(full).any():
        raise CoganError("The map has infinite pixels; set them to NaN, which fill_missing fills.")
    return full.astype(np.float64, copy=False)


def fill_missing(values: np.ndarray, limit: float = MOST_MISSING) -> np.ndarray:
    """Fill NaN pixels from the outside in, each with the mean of its good neighbours.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING; NaN where there is no value.
    limit : float
        Largest share of the sky that may be missing.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        Without NaN; good pixels are as they were.

    Raises
    ------
    CoganError
        If more than `limit` of the sky is missing.

    Examples
    --------
    >>> sky = np.ones(48)
    >>> sky[7] = np.nan
    >>> float(fill_missing(sky)[7])
    1.0
    """
    filled = np.array(full_sky(values))
    share = np.isnan(filled).mean()
    if share > limit:
        raise CoganError(
            f"{share:.0%} of the sky is missing, more than the {limit:.0%} that may be filled; "
            "take a map of the whole sky, or put other data or a model into the gaps first."
        )
    nside = hp.npix2nside(filled.size)
    while (holes := np.flatnonzero(np.isnan(filled))).size:
        around = hp.get_all_neighbours(nside, holes)
        values_around = np.where(around >= 0, filled[around], np.nan)
        good = ~np.isnan(values_around).all(axis=0)
        filled[holes[good]] = np.nanmean(values_around[:, good], axis=0)
    return filled


def rotate_map(
    values: np.ndarray, frame: str, kind: Literal["signal", "error", "flag"] = "signal"
) -> np.ndarray:
    """Rotate a map to Galactic coordinates by its a_lm, which is exact for a band-limited map.

    A map that is not band-limited (sampled at points, or with a beam of less than about two pixels)
    would ring, below zero beside bright places. It is recognised by extremes that the map has not,
    and interpolated between its pixels in place, with a warning; smooth it first to get more.
    Errors are interpolated too, flags taken from the nearest pixel. Holes are filled first and stay
    holes.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING, in `frame`; NaN where there is no value.
    frame : {'G', 'C', 'E'}
        Galactic, equatorial (ICRS) or ecliptic.
    kind : {'signal', 'error', 'flag'}
        What the values are. Integers of at most 16 values are flags.

    Returns
    -------
    ndarray, shape (12 * nside**2,)
        Of the type of `values` if that is float32 or float64, else float64.

    Raises
    ------
    CoganError
        If there is no such frame, or the values are no map.
    """
    if frame not in ("G", "C", "E"):
        raise CoganError(f"There is no frame {frame!r}; it is G, C (equatorial) or E (ecliptic).")
    full, dtype = full_sky(values), np.asarray(values).dtype
    dtype = dtype if dtype.kind == "f" and dtype.itemsize >= 4 else np.dtype(np.float64)
    if is_flag(values):
        kind = "flag"
    holes = np.isnan(full)
    if kind == "flag":
        return _look_up(full, frame, nearest=True).astype(dtype)
    filled, nside = fill_missing(full) if holes.any() else full, hp.npix2nside(full.size)
    rotator = hp.Rotator(coord=[frame, "G"])
    if kind == "error":
        rotated = _look_up(filled, frame)
    else:
        rotated = alm2map(rotator.rotate_alm(map2alm(filled, 3 * nside - 1)), nside)
        if (beyond := _beyond(rotated, filled)) is not None:
            log.warning(
                "A map is not smooth: rotated by its a_lm it would leave its own range in %.1f %% "
                "of the sky, and fall %.3g below its minimum. It is interpolated between pixels; "
                "smooth the map to 3 pixels a beam before to have it exact.",
                *beyond,
            )
            rotated = _look_up(filled, frame)
    if holes.any():
        rotated[rotator.rotate_map_pixel(holes.astype(float)) > 0.5] = np.nan
    return rotated.astype(dtype)


def _beyond(rotated: np.ndarray, full: np.ndarray) -> tuple[float, float] | None:
    """Say by how much a rotated map leaves its range (per cent, depth); None if it is smooth."""
    low, high = float(full.min()), float(full.max())
    slack = MOST_BEYOND[0] * float(np.subtract(*np.percentile(full, [99, 1])))
    share = np.mean((rotated < low - slack) | (rotated > high + slack))
    depth = low - float(rotated.min())
    if share > MOST_BEYOND[0] or depth > max(MOST_BEYOND[1] * (high - low), 1e-6 * abs(low)):
        return 100 * share, depth
    return None


def is_flag(values: np.ndarray) -> bool:
    """Whether values are flags: integers, and few of them differ.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    bool

    Examples
    --------
    >>> is_flag(np.zeros(48, int)), is_flag(np.zeros(48)), is_flag(np.arange(48))
    (True, False, False)
    """
    return np.asarray(values).dtype.kind in "biu" and np.unique(values).size <= 16


def _look_up(full: np.ndarray, frame: str, nearest: bool = False) -> np.ndarray:
    """Values at the places of the Galactic pixels: between the four around, or of the nearest."""
    nside, rotator = hp.npix2nside(full.size), hp.Rotator(coord=["G", frame])
    found = np.empty_like(full)
    for start in range(0, full.size, _CHUNK):
        part = np.arange(start, min(start + _CHUNK, full.size))
        theta, phi = rotator(*hp.pix2ang(nside, part))
        if nearest:
            found[part] = full[hp.ang2pix(nside, theta, phi)]
        else:
            found[part] = hp.get_interp_val(full, theta, phi)
    return found


def to_grid(values: np.ndarray, nside: int, fwhm_in: float, fwhm_out: float) -> np.ndarray:
    """Bring a map to another NSIDE and a wider beam, in harmonic space.

    The a_lm are multiplied by the ratio of the two Gaussian beams; no window of pixels is put in or
    taken out. The grid should have at least 2.2 pixels per FWHM of the new beam. With fewer, bright
    places would be ringed, and the map is made only if it can be shown that they are not
    (`rings.check_ring_free`).

    Parameters
    ----------
    values : ndarray, shape (12 * nside_in**2,)
        RING; NaN is filled first (`fill_missing`).
    nside : int
    fwhm_in, fwhm_out : float
        Beam of the map, and beam wanted, full width at half maximum [arcmin].

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64

    Raises
    ------
    CoganError
        If the new beam is finer than the old one, or than a pixel of `nside`, or the map rings.

    Examples
    --------
    >>> to_grid(np.full(12 * 16**2, 2.0), 8, fwhm_in=300.0, fwhm_out=600.0).round(3)[:3]
    array([2., 2., 2.])
    """
    nside, full = check_nside(nside), full_sky(values)
    fwhm_in, fwhm_out = to_arcmin(fwhm_in), to_arcmin(fwhm_out)
    if not 0 <= fwhm_in <= fwhm_out:
        raise CoganError(
            f"A map of beam {fwhm_in:g} arcmin cannot be sharpened to {fwhm_out:g} arcmin."
        )
    check_beam(nside, fwhm_out)
    filled = fill_missing(full) if np.isnan(full).any() else full
    own = hp.npix2nside(filled.size)
    coarser = min(nside, own)
    alm = map2alm(filled, 3 * coarser - 1)
    hp.smoothalm(alm, fwhm=np.radians(np.sqrt(fwhm_out**2 - fwhm_in**2) / 60), inplace=True)
    if fwhm_out > fwhm_in or nside < own:  # else it is the same map between its pixels
        check_ring_free(alm, coarser, fwhm_out, float(filled.min()))
    return alm2map(alm, nside)


def to_nside(values: np.ndarray, nside: int, fwhm_arcmin: float) -> np.ndarray:
    """Bring a map to another NSIDE and leave its beam alone, as PySM does.

    Coarser pixels are the means of the finer ones (`healpy.ud_grade`); finer ones come from the
    a_lm, and show nothing that was not there.

    Parameters
    ----------
    values : ndarray, shape (12 * nside_in**2,)
        RING, without holes.
    nside : int
    fwhm_arcmin : float
        Beam of the map.

    Returns
    -------
    ndarray, shape (12 * nside**2,)

    Examples
    --------
    >>> to_nside(np.arange(48.0), 1, fwhm_arcmin=6000.0).size
    12
    """
    if nside > hp.npix2nside(values.size):
        return to_grid(values, nside, fwhm_arcmin, fwhm_arcmin)
    return hp.ud_grade(values, nside)
