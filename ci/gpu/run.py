"""Every GPU number of this project, in one call, on a machine that is lent for minutes.

    python ci/gpu/run.py PACK RESULTS                # <= 9 minutes by its own clock
    python ci/gpu/run.py PACK RESULTS --tiny         # a minute on a CPU: does it run?
    python ci/gpu/run.py PACK RESULTS --parts lines processes --minutes 3

Parts are done in order of their value, those without a number in the book's record first. After
each one, its numbers are in RESULTS/gpu.json; one that fails is reported there and passed over, one
for which no time is left is not begun. What is made on the way (tiles, checkpoints) stays in the
work folder, for a second call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Parts in order of their value, and the seconds without which none begins.
PARTS = {
    "machine": 5,
    "threads": 15,
    "steps": 30,
    "real": 60,
    "paper": 80,
    "synthesis": 40,
    "lines": 60,
    "processes": 60,
    "compiled": 60,
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 if no part failed."""
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pack", type=Path, help="what ci/gpu/pack.py has made")
    parser.add_argument("results", type=Path, help="folder for gpu.json and what else is to return")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "cogan-gpu")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=unmeasured_first())
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    for folder in (options.results, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    unpack_site(options.pack, options.work)
    functions = import_parts()

    from pack import check_manifest
    from parts import Run
    from steps import device_name

    from cogan_lib.base.files import provenance, write_json

    def left() -> float:
        return 60 * options.minutes - (time.monotonic() - start)

    def log(text: str) -> None:
        line = f"{time.monotonic() - start:6.1f} s  {text}"
        print(line, flush=True)
        with open(options.results / "log.txt", "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    run = Run(options.pack, options.work, options.results, options.tiny, left, log)
    content = {"manifest": check_manifest(options.pack), "tiny": options.tiny, "parts": {}}
    content |= {"device": device_name(), "provenance": provenance(1)}
    helpers = start_helpers(options)
    failed = 0
    try:
        for name in options.parts:
            if left() < PARTS[name] and not options.tiny:
                content["parts"][name] = {"skipped": f"{left():.0f} s were left"}
                log(f"{name}: no time left")
                continue
            log(f"{name} begins")
            began = time.monotonic()
            try:
                numbers = {"numbers": functions[name](run)}
            except Exception as problem:  # the other parts are worth having
                failed += 1
                numbers = {"failed": f"{type(problem).__name__}: {problem}"[:2000]}
                log(traceback.format_exc())
            content["parts"][name] = {"seconds": time.monotonic() - began, **numbers}
            write_json(options.results / "gpu.json", content)
            log(f"{name} took {time.monotonic() - began:.1f} s")
    finally:
        for helper in helpers:
            helper.terminate()
        for path in options.work.glob("*.log"):
            (options.results / path.name).write_bytes(path.read_bytes()[-100_000:])
    write_json(options.results / "gpu.json", content)
    print(summary(content))
    return 1 if failed else 0


def unmeasured_first() -> list[str]:
    """All parts in order of their value; those that no card has measured yet go first."""
    record = ROOT / "book" / "results" / "gpu" / "gpu.json"
    parts = json.loads(record.read_text("utf-8"))["parts"] if record.exists() else {}
    # one that failed once does not stand in the others' way again
    done = {name for name in PARTS if {"numbers", "failed"} & set(parts.get(name, {}))}
    skies = parts.get("synthesis", {}).get("numbers", {}).values()
    if not all(isinstance(sky, dict) for sky in skies):  # a preset had no time
        done.discard("synthesis")
    if "synthesis" not in done:  # which takes the checkpoints that this part leaves
        done.discard("paper")
    # the fine sky takes minutes of the CPUs: what needs it comes after what the card can do now
    waits = ("paper", "synthesis") if "steps" in done else ()
    return sorted(PARTS, key=lambda name: (name in done, name in waits))


def unpack_site(pack: Path, work: Path) -> None:
    """Put the packages of the pack on the path, of this process and of those it starts.

    They are for one version of Python; with another, the packages installed there must do.
    """
    paths = [str(ROOT), str(HERE), str(HERE.parent)]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        packed_for = json.loads((pack / "manifest.json").read_text("utf-8"))["python"]
    except (OSError, ValueError, KeyError):
        sys.exit(f"Error: {pack} is no pack; make one with ci/gpu/pack.py.")
    if (pack / "site.tar.xz").exists() and here == packed_for:
        if not (work / "site").exists():
            with tarfile.open(pack / "site.tar.xz") as archive:
                archive.extractall(work, filter="data")
        paths.append(str(work / "site"))
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])


def import_parts() -> dict:
    """The functions, which need the packages."""
    import lines
    import parts
    import thread_counts

    rooms = (parts, lines, thread_counts)
    return {
        name: next(f for room in rooms if (f := getattr(room, f"{name}_part", None)))
        for name in PARTS
    }


def start_helpers(options: argparse.Namespace) -> list[subprocess.Popen]:
    """The work of the CPUs beside the card's."""
    tiny = ["--tiny"] if options.tiny else []
    commands = {"prepare": [str(options.pack), str(options.work)], "lines": [str(options.work)]}
    helpers = []
    for name, arguments in commands.items():
        with open(options.work / f"{name}.log", "w", encoding="utf-8") as stream:
            command = [sys.executable, str(HERE / f"{name}.py"), *arguments, *tiny]
            helpers.append(subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT))
    return helpers


def summary(content: dict) -> str:
    """A line a part."""
    lines = []
    for name, part in content["parts"].items():
        said = part.get("failed") or part.get("skipped") or json.dumps(part["numbers"])
        lines.append(f"{name}: {said[:1500]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
