"""A sky file: several full-sky HEALPix maps of one NSIDE and beam, named and with units.

They are in RING order and Galactic coordinates. Reading, checking and writing the file, and reading
foreign maps. Chapter 01 explains the format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import healpy as hp
import numpy as np
from astropy.io import fits

from ..base.checks import nan_where_missing
from ..base.files import CoganError, atomic_path
from . import columns as kinds
from . import foreign_fits as foreign
from .facts import facts_of, put_facts
from .lines import COLUMN_UNITS, TRACERS
from .maps import MOST_MISSING, check_nside, fill_missing, is_map_size, rotate_map, to_arcmin
from .rings import cap_spikes as cap
from .rings import warn_of_rings, warn_of_values
from .spelling import ORDERS, frame_of, said, understood, unit_factor


@dataclass(frozen=True)
class Sky:
    """Full-sky maps on one grid.

    Attributes
    ----------
    maps : dict of str to ndarray, shape (12 * nside**2,), float32
        RING order, Galactic coordinates.
    units : dict of str to str
        One unit a column, as in `COLUMN_UNITS`; any unit of columns that are not there.
    fwhm_arcmin : float
        Beam (full width at half maximum) that the maps were smoothed to.
    meta : dict
        Short facts on the origin; they travel in the FITS header. ``targcols`` names the columns
        that are to be generated, where that is not CO: then all others are tracers (`columns`).

    Examples
    --------
    >>> import numpy as np
    >>> sky = Sky({"DUST": np.ones(48)}, {"DUST": "MJy/sr"}, fwhm_arcmin=1800.0)
    >>> sky.nside, sky.inputs, sky.targets
    (2, ['DUST'], [])
    """

    maps: dict[str, np.ndarray]
    units: dict[str, str]
    fwhm_arcmin: float
    meta: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse maps that do not fit together; let every map in through the gate."""
        if not self.maps:
            raise CoganError("A sky needs a map; name the columns as in sky.COLUMN_UNITS.")
        object.__setattr__(self, "fwhm_arcmin", to_arcmin(self.fwhm_arcmin))
        size = np.size(next(iter(self.maps.values())))
        for name, values in self.maps.items():
            kind = np.asarray(values).dtype.kind
            if np.shape(values) != (size,) or not is_map_size(size) or kind not in "fiu":
                raise CoganError(
                    f"The map {name} has shape {np.shape(values)}; every map of a sky has the same "
                    "12 nside^2 real numbers, nside being a power of two."
                )
            if not self.units.get(name):
                raise CoganError(f"The map {name} has no unit; give it one in units.")
        maps = {name: _let_in(name, values, self.units[name]) for name, values in self.maps.items()}
        if any(maps[name] is not values for name, values in self.maps.items()):
            object.__setattr__(self, "maps", maps)
        _positive(self.fwhm_arcmin, "The beam fwhm_arcmin")

    @property
    def nside(self) -> int:
        """HEALPix resolution parameter."""
        return hp.npix2nside(next(iter(self.maps.values())).size)

    @property
    def inputs(self) -> list[str]:
        """The tracer columns, in the order in which the networks see them."""
        return kinds.tracers(self.maps, self.meta)

    @property
    def targets(self) -> list[str]:
        """The CO columns, or those that `meta` names (without error and spread columns)."""
        return kinds.targets(self.maps, self.meta)

    @property
    def effective_fwhm_arcmin(self) -> float:
        """The beam that the maps show: wider than `fwhm_arcmin` where `meta` says so.

        The embedded sky's window counts a pixel as a second Gaussian (``fwhmeff`` in `meta`).
        """
        effective = self.meta.get("fwhmeff", 0.0)
        effective = effective if isinstance(effective, int | float) else 0.0
        return max(float(effective), self.fwhm_arcmin)


def read_sky(
    path: str | Path,
    columns: list[str] | None = None,
    *,
    hdu: int | str | None = None,
    cap_spikes: float | None = None,
) -> Sky:
    """Read and check a sky file.

    Rings around bright places, and absurd pixels, are measured and warned of (`rings`).

    Parameters
    ----------
    path : path
        A FITS file with a HEALPix table of named columns.
    columns : list of str, optional
        Columns wanted (default: every column that the road knows; all, if the header names its
        targets as TARGCOLS).
    hdu : int or str, optional
        Part of the file (number from 0, or EXTNAME), where several have such columns.
    cap_spikes : float, optional
        Cap pixels that are more than so many times the median of their neighbours at that
        (`rings.cap_spikes`); default: only name them.

    Returns
    -------
    Sky
        Float32 maps in RING order and Galactic coordinates, whatever the file's; holes are filled.

    Raises
    ------
    CoganError
        File missing or damaged; NSIDE, ORDERING, COORDSYS or FWHM absent or impossible; a wanted
        column absent; a unit that is not the road's; a column without a single good value.

    Examples
    --------
    >>> import tempfile
    >>> sky = Sky({"N_HI": np.full(48, 1e21)}, {"N_HI": "cm-2"}, fwhm_arcmin=1800.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = read_sky(write_sky(Path(folder) / "sky.fits", sky))
    >>> again.nside, again.units, again.fwhm_arcmin
    (2, {'N_HI': 'cm-2'}, 1800.0)
    """
    path = Path(path)
    table = foreign.open_maps(
        path,
        hdu,
        list(COLUMN_UNITS if columns is None else columns),
        advice="choose one with hdu=, or put the columns of a sky into one table",
    )
    header = {**table.primary, **table.header}
    nside = check_nside(_need(header, "NSIDE", path, "a power of two"), f"NSIDE in {path}")
    order, frame = foreign.said_order(table), foreign.said_frame(table)
    for key, word, meaning in (
        ("ORDERING", order, "RING or NESTED"),
        ("COORDSYS", frame, "G, C or E"),
    ):
        if not word:
            raise CoganError(f"{path} has no {key} in its header; write it there ({meaning}).")
    if order not in ORDERS or frame not in ("G", "C", "E"):
        raise CoganError(
            f"{path}: ORDERING={order!r}, COORDSYS={frame!r} is not "
            "understood; ORDERING is RING or NESTED, COORDSYS is G, C or E."
        )
    fwhm = _positive(_need(header, "FWHM", path, "the beam in arcmin"), f"FWHM in {path}")
    meta = facts_of(table.header)
    if named := said(header.get("TARGCOLS")):
        meta["targcols"] = named
        known = foreign.map_columns(table)
    else:
        known = [name for name in table.units if name in COLUMN_UNITS]
    wanted = known if columns is None else list(columns)
    missing = [name for name in wanted if name not in known]
    if missing or not wanted:
        raise CoganError(
            f"{path} has no column {', '.join(missing) or 'that the road knows'}; it has "
            f"{', '.join(table.units)}. Name the columns as in {', '.join(COLUMN_UNITS)}; or name "
            "what is to be generated, if that is not CO, in the header's TARGCOLS."
        )
    maps, units = {}, {}
    for name in wanted:
        units[name] = kinds.check_unit(name, table.units[name], path)
        maps[name] = foreign.read_ring(table, path, name, order, nside=nside)
    del table, header  # the table is as large as all the maps
    for name, values in maps.items():
        values = _single(values)
        if name.endswith("_ERR"):
            values = _positive_errors(values, f"column {name} of {path}")
        values = fill_missing(values) if np.isnan(values).any() else values
        kind = foreign.kind_of(name, values)
        if kind == "signal":
            values = cap(values, cap_spikes, f"Column {name} of {path}", units[name], frame)
        if frame != "G":
            values = rotate_map(values, frame, kind)
        maps[name] = values.astype(np.float32, copy=False)
    sky = Sky(maps, units, fwhm, meta)
    warn_of_rings(sky.maps, units, fwhm, str(path))
    warn_of_values(sky.maps, units, str(path))
    return sky


def write_sky(path: str | Path, sky: Sky) -> Path:
    """Write a sky file that plain ``healpy.read_map`` reads, whole or not at all.

    Parameters
    ----------
    path : path
    sky : Sky
        Its `meta` goes into the header.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CoganError
        If the file cannot be written, or an entry of `meta` cannot stand in a FITS header.

    Examples
    --------
    >>> import tempfile
    >>> sky = Sky({"DUST": np.ones(48)}, {"DUST": "MJy/sr"}, fwhm_arcmin=1800.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sky(Path(folder) / "sky.fits", sky).name
    'sky.fits'
    """
    columns = [
        fits.Column(
            name=name, format="E", unit=sky.units[name], array=np.asarray(values, np.float32)
        )
        for name, values in sky.maps.items()
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SKY")
    table.header.update(
        PIXTYPE="HEALPIX",
        ORDERING="RING",
        COORDSYS="G",
        NSIDE=sky.nside,
        FIRSTPIX=0,
        LASTPIX=12 * sky.nside**2 - 1,
        INDXSCHM="IMPLICIT",
        OBJECT="FULLSKY",
    )
    table.header["FWHM"] = (float(sky.fwhm_arcmin), "arcmin, beam of the maps")
    put_facts(table.header, sky.meta)
    table.add_checksum(when="of this part")  # astropy's own comment has the time of day in it
    with atomic_path(path) as temporary:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(temporary, overwrite=True)
    return Path(path)


def read_map(
    path: str | Path,
    *,
    column: str | int | None = None,
    hdu: int | str | None = None,
    unit: str | None = None,
    to_unit: str | None = None,
    order: str | None = None,
    frame: str | None = None,
    cap_spikes: float | None = None,
) -> np.ndarray:
    """Read one foreign full-sky HEALPix map, in RING order and Galactic coordinates.

    What the file does not say has to be said by the caller. Of pixel order and frame the caller's
    word wins over the file's, with a warning; of the unit the file's, if it is one.

    Parameters
    ----------
    path : path
        FITS, plain or .gz: a table with one row per pixel or with a column of pixel numbers, or a
        plain array.
    column : str or int, optional
        Column of the table (name, or number from 0; default: the first that may be a map).
    hdu : int or str, optional
        Part of the file (number from 0, or EXTNAME), where several have such a column.
    unit, to_unit : str, optional
        Unit of the file where it has none, and the unit wanted (astropy's spelling; ``K_RJ`` is K).
    order : {'RING', 'NESTED'}, optional
        Where the file does not say it.
    frame : {'G', 'C', 'E'}, optional
        Galactic, equatorial or ecliptic, where the file does not say it.
    cap_spikes : float, optional
        Cap pixels that are more than so many times the median of their neighbours at that
        (`rings.cap_spikes`); default: only name them.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        NaN where there is no value, in whatever way the file says so; see `fill_missing`.

    Raises
    ------
    CoganError
        File damaged; order, frame or unit neither in the file nor given; no such column; several
        parts with one; a unit that cannot be converted; pixel numbers that are none; more than a
        fifth of the sky missing.
    """
    path = Path(path)
    table = foreign.open_maps(path, hdu, [column] if isinstance(column, str) else [])
    name = foreign.choose_column(table, path, column)
    order = foreign.told(order, foreign.said_order(table), path, "pixel order", ORDERS)
    if order is None:
        raise CoganError(
            f"{path} does not say its pixel order; pass order='RING' or order='NESTED'."
        )
    where = frame_of(frame) if frame is not None else None
    if frame is not None and where is None:
        raise CoganError(f"There is no frame {frame!r}; it is G, C (equatorial) or E (ecliptic).")
    where = foreign.told(where, foreign.said_frame(table), path, "frame", dict(G="G", C="C", E="E"))
    if where is None:
        raise CoganError(f"{path} does not say its frame; pass frame='G', 'C' (equatorial) or 'E'.")
    nside = foreign.said_nside(table, str(path))
    values = foreign.read_ring(table, path, name, order, nside=nside)
    kind, values = foreign.kind_of(name, values), np.asarray(values, dtype=np.float64)
    if to_unit is not None:
        unit = unit if unit and not understood(table.units[name]) else said(table.units[name])
        if not unit:
            raise CoganError(
                f"{path} does not say its unit; pass unit='...', for example 'K km/s'."
            )
        values = values * unit_factor(unit, to_unit, f"{path}, column {name}")
    if kind == "signal":
        said_unit = to_unit or unit or table.units[name]
        of = f"Column {name} of {path}" if name else str(path)
        values = cap(values, cap_spikes, of, said_unit, where)
    return values if where == "G" else rotate_map(values, where, kind)


def _need(header: dict, key: str, path: Path, meaning: str) -> str:
    if not said(header.get(key)):
        raise CoganError(f"{path} has no {key} in its header; write it there ({meaning}).")
    return str(header[key]).strip()


def _let_in(name: str, values: np.ndarray, unit: str) -> np.ndarray:
    """Make a map what a sky holds: plain numbers in its unit, NaN where there is no value."""
    own = getattr(values, "unit", None)
    if own is not None:
        bare = nan_where_missing(getattr(values, "value", values))
        values = bare * unit_factor(own, unit, f"The map {name}")
    values = nan_where_missing(values)
    if np.isinf(values).any():
        raise CoganError(
            f"The map {name} has infinite pixels; set them to NaN, or convert to float32 before "
            "(float16 ends at 65504)."
        )
    if name in TRACERS and (known := values[~np.isnan(values)]).size and known.max() <= 0:
        raise CoganError(
            f"The map {name} is nowhere above zero, and nothing can be learnt from it; choose "
            "another column, or make the file again."
        )
    return _positive_errors(values, f"map {name}") if name.endswith("_ERR") else values


def _positive_errors(values: np.ndarray, where: str) -> np.ndarray:
    """Put NaN where an error is zero or negative: every S/N would pass with it."""
    bad = values <= 0
    if not bad.any():
        return values
    if bad.mean() > MOST_MISSING:
        raise CoganError(
            f"The errors in {where} must be positive, but {bad.mean():.0%} of them are zero or "
            "negative: every S/N would pass; name the right column, or leave it out."
        )
    values = np.array(values, dtype=np.result_type(values, np.float32))
    values[bad] = np.nan
    return values


def _single(values: np.ndarray) -> np.ndarray:
    """Float32, which needs no second copy, or float64."""
    single = values.dtype.kind == "f" and values.dtype.itemsize == 4
    return np.array(values, dtype=np.float32 if single else np.float64)


def _positive(text: object, where: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise CoganError(f"{where} is {text!r}; it must be a positive number.")
    return value
