"""Run made notebooks alone, each in an empty folder of its own, and write down what happened."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from companion_settings import read_parameters
from run_notebooks import Chapter, kernel_environment, machine, select

from cogan_lib.base.files import CoganError, provenance, write_json
from cogan_lib.base.session import BOOK_RUN

LOG = "flavours-log"
UNANSWERED = "No answer yet."


def run_alone(
    folders: list[Path],
    profile: str,
    only: list[str],
    out: Path,
    python: str | None = None,
    labels_in: Callable[[list[dict]], set[str]] = lambda cells: set(),
) -> int:
    """Run the notebooks of these folders with a profile's parameters; how many failed.

    Parameters
    ----------
    folders : list of Path
        One for each flavour.
    profile : str
        Whose parameters each notebook gets, of those that it has.
    only : list of str
        Beginnings of the names of chapters; all of them if it is empty.
    out : Path
        Gets the log, as JSON and as a table.
    python : str, optional
        The interpreter of another environment, in which the library is installed; by default
        this one, with the library of this checkout.
    labels_in : callable, optional
        Finds the labels in a notebook's text that stand for numbers (`flavour_check.labels_in`,
        which needs a parser); a cell must have displayed each.
    """
    settings, dotted = read_parameters(profile, {})
    rows, facts = [], {"profile": profile, "machine": machine(settings)}
    facts |= {"provenance": provenance(settings.seed)}
    for folder in folders:
        for chapter in select(folder, settings, dotted, only, given=set()):
            if only and not any(chapter.name.startswith(start) for start in only):
                continue
            row = {"notebook": chapter.name, "flavour": folder.name}
            row |= run_one(chapter, python, labels_in)
            rows.append(row)
            print(table_row(row), flush=True)
            write_json(out / f"{LOG}.json", {**facts, "runs": rows})
            (out / f"{LOG}.txt").write_text("".join(f"{table_row(r)}\n" for r in rows), "utf-8")
    return sum(row["outcome"] != "ok" for row in rows)


def run_one(
    chapter: Chapter, python: str | None, labels_in: Callable[[list[dict]], set[str]]
) -> dict:
    """Seconds and outcome of one notebook, in a folder that holds nothing else."""
    with tempfile.TemporaryDirectory() as kernels, tempfile.TemporaryDirectory() as folder:
        environment = alone_environment(Path(kernels), python)
        shutil.copy(chapter.source, folder)
        values = Path(kernels, "parameters.json")  # JSON is YAML
        write_json(values, chapter.cell)
        done = Path(kernels, "done.ipynb")
        command = [sys.executable, "-m", "papermill", chapter.source.name, str(done)]
        command += ["--parameters_file", str(values), "--no-progress-bar", "--log-level", "ERROR"]
        started = time.monotonic()
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        row = {"seconds": round(time.monotonic() - started, 1), "outcome": "ok", "error": ""}
        notebook = json.loads(done.read_text("utf-8")) if done.exists() else {"cells": []}
        if run.returncode:
            lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
            return row | {"outcome": "failed", "error": lines[-1]}
        missing = labels_in(notebook["cells"]) - displayed(notebook["cells"])
        if missing:
            words = ", ".join(f"[{label}]" for label in sorted(missing))
            return row | {"outcome": "failed", "error": f"no cell has displayed {words}"}
        wrong = [cell["id"] for cell in notebook["cells"] if not stub_is_seen(cell)]
        if wrong:
            return row | {"outcome": "failed", "error": f"{', '.join(wrong)}: not {UNANSWERED!r}"}
        return row


def stub_is_seen(cell: dict) -> bool:
    """Whether an empty answer cell, if this is one, has said that there is no answer yet."""
    texts = ["".join(output.get("text", "")) for output in cell.get("outputs", [])]
    return not cell["id"].endswith("-answer") or "".join(texts).strip() == UNANSWERED


def alone_environment(build: Path, python: str | None) -> dict[str, str]:
    """Environment of a reader's kernel: no run of the book."""
    environment = kernel_environment(build)
    del environment[BOOK_RUN]
    if python:
        path = Path(shutil.which(python) or python).absolute()
        if not path.exists():
            raise CoganError(f"There is no Python {python}.")
        spec = build / "jupyter" / "kernels" / "python3" / "kernel.json"
        kernel = json.loads(spec.read_text("utf-8"))
        kernel["argv"][0] = str(path)
        # papermill keeps this environment, the kernel does without the checkout
        kernel["env"] = {**kernel.get("env", {}), "PYTHONPATH": ""}
        write_json(spec, kernel)
    environment.pop("PYTHONHOME", None)
    return environment


def displayed(cells: list[dict]) -> set[str]:
    """Labels of the numbers that the cells have shown."""
    found = set()
    for cell in cells:
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/markdown", ""))
            if text.startswith("**[") and "]** = " in text:
                found.add(text.removeprefix("**[").partition("]** = ")[0])
    return found


def table_row(row: dict) -> str:
    """One line of the table."""
    words = f"{row['flavour']:8s} {row['notebook']:24s} {row['seconds']:7.1f} s  {row['outcome']}"
    return f"{words}  {row['error']}".rstrip()
