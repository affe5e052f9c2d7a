"""Write what the emulator of chapter 07 reached, beside its paper, into the staged book.

    python ci/line_transfer_page.py _build/stage

From the stored ``results/line-transfer/report.json``, which ``ci/line_transfer_run.py`` wrote; the
reproduction page includes ``_generated/line-transfer-run.md``, which is empty without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from results_page import table_row

from cogan_lib.base.files import CoganError, read_json

REPORT = "results/line-transfer/report.json"
#: What the paper's abstract and tables say of each measure: headline, and its table of seeds.
PAPER = {"max_rel": ("6.9 %", "6.4 to 7.0 %"), "zncc": ("0.97", "0.985 to 0.988"),
         "ssim": ("0.91", "0.966 to 0.971")}  # fmt: skip
MEASURES = {"max_rel": ("MaxRel", ".1f", " %"), "zncc": ("ZNCC", ".3f", ""),
            "ssim": ("SSIM", ".3f", "")}  # fmt: skip


def write_line_transfer(stage: Path) -> None:
    """Write ``_generated/line-transfer-run.md``; a report that cannot be used is a `CoganError`."""
    path, text = stage / REPORT, ""
    if path.exists():
        report = read_json(path)
        try:
            text = line_transfer_run(report)
        except KeyError as missing:
            raise CoganError(f"{REPORT} has no {missing}; run ci/line_transfer_run.py.") from None
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    (stage / "_generated" / "line-transfer-run.md").write_text(text.strip() + "\n")


def line_transfer_run(report: dict) -> str:
    """The stored trainings of chapter 07's network: measures, resolution, speed."""
    data, trainings = report["data"], report["trainings"]
    minutes = [row["core_minutes"] for row in trainings.values()]
    npix, pictures = data["npix"], data["pictures"]
    text = ["## The companion: emulating CO lines", ""]
    text += [
        "{cite:t}`su2025` and {doc}`07-line-transfer`. "
        f"{len(trainings)} trainings that differ by their seed, of {min(minutes):.0f} to "
        f"{max(minutes):.0f} minutes of one core each, on {pictures['train']} pictures of "
        f"{npix}³ cubes in {len(data['channels'])} channels; judged on {pictures['test']} pictures "
        "of winds that no training saw. Other winds, other channels and far less of everything "
        "than the paper, whose network saw some two million pictures of 64³. Code "
        f"{', '.join(sorted({row['git_commit'] for row in trainings.values()}))}.",
        "",
        "````{list-table} The median over the held-out pictures: mean ± standard deviation over "
        "the seeds. The mean picture is that of the training winds, the same for every wind.",
        ":name: tab-line-transfer", ":class: narrow", ":header-rows: 1", "",
        *table_row("Measure", "Paper", "Its other seeds", "Ours", "Mean picture"),
    ]  # fmt: skip
    for key, (name, spec, unit) in MEASURES.items():
        found = report["summary"][key]
        ours = f"{found['mean']:{spec}} ± {found['std']:{spec}}{unit}"
        text += table_row(name, *PAPER[key], ours, f"{data['mean_picture'][key]:{spec}}{unit}")
    text += ["````", ""]
    text += [
        "Where ZNCC is hardly higher than the mean picture's, brightness, size and line shape have "
        "been learnt, and the spiral arms have not.",
        "",
    ]
    text += [*_resolution(report["resolution"]), *_speed(report["speed"])]
    return "\n".join(text)


def _resolution(found: dict) -> list[str]:
    text = [
        "````{list-table} The grid's error: how far the pictures' flux is from that of the exact "
        "rule at 128³.",
        ":name: tab-line-resolution", ":class: narrow", ":header-rows: 1", "",
        *table_row("Turbulence", "Rule", "32³", "64³", "128³"),
    ]  # fmt: skip
    for turbulence, rules in found.items():
        for rule, errors in rules.items():
            name = "exact between points" if rule == "exact" else rule
            cells = [f"{100 * errors[n]:.2g} %" if errors[n] else "–" for n in ("32", "64", "128")]
            text += table_row(f"{float(turbulence) / 1e3:g} km/s", name, *cells)
    return [*text, "````", ""]


def _speed(found: dict) -> list[str]:
    caption = (
        f"Milliseconds for the {found['npix']}² pictures of one wind, in batches of "
        f"{found['batch']}: solver and network on the same device "
        f"({found['threads']} CPU thread{'s' if found['threads'] > 1 else ''})."
    )
    text = [f"````{{list-table}} {caption}", ":name: tab-line-speed", ":class: narrow"]
    text += [":header-rows: 1", "", *table_row("Device", "Solver", "Network", "Solver / network")]
    for device, name in (("cpu", "CPU"), ("cuda", "GPU")):
        row, cells = found.get(device), ["not measured"] * 3
        if row:
            cells = [f"{row['solver']:.1f}", f"{row['network']:.1f}", f"{row['ratio']:.1f}"]
        text += table_row(name, *cells)
    text += ["````", ""]
    cross = "not measured"
    if "cuda" in found:
        cross = f"{found['cpu']['solver'] / found['cuda']['network']:.0f} times"
    text += [
        f"Across devices, network on a GPU against solver on a CPU: {cross}. The paper's 1000 "
        "times is such a number.",
        "",
    ]
    return text


if __name__ == "__main__":
    try:
        write_line_transfer(Path(sys.argv[1]))
    except (IndexError, CoganError) as problem:
        sys.exit(f"Error: {problem}; usage: python ci/line_transfer_page.py STAGE")
