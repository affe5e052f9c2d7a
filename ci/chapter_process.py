"""One chapter's process: papermill and its kernel, begun, watched and ended."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from beside import ROOT
from ipykernel.kernelspec import get_kernel_dict

from cogan_lib.base.files import git_commit, sha256, write_json
from cogan_lib.base.session import BOOK_RUN

#: Until what has been asked to end is killed.
PATIENCE_SECONDS = 3.0


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


class Running:
    """A chapter's papermill process, which keeps what it did on failure."""

    def __init__(self, chapter: Chapter, command: list[str], environment: dict, root: Path) -> None:
        self.chapter, self.started = chapter, time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )  # fmt: skip

    def poll(self) -> dict | None:
        """The record of the run, once it has ended; None before."""
        pid, code, usage = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return None
        self.process.returncode = os.waitstatus_to_exitcode(code)
        unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
        return {
            "outcome": "failed" if self.process.returncode else "ok",
            "title": title(self.chapter.source),
            "seconds": round(time.monotonic() - self.started, 1),
            "peak_mb": round(usage.ru_maxrss / unit),  # papermill or its kernel, the larger one
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": git_commit(),
            "parameters": self.chapter.parameters,
            "source_sha256": sha256(self.chapter.source),
        }

    def stop(self) -> None:
        """End it, its kernel and whatever that has started; return when they are gone."""
        pid, family = self.process.pid, []
        for process in psutil.process_iter(["environ"]):  # papermill itself may have gone already
            if (process.info["environ"] or {}).get("JPY_PARENT_PID") == str(pid):
                with suppress(psutil.NoSuchProcess):
                    family += [process, *process.children(recursive=True)]
        with suppress(psutil.NoSuchProcess):
            family.append(psutil.Process(pid))
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)
        self.process.wait()


def begin(
    chapter: Chapter, output: Path, environment: dict[str, str], root: Path, bar: bool = False
) -> Running:
    """Start one notebook in the checkout's top folder, with papermill's progress bar or without."""
    line = ["papermill", str(chapter.source.relative_to(root)), str(output.relative_to(root))]
    for name, value in chapter.cell.items():
        line += ["-r" if isinstance(value, str) else "-p", name, str(value)]
    print(f"{chapter.name}: {shlex.join(line)}", flush=True)
    progress = "--progress-bar" if bar and sys.stderr.isatty() else "--no-progress-bar"
    command = [sys.executable, "-m", *line, progress, "--log-level", "WARNING"]
    return Running(chapter, command, environment, root)


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


def title(source: Path) -> str:
    """The notebook's first heading."""
    for cell in json.loads(source.read_text("utf-8"))["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    return source.stem


def promise(source: Path) -> str:
    """What the notebook does: the first sentence below its heading, "" if there is none."""
    first = json.loads(source.read_text("utf-8"))["cells"][0]
    parts = "".join(first["source"]).split("\n\n")
    return " ".join(parts[1].split()) if len(parts) > 1 and parts[0].startswith("# ") else ""


def failure(output: Path) -> str:
    """What went wrong in an executed notebook, in the words of the cell that failed."""
    with suppress(OSError, ValueError):
        for cell in json.loads(output.read_text("utf-8"))["cells"]:
            for found in cell.get("outputs", []):
                if found["output_type"] == "error":
                    return f"{found['ename']}: {found['evalue']}".splitlines()[0]
    return ""
