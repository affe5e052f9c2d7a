"""Verify what a model proposed, object by object and card by card; write the numbers of the book.

    python ci/proposals_run.py book/results/proposals/report.json

It replays the shipped replies (`ci/record_replies.py` asked for them), so that it needs no
model. A part that has been measured is not done again unless it is named with --again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
from astropy.time import Time

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.companions.headers.cards import read_cards
from cogan_lib.companions.headers.checks import LEVELS, check_header
from cogan_lib.companions.headers.sky_checks import barycentric_error_deg
from cogan_lib.companions.proposals import document, draws, evaluation, objects
from cogan_lib.companions.proposals.models import WAYS
from cogan_lib.companions.proposals.recorded import FOLDER, Recorded, read_folder
from cogan_lib.companions.proposals.replies import TRIES, prompt_for, propose_many
from cogan_lib.companions.proposals.samplers import SAMPLERS

SEED = 12
REFERENCE = 2000
#: Fewer accepted proposals are no population.
FEWEST = 8
PARTS = ("acceptance", "draws", "headers")


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--replies", type=Path, default=FOLDER)
    parser.add_argument("--repeats", type=int, default=400, help="tests for each number of draws")
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    options = parser.parse_args(arguments)
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)
    origin, replies = read_folder(options.replies)
    model = Recorded(replies, origin)
    measure = {
        "acceptance": lambda: {kind: accepted(model, kind) for kind in objects.KINDS},
        "draws": lambda: {name: bias.needed(SEED, options.repeats)
                          for name, bias in draws.BIASES.items()},
        "headers": lambda: all_headers(model),
    }  # fmt: skip
    for part in PARTS:
        if part not in report:
            report[part] = measure[part]()
            write_json(options.report, report)
    report["model"] = origin | {
        "replies": len(replies),
        "minutes": sum(reply.seconds for reply in replies) / 60,
        "letters": sum(len(reply.text) for reply in replies),
    }
    write_json(options.report, report | {"provenance": provenance(SEED)})
    show(report)
    return 0


def accepted(model: Recorded, kind: str) -> dict:
    """Acceptance of one kind: by way, at the first try and after the last, and of the sampler."""
    drawn = SAMPLERS[kind](REFERENCE, np.random.default_rng(SEED))
    found: dict = {"ways": {}, "reasons": {}, "populations": {}}
    for way in WAYS:
        seeds = model.seeds(prompt_for(kind), way)
        done = propose_many(model, kind, seeds, TRIES, way)
        first = [exchange.attempts[0] for exchange in done]
        passed = [exchange.accepted for exchange in done if exchange.accepted is not None]
        stages = [stage(attempt.reasons) for attempt in first]
        found["ways"][way] = rate(attempt.accepted is not None for attempt in first) | {
            "json": sum(step != "syntax" for step in stages) / len(stages),
            "fields": sum(step not in ("syntax", "fields") for step in stages) / len(stages),
        }
        found["ways"][f"{way}, retried"] = rate(ex.accepted is not None for ex in done) | {
            "tries": float(np.mean([len(exchange.attempts) for exchange in done]))
        }
        found["reasons"][way] = dict(Counter(
            reason.rule for attempt in first for reason in attempt.reasons
        ))  # fmt: skip
        found["populations"][way] = population(kind, passed, drawn)
    rows = [dict(zip(drawn, row, strict=True)) for row in zip(*drawn.values(), strict=True)]
    found["ways"]["reference"] = rate(passes(kind, row) for row in rows)
    return found


def rate(passed) -> dict:
    passed = list(passed)
    return evaluation.acceptance(sum(passed), len(passed))


def passes(kind: str, row: dict) -> bool:
    plain = {name: value.item() for name, value in row.items()}
    return not objects.refusal(kind, objects.KINDS[kind].model_construct(**plain).model_dump_json())


def stage(reasons: list[objects.Reason]) -> str:
    """How far a reply came: syntax, fields, physics, or nothing stopped it."""
    rules = {reason.rule for reason in reasons}
    if "json" in rules:
        return "syntax"
    if rules & {"missing", "extra", "type", "not finite"}:
        return "fields"
    return "physics" if rules else ""


def population(kind: str, passed: list, drawn: dict) -> dict:
    """The accepted proposals as a sample, if they are enough."""
    if not passed:
        return {"n": 0}
    proposed = evaluation.table(passed)
    found = {"n": len(passed), "duplicates": evaluation.duplicates(kind, proposed)}
    if len(passed) >= FEWEST:
        found["marginals"] = evaluation.marginals(kind, proposed, drawn)
        found["correlations"] = evaluation.rank_correlations(kind, proposed)
    return found


def all_headers(model: Recorded) -> dict:
    """The document's two headers, the model's, and the error of taking a body's ICRS."""
    replies = document.propose_headers(model, model.seeds(document.PROMPT, "free"))
    rows = [one_header(r.text, document.SHAPE, document.SCALE_ARCSEC) for r in replies]
    counts = Counter(f"{level}, {key}" for row in rows for level, key, _ in row["findings"])
    time = Time("2024-03-15T04:30:00")
    return {
        "document": {
            "Mars": one_header(document.MARS, document.SHAPE, document.SCALE_ARCSEC),
            "galaxy": one_header(
                document.SAMPLE,
                document.SAMPLE_SHAPE,
                document.SAMPLE_SCALE_ARCSEC,
            ),
        },
        "replies": rows,
        "total": {key: sum(row[key] for row in rows) for key in ("kept", "repaired", "refused")},
        "levels": {
            level: sum(one[0] == level for row in rows for one in row["findings"])
            for level in LEVELS
        },
        "ends": sum(row["has_end"] for row in rows),
        "written": rate(row["writable"] for row in rows),
        "findings": dict(counts.most_common()),
        "icrs_error_deg": {name: barycentric_error_deg(name, time) for name in ("mars", "jupiter")},
    }


def one_header(text: str, shape: tuple[int, int], scale_arcsec: float) -> dict:
    reading = read_cards(text)
    findings = check_header(reading.header, shape, scale_arcsec)
    asked = {line.split("=")[0].strip() for line in document.MARS.splitlines() if "=" in line}
    missing = sorted(asked - set(reading.header))
    complete = {"SIMPLE", "BITPIX", "NAXIS"} <= set(reading.header)
    return {
        **{state: reading.count(state) for state in ("kept", "repaired", "refused")},
        "has_end": reading.has_end,
        "missing": missing,
        "findings": [list(one[1::-1]) + [one[2]] for one in findings],
        "why": dict(Counter(one.why for one in reading.proposed if one.why)),
        "writable": complete and not any(one.level == "error" for one in findings),
    }


def show(report: dict) -> None:
    for kind, found in report["acceptance"].items():
        for way, row in found["ways"].items():
            print(f"{kind:8s} {way:22s} {row['rate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
                  f" of {row['n']}")  # fmt: skip
        print(" " * 8, found["reasons"])
    for name, row in report["headers"]["document"].items():
        print(name, {key: row[key] for key in ("kept", "repaired", "refused", "findings")})
    for key in ("total", "written", "findings", "icrs_error_deg"):
        print(key, report["headers"][key])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
