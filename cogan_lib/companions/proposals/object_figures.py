"""Figures of proposed objects beside their reference, and of what a test can see.

Each function returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ...plots.style import BASE, COLOURS, GENERATED, LINES, REAL
from . import physics
from .draws import BIASES
from .evaluation import VALLEY_DEX
from .objects import number_fields
from .samplers import valley_radius

Table = Mapping[str, np.ndarray]
#: Axis label, and whether the axis is logarithmic.
LABELS = {
    "peak_w_m2": ("peak flux [W/m²]", True), "rise_min": ("rise [minutes]", True),
    "decay_min": ("decay [minutes]", True), "energy_erg": ("energy, 1-8 Å [erg]", True),
    "period_day": ("period [days]", True), "radius_earth": ("radius [Earth's]", True),
    "eccentricity": ("eccentricity", False), "log_mass": ("log mass [solar]", False),
    "sfr_msun_yr": ("star formation [Msun/yr]", True), "radius_kpc": ("radius [kpc]", True),
    "sersic_n": ("Sérsic index", False), "mass_msun": ("mass [Msun]", True),
    "half_mass_radius_pc": ("half-mass radius [pc]", True), "n_stars": ("stars", True),
    "dispersion_km_s": ("dispersion [km/s]", True), "fe_h": ("[Fe/H]", False),
}  # fmt: skip
BINS, RADII = 24, (0.5, 1, 2, 4, 8, 16)


def marginals(kind: str, reference: Table, sets: Mapping[str, Table]) -> Figure:
    """Draw the distribution of each field, of proposals and of the reference.

    Parameters
    ----------
    kind : str
    reference : dict of str to ndarray
        Of a sampler.
    sets : dict of name to dict of str to ndarray
        Of `evaluation.table`; values beyond the reference's are drawn at its ends.

    Returns
    -------
    Figure
    """
    fields = number_fields(kind)
    columns = 3 if len(fields) > 4 else len(fields) if len(fields) < 4 else 2
    rows = -(-len(fields) // columns)
    figure = Figure(figsize=(7.2, 0.4 + 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(fields) :]:
        axes.set_axis_off()
    for axes, field in zip(grid, fields, strict=False):
        label, log = LABELS[field]
        edges = _edges(reference[field], log)
        style = {"bins": edges, "density": False}
        axes.hist(reference[field], weights=_share(reference[field]), color="0.8",
                  label="reference", **style)  # fmt: skip
        for (name, table), colour, line in zip(sets.items(), COLOURS, LINES, strict=False):
            values = np.clip(table[field], edges[0], edges[-1])
            look = {"histtype": "step", "color": colour, "ls": line, "lw": 1.6}
            axes.hist(values, weights=_share(values), label=name, **look, **style)
        axes.set(xlabel=label, yticks=[])
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def peak_duration(reference: Table, sets: Mapping[str, Table]) -> Figure:
    """Draw flares by peak flux and duration, with the decades of the GOES classes.

    Parameters
    ----------
    reference : dict of str to ndarray
        Of the sampler; the first 1500 are drawn.
    sets : dict of name to dict of str to ndarray
        Proposals, with ``peak_w_m2``, ``rise_min``, ``decay_min``, accepted or not.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    shown = {name: values[:1500] for name, values in reference.items()}
    axes.plot(*_peak_duration(shown), ".", ms=3, color="0.65", label="reference")
    for (name, table), colour, mark in zip(sets.items(), COLOURS, "osD^", strict=False):
        axes.plot(*_peak_duration(table), mark, ms=6, mec="w", mew=0.5, color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="peak flux, 1-8 Å [W/m²]",
             ylabel="rise and decay [minutes]")  # fmt: skip
    low, high = axes.get_xlim()
    for letter, flux in physics.CLASSES.items():
        if low < flux * 10 and flux < high:
            axes.axvline(flux, color=REAL, lw=0.6)
            middle = np.sqrt(max(flux, low) * min(flux * 10, high))
            axes.text(middle, 1.01, letter, transform=axes.get_xaxis_transform(), ha="center")
    axes.set_xlim(low, high)
    axes.legend(fontsize=9)
    return figure


def radius_valley(reference: Table, sets: Mapping[str, Table]) -> Figure:
    """Draw planets by period and radius, and the density of radii over the valley's.

    Parameters
    ----------
    reference : dict of str to ndarray
        Of the sampler; the first 1500 are drawn.
    sets : dict of name to dict of str to ndarray
        Proposals, at least one each.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    period = np.geomspace(1, 300, 50)
    shown = reference["period_day"][:1500], reference["radius_earth"][:1500]
    left.plot(*shown, ".", ms=3, color="0.65", label="reference")
    over = np.linspace(-0.35, 0.35, 141)
    right.plot(10**over, _density(reference, over), color="0.5", lw=2)
    for (name, table), colour, line, mark in zip(
        sets.items(), COLOURS, LINES, "osD^", strict=False
    ):
        look = {"ms": 5, "mec": "w", "mew": 0.5, "color": colour, "label": name}
        left.plot(table["period_day"], table["radius_earth"], mark, **look)
        right.plot(10**over, _density(table, over), color=colour, ls=line)
    left.plot(period, valley_radius(period), color=REAL, lw=1.2, label="valley")
    right.axvline(1, color=REAL, lw=1.2)
    left.set(xscale="log", yscale="log", xlabel="period [days]", ylabel="radius [Earth's]",
             yticks=RADII, yticklabels=[f"{radius:g}" for radius in RADII])  # fmt: skip
    left.yaxis.set_minor_formatter(NullFormatter())
    right.set(xlabel="radius over the valley's", ylabel="density", yticks=[])
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draws_needed(found: Mapping[str, Sequence[Mapping]], had: int | None = None) -> Figure:
    """Draw how many draws a KS test needs to see a bias.

    Parameters
    ----------
    found : dict of name to list of dict
        Of `Bias.needed` of each of `draws.BIASES`; strengths are drawn as shares of its largest.
        None in ``draws`` is left out.
    had : int, optional
        Proposals that there were, as a line.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for (name, rows), colour, line in zip(found.items(), COLOURS, LINES, strict=False):
        seen = [row for row in rows if row["draws"] is not None]
        if not seen:
            continue
        largest = max(row["strength"] for row in rows)
        share = np.array([row["strength"] / largest for row in seen])
        middle = np.array([row["draws"] for row in seen])
        ends = np.array([[row["low"] or row["draws"], row["high"] or row["draws"]] for row in seen])
        errors = np.abs(ends - middle[:, None]).T
        axes.errorbar(share, middle, yerr=errors, color=colour, ls=line, marker="o", ms=4,
                      capsize=2,
                      label=f"{name}: {BIASES[name].words.format(largest)}")  # fmt: skip
    if had:
        axes.axhline(had, color=REAL, lw=0.8)
        axes.text(0.01, had * 1.06, f"{had} proposals", ha="left", color=REAL, fontsize=9,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="bias, in units of what is named below",
             ylabel="draws that a KS test needs")  # fmt: skip
    ticks = [0.125, 0.25, 0.5, 1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


def refused(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw how often each rule refused proposals.

    Parameters
    ----------
    counts : dict of name to dict of rule to int
        Of each set of proposals.

    Returns
    -------
    Figure
    """
    rules = list(dict.fromkeys(rule for count in counts.values() for rule in count))
    figure = Figure(figsize=(6.4, 1.0 + 0.35 * len(rules)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / len(counts)
    for number, (name, count) in enumerate(counts.items()):
        places = np.arange(len(rules)) + (number - (len(counts) - 1) / 2) * height
        values = [count.get(rule, 0) for rule in rules]
        axes.barh(places, values, height, color=(GENERATED, BASE, REAL)[number % 3], label=name)
    axes.set_yticks(range(len(rules)), rules)
    axes.invert_yaxis()
    axes.set(xlabel="proposals that break the rule")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def neupert(hard: np.ndarray, soft: np.ndarray, step_s: float) -> Figure:
    """Draw the hard and soft X-rays of one flare, and the slope of the soft ones over the hard.

    Parameters
    ----------
    hard, soft : ndarray, shape (n,)
        `physics.soft_xrays` makes the second of the first.
    step_s : float

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    minutes = np.arange(len(hard)) * step_s / 60
    slope = np.gradient(soft, step_s)
    curves = (
        ("hard X-rays", hard, BASE), ("soft X-rays", soft, GENERATED),
        ("slope of the soft", np.maximum(slope, 0), REAL),
    )  # fmt: skip
    for (name, values, colour), line in zip(curves, LINES, strict=False):
        axes.plot(minutes, values / values.max(), color=colour, ls=line, label=name)
    axes.set(xlabel="time [minutes]", ylabel="over the largest value")
    axes.legend(fontsize=9)
    return figure


def _edges(values: np.ndarray, log: bool) -> np.ndarray:
    low, high = np.quantile(values, [0.002, 0.998])
    if log:
        return np.geomspace(low, high, BINS + 1)
    return np.linspace(low, high, BINS + 1)


def _share(values: np.ndarray) -> np.ndarray:
    return np.full(len(values), 1 / len(values))


def _peak_duration(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return table["peak_w_m2"], np.asarray(table["rise_min"]) + np.asarray(table["decay_min"])


def _density(planets: Table, over: np.ndarray) -> np.ndarray:
    x = np.log10(planets["radius_earth"] / valley_radius(planets["period_day"]))
    kernel = np.exp(-(((over[:, None] - x) / VALLEY_DEX) ** 2) / 2).sum(axis=1)
    return kernel / (len(x) * VALLEY_DEX * np.sqrt(2 * np.pi))
