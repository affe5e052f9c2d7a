"""A column of somebody's FITS file as a full-sky map: the one reader of foreign maps.

In this order: which part of the file, which column, which pixel each row is (index), pixel order,
frame, unit, and what stands for "no value". The header decides; where it says nothing the caller
has to, and what is left open or contradicts itself is refused with one sentence.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import healpy as hp
import numpy as np

from ..base.checks import nan_where_missing
from ..base.files import UTF8_ADVICE, CoganError, check_name
from ..base.foreign import Table
from .maps import MOST_MISSING, check_nside, is_flag, is_map_size
from .pixel_index import index_columns, pixels, word
from .spelling import frame_of, order_of, said

log = logging.getLogger(__name__)

#: Keywords, in the part or in the primary header, that say the same in different files.
_ORDER_KEYS = "ORDERING", "ORDERIN", "PIXORDER"
_FRAME_KEYS = "COORDSYS", "SKYCOORD", "COORDTYP", "COORDTYPE", "COORD", "FRAME", "SKYFRAME"
_BAD_KEYS = ("BAD_DATA", "BADDATA", "BADVAL", "BAD_VAL", "BLANK", "NULLVAL", "NODATA", "NO_DATA",
             "FILLVAL", "MISSVAL", "SENTINEL")  # fmt: skip
_PLACES = {*("GLON", "GLAT", "LON", "LAT", "RA", "DEC", "RAJ2000", "DEJ2000", "DECJ2000", "L", "B"),
           *("RA2000", "DEC2000", "ELON", "ELAT", "LONGITUDE", "LATITUDE", "THETA", "PHI"),
           }  # fmt: skip


def open_maps(
    path: str | Path,
    hdu: int | str | None = None,
    columns: list[str] | tuple[str, ...] = (),
    fix: str = "download or make it again",
    advice: str = "choose one with hdu=",
) -> Table:
    """Open the part of a FITS file that holds HEALPix maps.

    Parameters
    ----------
    path : path
    hdu : int or str, optional
        Number or EXTNAME of the part.
    columns : list of str
        Where `hdu` is not given: the part is the one with one of these columns.
    fix : str
        What to do about a damaged file, for the sentence of the error.
    advice : str
        What to do where several parts may be meant.

    Returns
    -------
    Table

    Raises
    ------
    CoganError
        If there is no such file, it is damaged, it is an image with a projection, or several
        parts may be meant.
    """
    path = Path(path)
    check_name(path)
    if not path.is_file():
        spelt = sys.getfilesystemencoding()
        misread = not str(path).isascii() and spelt != "utf-8"
        raise CoganError(
            f"There is no file {path}; check the path, or leave sky_path empty for the embedded sky"
            + f" (names are spelt in {spelt} here; else {UTF8_ADVICE})." * misread
            + "." * (not misread)
        )
    table = Table(path, fix, hdu, columns, advice)
    header = table.header
    projected = re.search(r"-([A-Z]{3})$", str(header.get("CTYPE1", "")).strip().upper())
    shape = table.shapes.get("", (1,))
    if projected or sum(length > 1 for length in shape) > 1:
        kind = f"in the projection {projected[1]}" if projected else f"of the shape {shape}"
        raise CoganError(
            f"{path} holds an image {kind}, no HEALPix map; bring it to HEALPix first, for example "
            "with reproject.reproject_to_healpix, or save one map alone."
        )
    if header.get("ZIMAGE"):
        raise CoganError(
            f"{path} holds a compressed image, which holds no real numbers before it is unpacked; "
            "write it as a plain array or table."
        )
    kind = said(header.get("PIXTYPE"), table.primary.get("PIXTYPE"))
    if kind and not kind.upper().startswith(("HEALPIX", "HPX")):
        raise CoganError(
            f"{path} holds a map of PIXTYPE {kind!r}; write it as a full-sky HEALPix map first."
        )
    return table


def said_order(table: Table) -> str:
    """Find what a file says of its pixel order, '' if nothing.

    Parameters
    ----------
    table : Table

    Returns
    -------
    str
        RING or NESTED where it is understood, else as it stands there.
    """
    found = word(table, *_ORDER_KEYS)
    if not found:
        told = table.header.get("NESTED", table.primary.get("NESTED"))
        found = {True: "NESTED", False: "RING"}.get(told, "") if isinstance(told, bool) else ""
    return order_of(found) or found


def said_frame(table: Table) -> str:
    """Find what a file says of its frame, '' if nothing.

    Parameters
    ----------
    table : Table

    Returns
    -------
    str
        G, C or E where it is understood, else as it stands there.
    """
    found = word(table, *_FRAME_KEYS)
    return frame_of(found) or found


def said_nside(table: Table, where: str) -> int | None:
    """Find what a file says of its NSIDE, checked, or what its LASTPIX means; None if nothing.

    Parameters
    ----------
    table : Table
    where : str
        Whose it is, for the sentence of the error.

    Returns
    -------
    int or None
    """
    nside = table.header.get("NSIDE", table.primary.get("NSIDE"))
    if nside is None or not said(nside):
        last = table.header.get("LASTPIX", table.primary.get("LASTPIX"))
        whole = isinstance(last, int) and 11 <= last < 1 << 30 and is_map_size(last + 1)
        return hp.npix2nside(last + 1) if whole else None
    return check_nside(nside, f"NSIDE in {where}")


def told(asked: str | None, said: str, path: Path, what: str, words: dict[str, str]) -> str | None:
    """Take the caller's word, or else the file's; None if neither says anything.

    Parameters
    ----------
    asked : str or None
        The caller's.
    said : str
        The file's; a warning tells if it is another one.
    path : Path
    what : str
        What they speak of, for sentences.
    words : dict of str to str
        What may be said, and what is meant.

    Returns
    -------
    str or None

    Raises
    ------
    CoganError
        If the word that counts is none of them.
    """
    if asked is not None:
        if str(asked).upper() not in words:
            raise CoganError(f"There is no {what} {asked!r}; it is {' or '.join(words)}.")
        asked = words[str(asked).upper()]
        if said and said != asked:
            log.warning("%s says that its %s is %s; %s was asked for.", path, what, said, asked)
        return asked
    if said and said not in words:
        raise CoganError(
            f"{path} gives its {what} as {said!r}, which is not understood; pass what it is, "
            f"{' or '.join(sorted(set(words.values())))}."
        )
    return said or None


def map_columns(table: Table) -> list[str]:
    """Columns that may be maps: neither pixel numbers nor places on the sky.

    Parameters
    ----------
    table : Table

    Returns
    -------
    list of str
    """
    index = index_columns(table)
    return [
        name
        for name in table.units
        if name not in index and re.sub(r"[^A-Z0-9]", "", name.upper()) not in _PLACES
    ]


def choose_column(table: Table, path: Path, column: str | int | None) -> str:
    """Name of the column that is meant.

    Parameters
    ----------
    table : Table
    path : Path
    column : str, int or None
        Name (whatever its case), number from 0, or the first that may be a map.

    Returns
    -------
    str

    Raises
    ------
    CoganError
        If there is none, or it holds pixel numbers.
    """
    names, maps = list(table.units), map_columns(table)
    by_case = {name.upper(): name for name in reversed(names)}
    if column is None and maps:
        return maps[0]
    found = column
    if isinstance(column, int | np.integer) and 0 <= column < len(names):
        found = names[column]
    elif isinstance(column, str) and column not in names:
        found = by_case.get(column.upper(), column)
    if found not in names:
        raise CoganError(f"{path} has no column {column!r}; it has {', '.join(names)}.")
    if found in index_columns(table):
        raise CoganError(
            f"Column {found!r} of {path} holds pixel numbers, no map; name one of "
            f"{', '.join(maps) or 'none'}."
        )
    return found


def read_ring(
    table: Table, path: Path, name: str, order: str, *, nside: int | None = None, index: str = ""
) -> np.ndarray:
    """Read a column as a full sky in RING order, in the file's own frame and unit.

    Parameters
    ----------
    table : Table
    path : Path
        For sentences.
    name : str
        Of the column.
    order : {'RING', 'NESTED'}
    nside : int, optional
        What the header says.
    index : str
        Name of the column of pixel numbers, where the caller knows it.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float32, float64 or integer
        NaN where there is no value.

    Raises
    ------
    CoganError
        If the rows are no full sky, or have too few values.
    """
    where = f"column {name} of {path}" if name else f"array of {path}"
    values = table[name]
    rows, repeat = table.shapes[name][0], int(np.prod(table.shapes[name][1:], dtype=int))
    _check_cells(table, name, where, rows, repeat, nside)
    values = nan_where_missing(values, *_bad_numbers(table, name))
    if np.isinf(values).any():
        values = np.where(np.isinf(values), np.nan, values)
    places, nside = pixels(table, path, name, values.size, order, nside, index)
    size = 12 * nside**2
    if places is None and values.size != size:
        raise CoganError(
            f"The {where} has {values.size} values; NSIDE {nside} needs {size}. A part of the sky "
            "needs its pixel numbers (INDXSCHM=EXPLICIT and a column PIXEL)."
        )
    if places is not None:
        native = values.dtype.newbyteorder("=")
        whole = native.kind == "f" or places.size == size
        full = np.zeros(size, native if whole else np.float64)
        if places.size < size:
            full[:] = np.nan
        full[places] = values
        values = full
    missing = np.isnan(values).mean()
    if missing == 1:
        raise CoganError(
            f"The {where} is NaN or UNSEEN everywhere, in every pixel; choose another column, or "
            "make the file again."
        )
    if missing > MOST_MISSING:
        raise CoganError(
            f"The {where} covers a part of the sky: {missing:.0%} of the sky is missing, more than "
            f"the {MOST_MISSING:.0%} that may be filled; put other data or a model into the rest, "
            "or take a map of the whole sky."
        )
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return values if order == "RING" else hp.reorder(values, n2r=True)


def kind_of(name: str, values: np.ndarray) -> str:
    """Tell what a column holds, as `rotate_map` wants to know: errors and flags are no signals.

    Parameters
    ----------
    name : str
        Of the column.
    values : ndarray
        As they are in the file.

    Returns
    -------
    {'signal', 'error', 'flag'}

    Examples
    --------
    >>> kind_of("W_CO21_ERR", np.ones(2)), kind_of("M10", np.ones(2)), kind_of("I10", np.ones(2))
    ('error', 'flag', 'signal')
    """
    if re.search(r"MASK|FLAG|QUALITY|N_?OBS|HITS|^M\d|OUTSIDE$", name.upper()) or is_flag(values):
        return "flag"
    found = re.search(r"ERR|SIGMA|STD|RMS|UNC|VAR|COV|^E\d", name.upper())
    return "error" if found else "signal"


def _bad_numbers(table: Table, name: str) -> list[float]:
    """List what the header says is no value."""
    scaled = any(table.keyword(key, name) is not None for key in ("TSCAL", "TZERO"))
    scaled |= not {"BSCALE", "BZERO"}.isdisjoint(table.header)  # then astropy has seen to BLANK
    found = []
    for key in _BAD_KEYS[: None if not scaled else 4]:
        value = table.header.get(key, table.primary.get(key))
        try:
            number = np.nan if isinstance(value, bool | None) else float(value)
        except ValueError:
            continue
        found += [number] * bool(np.isfinite(number))
    return found


def _check_cells(
    table: Table, name: str, where: str, rows: int, repeat: int, nside: int | None
) -> None:
    """Refuse several numbers per pixel: Stokes vectors, spectra, images in cells."""
    dims = [int(part) for part in re.findall(r"\d+", str(table.keyword("TDIM", name) or ""))]
    full = 12 * nside**2 if nside else None
    several = sum(length > 1 for length in dims) > 1
    if repeat > 1 and nside:
        several |= rows * repeat != full and rows % 12 == 0
    elif repeat > 1:
        several |= is_map_size(rows) and repeat != 1024  # 1024: the rows that healpy writes
        several |= is_map_size(repeat) and rows > 1 or not is_map_size(rows * repeat)
    if several:
        raise CoganError(
            f"The {where} has {repeat} numbers in each of {rows} rows: Stokes parameters, a "
            "spectrum or an image, not one number per pixel; write the one that you want as a "
            "column of its own."
        )
