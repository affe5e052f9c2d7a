"""Which columns of a sky are tracers, which are targets, and what the road takes for granted.

Of CO and its tracers the names say it (`lines`). A sky of anything else names its targets in its
header, as ``TARGCOLS``; what else it holds are tracers, in the order of the file, in any unit.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..base.files import CoganError
from ..base.units import CO_SOFTENING
from .lines import COLUMN_UNITS, LINES, TRACERS
from .spelling import unit_factor

if TYPE_CHECKING:
    from .skyfile import Sky

log = logging.getLogger(__name__)

#: Behind the name of another column: its error, or what its members say.
_OF_ANOTHER = ("_ERR", "_MEAN", "_STD", "_MID")
_FLAGS = ("OUTSIDE", "OUTSIDE_DEX")
#: Amplitudes are compared on a scale that goes over from linear to logarithmic at so many standard
#: errors of a target: 0.3 K km/s of CO were chosen so.
SOFTENING_ERRORS = 3.0
#: A pixel of so many standard errors below zero is no noise; of these, and of a tracer's pixels
#: that have no logarithm, this share may be there (artefacts).
BELOW_ERRORS, MOST_BELOW = 5.0, 0.01


def named_targets(meta: Mapping[str, object]) -> list[str]:
    """List the targets that a sky's meta names; none if it is one of CO.

    Parameters
    ----------
    meta : mapping
        Of a `Sky`.

    Returns
    -------
    list of str

    Raises
    ------
    CoganError
        If one of them is no name for a column.

    Examples
    --------
    >>> named_targets({"targcols": "T_1420"}), named_targets({})
    (['T_1420'], [])
    """
    names = str(meta.get("targcols", "")).split()
    for name in names:
        _check_name(name)
    return names


def targets(maps: Iterable[str], meta: Mapping[str, object]) -> list[str]:
    """List the columns that are to be generated.

    Parameters
    ----------
    maps : iterable of str
        Names of the sky's columns.
    meta : mapping

    Returns
    -------
    list of str
    """
    have = list(maps)
    return [name for name in named_targets(meta) or ("W_CO10", "W_CO21") if name in have]


def tracers(maps: Iterable[str], meta: Mapping[str, object]) -> list[str]:
    """List the columns that targets are generated from, in the order in which networks see them.

    Where the sky names its targets: all others, but for flags and what belongs to another column
    (``T_ERR`` beside ``T``), in capital letters or small ones.

    Parameters
    ----------
    maps : iterable of str
        Names of the sky's columns.
    meta : mapping

    Returns
    -------
    list of str

    Raises
    ------
    CoganError
        If one of them is no name for a column.

    Examples
    --------
    >>> tracers(["T_1420", "T_1420_ERR", "N_HI", "DUST"], {"targcols": "T_1420"})
    ['N_HI', 'DUST']
    >>> tracers(["DUST", "V_MEAN", "T", "t_err"], {"targcols": "T"})
    ['DUST', 'V_MEAN']
    >>> tracers(["W_CO21", "N_HI", "DUST"], {})
    ['DUST', 'N_HI']
    """
    have, named = list(maps), named_targets(meta)
    if not named:
        return [name for name in TRACERS if name in have]
    known = {name.upper() for name in (*have, *named)}
    no_tracer = {*_FLAGS, *(name + word for name in known for word in _OF_ANOTHER)}
    found = [name for name in have if name not in named and name.upper() not in no_tracer]
    for name in found:
        _check_name(name)
    return found


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z]\w{0,39}", name, re.ASCII):
        raise CoganError(
            f"{name!r} is no name for a column; take a letter, and up to 39 letters, digits and _."
        )


def check_unit(name: str, unit: str, path: object) -> str:
    """Find the road's spelling of a column's unit; of a column that it does not know, the file's.

    Parameters
    ----------
    name, unit : str
        As in the file.
    path : path
        Of the file, for the sentence of the error.

    Returns
    -------
    str

    Raises
    ------
    CoganError
        If the unit is none that such a column may have.
    """
    if name not in COLUMN_UNITS:
        return unit.strip()  # `Sky` refuses none at all
    allowed = COLUMN_UNITS[name]
    for usual in allowed:
        if unit.replace(" ", "") == usual.replace(" ", ""):
            return usual
    for usual in allowed:
        try:
            if unit_factor(unit, usual, str(path)) == 1:  # another spelling
                return usual
        except CoganError:
            continue
    raise CoganError(
        f"Column {name} of {path} has the unit {unit or 'none'!r}; it must be "
        f"{' or '.join(allowed)} (sky.read_map with to_unit converts a foreign map)."
    )


def softening(sky: Sky, target: str) -> float:
    """Choose where a target's scale of amplitudes goes over from linear to logarithmic.

    Parameters
    ----------
    sky : Sky
        With the target's error column, unless it is a CO line.
    target : str

    Returns
    -------
    float
        In the target's unit.
    """
    if target in LINES:
        return CO_SOFTENING
    return SOFTENING_ERRORS * float(np.nanmedian(sky.maps[f"{target}_ERR"]))


def check_usable(sky: Sky) -> None:
    """Check what the road takes for granted of a sky that names its own targets.

    Targets are emissions: beside noise, never negative. Tracers have logarithms.

    Parameters
    ----------
    sky : Sky

    Raises
    ------
    CoganError
        If it does not hold.
    """
    named = named_targets(sky.meta)
    if missing := sorted(set(named) - set(sky.maps)):
        raise CoganError(
            f"The sky's TARGCOLS names {missing[0]}, which is no column; it has "
            f"{', '.join(sky.maps)}."
        )
    for name in named:
        error = sky.maps.get(f"{name}_ERR", np.inf)  # without one there are no tiles anyway
        if (share := (sky.maps[name] < -BELOW_ERRORS * error).mean()) > MOST_BELOW:
            raise CoganError(
                f"{name} lies more than {BELOW_ERRORS:g} standard errors below zero in {share:.0%} "
                "of the sky, but the road makes emissions, which are never negative; correct its "
                "zero level or its errors, or take another quantity."
            )
    if named:
        log.info("Targets: %s; tracers: %s.", ", ".join(named), ", ".join(sky.inputs) or "none")
    for name in sky.inputs if named else ():
        if (share := (sky.maps[name] <= 0).mean()) > MOST_BELOW:
            raise CoganError(
                f"The tracer {name} is not above zero in {share:.0%} of the sky, but networks see "
                "its logarithm; correct its zero level, or take another quantity."
            )
