"""Figures of chapter 06 about high latitudes; those on members are in `beyond`.

Every function returns a matplotlib Figure and shows nothing. `report` is that of
`high_latitude.high_latitude_report`, as it comes back from JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import colors, ticker
from matplotlib.figure import Figure

from ..base.units import CO_SOFTENING
from ..beyond.extrapolation import BIN_DEX, latitude, training_region
from ..validation.amplitude import asinh_scale
from .panels import sky_panels
from .style import BASE, GENERATED, REAL, VIOLET, column_label

#: Inside the training region, one input outside, both outside: light to dark, apart in grey too.
FLAGS = ("#f0f0f0", "#e6a15c", "#3b2f7f")
REGIONS = {
    "all": "training tiles included",
    "unseen": "outside the training tiles",
    "faint": "outside the tiles, generated below 3 sigma",
    "outside": "outside the tiles and the training region",
}
COMPARED = {
    "mock": ("generated", GENERATED),
    "dust": ("dust", BASE),
    "mock_beyond_dust": ("generated beyond dust, asinh W", VIOLET),
    "mock_beyond_dust_hi": ("generated beyond dust and HI, asinh W", REAL),
}


def _mollweides(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.name == "mollweide"]


def _latitude_lines(figure: Figure, b_min_deg: float, colour: str) -> None:
    """Dashed lines at +-b_min on every map."""
    for axes in _mollweides(figure):
        for b in np.radians([-b_min_deg, b_min_deg]):
            axes.plot(np.linspace(-np.pi, np.pi, 50), np.full(50, b), color=colour, ls="--", lw=0.9)


def high_latitude_maps(mean: np.ndarray, spread: np.ndarray | None, b_min_deg: float) -> Figure:
    """Draw the members' mean and standard deviation, on scales that show faint CO.

    Both have the same asinh scale, so that colours compare; dashed: +-b_min.

    Parameters
    ----------
    mean, spread : ndarray, shape (12 * nside**2,)
        In K km/s; `spread` may be None.
    b_min_deg : float

    Returns
    -------
    Figure
    """
    maps = {r"mean $W_\mathrm{CO}$": mean}
    if spread is not None:
        maps["standard deviation of the members"] = spread
    ticks = [0, 0.1, 0.3, 1, 3, 10]
    norms = {title: colors.AsinhNorm(0.05, vmin=0, vmax=10) for title in maps}
    figure = sky_panels(maps, "K km/s", columns=1, norms=norms, column_of=dict.fromkeys(maps, " "))
    for axes in _mollweides(figure):
        bar = axes.collections[0].colorbar
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        bar.ax.minorticks_off()
        bar.set_label(r"$W_\mathrm{CO}$ [K km/s]")
    _latitude_lines(figure, b_min_deg, "white")
    return figure


def extrapolation_maps(flag: np.ndarray, distance: np.ndarray, b_min_deg: float) -> Figure:
    """Where the generator left the training region of dust and HI, and how far.

    Parameters
    ----------
    flag, distance : ndarray, shape (12 * nside**2,)
        From `extrapolation.extrapolation`.
    b_min_deg : float

    Returns
    -------
    Figure
    """
    words = ("inside", "one input outside", "both outside")
    maps = {"training region of dust and HI": flag, "distance from it": distance}
    norms = {"training region of dust and HI": colors.BoundaryNorm([-0.5, 0.5, 1.5, 2.5], 3)}
    norms["distance from it"] = colors.Normalize(0, 1)
    figure = sky_panels(maps, "dex", columns=1, norms=norms, column_of=dict.fromkeys(maps, " "))
    first, second = _mollweides(figure)
    image = first.collections[0]
    image.set_cmap(colors.ListedColormap(FLAGS))
    image.colorbar.set_ticks([0, 1, 2], labels=words)
    image.colorbar.ax.tick_params(which="both", length=0)
    image.colorbar.set_label("")
    second.collections[0].set_cmap("Purples")
    second.collections[0].colorbar.set_label("distance in (dust, HI) [dex]")
    _latitude_lines(figure, b_min_deg, REAL)
    return figure


def training_region_plane(
    maps: Mapping[str, np.ndarray], train_inputs: np.ndarray, unit: str, b_min_deg: float
) -> Figure:
    """Dust against HI: pixels beyond b_min in blue, the region of the training pixels outlined.

    Parameters
    ----------
    maps : dict with DUST and N_HI, shape (12 * nside**2,)
    train_inputs : ndarray, shape (n, 2, npix, npix)
    unit : str
        Of the dust.
    b_min_deg : float

    Returns
    -------
    Figure
    """
    low, region = training_region(train_inputs)
    dust, hi = (np.asarray(maps[name], np.float64) for name in ("DUST", "N_HI"))
    high = (latitude(int(np.sqrt(dust.size / 12))) > b_min_deg) & (dust > 0) & (hi > 0)
    figure = Figure(figsize=(5.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    x, y = np.log10(dust[high]), np.log10(hi[high])
    *_, image = axes.hist2d(x, y, bins=120, cmap="Blues", norm=colors.LogNorm(1))
    padded = np.kron(np.pad(region, 1), np.ones((12, 12)))  # steps stay steps in the contour
    ends = [low[i] + BIN_DEX * ((np.arange(n) + 0.5) / 12 - 1) for i, n in enumerate(padded.shape)]
    axes.contour(*ends, padded.T, [0.5], colors=GENERATED, linewidths=2)
    axes.plot([], [], color=GENERATED, lw=2, label="training region (99.8 % of pixels)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.MultipleLocator(1))
        axis.set_major_formatter(ticker.StrMethodFormatter("$10^{{{x:.0f}}}$"))
    axes.set_xlabel(column_label("DUST", unit))
    axes.set_ylabel(column_label("N_HI", "cm-2"))
    axes.legend(loc="upper left")
    figure.colorbar(image, ax=axes, label=f"pixels at |b| > {b_min_deg:g}°")
    return figure


def high_latitude_pdf(report: Mapping) -> Figure:
    """Shares of pixels by W beyond b_min: real, generated, and generated with the real map's noise.

    Parameters
    ----------
    report : dict

    Returns
    -------
    Figure
    """
    pdf = report["pdf"]
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    looks = {
        "real": ("real, zero level taken off", REAL, "-", 1.8),
        "mock_noise": ("generated with noise", GENERATED, "-", 1.8),
        "mock": ("generated", GENERATED, ":", 1.4),
    }
    for name, (label, colour, line, width) in looks.items():
        axes.stairs(pdf[name], pdf["asinh_edges"], color=colour, ls=line, lw=width, label=label)
    ticks = np.array([-10, -3, -1, -0.3, 0, 0.3, 1, 3, 10, 30, 100])
    ends = CO_SOFTENING * np.sinh([pdf["asinh_edges"][0], pdf["asinh_edges"][-1]])
    ticks = ticks[(ticks >= ends[0]) & (ticks <= ends[1])]
    axes.set_xticks(asinh_scale(ticks), labels=[f"{tick:g}" for tick in ticks])
    axes.set(yscale="log", xlabel="W [K km/s]", ylabel="share of pixels per bin")
    axes.set_title(f"|b| > {report['b_min_deg']:g}°")
    axes.legend()
    return figure


def rotation_nulls(report: Mapping, region: str = "unseen") -> Figure:
    """Draw correlations with the real map, and those of 1,401 rotated and mirrored copies.

    One panel each for the generated map, dust, and what that map has beyond dust, and beyond dust
    and HI.

    Parameters
    ----------
    report : dict
    region : str
        One of `REGIONS`.

    Returns
    -------
    Figure
    """
    section = report["regions"][region]
    figure = Figure(figsize=(6.0, 7.2), layout="constrained")
    panels = figure.subplots(len(COMPARED), 1, sharex=True)
    for axes, (key, (label, colour)) in zip(panels, COMPARED.items(), strict=True):
        found = section[key]
        axes.stairs(found["null_counts"], found["null_edges"], fill=True, color="0.75")
        axes.axvline(found["value"], color=colour, lw=2.5)
        axes.axvspan(
            found["value"] - found["sd"],
            found["value"] + found["sd"],
            color=colour,
            alpha=0.18,
            lw=0,
        )
        axes.set_title(
            f"{label}: r = {found['value']:.2f}, z = {found['z']:.0f}, p {_p(found['p_value'])}",
            loc="left",
            color=colour,
        )
        axes.set(yticks=[])
    panels[-1].set_xlabel("correlation with the real map")
    figure.suptitle(
        f"|b| > {report['b_min_deg']:g}°, {REGIONS[region]}\ngrey: rotated and mirrored skies"
    )
    return figure


def _p(p_value: float) -> str:
    """'< 0.001' or '= 0.03'."""
    return "< 0.001" if p_value < 1e-3 else f"= {p_value:.2g}"


def high_latitude_spectrum(report: Mapping) -> Figure:
    """Draw the cross spectrum with the real map and its null, and rho_ell of generated and dust.

    Parameters
    ----------
    report : dict

    Returns
    -------
    Figure
    """
    found, dust = report["cross_spectrum"]["mock"], report["cross_spectrum"]["dust"]
    edges = np.array(found["ell_edges"])
    ell = np.sqrt(edges[1:] * edges[:-1])
    value, mean, sd = (np.array(found[key]) for key in ("value", "null_mean", "null_sd"))
    figure = Figure(figsize=(6.0, 6.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1))
    top.plot(ell, value, "o-", color=GENERATED, label=r"real $\times$ generated")
    top.fill_between(ell, mean + 2 * sd, color="0.8", lw=0, label="rotated skies, up to 2 sd")
    top.set(xscale="log", yscale="log", ylabel=r"$C_\ell$ [(K km/s)$^2$ sr]")
    top.legend()
    for word, curve, colour, marker in (
        ("generated", found, GENERATED, "o"),
        ("dust", dust, BASE, "s"),
    ):
        bottom.plot(ell, curve["rho"], f"{marker}-", color=colour, label=rf"real $\times$ {word}")
    bottom.plot(ell, found["slope"], "^--", color=GENERATED, label="slope of real on generated")
    bottom.axhline(0, color="0.4", lw=0.8)
    bottom.axhline(1, color="0.4", lw=0.8, ls=":")
    bottom.set(xlabel=r"multipole $\ell$", ylabel=r"$\rho_\ell$ (noise included), slope")
    bottom.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    bottom.minorticks_off()
    bottom.legend(fontsize=9)
    figure.suptitle(f"|b| > {report['b_min_deg']:g}°, {REGIONS['unseen']}")
    return figure
