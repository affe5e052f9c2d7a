"""Write what the road costs into the staged book: comparisons, growth, profiles, arithmetic.

    python ci/cost_page.py _build/stage [STATUS.json]

All numbers come from ``results/bench/bench.json``, which `make bench` writes, and from the run of
the book that is being built; the page includes what is written to ``_generated/``, which is a
sentence without them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from results_page import table_row

from cogan_lib.base.config import PROFILE_FOLDER, load_profile
from cogan_lib.base.files import CoganError, read_json

RESULTS = "results/bench/bench.json"
NOT_YET = "This copy holds no measurements yet; `make bench` makes them."
GROWING = {"cutting": "cutting one map", "joining": "joining one map", "synthesis": "synthesis"}
ORDER = ["smoke", "laptop", "real", "gpu"]


def write_costs(stage: Path, status: dict | None = None) -> None:
    """Write ``_generated/cost-{ratios,growth,profiles,paper}.md`` and the figure of growth.

    Parameters
    ----------
    stage : Path
        The staged copy of ``book/``.
    status : dict, optional
        Record of the run that is being built (``status.json``).

    Raises
    ------
    CoganError
        If the stored measurements are not those of a complete run.
    """
    folder, path = stage / "_generated", stage / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    record = read_json(path) if path.exists() else {}
    parts = dict.fromkeys(("ratios", "growth", "paper"), NOT_YET)
    if record:
        try:
            parts = {
                "ratios": ratios(record),
                "growth": growth(record),
                "paper": on_paper(record),
            }
            draw_growth(record["growth"], folder / "cost-growth.png")
        except KeyError as missing:
            raise CoganError(f"{RESULTS} has no {missing}; run `make bench` again.") from missing
    parts["profiles"] = profiles(record.get("profiles", {}), status or {})
    for name, text in parts.items():
        (folder / f"cost-{name}.md").write_text(text.strip() + "\n")


def ratios(record: dict) -> str:
    """The machine, and ours against the others' in one table, with what was agreed upon first."""
    machine, limits, made = record["machine"], record["limits"], record["provenance"]
    rows, notes = [], []
    for work in record["works"].values():
        ours, theirs = work["ours"], work.get("theirs")
        ratio = theirs["seconds"] / ours["seconds"] if theirs else None
        wanted = work["target"]
        met = "" if not (ratio and wanted) else "yes" if ratio >= wanted else "no"
        limit = limit_seconds(ours, limits)
        rows.append(
            [
                f"{work['title']}, a {work['unit']}",
                duration(ours["seconds"]),
                f"{work['rival']}: {duration(theirs['seconds']) if theirs else 'not measured'}",
                times(ratio) if ratio else "–",
                f"{wanted:,}" if wanted else "–",
                met,
                f"{megabytes(ours)} / {megabytes(theirs)}",
                f"{limit / ours['seconds']:.0%}" if limit else "–",
            ]
        )
        said = [work.get("agreement"), ours.get("note"), (theirs or {}).get("note")]
        notes.append(f"- *{work['title']}*: {'; '.join(filter(None, said))}.")
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    header = ["Work", "Ours", "What one would use", "Ratio", "To reach", "Met", "Peak MB", "Limit"]
    caption = (
        "Ours and others' work on the same input, in one process and on one thread. Peak MB is "
        "what the work took beyond the memory that was there before (ours / theirs). Limit is the "
        "share of the best that the machine can do for this work, by bytes or by FLOPs."
    )
    return "\n".join(
        [
            f"Measured on {machine['cpu']} ({machine['cores']} cores, {machine['memory_gb']} GB), "
            f"one thread, which copies {limits['copy_bytes_s'] / 1e9:.0f} GB a second and "
            f"multiplies matrices at {limits['flops_s_fp32'] / 1e9:.0f} GFLOP/s in single and "
            f"{limits['flops_s_bf16'] / 1e9:.0f} in bfloat16 precision. Code "
            f"{made['git_commit']}, {made['made'][:10]}, Python {made['python']}, {versions}.",
            "",
            *table("ratios", caption, header, rows),
            "Agreement was checked before any time was taken:",
            "",
            *notes,
        ]
    )


def growth(record: dict) -> str:
    """Figure and table of time and memory against pixels, and where synthesis spends its time."""
    grown, rows = record["growth"], []
    for nside in sorted(map(int, grown["synthesis"])):
        at = {name: grown[name][str(nside)] for name in GROWING}
        share = at["synthesis"]["generator_seconds"] / at["synthesis"]["seconds"]
        times = [duration(row["seconds"]) for row in at.values()]
        memory = " / ".join(megabytes(row) for row in at.values())
        tiles = f"{at['synthesis']['tiles']:,}"
        sampled = f"{at['synthesis']['sampled']:.0%}"
        rows.append([nside, f"{12 * nside**2:,}", tiles, *times, f"{share:.0%}", sampled, memory])
    header = ["NSIDE", "Pixels", "Tiles", *(name.capitalize() for name in GROWING.values())]
    header += ["in the generator", "of it run", "Peak MB of the three"]
    caption = (
        "Time and memory of the whole sky against its NSIDE, on one thread. The generator (the "
        "cogan preset) really ran on the share of tiles that the table names; its time is scaled."
    )
    largest = rows[-1][0]
    last, others = grown["synthesis"][str(largest)], grown["generator"]
    rest = last["seconds"] - last["generator_seconds"]
    paper = others["paper"]["seconds"] * last["tiles"]
    slope = last["peak_mb"] * 1e6 / (12 * largest**2)
    return "\n".join(
        [
            "```{figure} _generated/cost-growth.png",
            ":name: fig-cost-growth",
            ":alt: Two panels on logarithmic axes. Seconds and peak memory of three kinds of work "
            "rise with the number of pixels, parallel to a straight line.",
            "",
            "Time (left) and peak memory (right) against the pixels of the sky. The grey line is "
            "in proportion to the pixels.",
            "```",
            "",
            *table("growth", caption, header, rows),
            f"At NSIDE {largest}, cutting and joining take {duration(rest)} of a synthesis; the "
            f"generator of the cogan preset has {last['generator_seconds'] / last['seconds']:.0%} "
            f"of the time, and the paper's, at {duration(others['paper']['seconds'])} a tile, "
            f"would have {paper / (paper + rest):.0%}. Synthesis holds {slope:.0f} bytes a pixel "
            "beside the sky that it was given, and nothing that grows with the number of tiles.",
        ]
    )


def draw_growth(grown: dict, path: Path) -> None:
    """Seconds and peak memory against pixels, with a line in proportion for the eye."""
    from matplotlib.figure import Figure

    from cogan_lib.plots import style

    style.use()
    figure = Figure(figsize=(8, 3.4))
    colours = dict(zip(GROWING, (style.BASE, style.REAL, style.MOCK), strict=True))
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
    figure.savefig(path)


def profiles(stored: dict, status: dict) -> str:
    """Each profile's size and the time of each chapter, where a run is known."""
    runs = dict(stored)
    if status:
        runs[status["profile"]] = run_of(status)
    names = [path.stem for path in PROFILE_FOLDER.glob("*.yaml")]
    chapters = sorted({name for run in runs.values() for name in run["chapters"]})
    rows = []
    for name in sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else 9, name)):
        settings, run = load_profile(name), runs.get(name)
        tile = f"{settings.tile_npix} px of {settings.tile_pixel_arcmin:g}′"
        budget = f"{settings.max_minutes:g} + {settings.member_minutes:g} min"
        nside = "the file's" if settings.sky_path else settings.nside
        cells = [f"`{name}`", nside, tile, settings.preset, budget]
        times = [run["chapters"].get(chapter) for chapter in chapters] if run else []
        if times:
            total = sum(part["seconds"] for part in times if part)
            peak = max(part["peak_mb"] for part in times if part)
            cells += [duration(part["seconds"]) if part else "–" for part in times]
            cells += [duration(total), f"{peak:,}", f"{run['date'][:10]}, {run['cores']} cores"]
        else:
            cells += ["–"] * (len(chapters) + 2) + ["not run here"]
        rows.append(cells)
    header = ["Profile", "NSIDE", "Tile", "Networks", "Training"]
    header += [name.split("-")[0].lstrip("0") for name in chapters]
    header += ["Together", "Peak MB", "Run"]
    caption = (
        "The profiles, with the time of each chapter by its number. Training is the longest that "
        "chapters 3 and 6 may train."
    )
    return "\n".join(table("profiles", caption, header, rows))


def run_of(status: dict) -> dict:
    """What the table of profiles wants of a run's ``status.json``."""
    chapters = status["chapters"]
    return {
        "date": max(part["date"] for part in chapters.values()),
        "cores": status["machine"]["cores"],
        "chapters": {
            name: {key: part[key] for key in ("seconds", "peak_mb")}
            for name, part in chapters.items()
        },
    }


def on_paper(record: dict, nside: int = 8192, members: int = 1000) -> str:
    """What the measured rates say of a larger sky and of many members, and from which numbers."""
    grown = record["growth"]
    largest = max(map(int, grown["synthesis"]))
    last, analysis = grown["synthesis"][str(largest)], grown["analysis"]
    times = (nside // largest) ** 2
    transforms = 2 * analysis["seconds"]
    rest = last["seconds"] - last["generator_seconds"] - transforms
    cut, joined = (times * rest, times * last["generator_seconds"])
    sky = cut + joined + 2 * analysis["seconds"] * (nside / largest) ** 3
    memory = last["peak_mb"] * times
    pixels = 12 * nside**2
    rows = [
        [
            "Pixels, tiles",
            f"{times} times those of NSIDE {largest}",
            f"{pixels:,}, {times * last['tiles']:,}",
        ],
        [
            "The maps' a_lm (2 inputs)",
            f"rings × multipoles²: {nside // largest}³ × {duration(transforms)}",
            duration(transforms * (nside / largest) ** 3),
        ],
        ["Cutting, joining, scaling", f"{times} × {duration(rest)}", duration(cut)],
        ["Generator, cogan", f"{times} × {duration(last['generator_seconds'])}", duration(joined)],
        ["A sky of CO, one core", "sum", duration(sky)],
        [
            "Memory beside the maps",
            f"{times} × {last['peak_mb'] / 1e3:.2g} GB",
            f"{memory / 1e3:.0f} GB",
        ],
        ["The result, two lines", "4 bytes a pixel and line", f"{8 * pixels / 1e9:.1f} GB"],
    ]
    member_rows = [
        [
            f"{members:,} skies at NSIDE {at}, one core",
            f"{members:,} × {duration(grown['synthesis'][str(at)]['seconds'])}",
            duration(members * grown["synthesis"][str(at)]["seconds"]),
            f"{8 * 12 * at**2 * members / 1e9:,.0f} GB",
        ]
        for at in sorted(map(int, grown["synthesis"]))
    ]
    return "\n".join(
        [
            *table(
                "8192",
                f"NSIDE {nside}, from the times measured at NSIDE {largest}: whatever goes tile by "
                "tile grows with the pixels, a transform with their power 3/2.",
                ["What", "How", "Estimate"],
                rows,
            ),
            *table(
                "members",
                f"{members:,} members, one after the other; they need nothing of each other, so "
                "that as many cores take as many times less. Mean and spread are summed on the way "
                "and need no member on disk.",
                ["What", "How", "Time", "If all are kept"],
                member_rows,
            ),
        ]
    )


def limit_seconds(row: dict, limits: dict) -> float | None:
    """Least seconds of a unit of work: its bytes copied, or its FLOPs in a matrix product."""
    least = []
    for need, rate in (("bytes", "copy_bytes_s"), ("flops", f"flops_s_{row.get('precision')}")):
        if row.get(need):
            if rate not in limits:
                return None  # an interrupted run
            least.append(row[need] / limits[rate])
    return max(least, default=None)


def table(name: str, caption: str, header: list, rows: list[list]) -> list[str]:
    """A numbered list-table."""
    width = "wide" if len(header) > 7 else "narrow"
    text = [f"````{{list-table}} {caption}", f":name: tab-cost-{name}", f":class: {width}"]
    text += [":header-rows: 1", "", *table_row(*map(str, header))]
    for row in rows:
        text += table_row(*map(str, row))
    return [*text, "````", ""]


def duration(seconds: float) -> str:
    """A time in the unit that suits it, to three digits."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60), ("s", 1)):
        if seconds >= 2 * size or (unit == "s" and seconds >= 1):
            return f"{seconds / size:,.3g} {unit}"
    return f"{1e3 * seconds:.3g} ms"


def times(ratio: float) -> str:
    """A ratio to three digits, never as a power of ten."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def megabytes(row: dict | None) -> str:
    """Peak memory of a measured row."""
    return "–" if not row or row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python ci/cost_page.py STAGE [STATUS.json]")
    write_costs(Path(sys.argv[1]), read_json(sys.argv[2]) if len(sys.argv) == 3 else None)
