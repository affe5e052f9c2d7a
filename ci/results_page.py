"""Write what came out on the real sky, beside the paper, into the staged book.

    python ci/results_page.py _build/stage

The numbers come from the stored report ``results/real/report.json``, the words from
``_includes/reproduction.yaml``, the figures from ``results/real/figures.yaml``. The pages include
what is written to ``_generated/``. Without a stored report the tables say so and stay empty.
"""

from __future__ import annotations

import json
import operator
import re
import string
import sys
from contextlib import suppress
from pathlib import Path

import yaml

from cogan_lib.base.files import CoganError, read_json

REPORT = "results/real/report.json"
FOLDER = "results/real"
NO_RUN = "not run yet"
NOT_MEASURED = "not measured"
BADGES = {  # from best to worst
    "reproduced": "[reproduced]{.status-good}",
    "approximated": "[approximated]{.status-part}",
    "not": "[not]{.status-not}",
    NO_RUN: "[not run yet]{.status-open}",
    NOT_MEASURED: "[not measured]{.status-open}",
}
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
ENDS = ("low", "high")
LINES = {"W_CO10": "CO J=1-0", "W_CO21": "CO J=2-1"}


class NotMeasured(LookupError):
    """The report has no such number."""


def write_results(stage: Path) -> None:
    """Write ``_generated/{reproduction,real-run,headline}.md`` in the staged book.

    Raises
    ------
    CoganError
        If the stored report, the rows or the list of figures cannot be used.
    """
    report = within_beam(read_json(stage / REPORT)) if (stage / REPORT).exists() else None
    prose = read_prose(stage / "_includes" / "reproduction.yaml")
    parts = {
        "reproduction": reproduction(prose["sections"], report),
        "real-run": real_run(report, read_figures(stage, FOLDER)),
        "headline": headline(prose["headline"], report),
    }
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    for name, text in parts.items():
        (stage / "_generated" / f"{name}.md").write_text(text.strip() + "\n")


def within_beam(report: dict) -> dict:
    """The report, with each target's spectral numbers in the bins within the beam as ``beam``.

    ``beam`` has the lists ell, ratio (median of made over real power), low and high (its 68 %
    interval), rho (real x made) and, where the report has them, dust_real, dust_made (dust x CO)
    and their greatest difference dust_gap.
    """
    for result in report.get("validation", {}).values():
        with suppress(NotMeasured):
            ell = look_up(result, "spectrum.ell")
            chosen = result["spectrum"].get("in_beam", [True] * len(ell))
            columns = {"ell": ell, "ratio": look_up(result, "spectrum.median_ratio")}
            columns |= {end: look_up(result, f"spectrum.median_ratio_68.{end}") for end in ENDS}
            columns["rho"] = look_up(result, "rho_ell_real_mock")
            for name, pair in (("dust_real", "DUST x real"), ("dust_made", "DUST x mock")):
                with suppress(NotMeasured):
                    columns[name] = look_up(result, f"rho_ell.{pair}.mean_spectra")
            result["beam"] = {
                name: [value for value, keep in zip(values, chosen, strict=True) if keep]
                for name, values in columns.items()
            }
            if {"dust_real", "dust_made"} <= set(columns):
                pairs = zip(result["beam"]["dust_real"], result["beam"]["dust_made"], strict=True)
                result["beam"]["dust_gap"] = max(abs(a - b) for a, b in pairs)
    return report


def read_prose(path: Path) -> dict:
    """The words of the reproduction page and the headline; a malformed row is a `CoganError`."""
    prose = yaml.safe_load(path.read_text())
    for row in (row for section in prose["sections"] for row in section["rows"]):
        name = f"{path.name}, row {row.get('claim', '?')!r}"
        if missing := {"claim", "paper", "ours", "why"} - set(row):
            raise CoganError(f"{name}: {', '.join(sorted(missing))} missing.")
        if ("status" in row) == ("reproduced" in row or "approximated" in row):
            raise CoganError(f"{name}: give either a status or a condition for one.")
        if row.get("status", "not") not in ("reproduced", "approximated", "not"):
            raise CoganError(f"{name}: there is no status {row['status']!r}.")
    return prose


def reproduction(sections: list[dict], report: dict | None) -> str:
    """The tables of claims in Markdown, one a section; before them a note if there is no report."""
    text = []
    if report is None:
        text = ["```{admonition} This copy holds no results on the real sky", ":class: attention"]
        text += [
            "The rows that need them are empty. The last section says how to make them.",
            "```",
        ]
        text += [""]
    for section in sections:
        text += [f"## {section['title']}", "", "````{list-table}", ":class: reproduction"]
        text += [":header-rows: 1", ":widths: 19 21 22 14 24", ""]
        text += table_row("Claim", "Paper", "Ours (real sky, held-out longitudes)", "Status", "Why")
        for row in section["rows"]:
            ours, label = judge(row, report)
            text += table_row(row["claim"], row["paper"], ours or "–", BADGES[label], row["why"])
        text += ["````", ""]
    return "\n".join(text)


def judge(row: dict, report: dict | None) -> tuple[str, str]:
    """The column *Ours* and the status of one row, from the report (None: no run is stored)."""
    if report is None:
        ours = "" if "{" in row["ours"] else row["ours"]
        return ours, row.get("status", NO_RUN)
    targets = sorted(report.get("validation", {})) or ["none"]
    if "TARGET" not in json.dumps(row):
        targets = targets[:1]
    lines, labels = [], []
    for target in targets:
        try:
            line = fill(row["ours"].replace("TARGET", target), report)
            labels.append(row.get("status") or _label(row, target, report))
            lines.append(f"{LINES.get(target, target)}: {line}" if len(targets) > 1 else line)
        except NotMeasured:
            labels.append(row.get("status", NOT_MEASURED))
    return "; ".join(lines), max(labels, key=list(BADGES).index)  # the worst of several counts


def _label(row: dict, target: str, report: dict) -> str:
    for label in ("reproduced", "approximated"):
        if label in row and holds(row[label].replace("TARGET", target), report):
            return label
    return "not"


def look_up(report: dict, path: str) -> object:
    """The value at a dotted path; `NotMeasured` if there is none."""
    value: object = report
    for key in path.split("."):
        if not isinstance(value, dict) or value.get(key) is None:
            raise NotMeasured(path)
        value = value[key]
    return value


def holds(condition: str, report: dict) -> bool:
    """Whether ``a.b >= 0.5 and a.c < a.d`` is true; a list has to fulfil it in all its elements."""

    def values(term: str) -> list:
        value = float(term) if term[0].isdigit() or term[0] == "-" else look_up(report, term)
        return value if isinstance(value, list) else [value]

    for part in condition.split(" and "):
        left, sign, right = part.split()
        if not all(COMPARE[sign](a, b) for a in values(left) for b in values(right)):
            return False
    return True


def fill(template: str, report: dict) -> str:
    """`template` with each ``{dotted.path:spec}`` replaced by the report's number.

    Beside Python's specs: ``range.2f`` and ``ends.2f`` print the least and greatest, or first and
    last, of a list; ``duration`` prints seconds.
    """
    pieces = []
    for literal, path, spec, _ in string.Formatter().parse(template):
        pieces.append(literal)
        if path is not None:
            pieces.append(_format(look_up(report, path), spec or ""))
    return "".join(pieces)


def _format(value: object, spec: str) -> str:
    if spec == "duration":
        return f"{value / 60:.0f} minutes" if value >= 120 else f"{value:.0f} seconds"
    if match := re.fullmatch(r"(range|ends)(.*)", spec):
        pair = (min(value), max(value)) if match[1] == "range" else (value[0], value[-1])
        return " to ".join(format(item, match[2]) for item in pair)
    return format(value, spec)


def headline(sentences: dict[str, str], report: dict | None) -> str:
    """What came out on the real sky, for the front page; empty without a stored report."""
    text = []
    for target in sorted((report or {}).get("validation", {})):
        template = sentences["each_line"].replace("TARGET", target)
        with suppress(NotMeasured):
            text.append(fill(template.replace("LINE", LINES.get(target, target)), report))
    return " ".join([sentences["before"], *text, sentences["after"]]) if text else ""


def real_run(report: dict | None, figures: list[dict]) -> str:
    """The stored run: provenance, the numbers per bin, figures."""
    if report is None:
        return ""
    made_by = report.get("provenance", {})
    versions = {"Python": made_by.get("python", "?"), **made_by.get("versions", {})}
    facts = {
        "Made": made_by.get("made"),
        "Code, commit": made_by.get("git_commit"),
        "Sky file, SHA-256": made_by.get("sky_sha256"),
        "Seed": made_by.get("seed"),
        "Machine": made_by.get("machine"),
        "Libraries": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    for name, template in (
        ("Training", "{training.epochs:g} epochs, {training.seconds:duration}"),
        ("Synthesis", "{synthesis.seconds:duration}"),
    ):
        with suppress(NotMeasured):
            facts[name] = fill(template, report)
    text = ["## The run behind the column *Ours*", "", "| Fact | Value |", "|---|---|"]
    text += [f"| {name} | {value} |" for name, value in facts.items() if value not in (None, "")]
    for target, result in sorted(report.get("validation", {}).items()):
        text += ["", *_bins(target, result)]
    return "\n".join([*text, "", *figure_blocks(figures, FOLDER)])


def figure_blocks(figures: list[dict], folder: str) -> list[str]:
    """The stored figures of a folder, numbered and with their alternative text."""
    text = []
    for figure in figures:
        name = f"fig-{folder.replace('/', '-')}-{Path(figure['file']).stem}"
        text += [f"```{{figure}} {folder}/{figure['file']}"]
        text += [f":name: {name}", f":alt: {_flat(figure['alt'])}"]
        text += ["", _flat(figure["caption"]), "```", ""]
    return text


def _bins(target: str, result: dict) -> list[str]:
    """The spectrum of a target bin by bin, as a numbered table."""
    if "beam" not in result:
        return []
    caption = (
        f"{LINES.get(target, target)} on the held-out longitudes, by multipole up to the beam: "
        "made over real power (ratio of the medians over the tiles), the 68 % interval of that "
        "ratio if other blocks of such sky had been held out, and how well their structures "
        "coincide."
    )
    text = [f"```{{list-table}} {caption}", f":name: tab-real-{target.lower().replace('_', '-')}"]
    text += [
        ":class: narrow",
        ":header-rows: 1",
        "",
        *table_row("ℓ", "made / real", "68 % interval", "correlation real × made"),
    ]
    columns = (result["beam"][name] for name in ("ell", "ratio", *ENDS, "rho"))
    for ell, ratio, low, high, rho in zip(*columns, strict=True):
        text += table_row(f"{ell:.0f}", f"{ratio:.2f}", f"{low:.2f} to {high:.2f}", f"{rho:.2f}")
    return [*text, "```"]


def read_figures(stage: Path, folder: str) -> list[dict]:
    """The stored figures of a folder, in order, each with file, caption and alt."""
    path = stage / folder / "figures.yaml"
    figures = yaml.safe_load(path.read_text()) if path.exists() else []
    for figure in figures:
        if not {"file", "caption", "alt"} <= set(figure):
            raise CoganError(f"{folder}/figures.yaml: {figure} needs file, caption and alt.")
        if not (path.parent / figure["file"]).exists():
            raise CoganError(f"{folder}/figures.yaml names {figure['file']}, which is not there.")
    return figures


def table_row(*cells: str) -> list[str]:
    """One row of a list-table."""
    return [f"{'  -' if i else '* -'} {_flat(cell)}".rstrip() for i, cell in enumerate(cells)]


def _flat(text: str) -> str:
    return " ".join(str(text).split())


if __name__ == "__main__":
    try:
        write_results(Path(sys.argv[1]))
    except (IndexError, CoganError) as problem:
        sys.exit(f"Error: {problem}; usage: python ci/results_page.py STAGE")
