"""Whole files or none: disk full, permission lost, power cut, in every artefact but the skies.

(Sky files: tests/sky/test_skyfile.py.)
"""

import json
import os
import pickle
import shutil
import subprocess
import tempfile
import time
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cogan_lib.base import files, session
from cogan_lib.base.files import CoganError, atomic_path, read_json, write_bytes, write_json
from cogan_lib.gan import run_files
from cogan_lib.gan.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from cogan_lib.gan.training import train
from cogan_lib.tiles.part import Part
from cogan_lib.tiles.patches import Patches
from tests.forks import answer
from tests.toys import SETTINGS, file_size_limit, same_weights, toy_patches

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder with all artefacts of a short training."""
    run = tmp_path_factory.mktemp("finished")
    patches = Patches.load(toy_patches().save(run / "patches.npz"))
    train(patches, SETTINGS, run)
    session.add_to_report(run, "training", {"epochs": 2, "losses": np.arange(50.0)})
    return run


@pytest.fixture
def run(finished, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(finished, tmp_path / "run")


def tree(folder: Path) -> dict:
    """All files of a folder, the hidden ones too, with their content."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_patches(run: Path) -> None:
    toy_patches(n=36).save(run / "patches.npz")


def write_checkpoint(run: Path) -> None:
    old, patches = load_checkpoint(run / "checkpoint"), toy_patches()
    torch.nn.init.ones_(next(old.generator.parameters()))
    save_checkpoint(run / "checkpoint", old.generator, old.reverse, old.settings, patches.meta)


def write_state(run: Path) -> None:
    save_state(run / "state.pt", {"fingerprint": {}, "history": [], "much": torch.ones(100_000)})


def write_log(run: Path) -> None:
    history = [dict.fromkeys(run_files.COLUMNS, float(epoch)) for epoch in range(2000)]
    run_files.write_log(run / "training_log.csv", history)


def write_report(run: Path) -> None:
    session.add_to_report(run, "sky", {"values": np.arange(20_000.0)})


WRITERS = {
    "patches.npz": write_patches,
    "checkpoint/": write_checkpoint,
    "state.pt": write_state,
    "training_log.csv": write_log,
    "report.json": write_report,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_too_large_for_the_disk_leaves_the_old_one(run, name):
    before = tree(run)
    words = f"Cannot write .*{name}.*Make room on the disk"
    with file_size_limit(), pytest.raises(CoganError, match=words):
        WRITERS[name](run)
    assert tree(run) == before, "the old files, and nothing half written beside them"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(finished, small_disk, name):
    run = shutil.copytree(finished, small_disk / "run")
    free = shutil.disk_usage(small_disk).free
    (small_disk / "other").write_bytes(bytes(max(0, free - 16_384)))
    before = tree(run)
    with pytest.raises(CoganError, match=r"No space left on device\. Make room on the disk"):
        WRITERS[name](run)
    assert tree(run) == before


def test_a_training_stopped_by_a_full_disk_goes_on(tmp_path, monkeypatch):
    """The disk fills in epoch 3 of 4; there is room again; the result is the undisturbed one."""
    monkeypatch.setattr(run_files, "STATE_SECONDS", 0.0)
    patches, settings = toy_patches(), replace(SETTINGS, max_steps=28)
    train(patches, settings, tmp_path / "whole")
    save = run_files.save_state

    def full_in_epoch_3(path, state):
        with file_size_limit() if len(state["history"]) == 3 else nullcontext():
            return save(path, state)

    monkeypatch.setattr(run_files, "save_state", full_in_epoch_3)
    with pytest.raises(CoganError, match="state.pt: File too large. Make room on the disk"):
        train(patches, settings, tmp_path / "parts")
    monkeypatch.setattr(run_files, "save_state", save)
    assert len(load_state(tmp_path / "parts" / "state.pt")["history"]) == 2
    train(patches, settings, tmp_path / "parts", resume=True)
    assert same_weights(tmp_path / "parts" / "checkpoint", tmp_path / "whole" / "checkpoint")


# ---------------------------------------------------------------- permission lost


def sentences_without_rights(run: Path) -> list[str]:
    """What is said of a folder that may not be written to, and of files that may not be read."""
    if os.geteuid() == 0:  # who may do everything loses no permission
        for path in [run, *run.rglob("*")]:
            os.chown(path, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
    for folder in (run, run / "checkpoint"):
        folder.chmod(0o555)
    said = []
    for write in WRITERS.values():
        with pytest.raises(CoganError) as refusal:
            write(run)
        said.append(str(refusal.value))
    for path in run.glob("*.*"):
        path.chmod(0)
    for name, read in UNREADABLE.items():
        with pytest.raises(CoganError) as refusal:
            read(run / name)
        said.append(str(refusal.value))
    return said


UNREADABLE = {"patches.npz": Patches.load, "state.pt": load_state, "report.json": read_json}


def test_permission_lost_leaves_all_files(finished):
    """In a process without root's rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = shutil.copytree(finished, Path(folder) / "run")
        before = tree(run)
        lines = answer(sentences_without_rights, run)
        for path in (run, run / "checkpoint", *run.glob("*.*")):
            path.chmod(0o755)
        assert tree(run) == before
    assert len(lines) == 8
    for line, name in zip(lines, WRITERS, strict=False):
        assert line.startswith(f"Cannot write {run}/{name}"), line
        assert "Permission denied. Choose a run folder that you may write to." in line
    for line, name in zip(lines[5:], UNREADABLE, strict=True):
        assert line.startswith(f"You may not read {run / name}; ask its owner, or"), line


# ---------------------------------------------------------------- power cut

READERS = {
    "patches.npz": (Patches.load, "chapter 01 makes it"),
    "state.pt": (load_state, "delete it and train from the start"),
    "report.json": (
        lambda path: session.add_to_report(path.parent, "sky", {}),
        "delete it and run the chapters again",
    ),
    "checkpoint.json": (lambda path: load_checkpoint(path.parent), "train again"),
    "generator_ab": (lambda path: load_checkpoint(path.parent), "train again"),
    "generator_ba": (lambda path: load_checkpoint(path.parent), "train again"),
}


@pytest.mark.parametrize("tenths", range(10))
@pytest.mark.parametrize("name", READERS)
def test_files_cut_off_are_refused_with_a_sentence(run, name, tenths):
    (path,) = run.rglob(f"{name}*")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * tenths // 10])
    read, fix = READERS[name]
    with pytest.raises(CoganError) as refusal:
        read(path)
    assert str(path) in str(refusal.value) and fix in str(refusal.value)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500


def test_a_log_cut_off_is_written_again(run):
    """Nothing reads the log but people; the state knows its lines."""
    log = run / "training_log.csv"
    lines = log.read_text("utf-8").splitlines()
    log.write_text("epoch,st", "utf-8")
    train(Patches.load(run / "patches.npz"), replace(SETTINGS, max_steps=21), run, resume=True)
    assert log.read_text("utf-8").splitlines()[:3] == lines


def test_a_missing_file_is_missing_not_damaged(tmp_path):
    for read in (Patches.load, load_state, read_json):
        with pytest.raises(CoganError, match="There is no .*nothing"):
            read(tmp_path / "nothing")


# ---------------------------------------------------------------- strangers' files


class Malicious:
    """A pickle of it makes a file where it is opened."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("plain", [True, False])
def test_a_malicious_training_state_is_refused_unopened(run, tmp_path, plain):
    trace, state = tmp_path / "trace", run / "state.pt"
    content = {**load_state(state), "history": Malicious(trace)}
    if plain:
        state.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, state)
    with pytest.raises(CoganError, match="is damaged or no training state"):
        train(Patches.load(run / "patches.npz"), SETTINGS, run, resume=True)
    assert not trace.exists()
    torch.load(state, weights_only=False) if not plain else pickle.loads(state.read_bytes())
    assert trace.exists(), "the pickle does bite"


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], {"steps": 3}])
def test_a_foreign_training_state_is_refused(run, content):
    torch.save(content, run / "state.pt")
    with pytest.raises(CoganError, match="no training state"):
        load_state(run / "state.pt")


def test_a_state_of_other_networks_is_refused(run):
    state = load_state(run / "state.pt")
    state["networks"].pop(next(iter(state["networks"])))
    save_state(run / "state.pt", state)
    with pytest.raises(CoganError, match="no state of such networks"):
        train(Patches.load(run / "patches.npz"), SETTINGS, run, resume=True)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', "[1]", "{" * 10**5, '{"a": 1'])
def test_json_that_is_no_object_of_numbers_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text, "utf-8")
    with pytest.raises(CoganError, match=r"x\.json is damaged or no JSON file \(.*\); delete it"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("spoil", ["pickle", "huge"])
def test_patches_from_strangers_are_refused(tmp_path, spoil):
    """Nothing is unpickled, and no memory is spent on what a header promises."""
    path, trace = tmp_path / "patches.npz", tmp_path / "trace"
    if spoil == "pickle":
        np.savez(path, inputs=np.array([Malicious(trace)], dtype=object))
    else:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }"
        data = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inputs.npy", data)
    with pytest.raises(CoganError, match="is damaged or no patches file"):
        Patches.load(path)
    assert not trace.exists()


# ---------------------------------------------------------------- the helper itself


def test_a_failed_block_leaves_nothing(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "x.json") as temporary:
        temporary.write_text("half", "utf-8")
        1 / 0  # noqa: B018
    assert tree(tmp_path) == {Path("x.json"): json.dumps({"a": 1}, indent=1).encode() + b"\n"}


def test_what_killed_processes_left_is_cleared_up(tmp_path):
    """But not what another one writes at the moment."""
    with atomic_path(tmp_path / "x.npz") as theirs, atomic_path(tmp_path / "x.npz") as left:
        hour = time.time() - files._LEFT_SECONDS - 1
        os.utime(left, (hour, hour))
        kept = tmp_path / ".x.npz.mine"
        kept.touch()
        os.utime(kept, (hour, hour))
        write_bytes(tmp_path / "x.npz", b"whole")
        assert theirs.exists() and not left.exists() and kept.exists()
        left.touch()
    assert {path.name for path in tmp_path.iterdir()} == {"x.npz", ".x.npz.mine"}


def test_a_new_run_does_not_go_on_from_the_state_of_an_old_one(run, monkeypatch):
    """Killed before its first state: the checkpoint is the new run's, so the old state must go."""
    monkeypatch.setattr(run_files, "save_state", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(Patches.load(run / "patches.npz"), replace(SETTINGS, seed=9), run)
    assert not (run / "state.pt").exists()


def test_a_part_of_a_sky_survives_a_full_disk(tmp_path):
    """The one artefact that only `synthesise` writes."""
    part = write_bytes(tmp_path / "co.part.npz", b"old")
    sums = SimpleNamespace(state=lambda: {"sum": np.zeros(9999), "weight": np.ones(9)})
    with file_size_limit(), pytest.raises(CoganError, match="co.part.npz: File too large"):
        Part(part, "key").keep(3, sums)
    assert tree(tmp_path) == {Path("co.part.npz"): b"old"}
