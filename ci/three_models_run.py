"""Train three kinds of model with several seeds and measure them, for chapter 11.

    python ci/three_models_run.py runs/three-models book/results/three-models/report.json

What has been trained or measured is not done again, unless its part is named with --again. All are
judged on exact fields that no training saw.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.three_models import evaluation, network, physics, training
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.metrics import seconds_each

TEST_SEED = 10**7
PARTS = ("evaluation", "controls", "density", "speed")
#: Fields whose density is computed, and that are drawn to time it.
DENSITY, TIMED = 256, 100


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--share", type=float, default=1.0, help="of a full training's steps")
    parser.add_argument("--fields", type=int, default=2000, help="to evaluate on")
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    def once(part: str, key: str, measure) -> None:
        if key not in report.setdefault(part, {}):
            report[part][key] = measure()
            write_json(options.report, report)

    kinds = tuple(network.KINDS)
    for kind in kinds:
        for seed in options.seeds:
            once(
                "trainings",
                f"{kind}-{seed}",
                lambda kind=kind, seed=seed: train(options, kind, seed),
            )
    for name in ("exact", "log-gaussian", "gaussian"):
        once("controls", name, lambda name=name: control(options, name))
    for kind in kinds:
        for seed in options.seeds:
            name = f"{kind}-{seed}"
            once("evaluation", name, lambda name=name: judged(options, name))
            if kind == "vae":
                once("evaluation", f"vae mean-{seed}",
                     lambda name=name: judged(options, name, noise=False))  # fmt: skip
                once("density", name, lambda name=name, seed=seed: bound(options, name, seed))
            if kind == "flow":
                finer = {"steps": 2 * network.STEPS}
                once("evaluation", f"flow, finer-{seed}",
                     lambda name=name, finer=finer: judged(options, name, **finer))  # fmt: skip
                once("density", name, lambda name=name, seed=seed: excess(options, name, seed))
    once("speed", "ms", lambda: speed(options))
    report["summary"] = over_seeds(report)
    report["k"] = ((evaluation.K_EDGES[1:] + evaluation.K_EDGES[:-1]) / 2).tolist()
    report["exact"] = {"skewness": physics.SKEWNESS, "scatter": physics.SCATTER}
    write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
    show(report)
    return 0


def train(options: argparse.Namespace, kind: str, seed: int) -> dict:
    """Train, or take up what was trained."""
    folder = options.folder / f"{kind}-{seed}"
    if not folder.exists():
        training.train(folder, kind, training.full_plan(kind, seed, options.share))
    found, content = network.load_model(folder)
    last, weights = content["history"][-1], count_parameters(found)
    other = count_parameters(network.FieldDiscriminator()) if kind == "gan" else 0
    return {
        "git_commit": content["provenance"]["git_commit"],
        "machine": content["provenance"]["machine"],
        "weights": weights,
        "weights_trained": weights + other,
        "steps": last["steps"],
        "core_seconds": content["core_seconds"],
        "seconds": last["seconds"],
    }


def test_fields(options: argparse.Namespace) -> np.ndarray:
    """Exact fields that all are compared with."""
    return physics.fields(options.fields, np.random.default_rng(TEST_SEED))


def control(options: argparse.Namespace, name: str) -> dict:
    """Exact fields of another seed, and Gaussians fitted to what the networks were trained on."""
    rng, seen = np.random.default_rng(TEST_SEED + 1), training.training_fields(1)
    if name == "exact":
        fields, found = physics.fields(options.fields, rng), {"excess": 0.0}
    else:
        logarithm, started = name == "log-gaussian", time.process_time()
        fit = physics.gaussian_fit(seen, logarithm)
        found = {"core_seconds": time.process_time() - started}
        found["excess"] = evaluation.gaussian_excess(fit, logarithm, test_fields(options)[:DENSITY])
        fields = physics.gaussian_draw(fit, options.fields, logarithm, rng)
    return found | evaluation.assess(fields, test_fields(options), seen, TEST_SEED)


def judged(options: argparse.Namespace, name: str, **how) -> dict:
    """All tests of one network."""
    model, content = network.load_model(options.folder / name)
    fields = network.generate(model, options.fields, TEST_SEED + 2, **how)
    seen = training.training_fields(content["plan"]["seed"])
    return evaluation.assess(fields, test_fields(options), seen, TEST_SEED)


def bound(options: argparse.Namespace, name: str, seed: int) -> dict:
    """What the autoencoder says of fields beside drawing them."""
    model, _ = network.load_model(options.folder / name)
    return evaluation.vae_bound(model, test_fields(options)[:DENSITY], seed)


def excess(options: argparse.Namespace, name: str, seed: int) -> dict:
    """What the flow says of fields beside drawing them."""
    model, _ = network.load_model(options.folder / name)
    return {"excess": evaluation.flow_excess(model, test_fields(options)[:DENSITY], seed)}


def speed(options: argparse.Namespace) -> dict:
    """Milliseconds of a core for a field of each."""
    seed = options.seeds[0]
    models = {
        kind: network.load_model(options.folder / f"{kind}-{seed}")[0] for kind in network.KINDS
    }
    tasks = {
        kind: lambda model=model: network.generate(model, TIMED, 1)
        for kind, model in models.items()
    }
    tasks["exact"] = lambda: physics.fields(TIMED, np.random.default_rng(1))
    found = seconds_each(tasks, clock=time.process_time)
    return {name: float(1e3 * np.median(some) / TIMED) for name, some in found.items()}


def over_seeds(report: dict) -> dict:
    """Mean, and standard deviation over the seeds, of each model's numbers."""
    rows: dict[tuple[str, str], list[dict]] = {}
    for part in ("trainings", "evaluation", "density"):
        for name, row in report[part].items():
            rows.setdefault((name.rpartition("-")[0], part), []).append(row)
    found: dict[str, dict] = {}
    for (kind, _), some in rows.items():
        for key in (key for key, value in some[0].items() if not isinstance(value, str)):
            values = np.array([row[key] for row in some])
            scatter = values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0]
            both = {"mean": values.mean(axis=0).tolist(), "std": scatter.tolist()}
            found.setdefault(kind, {})[key] = both
    return found


def show(report: dict) -> None:
    keys = ("rms", "worst", "spread_mean", "correlation", "ks", "skewness", "negative", "auc")
    keys += ("auc_pixels", "nearest", "excess", "core_seconds")
    for name, row in report["controls"].items():
        print(f"{name:14s}", *(f"{key} {row[key]:.3f}" for key in keys if key in row))
    for name, row in report["summary"].items():
        said = (f"{k} {row[k]['mean']:.3f}+-{row[k]['std']:.3f}" for k in keys if k in row)
        print(f"{name:14s}", *said)
    print(report["speed"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
