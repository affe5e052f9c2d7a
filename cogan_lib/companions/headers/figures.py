"""Figures of headers: what became of their cards, and where a body was.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.time import Time
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .sky_checks import body_position

STATES = {"kept": BASE, "repaired": VIOLET, "refused": GENERATED}


def card_states(rows: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw how many cards of each header are kept, repaired and refused.

    Parameters
    ----------
    rows : dict of name to dict
        Numbers of ``kept``, ``repaired`` and ``refused``.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.0, 0.9 + 0.26 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    start = np.zeros(len(rows))
    for state, colour in STATES.items():
        width = np.array([row[state] for row in rows.values()], float)
        axes.barh(range(len(rows)), width, 0.7, left=start, color=colour, label=state)
        start = start + width
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(xlabel="lines")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def where_was(name: str, time: Time, said: Mapping[str, SkyCoord], days: int = 365) -> Figure:
    """Draw where a body was, its path, and where headers say that it was.

    Parameters
    ----------
    name : str
        Such as 'mars'.
    time : Time
    said : dict of label to SkyCoord
        Such as the document's, and the trap of ``.icrs``.
    days : int
        Length of the path.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    path = body_position(name, time + np.linspace(-days / 2, days / 2, 200) * units.day)
    lon = path.ra.deg.copy()
    lon[1:][np.abs(np.diff(lon)) > 180] = np.nan  # once round
    axes.plot(lon, path.dec.deg, color=REAL, ls=LINES[0], lw=1, label=f"path in {days} days")
    seen = body_position(name, time)
    axes.plot(seen.ra.deg, seen.dec.deg, "o", color=REAL, label=f"{name.capitalize()}, from Earth")
    for (label, at), colour, mark in zip(said.items(), (GENERATED, VIOLET, BASE), "sD^",
                                         strict=False):  # fmt: skip
        apart = at.separation(seen).deg
        axes.plot(at.ra.deg, at.dec.deg, mark, color=colour, label=f"{label}: {apart:.0f}° away")
    axes.set(xlabel="right ascension [deg]", ylabel="declination [deg]", xlim=(360, 0))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
