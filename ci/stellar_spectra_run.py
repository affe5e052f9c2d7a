"""Train the autoencoder of chapter 10 with several seeds; write the numbers that the book quotes.

    python ci/stellar_spectra_run.py runs/spectra book/results/stellar-spectra/report.json

A seed that has been trained, and a part that has been measured, is not done again unless it is
named with --again. Every number is computed on stars and noise that no training has seen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.stellar_spectra import (
    data,
    evaluation,
    kurucz,
    network,
    sampling,
    training,
)
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

TEST_SEED = 10**7
EXAMPLES = 2000
#: Passes of the trainings that compare likelihoods, and of the one on the grid.
SHORT, ON_GRID = 20, 50
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--epochs", type=float, default=training.EPOCHS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--kurucz", type=Path, help="kurucz-0.0_SpecModel.fits, if there")
    parser.add_argument(
        "--again", choices=("evaluation", "likelihoods", "kurucz"), nargs="*", default=[]
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    for seed in options.seeds:
        if str(seed) not in report.setdefault("trainings", {}):
            report["trainings"][str(seed)] = train(options, seed)
            write_json(options.report, report)
    if "evaluation" not in report:
        report["evaluation"] = {str(seed): evaluate(options, seed) for seed in options.seeds}
    if "likelihoods" not in report:
        report["likelihoods"] = likelihoods(options)
    if "kurucz" not in report and options.kurucz:
        report["kurucz"] = on_grid(options)
    report["summary"] = summary(report["evaluation"])
    write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
    show(report)
    return 0


def trained(options: argparse.Namespace, name: str, epochs: float, seed: int = 1, **how):
    """Train, or take up what was trained: a network and its card."""
    folder = options.folder / name
    if not folder.exists():
        plan = Plan(epochs, rate=training.RATE, batch=training.BATCH, seed=seed)
        training.train(folder, plan, device=DEVICE, **how)
    return network.load_vae(folder)


def seed_of(options: argparse.Namespace, seed: int):
    return trained(options, f"stellar-spectra-{seed}", options.epochs, seed)


def train(options: argparse.Namespace, seed: int) -> dict:
    """What a training was."""
    found, content = seed_of(options, seed)
    last = content["history"][-1]
    return {
        "git_commit": content["provenance"]["git_commit"],
        "machine": content["provenance"]["machine"],
        "parameters": count_parameters(found),
        "stars": content["stars"],
        "epochs": last["epoch"],
        "minutes": last["seconds"] / 60,
        "core_minutes": content["core_minutes"],
    }


def evaluate(options: argparse.Namespace, seed: int) -> dict:
    """What the decoder knows, what is drawn from it, what the latent numbers mean, what is odd."""
    net, _ = seed_of(options, seed)
    rng = np.random.default_rng(TEST_SEED + seed)
    stars = data.draw_stars(training.STARS, np.random.default_rng(seed))
    seen_before = stars.observe(rng)
    test, other = (data.draw_stars(EXAMPLES, rng) for _ in range(2))
    seen = test.observe(rng)
    labels = sampling.LabelMap.of(net, stars, rng)
    asked = network.decoded(net, labels.latent(test.labels))
    errors = np.sqrt(evaluation.chi2_per_pixel(asked, test.clean))
    return {
        **evaluation.assess(net, test, seen),
        "chi2_real": float(evaluation.chi2_per_pixel(seen, test.clean).mean()),
        "probe": evaluation.linear_probe(
            network.latent_of(net, seen_before)[0].numpy(),
            stars.labels,
            network.latent_of(net, seen)[0].numpy(),
            test.labels,
        ).tolist(),
        "by_label": {
            "rms": float(np.sqrt((errors**2).mean())),
            "median": float(np.median(errors)),
            "worst_5_percent": float(np.quantile(errors, 0.95)),
        },
        "samples": samples(net, labels, stars, seen_before, seen, other, seed),
        "anomalies": anomalies(net, seen, rng),
    }


def samples(net, labels, stars, seen_before, seen, other, seed) -> dict:
    """Four ways to draw, and other real stars in the place of generated ones."""
    mixtures = {
        name: sampling.LatentMixture.of(net, seen_before, seed, components)
        for name, components in (("one Gaussian", 1), ("mixture", sampling.COMPONENTS))
    }
    population = data.draw_labels(EXAMPLES, np.random.default_rng(TEST_SEED - seed))
    drawn = {
        "prior": sampling.from_prior(net, EXAMPLES, TEST_SEED + seed),
        **{name: found.draw(EXAMPLES, TEST_SEED + seed) for name, found in mixtures.items()},
        "labels": labels.latent(population),
    }
    generated = {name: network.decoded(net, z) for name, z in drawn.items()}
    return {
        name: evaluation.alike(seen, some, stars, other, TEST_SEED + seed)
        for name, some in (generated | {"real": other.clean}).items()
    }


def anomalies(net, seen, rng) -> dict:
    """How well two scores find each anomaly."""
    scores = {"chi2": evaluation.chi2_per_pixel, "worst pixel": evaluation.worst_pixel}
    usual = network.reconstruction(net, seen)
    found = {}
    for kind in data.ANOMALIES:
        odd = data.anomalies(kind, EXAMPLES, rng)
        model = network.reconstruction(net, odd)
        found[kind] = {
            name: evaluation.roc(score(seen, usual), score(odd, model))
            for name, score in scores.items()
        }
    return found


def likelihoods(options: argparse.Namespace) -> dict:
    """Equal short trainings that differ by what a misfit costs."""
    rng = np.random.default_rng(TEST_SEED)
    test = data.draw_stars(EXAMPLES, rng)
    seen, found = test.observe(rng), {"epochs": SHORT}
    for name in network.LIKELIHOODS:
        net, _ = trained(options, f"short-{name}", SHORT, likelihood=name)
        found[name] = evaluation.assess(net, test, seen)
    return found


def on_grid(options: argparse.Namespace) -> dict:
    """A training on Kurucz's grid, judged on other stars of it."""
    grid = kurucz.read_grid(options.kurucz)
    stars = grid.draw_stars(training.STARS, np.random.default_rng(1))
    net, content = trained(options, "kurucz", ON_GRID, stars=stars)
    rng = np.random.default_rng(TEST_SEED)
    test, other = (grid.draw_stars(EXAMPLES, rng) for _ in range(2))
    seen, seen_before = test.observe(rng), stars.observe(rng)
    probe = evaluation.linear_probe(
        network.latent_of(net, seen_before)[0].numpy(),
        stars.labels,
        network.latent_of(net, seen)[0].numpy(),
        test.labels,
    )
    labels = sampling.LabelMap.of(net, stars, rng)
    return {
        **evaluation.assess(net, test, seen),
        "epochs": content["history"][-1]["epoch"],
        "probe": probe.tolist(),
        "samples": {
            name: evaluation.alike(seen, network.decoded(net, z), stars, other, TEST_SEED)
            for name, z in (
                ("prior", sampling.from_prior(net, EXAMPLES, TEST_SEED)),
                ("mixture", sampling.LatentMixture.of(net, seen_before, 1).draw(EXAMPLES, 1)),
                ("labels", labels.latent(other.labels)),
            )
        },
    }


def summary(found: dict) -> dict:
    """Mean, standard deviation and extremes over the seeds, of every number."""
    rows = list(found.values())
    if isinstance(rows[0], dict):
        return {key: summary({i: row[key] for i, row in enumerate(rows)}) for key in rows[0]}
    if isinstance(rows[0], list):
        pairs = zip(*[sorted(row) if len(row) > 3 else row for row in rows], strict=True)
        return [summary(dict(enumerate(pair))) for pair in pairs]
    spread = float(np.std(rows, ddof=1)) if len(rows) > 1 else 0.0
    return {"mean": float(np.mean(rows)), "std": spread, "low": min(rows), "high": max(rows)}


def show(report: dict) -> None:
    for seed, row in report["evaluation"].items():
        print(seed, {key: value for key, value in row.items() if not isinstance(value, dict)})
        for part in ("samples", "anomalies", "by_label"):
            for name, values in row[part].items():
                print("   ", part, name, values)
    for part in ("likelihoods", "kurucz"):
        print(part, report.get(part))
    print("trainings", report["trainings"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
