"""A sky file: several full-sky HEALPix maps of one NSIDE and beam, named and with units.

They are in RING order and Galactic coordinates. Reading, checking and writing the file, and reading
foreign maps. Chapter 01 explains the format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import healpy as hp
import numpy as np
from astropy import units as u
from astropy.io import fits

from ..base.files import CoganError, atomic_path
from ..base.foreign import Table
from .lines import COLUMN_UNITS
from .maps import FRAMES, check_nside, fill_missing, rotate_map

_STRUCTURE = ("XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "TTYPE", "TFORM",
              "TUNIT", "PIXTYPE", "ORDERING", "COORDSYS", "EXTNAME", "NSIDE", "FIRSTPIX",
              "LASTPIX", "INDXSCHM", "OBJECT", "FWHM")  # fmt: skip


@dataclass(frozen=True)
class Sky:
    """Full-sky maps on one grid.

    Attributes
    ----------
    maps : dict of str to ndarray, shape (12 * nside**2,), float32
        RING order, Galactic coordinates.
    units : dict of str to str
        One unit a column, as in `COLUMN_UNITS`.
    fwhm_arcmin : float
        Beam (full width at half maximum) that the maps were smoothed to.
    meta : dict
        Short facts on the origin; they travel in the FITS header.

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
        """Refuse maps that do not fit together."""
        if not self.maps:
            raise CoganError("A sky needs a map; name the columns as in sky.COLUMN_UNITS.")
        size = np.size(next(iter(self.maps.values())))
        for name, values in self.maps.items():
            kind = np.asarray(values).dtype.kind
            if np.shape(values) != (size,) or not hp.isnpixok(size) or kind not in "fiu":
                raise CoganError(
                    f"The map {name} has shape {np.shape(values)}; every map of a sky has the same "
                    "12 nside^2 real numbers."
                )
            if not self.units.get(name):
                raise CoganError(f"The map {name} has no unit; give it one in units.")
        _positive(self.fwhm_arcmin, "The beam fwhm_arcmin")

    @property
    def nside(self) -> int:
        """HEALPix resolution parameter."""
        return hp.npix2nside(next(iter(self.maps.values())).size)

    @property
    def inputs(self) -> list[str]:
        """The tracer columns, in the order in which the networks see them."""
        return [name for name in ("DUST", "N_HI") if name in self.maps]

    @property
    def targets(self) -> list[str]:
        """The CO columns (without error and spread columns)."""
        return [name for name in ("W_CO10", "W_CO21") if name in self.maps]


def read_sky(path: str | Path, columns: list[str] | None = None) -> Sky:
    """Read and check a sky file.

    Parameters
    ----------
    path : path
        A FITS file whose first extension is a HEALPix table with named columns.
    columns : list of str, optional
        Columns wanted (default: every column that the road knows).

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
    table = _read(path)
    header = table.header
    nside = check_nside(_need(header, "NSIDE", path, "a power of two"), f"NSIDE in {path}")
    order = _need(header, "ORDERING", path, "RING or NESTED").upper()
    frame = FRAMES.get(_need(header, "COORDSYS", path, "G, C or E").upper())
    if order not in ("RING", "NESTED", "NEST") or frame is None:
        raise CoganError(
            f"{path}: ORDERING={header['ORDERING']!r}, COORDSYS={header['COORDSYS']!r} is not "
            "understood; ORDERING is RING or NESTED, COORDSYS is G, C or E."
        )
    fwhm = _positive(_need(header, "FWHM", path, "the beam in arcmin"), f"FWHM in {path}")
    known = [name for name in table.units if name in COLUMN_UNITS]
    wanted = known if columns is None else list(columns)
    missing = [name for name in wanted if name not in known]
    if missing or not wanted:
        raise CoganError(
            f"{path} has no column {', '.join(missing) or 'that the road knows'}; it has "
            f"{', '.join(table.units)}. Name the columns as in {', '.join(COLUMN_UNITS)}."
        )
    maps, units = {}, {}
    for name in wanted:
        units[name] = _check_unit(name, table.units[name], path)
        maps[name] = _good_column(
            table[name], nside, f"column {name} of {path}", nested=order != "RING"
        )
    del table  # which is as large as all the maps
    for name, values in maps.items():
        rotated = values if frame == "G" else rotate_map(values, frame)
        maps[name] = rotated.astype(np.float32, copy=False)
    meta = {
        key.lower(): value
        for key, value in header.items()
        if re.fullmatch(r"[\w-]+", key, re.ASCII) and not key.startswith(_STRUCTURE)
    }
    return Sky(maps, units, fwhm, meta)


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
    for key, value in sky.meta.items():
        keyword = key.upper() if len(key) <= 8 else f"HIERARCH {key.upper()}"
        try:
            table.header[keyword] = value
        except ValueError as error:
            raise CoganError(
                f"{key!r} = {value!r} in the sky's meta cannot stand in a FITS header ({error}); "
                "leave it out."
            ) from error
    with atomic_path(path) as temporary:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(temporary, overwrite=True)
    return Path(path)


def read_map(
    path: str | Path,
    *,
    column: str | int = 0,
    unit: str | None = None,
    to_unit: str | None = None,
    order: str | None = None,
    frame: str | None = None,
) -> np.ndarray:
    """Read one foreign full-sky HEALPix map, in RING order and Galactic coordinates.

    What the file does not say has to be said by the caller; what it says is believed.

    Parameters
    ----------
    path : path
        FITS (table in the first extension, or a plain array in the primary HDU).
    column : str or int
        Column of the table (name, or number from 0).
    unit, to_unit : str, optional
        Unit of the file where it has none, and the unit wanted (astropy's spelling; ``K_RJ`` is K).
    order : {'RING', 'NESTED'}, optional
        Where the file does not say it.
    frame : {'G', 'C', 'E'}, optional
        Galactic, equatorial or ecliptic, where the file does not say it.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        UNSEEN and infinite pixels are NaN; see `fill_missing`.

    Raises
    ------
    CoganError
        File damaged; order, frame or unit neither in the file nor given; no such column; a unit
        that cannot be converted; no good pixel.
    """
    path = Path(path)
    table = _read(path)
    header, names = table.header, list(table.units)
    if isinstance(column, int) and 0 <= column < len(names):
        column = names[column]
    if column not in names:
        raise CoganError(f"{path} has no column {column!r}; it has {', '.join(names)}.")
    unit = table.units[column] or unit
    values = np.asarray(table[column], dtype=np.float64)
    if not hp.isnpixok(values.size):
        raise CoganError(f"{path}: {values.size} values are no full-sky HEALPix map (12 nside^2).")
    declared = header.get("ORDERING") or ({True: "NESTED", False: "RING"}.get(header.get("NESTED")))
    order = str(declared or order or "").upper()
    if order not in ("RING", "NESTED", "NEST"):
        raise CoganError(
            f"{path} does not say its pixel order; pass order='RING' or order='NESTED'."
        )
    declared = str(header.get("COORDSYS") or header.get("FRAME") or frame or "").upper()
    if declared not in FRAMES:
        raise CoganError(f"{path} does not say its frame; pass frame='G', 'C' (equatorial) or 'E'.")
    values = np.where(np.isfinite(values) & (values > -1.6e30), values, np.nan)
    if np.isnan(values).all():
        raise CoganError(f"{path}: every pixel is NaN or UNSEEN; choose another column or file.")
    if to_unit is not None:
        values = values * _unit_factor(unit, to_unit, path)
    if order != "RING":
        values = hp.reorder(values, n2r=True)
    return values if FRAMES[declared] == "G" else rotate_map(values, FRAMES[declared])


def _read(path: Path) -> Table:
    if not path.is_file():
        raise CoganError(
            f"There is no file {path}; check the path, or leave sky_path empty for the embedded "
            "sky."
        )
    return Table(path)


def _need(header: dict, key: str, path: Path, meaning: str) -> str:
    if key not in header:
        raise CoganError(f"{path} has no {key} in its header; write it there ({meaning}).")
    return str(header[key]).strip()


def _good_column(values: np.ndarray, nside: int, where: str, nested: bool) -> np.ndarray:
    if values.size != 12 * nside**2:
        raise CoganError(
            f"The {where} has {values.size} values; NSIDE {nside} needs {12 * nside**2}."
        )
    single = values.dtype.kind == "f" and values.dtype.itemsize == 4  # which needs no second copy
    values = np.array(values, dtype=np.float32 if single else np.float64)
    bad = ~np.isfinite(values) | (values < -1.6e30)
    if bad.all():
        raise CoganError(f"The {where} is NaN or UNSEEN everywhere; make the sky file again.")
    values[bad] = np.nan
    if nested:
        values = hp.reorder(values, n2r=True)
    return fill_missing(values) if bad.any() else values


def _check_unit(name: str, unit: str, path: Path) -> str:
    allowed = COLUMN_UNITS[name]
    for usual in allowed:
        if unit.replace(" ", "") == usual.replace(" ", ""):
            return usual
    raise CoganError(
        f"Column {name} of {path} has the unit {unit or 'none'!r}; it must be "
        f"{' or '.join(allowed)} (sky.read_map with to_unit converts a foreign map)."
    )


def _unit_factor(unit: str | None, to_unit: str, path: Path) -> float:
    if not unit:
        raise CoganError(f"{path} does not say its unit; pass unit='...', for example 'K km/s'.")
    plain = {"K_RJ": "K", "uK_RJ": "uK", "mK_RJ": "mK"}
    spelled = [unit, to_unit]
    for rayleigh_jeans, kelvin in plain.items():
        spelled = [text.replace(rayleigh_jeans, kelvin).replace(".", " ") for text in spelled]
    try:
        return float(u.Unit(spelled[0]).to(spelled[1]))
    except (ValueError, TypeError, u.UnitConversionError) as error:
        raise CoganError(
            f"{path}: the unit {unit!r} cannot be converted to {to_unit!r} ({error})."
        ) from error


def _positive(text: object, where: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise CoganError(f"{where} is {text!r}; it must be a positive number.")
    return value
