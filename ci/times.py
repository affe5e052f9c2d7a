"""How long each chapter takes, to read and to run: measured, and written into its first cell.

    python ci/times.py record LOG.json [--as cpu]    what ci/flavours.py --run laptop has logged
    python ci/times.py write                         the tables of all chapters

A run is that of the chapter alone, in an empty folder, with its parameters as they stand.
``book/results/times.json`` is the record. Reading time is counted, not measured: words and lines of
code by the rates below.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from beside import ROOT

from cogan_lib.base.files import CoganError, read_json, write_json

RECORD = ROOT / "book" / "results" / "times.json"
HEADER = "| to read | to run: 2 cores | {gpu} | needs | makes |"
#: Of a text with formulas, and of code that is shown.
WORDS_PER_MINUTE, LINES_PER_MINUTE = 150, 15
#: Whose sources a reader does not go through.
FOLDED = {"setup", "parameters", "hide-input", "remove-input", "remove-cell"}


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("record", "write"))
    parser.add_argument("log", nargs="?", type=Path, help="of ci/flavours.py --run laptop")
    parser.add_argument("--as", dest="kind", choices=("cpu", "gpu"), default="cpu")
    options = parser.parse_args(arguments)
    if options.what == "record":
        if options.log is None:
            parser.error("record needs a log")
        record(options.log, options.kind)
        return 0
    for path in sorted((ROOT / "book").glob("[0-9][0-9]-*.ipynb")):
        notebook = json.loads(path.read_text("utf-8"))
        first = notebook["cells"][0]
        first["source"] = with_table("".join(first["source"]), notebook, path.stem).splitlines(True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


def record(log: Path, kind: str, target: Path = RECORD) -> None:
    """Add the seconds of one log to the record: those of runs with the notebooks' own parameters.

    Raises
    ------
    CoganError
        If the log is of another profile, or a chapter failed.
    """
    content = read_json(log)
    if content["profile"] != "laptop":
        raise CoganError(
            f"{log} is of the profile {content['profile']}; readers run the laptop's, which is "
            "that of the parameters as they stand."
        )
    rows = content["runs"]
    if failed := [row["notebook"] for row in rows if row["outcome"] != "ok"]:
        raise CoganError(f"{log}: {', '.join(failed)} failed, so their times say nothing.")
    kept = read_json(target) if target.exists() else {}
    old = kept.get(kind, {})
    if old.get("machine") != content["machine"]:
        old = {}  # times of two machines do not stand in one row
    seconds = {row["notebook"]: round(row["seconds"], 1) for row in rows}
    kept[kind] = {
        "machine": content["machine"],
        "provenance": content["provenance"],
        "seconds": dict(sorted({**old.get("seconds", {}), **seconds}.items())),
    }
    write_json(target, kept)


def with_table(first: str, notebook: dict, name: str, record: Path = RECORD) -> str:
    """The first cell's text with its times as they are known now.

    Raises
    ------
    CoganError
        If it has no table whose last columns are 'needs' and 'makes'.
    """
    lines = first.split("\n")
    place = next((i for i, x in enumerate(lines) if x.endswith("| needs | makes |")), None)
    if place is None or place + 2 >= len(lines):
        raise CoganError(f"{name}: the first cell has no table '... | needs | makes |'.")
    needs, makes = lines[place + 2].strip("| ").split(" | ")[-2:]
    times = read_json(record) if record.exists() else {}
    gpu = times.get("gpu", {}).get("machine", {}).get("gpu", "a GPU")
    runs = [minutes(times.get(kind, {}).get("seconds", {}).get(name)) for kind in ("cpu", "gpu")]
    cells = [f"{reading_minutes(notebook)} minutes", *runs, needs, makes]
    lines[place : place + 3] = [
        HEADER.format(gpu=gpu),
        "|---|---|---|---|---|",
        f"| {' | '.join(cells)} |",
    ]
    return "\n".join(lines)


def minutes(seconds: float | None) -> str:
    """A time for people, in whole minutes; what nobody has measured says so."""
    if seconds is None:
        return "not measured"
    whole = max(1, math.ceil(seconds / 60 - 0.1))
    return f"{whole} minute{'s' if whole > 1 else ''}"


def reading_minutes(notebook: dict) -> int:
    """Minutes to read a chapter, exercises not done, in steps of five."""
    words = lines = 0
    for cell in notebook["cells"][1:]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += len(source.split())
        elif not FOLDED & set(cell["metadata"].get("tags", [])):
            lines += len(source.splitlines())
    return max(5, 5 * round((words / WORDS_PER_MINUTE + lines / LINES_PER_MINUTE) / 5))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
