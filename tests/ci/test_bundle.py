"""The workshop's bundle: what is in the zip, what install.sh refuses, and no way out."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import bundle
import bundle_check
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.base.machine import pinned

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    name.lower().replace("-", "_"): pin for name, pin in pinned(ROOT / "constraints.txt").items()
}


def fake_wheel(folder: Path, name: str, size: int = 9) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{PINS.get(name.lower(), '1.0')}-py3-none-any.whl"
    path.write_bytes(b"w" * size)
    return path


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A wheelhouse of empty wheels."""
    folder = tmp_path_factory.mktemp("house")
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    for line in lines + bundle.requirements(ROOT):
        fake_wheel(folder, re.match(r"[\w-]+", line).group().replace("-", "_"))
    return folder


@pytest.fixture(scope="module")
def zipped(house, tmp_path_factory) -> Path:
    """A bundle of this checkout with a wheel that is none."""
    out = tmp_path_factory.mktemp("out")
    wheel = fake_wheel(out / "own", "cogan")

    def two_chapters(book, folder, site):
        for name in ("01-a", "03-b"):
            path = folder / bundle.FLAVOUR / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"cells": []}), "utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "make_flavours", two_chapters)
        made = bundle.make_bundle(ROOT, out, wheel, house)
        first = made.read_bytes()
        assert bundle.make_bundle(ROOT, out, wheel, house).read_bytes() == first
    return made


@pytest.fixture(scope="module")
def unpacked(zipped, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder / zipped.stem


def test_the_zip_holds_all_that_a_student_needs(unpacked, house):
    assert {path.name for path in unpacked.iterdir()} == {
        "README.txt", "install.sh", "constraints.txt", "notebooks", "wheelhouse",
    }  # fmt: skip
    assert sorted(path.name for path in (unpacked / "notebooks").iterdir()) == [
        "01-a.ipynb", "03-b.ipynb",
    ]  # fmt: skip
    wheels = {path.name for path in (unpacked / "wheelhouse").iterdir()}
    assert wheels == {path.name for path in house.iterdir()} | {"cogan-1.0-py3-none-any.whl"}
    assert all(
        any(name.startswith(f"{package}-") for name in wheels)
        for package in ("torch", "papermill", "ipykernel", "jupyterlab", "healpy")
    )


def test_its_texts_are_complete_and_name_no_address(unpacked):
    for name in ("README.txt", "install.sh"):
        text = (unpacked / name).read_text("utf-8")
        assert "@" not in text.replace('"$@"', "") and "://" not in text
        assert bundle.facts(ROOT)["PYTHON"] in text
    assert "WSL" in (unpacked / "README.txt").read_text("utf-8")
    assert "--no-index" in (unpacked / "install.sh").read_text("utf-8")


def test_install_sh_is_a_sound_script_and_refuses_in_a_sentence(unpacked, tmp_path):
    assert subprocess.run(["sh", "-n", unpacked / "install.sh"], check=False).returncode == 0
    text = (unpacked / "install.sh").read_text("utf-8")
    here = '= "{SYSTEM} {MACHINE}"'.format(**bundle.facts(ROOT))
    assert here in text
    cases = {
        "ask for one of your own": text.replace(here, '= "Plan9 mips"'),
        "needs Python 2.3": text.replace(bundle.facts(ROOT)["PYTHON"], "2.3"),
        "unpack the whole zip": text,
    }
    for i, (words, script) in enumerate(cases.items()):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "install.sh").write_text(script, "utf-8")
        if "zip" not in words:
            (folder / "wheelhouse").mkdir()
        done = subprocess.run(
            ["sh", folder / "install.sh"],
            capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 1 and words in done.stderr, done.stderr
        assert not (folder / ".venv").exists()


def test_wheels_that_are_missing_or_too_heavy_are_named(house, tmp_path):
    assert len(bundle.check_wheels(house, ROOT)) == len(list(house.iterdir()))
    few = tmp_path / "few"
    shutil.copytree(house, few)
    next(few.glob("torch-*")).unlink()
    with pytest.raises(CoganError, match="lacks the wheels of torch; let"):
        bundle.check_wheels(few, ROOT)
    fake_wheel(few, "torch")
    fake_wheel(few, "nvidia_cudnn_cu13")
    with pytest.raises(CoganError, match="GPU build, 1 packages .* --index"):
        bundle.check_wheels(few, ROOT)
    with pytest.raises(CoganError, match="lacks the wheels of astropy, "):
        bundle.check_wheels(tmp_path / "nothing", ROOT)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("healpy-@-cp27-cp27m-win32.whl", "is for another Python, system or processor"),
        ("healpy-@-cp311-cp311-plan9_mips.whl", "is for another Python, system or processor"),
        ("healpy-0.1-py3-none-any.whl", f"is not the version of constraints.txt, {PINS['healpy']}"),
        ("healpy-@.whl", "has no name of a wheel"),
    ],
)
def test_a_wheel_of_another_machine_or_version_is_named(house, tmp_path, name, words):
    shutil.copytree(house, tmp_path / "house")
    next((tmp_path / "house").glob("healpy-*")).unlink()
    name = name.replace("@", PINS["healpy"])
    (tmp_path / "house" / name).touch()
    with pytest.raises(CoganError, match=f"{re.escape(name)} {re.escape(words)}; let the bundle"):
        bundle.check_wheels(tmp_path / "house", ROOT)
    (tmp_path / "house" / name).unlink()
    (tmp_path / "house" / f"healpy-{PINS['healpy']}+local-py3-none-any.whl").touch()
    assert len(bundle.check_wheels(tmp_path / "house", ROOT)) == len(list(house.iterdir()))


def test_no_network_and_no_room_are_sentences(tmp_path, monkeypatch):
    def failing(command, **_):
        assert command[1:4] == ["-m", "pip", "wheel"] and "https://index" in command
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching y\n")

    monkeypatch.setattr(bundle.subprocess, "run", failing)
    with pytest.raises(CoganError, match="No matching y.*--wheelhouse"):
        bundle.fill(tmp_path / "a", tmp_path / "c.whl", ROOT, "https://index")
    monkeypatch.setattr(bundle.shutil, "disk_usage", lambda _: SimpleNamespace(free=9e8))
    with pytest.raises(CoganError, match="There are 0.9 GB free"):
        bundle.fill(tmp_path / "b", tmp_path / "c.whl", ROOT, None)


def test_the_proof_refuses_what_is_no_bundle(tmp_path, capsys):
    with pytest.raises(CoganError, match="There is no bundle"):
        bundle_check.prove(tmp_path / "no.zip", tmp_path, ["03"], "smoke")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a/b", "c")
    with pytest.raises(CoganError, match="no bundle .*no install.sh"):
        bundle_check.prove(other, tmp_path, ["03"], "smoke")


def test_the_proof_runs_without_this_machines_packages(tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "JUPYTER_PATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "x")
    kept = bundle_check.clean_environment(tmp_path)
    assert kept["HOME"] == str(tmp_path) and Path(kept["PYTHON"]).exists()
    assert not {"PYTHONPATH", "PIP_INDEX_URL", "JUPYTER_PATH", "VIRTUAL_ENV"} & set(kept)


def test_outside_of_a_namespace_the_proof_stops(monkeypatch):
    monkeypatch.setattr(bundle_check.fcntl, "ioctl", lambda *_: None)
    monkeypatch.setattr(bundle_check.socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0")])
    monkeypatch.setattr(bundle_check, "is_up", lambda name: True)
    with pytest.raises(CoganError, match="no namespace without a network"):
        bundle_check.close_network()
    monkeypatch.setattr(bundle_check.shutil, "which", lambda _: None)
    with pytest.raises(CoganError, match="cannot be made here"):
        bundle_check.enter([sys.argv[0]])
