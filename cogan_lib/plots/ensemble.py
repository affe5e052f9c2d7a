"""Figures of an ensemble judged as one, from what `validation.ensemble` says of it.

They need nothing but those dicts, as they come back from JSON. Every function returns a matplotlib
Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import BASE, GENERATED, REAL, VIOLET, sentence_figure
from .validation import multipole_axis, ratio_axis

TARGET = (0.75, 1.33)  # of the ratio by latitude, up to 45 deg
ENOUGH = 19  # members for a central interval of 90 %
NOTHING = "There is no ensemble to show."
LOOKS = (("o", GENERATED), ("s", BASE), ("^", VIOLET), ("D", "0.45"))


def band_power(ensembles: Mapping[str, Mapping]) -> Figure:
    """Power of each member over the real one: left tile by tile, right that of the bright tiles.

    Thin lines are members, the band is their central 90 % (`numpy.quantile`, Weibull's positions),
    the thick line is their mean with its 95 % interval over blocks of sky. The real sky is the
    line at 1, with a dot in each bin, filled where it lies within the band. Without any ensemble
    the figure says so, here and below.

    Parameters
    ----------
    ensembles : dict of label to dict
        From `validation.ensemble.judge_tiles`; one row of panels each.

    Returns
    -------
    Figure
    """
    if not ensembles:
        return sentence_figure(NOTHING)
    figure = Figure(figsize=(9.0, 3.7 * len(ensembles)), layout="constrained")
    grid = figure.subplots(len(ensembles), 2, squeeze=False, sharey="row")
    titles = {"power": "each tile weighs the same", "power_bright": "sum over tiles"}
    for line, (label, judged) in zip(grid, ensembles.items(), strict=True):
        ell, drawn = judged["ell"], []
        for axes, (key, title) in zip(line, titles.items(), strict=True):
            section = judged[key]
            members = np.array(section["members"])
            low, high = np.quantile(members, [0.05, 0.95], axis=0, method="weibull")
            share = "90 %" if len(members) >= ENOUGH else f"range of {len(members)}"
            axes.fill_between(ell, low, high, color=GENERATED, alpha=0.18, lw=0, label=share)
            axes.plot(ell, members.T, color=GENERATED, lw=0.5, alpha=0.5)
            axes.plot(ell, section["mean"], color=GENERATED, lw=2, label="mean of the members")
            axes.vlines(ell, *(section["mean_95"][end] for end in ("low", "high")), color=GENERATED)
            axes.axhline(1, color=REAL, lw=1)
            for x, inside in zip(ell, section["within_90"], strict=True):
                axes.plot(x, 1, "o", color=REAL, mfc=REAL if inside else "white", ms=6, zorder=3)
            multipole_axis(axes, judged)
            axes.set(yscale="log", title=f"{label}\n{title}" if label else title)
            drawn += [members.ravel(), *section["mean_95"].values()]
        ratio_axis(line[0], np.concatenate(drawn))
        line[1].yaxis.minorticks_off()
        line[0].set_ylabel("power, generated / real")
        line[0].legend(fontsize=9)
    return figure


def place_among_members(judged: Mapping) -> Figure:
    """Histograms of the place of the real tiles' power among that of their members, bin by bin.

    Flat at 1 is right; high ends tell of members too much alike, a slope of a wrong power. The
    triangle is the place of the whole real sky (``rank`` of the geometric mean).

    Parameters
    ----------
    judged : dict
        From `validation.ensemble.judge_tiles`.

    Returns
    -------
    Figure
    """
    if not judged:
        return sentence_figure(NOTHING)
    pit, ell = np.array(judged["pit"]), judged["ell"]
    figure = Figure(figsize=(2.1 * len(ell) + 0.8, 2.8), layout="constrained")
    panels = figure.subplots(1, len(ell), sharey=True, squeeze=False)[0]
    edges = np.linspace(0, 1, pit.shape[1] + 1)
    shares = judged["coverage"]["0.68"]
    for axes, row, x, rank, share in zip(
        panels, pit, ell, judged["power"]["rank"], shares, strict=True
    ):
        axes.stairs(row * row.size, edges, fill=True, color=GENERATED, alpha=0.75)
        axes.axhline(1, color=REAL, lw=1)
        axes.plot(rank, 0.08, "^", color=REAL, ms=8, zorder=3, clip_on=False)
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], title=rf"$\ell$ = {x:.0f}")
        axes.set_xlabel(f"{share:.0%} in 68 %")
    panels[0].set(ylim=(0, max(2.0, 1.1 * (pit * pit.shape[1]).max())), ylabel="frequency")
    figure.supxlabel("share of the members below the real tile", fontsize=10)
    return figure


def latitude_panels(ratios: Mapping[str, Sequence[Mapping]]) -> Figure:
    """Mean generated over real W by latitude, with intervals over blocks and the band to reach.

    Small dots are single members.

    Parameters
    ----------
    ratios : dict of label to list of dict
        Rows of `beyond.latitude_ratios.latitude_ratios`.

    Returns
    -------
    Figure
    """
    if not any(ratios.values()):
        return sentence_figure(NOTHING)
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    bands = sorted({tuple(row["b_deg"]) for rows in ratios.values() for row in rows})
    axes.axhspan(*TARGET, color="0.92", zorder=0)
    axes.axhline(1, color=REAL, lw=0.8)
    drawn = [np.array(TARGET)]
    offsets = 0.16 * (np.arange(len(ratios)) - (len(ratios) - 1) / 2)
    for (label, rows), shift, (marker, colour) in zip(ratios.items(), offsets, LOOKS, strict=False):
        x = np.array([bands.index(tuple(row["b_deg"])) for row in rows]) + shift
        ratio = np.array([row["ratio"] for row in rows])
        ends = np.array([[row["ratio_95"][end] for row in rows] for end in ("low", "high")])
        for place, row in zip(x, rows, strict=True):
            beside = np.full(len(row["members"]), place + 0.05)
            axes.plot(beside, row["members"], ".", color=colour, ms=3, alpha=0.5)
        axes.vlines(x, *ends, color=colour, lw=1.4)
        axes.plot(x, ratio, marker, color=colour, ms=6, label=label)
        drawn += [ratio, ends.ravel()]
    axes.set(yscale="log", ylabel="mean W, generated / real", xlabel="Galactic latitude |b| [deg]")
    axes.set_xticks(range(len(bands)), labels=[f"{low}-{high}" for low, high in bands])
    ratio_axis(axes, np.concatenate(drawn))
    axes.legend(fontsize=9, loc="lower left")
    return figure


def flow_path(path: Sequence[tuple[float, np.ndarray, np.ndarray]]) -> Figure:
    """Pictures of one tile on its way from noise to CO, and of the mean still possible from there.

    Parameters
    ----------
    path : sequence of (float, ndarray of shape (npix, npix), ndarray of that shape)
        Time, x_t, and D, in scaled units.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.0 * len(path) + 1.0, 4.3), layout="constrained")
    grid = figure.subplots(2, len(path), squeeze=False)
    low, high = np.quantile([path[0][1], path[-1][1]], [0.005, 0.995])
    for column, (t, *pictures) in zip(grid.T, path, strict=True):
        for axes, picture in zip(column, pictures, strict=True):
            image = axes.imshow(picture, cmap="inferno", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        column[0].set_title(f"t = {t:.2f}")
    for axes, label in zip(grid[:, 0], ("on the way, $x_t$", "mean of its ends, $D$"), strict=True):
        axes.set_ylabel(label)
    figure.colorbar(image, ax=list(grid.ravel()), label="scaled CO", pad=0.01)
    return figure
