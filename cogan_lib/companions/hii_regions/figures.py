"""Figures of HII regions: images, shapes, spectra, corners, a walk, and which test sees a failure.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, LINES, REAL, VIOLET
from .evaluation import K_EDGES, LIMITS, TESTS, corners
from .physics import NOISE, RANGES, SHAPES

#: One scale for all images, so that bright ones are bright.
BRIGHTNESS = colors.AsinhNorm(0.5, vmin=-3 * NOISE, vmax=4.0)
UNITS = {"radius": "radius [pixels]"}
#: Of several sets beside the real one.
SETS = (GENERATED, BASE, VIOLET)


def panels(real: np.ndarray, generated: np.ndarray, columns: int = 8) -> Figure:
    """Draw real images above generated ones, on one scale.

    Parameters
    ----------
    real, generated : ndarray, shape (n, h, w)
        Brightness; the first 2 `columns` of each are drawn.
    columns : int

    Returns
    -------
    Figure
    """
    sets = (("real", real, REAL), ("generated", generated, GENERATED))
    figure = Figure(figsize=(7.2, 0.5 + 4 * 7.2 / columns), layout="constrained")
    for part, (name, images, colour) in zip(figure.subfigures(2, 1), sets, strict=True):
        part.suptitle(name, color=colour, fontsize=11)
        for axes, image in zip(part.subplots(2, columns).ravel(), images, strict=False):
            _image(axes, image)
    return figure


def walk(images: np.ndarray) -> Figure:
    """Draw what lies between regions: a row of images per walk through the latent space.

    Parameters
    ----------
    images : ndarray, shape (walks, steps, h, w)
        Skies.

    Returns
    -------
    Figure
    """
    rows, columns = images.shape[:2]
    figure = Figure(figsize=(7.2, 0.3 + rows * 7.2 / columns), layout="constrained")
    for axes, image in zip(
        figure.subplots(rows, columns, squeeze=False).ravel(),
        images.reshape(-1, *images.shape[2:]),
        strict=True,
    ):
        _image(axes, image)
    return figure


def region(image: np.ndarray, numbers: Sequence[float]) -> Figure:
    """Draw one region and what is measured of it, for a slider.

    Parameters
    ----------
    image : ndarray, shape (h, w)
    numbers : sequence of 4 float
        Of `shapes.shape_numbers`.

    Returns
    -------
    Figure
        Of one size.
    """
    figure = Figure(figsize=(3.4, 3.5), layout="constrained")
    axes = figure.add_subplot()
    _image(axes, image)
    first, *others = zip(SHAPES, numbers, strict=True)
    said = [f"{first[0]} {first[1]:.1f} pixels", *(f"{name} {x:.2f}" for name, x in others)]
    axes.set_title(", ".join(said[:2]) + "\n" + ", ".join(said[2:]), fontsize=9)
    return figure


def distributions(real: np.ndarray, generated: Mapping[str, np.ndarray]) -> Figure:
    """Draw the distribution of each shape number.

    Parameters
    ----------
    real : ndarray, shape (n, 4)
    generated : dict of name to ndarray, shape (m, 4)

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    for number, (name, axes) in enumerate(zip(SHAPES, figure.subplots(2, 2).ravel(), strict=True)):
        low, high = RANGES[name]
        edges = np.linspace(max(0, low - 0.2 * (high - low)), high + 0.2 * (high - low), 31)
        style = {"bins": edges, "density": True}
        axes.hist(real[:, number], color="0.8", label="real", **style)
        for (label, values), colour, line in zip(generated.items(), SETS, LINES, strict=False):
            look = {"histtype": "step", "color": colour, "ls": line, "lw": 1.6}
            axes.hist(np.clip(values[:, number], edges[0], edges[-1]), label=label, **look, **style)
        axes.set(xlabel=UNITS.get(name, name), yticks=[])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def spectrum(
    ratios: Mapping[str, Sequence[float]], errors: Mapping[str, Sequence[float]]
) -> Figure:
    """Draw the generated power spectra over the real one, with two standard errors.

    Parameters
    ----------
    ratios, errors : dict of name to sequence of float
        By ring of `evaluation.K_EDGES`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    k = (K_EDGES[1:] + K_EDGES[:-1]) / 2
    limit = LIMITS["power"]
    axes.axhspan(1 - limit, 1 + limit, color="0.92", label=f"within {limit:.0%}".replace("%", " %"))
    axes.axhline(1, color=REAL, lw=0.8)
    for number, (name, ratio) in enumerate(ratios.items()):
        colour, line = SETS[number % len(SETS)], LINES[number % len(LINES)]
        axes.plot(k, ratio, color=colour, ls=line, label=name)
        low, high = (np.add(ratio, sign * 2 * np.asarray(errors[name])) for sign in (-1, 1))
        axes.fill_between(k, low, high, color=colour, alpha=0.2, lw=0)
    axes.set(xlabel="k [cycles per image]", ylabel="power, generated over real", ylim=(0.5, 1.5))
    axes.legend(fontsize=9)
    return figure


def coverage_map(sets: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw how full the 16 corners of the space of shapes are.

    Parameters
    ----------
    sets : dict of name to dict of corner to float
        Generated over real numbers, of `evaluation.coverage`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    grid = figure.subplots(1, len(sets), squeeze=False)[0]
    words = {"-": "low", "+": "high"}
    for axes, (title, found) in zip(grid, sets.items(), strict=True):
        values = np.array([found[name] for name in corners()]).reshape(4, 4)
        image = axes.imshow(values, cmap="RdBu", vmin=0, vmax=2, origin="upper", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            dark = "w" if abs(value - 1) > 0.6 else "k"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=dark, fontsize=9)
        pairs = [f"{words[a]}\n{words[b]}" for a in "-+" for b in "-+"]
        axes.set_xticks(range(4), pairs, fontsize=9)
        axes.set_yticks(range(4), pairs, fontsize=9)
        axes.set(xlabel="ellipticity, asymmetry", title=title)
        axes.grid(False)
    grid[0].set_ylabel("radius, thickness")
    figure.colorbar(image, ax=list(grid), label="regions, generated over real", pad=0.02)
    return figure


def verdicts(passes: Mapping[str, Mapping[str, bool]]) -> Figure:
    """Draw which test sees which failure.

    Parameters
    ----------
    passes : dict of name to dict of test to bool
        Of `evaluation.assess`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.0, 0.9 + 0.4 * len(passes)), layout="constrained")
    axes = figure.add_subplot()
    values = np.array([[found[test] for test in TESTS] for found in passes.values()], float)
    look = colors.ListedColormap([GENERATED, "0.9"])
    axes.imshow(values, cmap=look, vmin=0, vmax=1, origin="upper", aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        word, colour = ("passes", "0.3") if value else ("sees it", "k")
        axes.text(column, row, word, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(TESTS)), TESTS)
    axes.set_yticks(range(len(passes)), list(passes))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    return figure


def _image(axes, image: np.ndarray) -> None:
    axes.imshow(image, norm=BRIGHTNESS, cmap="inferno", origin="lower")
    axes.set_axis_off()
