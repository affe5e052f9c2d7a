"""Peak memory, the machine, and the one table: what the benchmarks need beside pytest-benchmark."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil
from formats import duration, limit_seconds, megabytes, times

from cogan_lib.base.files import provenance, read_json, write_json

PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class Size:
    """How large the benchmarks are; tiles' pixels, beams and grids of centres scale with NSIDE."""

    nside: int
    npix: int
    growth: tuple[int, ...]
    smooth_nside: int
    train_npix: int
    train_batch: int


SIZES = {
    "full": Size(2048, 128, (256, 512, 1024, 2048), 1024, train_npix=128, train_batch=4),
    "small": Size(128, 32, (64, 128), 128, train_npix=32, train_batch=1),
}
NAME = os.environ.get("COGAN_BENCH", "full")

#: Title, unit of work, the rival, and the ratio of its time to ours that issue and book ask for.
WORKS = {
    "cut": ("sphere to tiles, from the map's a_lm", "tile", "reproject_from_healpix", 10),
    "cut-map": ("sphere to tiles, from the map itself", "tile", "reproject_from_healpix", None),
    "join": ("tiles to sphere", "tile", "reproject_to_healpix", 10_000),
    "members": ("8 members of a sky together", "member", "one alone", None),
    "minkowski": ("Minkowski V0-V2, 31 thresholds", "tile", "pynkowski", 10),
    "minkowski-fine": ("the same, two points a pixel", "tile", "pynkowski", None),
    "spectra": ("4 auto and 6 cross spectra", "tile", "NaMaster flat", 2),
    "train": ("training step, fp32", "tile", "written plainly", 1.5),
    "train-bf16": ("training step, bf16", "tile", "written plainly", 1.5),
    "smooth": ("smoothing, all multipoles", "map", "hp.smoothing", 3),
    "diagrams": ("colour-magnitude diagrams of new stars", "diagram", "written plainly", None),
    "profiles": ("extinction profiles, 2,000 together", "sightline", "one alone", None),
    "holes": ("holes filled by a Gaussian process", "hole", "biharmonic, scikit-image", None),
    "map-masked": ("sources out of a map, masked", "source", "PSFPhotometry, photutils", None),
    "map-gaussian": ("the same, gaussian", "source", "PSFPhotometry, photutils", None),
    "map-joint": ("the same, joint", "source", "PSFPhotometry, photutils", None),
    "examples": ("new cut-outs to train on", "cut-out", "written plainly", None),
}


class Peak:
    """Largest resident memory of this process within the block, beyond what it had before, in MB.

    Linux keeps the peak itself (VmHWM), native allocations included, and lets a process set it
    back; elsewhere `mb` stays None.
    """

    mb: float | None = None

    def __enter__(self) -> Peak:
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # blocks that are free but kept would hide new ones
            (PROCESS / "clear_refs").write_text("5", "utf-8")
            self._before = _status("VmRSS")
        except (OSError, AttributeError):
            self._before = None
        return self

    def __exit__(self, *problem: object) -> None:
        if self._before is not None:
            self.mb = max(0.0, (_status("VmHWM") - self._before) / 1024)


def _status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    for line in (PROCESS / "status").read_text("utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"no {name} in {PROCESS}/status")


def machine() -> dict:
    """The machine, in words that mean something on paper."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "cpu": name,
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "load": round(os.getloadavg()[0], 2),
    }


class Record(dict):
    """What has been measured so far: sections "limits", "works" and "growth", kept on disk."""

    def __init__(self, path: Path, code: list[str]) -> None:
        kept = read_json(path) if path.exists() else {}
        super().__init__(kept if kept.get("code") == code else {"code": code})
        self.path = path
        for section in ("limits", "works", "growth"):
            self.setdefault(section, {})

    def work(self, name: str) -> dict:
        """The comparison of this name: its words, and of what was measured "ours" and "theirs"."""
        keys = ("title", "unit", "rival", "target")
        return self["works"].setdefault(name, dict(zip(keys, WORKS[name], strict=True)))

    def keep(self) -> None:
        """Write all, with what a reader wants to know about the run."""
        self |= {"machine": machine(), "provenance": provenance()}
        write_json(self.path, self)


def table(record: dict) -> list[str]:
    """The record as lines of text: times, their ratio, memory, limit; agreement below."""
    rows = [("work", "of a", "rival", "its time", "our time", "ratio", "to reach",
             "its MB", "our MB", "limit")]  # fmt: skip
    notes = []
    for work in record["works"].values():
        if "ours" not in work:
            continue
        ours, theirs, title, target = (work.get(k) for k in ("ours", "theirs", "title", "target"))
        limit = limit_seconds(ours, record["limits"])
        rows.append(
            (
                title,
                work["unit"],
                work["rival"],
                duration(theirs["seconds"]) if theirs else "not measured",
                duration(ours["seconds"]),
                times(theirs["seconds"] / ours["seconds"]) if theirs else "-",
                f"{target:,}" if target else "-",
                megabytes(theirs),
                megabytes(ours),
                f"{limit / ours['seconds']:.1%}" if limit else "-",
            )
        )
        sides = [row["note"] for row in (ours, theirs) if row and row.get("note")]
        notes += [f"{title}: {text}" for text in (work.get("agreement"), *sides) if text]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:], rule, *notes]
