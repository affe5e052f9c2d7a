"""Train the network of chapter 08 with several seeds and write the numbers that the book quotes.

    python ci/extinction_run.py runs/extinction book/results/extinction/report.json

A seed that has been trained, and a part that has been measured, is not done again unless it is
named with --again. Every number is computed on profiles and stars that no training has seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch
from torch import Tensor

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.extinction import evaluation, galaxy, network, rivals, training
from cogan_lib.companions.extinction.data import TRAINED, UNSEEN, Drawn, Frozen, Survey
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan, fit, seeded
from cogan_lib.learn.metrics import seconds_each

TEST_SEED = 10**7
EXAMPLES, ON_MAP = 10_000, 8  # draws of a map's diagrams without dust
AREAS = (1.0, 0.3, 0.1, 0.03)
SHIFT_J = 0.05  # mag
#: Of the training on a frozen catalogue and its counterpart.
REMEMBERED, PASSES = 12_800, 6
PARTS = ("memory", "speed")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Method = dict[str, Tensor]


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--network", choices=list(network.PRESETS), default="small")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--again", choices=("evaluation", *PARTS), nargs="*", default=[])
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
        report["evaluation"] = evaluate(options)
    measure = {"memory": memory, "speed": lambda: speed(options)}
    for part in PARTS:
        if part not in report:
            report[part] = measure[part]()
    report |= over_seeds(report["evaluation"])
    write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
    show(report)
    return 0


def over_seeds(found: dict) -> dict:
    """Mean and scatter of the networks' errors, and their coverages, distance by distance."""
    summary = {}
    for name in ("trained", "unseen", "shifted", "map"):
        rows = [row["rmse"] for key, row in found[name].items() if key.startswith("network")]
        spread = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else np.zeros(len(rows[0]))
        pairs = zip(np.mean(rows, axis=0), spread, strict=True)
        summary[name] = [{"mean": float(a), "std": float(b)} for a, b in pairs]
    keys = next(iter(found["coverage"].values()))
    shares = {
        key: np.transpose([row[key] for row in found["coverage"].values()]).tolist() for key in keys
    }
    shares["map after"] = np.transpose(list(found["map_coverage"].values())).tolist()
    return {"summary": summary, "coverage": shares}


def folder_of(options: argparse.Namespace, seed: int) -> Path:
    return options.folder / f"{options.network}-{seed}"


def train(options: argparse.Namespace, seed: int) -> dict:
    """Train, or take up what was trained."""
    folder = folder_of(options, seed)
    if not folder.exists():
        plan = Plan(
            options.epochs,
            rate=training.RATES[options.network],
            batch=training.BATCH,
            seed=seed,
        )
        training.train(folder, network.PRESETS[options.network], plan, DEVICE)
    found, content = network.load_network_of(folder)
    last = content["history"][-1]
    return {
        "git_commit": content["provenance"]["git_commit"],
        "machine": content["provenance"]["machine"],
        "parameters": count_parameters(found),
        "examples": last["steps"] * content["plan"]["batch"],
        "minutes": last["seconds"] / 60,
    }


def evaluate(options: argparse.Namespace) -> dict:
    """All methods on the same diagrams, of trained and other sightlines, the map, spoilt data."""
    trained, unseen = (Survey(places, TEST_SEED) for places in (TRAINED, UNSEEN))
    known = training.prior(TEST_SEED)
    line = rivals.linear_regression(trained, TEST_SEED)
    networks = {seed: network.load_network_of(folder_of(options, seed)) for seed in options.seeds}

    def answers(drawn: Drawn) -> Method:
        found = {f"network {seed}": predict(net, drawn) for seed, (net, _) in networks.items()}
        return found | {
            "training mean": known.mean.expand_as(drawn.a_v),
            "red clump": rivals.red_clump(drawn.counts, drawn.reference, trained.law, known.mean),
            "linear regression": line.predict(drawn.counts, drawn.reference),
        }

    def drawn(survey: Survey, number: int, n: int = EXAMPLES, **options) -> Drawn:
        generator = torch.Generator().manual_seed(TEST_SEED + number)
        return survey.examples(n, generator, **options)

    sets = {
        "trained": drawn(trained, 1),
        "unseen": drawn(unseen, 2),
        "shifted": drawn(trained, 1, zero_point_j=SHIFT_J),
    }
    found = {name: scores(answers(some), some.a_v) for name, some in sets.items()}
    found["thinned"] = {
        f"{area:g}": scores(answers(some), some.a_v)
        for area in AREAS
        for some in [drawn(trained, 3, 2000, area=area)]
    }
    found["coverage"] = {
        str(seed): coverage(net, content, sets) for seed, (net, content) in networks.items()
    }
    lon, lat = galaxy.map_grid()
    dust = galaxy.galaxy(TEST_SEED).profiles(lon.ravel(), lat.ravel())
    survey = Survey(np.stack([lon.ravel(), lat.ravel()], 1), TEST_SEED, draws=ON_MAP)
    everywhere = torch.arange(lon.size)
    generator = torch.Generator().manual_seed(TEST_SEED)
    a_v = torch.from_numpy(dust)
    seen = Drawn(survey.observe(a_v, everywhere, generator), survey.reference, a_v)
    on_map = answers(seen)
    found["map"] = scores(on_map, a_v)
    found["map_coverage"] = {
        str(seed): list(
            evaluation.coverage_at(
                on_map[f"network {seed}"],
                network.spread(net, seen.counts, seen.reference, device=DEVICE)
                * torch.tensor(content["spread_factors"]),
                a_v,
            ).values()
        )
        for seed, (net, content) in networks.items()
    }
    methods = {"real": a_v} | {k: v for k, v in on_map.items() if k != "training mean"}
    found["correlation"] = {
        name: evaluation.correlation_lengths(values.numpy().reshape(*lon.shape, -1))
        for name, values in methods.items()
    }
    real = dust.reshape(*lon.shape, -1)
    found["blur_kpc"] = {
        name: evaluation.blur_along(real, row["radial"])
        for name, row in found["correlation"].items()
        if name != "real"
    }
    return found


def predict(net: network.ProfileNetwork, drawn: Drawn) -> Tensor:
    return network.predict(net, drawn.counts, drawn.reference, DEVICE)


def scores(found: Method, real: Tensor) -> dict:
    return {
        name: {
            "rmse": list(evaluation.rmse_at(values, real).values()),
            "bias": list(evaluation.bias_at(values, real).values()),
        }
        for name, values in found.items()
    }


def coverage(net: network.ProfileNetwork, content: dict, sets: dict[str, Drawn]) -> dict:
    """Share of errors within the dropout spread, before and after recalibration."""
    factors, found = torch.tensor(content["spread_factors"]), {}
    for name in ("trained", "unseen"):
        drawn = sets[name]
        values = predict(net, drawn)
        wide = network.spread(net, drawn.counts, drawn.reference, device=DEVICE)
        for key, width in (("before", wide), ("after", wide * factors)):
            shares = evaluation.coverage_at(values, width, drawn.a_v)
            found[f"{name} {key}"] = list(shares.values())
    return found


def memory() -> dict:
    """A network that always saw the same stars, and one that saw new ones, tested on both.

    Both see as many examples, as often, and start from the same weights.
    """
    survey = Survey(TRAINED, 1)
    frozen, known = Frozen(survey, 1), training.prior(1)
    sources = {"frozen": frozen.examples, "new": survey.examples}
    tests = {
        name: source(2000, torch.Generator().manual_seed(TEST_SEED + 4))
        for name, source in sources.items()
    }
    found = {}
    for name, source in sources.items():
        pool = source(REMEMBERED, torch.Generator().manual_seed(1))
        plan = Plan(PASSES, rate=training.RATES["small"], batch=training.BATCH)
        with seeded(1):
            net = network.ProfileNetwork(network.PRESETS["small"], known.mean)
            fit(net, _losses(net, known), _pool(pool), plan, clip=training.CLIP)
        found[f"trained on {name}"] = {
            f"tested on {other}": list(evaluation.rmse_at(predict(net, drawn), drawn.a_v).values())
            for other, drawn in tests.items()
        }
    return found | {"examples": REMEMBERED, "passes": PASSES}


def _losses(net, known):
    def losses(batch: Drawn):
        yield training.loss(net(batch.counts, batch.reference), batch.a_v, known.scatter)

    return losses


def _pool(pool: Drawn):
    """Batches of stored examples."""
    from cogan_lib.learn.dataset import Batches

    def load(rows, _rng):
        return Drawn(pool.counts[rows], pool.reference[rows], pool.a_v[rows])

    return Batches(np.arange(len(pool.a_v)), load, training.BATCH, [1, 8])


def speed(options: argparse.Namespace) -> dict:
    """On one thread: diagrams drawn in a second, and milliseconds per sightline of each method."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    survey, n = Survey(TRAINED, 1), 2000
    generator = torch.Generator().manual_seed(1)
    drawn = survey.examples(n, generator)
    net, _ = network.load_network_of(folder_of(options, options.seeds[0]))
    line, known = rivals.fit_linear(drawn), training.prior(1).mean
    seconds = seconds_each(
        {
            "drawing": lambda: survey.examples(n, generator),
            "network": lambda: network.predict(net, drawn.counts, drawn.reference),
            "red clump": lambda: rivals.red_clump(drawn.counts, drawn.reference, survey.law, known),
            "linear regression": lambda: line.predict(drawn.counts, drawn.reference),
        },
        rounds=5,
        clock=time.process_time,
    )
    torch.set_num_threads(threads)
    found = {name: 1e3 * float(np.median(values)) / n for name, values in seconds.items()}
    return {"batch": n, "ms": found, "diagrams_per_second": 1e3 / found["drawing"]}


def show(report: dict) -> None:
    for name in ("trained", "unseen", "shifted", "map"):
        for method, row in report["evaluation"][name].items():
            print(f"{name:8s} {method:18s}", *(f"{x:6.3f}" for x in row["rmse"]))
    for name in ("coverage", "correlation"):
        print(name, report["evaluation"][name])
    for name in PARTS:
        print(name, report[name])
    print("trainings", report["trainings"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
