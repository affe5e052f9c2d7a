"""(f) Chapter 07's emulator at 32 and 64 cubed: trained, measured and timed beside the solver.

python ci/gpu/lines.py WORK [--tiny]        # makes the data, on the CPUs
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from line_transfer_run import speed
from parts import Run

from cogan_lib.base.threads import default_threads
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import network as line_emulator
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.companions.line_transfer.evaluation import judge
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

#: Side of the cubes: winds, views of each, preset of the network.
SIZES = {32: (800, 4, "small"), 64: (200, 2, "paper")}
TINY = {16: (20, 1, "small")}


def data(folder: Path, npix: int, face_on: bool) -> Path:
    """Where the data of one size lie."""
    return folder / f"lines-{npix}" / ("face-on" if face_on else "data")


def make(folder: Path, tiny: bool) -> None:
    """Make what is not there yet."""
    torch.set_num_threads(max(1, default_threads() // 2))
    for npix, (winds, views, _) in (TINY if tiny else SIZES).items():
        for face_on in (True, False):
            path = data(folder, npix, face_on)
            if not path.exists():
                line_data.make_data(path, winds, 1 if face_on else views, npix, 1, face_on=face_on)


def lines_part(run: Run, asked: float = 90.0) -> dict:
    """Medians over held-out winds after so many seconds of training, and solver over network."""
    found, sizes = {}, TINY if run.tiny else SIZES
    budget = 0.5 if run.tiny else max(15.0, min(asked, run.left() - 40)) / len(sizes)
    for npix, (_, _, preset) in sizes.items():
        folder = data(run.work, npix, False)
        run.prepared(f"lines-{npix}/data/data.json", max(10.0, run.left() - 60))
        face_on, pairs = (
            line_data.read_data(data(run.work, npix, True)),
            line_data.read_data(folder),
        )
        settings = line_emulator.EmulatorSettings(npix, 7, *line_emulator.PRESETS[preset])
        plan = Plan(epochs=100_000, minutes=budget / 60, batch=8 if run.tiny else 64)
        start, target = time.monotonic(), folder.parent / "emulator-1"
        line_training.train_emulator(target, face_on, pairs, settings, plan, run.device)
        network, content = line_emulator.load_emulator(target)
        row = {
            "preset": preset,
            "pictures": len(pairs.model),
            "parameters": count_parameters(network),
            "wall_seconds": time.monotonic() - start,
            "epochs": {stage: len(rows) for stage, rows in content["history"].items()},
        }
        for split in ("validation", "test"):
            measured = judge(network, pairs, pairs.rows(split), content["statistics"], run.device)
            row[split] = {name: float(np.median(values)) for name, values in measured.items()}
        options = argparse.Namespace(folder=folder.parent, npix=npix, seeds=[1])
        found[str(npix)] = row | {"speed": speed(options)}
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    make(options.work, options.tiny)
    return 0


if __name__ == "__main__":
    sys.exit(main())
