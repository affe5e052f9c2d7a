"""Figures of the spectra: stars beside generated ones, latent numbers, lines, and what is odd.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .evaluation import FEATURES
from .physics import SIGMA, WAVELENGTH_A

#: Lines that are named on a spectrum [Angstrom].
NAMED = {
    "Ca II K": 3933.7, "Hδ": 4101.7, "G band": 4304.0, "Hβ": 4861.3, "Mg b": 5175.0, "TiO": 6159.0,
    "Na D": 5893.0, "Hα": 6562.8,
}  # fmt: skip
WAVELENGTH, FLUX = "wavelength [Å]", "flux over the continuum"
LABEL_NAMES = (r"$\log_{10} T_\mathrm{eff}$ [K]", r"$\log g$", "[Fe/H]")
APART = 0.7  # of spectra that are drawn above each other
#: What stands on either side of a slider's picture, the same at each of its values.
SHOWN = (0.0, 1.15)


def stacked(
    groups: Mapping[str, np.ndarray], titles: Mapping[str, Sequence[str]] | None = None
) -> Figure:
    """Draw spectra above each other, a panel per group, with the lines named.

    Parameters
    ----------
    groups : dict of title to ndarray, shape (n, PIXELS)
        A title with "real" in it is drawn in black, others in orange.
    titles : dict of title to sequence of str, optional
        What to write on each spectrum of a group.

    Returns
    -------
    Figure
    """
    most = max(map(len, groups.values()))
    figure = Figure(figsize=(4.6 * len(groups), 0.9 * most + 1.6), layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (title, spectra) in zip(panels, groups.items(), strict=True):
        colour = REAL if "real" in title else GENERATED
        for i, flux in enumerate(spectra):
            axes.plot(WAVELENGTH_A, flux - APART * i, color=colour, lw=0.8)
        for i, text in enumerate((titles or {}).get(title, ())):
            axes.text(7190, 1.04 - APART * i, text, ha="right", va="bottom", fontsize=8)
        axes.set(title=title, xlabel=WAVELENGTH)
        _name_lines(axes)
        axes.grid(False)
    panels[0].set_ylabel(f"{FLUX}, shifted")
    return figure


def _name_lines(axes) -> None:
    for name, at in NAMED.items():
        axes.axvline(at, color="0.85", lw=0.8, zorder=0)
        axes.annotate(
            name, (at, 0.0), xycoords=("data", "axes fraction"), rotation=90, fontsize=7,
            ha="right", va="bottom", color="0.35", xytext=(0, 2), textcoords="offset points",
        )  # fmt: skip


def toy_and_grid(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the toy's spectra beside those of model atmospheres.

    Parameters
    ----------
    pairs : dict of title to (ndarray, ndarray), shapes (PIXELS,)
        Of the toy, and of the grid.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.6, 1.2 * len(pairs) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    for i, (title, (toy, grid)) in enumerate(pairs.items()):
        names = ("toy", "Kurucz") if i == 0 else (None, None)
        for flux, colour, name in zip((toy, grid), (BASE, REAL), names, strict=True):
            axes.plot(WAVELENGTH_A, flux - APART * i, color=colour, lw=1, label=name)
        axes.text(7190, 1.03 - APART * i, title, ha="right", va="bottom", fontsize=8)
    axes.set(xlabel=WAVELENGTH, ylabel=f"{FLUX}, shifted")
    _name_lines(axes)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def latent_plane(z: np.ndarray, labels: np.ndarray, units: tuple[int, int]) -> Figure:
    """Draw stars in the plane of two latent numbers, coloured by each label.

    Parameters
    ----------
    z : ndarray, shape (n, latent)
    labels : ndarray, shape (n, 2) or (n, 3)
    units : (int, int)

    Returns
    -------
    Figure
    """
    n = labels.shape[1]
    figure = Figure(figsize=(3.4 * n, 3.2), layout="constrained")
    panels = figure.subplots(1, n, sharex=True, sharey=True)
    for k, (axes, name) in enumerate(zip(panels, LABEL_NAMES, strict=False)):
        values = np.log10(labels[:, 0]) if k == 0 else labels[:, k]
        dots = axes.scatter(*z[:, units].T, c=values, s=5, cmap="viridis", lw=0)
        figure.colorbar(dots, ax=axes, label=name)
        axes.set_xlabel(f"$z_{units[0]}$")
    panels[0].set_ylabel(f"$z_{units[1]}$")
    return figure


def distributions(measures: Mapping[str, np.ndarray], label: str) -> Figure:
    """Draw the cumulative distribution of what was measured of each feature.

    Parameters
    ----------
    measures : dict of name to ndarray, shape (n, n_features)
        `evaluation.line_depths` or `evaluation.equivalent_widths`; the real ones first.
    label : str
        What was measured, with its unit.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.2, 4.6), layout="constrained")
    panels = figure.subplots(2, 4, sharey=True).ravel()
    colours = (REAL, GENERATED, BASE, VIOLET)
    for k, (axes, name) in enumerate(zip(panels, FEATURES, strict=True)):
        for (who, values), colour, line in zip(measures.items(), colours, LINES, strict=False):
            x = np.sort(values[:, k])
            share = (np.arange(len(x)) + 0.5) / len(x)
            axes.plot(x, share, color=colour, ls=line, lw=1.4, label=who if k == 0 else None)
        axes.set_title(name)
    for axes in panels[4:]:
        axes.set_xlabel(label)
    for axes in panels[::4]:
        axes.set_ylabel("share of stars below")
    figure.legend(loc="outside upper center", ncols=len(measures))
    return figure


def between(spectra: np.ndarray, ends: Sequence[str]) -> Figure:
    """Draw the spectra between two stars.

    Parameters
    ----------
    spectra : ndarray, shape (steps, PIXELS)
        Of `sampling.interpolate`.
    ends : sequence of two str
        What the first and the last one are.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.6, 0.6 * len(spectra) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    for i, flux in enumerate(spectra):
        end = i in (0, len(spectra) - 1)
        colour = BASE if end else GENERATED
        axes.plot(WAVELENGTH_A, flux - 0.5 * i, color=colour, lw=1.5 if end else 0.9)
    for i, text in zip((0, len(spectra) - 1), ends, strict=True):
        axes.text(7190, 1.03 - 0.5 * i, text, ha="right", va="bottom", fontsize=9, color=BASE)
    axes.set(xlabel=WAVELENGTH, ylabel=f"{FLUX}, shifted")
    _name_lines(axes)
    return figure


def information(kl: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what each unit says of a star, from the one that says most to those that say nothing.

    Parameters
    ----------
    kl : dict of network's name to sequence of float
        Mean divergence of each unit [nats], as `evaluation.assess` gives it.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    wide = 0.8 / len(kl)
    for k, (name, values) in enumerate(kl.items()):
        where = np.arange(len(values)) + (k - (len(kl) - 1) / 2) * wide
        colour = (GENERATED, BASE, VIOLET)[k % 3]
        axes.bar(
            where, np.sort(values)[::-1], wide, color=colour, label=name, hatch=("", "//")[k % 2]
        )
    axes.set(xlabel="latent unit, sorted", ylabel="divergence from N(0, 1) [nats]")
    axes.legend()
    return figure


def moved(flux: np.ndarray, usual: np.ndarray, text: str) -> Figure:
    """Draw what one latent number does to a spectrum, for a slider.

    Parameters
    ----------
    flux, usual : ndarray, shape (PIXELS,)
        With the number moved, and where it started.
    text : str
        The number and its value.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(WAVELENGTH_A, usual, color="0.7", lw=1, label="where it started")
    axes.plot(WAVELENGTH_A, flux, color=GENERATED, lw=1.2, label=text)
    axes.set(xlabel=WAVELENGTH, ylabel=FLUX, ylim=SHOWN)
    _name_lines(axes)
    axes.grid(False)
    axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.17))
    return figure


def misfits(residuals: Mapping[str, np.ndarray]) -> Figure:
    """Draw by how much decoded spectra are off, on average, at each wavelength.

    Parameters
    ----------
    residuals : dict of likelihood to ndarray, shape (n, PIXELS)
        Decoded minus real flux without noise.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), colour, line in zip(
        residuals.items(), (GENERATED, BASE), LINES, strict=False
    ):
        mean = (values / SIGMA).mean(axis=0)
        axes.plot(WAVELENGTH_A, mean, color=colour, ls=line, lw=1.2, label=name)
    cut = -1 / np.sqrt(2 * np.pi)
    axes.axhline(cut, color="0.4", lw=1, ls=":", label=r"cut at 1: $-\sigma / \sqrt{2\pi}$")
    axes.set(xlabel=WAVELENGTH, ylabel="mean error over the noise")
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure


def odd(spectra: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw spectra that no star has, what the network makes of them, and what is left.

    Parameters
    ----------
    spectra : dict of title to (ndarray, ndarray), shapes (PIXELS,)
        With noise, and reconstructed.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(3.3 * len(spectra), 3.8), layout="constrained")
    panels = figure.subplots(
        2, len(spectra), sharex=True, sharey="row", squeeze=False, height_ratios=(2, 1)
    )
    for (above, below), (title, (flux, model)) in zip(panels.T, spectra.items(), strict=True):
        above.plot(WAVELENGTH_A, flux, color=REAL, lw=0.6, label="seen")
        above.plot(WAVELENGTH_A, model, color=GENERATED, lw=1.2, label="reconstructed")
        above.set_title(title)
        below.plot(WAVELENGTH_A, (flux - model) / SIGMA, color=REAL, lw=0.6)
        below.set_xlabel(WAVELENGTH)
    panels[0, 0].set_ylabel(FLUX)
    panels[1, 0].set_ylabel("residual / noise")
    panels[0, 0].legend(fontsize=8)
    return figure
