"""What the processes of `tests.forks` do; this room is loaded before they are forked."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import run_notebooks

from cogan_lib import road, synthesis
from cogan_lib.base.config import Settings
from cogan_lib.gan import run_files
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.training import train
from cogan_lib.sky import fetch  # noqa: F401 - loaded for its test
from cogan_lib.synthesis import synthesise
from cogan_lib.tiles.patches import Patches
from tests.books import drive, execute_here
from tests.forks import counted
from tests.toys import SETTINGS

LONG = replace(SETTINGS, max_steps=35)


def training_process(folder: Path, fatal_step: int) -> None:
    run_files.STATE_SECONDS = 0.0
    CycleGan._descend = counted(CycleGan._descend, fatal_step)  # three times in a step
    train(Patches.load(folder / "patches.npz"), LONG, folder, resume=True)


def synthesis_process(folder: Path, fatal_batch: int) -> None:
    def tell() -> None:
        with open(folder.with_name("batches"), "a", encoding="utf-8") as stream:
            stream.write(".")

    synthesis.PART_SECONDS = 0.0
    synthesis.generate = counted(synthesis.generate, fatal_batch, tell)
    road.synthesise = partial(synthesise, batch_size=16)
    road.co_sky_file(Settings.check(run_dir=str(folder), device="cpu", threads=1))


def driver_process(root: Path, _: int) -> None:
    def begin(chapter, output, environment, top, bar):
        with open(root.with_name("ran"), "a", encoding="utf-8") as stream:
            stream.write(f"{chapter.name}\n")
        os.chdir(top)
        return execute_here(chapter, output)

    run_notebooks.begin = begin
    assert drive(root) == 0


def real_driver_process(root: Path) -> None:
    run_notebooks.main(["--profile", str(root / "toy.yaml")], root=root)
