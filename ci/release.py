"""Where this version can be had: the repository at its tag, the site, the wheel.

    python ci/release.py FOLDER                   the wheel of this checkout

Version and address stand in one place each, pyproject.toml and _config.yml. What a reader is sent
to is the tag of the version, never a branch that moves on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml
from beside import ROOT

from cogan_lib.base.files import CoganError

COLAB = "https://colab.research.google.com"
#: All that a wheel is made from.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "cogan_lib")


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints the wheel's name and size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    wheel = make_wheel(ROOT, parser.parse_args(arguments).folder)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    return 0


def version(root: Path = ROOT) -> str:
    """The version in pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def wheel_name(root: Path = ROOT) -> str:
    """What the wheel of this version is called."""
    return f"cogan-{version(root)}-py3-none-any.whl"


def read_config(root: Path = ROOT) -> dict:
    """The content of _config.yml; {} where there is none."""
    path = root / "_config.yml"
    return yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}


def repository(config: dict) -> tuple[str, str]:
    """Address of the repository and what of it readers are sent to: the tag, unless it names
    a branch. Both are "" while there is no address."""
    found = config.get("repository") or {}
    url = (found.get("url") or "").rstrip("/")
    return (url, found.get("branch") or f"v{version()}") if url else ("", "")


def notebooks_tag(tag: str) -> str:
    """Where the publishing workflow leaves the notebooks that Colab opens."""
    return f"notebooks-{tag}"


def site(config: dict) -> str:
    """Where the built book can be read, with a slash at its end; "" if it is not known."""
    address = (config.get("html") or {}).get("baseurl") or ""
    url = repository(config)[0]
    if not address and url.startswith("https://github.com/"):
        owner, _, name = url.removeprefix("https://github.com/").partition("/")
        address = f"https://{owner}.github.io/{name}"
    return f"{address.rstrip('/')}/" if address else ""


def make_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of a checkout, without a network and without a trace in the checkout.

    Raises
    ------
    CoganError
        If it can't be built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        for name in SOURCES:
            if (root / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(root / name, source / name, ignore=ignored)
            else:
                shutil.copy(root / name, source / name)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--wheel-dir", str(folder.absolute()), str(source)]
        # equal sources, equal wheel: the dates in it are not those of the copies
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CoganError(f"The wheel could not be built: {done.stderr.strip()[-400:]}.")
    return folder / wheel_name(root)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
