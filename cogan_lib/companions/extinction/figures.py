"""Figures of the chapter on extinction: stars, diagrams, profiles and their errors.

Each function returns a matplotlib Figure. Those of the map are in `map_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET, colour_bar, few_ticks, tick_label
from .evaluation import DISTANCES_KPC, ONE_SIGMA
from .physics import BINS, COLOUR, LIMITS, MAGNITUDE, STEP_KPC, distance_modulus
from .rivals import CLUMP_COLOUR, CLUMP_MAGNITUDE

#: The method whose line is the level to beat, in dicts of errors.
PRIOR = "training mean"
#: Of methods, the network first.
METHODS, MARKERS = (GENERATED, BASE, VIOLET), "os^"
#: Distances that profiles are drawn at: where we are, and the far edges of the bins.
EDGES_KPC = STEP_KPC * np.arange(BINS + 1)
DISTANCE = "distance [kpc]"
UP_TO, RMSE = r"cumulative $A_V$ [mag]", r"rms error of cumulative $A_V$ [mag]"
ARROW_MAG = 5.0  # A_V that the arrow stands for


def look(number: int) -> dict[str, str]:
    """Choose colour and line of a method, the same in all figures.

    Parameters
    ----------
    number : int
        0 is the network, its rivals follow.

    Returns
    -------
    dict
        For `Axes.plot`.
    """
    return {"color": METHODS[number % len(METHODS)], "ls": LINES[number % len(LINES)]}


def one_star(
    tracks: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], star: tuple[float, float]
) -> Figure:
    """Draw how far and how reddened one star could be: one answer for each kind of star.

    Parameters
    ----------
    tracks : dict of kind to (distance_kpc, a_v, colour)
        Where a star of this kind has the measured Ks, and the J - Ks that it would have there,
        which rises or falls along the track. A marker stands where that is the measured one.
    star : (float, float)
        J - Ks and Ks as measured [mag].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    axes = figure.add_subplot()
    for number, (kind, (distance, a_v, colour)) in enumerate(tracks.items()):
        axes.plot(distance, a_v, label=kind, **look(number))
        order = np.argsort(colour)
        if colour[order[0]] <= star[0] <= colour[order[-1]]:
            fit = [np.interp(star[0], colour[order], x[order]) for x in (distance, a_v)]
            axes.plot(*fit, "o", ms=9, mec="w", color=look(number)["color"])
    axes.plot([], [], "o", color="0.4", ms=8, label="colour fits, too")
    axes.set(xscale="log", xlabel=DISTANCE, ylabel=r"$A_V$ [mag]", ylim=(0, None))
    _round_ticks(axes.xaxis, *axes.get_xlim())
    title = r"a star with $J - K_\mathrm{{s}}$ = {:g} and $K_\mathrm{{s}}$ = {:g} mag"
    axes.set_title(title.format(*star))
    _legend_below(figure, axes)
    return figure


def diagrams(
    clear: np.ndarray, seen: np.ndarray, depth: np.ndarray, law: tuple[float, float]
) -> Figure:
    """Draw a profile, and a diagram without and with its dust, on one colour scale.

    Parameters
    ----------
    clear, seen : ndarray, shape (SIDE, SIDE)
        Stars per pixel; less than half a star is left white.
    depth : ndarray, shape (BINS,)
        Cumulative A_V [mag].
    law : (float, float)
        A_J / A_V and A_Ks / A_V, for the arrow.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(0.8, 1, 1))
    left.plot(EDGES_KPC, _from_us(depth), color=REAL)
    left.set(xlabel=DISTANCE, ylabel=UP_TO, title="dust", xlim=(0, EDGES_KPC[-1]), ylim=(0, None))
    norm = colors.LogNorm(1, max(10.0, clear.max(), seen.max()))
    for axes, counts, title in ((middle, clear, "without dust"), (right, seen, "with dust")):
        image = _draw_diagram(axes, counts, norm)
        axes.set_title(title)
    right.set(ylabel="", yticklabels=[])
    tail = np.array([3.2, 6.3])
    head = tail + ARROW_MAG * np.array([law[0] - law[1], law[1]])
    right.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": GENERATED, "lw": 1.8})
    above = {"ha": "center", "va": "bottom", "fontsize": 9, "color": GENERATED}
    right.text((tail[0] + head[0]) / 2, tail[1] - 0.2, f"$A_V$ = {ARROW_MAG:g} mag", **above)
    colour_bar(figure, image, [middle, right], "stars per pixel", "", pad=0.02)
    _small_ticks(figure)
    return figure


def cloud(
    clear: np.ndarray,
    seen: np.ndarray,
    depth: np.ndarray,
    law: tuple[float, float],
    distance_kpc: float,
) -> Figure:
    """Draw what a cloud at some distance does to a diagram, for a slider.

    Parameters
    ----------
    clear, seen : ndarray, shape (SIDE, SIDE)
        Stars per pixel without and with the cloud. The first sets the colour scale, which is so
        the same for all distances.
    depth : ndarray, shape (BINS,)
        Cumulative A_V [mag].
    law : (float, float)
        A_J / A_V and A_Ks / A_V.
    distance_kpc : float
        Of the cloud.

    Returns
    -------
    Figure
        Of one size.
    """
    figure = Figure(figsize=(6.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(0.75, 1))
    left.plot(EDGES_KPC, _from_us(depth), color=GENERATED, lw=2)
    left.axvline(distance_kpc, color="0.5", lw=0.8, ls=":")
    left.set(xlabel=DISTANCE, ylabel=UP_TO, xlim=(0, EDGES_KPC[-1]))
    left.set(ylim=(0, max(1.1 * depth[-1], 0.1)), title=f"cloud at {distance_kpc:g} kpc")
    image = _draw_diagram(right, seen, colors.LogNorm(1, max(10.0, clear.max())))
    ks = CLUMP_MAGNITUDE + distance_modulus(EDGES_KPC[1:])
    straight = np.full(BINS, CLUMP_COLOUR)
    right.plot(straight, ks, color=REAL, lw=1.2, ls="--", label="red clump without dust")
    bent = straight + (law[0] - law[1]) * depth, ks + law[1] * depth
    right.plot(*bent, color=GENERATED, lw=1.8, label="red clump with dust")
    right.legend(fontsize=8, loc="upper right")
    colour_bar(figure, image, right, "stars per pixel", "", pad=0.02)
    _small_ticks(figure)
    return figure


def profiles(
    real: np.ndarray, found: np.ndarray, wide: np.ndarray, rivals: Mapping[str, np.ndarray]
) -> Figure:
    """Draw six examples: real, by the network with its 68 per cent, and by its rivals.

    Parameters
    ----------
    real, found : ndarray, shape (6, BINS)
        Cumulative A_V [mag].
    wide : ndarray, shape (6, BINS)
        Standard deviation of `found`, recalibrated [mag].
    rivals : dict of method to ndarray, shape (6, BINS)
        Cumulative A_V [mag].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 4.7), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True)
    for row, axes in enumerate(grid.ravel()):
        axes.plot(EDGES_KPC, _from_us(real[row]), color=REAL, zorder=4, label="real")
        axes.plot(EDGES_KPC, _from_us(found[row]), zorder=3, label="network", **look(0))
        low, high = (_from_us(found[row] + side * wide[row]) for side in (-1, 1))
        band = {"color": look(0)["color"], "alpha": 0.25, "lw": 0, "label": "its 68 %"}
        axes.fill_between(EDGES_KPC, np.maximum(low, 0), high, **band)
        for number, (method, values) in enumerate(rivals.items(), start=1):
            axes.plot(EDGES_KPC, _from_us(values[row]), lw=1, label=method, **look(number))
        axes.set(xlim=(0, EDGES_KPC[-1]), ylim=(0, None))
    _legend_below(figure, axes)
    for axes in grid[-1]:
        axes.set_xlabel(DISTANCE)
    for axes in grid[:, 0]:
        axes.set_ylabel(UP_TO)
    _small_ticks(figure)
    return figure


def errors(rmse: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draw how the errors of methods grow with distance.

    Parameters
    ----------
    rmse : dict of method to sequence of float
        At `evaluation.DISTANCES_KPC` [mag]; the network first. The line of `PRIOR` is marked.
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    _method_lines(figure, axes, DISTANCES_KPC, rmse)
    axes.set(xlabel=DISTANCE, ylabel=RMSE, title=title, xticks=DISTANCES_KPC)
    return figure


def calibration(
    distances_kpc: Sequence[float],
    before: Sequence[float],
    after: Sequence[float],
    aim: float = ONE_SIGMA,
) -> Figure:
    """Draw the share of the errors within the network's spread, before and after recalibration.

    Parameters
    ----------
    distances_kpc, before, after : sequence of float
        Shares, from 0 to 1, at each distance.
    aim : float
        What it should be.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.0, 3.3), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(aim, color="0.45", lw=1, label=f"aim, {100 * aim:.0f} %")
    axes.plot(distances_kpc, before, "s--", color=BASE, ms=5, label="dropout as it is")
    axes.plot(distances_kpc, after, "o-", color=GENERATED, ms=5, label="recalibrated")
    axes.set(xlabel=DISTANCE, ylabel="errors within the spread", ylim=(0, 1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    _legend_below(figure, axes)
    return figure


def fewer_stars(areas: Sequence[float], rmse: Mapping[str, Sequence[float]]) -> Figure:
    """Draw how errors at one distance grow where fewer stars are seen.

    Parameters
    ----------
    areas : sequence of float
        Share of the cell, at most 1.
    rmse : dict of method to sequence of float
        At each area [mag], the network first; one number for `PRIOR`, whose level is marked.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.0, 3.7), layout="constrained")
    axes = figure.add_subplot()
    _method_lines(figure, axes, areas, rmse)
    axes.set(xscale="log", xlabel="share of the cell that is seen", ylabel=RMSE)
    _round_ticks(axes.xaxis, *axes.get_xlim())
    return figure


def memory(rmse: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what a frozen catalogue does: one row a distance, one dot a way to train and test.

    Parameters
    ----------
    rmse : dict of label to sequence of float
        At `evaluation.DISTANCES_KPC` [mag]: trained and tested on one catalogue, trained on it and
        tested on new stars, trained and tested on new stars.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.0, 3.7), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(DISTANCES_KPC))
    every = np.array(list(rmse.values()))
    axes.hlines(rows, every.min(0), every.max(0), color="0.75", lw=1.5, zorder=1)
    for number, (label, values) in enumerate(rmse.items()):
        dots = {"marker": "sDo"[number % 3], "color": (BASE, VIOLET, GENERATED)[number % 3]}
        axes.plot(values, rows, ls="", ms=8, mec="w", label=label, **dots)
    axes.set_yticks(rows, labels=[f"{distance:g} kpc" for distance in DISTANCES_KPC])
    axes.set(xlabel=RMSE, ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    figure.legend(loc="outside upper left", fontsize=9)
    return figure


def _from_us(a_v: np.ndarray) -> np.ndarray:
    """No dust lies at no distance."""
    return np.concatenate([[0], a_v])


def _draw_diagram(axes, counts: np.ndarray, norm: colors.Normalize):
    """Draw counts with bright stars above, and the survey's limit in J; the other is the edge."""
    image = axes.imshow(
        np.ma.masked_less(counts, 0.5), norm=norm, cmap="viridis_r", aspect="auto",
        origin="upper", extent=(*COLOUR, *MAGNITUDE[::-1]), interpolation="nearest",
    )  # fmt: skip
    ks = np.array([MAGNITUDE[1], LIMITS["J"] - COLOUR[1]])
    axes.plot(LIMITS["J"] - ks, ks, color="0.5", lw=0.8, ls=":")
    where, text = (LIMITS["J"] - ks.mean(), ks.mean()), {"fontsize": 8, "color": "0.4", "va": "top"}
    axes.annotate(f"$J$ = {LIMITS['J']:g}", where, (4, -4), textcoords="offset points", **text)
    axes.set(xlabel=r"$J - K_\mathrm{s}$ [mag]", ylabel=r"$K_\mathrm{s}$ [mag]")
    axes.set(xlim=COLOUR, ylim=MAGNITUDE[::-1])
    axes.grid(False)
    return image


def _method_lines(figure: Figure, axes, x, rmse: Mapping[str, Sequence[float]]) -> None:
    """Draw errors over x, logarithmically, and say which line is the prior's."""
    for number, method in enumerate(method for method in rmse if method != PRIOR):
        axes.plot(x, rmse[method], marker=MARKERS[number % 3], ms=5, label=method, **look(number))
    if PRIOR in rmse:
        axes.plot(x, np.broadcast_to(rmse[PRIOR], len(x)), color="0.45", lw=1.2, label=PRIOR)
    every = np.concatenate([np.atleast_1d(values) for values in rmse.values()])
    axes.set(yscale="log")
    _round_ticks(axes.yaxis, every.min() / 1.25, every.max() * 1.25)
    _legend_below(figure, axes)


def _legend_below(figure: Figure, axes) -> None:
    """Name the lines below the figure, where they can't run into the names."""
    lines, names = axes.get_legend_handles_labels()
    columns = len(names) if sum(map(len, names)) < 55 else 3
    figure.legend(lines, names, loc="outside lower center", ncols=columns, fontsize=9)


def _round_ticks(axis, low: float, high: float) -> None:
    """Set the ends of a logarithmic axis and a few round numbers on it."""
    ticks = few_ticks(colors.LogNorm(low, high), apart=0.1)
    axis.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
    axis.minorticks_off()
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})


def _small_ticks(figure: Figure) -> None:
    for axes in figure.axes:
        axes.tick_params(labelsize=8)
