"""The cost page's figure of growth: seconds and peak memory against pixels."""

from __future__ import annotations

from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one

from cogan_lib.base.files import read_json

GROWING = {"cutting": "cutting one map", "joining": "joining one map", "synthesis": "synthesis"}


def draw_growth(stage: Path) -> None:
    """Draw ``_generated/cost-growth.png`` of the staged book, if measurements are stored."""
    from matplotlib.figure import Figure

    from cogan_lib.plots import style

    if not (stage / "results" / "bench" / "bench.json").exists():
        return
    grown = read_json(stage / "results" / "bench" / "bench.json")["growth"]
    style.use()
    figure = Figure(figsize=(8, 3.4))
    colours = dict(zip(GROWING, (style.BASE, style.REAL, style.GENERATED), strict=True))
    panels = zip(figure.subplots(1, 2), ("seconds", "peak_mb"), strict=True)
    for axes, key in panels:
        for name, label in GROWING.items():
            nsides = sorted(map(int, grown[name]))
            pixels = [12 * nside**2 for nside in nsides]
            values = [grown[name][str(nside)][key] for nside in nsides]
            axes.loglog(pixels, values, "o-", color=colours[name], label=label)
        line = [values[-1] * count / pixels[-1] for count in pixels]
        axes.loglog(pixels, line, color="0.7", lw=4, zorder=0)
        axes.set(xlabel="pixels", ylabel={"seconds": "seconds", "peak_mb": "peak memory, MB"}[key])
    axes.legend()
    figure.savefig(stage / "_generated" / "cost-growth.png")
