"""Figures of learning curves: scores, gains, and what is said of a rare class.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .balance import RARE
from .curves import NONE

#: Of curves beside `NONE`, in their order, and again with other lines.
COLOURS = (BASE, GENERATED, VIOLET)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def curves(
    sizes: Sequence[int],
    summary: Mapping[str, Mapping],
    label: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Draw scores against the number of real examples, each source with its interval.

    Parameters
    ----------
    sizes : sequence of int
    summary : dict of name to dict
        `curves.interval` of each source; `NONE` is black.
    label : str
        Of the score.
    levels : dict of name to float, optional
        Scores that need no training, as level lines.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, (colour, line, mark) in _looks(summary).items():
        found = summary[name]
        axes.plot(sizes, found["mean"], color=colour, ls=line, marker=mark, ms=4, label=name)
        axes.fill_between(sizes, found["low"], found["high"], color=colour, alpha=0.12, lw=0)
    for (name, level), line in zip((levels or {}).items(), LINES[::-1], strict=False):
        axes.axhline(level, color="0.45", ls=line, lw=1.2, label=name)
    _sizes(axes, sizes)
    axes.set_ylabel(label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    return figure


def gains(sizes: Sequence[int], found: Mapping[str, Mapping], label: str) -> Figure:
    """Draw what each source gains over none, per number of real examples, with its interval.

    Parameters
    ----------
    sizes : sequence of int
    found : dict of name to dict
        Of `curves.gains`.
    label : str
        Of the gain; above 0 it helps.

    Returns
    -------
    Figure
        A panel per source; full marks where the interval does not hold 0.
    """
    columns = 3 if len(found) > 4 else 2
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(7.2, 0.6 + 1.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, gain) in zip(grid.ravel(), found.items(), strict=False):
        axes.axhline(0, color=REAL, lw=0.8)
        for n, mean, low, high, verdict in zip(
            sizes, gain["mean"], gain["low"], gain["high"], gain["verdict"], strict=True
        ):
            colour = {"helps": BASE, "hurts": GENERATED, "open": "0.5"}[verdict]
            face = "none" if verdict == "open" else colour
            axes.plot([n, n], [low, high], color=colour, lw=1.6)
            axes.plot([n], [mean], "o", color=colour, mfc=face, ms=4.5)
        axes.set_title(name, fontsize=9)
        _sizes(axes, sizes)
        axes.set_xlabel("")
    for axes in grid.ravel()[len(found) :]:
        axes.set_visible(False)
    figure.supxlabel("real examples", fontsize=10)
    figure.supylabel(label, fontsize=10)
    return figure


def table_of_verdicts(sizes: Sequence[int], found: Mapping[str, Mapping]) -> Figure:
    """Draw where each source helps, hurts, or neither is known.

    Parameters
    ----------
    sizes : sequence of int
    found : dict of name to dict
        Of `curves.gains`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 0.7 + 0.33 * len(found)), layout="constrained")
    axes = figure.add_subplot()
    colours = {"helps": BASE, "hurts": GENERATED, "open": "0.5"}
    for row, gain in enumerate(found.values()):
        for column, (mean, verdict) in enumerate(zip(gain["mean"], gain["verdict"], strict=True)):
            said = f"{mean:+.3f}" if verdict != "open" else f"({mean:+.3f})"
            options = {"ha": "center", "va": "center", "fontsize": 9}
            axes.text(column, row, said, color=colours[verdict], **options)
    axes.set(xlim=(-0.5, len(sizes) - 0.5), ylim=(len(found) - 0.5, -0.5))
    axes.set_xticks(range(len(sizes)), [f"{n:,}" for n in sizes])
    axes.set_yticks(range(len(found)), list(found))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    return figure


def imbalance(found: Mapping[str, Mapping[str, Mapping]], share: float = RARE) -> Figure:
    """Draw accuracy beside balanced accuracy and AUC for each remedy: the first tells nothing.

    Parameters
    ----------
    found : dict of remedy to dict of score to dict
        `curves.interval` of the scores of `balance.remedies`.
    share : float
        Of the rare class.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 0.9 + 0.32 * len(found)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    chosen = {
        "accuracy": ("accuracy", 1 - share),
        "balanced": ("balanced accuracy", 0.5),
        "auc": ("AUC", 0.5),
    }
    for axes, (key, (title, useless)) in zip(panels, chosen.items(), strict=True):
        axes.axvline(useless, color="0.45", ls="--", lw=1.2)
        for row, scores in enumerate(found.values()):
            value = scores[key]
            colour = BASE if value["mean"] > useless else GENERATED
            axes.plot([value["low"], value["high"]], [row, row], color=colour, lw=1.8)
            axes.plot([value["mean"]], [row], "o", color=colour, ms=4.5)
        axes.set(title=title, ylim=(len(found) - 0.5, -0.5))
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_yticks(range(len(found)), list(found))
    return figure


def examples(images: Mapping[str, np.ndarray], columns: int = 8) -> Figure:
    """Draw what each source gives: a row of images per source, on one scale.

    Parameters
    ----------
    images : dict of name to ndarray, shape (n, h, w)
    columns : int

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, (0.25 + 7.2 / columns) * len(images)), layout="constrained")
    low, high = np.quantile(np.concatenate([some[:columns].ravel() for some in images.values()]),
                            (0.01, 0.998))  # fmt: skip
    parts = figure.subfigures(len(images), 1, squeeze=False)[:, 0]
    for part, (name, some) in zip(parts, images.items(), strict=True):
        part.suptitle(name, fontsize=9, y=1.0)
        for axes, image in zip(part.subplots(1, columns), some, strict=False):
            axes.imshow(image, vmin=low, vmax=high, cmap="inferno", origin="lower")
            axes.set_axis_off()
    return figure


def _looks(names: Mapping) -> dict[str, tuple[str, str, str]]:
    """Colour, line and mark of each curve."""
    found, number = {}, 0
    for name in names:
        if name == NONE:
            found[name] = (REAL, "-", MARKERS[0])
            continue
        line = LINES[number // len(COLOURS) % len(LINES)]
        found[name] = (COLOURS[number % len(COLOURS)], line, MARKERS[1 + number % 8])
        number += 1
    return found


def _sizes(axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    shown = list(sizes) if len(sizes) <= 4 else list(sizes)[::2]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{n:,}" for n in shown])
    axes.set_xlabel("real examples")
