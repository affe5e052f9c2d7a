"""A sky file: several full-sky HEALPix maps of one NSIDE and beam, named, with units, in RING order
and Galactic coordinates. Reading, checking and writing it, and bringing foreign maps into it.
Chapter 01 explains the format.
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
from .harmonics import alm2map, map2alm
from .lines import COLUMN_UNITS

_FRAMES = {"G": "G", "GALACTIC": "G", "C": "C", "ICRS": "C", "EQUATORIAL": "C", "FK5": "C",
           "E": "E", "ECLIPTIC": "E"}  # fmt: skip
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
    """

    maps: dict[str, np.ndarray]
    units: dict[str, str]
    fwhm_arcmin: float
    meta: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
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


def check_nside(nside: object, where: str = "NSIDE") -> int:
    """Return `nside` as int if it is a power of two between 1 and 8192, else raise `CoganError`."""
    try:
        value = int(nside)
    except (TypeError, ValueError, OverflowError):
        value = 0
    if value < 1 or value > 8192 or value & (value - 1) or float(nside) != value:
        raise CoganError(f"{where} is {nside!r}; it must be a power of two from 1 to 8192.")
    return value


def check_beam(nside: int, fwhm_arcmin: float) -> None:
    """Raise `CoganError` if the beam is finer than a pixel of `nside`."""
    pixel = hp.nside2resol(nside, arcmin=True)
    if not pixel <= fwhm_arcmin < np.inf:
        raise CoganError(
            f"A beam of {fwhm_arcmin:g} arcmin needs pixels finer than the {pixel:.1f} arcmin of "
            f"NSIDE {nside}; raise nside or fwhm_arcmin."
        )


def read_sky(path: str | Path, columns: list[str] | None = None) -> Sky:
    """Read and check a sky file.

    Parameters
    ----------
    path : path
        A FITS file whose first extension is a HEALPix table with named columns.
    columns : list of str, optional
        Columns wanted (default: every column that the road knows).

    Raises
    ------
    CoganError
        File missing or damaged; NSIDE, ORDERING, COORDSYS or FWHM absent or impossible; a wanted
        column absent; a unit that is not the road's; a column without a single good value.
    """
    path = Path(path)
    table = _read(path)
    header = table.header
    nside = check_nside(_need(header, "NSIDE", path, "a power of two"), f"NSIDE in {path}")
    order = _need(header, "ORDERING", path, "RING or NESTED").upper()
    frame = _FRAMES.get(_need(header, "COORDSYS", path, "G, C or E").upper())
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
        turned = values if frame == "G" else rotate_map(values, frame)
        maps[name] = turned.astype(np.float32, copy=False)
    meta = {
        key.lower(): value
        for key, value in header.items()
        if re.fullmatch(r"[\w-]+", key, re.ASCII) and not key.startswith(_STRUCTURE)
    }
    return Sky(maps, units, fwhm, meta)


def write_sky(path: str | Path, sky: Sky) -> Path:
    """Write a sky file that plain ``healpy.read_map`` reads, whole or not at all."""
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
    """Read one foreign full-sky HEALPix map and turn it to RING order and Galactic coordinates.

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
    frame : {'G', 'C', 'E'}, optional

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        UNSEEN and infinite pixels are NaN; see `fill_missing`.
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
    if declared not in _FRAMES:
        raise CoganError(f"{path} does not say its frame; pass frame='G', 'C' (equatorial) or 'E'.")
    values = np.where(np.isfinite(values) & (values > -1.6e30), values, np.nan)
    if np.isnan(values).all():
        raise CoganError(f"{path}: every pixel is NaN or UNSEEN; choose another column or file.")
    if to_unit is not None:
        values = values * _unit_factor(unit, to_unit, path)
    if order != "RING":
        values = hp.reorder(values, n2r=True)
    return values if _FRAMES[declared] == "G" else rotate_map(values, _FRAMES[declared])


def fill_missing(values: np.ndarray, limit: float = 0.2) -> np.ndarray:
    """Fill NaN pixels from the outside in, each with the mean of its good neighbours.

    Raises `CoganError` if more than the share `limit` of the sky is missing.
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
    """Turn a RING map of frame 'C' or 'E' to Galactic coordinates, by its a_lm (exact for a
    band-limited map); holes are filled first and stay holes."""
    if frame not in _FRAMES.values():
        raise CoganError(f"There is no frame {frame!r}; it is G, C (equatorial) or E (ecliptic).")
    full = full_sky(values)
    holes = np.isnan(full)
    filled, nside = fill_missing(full) if holes.any() else full, hp.npix2nside(full.size)
    rotator = hp.Rotator(coord=[frame, "G"])
    turned = alm2map(rotator.rotate_alm(map2alm(filled, 3 * nside - 1)), nside)
    if holes.any():
        turned[rotator.rotate_map_pixel(holes.astype(float)) > 0.5] = np.nan
    return turned.astype(values.dtype)


def to_grid(values: np.ndarray, nside: int, fwhm_in: float, fwhm_out: float) -> np.ndarray:
    """Bring a map of beam `fwhm_in` to NSIDE `nside` and beam `fwhm_out` (both arcmin) by its a_lm.

    Raises `CoganError` if the new beam is finer than the old one, or finer than a pixel of `nside`.
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


def _read(path: Path) -> Table:
    if not path.is_file():
        raise CoganError(
            f"There is no file {path}; check the path, or leave sky_path empty for the embedded "
            "sky."
        )
    return Table(path)


def full_sky(values: np.ndarray) -> np.ndarray:
    """The values as float64, if they are a map; infinite ones would poison every a_lm."""
    full = np.asarray(values)
    if full.ndim != 1 or not hp.isnpixok(full.size) or full.dtype.kind not in "fiu":
        raise CoganError(
            f"Values of shape {full.shape} ({full.dtype}) are no full-sky HEALPix map; give "
            "12 nside^2 real numbers."
        )
    if np.isinf(full).any():
        raise CoganError("The map has infinite pixels; set them to NaN, which fill_missing fills.")
    return full.astype(np.float64, copy=False)


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
