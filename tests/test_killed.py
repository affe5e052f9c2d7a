"""kill -9 at any moment: the next process goes on, and ends with the same bits (tests/forks.py)."""

import copy
import csv
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import run_notebooks

from cogan_lib import synthesis
from cogan_lib.base.files import read_json
from cogan_lib.base.made_from import to_header
from cogan_lib.gan.checkpoint import load_checkpoint, load_state
from cogan_lib.sky.skyfile import write_sky
from cogan_lib.synthesis import synthesise
from tests.books import TRAINING, drive, save, status
from tests.forked import (
    driver_process,
    real_driver_process,
    synthesis_process,
    training_process,
)
from tests.forks import moments, run, start
from tests.road import VOUCHED
from tests.toys import same_weights, toy_patches, toy_sky

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of files")


# ---------------------------------------------------------------- training


def epochs(folder: Path) -> int:
    """That a process would not have to repeat."""
    state = folder / "state.pt"
    return len(load_state(state)["history"]) if state.exists() else 0


def log_of(folder: Path) -> list[dict]:
    if not (folder / "training_log.csv").exists():
        return []
    with open(folder / "training_log.csv", newline="", encoding="utf-8") as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Run folder of a training that nobody has disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "whole"
    patches = toy_patches()
    patches = replace(patches, meta={**patches.meta, "made_from": VOUCHED})
    patches.save(folder / "patches.npz")
    assert run(training_process, folder)
    return folder


#: While the weights are written, or renamed, or the state, or the log; in a step; and somewhere.
FEW = [
    ("half", 1, "generator_ab"),
    ("touch", 4, "generator_ba"),
    ("half", 1, ".state.pt."),
    ("touch", 4, ".new.csv"),
    ("step", 10),
    ("touch", 4, ".state.pt."),
    ("half", 1, "/.training_log.csv."),
    ("after", 0.2),
]
MANY = moments(5, {"step": (12, 30), "touch": (20, 45), "half": (12, 45), "after": (6, 1)})


@pytest.mark.parametrize(
    ("least", "deaths"), [(7, FEW), pytest.param(20, MANY, marks=pytest.mark.slow)], ids=["7", "20"]
)
def test_a_killed_training_ends_with_the_same_weights(whole, tmp_path, least, deaths):
    parts, log, killed, had_weights = tmp_path / "parts", log_of(whole), 0, False
    toy_patches().save(parts / "patches.npz")
    touched, aims = tmp_path / "touched", ("checkpoint/", ".state.pt.", "/.training_log.csv.")
    for moment in deaths:  # more than are needed: some come after a process's end
        if killed >= least and all(name in touched.read_text("utf-8") for name in aims):
            break
        if epochs(parts) == 5:
            (parts / "state.pt").unlink()  # once more from the start, with old files in the way
        killed += not run(training_process, parts, moment)
        # whatever is there is whole: nothing between two epochs, nothing lost that was there
        assert log_of(parts) == log[: len(log_of(parts))]
        if had_weights or (parts / "checkpoint" / "checkpoint.json").exists():
            had_weights = load_checkpoint(parts / "checkpoint").metrics["epoch"] <= len(log)
    assert killed >= least and all(name in touched.read_text("utf-8") for name in aims)
    assert run(training_process, parts)
    assert log_of(parts) == log and [row["epoch"] for row in log] == list("12345")
    assert same_weights(parts / "checkpoint", whole / "checkpoint")
    assert len(list((parts / "checkpoint").glob("*.safetensors"))) == 2


# ---------------------------------------------------------------- synthesis


@pytest.mark.parametrize(
    "deaths",
    [
        [("step", 4), ("half", 12), ("touch", 9), ("step", 9)],
        pytest.param(
            moments(2, {"step": (4, 10), "touch": (3, 20), "half": (3, 20)}), marks=pytest.mark.slow
        ),
    ],
    ids=["4", "10"],
)
def test_a_synthesis_goes_on_at_the_tile_that_it_reached(whole, tmp_path, deaths):
    run_dir, batches = tmp_path / "run", 12 * 8**2 // 16
    (tmp_path / "run").mkdir()
    for name in ("patches.npz", "checkpoint"):
        (run_dir / name).symlink_to(whole / name)
    sky = toy_sky()
    write_sky(run_dir / "sky.fits", replace(sky, meta={**sky.meta, **to_header(VOUCHED)}))
    assert run(synthesis_process, run_dir)
    alone = (run_dir / "co.fits").read_bytes()
    assert (tmp_path / "batches").read_text("utf-8") == batches * "."
    names = ["checkpoint", "co.fits", "patches.npz", "sky.fits"]
    assert sorted(path.name for path in run_dir.iterdir() if path.suffix != ".lock") == names

    (run_dir / "co.fits").unlink()
    killed = 0
    for moment in deaths:
        killed += not run(synthesis_process, run_dir, moment)
    assert not (run_dir / "co.fits").exists() and (run_dir / "co.part.npz").exists()
    assert run(synthesis_process, run_dir)
    again = len((tmp_path / "batches").read_text("utf-8")) - 2 * batches
    assert killed == len(deaths) and 0 < again <= killed  # the batch that it died in
    assert (run_dir / "co.fits").read_bytes() == alone
    assert not (run_dir / "co.part.npz").exists()


def test_a_part_of_another_sky_is_not_taken(whole, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr(synthesis, "PART_SECONDS", 0.0)
    trained, sky, part = load_checkpoint(whole / "checkpoint"), toy_sky(), tmp_path / "part.npz"
    options = {"progress": False, "batch_size": 1000}
    alone = synthesise(sky, trained, **options).maps["W_CO10"]
    brighter = replace(sky, maps={name: 1.1 * values for name, values in sky.maps.items()})
    synthesise(brighter, trained, part=part, **options)
    for spoil, words in ((slice(None), "part of another sky"), (slice(1000), "is damaged")):
        part.write_bytes(part.read_bytes()[spoil])
        again = synthesise(sky, trained, part=part, **options)
        assert "Starting over" in caplog.text and words in caplog.text
        np.testing.assert_array_equal(again.maps["W_CO10"], alone)


# ---------------------------------------------------------------- the driver


def test_a_driver_killed_in_a_chapter_runs_that_chapter_again(book, in_process, tmp_path):
    """With a real kernel in the chapter of the kill; then only what has to be done again."""
    slow = copy.deepcopy(TRAINING)
    slow["cells"][-1]["source"] += (
        "\nimport os, time\nif Path('slow').exists():\n"
        "    Path('slow').write_text(str(os.getpid()))\n    time.sleep(100)"
    )
    save(book, "02-training", slow)
    (book / "slow").write_text("", "utf-8")
    assert drive(book, "--only", "01") == 0
    driver = start(real_driver_process, book)
    kernel = wait_for(lambda: (book / "slow").read_text("utf-8"))
    driver.kill()
    driver.join()
    wait_for(lambda: not Path("/proc", kernel).exists())  # and papermill, its parent, before it
    (book / "slow").unlink()
    chapters = status(book)["chapters"]
    assert chapters["01-sky"]["outcome"] == "ok" and chapters["02-training"]["outcome"] == "begun"
    assert drive(book) == 0 and in_process == ["01-sky", "02-training"]
    # though the killed chapter had left the very same file
    assert "checkpoint/weights.txt" in status(book)["chapters"]["02-training"]["artefacts"]
    assert drive(book) == 0 and in_process == ["01-sky", "02-training"]


def test_a_driver_killed_at_any_moment_repeats_only_what_was_not_finished(book, tmp_path_factory):
    root = shutil.copytree(book, tmp_path_factory.mktemp("driver") / "book")
    allowed, killed = dict.fromkeys(("01-sky", "02-training"), 0), 0
    for moment in moments(3, {"touch": (5, 12), "half": (3, 12)}):
        file = root / "_build" / "executed" / "toy" / "status.json"
        chapters = read_json(file)["chapters"] if file.exists() else {}
        for name in allowed:
            allowed[name] += chapters.get(name, {}).get("outcome") != "ok"
        killed += not run(driver_process, root, moment)
    assert killed >= 6 and run(driver_process, root)
    ran = (root.parent / "ran").read_text("utf-8").split()
    assert all(1 <= ran.count(name) <= allowed[name] + 1 for name in allowed)
    chapters = status(root)["chapters"]
    assert "sky.fits" in chapters["01-sky"]["artefacts"]
    assert "checkpoint/weights.txt" in chapters["02-training"]["artefacts"]
    assert run(driver_process, root) and (root.parent / "ran").read_text("utf-8").split() == ran


def test_half_a_run_never_passes_for_the_whole_one_before(book, in_process, monkeypatch):
    """Run, change a parameter, be killed with half a notebook written, take the change back."""
    assert drive(book) == 0
    begin = run_notebooks.begin

    def interrupted(chapter, output, environment, root, bar):
        output.write_text("half", "utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(run_notebooks, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drive(book, "-p", "max_minutes", "3.0")
    monkeypatch.setattr(run_notebooks, "begin", begin)
    in_process.clear()
    assert drive(book) == 0 and in_process == ["02-training"]


def wait_for(condition, seconds: float = 60.0):
    """What `condition` returns, as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("waited for too long")
