"""Fluxes: what a unit lets one say in Jy, and apertures on what stands above a background."""

from __future__ import annotations

import math
import re

import numpy as np
from astropy import units as u
from photutils.aperture import CircularAperture, aperture_photometry

from ...base.files import CoganError
from .beams import Beam

#: Radius of the aperture [FWHM]: it holds 94 % of a Gaussian source.
APERTURE_FWHM = 1.0
#: Spellings that astropy does not take, whole words.
_SPELLINGS = {
    "JY": "Jy", "BEAM": "beam", "SR": "sr", "KELVIN": "K", "PIXEL": "pix", "PX": "pix",
    "PIX": "pix", "COUNTS": "ct", "COUNT": "ct", "CTS": "ct", "ADU": "adu",
    "ELECTRONS": "electron", "STERADIAN": "sr",
}  # fmt: skip
_PER_BEAM, _PER_SR, _PER_PIX = u.Jy / u.beam, u.Jy / u.sr, u.Jy / u.pix
#: Beside those: temperatures, lines, counts and energy per solid angle, whose numbers are kept.
_KEPT = (
    u.K, u.K * u.km / u.s, u.ct, u.ct / u.s, u.adu, u.adu / u.s, u.DN, u.DN / u.s,
    u.electron, u.electron / u.s, u.W / u.m**2 / u.sr, u.dimensionless_unscaled,
)  # fmt: skip


def parse_unit(text: str) -> u.UnitBase:
    """Read a unit of brightness, in the spellings that FITS files have.

    Parameters
    ----------
    text : str
        Empty: the image's own numbers.

    Returns
    -------
    Unit

    Raises
    ------
    CoganError
        If it is no unit, or not one of a brightness that is linear and says per what.

    Examples
    --------
    >>> parse_unit("JY/BEAM"), parse_unit("MJy/sr")
    (Unit("Jy / beam"), Unit("MJy / sr"))
    """
    unit = _unit(text.strip())
    if unit is None:
        raise CoganError(
            f"The image's unit {text!r} is unknown; say what it is with unit, for example Jy/beam."
        )
    if not any(unit.is_equivalent(known) for known in (_PER_BEAM, _PER_SR, _PER_PIX, *_KEPT)):
        raise CoganError(
            f"The image's unit {text!r} is no brightness per beam, pixel or solid angle (Jy/beam, "
            "Jy/pix, MJy/sr, K); say what it is with unit, or convert the image."
        )
    return unit


def _unit(text: str) -> u.UnitBase | None:
    """Read the text as a unit, else with its words in astropy's spelling."""
    if text.upper().replace(" ", "") in ("MJY/SR", "MJYSR-1", "MJYPERSR"):
        return u.MJy / u.sr  # in capitals alone milli and mega would be the same
    words = re.sub(r"[A-Za-z]+", lambda word: _SPELLINGS.get(word[0].upper(), word[0]), text)
    words = re.sub(r"\bper\b", "/", words)
    for spelling in (text, words):
        try:
            unit = u.Unit(spelling)
        except (ValueError, TypeError):
            continue
        return unit if isinstance(unit, u.UnitBase) else None  # magnitudes are functions
    return None


def per_peak(
    text: str, fwhm_px: float, pixel_arcsec: float | None, header_beam_px: float | None
) -> tuple[float, str]:
    """Compute the flux of a source whose peak is 1 in the image's unit.

    An image in Jy/beam is summed over the beam that its header names; a source of another width,
    as after smoothing, has the flux of its peak times the ratio of both areas.

    Parameters
    ----------
    text : str
        The image's unit.
    fwhm_px : float
        Of a point-like source.
    pixel_arcsec : float, optional
    header_beam_px : float, optional
        BMAJ and BMIN; `fwhm_px` if not given.

    Returns
    -------
    factor : float
    unit : str
        ``"Jy"`` where the unit and the beam allow, else the image's own.

    Examples
    --------
    >>> per_peak("mJy/beam", 4.0, None, None)
    (0.001, 'Jy')
    """
    unit, area = parse_unit(text), Beam("gaussian", fwhm_px).area_px
    if unit.is_equivalent(_PER_BEAM):
        wider = fwhm_px / (header_beam_px or fwhm_px)
        return float(unit.to(_PER_BEAM)) * wider**2, "Jy"
    if unit.is_equivalent(_PER_PIX):
        return float(unit.to(_PER_PIX)) * area, "Jy"
    if unit.is_equivalent(_PER_SR) and pixel_arcsec is not None:
        return float(unit.to(_PER_SR)) * area * math.radians(pixel_arcsec / 3600) ** 2, "Jy"
    return 1.0, "" if unit == u.dimensionless_unscaled else text.strip()


def aperture_fluxes(above: np.ndarray, x: np.ndarray, y: np.ndarray, fwhm_px: float) -> np.ndarray:
    """Measure what lies above the background in round apertures, as the peak of a point source.

    The aperture's correction is the share of a Gaussian beam in the very same pixels, so that
    neither their edges nor missing ones bias it.

    Parameters
    ----------
    above : ndarray, shape (n, side, side)
        Image less background; NaN where there are no data.
    x, y : ndarray, shape (n,)
        Columns and rows of the sources.
    fwhm_px : float
        The beam's.

    Returns
    -------
    ndarray, shape (n,)
        In the image's unit; NaN where less than half of a source is in the aperture.
    """
    n, side = above.shape[:2]
    beam = Beam("gaussian", fwhm_px)
    centres = np.stack([x, y + side * np.arange(n)], axis=1)  # one below the other: one call
    apertures = CircularAperture(centres, APERTURE_FWHM * fwhm_px)
    missing = ~np.isfinite(above)
    images = np.stack([beam.image(side, *at) for at in zip(x, y, strict=True)])
    sums, shares = (
        np.asarray(
            aperture_photometry(
                values.reshape(-1, side), apertures, mask=missing.reshape(-1, side)
            )["aperture_sum"]
        )
        for values in (np.where(missing, 0, above), images)
    )
    enough = shares > beam.area_px / 2
    return np.where(enough, sums / np.where(enough, shares, 1), np.nan)
