"""The environment is described in three files; they must say the same."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
#: Which package brings an extension that _config.yml asks for.
EXTENSIONS = {
    "notfound.extension": "sphinx-notfound-page",
    "sphinx_exercise": "sphinx-exercise",
    "sphinx_proof": "sphinx-proof",
    "sphinxext.opengraph": "sphinxext-opengraph",
}


def _parsed(lines: list[str]) -> dict[str, str]:
    requirements = [Requirement(line) for line in lines]
    return {r.name.lower().replace("_", "-"): str(r.specifier) for r in requirements}


def _required(*extras: str) -> dict[str, str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return _parsed(lines)


def _constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return _parsed([line for line in lines if line and not line.startswith("#")])


def test_environment_yml_names_the_same_packages_and_bounds():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    lines = [entry for entry in entries if isinstance(entry, str)]
    (python,) = (line for line in lines if line.startswith("python="))
    lines.remove(python)
    lines += [line for line in pip if not line.startswith("-")]
    conda = {CONDA_NAMES.get(name, name): bound for name, bound in _parsed(lines).items()}
    assert conda.pop("pip") == ""
    assert conda == _required("book", "dev")
    # Binder: repo2docker reads the version of Python after "=" alone, takes 3.10 otherwise, and
    # installs the library from the copy of the repository that the image has
    assert re.fullmatch(r"python=3\.\d+", python)
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert "--editable ." in pip
    places = [ROOT, ROOT / "binder", ROOT / ".binder"]
    others = ("requirements.txt", "postBuild", "apt.txt", "runtime.txt", "Dockerfile")
    assert not [name for name in others for place in places if (place / name).exists()]


def test_constraints_pin_all_that_is_required_and_nothing_local():
    constraints = _constraints()
    for name, bound in _required("book", "dev").items():
        pinned = constraints[name].removeprefix("==")
        assert Requirement(f"{name}{bound}").specifier.contains(pinned), (name, bound, pinned)
    assert all(re.fullmatch(r"==[\w.]+", pin) for pin in constraints.values())


def test_bounds_that_matter():
    required = _required("book")
    assert "<2" in required["jupyter-book"] and "<1.2" in required["sphinx-book-theme"]
    for name, bound in _required().items():
        assert "<" not in bound and "==" not in bound, f"{name} has an upper bound"
    assert "pymaster" not in _required("book", "dev")


def test_the_books_sphinx_extensions_are_required():
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    asked = config.get("sphinx", {}).get("extra_extensions", [])
    foreign = [name for name in asked if not name.startswith("sphinx.ext.")]
    assert all(EXTENSIONS.get(name, name) in _required("book") for name in foreign), foreign


def test_one_version_everywhere():
    version = PROJECT["version"]
    assert importlib.metadata.version("cogan") == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} >= {"book", "publish", "test", "weekly"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_sound(path):
    """Each job has an end, few rights and steps that name files and targets that are there."""
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["name"] == path.stem and workflow[True]  # YAML takes `on` for a truth value
    assert workflow["permissions"]["contents"] == "read"
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90 and job["runs-on"] == "ubuntu-latest"
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))
            run = step.get("run", "")
            assert set(re.findall(r"\bmake (\w+)", run)) <= {*targets}
            assert all((ROOT / name).exists() for name in re.findall(r"\bci/\w+\.py", run))


def test_the_weekly_workflow_looks_at_all_that_moves():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text("utf-8"))
    assert workflow[True]["schedule"][0]["cron"].split()[4] == "0"
    jobs = workflow["jobs"]
    tried = {row["name"]: row for row in jobs["dependencies"]["strategy"]["matrix"]["include"]}
    assert tried["newest"]["resolution"] == "highest"
    assert tried["oldest"]["resolution"] == "lowest-direct"
    assert PROJECT["requires-python"] == f">={tried['oldest']['python']}"
    said = {
        name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()
    }
    assert "linkcheck" in said["links"] and "colab_setup" in said["colab"]
    assert "constraint" not in said["dependencies"]


def test_the_oldest_versions_are_named():
    """Without a lower bound, the oldest allowed package is one of another decade."""
    for name, bound in _required("book", "dev").items():
        assert ">=" in bound, f"{name} has no lower bound"


def test_every_licence_is_known(capsys, monkeypatch):
    import licences

    assert licences.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"numpy +2\S+ +.*BSD.*", line) for line in lines)
    strange = type("Strange", (), {"name": "strange", "version": "1", "metadata": Message()})
    monkeypatch.setattr(licences.importlib.metadata, "distributions", lambda: [strange])
    assert licences.main() == 1
    assert "strange" in capsys.readouterr().out


SETUP = """
import importlib.util, json, subprocess, sys, types, colab_setup
from IPython.core.interactiveshell import InteractiveShell

colab, site, repository, refused = json.loads(sys.argv[1])
if colab:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
real, asked = importlib.util.find_spec, []
importlib.util.find_spec = lambda name: None if name == "cogan_lib" else real(name)


def run(command, **options):
    asked.append(command[-1].removeprefix("cogan @ "))
    failed = any(asked[-1].startswith(word) for word in refused)
    return types.SimpleNamespace(returncode=int(failed), stderr="no such thing")


subprocess.run = run
cell = colab_setup.cell(repository).replace('SITE = ""', f'SITE = "{site}"')
result = InteractiveShell.instance().run_cell(cell)
print(json.dumps({"asked": asked, "error": str(result.error_in_exec or "")}))
"""


def set_up(folder, colab, site="", repository="", refused=()):
    """What the set-up cell asks pip for, in order, and what it prints and raises."""
    given = json.dumps([colab, site, repository, list(refused)])
    done = subprocess.run(
        [sys.executable, "-c", SETUP, given],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "ci"), "IPYTHONDIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


SITE, REPOSITORY = "https://us.example/cogan/", "https://git.example/us/cogan@v1"


def test_the_setup_cell_takes_the_wheel_beside_the_notebook_first(tmp_path):
    folder = tmp_path / "My notebooks"  # pip takes no address with a space in it
    folder.mkdir()
    wheel = folder / "cogan-0.0.9-py3-none-any.whl"
    wheel.touch()
    for colab in (True, False):
        did, said = set_up(folder, colab, SITE, REPOSITORY)
        assert did == {"asked": [wheel.as_uri()], "error": ""}
        assert f"installed from {wheel.as_uri()}" in said
    kept = (folder / "keep.txt").read_text("utf-8")
    assert f"numpy=={importlib.metadata.version('numpy')}\n" in kept and "torch==" in kept


def test_the_setup_cell_asks_site_and_tag_in_colab_alone(tmp_path):
    did, _ = set_up(tmp_path, True, SITE, REPOSITORY)
    wheel = f"{SITE}downloads/cogan-{PROJECT['version']}-py3-none-any.whl"
    assert did["asked"] == [wheel]
    did, said = set_up(tmp_path, True, SITE, REPOSITORY, refused=["https"])
    assert did == {"asked": [wheel, f"git+{REPOSITORY}"], "error": ""}
    assert f"{wheel}: no such thing" in said  # why it went on
    did, _ = set_up(tmp_path, False, SITE, REPOSITORY)
    assert did["asked"] == [] and "beside this notebook" in did["error"]


def test_the_setup_cell_says_what_to_do_without_an_address(tmp_path):
    did, _ = set_up(tmp_path, True)
    assert did["asked"] == []
    assert f"Put cogan-{PROJECT['version']}-py3-none-any.whl" in did["error"]
    assert "run this again" in did["error"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PYTHON=", "test"], "cogan needs Python 3.11 or newer"),
        (["PYTHON=false", "book"], "false is older than Python 3.11"),
        ([], "make book"),
    ],
)
def test_make_speaks_plainly(tmp_path, arguments, words):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        ["make", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert words in done.stdout
    assert (done.returncode != 0) == bool(arguments)
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_says_where_it_has_to_be_started(tmp_path):
    command = ["make", "-f", str(ROOT / "Makefile"), "book"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "make -C FOLDER book" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What a wheel puts into site-packages, with no checkout around."""
    if Version(importlib.metadata.version("setuptools")) < Version("77"):
        pytest.skip("building a wheel needs setuptools 77")
    folder = tmp_path_factory.mktemp("wheel")
    leave = shutil.ignore_patterns("__pycache__", "weights", "*.egg-info", ".*", "runs", "_build")
    for name in ("cogan_lib", "ci"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=leave, symlinks=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", folder, folder / "source"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run_installed(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cogan_lib", *arguments],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip


@pytest.mark.long
def test_a_wheel_brings_the_profiles(installed, tmp_path):
    there = {path.name for path in (installed / "cogan_lib" / "base" / "profiles").iterdir()}
    assert there == {path.name for path in (ROOT / "ci" / "profiles").iterdir()}
    done = run_installed(
        installed, tmp_path, "sky", "--profile", "smoke", "-p", "fwhm_arcmin", "95"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "smoke" / "sky.fits").exists()
    done = run_installed(installed, tmp_path, "sky", "--profile", "none")
    assert done.returncode == 1
    assert "choose one of: gpu, laptop, real, smoke" in done.stderr
