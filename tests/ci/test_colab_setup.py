"""Colab's images and cogan's needs: NumPy and torch stay what they are."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import colab_setup
import pytest
import release
from beside import ROOT
from packaging.requirements import Requirement

from cogan_lib.base.files import CoganError

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: Older in one image than we ask for; pip replaces them, and nothing that is loaded uses them.
OLDER = {"2026.01": {"pooch"}}
IMAGES = colab_setup.images()


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image["name"])
def test_what_colab_has_is_new_enough(image):
    older = set()
    for line in PROJECT["dependencies"]:
        needed = Requirement(line)
        has = image["versions"].get(needed.name)
        if has and not needed.specifier.contains(has.partition("+")[0]):
            older.add(needed.name)
    assert older == OLDER.get(image["name"], set())
    assert {*colab_setup.KEEP, "ipywidgets"} <= set(image["versions"])
    assert image["versions"]["ipywidgets"] == "7.7.1" and image["source"]


def test_both_pythons_of_colab_are_looked_at():
    assert {image["python"] for image in IMAGES} == {"3.12", "3.13"}


def test_a_python_is_known_by_its_version(tmp_path):
    assert colab_setup.minor(sys.executable) == "{}.{}".format(*sys.version_info)
    assert colab_setup.minor(str(tmp_path / "none")) == ""


def test_pip_believes_a_stand_in(tmp_path):
    colab_setup.stand_in(tmp_path, "typing-extensions", "4.15.0")
    command = [sys.executable, "-m", "pip", "list", "--format", "freeze", "--path", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["typing-extensions==4.15.0"]


def said(monkeypatch, capsys, new):
    """Exit status and words of `--resolve`, for what pip would install."""
    monkeypatch.setattr(release, "make_wheel", lambda root, folder: folder / "cogan.whl")
    monkeypatch.setattr(colab_setup, "minor", lambda python: python)

    def resolve(python, versions, wheel):
        if isinstance(new, str):
            raise colab_setup.CannotResolve(new)
        return new

    monkeypatch.setattr(colab_setup, "resolve", resolve)
    return colab_setup.resolve_all(["3.12"]), capsys.readouterr().out


def test_a_replaced_torch_is_told(monkeypatch, capsys):
    status, words = said(monkeypatch, capsys, {"healpy": "1.20.1", "pooch": "1.9.1"})
    assert status == 0 and "keeps numpy 2.0.2, torch 2.11.0+cu128" in words
    assert "replaced: pooch 1.8.2 -> 1.9.1\n  added: healpy 1.20.1" in words
    assert "Python 3.13: not tried, there is no such Python here." in words
    status, words = said(monkeypatch, capsys, {"torch": "2.13.0"})
    assert status == 1 and "torch 2.11.0+cu128 -> 2.13.0" in words
    status, words = said(monkeypatch, capsys, "no index")
    assert status == 1 and "no index" in words


@pytest.mark.slow
def test_pip_keeps_colabs_numpy_and_torch(tmp_path):
    """Needs the package index and Python 3.12 or 3.13; `COGAN_PYTHONS` says where they are."""
    named = os.environ.get("COGAN_PYTHONS", "python3.12 python3.13").split()
    pythons = {colab_setup.minor(name): name for name in named if shutil.which(name)}
    tried = [image for image in IMAGES if image["python"] in pythons]
    if not tried:
        pytest.skip("there is no Python of a version that Colab has")
    try:
        wheel = release.make_wheel(ROOT, tmp_path)
    except CoganError as error:
        pytest.skip(str(error))
    for image in tried:
        try:
            new = colab_setup.resolve(pythons[image["python"]], image["versions"], Path(wheel))
        except colab_setup.CannotResolve as error:
            if "connection" in str(error).lower():
                pytest.skip("the package index can't be reached")
            raise
        assert not {*colab_setup.KEEP, "ipywidgets", "scipy", "astropy"} & set(new), image["name"]
        assert {"cogan", "healpy", "pysm3"} <= set(new)
