"""Train the emulator of chapter 07 with several seeds and write the numbers that the book quotes.

    python ci/line_transfer_run.py runs/line-transfer book/results/line-transfer/report.json

and, on a GPU, at the paper's resolution and with its network:

    python ci/line_transfer_run.py runs/line-transfer-64 line-transfer-64.json --npix 64 \
        --preset paper --models 8000 --epochs 40 --batch 256

The data are made once; a seed that has been trained, and a part that has been measured, is not done
again unless it is named with --again. Every number is computed on winds that were held out.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation as line_evaluation
from cogan_lib.companions.line_transfer import network as line_emulator
from cogan_lib.companions.line_transfer import physics as line_transfer
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.companions.line_transfer import winds
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan
from cogan_lib.learn.metrics import seconds_each

BATCH = 16  # of the timings
PARTS = ("resolution", "speed")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for data and weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--models", type=int, default=800)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--npix", type=int, default=32)
    parser.add_argument("--preset", choices=list(line_emulator.PRESETS), default="small")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    face_on, data = data_of(options)
    report["data"] = {key: data.content[key] for key in ("models", "views", "npix", "channels")}
    report["data"] |= {
        "pictures": {split: len(data.rows(split)) for split in line_data.SPLITS},
        "mean_picture": mean_picture(data),
    }
    for seed in options.seeds:
        if str(seed) not in report.setdefault("trainings", {}):
            report["trainings"][str(seed)] = training(options, face_on, data, seed)
            save(options.report, report)
    measure = {"resolution": resolution, "speed": lambda: speed(options)}
    for part in PARTS:
        if part not in report:
            report[part] = measure[part]()
    save(options.report, report)
    show(report)
    return 0


def save(path: Path, report: dict) -> None:
    rows = report["trainings"].values()
    report["summary"] = {
        key: {
            "mean": float(np.mean([row["test"][key] for row in rows])),
            "std": float(np.std([row["test"][key] for row in rows], ddof=1))
            if len(rows) > 1
            else 0,
        }
        for key in ("max_rel", "zncc", "ssim")
    }
    write_json(path, report | {"provenance": provenance(None)})


def data_of(options: argparse.Namespace) -> list[line_data.LineData]:
    """Face-on and full data, made if they are missing; equal options, equal data."""
    found = []
    for name, views, face_on in (("face-on", 1, True), ("data", options.views, False)):
        folder = options.folder / name
        if not folder.exists():
            line_data.make_data(
                folder, options.models, views, options.npix, 1, face_on=face_on, device=DEVICE
            )
        data = line_data.read_data(folder)
        asked = {"models": options.models, "views": views, "npix": options.npix}
        if asked != {key: data.content[key] for key in asked}:
            raise CoganError(f"{folder} holds other data than you ask for; choose another folder.")
        found.append(data)
    return found


def training(options, face_on, data, seed: int) -> dict:
    """Train, or take up what was trained, and measure the weights as they are read back."""
    folder = options.folder / f"emulator-{seed}"
    cpu = time.process_time()
    if not folder.exists():
        shape = line_emulator.EmulatorSettings(
            options.npix, 7, *line_emulator.PRESETS[options.preset]
        )
        plan = Plan(epochs=options.epochs, batch=options.batch, seed=seed)
        line_training.train_emulator(folder, face_on, data, shape, plan, DEVICE)
    cpu = time.process_time() - cpu
    network, content = line_emulator.load_emulator(folder)
    history = content["history"]
    row = {
        "git_commit": content["provenance"]["git_commit"],
        "parameters": count_parameters(network),
        "epochs": {stage: len(rows) for stage, rows in history.items()},
        "core_minutes": cpu / 60,
        "wall_minutes": sum(rows[-1]["seconds"] for rows in history.values()) / 60,
    }
    for split in ("validation", "test"):
        found = line_evaluation.judge(
            network, data, data.rows(split), content["statistics"], DEVICE
        )
        row[split] = {key: float(np.median(values)) for key, values in found.items()}
        row[split]["below_10_percent"] = float((found["max_rel"] < 10).mean())
    return row


def mean_picture(data: line_data.LineData) -> dict:
    """The measures of a forecast that is the training winds' mean picture."""
    statistics, rows = data.content["statistics"], data.rows("test")
    found = line_evaluation.judge_mean_picture(data, rows, statistics)
    return {key: float(np.median(values)) for key, values in found.items()}


def resolution(winds_used: int = 3) -> dict:
    """Flux of whole pictures by both rules at 32, 64 and 128 points, over that of the finest.

    Mean over winds of the summed absolute difference of the channels' fluxes.
    """
    at = torch.from_numpy(winds.CHANNELS)
    found = {}
    for turbulence in (winds.TURBULENCE, 150.0):
        flux: dict[tuple[str, int], list] = {}
        for i in range(winds_used):
            rng = np.random.default_rng([2, i])
            wind, rotation = winds.draw_wind(rng), winds.views(rng, 1)[0]
            for npix in (32, 64, 128):
                cubes = [torch.from_numpy(x)[None] for x in winds.seen_from(wind, npix, rotation)]
                step = winds.spacing_m(npix)
                opacity, source, width = line_transfer.line_coefficients(
                    *cubes[1:], line_data.LINE, turbulence
                )
                for v in at:  # channel by channel: all at once would take gigabytes at 128^3
                    b = line_transfer.profile_arguments(cubes[0], width, v[None])
                    chi = opacity[:, None] * torch.exp(-b * b) / math.sqrt(math.pi)
                    rules = {
                        "exact": line_transfer.interval_depths(opacity, b, step),
                        "trapezoid": (chi[:, :, 1:] + chi[:, :, :-1]) / 2 * step,
                    }
                    for rule, depths in rules.items():
                        image = line_transfer.emergent(depths, source)
                        flux.setdefault((rule, npix), []).append(float(image.sum()) * step**2)
        finest = np.array(flux["exact", 128])
        found[f"{turbulence:g}"] = {
            rule: {
                str(npix): float(np.abs(np.array(flux[rule, npix]) - finest).sum() / finest.sum())
                for npix in (32, 64, 128)
            }
            for rule in ("exact", "trapezoid")
        }
    return found


def speed(options: argparse.Namespace) -> dict:
    """Milliseconds for one wind's pictures: solver and network on the same device, in turns."""
    network, content = line_emulator.load_emulator(options.folder / f"emulator-{options.seeds[0]}")
    wind = winds.draw_wind(np.random.default_rng(0))
    rotations = winds.views(np.random.default_rng(0), BATCH)
    fields = [
        np.stack(x)
        for x in zip(*(winds.seen_from(wind, options.npix, r) for r in rotations), strict=True)
    ]
    cubes = [torch.from_numpy(x) for x in fields]
    packed = torch.from_numpy(line_data.pack(*fields))
    at, step = torch.from_numpy(winds.CHANNELS), winds.spacing_m(options.npix)
    found = {"batch": BATCH, "npix": options.npix, "threads": torch.get_num_threads()}
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        network.to(device)
        there, input_there = [x.to(device) for x in cubes], packed.to(device)

        def solve(there=there):
            arguments = (at.to(there[0].device), step, line_data.LINE, winds.TURBULENCE)
            return line_transfer.line_images(*there, *arguments).cpu()

        @torch.inference_mode()
        def imitate(there=input_there):
            scaled = line_data.scale_cubes(there, content["statistics"])
            return line_data.intensity_of(network(scaled), content["statistics"]).cpu()

        alone = device == "cpu" and torch.get_num_threads() == 1
        seconds = seconds_each(
            {"solver": solve, "network": imitate},
            rounds=9,
            clock=time.process_time if alone else time.perf_counter,
        )
        found[device] = {
            name: 1e3 * float(np.min(values)) / BATCH for name, values in seconds.items()
        }
        found[device]["ratio"] = float(np.median(np.divide(*seconds.values())))
    return found


def show(report: dict) -> None:
    for seed, row in sorted(report["trainings"].items()):
        test = row["test"]
        print(
            f"seed {seed}: MaxRel {test['max_rel']:.2f} %, ZNCC {test['zncc']:.3f}, "
            f"SSIM {test['ssim']:.3f}, below 10 %: {test['below_10_percent']:.0%}, "
            f"{row['core_minutes']:.1f} minutes of a core"
        )
    for name in ("summary", *PARTS):
        print(name, report[name])
    print("mean picture", report["data"]["mean_picture"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
