"""Train the generators of chapter 10 with several seeds and write the numbers that the book quotes.

    python ci/hii_regions_run.py runs/hii-regions book/results/hii-regions/report.json

A seed that has been trained, and a part that has been measured, is not done again unless it is
named with --again. Every number is computed on skies that no training has seen.
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
from cogan_lib.companions.hii_regions import evaluation, network, physics, training
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan
from cogan_lib.learn.metrics import seconds_each

TEST_SEED = 10**7
GENERATED = 4000
PARTS = ("evaluation", "failures", "speed")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--epochs", type=float, default=training.EPOCHS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    for seed in options.seeds:
        if str(seed) not in report.setdefault("trainings", {}):
            report["trainings"][str(seed)] = train(options, f"healthy-{seed}", seed)
            write_json(options.report, report)
    measure = {
        "evaluation": lambda: {str(seed): judged(options, f"healthy-{seed}", seed)
                               for seed in options.seeds},
        "failures": lambda: failures(options),
        "speed": lambda: speed(options),
    }  # fmt: skip
    for part in PARTS:
        if part not in report:
            report[part] = measure[part]()
            write_json(options.report, report)
    report["summary"] = over_seeds(report["evaluation"])
    report["limits"], report["k_edges"] = evaluation.LIMITS, evaluation.K_EDGES.tolist()
    write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
    show(report)
    return 0


def train(options: argparse.Namespace, name: str, seed: int) -> dict:
    """Train, or take up what was trained."""
    folder, started = options.folder / name, time.process_time()
    if not folder.exists():
        plan = Plan(options.epochs, rate=training.RATE, batch=training.BATCH, seed=seed)
        training.train(folder, plan, device=DEVICE)
        write_json(
            folder.with_suffix(".json"), {"core_minutes": (time.process_time() - started) / 60}
        )
    found, content = network.load_generator(folder)
    last = content["history"][-1]
    return {
        "git_commit": content["provenance"]["git_commit"],
        "machine": content["provenance"]["machine"],
        "parameters": count_parameters(found),
        "steps": last["steps"],
        "images": last["steps"] * content["plan"]["batch"],
        "core_minutes": read_json(folder.with_suffix(".json"))["core_minutes"],
        "minutes": last["seconds"] / 60,
    }


def test_regions() -> physics.Regions:
    return physics.regions(GENERATED, np.random.default_rng(TEST_SEED))


def judged(options: argparse.Namespace, name: str, seed: int) -> dict:
    """All tests of one generator."""
    generator, content = network.load_generator(options.folder / name)
    sky = network.generate(generator, GENERATED, TEST_SEED + 1)
    skies = training.training_skies(seed, content["recipe"]["skies"])
    return evaluation.assess(sky, test_regions(), skies, TEST_SEED + 2)


def failures(options: argparse.Namespace) -> dict:
    """What must pass, real skies, and what must not: copies, and generators of too few kinds."""
    skies, real, found = training.training_skies(1), test_regions(), {}
    fresh = physics.regions(GENERATED, np.random.default_rng(TEST_SEED + 3)).sky
    found["real"] = evaluation.assess(fresh, real, skies, TEST_SEED + 2)
    copied = np.rot90(skies[:GENERATED].astype(np.float32), 1, (1, 2))
    found["copies"] = evaluation.assess(copied, real, skies, TEST_SEED + 2)
    generator, _ = network.load_generator(options.folder / f"healthy-{options.seeds[0]}")
    found["truncated"] = evaluation.assess(network.truncated(generator, GENERATED, TEST_SEED + 1),
                                          real, skies, TEST_SEED + 2)  # fmt: skip
    for seed in options.seeds:
        good, _ = network.load_generator(options.folder / f"healthy-{seed}")
        started = time.process_time()
        bad = training.unfair(good, skies, seed)
        minutes = (time.process_time() - started) / 60
        sky = network.generate(bad, GENERATED, TEST_SEED + 1)
        found[f"collapsed-{seed}"] = evaluation.assess(sky, real, skies, TEST_SEED + 2) | {
            "core_minutes": minutes
        }
    return found


def over_seeds(found: dict) -> dict:
    """Mean, and standard deviation over the seeds, of what the book quotes."""
    rows = {
        "power": [max(abs(x - 1) for x in one["power_ratio"]) for one in found.values()],
        "flux": [one["flux"][0] for one in found.values()],
        "pixels": [one["pixels"] for one in found.values()],
        "coverage": [min(one["coverage"].values()) for one in found.values()],
        "auc": [one["auc"] for one in found.values()],
        "nearest": [one["nearest"] for one in found.values()],
    }
    for name in physics.SHAPES:
        rows[name] = [one["shapes"][name][0] for one in found.values()]
    for key in ("accuracy", "radius_rms"):
        rows[key] = [one["use"][key] for one in found.values()]
        rows[f"{key}_real"] = [one["use_real"][key] for one in found.values()]
    return {
        name: {
            "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        }
        for name, values in rows.items()
    }


def speed(options: argparse.Namespace) -> dict:
    """On one thread: images per second, drawn by the simulator, generated, and measured."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator, _ = network.load_generator(options.folder / f"healthy-{options.seeds[0]}")
    n, rng = 1000, np.random.default_rng(1)
    images = physics.observed(physics.regions(n, rng).sky, rng)
    seconds = seconds_each(
        {
            "simulator": lambda: physics.regions(n, rng),
            "generator": lambda: network.generate(generator, n, 1),
            "measuring": lambda: evaluation.shape_numbers(images),
        },
        rounds=3,
        clock=time.process_time,
    )
    torch.set_num_threads(threads)
    return {name: n / float(np.median(values)) for name, values in seconds.items()}


def show(report: dict) -> None:
    for name, row in (report["evaluation"] | report["failures"]).items():
        print(
            f"{name:12s}", *(f"{test} {'+' if ok else '-'}" for test, ok in row["passes"].items())
        )
    for name, row in report["summary"].items():
        print(f"{name:18s} {row['mean']:.4f} +- {row['std']:.4f}")
    print(report["speed"], report["trainings"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
