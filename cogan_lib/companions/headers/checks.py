"""Is what a FITS header says true? Checks of structure, units, time, sky and body.

No network and no files: positions are of astropy's built-in ephemeris. An *error* is a
contradiction or no FITS; a *warning* is what a reader would misunderstand; a *note* is worth a
look.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.coordinates import solar_system_ephemeris
from astropy.io import fits
from astropy.utils import iers
from astropy.wcs import WCS

from ...base.files import CoganError, atomic_path
from .sky_checks import body_findings, matrix_findings, reference_findings, sky_findings
from .time_checks import time_findings

#: From bad to harmless.
LEVELS = ("error", "warning", "note")
BITPIX = (8, 16, 32, 64, -32, -64)
#: What is written otherwise today.
DEPRECATED = {
    "EPOCH": "EQUINOX",
    "RADECSYS": "RADESYS",
    "BLOCKED": "nothing",
    "CROTA1": "PCi_j",
    "CROTA2": "PCi_j",
}
_TEXTS = ("OBJECT", "TELESCOP", "INSTRUME", "OBSERVER", "BUNIT", "DATE-OBS", "RADESYS")
_NUMBERS = ("MJD-OBS", "EXPTIME", "EQUINOX", "EPOCH", "BSCALE", "BZERO", "LONPOLE", "LATPOLE")
_NUMBERED = re.compile(r"(CRVAL|CRPIX|CDELT|CROTA)\d+|(CD|PC|PV)\d+_\d+")
#: Without one of these nobody knows where the pixels are.
_WORLD = re.compile(
    rf"{_NUMBERED.pattern}|(CTYPE|CUNIT|NAXIS)\d*|LONPOLE|LATPOLE|EQUINOX|EPOCH|RADE(C)?SYS"
)


class Finding(NamedTuple):
    """One thing that is wrong with a header, or worth a look.

    Attributes
    ----------
    keyword : str
    level : str
        One of `LEVELS`.
    sentence : str
    """

    keyword: str
    level: str
    sentence: str


def check_header(
    header: fits.Header, shape: Sequence[int] | None = None, scale_arcsec: float | None = None
) -> list[Finding]:
    """Check what a FITS header of an image or a table says.

    Parameters
    ----------
    header : astropy.io.fits.Header
    shape : sequence of int, optional
        Of the data, as NumPy has it: the last axis is NAXIS1.
    scale_arcsec : float, optional
        The pixel scale that it should have.

    Returns
    -------
    list of Finding
        Errors first; empty if all is well.

    Raises
    ------
    CoganError
        If `header` is no header, or `shape` no shape.

    Examples
    --------
    >>> header = fits.Header({"NAXIS": 2, "NAXIS1": 100, "NAXIS2": 50, "BUNIT": "Kelvins"})
    >>> for finding in check_header(header, (100, 50)):
    ...     print(finding.level, finding.keyword)
    error NAXIS1
    error NAXIS2
    warning BUNIT
    """
    if not isinstance(header, fits.Header):
        raise CoganError(
            f"check_header takes an astropy.io.fits.Header, not {type(header).__name__}."
        )
    if shape is not None and not _is_shape(shape):
        raise CoganError(
            "The shape must be a sequence of whole numbers, as data.shape is, "
            f"not {type(shape).__name__}."
        )
    with _quiet():
        found = [Finding(*one) for one in _all(header.copy(), shape, scale_arcsec)]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _all(header: fits.Header, shape, scale_arcsec) -> Iterator[tuple[str, str, str]]:
    undefined = _drop_undefined(header)
    broken = set()
    for keyword, sentence in _unreadable(header):
        broken.add(keyword)
        yield keyword, "error", sentence
    for keyword in broken:  # what cannot be read is not read again
        header.remove(keyword, ignore_missing=True, remove_all=True)
    yield from _structure(header, shape, broken)
    yield from _unit_findings(header)
    yield from time_findings(header)
    for keyword, instead in DEPRECATED.items():
        if keyword in header and not (keyword == "EPOCH" and "EQUINOX" in header):
            yield keyword, "note", f"{keyword} is deprecated; today's header has {instead}."
    if not any(keyword.startswith(("CTYPE", "CUNIT")) for keyword in broken):
        yield from reference_findings(header)
    if not any(keyword[:5] == "CTYPE" and keyword[5:].isdigit() for keyword in header):
        return
    if any(map(_WORLD.fullmatch, broken)):  # what a default in its place gives is no finding
        return
    singular = list(matrix_findings(header))
    if singular:  # wcslib may put a matrix of its own there
        yield from singular
        return
    wcs, problem = _wcs(header)
    if problem:
        elsewhere = "HDUList" in problem  # tables of distortion, in other parts of the file
        yield "CTYPE1", "note" if elsewhere else "error", problem
    known = not any(map(_WORLD.fullmatch, undefined))
    if wcs is not None and wcs.has_celestial and known:
        yield from sky_findings(header, wcs.celestial, shape, scale_arcsec)
        yield from body_findings(header, wcs.celestial, shape)


def _is_shape(shape: object) -> bool:
    return isinstance(shape, Sequence) and all(_is_whole(side) and side >= 0 for side in shape)


def _drop_undefined(header: fits.Header) -> set[str]:
    """Remove the cards without a value, which FITS allows, and say which they were."""
    dropped = set()
    for at in reversed(range(len(header))):
        card = header.cards[at]
        try:
            empty = card.value is None or isinstance(card.value, fits.card.Undefined)
        except (fits.VerifyError, ValueError):  # is found as no FITS
            continue
        if empty:
            dropped.add(card.keyword)
            del header[at]
    return dropped


def _unreadable(header: fits.Header) -> Iterator[tuple[str, str]]:
    """Cards that astropy cannot read, and values of another type than their keyword's."""
    for card in header.cards:
        try:
            card.verify("exception")
            keyword, value = card.keyword, card.value
        except (fits.VerifyError, ValueError) as error:
            reason = " ".join(str(error).split()).partition(" Note:")[0][-150:].rstrip(".")
            yield card.keyword, f"The card {card.keyword!r} is no FITS ({reason})."
            continue
        stem = keyword.rstrip("0123456789")
        if stem in ("NAXIS", "BITPIX"):
            good, what = _is_whole(value), "a whole number"
        elif keyword in _NUMBERS or _NUMBERED.fullmatch(keyword):
            good, what = _is_number(value), "a number"
        elif keyword in _TEXTS or stem in ("CTYPE", "CUNIT"):
            good, what = isinstance(value, str), "a text"
        else:
            continue
        if not good:
            plain = value.item() if isinstance(value, np.generic) else value
            yield keyword, f"{keyword} is {plain!r}; it must be {what}."


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _structure(header: fits.Header, shape, broken: set[str]) -> Iterator[tuple[str, str, str]]:
    first = next(iter(header), "")
    unnamed = first not in ("SIMPLE", "XTENSION") and not broken & {"SIMPLE", "XTENSION"}
    if "BITPIX" in header and unnamed:
        yield "SIMPLE", "error", "The first card must be SIMPLE, or XTENSION in an extension."
    if first == "SIMPLE" and header["SIMPLE"] is not True:
        yield "SIMPLE", "error", f"SIMPLE is {header['SIMPLE']!r}; of a FITS file it is T."
    if "BITPIX" in header and header["BITPIX"] not in BITPIX:
        yield "BITPIX", "error", f"BITPIX is {header['BITPIX']}; FITS has {BITPIX}."
    naxis = header.get("NAXIS")
    if naxis is not None and not 0 <= naxis <= 999:
        yield "NAXIS", "error", f"NAXIS is {naxis}; FITS has 0 to 999 axes."
        header.remove("NAXIS")
        return
    for axis in range(1, (naxis or 0) + 1):
        if f"NAXIS{axis}" in broken:
            continue
        if f"NAXIS{axis}" not in header:
            yield f"NAXIS{axis}", "error", f"NAXIS is {naxis}, but NAXIS{axis} is missing."
        elif header[f"NAXIS{axis}"] < 0:
            yield f"NAXIS{axis}", "error", f"NAXIS{axis} is negative."
    if shape is None:
        return
    if naxis is not None and naxis != len(shape):
        yield "NAXIS", "error", f"NAXIS is {naxis}, but the data have {len(shape)} axes."
        return
    for axis, length in enumerate(reversed(shape), 1):
        said = header.get(f"NAXIS{axis}")
        if said is not None and said != length:
            yield (
                f"NAXIS{axis}",
                "error",
                (
                    f"NAXIS{axis} is {said}, but the data, of shape {tuple(shape)}, have {length} "
                    "there (FITS counts axes from the last of NumPy's)."
                ),
            )


def _unit_findings(header: fits.Header) -> Iterator[tuple[str, str, str]]:
    for keyword, value in header.items():
        if keyword != "BUNIT" and keyword.rstrip("0123456789") not in ("TUNIT", "CUNIT"):
            continue
        if not isinstance(value, str) or not value.strip():
            continue
        try:
            units.Unit(value.strip(), format="fits")
        except (ValueError, TypeError):
            yield (
                keyword,
                "warning",
                (f"{keyword} is {value!r}, which is no unit as FITS spells them{_spelled(value)}."),
            )


def _spelled(value: str) -> str:
    """Say which unit was probably meant."""
    for guess in (value.strip(), value.strip().lower()):
        for style in ("fits", "generic", "vounit", "cds"):
            try:
                return f"; write {units.Unit(guess, format=style).to_string('fits')!r}"
            except (ValueError, TypeError):
                continue
    return ""


def _wcs(header: fits.Header) -> tuple[WCS | None, str]:
    try:
        wcs = WCS(header)
        wcs.wcs.set()
        wcs.pixel_shape = None  # more axes of coordinates than of pixels are allowed
        return wcs, ""
    except KeyError:  # there are others, under a letter
        return None, ""
    except Exception as error:  # wcslib's errors are of many classes
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines[-1] if lines else type(error).__name__)[:150].rstrip(".")
        return None, f"The world coordinates cannot be used ({reason})."


@contextmanager
def _quiet() -> Iterator[None]:
    """No download, no warning: what they would say is found and said here."""
    with (
        warnings.catch_warnings(),
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        solar_system_ephemeris.set("builtin"),
    ):
        warnings.simplefilter("ignore")
        yield


def write_checked(path: str | Path, data: np.ndarray, header: fits.Header) -> Path:
    """Write an image that a reader accepts: checked, with checksums, whole or not at all.

    Parameters
    ----------
    path : path
        A .fits file.
    data : ndarray
    header : astropy.io.fits.Header
        BITPIX and the like are set from the data.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CoganError
        If the header contradicts itself or the data, or the file cannot be written.
    """
    errors = [one for one in check_header(header, data.shape) if one.level == "error"]
    if errors:
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        raise CoganError(f"{path} is not written: {errors[0].sentence}{more}")
    with atomic_path(path) as temporary, _quiet():
        try:
            fits.PrimaryHDU(data, header).writeto(temporary, overwrite=True, checksum=True)
            with warnings.catch_warnings():
                warnings.simplefilter("error", fits.verify.VerifyWarning)
                with fits.open(temporary, checksum=True) as file:
                    file.verify("exception")
                    WCS(file[0].header)
        except (fits.VerifyError, KeyError, ValueError, TypeError, Warning) as error:
            reason = " ".join(str(error).split())[:200]
            raise CoganError(f"{path} is not written: astropy refuses it ({reason}).") from error
    return Path(path)
