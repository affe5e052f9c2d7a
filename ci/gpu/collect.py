"""Take what a GPU run has left into the project: numbers for the book, weights that are better.

    python ci/gpu/collect.py RESULTS [RESULTS ...] [--dry-run] [--weights NAME ...]

Several calls of run.py, in their order, become one record, ``book/results/gpu/gpu.json``: of each
part the last one that worked, beside what is in the record already. Trained weights are compared
with those that came with the package, by the score on validation tiles, or by the loss of a flow;
those named with --weights take their place, in half precision.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # not an installed library

from cogan_lib.base.files import CoganError, read_json, write_bytes, write_json
from cogan_lib.gan.checkpoint import save_half
from cogan_lib.gan.pretrained import LOG, WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "book" / "results" / "gpu" / "gpu.json"
#: Where the weights of run.py's part "real" belong.
ROOM = WEIGHTS / "planck-hi4pi-nside256"


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints the parts and the comparison of the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="+", help="folders of run.py, in their order")
    parser.add_argument("--record", type=Path, default=RECORD, help="JSON file to add to")
    parser.add_argument("--weights", nargs="*", default=[], metavar="NAME", help="to be taken over")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    record = read_json(options.record) if options.record.exists() else {"parts": {}}
    runs = [read_json(folder / "gpu.json") for folder in options.results]
    for run in runs:
        merge(record, run)
    for name, part in record["parts"].items():
        said = part.get("failed") or part.get("skipped") or f"{part['seconds']:.0f} s"
        print(f"{name:12s} {part['device']:24s} {said[:100]}")
    for folder in options.results:
        if (folder / "real.tar").exists():
            compare(folder / "real.tar", [] if options.dry_run else options.weights)
    if not options.dry_run:
        write_json(options.record, record)
    return 0


def merge(record: dict, run: dict) -> None:
    """Add a run's parts to the record; a part that worked is not replaced by one that did not."""
    if run["tiny"] and not all(part.get("tiny") for part in record["parts"].values()):
        raise CoganError("A tiny run measures nothing; it does not go into a record of real ones.")
    made = run["provenance"]
    machine = run["parts"].get("machine", {}).get("numbers", {})
    where = {"device": run["device"], "tiny": run["tiny"], "git_commit": made["git_commit"]}
    for name, part in run["parts"].items():
        old = record["parts"].get(name, {})
        if "numbers" in part or "numbers" not in old:
            record["parts"][name] = part | where
    record["device"] = run["device"]
    record["torch"] = machine.get("torch", record.get("torch", ""))
    record["provenance"] = made


def compare(path: Path, wanted: list[str]) -> None:
    """Print each training's best score beside the shipped one's; take over the wanted ones."""
    with tempfile.TemporaryDirectory() as temporary, tarfile.open(path) as archive:
        archive.extractall(temporary, filter="data")
        names = sorted(folder.name for folder in Path(temporary).iterdir())
        for missing in set(wanted) - set(names):
            raise CoganError(f"{path} holds no weights {missing}; it has {', '.join(names)}.")
        for name in names:
            folder = Path(temporary) / name
            kind, new = best_score((folder / LOG).read_text("utf-8"))
            shipped = ROOM / name / LOG
            old = best_score(shipped.read_text("utf-8"))[1] if shipped.exists() else None
            print(f"{name}: {kind} {new:.3f}, shipped {old if old is None else f'{old:.3f}'}")
            if name in wanted:
                take_over(folder, ROOM / name)


def best_score(log: str) -> tuple[str, float]:
    """The lowest score in a training's log; of a flow, which has none, the last loss."""
    rows = list(csv.DictReader(io.StringIO(log)))
    if "score" in rows[0]:
        return "score", min(float(row["score"]) for row in rows)
    return "loss", float(rows[-1]["loss"])


def take_over(source: Path, target: Path) -> None:
    """Put a checkpoint in half precision, and its log, into a room of the package's weights."""
    save_half(source, target)
    write_bytes(target / LOG, (source / LOG).read_bytes())
    print(f"{target.name}: taken over; fill its row in {WEIGHTS / 'README.md'}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
