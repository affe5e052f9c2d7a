"""Make one figure of the book again, and say whether it has the same pixels as the built one.

    python ci/remake.py fig-validation-tiles
    python ci/remake.py fig-training-curves --profile smoke --out curves.png

The figure's chapter is run again, up to and with the cell that draws it, with the parameters of the
profile's last run and on a copy of that run's folder: nothing of the run changes. Cells before the
figure's that it does not need are run too (what it needs is not looked for), later ones are not. A
figure with a slider is HTML, whose text is compared.
"""

from __future__ import annotations

import argparse
import difflib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from beside import ROOT
from chapter_process import Chapter, begin, failure, kernel_environment
from figures import Figure, figures_of

from cogan_lib.base.files import (
    CoganError,
    cannot_write,
    git_commit,
    provenance,
    read_json,
    sha256,
    write_bytes,
    write_json,
)
from cogan_lib.base.made_from import alone

#: Steps of 255 in red, green, blue or opacity that nobody sees.
UNSEEN = 2
LOOK_SECONDS = 0.2
#: Copies of runs in _build are named so; what is older was left by a process that was killed.
PREFIX, OLD_SECONDS = "remake-", 24 * 3600
MAY_DIFFER = (
    "Matplotlib draws the same numbers with the same pixels, on one machine. What may differ: "
    "the notebook or the library since that run, versions of packages, fonts, the processor or "
    "GPU (last digits of sums), seconds that a figure shows, trainings that end after minutes, "
    "and what later chapters have left in the run folder."
)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if it is the same figure, 1 if it differs, 2 if it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("figure", help="its name, which the address of its caption's # ends with")
    parser.add_argument("--profile", default="laptop", help="the run that it is a figure of")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.png", help="where it goes; default: _build/remade"
    )
    options = parser.parse_args(arguments)
    executed = root / "_build" / "executed" / Path(options.profile).stem
    try:
        status = _status(executed)
        built = find(executed, status, options.figure)
        out = _out(options.out, built, root)
        sweep(root / "_build")
        for line in changes(built, status, root):
            print(line)
        made = remake(built, status, root)
        write_bytes(out, made.content)
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    difference = compare(built, made)
    print(f"{out}: {made.size}, SHA-256 {made.hash}…")
    print(
        f"{difference}\n{MAY_DIFFER}" if difference else f"the same {made.parts} as the built one"
    )
    return int(bool(difference))


def _status(executed: Path) -> dict:
    """The record of a profile's run."""
    if not (executed / "status.json").exists():
        raise CoganError(
            f"No chapter has been run with profile {executed.name}; run "
            f"`make book PROFILE={executed.name}`, or choose another with --profile."
        )
    return read_json(executed / "status.json", "delete it, and run the book again")


def find(executed: Path, status: dict, name: str) -> Figure:
    """The figure of that name in a run's notebooks.

    Raises
    ------
    CoganError
        If no cell has drawn one: the sentence has the names that are like it. If its chapter has
        not run to its end.
    """
    found = {}
    for chapter, record in status["chapters"].items():
        if record["outcome"] == "ok" and (executed / f"{chapter}.ipynb").exists():
            found |= {fig.name: fig for fig in figures_of(executed / f"{chapter}.ipynb")}
    name = name.rpartition("#")[2]  # of an address
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "its name is the end of the address that the # at its caption links to."
    )
    raise CoganError(
        f"No cell of the chapters that ran with profile {executed.name} has drawn a figure "
        f"{name!r}; {hint}"
    )


def _out(out: Path | None, built: Figure, root: Path) -> Path:
    """Where the figure goes; refused before the chapter has run for minutes."""
    out = out or root / "_build" / "remade" / f"{built.name}.{built.kind}"
    if out.suffix.lower() != f".{built.kind}" or out.is_dir():
        raise CoganError(f"--out is {out}; {built.name} wants the name of a .{built.kind} file.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise CoganError(f"Cannot write {out}: {error.strerror}; choose another --out.") from None
    return out


def sweep(build: Path) -> None:
    """Remove the copies of runs that killed processes have left; not those of today."""
    for folder in build.glob(f"{PREFIX}*"):
        if folder.stat().st_mtime < time.time() - OLD_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def changes(built: Figure, status: dict, root: Path) -> list[str]:
    """What is not as it was when the run drew the figure, one line each."""
    record, then, now = status["chapters"][built.chapter], status["machine"], provenance()
    lines = []
    if sha256(root / "book" / f"{built.chapter}.ipynb") != record["source_sha256"]:
        lines.append(f"NOTE: {built.chapter} has changed since it was run.")
    if record["commit"] != (commit := git_commit()):
        lines.append(f"NOTE: it was run with commit {record['commit']}, this is {commit}.")
    facts = [("system", then["system"], now["machine"]), ("Python", then["python"], now["python"])]
    facts += [(name, old, now["versions"].get(name)) for name, old in then["versions"].items()]
    lines += [
        f"NOTE: {name} was {old}, here it is {new}." for name, old, new in facts if old != new
    ]
    return lines


def remake(built: Figure, status: dict, root: Path) -> Figure:
    """Run a figure's chapter as far as the figure, and return what its cell has drawn.

    Parameters
    ----------
    built : Figure
    status : dict
        The record of the run that drew it.
    root : Path
        The checkout.

    Raises
    ------
    CoganError
        If a cell fails, there is no run folder, it is being written to, or there is no room for
        its copy.
    """
    record, source = status["chapters"][built.chapter], root / "book" / f"{built.chapter}.ipynb"
    notebook = json.loads(source.read_text("utf-8"))
    places = [n for n, cell in enumerate(notebook["cells"]) if cell["id"] == built.cell]
    if not places:
        raise CoganError(
            f"{built.chapter} has no cell {built.cell} any more; run the book again with `make "
            f"book PROFILE={status['profile']}`."
        )
    count, notebook["cells"] = len(notebook["cells"]), notebook["cells"][: places[0] + 1]
    print(
        f"{built.chapter}: {places[0] + 1} of {count} cells, all as far as {built.cell}, needed or "
        f"not; the whole chapter took {record['seconds']:.0f} s",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=root / "_build", prefix=PREFIX) as made:
        folder = Path(made)
        copy_run(root / status["settings"]["run_dir"], folder / "run", status["profile"])
        write_json(folder / source.name, notebook)
        run_dir = {"run_dir": str((folder / "run").relative_to(root))}
        chapter = Chapter(folder / source.name, record["parameters"] | run_dir)
        threads = str(record.get("threads", status["machine"]["threads"]))
        environment = kernel_environment(folder)
        environment |= {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        done = folder / "done" / source.name
        done.parent.mkdir()
        running = begin(chapter, done, environment, root, bar=True)
        try:
            while not (ended := running.poll()):
                time.sleep(LOOK_SECONDS)
        except BaseException:
            running.stop()
            raise
        if ended["outcome"] != "ok":
            why = failure(done) or "papermill has ended"
            raise CoganError(f"{built.chapter} failed before {built.name} was drawn ({why}).")
        found = {figure.name: figure for figure in figures_of(done)}
    if built.name not in found:
        raise CoganError(f"The cell {built.cell} has drawn no figure {built.name} this time.")
    return found[built.name]


def copy_run(run: Path, target: Path, profile: str) -> None:
    """Copy a run folder, in which the chapter may then write as it likes."""
    if not run.is_dir():
        raise CoganError(f"There is no run folder {run}; run `make book PROFILE={profile}`.")
    try:
        with alone(run, "driver"):  # not while the book is run in it
            shutil.copytree(run, target, ignore=shutil.ignore_patterns(".*"))
    except shutil.Error as error:  # several: source, target and reason of each
        source, _, reason = error.args[0][0]
        raise CoganError(f"Cannot copy {source} of the run: {reason}") from None
    except OSError as error:
        raise cannot_write(target, error) from None


def compare(built: Figure, made: Figure) -> str:
    """How a figure differs from the built one, in a sentence; "" if it does not."""
    if made.hash == built.hash:
        return ""
    if made.kind != built.kind or made.size != built.size or made.kind == "html":
        return f"NOT the same: the built one has {built.size}, SHA-256 {built.hash}…"
    difference = np.abs(made.pixels.astype(int) - built.pixels).max(axis=2)
    seen = np.count_nonzero(difference > UNSEEN)
    return (
        f"NOT the same pixels as the built one, SHA-256 {built.hash}…: {seen:,} of "
        f"{difference.size:,} ({seen / difference.size:.2%}) differ by more than {UNSEEN} of 255, "
        f"the most by {difference.max()}; {np.count_nonzero(difference):,} differ at all"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped.")
        sys.exit(130)
