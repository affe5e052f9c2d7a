"""kill -9 at any moment: the next process goes on, and ends with the same bits.

Processes are forked from a server that has imported the library, so that each costs little. Where a
kill shall hit a certain moment the process is its own killer: it counts its steps, or what it does
to files, and sends itself SIGKILL at a given number.
"""

import copy
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from multiprocessing import forkserver, get_context
from pathlib import Path

import numpy as np
import pytest
import run_notebooks
from tqdm import tqdm

from cogan_lib import road, synthesis
from cogan_lib.base.config import Settings
from cogan_lib.base.files import read_json
from cogan_lib.base.made_from import to_header
from cogan_lib.gan import training
from cogan_lib.gan.checkpoint import load_checkpoint, load_state
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.training import train
from cogan_lib.sky.skyfile import write_sky
from cogan_lib.synthesis import synthesise
from cogan_lib.tiles.patches import Patches
from tests.base.test_processes import toy_sky
from tests.ci.test_ci import TRAINING, book, drive, execute_here, in_process, save, status  # noqa: F401
from tests.gan.test_training import SETTINGS, same_weights, toy_patches
from tests.road import VOUCHED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of files")
HERE = Path(__file__).resolve().parent
LONG = replace(SETTINGS, max_epochs=5)
#: What is done to files; a process can be killed before each of these.
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir"}
forks = get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def server():
    """Starts the server of forks, which finds and loads this module in advance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE.parent / "ci")]))
        patch.setenv("TQDM_DISABLE", "1")
        forks.set_forkserver_preload(["test_killed"])
        forkserver.ensure_running()


def run(target, folder: Path, moment: tuple = ("never", 0)) -> bool:
    """Whether a process comes to its end; otherwise it was killed.

    The moment of its death is ('after', seconds), from outside; ('step', n), in the nth piece of
    work; ('touch', n), before it touches files in its folder for the nth time; or ('half', n), soon
    after that, when a file has been written and half of it is on the disk.
    """
    process = forks.Process(target=_begin, args=(target, folder, moment))
    process.start()
    process.join(moment[1] if moment[0] == "after" else None)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def _begin(target, folder: Path, moment: tuple) -> None:
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a killed process leaves behind
    kind, number = moment
    if kind in ("touch", "half"):
        die_at_touch(folder, number, kind == "half")
    target(folder, number if kind == "step" else 0)


def die(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_touch(folder: Path, number: int, half: bool) -> None:
    """The moments 'touch' and 'half'; ``touched`` beside `folder` gets the name of the file."""
    count, fsync = 0, os.fsync

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in TOUCHES or not str(arguments[0]).startswith(f"{folder}/"):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == number:
            with open(folder.with_name("touched"), "a") as stream:
                stream.write(f"{event} {arguments[0]}\n")
            if not half:
                die()
            os.fsync = cut

    def cut(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        if os.path.isdir(path):
            return fsync(handle)
        os.truncate(path, os.path.getsize(path) // 2)
        die()

    sys.addaudithook(watch)


def counted(function, number: int, every=lambda: None):
    """`function`, which kills the process when it is called for the nth time."""
    calls = 0

    def wrapped(*arguments):
        nonlocal calls
        calls += 1
        every()
        return die() if calls == number else function(*arguments)

    return wrapped


def moments(seed: int, counts: dict[str, tuple[int, float]]) -> list[tuple]:
    """Shuffled moments of death: of each kind so many, with numbers up to so much."""
    draw, found = random.Random(seed), []
    for kind, (number, most) in counts.items():
        for _ in range(number):
            when = draw.uniform(0.05, most) if kind == "after" else draw.randint(1, most)
            found.append((kind, when))
    draw.shuffle(found)
    return found


# ---------------------------------------------------------------- training


def training_process(folder: Path, fatal_step: int) -> None:
    training.STATE_SECONDS = 0.0
    CycleGan._descend = counted(CycleGan._descend, fatal_step)  # three times in a step
    train(Patches.load(folder / "patches.npz"), LONG, folder, resume=True)


def epochs(folder: Path) -> int:
    """That a process would not have to repeat."""
    state = folder / "state.pt"
    return len(load_state(state)["history"]) if state.exists() else 0


def log_of(folder: Path) -> list[dict]:
    if not (folder / "training_log.csv").exists():
        return []
    with open(folder / "training_log.csv", newline="") as stream:
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


def test_a_training_killed_twenty_times_ends_with_the_same_weights(whole, tmp_path):
    parts, log, killed, had_weights = tmp_path / "parts", log_of(whole), 0, False
    toy_patches().save(parts / "patches.npz")
    touched, aims = tmp_path / "touched", ("checkpoint/", ".state.pt.", "/.training_log.csv.")
    counts = {"step": (12, 30), "touch": (20, 45), "half": (12, 45), "after": (6, 1)}
    for moment in moments(5, counts):  # more than are needed: some come after a process's end
        if killed >= 20 and all(name in touched.read_text() for name in aims):
            break
        if epochs(parts) == LONG.max_epochs:
            (parts / "state.pt").unlink()  # once more from the start, with old files in the way
        killed += not run(training_process, parts, moment)
        # whatever is there is whole: nothing between two epochs, nothing lost that was there
        assert log_of(parts) == log[: len(log_of(parts))]
        if had_weights or (parts / "checkpoint" / "checkpoint.json").exists():
            had_weights = load_checkpoint(parts / "checkpoint").metrics["epoch"] <= len(log)
    assert killed >= 20 and all(name in touched.read_text() for name in aims)
    assert run(training_process, parts)
    assert log_of(parts) == log and [row["epoch"] for row in log] == list("12345")
    assert same_weights(parts / "checkpoint", whole / "checkpoint")
    assert len(list((parts / "checkpoint").glob("*.safetensors"))) == 2


# ---------------------------------------------------------------- synthesis


def synthesis_process(folder: Path, fatal_batch: int) -> None:
    def count() -> None:
        with open(folder.with_name("batches"), "a") as stream:
            stream.write(".")

    synthesis.PART_SECONDS = 0.0
    synthesis.generate = counted(synthesis.generate, fatal_batch, count)
    road.synthesise = partial(synthesise, batch_size=64)
    road.co_sky_file(Settings.check(run_dir=str(folder), device="cpu", threads=1))


def test_a_synthesis_goes_on_at_the_tile_that_it_reached(whole, tmp_path):
    run_dir, batches = tmp_path / "run", 12 * 16**2 // 64
    (tmp_path / "run").mkdir()
    for name in ("patches.npz", "checkpoint"):
        (run_dir / name).symlink_to(whole / name)
    sky = toy_sky()
    write_sky(run_dir / "sky.fits", replace(sky, meta={**sky.meta, **to_header(VOUCHED)}))
    assert run(synthesis_process, run_dir)
    alone = (run_dir / "co.fits").read_bytes()
    assert (tmp_path / "batches").read_text() == batches * "."
    names = ["checkpoint", "co.fits", "patches.npz", "sky.fits"]
    assert sorted(path.name for path in run_dir.iterdir() if path.suffix != ".lock") == names

    (run_dir / "co.fits").unlink()
    killed = 0
    for moment in moments(2, {"step": (4, 10), "touch": (3, 20), "half": (3, 20)}):
        killed += not run(synthesis_process, run_dir, moment)
    assert not (run_dir / "co.fits").exists() and (run_dir / "co.part.npz").exists()
    assert run(synthesis_process, run_dir)
    again = len((tmp_path / "batches").read_text()) - 2 * batches
    assert killed == 10 and 0 < again <= killed  # each time no more than the batch it died in
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


def test_a_driver_killed_in_a_chapter_runs_that_chapter_again(book, in_process, tmp_path):  # noqa: F811
    """With real kernels until the kill; then only what has to be done again."""
    slow = copy.deepcopy(TRAINING)
    slow["cells"][-1]["source"] += (
        "\nimport os, time\nif Path('slow').exists():\n"
        "    Path('slow').write_text(str(os.getpid()))\n    time.sleep(100)"
    )
    save(book, "02-training", slow)
    (book / "slow").write_text("")
    command = (
        "import sys, pathlib, run_notebooks; root = pathlib.Path(sys.argv[1])\n"
        "run_notebooks.main(['--profile', str(root / 'toy.yaml')], root=root)"
    )
    paths = os.pathsep.join([str(HERE.parent / "ci"), str(HERE.parent)])
    driver = subprocess.Popen(
        [sys.executable, "-c", command, str(book)], env={**os.environ, "PYTHONPATH": paths}
    )
    kernel = wait_for(lambda: (book / "slow").read_text())
    driver.kill()
    driver.wait()
    wait_for(lambda: not Path("/proc", kernel).exists())  # and papermill, its parent, before it
    (book / "slow").unlink()
    chapters = status(book)["chapters"]
    assert chapters["01-sky"]["outcome"] == "ok" and chapters["02-training"]["outcome"] == "begun"
    assert drive(book) == 0 and in_process == ["02-training"]
    # though the killed chapter had left the very same file
    assert "checkpoint/weights.txt" in status(book)["chapters"]["02-training"]["artefacts"]
    assert drive(book) == 0 and in_process == ["02-training"]


def driver_process(root: Path, _: int) -> None:
    def execute(chapter, output, environment, top):
        with open(root.with_name("ran"), "a") as stream:
            stream.write(f"{chapter.name}\n")
        os.chdir(top)
        return execute_here(chapter, output)

    run_notebooks.execute = execute
    assert drive(root) == 0


def test_a_driver_killed_at_any_moment_repeats_only_what_was_not_finished(book, tmp_path_factory):  # noqa: F811
    root = shutil.copytree(book, tmp_path_factory.mktemp("driver") / "book")
    allowed, killed = dict.fromkeys(("01-sky", "02-training"), 0), 0
    for moment in moments(3, {"touch": (5, 12), "half": (3, 12)}):
        file = root / "_build" / "executed" / "toy" / "status.json"
        chapters = read_json(file)["chapters"] if file.exists() else {}
        for name in allowed:
            allowed[name] += chapters.get(name, {}).get("outcome") != "ok"
        killed += not run(driver_process, root, moment)
    assert killed >= 6 and run(driver_process, root)
    ran = (root.parent / "ran").read_text().split()
    assert all(1 <= ran.count(name) <= allowed[name] + 1 for name in allowed)
    chapters = status(root)["chapters"]
    assert "sky.fits" in chapters["01-sky"]["artefacts"]
    assert "checkpoint/weights.txt" in chapters["02-training"]["artefacts"]
    assert run(driver_process, root) and (root.parent / "ran").read_text().split() == ran


def test_half_a_run_never_passes_for_the_whole_one_before(book, in_process, monkeypatch):  # noqa: F811
    """Run, change a parameter, be killed with half a notebook written, take the change back."""
    assert drive(book) == 0
    execute = run_notebooks.execute

    def interrupted(chapter, output, environment, root):
        output.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(run_notebooks, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drive(book, "-p", "max_minutes", "3.0")
    monkeypatch.setattr(run_notebooks, "execute", execute)
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
