"""Figures of the chapter on the microwave background. Each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .physics import NAMES, PIXEL_ARCMIN, SIDE
from .statistics import THRESHOLDS

SIDE_DEG = SIDE * PIXEL_ARCMIN / 60
#: Words and looks of the three diffusions.
KINDS = {
    "trig": ("on the circle, 8 Heun steps", GENERATED, "-"),
    "linear": ("in straight lines, 25 Euler steps", BASE, "--"),
    "ddpm": ("DDPM, 25 steps of DDIM", VIOLET, ":"),
}
SYMBOLS = dict(
    zip(
        NAMES,
        (r"$\omega_\mathrm{b}$", r"$\omega_\mathrm{c}$", "$H_0$", r"$n_\mathrm{s}$", "$A_s$"),
        strict=True,
    )
)
CURVES = ("area", "edge [1/deg]", r"Euler number [1/deg$^2$]")


def map_rows(rows: Mapping[str, np.ndarray], columns: Sequence[str]) -> Figure:
    """Draw maps, all in one scale of colour.

    Parameters
    ----------
    rows : dict of title to ndarray, shape (n, SIDE, SIDE)
        [uK], for example "exact" and "generated".
    columns : sequence of str
        Titles of the n columns, for example of cosmologies.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.2 * len(columns) + 0.8, 2.2 * len(rows) + 0.2), layout="constrained")
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    most = 3 * max(float(np.std(maps)) for maps in rows.values())
    for line, (title, maps) in zip(panels, rows.items(), strict=True):
        for axes, one in zip(line, maps, strict=True):
            image = _map(axes, one, most)
        line[0].set_ylabel(title)
    for axes, title in zip(panels[0], columns, strict=True):
        axes.set_title(title, fontsize=9)
    figure.colorbar(image, ax=panels, label="temperature [µK]", shrink=0.7)
    return figure


def frame(phi: float, image: np.ndarray, final: np.ndarray, most: float) -> Figure:
    """Draw one frame of the way from noise to a map, for a slider.

    Parameters
    ----------
    phi : float
        Angle: pi / 2 is noise.
    image, final : ndarray, shape (SIDE, SIDE)
        The state, and where it ends [uK].
    most : float
        End of the scale of colour [uK].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.4, 2.9), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, some, title in zip(
        panels, (image, final), (f"angle {np.degrees(phi):.0f}°", "at the end"), strict=True
    ):
        drawn = _map(axes, np.round(some / most * 32) / 32 * most, most)
        axes.set_title(title)
    figure.colorbar(drawn, ax=panels, label="temperature [µK]", shrink=0.9)
    return figure


def power(ell: np.ndarray, rows: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw measured over expected spectra with their intervals.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    rows : dict of label to (ratio, error), each shape (n_bins,)
        The first is the network.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.axhspan(0.96, 1.04, color="0.92", label="within 4 %")
    axes.axhline(1, color=REAL, lw=0.8)
    looks = zip((GENERATED, BASE, VIOLET, REAL), LINES, strict=True)
    for (label, (ratio, error)), (colour, line) in zip(rows.items(), looks, strict=False):
        axes.errorbar(ell, ratio, error, color=colour, ls=line, marker="o", ms=3, label=label)
    axes.set(xlabel=r"multipole $\ell$", ylabel=r"$C_\ell$ over expected")
    axes.legend()
    return figure


def why_they_fail(
    ell: np.ndarray, ratios: Mapping[str, Sequence[float]], perfect: Mapping[str, Sequence[float]]
) -> Figure:
    """Draw what three diffusions do to the power, trained and perfect.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    ratios : dict of kind to sequence, shape (n_bins,)
        Power of short trainings' maps over the expected one.
    perfect : dict of kind to sequence, shape (n,)
        Power of a perfect network's samples; and "variance" of the data [noise has 1].

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.2, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, (label, colour, line) in KINDS.items():
        right.plot(perfect["variance"], perfect[kind], color=colour, ls=line)
        left.plot(ell, ratios[kind], color=colour, ls=line, marker="o", ms=3, label=label)
    for axes in (left, right):
        axes.axhline(1, color=REAL, lw=0.8)
        axes.set_yscale("log")
    left.set(title="networks, trained equally long", xlabel=r"multipole $\ell$")
    left.set_ylabel("power over the right one")
    right.set(title="perfect networks: the sampler alone", xscale="log", ylim=(0.05, 12))
    right.set_xlabel("variance of the data [of the noise]")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def response(
    asked: np.ndarray, generated: np.ndarray, real: np.ndarray, slopes: Sequence[float]
) -> Figure:
    """Draw the parameters that are read from maps against those that were asked for.

    Parameters
    ----------
    asked, generated, real : ndarray, shape (m, 5)
        From -1 to 1 (`physics.unit`); read from generated and from exact sets of maps.
    slopes : sequence of float
        Of generated over those of exact maps.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.2, 2.5), layout="constrained")
    panels = figure.subplots(1, len(NAMES), sharey=True)
    for i, (axes, name) in enumerate(zip(panels, NAMES, strict=True)):
        axes.plot([-1, 1], [-1, 1], color="0.7", lw=0.8)
        axes.plot(asked[:, i], real[:, i], "s", ms=2.5, color=REAL, alpha=0.5, label="exact")
        axes.plot(asked[:, i], generated[:, i], "o", ms=2.5, color=GENERATED, label="generated")
        axes.set_title(f"{SYMBOLS[name]}: {slopes[i]:.2f}", fontsize=10)
        axes.set(xlabel="asked for", ylim=(-1.4, 1.4))
    panels[0].set_ylabel("read from the maps")
    panels[0].legend(fontsize=7)
    return figure


def shapes(found: np.ndarray, formula: np.ndarray, other: np.ndarray | None = None) -> Figure:
    """Draw Minkowski functionals and what they should be.

    Parameters
    ----------
    found, formula : ndarray, shape (3, 25)
        Of generated maps; of the formulas, or of exact maps where there are none.
    other : ndarray, shape (3, 25), optional
        Of exact maps, beside formulas.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.6, 2.8), layout="constrained")
    for i, (axes, label) in enumerate(zip(figure.subplots(1, 3), CURVES, strict=True)):
        axes.plot(
            THRESHOLDS, formula[i], color=REAL, label="formula" if other is not None else "exact"
        )
        if other is not None:
            axes.plot(THRESHOLDS, other[i], "s", ms=3, color=BASE, label="exact maps")
        axes.plot(THRESHOLDS, found[i], "o", ms=3, color=GENERATED, label="generated")
        axes.set(xlabel="threshold [sd]", ylabel=label)
    axes.legend(fontsize=8)
    return figure


def posteriors(
    axes_values: tuple[np.ndarray, np.ndarray],
    densities: Mapping[str, np.ndarray],
    truth: tuple[float, float],
) -> Figure:
    """Draw posteriors of (n_s, A_s), each by the contours that hold 68 and 95 per cent.

    Parameters
    ----------
    axes_values : tuple of ndarray
        n_s and A_s of the grid.
    densities : dict of label to ndarray, shape (n_s, A_s)
        Of `evaluation.posterior`.
    truth : tuple of float

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for (label, density), colour in zip(densities.items(), (GENERATED, REAL, BASE), strict=False):
        order = np.sort(density.ravel())[::-1]
        held = np.cumsum(order)
        levels = [order[np.searchsorted(held, share)] for share in (0.9545, 0.6827)]
        axes.contour(*axes_values, density.T, levels, colors=colour)
        axes.plot([], [], color=colour, label=label)
    axes.plot(*truth, "k+", ms=12, mew=2, label="true")
    axes.set(xlabel=SYMBOLS["n_s"], ylabel=SYMBOLS["A_s"] + " [$10^{-9}$]")
    axes.legend()
    return figure


def _map(axes, image: np.ndarray, most: float):
    """Draw one map, its axes in degrees."""
    drawn = axes.imshow(
        image, origin="lower", cmap="RdBu_r", vmin=-most, vmax=most,
        extent=(0, SIDE_DEG, 0, SIDE_DEG),
    )  # fmt: skip
    axes.set(xticks=(0, 5, 10), yticks=(0, 5, 10))
    axes.tick_params(labelsize=7)
    return drawn
