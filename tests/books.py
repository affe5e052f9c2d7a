"""A book of two tiny chapters, and what drives it."""

import json
from dataclasses import dataclass
from pathlib import Path

import check_notebooks
import run_notebooks


def markdown(name: str, source: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def code(name: str, source: str, *tags: str) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code", "id": name, "metadata": metadata, "source": source,
        "outputs": [], "execution_count": None,
    }  # fmt: skip


def notebook(title: str, parameters: str, *sources: str) -> dict:
    """A notebook that keeps the contract; its parameters are `name: type = value` lines."""
    lines = parameters.splitlines()
    names = [line.split(":")[0] for line in lines]
    check = f"settings = Settings.check({', '.join(f'{name}={name}' for name in names)})"
    cells = [
        markdown("title", f"# {title}\n\nPromise.\n\n<!-- badges -->\n\nClone REPOSITORY_URL."),
        code("setup", check_notebooks.setup_cell({}), "setup", "hide-input"),
        code("parameters", "\n".join(f"{line}  # why" for line in lines), "parameters"),
        code("start", f"from cogan_lib.base.config import Settings\n\n{check}"),
    ]
    cells += [code(f"lesson-{place}", source) for place, source in enumerate(sources)]
    metadata = {"kernelspec": check_notebooks.KERNEL, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


SKY = notebook(
    "Sky",
    'run_dir: str = "runs/laptop"\nseed: int = 1\nsky_path: str = ""',
    "import json, os, sys\nfrom pathlib import Path\n\nrun = Path(run_dir)\n"
    "run.mkdir(parents=True, exist_ok=True)\n"
    "(run / 'sky.fits').write_text(f'sky of seed {seed}')\n"
    "(run / 'report.json').write_text(json.dumps({'sky': {'seed': seed}}))\n"
    "facts = [sys.executable, os.environ.get('OMP_NUM_THREADS'), os.getcwd()]\n"
    "(run / 'facts.json').write_text(json.dumps(facts))",
)
TRAINING = notebook(
    "Training",
    'run_dir: str = "runs/laptop"\nmax_minutes: float = 0.0',
    "from pathlib import Path\n\nrun = Path(run_dir)\n"
    "text = (run / 'sky.fits').read_text()\nprint('read', text)\n"
    "(run / 'checkpoint').mkdir(exist_ok=True)\n"
    "(run / 'checkpoint' / 'weights.txt').write_text(f'{text}, {max_minutes} minutes')",
)


def write_book(root: Path) -> Path:
    """Top folder of a checkout with two chapters and a profile file."""
    (root / "book").mkdir()
    (root / "cogan_lib").mkdir()
    (root / "cogan_lib" / "module.py").write_text("answer = 42\n", "utf-8")
    save(root, "01-sky", SKY)
    save(root, "02-training", TRAINING)
    (root / "toy.yaml").write_text("run_dir: runs/toy\nmax_minutes: 0.5\n", "utf-8")
    return root


def save(root: Path, name: str, content: dict) -> None:
    (root / "book" / f"{name}.ipynb").write_text(json.dumps(content), "utf-8")


def drive(book: Path, *arguments: str) -> int:
    return run_notebooks.main(["--profile", str(book / "toy.yaml"), *arguments], root=book)


def status(book: Path) -> dict:
    return json.loads((book / "_build" / "executed" / "toy" / "status.json").read_text("utf-8"))


@dataclass
class Ended:
    """In the place of `chapter_process.Running`: a chapter that has ended at once."""

    record: dict
    started: float = 0.0

    def poll(self) -> dict:
        return self.record

    def stop(self) -> None:
        pass


def execute_here(chapter, output) -> Ended:
    """Run a chapter in this process and folder, without a kernel to wait for."""
    names = {}
    for cell in json.loads(chapter.source.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "setup" not in cell["metadata"].get("tags", []):
            exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names.update(chapter.parameters)
    output.write_text(chapter.source.read_text("utf-8"), "utf-8")
    return Ended({
        "outcome": "ok", "title": run_notebooks.title(chapter.source), "seconds": 1.0,
        "peak_mb": 1, "date": "2026-01-01T00:00+00:00", "commit": "not a checkout",
        "parameters": chapter.parameters,
        "source_sha256": run_notebooks.sha256(chapter.source),
    })  # fmt: skip
