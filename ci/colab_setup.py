"""Run the notebooks' set-up cell as Colab does, and look at what it has left.

    python ci/colab_setup.py git+file:///path/to/checkout    from a repository
    python ci/colab_setup.py path/to/cogan-0.1.0-py3-none-any.whl    from a wheel beside it

It wants an environment with IPython, NumPy and torch of its own, as Colab's image has, and without
cogan: the cell has to install it, and must leave NumPy and torch alone.
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


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python ci/colab_setup.py ADDRESS")
    sys.exit(main(sys.argv[1]))
