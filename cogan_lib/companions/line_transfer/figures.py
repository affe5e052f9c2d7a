"""Figures of the chapter on CO lines; each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colors, ticker
from matplotlib.figure import Figure

from ...plots.style import BASE, GENERATED, REAL, RIM, few_ticks, tick_label

#: Colour map and label of the fields of a wind.
FIELDS = {
    "density": ("viridis", r"CO molecules [m$^{-3}$]"),
    "temperature": ("magma", "temperature [K]"),
    "velocity": ("RdBu_r", r"$v_z$ [km/s]"),
    "depth": ("RdBu_r", r"$v_z$ [km/s]"),
}


def ray(
    fine_au: np.ndarray,
    opacity: np.ndarray,
    grid_au: np.ndarray,
    sampled: np.ndarray,
    errors: Mapping[str, Mapping[int, float]],
) -> Figure:
    """Left: opacity along one ray and where a grid samples it. Right: errors of two rules.

    Parameters
    ----------
    fine_au, opacity : ndarray, shape (m,)
        A fine ray: distance and opacity in one channel.
    grid_au, sampled : ndarray, shape (n,)
        The same on a coarse grid.
    errors : dict of label to dict of npix to error
        Mean relative error of the optical depth.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    left.plot(fine_au, opacity, color=REAL, lw=1.2, label="the gas")
    left.plot(grid_au, sampled, "o-", color=GENERATED, ms=4, lw=0.8, label="grid points, joined")
    left.set(xlabel="distance along the ray [au]", ylabel=r"opacity [1/au]")
    left.legend(fontsize=9)
    looks = zip(("o-", "s--", "^-", "v--"), (GENERATED, BASE, GENERATED, BASE), strict=True)
    for number, ((label, found), (style, colour)) in enumerate(
        zip(errors.items(), looks, strict=False)
    ):
        faint = {"alpha": 0.45} if number > 1 else {}
        right.plot(list(found), list(found.values()), style, color=colour, label=label, **faint)
    right.set(xscale="log", yscale="log", xlabel="points along the box", ylabel="mean error of tau")
    ticks = list(next(iter(errors.values())))
    right.set_xticks(ticks, labels=ticks)
    right.minorticks_off()
    right.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    lowest = min(min(found.values()) for found in errors.values())
    right.set_ylim(bottom=lowest / 10)  # room for the legend under the curves
    right.legend(fontsize=8, loc="lower left")
    return figure


def wind_and_images(
    slices: Mapping[str, np.ndarray],
    images: np.ndarray,
    channels_kms: Sequence[float],
    half_au: float,
) -> Figure:
    """Slices through a wind above its images, channel by channel.

    Parameters
    ----------
    slices : dict of field (density, temperature, velocity, depth) to ndarray, shape (npix, npix)
        In the plane of the sky through the star; "depth" is the velocity in the plane of x and
        the line of sight; velocities in km/s.
    images : ndarray, shape (n_channels, npix, npix)
        Brightness temperature [K].
    channels_kms : sequence of float
        Velocities of the channels.
    half_au : float
        Half the side of slices and images.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(1.45 * len(images) + 0.7, 5.3), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.7, 1))
    box = {"extent": (-half_au, half_au, -half_au, half_au), "origin": "lower"}
    for axes, (name, values) in zip(
        upper.subplots(1, len(slices), squeeze=False)[0], slices.items(), strict=True
    ):
        cmap, label = FIELDS[name]
        norm = colors.LogNorm() if cmap != "RdBu_r" else colors.CenteredNorm()
        image = axes.imshow(values, cmap=cmap, norm=norm, **box)
        axes.set(xticks=[-half_au, 0, half_au], yticks=[-half_au, 0, half_au], xlabel="x [au]")
        axes.set_ylabel("z, away from us [au]" if name == "depth" else "y [au]", labelpad=-8)
        axes.grid(False)
        bar = upper.colorbar(image, ax=axes, label=label, orientation="horizontal", pad=0.02)
        bar.ax.tick_params(labelsize=8)
        if name in ("density", "temperature"):
            _round_ticks(bar)
    line = lower.subplots(1, len(images), squeeze=False)[0]
    norm = brightness_norm(images)
    for axes, picture, v in zip(line, images, channels_kms, strict=True):
        shown = axes.imshow(picture, cmap="inferno", norm=norm, **box)
        axes.set_title(_channel(v), fontsize=9)
        _bare(axes)
    line[0].set(xticks=[-half_au, 0, half_au], yticks=[-half_au, 0, half_au], xlabel="x [au]")
    line[0].tick_params(labelsize=8)
    line[0].set_ylabel("y [au]", labelpad=-8)
    _kelvin_bar(lower, shown, line)
    return figure


def position_velocity(
    cut: np.ndarray, velocities_kms: np.ndarray, half_au: float, speed_kms: float
) -> Figure:
    """Draw the brightness along a line through the star, velocity by velocity.

    Parameters
    ----------
    cut : ndarray, shape (n_channels, npix)
        Brightness temperature [K].
    velocities_kms : ndarray, shape (n_channels,)
        Evenly spaced.
    half_au : float
        Half the length of the line.
    speed_kms : float
        Of the wind far from the star; marked.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    axes = figure.add_subplot()
    step = (velocities_kms[1] - velocities_kms[0]) / 2
    ends = velocities_kms[0] - step, velocities_kms[-1] + step
    norm = brightness_norm(cut)
    shown = axes.imshow(
        np.maximum(cut, norm.vmin).T, cmap="inferno", norm=norm, origin="lower", aspect="auto",
        extent=(*ends, -half_au, half_au),
    )  # fmt: skip
    for v in (-speed_kms, speed_kms):
        axes.axvline(v, color="w", lw=0.8, ls=":")
    axes.set(xlabel="velocity of the channel [km/s]", ylabel="x [au]", xlim=ends)
    axes.grid(False)
    _kelvin_bar(figure, shown, axes)
    return figure


def cuts_compared(
    cuts: Mapping[str, np.ndarray], velocities_kms: np.ndarray, half_au: float
) -> Figure:
    """Draw two cuts as `position_velocity` does, on one colour scale, and their difference.

    Parameters
    ----------
    cuts : dict of title to ndarray, shape (n_channels, npix)
        Two of them, brightness temperature [K]; the first is the truth.
    velocities_kms : ndarray, shape (n_channels,)
        Evenly spaced.
    half_au : float
        Half the length of the line.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    step = (velocities_kms[1] - velocities_kms[0]) / 2
    ends = velocities_kms[0] - step, velocities_kms[-1] + step
    box = {"origin": "lower", "aspect": "auto", "extent": (*ends, -half_au, half_au)}
    (_, real), (_, generated) = cuts.items()
    norm = brightness_norm(real)
    for axes, (title, cut) in zip(panels, cuts.items(), strict=False):
        cut = np.maximum(cut, norm.vmin).T
        shown = axes.imshow(cut, cmap="inferno", norm=norm, **box)
        axes.set_title(title)
    _kelvin_bar(figure, shown, list(panels[:2]))
    shown = panels[2].imshow((generated - real).T, cmap="RdBu_r", norm=colors.CenteredNorm(), **box)
    panels[2].set_title("difference")
    figure.colorbar(shown, ax=panels[2], label="brightness [K]", pad=0.01)
    for axes in panels:
        axes.set(xlabel="velocity [km/s]", xlim=ends)
        axes.grid(False)
    panels[0].set_ylabel("x [au]")
    return figure


def race(found: Mapping[str, Mapping[str, np.ndarray]], rival: str) -> Figure:
    """Draw medians of MaxRel, ZNCC and SSIM, each with the middle two thirds of the pictures.

    Parameters
    ----------
    found : dict of name to dict of str to ndarray
        Each of `evaluation.measures`.
    rival : str
        The one of them that is drawn as a line which the others have to pass.

    Returns
    -------
    Figure
    """
    runners = [name for name in found if name != rival]
    figure = Figure(figsize=(9.6, 0.45 * len(runners) + 1.3), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    labels = {"max_rel": "MaxRel [%]", "zncc": "ZNCC", "ssim": "SSIM"}
    places = np.arange(len(runners))
    for axes, (key, label) in zip(panels, labels.items(), strict=True):
        low, middle, high = np.transpose(
            [np.percentile(found[name][key], (16, 50, 84)) for name in runners]
        )
        spread = {"fmt": "o", "color": GENERATED, "ms": 6, "lw": 1.5}
        axes.errorbar(middle, places, xerr=(middle - low, high - middle), **spread)
        line = {"color": BASE, "ls": "--", "lw": 1.2}
        axes.axvline(np.median(found[rival][key]), **line, label=rival)
        axes.set(xlabel=label)
        if key == "max_rel":
            axes.set_xscale("log")
            few = np.divide(*axes.get_xlim()[::-1]) < 40
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if few else (1,)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_locator(ticker.NullLocator())
    panels[0].set_yticks(places, labels=runners)
    panels[0].set_ylim(len(runners) - 0.5, -0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", fontsize=9)
    return figure


def fits(
    radius_au: np.ndarray,
    laws_kms: Mapping[str, np.ndarray],
    density: np.ndarray,
    arms_au: Mapping[str, np.ndarray],
    half_au: float,
) -> Figure:
    """Draw fitted winds over the true one. Left: velocity laws. Right: arms in the orbit's plane.

    Parameters
    ----------
    radius_au : ndarray, shape (n,)
        Distances from the star.
    laws_kms : dict of name to ndarray, shape (n,)
        v_r there; the first is the truth.
    density : ndarray, shape (npix, npix)
        Of the true wind in the plane z = 0 of its own frame, as a background.
    arms_au : dict of name to ndarray, shape (2, m)
        x and y of the middle of the arms; the same names.
    half_au : float
        Half the side of the plane.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    box = {"extent": (-half_au, half_au, -half_au, half_au), "origin": "lower"}
    right.imshow(density, cmap="Greys", norm=colors.LogNorm(), alpha=0.85, **box)
    truth = next(iter(laws_kms.values()))
    left.fill_between(
        radius_au, 0.95 * truth, 1.05 * truth, color=REAL, alpha=0.1, lw=0, label="5 %"
    )
    looks = ((REAL, "-", 3.0), (BASE, "--", 1.6), (GENERATED, ":", 2.2))
    for name, (colour, style, width) in zip(laws_kms, looks, strict=False):
        look = {"color": colour, "ls": style, "lw": width, "label": name}
        left.plot(radius_au, laws_kms[name], **look)
        right.plot(*arms_au[name], **look)
    left.set(xlabel="distance from the star [au]", ylabel=r"$v_r$ [km/s]")
    left.legend(fontsize=9)
    ticks = [-half_au, 0, half_au]
    ends = (-half_au, half_au)
    right.set(xlabel="x [au]", ylabel="y [au]", xticks=ticks, yticks=ticks, xlim=ends, ylim=ends)
    right.grid(False)
    return figure


def brightness_norm(images: np.ndarray) -> colors.Normalize:
    """Choose a logarithmic scale over two and a half decades below the brightest pixel.

    Parameters
    ----------
    images : ndarray, any shape
        Brightness temperature [K].

    Returns
    -------
    Normalize
    """
    top = float(images.max())
    return colors.LogNorm(max(top / 300, 0.25), top)


def cases(
    pictures: Mapping[str, tuple[np.ndarray, np.ndarray]],
    channels_kms: Sequence[float],
    half_au: float,
) -> Figure:
    """Draw real and generated images of a few winds, two rows and one colour scale per wind.

    Parameters
    ----------
    pictures : dict of title to (real, generated)
        Each of shape (n_channels, npix, npix), brightness temperature [K].
    channels_kms : sequence of float
        Velocities of the channels.
    half_au : float
        Half the side of the images.

    Returns
    -------
    Figure
    """
    n = len(channels_kms)
    box = {"extent": (-half_au, half_au, -half_au, half_au), "origin": "lower"}
    figure = Figure(figsize=(1.4 * n + 1.2, 2.95 * len(pictures)), layout="constrained")
    parts = np.atleast_1d(figure.subfigures(len(pictures), 1))
    for part, (title, pair) in zip(parts, pictures.items(), strict=True):
        part.suptitle(title, fontsize=10)
        grid = part.subplots(2, n, squeeze=False)
        norm = brightness_norm(pair[0])
        for row, images, label in zip(grid, pair, ("solver", "emulator"), strict=True):
            for axes, picture in zip(row, images, strict=True):
                picture = np.maximum(picture, norm.vmin)
                shown = axes.imshow(picture, cmap="inferno", norm=norm, **box)
                _bare(axes)
            row[0].set_ylabel(label)
        for axes, v in zip(grid[0], channels_kms, strict=True):
            axes.set_title(_channel(v), fontsize=9)
        _kelvin_bar(part, shown, list(grid.ravel()))
        _scale_bar(grid[0][0], half_au)
    return figure


def _channel(kms: float) -> str:
    return f"{kms:+.0f} km/s".replace("-", "−") if round(kms) else "0 km/s"


def _bare(axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


def _scale_bar(axes, half_au: float) -> None:
    left, long, low = -0.9 * half_au, half_au / 2, -0.86 * half_au
    axes.plot([left, left + long], [low, low], color="w", lw=2, path_effects=RIM)
    where, shift = (left + long / 2, low), (0, 3)
    text = {"ha": "center", "fontsize": 8, "color": "w", "path_effects": RIM}
    axes.annotate(f"{long:g} au", where, shift, textcoords="offset points", **text)


def _kelvin_bar(figure, image, axes) -> None:
    _round_ticks(figure.colorbar(image, ax=axes, label="brightness [K]", pad=0.01))


def _round_ticks(bar) -> None:
    ticks = few_ticks(bar.norm, apart=0.2)
    bar.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
    bar.ax.minorticks_off()
