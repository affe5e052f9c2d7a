"""Figures of chapter 05: the bands of a report's ``validation`` section; shapes: `morphology`.

The functions that take `sections` need nothing but the report (``report.json``), so that a stored
one can be drawn again: ``{target: validation.validate(...)}``, to which chapter 05 adds
``tiles_bare``. Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ..base.units import CO_SOFTENING
from ..validation.amplitude import asinh_scale, r2_score
from .style import BASE, GENERATED, REAL, VIOLET, band, column_title, target_panels


def multipole_axis(axes, spectrum: Mapping) -> None:
    """Make a logarithmic axis with the bins as ticks; what lies beyond the beam is shaded.

    Parameters
    ----------
    axes : Axes
    spectrum : dict
        ``ell``, ``ell_edges`` and, if there are bins beyond the beam, ``in_beam`` of a report.
    """
    ell, edges = spectrum["ell"], spectrum["ell_edges"]
    in_beam = spectrum.get("in_beam", ())
    axes.set(xscale="log", xlim=(edges[0], edges[-1]), xlabel=r"multipole $\ell$")
    axes.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    axes.minorticks_off()
    if not all(in_beam):
        axes.axvspan(edges[sum(in_beam)], edges[-1], color="0.93", zorder=0)


def spectra_bands(sections: Mapping[str, Mapping]) -> Figure:
    """Power spectra of real and generated tiles (top) and their ratio (bottom) of each target.

    The grey band of the lower panel is the real tiles' 2.5-97.5 % interval over their median; the
    bars are the 95 % interval of the tiles' own ratio, from blocks of sky drawn at random.

    Parameters
    ----------
    sections : dict of target to dict
        From a report.

    Returns
    -------
    Figure
    """
    figure, panels = target_panels(
        sections, (6.0, 6.4), rows=2, sharex=True, height_ratios=(1.4, 1)
    )
    for target, section in sections.items():
        top, bottom = panels[target]
        spectrum, real = section["spectrum"], section["spectrum"]["real"]
        ell, median = spectrum["ell"], np.array(real["median"])
        band(top, ell, real, REAL, "real")
        band(top, ell, spectrum["mock"], GENERATED, "generated sky")
        top.set(yscale="log", ylabel=r"$C_\ell$ [(K km/s)$^2$ sr]")
        top.legend()
        low, high = np.array(real["low"]) / median, np.array(real["high"]) / median
        bottom.fill_between(ell, low, high, color=REAL, alpha=0.13, lw=0)
        curves = [("generated sky, tile by tile", spectrum["paired_ratio"], GENERATED, "-")]
        curves.append(("ratio of the medians", spectrum["median_ratio"], GENERATED, ":"))
        if "tiles_bare" in section:
            bare = section["tiles_bare"]["spectrum"]["paired_ratio"]
            curves.append(("bare tiles", bare, BASE, "--"))
        for label, ratio, colour, line in curves:
            bottom.plot(ell, ratio, color=colour, ls=line, marker="o", ms=3, label=label)
        chance = np.array([spectrum["paired_ratio_95"][end] for end in ("low", "high")])
        bottom.vlines(ell, *chance, color=GENERATED, lw=1.2)
        bottom.axhline(1, color="0.4", lw=0.8)
        bottom.set(yscale="log", ylabel="generated / real")
        ratio_axis(bottom, np.concatenate([curve[1] for curve in curves] + [*chance]))
        bottom.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3, fontsize=9)
        for axes in (top, bottom):
            multipole_axis(axes, spectrum)
        top.set_xlabel("")
    return figure


def ratio_axis(axes, ratios: np.ndarray) -> None:
    """Make limits that hold the ratios and a factor of two each way, with readable ticks.

    Parameters
    ----------
    axes : Axes
        With a logarithmic y axis.
    ratios : ndarray
        What is drawn; those that are not positive are left out.
    """
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
    """Draw rho_ell of real x generated with its band, and of each input with either CO.

    Parameters
    ----------
    sections : dict of target to dict
        From a report.

    Returns
    -------
    Figure
    """
    figure, panels = target_panels(sections, (6.0, 4.6))
    for target, section in sections.items():
        (axes,) = panels[target]
        rho, ell = section["rho_ell"], section["rho_ell"]["ell"]
        axes.fill_between(
            ell,
            rho["real x mock"]["low"],
            rho["real x mock"]["high"],
            color=GENERATED,
            alpha=0.15,
            lw=0,
        )
        curves = {"real x mock": (GENERATED, "-")}
        inputs = [name.removesuffix(" x real") for name in rho if name.endswith(" x real")]
        for name, colour in zip(inputs, (BASE, VIOLET, REAL), strict=False):
            curves |= {f"{name} x real": (colour, "-"), f"{name} x mock": (colour, "--")}
        for name, (colour, line) in curves.items():
            first, second = name.split(" x ")
            word = "generated" if second == "mock" else second  # a report's word
            label = f"{column_title(first)} × {word}"
            values = rho[name]["mean_spectra"]
            width = 2.2 if name == "real x mock" else 1.4
            axes.plot(ell, values, color=colour, ls=line, lw=width, marker="o", ms=3, label=label)
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set_ylim(-0.3, 1.05)
        axes.set_ylabel(r"$\rho_\ell$")
        multipole_axis(axes, section["spectrum"])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=9)
    return figure


def pdf_curves(sections: Mapping[str, Mapping]) -> Figure:
    """Share of the pixels in bins of asinh(W / 0.3 K km/s), real and generated, target by target.

    Parameters
    ----------
    sections : dict of target to dict
        From a report.

    Returns
    -------
    Figure
    """
    figure, panels = target_panels(sections, (6.0, 3.7))
    for target, section in sections.items():
        (axes,) = panels[target]
        pdf = section["pdf"]
        for name, colour, style in (("real", REAL, "-"), ("mock", GENERATED, "--")):
            label = "generated sky" if name == "mock" else name
            axes.stairs(pdf[name], pdf["asinh_edges"], color=colour, ls=style, lw=1.6, label=label)
        axes.set(yscale="log", xlabel="W [K km/s]", ylabel="share of pixels per bin")
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
        One row of panels per target, one column per label.

    Returns
    -------
    Figure
    """
    size = (1.0 + 3.4 * len(predicted), 0.6 + 3.4 * len(real))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(real), len(predicted), squeeze=False)
    for line, (target, w) in zip(grid, real.items(), strict=True):
        x = asinh_scale(w).ravel()
        ends = [x.min(), x.max()]
        for axes, (label, tiles) in zip(line, predicted.items(), strict=True):
            y = np.clip(asinh_scale(tiles[target]).ravel(), *ends)
            axes.hist2d(x, y, bins=80, range=[ends, ends], cmap="magma_r", norm="log")
            axes.plot(ends, ends, color=BASE, lw=1)
            score = r2_score(w, tiles[target])
            axes.set_title(f"{label}\n{column_title(target)}: $R^2$ = {score:.2f}")
            axes.set(aspect="equal", xlabel="real W [K km/s]", ylabel="predicted W [K km/s]")
            for axis in (axes.xaxis, axes.yaxis):
                _asinh_axis(axis, *ends)
    return figure
