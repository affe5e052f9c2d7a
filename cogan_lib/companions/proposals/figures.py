"""Figures of replies: what is accepted, and where the others fail.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, REAL, VIOLET

#: How far a reply comes, and the colour of its end.
STAGES = {"syntax": "0.35", "fields": VIOLET, "physics": GENERATED, "accepted": BASE}


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
    figure = Figure(figsize=(7.0, 0.9 + 0.26 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    start = np.zeros(len(names))
    for (stage, colour), width in zip(STAGES.items(), np.array(shares).T, strict=True):
        label = stage if stage == "accepted" else f"{stage}: stopped"
        axes.barh(range(len(names)), width, 0.7, left=start, color=colour, label=label)
        start = start + width
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(xlabel="share of the replies")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
