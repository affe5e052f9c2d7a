"""Train the emulators of chapter 07 with several seeds and write the numbers that the book quotes.

    python ci/line_transfer_run.py runs/line-transfer book/results/line-transfer/report.json

The data are made once; what has been trained or measured is not done again unless it is named with
--again. Trainings may run beside each other: `--train NAME SEED` does one and nothing else. Recipes
were chosen on validation winds; everything here is computed on test winds.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import line_transfer_parts as parts
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation, network, rays, store, training
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

NPIX, MODELS, VIEWS = 32, 800, 4
SEEDS = (1, 2, 3)
#: Recipe of each emulator: the network's shape, and epochs, batch and rate of its training.
RECIPES = {
    "coemunet": (
        network.COEmuNetSettings(NPIX, 7, *network.PRESETS["small"], halvings=3),
        10,
        16,
        2e-3,
    ),
    "rays": (rays.RaySettings("rays", width=192), 70, 16, 4e-3),
    "shift": (rays.RaySettings("shift"), 70, 16, 4e-3),
    "line": (rays.RaySettings("line"), 70, 16, 4e-3),
}
#: COEmuNet at 64^3, where its bottleneck is the paper's: one seed, as good as the same minutes of a
#: CPU make it.
ASIDE = {"coemunet-64": (replace(RECIPES["coemunet"][0], npix=64, halvings=4), 8, 16, 2e-3)}
MEMORY = ("memory", 64, 300)  # pictures to learn by heart, passes over them
PARTS = {
    "resolution": parts.resolution,
    "elsewhere": parts.elsewhere,
    "recovered": parts.recovered,
    "speed": parts.speed,
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for data and weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument(
        "--train", nargs=2, metavar=("NAME", "SEED"), help="one training, no report"
    )
    parser.add_argument("--again", choices=[*PARTS, "trainings", "memory"], nargs="*", default=[])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # its times are of one core
    if options.train:
        name, seed = options.train[0], int(options.train[1])
        train(options.folder, name, seed)
        return 0
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    data = data_of(options.folder, NPIX)[1]
    kept = ("models", "views", "npix", "channels")
    report["data"] = {key: data.content[key] for key in kept} | {
        "pictures": {split: len(data.rows(split)) for split in line_data.SPLITS},
        "mean_picture": evaluation.middle(evaluation.mean_picture(data, data.rows("test"))),
    }
    trainings = report.setdefault("trainings", {})
    wanted = [(name, seed) for name in RECIPES for seed in SEEDS] + [(name, 1) for name in ASIDE]
    for name, seed in wanted:
        if str(seed) not in trainings.setdefault(name, {}):
            trainings[name][str(seed)] = measured(options.folder, name, seed)
            write_json(options.report, report)
    report["summary"] = {name: summary(rows) for name, rows in trainings.items()}
    commits = {row["git_commit"] for rows in trainings.values() for row in rows.values()}
    report["code"] = sorted(commits)
    if "memory" not in report:
        report["memory"] = measured(options.folder, MEMORY[0], 1) | {"pictures": MEMORY[1]}
    network_, content = store.load_emulator(options.folder / "line-1")
    for part, measure in PARTS.items():
        if part not in report:
            report[part] = measure(network_, content, options.folder)
            write_json(options.report, report | {"provenance": provenance(None)})
    write_json(options.report, report | {"provenance": provenance(None)})
    show(report)
    return 0


def data_of(folder: Path, npix: int) -> list[line_data.LineData]:
    """Face-on and full data, made if they are missing."""
    models, found = MODELS if npix == NPIX else MODELS // 4, []
    for name, views, face_on in ((f"face-on-{npix}", 1, True), (f"data-{npix}", VIEWS, False)):
        if not (folder / name).exists():
            line_data.make_data(
                folder / name, models, views, npix, 1, face_on=face_on, device=DEVICE
            )
        found.append(line_data.read_data(folder / name))
    return found


def recipe(name: str) -> tuple:
    """Shape, epochs, batch and rate of a training."""
    if name == MEMORY[0]:
        shape, _, *rest = RECIPES["coemunet"]
        return shape, MEMORY[2], *rest
    return (RECIPES | ASIDE)[name]


def train(folder: Path, name: str, seed: int) -> Path:
    """Train, or take up what was trained."""
    target = folder / f"{name}-{seed}"
    if target.exists():
        return target
    by_heart = name == MEMORY[0]
    shape, epochs, batch, rate = recipe(name)
    face_on, data = data_of(folder, getattr(shape, "npix", NPIX))
    cpu = time.process_time()
    if by_heart:
        few = parts.first_pictures(data, MEMORY[1])
        plan = Plan(epochs, batch=batch, rate=rate, seed=seed)
        training.train_coemunet(target, parts.first_pictures(face_on, 8), few, shape, plan, DEVICE)
    else:
        plan = Plan(epochs, batch=batch, rate=rate, seed=seed)
        if isinstance(shape, rays.RaySettings):
            training.train_rays(target, data, shape, plan, DEVICE)
        else:
            training.train_coemunet(target, face_on, data, shape, plan, DEVICE)
    cost = {"core_minutes": (time.process_time() - cpu) / 60}
    write_json(folder / f"{name}-{seed}-cost.json", cost)
    return target


def measured(folder: Path, name: str, seed: int) -> dict:
    """Measure the weights of a training as they are read back."""
    emulator, content = store.load_emulator(train(folder, name, seed))
    data = data_of(folder, content["npix"])[1]
    draw = evaluation.drawer(emulator, content, DEVICE)
    history = content["history"]
    history = history if isinstance(history, list) else history["fine-tuning"]
    shape, epochs, batch, rate = recipe(name)
    plan = {"epochs": epochs, "batch": batch, "rate": rate, "seed": seed}
    if emulator.settings != shape or not plan.items() <= content["plan"].items():
        raise CoganError(f"{folder / f'{name}-{seed}'} was trained by another recipe; remove it.")
    row = {
        "git_commit": content["provenance"]["git_commit"],
        "parameters": count_parameters(emulator),
        "epochs": len(history),
        "steps": history[-1]["steps"],
        "last_fall": 1 - history[-1]["validation"] / history[-2]["validation"],
        **read_json(folder / f"{name}-{seed}-cost.json"),
    }
    rows = {split: data.rows(split) for split in ("validation", "test")}
    rows["train"] = data.rows("train")[: MEMORY[1] if name == MEMORY[0] else 320]
    row["pictures"] = len(rows["test"])
    for split, chosen in rows.items():
        found = evaluation.measures(draw(data.cubes[chosen]), data.images[chosen])
        row[split] = evaluation.middle(found)
        if split == "test":  # an interval over winds, not pictures
            row[split] |= parts.over_winds(found, data.model[chosen])
    return row


def summary(rows: dict[str, dict]) -> dict:
    """Mean and standard deviation over the seeds of the test's medians."""
    found = {}
    for key in ("max_rel", "zncc", "ssim"):
        values = [row["test"][key] for row in rows.values()]
        found[key] = {"mean": float(np.mean(values))}
        if len(values) > 1:
            found[key]["std"] = float(np.std(values, ddof=1))
    return found


def show(report: dict) -> None:
    """Print what the book quotes."""
    for name, rows in report["trainings"].items():
        for seed, row in sorted(rows.items()):
            found = ", ".join(
                f"{split} {row[split]['max_rel']:.2f} % {row[split]['zncc']:.3f} "
                f"{row[split]['ssim']:.3f}"
                for split in ("train", "validation", "test")
            )
            print(f"{name} {seed}: {found}; {row['core_minutes']:.1f} minutes of a core")
    for name in ("memory", "summary", *PARTS):
        print(name, report[name])
    print("mean picture", report["data"]["mean_picture"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
