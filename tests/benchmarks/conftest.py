"""The benchmarks' size, sky and record; `make bench` runs them, `make test` never does.

Each measurement is kept in ``_build/bench/`` at once, so that an interrupted run goes on where it
stopped. When all are there they become the results that the book shows (at full size), and the next
run starts afresh.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from formats import run_of
from measuring import NAME, SIZES, Peak, Record, Size, table

from cogan_lib.base.files import read_json, sha256, write_json

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "_build" / "bench" / f"parts-{NAME}.json"
RESULTS = {
    "full": ROOT / "book" / "results" / "bench" / "bench.json",
    "small": ROOT / "_build" / "bench" / "small.json",
}
RECORD = pytest.StashKey[Record]()


def pytest_configure(config):
    if NAME not in SIZES:
        raise pytest.UsageError(f"There is no size {NAME!r}; choose {' or '.join(SIZES)}.")
    folders = (ROOT / "cogan_lib", ROOT / "tests" / "benchmarks")
    code = [sha256(path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    config.stash[RECORD] = Record(PARTS, code)


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    record = config.stash[RECORD]
    if not record["works"]:
        return
    terminalreporter.section(f"ours and others, size {NAME}, one thread")
    terminalreporter.write("\n".join(table(record)) + "\n")
    if exitstatus == 0 and not config.option.keyword:
        runs = (read_json(path) for path in (ROOT / "_build" / "executed").glob("*/status.json"))
        profiles = {run["profile"]: run_of(run) for run in runs}
        results = {name: part for name, part in record.items() if name != "code"}
        write_json(RESULTS[NAME], {"size": NAME, "profiles": profiles, **results})
        PARTS.unlink()
        terminalreporter.write(f"Written to {RESULTS[NAME].relative_to(ROOT)}.\n")


@pytest.fixture(scope="session")
def size() -> Size:
    return SIZES[NAME]


@pytest.fixture(scope="session")
def record(request) -> Record:
    """What has been measured so far."""
    return request.config.stash[RECORD]


@pytest.fixture
def measure(benchmark, record):
    """Time a function, and its peak memory.

    measure(function, work, side, ...) stores the least of `rounds` times divided by `count`, the
    units of work that one call does. `side` is "ours" or "theirs"; `note` says what the number
    hides; `bytes` and `flops` (in a `precision`) are what one unit needs at least.
    """

    def run(function, work, side, *, count=1, rounds=3, **facts):
        entry = record.work(work)
        if side in entry:
            pytest.skip("measured before the interruption")
        with Peak() as peak:
            benchmark.pedantic(function, rounds=rounds, iterations=1)
        seconds = benchmark.stats.stats.min / count
        entry[side] = {"seconds": seconds, "count": count, "peak_mb": peak.mb, **facts}
        record.keep()

    return run


@pytest.fixture
def agree(record):
    """Say on what ours and theirs agree, and refuse to compare the times of unequal results."""

    def check(work, what, worst, tolerance):
        assert worst <= tolerance, f"{what}: {worst:.2g}, but at most {tolerance:g} is allowed"
        text = f"{what}: {worst:.2g} (at most {tolerance:g})"
        record.work(work)["agreement"] = text

    return check
