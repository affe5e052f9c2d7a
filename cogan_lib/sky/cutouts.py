"""A piece of a sky as FITS images that any viewer places on the sky: all its columns, one WCS."""

from __future__ import annotations

from pathlib import Path

import healpy as hp
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from .. import __version__
from ..base.checks import check_positive
from ..base.files import CoganError, atomic_path, git_commit
from .facts import put_facts
from .skyfile import Sky

#: Names of the axes and of the frame in a WCS, before the projection.
FRAMES = {"G": ("GLON", "GLAT"), "C": ("RA--", "DEC-")}
LARGEST_DEG, LARGEST_NPIX = 60.0, 8192
#: Columns whose values are not to be interpolated.
FLAGS = ("OUTSIDE",)


def cutout(
    sky: Sky,
    lon: float,
    lat: float,
    size: float,
    *,
    frame: str = "G",
    pixel_arcmin: float | None = None,
    projection: str = "ZEA",
) -> fits.HDUList:
    """Cut a square out of a sky.

    Between the sky's pixels values are interpolated (`healpy.get_interp_val`), which is a mean of
    four: it takes power at the scale of the map's pixels, and noise with it. Flags are those of the
    nearest pixel. For spectra or statistics of noise take the map.

    Parameters
    ----------
    sky : Sky
        Such as `take_home.co_members` makes.
    lon, lat : float or astropy.units.Quantity
        Of the middle, in `frame`, in degrees; longitudes from 0 to 360.
    size : float or astropy.units.Quantity
        Side in degrees, 60 at most; the nearest whole number of pixels.
    frame : {'G', 'C'}
        Galactic, or equatorial (ICRS): of the middle, and of the image's axes.
    pixel_arcmin : float, optional
        Default: half a pixel of the sky.
    projection : {'ZEA', 'TAN'}
        Equal area, or gnomonic.

    Returns
    -------
    astropy.io.fits.HDUList
        A primary part without data, and an image for each column, by its name: longitude grows to
        the left, north is up. Every header has the WCS and unit, and all that the sky knows of its
        origin; `write_cutout` writes it.

    Raises
    ------
    CoganError
        If there is no such place, size, frame or projection.

    Examples
    --------
    >>> sky = Sky({"W_CO21": np.ones(12 * 64**2)}, {"W_CO21": "K km/s"}, fwhm_arcmin=60.0)
    >>> part = cutout(sky, lon=209, lat=-19.4, size=8)
    >>> part["W_CO21"].data.shape, part["W_CO21"].header["CTYPE1"], part["W_CO21"].header["BUNIT"]
    ((17, 17), 'GLON-ZEA', 'K km/s')
    """
    lon, lat, size = (_degrees(*pair) for pair in (("lon", lon), ("lat", lat), ("size", size)))
    if not (0 <= lon <= 360 and -90 <= lat <= 90):
        fix = f" (perhaps {lon % 360:g})" if np.isfinite(lon) and not 0 <= lon <= 360 else ""
        raise CoganError(
            f"There is no place lon={lon:g}, lat={lat:g}; longitudes are degrees from 0 to 360"
            f"{fix}, latitudes from -90 to 90."
        )
    if frame not in FRAMES or projection not in ("ZEA", "TAN"):
        raise CoganError(
            f"frame={frame!r}, projection={projection!r} is not understood; the frame is 'G' "
            "(Galactic) or 'C' (equatorial), the projection 'ZEA' or 'TAN'."
        )
    own_arcmin = hp.nside2resol(sky.nside, arcmin=True)
    pixel = own_arcmin / 2 if pixel_arcmin is None else pixel_arcmin
    check_positive(pixel_arcmin=pixel)
    npix = round(min(max(size, 0) * 60 / pixel, 2 * LARGEST_NPIX)) if np.isfinite(size) else 0
    if not (0 < size <= LARGEST_DEG and 2 <= npix <= LARGEST_NPIX):
        raise CoganError(
            f"A cutout of size {size:g} degrees in pixels of {pixel:g} arcmin cannot be made; take "
            f"a size above 0, {LARGEST_DEG:g} at most, and 2 to {LARGEST_NPIX} pixels a side."
        )
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{axis}-{projection}" for axis in FRAMES[frame]]
    wcs.wcs.crval, wcs.wcs.crpix = [lon, lat], [(npix + 1) / 2] * 2
    wcs.wcs.cdelt, wcs.wcs.cunit = [-pixel / 60, pixel / 60], ["deg", "deg"]
    if frame == "C":
        wcs.wcs.radesys = "ICRS"
    l_deg, b_deg = _galactic(wcs, npix, frame)

    primary, by = fits.PrimaryHDU(), f"cogan {__version__}, commit {git_commit()}"
    parts = [primary]
    for name, values in sky.maps.items():
        if name in FLAGS:
            image = values[hp.ang2pix(sky.nside, l_deg, b_deg, lonlat=True)].astype(np.int16)
        else:
            image = hp.get_interp_val(values, l_deg, b_deg, lonlat=True).astype(np.float32)
        parts.append(fits.ImageHDU(image, wcs.to_header(), name=name))
        parts[-1].header["BUNIT"] = "" if sky.units[name] == "1" else sky.units[name]
    for part in parts:
        put_facts(part.header, sky.meta)
        part.header["FWHM"] = (
            float(sky.fwhm_arcmin),
            "arcmin, the map's beam, before interpolation",
        )
        part.header["MAPNSIDE"] = (sky.nside, "HEALPix map that this is cut from")
        part.header["CUTBY"] = by
        part.add_checksum(when="of this part")  # astropy's own comment has the time of day in it
    return fits.HDUList(parts)


def write_cutout(path: str | Path, parts: fits.HDUList) -> Path:
    """Write a cutout, whole or not at all.

    Parameters
    ----------
    path : path
        An older file is replaced.
    parts : astropy.io.fits.HDUList
        Of `cutout`.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CoganError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        parts.writeto(temporary, overwrite=True)
    return Path(path)


def _degrees(name: str, value: object) -> float:
    """Return a number of degrees, or an angle with a unit, as degrees."""
    try:
        return float(u.Quantity(value, u.deg).value)
    except (TypeError, ValueError) as error:  # astropy's wrong units are TypeErrors, too
        raise CoganError(f"{name} is {value!r}; it must be an angle, in degrees.") from error


def _galactic(wcs: WCS, npix: int, frame: str) -> tuple[np.ndarray, np.ndarray]:
    """Galactic places of the pixels' middles, each (npix, npix), in degrees."""
    y, x = np.mgrid[:npix, :npix]
    lon, lat = wcs.pixel_to_world_values(x, y)
    if frame == "C":
        place = SkyCoord(lon, lat, unit="deg", frame="icrs").galactic
        lon, lat = place.l.deg, place.b.deg
    return lon, lat
