"""Skies and tiles, several in one figure: what most chapters of the road draw.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from .style import COLUMNS, RIM, colour_bar, column_norm


def sky_panels(
    maps: Mapping[str, np.ndarray],
    units: Mapping[str, str] | str,
    *,
    columns: int = 2,
    norms: Mapping[str, colors.Normalize] | None = None,
    column_of: Mapping[str, str] | None = None,
) -> Figure:
    """Draw Mollweide maps, Galactic centre in the middle, longitude growing to the left.

    Parameters
    ----------
    maps : dict of title to ndarray, shape (12 * nside**2,)
        RING order.
    units : dict or str
        Unit of each map.
    columns : int
        Maps in a row.
    norms : dict, optional
        Colour scales; by default `column_norm` of each map.
    column_of : dict, optional
        Sky-file column that a title stands for (default: the title itself).

    Returns
    -------
    Figure
    """
    import healpy as hp

    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.1 * rows), layout="constrained")
    lat = np.linspace(-90, 90, 361)
    lon = np.linspace(-180, 180, 721)
    middle_lon, middle_lat = np.meshgrid((lon[1:] + lon[:-1]) / 2, (lat[1:] + lat[:-1]) / 2)
    for i, (title, values) in enumerate(maps.items()):
        name = (column_of or {}).get(title, title)
        unit = units if isinstance(units, str) else units[title]
        axes = figure.add_subplot(rows, columns, i + 1, projection="mollweide")
        pixels = hp.ang2pix(hp.npix2nside(len(values)), -middle_lon, middle_lat, lonlat=True)
        norm = (norms or {}).get(title) or column_norm(name, values)
        image = axes.pcolormesh(
            np.radians(lon),
            np.radians(lat),
            values[pixels],
            norm=norm,
            cmap=COLUMNS.get(name, ("inferno", ""))[0],
            rasterized=True,
        )
        axes.set_title(title)
        graticule(axes)
        colour_bar(figure, image, axes, name, unit, orientation="horizontal", shrink=0.7, pad=0.03)
    return figure


def graticule(axes) -> None:
    """Draw and label lines of Galactic coordinates on a Mollweide map, longitude to the left.

    Parameters
    ----------
    axes : GeoAxes
        Of the projection "mollweide".
    """
    lon, lat = np.arange(-120, 121, 60), np.arange(-60, 61, 30)
    labels = [f"{b}°" for b in lat]
    axes.set_yticks(np.radians(lat), labels, fontsize=7, color="0.35")
    axes.set_xticks(np.radians(lon), [""] * len(lon))
    axes.grid(True, color="w", alpha=0.35, lw=0.6)
    for x in lon:  # far from the plane, where there is something to see
        where = np.radians(x), np.radians(-67)
        axes.annotate(f"{-x % 360}°", where, ha="center", fontsize=7, color="w", path_effects=RIM)


def scale_bar(axes, npix: int, pixel_arcmin: float) -> None:
    """Draw a bar of some round degrees into the lower left corner of a tile.

    Parameters
    ----------
    axes : Axes
        On which the tile's pixels are the units.
    npix : int
        Pixels along its side.
    pixel_arcmin : float
    """
    most = 0.45 * npix * pixel_arcmin / 60
    lengths = [step * 10.0**power for power in range(-3, 3) for step in (1, 2, 5)]
    degrees = max(length for length in lengths if length <= most)
    ends = np.array([0.06, 0.06]) * npix + np.array([0, degrees * 60 / pixel_arcmin])
    axes.plot(ends, [0.07 * npix] * 2, color="w", lw=2, path_effects=RIM, solid_capstyle="butt")
    label = f"{degrees:g}°" if degrees >= 1 else f"{60 * degrees:g}′"
    axes.annotate(
        label, (ends.mean(), 0.1 * npix), ha="center", fontsize=8, color="w", path_effects=RIM
    )
    axes.set(xlim=(-0.5, npix - 0.5), ylim=(-0.5, npix - 0.5))


def tile_panels(
    rows: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str] = (),
    column_of: Mapping[str, str] | None = None,
    units: Mapping[str, str] | str = "",
    shared: Sequence[str] = (),
    pixel_arcmin: float = 0.0,
) -> Figure:
    """Draw rows of tiles, one colour scale per row; Galactic longitude grows to the left.

    Parameters
    ----------
    rows : dict of label to ndarray, shape (n, npix, npix)
    titles : sequence of str
        One per column.
    column_of : dict, optional
        Sky-file column that a label stands for (default: the label itself).
    units : dict or str
        Unit of each row.
    shared : sequence of str
        Labels of rows that share the colour scale of the first of them.
    pixel_arcmin : float
        Size of a pixel, for a scale bar in the first tile; 0 if they are no tiles of the sky.

    Returns
    -------
    Figure
    """
    n = len(next(iter(rows.values())))
    figure = Figure(figsize=(1.75 * n + 1.6, 1.85 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    leader = shared[0] if shared else None
    for line, (label, tiles) in zip(grid, rows.items(), strict=True):
        name = (column_of or {}).get(label, label)
        norm = column_norm(name, np.asarray(rows[leader] if label in shared else tiles))
        for axes, tile in zip(line, tiles, strict=True):
            image = axes.imshow(
                tile, norm=norm, cmap=COLUMNS.get(name, ("inferno", ""))[0], origin="lower"
            )
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        line[0].set_ylabel(label.replace("_", " ") if label not in COLUMNS else COLUMNS[label][1])
        unit = units if isinstance(units, str) else units.get(label, "")
        colour_bar(figure, image, list(line), name, unit, pad=0.01)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(title)
    if pixel_arcmin:
        scale_bar(grid[0][0], len(next(iter(rows.values()))[0]), pixel_arcmin)
        grid[-1][0].set_xlabel("← longitude", fontsize=8)
    return figure
