"""Learning curves of chapter 13, and remedies for a rare class: numbers that the book quotes.

    python ci/augmentation_run.py book/results/augmentation/report.json

About 20 minutes of a core in all. What the report has already is not done again unless it is
named with --again. Each seed takes other real examples and other first weights; of CO, also
another sky.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import augmentation_tasks as tasks
import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.augmentation import balance, curves, learners
from cogan_lib.companions.augmentation.sources import gaussian

#: Real examples; more of them that a source gives.
SIZES = {
    "regions": (8, 16, 32, 64, 128, 256, 512, 1024),
    "handed": (16, 64, 256, 1024),
    "CO": (8, 16, 32, 64, 128, 256, 512, 1024),
}
EXTRA = {"regions": 2000, "handed": 2000, "CO": 1000}
SIGN = {"regions": 1, "handed": 1, "CO": -1}
#: Handedness, a product of two directions, takes longer to learn.
HANDED_STEPS = 600
#: Real examples of which few are bubbles.
UNBALANCED = 512


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--steps", type=int, help="of each training, to try it out")
    parser.add_argument("--most", type=int, default=10**6, help="real examples, to try it out")
    parser.add_argument("--again", choices=[*SIZES, "rare"], nargs="*", default=[])
    options = parser.parse_args(arguments)
    if len(options.seeds) < 2:
        raise CoganError("One seed has no scatter; give two or more.")
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    report.setdefault("core_seconds", {})
    for part in options.again:
        report.pop(part, None)
        report["core_seconds"].pop(part, None)

    def done(part: str, seed: int, measure: Callable[..., dict]) -> None:
        if str(seed) in report.setdefault(part, {}):
            return
        started = time.process_time()
        report[part][str(seed)] = measure(seed, options)
        # a JSON file is written with sorted keys
        report.setdefault("order", {})[part] = list(report[part][str(seed)])
        spent = report["core_seconds"].setdefault(part, {})
        spent[str(seed)] = time.process_time() - started
        write_json(options.report, report)

    for seed in options.seeds:
        done("regions", seed, region_curves)
        done("handed", seed, handed_curves)
        done("CO", seed, co_curves)
        done("rare", seed, rare)
    if "measured" not in report:
        test = tasks.morphology().test
        report["measured"] = float(np.mean(tasks.measure(test.inputs) == test.labels))
    report["sizes"], report["extra"], report["unbalanced"] = SIZES, EXTRA, UNBALANCED
    report["summary"] = over_seeds(report)
    seconds = [list(spent.values()) for spent in report["core_seconds"].values()]
    report["core_minutes"] = sum(map(sum, seconds)) / 60
    write_json(options.report, report | {"provenance": provenance(options.seeds[0])})
    show(report)
    return 0


def recipe(usual: learners.Recipe, options: argparse.Namespace) -> learners.Recipe:
    """The usual one, or a shorter one to try it out."""
    return replace(usual, steps=options.steps or usual.steps)


def curve(part: str, task, sources: dict, seed: int, learner, options) -> dict:
    """Scores by source, one list by size, of one seed."""
    sizes = [n for n in SIZES[part] if n <= options.most]
    found = curves.learning_curve(task, sizes, sources, [seed], learner, EXTRA[part])
    return {name: rows[0] for name, rows in found.items()}


def region_curves(seed: int, options: argparse.Namespace) -> dict:
    """Shell or bubble."""
    learner = partial(learners.classifier, recipe=recipe(learners.IMAGES, options))
    task = tasks.morphology()
    return curve("regions", task, tasks.region_sources(), seed, learner, options)


def handed_curves(seed: int, options: argparse.Namespace) -> dict:
    """On which side of the major axis it is bright."""
    longer = replace(learners.IMAGES, steps=HANDED_STEPS)
    learner = partial(learners.classifier, recipe=recipe(longer, options))
    task = tasks.morphology(tasks.handed)
    return curve("handed", task, tasks.handed_sources(), seed, learner, options)


def co_curves(seed: int, options: argparse.Namespace) -> dict:
    """CO of dust and HI, by a network; and by the log-linear fit."""
    learner = partial(learners.mapper, recipe=recipe(learners.MAPS, options))
    task = tasks.co_tiles(seed)
    sources = tasks.co_sources(seed, options.seeds)
    found = curve("CO", task, sources, seed, learner, options)
    fits = curve("CO", task, {"log-linear": None}, seed, learners.straight_line, options)
    return found | fits


def rare(seed: int, options: argparse.Namespace) -> dict:
    """Remedies against a rare class."""
    named = tasks.region_sources()
    sources = {
        "Gaussian of the few": balance.of_ones(gaussian),
        "any pose": balance.of_ones(named["any pose"]),
        **{name: named[name] for name in ("GAN, named by the few", "GAN, measured", "simulator")},
    }
    return balance.remedies(tasks.morphology(), sources, min(UNBALANCED, options.most), seed)


def over_seeds(report: dict) -> dict:
    """Scores, gains over none and their verdicts, over the seeds."""
    summary = {}
    for part in SIZES:
        rows = list(report[part].values())
        scores = {name: [row[name] for row in rows] for name in report["order"][part]}
        sizes = SIZES[part][: len(rows[0]["none"])]
        summary[part] = {
            "scores": {name: curves.interval(values) for name, values in scores.items()},
            "gains": curves.gains(scores, SIGN[part]),
        }
        means = {name: found["mean"] for name, found in summary[part]["scores"].items()}
        summary[part]["worth"] = {
            name: curves.worth(sizes, means["none"], mean, SIGN[part])
            for name, mean in means.items()
        }
    rows = list(report["rare"].values())
    summary["rare"] = {
        name: {key: curves.interval([row[name][key] for row in rows])
               for key in balance.SCORES}
        for name in report["order"]["rare"]
    }  # fmt: skip
    return summary


def show(report: dict) -> None:
    for part in SIZES:
        print(part, *SIZES[part])
        for name, found in report["summary"][part]["scores"].items():
            print(f"  {name:28s}", *(f"{mean:.3f}" for mean in found["mean"]))
        for name, found in report["summary"][part]["gains"].items():
            pairs = zip(found["mean"], found["verdict"], strict=True)
            print(f"  {name:28s}", *(f"{mean:+.3f} {verdict:5s}" for mean, verdict in pairs))
    for name, found in report["summary"]["rare"].items():
        print(f"{name:24s}", *(f"{key} {found[key]['mean']:.3f}" for key in balance.SCORES))
    print(
        f"{report['measured']:.3f} by the measure; {report['core_minutes']:.1f} minutes of a core"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
