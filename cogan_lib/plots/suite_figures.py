"""Figures of the validation suite: the catch table, one verdict, and the skew that comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..validation.exchange import ALPHA
from ..validation.faults import FAULTS
from ..validation.suite import TESTS, Verdict
from ..validation.suite_words import NAMES
from .style import BASE, COLOURS, GENERATED, REAL


def catch_table(
    caught: Mapping[str, Mapping[str, Mapping[str, float]]], sizes: Sequence[str] | None = None
) -> Figure:
    """Draw which test catches which fault: the share of generators that is caught.

    Parameters
    ----------
    caught : dict of fault to dict of number of images to dict of test to share
        The last column is "all": at least one test catches it.
    sizes : sequence of str, optional
        Which numbers of images; all.

    Returns
    -------
    Figure
    """
    rows = [
        (fault, size, shares)
        for fault, by_size in sorted(caught.items(), key=lambda item: _place(item[0]))
        for size, shares in sorted(by_size.items(), key=lambda item: int(item[0]))
        if sizes is None or size in sizes
    ]
    tests = [name for name in TESTS if any(name in shares for *_, shares in rows)] + ["all"]
    values = np.array([[shares.get(name, np.nan) for name in tests] for *_, shares in rows])
    figure = Figure(figsize=(7.6, 1.9 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(values, cmap="Oranges", vmin=0, vmax=1, aspect="auto", origin="upper")
    for (i, j), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        colour = "w" if value > 0.6 else REAL
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
    axes.axvline(len(tests) - 1.5, color="w", lw=3)
    for i, (fault, *_) in enumerate(rows[1:]):
        if fault != rows[i][0]:
            axes.axhline(i + 0.5, color="w", lw=2)
    names = [NAMES.get(name, "any test") for name in tests]
    axes.set_xticks(range(len(tests)), names, rotation=38, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [f"{fault}, {size} images" for fault, size, _ in rows])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=9)
    axes.grid(False)
    axes.set_xlabel("caught [%]")
    return figure


def verdict_chart(verdicts: Mapping[str, Verdict]) -> Figure:
    """Draw the adjusted p-values of all tests, on a logarithmic axis; left of the line fails.

    Parameters
    ----------
    verdicts : dict of name to Verdict

    Returns
    -------
    Figure
    """
    tests = [name for name in TESTS if any(name in v.tests for v in verdicts.values())]
    figure = Figure(figsize=(7.2, 1.4 + 0.3 * len(tests)), layout="constrained")
    axes = figure.add_subplot()
    least = min(1 / (v.label_sets + 1) for v in verdicts.values())
    axes.axvspan(least / 3, ALPHA, color="0.93", zorder=0)
    axes.axvline(ALPHA, color="0.4", lw=0.8)
    markers = "osD^vP"
    for number, (name, verdict) in enumerate(verdicts.items()):
        rows = [row for row, test in enumerate(tests) if test in verdict.tests]
        found = [verdict.tests[tests[row]] for row in rows]
        axes.plot(
            [max(test.adjusted, least / 2) for test in found],
            np.array(rows) + 0.12 * (number - (len(verdicts) - 1) / 2),
            ls="", marker=markers[number % len(markers)], ms=6,
            color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(tests)), [NAMES[name] for name in tests], fontsize=9)
    axes.set(xscale="log", xlim=(least / 3, 1.5), ylim=(len(tests) - 0.5, -0.5))
    axes.set_xlabel("p-value among all tests (grey: fails)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def skew(found: Mapping[str, Mapping]) -> Figure:
    """Draw the share of a class in generated images against that in training.

    Parameters
    ----------
    found : dict of generator to dict
        Of `BiasAmplification.to_dict`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", lw=0.8)
    for colour, (name, row) in zip((BASE, GENERATED, *COLOURS[2:]), found.items(), strict=False):
        axes.errorbar(
            row["shares_read"], row["shares_out"], row["errors"], color=colour, marker="o", ms=4,
            capsize=2, label=f"{name}: {row['slope']:.2f} ± {row['slope_error']:.2f}",
        )  # fmt: skip
    axes.set(xlabel="share in training, as read", ylabel="share in generated images")
    axes.legend(title="power of the odds", fontsize=9)
    return figure


def _place(fault: str) -> int:
    """Where a fault stands in the table: a stored file has them by the alphabet."""
    return list(FAULTS).index(fault)
