"""A changed parameter gives the new result or one sentence, never yesterday's file."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import papermill
import pytest
import run_notebooks
import yaml

from cogan_lib import __main__ as command_line
from cogan_lib import road
from cogan_lib.base import made_from, session
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, read_json, sha256, write_json
from cogan_lib.gan import pretrained, recipes, schedule
from cogan_lib.gan.training import train
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import TEST, TRAIN
from tests.road import TINY, toy_settings, walk

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"fwhm_arcmin": 60.0, "tile_pixel_arcmin": 20.0, "batch_size": 64}
CHEAP = ("sky.fits", "patches.npz", "co.fits", "report.json")


def settings_of(folder: Path, **changes) -> Settings:
    return toy_settings(folder, **{**SMALL, **changes})


def like_the_real_sky(sky, trained, *, nthreads, part, **facts) -> Sky:
    """In the place of `synthesise`: a CO sky at once."""
    maps = {name: sky.maps[name] for name in sky.targets}
    return Sky(maps, {name: sky.units[name] for name in maps}, sky.fwhm_arcmin, facts)


@pytest.fixture(scope="module", autouse=True)
def toys():
    """The tiny network, a synthesis that costs nothing, and no settings of the global kind."""
    library = logging.getLogger("cogan_lib")
    handlers, level, folder = list(library.handlers), library.level, Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.PRESETS, "cogan", TINY)
        patch.setattr(road, "synthesise", like_the_real_sky)
        patch.setattr(road, "make_sky", cache(road.make_sky))
        yield
    library.handlers[:] = handlers
    library.setLevel(level)
    os.chdir(folder)


@pytest.fixture(scope="module")
def walked(toys, tmp_path_factory) -> Path:
    """The run folder of the whole road."""
    folder = tmp_path_factory.mktemp("walked") / "run"
    road.need(settings_of(folder), "report.json")
    return folder


@pytest.fixture
def run(walked, tmp_path, caplog) -> Path:
    """A copy of it, to spoil."""
    caplog.set_level("INFO")
    shutil.copytree(walked, tmp_path / "run")
    return tmp_path / "run"


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def of_patches(folder: Path) -> str:
    return Patches.load(folder / "patches.npz").checksum()


def other_sky(walked: Path, path: Path, factor: float) -> str:
    """A sky file of one's own."""
    sky = read_sky(walked / "sky.fits")
    maps = {name: factor * values for name, values in sky.maps.items()}
    return str(write_sky(path, replace(sky, maps=maps)))


CHANGES = {
    "tile_npix": {"tile_npix": 20},
    "target_scaling": {"target_scaling": "log"},
    "seed": {"seed": 2},
    "sky_path": {},
}


def changed(name: str, walked: Path, tmp_path: Path) -> dict:
    if name == "sky_path":
        return {"sky_path": other_sky(walked, tmp_path / "mine.fits", 1.5)}
    return CHANGES[name]


# ---------------------------------------------------------------- what is there and fits


def test_what_fits_is_taken_as_it_is(run, caplog):
    before = content(run)
    for name in (*CHEAP, "checkpoint"):
        assert road.need(settings_of(run, threads=2), name) == run / name
    assert content(run) == before and "NOTE" not in caplog.text


def test_every_artefact_says_what_it_was_made_from(run):
    settings = settings_of(run)
    for name in (*CHEAP, "checkpoint"):
        record = made_from.read_record(run / road.STEPS[name].whole)
        asked = road.STEPS.asked(settings, name)
        if name == "checkpoint":  # no limit has ended the training
            del asked["max_minutes"]
            asked["pretrained"] = "never"
        assert record["settings"] == asked
        assert set(record["inputs"]) == set(road.STEPS[name].inputs)
    assert record["inputs"] == {"patches.npz": of_patches(run)}
    assert made_from.read_record(run / "co.fits")["inputs"]["sky.fits"] == sha256(run / "sky.fits")


def test_what_is_missing_is_made_with_a_note(tmp_path, caplog):
    caplog.set_level("INFO")
    path = road.need(settings_of(tmp_path), "sky.fits")
    assert path.exists() and "sky.fits is missing; making it here, as chapter 01" in caplog.text


def test_a_folder_with_half_a_checkpoint_has_none(run):
    """A process killed in its first checkpoint has left a folder with weights, and no more."""
    (run / "checkpoint" / "checkpoint.json").unlink()
    road.need(settings_of(run), "checkpoint")
    assert (run / "checkpoint" / "checkpoint.json").exists()


def test_provenance_is_of_what_was_read(walked, tmp_path, run):
    source = Path(other_sky(walked, tmp_path / "mine.fits", 2.0))
    settings, theirs = settings_of(run, sky_path=str(source)), sha256(source)
    assert sha256(road.need(settings, "sky.fits")) == sha256(run / "sky.fits")
    read = sha256(run / "sky.fits")
    source.write_bytes(b"another file by now")
    (run / "sky.fits").write_bytes((run / "sky.fits").read_bytes() + bytes(2880))
    facts = road.run_provenance(settings)
    assert facts["sky_sha256"] == read and facts["sky_source_sha256"] == theirs
    assert facts["sky_source"] == "mine.fits"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("one", "utf-8")
    assert made_from.read_with_sum(path, Path.read_text) == ("one", sha256(path))
    with pytest.raises(CoganError, match="was changed while it was read"):
        made_from.read_with_sum(path, lambda path: path.write_text("two", "utf-8"))


# ---------------------------------------------------------------- what is there and does not fit


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_parameter_makes_the_tiles_anew_and_refuses_the_weights(
    name, walked, run, tmp_path, caplog
):
    before, changes = content(run), changed(name, walked, tmp_path)
    settings = settings_of(run, **changes)
    for artefact in ("checkpoint", "co.fits", "report.json"):  # refused before anything is made
        with pytest.raises(CoganError, match=f"{name} was .*, now it is .* run chapter 03"):
            road.need(settings, artefact)
    assert content(run) == before
    road.need(settings, "patches.npz")
    assert "patches.npz was made with other settings" in caplog.text
    assert f"{name} was" in caplog.text
    fresh = settings_of(tmp_path / "fresh", **changes)
    road.need(fresh, "patches.npz")
    assert of_patches(run) == of_patches(tmp_path / "fresh") != of_patches(walked)
    road.need(settings_of(run), "report.json")  # back again: the old tiles, and all fits
    assert of_patches(run) == of_patches(walked)


@pytest.mark.parametrize("name", CHANGES)
def test_so_it_is_on_the_command_line(name, walked, run, tmp_path, caplog):
    given = settings_of(run).model_dump(exclude_unset=True)
    profile = tmp_path / "toy.yaml"
    profile.write_text(yaml.safe_dump(given), "utf-8")
    changes = changed(name, walked, tmp_path).items()
    more = [word for key, value in changes for word in ("-p", key, str(value))]

    def call(step: str, *words: str) -> None:
        command_line.main([step, "--profile", str(profile), *words])

    for step in ("synthesise", "report"):
        with pytest.raises(CoganError, match=f"{name} was .*, now it is"):
            call(step, *more)
    with pytest.raises(CoganError, match="belongs to another run"):
        call("train", *more, "--resume")
    call("train", *more)
    call("report", *more)
    assert "co.fits was made with other settings" in caplog.text
    sections = read_json(run / "report.json")
    kept = sections["made_from"]["settings"]
    if name != "sky_path":
        assert kept[name] == CHANGES[name][name]
    assert sections["made_from"]["inputs"]["patches.npz"] == of_patches(run) != of_patches(walked)


def test_the_command_line_knows_every_step(tmp_path):
    made = {"sky": "sky.fits", "patches": "patches.npz", "train": "checkpoint",
            "synthesise": "co.fits", "report": "report.json",
            "members": "co_members.fits"}  # fmt: skip
    assert set(command_line.STEPS) == set(made)
    assert {step.make for name, step in road.STEPS.items() if name != "members"} == set(
        command_line.STEPS.values()
    )
    profile = tmp_path / "toy.yaml"
    given = settings_of(tmp_path / "run").model_dump(exclude_unset=True)
    profile.write_text(yaml.safe_dump(given), "utf-8")
    for step in ("sky", "patches", "report"):
        command_line.main([step, "--profile", str(profile)])
        assert (tmp_path / "run" / made[step]).exists()
    with pytest.raises(CoganError, match="without --resume"):
        command_line.main(["sky", "--profile", str(profile), "--resume"])


def test_a_budget_that_was_changed_is_named(run):
    with pytest.raises(CoganError, match=r"max_steps was 5, now it is 15\), and making it again"):
        road.need(settings_of(run, max_steps=15), "checkpoint")


def test_a_sky_file_with_the_same_name_and_other_content_is_noticed(walked, run, tmp_path, caplog):
    settings = settings_of(run, sky_path=other_sky(walked, tmp_path / "mine.fits", 1.5))
    road.need(settings, "patches.npz")
    first, caplog_before = of_patches(run), len(caplog.text)
    road.need(settings, "patches.npz")
    assert len(caplog.text) == caplog_before
    other_sky(walked, tmp_path / "mine.fits", 3.0)
    road.need(settings, "patches.npz")
    assert of_patches(run) != first
    assert "sky_path was one of SHA-256" in caplog.text[caplog_before:]
    (tmp_path / "mine.fits").rename(tmp_path / "moved.fits")
    with pytest.raises(CoganError, match="no sky file"):
        road.need(settings, "patches.npz")
    road.need(settings.model_copy(update={"sky_path": str(tmp_path / "moved.fits")}), "patches.npz")


def test_weights_of_other_tiles_are_refused_and_a_sky_of_other_weights_is_made_anew(run, caplog):
    card = run / "checkpoint" / "checkpoint.json"
    write_json(card, read_json(card) | {"note": "trained elsewhere"})
    road.need(settings_of(run), "report.json")
    assert "co.fits was made from another checkpoint" in caplog.text
    patches = Patches.load(run / "patches.npz")
    replace(patches, targets=2 * patches.targets).save(run / "patches.npz")
    for name in ("checkpoint", "co.fits"):
        with pytest.raises(CoganError, match="from another patches.npz than the one that is there"):
            road.need(settings_of(run), name)


def test_old_files_without_settings(run, caplog):
    sky = read_sky(run / "sky.fits")
    before = sha256(run / "sky.fits")
    meta = {key: value for key, value in sky.meta.items() if key != "madefrom"}
    write_sky(run / "sky.fits", replace(sky, meta=meta))
    road.need(settings_of(run), "sky.fits")
    assert "sky.fits does not say what it was made from; making it here" in caplog.text
    assert sha256(run / "sky.fits") == before
    card = run / "checkpoint" / "checkpoint.json"
    old = read_json(card)
    old.pop("made_from")
    write_json(card, old)
    with pytest.raises(CoganError, match=r"does not say what it was made from, .* run chapter 03"):
        road.need(settings_of(run), "co.fits")


# ---------------------------------------------------------------- trainings


def test_a_training_that_went_on_longer_says_so(run):
    for steps in (10, 15):  # whether an epoch was better or not
        longer = settings_of(run, max_steps=steps)
        road.train_checkpoint(longer, resume=True)
        road.need(longer, "checkpoint")
    with pytest.raises(CoganError, match="max_steps was 15, now it is 5"):
        road.need(settings_of(run), "checkpoint")


def test_a_limit_counts_only_where_it_has_ended_a_training(run, monkeypatch):
    settings = settings_of(run, max_minutes=9.0)
    road.train_checkpoint(settings)
    for other in (settings, settings_of(run), settings_of(run, max_minutes=1.0)):
        road.need(other, "checkpoint")
    with monkeypatch.context() as patch:
        patch.setattr(schedule.Schedule, "late", lambda self: True)
        assert road.train_checkpoint(settings).stopped_by == "minutes"
    road.need(settings, "checkpoint")
    with pytest.raises(CoganError, match=r"max_minutes was 9.0, now it is 0.0\), and making it"):
        road.need(settings_of(run), "checkpoint")
    assert road.train_checkpoint(settings_of(run), resume=True).stopped_by == "steps"
    road.need(settings_of(run), "checkpoint")


def test_weights_with_a_budget_of_epochs_are_another_training(run):
    """As an older version has left them: a sentence, and they can be gone on with."""
    card = run / "checkpoint" / "checkpoint.json"
    content = read_json(card)
    settings = content["made_from"]["settings"] | {"max_epochs": 200, "max_minutes": 12.0}
    settings.pop("max_steps")
    write_json(card, content | {"made_from": content["made_from"] | {"settings": settings}})
    with pytest.raises(CoganError, match=r"max_minutes was 12.0, now it is 0.0\), and making it"):
        road.need(settings_of(run), "checkpoint")
    longer = settings_of(run, max_steps=10)
    assert road.train_checkpoint(longer, resume=True).steps == 10
    road.need(longer, "checkpoint")


def test_a_state_of_other_targets_or_scalings_is_not_gone_on_from(run):
    settings = settings_of(run, max_steps=10, target_scaling="log")
    with pytest.raises(
        CoganError, match=r"another run: scaling of W_CO\d\d was .*asinh.* now .*log"
    ):
        road.train_checkpoint(settings, resume=True)
    patches = Patches.load(road.need(settings_of(run), "patches.npz"))
    brighter = replace(patches, targets=np.float32(1.01) * patches.targets)
    chosen = recipes.training_settings(settings_of(run, max_steps=10), 2, patches.targets.shape[1])
    with pytest.raises(CoganError, match="another run: target tiles was one of SHA-256"):
        train(brighter, chosen, run, resume=True)
    assert train(patches, chosen, run, resume=True).epochs == 2


def test_weights_trained_on_a_bare_machine_know_their_tiles(run):
    patches = Patches.load(run / "patches.npz")
    chosen = recipes.training_settings(settings_of(run), 2, patches.targets.shape[1])
    train(patches, chosen, run)
    road.need(settings_of(run), "checkpoint")
    with pytest.raises(CoganError, match="snr_min was 8"):
        road.need(settings_of(run, snr_min=5.0), "checkpoint")


def test_weights_that_came_along_are_taken_up_again(run, tmp_path, monkeypatch):
    """A training's own budget does not count for weights that were not trained here."""
    along = tmp_path / "weights" / "toy" / "cycle-gan"
    shutil.copytree(run / "checkpoint", along)
    shutil.copy(run / "training_log.csv", along)
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")
    taking = settings_of(run, pretrained="always")
    with pytest.raises(CoganError, match='pretrained was "never", now it is "always"'):
        road.need(taking, "checkpoint")
    road.train_checkpoint(taking)
    road.need(taking.model_copy(update={"max_minutes": 9.0, "batch_size": 8}), "co.fits")
    road.need(settings_of(run), "co.fits")  # "alone" leaves it open
    with pytest.raises(CoganError, match='pretrained was "always", now it is "never"'):
        road.need(settings_of(run, pretrained="never"), "checkpoint")
    with pytest.raises(CoganError, match="snr_min was 8"):
        road.need(taking.model_copy(update={"snr_min": 5.0}), "co.fits")


def test_a_chapter_opened_alone_takes_weights_that_came_along(run, tmp_path, monkeypatch, caplog):
    along = tmp_path / "weights" / "toy" / "cycle-gan"
    shutil.copytree(run / "checkpoint", along)
    shutil.copy(run / "training_log.csv", along)
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")

    def weights():
        return read_json(run / "checkpoint" / "checkpoint.json")["weights_sha256"]

    theirs = weights()
    shutil.rmtree(run / "checkpoint")
    with caplog.at_level("INFO", "cogan_lib"):
        road.need(settings_of(run, batch_size=9), "checkpoint")  # would train other weights
    assert "Weights toy/cycle-gan came with the package" in caplog.text
    assert weights() == theirs
    shutil.rmtree(run / "checkpoint")
    road.need(settings_of(run, pretrained="never", max_steps=2), "checkpoint")
    assert weights() != theirs
    road.train_checkpoint(settings_of(run, max_steps=2))  # chapter 03 itself trains
    assert (
        read_json(run / "checkpoint" / "checkpoint.json")["made_from"]["settings"]["pretrained"]
        == "never"
    )


# ---------------------------------------------------------------- two drivers


@pytest.fixture
def rival():
    """Starts a process that holds a run folder, and gives it back as it is killed."""
    processes = []

    def start(folder: Path, what: str) -> subprocess.Popen:
        code = (
            "import sys, time; from cogan_lib.base.made_from import alone\n"
            "with alone(sys.argv[1], sys.argv[2]): print('mine', flush=True); time.sleep(60)"
        )
        command = [sys.executable, "-c", code, str(folder), what]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        processes.append(process)
        assert process.stdout.readline() == "mine\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_steps_in_one_folder(run, rival, monkeypatch):
    monkeypatch.setattr(made_from, "WAIT_SECONDS", 0.1)
    other = rival(run, "step")
    road.need(settings_of(run), "sky.fits")  # reading is free
    for work in (road.sky_file, lambda s: road.need(s.model_copy(update={"seed": 2}), "sky.fits")):
        with pytest.raises(CoganError, match=f"writing into the run folder {run}; wait until"):
            work(settings_of(run))
    other.send_signal(signal.SIGKILL)
    other.wait()
    road.sky_file(settings_of(run))  # nothing is left that would have to be removed


def test_a_second_driver_is_refused_and_the_first_ones_kernels_are_not(
    run, rival, monkeypatch, capsys
):
    monkeypatch.setattr(made_from, "WAIT_SECONDS", 0.1)
    rival(run, "driver")
    arguments = ["--profile", "smoke", "-p", "run_dir", str(run)]
    assert run_notebooks.main(arguments) == 2
    assert "Another process is writing into the run folder" in capsys.readouterr().err
    road.sky_file(settings_of(run))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "occupied").write_text("a file", "utf-8")
    with pytest.raises(CoganError, match="Cannot write to the run folder"):
        road.sky_file(settings_of(tmp_path / "occupied" / "run"))


# ---------------------------------------------------------------- the chapters


@pytest.mark.parametrize("chapter", sorted((ROOT / "book").glob("0[1-6]-*.ipynb")), ids=str)
def test_a_chapter_has_all_parameters_of_what_it_takes_up(chapter):
    """Else the same profile would mean one thing in one chapter and another in the next."""
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    code = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    known, defaults = papermill.inspect_notebook(str(chapter)), Settings.check()
    taken = [name for name in road.STEPS if f'need(settings, "{name}")' in code]
    assert taken or chapter.name.startswith("01")
    made_of = {"poses_seed": {"seed", "poses"}}  # not a parameter, but what two of them say
    for name in taken:
        asked = (made_of.get(each, {each}) for each in road.STEPS.asked(defaults, name))
        assert set().union(*asked) <= set(known)
    assert not hasattr(session, "need") and "session.need" not in code


def test_random_tiles_with_context_go_all_the_way(tmp_path):
    """Patches, a checkpoint that was taught by squares, and a verdict on tiles without context."""
    changes = {"poses": 8, "context": 2, "faint_share": 0.5, "batch_size": 4, "max_steps": 2}
    settings = settings_of(tmp_path / "run", **changes)
    sections = walk(settings)
    patches = Patches.load(tmp_path / "run" / "patches.npz")
    assert patches.inputs.shape[-1] == 20 and (patches.split == TRAIN).sum() == 8
    card = read_json(tmp_path / "run" / "checkpoint" / "checkpoint.json")
    assert card["training"]["weights"]["pair_loss"] == "l2" and card["geometry"]["npix"] == 16
    assert {name: card["made_from"]["settings"][name] for name in changes} == changes
    for section in sections.values():
        assert section["tiles"] == (patches.split == TEST).sum()
        assert np.isfinite(section["tiles_bare"]["r2_heldout"])
    assert road.need(settings, "patches.npz").exists()
    assert Patches.load(tmp_path / "run" / "patches.npz").checksum() == patches.checksum()
    with pytest.raises(CoganError, match="context was 2, now it is 0"):
        road.need(settings.model_copy(update={"context": 0}), "checkpoint")


def test_the_seed_decides_tiles_only_where_they_are_drawn(tmp_path):
    """Else a sky file's tiles, and shipped weights on them, would be made anew for each seed."""
    sky = tmp_path / "sky.fits"
    sky.write_bytes(b"any")

    def asked(**changes):
        settings = Settings.check(run_dir=str(tmp_path), sky_path=str(sky), **changes)
        return road.STEPS.asked(settings, "patches.npz")

    assert asked(seed=1) == asked(seed=2)
    assert asked(seed=1, poses=9) != asked(seed=2, poses=9)
