"""Images in and out: FITS with its WCS, unit and beam, and what the sources leave behind."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ...base.checks import nan_where_missing
from ...base.files import CoganError, atomic_path, reading, sha256
from .photometry import parse_unit

log = logging.getLogger(__name__)

#: Pixels may differ in height and width by so much.
SQUARE = 0.01
#: If so many pixels are exactly zero, a word of warning: they may stand for "no data".
MANY_ZEROS = 0.02
#: Names of the extensions that are written.
EXTENSIONS = ("IMAGE", "SOURCES", "MASK")
#: Cards that belong to the file they were read from.
_OWN = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|EXTNAME|EXTVER|EXTLEVEL|BSCALE|"
    r"BZERO|BLANK|CHECKSUM|DATASUM|DATAMIN|DATAMAX)$"
)
_WCS = re.compile(
    r"(WCSAXES|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA|CNAME)\d+|(PC|CD)\d+_\d+|(PV|PS)\d+_\d+)$"
)


@dataclass(frozen=True)
class Image:
    """A 2D map.

    Attributes
    ----------
    values : ndarray, shape (height, width), float32 or float64
        NaN where there are no data.
    wcs : WCS, optional
        Of two axes, if it is on the sky.
    unit : str
        As the file spells it; empty if it does not say.
    header : Header
        The file's own cards, less those of the file's structure.
    pixel_arcsec : float, optional
        Side of a pixel.
    beam_px : float, optional
        Full width at half maximum by BMAJ and BMIN (geometric mean) [pixels].
    content : dict
        Where it comes from: `file`, `sha256`, `hdu`. JSON-ready.
    """

    values: np.ndarray
    wcs: WCS | None = None
    unit: str = ""
    header: fits.Header = field(default_factory=fits.Header)
    pixel_arcsec: float | None = None
    beam_px: float | None = None
    content: dict = field(default_factory=dict)


def read_image(path: str | Path, unit: str | None = None, blank: float | None = None) -> Image:
    """Read the first 2D image of a FITS file; axes of length 1 do not count.

    Parameters
    ----------
    path : path
    unit : str, optional
        In place of the file's BUNIT.
    blank : float, optional
        Pixels of this value have no data.

    Returns
    -------
    Image

    Raises
    ------
    CoganError
        No such file, not FITS, no 2D image, a unit that is no brightness, pixels that are not
        square, infinite values, or no value at all.
    """
    path = Path(path)
    fix = "give a FITS file with a 2D image"
    with reading(path, "FITS image", fix), fits.open(path, memmap=False) as hdus:
        hdu, kept = _first_image(hdus, path)
        values = np.squeeze(hdu.data)
        header = hdu.header.copy()
        wcs = _flat_wcs(header, hdus, kept)
        name = hdu.name or str(hdus.index(hdu))
    text = str(header.get("BUNIT", "") or "") if unit is None else unit
    found = image_of(values, wcs, text, blank)
    card = {"file": path.name, "sha256": sha256(path), "hdu": name}
    header = _cards(header, wcs if len(kept) < header["NAXIS"] else None)
    beam = _header_beam(header, found.pixel_arcsec)
    if unit is None and not text:
        log.warning("%s has no BUNIT: fluxes come in the image's own numbers.", path.name)
    if header.get("BMAJ") and beam is None:
        log.warning("%s: BMAJ and BMIN are no beam on the sky, and not used.", path.name)
    return Image(found.values, wcs, text, header, found.pixel_arcsec, beam, card)


def image_of(
    values: np.ndarray, wcs: WCS | None = None, unit: str = "", blank: float | None = None
) -> Image:
    """Look at an array before any work.

    Parameters
    ----------
    values : array_like, shape (height, width)
        NaN, masked or beyond 1e29: no data.
    wcs : WCS, optional
    unit : str
    blank : float, optional
        Pixels of this value have no data.

    Returns
    -------
    Image

    Raises
    ------
    CoganError
        As for `read_image`.
    """
    values = nan_where_missing(values, *([] if blank is None else [blank]))
    if values.ndim != 2:
        shape = " x ".join(map(str, values.shape))
        raise CoganError(f"The image has {values.ndim} axes ({shape}); give one plane of 2 axes.")
    if values.dtype.kind not in "fiu":
        raise CoganError(f"The image holds {values.dtype}, not real numbers.")
    single = values.dtype.kind == "f" and values.dtype.itemsize == 4
    values = np.array(values, dtype=np.float32 if single else np.float64)  # ours, and native
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise CoganError(
            f"The image has {infinite} infinite values; make them NaN if they stand for no data."
        )
    if not np.isfinite(values).any():
        raise CoganError("The image has no data: every pixel is NaN.")
    zeros = np.mean(values == 0)
    if zeros > MANY_ZEROS:
        log.warning(
            "%.0f %% of the pixels are exactly 0; if that is no data, say so: blank=0.", 100 * zeros
        )
    parse_unit(unit)
    return Image(values, wcs, unit, pixel_arcsec=_pixel_arcsec(wcs))


def beam_px(image: Image, fwhm: float | str | u.Quantity | None = None) -> float:
    """Find the beam's width in pixels.

    Parameters
    ----------
    image : Image
    fwhm : float, str or Quantity, optional
        A number of pixels, or with a unit: ``"18arcsec"``, ``"3.5 pix"``; by the header's BMAJ and
        BMIN if not given.

    Returns
    -------
    float
        Full width at half maximum [pixels].

    Raises
    ------
    CoganError
        No beam, no angle, an angle without a WCS, or a width that is not positive and finite.

    Examples
    --------
    >>> beam_px(image_of(np.zeros((100, 100))), "3.5 pix")
    3.5
    """
    if fwhm is None:
        if image.beam_px is None:
            raise CoganError(
                "The beam is unknown: the header has no BMAJ and BMIN; give fwhm, for example "
                "18arcsec."
            )
        return image.beam_px
    try:
        width = u.Quantity(fwhm)
        width = width * u.pix if width.unit == u.dimensionless_unscaled else width
        angle = not width.unit.is_equivalent(u.pix)
        value = float(width.to_value(u.arcsec if angle else u.pix))
    except (TypeError, ValueError) as error:
        raise CoganError(
            f"The FWHM {fwhm!r} is no width: give pixels (4) or an angle (18arcsec)."
        ) from error
    if not 0 < value < np.inf:
        raise CoganError(f"The FWHM is {fwhm}; it must be positive and finite.")
    if not angle:
        return value
    if image.pixel_arcsec is None:
        raise CoganError(
            f"The FWHM {fwhm} is an angle, and the image has no WCS on the sky; give it in pixels."
        )
    return value / image.pixel_arcsec


def write_result(
    path: str | Path, image: Image, cleaned: np.ndarray, taken: np.ndarray, mask: np.ndarray,
    table: Table, history: list[str], cards: dict[str, tuple],
) -> tuple[Path, Path]:  # fmt: skip
    """Write the cleaned image, its sources and the mask as FITS, and the table as ECSV beside it.

    Parameters
    ----------
    path : path
        Ends in .fits or .fits.gz; the table's name ends in .ecsv.
    image : Image
        What was read.
    cleaned, taken : ndarray, shape (height, width)
        Without the sources, and they.
    mask : ndarray of bool, shape (height, width)
    table : Table
    history : list of str
        What was done, for HISTORY.
    cards : dict
        Keywords with (value, comment).

    Returns
    -------
    fits, ecsv : Path

    Raises
    ------
    CoganError
        If they cannot be written.
    """
    path, ecsv = Path(path), table_path(path)
    parts = (cleaned, taken, mask.astype(np.uint8))
    hdus = [fits.PrimaryHDU()]
    for name, values in zip(EXTENSIONS, parts, strict=True):
        header = image.header.copy()
        if name == "MASK":
            header.remove("BUNIT", ignore_missing=True)
        elif image.unit:
            header["BUNIT"] = image.unit
        header.update(cards)
        for line in history:
            header.add_history(line.encode("ascii", "replace").decode())  # FITS knows no more
        hdus.append(fits.ImageHDU(values, header, name=name))
    with atomic_path(path) as temporary:
        fits.HDUList(hdus).writeto(
            temporary, overwrite=True, checksum=True, output_verify="silentfix+ignore"
        )
    with atomic_path(ecsv) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return path, ecsv


def table_path(path: str | Path) -> Path:
    """Name the table that lies beside a FITS file.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the name ends in neither .fits nor .fits.gz.

    Examples
    --------
    >>> str(table_path("a/map.fits.gz"))
    'a/map.ecsv'
    """
    path = Path(path)
    stem = re.fullmatch(r"(.+)\.fits?(\.gz)?", path.name, re.IGNORECASE)
    if stem is None:
        raise CoganError(f"The result {path} is a FITS file; give it a name that ends in .fits.")
    return path.with_name(f"{stem[1]}.ecsv")


def _first_image(hdus: fits.HDUList, path: Path) -> tuple[fits.hdu.base.ExtensionHDU, list[int]]:
    """Find the first HDU with a 2D image, and which of its FITS axes are longer than 1."""
    others = []
    for hdu in hdus:
        if not getattr(hdu, "is_image", False) or hdu.data is None:
            continue
        axes = hdu.data.shape[::-1]
        kept = [i + 1 for i, length in enumerate(axes) if length > 1]
        if len(kept) == 2:
            return hdu, kept
        others.append(" x ".join(map(str, axes)))
    what = f"only {', '.join(others)}" if others else "no image at all"
    raise CoganError(f"{path} holds no 2D image, {what}; write the plane that you want as FITS.")


def _flat_wcs(header: fits.Header, hdus: fits.HDUList, kept: list[int]) -> WCS | None:
    """Make the WCS of the two axes that are left, if that is one on the sky."""
    wcs = WCS(header, hdus)
    if wcs.naxis > 2:
        wcs = wcs.sub(kept)
    return wcs if wcs.naxis == 2 and wcs.has_celestial else None


def _pixel_arcsec(wcs: WCS | None) -> float | None:
    """Side of a pixel, if pixels are square."""
    if wcs is None:
        return None
    sides = proj_plane_pixel_scales(wcs) * 3600
    if not np.isfinite(sides).all() or abs(sides[0] / sides[1] - 1) > SQUARE:
        raise CoganError(
            f"The image's pixels are {sides[0]:.4g} x {sides[1]:.4g} arcsec; they must be square: "
            "reproject it first."
        )
    return float(np.sqrt(np.prod(sides)))


def _header_beam(header: fits.Header, pixel_arcsec: float | None) -> float | None:
    """Geometric mean of BMAJ and BMIN [pixels]."""
    major = header.get("BMAJ")
    minor = header.get("BMIN", major)
    numbers = all(isinstance(axis, int | float) and 0 < axis < np.inf for axis in (major, minor))
    if pixel_arcsec is None or not numbers:
        return None
    if max(major, minor) > 1.1 * min(major, minor):
        log.warning("The beam is elongated (%.3g : 1); a round one of the same area is taken.",
                    max(major, minor) / min(major, minor))  # fmt: skip
    return float(np.sqrt(major * minor) * 3600 / pixel_arcsec)


def _cards(header: fits.Header, flat: WCS | None) -> fits.Header:
    """Keep what describes the sky, not the file; `flat` is the WCS of a header with more axes."""
    kept = fits.Header()
    for card in header.cards:
        if _OWN.match(card.keyword) or (flat is not None and _WCS.match(card.keyword)):
            continue
        kept.append(card, end=True)
    if flat is not None:
        kept.update(flat.to_header(relax=True))
    return kept
