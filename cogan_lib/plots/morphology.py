"""Figures of chapter 05 about shapes: Minkowski functionals and structures.

Every function returns a matplotlib Figure and shows nothing; the others of the chapter are in
`validation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..validation import morphology
from ..validation.tiles import standardise
from .panels import scale_bar
from .style import (
    BASE,
    COLUMNS,
    GENERATED,
    REAL,
    band,
    colour_bar,
    column_norm,
    target_panels,
)

MINKOWSKI = {
    "V0": "area fraction $V_0$",
    "V1": r"edge length $V_1$ [deg$^{-1}$]",
    "V2": r"islands $-$ holes $V_2$ [deg$^{-2}$]",
}
SHAPES = {
    "area": r"area [deg$^2$]",
    "perimeter": "perimeter [deg]",
    "compactness": "compactness",
    "circularity": "circularity",
}


def minkowski_bands(sections: Mapping[str, Mapping], lowest: float = -2.0) -> Figure:
    """V0, V1 and V2 of real and generated tiles against the threshold, target by target.

    Parameters
    ----------
    sections : dict of target to dict
        From a report.
    lowest : float
        Where the axis of thresholds begins.

    Returns
    -------
    Figure
    """
    figure, blocks = target_panels(sections, (7.2, 5.6), rows=2, columns=2)
    for target, panels in blocks.items():
        section = sections[target]["minkowski"]
        x = section["thresholds"]
        for axes, (name, label) in zip(panels, MINKOWSKI.items(), strict=False):
            band(axes, x, section[name]["real"], REAL, "real")
            band(axes, x, section[name]["mock"], GENERATED, "generated sky")
            axes.set(xlim=(lowest, 6), xlabel=r"threshold $\nu$ [sd]", ylabel=label)
        _legend_panel(panels)
    return figure


def shape_bands(sections: Mapping[str, Mapping]) -> Figure:
    """Quantiles of the structures' four descriptors, real and generated, target by target.

    Parameters
    ----------
    sections : dict of target to dict
        From a report.

    Returns
    -------
    Figure
    """
    figure, blocks = target_panels(sections, (7.2, 5.6), rows=2, columns=2)
    for target, panels in blocks.items():
        section = sections[target]["shapes"]
        percent = 100 * np.array(section["levels"])
        for axes, (name, label) in zip(panels, SHAPES.items(), strict=True):
            band(axes, percent, section[name]["real"], REAL, "real")
            band(axes, percent, section[name]["mock"], GENERATED, "generated sky")
            axes.set(xlabel="quantile of a tile's structures [%]", ylabel=label, xticks=percent)
            if name in ("area", "perimeter"):
                axes.set_yscale("log")
        panels[0].legend()
    return figure


def excursion_sets(
    tile: np.ndarray, target: str, thresholds: Sequence[float], pixel_arcmin: float
) -> Figure:
    """Draw a tile of W and its excursion sets at three thresholds, with their functionals.

    Parameters
    ----------
    tile : ndarray, shape (npix, npix)
        In K km/s.
    target : str
        Column of the sky file.
    thresholds : sequence of float
        In standard deviations above the tile's mean.
    pixel_arcmin : float

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.6, 6.9), layout="constrained")
    first, *others = figure.subplots(2, 2).ravel()
    _co_picture(figure, first, tile, target)
    first.set_title("the tile")
    flat = standardise(tile[None])
    for axes, nu in zip(others, thresholds, strict=True):
        step = np.array([nu - 0.1, nu, nu + 0.1])
        v = morphology.minkowski(flat, step, pixel_arcmin=pixel_arcmin, standardised=True)
        v0, v1, v2 = (values[0, 1] for values in v)
        axes.contourf(flat[0], [nu, np.inf], colors=[GENERATED])
        axes.contour(flat[0], [nu], colors=REAL, linewidths=1)
        axes.set_aspect("equal")
        axes.set_title(f"$\\nu$ = {nu:g}: $V_0$ {v0:.2f}, $V_1$ {v1:.2f}, $V_2$ {v2:.2f}")
    for axes in (first, *others):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    scale_bar(first, len(tile), pixel_arcmin)
    return figure


def gaussian_test(
    thresholds: np.ndarray,
    exact: Sequence[np.ndarray],
    measured: Sequence[np.ndarray],
    sky: Sequence[np.ndarray],
) -> Figure:
    """Exact Minkowski curves of a Gaussian field, those measured on tiles, and the real sky's.

    Parameters
    ----------
    thresholds : ndarray, shape (m,)
    exact, measured, sky : three arrays each, shape (m,)
        V0, V1, V2. The sky's V1 and V2 are drawn with the peak of the exact ones.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    curves = zip(panels, MINKOWSKI.values(), exact, measured, sky, strict=False)
    for axes, label, ideal, points, real in curves:
        scale = 1.0 if ideal is exact[0] else np.abs(ideal).max() / np.abs(real).max()
        axes.plot(
            thresholds, scale * real, color=GENERATED, ls="--", label="real CO (peaks made equal)"
        )
        axes.plot(thresholds, ideal, color=BASE, label="Gaussian field, exact")
        axes.plot(thresholds, points, "o", color=REAL, ms=3.5, label="Gaussian tiles, measured")
        axes.set(xlabel=r"threshold $\nu$ [sd]", ylabel=label)
    _legend_panel(panels)
    return figure


def structure_map(
    tile: np.ndarray,
    target: str,
    name: str,
    *,
    pixel_arcmin: float,
    smallest_arcmin2: float,
    threshold: float = 1.0,
) -> Figure:
    """Draw a tile of W with its structures outlined, and these coloured by `name`.

    Parameters
    ----------
    tile : ndarray, shape (npix, npix)
    target : str
        Column of the sky file.
    name : str
        One of `morphology.DESCRIPTORS`.
    pixel_arcmin : float
    smallest_arcmin2 : float
        Structures of a smaller area are outlined only.
    threshold : float
        In standard deviations above the tile's mean.

    Returns
    -------
    Figure
    """
    from skimage.measure import label

    found = morphology.structures(tile[None], pixel_arcmin=pixel_arcmin, threshold=threshold)
    flat = standardise(tile[None])[0]
    labels = label(flat > threshold, connectivity=2)
    large = found["area"] * 3600 >= smallest_arcmin2
    values = np.append(np.nan, np.where(large, found[name], np.nan))[labels]
    figure = Figure(figsize=(7.2, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _co_picture(figure, left, tile, target)
    left.contour(flat, [threshold], colors="white", linewidths=1.2)
    image = right.imshow(values, cmap="viridis")
    figure.colorbar(image, ax=right, label=SHAPES[name], orientation="horizontal", shrink=0.85)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    return figure


def excursion_pair(
    tiles: Mapping[str, np.ndarray], target: str, threshold: float, *, pixel_arcmin: float
) -> Figure:
    """Two tiles of W with what lies below a threshold veiled, and their Minkowski curves.

    Parameters
    ----------
    tiles : dict of label to ndarray, shape (npix, npix)
        The real tile, then the generated one, in K km/s; both share the real one's colours.
    target : str
        Sky-file column of the tiles.
    threshold : float
        nu, in standard deviations of each tile above its mean; a point marks it on the curves.
    pixel_arcmin : float

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.55, 1))
    pictures = upper.subplots(1, 2)
    norm = column_norm(target, next(iter(tiles.values())))
    looks = zip(pictures, tiles.items(), (REAL, GENERATED), strict=True)
    for axes, (label, tile), colour in looks:
        image = axes.imshow(tile, cmap=COLUMNS[target][0], norm=norm)
        flat = standardise(tile[None])[0]
        axes.contourf(flat, [-np.inf, threshold], colors="white", alpha=0.83)
        if flat.min() < threshold < flat.max():
            axes.contour(flat, [threshold], colors=REAL, linewidths=1)
        edge = (0, len(tile) - 1)  # pixel centres, where the veil ends
        axes.set(xlim=edge, ylim=edge, xticks=[], yticks=[], aspect="equal")
        axes.set_title(label, color=colour)
        axes.spines[:].set(visible=True, color="0.7")
        axes.grid(False)
    colour_bar(upper, image, list(pictures), target, "K km/s", shrink=0.85)
    nu = morphology.THRESHOLDS[(morphology.THRESHOLDS >= -2) & (morphology.THRESHOLDS <= 6)]
    curves = {
        label: morphology.minkowski(tile[None], nu, pixel_arcmin=pixel_arcmin)
        for label, tile in tiles.items()
    }
    panels = lower.subplots(1, 3)
    for i, (axes, name) in enumerate(zip(panels, MINKOWSKI.values(), strict=True)):
        axes.axvline(threshold, color="0.6", lw=0.8)
        for (label, values), colour in zip(curves.items(), (REAL, GENERATED), strict=True):
            axes.plot(nu, values[i][0], color=colour, lw=1.3, label=label)
            axes.plot(threshold, np.interp(threshold, nu, values[i][0]), "o", color=colour, ms=5)
        axes.set(xlabel=r"threshold $\nu$ [sd]", xlim=(nu[0], nu[-1]))
        axes.set_title(name, fontsize=9)
    panels[0].legend(fontsize=9)
    return figure


def _co_picture(figure: Figure, axes, tile: np.ndarray, target: str) -> None:
    """Draw a tile of W with its colour bar below."""
    image = axes.imshow(tile, cmap=COLUMNS[target][0], norm=column_norm(target, tile))
    colour_bar(figure, image, axes, target, "K km/s", orientation="horizontal", shrink=0.85)


def _legend_panel(panels: np.ndarray) -> None:
    """Use the fourth of four panels for the legend of the first."""
    panels[3].axis("off")
    panels[3].legend(*panels[0].get_legend_handles_labels(), loc="center", fontsize=11)
