"""Figures of chapters 02 and 03: what the losses ask for, and how a training went.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from ..validation.amplitude import asinh_scale
from .style import BASE, GENERATED, REAL, band


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
    labels : (str, str)
        Of the two weights.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.6 * len(losses), 3.1), layout="constrained")
    line = figure.subplots(1, len(losses), squeeze=False, sharey=True)[0]
    for axes, (title, loss) in zip(line, losses.items(), strict=True):
        levels = np.geomspace(max(loss.min(), 0.2), loss.max(), 16)
        axes.contourf(x, x, loss, levels, norm=colors.LogNorm(), cmap="Greys", extend="min")
        for path in paths[title].transpose(1, 0, 2):
            colour = GENERATED if path[-1, 0] < 0 else BASE
            axes.plot(*path.T, color=colour, lw=0.8, alpha=0.8)
            axes.plot(*path[-1], "o", color=colour, ms=6, mec="white")
        axes.set(title=title, xlabel=labels[0], aspect="equal", xticks=[-1, 0, 1])
    line[0].set(ylabel=labels[1], yticks=[-1, 0, 1])
    return figure


def training_curves(history: Sequence[Mapping[str, float]], best_epoch: int) -> Figure:
    """Draw losses of the four networks, and the validation checks, epoch by epoch.

    Parameters
    ----------
    history : sequence of dict
        One row per epoch of the training log.
    best_epoch : int
        Marked.

    Returns
    -------
    Figure
    """
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


def spectrum_and_histogram(
    ell: np.ndarray,
    edge: float,
    spectra: Mapping[str, np.ndarray],
    pixels: Mapping[str, np.ndarray],
) -> Figure:
    """Two piles of CO tiles, real first: their spectra with bands, and histograms of their pixels.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    edge : float
        Multipole of the beam; what lies beyond is shaded.
    spectra : dict of label to ndarray, shape (n, n_bins)
    pixels : dict of label to ndarray
        asinh(W / 0.3 K km/s).

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(*np.percentile(np.concatenate([*pixels.values()]), [0.01, 99.99]), 60)
    for (label, power), colour in zip(spectra.items(), (REAL, GENERATED), strict=True):
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
    right.set_xticks(asinh_scale(ticks), labels=ticks)
    right.set(yscale="log", xlim=bins[[0, -1]], xlabel="W [K km/s]", ylabel="density of pixels")
    return figure
