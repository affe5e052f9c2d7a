"""The columns of a stranger's table of stars: found, and brought to our units.

IRSA and VizieR distribute 2MASS's point sources under two sets of names, in text, VOTable and FITS
files; astropy's readers guess which. What a column lacks is said in one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table

from ...base.checks import nan_where_missing
from ...base.files import CoganError, reading
from ...base.foreign import fits_headers

#: What a column is for: the names by IRSA and VizieR, letter case aside, and what it holds.
ROLES = {
    "J": (("j_m", "Jmag"), "J magnitudes"),
    "Ks": (("k_m", "Kmag"), "Ks magnitudes"),
    "J_error": (("j_cmsig", "j_msigcom", "e_Jmag"), "errors of J"),
    "Ks_error": (("k_cmsig", "k_msigcom", "e_Kmag"), "errors of Ks"),
    "ra": (("ra", "RAJ2000", "_RAJ2000"), "right ascensions"),
    "dec": (("dec", "DEJ2000", "_DEJ2000"), "declinations"),
    "lon": (("glon", "_Glon"), "Galactic longitudes"),
    "lat": (("glat", "_Glat"), "Galactic latitudes"),
    "quality": (("ph_qual", "Qflg"), "quality flags"),
    "contamination": (("cc_flg", "Cflg"), "contamination flags"),
}
#: Flags, three letters a star, for J, H and Ks: measured (A-D, A best), and not (E, F, U, X); clean
#: (0), or touched by persistence, confusion, a diffraction spike, a stripe, or band merging.
LETTERS = {"quality": "ABCDEFUX", "contamination": "0pcdsb"}
#: 2MASS has no star beyond: what is there stands for "no value", such as -9999 or 99.99.
MAGNITUDES = (-6.0, 25.0)
#: Where the median of a survey's magnitudes may lie; that of fluxes or of unset values does not.
MEDIANS = (5.0, 20.0)
_NONE = ("", "null", "nan", "none", "--", "n/a", "\\n")
#: A round field whose hours are read as degrees is 15 times as high as wide.
_TALL = 5.0


def read_table(path: Path) -> Table:
    """Read a table of whatever format astropy knows or guesses.

    Parameters
    ----------
    path : Path

    Returns
    -------
    astropy.table.Table

    Raises
    ------
    CoganError
        If there is no such file, it is no table, or the table has no rows.
    """
    fix = "give a CSV, IPAC, VOTable or FITS table, as IRSA and VizieR write them"
    with reading(path, "table of stars", fix):
        with open(path, "rb") as stream:
            start = stream.read(9)
        if not start:
            raise CoganError(f"{path} is empty; download it again.")
        if start == b"SIMPLE  =":
            fits_headers(path)  # are all bytes there?
        try:
            table = Table.read(path)
        except Exception:
            if start.startswith((b"SIMPLE  =", b"<?xml")):
                raise
            table = Table.read(path, format="ascii")  # which guesses on
        if len(table) > 2 and all(column.dtype.kind == "U" for column in table.itercols()):
            table = _without_rules(table)
    if len(table) == 0:
        raise CoganError(
            f"{path} holds no stars, only {_list(table.colnames)}; see what the query answered, "
            "and repeat it."
        )
    return table


def choose(table: Table, columns: Mapping[str, str | None] | None, path: Path) -> dict[str, str]:
    """Find the column of each role.

    Parameters
    ----------
    table : astropy.table.Table
    columns : mapping, optional
        Names by role (`ROLES`), where the table has other ones; None: do without it.
    path : Path
        For the sentences.

    Returns
    -------
    dict
        Names by role: J, Ks, a pair of coordinates, and of the others what there is.

    Raises
    ------
    CoganError
        If a column is missing, or `columns` names what is not there.
    """
    if not isinstance(columns, Mapping | None):
        raise CoganError(f"columns= is {columns!r}; give names by role, {{'J': '...'}}.")
    asked = dict(columns or {})
    for role, name in asked.items():
        if role not in ROLES:
            raise CoganError(f"columns= knows nothing of {role!r}; it takes {_list(ROLES)}.")
        if name is None and role not in LETTERS:
            raise CoganError(f"Nothing goes without {ROLES[role][1]}; name that column.")
        if name is not None and name not in table.colnames:
            raise CoganError(
                f"{path} has no column {name!r}, which columns= names for {role}; it has "
                f"{_list(table.colnames)}."
            )
    there = {name.lower(): name for name in reversed(table.colnames)}
    found = {}
    for role, (names, _) in ROLES.items():
        known = [there[name.lower()] for name in names if name.lower() in there]
        found[role] = asked[role] if role in asked else next(iter(known), None)
    equatorial = not {"lon", "lat"} & set(asked) and found["ra"] and found["dec"]
    needed = ["J", "Ks"] if equatorial else ["J", "Ks", "lon", "lat"]
    needed += [role for role in LETTERS if role not in asked]
    if "quality" in asked and asked["quality"] is None:
        needed += ["J_error", "Ks_error"]  # in place of the flags
    missing = [role for role in needed if not found[role]]
    if missing:
        role = missing[0]
        what, say = ROLES[role][1], f"say which with columns={{{role!r}: '...'}}"
        if role in ("lon", "lat"):
            what, say = "positions", "say which with columns={'ra': '...', 'dec': '...'}"
        if role in LETTERS:
            instead = "to go by the errors" if role == "quality" else "to take all stars"
            say += f", or columns={{{role!r}: None}} {instead}"
        raise CoganError(f"{path} has no {what} among {_list(table.colnames)}; {say}.")
    unused = ("lon", "lat") if equatorial else ("ra", "dec")
    return {role: name for role, name in found.items() if name and role not in unused}


def numbers(table: Table, name: str, path: Path) -> np.ndarray:
    """Take a column of numbers.

    Parameters
    ----------
    table : astropy.table.Table
    name : str
    path : Path

    Returns
    -------
    ndarray, shape (n,), float64
        NaN where there is no value.

    Raises
    ------
    CoganError
        If the column holds something else.
    """
    column = table[name]
    if column.ndim == 1 and column.dtype.kind in "fiu":
        return nan_where_missing(column.data).astype(np.float64)
    example = column[0] if len(column) else ""
    if column.ndim == 1 and column.dtype.kind in "OSU":
        text = _words(column)
        text[np.isin(np.char.lower(text), _NONE)] = "nan"
        try:
            return text.astype(np.float64)
        except ValueError:
            example = next(word for word in text if not _is_number(word))
    raise CoganError(
        f"Column {name} of {path} holds {str(example)[:30]!r}, which is no number; "
        "give plain magnitudes, and places in degrees."
    )


def magnitudes(table: Table, name: str, path: Path) -> np.ndarray:
    """Take a column of magnitudes.

    Parameters
    ----------
    table : astropy.table.Table
    name : str
    path : Path

    Returns
    -------
    ndarray, shape (n,), float64
        NaN where there is none.

    Raises
    ------
    CoganError
        If it is in another unit, or most of its values are no magnitudes of a survey.
    """
    unit = _unit(table[name])
    if unit not in (None, u.mag):
        raise CoganError(
            f"Column {name} of {path} is in {unit}; give Vega magnitudes [mag], as 2MASS does."
        )
    values = numbers(table, name, path)
    if np.isnan(values).all():
        raise CoganError(f"Column {name} of {path} holds no value at all; name another column.")
    median = np.nanmedian(values)
    if not MEDIANS[0] < median < MEDIANS[1]:
        raise CoganError(
            f"Column {name} of {path} has the median {median:g}, and a survey's magnitudes "
            f"have one from {MEDIANS[0]:g} to {MEDIANS[1]:g}: are they fluxes, or unset? Give "
            "magnitudes."
        )
    with np.errstate(invalid="ignore"):
        values[(values < MAGNITUDES[0]) | (values > MAGNITUDES[1])] = np.nan
    single = table[name].dtype.itemsize <= 4 and table[name].dtype.kind == "f"
    return np.round(values, 5) if single else values  # 12.345 as it was before single precision


def degrees(table: Table, names: tuple[str, str], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Take a pair of columns of positions.

    Parameters
    ----------
    table : astropy.table.Table
    names : tuple of str
        Right ascension and declination, or longitude and latitude.
    path : Path

    Returns
    -------
    lon, lat : ndarray, shape (n,), float64
        In degrees, NaN where there is none.

    Raises
    ------
    CoganError
        If their units are none of an angle, or values are no degrees.
    """
    pair, units = [], [_unit(table[name]) for name in names]
    for name, unit in zip(names, units, strict=True):
        unit = u.hourangle if unit == u.hour else unit or u.deg
        if isinstance(unit, str) or not unit.is_equivalent(u.deg):
            raise CoganError(f"Column {name} of {path} is in {unit}; give degrees.")
        pair.append(numbers(table, name, path) * unit.to(u.deg))
    lon, lat = pair
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        raise CoganError(
            f"Columns {names[0]}, {names[1]} of {path} hold no positions; name others."
        )
    x, y = lon[known], lat[known]
    if x.min() < -180 or x.max() > 360 or np.abs(y).max() > 90:
        raise CoganError(
            f"Columns {names[0]}, {names[1]} of {path} go from {x.min():g} to {x.max():g} and from "
            f"{y.min():g} to {y.max():g}; give degrees, at most 360 and within 90 of the equator."
        )
    width = np.ptp((x - x[0] + 12) % 24) * np.cos(np.radians(y.mean()))
    if units[0] is None and x.min() >= 0 and x.max() <= 24 and np.ptp(y) > max(_TALL * width, 0.1):
        raise CoganError(
            f"Column {names[0]} of {path} has no unit and looks like hours (at most {x.max():.4g}, "
            f"and the field is {np.ptp(y) / max(width, 1e-9):.0f} times as high as wide); give "
            "degrees, or a file that says its units (VOTable, FITS)."
        )
    return lon, lat


def flags(table: Table, name: str, role: str, path: Path) -> np.ndarray:
    """Take a column of flags.

    Parameters
    ----------
    table : astropy.table.Table
    name : str
    role : {'quality', 'contamination'}
    path : Path

    Returns
    -------
    ndarray, shape (n, 2), uint32
        The letters for J and Ks as code points, 0 where there are none.

    Raises
    ------
    CoganError
        If there are not three a star, or they are other letters.
    """
    column = table[name]
    text = _words(column)
    if column.dtype.kind in "iu":  # readers of CSV take the flags 000 for a number
        text = np.where(text == "0", "000", text)
    text[np.isin(np.char.lower(text), ("", "null", "--"))] = ""
    codes = np.ascontiguousarray(text, dtype="U4").view(np.uint32).reshape(-1, 4)
    length, known = np.count_nonzero(codes, axis=1), [0, *map(ord, LETTERS[role])]
    wrong = ((length != 0) & (length != 3)) | ~np.isin(codes, known).all(axis=1)
    if wrong.any():
        raise CoganError(
            f"Column {name} of {path} holds {str(text[wrong][0])[:30]!r}; {ROLES[role][1]} of "
            f"2MASS are three of {' '.join(LETTERS[role])} for J, H and Ks: name their column with "
            f"columns={{{role!r}: '...'}}."
        )
    return codes[:, [0, 2]]


def _words(column: object) -> np.ndarray:
    """Take a column as stripped words, empty where it is masked."""
    mask = np.broadcast_to(getattr(column, "mask", False), column.shape)
    bare = column.filled() if isinstance(column, MaskedColumn) else column
    bare = np.asarray(bare)
    text = np.char.decode(bare, "latin-1") if bare.dtype.kind == "S" else bare.astype(str)
    text = np.char.strip(text)
    return np.where(mask, "", text)


def _without_rules(table: Table) -> Table:
    """Take the rows of units and of dashes out, which VizieR's texts have below the names."""
    words = {name: _words(table[name][:2]) for name in table.colnames}
    if not all(set(second) <= {"-"} for _, second in words.values()):
        return table
    table = table[2:]
    for name, (first, _) in words.items():
        table[name].unit = u.Unit(first, parse_strict="silent") if first else None
    return table


def _unit(column: object) -> u.UnitBase | str | None:
    """Understand the unit of a column, as text if it is none; None if there is none."""
    text = str(column.unit or "").strip(" \"'")
    if set(text) <= {"-"}:
        return None
    for spelling in (text, text.lower(), text.lower().rstrip("s")):
        try:
            return u.Unit(spelling)
        except (ValueError, TypeError):
            continue
    return text


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _list(names: object) -> str:
    """Name columns, not too many."""
    text = ", ".join(str(name)[:30] for name in names).replace("\n", " ") or "no columns"
    return text if len(text) <= 300 else f"{text[:300]} ..."
