"""One zip with all that a workshop needs, to be installed without a network.

    python ci/bundle.py OUT                       ask the package index for the wheels
    python ci/bundle.py OUT --index ADDRESS       and this one: PyTorch's own, for its CPU build
    python ci/bundle.py OUT --wheelhouse FOLDER   take the wheels that lie there

In it are the wheel of this checkout (with the shipped weights; the embedded sky is computed from
its seed), the wheels of the exact versions in constraints.txt, the students' notebooks, install.sh
and README.txt. It is for the system, the processor and the minor version of Python that made it:
make it where students' machines are alike. `bundle_check.py` proves that it installs.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from pathlib import Path

from beside import ROOT
from flavours import DATE, make_flavours
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from release import make_wheel, read_config, site, version

from cogan_lib.base.files import CoganError, atomic_path
from cogan_lib.base.machine import pinned

FLAVOUR = "student"
#: Beside the library: what opens and runs a notebook, of the extra `book`.
WITH = ("ipykernel", "jupyterlab", "papermill")
#: GB of disk that wheels and zip take while they are made.
ROOM = 3.0
#: Beginnings of the wheels that only PyTorch's GPU build needs: gigabytes.
CUDA = ("nvidia_", "nvidia-", "triton-", "cuda_")
TEMPLATES = Path(__file__).with_name("workshop")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command line; prints the zip's name and size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="folder for the zip")
    parser.add_argument("--index", help="address of one more package index")
    parser.add_argument("--wheelhouse", type=Path, help="folder with the wheels")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.out) as folder:
            wheel = make_wheel(root, Path(folder) / "wheel")
            wheelhouse = options.wheelhouse
            if wheelhouse is None:
                wheelhouse = Path(folder) / "wheelhouse"
                fill(wheelhouse, wheel, root, options.index)
            made = make_bundle(root, options.out, wheel, wheelhouse)
    except OSError as error:
        print(f"Error: {options.out}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{made}: {made.stat().st_size / 1e6:.0f} MB")
    return 0


def requirements(root: Path) -> list[str]:
    """What is installed beside the library's wheel, with the bounds of pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    lines = project["optional-dependencies"]["book"]
    return [line for line in lines if re.match(r"[\w-]+", line).group() in WITH]


def fill(wheelhouse: Path, wheel: Path, root: Path, index: str | None) -> None:
    """Fetch the wheels of the library's and the notebooks' packages, or build them.

    Raises
    ------
    CoganError
        If there is too little room, or pip fails: most often, there is no network.
    """
    wheelhouse.mkdir(parents=True)
    free = shutil.disk_usage(wheelhouse).free / 1e9
    if free < ROOM:
        raise CoganError(
            f"There are {free:.1f} GB free in {wheelhouse.parent.parent} and the bundle takes "
            f"{ROOM:.0f} GB while it is made; choose a folder with more room."
        )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheelhouse)]
    command += ["--constraint", str(root / "constraints.txt")]
    command += ["--extra-index-url", index] if index else []
    done = subprocess.run(
        [*command, str(wheel), *requirements(root)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise CoganError(
            f"pip could not get all wheels ({(errors or ['no reason given'])[-1][:300]}); look at "
            "the network, or name a folder that has them: --wheelhouse."
        )


def check_wheels(wheelhouse: Path, root: Path) -> list[Path]:
    """The wheels of a folder, without the library's own.

    Raises
    ------
    CoganError
        If there are none, some are missing, some are of PyTorch's GPU build, or one is for another
        machine or of another version than the book's.
    """
    wheels = sorted(wheelhouse.glob("*.whl"))
    wheels = [path for path in wheels if not path.name.startswith("cogan-")]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [
        re.match(r"[\w-]+", line).group() for line in project["dependencies"] + requirements(root)
    ]
    here = {_plain(path.name.partition("-")[0]) for path in wheels}
    missing = [name for name in needed if _plain(name) not in here]
    if missing:
        raise CoganError(
            f"{wheelhouse} lacks the wheels of {', '.join(missing)}; let the bundle fetch them "
            "(without --wheelhouse)."
        )
    heavy = [path for path in wheels if path.name.lower().startswith(CUDA)]
    if heavy:
        size = sum(path.stat().st_size for path in heavy) / 1e9
        raise CoganError(
            f"The wheels hold PyTorch's GPU build, {len(heavy)} packages and {size:.1f} GB that no "
            "student needs; name PyTorch's CPU index, which pytorch.org shows: --index."
        )
    here_tags, pins = frozenset(sys_tags()), pinned(root / "constraints.txt")
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    wrong = [f"{path.name} {why}" for path in wheels if (why := misfit(path, here_tags, pins))]
    if wrong:
        more = f" and {len(wrong) - 1} more do not fit" if len(wrong) > 1 else ""
        raise CoganError(
            f"In {wheelhouse}, {wrong[0]}{more}; let the bundle fetch the wheels on this machine "
            "(without --wheelhouse)."
        )
    return wheels


def misfit(wheel: Path, tags: frozenset[Tag], pins: dict[str, str]) -> str:
    """Why a wheel is none for this machine and this book, going by its name; "" if it is one.

    Parameters
    ----------
    wheel : Path
    tags : frozenset of Tag
        What this Python on this system installs.
    pins : dict of str to str
        The book's versions, by canonical name.
    """
    try:
        name, found, _, built_for = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        return "has no name of a wheel"
    if not built_for & tags:
        return "is for another Python, system or processor"
    pin = pins.get(name)
    if pin and pin not in (str(found), found.public):  # 2.13.0+cpu is 2.13.0
        return f"is not the version of constraints.txt, {pin}"
    return ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def make_bundle(root: Path, out: Path, wheel: Path, wheelhouse: Path) -> Path:
    """Write the zip.

    Parameters
    ----------
    root : Path
        The checkout.
    out : Path
        Folder for it.
    wheel : Path
        Of the library.
    wheelhouse : Path
        Folder with the wheels of all else.

    Returns
    -------
    Path
        The zip; its name has version, system and Python.

    Raises
    ------
    CoganError
        If wheels are missing, or the disk is full.
    """
    wheels = check_wheels(wheelhouse, root)
    size = sum(path.stat().st_size for path in [wheel, *wheels])
    words = facts(root) | {"MEGABYTES": f"{size / 1e6:.0f}"}
    target = out / f"{bundle_name(root)}.zip"
    with tempfile.TemporaryDirectory() as folder:
        make_flavours(root / "book", Path(folder), site(read_config(root)))
        files = [("notebooks", path) for path in sorted((Path(folder) / FLAVOUR).glob("*.ipynb"))]
        files += [("wheelhouse", path) for path in [wheel, *wheels]]
        files.append((".", root / "constraints.txt"))
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name in ("README.txt", "install.sh"):
                text = (TEMPLATES / name).read_text("utf-8")
                for word, value in words.items():
                    text = text.replace(f"@{word}@", value)
                _write(
                    archive,
                    f"{target.stem}/{name}",
                    text.encode(),
                    0o755 if "sh" in name else 0o644,
                )
            for place, path in files:
                _write(archive, f"{target.stem}/{place}/{path.name}".replace("/./", "/"), path)
    return target


def _write(archive: zipfile.ZipFile, name: str, content: Path | bytes, mode: int = 0o644) -> None:
    """Equal content, equal zip; wheels are compressed already."""
    entry = zipfile.ZipInfo(name, DATE)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
    if isinstance(content, bytes):
        archive.writestr(entry, content)
        return
    entry.file_size = content.stat().st_size
    with content.open("rb") as stream, archive.open(entry, "w") as to:
        shutil.copyfileobj(stream, to, 2**20)


def facts(root: Path) -> dict[str, str]:
    """What README.txt and install.sh say of the bundle."""
    return {
        "NAME": bundle_name(root),
        "VERSION": version(root),
        "SYSTEM": platform.system(),
        "MACHINE": platform.machine(),
        "PYTHON": "{}.{}".format(*sys.version_info),
        "PACKAGES": " ".join(f"'{line}'" for line in ["cogan", *requirements(root)]),
    }


def bundle_name(root: Path) -> str:
    """What the bundle of this version, made on this machine, is called."""
    place = re.sub(r"[^a-z0-9_.]+", "-", sysconfig.get_platform().lower())
    return f"cogan-{version(root)}-workshop-{place}-py{sys.version_info[0]}{sys.version_info[1]}"


if __name__ == "__main__":
    sys.exit(main())
