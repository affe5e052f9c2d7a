"""Long and large: memory does not grow with steps or rounds, and a sky of NSIDE 2048 fits.

Each job is a process of its own, ``python tests/test_long.py JOB FOLDER``; it prints its findings.
"""

import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cogan_lib import road
from cogan_lib.gan import run_files, training
from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.networks import Generator
from cogan_lib.gan.training import train
from cogan_lib.sky.skyfile import Sky
from cogan_lib.synthesis import synthesise
from tests.road import toy_settings, use_tiny, validate_run, walk
from tests.toys import SETTINGS, TINY, toy_patches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
ROOT = Path(__file__).resolve().parents[1]
STEPS = 2000


def resident_mb() -> float:
    """Memory of this process now, as far as it is not given back."""
    gc.collect()
    return (
        int(Path("/proc/self/statm").read_text("utf-8").split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        / 1e6
    )


def soak(folder: Path) -> dict:
    """2,000 steps with a check, a log, and now and then a state each epoch: memory by epoch."""
    patches, memory, check = toy_patches(), [], training.check

    def measured(*arguments):
        memory.append(resident_mb())
        return check(*arguments)

    training.check, run_files.STATE_SECONDS = measured, 1.0
    result = train(patches, replace(SETTINGS, max_steps=STEPS), folder)
    return {"steps": result.steps, "memory_mb": memory}


def rounds(folder: Path) -> dict:
    """The road once, then the CO sky and its validation again and again: memory by round."""
    use_tiny()
    settings, memory = toy_settings(folder), []
    walk(settings)
    for _ in range(4):  # the first one warms up
        road.co_sky_file(settings)
        validate_run(settings)
        memory.append(resident_mb())
    return {"memory_mb": memory}


def large(folder: Path) -> dict:
    """Synthesis at NSIDE 2048 with tiles of 128 pixels of 1.5 arcmin, two lines, written out."""
    log, asinh = {"kind": "log", "softening": 1e-3}, {"kind": "asinh", "softening": 0.3}
    units = {"DUST": "MJy/sr", "N_HI": "cm-2", "W_CO10": "K km/s", "W_CO21": "K km/s"}
    scalings = {
        name: {**(asinh if "CO" in name else log), "mean": 0.5, "std": 0.3} for name in units
    }
    meta = {
        "input_columns": ["DUST", "N_HI"],
        "target_columns": ["W_CO10", "W_CO21"],
        "units": units,
        "geometry": {"npix": 128, "pixel_arcmin": 1.5, "projection": "ZEA"},
        "fwhm_arcmin": 15.0,
        "scalings": scalings,
    }
    torch.manual_seed(1)
    networks = Generator(2, 2, TINY), Generator(2, 2, TINY)
    trained = load_checkpoint(save_checkpoint(folder / "checkpoint", *networks, TINY, meta))
    draw, maps = np.random.default_rng(1), {}
    for name in meta["input_columns"]:
        maps[name] = draw.standard_normal(12 * 2048**2, dtype=np.float32)
        maps[name] += 10
    sky = Sky(maps, units, 15.0)
    start, before = time.monotonic(), resident_mb()
    co = synthesise(sky, trained, progress=False, part=folder / "co.part.npz")
    assert all(np.isfinite(values).all() for values in co.maps.values())
    peak = next(
        line
        for line in Path("/proc/self/status").read_text("utf-8").splitlines()
        if "VmHWM" in line
    )
    return {
        "minutes": (time.monotonic() - start) / 60,
        "sky_in_mb": before,
        "peak_mb": int(peak.split()[1]) * 1024 / 1e6,
    }


def job(name: str, folder: Path) -> dict:
    """Found by a job in a fresh process; printed too, so that ``pytest -s`` shows it."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(folder)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"{name}: {done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


def test_memory_is_flat_over_2000_steps(tmp_path):
    found = job("soak", tmp_path)
    memory = np.array(found["memory_mb"])
    warm = len(memory) // 10  # replay buffers full, all code seen
    assert found["steps"] >= STEPS
    assert memory[-warm:].mean() < 1.01 * memory[warm : 2 * warm].mean()


def test_memory_is_flat_over_three_rounds_of_synthesis_and_validation(tmp_path):
    memory = job("rounds", tmp_path)["memory_mb"]
    assert len(memory) == 4 and max(memory[1:]) < 1.01 * memory[0]


def test_a_sky_of_nside_2048_takes_less_than_4_gib(tmp_path):
    assert job("large", tmp_path)["peak_mb"] < 4 * 1024**3 / 1e6


if __name__ == "__main__":
    jobs = {"soak": soak, "rounds": rounds, "large": large}
    print(json.dumps(jobs[sys.argv[1]](Path(sys.argv[2]))))
