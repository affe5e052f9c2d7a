"""(f) Chapter 07's two emulators at 32 and 64 cubed: trained, measured, timed beside the solver.

PYTHONPATH=ci python ci/gpu/lines.py WORK [--tiny]        # makes the data, on the CPUs
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from line_transfer_parts import timed, ways_to_draw
from parts import Run

from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation, network, rays, store
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

#: Side of the cubes: winds, views of each, COEmuNet's preset and how often it halves a cube.
SIZES = {32: (800, 4, "small", 3), 64: (200, 2, "paper", 4)}
TINY = {16: (20, 1, "small", 4)}
#: COEmuNet's share of the time; the emulator of rays gets the rest.
SHARE = 0.75


def data(folder: Path, npix: int, face_on: bool) -> Path:
    """Where the data of one size lie."""
    return folder / f"lines-{npix}" / ("face-on" if face_on else "data")


def make(folder: Path, tiny: bool) -> None:
    """Make what is not there yet: a process for each folder, one thread in each.

    With eight threads a card's machine drew them more slowly than one core of a laptop does.
    """
    wanted = [
        (npix, face_on, winds, 1 if face_on else views)
        for npix, (winds, views, *_) in (TINY if tiny else SIZES).items()
        for face_on in (True, False)
        if not data(folder, npix, face_on).exists()
    ]
    processes = 1 if tiny else len(wanted)
    one_thread = get_context("spawn"), torch.set_num_threads, (1,)
    with ProcessPoolExecutor(processes or 1, *one_thread) as pool:
        waiting = []
        for npix, side, *counts in wanted:
            path = data(folder, npix, side)
            waiting += [pool.submit(line_data.make_data, path, *counts, npix, 1, face_on=side)]
        for one in waiting:
            one.result()


def lines_part(run: Run, asked: float = 90.0) -> dict:
    """Medians over held-out winds after so many seconds of training, and solver over networks."""
    found, sizes = {}, TINY if run.tiny else SIZES
    budget = 0.5 if run.tiny else max(15.0, min(asked, run.left() - 40)) / len(sizes)
    for npix, (_, _, preset, halvings) in sizes.items():
        try:
            for side in ("face-on", "data"):
                run.prepared(f"lines-{npix}/{side}/data.json", max(10.0, run.left() - 60))
        except CoganError as problem:  # what the other size has shown stays
            found[str(npix)] = str(problem)
            continue
        face_on, pairs = (line_data.read_data(data(run.work, npix, side)) for side in (True, False))
        folder = data(run.work, npix, False).parent
        shape = network.COEmuNetSettings(npix, 7, *network.PRESETS[preset], halvings)
        long, short = (
            Plan(100_000, share * budget / 60, rate, 8 if run.tiny else batch)
            for share, rate, batch in ((SHARE, 2e-3, 64), (1 - SHARE, 4e-3, 16))
        )
        start = time.monotonic()
        line_training.train_coemunet(folder / "coemunet", face_on, pairs, shape, long, run.device)
        middle = time.monotonic()
        rays_shape = rays.RaySettings()
        line_training.train_rays(folder / "line", pairs, rays_shape, short, run.device)
        seconds = {"coemunet": middle - start, "line": time.monotonic() - middle}
        emulators = {name: store.load_emulator(folder / name) for name in seconds}
        row: dict = {"preset": preset, "halvings": halvings, "pictures": len(pairs.model)}
        for name, (emulator, content) in emulators.items():
            draw = evaluation.drawer(emulator, content, run.device)
            history = content["history"]
            last = (history if name == "line" else history["fine-tuning"])[-1]
            row[name] = {
                "parameters": count_parameters(emulator),
                "wall_seconds": seconds[name],
                "steps": last["steps"],
            }
            for split in line_data.SPLITS:
                chosen = pairs.rows(split)[:320]
                measured = evaluation.measures(draw(pairs.cubes[chosen]), pairs.images[chosen])
                row[name][split] = evaluation.middle(measured)
        speed = {}
        for device in dict.fromkeys(("cpu", run.device)):
            (cubes, content), (line, _) = emulators["coemunet"], emulators["line"]
            ways = ways_to_draw(line.to(device), cubes.to(device), content["statistics"])
            speed[device] = timed(ways, npix, device)
        found[str(npix)] = row | {"speed": speed}
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
