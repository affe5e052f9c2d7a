"""Figures of chapter 06 about members, their calibration and what they are compared with.

Every function returns a matplotlib Figure and shows nothing. W is in K km/s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .panels import scale_bar, sky_panels
from .style import BASE, COLUMNS, GENERATED, REAL, VIOLET, colour_bar, column_norm, sentence_figure

GREEN = "#5f7f2f"
ONE_LINE = "This sky has one CO line, so there is no line ratio to show."


def guesses_and_scores(
    ell: np.ndarray,
    power: Mapping[str, np.ndarray],
    width: np.ndarray,
    scores: Mapping[str, np.ndarray],
) -> Figure:
    """Left: power of a member and of the best guess over the real one. Right: what scores reward.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    power : dict of label to ndarray, shape (n_bins,)
    width : ndarray, shape (m,)
        Standard deviation of the members over the real one.
    scores : dict of label to ndarray, shape (m,)
        Mean score of such members; the lowest is marked.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.6, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = (("o-", GENERATED), ("s-", BASE), (":", REAL))
    for (label, share), (line, colour) in zip(power.items(), looks, strict=False):
        left.plot(ell, share, line, color=colour, ms=4, label=label)
    left.set(xscale="log", ylim=(0, 1.25), xlabel=r"multipole $\ell$", ylabel="power over real")
    left.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    left.minorticks_off()
    for (label, score), colour in zip(scores.items(), (BASE, GENERATED), strict=False):
        best = np.argmin(score)
        right.plot(width, score, color=colour, label=label)
        right.plot(width[best], score[best], "o", color=colour, ms=8)
    right.axvline(1, color="0.5", lw=0.8)
    right.set(xlabel="spread of the members / real spread", ylabel="mean score (low is good)")
    for axes in (left, right):
        axes.legend(fontsize=9)
    return figure


def noise_tiles(
    tiles: Mapping[str, np.ndarray], titles: Sequence[str], shared: Mapping[str, slice]
) -> Figure:
    """Rows of noise tiles with the columns that the rows share outlined.

    Parameters
    ----------
    tiles : dict of label to ndarray, shape (n, npix, npix)
    titles : sequence of str
        One per column.
    shared : dict of label to slice
        Pixel columns that show the same sky in all rows.

    Returns
    -------
    Figure
    """
    n = len(titles)
    figure = Figure(figsize=(2.3 * n + 0.9, 2.4 * len(tiles)), layout="constrained")
    grid = figure.subplots(len(tiles), n, squeeze=False)
    for line, (label, row) in zip(grid, tiles.items(), strict=True):
        part, side = shared[label], row.shape[-1]
        start, stop, _ = part.indices(side)
        for axes, tile in zip(line, row, strict=True):
            image = axes.imshow(tile, cmap="RdBu_r", vmin=-3, vmax=3)
            box = (start - 0.5, -0.5), stop - start, side
            axes.add_patch(Rectangle(*box, fill=False, ec=REAL, lw=2))
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        line[0].set_ylabel(label)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    figure.colorbar(image, ax=list(grid.ravel()), label="noise [standard deviations]", pad=0.01)
    return figure


def one_place(
    pictures: Mapping[str, tuple[np.ndarray, str]],
    units: Mapping[str, str],
    pixel_arcmin: float,
    columns: int = 4,
) -> Figure:
    """Pictures of one place; all of CO have the colour scale of the first of them.

    Parameters
    ----------
    pictures : dict of title to (ndarray of shape (npix, npix), column of the sky file)
    units : dict of column to str
    pixel_arcmin : float
        Size of a pixel, for a scale bar in the first one.
    columns : int
        Pictures in a row.

    Returns
    -------
    Figure
    """
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.75 * rows), layout="constrained")
    panels, norms = figure.subplots(rows, columns, squeeze=False).ravel(), {}
    for axes, (title, (tile, column)) in zip(panels, pictures.items(), strict=False):
        norm = norms.setdefault(column, column_norm(column, tile))
        image = axes.imshow(tile, norm=norm, cmap=COLUMNS[column][0])
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(False)
        bar = {"orientation": "horizontal", "shrink": 0.9, "pad": 0.02}
        colour_bar(figure, image, axes, column, units[column], **bar)
        figure.axes[-1].tick_params(which="both", labelsize=7)
    scale_bar(panels[0], len(next(iter(pictures.values()))[0]), pixel_arcmin)
    for axes in panels[len(pictures) :]:
        axes.axis("off")
    return figure


def calibration_panels(
    rank: Sequence[float],
    spread: np.ndarray,
    error: np.ndarray,
    levels: np.ndarray,
    covered: np.ndarray,
) -> Figure:
    """Rank histogram, error against spread, and share of the real values within each interval.

    Parameters
    ----------
    rank : sequence of float, length m + 1
        Share of the real values at each place among m members.
    spread, error : ndarray, shape (k,)
        rms spread of the members, and rms error of their mean, in classes of spread.
    levels, covered : ndarray, shape (n,)
        Nominal and actual share within the central intervals.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.4, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    m = len(rank) - 1
    left.bar(np.arange(m + 1), np.array(rank) * (m + 1), width=1.0, color=GENERATED, alpha=0.75)
    left.axhline(1, color=REAL, lw=1.2)
    left.set(
        xlabel="members below the real value", ylabel="frequency over that of a flat histogram"
    )
    ends = [0, 1.1 * max(spread.max(), error.max())]
    middle.plot(ends, ends, color=REAL, lw=1)
    middle.plot(spread, error, "o-", color=GENERATED, ms=4)
    middle.set(xlim=ends, ylim=ends, aspect="equal")
    middle.set(xlabel="spread of the members (asinh)", ylabel="error of their mean (asinh)")
    right.plot([0, 1], [0, 1], color=REAL, lw=1)
    right.plot(levels, covered, "o-", color=GENERATED, ms=4)
    right.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    right.set(xlabel="interval of the members", ylabel="share of the real values inside")
    return figure


def accuracy_and_power(points: Mapping[str, tuple[float, float]]) -> Figure:
    """R^2 against the power in the last bin within the beam, one point a method.

    Parameters
    ----------
    points : dict of label to (R^2, generated / real power)

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    others = iter(zip("so^vDPX*", (BASE, VIOLET, GREEN, REAL) * 2, strict=True))
    ours = iter("o*h")
    for label, point in points.items():
        marker, colour = (next(ours), GENERATED) if "member" in label else next(others)
        axes.plot(*point, marker, color=colour, ms=10, label=label)
    axes.axhline(1, color="0.5", lw=0.8)
    low, high = (f(y for _, y in points.values()) for f in (min, max))
    axes.set(yscale="log", ylim=(max(low, 1e-3) / 1.5, max(high, 1) * 1.5))
    ticks = [t for t in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10) if low / 1.5 <= t]
    ticks = [t for t in ticks if t <= max(high, 1) * 1.5]
    axes.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="$R^2$ on held-out tiles", ylabel="power at the beam, generated / real")
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def ratio_maps(ratios: Mapping[str, np.ndarray]) -> Figure:
    """Mollweide maps of W_CO21 / W_CO10; NaN where the lines are too faint.

    Without any (a sky with one line) the figure says so, and so does `ratio_shares`.

    Parameters
    ----------
    ratios : dict of label to ndarray, shape (12 * nside**2,)

    Returns
    -------
    Figure
    """
    if not ratios:
        return sentence_figure(ONE_LINE)
    norm, label = colors.Normalize(0.2, 1.2), "$W_{21}/W_{10}$"
    names = dict.fromkeys(ratios, label)
    figure = sky_panels(ratios, "", norms=dict.fromkeys(ratios, norm), column_of=names)
    for axes in figure.axes:
        if axes.name == "mollweide":
            axes.collections[0].set_cmap("viridis")
            axes.set_facecolor("0.93")
    return figure


def ratio_shares(ratios: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> Figure:
    """Share of the emission at each line ratio; the first of `ratios` is drawn black.

    Parameters
    ----------
    ratios, weights : dict of label to ndarray, shape (12 * nside**2,)
        The ratio, and W of the line that the emission is counted in.

    Returns
    -------
    Figure
    """
    if not ratios:
        return sentence_figure(ONE_LINE)
    figure = Figure(figsize=(6.0, 3.4), layout="constrained")
    axes = figure.add_subplot()
    bins = np.linspace(0, 1.5, 46)
    for (title, ratio), colour in zip(ratios.items(), (REAL, GENERATED), strict=False):
        good = np.isfinite(ratio)
        weight = weights[title][good] / weights[title][good].sum()
        options = {"histtype": "step", "color": colour, "lw": 1.6, "label": title}
        axes.hist(np.clip(ratio[good], 0, 1.5), bins, weights=weight, **options)
    axes.set(xlabel="$W_{21}/W_{10}$", ylabel="share of the emission per bin")
    axes.legend()
    return figure


def verdict_power(cases: Mapping[str, Mapping]) -> Figure:
    """Share of maps that fail the sharp verdict and each of its tests, over their brightness.

    Bars: 95 % interval of the joint verdict. Without any case the figure says so.

    Parameters
    ----------
    cases : dict of label to dict
        ``cases`` of what ``ci/verdict_power.py`` writes.

    Returns
    -------
    Figure
    """
    if not cases:
        return sentence_figure("The power of the verdict is not stored in this checkout.")
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    names = {"all": "all together", "paired_spectrum": "pairs' spectra", "spectrum": "spectrum"}
    names |= {"minkowski": "Minkowski", "pdf": "histogram", "classifier": "classifier"}
    looks = list(zip((REAL, GENERATED, BASE, VIOLET, GREEN, "0.55"), "o^sDvX", strict=True))
    panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
    for axes, (title, case) in zip(panels, cases.items(), strict=True):
        rows = [row for row in case["faults"] if row["fault"] == "factor"]
        factors = [row["size"] for row in rows]
        for (name, label), (colour, marker) in zip(names.items(), looks, strict=True):
            shares = [row["fails"][name]["share"] for row in rows]
            axes.plot(factors, shares, marker=marker, ms=4, color=colour, label=label)
        ends = [[row["fails"]["all"][end] for row in rows] for end in ("low", "high")]
        axes.vlines(factors, *ends, color=REAL, lw=1)
        axes.axhline(0.05, color="0.5", lw=0.8, ls=":")
        axes.set(xlabel="times too bright", title=f"{title}, {case['blocks']} blocks")
    panels[0].set(ylabel="share that fails", ylim=(-0.02, 1.02))
    panels[0].legend(fontsize=8)
    return figure
