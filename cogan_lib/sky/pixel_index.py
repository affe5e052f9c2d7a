"""Which pixel each row of a table is: resolved on the raw rows, before order and frame."""

from __future__ import annotations

import re
from pathlib import Path

import healpy as hp
import numpy as np

from ..base.checks import nan_where_missing
from ..base.files import CoganError
from ..base.foreign import Table
from .maps import is_map_size
from .spelling import said

_INDEX = re.compile(
    r"(?:HEALPIX|HEALPY|HPX|HPIX|HP|I)?PIX(?:EL)?S?(?:INDEX|IDX|IND|ID|NUM|NUMBER|NO|NR)?"
    r"|(?:HEALPIX|HPX|HPIX)(?:INDEX|IDX|IND|ID|NUM|NUMBER|NO|NR)?|HP(?:INDEX|IDX|ID)|UNIQ"
)
_INTEGER_INDEX = re.compile(r"INDEX|IDX|RING|NEST(?:ED)?")  # a spectral index is none
#: Columns of places, from which the pixel follows.
_PLACES = [("GLON", "GLAT"), ("RA", "DEC"), ("RAJ2000", "DEJ2000"), ("RA2000", "DEC2000")]


def word(table: Table, *keys: str) -> str:
    """Find what the part says under one of these keywords, else the primary header.

    Parameters
    ----------
    table : Table
    *keys : str

    Returns
    -------
    str
        Empty if neither says anything.
    """
    return said(*(where.get(key) for where in (table.header, table.primary) for key in keys))


def index_columns(table: Table, told: str = "") -> list[str]:
    """Find the columns of pixel numbers, by their names.

    Parameters
    ----------
    table : Table
    told : str
        Its name, where the caller knows it.

    Returns
    -------
    list of str
    """
    names = list(table.units)
    by_case = {name.upper(): name for name in names}
    if told and told.upper() in by_case:
        return [by_case[told.upper()]]
    found = []
    for name in names:
        letters = re.sub(r"[^A-Z]", "", name.upper())
        letters = re.sub(r"RING|NEST(?:ED)?", "", letters) or letters
        whole = _INTEGER_INDEX.fullmatch(letters) and _whole(table, name)
        if whole or _INDEX.fullmatch(letters):
            found.append(name)
    explicit = word(table, "INDXSCHM").upper().startswith(("EXPLICIT", "SPARSE"))
    if not found and explicit and len(names) > 1:
        return names[:1]  # where the convention has it
    return found


def _whole(table: Table, name: str) -> bool:
    """Tell whether a column holds integers."""
    return bool(re.fullmatch(r"\d*[BIJK]", str(table.keyword("TFORM", name) or "").strip()))


def _index_of(table: Table, path: Path, told: str, order: str) -> str | None:
    """Find the one column of pixel numbers that goes with a pixel order."""
    found = index_columns(table, told)
    other = "NEST" if order == "RING" else "RING"
    fitting = [name for name in found if other not in name.upper()]
    if found and not fitting:
        raise CoganError(
            f"{path}: its column {found[0]} seems to number the pixels in another order than "
            f"{order}; say which with order=, or in ORDERING, or rename the column."
        )
    return fitting[0] if fitting else None


def _unnamed(table: Table, name: str, nside: int, order: str) -> np.ndarray | None:
    """Find pixel numbers in a full table that calls them otherwise, or gives places only.

    A column that holds every number from 0 to the last pixel's once is no accident.
    """
    full = 12 * nside**2
    for other in table.units:
        if other not in (name, "") and _whole(table, other) and table.shapes[other] == (full,):
            index = np.asarray(nan_where_missing(table[other]))
            if index.dtype.kind in "iu" and _is_permutation(index, full):
                return index.astype(np.int64)
    by_case = {other.upper(): other for other in table.units}
    for lon, lat in _PLACES:
        if lon in by_case and lat in by_case and table.shapes[by_case[lon]] == (full,):
            places = [np.asarray(table[by_case[key]], np.float64) for key in (lon, lat)]
            if not all(np.isfinite(each).all() for each in places) or abs(places[1]).max() > 90:
                continue
            index = hp.ang2pix(nside, *places, lonlat=True, nest=order == "NESTED")
            if _is_permutation(index, full):  # else they are places in another frame
                return index
    return None


def _is_permutation(index: np.ndarray, full: int) -> bool:
    if index.min() < 0 or index.max() >= full:
        return False
    seen = np.zeros(full, bool)
    seen[index] = True
    return bool(seen.all())


def pixels(
    table: Table,
    path: Path,
    name: str,
    size: int,
    order: str,
    nside: int | None,
    told: str,
) -> tuple[np.ndarray | None, int]:
    """Find which pixel each value of a column is.

    Parameters
    ----------
    table : Table
    path : Path
        For sentences.
    name : str
        Of the column.
    size : int
        How many values it has.
    order : {'RING', 'NESTED'}
    nside : int or None
        What the header says.
    told : str
        Name of the column of pixel numbers, where the caller knows it.

    Returns
    -------
    pixels : ndarray of int, shape (size,), or None
        In the file's own order; None where row follows row.
    nside : int

    Raises
    ------
    CoganError
        If pixels occur twice or lie beyond the sky, or the file contradicts itself.
    """
    column = _index_of(table, path, told, order)
    scheme = word(table, "INDXSCHM").upper()
    explicit = scheme.startswith(("EXPLICIT", "SPARSE"))
    if column == name or (explicit and column is None):
        raise CoganError(f"{path} says INDXSCHM={scheme}, but has no column of pixel numbers.")
    if nside is None and not is_map_size(size):
        raise CoganError(
            f"{path}, column {name}: {size} values are no full-sky HEALPix map (12 nside^2, "
            "nside a power of two), and its header does not say NSIDE; write it there."
        )
    nside = hp.npix2nside(size) if nside is None else nside
    full = 12 * nside**2
    first = table.header.get("FIRSTPIX", 0)
    first = int(first) if isinstance(first, int | float) and np.isfinite(first) else 0
    if column is None and size == full and not scheme.startswith("IMPLICIT"):
        index = _unnamed(table, name, nside, order)
        if index is not None and not np.array_equal(index, np.arange(size)):
            return index, nside
    if column is None:
        return _rows_from(table, path, name, size, full, first), nside
    index = _numbers(table, path, column, size)
    shuffled = not np.array_equal(index, np.arange(size))
    if scheme.startswith("IMPLICIT") and size == full:
        other = hp.nest2ring if order == "NESTED" else hp.ring2nest
        if shuffled and not np.array_equal(index, other(nside, np.arange(size))):
            raise CoganError(
                f"{path} says INDXSCHM=IMPLICIT, but its column {column} numbers the pixels in "
                "another order; correct INDXSCHM to EXPLICIT, or remove the column."
            )
        return None, nside
    if not shuffled and size == full:
        return None, nside
    if size == full and index.min() == 1 and index.max() == full:
        index = index - 1  # numbered from 1
    if index.min() < 0 or index.max() >= full:
        raise CoganError(
            f"{path}: the pixel numbers of its column {column} go from {index.min()} to "
            f"{index.max()}; those of NSIDE {nside} go from 0 to {full - 1}."
        )
    seen = np.zeros(full, bool)
    seen[index] = True
    if seen.sum() < size:
        twice = np.flatnonzero(np.bincount(index) > 1)[0]
        raise CoganError(
            f"{path}: its column {column} has {size - seen.sum()} pixels more than once (pixel "
            f"{twice}, for example); keep one row per pixel."
        )
    return index, nside


def _rows_from(
    table: Table, path: Path, name: str, size: int, full: int, first: int
) -> np.ndarray | None:
    """Pixels of rows that have no numbers, from FIRSTPIX on."""
    last = table.header.get("LASTPIX")
    if size == full and (first == 0 or last == first + size - 1 and first == 1):
        return None
    part = last == first + size - 1 and size < full and not is_map_size(size)
    if first > 0 or part:
        if first < 0 or first + size > full:
            raise CoganError(
                f"{path}, column {name}: {size} values from FIRSTPIX={first} on do not fit into "
                f"the {full} pixels of its NSIDE; correct FIRSTPIX or NSIDE."
            )
        return np.arange(first, first + size)
    return None


def _numbers(table: Table, path: Path, column: str, size: int) -> np.ndarray:
    """Read the column of pixel numbers as integers, (size,)."""
    index = np.asarray(nan_where_missing(table[column]))
    if index.size != size or not np.isfinite(index).all() or (index != np.floor(index)).any():
        raise CoganError(
            f"{path}: its column {column} should number the pixels, but does not hold {size} whole "
            "numbers; correct it or remove it."
        )
    return index.astype(np.int64)
