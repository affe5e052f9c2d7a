"""Same seed, same answer: to the bit on one machine, within what the book says otherwise."""

import csv
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from cogan_lib import road
from cogan_lib.base.files import read_json
from cogan_lib.gan import recipes
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.sky.skyfile import read_sky
from cogan_lib.synthesis import synthesise
from cogan_lib.tiles.patches import Patches
from tests.road import toy_settings, validate_run, walk
from tests.toys import TINY, same_weights

#: Two threads wait for each other once a layer: the fewer batches, the better.
large_batches = partial(synthesise, batch_size=256)
BOOK = Path(__file__).resolve().parents[1] / "book"


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Run folder, training and validation of the whole road, with the tiny network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.PRESETS, "cogan", TINY)
        patch.setattr(road, "synthesise", large_batches)
        folder = tmp_path_factory.mktemp("one")
        sections = walk(toy_settings(folder, batch_size=32))
        yield folder, sections


def tolerance(change: str, what: str) -> float:
    """The number in the book's table of what may differ from run to run."""
    lines = (BOOK / "troubleshooting.md").read_text("utf-8").splitlines()
    table = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("  |")]
    column = next(i for i, title in enumerate(table[0]) if what in title)
    cell = next(row for row in table if change in row[1])[column]
    return float(cell.removesuffix(" %")) / (100 if cell.endswith("%") else 1)


def test_two_runs_are_equal_bit_by_bit(one, tmp_path):
    folder, sections = one
    again = walk(toy_settings(tmp_path, batch_size=32))
    assert (tmp_path / "sky.fits").read_bytes() == (folder / "sky.fits").read_bytes()
    mine, theirs = (Patches.load(path / "patches.npz") for path in (tmp_path, folder))
    for name in ("inputs", "targets", "lonlat", "split"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert mine.meta["scalings"] == theirs.meta["scalings"]
    assert same_weights(tmp_path / "checkpoint", folder / "checkpoint")
    mine, theirs = (read_sky(path / "co.fits").maps for path in (tmp_path, folder))
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name])
    assert again == sections
    reports = [read_json(path / "report.json")["validation"] for path in (tmp_path, folder)]
    assert reports[0] == reports[1]


CHANGES = {"CPU threads": {"threads": 2}, "bf16-mixed": {"precision": "bf16-mixed"}}


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_other_threads_and_number_formats_stay_within_the_books_tolerances(one, tmp_path, change):
    folder, sections = one
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoint", "co*"))
    settings = toy_settings(tmp_path / "run", batch_size=32, **CHANGES[change])
    torch.set_num_threads(settings.thread_count)
    try:
        patches = road.patches_file(settings)
        history = road.train_checkpoint(settings).history
        co = read_sky(road.co_sky_file(settings)).maps
        again = validate_run(settings)
        trained = load_checkpoint(folder / "checkpoint")
        sky = read_sky(folder / "sky.fits")
        like = large_batches(sky, trained, nthreads=settings.thread_count, progress=False).maps
    finally:
        torch.set_num_threads(1)

    def within(what: str, mine, theirs, scale) -> None:
        assert np.max(np.abs(np.subtract(mine, theirs)) / scale) <= tolerance(change, what)

    mine, theirs = (Patches.load(path) for path in (patches, folder / "patches.npz"))
    for i in range(theirs.inputs.shape[1]):
        tiles = theirs.inputs[:, i].astype(float)
        within("Tiles", mine.inputs[:, i], tiles, tiles.std())
    with open(folder / "training_log.csv", newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    losses = ("generator", "cycle", "pair", "discriminator_a", "discriminator_b")
    for name in losses:
        within("Losses", history[0][name], float(row[name]), float(row[name]))
    for name, before in read_sky(folder / "co.fits").maps.items():
        within("equal weights", like[name], before, before.max())
        difference = (co[name] - before).std()
        within("trained anew", difference, 0, before.std())
        ratios = [x[name]["spectrum"]["median_ratio"] for x in (again, sections)]
        within("Power", *ratios, ratios[1])
