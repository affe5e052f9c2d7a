"""What is said of a run: which library ran, from which checkout, with which parameters."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cogan_lib.base.files import git_commit

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = re.compile(r"^(import|from) cogan_lib", re.MULTILINE)
SCRIPTS = sorted(
    path.stem for path in (ROOT / "ci").glob("*.py") if LIBRARY.search(path.read_text("utf-8"))
)
WHO = ["user.name=a", "user.email=a@b", "commit.gpgsign=false", "core.hooksPath=/dev/null"]


def git(folder: Path, *words: str) -> str:
    """What git says there, whatever the environment is."""
    settings = [part for setting in WHO for part in ("-c", setting)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *words],
        capture_output=True, text=True, check=True, env=clean,
    )  # fmt: skip
    return done.stdout.strip()


def commit_all(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet")
    (folder / "file").write_text("of that repository", "utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


def copy_library(folder: Path, *parts: str) -> Path:
    """A checkout's folders without the checkout."""
    for part in ("cogan_lib", *parts):
        leave = shutil.ignore_patterns("__pycache__", "weights", "runs")
        shutil.copytree(ROOT / part, folder / part, ignore=leave)
    return folder


def said_by(folder: Path, **environment: str) -> str:
    """The commit that the library in `folder` reports."""
    code = "from cogan_lib.base.files import git_commit, __file__; print(__file__, git_commit())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(folder), **environment},
    )  # fmt: skip
    place, _, commit = done.stdout.strip().partition(" ")
    assert Path(place).is_relative_to(folder)
    return commit


@pytest.fixture
def outer(tmp_path) -> Path:
    """A repository around everything."""
    commit_all(tmp_path / "outer")
    return tmp_path / "outer"


@pytest.mark.parametrize("place", [".", "vendored/cogan", ".venv/lib/site-packages"])
def test_a_surrounding_repository_is_not_ours(outer, place):
    """In a folder of it, as an installed package, or lying untracked in its top folder."""
    assert said_by(copy_library(outer / place)) == "not a checkout"


def test_our_own_commit_is_told_whatever_the_environment_names(outer, tmp_path):
    mine = copy_library(outer / "cogan")
    commit = commit_all(mine)
    assert said_by(mine) == commit != git(outer, "rev-parse", "HEAD")
    foreign = {"GIT_DIR": str(outer / ".git"), "GIT_WORK_TREE": str(outer)}
    assert said_by(mine, **foreign) == commit
    assert said_by(mine, GIT_INDEX_FILE=str(outer / ".git" / "index")) == commit
    assert said_by(copy_library(tmp_path / "unpacked"), **foreign) == "not a checkout"
    (mine / "file").write_text("changed", "utf-8")
    assert said_by(mine) == f"{commit}-dirty"
    linked = tmp_path / "linked"
    git(mine, "worktree", "add", "--quiet", "--detach", str(linked))
    assert said_by(linked) == commit


def test_a_checkout_of_another_user_is_read(tmp_path):
    mine = copy_library(tmp_path / "cogan")
    commit = commit_all(mine)
    if os.geteuid():
        pytest.skip("only root can give files away")
    for path in [mine, *mine.rglob("*")]:
        os.chown(path, 65534, 65534)
    assert said_by(mine) == commit


def test_without_git_there_is_a_word(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_commit() == "not a checkout"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_use_the_library_beside_them(tmp_path, script):
    """Another checkout's library is installed, and comes first on the path."""
    copy = copy_library(tmp_path / "copy", "ci")
    code = f"import sys; sys.path[0] = {str(copy / 'ci')!r}; import {script}, cogan_lib; "
    code += "print(cogan_lib.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == str(copy / "cogan_lib" / "__init__.py"), done.stderr


@pytest.mark.parametrize("script", ["pack", "collect"])
def test_scripts_for_the_gpu_use_the_library_beside_them(tmp_path, script):
    copy = copy_library(tmp_path / "copy", "ci")
    path = copy / "ci" / "gpu" / f"{script}.py"
    code = path.read_text("utf-8").partition('if __name__ == "__main__"')[0]
    path.write_text(f"{code}\nprint(sys.modules['cogan_lib'].__file__)", "utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == str(copy / "cogan_lib" / "__init__.py"), done.stderr


def test_kernels_and_workers_use_the_drivers_library(tmp_path, monkeypatch):
    from run_notebooks import kernel_environment

    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    path = kernel_environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert path == [str(ROOT), "/elsewhere"]


# ---------------------------------------------------------------- a copied environment


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_notices_an_environment_that_was_copied(tmp_path):
    """The stamp names the folder that .venv was made for; a stand-in for Python tells the rest."""
    made = tmp_path / "a b" / "made"
    made.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, made)
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\necho "$@" >> calls\n'
        'case "$*" in *venv*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;; esac\n',
        "utf-8",
    )
    python.chmod(0o755)

    def make(folder: Path) -> tuple[str, str]:
        (folder / "calls").unlink(missing_ok=True)
        done = subprocess.run(
            ["make", f"PYTHON={python}", "licences"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout, (folder / "calls").read_text("utf-8")

    assert "-m venv .venv\n" in make(made)[1]
    assert "-m venv" not in make(made)[1], "it is there"
    copied = Path(shutil.copytree(made, tmp_path / "copied", symlinks=True))
    said, calls = make(copied)
    assert "made for another folder" in said
    assert "-m venv --clear .venv\n" in calls and "--editable" in calls
    assert "-m venv" not in make(copied)[1] and "-m venv" not in make(made)[1]
    made.rename(tmp_path / "moved")
    assert "--clear" in make(tmp_path / "moved")[1]
