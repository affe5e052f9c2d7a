"""Lines over one axis: curves, histories of trainings, cumulative shares.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import BASE, COLOURS, GENERATED, LINES


def curves(
    x: np.ndarray,
    lines: Mapping[str, np.ndarray],
    labels: tuple[str, str],
    *,
    log: str = "",
    rule: tuple[float, str] | None = None,
) -> Figure:
    """Draw a few lines over one x.

    Parameters
    ----------
    x : ndarray, shape (n,)
    lines : dict of label to ndarray, shape (n,)
    labels : (str, str)
        Of the two axes.
    log : str
        The logarithmic axes: "", "x", "y" or "xy".
    rule : (float, str), optional
        Height of a horizontal line, and what it is.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, y), style, colour in zip(lines.items(), LINES, COLOURS, strict=False):
        axes.plot(x, y, ls=style, color=colour, label=name)
    if rule:
        axes.axhline(rule[0], color="0.5", lw=0.8)
        axes.annotate(rule[1], (x[0], rule[0]), (2, 3), textcoords="offset points", color="0.35")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.legend(fontsize=9)
    return figure


def histories(found: Mapping[str, Sequence[Mapping[str, float]]], what: str) -> Figure:
    """Draw loss and validation loss over the minutes, one panel per stage.

    Parameters
    ----------
    found : dict of stage to list of dict
        Rows of `learn.fit`, with a number ``validation``.
    what : str
        What the network learns from, for the legend.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.2, 3.2), layout="constrained")
    for axes, (stage, rows) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        minutes = [row["seconds"] / 60 for row in rows]
        for key, split, colour, style in (
            ("loss", "training", BASE, "o-"),
            ("validation", "validation", GENERATED, "s-"),
        ):
            values, label = [row[key] for row in rows], f"{split} {what}"
            axes.plot(minutes, values, style, color=colour, ms=3, label=label)
        axes.set(title=stage, xlabel="minutes", yscale="log")
        axes.legend(fontsize=9)
    figure.axes[0].set_ylabel("loss")
    return figure


def cumulative(samples: Mapping[str, np.ndarray], limit: float, label: str) -> Figure:
    """Draw the share of the pictures whose error is at most x.

    Parameters
    ----------
    samples : dict of label to ndarray, shape (n,)
        Errors of the pictures.
    limit : float
        Where a vertical line stands.
    label : str
        Of the x axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.6, 3.7), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), style, colour in zip(samples.items(), LINES, COLOURS, strict=False):
        share = np.arange(1, len(values) + 1) / len(values)
        axes.step(np.sort(values), share, where="post", color=colour, ls=style, label=name)
    axes.axvline(limit, color="0.5", lw=0.8)
    axes.set(xscale="log", xlabel=label, ylabel="share of the pictures", ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=9, loc="lower right")
    return figure
