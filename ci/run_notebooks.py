"""Run the book's chapters with papermill, into ``_build/executed/<profile>/``, some side by side.

    python ci/run_notebooks.py --profile smoke
    python ci/run_notebooks.py --profile real --sky path/to/sky.fits
    python ci/run_notebooks.py --only 03 -p max_steps 500

A chapter runs again when its notebook, the library, its parameters, the sky file or a file that a
chapter before it left for it in the run folder has changed. What is run is printed as a papermill
line. Chapters that don't need each other (`schedule`) run at the same time, one a core, as far as
the memory goes; ``--jobs 1`` runs one after another.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import papermill
from beside import ROOT
from chapter_process import Chapter, Running, begin, failure, kernel_environment, promise, title
from companion_settings import companion_settings, companions_of, read_parameters
from left_behind import artefacts, chapter_key, is_current, library_key, written
from schedule import (
    Limits,
    available_mb,
    last,
    makespan,
    pick,
    plan,
    read_order,
    stored_seconds,
)
from times import minutes

from cogan_lib.base.config import Settings, from_command_line
from cogan_lib.base.files import CoganError, provenance, read_json, sha256, write_json
from cogan_lib.base.made_from import alone
from cogan_lib.base.threads import cores

STATUS = "status.json"
#: Between two looks at the chapters that are running.
#: What a kernel reads its number of threads from.
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
LOOK_SECONDS = 0.2


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
        if options.jobs < 0:
            raise CoganError(
                f"--jobs is {options.jobs}; give a number of chapters, or 0 for cores."
            )
        settings, dotted = read_parameters(options.profile, overrides)
        chapters = select(root / "book", settings, dotted, options.only, given=set(overrides))
        check_sky(settings, root)
        executed = root / "_build" / "executed" / Path(options.profile).stem
        with alone(root / settings.run_dir, "driver"):  # its kernels take the steps
            return Driver(chapters, settings, executed, options.only, root, options.jobs).run()
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--profile", default="laptop", help="a name in ci/profiles, or a .yaml file"
    )
    parser.add_argument("--sky", metavar="PATH", help="a sky file instead of the embedded sky")
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N",
        help="chapters at once; default: one a core, but one if there is a GPU to share",
    )  # fmt: skip
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


class Driver:
    """Runs what is out of date, each chapter as soon as what it needs is there.

    Parameters
    ----------
    chapters : list of Chapter
        All of the book, in its order.
    settings : Settings
    executed : Path
        Where the notebooks and ``status.json`` go.
    only : list of str
        Beginnings of the names of the chapters that may run; empty: all.
    root : Path
    jobs : int
        Chapters at once; 0 chooses.
    """

    def __init__(
        self,
        chapters: list[Chapter],
        settings: Settings,
        executed: Path,
        only: list[str],
        root: Path,
        jobs: int = 0,
    ) -> None:
        executed.mkdir(parents=True, exist_ok=True)
        self.chapters = {chapter.name: chapter for chapter in chapters}
        self.executed, self.only, self.root = executed, tuple(only), root
        self.order = read_order(root / "book", list(self.chapters))
        fix = "delete it, and all chapters run again"
        path = executed / STATUS
        self.records = read_json(path, fix).get("chapters", {}) if path.exists() else {}
        self.library = library_key(root)
        self.sky_key = sha256(root / settings.sky_path) if settings.sky_path else ""
        self.run_dir, self.run_name = root / settings.run_dir, settings.run_dir
        facts = machine(settings)
        jobs = jobs or at_once(settings, facts["gpu"])
        self.environment = kernel_environment(root / "_build")
        if jobs > 1:  # the threads of one chapter would fight with those of another
            facts |= {"threads": settings.threads or 1, "side_by_side": jobs}
            self.environment |= dict.fromkeys(THREADS, "1")
        self.about = {"profile": executed.name, "settings": settings.model_dump(), "machine": facts}
        told = {name: found for name, record in self.records.items() if (found := last(record))}
        self.seconds = {name: found["seconds"] for name, found in told.items()}
        self.ranked = stored_seconds(root / "book/results/times.json") | self.seconds
        peaks = {name: found["peak_mb"] for name, found in told.items()}
        self.limits = Limits(jobs, available_mb(), peaks)
        self.pending, self.out_of_date = list(self.chapters), []
        self.ready: dict[str, str] = {}  # whose needs are there, and the key of each
        self.running: dict[str, tuple[Running, dict]] = {}

    def run(self) -> int:
        """Until all is done, or the first failure and what was running then. Returns 0 or 1."""
        failed = ""
        try:
            while True:
                while not failed and (name := self._next()):
                    self._start(name)
                if not self.running:
                    break
                while not (ended := self._ended()):
                    time.sleep(LOOK_SECONDS)
                for name, record in ended.items():
                    if self._end(name, record):
                        continue
                    if self.running or failed:
                        rest = f"; waiting for {', '.join(self.running)}" if self.running else ""
                        print(f"{name}: FAILED{rest}", flush=True)
                    failed = failed or name
        finally:
            self._stop()
        if failed:
            output = self.executed / self.chapters[failed].source.name
            why = f" ({found})" if (found := failure(output)) else ""
            place = output.relative_to(self.root)
            print(f"{failed}: FAILED{why}; what it did so far is in {place}", flush=True)
        return int(bool(failed))

    def _next(self) -> str | None:
        """The chapter to start now; those that need not run are settled on the way."""
        for name in list(self.pending):
            needs, busy = self.order.needs(name), {*self.pending, *self.running}
            if name in self.ready or busy & set(needs):
                continue
            record, left = self.records.get(name, {}), artefacts(self.run_dir)
            chapter = self.chapters[name]
            key = chapter_key(chapter, self.library, self.sky_key, left, self.records, needs)
            if is_current(record, key, left) and (self.executed / chapter.source.name).exists():
                print(f"{name}: up to date ({record['seconds']:.0f} s on {record['date'][:16]})")
                self.pending.remove(name)
            elif self.only and not name.startswith(self.only):
                self.pending.remove(name)
                self.out_of_date.append(name)
            else:
                self.ready[name] = key
        chains = self.order.chains(self.ranked, self.pending)
        return pick(self.ready, list(self.running), chains, self.order, self.limits)

    def _start(self, name: str) -> None:
        chapter, old = self.chapters[name], self.records.get(name, {})
        left = [other for other in self.order.all_needs(name) if other in self.out_of_date]
        if left:
            print(
                f"WARNING: {name} uses what {', '.join(left)} left in {self.run_name}, "
                "which is out of date or missing."
            )
        # From here on its files may be half a new run's and half an old one's. If this process is
        # killed, the next one must know so, and what was there before.
        before = old["before"] if old.get("outcome") == "begun" else artefacts(self.run_dir)
        kept = {"last": found} if (found := last(old)) else {}
        self.records[name] = old | kept | {"outcome": "begun", "before": before}
        self._write()
        self.pending.remove(name)
        print(self._progress(name), flush=True)
        output = self.executed / chapter.source.name
        bar = self.limits.jobs == 1
        environment, threads = self.environment, self.about["machine"]["threads"]
        if self.limits.jobs > 1 and not self.about["settings"]["threads"] and self._lonely(name):
            threads = cores()
            environment = environment | dict.fromkeys(THREADS, str(threads))
        running = begin(chapter, output, environment, self.root, bar)
        facts = {"key": self.ready.pop(name), "out_of_date_inputs": left, "threads": threads}
        self.running[name] = running, {"old": old, "before": before, "kept": kept, "facts": facts}

    def _lonely(self, name: str) -> bool:
        """Whether what may run beside a chapter ends long before it; so it may have all cores."""
        beside = [n for n in self.pending if name not in self.order.all_needs(n)]
        times = (self.ranked.get(other, 0.0) for other in [*beside, *self.running])
        return sum(times) / (self.limits.jobs - 1) < self.ranked.get(name, 0.0) / 2

    def _progress(self, name: str) -> str:
        """Which chapter this is, what it does and, if all have run before, how long it takes."""
        number = list(self.chapters).index(name) + 1
        source = self.chapters[name].source
        line = f"chapter {number} of {len(self.chapters)}: {title(source)}"
        does = textwrap.indent(textwrap.fill(promise(source), 96), "    ")
        todo = [name, *self.running, *(n for n in self.pending if n.startswith(self.only or ""))]
        if not all(other in self.seconds for other in todo):
            return f"{line}\n{does}"
        now = time.monotonic()
        still = {
            other: max(0.0, self.seconds[other] - (now - running.started))
            for other, (running, _) in self.running.items()
        } | {name: self.seconds[name]}
        ordered = [other for other in self.chapters if other in todo]
        rows = plan(ordered, self.seconds, self.order, self.limits, still)
        return (
            f"{line} (about {minutes(self.seconds[name])}; about {minutes(makespan(rows))} left "
            f"for all, from the last run)\n{does}"
        )

    def _ended(self) -> dict[str, dict]:
        looks = {name: running.poll() for name, (running, _) in self.running.items()}
        return {name: record for name, record in looks.items() if record}

    def _end(self, name: str, record: dict) -> bool:
        """Write down how a chapter has ended; whether it has done so well."""
        _, told = self.running.pop(name)
        record |= told["facts"]
        previous, after = told["old"].get("artefacts", {}), artefacts(self.run_dir)
        record["artefacts"] = written(name, self.order, previous, told["before"], after)
        if record["outcome"] == "failed":
            record |= told["kept"]
        self.records[name] = record
        self._write()
        if record["outcome"] == "failed":
            return False
        self.seconds[name] = record["seconds"]
        print(f"{name}: done in {record['seconds']:.0f} s, peak {record['peak_mb']} MB", flush=True)
        return True

    def _write(self) -> None:
        write_json(self.executed / STATUS, self.about | {"chapters": self.records})

    def _stop(self) -> None:
        """End what is still running, after Ctrl-C or an error; a second Ctrl-C has to wait."""
        if not self.running:
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            print(f"Stopping {', '.join(self.running)}.", flush=True)
            for running, _ in self.running.values():
                running.stop()
        finally:
            signal.signal(signal.SIGINT, before)


def at_once(settings: Settings, gpu: str) -> int:
    """How many chapters run at the same time: one a core, or one if they would share a GPU."""
    if gpu != "none" and settings.device != "cpu":
        return 1
    return max(1, cores() // (settings.threads or 1))


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
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped; the same command goes on with the chapters that have not ended.")
        sys.exit(130)
