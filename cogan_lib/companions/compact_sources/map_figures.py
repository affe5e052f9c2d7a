"""Pictures of the chapter on compact sources: a cut-out, fills, and a map before and after.

Each function returns a matplotlib Figure; row 0 is below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ...plots.style import BASE, GENERATED, few_ticks, tick_label

SKY = "gray_r"  # so that coloured outlines can be seen
#: Levels of grey on the slider: noise in all 256 would make its pictures several times as large.
GREYS = 18
MAP_IN = 3.4  # longer side of the slider's map [inches]
CENTRAL_PX = 48  # of a cut-out, where fills are drawn
#: Softening of the stretch, and the faint end of it [rms of the ring].
SOFTENING, FAINTEST = 2.0, -4.0


def cutout(image: np.ndarray, hole: np.ndarray, ring: np.ndarray, stripes: np.ndarray) -> Figure:
    """Draw a source with its hole, and the annulus as it should be and as the released code has it.

    Parameters
    ----------
    image : ndarray, shape (side, side)
        NaN: no data.
    hole, ring : ndarray of bool, shape (side, side)
        Of the source; colours count from the ring's median in units of its standard deviation.
    stripes : ndarray of bool, shape (side, side)
        Pixels that count as the annulus of an array of shape (1, side, side).

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    panels = figure.subplots(1, 2)
    rms = np.nanstd(image[ring])
    above = (image - np.nanmedian(image[ring])) / rms
    norm = colors.AsinhNorm(SOFTENING, FAINTEST, max(10.0, float(np.nanmax(above))))
    shape = f"(1, {', '.join(map(str, image.shape))})"
    titles = ("annulus of a 2D array", f"of an array of shape {shape}")
    for axes, title, around in zip(panels, titles, (ring, stripes), strict=True):
        picture = axes.imshow(above, norm=norm, cmap=SKY, origin="lower")
        tint = np.where(around[..., None], colors.to_rgba(BASE, 0.3), 0)
        axes.imshow(tint, origin="lower")
        _outline(axes, around, BASE)
        _outline(axes, hole, GENERATED)
        _bare(axes)
        more = np.nanstd(image[around]) / rms
        axes.set(title=title, xlabel=f"standard deviation: {more:.3g} rms")
    bar = figure.colorbar(picture, ax=list(panels), pad=0.02, shrink=0.85)
    ticks = few_ticks(norm)
    ticks += [-tick for tick in ticks if 0 < tick <= -FAINTEST]
    bar.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
    bar.ax.minorticks_off()
    bar.set_label("above the 2D annulus [rms]")
    names = Line2D([], [], color=GENERATED), Patch(fc=colors.to_rgba(BASE, 0.3), ec=BASE)
    labels = ("hole", "pixels that count as the annulus")
    figure.legend(names, labels, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def fills(columns: Mapping[str, np.ndarray], holes: np.ndarray, rows: Sequence[str]) -> Figure:
    """Draw how methods fill holes: a row an example, a column a method, cut to the middle.

    Parameters
    ----------
    columns : dict of title to ndarray, shape (n, side, side)
        First the image with its source, which doesn't count for a row's colours: what is brighter
        than all the others is black.
    holes : ndarray of bool, shape (n, side, side)
    rows : sequence of str
        What each example is, n short names.

    Returns
    -------
    Figure
    """
    n, side = holes.shape[:2]
    edge = max(0, (side - CENTRAL_PX) // 2)
    middle = slice(edge, side - edge)
    size = 7.2 / len(columns)
    figure = Figure(figsize=(7.2, size * n + 0.8), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    grid = figure.subplots(n, len(columns), squeeze=False)
    for row, line in enumerate(grid):
        shown = [images[row, middle, middle] for images in columns.values()]
        low, high = np.nanpercentile(shown[1:] or shown, [0.5, 99.5])
        for axes, picture in zip(line, shown, strict=True):
            axes.imshow(picture, vmin=low, vmax=high, cmap=SKY, origin="lower")
            _outline(axes, holes[row, middle, middle], GENERATED)
            _bare(axes)
        line[0].set_ylabel(rows[row], fontsize=9)
    letters = int(size * 72 / 9 / 0.62)  # that fit above a panel
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(textwrap.fill(title, letters), fontsize=9)
    width = middle.stop - middle.start
    figure.supxlabel(f"{width} × {width} pixels each; one colour scale per row", fontsize=9)
    return figure


def before_after(
    image: np.ndarray, cleaned: np.ndarray, sources: np.ndarray, mask: np.ndarray, share: float
) -> Figure:
    """Draw a map as it was to the left of a line and cleaned to the right of it, for a slider.

    Parameters
    ----------
    image, cleaned : ndarray, shape (rows, columns)
        NaN: no data.
    sources : ndarray, shape (n, 2)
        Column and row; those left of the line are ringed.
    mask : ndarray of bool, shape (rows, columns)
        The holes: what is in them doesn't count for the colours.
    share : float
        Of the width, from 0 to 1: where the line stands.

    Returns
    -------
    Figure
        Of one size and one colour scale for all shares.
    """
    rows, columns = image.shape
    inches = MAP_IN * np.array([columns, rows]) / max(rows, columns)
    figure = Figure(figsize=inches + (0.1, 0.5), layout="constrained")
    axes = figure.add_subplot()
    split = round(share * columns)
    shown = np.where(np.arange(columns) < split, image, cleaned)
    quiet = image[~mask & np.isfinite(image)]
    low, faint, middle, high = np.percentile(quiet, [0.5, 16, 50, 99.5])
    greys = mpl.colormaps[SKY].resampled(GREYS).with_extremes(bad="#d7e3ee")
    linear = max(3 * (middle - faint), (high - low) / 100)  # the faint half of a skewed map, too
    norm = colors.AsinhNorm(linear, low - middle, 1.5 * (high - middle))
    # averages where the map is larger than the picture, as noise would come out at random
    axes.imshow(shown - middle, norm=norm, cmap=greys, origin="lower", interpolation="auto")
    x, y = np.asarray(sources, dtype=float).reshape(-1, 2).T
    left = x < split - 0.5
    ring = {"mfc": "none", "mec": GENERATED, "mew": 0.9, "ms": 7}
    axes.plot(x[left], y[left], "o", **ring)
    axes.axvline(split - 0.5, color=BASE, lw=1.5, clip_on=False)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5))
    _bare(axes)
    axes.set_xlabel(f"{columns} × {rows} pixels", fontsize=9)
    # transparent, not absent, so that the map stands still
    axes.set_title("as it was", loc="left", fontsize=9, alpha=float(split > 0))
    axes.set_title("cleaned", loc="right", fontsize=9, alpha=float(split < columns))
    return figure


def _outline(axes, mask: np.ndarray, colour: str) -> None:
    if mask.any():
        axes.contour(mask, [0.5], colors=[colour], linewidths=1)


def _bare(axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(True)
