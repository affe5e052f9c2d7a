"""Run the notebooks' set-up cell as Colab does, and look at what it has left.

    python ci/colab_setup.py git+file:///path/to/checkout    from a repository
    python ci/colab_setup.py path/to/cogan-0.1.0-py3-none-any.whl    from a wheel beside it
    python ci/colab_setup.py --resolve    what would pip do in Colab's images?
    python ci/colab_setup.py --resolve /path/to/python3.12 /path/to/python3.13

The first two want an environment with IPython, NumPy and torch of its own, as Colab's image has,
and without cogan: the cell has to install it, and must leave NumPy and torch alone. The third needs
the package index and one Python of each image's version. It installs nothing: pip meets an
environment that claims to hold what Colab says its images hold (colab_versions.json).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import types
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEEP = ("numpy", "torch")


class CannotResolve(Exception):
    """pip finds no answer, for want of an index or because two packages want different things."""


def cell(address: str = "") -> str:
    """The set-up cell of the first chapter, with a repository's address in it."""
    chapter = json.loads(sorted((ROOT / "book").glob("01-*.ipynb"))[0].read_text("utf-8"))
    cells = [c for c in chapter["cells"] if "setup" in c["metadata"].get("tags", [])]
    lines = "".join(cells[0]["source"]).split("\n")
    address = address.removeprefix("git+")
    lines = [f'REPOSITORY = "{address}"' if x.startswith("REPOSITORY =") else x for x in lines]
    return "\n".join(lines)


def main(address: str) -> int:
    """0 if cogan is there afterwards and the image's own packages are what they were."""
    from IPython.core.interactiveshell import InteractiveShell

    before = {name: version(name) for name in KEEP}
    wheel = Path(address).resolve() if address.endswith(".whl") else None
    sys.modules["google.colab"] = types.ModuleType("google.colab")
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != ROOT]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # in the checkout, cogan_lib would be found without being installed
        if wheel:
            shutil.copy(wheel, folder)
        InteractiveShell.instance().run_cell(cell("" if wheel else address)).raise_error()
        looks = "import cogan_lib.gan.training, cogan_lib.synthesis; print(cogan_lib.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", looks], capture_output=True, text=True, check=False
        )
        after = {name: version(name) for name in KEEP}
        os.chdir(ROOT)
    print(found.stdout or found.stderr, f"before {before}, after {after}")
    return int(found.returncode != 0 or before != after)


def images() -> list[dict]:
    """Colab's images: name, Python, where it stands, and the versions of their packages."""
    return json.loads((ROOT / "ci" / "colab_versions.json").read_text("utf-8"))["images"]


def resolve_all(pythons: list[str]) -> int:
    """0 if in no image that could be tried pip would replace NumPy or torch; 1 if it would."""
    from release import make_wheel  # here, as it needs what cogan needs

    found = {minor(python): python for python in pythons if minor(python)}
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(ROOT, Path(folder) / "wheel")
        for image in images():
            title = f"Colab {image['name']}, Python {image['python']}"
            if image["python"] not in found:
                print(f"{title}: not tried, there is no such Python here.")
                continue
            try:
                new = resolve(found[image["python"]], image["versions"], wheel)
            except CannotResolve as error:
                print(f"{title}: {error}")
                worst = 1
                continue
            had = image["versions"]
            replaced = [f"{name} {had[name]} -> {new[name]}" for name in new if name in had]
            added = [f"{name} {number}" for name, number in new.items() if name not in had]
            kept = ", ".join(f"{name} {had[name]}" for name in KEEP if name not in new)
            print(f"{title}: keeps {kept or 'neither'}")
            print(f"  replaced: {', '.join(replaced) or 'nothing'}\n  added: {', '.join(added)}")
            worst = max(worst, int(any(name in new for name in KEEP)))
    return worst


def minor(python: str) -> str:
    """Version of an interpreter, such as 3.12; "" if it does not run."""
    shows = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", shows], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def resolve(python: str, versions: dict[str, str], wheel: Path) -> dict[str, str]:
    """What pip, called as the set-up cell calls it, would install beside these versions.

    Raises
    ------
    CannotResolve
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        (site,) = Path(folder).glob("lib/python3.*/site-packages")
        for name, number in versions.items():
            stand_in(site, name, number)
        keep = Path(folder) / "keep.txt"
        keep.write_text("".join(f"{name}=={versions[name]}\n" for name in KEEP), "utf-8")
        command = [Path(folder) / "bin" / "python", "-m", "pip", "install", "-q", "-c", keep]
        command += ["--dry-run", "--report", "-", "--only-binary", ":all:"]
        command += [f"cogan @ {wheel.as_uri()}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotResolve(f"pip finds no answer: {done.stderr.strip()[-400:]}")
    chosen = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"] for item in chosen}


def stand_in(site: Path, name: str, number: str) -> None:
    """Make pip believe that a package is installed."""
    folder = site / f"{name.replace('-', '_')}-{number}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
    (folder / "METADATA").write_text(text, "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--resolve"]:
        sys.exit(resolve_all(sys.argv[2:] or ["python3.12", "python3.13"]))
    if len(sys.argv) != 2:
        sys.exit("usage: python ci/colab_setup.py ADDRESS | --resolve [PYTHON ...]")
    sys.exit(main(sys.argv[1]))
