"""Figures of the comparison: fields of all models, spectra, distributions, and the whole table.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .evaluation import K_EDGES
from .physics import ONE_POINT

#: One scale for all fields; what is below zero, which no real pixel is, is cyan.
SCALE = colors.Normalize(0, 4)
#: Of several models beside the real one.
SETS = (VIOLET, GENERATED, BASE, "0.5")


def panels(sets: Mapping[str, np.ndarray], columns: int = 6) -> Figure:
    """Draw fields, a row per model, on one scale; pixels below zero are cyan.

    Parameters
    ----------
    sets : dict of name to ndarray, shape (n, h, w)
        The first `columns` of each are drawn.
    columns : int

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 7.2 / columns * len(sets) * 0.93), layout="constrained")
    grid = figure.subplots(len(sets), columns, squeeze=False)
    for row, (name, fields) in zip(grid, sets.items(), strict=True):
        for axes, field in zip(row, fields, strict=False):
            _image(axes, field)
        row[0].set_ylabel(name, fontsize=9)
    return figure


def spectra(sets: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw the mean of the band powers and the variance of their logarithm, over real fields'.

    Parameters
    ----------
    sets : dict of name to dict
        With ``ratio`` and ``spread`` of `evaluation.assess`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    k = (K_EDGES[1:] + K_EDGES[:-1]) / 2
    said = {"ratio": "power, generated over real", "spread": "variance of its log, over real"}
    for axes, (key, label) in zip(figure.subplots(1, 2), said.items(), strict=True):
        axes.axhline(1, color=REAL, lw=0.8)
        for number, (name, found) in enumerate(sets.items()):
            axes.plot(k, found[key], label=name, **_look(number))
        axes.set(xlabel="k [cycles per pixel]", ylabel=label, yscale="log")
        ticks = [0.1, 0.2, 0.5, 1, 2, 5]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def distributions(sets: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distribution of the pixels beside the formula, on linear and logarithmic axes.

    Parameters
    ----------
    sets : dict of name to ndarray, shape (n, h, w)

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    edges = np.linspace(-1, 6, 141)
    middle = (edges[1:] + edges[:-1]) / 2
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        axes.fill_between(middle, ONE_POINT.pdf(middle), color="0.85", label="formula", lw=0)
        axes.axvline(0, color=REAL, lw=0.6)
        for number, (name, fields) in enumerate(sets.items()):
            found = np.histogram(fields, edges)[0] / (np.size(fields) * np.diff(edges))
            found[found == 0] = np.nan
            axes.plot(middle, found, label=name, **_look(number))
        axes.set(xlabel="field W", yscale=scale)
        if scale == "log":
            axes.set_ylim(1e-5, 3)
    figure.axes[0].set_ylabel("share per unit of W")
    handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=9)
    return figure


#: Measures of `table`: name of the column, limit that counts as good, and how far off a number is.
MEASURES = {
    "rms": ("power,\nrms error", 0.05),
    "spread_mean": ("spread of\nthe power", 0.15),
    "ks": ("pixels,\nKS", 0.02),
    "skewness": ("skewness", 0.1),
    "negative": ("pixels\nbelow 0", 0.001),
    "auc": ("AUC,\nsummaries", 0.1),
    "auc_pixels": ("AUC,\npixels", 0.1),
    "nearest": ("copies", 0.1),
    "excess": ("density,\nnats", 10.0),
}


def table(rows: Mapping[str, Mapping[str, float]], aims: Mapping[str, float]) -> Figure:
    """Draw the table of numbers: the darker a cell, the further from what it should be.

    Parameters
    ----------
    rows : dict of name to dict of measure to float
        Keys of `MEASURES`; what a model does not have is left empty.
    aims : dict of measure to float
        What exact fields have.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.4, 1.0 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    off = np.full((len(rows), len(MEASURES)), np.nan)
    for i, row in enumerate(rows.values()):
        for j, (key, (_, good)) in enumerate(MEASURES.items()):
            if key not in row:
                axes.text(j, i, "none", ha="center", va="center", color="0.5", fontsize=9)
                continue
            off[i, j] = np.log10(max(abs(row[key] - aims[key]) / good, 1.0))
            colour = "w" if off[i, j] > 0.9 else "k"
            value = f"{row[key]:.0f}" if key == "excess" else f"{row[key]:.3g}"
            axes.text(j, i, value, ha="center", va="center", color=colour, fontsize=9)
    axes.imshow(off, cmap="Oranges", vmin=0, vmax=1.5, aspect="auto", origin="upper")
    axes.set_xticks(range(len(MEASURES)), [name for name, _ in MEASURES.values()], fontsize=9)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    return figure


def _look(number: int) -> dict:
    return {"color": SETS[number % len(SETS)], "ls": LINES[number % len(LINES)], "lw": 1.6}


def _image(axes, field: np.ndarray) -> None:
    axes.imshow(field, norm=SCALE, cmap=_cmap(), origin="lower")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


def _cmap() -> colors.Colormap:
    from matplotlib import colormaps

    return colormaps["inferno"].with_extremes(under="cyan")
