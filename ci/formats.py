"""How numbers and commits are written, on the book's pages and in what `make bench` prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def duration(seconds: float, digits: int = 3) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60), ("s", 1)):
        if seconds >= 2 * size or (unit == "s" and seconds >= 1):
            return f"{seconds / size:,.{digits}g} {unit}"
    return f"{1e3 * seconds:.{digits}g} ms"


def times(ratio: float) -> str:
    """A ratio to three digits, never as a power of ten."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def extent(values: Iterable[float], spec: str) -> str:
    """The least to the greatest of some numbers."""
    values = list(values)
    return f"{min(values):{spec}} to {max(values):{spec}}"


def limit_seconds(row: dict, limits: dict) -> float | None:
    """Least seconds of a unit of work: its bytes copied, or its FLOPs in a matrix product."""
    least = []
    for need, rate in (("bytes", "copy_bytes_s"), ("flops", f"flops_s_{row.get('precision')}")):
        if row.get(need):
            if rate not in limits:
                return None  # an interrupted run
            least.append(row[need] / limits[rate])
    return max(least, default=None)


def run_of(status: dict) -> dict:
    """What the table of profiles wants of a run's ``status.json``."""
    keys, chapters = ("seconds", "peak_mb"), status["chapters"]
    return {
        "date": max(part["date"] for part in chapters.values()),
        "cores": status["machine"]["cores"],
        "chapters": {name: {key: part[key] for key in keys} for name, part in chapters.items()},
    }


def span_minutes(status: dict) -> int | None:
    """Minutes from the first chapter's start to the last one's end, of what ran in one go.

    None if it was several goes: then there are gaps, of hours or days. A chapter's ``date`` is its
    end.
    """
    parts = [
        (datetime.fromisoformat(part["date"]).timestamp(), part["seconds"])
        for part in status["chapters"].values()
    ]
    span = max(end for end, _ in parts) - min(end - seconds for end, seconds in parts)
    work = sum(seconds for _, seconds in parts)
    return round(span / 60) if span <= work + 60 else None


def megabytes(row: dict | None) -> str:
    """Peak memory of a measured row."""
    return f"{row['peak_mb']:,.0f}" if row and row.get("peak_mb") is not None else "–"


def short_commit(record: dict) -> str:
    """The commit that a chapter ran with, for people."""
    name, dirty, _ = record["commit"].partition("-dirty")
    return f"{name[:12] if len(name) == 40 else name}{' with changes' if dirty else ''}"
