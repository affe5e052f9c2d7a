"""Make the book's results on the real sky, weights and reports of one origin, and store them.

    python ci/store_results.py path/to/sky.fits            # with the weights that come along
    python ci/store_results.py path/to/sky.fits --train    # trains all of them anew first

Trained weights are rounded to half precision and put into the package. Then the road's chapters
are run with the package's weights, and their reports and figures (``figures.yaml`` says which)
replace those of the book. The reports name the weights that they are of; a test compares.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
from pathlib import Path

import beside
import yaml

from cogan_lib import road
from cogan_lib.base.config import load_profile
from cogan_lib.base.files import CoganError, read_json, write_bytes, write_json
from cogan_lib.base.made_from import read_with_sum
from cogan_lib.beyond.member_training import trained_on
from cogan_lib.gan.checkpoint import save_half
from cogan_lib.gan.pretrained import LOG, WEIGHTS
from cogan_lib.sky.skyfile import read_sky
from cogan_lib.tiles.split import FOLDS

SHIPPED = WEIGHTS / "planck-hi4pi-nside256"
PARTS = ("real", "beyond")
CHAPTERS = ("01", "02", "03", "04", "05", "06")


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sky", type=Path, help="a sky file")
    parser.add_argument("--train", action="store_true", help="train the weights anew (hours)")
    options = parser.parse_args(arguments)
    profile = load_profile("real").model_copy(update={"sky_path": str(options.sky.resolve())})
    if options.train:
        train_all(profile, SHIPPED)
    run_all = [sys.executable, str(beside.ROOT / "ci/run_notebooks.py"), "--profile", "real"]
    run_all += ["--sky", str(options.sky), "-p", "pretrained", "always", "--only", *CHAPTERS]
    if subprocess.run(run_all, check=False).returncode:
        raise CoganError("A chapter has failed, see above; the stored results are as they were.")
    store(Path(profile.run_dir), beside.ROOT / "_build/executed/real", beside.ROOT / "book/results")
    return 0


def train_all(profile, shipped: Path) -> None:
    """Train the Cycle-GAN and the generators of members of all folds; put them into the package."""
    folder = Path(profile.run_dir) / "to-ship"
    settings = profile.model_copy(update={"pretrained": "never", "run_dir": str(folder)})
    trained = road.train_checkpoint(settings).checkpoint
    ship(trained, trained.with_name(LOG), shipped / "cycle-gan")
    sky, found = read_with_sum(road.need(settings, "sky.fits"), read_sky)
    made_from = {"settings": {}, "inputs": {"sky.fits": found}}
    for fold in range(1, len(FOLDS) + 1):
        name = f"fold-{fold}"
        trained = trained_on(settings, sky, fold, folder / name, made_from)
        ship(trained, trained / LOG, shipped / name)


def ship(trained: Path, log: Path, place: Path) -> None:
    """Put a checkpoint in half precision, and its log, into the package."""
    save_half(trained, place)
    write_bytes(place / LOG, log.read_bytes())
    print(f"{place} is new; its README.md describes the old one.")


def used_weights(run: Path) -> dict[str, str]:
    """Checksum of the generator of each training that a run has used, by its name in the package.

    Raises
    ------
    CoganError
        If one is not the package's.
    """
    folders, sums = {"cycle-gan": run / "checkpoint", "fold-1": run / "members/checkpoint"}, {}
    for name, folder in folders.items():
        used, shipped = (
            read_json(path / "checkpoint.json")["weights_sha256"]["generator_ab"]
            for path in (folder, SHIPPED / name)
        )
        if used != shipped:
            raise CoganError(
                f"{folder} holds other weights than {name} in the package; the stored results are "
                "those of the package's weights, so run with -p pretrained always."
            )
        sums[name] = used
    return sums


def store(run: Path, executed: Path, results: Path) -> None:
    """Write reports and figures; nothing if a part is missing."""
    report = read_json(run / "report.json")
    missing = {"validation", "synthesis", "training", "beyond", "provenance"} - set(report)
    if missing:
        raise CoganError(
            f"{run}/report.json has no {', '.join(sorted(missing))}; run all chapters first."
        )
    sums = used_weights(run)
    pictures = {
        results / part / figure["file"]: picture(executed, figure["from"])
        for part in PARTS
        for figure in yaml.safe_load((results / part / "figures.yaml").read_text("utf-8"))
    }
    beyond = {"beyond": report.pop("beyond"), "provenance": report["provenance"]}
    for part, content in zip(PARTS, (report, beyond), strict=True):
        ours = {name: s for name, s in sums.items() if (name == "cycle-gan") == (part == "real")}
        write_json(results / part / "report.json", content | {"weights": ours})
    for path, content in pictures.items():
        write_bytes(path, content)
    print(f"stored the reports and {len(pictures)} figures of {run}")


def picture(executed: Path, place: str) -> bytes:
    """The PNG that a cell has left; `place` is a chapter's number and the cell's id."""
    number, cell_id = place.split()
    for path in sorted(executed.glob(f"{number}-*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            shown = [o.get("data", {}).get("image/png") for o in cell.get("outputs", [])]
            if cell["id"] == cell_id and any(shown):
                return base64.b64decode(next(filter(None, shown)))
    raise CoganError(f"{executed} has no picture of the cell {cell_id} of chapter {number}.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
