"""Figures of the chapter on compact sources: errors, spectra, variances and what went wrong.

Each function returns a matplotlib Figure. Pictures are in `map_figures`. Three numbers of a method
or a try are a value and the ends of its interval, as `evaluation.Measured` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET, few_ticks, tick_label

_GREY, _PALE = "0.55", "#5ba3d0"
#: Colour, line and marker of each method, the same in all figures; other names take what is left.
METHODS = {
    "joint network": (GENERATED, "-", "o"),
    "Gaussian process": (BASE, "--", "s"),
    "typical spectrum": (_PALE, "--", "h"),
    "masked network": (VIOLET, "-.", "^"),
    "PSF fit": (REAL, ":", "D"),
    "biharmonic": (_GREY, "-", "v"),
    "annulus": (_GREY, "--", "P"),
    "Background2D": (_GREY, ":", "X"),
    "Gaussian process, a draw": (_PALE, "-", "d"),
}
GOOD_POWER = (0.95, 1.05)
LEAST_POWER, MOST_POWER = 0.7, 1.3  # ends of the axis of power, at most: the band stays visible
SNR = "flux over the local rms"
FLUX_ERROR = "rms error of the flux, over the local rms"


def looks(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Choose colours, lines and markers of methods.

    Parameters
    ----------
    names : iterable of str
        Those of `METHODS` look the same in all figures.

    Returns
    -------
    dict of name to dict
        For `Axes.plot` and `Axes.errorbar`.

    Examples
    --------
    >>> looks(["annulus", "kriging"])["kriging"] == looks(["joint network"])["joint network"]
    True
    """
    names = list(names)
    free = [look for name, look in METHODS.items() if name not in names]
    chosen = {}
    for number, name in enumerate(name for name in names if name not in METHODS):
        chosen[name] = free[number % len(free)]
    chosen |= {name: METHODS[name] for name in names if name in METHODS}
    keys = ("color", "ls", "marker")
    return {name: dict(zip(keys, chosen[name], strict=True)) for name in names}


def flux_errors(
    edges_snr: Sequence[float], errors: Mapping[str, Sequence[Sequence[float]]], title: str
) -> Figure:
    """Draw the errors of fluxes by signal to noise, with their intervals.

    Parameters
    ----------
    edges_snr : sequence of float
        Edges of the groups, rising.
    errors : dict of method to array_like, shape (groups, 3)
        Rms error of the flux over the local rms; NaN for a group without sources.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    edges = np.log10(np.asarray(edges_snr, dtype=float))
    shifts = np.linspace(-0.22, 0.22, len(errors)) if len(errors) > 1 else [0.0]
    for shift, (name, look) in zip(shifts, looks(errors).items(), strict=True):
        value, low, high = np.asarray(errors[name], dtype=float).T
        x = 10 ** (edges[:-1] + (0.5 + shift) * np.diff(edges))
        bars = [value - low, high - value]
        axes.errorbar(x, value, bars, ms=5, lw=1.2, elinewidth=1, capsize=2, label=name, **look)
    axes.set(xscale="log", yscale="log", xlabel=SNR, ylabel=FLUX_ERROR, title=title)
    axes.set_xticks(edges_snr, labels=[tick_label(edge) for edge in edges_snr])
    axes.set_xlim(edges_snr[0], edges_snr[-1])
    every = np.concatenate([np.ravel(three) for three in errors.values()])
    _round_ticks(axes.yaxis, np.nanmin(every) / 1.25, np.nanmax(every) * 1.25)
    axes.minorticks_off()
    _legend_below(figure, axes)
    return figure


def widths(wider_percent: Sequence[float], errors: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what a beam that is not as wide as stated does to fluxes at a signal to noise of 100.

    Parameters
    ----------
    wider_percent : sequence of float
        How much wider the real beam is than the one that the methods were told [%].
    errors : dict of method to sequence of float
        Relative error of the flux at each width [%].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color=REAL, lw=0.8, zorder=1)
    for name, look in looks(errors).items():
        axes.plot(wider_percent, errors[name], ms=5, label=name, **look)
    axes.set(xlabel="real beam wider than stated by [%]", xticks=list(wider_percent))
    axes.set(ylabel="error of the flux at S/N 100 [%]")
    _legend_below(figure, axes)
    return figure


def power(k_per_px: np.ndarray, ratios: Mapping[str, np.ndarray], beam_k: float) -> Figure:
    """Draw the power spectra of filled images over those of the truth.

    Parameters
    ----------
    k_per_px : ndarray, shape (n,)
        [cycles per pixel], positive.
    ratios : dict of method to ndarray, shape (n,)
        Far from 1, lines leave the figure; their names then say how far they go.
    beam_k : float
        One over the beam's FWHM [cycles per pixel].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.8, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.axhspan(*GOOD_POWER, color="0.9", lw=0, zorder=0)
    axes.axhline(1, color="0.45", lw=0.8, zorder=1)
    axes.axvline(beam_k, color="0.45", lw=1, ls=":", zorder=1)
    for name, look in looks(ratios).items():
        least, most = np.nanmin(ratios[name]), np.nanmax(ratios[name])
        far = [f"{least:.2g}"] if least < LEAST_POWER else []
        far += [f"{most:.2g}"] if most > MOST_POWER else []
        label = f"{name} (to {' and '.join(far)})" if far else name
        axes.plot(k_per_px, ratios[name], lw=1.4, label=label, color=look["color"], ls=look["ls"])
    every = np.concatenate([np.ravel(ratio) for ratio in ratios.values()])
    low, high = min(0.9, np.nanmin(every) - 0.02), max(1.1, np.nanmax(every) + 0.02)
    axes.set(xscale="log", ylim=(max(low, LEAST_POWER), min(high, MOST_POWER)))
    axes.set(xlabel="k [cycles per pixel]", ylabel="power over that of the truth")
    _round_ticks(axes.xaxis, k_per_px[0], k_per_px[-1])
    text = {"textcoords": "offset points", "fontsize": 9, "color": "0.35", "va": "bottom"}
    where = {"xycoords": axes.get_xaxis_transform(), "ha": "center"}
    axes.annotate("1 / FWHM", (beam_k, 1), (0, 2), **where, **text)
    _legend_below(figure, axes)
    return figure


def variances(ratios: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the variance in filled holes over that around them.

    Parameters
    ----------
    ratios : dict of method to (value, low, high)

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 1.0 + 0.32 * len(ratios)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(1, color=REAL, lw=0.8, zorder=1)
    _dots(axes, ratios, [look["color"] for look in looks(ratios).values()])
    axes.set(xlabel="variance in holes over that around", xlim=(0, max(1.15, axes.get_xlim()[1])))
    return figure


def ablation(rows: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the errors of networks that were trained in other ways, in holes without a source.

    Parameters
    ----------
    rows : dict of name to (value, low, high)
        Mean absolute error over the local rms. The first is what the others are compared with.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.8, 1.0 + 0.32 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(next(iter(rows.values()))[0], color=GENERATED, lw=0.8, ls=":", zorder=1)
    _dots(axes, rows, [GENERATED] + [BASE] * (len(rows) - 1))
    axes.set_xlabel("mean absolute error in blank holes, over the local rms")
    return figure


def last_layer(counts: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw what a partial convolution makes of constants, with and without the missing factor.

    Parameters
    ----------
    counts : dict of form to (constants, predicted)
        Each positive, of shape (n,): the ratio form, then the released one. The slope in each name
        is the mean of predicted over constant.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.6, 3.7), layout="constrained")
    axes = figure.add_subplot()
    looks_of = zip((GENERATED, BASE), LINES, "os", strict=False)
    for (form, (constant, predicted)), (colour, line, marker) in zip(
        counts.items(), looks_of, strict=True
    ):
        slope = float(np.mean(np.asarray(predicted) / constant))
        label = f"{form}: slope {slope:.3g}" if slope > 0.1 else f"{form}: slope 1/{1 / slope:.0f}"
        axes.plot(constant, predicted, color=colour, ls=line, marker=marker, ms=5, label=label)
    axes.set(xscale="log", yscale="log", xlabel="constant given", ylabel="value predicted")
    every = [np.concatenate([pair[i] for pair in counts.values()]) for i in (0, 1)]
    for axis, values in zip((axes.xaxis, axes.yaxis), every, strict=True):
        _round_ticks(axis, values.min() / 1.5, values.max() * 1.5)
    _legend_below(figure, axes)
    return figure


def _dots(axes, rows: Mapping[str, Sequence[float]], shades: Sequence[str]) -> None:
    """Draw values with their intervals, a row each, the first above."""
    for number, ((value, low, high), shade) in enumerate(zip(rows.values(), shades, strict=True)):
        style = {"fmt": "o", "color": shade, "ms": 6, "capsize": 3, "lw": 1.5}
        style["clip_on"] = False  # a dot at zero is a whole one
        axes.errorbar(value, number, xerr=[[value - low], [high - value]], **style)
    axes.set_yticks(range(len(rows)), labels=list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")


def _legend_below(figure: Figure, axes) -> None:
    """Name the lines below the figure, where they can't run into the names."""
    lines, names = axes.get_legend_handles_labels()
    columns = len(names) if sum(map(len, names)) < 50 else min(4, -(-len(names) // 2))
    figure.legend(lines, names, loc="outside lower center", ncols=columns, fontsize=9)


def _round_ticks(axis, low: float, high: float) -> None:
    """Set the ends of a logarithmic axis and a few round numbers on it."""
    ticks = few_ticks(colors.LogNorm(low, high), apart=0.1)
    axis.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
    axis.minorticks_off()
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
