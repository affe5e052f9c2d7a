"""The book's figures in one style. Every function returns a matplotlib Figure and shows nothing.

Colours are safe for colour-blind eyes: real data grey and black, mock data orange, baselines blue.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

REAL, MOCK, BASE = "#222222", "#d95f02", "#1b6ca8"
SPLIT_COLOURS = {"train": "#1b6ca8", "validation": "#7a5195", "test": "#d95f02"}
#: Colour map and label of each column.
COLUMNS = {
    "DUST": ("cividis", "dust"),
    "N_HI": ("viridis", r"$N_\mathrm{HI}$"),
    "W_CO10": ("inferno", r"$W_\mathrm{CO}$ 1-0"),
    "W_CO21": ("inferno", r"$W_\mathrm{CO}$ 2-1"),
}


def style() -> None:
    """Set matplotlib's defaults, and let notebooks show figures that were made without pyplot."""
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png")
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "image.origin": "lower",
            "image.interpolation": "nearest",
        }
    )


def column_norm(name: str, values: np.ndarray) -> colors.Normalize:
    """Colour scale of a column: logarithmic for dust and HI, asinh for CO (noise stays visible)."""
    values = values[np.isfinite(values)]
    if name.startswith("W_"):
        top = float(np.percentile(values, 99.7))
        return colors.AsinhNorm(0.3, vmin=-0.3, vmax=max(top, 1.0))
    low, high = np.percentile(values[values > 0], [0.5, 99.7])
    return colors.LogNorm(float(low), float(high))


def colour_bar(figure: Figure, image, axes, name: str, unit: str, **options) -> None:
    """A colour bar with few, readable ticks."""
    bar = figure.colorbar(image, ax=axes, **options)
    if name.startswith("W_"):
        top = image.norm.vmax
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300) if tick <= top]
        bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
        bar.ax.minorticks_off()
    bar.set_label(column_label(name, unit))


def column_label(name: str, unit: str) -> str:
    """Name and unit of a column for a colour bar."""
    unit = unit.replace("cm-2", r"cm$^{-2}$")
    label = COLUMNS.get(name, ("", name))[1]
    return f"{label} [{unit}]" if unit else label


def sky_panels(
    maps: Mapping[str, np.ndarray],
    units: Mapping[str, str] | str,
    *,
    columns: int = 2,
    norms: Mapping[str, colors.Normalize] | None = None,
    column_of: Mapping[str, str] | None = None,
) -> Figure:
    """Mollweide maps, Galactic centre in the middle, longitude growing to the left.

    Parameters
    ----------
    maps : dict of title to ndarray, shape (12 * nside**2,)
        RING order.
    units : dict or str
        Unit of each map.
    norms : dict, optional
        Colour scales; by default `column_norm` of each map.
    column_of : dict, optional
        Sky-file column that a title stands for (default: the title itself).
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
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        colour_bar(figure, image, axes, name, unit, orientation="horizontal", shrink=0.7, pad=0.03)
    return figure


def tile_panels(
    rows: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str] = (),
    column_of: Mapping[str, str] | None = None,
    units: Mapping[str, str] | str = "",
    shared: Sequence[str] = (),
) -> Figure:
    """Rows of tiles, one colour scale a row.

    Parameters
    ----------
    rows : dict of label to ndarray, shape (n, npix, npix)
    titles : sequence of str
        One a column.
    column_of : dict, optional
        Sky-file column that a label stands for (default: the label itself).
    shared : sequence of str
        Labels of rows that share the colour scale of the first of them.
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
    return figure


def split_map(lonlat: np.ndarray, split: Mapping[str, np.ndarray]) -> Figure:
    """Tile centres on the Galaxy, coloured by what they are used for.

    Parameters
    ----------
    lonlat : ndarray, shape (n, 2)
    split : dict of name to ndarray of bool, shape (n,)
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


def training_curves(history: Sequence[Mapping[str, float]], best_epoch: int) -> Figure:
    """Losses of the four networks, and the validation checks, epoch by epoch."""
    epoch = [row["epoch"] for row in history]
    panels = {
        "losses": (
            "adversarial",
            "cycle",
            "identity",
            "pair",
            "discriminator_a",
            "discriminator_b",
        ),
        "validation: spectrum and histogram error": ("spectrum", "histogram"),
        r"validation: $R^2$ and score": ("r2", "score"),
    }
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name in names:
            values = [row.get(name) for row in history]
            if all(value not in (None, "") for value in values):
                axes.plot(epoch, list(map(float, values)), ".-", label=name.replace("_", " "))
        axes.axvline(best_epoch, color="0.6", ls=":", lw=1)
        axes.set(title=title, xlabel="epoch")
        if "R^2" not in title:
            axes.set_yscale("log")
        axes.legend(fontsize=8)
    return figure


def band(axes, x, section: Mapping, colour: str, label: str) -> None:
    """Median line and 2.5-97.5 % band of a report's {median, low, high} section."""
    axes.plot(x, section["median"], color=colour, label=label, marker="o", ms=3, lw=1.3)
    axes.fill_between(x, section["low"], section["high"], color=colour, alpha=0.18, lw=0)


def power_kept(
    ell: np.ndarray, curves: Mapping[str, np.ndarray], in_beam: np.ndarray, of: str
) -> Figure:
    """Share of the power that is kept, by multipole; what lies beyond the beam is shaded.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    curves : dict of label to ndarray, shape (n_bins,)
    in_beam : ndarray of bool, shape (n_bins,)
        From `spectra.bin_edges`.
    of : str
        What the share is of, for the axis.
    """
    figure = Figure(figsize=(6.8, 3.8), layout="constrained")
    axes = figure.add_subplot()
    colours = (MOCK, BASE, REAL, "#7a5195", "#5f7f2f")
    looks = zip("osD^v", ("-", "--", "-.", ":", "-"), colours, strict=True)
    for (label, share), (marker, line, colour) in zip(curves.items(), looks, strict=False):
        axes.plot(ell, share, marker=marker, ls=line, color=colour, ms=5, label=label)
    axes.axhline(1, color="0.5", lw=0.8)
    if not in_beam.all():
        axes.axvspan(ell[in_beam][-1] ** 0.5 * ell[~in_beam][0] ** 0.5, ell[-1] * 1.1, color="0.93")
    axes.set(
        xscale="log",
        xlim=(ell[0] / 1.1, ell[-1] * 1.1),
        ylim=(0, max(1.15, *(float(np.max(share)) * 1.05 for share in curves.values()))),
        xlabel=r"multipole $\ell$",
        ylabel=f"share of {of}",
    )
    axes.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    axes.minorticks_off()
    axes.legend(fontsize=9)
    return figure


def cells_and_weights(
    share: np.ndarray, side_deg: float, distance: np.ndarray, weights: Mapping[str, np.ndarray]
) -> Figure:
    """Left: the share of the strongest tile over a piece of sky. Right: weight beyond a border.

    Parameters
    ----------
    share : ndarray, shape (npix, npix)
        Largest normalised weight at each point, 1 where one tile alone speaks.
    side_deg : float
        Side of the piece of sky.
    distance : ndarray, shape (m,)
        Position between two neighbouring centres, in spacings; the border is at 0.
    weights : dict of label to ndarray, shape (m,)
        Share of the first of the two tiles.
    """
    figure = Figure(figsize=(8.6, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    half = side_deg / 2
    image = left.imshow(share, cmap="magma", vmin=0, vmax=1, extent=(half, -half, -half, half))
    left.set(xlabel="degrees to the east", ylabel="degrees to the north")
    left.grid(False)
    figure.colorbar(image, ax=left, label="share of the strongest tile")
    for (label, weight), line, colour in zip(
        weights.items(), ("-", "--", "-."), (MOCK, BASE, REAL), strict=False
    ):
        right.plot(distance, weight, ls=line, color=colour, label=label)
    right.axvline(0, color="0.5", lw=0.8)
    right.set(xlabel="distance beyond the border [spacings]", ylabel="share of the first tile")
    right.legend(fontsize=9)
    return figure


def picture_panels(
    pictures: Mapping[str, np.ndarray],
    *,
    label: str = "",
    cmap: str = "gray",
    shared: bool = True,
    squares: Mapping[str, Mapping[str, int]] | None = None,
) -> Figure:
    """Plain pictures side by side, without sky coordinates, and squares around their middles.

    Parameters
    ----------
    pictures : dict of title to ndarray, shape (h, w)
    label : str
        What the colours mean.
    shared : bool
        One colour scale for all, or each its own.
    squares : dict of title to dict of label to int
        Sides in pixels of the squares to draw.
    """
    figure = Figure(figsize=(2.9 * len(pictures), 3.1), layout="constrained")
    line = figure.subplots(1, len(pictures), squeeze=False)[0]
    ends = [f(np.concatenate([p.ravel() for p in pictures.values()])) for f in (np.min, np.max)]
    for axes, (title, picture) in zip(line, pictures.items(), strict=True):
        low, high = ends if shared else (picture.min(), picture.max())
        image = axes.imshow(picture, cmap=cmap, vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(False)
        for (name, side), colour in zip(
            ((squares or {}).get(title) or {}).items(), (MOCK, BASE), strict=False
        ):
            corner = np.array(picture.shape[::-1]) / 2 - side / 2 - 0.5
            box = Rectangle(corner, side, side, fill=False, ec=colour, lw=2, label=name)
            axes.add_patch(box)
        if axes.patches:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=9)
        if not shared:
            figure.colorbar(image, ax=axes, shrink=0.75)
    if shared:
        figure.colorbar(image, ax=list(line), shrink=0.75, label=label)
    return figure


def landscapes(
    x: np.ndarray,
    losses: Mapping[str, np.ndarray],
    paths: Mapping[str, np.ndarray],
    labels: tuple[str, str],
) -> Figure:
    """Losses of two weights as contours, with the paths of a descent.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Values of either weight.
    losses : dict of title to ndarray, shape (n, n)
        Row: second weight.
    paths : dict of title to ndarray, shape (steps, m, 2)
        m descents; their ends are drawn orange where the first weight is negative.
    """
    figure = Figure(figsize=(2.6 * len(losses), 3.1), layout="constrained")
    line = figure.subplots(1, len(losses), squeeze=False, sharey=True)[0]
    for axes, (title, loss) in zip(line, losses.items(), strict=True):
        levels = np.geomspace(max(loss.min(), 0.2), loss.max(), 16)
        axes.contourf(x, x, loss, levels, norm=colors.LogNorm(), cmap="Greys", extend="min")
        for path in paths[title].transpose(1, 0, 2):
            colour = MOCK if path[-1, 0] < 0 else BASE
            axes.plot(*path.T, color=colour, lw=0.8, alpha=0.8)
            axes.plot(*path[-1], "o", color=colour, ms=6, mec="white")
        axes.set(title=title, xlabel=labels[0], aspect="equal", xticks=[-1, 0, 1])
    line[0].set(ylabel=labels[1], yticks=[-1, 0, 1])
    return figure


def spectrum_and_histogram(
    ell: np.ndarray,
    edge: float,
    spectra: Mapping[str, np.ndarray],
    pixels: Mapping[str, np.ndarray],
) -> Figure:
    """Two piles of CO tiles, real first: their spectra with bands, and histograms of their pixels.

    Parameters
    ----------
    edge : float
        Multipole of the beam; what lies beyond is shaded.
    spectra : dict of label to ndarray, shape (n, n_bins)
    pixels : dict of label to ndarray
        asinh(W / 0.3 K km/s).
    """
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(*np.percentile(np.concatenate([*pixels.values()]), [0.01, 99.99]), 60)
    for (label, power), colour in zip(spectra.items(), (REAL, MOCK), strict=True):
        low, median, high = np.percentile(power, [2.5, 50, 97.5], axis=0)
        band(left, ell, {"low": low, "median": median, "high": high}, colour, label)
        right.hist(pixels[label].ravel(), bins, density=True, histtype="step", color=colour, lw=1.5)
    left.set(xscale="log", yscale="log", xlabel=r"multipole $\ell$")
    left.axvspan(edge, max(edge, ell[-1] * 1.1), color="0.93", zorder=0)
    left.set_ylabel(r"$C_\ell$ [(K km/s)$^2$ sr]")
    left.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    left.minorticks_off()
    left.legend()
    ticks = (-1, 0, 1, 3, 10, 30, 100)
    right.set_xticks(np.arcsinh(np.array(ticks) / 0.3), labels=ticks)
    right.set(yscale="log", xlim=bins[[0, -1]], xlabel="W [K km/s]", ylabel="density of pixels")
    return figure
