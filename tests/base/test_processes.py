"""Training and synthesis in two processes give what they give in one.

This file is also the program that torchrun starts:
``torchrun ... tests/base/test_processes.py FOLDER``.
"""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.base.processes import open_fabric, share
from cogan_lib.gan.checkpoint import load_checkpoint, load_state
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.losses import LossWeights
from cogan_lib.gan.schedule import Schedule
from cogan_lib.gan.training import train
from cogan_lib.synthesis import synthesise
from tests.toys import SETTINGS, TINY, toy_patches, toy_sky

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.long
LONG = replace(SETTINGS, max_steps=21)  # the replay buffers are full, and used, in the second
RUNS = {
    "unpaired": LONG,
    "members": replace(
        LONG,
        network=replace(TINY, noise=(3.0, 8.0)),
        weights=LossWeights(cycle=1, pair=8),
        paired=True,
        jitter=0.25,
        clip=5.0,
    ),
    "paper": replace(LONG, network=replace(TINY, instance_norm=True, tanh=True, smooth=False)),
}
#: Rounding, here 1e-7; normalised features make it grow to 1e-3 within three epochs, and logarithms
#: of the spectra of tiles that hardly vary to 3e-2.
TOLERANCE = {"unpaired": 1e-4, "members": 1e-4, "paper": 5e-2}


def jobs(folder: Path) -> None:
    """Three trainings and a synthesis; files in `folder`."""
    for name, settings in RUNS.items():
        patches = toy_patches(scaling="minmax" if name == "paper" else "asinh")
        result = train(patches, settings, folder / name)
        (folder / f"{name}-{share(2).start}.json").write_text(json.dumps(result.history), "utf-8")
    sky = toy_sky()
    for name in ("unpaired", "members"):  # 12 * 8**2 tiles, and shares that no batch of 50 fills
        trained = load_checkpoint(folder / name / "checkpoint")
        co = synthesise(sky, trained, member=3, batch_size=50, progress=False)
        if share(2).start == 0:
            np.save(folder / f"sky-{name}.npy", co.maps["W_CO10"])


def fail_in_the_second_process(folder: Path) -> None:
    """A training in which one process of the two stops in its third step."""
    step = CycleGan.step

    def broken(self, *arguments):
        if self.steps == 2 and self.fabric.global_rank == 1:
            raise CoganError("This process has had enough.")
        return step(self, *arguments)

    CycleGan.step = broken
    train(toy_patches(), SETTINGS, folder)


def torchrun(folder: Path, timeout: float) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, __file__, str(folder)], timeout=timeout, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What one process and what two processes have left."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    jobs(one)
    done = torchrun(two, timeout=240)  # raises if somebody waits for ever
    assert (two / "fail").exists(), done.stderr[-3000:]
    (two / "stderr").write_text(done.stderr, "utf-8")
    assert done.returncode != 0
    return one, two


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_follow_the_losses_of_one(folders, name):
    one, first, second = (
        json.loads((folder / f"{name}-{rank}.json").read_text("utf-8"))
        for folder, rank in ((folders[0], 0), (folders[1], 0), (folders[1], 1))
    )
    assert first == second, "all processes know the same history"
    assert len(one) == len(first) == 3
    for mine, theirs in zip(one, first, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() - {"seconds"}:
            assert theirs[key] == pytest.approx(mine[key], rel=TOLERANCE[name]), key


def test_weights_and_replay_buffers_are_those_of_one_process(folders):
    for name in ("unpaired", "members"):
        one, two = (load_state(folder / name / "state.pt") for folder in folders)
        assert one["steps"] == two["steps"] == 21
        for kind in ("networks", "averages"):
            for key, weight in one[kind].items():
                torch.testing.assert_close(two[kind][key], weight, rtol=1e-3, atol=1e-4)
        for mine, theirs in zip(one["buffers"], two["buffers"], strict=True):
            assert mine["count"] == theirs["count"] == 50
            torch.testing.assert_close(theirs["tiles"], mine["tiles"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["unpaired", "members"])
def test_the_sky_of_two_processes_is_that_of_one(folders, name):
    trained = load_checkpoint(folders[1] / name / "checkpoint")  # the same weights for both
    alone = synthesise(toy_sky(), trained, member=3, batch_size=50, progress=False)
    shared = np.load(folders[1] / f"sky-{name}.npy")
    scale = np.abs(shared).max()
    assert scale > 0.1
    np.testing.assert_allclose(alone.maps["W_CO10"], shared, rtol=0, atol=1e-5 * scale)


def test_one_process_goes_on_where_two_have_stopped(folders, tmp_path):
    longer = replace(LONG, max_steps=28)
    ends = []
    for folder in folders:
        state = tmp_path / folder.name
        state.mkdir()
        (state / "state.pt").write_bytes((folder / "unpaired" / "state.pt").read_bytes())
        ends.append(train(toy_patches(), longer, state, resume=True).history[-1])
    for key in ends[0].keys() - {"seconds"}:
        assert ends[1][key] == pytest.approx(ends[0][key], rel=1e-4), key


def test_a_process_that_fails_ends_the_others(folders):
    """At the end of the jobs; torchrun says so, and came to its end."""
    assert "This process has had enough." in (folders[1] / "stderr").read_text("utf-8")
    assert not (folders[1] / "fail" / "checkpoint").exists()


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(CoganError, match="2 processes cannot share the 5 tiles of a step equally"):
        Schedule(SimpleNamespace(world_size=2), replace(SETTINGS, batch_size=5), 28)


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # left there by some other launcher
    assert open_fabric("cpu").world_size == 1
    assert share(10) == slice(0, 10)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    jobs(Path(sys.argv[1]))
    fail_in_the_second_process(Path(sys.argv[1]) / "fail")
