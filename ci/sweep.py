"""Run chapters for every combination of some parameters, on Dask's workers, and gather one table.

    python ci/sweep.py runs/seeds --profile smoke --only 03 --grid seed 1 2 3 \\
        --grid preset cogan paper --keys training.best training.seconds

Every run has a folder of its own in that of the sweep, with the executed notebooks, and its row in
``table.csv`` and ``table.json``. A run that fails is in the table with its error, and the sweep
goes on; called again, it does what is missing, changed or failed. A run whose worker is lost is
done again by another. Each worker is one process with one thread; ``--scheduler`` sends the runs to
a Dask cluster whose workers see the same folders (how-to-run shows one on SLURM).
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import papermill
import psutil
from beside import ROOT
from companion_settings import read_parameters
from distributed import Client, LocalCluster, as_completed
from papermill.exceptions import PapermillExecutionError
from run_notebooks import check_sky, kernel_environment, library_key, select

from cogan_lib.base.config import from_command_line
from cogan_lib.base.files import CoganError, atomic_path, read_json, sha256, write_json
from cogan_lib.base.session import REPORT
from cogan_lib.base.threads import cores, settle

RECORD = "run.json"  # in each run's folder: of what, and how it ended


@dataclass(frozen=True)
class Run:
    """One combination: its values of the grid, its chapters with all their parameters, and a hash
    of all that its result depends on."""

    folder: Path
    varied: dict[str, object]
    chapters: list[tuple[Path, dict[str, object]]]
    key: str

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def record(self) -> dict:
        """How it ended; empty if it was not done, or not with these parameters and sources."""
        path = self.folder / RECORD
        record = read_json(path) if path.exists() else {}
        return record if record.get("key") == self.key else {}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if all runs are done, 1 if one failed, 2 for a bad request."""
    options = _parser().parse_args(arguments)
    try:
        folder = Path(options.folder).resolve()
        runs = plan(options, folder, root)
        todo = [run for run in runs if run.record.get("outcome") != "ok"]
        print(f"{len(runs)} runs, {len(runs) - len(todo)} of them done before")
        with ExitStack() as stack:
            if todo:
                work(_client(options, len(todo), root, stack), todo, root)
        return gather(folder, runs, options.keys)
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="of the sweep, for example runs/seeds")
    parser.add_argument("--profile", default="laptop", help="a name or a .yaml file")
    parser.add_argument("--only", nargs="+", default=[], metavar="03", help="run these chapters")
    parser.add_argument(
        "--grid", nargs="+", action="append", required=True, metavar=("NAME", "VALUE"),
        help="a parameter and its values (may be repeated: all combinations are run)",
    )  # fmt: skip
    parser.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another value of one parameter, for all runs (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--keys", nargs="+", default=[], metavar="KEY",
        help="numbers of report.json for the table, such as training.steps, or training.best for "
        "all that is in it; default: all",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, help="processes here; default: one a core")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster")
    return parser


def plan(options: argparse.Namespace, folder: Path, root: Path) -> list[Run]:
    """All combinations.

    Raises
    ------
    CoganError
        Whatever is wrong with a parameter or a chapter, before any work is done.
    """
    fixed = from_command_line(options.parameter)
    grid: dict[str, list] = {}
    for name, *texts in options.grid:  # a name may come again: its values are joined
        read = [from_command_line([(name, text)])[name] for text in texts]
        grid[name] = grid.get(name, []) + read
    _check_grid(grid, fixed)
    runs, library, checksum = [], library_key(root), functools.cache(sha256)
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        words = ",".join(f"{name}={value}" for name, value in varied.items())
        target = folder / re.sub(r"[^\w=.,-]+", "-", words)
        if target in [run.folder for run in runs]:
            raise CoganError(f"Two runs would be {target.name}; take values that differ more.")
        if target.exists() and not (target / RECORD).exists():
            raise CoganError(f"{target} was made by no sweep; choose another folder.")
        own = {**fixed, **varied, "run_dir": os.path.relpath(target, root)}
        settings, dotted = read_parameters(options.profile, own)
        check_sky(settings, root)
        chapters = [
            chapter
            for chapter in select(root / "book", settings, dotted, options.only, set(own))
            if not options.only or chapter.name.startswith(tuple(options.only))
        ]
        idle = set(grid) - set().union(*(chapter.parameters for chapter in chapters))
        if idle:
            names = ", ".join(sorted(idle))
            raise CoganError(f"The chosen chapters have no parameter {names} to be varied.")
        sources = [checksum(chapter.source) for chapter in chapters]
        sky = checksum(root / settings.sky_path) if settings.sky_path else ""
        facts = [[chapter.parameters for chapter in chapters], sources, library, sky]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        cells = [(chapter.source, chapter.cell) for chapter in chapters]
        runs.append(Run(target, varied, cells, key))
    return runs


def _check_grid(grid: dict[str, list], fixed: dict[str, object]) -> None:
    """Refuse what would be planned otherwise than it was meant, without a word."""
    if "run_dir" in {*grid, *fixed}:
        raise CoganError("A sweep gives each run a run_dir in its own folder; leave run_dir out.")
    for name, values in grid.items():
        if not values:
            raise CoganError(f"--grid {name} has no values; write --grid NAME VALUE [VALUE ...].")
        if name in fixed:
            raise CoganError(f"{name} is varied by --grid and fixed by -p; take one of the two.")


def _client(options: argparse.Namespace, runs: int, root: Path, stack: ExitStack) -> Client:
    """A connection to the workers: those of `--scheduler`, or processes on this machine."""
    os.environ.update(kernel_environment(root / "_build"))  # the workers inherit it
    cluster = options.scheduler or stack.enter_context(
        LocalCluster(
            n_workers=min(options.workers or cores(), runs),
            threads_per_worker=1,
            memory_limit=0,  # Dask counts the worker's memory only, not its notebook's
            dashboard_address=None,
        )
    )
    # workers elsewhere need not have this script: they are sent its functions
    cloudpickle.register_pickle_by_value(sys.modules[execute.__module__])
    return stack.enter_context(Client(cluster))


def work(client: Client, runs: list[Run], root: Path) -> None:
    """Do the runs, in any order; Dask repeats one whose worker is lost."""
    futures = {client.submit(execute, run, root, pure=False): run for run in runs}
    for number, future in enumerate(as_completed(futures), start=1):
        run = futures[future]
        if future.status == "error":  # a run raises nothing: four workers in a row were lost
            lost = {"key": run.key, "outcome": "failed", "error": one_line(future.exception())}
            write_json(run.folder / RECORD, lost)
        record = run.record
        end = record.get("error") or f"done in {record['seconds']:.0f} s"
        print(f"{number} of {len(runs)}, {run.name}: {end}", flush=True)


def execute(run: Run, root: Path) -> None:
    """One run in a worker's process; how it went is left in its folder."""
    settle(1)  # every core has a worker already
    end_kernel(run.record.get("worker", ""))
    started = time.monotonic()
    record = {
        "key": run.key,
        "outcome": "started",
        "worker": f"{socket.gethostname()} {os.getpid()}",
    }
    shutil.rmtree(run.folder, ignore_errors=True)  # of other parameters, or of a lost worker
    write_json(run.folder / RECORD, record)
    try:
        for source, parameters in run.chapters:
            output = run.folder / source.name
            papermill.execute_notebook(source, output, parameters, cwd=root, progress_bar=False)
        record["outcome"] = "ok"
    except Exception as error:
        record |= {"outcome": "failed", "error": f"{source.stem}: {one_line(error)}"}
    record["seconds"] = round(time.monotonic() - started, 1)
    write_json(run.folder / RECORD, record)


def end_kernel(lost_worker: str) -> None:
    """End what a lost worker ("host pid") left running: nobody else may write into the folder in
    which its run is done again. A kernel on another host ends itself within a second."""
    host, _, pid = lost_worker.partition(" ")
    if host != socket.gethostname():
        return
    kernels = [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("JPY_PARENT_PID") == pid
    ]
    for kernel in kernels:
        kernel.kill()
    psutil.wait_procs(kernels, timeout=10)


def one_line(error: BaseException) -> str:
    """What went wrong, in the words of the cell that failed."""
    if isinstance(error, PapermillExecutionError):
        return f"{error.ename}: {error.evalue}".splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


def gather(folder: Path, runs: list[Run], keys: list[str]) -> int:
    """Write ``table.json`` and ``table.csv``, one row per run. Returns 0, or 1 if a run failed."""
    rows, known = [], set()
    for run in runs:
        told = {name: run.record.get(name, "") for name in ("outcome", "seconds", "error")}
        report = run.folder / REPORT
        numbers = flat(read_json(report)) if report.exists() else {}
        known |= numbers.keys()
        picked = {place: number for place, number in numbers.items() if _below(place, keys)}
        rows.append({"run": run.name, **run.varied, **told, **picked})
    write_json(folder / "table.json", {"rows": rows})
    columns = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    with (
        atomic_path(folder / "table.csv") as path,
        open(path, "w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{folder / 'table.csv'}: {len(rows)} rows")
    missing = [key for key in keys if not any(_below(place, [key]) for place in known)]
    if missing and known:
        raise CoganError(f"No report has {missing[0]}; there are {', '.join(sorted(known))}.")
    return int(any(row["outcome"] != "ok" for row in rows))


def flat(content: dict, above: str = "") -> dict[str, object]:
    """Numbers and words of nested dicts by their dotted place; lists are left out."""
    found = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{name}.")
        elif not isinstance(value, list):
            found[f"{above}{name}"] = value
    return found


def _below(place: str, keys: list[str]) -> bool:
    return not keys or any(f"{place}.".startswith(f"{key}.") for key in keys)


if __name__ == "__main__":
    sys.exit(main())
