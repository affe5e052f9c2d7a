"""What a fresh interpreter loads, and what it does without; asked of a single one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Prints what was found as JSON; a package that is None in sys.modules cannot be imported.
PROGRAM = """
import importlib, json, pathlib, sys
import cogan_lib
found = {"torch at once": "torch" in sys.modules}

def without(*names):
    for name in names:
        assert name not in sys.modules, f"{name} was imported"
        sys.modules[name] = None

without("scipy", "skimage", "healpy", "torch")
import numpy as np
from cogan_lib.validation.report import per_epoch_check
check = per_epoch_check(np.eye(32)[None], 2 * np.eye(32)[None], 7.5)
found["spectrum"] = float(check["spectrum"])
for name in ("scipy", "skimage", "healpy", "torch"):
    del sys.modules[name]

without("healpy", "astropy", "ducc0")
rooms = ["tiles.patches", "tiles.scaling"]
for door in ("gan", "learn"):
    rooms += [f"{door}.{path.stem}" for path in pathlib.Path("cogan_lib", door).glob("[a-z]*.py")]
for room in rooms:
    importlib.import_module(f"cogan_lib.{room}")
import torch
found["rooms"] = rooms
found["threads"] = [torch.get_num_threads(), cogan_lib.base.threads.cores()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def fresh():
    """What a Python without this one's thread settings found, and what libgomp said to it."""
    mine = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OMP_", "NUMBA_", "LOCAL_WORLD"))
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**mine, "OMP_DISPLAY_ENV": "true"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_package_itself_does_not_load_torch(fresh):
    assert not fresh[0]["torch at once"]


def test_training_needs_neither_healpy_nor_astropy(fresh):
    """It runs on a bare GPU machine."""
    assert {"gan.training", "gan.recipes", "tiles.patches"} <= set(fresh[0]["rooms"])


def test_the_check_of_an_epoch_needs_numpy_alone(fresh):
    assert fresh[0]["spectrum"] == pytest.approx(np.log10(4) ** 2, rel=1e-3)


def test_importing_the_library_settles_openmp_itself(fresh):
    """What libgomp says that it has read, and what torch then uses."""
    used, usable = fresh[0]["threads"]
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in fresh[1]
    assert f"OMP_NUM_THREADS = '{used}'" in fresh[1]
    assert used <= usable and (usable > 2 or used == 1)
