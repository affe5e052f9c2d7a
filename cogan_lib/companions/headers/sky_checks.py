"""Is the sky of a FITS header true? Its frame, its pixels, and the body that it says it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from astropy import constants, units
from astropy.coordinates import SkyCoord, get_body, get_body_barycentric, solar_system_ephemeris
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from .time_checks import moment

#: A body may be so far beyond the edge: the Moon's parallax, and a pointing that is a little off.
MARGIN_DEG = 1.2
#: The pixel scale may differ by this share from what was asked, or from CDELT.
SCALE_SHARE = 0.01
FRAMES = ("ICRS", "FK5", "FK4", "FK4-NO-E", "GAPPT")
#: Projections of which a large field has no position at its corners.
_NARROW = {"TAN": 120.0, "SIN": 120.0}
#: Once round the sky, and a pixel's rounding.
_ROUND = 361.0
#: Ends of the names of celestial axes, of planets and the Sun too.
_LONGITUDES = ("RA", "LON", "LN")
_LATITUDES = ("DEC", "LAT", "LT")
_ELEMENT = re.compile(r"(CD|PC)(\d{1,2})_(\d{1,2})")
#: A determinant of rows of length 1 that is nothing but rounding.
_SINGULAR = 1e-9
#: Light's way is found anew so often; each time adds four digits.
_LIGHT_STEPS = 4


def sky_findings(
    header: fits.Header, wcs: WCS, shape, scale_arcsec: float | None
) -> Iterator[tuple[str, str, str]]:
    """Check frame, reference point and pixels.

    Parameters
    ----------
    header : astropy.io.fits.Header
    wcs : astropy.wcs.WCS
        Its two celestial axes.
    shape : sequence of int or None
    scale_arcsec : float or None
        The scale that the pixels should have.

    Yields
    ------
    (keyword, level, sentence)
    """
    axes = _axes(header)
    if len(axes) != 2:
        return
    yield from _frame(header)
    scales = proj_plane_pixel_scales(wcs)  # [deg]
    yield from _scales(header, axes, scales, scale_arcsec)
    sides = _sides(header, axes, shape)
    if sides is None:
        return
    extent = np.array(sides) * scales
    widest = _NARROW.get(wcs.wcs.ctype[0][-3:], _ROUND)
    if extent.max() > widest:
        level = "error" if extent.max() > _ROUND else "warning"
        yield (
            f"CDELT{axes[int(extent.argmax())]}",
            level,
            (
                f"The image is {extent.max():.4g} degrees wide; pixels of {scales.max():.3g} "
                "degrees cannot be meant (check the unit of the scale)."
            ),
        )
    for axis, side, at in zip(axes, sides, wcs.wcs.crpix, strict=True):
        if at == side / 2 and side > 1:
            yield (
                f"CRPIX{axis}",
                "note",
                (
                    f"CRPIX{axis} is {at:g}; FITS counts pixels from 1, so the middle of {side} is "
                    f"{(side + 1) / 2:g}."
                ),
            )
        elif not 0.5 <= at <= side + 0.5:
            yield (
                f"CRPIX{axis}",
                "note",
                (f"CRPIX{axis} is {at:g}: the reference pixel is outside the image of {side}."),
            )


def _axes(header: fits.Header) -> list[int]:
    """Numbers of the two celestial axes, as they come."""
    stems = {axis: str(header.get(f"CTYPE{axis}", "")).split("-")[0] for axis in range(1, 10)}
    ends = (*_LONGITUDES, *_LATITUDES)
    return [axis for axis, stem in stems.items() if stem and stem.strip().endswith(ends)][:2]


def reference_findings(header: fits.Header) -> Iterator[tuple[str, str, str]]:
    """Check that the reference position is on the sky, and that its axes have a projection.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Yields
    ------
    (keyword, level, sentence)
    """
    for axis in _axes(header):
        ctype = str(header[f"CTYPE{axis}"]).strip()
        if header.get("NAXIS", 2) > 1 and "-" not in ctype:
            yield (
                f"CTYPE{axis}",
                "warning",
                (
                    f"CTYPE{axis} is {ctype!r} without a projection: readers take the axis to be "
                    f"linear; write {ctype + (5 - len(ctype)) * '-' + 'TAN'!r}, if that is meant."
                ),
            )
        value = header.get(f"CRVAL{axis}", 0.0)
        latitude = ctype.split("-")[0].endswith(_LATITUDES)
        low, high = (-90.0, 90.0) if latitude else (-180.0, 360.0)
        if header.get(f"CUNIT{axis}", "deg").strip() in ("deg", "") and not low <= value <= high:
            yield (
                f"CRVAL{axis}",
                "error" if latitude else "note",
                (f"CRVAL{axis} is {value:g} deg; it goes from {low:g} to {high:g}."),
            )


def matrix_findings(header: fits.Header) -> Iterator[tuple[str, str, str]]:
    """Check that the CD or PC matrix can be inverted.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Its elements are numbers.

    Yields
    ------
    (keyword, level, sentence)
    """
    given = [found for found in map(_ELEMENT.fullmatch, header) if found]
    for stem in ("CD", "PC"):
        places = {(int(i) - 1, int(j) - 1): header[f"{stem}{i}_{j}"]
                  for kind, i, j in (one.groups() for one in given) if kind == stem}  # fmt: skip
        if not places or min(map(min, places)) < 0:
            continue
        side = 1 + max(map(max, places))
        celestial = [axis - 1 for axis in _axes(header)]
        matrix = np.eye(max(side, 1 + max(celestial, default=0)))
        if stem == "CD":  # what is not given is 0; a cube's other axes may be left out whole
            for axis in {*celestial, *(axis for place in places for axis in place)}:
                matrix[axis, axis] = 0.0
        for place, value in places.items():
            matrix[place] = value
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not lengths.all() or abs(np.linalg.det(matrix / lengths)) < _SINGULAR:
            yield (
                f"{stem}1_1",
                "error",
                f"The {stem} matrix is singular: it puts all pixels of a line on one position.",
            )


def _frame(header: fits.Header) -> Iterator[tuple[str, str, str]]:
    named = header.get("RADESYS", header.get("RADECSYS"))
    equinox = header.get("EQUINOX", header.get("EPOCH"))
    equatorial = any(str(header.get(f"CTYPE{i}", "")).startswith("RA--") for i in range(1, 5))
    if not equatorial:
        return
    if named is None and equinox is not None:
        frame = "FK4" if float(equinox) < 1984 else "FK5"
        yield (
            "RADESYS",
            "warning",
            (
                f"EQUINOX is {equinox} and RADESYS is missing: readers take the frame to be "
                f"{frame}; write RADESYS (ICRS, if that is meant)."
            ),
        )
    if isinstance(named, str) and named.strip() not in ("ICRS", "FK5", "FK4", "FK4-NO-E", "GAPPT"):
        yield (
            "RADESYS",
            "warning",
            f"RADESYS is {named!r}; FITS has ICRS, FK5, FK4, FK4-NO-E, GAPPT.",
        )


def _scales(header, axes, scales, asked) -> Iterator[tuple[str, str, str]]:
    if asked is not None and np.any(np.abs(scales * 3600 / asked - 1) > SCALE_SHARE):
        yield (
            f"CDELT{axes[0]}",
            "error",
            (
                f"Pixels are {scales[0] * 3600:.4g} by {scales[1] * 3600:.4g} arcsec; "
                f"{asked:g} was asked."
            ),
        )
    matrix = any(f"CD{i}_{j}" in header for i in axes for j in axes)
    for axis, scale in zip(axes, scales, strict=True):
        said = header.get(f"CDELT{axis}")
        if said is None or not matrix or said in (0, 1):
            continue
        unit = units.Unit(str(header.get(f"CUNIT{axis}", "deg")).strip() or "deg")
        if abs(abs(said) * unit.to(units.deg) / scale - 1) > SCALE_SHARE:
            yield (
                f"CDELT{axis}",
                "warning",
                (
                    f"CDELT{axis} is {said:g}, but the CD matrix, which readers take, has pixels "
                    f"of {scale:.6g} degrees."
                ),
            )
    if not 1 / 20 < scales[0] / scales[1] < 20:
        yield (
            f"CDELT{axes[0]}",
            "warning",
            (f"Pixels are {scales[0] * 3600:.4g} by {scales[1] * 3600:.4g} arcsec."),
        )


def _sides(header: fits.Header, axes, shape) -> list[int] | None:
    """Pixels along the celestial axes."""
    if shape is not None:
        found = [shape[len(shape) - axis] if axis <= len(shape) else None for axis in axes]
    else:
        found = [header.get(f"NAXIS{axis}") for axis in axes]
    return None if None in found or 0 in found else found


def body_position(name: str, time: Time) -> SkyCoord:
    """Find a body of the solar system among the stars, as it is seen from the Earth's centre.

    This is the astrometric place, that of a catalogue: from where the Earth is to where the body
    was when the light left it. Right ascension and declination of what `get_body` gives are in
    GCRS, the *apparent* place: the Earth's motion (aberration) puts it up to 20 arcsec elsewhere,
    and the stars beside it too. Its ``.icrs`` is the direction from the *barycentre* of the solar
    system, for Mars many degrees away: no telescope points there.

    Parameters
    ----------
    name : str
        Such as 'mars'.
    time : Time

    Returns
    -------
    SkyCoord
        A direction without distance, in the axes of ICRS.
    """
    with solar_system_ephemeris.set("builtin"):
        earth = get_body_barycentric("earth", time)
        way = get_body_barycentric(name, time) - earth
        for _ in range(_LIGHT_STEPS):
            way = get_body_barycentric(name, time - way.norm() / constants.c) - earth
    seen = SkyCoord(way, frame="icrs")
    return SkyCoord(seen.ra, seen.dec, frame="icrs")


def barycentric_error_deg(name: str, time: Time) -> float:
    """Measure the trap: how far the direction from the barycentre is from that of the Earth.

    Parameters
    ----------
    name : str
    time : Time

    Returns
    -------
    float
    """
    return float(body_position(name, time).separation(barycentric_position(name, time)).deg)


def barycentric_position(name: str, time: Time) -> SkyCoord:
    """Find a body as it would be seen from the barycentre of the solar system: the trap.

    Parameters
    ----------
    name : str
    time : Time

    Returns
    -------
    SkyCoord
    """
    with solar_system_ephemeris.set("builtin"):
        seen = get_body(name, time).icrs
    return SkyCoord(seen.ra, seen.dec, frame="icrs")


def body_findings(header: fits.Header, wcs: WCS, shape) -> Iterator[tuple[str, str, str]]:
    """Check that the body that OBJECT names was where the image is.

    Parameters
    ----------
    header : astropy.io.fits.Header
    wcs : astropy.wcs.WCS
        Its two celestial axes.
    shape : sequence of int or None

    Yields
    ------
    (keyword, level, sentence)
    """
    name, time = str(header.get("OBJECT", "")).strip().lower(), moment(header)
    bodies = set(solar_system_ephemeris.bodies) - {"earth", "earth-moon-barycenter"}
    if name not in bodies or time is None:
        return
    sides = _sides(header, _axes(header), shape) or [1, 1]
    try:
        centre = wcs.pixel_to_world((sides[0] - 1) / 2, (sides[1] - 1) / 2).icrs
        seen = body_position(name, time)
        barycentric = barycentric_position(name, time)
    except Exception:  # a frame that has no way to ICRS, a corner of the projection
        return
    apart = centre.separation(seen).deg
    edge = np.hypot(*(np.array(sides) * proj_plane_pixel_scales(wcs))) / 2
    if not apart > edge + MARGIN_DEG:
        return
    trap = ""
    if centre.separation(barycentric).deg <= edge + MARGIN_DEG:
        trap = " That is its direction from the solar system's barycentre, what .icrs gives."
    yield (
        "CRVAL1",
        "error",
        (
            f"At {time.fits} {header['OBJECT'].strip()} was at RA {seen.ra.deg:.2f}, Dec "
            f"{seen.dec.deg:.2f}; the image is centred at RA {centre.ra.deg:.2f}, Dec "
            f"{centre.dec.deg:.2f}, {apart:.1f} degrees away.{trap}"
        ),
    )
