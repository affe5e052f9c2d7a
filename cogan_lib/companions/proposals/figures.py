"""Figures of replies and headers: what is accepted, where the others fail, and where Mars was.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.time import Time
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .sky_checks import body_position

#: How far a reply comes, and the colour of its end.
STAGES = {"syntax": "0.35", "fields": VIOLET, "physics": GENERATED, "accepted": BASE}
STATES = {"kept": BASE, "repaired": VIOLET, "refused": GENERATED}


def acceptance(rates: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Draw the acceptance rate of each kind and way, with its interval.

    Parameters
    ----------
    rates : dict of kind to dict of way to dict
        Of `evaluation.acceptance`.

    Returns
    -------
    Figure
    """
    ways = list(next(iter(rates.values())))
    figure = Figure(figsize=(7.0, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for number, (way, colour) in enumerate(
        zip(ways, (GENERATED, GENERATED, BASE, BASE, REAL), strict=False)
    ):
        at = np.arange(len(rates)) + (number - (len(ways) - 1) / 2) * 0.15
        rows = [found[way] for found in rates.values()]
        middle = np.array([row["rate"] for row in rows])
        ends = [[row[name] for row in rows] for name in ("low", "high")]
        errors = np.abs(np.array(ends) - middle)
        fill = colour if number % 2 == 0 else "w"
        look = {"fmt": "o", "color": colour, "mfc": fill, "capsize": 2, "ls": "none"}
        axes.errorbar(at, middle, errors, label=way, **look)
    axes.set_xticks(range(len(rates)), rates)
    axes.set(ylabel="accepted share", ylim=(-0.04, 1.04))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def stages(rates: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Draw how far the first replies come: JSON, the right fields, possible physics.

    Parameters
    ----------
    rates : dict of kind to dict of way to dict
        Shares ``json`` and ``fields`` that come beyond that stage, and ``rate``.

    Returns
    -------
    Figure
    """
    names, shares = [], []
    for kind, found in rates.items():
        for way, row in found.items():
            if "json" in row:
                names.append(f"{kind}, {way}")
                shares.append([1 - row["json"], row["json"] - row["fields"],
                               row["fields"] - row["rate"], row["rate"]])  # fmt: skip
    words = [f"{word}: stopped" if word != "accepted" else word for word in STAGES]
    return _stacked(names, np.array(shares), dict(zip(words, STAGES.values(), strict=True)),
                    "share of the replies")  # fmt: skip


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
    counts = np.array([[row[state] for state in STATES] for row in rows.values()], float)
    return _stacked(list(rows), counts, STATES, "lines")


def _stacked(
    names: Sequence[str], values: np.ndarray, colours: Mapping[str, str], label: str
) -> Figure:
    figure = Figure(figsize=(7.0, 0.9 + 0.26 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    start = np.zeros(len(names))
    for (name, colour), width in zip(colours.items(), values.T, strict=True):
        axes.barh(range(len(names)), width, 0.7, left=start, color=colour, label=name)
        start = start + width
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(xlabel=label)
    figure.legend(loc="outside lower center", ncols=4)
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
