"""Figures of chapter 01: the sky's columns against each other, cutting, round trip, scalings.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps, colors
from matplotlib.figure import Figure

from .style import BASE, COLUMNS, GENERATED, SPLIT_COLOURS, colour_bar, column_norm


def density_planes(x: Mapping[str, np.ndarray], y: np.ndarray, y_label: str) -> Figure:
    """How often pairs of positive values occur, in logarithmic planes with medians.

    Parameters
    ----------
    x : dict of axis label to ndarray, shape (n,)
        One panel each; pixels that are not positive are left out.
    y : ndarray, shape (n,)
    y_label : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(3.4 * len(x) + 0.4, 3.6), layout="constrained")
    for axes, (label, values) in zip(figure.subplots(1, len(x), sharey=True), x.items(),
                                     strict=True):  # fmt: skip
        good = (values > 0) & (y > 0)
        log_x, log_y = np.log10(values[good]), np.log10(y[good])
        ends = [np.percentile(log_x, [0.3, 99.9]), np.percentile(log_y, [0.3, 99.9])]
        edges = [np.logspace(*end, 70) for end in ends]
        counts = axes.hist2d(values[good], y[good], bins=edges, cmap="Blues", norm="log")[3]
        bins = np.linspace(*ends[0], 13)
        which = np.digitize(log_x, bins)
        filled = [i for i in range(1, len(bins)) if (which == i).sum() >= 20]
        axes.plot(
            [10 ** (bins[i] / 2 + bins[i - 1] / 2) for i in filled],
            [10 ** np.median(log_y[which == i]) for i in filled],
            "o-", color=GENERATED, ms=4, label="median",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.legend(loc="upper left")
    figure.axes[0].set_ylabel(y_label)
    figure.colorbar(counts, ax=list(figure.axes), label="pixels", pad=0.01)
    return figure


def cutting_panels(
    tile: np.ndarray,
    lonlat: tuple[np.ndarray, np.ndarray],
    errors: Mapping[str, np.ndarray],
    name: str,
    unit: str,
) -> Figure:
    """Draw a tile with lines of equal longitude and latitude, and errors on one colour scale.

    Parameters
    ----------
    tile : ndarray, shape (npix, npix)
    lonlat : two ndarrays, shape (npix, npix)
        Degrees, of the tile's pixels.
    errors : dict of title to ndarray, shape (npix, npix)
    name, unit : str
        Column of the sky file.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.45 * (1 + len(errors)), 3.3), layout="constrained")
    line = figure.subplots(1, 1 + len(errors))
    norm, cmap = column_norm(name, tile), COLUMNS[name][0]
    colour_bar(figure, line[0].imshow(tile, norm=norm, cmap=cmap), line[0], name, unit,
               orientation="horizontal")  # fmt: skip
    middle = lonlat[0][len(tile) // 2, len(tile) // 2]
    lon = (lonlat[0] - middle + 180) % 360 - 180 + middle
    for values, circle, label in ((lon, 360, "{:g}°"), (lonlat[1], None, "{:+g}°")):
        lines = line[0].contour(values, levels=4, colors="white", linewidths=0.8)
        names = {v: label.format(v % circle if circle else v) for v in lines.levels}
        line[0].clabel(lines, fmt=names)
    line[0].set_title("tile with $l$ and $b$")
    top = max(float(np.abs(error).max()) for error in errors.values())
    for axes, (title, error) in zip(line[1:], errors.items(), strict=True):
        image = axes.imshow(error, norm=colors.Normalize(-top, top), cmap="RdBu_r")
        axes.set_title(title)
    figure.colorbar(image, ax=list(line[1:]), label=f"error [{unit}]", orientation="horizontal",
                    shrink=0.7)  # fmt: skip
    for axes in line:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.grid(False)
    return figure


def ring_panels(tiles: Mapping[str, np.ndarray], name: str, unit: str) -> Figure:
    """Draw tiles of a map that cannot be negative on one colour scale, what is below zero in red.

    Parameters
    ----------
    tiles : dict of title to ndarray, shape (npix, npix)
        The last one sets the colour scale.
    name, unit : str
        Column of the sky file.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(3.3 * len(tiles) + 0.8, 3.4), layout="constrained")
    line = figure.subplots(1, len(tiles), squeeze=False)[0]
    norm = column_norm(name, list(tiles.values())[-1])
    cmap = colormaps[COLUMNS.get(name, ("inferno", ""))[0]].with_extremes(bad="red")
    for axes, (title, tile) in zip(line, tiles.items(), strict=True):
        image = axes.imshow(np.ma.masked_less(tile, 0), norm=norm, cmap=cmap)
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(False)
    colour_bar(figure, image, list(line), name, unit, pad=0.01)
    return figure


def region(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Read off the values of a RING map in the pixels that points fall in.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
    points : ndarray, shape (..., 3)
        Unit vectors.

    Returns
    -------
    ndarray, shape (...)
    """
    import healpy as hp

    return values[hp.vec2pix(hp.npix2nside(values.size), *np.moveaxis(points, -1, 0))]


def round_trip_panels(
    before: np.ndarray,
    after: np.ndarray,
    cells: np.ndarray,
    side_deg: float,
    name: str,
    unit: str,
) -> Figure:
    """Draw a region before and after the round trip, with the cells' borders, and the difference.

    Parameters
    ----------
    before, after : ndarray, shape (n, n)
    cells : ndarray of int, shape (n, n)
        Number of the tile that owns each pixel; its changes are drawn as lines.
    side_deg : float
        Side of the region.
    name, unit : str
        Column of the sky file.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.6, 3.7), layout="constrained")
    line = figure.subplots(1, 3, sharey=True)
    half = side_deg / 2
    place = {"extent": (half, -half, -half, half), "origin": "lower"}
    norm, cmap = column_norm(name, before), COLUMNS[name][0]
    for axes, title, values in zip(line, ("before", "after"), (before, after), strict=False):
        image = axes.imshow(values, norm=norm, cmap=cmap, **place)
        axes.set_title(title)
    colour_bar(figure, image, list(line[:2]), name, unit, orientation="horizontal", shrink=0.7)
    top = float(np.percentile(np.abs(after - before), 99.9)) or 1.0
    image = line[2].imshow(after - before, norm=colors.Normalize(-top, top), cmap="RdBu_r", **place)
    line[2].set_title("after − before")
    bar = figure.colorbar(image, ax=line[2], label=f"difference [{unit}]",
                          orientation="horizontal")  # fmt: skip
    bar.ax.locator_params(nbins=3)
    borders = np.zeros(cells.shape)
    borders[1:] += cells[1:] != cells[:-1]
    borders[:, 1:] += cells[:, 1:] != cells[:, :-1]
    for axes in line[1:]:
        overlay = np.ma.masked_equal((borders > 0).astype(float), 0)
        axes.imshow(overlay, cmap=colors.ListedColormap(["0.6"]), alpha=0.5, **place)
    for axes in line:
        axes.set_xlabel("degrees to the east")
        axes.grid(False)
    line[0].set_ylabel("degrees to the north")
    return figure


def scaling_histograms(values: Mapping[str, np.ndarray]) -> Figure:
    """Histograms, two per row, counts on a logarithmic axis.

    Parameters
    ----------
    values : dict of label to ndarray
        The label is the axis label, units included.

    Returns
    -------
    Figure
    """
    rows = -(-len(values) // 2)
    figure = Figure(figsize=(6.2, 2.4 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, sharey=True, squeeze=False)
    for axes, (label, sample) in zip(grid.ravel(), values.items(), strict=False):
        axes.hist(np.ravel(sample), bins=80, histtype="stepfilled", color=BASE, alpha=0.8)
        axes.set(yscale="log", xlabel=label)
    for axes in grid[:, 0]:
        axes.set_ylabel("pixels")
    return figure


def scaled_tiles(
    rows: Mapping[str, np.ndarray], titles: Sequence[str], name: str, unit: str
) -> Figure:
    """Draw one set of tiles in several scalings: first in physical units, then linear ones.

    Parameters
    ----------
    rows : dict of label to ndarray, shape (n, npix, npix)
    titles : sequence of str
        One per tile.
    name, unit : str
        Column of the sky file, for the first row.

    Returns
    -------
    Figure
    """
    n = len(titles)
    figure = Figure(figsize=(2.3 * n + 1.2, 2.15 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for i, (line, (label, tiles)) in enumerate(zip(grid, rows.items(), strict=True)):
        norm = column_norm(name, tiles) if i == 0 else colors.Normalize(tiles.min(), tiles.max())
        for axes, tile in zip(line, tiles, strict=True):
            image = axes.imshow(tile, norm=norm, cmap=COLUMNS[name][0])
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        line[0].set_ylabel(label)
        if i == 0:
            colour_bar(figure, image, list(line), name, unit)
        else:
            figure.colorbar(image, ax=list(line))
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    return figure


def split_map(lonlat: np.ndarray, split: Mapping[str, np.ndarray]) -> Figure:
    """Tile centres on the Galaxy, coloured by what they are used for.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
    split : dict of name to ndarray of bool, shape (n,)

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.5, 2.9), layout="constrained")
    axes = figure.add_subplot()
    for name, chosen in split.items():
        axes.scatter(
            *lonlat[chosen].T, s=7, color=SPLIT_COLOURS[name], label=f"{name} ({chosen.sum()})"
        )
    axes.set(xlim=(360, 0), xlabel="Galactic longitude [deg]", ylabel="Galactic latitude [deg]")
    axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.18))
    return figure
