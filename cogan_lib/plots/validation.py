"""Figures of chapter 05: the bands of a report's ``validation`` section, and how they came about.

The functions that take `sections` need nothing but the report (``report.json``), so that a stored
one can be drawn again: ``{target: validation.validate(...)}``, to which chapter 05 adds
``tiles_bare``. Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..base.units import CO_SOFTENING
from ..validation import morphology
from ..validation.amplitude import asinh_scale, r2_score
from ..validation.tiles import standardise
from .style import BASE, COLUMNS, MOCK, REAL, VIOLET, band, colour_bar, column_norm

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


def _title(target: str) -> str:
    return COLUMNS.get(target, ("", target))[1]


def _stack(
    sections: Mapping, size: tuple[float, float], rows: int = 1, columns: int = 1, **options
) -> tuple[Figure, dict[str, np.ndarray]]:
    """A figure of `size` inches a target, the targets one below the other, and their panels."""
    figure = Figure(figsize=(size[0], size[1] * len(sections)), layout="constrained")
    parts = figure.subfigures(len(sections), 1, squeeze=False)[:, 0]
    panels = {}
    for part, target in zip(parts, sections, strict=True):
        part.suptitle(_title(target))
        panels[target] = part.subplots(rows, columns, squeeze=False, **options).ravel()
    return figure, panels


def _multipoles(axes, spectrum: Mapping) -> None:
    """Logarithmic multipole axis with the bins as ticks; what lies beyond the beam is shaded."""
    ell, edges = spectrum["ell"], spectrum["ell_edges"]
    axes.set(xscale="log", xlim=(edges[0], edges[-1]), xlabel=r"multipole $\ell$")
    axes.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    axes.minorticks_off()
    if not all(spectrum["in_beam"]):
        axes.axvspan(edges[sum(spectrum["in_beam"])], edges[-1], color="0.93", zorder=0)


def spectra_bands(sections: Mapping[str, Mapping]) -> Figure:
    """Power spectra of real and mock tiles (top) and mock over real (bottom) of each target.

    The grey band of the lower panel is the real tiles' 2.5-97.5 % interval over their median; the
    bars are the 68 % interval of the ratio of the medians, from blocks of sky drawn at random.
    """
    figure, panels = _stack(sections, (6.0, 6.4), rows=2, sharex=True, height_ratios=(1.4, 1))
    for target, section in sections.items():
        top, bottom = panels[target]
        spectrum, real = section["spectrum"], section["spectrum"]["real"]
        ell, median = spectrum["ell"], np.array(real["median"])
        band(top, ell, real, REAL, "real")
        band(top, ell, spectrum["mock"], MOCK, "mock sky")
        top.set(yscale="log", ylabel=r"$C_\ell$ [(K km/s)$^2$ sr]")
        top.legend()
        low, high = np.array(real["low"]) / median, np.array(real["high"]) / median
        bottom.fill_between(ell, low, high, color=REAL, alpha=0.13, lw=0)
        curves = [("mock sky", spectrum["median_ratio"], MOCK, "-")]
        standardised = section["spectrum_standardised"]["median_ratio"]
        curves.append(("mock sky, standardised", standardised, MOCK, ":"))
        if "tiles_bare" in section:
            bare = section["tiles_bare"]["spectrum"]["median_ratio"]
            curves.append(("bare tiles", bare, BASE, "--"))
        for label, ratio, colour, line in curves:
            bottom.plot(ell, ratio, color=colour, ls=line, marker="o", ms=3, label=label)
        chance = np.array([spectrum["median_ratio_68"][end] for end in ("low", "high")])
        bottom.vlines(ell, *chance, color=MOCK, lw=1.2)
        bottom.axhline(1, color="0.4", lw=0.8)
        bottom.set(yscale="log", ylabel="mock / real")
        _ratio_ticks(bottom, np.concatenate([curve[1] for curve in curves] + [*chance]))
        bottom.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3, fontsize=9)
        for axes in (top, bottom):
            _multipoles(axes, spectrum)
        top.set_xlabel("")
    return figure


def _ratio_ticks(axes, ratios: np.ndarray) -> None:
    """Limits that hold the ratios and a factor of two each way, with readable ticks."""
    positive = ratios[ratios > 0]
    low = min(0.4, *(positive / 1.3)) if positive.size else 0.4
    high = max(2.5, *(positive * 1.3)) if positive.size else 2.5
    ticks = [t for t in (0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 3, 10, 30, 100) if low <= t <= high]
    if high > 10 or low < 0.1:
        ticks = [t for t in ticks if t not in (0.5, 2)]
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, labels=[f"{t:g}" for t in ticks])
    axes.yaxis.minorticks_off()


def correlation_bands(sections: Mapping[str, Mapping]) -> Figure:
    """rho_ell of real x mock with its band, and of each input with either CO, target by target."""
    figure, panels = _stack(sections, (6.0, 4.6))
    for target, section in sections.items():
        (axes,) = panels[target]
        rho, ell = section["rho_ell"], section["rho_ell"]["ell"]
        axes.fill_between(
            ell, rho["real x mock"]["low"], rho["real x mock"]["high"], color=MOCK, alpha=0.15, lw=0
        )
        curves = {"real x mock": (MOCK, "-")}
        inputs = [name.removesuffix(" x real") for name in rho if name.endswith(" x real")]
        for name, colour in zip(inputs, (BASE, VIOLET, REAL), strict=False):
            curves |= {f"{name} x real": (colour, "-"), f"{name} x mock": (colour, "--")}
        for name, (colour, line) in curves.items():
            first, second = name.split(" x ")
            label = f"{_title(first)} × {second}"
            values = rho[name]["mean_spectra"]
            width = 2.2 if name == "real x mock" else 1.4
            axes.plot(ell, values, color=colour, ls=line, lw=width, marker="o", ms=3, label=label)
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set_ylim(-0.3, 1.05)
        axes.set_ylabel(r"$\rho_\ell$")
        _multipoles(axes, section["spectrum"])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=9)
    return figure


def minkowski_bands(sections: Mapping[str, Mapping], lowest: float = -2.0) -> Figure:
    """V0, V1 and V2 of real and mock tiles against the threshold, target by target."""
    figure, blocks = _stack(sections, (7.2, 5.6), rows=2, columns=2)
    for target, panels in blocks.items():
        section = sections[target]["minkowski"]
        x = section["thresholds"]
        for axes, (name, label) in zip(panels, MINKOWSKI.items(), strict=False):
            band(axes, x, section[name]["real"], REAL, "real")
            band(axes, x, section[name]["mock"], MOCK, "mock sky")
            axes.set(xlim=(lowest, 6), xlabel=r"threshold $\nu$ [sd]", ylabel=label)
        _legend_panel(panels)
    return figure


def _legend_panel(panels: np.ndarray) -> None:
    """Use the fourth of four panels for the legend of the first."""
    panels[3].axis("off")
    panels[3].legend(*panels[0].get_legend_handles_labels(), loc="center", fontsize=11)


def shape_bands(sections: Mapping[str, Mapping]) -> Figure:
    """Quantiles of the structures' four descriptors, real and mock, target by target."""
    figure, blocks = _stack(sections, (7.2, 5.6), rows=2, columns=2)
    for target, panels in blocks.items():
        section = sections[target]["shapes"]
        percent = 100 * np.array(section["levels"])
        for axes, (name, label) in zip(panels, SHAPES.items(), strict=True):
            band(axes, percent, section[name]["real"], REAL, "real")
            band(axes, percent, section[name]["mock"], MOCK, "mock sky")
            axes.set(xlabel="quantile of a tile's structures [%]", ylabel=label, xticks=percent)
            if name in ("area", "perimeter"):
                axes.set_yscale("log")
        panels[0].legend()
    return figure


def pdf_curves(sections: Mapping[str, Mapping]) -> Figure:
    """Share of the pixels in bins of asinh(W / 0.3 K km/s), real and mock, target by target."""
    figure, panels = _stack(sections, (6.0, 3.7))
    for target, section in sections.items():
        (axes,) = panels[target]
        pdf = section["pdf"]
        for name, colour, style in (("real", REAL, "-"), ("mock", MOCK, "--")):
            label = "mock sky" if name == "mock" else name
            axes.stairs(pdf[name], pdf["asinh_edges"], color=colour, ls=style, lw=1.6, label=label)
        axes.set(yscale="log", xlabel="W [K km/s]", ylabel="share of pixels a bin")
        _asinh_axis(axes.xaxis, pdf["asinh_edges"][0], pdf["asinh_edges"][-1])
        axes.legend()
    return figure


def _asinh_axis(axis, low: float, high: float) -> None:
    """Ticks in K km/s on an axis of asinh(W / 0.3 K km/s)."""
    ticks = [-10, -1, 0, 1, 3, 10, 30, 100, 1000]
    ticks = [tick for tick in ticks if low <= np.arcsinh(tick / CO_SOFTENING) <= high]
    axis.set_ticks(np.arcsinh(np.array(ticks) / CO_SOFTENING), labels=[f"{t:g}" for t in ticks])


def amplitude_planes(
    real: Mapping[str, np.ndarray], predicted: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """Predicted against real W, pixel by pixel, with the R^2 of each.

    Parameters
    ----------
    real : dict of target to ndarray, shape (n, npix, npix)
        K km/s.
    predicted : dict of label to dict of target to ndarray
        One row of panels a target, one column a label.
    """
    size = (1.0 + 3.4 * len(predicted), 0.6 + 3.4 * len(real))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(real), len(predicted), squeeze=False)
    for line, (target, truth) in zip(grid, real.items(), strict=True):
        x = asinh_scale(truth).ravel()
        ends = [x.min(), x.max()]
        for axes, (label, tiles) in zip(line, predicted.items(), strict=True):
            y = np.clip(asinh_scale(tiles[target]).ravel(), *ends)
            axes.hist2d(x, y, bins=80, range=[ends, ends], cmap="magma_r", norm="log")
            axes.plot(ends, ends, color=BASE, lw=1)
            score = r2_score(truth, tiles[target])
            axes.set_title(f"{label}\n{_title(target)}: $R^2$ = {score:.2f}")
            axes.set(aspect="equal", xlabel="real W [K km/s]", ylabel="predicted W [K km/s]")
            for axis in (axes.xaxis, axes.yaxis):
                _asinh_axis(axis, *ends)
    return figure


def excursion_sets(
    tile: np.ndarray, target: str, thresholds: Sequence[float], pixel_arcmin: float
) -> Figure:
    """A tile of W and its excursion sets at three thresholds, with their three functionals."""
    figure = Figure(figsize=(6.6, 6.9), layout="constrained")
    first, *others = figure.subplots(2, 2).ravel()
    _co_picture(figure, first, tile, target)
    first.set_title("the tile")
    flat = standardise(tile[None])
    for axes, nu in zip(others, thresholds, strict=True):
        step = np.array([nu - 0.1, nu, nu + 0.1])
        v = morphology.minkowski(flat, step, pixel_arcmin=pixel_arcmin, standardised=True)
        v0, v1, v2 = (values[0, 1] for values in v)
        axes.contourf(flat[0], [nu, np.inf], colors=[MOCK])
        axes.contour(flat[0], [nu], colors=REAL, linewidths=1)
        axes.set_aspect("equal")
        axes.set_title(f"$\\nu$ = {nu:g}: $V_0$ {v0:.2f}, $V_1$ {v1:.2f}, $V_2$ {v2:.2f}")
    for axes in (first, *others):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    return figure


def _co_picture(figure: Figure, axes, tile: np.ndarray, target: str) -> None:
    """A tile of W with its colour bar below."""
    image = axes.imshow(tile, cmap=COLUMNS[target][0], norm=column_norm(target, tile))
    colour_bar(figure, image, axes, target, "K km/s", orientation="horizontal", shrink=0.85)


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
    """
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    curves = zip(panels, MINKOWSKI.values(), exact, measured, sky, strict=False)
    for axes, label, truth, points, real in curves:
        scale = 1.0 if truth is exact[0] else np.abs(truth).max() / np.abs(real).max()
        axes.plot(thresholds, scale * real, color=MOCK, ls="--", label="real CO (peaks made equal)")
        axes.plot(thresholds, truth, color=BASE, label="Gaussian field, exact")
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
    """A tile of W with the outlines of its structures, and the structures coloured by `name`.

    Parameters
    ----------
    tile : ndarray, shape (npix, npix)
    name : str
        One of `morphology.DESCRIPTORS`.
    smallest_arcmin2 : float
        Structures of a smaller area are outlined only.
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
        The real tile, then the made one, in K km/s; both share the real one's colours.
    target : str
        Sky-file column of the tiles.
    threshold : float
        nu, in standard deviations of each tile above its mean; a point marks it on the curves.
    pixel_arcmin : float
    """
    figure = Figure(figsize=(6.6, 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.55, 1))
    pictures = upper.subplots(1, 2)
    norm = column_norm(target, next(iter(tiles.values())))
    looks = zip(pictures, tiles.items(), (REAL, MOCK), strict=True)
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
        for (label, values), colour in zip(curves.items(), (REAL, MOCK), strict=True):
            axes.plot(nu, values[i][0], color=colour, lw=1.3, label=label)
            axes.plot(threshold, np.interp(threshold, nu, values[i][0]), "o", color=colour, ms=5)
        axes.set(xlabel=r"threshold $\nu$ [sd]", xlim=(nu[0], nu[-1]))
        axes.set_title(name, fontsize=9)
    panels[0].legend(fontsize=9)
    return figure
