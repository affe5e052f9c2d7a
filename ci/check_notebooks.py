"""Check the contract of the book's notebooks, and keep what is the same in all of them.

python ci/check_notebooks.py                     all chapters
python ci/check_notebooks.py book/03-x.ipynb     one of them
python ci/check_notebooks.py --write-address     write set-up cells, with the address from
                                                 _config.yml, and the notices about a GPU
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from beside import ROOT
from companion_settings import companion_settings, companions_of
from release import read_config, repository, site, wheel_name

from cogan_lib.base.config import Checked, Settings

MAX_LINES = 45
MAX_FOLDED = 70  # of a cell whose code is folded away
BADGES = "<!-- badges -->"
ABSOLUTE_PATH = re.compile(
    r"""(?:^|[\s"'`(=])(?:/(?:home|Users|root|work|tmp|mnt|data|opt)/|[A-Z]:\\)"""
)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

SETUP_CELL = """\
# Installs cogan where it is missing; numpy and torch stay as they are.
import importlib
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

WHEEL = "{wheel}"
SITE = "{site}"  # `make address` writes these, from _config.yml
REPOSITORY = "{repository}"
FOLDERS = (".", "/content", "/content/drive/MyDrive")  # uploaded, on a Drive


def install(source):
    pip = [sys.executable, "-m", "pip", "install", "-q", "-c", "keep.txt"]
    run = [*pip, f"cogan @ {source}"]
    done = subprocess.run(run, capture_output=True, text=True)
    if done.returncode:
        print(f"{source}: {done.stderr.strip()[-300:]}")
    return done.returncode == 0


if find_spec("cogan_lib") is None:
    kept = [name for name in ("numpy", "torch") if find_spec(name)]
    with open("keep.txt", "w") as keep:
        keep.writelines(f"{name}=={version(name)}\\n" for name in kept)
    beside = [x for at in FOLDERS for x in Path(at).glob("cogan-*.whl")]
    sources = [x.resolve().as_uri() for x in sorted(beside)[-1:]]
    if "google.colab" in sys.modules:  # elsewhere nothing comes unasked
        sources += [f"{SITE}downloads/{WHEEL}"] if SITE else []
        sources += [f"git+{REPOSITORY}"] if REPOSITORY else []
    found = next((source for source in sources if install(source)), None)
    if found is None:
        raise RuntimeError(
            f"cogan is missing. Put {WHEEL}, from the book's page Downloads, "
            "beside this notebook (Colab: Files, Upload), and run this again."
        )
    importlib.invalidate_caches()
    print(f"cogan {version('cogan')}, installed from {found}")
else:
    from cogan_lib import __version__

    print(f"cogan {__version__} is installed")"""

#: Chapters that a GPU shortens: 03 trains, 04 sends a whole sky through the generator, 06 draws
#: many such skies, 07 computes and trains in three dimensions. The others wait for NumPy.
GPU_CHAPTERS = ("03", "04", "06", "07")
GPU = {"accelerator": "GPU", "colab": {"gpuType": "T4"}}  # what Colab then offers
GPU_CELL = """\
**A GPU shortens this chapter.** In Colab choose *Runtime*, *Change runtime type*, *T4 GPU* \
before you run anything. Elsewhere a CUDA GPU is taken if PyTorch sees one. The cell below the \
parameters then prints `device cuda`; with `device cpu` everything runs, too. What was measured: \
{ref}`on-a-gpu`."""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if all is well, 1 if a notebook breaks the contract."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all chapters in book/")
    parser.add_argument("--write-address", action="store_true", help="write the shared cells")
    options = parser.parse_args(arguments)
    notebooks = options.notebooks or sorted((root / "book").glob("[0-9][0-9]-*.ipynb"))
    address = setup_cell(read_config(root))
    problems = 0
    for path in notebooks:
        if options.write_address:
            write_shared(path, address)
        notebook = json.loads(path.read_text("utf-8"))
        for problem in check_notebook(notebook, address, companions_of(path), gains(path)):
            problems += 1
            print(f"{path.name}: {problem}")
    print(f"{len(notebooks)} notebooks, {problems} problems")
    return min(1, problems)


def setup_cell(config: dict) -> str:
    """The source of the set-up cell, the same in every notebook."""
    url, tag = repository(config)
    cell = SETUP_CELL.replace("{wheel}", wheel_name()).replace("{site}", site(config))
    return cell.replace("{repository}", f"{url}@{tag}" if url else "")


def gains(path: Path) -> bool:
    """Whether a GPU shortens this chapter."""
    return path.name[:2] in GPU_CHAPTERS


def write_shared(path: Path, setup: str) -> None:
    """Write this set-up cell into a notebook that has one, and the notice where a GPU helps."""
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if "setup" in _tags(cell):
            cell["source"] = setup.splitlines(keepends=True)
    metadata, cells = notebook["metadata"], notebook["cells"]
    cells[:] = [cell for cell in cells if cell["id"] != "gpu"]
    for name in GPU:
        metadata.pop(name, None)
    if gains(path):
        notebook["metadata"] = GPU | metadata
        source = GPU_CELL.splitlines(keepends=True)
        cells.insert(1, {"cell_type": "markdown", "id": "gpu", "metadata": {}, "source": source})
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def check_notebook(
    notebook: dict, setup: str = "", companions: Sequence[str] = (), gpu: bool = False
) -> list[str]:
    """What is wrong with a notebook, one sentence each; an empty list if nothing is.

    `setup` is what the set-up cell should be, by default that of a book without an address;
    `companions` names those whose parameters the notebook may have beside the road's; `gpu` is
    true of a chapter that a GPU shortens.
    """
    problems = []
    cells = notebook["cells"]
    if (notebook.get("nbformat"), notebook.get("nbformat_minor")) != (4, 5):
        problems.append("The format must be nbformat 4.5, which has cell ids.")
    if notebook["metadata"].get("kernelspec") != KERNEL:
        problems.append(f"The kernelspec must be {KERNEL}.")
    ids = [cell.get("id", "") for cell in cells]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        problems.append(f"The cell id {name!r} is there more than once.")
    for place, cell in enumerate(cells, start=1):
        problems += [f"Cell {place} ({cell.get('id')}): {text}" for text in _check_cell(cell)]

    first = "".join(cells[0]["source"]) if cells else ""
    if not cells or cells[0]["cell_type"] != "markdown" or not first.startswith("# "):
        problems.append("The first cell must be Markdown and begin with the title ('# ...').")
    if BADGES not in first.splitlines():
        problems.append(f"The first cell needs the line {BADGES}.")
    problems += _check_setup(cells, setup or setup_cell({}))
    problems += _check_gpu(notebook, gpu)
    kinds = [Settings, *(companion_settings()[name] for name in companions)]
    problems += _check_parameters(cells, kinds)
    return problems


def _check_cell(cell: dict) -> list[str]:
    source = "".join(cell["source"])
    problems = []
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.get("id", "")) or re.fullmatch(
        r"[0-9a-f]{8}(-[0-9a-f-]{27})?", cell["id"]
    ):
        problems.append("The id must be made of lower-case words joined by '-', chosen by hand.")
    if ABSOLUTE_PATH.search(source):
        problems.append("There is an absolute path in it.")
    if cell["cell_type"] != "code":
        return problems
    if cell.get("outputs") or cell.get("execution_count"):
        problems.append("Its outputs are not stripped.")
    most = MAX_FOLDED if "hide-input" in _tags(cell) else MAX_LINES
    if len(source.splitlines()) > most:
        problems.append(f"It is longer than {most} lines.")
    if "setup" in _tags(cell):
        return problems
    if re.search(r"^\s*[!%]\s*pip", source, re.MULTILINE):
        problems.append("It installs something; only the set-up cell may.")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [*problems, f"It is not plain Python: {error}."]
    if any(isinstance(node, ast.ExceptHandler) and node.type is None for node in ast.walk(tree)):
        problems.append("It has a bare except.")
    figure = cell["metadata"].get("mystnb", {})
    if "figure" in figure and not (
        figure["figure"].get("name")
        and figure["figure"].get("caption")
        and figure.get("image", {}).get("alt")
    ):
        problems.append("A figure needs mystnb figure.name, figure.caption and image.alt.")
    return problems


def _check_setup(cells: list[dict], wanted: str) -> list[str]:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    tagged = [cell for cell in cells if "setup" in _tags(cell)]
    if len(tagged) != 1 or tagged[0] is not code[0]:
        return ["The first code cell, and no other, must be tagged 'setup'."]
    source = "".join(tagged[0]["source"])
    if source == wanted:
        return []
    if without_address(source) == without_address(wanted):
        return ["The set-up cell's version or address is an old one; run `make address`."]
    return ["The set-up cell differs from SETUP_CELL in ci/check_notebooks.py."]


def _check_gpu(notebook: dict, wanted: bool) -> list[str]:
    asked = {name: notebook["metadata"][name] for name in GPU if name in notebook["metadata"]}
    notices = {
        place: "".join(cell["source"])
        for place, cell in enumerate(notebook["cells"])
        if cell.get("id") == "gpu"
    }
    if (asked, notices) == ((GPU, {1: GPU_CELL}) if wanted else ({}, {})):
        return []
    which = f"A chapter that a GPU shortens ({', '.join(GPU_CHAPTERS)}), and no other,"
    return [f"{which} asks Colab for one and has GPU_CELL as its second cell; run `make address`."]


def without_address(source: str) -> str:
    """A set-up cell with neither version nor address."""
    return re.sub(r'^(WHEEL|SITE|REPOSITORY) = ".*?"', r'\1 = ""', source, flags=re.MULTILINE)


def _check_parameters(cells: list[dict], kinds: list[type[Checked]]) -> list[str]:
    """One parameters cell, in step with the `Settings`; the next cell checks every parameter."""
    places = [place for place, cell in enumerate(cells) if "parameters" in _tags(cell)]
    if len(places) != 1:
        return [f"Exactly one cell must be tagged 'parameters', not {len(places)}."]
    source = "".join(cells[places[0]]["source"])
    following = [cell for cell in cells[places[0] + 1 :] if cell["cell_type"] == "code"]
    checks = re.sub(r"\s", "", "".join(following[0]["source"])) if following else ""
    problems = []
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return problems
    lines = source.splitlines()
    for statement in statements:
        if not isinstance(statement, ast.AnnAssign) or statement.value is None:
            problems.append(f"Parameters line {statement.lineno} is not `name: type = literal`.")
            continue
        name = ast.unparse(statement.target)
        wrong = _check_parameter(statement, name, kinds)
        problems += [f"The parameter {name} {text}." for text in wrong]
        if "#" not in lines[statement.end_lineno - 1]:
            problems.append(f"The parameter {name} has no comment.")
        if not re.search(rf"[(,]{name}={name}[,)]", checks):
            problems.append(
                f"The cell after the parameters does not pass {name} to Settings.check."
            )
    return problems


def _check_parameter(statement: ast.AnnAssign, name: str, kinds: list[type[Checked]]) -> list[str]:
    try:
        value = ast.literal_eval(statement.value)
    except ValueError:
        return ["is not a literal"]
    fields = [kind.model_fields[name] for kind in kinds if name in kind.model_fields]
    if len(fields) > 1:
        return ["is a field of more than one class; give one of them another name"]
    if not fields:
        places = " or ".join(f"{kind.__module__}.{kind.__name__}" for kind in kinds)
        return [f"is not a field of {places}"]
    field = fields[0]
    problems = []
    if (value, type(value)) != (field.default, type(field.default)):
        problems.append(f"has the default {value!r}, but Settings says {field.default!r}")
    if ast.unparse(statement.annotation) != type(field.default).__name__:
        problems.append(f"must be annotated {type(field.default).__name__}")
    return problems


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


if __name__ == "__main__":
    sys.exit(main())
