"""Write what chapter 06 gave on the real sky into the staged book.

    python ci/beyond_page.py _build/stage

From the stored ``results/beyond/report.json`` (the run's own report) and ``figures.yaml``; the
reproduction page includes what is written to ``_generated/beyond-run.md``, which is empty without
them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from results_page import LINES, figure_blocks, read_figures, table_row

from cogan_lib.base.files import CoganError, read_json

FOLDER = "results/beyond"
REGIONS = {
    "unseen": "outside all training and validation tiles",
    "faint": "of these, where the made CO is below 3 sigma of the real map",
    "outside": "of these, where dust and HI are out of the training range",
}


def write_beyond(stage: Path) -> None:
    """Write ``_generated/beyond-run.md``; a report that cannot be used is a `CoganError`."""
    path, text = stage / FOLDER / "report.json", ""
    if path.exists():
        report = read_json(path)
        if "beyond" not in report:
            raise CoganError(f"{FOLDER}/report.json has no section of chapter 06; run it again.")
        text = beyond_run(report, read_figures(stage, FOLDER))
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    (stage / "_generated" / "beyond-run.md").write_text(text.strip() + "\n")


def beyond_run(report: dict, figures: list[dict]) -> str:
    """The stored run of chapter 06: targets, baselines, verdicts, high latitude, figures."""
    run, made_by = report["beyond"], report.get("provenance", {})
    line = LINES.get(run["line"], run["line"])
    origin = "came along with the package" if run["came_along"] else "were trained in the run"
    text = ["## Beyond the paper, on the real sky", ""]
    text += [
        f"The run of chapter 06 behind these tables: {line}, {run['tiles']} held-out tiles, "
        f"{run['members']} skies of members, seed {made_by.get('seed')}, code "
        f"{made_by.get('git_commit')}. The weights of the members {origin}.",
        "",
        *_targets(run["targets"]),
        *_trainings(run["trainings"]),
        *_baselines(run["baselines"]),
        *_verdicts(run["verdicts"]),
        *_high_latitude(run["high_latitude"]),
        *figure_blocks(figures, FOLDER),
    ]
    return "\n".join(text)


def _table(caption: str, name: str, header: list[str], rows: list[list[str]]) -> list[str]:
    text = [f"````{{list-table}} {caption}", f":name: tab-beyond-{name}", ":class: narrow"]
    text += [":header-rows: 1", "", *table_row(*header)]
    for row in rows:
        text += table_row(*row)
    return [*text, "````", ""]


def _targets(targets: list[dict]) -> list[str]:
    keys = ("quantity", "paper", "to reach", "ours", "met")
    rows = [[str(target[key]) for key in keys] for target in targets]
    caption = (
        "What was asked for, and what came out: mean ± standard deviation over the members' skies, "
        "and in brackets the 68 % interval had other blocks of sky been held out."
    )
    return _table(caption, "targets", ["Quantity", "Paper", "To reach", "Ours", ""], rows)


def _trainings(trainings: list[dict]) -> list[str]:
    keys = ["R²", "CRPS", "spread/error", "coverage of 68 %", "power, first bin", "power, last bin"]
    rows = [[row["members"], *(f"{row[key]:.3f}" for key in keys)] for row in trainings]
    caption = (
        "Each training of the generator of members by itself, and all together, on the tiles of "
        "the calibration. R² is that of the mean of the members, power that of single ones."
    )
    return _table(
        caption, "trainings", ["Members", *(key[0].upper() + key[1:] for key in keys)], rows
    )


def _baselines(baselines: dict) -> list[str]:
    def number(value: float | None, spec: str) -> str:
        return "–" if value is None else format(value, spec)

    rows = []
    for name, found in baselines.items():
        rho, ratio = found["rho"], found["ratio"]
        places = "–" if rho is None else f"{rho[0]:.2f} → {rho[-1]:.2f}"
        peaks = f"{found['peaks']['V1']:.2f}, {found['peaks']['V2']:.2f}"
        power = f"{min(ratio):.2f} to {max(ratio):.2f}"
        cost = [f"{found['parameters']:,}", f"{found['seconds']:,.0f}"]
        judged = [places, power, peaks, number(found["crps"], ".3f")]
        rows.append([name, number(found["r2"], ".3f"), *judged, *cost])
    header = ["Method", "R²", "ρ, first → last bin", "power", "V1, V2", "CRPS"]
    caption = (
        "The same held-out tiles, method by method. Power and the peaks of V1 and V2 are made over "
        "real; the CRPS of a single map is its mean absolute error."
    )
    return _table(caption, "baselines", [*header, "parameters", "seconds"], rows)


def _verdicts(verdicts: dict) -> list[str]:
    rows = []
    for name, found in verdicts.items():
        inside, sharp = found["inside_2sigma"], found["sharp"]
        published = f"{inside['spectrum']:.0%} / {inside['minkowski']:.0%}"
        passes = "–"
        if sharp:
            passes = f"{'passes' if sharp['passes'] else 'fails'}, p = {sharp['p_value']:.2g}"
        rows.append([name, published, passes])
    caption = (
        "The published criterion (share of the spectrum / Minkowski points) and the sharp one."
    )
    return _table(caption, "verdicts", ["Sky", "Inside 2 sigma", "Sharp verdict"], rows)


def _high_latitude(found: dict) -> list[str]:
    rows = []
    for name, meaning in REGIONS.items():
        if name not in found["regions"]:
            continue
        part = found["regions"][name]
        cells = [
            f"{part[key]['value']:.2f} (p = {part[key]['p_value']:.2g})"
            for key in ("mock", "dust", "mock_beyond_dust", "mock_beyond_dust_hi")
        ]
        rows.append([f"{meaning} ({part['share_of_sky']:.0%} of the sky)", *cells])
    header = ["Where", "made CO", "dust", "made CO beyond dust", "beyond dust and HI"]
    caption = (
        f"Beyond {found['b_min_deg']:g} degrees of latitude: correlation with the real, noisy CO "
        "map, and its p-value among 1440 turned and mirrored skies."
    )
    return _table(caption, "high-latitude", header, rows)


if __name__ == "__main__":
    try:
        write_beyond(Path(sys.argv[1]))
    except (IndexError, KeyError, CoganError) as problem:
        sys.exit(f"Error: {problem}; usage: python ci/beyond_page.py STAGE")
