"""What is said of a run: which library ran, from which checkout, with which parameters."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cogan_lib import road
from cogan_lib.base.files import git_commit, sha256
from cogan_lib.sky.skyfile import write_sky
from cogan_lib.tiles.patches import Patches
from tests.books import drive
from tests.road import toy_settings

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
    shutil.copy(ROOT / "_config.yml", folder)  # the flavours read its extensions when imported
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


EACH_ALONE = """
import importlib, sys
path = [sys.argv[1], *sys.path[1:]]
for script in sys.argv[2:]:
    sys.path[:] = path
    importlib.import_module(script)
    print(script, sys.modules["cogan_lib"].__file__)
    mine = sys.argv[1].rpartition("/")[0]
    for name, module in list(sys.modules.items()):
        if name.startswith("cogan_lib") or str(getattr(module, "__file__", "")).startswith(mine):
            del sys.modules[name]
"""


def test_scripts_use_the_library_beside_them(tmp_path):
    """Another checkout's library is installed, and comes first on the path.

    One process for all, as each would load torch and astropy again; what is ours is forgotten
    between them.
    """
    copy = copy_library(tmp_path / "copy", "ci")
    done = subprocess.run(
        [sys.executable, "-c", EACH_ALONE, str(copy / "ci"), *SCRIPTS], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    used = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert used == dict.fromkeys(SCRIPTS, str(copy / "cogan_lib" / "__init__.py")), done.stderr


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


# ---------------------------------------------------------------- of which sky the tiles are


def test_tiles_and_provenance_are_of_the_same_sky(tmp_path, sky64):
    """A run of one sky goes on with another: tiles, names and checksums are all of the new one."""
    run, skies = tmp_path / "run", {}
    for name, factor in (("a", 1.0), ("b", 2.0)):
        maps = {column: factor * values for column, values in sky64.maps.items()}
        path = write_sky(tmp_path / f"{name}.fits", replace(sky64, maps=maps))
        skies[name] = toy_settings(run, sky_path=str(path))
    tiles = {}
    for name in "aba":
        found = Patches.load(road.need(skies[name], "patches.npz"))
        facts = road.run_provenance(skies[name])
        assert facts["sky_source"] == f"{name}.fits"
        assert facts["sky_source_sha256"] == sha256(tmp_path / f"{name}.fits")
        assert (
            facts["sky_sha256"]
            == sha256(run / "sky.fits")
            == found.meta["provenance"]["sky_sha256"]
        )
        assert facts["patches_sha256"] == found.checksum()
        np.testing.assert_array_equal(tiles.setdefault(name, found.targets), found.targets)
    np.testing.assert_allclose(tiles["b"], 2 * tiles["a"], rtol=1e-3, atol=1e-3)


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


# ---------------------------------------------------------------- encodings


def opened_by_locale(source: str) -> list[int]:
    """Lines on which a text file is opened without its encoding."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or "encoding" in {word.arg for word in node.keywords}:
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [word.value for word in node.keywords if word.arg == "mode"] or node.args[1:2]
        mode = getattr(modes[0], "value", "b") if modes else "r"
        if name in ("read_text", "write_text"):
            text = len(node.args) < (1 if name == "read_text" else 2)
        else:
            text = isinstance(node.func, ast.Name) and name == "open" and "b" not in mode
        found += [node.lineno] if text else []
    return found


def test_every_text_file_is_opened_with_its_encoding():
    places = [path for part in ("cogan_lib", "ci", "tests") for path in (ROOT / part).rglob("*.py")]
    found = {str(p.relative_to(ROOT)): opened_by_locale(p.read_text("utf-8")) for p in places}
    assert not {name: lines for name, lines in found.items() if lines}
    planted = "open(a)\nopen(a, 'w')\np.read_text()\np.write_text(x)\nopen(a, 'rb')\nos.open(a)"
    assert opened_by_locale(planted) == [1, 2, 3, 4]


#: Python's ways out are closed: no UTF-8 mode, no locale in the place of C.
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

STAGED = """
import locale, sys
import run_notebooks, build_book
from pathlib import Path
from cogan_lib.base.config import load_profile
assert locale.getpreferredencoding(False).upper() not in ("UTF-8", "UTF8")
book = Path(sys.argv[1])
settings = load_profile(book / "toy.yaml")
print(settings.sky_path, run_notebooks.title(book / "book" / "01-sky.ipynb"))
status = {"profile": "toy", "chapters": {}}
build_book.stage(book / "book", book / "none", book / "stage", {}, status)
"""


def test_pages_are_staged_whatever_the_locale_is(book):
    """A letter of each kind: one that Latin-1 has, and one that it has not."""
    source = book / "book" / "01-sky.ipynb"
    content = json.loads(source.read_text("utf-8"))
    content["cells"][0]["source"] = "# Größe und $\\ell$, ℓ"
    source.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    (book / "book" / "index.md").write_text("# ℓ\n\n<!-- badges -->\n", "utf-8")
    (book / "toy.yaml").write_text("sky_path: größe.fits\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", STAGED, str(book)], cwd=ROOT, capture_output=True,
        env={**os.environ, **ASCII, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "ci")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert rb"gr\xf6\xdfe.fits Gr\xf6\xdfe und $\ell$, \u2113" in done.stdout
    assert (book / "stage" / "index.md").read_text("utf-8").startswith("# ℓ\n")
    staged = json.loads((book / "stage" / "01-sky.ipynb").read_text("utf-8"))
    assert staged["cells"][0]["source"].endswith("ℓ")


@pytest.mark.slow
def test_a_site_is_built_whatever_the_locale_is(book, in_process):
    assert drive(book) == 0
    (book / "book" / "index.md").write_text("# Größe ℓ\n", "utf-8")
    (book / "book" / "_toc.yml").write_text("format: jb-book\nroot: index\n", "utf-8")
    (book / "_config.yml").write_text("title: Größe ℓ\nonly_build_toc_files: true\n", "utf-8")
    code = "import sys, build_book; from pathlib import Path; "
    code += "sys.exit(build_book.main(['--profile', 'toy'], Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(book)], cwd=ROOT, capture_output=True,
        env={**os.environ, **ASCII, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "ci")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert "Größe ℓ" in (book / "_build" / "html" / "index.html").read_text("utf-8")
