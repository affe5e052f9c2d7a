"""Which chapters may run side by side, in which order they start, and how long all of them take.

    python ci/schedule.py                       the plan for this machine, from the last run's times
    python ci/schedule.py --jobs 2 --stored     for two at once, from book/results/times.json
    python ci/schedule.py --jobs 2 --stored --seconds 03-training 300      if that took 5 minutes

What each chapter reads and leaves stands in ``book/_includes/order.yaml``. Of the chapters that
could start, the one goes first whose chain of those that wait for it takes longest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import times
from beside import ROOT

from cogan_lib.base import threads
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.base.yaml_data import read_yaml

TABLE = Path("_includes", "order.yaml")
#: Of a chapter that has not been run here: no chapter of the laptop's profile has needed more.
DEFAULT_MB, DEFAULT_SECONDS = 2800, 60.0
#: Of papermill, beside its kernel.
OWN_MB = 150


@dataclass(frozen=True)
class Order:
    """The chapters' names in the book's order, and the table's reads and writes of each."""

    names: list[str]
    reads: dict[str, list[str]]
    writes: dict[str, list[str]]

    def mine(self, name: str, artefact: str) -> bool:
        """Whether a chapter may have written an artefact: it says so, or nobody does."""
        writers = [n for n, some in self.writes.items() if _among(artefact, some)]
        return name in writers or not writers

    def needs(self, name: str) -> list[str]:
        """The earlier chapters that leave what this one reads; all of them if it doesn't say."""
        earlier = self.names[: self.names.index(name)]
        if name not in self.reads:
            return earlier
        read = self.reads[name]
        return [n for n in earlier if n not in self.writes or set(read) & set(self.writes[n])]

    def all_needs(self, name: str) -> list[str]:
        """Its needs, and theirs, in the book's order."""
        found = set(self.needs(name))
        for other in reversed(self.names[: self.names.index(name)]):
            if other in found:
                found |= set(self.needs(other))
        return [other for other in self.names if other in found]

    def beside(self, name: str, other: str) -> bool:
        """Whether two chapters may run at the same time."""
        return name in self.reads and other in self.reads

    def chains(self, seconds: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
        """Seconds from each chapter's start to the end of the longest chain that waits for it."""
        found, of = {}, list(names)
        for name in reversed(of):
            later = [found[other] for other in found if name in self.needs(other)]
            found[name] = seconds.get(name, DEFAULT_SECONDS) + max(later, default=0.0)
        return found


def _among(artefact: str, entries: Iterable[str]) -> bool:
    return any(artefact == entry or artefact.startswith(f"{entry}/") for entry in entries)


def read_order(book: Path, names: Sequence[str]) -> Order:
    """The table of a book; without one every chapter waits for all before it.

    Raises
    ------
    CoganError
        If it is not readable, or a chapter reads what none before it writes.
    """
    path, reads, writes = book / TABLE, {}, {}
    if not path.exists():
        return Order(list(names), reads, writes)
    try:
        for row in read_yaml(path.read_bytes()):
            reads[row["name"]], writes[row["name"]] = list(row["reads"]), list(row["writes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CoganError(
            f"{path} must be a list of chapters with name, reads and writes ({error})."
        ) from error
    order = Order(list(names), reads, writes)
    for place, name in enumerate(names):
        left = {entry for other in names[:place] for entry in writes.get(other, ())}
        if lost := [entry for entry in reads.get(name, ()) if entry not in left]:
            raise CoganError(f"{path}: {name} reads {lost[0]}, which no chapter before it writes.")
    return order


@dataclass(frozen=True)
class Limits:
    """What the chapters that run at one time may take together.

    Attributes
    ----------
    jobs : int
        At once.
    room_mb : float
        Memory.
    peaks : dict of str to float
        What each chapter took the last time [MB].
    """

    jobs: int
    room_mb: float
    peaks: Mapping[str, float]

    def peak(self, name: str) -> float:
        """What it is reckoned to take [MB]."""
        return self.peaks.get(name, DEFAULT_MB) + OWN_MB


def pick(
    ready: Iterable[str],
    running: Sequence[str],
    chains: Mapping[str, float],
    order: Order,
    limits: Limits,
) -> str | None:
    """The chapter that starts now, beside those that are running; None if none may.

    One that takes more memory than there is runs alone.
    """
    free = limits.room_mb - sum(limits.peak(name) for name in running)
    for name in sorted(ready, key=lambda name: (-chains[name], order.names.index(name))):
        if not running:
            return name
        fits = len(running) < limits.jobs and limits.peak(name) <= free
        if fits and all(order.beside(name, other) for other in running):
            return name
    return None


def plan(
    todo: Sequence[str],
    seconds: Mapping[str, float],
    order: Order,
    limits: Limits,
    running: Mapping[str, float] | None = None,
) -> list[tuple[str, float, float]]:
    """When each chapter would start and end, as the driver does it, if the times were as given.

    Parameters
    ----------
    todo : sequence of str
        Chapters that have to be run, in the book's order; what they need is there, or among them.
    seconds : dict of str to float
    order : Order
    limits : Limits
    running : dict of str to float, optional
        Seconds that chapters which have started still take.

    Returns
    -------
    list of (name, start, end)
        In the order of the ends.
    """
    ends, begun, rows, now = dict(running or {}), {}, [], 0.0
    begun |= dict.fromkeys(ends, 0.0)
    waiting, chains = [name for name in todo if name not in ends], order.chains(seconds, todo)
    while waiting or ends:
        blocked = {*waiting, *ends}
        ready = [name for name in waiting if not blocked & set(order.needs(name))]
        name = pick(ready, list(ends), chains, order, limits)
        if name is not None:
            waiting.remove(name)
            begun[name], ends[name] = now, now + seconds.get(name, DEFAULT_SECONDS)
            continue
        done = min(ends, key=ends.__getitem__)
        now = ends.pop(done)
        rows.append((done, begun[done], now))
    return rows


def makespan(rows: Sequence[tuple[str, float, float]]) -> float:
    """Seconds until the last chapter of a plan has ended."""
    return max((end for _, _, end in rows), default=0.0)


def available_mb() -> float:
    """Memory that may be taken now: the system's, within the container's limit."""
    free = psutil.virtual_memory().available
    try:
        most = int((threads.CGROUP / "memory.max").read_text("utf-8"))
        used = int((threads.CGROUP / "memory.current").read_text("utf-8"))
        told = (threads.CGROUP / "memory.stat").read_text("utf-8").split()
        given_back = int(told[told.index("inactive_file") + 1])  # the cache of files
        free = min(free, most - used + given_back)
    except (OSError, ValueError):  # "max", another version, another system
        pass
    return max(0, free) / 2**20


def last(record: Mapping) -> dict[str, float]:
    """Seconds and peak_mb of a chapter's last run that came to its end; {} if there is none."""
    done = record if record.get("outcome") == "ok" else record.get("last", {})
    return {key: done[key] for key in ("seconds", "peak_mb") if key in done}


def stored_seconds(record: Path = times.RECORD) -> dict[str, float]:
    """The laptop's seconds of each chapter that came with the book; {} if there are none."""
    return read_json(record).get("cpu", {}).get("seconds", {}) if record.exists() else {}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="laptop", help="whose last run counts")
    parser.add_argument("--stored", action="store_true", help="take the shipped times")
    parser.add_argument("--jobs", type=int, default=threads.cores(), help="chapters at once")
    parser.add_argument(
        "--seconds", nargs=2, action="append", default=[], metavar=("CHAPTER", "SECONDS"),
        help="if a chapter took so long (may be repeated)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    names = [path.stem for path in sorted((root / "book").glob("[0-9][0-9]-*.ipynb"))]
    order = read_order(root / "book", names)
    status = root / "_build" / "executed" / options.profile / "status.json"
    records = read_json(status)["chapters"] if status.exists() else {}
    told = {name: found for name in names if (found := last(records.get(name, {})))}
    seconds = {name: found["seconds"] for name, found in told.items()}
    if options.stored:
        seconds = stored_seconds(root / "book" / "results" / times.RECORD.name)
    seconds |= {name: float(value) for name, value in options.seconds}
    if missing := [name for name in names if name not in seconds]:
        if not options.stored:
            raise CoganError(f"No run has left a time of {', '.join(missing)}; try --stored.")
        print(f"No stored time of {', '.join(missing)}: {DEFAULT_SECONDS:.0f} s assumed.")
        seconds |= dict.fromkeys(missing, DEFAULT_SECONDS)
    peaks = {name: found["peak_mb"] for name, found in told.items()}
    limits = Limits(options.jobs, available_mb(), peaks)
    rows = plan(names, seconds, order, limits)
    print("chapter                   needs                start    end  chain")
    chains = order.chains(seconds, names)
    for name, begin, end in sorted(rows, key=lambda row: (row[1], row[0])):
        needed = ", ".join(other[:2] for other in order.needs(name)) or "-"
        print(f"{name:25s} {needed:18s} {begin:7.0f}{end:7.0f}{chains[name]:7.0f}")
    chain, total = max(chains.values()), sum(seconds[name] for name in names)
    print(
        f"one after another {total / 60:.1f} min; longest chain {chain / 60:.1f} min; "
        f"{options.jobs} at once {makespan(rows) / 60:.1f} min"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
