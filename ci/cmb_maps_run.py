"""Train the networks of chapter 11 with several seeds and write the numbers that the book quotes.

    python ci/cmb_maps_run.py runs/cmb-maps book/results/cmb-maps/report.json

What has been trained or measured is not done again, unless its part is named with --again. Nothing
is judged on a patch that a training saw: all of them are drawn anew.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch
from scipy import stats

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.cmb_maps import evaluation, physics, rivals, statistics, training
from cogan_lib.companions.cmb_maps.network import VelocityShape, load_velocity
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.compare import nearest_ratio
from cogan_lib.learn.fit import Plan

TEST_SEED = 10**7
#: Short trainings of the same length, each with one thing changed.
TRIED = {
    "trig": {},
    "no filter": {"shape": VelocityShape(filtered=False)},
    "linear": {"kind": "linear"},
    "ddpm": {"kind": "ddpm"},
    "shuffled": {"shuffled": True},
    "log-normal": {"field": "log-normal"},
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=training.STEPS, help="of a full training")
    parser.add_argument("--short", type=int, default=250, help="steps of the short ones")
    parser.add_argument("--maps", type=int, default=1000, help="of each held-out cosmology")
    parser.add_argument("--sets", type=int, default=120, help="cosmologies for the slopes")
    parser.add_argument("--again", nargs="*", default=[], help="parts of the report")
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    def once(part: str, key: str, measure) -> None:
        if key not in report.setdefault(part, {}):
            report[part][key] = measure()
            write_json(options.report, report)

    for seed in options.seeds:
        once("trainings", str(seed), lambda seed=seed: train(options, f"seed-{seed}", seed))
    for name in ("exact", "diagonal gaussian"):
        once("baselines", name, lambda name=name: baseline(options, name))
    once("baselines", "min-max", lambda: min_max(options))
    once("baselines", "sampler", sampler_errors)
    for seed in options.seeds:
        once("networks", str(seed), lambda seed=seed: assess(options, f"seed-{seed}"))
    for name in TRIED:
        once("tried", name, lambda name=name: tried(options, name))
    once("log_normal", "field", lambda: log_normal(options))
    report["summary"] = over_seeds(report)
    report["ell"] = statistics.bin_ell().tolist()
    report["judged"] = evaluation.judged().tolist()
    report["emulator"] = {"recipe": physics.emulator().recipe, "rms": physics.emulator().rms}
    write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
    show(report)
    return 0


def train(options: argparse.Namespace, name: str, seed: int, **how) -> dict:
    """Train, or take up what was trained."""
    folder = options.folder / name
    steps = options.short if how or name in TRIED else options.steps
    if not folder.exists():
        plan = Plan(steps / training.EPOCH, rate=training.RATE, batch=training.BATCH, seed=seed)
        training.train(folder, how.pop("shape", VelocityShape()), plan, **how)
    network, content = load_velocity(folder)
    last = content["history"][-1]
    return {
        "git_commit": content["provenance"]["git_commit"],
        "machine": content["provenance"]["machine"],
        "parameters": count_parameters(network),
        "patches": last["steps"] * content["plan"]["batch"],
        "steps": last["steps"],
        "minutes": last["seconds"] / 60,
        "loss": last["loss"],
    }


def slopes(options: argparse.Namespace, sampler, change=None) -> dict:
    """What is read from maps against what was asked for, the same of exact maps, and pairs."""
    reader = evaluation.regression(change)
    # exact maps are cheap: so many that their slopes add no error of their own
    sets = {"generated": (sampler, options.sets), "exact": (cheaper, 10 * options.sets)}
    found = {}
    for name, (draw, number) in sets.items():
        rng, generator = np.random.default_rng(TEST_SEED), torch.Generator().manual_seed(TEST_SEED)
        cosmologies = physics.draw_cosmologies(number, rng, 0.9)
        spectra = evaluation.set_spectra(draw, cosmologies, generator, change)
        found[name] = evaluation.slopes(reader, spectra, cosmologies).tolist()
    if change is None:
        found["paired"] = evaluation.paired_slopes(sampler).tolist()
    return found


def cheaper(cosmologies: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """Exact maps, of which four follow each other from one field."""
    return physics.patches(cosmologies[:: physics.SHARED], generator, physics.SHARED)


def baseline(options: argparse.Namespace, name: str) -> dict:
    """Exact patches of another seed, and independent cosine amplitudes."""
    draw = {"exact": evaluation.exact, "diagonal gaussian": rivals.diagonal_gaussian}[name]
    maps = evaluation.judged_maps(draw, options.maps, TEST_SEED + 2)
    real = evaluation.judged_maps(evaluation.exact, options.maps)
    return evaluation.verdict(maps, real) | {"slopes": slopes(options, draw)}


def min_max(options: argparse.Namespace) -> dict:
    """How much of each parameter is left in exact maps that were stretched one by one."""
    return {"slopes": slopes(options, cheaper, change=rivals.min_max)["exact"]}


def sampler_errors() -> dict:
    """Power of a perfect network's samples, over the variance of the data."""
    variance = torch.logspace(-3, 3, 61, dtype=torch.float64)
    found = {kind: rivals.sampler_error(kind, variance).tolist() for kind in rivals.KINDS}
    return found | {"variance": variance.tolist()}


def assess(options: argparse.Namespace, name: str) -> dict:
    """All numbers of one network."""
    network, content = load_velocity(options.folder / name)
    draw = training.sampler_of(network, content)
    start = time.process_time()
    maps = evaluation.judged_maps(draw, options.maps, TEST_SEED + 3)
    seconds = time.process_time() - start
    found = evaluation.verdict(maps, evaluation.judged_maps(evaluation.exact, options.maps))
    found["ms_per_map"] = 1e3 * seconds / (options.maps * evaluation.JUDGED)
    found["slopes"] = slopes(options, draw)
    few = max(evaluation.SET, options.maps // 10)
    finer = training.sampler_of(network, content, 2 * rivals.STEPS["trig"])
    other = evaluation.judged_maps(finer, few, TEST_SEED + 4)
    same = evaluation.judged_maps(draw, few, TEST_SEED + 4)
    pairs = zip(other, same, strict=True)
    change = [statistics.measured(a).mean(0) / statistics.measured(b).mean(0) for a, b in pairs]
    found["halved_step"] = float(np.abs(np.mean(change, axis=0) - 1).max())
    found["nearest"] = copies(content["plan"]["seed"], maps, options.maps)
    return found


def copies(seed: int, maps: list[np.ndarray], n: int) -> float:
    """Distance to the nearest training patch, of generated over exact maps; white images."""
    batches = iter(training.NewPatches(training.BATCH, 64, seed))
    seen = torch.cat([batch.white for batch in batches])
    real = evaluation.judged_maps(evaluation.exact, n, TEST_SEED + 5)
    white = physics.fiducial_whitening()
    rows = [
        white.forth(torch.from_numpy(np.concatenate([part[:100] for part in some]))).flatten(1)
        for some in (maps, real)
    ]
    return nearest_ratio(rows[0].numpy(), seen.flatten(1).numpy(), rows[1].numpy())


def tried(options: argparse.Namespace, name: str) -> dict:
    """A short training with one thing changed, judged on fewer maps."""
    found = train(options, name.replace(" ", "-"), 1, **TRIED[name])
    if TRIED[name].get("field"):
        return found
    network, content = load_velocity(options.folder / name.replace(" ", "-"))
    draw, few = training.sampler_of(network, content), max(evaluation.SET, options.maps // 4)
    maps = evaluation.judged_maps(draw, few, TEST_SEED + 6)
    found |= evaluation.verdict(maps, evaluation.judged_maps(evaluation.exact, few))
    return found | {"slopes": {"paired": evaluation.paired_slopes(draw).tolist()}}


def log_normal(options: argparse.Namespace) -> dict:
    """Maps of the log-normal field, where no formula helps: against exact maps of the fiducial."""
    network, content = load_velocity(options.folder / "log-normal")
    cosmologies = np.array([physics.FIDUCIAL]).repeat(options.maps, axis=0)
    generator = torch.Generator().manual_seed(TEST_SEED + 7)
    gaussian = [physics.patches(cosmologies, generator) for _ in range(2)]
    scatter = physics.fiducial_scatter()
    sets = {
        "generated": training.sampler_of(network, content)(cosmologies, generator).numpy(),
        "exact": physics.log_normal(gaussian[0]).numpy(),
        "exact again": physics.log_normal(gaussian[1]).numpy(),
        "gaussian": gaussian[0].numpy(),
    }
    edges = np.linspace(-2.2, 6, 83)
    found, curves = {"edges": edges.tolist(), "thresholds": statistics.THRESHOLDS.tolist()}, {}
    for name, maps in sets.items():
        curves[name] = statistics.curves(maps, scatter)
        pdf = np.histogram(maps / scatter, edges, density=True)[0]
        found[name] = statistics.one_point(maps, scatter) | {
            "pdf": pdf.tolist(),
            "minkowski": curves[name].tolist(),
            "ks": float(stats.ks_2samp(maps[:, ::16, ::16].ravel(),
                                       sets["exact"][:, ::16, ::16].ravel()).statistic),
        }  # fmt: skip
    real = curves["exact"]
    for name, some in curves.items():
        apart = np.abs(some - real).max(axis=1) / np.abs(real).max(axis=1)
        found[name]["shapes"] = apart.tolist()
        found[name]["power"] = float(
            np.mean(
                statistics.measured(sets[name]).mean(0) / statistics.measured(sets["exact"]).mean(0)
            )
        )
    return found


def over_seeds(report: dict) -> dict:
    """Mean and scatter of the networks' numbers."""
    rows = list(report["networks"].values())

    def both(values) -> dict:
        values = np.array(values)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(values[0])
        return {"mean": values.mean(axis=0).tolist(), "std": np.asarray(spread).tolist()}

    return {
        "ratio": both([row["ratio"] for row in rows]),
        "scatter": both([row["scatter"] for row in rows]),
        "rms": both([row["rms"] for row in rows]),
        "worst": both([row["worst"] for row in rows]),
        "halved_step": both([row["halved_step"] for row in rows]),
        "nearest": both([row["nearest"] for row in rows]),
        "skewness": both([row["moments"]["skewness"] for row in rows]),
        "kurtosis": both([row["moments"]["kurtosis"] for row in rows]),
        "shapes": both([row["shapes"] for row in rows]),
        "shapes_exact": both([row["shapes_exact"] for row in rows]),
        "slopes": both([response(row["slopes"]) for row in rows]),
        "paired": both([row["slopes"]["paired"] for row in rows]),
    }


def response(slope: dict) -> list[float]:
    """Slopes of generated maps over those of exact maps."""
    return (np.array(slope["generated"]) / np.array(slope["exact"])).tolist()


def show(report: dict) -> None:
    for part in ("baselines", "networks", "tried"):
        for name, row in report[part].items():
            if "ratio" in row:
                print(
                    f"{name:18s} rms {row['rms']:.4f} worst {row['worst']:.4f} scatter",
                    f"{min(row['scatter']):.2f}-{max(row['scatter']):.2f} answers",
                    *(f"{x:.3f}" for x in row["slopes"]["paired"]),
                )
    print(report["summary"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
