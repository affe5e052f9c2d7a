"""The one rule for CPU threads, and that every road goes by it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cogan_lib.base import threads
from cogan_lib.base.config import Settings
from cogan_lib.base.threads import cores, default_threads

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of sixteen CPUs on eight cores, without any limit; its cgroup folder."""
    for name in ("OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 8)
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    return tmp_path


def test_one_thread_a_core_but_one_on_two_cores(machine, monkeypatch):
    assert default_threads() == 8
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert default_threads() == 1, "two OpenMP threads on two busy cores are slower than one"


def test_what_the_user_says_counts(machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == Settings.check().thread_count == 3
    assert Settings.check(threads=5).thread_count == 5


def test_processes_side_by_side_share_the_cores(machine, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert default_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert default_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert default_threads() == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "32")
    assert default_threads() == 1


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, 16),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_a_containers_limit_is_kept(machine, files, allowed):
    (machine / "cpu").mkdir()
    for name, text in files.items():
        (machine / name).write_text(text, "utf-8")
    assert cores() == allowed
    assert default_threads() <= allowed


def fresh_python(code, **environment):
    """Standard output and error of a Python without this one's thread settings."""
    mine = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OMP_", "NUMBA_", "LOCAL_WORLD"))
    }
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**mine, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_a_notebooks_own_number_of_threads(tmp_path):
    code = (
        "import os, sys; os.chdir(sys.argv[1])\n"
        "from cogan_lib.base import config, session\n"
        "session.start(config.Settings.check(threads=3, device='cpu'))\n"
        "import torch; print('threads', torch.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    ).replace("sys.argv[1]", repr(str(tmp_path)))
    assert "threads 3 3" in fresh_python(code, PYTHONPATH=str(ROOT)).stdout


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("0*.ipynb")), ids=lambda x: x.stem)
def test_chapters_import_the_library_before_anything_that_counts_threads(path):
    cells = [
        cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    for cell in cells:
        lines = "".join(cell["source"]).replace("%pip", "#")
        for node in ast.walk(ast.parse(lines)):
            if isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            else:
                continue
            for module in (name.split(".")[0] for name in modules):
                if module == "cogan_lib":
                    return
                assert module in sys.stdlib_module_names, f"{path.stem} imports {module} first"
    raise AssertionError(f"{path.stem} never imports cogan_lib")
