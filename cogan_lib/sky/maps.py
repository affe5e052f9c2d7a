"""One full-sky map: its grid, its holes, its frame, and another beam or NSIDE.

Maps are HEALPix, in RING order.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.files import CoganError
from .harmonics import alm2map, map2alm

#: Frames, by what a file's header may call them.
FRAMES = {"G": "G", "GALACTIC": "G", "C": "C", "ICRS": "C", "EQUATORIAL": "C", "FK5": "C",
          "E": "E", "ECLIPTIC": "E"}  # fmt: skip


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


def check_beam(nside: int, fwhm_arcmin: float) -> None:
    """Check that the pixels of a grid are no wider than a beam.

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


def full_sky(values: np.ndarray) -> np.ndarray:
    """Check that values are a full-sky map, and return them as float64.

    Infinite pixels are refused: one of them would poison every a_lm.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        NaN where there is no value.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64

    Raises
    ------
    CoganError
        If the size or type is that of no map, or a pixel is infinite.
    """
    full = np.asarray(values)
    if full.ndim != 1 or not hp.isnpixok(full.size) or full.dtype.kind not in "fiu":
        raise CoganError(
            f"Values of shape {full.shape} ({full.dtype}) are no full-sky HEALPix map; give "
            "12 nside^2 real numbers."
        )
    if np.isinf(full).any():
        raise CoganError("The map has infinite pixels; set them to NaN, which fill_missing fills.")
    return full.astype(np.float64, copy=False)


def fill_missing(values: np.ndarray, limit: float = 0.2) -> np.ndarray:
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
    filled = full_sky(values).copy()
    share = np.isnan(filled).mean()
    if share > limit:
        raise CoganError(
            f"{share:.0%} of the sky is missing, more than the {limit:.0%} that may be filled."
        )
    nside = hp.npix2nside(filled.size)
    while (holes := np.flatnonzero(np.isnan(filled))).size:
        around = hp.get_all_neighbours(nside, holes)
        values_around = np.where(around >= 0, filled[around], np.nan)
        good = ~np.isnan(values_around).all(axis=0)
        filled[holes[good]] = np.nanmean(values_around[:, good], axis=0)
    return filled


def rotate_map(values: np.ndarray, frame: str) -> np.ndarray:
    """Rotate a map to Galactic coordinates by its a_lm, which is exact for a band-limited map.

    Holes are filled first and stay holes.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
        RING, in `frame`; NaN where there is no value.
    frame : {'G', 'C', 'E'}
        Galactic, equatorial (ICRS) or ecliptic.

    Returns
    -------
    ndarray, shape (12 * nside**2,)
        Of the type of `values`.

    Raises
    ------
    CoganError
        If there is no such frame, or the values are no map.
    """
    if frame not in FRAMES.values():
        raise CoganError(f"There is no frame {frame!r}; it is G, C (equatorial) or E (ecliptic).")
    full = full_sky(values)
    holes = np.isnan(full)
    filled, nside = fill_missing(full) if holes.any() else full, hp.npix2nside(full.size)
    rotator = hp.Rotator(coord=[frame, "G"])
    rotated = alm2map(rotator.rotate_alm(map2alm(filled, 3 * nside - 1)), nside)
    if holes.any():
        rotated[rotator.rotate_map_pixel(holes.astype(float)) > 0.5] = np.nan
    return rotated.astype(values.dtype)


def to_grid(values: np.ndarray, nside: int, fwhm_in: float, fwhm_out: float) -> np.ndarray:
    """Bring a map to another NSIDE and a wider beam, in harmonic space.

    The a_lm are multiplied by the ratio of the two Gaussian beams; no window of pixels is put in or
    taken out.

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
        If the new beam is finer than the old one, or than a pixel of `nside`.

    Examples
    --------
    >>> to_grid(np.full(12 * 16**2, 2.0), 8, fwhm_in=300.0, fwhm_out=600.0).round(3)[:3]
    array([2., 2., 2.])
    """
    nside, full = check_nside(nside), full_sky(values)
    if not 0 <= fwhm_in <= fwhm_out:
        raise CoganError(
            f"A map of beam {fwhm_in:g} arcmin cannot be sharpened to {fwhm_out:g} arcmin."
        )
    check_beam(nside, fwhm_out)
    filled = fill_missing(full) if np.isnan(full).any() else full
    lmax = 3 * min(nside, hp.npix2nside(filled.size)) - 1
    alm = map2alm(filled, lmax)
    hp.smoothalm(alm, fwhm=np.radians(np.sqrt(fwhm_out**2 - fwhm_in**2) / 60), inplace=True)
    return alm2map(alm, nside)
