"""Run the book's chapters in order with papermill, into ``_build/executed/<profile>/``.

    python ci/run_notebooks.py --profile smoke
    python ci/run_notebooks.py --profile real --sky path/to/sky.fits
    python ci/run_notebooks.py --only 03 -p max_steps 500

A chapter runs again when its notebook, the library, its parameters, the sky file or a file that an
earlier chapter left in the run folder has changed. What is run is printed as a papermill line.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import papermill
from beside import ROOT
from companion_settings import companion_settings, companions_of, read_parameters
from ipykernel.kernelspec import get_kernel_dict

from cogan_lib.base.config import Settings, from_command_line
from cogan_lib.base.files import CoganError, git_commit, provenance, read_json, sha256, write_json
from cogan_lib.base.made_from import alone
from cogan_lib.base.session import BOOK_RUN, REPORT

STATUS = "status.json"


@dataclass(frozen=True)
class Chapter:
    """One notebook of the book and the values that its parameters cell gets in this run."""

    source: Path
    parameters: dict[str, object]

    @property
    def cell(self) -> dict[str, object]:
        """The values by the names that the cell has: a companion's without their first part."""
        return {name.rpartition(".")[2]: value for name, value in self.parameters.items()}

    @property
    def name(self) -> str:
        return self.source.stem


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if all chapters are up to date now, 1 if one failed, 2 for a bad request."""
    options = _parser().parse_args(arguments)
    try:
        overrides = from_command_line(options.parameter)
        if options.sky:
            if "sky_path" in overrides:
                raise CoganError("The sky file is named by --sky and by -p sky_path; take one.")
            # relative, so that no published page shows where the reader's home folder lies
            overrides["sky_path"] = os.path.relpath(Path(options.sky).expanduser().resolve(), root)
        settings, dotted = read_parameters(options.profile, overrides)
        chapters = select(root / "book", settings, dotted, options.only, given=set(overrides))
        check_sky(settings, root)
        executed = root / "_build" / "executed" / Path(options.profile).stem
        with alone(root / settings.run_dir, "driver"):  # its kernels take the steps
            return run_chapters(chapters, settings, executed, options.only, root)
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--profile", default="laptop", help="a name in ci/profiles, or a .yaml file"
    )
    parser.add_argument("--sky", metavar="PATH", help="a sky file instead of the embedded sky")
    parser.add_argument("--only", nargs="+", default=[], metavar="03", help="run these chapters")
    parser.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another value for one parameter (may be repeated)",
    )  # fmt: skip
    return parser


def select(
    book: Path, settings: Settings, dotted: dict[str, object], only: list[str], given: set[str]
) -> list[Chapter]:
    """All chapters in order, each with those of the set parameters that its notebook has.

    Parameters
    ----------
    book : Path
    settings : Settings
    dotted : dict
        Parameters of companions, as `read_parameters` gives them.
    only : list of str
        Beginnings of the names of chapters.
    given : set of str
        Names of parameters that some notebook must have.

    Raises
    ------
    CoganError
        If there are no chapters, a chapter of `only` does not exist, or no notebook has one of the
        parameters that were `given` or (when the whole book is run) stand in the profile.
    """
    sources = sorted(book.glob("[0-9][0-9]-*.ipynb"))
    if not sources:
        raise CoganError(f"There are no chapters (NN-name.ipynb) in {book}.")
    for start in only:
        if not any(source.stem.startswith(start) for source in sources):
            names = ", ".join(source.stem for source in sources)
            raise CoganError(f"There is no chapter {start!r}; choose from: {names}.")

    values = settings.model_dump(exclude_unset=True) | dotted
    known = {source: _parameter_names(source) for source in sources}
    missing = set(values if not only else given) - set().union(*known.values())
    if missing:
        names = ", ".join(sorted(missing))
        raise CoganError(
            f"No notebook has a parameter {names}; take it out of the profile or command, "
            "or add it to a parameters cell."
        )
    return [
        Chapter(source, {name: values[name] for name in values if name in known[source]})
        for source in sources
    ]


def _parameter_names(source: Path) -> set[str]:
    """What a notebook's parameters cell has, in the words of profiles and commands."""
    names, kinds = papermill.inspect_notebook(str(source)), companion_settings()
    dotted = {
        f"{section}.{name}"
        for section in companions_of(source)
        for name in kinds[section].model_fields
        if name in names
    }
    return {name for name in names if name in Settings.model_fields} | dotted


def check_sky(settings: Settings, root: Path) -> None:
    """Refuse a sky file that is not there before anything is run."""
    path = (root / settings.sky_path).resolve()
    if settings.sky_path and not path.is_file():
        raise CoganError(
            f"There is no sky file {path}; name one with --sky PATH, seen from the folder where "
            f"you are, or with make book SKY=PATH, seen from {root} also for make -C, or in full."
        )


def run_chapters(
    chapters: list[Chapter], settings: Settings, executed: Path, only: list[str], root: Path
) -> int:
    """Run what is out of date, in order; stop at the first failure. Returns 0 or 1."""
    executed.mkdir(parents=True, exist_ok=True)
    status_path = executed / STATUS
    fix = "delete it, and all chapters run again"
    status = read_json(status_path, fix) if status_path.exists() else {}
    records = status.get("chapters", {})
    library = library_key(root)
    sky_key = sha256(root / settings.sky_path) if settings.sky_path else ""
    run_dir = root / settings.run_dir
    environment = kernel_environment(root / "_build")
    out_of_date: list[str] = []

    for number, chapter in enumerate(chapters):
        left = artefacts(run_dir)
        key = chapter_key(chapter, library, sky_key, left, records, chapters[:number])
        record = records.get(chapter.name, {})
        output = executed / chapter.source.name
        if is_current(record, key, left) and output.exists():
            print(f"{chapter.name}: up to date ({record['seconds']:.0f} s on {record['date']})")
            continue
        if only and not any(chapter.name.startswith(start) for start in only):
            out_of_date.append(chapter.name)
            continue
        if out_of_date:
            print(
                f"WARNING: {chapter.name} uses what {', '.join(out_of_date)} left in "
                f"{settings.run_dir}, which is out of date or missing."
            )
        previous = record.get("artefacts", {})
        # From here on its files may be half a new run's and half an old one's. If this process is
        # killed, the next one must know so, and what was there before.
        before = record["before"] if record.get("outcome") == "begun" else left
        records[chapter.name] = record | {"outcome": "begun", "before": before}
        status = {
            "profile": executed.name,
            "settings": settings.model_dump(),
            "machine": machine(settings),
            "chapters": records,
        }
        write_json(status_path, status)
        record = execute(chapter, output, environment, root)
        record["key"] = key
        record["out_of_date_inputs"] = list(out_of_date)
        record["artefacts"] = written(previous, before, artefacts(run_dir))
        records[chapter.name] = record
        write_json(status_path, status)
        if record["outcome"] == "failed":
            print(f"{chapter.name}: FAILED; what it did so far is in {output.relative_to(root)}")
            return 1
        print(f"{chapter.name}: done in {record['seconds']:.0f} s, peak {record['peak_mb']} MB")
    return 0


def execute(chapter: Chapter, output: Path, environment: dict[str, str], root: Path) -> dict:
    """Run one notebook in the checkout's top folder; papermill keeps what it did on failure."""
    line = ["papermill", str(chapter.source.relative_to(root)), str(output.relative_to(root))]
    for name, value in chapter.cell.items():
        line += ["-r" if isinstance(value, str) else "-p", name, str(value)]
    print(f"{chapter.name}: {shlex.join(line)}", flush=True)
    progress = "--progress-bar" if sys.stderr.isatty() else "--no-progress-bar"
    command = [sys.executable, "-m", *line, progress, "--log-level", "WARNING"]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
    )
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
    return {
        "outcome": "failed" if process.returncode else "ok",
        "title": title(chapter.source),
        "seconds": round(time.monotonic() - started, 1),
        "peak_mb": round(usage.ru_maxrss / unit),  # papermill or its kernel, the larger one
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": git_commit(),
        "parameters": chapter.parameters,
        "source_sha256": sha256(chapter.source),
    }


def _end_with_parent() -> None:
    """In a chapter's process: if the driver is killed, end too (Linux), and the kernel after you.

    A chapter that lived on would write into the run folder beside the next driver's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def kernel_environment(build: Path) -> dict[str, str]:
    """Environment in which ``python3`` is this interpreter's kernel."""
    # ipykernel otherwise warns about its own connection at each start; cells' errors still show
    kernel = get_kernel_dict(extra_arguments=["--log-level=CRITICAL"])
    write_json(build / "jupyter" / "kernels" / "python3" / "kernel.json", kernel)
    jupyter = [str(build / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
    library = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        # glibc: keep freed memory for the next array (see the Makefile)
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**30),
        **os.environ,
        BOOK_RUN: "1",  # numbers go into the pages, not under the cells
        "JUPYTER_PATH": os.pathsep.join(filter(None, jupyter)),
        "PYTHONPATH": os.pathsep.join(filter(None, library)),
    }


def library_key(root: Path) -> str:
    """One hash of the library's files."""
    digest = hashlib.sha256()
    for path in sorted((root / "cogan_lib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(root)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def artefacts(run_dir: Path) -> dict[str, str]:
    """Hash of each file of the run and of each section of its report but `provenance`, which all
    chapters may write."""
    found = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if not path.is_file() or path.name.startswith("."):
            continue
        if name == REPORT:
            sections = read_json(path, "delete it and run the chapters again")
            sections.pop("provenance", None)
            for section, content in sections.items():
                text = json.dumps(content, sort_keys=True)
                found[f"{REPORT}#{section}"] = hashlib.sha256(text.encode()).hexdigest()
        else:
            found[name] = sha256(path)
    return found


def written(previous: dict[str, str], before: dict[str, str], after: dict[str, str]) -> dict:
    """What a chapter has written: new or changed files, and those that it wrote the last time."""
    return {
        name: value
        for name, value in after.items()
        if before.get(name) != value or name in previous
    }


def chapter_key(
    chapter: Chapter,
    library: str,
    sky_key: str,
    left: dict[str, str],
    records: dict[str, dict],
    earlier: list[Chapter],
) -> str:
    """Hash of all that a chapter's result depends on."""
    inputs = {
        name: left.get(name, "missing")
        for other in earlier
        for name in records.get(other.name, {}).get("artefacts", {})
        if not name.startswith(REPORT)  # numbers for the reader, not an input of later steps
    }
    facts = [sha256(chapter.source), library, chapter.parameters, sky_key, inputs]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_current(record: dict, key: str, left: dict[str, str]) -> bool:
    """Whether a chapter ran well from the same inputs and all that it wrote is still there."""
    return (
        record.get("outcome") == "ok"
        and record.get("key") == key
        and not record.get("out_of_date_inputs")
        and all(left.get(name) == value for name, value in record["artefacts"].items())
    )


def title(source: Path) -> str:
    """The notebook's first heading."""
    for cell in json.loads(source.read_text("utf-8"))["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    return source.stem


def machine(settings: Settings) -> dict:
    """Where this ran: system, cores, threads, GPU, versions."""
    gpu = "none"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        gpu = done.stdout.strip().replace("\n", ", ") or "none"
    facts = provenance()
    return {
        "system": facts["machine"],
        "cores": os.cpu_count(),
        "threads": settings.thread_count,
        "gpu": gpu,
        "python": platform.python_version(),
        "versions": facts["versions"],
    }


if __name__ == "__main__":
    sys.exit(main())
