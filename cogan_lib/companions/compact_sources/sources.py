"""Where the sources are: a catalogue's positions on the image, or those that photutils finds."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import mad_std
from astropy.table import Table
from astropy.wcs import NoConvergence
from photutils.background import Background2D, MADStdBackgroundRMS, MedianBackground
from photutils.detection import DAOStarFinder
from photutils.utils.exceptions import NoDetectionsWarning
from scipy.ndimage import distance_transform_edt

from ...base.checks import check_positive
from ...base.files import CoganError, reading
from .io import Image

log = logging.getLogger(__name__)

#: Pairs of columns that are places, in lower case and in this order: frame or pixels, names.
PLACES = (
    ("icrs", ("ra", "dec")), ("icrs", ("ra_icrs", "de_icrs")), ("icrs", ("raj2000", "dej2000")),
    ("icrs", ("_raj2000", "_dej2000")), ("icrs", ("radeg", "decdeg")),
    ("galactic", ("glon", "glat")), ("galactic", ("l", "b")),
    ("pixels", ("x", "y")), ("pixels", ("x_centroid", "y_centroid")),
    ("pixels", ("xcentroid", "ycentroid")),
)  # fmt: skip
#: Columns that name a source.
NAMES = ("id", "name", "source", "source_id", "designation")
#: Nothing is found nearer to pixels without data [FWHM].
EDGE_FWHM = 1.5
#: Side of the boxes of the background on which sources are found [FWHM].
BOX_FWHM = 10.0


def positions(catalogue: str | Path | Table | np.ndarray, image: Image) -> Table:
    """Put a catalogue's sources on the image.

    Parameters
    ----------
    catalogue : path, Table or array_like of shape (n, 2)
        CSV, ECSV, VOTable, FITS or what else astropy reads, with columns ra and dec, glon and glat
        (degrees, or with a unit or in sexagesimal), or x and y; or an array of x and y. Pixels
        count from 0.
    image : Image

    Returns
    -------
    Table
        `id`, `x` and `y` of every row; the latter are NaN where a row has no place or one that the
        image's projection does not reach.

    Raises
    ------
    CoganError
        No such file, no table, no row, no columns of places, places that are none, a catalogue on
        the sky for an image that is not, or wholly outside the image.
    """
    if isinstance(catalogue, str | Path):
        table, name = _read(Path(catalogue)), Path(catalogue).name
    elif isinstance(catalogue, Table):
        table, name = catalogue, "the catalogue"
    else:
        pairs = np.asarray(catalogue)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "fiu":
            raise CoganError(f"Positions are pairs of x and y, shape (n, 2), not {pairs.shape}.")
        table, name = Table({"x": pairs[:, 0], "y": pairs[:, 1]}), "the catalogue"
    if not len(table):
        raise CoganError(f"There are no sources in {name}; leave it out to have them found.")
    lower = {column.lower(): column for column in reversed(table.colnames)}
    known = next((place for place in PLACES if all(key in lower for key in place[1])), None)
    if known is None:
        raise CoganError(
            f"There are no positions in {name}: it needs columns ra and dec, glon and glat, or x "
            f"and y, and has {', '.join(table.colnames[:12])}."
        )
    frame, pair = known
    first, second = (table[lower[key]] for key in pair)
    if frame == "pixels":
        x, y = (_numbers(column, name) for column in (first, second))
    elif image.wcs is None:
        raise CoganError(
            f"The sources of {name} lie on the sky and the image has no WCS; give columns x and y."
        )
    else:
        x, y = _on_image(_degrees(first, second, frame, name), image)
    if not inside(x, y, image).any():
        raise CoganError(
            f"All {len(table)} sources of {name} lie outside the image; look at its frame and "
            f"units (taken as {frame}, from {pair[0]} and {pair[1]})."
        )
    named = next((lower[key] for key in NAMES if key in lower), None)
    ids = np.arange(1, len(table) + 1) if named is None else np.asarray(table[named])
    ids = ids.astype(str) if ids.dtype.kind in "SO" else ids
    return Table({"id": ids, "x": x, "y": y})


def detect(image: Image, fwhm_px: float, threshold: float = 5.0) -> Table:
    """Find compact sources: DAOFIND on the image less its background, in units of the local rms.

    Parameters
    ----------
    image : Image
    fwhm_px : float
        The beam's.
    threshold : float
        In local rms of a pixel.

    Returns
    -------
    Table
        `id`, `x`, `y`, the brightest first.

    Raises
    ------
    CoganError
        If the threshold is not positive, or nothing is found.
    """
    check_positive(threshold=threshold)
    missing = ~np.isfinite(image.values)
    box = min(int(round(BOX_FWHM * fwhm_px)), *image.values.shape)
    ground = Background2D(
        image.values, box, coverage_mask=missing, exclude_percentile=90.0,
        bkg_estimator=MedianBackground(), bkg_rms_estimator=MADStdBackgroundRMS(),
    )  # fmt: skip
    excess, rms = image.values - ground.background, ground.background_rms
    # A box without any noise of its own (padding, a constant) has no local rms.
    flat = rms <= 1e-3 * mad_std(excess[::3, ::3], ignore_nan=True)
    excess = np.where(missing | flat, 0.0, excess / np.where(flat, 1.0, rms))
    finder = DAOStarFinder(threshold, fwhm_px, min_separation=fwhm_px, roundness_range=(-1.0, 1.0))
    ragged = None
    if missing.any():  # noise is high where coverage ends, and a box beside it does not know
        ragged = distance_transform_edt(~missing) <= EDGE_FWHM * fwhm_px
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)  # said below
        found = finder.find_stars(excess, mask=ragged)
    if found is None or not len(found):
        raise CoganError(
            f"No source is {threshold:g} rms above the image's background; lower the threshold, or "
            "give a catalogue."
        )
    found.sort("flux", reverse=True)
    log.info("found %d sources above %g rms", len(found), threshold)
    x, y = (np.asarray(found[name], float) for name in ("x_centroid", "y_centroid"))
    return Table({"id": np.arange(1, len(found) + 1), "x": x, "y": y})


def inside(x: np.ndarray, y: np.ndarray, image: Image, margin_px: float = 0.0) -> np.ndarray:
    """Find which positions lie on the image's pixels, or so near to them.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    image : Image
    margin_px : float

    Returns
    -------
    ndarray of bool, shape (n,)
        False for NaN.
    """
    height, width = image.values.shape
    least = -0.5 - margin_px
    return (x >= least) & (x < width + margin_px - 0.5) & (y >= least) & (
        y < height + margin_px - 0.5
    )  # fmt: skip


def _read(path: Path) -> Table:
    """Read a table by its content, a CSV file by its name as well."""
    with reading(path, "catalogue", "give a CSV, ECSV, VOTable or FITS table"):
        if not path.exists():
            raise FileNotFoundError(path)
        try:
            return Table.read(path)
        except Exception:  # a name that says nothing: text with columns, then
            return Table.read(path, format="ascii")


def _numbers(column: Table.Column, name: str) -> np.ndarray:
    """Read a column as floats, NaN where it has no value."""
    try:
        values = np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)
    except (TypeError, ValueError) as error:
        raise CoganError(f"Column {column.name} of {name} holds no numbers.") from error
    return np.where(np.isfinite(values), values, np.nan)


def _degrees(lon: Table.Column, lat: Table.Column, frame: str, name: str) -> SkyCoord:
    """Read places on the sky; text is sexagesimal, with hours of right ascension."""
    if lon.dtype.kind in "US" and lat.dtype.kind in "US":
        try:
            return SkyCoord(lon, lat, frame=frame, unit=(u.hourangle, u.deg))
        except (ValueError, TypeError) as error:
            raise CoganError(f"{name}: {lon.name} and {lat.name} are no places.") from error
    units = [column.unit or u.deg for column in (lon, lat)]
    if not all(unit.is_equivalent(u.deg) for unit in units):
        raise CoganError(
            f"{name}: {lon.name} and {lat.name} are in {units[0]} and {units[1]}, which are no "
            "angles."
        )
    x, y = (
        (_numbers(column, name) * unit).to(u.deg)
        for column, unit in zip((lon, lat), units, strict=True)
    )
    beyond = int((np.abs(y.value) > 90).sum())
    if beyond:
        raise CoganError(f"{name}: {beyond} values of {lat.name} are beyond 90 degrees.")
    return SkyCoord(x, y, frame=frame)


def _on_image(places: SkyCoord, image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Project places; NaN where the projection does not lead back to the same place."""
    try:
        x, y = image.wcs.world_to_pixel(places)
    except NoConvergence as error:  # distortions, far outside: what did not converge is lost below
        x, y = error.best_solution.T
    x, y = np.array(x, float), np.array(y, float)
    good = np.isfinite(x) & np.isfinite(y)
    back = image.wcs.pixel_to_world(np.where(good, x, 0), np.where(good, y, 0))
    lost = ~good | ~(back.separation(places).arcsec < image.pixel_arcsec)
    x[lost], y[lost] = np.nan, np.nan
    return x, y
