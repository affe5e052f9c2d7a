"""Figures of the map: the dust from above, in slices of distance, and its correlations.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.path import Path

from ...plots.style import LINES, REAL, RIM, colour_bar
from .figures import look
from .physics import STEP_KPC

#: Where the map ends [kpc].
FARTHEST_KPC = 10.0
#: Brightest over faintest colour of the dust from above.
CONTRAST = 100
COLUMNS = 2  # maps in a row, from above


def face_on(
    maps: Mapping[str, np.ndarray],
    lon_deg: np.ndarray,
    arms: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Draw the dust in the plane as seen from the north Galactic pole, the Sun at (0, 0).

    Parameters
    ----------
    maps : dict of title to ndarray, shape (n_lon, BINS)
        A_V per length at b = 0 [mag/kpc]; drawn to 10 kpc. The first sets the colour scale.
    lon_deg : ndarray, shape (n_lon,)
        Middles of the cells, evenly spaced, rising.
    arms : dict of name to (x, y)
        Lines to draw over the dust [kpc], x towards the Galactic centre, y towards l = 90 deg.

    Returns
    -------
    Figure
    """
    rows = -(-len(maps) // COLUMNS)
    figure = Figure(figsize=(7.2, 0.7 + 3.5 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True)
    bins = round(FARTHEST_KPC / STEP_KPC)
    lon, distance = np.radians(_edges(lon_deg)), STEP_KPC * np.arange(bins + 1)
    wedge = Path(_outline(lon))
    x, y = np.outer(np.cos(lon), distance), np.outer(np.sin(lon), distance)
    top = float(np.percentile(next(iter(maps.values()))[:, :bins], 99.5))
    norm = colors.LogNorm(top / CONTRAST, top)
    panels = grid.ravel()
    for axes, (title, dust) in zip(panels, maps.items(), strict=False):
        shown = np.maximum(dust[:, :bins], norm.vmin)  # no dust is no hole
        image = axes.pcolormesh(x, y, shown, norm=norm, cmap="inferno", rasterized=True)
        for number, (name, line) in enumerate(arms.items()):
            style = {"ls": LINES[number % 4], "lw": 1.4, "color": "w", "path_effects": RIM}
            (arm,) = axes.plot(*line, label=name, **style)
            arm.set_clip_path(wedge, axes.transData)
        axes.plot(0, 0, "o", ms=5, color=REAL)
        axes.annotate("Sun", (0, 0), (6, -2), textcoords="offset points", fontsize=9)
        axes.set(title=title, aspect="equal", xlim=(x.min() - 0.4, x.max() + 0.4))
        axes.set(ylim=(y.min() - 0.4, y.max() + 0.5))
        axes.grid(False)
    for end, align, side in ((0, "right", -5), (-1, "left", 5)):
        where = 0.22 * x[end, -1], 0.22 * y[end, -1]
        text = f"l = {np.degrees(lon[end]):g}°"
        panels[0].annotate(text, where, (side, 0), textcoords="offset points", ha=align, fontsize=9)
    for axes in panels[len(maps) :]:
        axes.axis("off")
    for axes in grid[-1]:
        axes.set_xlabel("x, towards the centre [kpc]")
    for axes in grid[:, 0]:
        axes.set_ylabel("y, towards l = 90° [kpc]")
    label = r"dust in the plane, $A_V$ per length"
    options = {"extend": "both", "pad": 0.02, "shrink": 0.8}
    colour_bar(figure, image, list(panels), label, "mag/kpc", **options)
    if arms:
        lines = panels[0].get_legend_handles_labels()
        dark = {"frameon": True, "facecolor": "0.3", "labelcolor": "w"}  # as the arms are white
        figure.legend(*lines, loc="outside lower center", ncols=len(arms), fontsize=9, **dark)
    return figure


def slices(
    maps: Mapping[str, np.ndarray],
    lon_deg: np.ndarray,
    lat_deg: np.ndarray,
    ranges_kpc: Sequence[tuple[float, float]],
) -> Figure:
    """Draw the sky in slices of distance, a row per map and a column with its scale per slice.

    Parameters
    ----------
    maps : dict of title to ndarray, shape (n_ranges, n_lat, n_lon)
        A_V within each range [mag]. The first sets the colour scales.
    lon_deg, lat_deg : ndarray, shape (n_lon,) and (n_lat,)
        Middles of the cells, evenly spaced, rising; longitude is drawn growing to the left.
    ranges_kpc : sequence of (near, far)

    Returns
    -------
    Figure
    """
    n = len(ranges_kpc)
    figure = Figure(figsize=(7.2, 1.2 + 0.95 * len(maps)), layout="constrained")
    grid = figure.subplots(len(maps), n, squeeze=False, sharex=True, sharey=True)
    lon, lat = _edges(lon_deg), _edges(lat_deg)
    scales = [np.percentile(part, 99.5) for part in next(iter(maps.values()))]
    norms = [colors.Normalize(0, float(top)) for top in scales]
    for row, (title, parts) in zip(grid, maps.items(), strict=True):
        images = []
        for axes, part, norm in zip(row, parts, norms, strict=True):
            images.append(axes.pcolormesh(lon, lat, part, norm=norm, cmap="inferno"))
            images[-1].set_rasterized(True)
            axes.set(xlim=(lon[-1], lon[0]), ylim=(lat[0], lat[-1]))
            axes.tick_params(labelsize=8)
            axes.grid(False)
        row[0].set_ylabel(textwrap.fill(title, 12), fontsize=9)
    figure.supylabel("b [deg]", fontsize=9)
    for column, (near, far) in enumerate(ranges_kpc):
        grid[0, column].set_title(f"{near:g} to {far:g} kpc")
        grid[-1, column].set_xlabel("l [deg]", fontsize=9)
        bar = figure.colorbar(
            images[column], ax=list(grid[:, column]), orientation="horizontal", extend="max",
            label=r"$A_V$ [mag]", pad=0.02, aspect=25,
        )  # fmt: skip
        bar.ax.locator_params(nbins=5)
        bar.ax.tick_params(labelsize=8)
    return figure


def correlations(
    lag_kpc: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Figure:
    """Draw the correlation of the dust along and across the sightlines.

    Parameters
    ----------
    lag_kpc : ndarray, shape (n,)
    curves : dict of label to (radial, transverse)
        Each of shape (n,), 1 at no lag. The first is drawn black; the network is the next.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("along the sightline", "across the sightlines")
    for side, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for number, (label, pair) in enumerate(curves.items()):
            style = look(number - 1) if number else {"color": REAL}
            axes.plot(lag_kpc, pair[side], label=label, **style)
        axes.axhline(0.5, color="0.5", lw=0.8, zorder=1)
        axes.set(title=title, xlabel="lag [kpc]", xlim=(lag_kpc[0], lag_kpc[-1]))
        axes.locator_params(axis="x", nbins=4)
    text = {"va": "center", "fontsize": 9, "color": "0.35", "annotation_clip": False}
    panels[1].annotate("half", (lag_kpc[-1], 0.5), (5, 0), textcoords="offset points", **text)
    panels[0].set_ylabel("correlation of the dust")
    lines = panels[0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=min(len(curves), 5), fontsize=9)
    return figure


def _edges(middles: np.ndarray) -> np.ndarray:
    """Edges of evenly spaced cells."""
    half = (middles[1] - middles[0]) / 2
    return np.append(middles - half, middles[-1] + half)


def _outline(lon: np.ndarray) -> np.ndarray:
    """Corners of the wedge between the first and the last longitude [rad]."""
    arc = FARTHEST_KPC * np.stack([np.cos(lon), np.sin(lon)], 1)
    return np.concatenate([[[0, 0]], arc, [[0, 0]]])
