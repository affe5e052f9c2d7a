"""Training and checkpoints on a toy sky: Gaussian fields in which CO follows dust and HI."""

import csv
import itertools
import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.gan import run_files, schedule, training
from cogan_lib.gan.checkpoint import check_matches, load_checkpoint, load_state
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.epoch_check import check
from cogan_lib.gan.losses import LossWeights
from cogan_lib.gan.networks import NetworkSettings, translate
from cogan_lib.gan.training import train
from cogan_lib.learn.weights import weights_file
from cogan_lib.tiles.bounds import to_physical
from cogan_lib.tiles.split import UNUSED
from cogan_lib.validation.amplitude import r2_score
from tests.toys import SETTINGS, TINY, same_weights, toy_patches


@pytest.fixture(scope="module")
def patches():
    return toy_patches()


@pytest.fixture(scope="module")
def finished(patches, tmp_path_factory):
    """Folder and result of one short run; tests that change the folder copy it."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(patches, SETTINGS, folder)


def without_seconds(history):
    return [{key: row[key] for key in row if key != "seconds"} for row in history]


def test_same_seed_same_weights(patches, finished, tmp_path):
    folder, result = finished
    again = train(patches, SETTINGS, tmp_path / "again")
    assert same_weights(result.checkpoint, again.checkpoint)
    assert without_seconds(again.history) == without_seconds(result.history)
    other = train(patches, replace(SETTINGS, seed=6), tmp_path / "other")
    assert not same_weights(result.checkpoint, other.checkpoint)


def test_training_leaves_the_global_random_state_alone(patches, tmp_path):
    before = torch.get_rng_state()
    train(patches, replace(SETTINGS, max_steps=7), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_resumed_equals_uninterrupted(patches, tmp_path, monkeypatch):
    settings = replace(SETTINGS, max_steps=35)  # the 50-tile buffers are full in epoch 2
    whole = train(patches, settings, tmp_path / "whole")

    monkeypatch.setattr(run_files, "STATE_SECONDS", 0.0)
    calls = []

    def killed_in_epoch_4(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return check(*arguments)

    monkeypatch.setattr(training, "check", killed_in_epoch_4)
    with pytest.raises(KeyboardInterrupt):
        train(patches, settings, tmp_path / "parts")
    monkeypatch.setattr(training, "check", check)
    assert len(load_state(tmp_path / "parts" / "state.pt")["history"]) == 3
    parts = train(patches, settings, tmp_path / "parts", resume=True)

    assert without_seconds(parts.history) == without_seconds(whole.history)
    assert same_weights(parts.checkpoint, whole.checkpoint)
    states = [load_state(tmp_path / name / "state.pt") for name in ("whole", "parts")]
    for kind in ("networks", "averages"):
        for name, tensor in states[0][kind].items():
            assert torch.equal(tensor, states[1][kind][name]), name
    assert torch.equal(states[0]["buffers"][1]["tiles"], states[1]["buffers"][1]["tiles"])


def test_a_finished_run_can_be_resumed_with_more_steps(patches, finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    same = train(patches, SETTINGS, tmp_path / "run", resume=True)
    assert same.epochs == 2 and same.history == finished[1].history
    longer = train(patches, replace(SETTINGS, max_steps=21), tmp_path / "run", resume=True)
    assert [row["epoch"] for row in longer.history] == [1, 2, 3]
    with pytest.raises(CoganError, match="another run: seed was 5, now it is 7"):
        train(patches, replace(SETTINGS, seed=7), tmp_path / "run", resume=True)
    with pytest.raises(CoganError, match="another run: input tiles"):
        train(toy_patches(n=36), SETTINGS, tmp_path / "run", resume=True)
    (tmp_path / "run" / "state.pt").write_bytes(b"<html>not found</html>")
    with pytest.raises(CoganError, match="damaged or no training state"):
        train(patches, SETTINGS, tmp_path / "run", resume=True)


def test_paired_training_finds_the_relation(patches, tmp_path):
    settings = replace(
        SETTINGS,
        network=replace(TINY, features=8),
        weights=LossWeights(cycle=10, pair=10),
        paired=True,
        max_steps=210,
        learning_rate=2e-3,
    )
    result = train(patches, settings, tmp_path)
    assert result.history[-1]["cycle"] < 0.5 * result.history[0]["cycle"]
    assert result.history[-1]["pair"] < 0.6 * result.history[0]["pair"]
    held_out = load_checkpoint(result.checkpoint)
    a, b = patches.scaled("test")
    mock = translate(held_out.generator, a)
    assert 1 - ((mock - b) ** 2).mean() / b.var() > 0.8
    assert held_out.metrics["r2"] > 0.8


def test_unpaired_training_lowers_the_cycle_loss_and_keeps_the_sign(patches, tmp_path):
    settings = replace(SETTINGS, max_steps=84, learning_rate=1e-3)
    history = train(patches, settings, tmp_path).history
    assert history[-1]["cycle"] < 0.7 * history[0]["cycle"]
    assert history[-1]["r2"] > 0.3  # and CO is bright where dust is, not the other way round


def test_log_and_best(finished):
    folder, result = finished
    with open(result.log, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == run_files.COLUMNS and len(rows) == result.epochs == 2
    assert result.steps == 2 * (28 // 4) == int(rows[-1]["steps"])
    assert rows[0]["identity"] == "" and float(rows[0]["cycle"]) > 0
    best = min(rows, key=lambda row: float(row["score"]))
    assert result.best_epoch == int(best["epoch"])
    assert result.stopped_by == "steps"
    assert float(rows[0]["learning_rate"]) == SETTINGS.learning_rate
    assert 0 < float(rows[1]["learning_rate"]) < 0.2 * SETTINGS.learning_rate
    metrics = load_checkpoint(result.checkpoint).metrics
    assert metrics["epoch"] == result.best_epoch
    assert metrics["score"] == pytest.approx(
        np.log(10) * metrics["spectrum"] ** 0.5 + 1 - metrics["r2"]
    )


def test_check_of_the_truth_is_perfect(patches):
    held_out = patches.select("validation")
    _, truth = patches.scaled("validation")

    class Truth(torch.nn.Module):
        def __init__(self, offset):
            super().__init__()
            self.offset = torch.nn.Parameter(torch.tensor(offset))

        def forward(self, x):
            return x + self.offset

    numbers = check(Truth(0.0), held_out, truth)
    assert numbers["r2"] == pytest.approx(1, abs=1e-6)
    assert numbers["score"] == pytest.approx(0, abs=1e-4)
    wrong = check(Truth(0.5), held_out, truth)
    assert wrong["score"] > 0.3 and wrong["histogram"] > numbers["histogram"]


def clock(monkeypatch, seconds):
    """A clock that moves by so much whenever it is read: no test depends on the machine."""
    ticks = itertools.count()
    fake = SimpleNamespace(monotonic=lambda: seconds * next(ticks))
    monkeypatch.setattr(schedule, "time", fake)


def test_a_slow_machine_gets_the_same_weights(patches, tmp_path, monkeypatch):
    runs = []
    for name, seconds, limit in (("fast", 1e-3, math.inf), ("slow", 500.0, 1e9)):
        clock(monkeypatch, seconds)
        runs.append(train(patches, replace(SETTINGS, max_minutes=limit), tmp_path / name))
    assert runs[1].seconds > 1000 > 1 > runs[0].seconds
    assert same_weights(*(run.checkpoint for run in runs))
    assert without_seconds(runs[0].history) == without_seconds(runs[1].history)


def test_the_rate_follows_the_steps_alone(patches, tmp_path, monkeypatch):
    clock(monkeypatch, 1.0)
    rates = []

    def noted(model, rate):
        rates.append(rate / model.settings.learning_rate)

    monkeypatch.setattr(CycleGan, "set_rate", noted)
    result = train(patches, replace(SETTINGS, max_steps=16, max_minutes=1e6), tmp_path)
    assert rates == [1.0] * 9 + [7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert [row["steps"] for row in result.history] == [7, 14, 16]  # the last epoch is cut short
    assert result.steps == 16 and result.stopped_by == "steps"


def test_the_clock_ends_a_run_and_says_what_is_lost(patches, tmp_path, monkeypatch, caplog):
    clock(monkeypatch, 1.0)
    settings = replace(SETTINGS, max_steps=5000, max_minutes=0.2)
    result = train(patches, settings, tmp_path)
    assert result.stopped_by == "minutes" and 5 < result.steps < 12
    assert result.seconds == pytest.approx(12, abs=2)
    (said,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert said == (
        f"The limit of 0.2 minutes ended the training after {result.steps} of 5,000 steps; the "
        "learning rate had not fallen yet, so these weights are worse than those of a whole run: "
        "raise max_minutes, or lower max_steps so that the rate falls in time."
    )
    assert {row["learning_rate"] for row in result.history} == {settings.learning_rate}
    assert (tmp_path / "checkpoint").is_dir() and (tmp_path / "state.pt").exists()


def test_the_sentence_tells_how_far_the_rate_had_fallen(patches):
    fabric = Fabric(accelerator="cpu", devices=1)
    settings = replace(SETTINGS, max_steps=1000, max_minutes=90)
    course = schedule.Schedule(fabric, settings, 28)
    assert "90 minutes ended the training after 800 of 1,000 steps" in course.lost(800)
    assert "had fallen to 40% only" in course.lost(800)
    assert "had not fallen yet" in course.lost(501) and "or lower max_steps so" in course.lost(501)


@pytest.mark.parametrize("first", [3, 12])
def test_a_run_that_the_clock_has_ended_goes_on_to_the_same_end(
    patches, tmp_path, monkeypatch, first
):
    """Within the first epoch, which is kept as it is, and within the second."""
    settings = replace(SETTINGS, max_steps=35)  # the 50-tile buffers are full in epoch 2
    whole = train(patches, settings, tmp_path / "whole")
    late = schedule.Schedule.late
    asked = itertools.count()
    monkeypatch.setattr(schedule.Schedule, "late", lambda self: next(asked) >= first)
    part = train(patches, settings, tmp_path / "part")
    assert part.stopped_by == "minutes" and part.steps % 7 and part.epochs == 1
    assert load_checkpoint(part.checkpoint).metrics["epoch"] == 1
    again = train(patches, settings, tmp_path / "part", resume=True)  # the limit is not raised
    assert again.steps == part.steps and again.seconds >= part.seconds  # it has looked, and waited
    assert without_seconds(again.history) == without_seconds(part.history)
    monkeypatch.setattr(schedule.Schedule, "late", late)
    parts = train(patches, settings, tmp_path / "part", resume=True)
    assert without_seconds(parts.history) == without_seconds(whole.history)
    assert same_weights(parts.checkpoint, whole.checkpoint)
    states = [load_state(tmp_path / name / "state.pt") for name in ("whole", "part")]
    assert "part" not in states[1]
    for name, tensor in states[0]["networks"].items():
        assert torch.equal(tensor, states[1]["networks"][name]), name


def test_a_part_of_an_epoch_can_be_all_that_is_wanted(patches, tmp_path, monkeypatch):
    """The clock ends a run, and it goes on with a budget that is used up already."""
    settings = replace(SETTINGS, max_steps=35)
    late = schedule.Schedule.late
    monkeypatch.setattr(schedule.Schedule, "late", lambda self: True)
    one = train(patches, settings, tmp_path)
    monkeypatch.setattr(schedule.Schedule, "late", late)
    same = train(patches, replace(settings, max_steps=1), tmp_path, resume=True)
    assert one.steps == same.steps == len(same.history) == 1 and same.stopped_by == "steps"


def test_the_time_is_foretold(patches, tmp_path, monkeypatch, caplog):
    """Three readings of the clock tell nothing of a run without a limit but its start, 1 and 21."""
    caplog.set_level("INFO")
    fabric = Fabric(accelerator="cpu", devices=1)

    def foretold(seconds, done=0, **change):
        caplog.clear()
        settings = replace(SETTINGS, **({"max_steps": 5000} | change))
        now = [0.0]
        monkeypatch.setattr(schedule, "time", SimpleNamespace(monotonic=lambda: now[0]))
        course = schedule.Schedule(fabric, settings, 28)
        for step in range(done + 1, done + 61):
            now[0] += seconds + 30 * (step == done + 1)  # the first one is slow
            course.foretell(step, torch.tensor(1.0))
        return [r.getMessage() for r in caplog.records]

    assert foretold(0.15) == ["about 12 minutes for 5,000 steps on this machine"]
    assert foretold(0.15, max_minutes=12) == [
        "about 12 minutes for 5,000 steps on this machine; the limit of 12 minutes will end them "
        "before"
    ]
    assert foretold(0.15, 3000) == [
        "about 5 minutes for the 2,000 steps that are left on this machine"
    ]
    assert foretold(0.001) == ["less than a minute for 5,000 steps on this machine"]
    assert foretold(0.015) == ["about a minute for 5,000 steps on this machine"]
    assert foretold(7.0) == ["about 10 hours for 5,000 steps on this machine"]
    assert foretold(0.15, max_steps=99) == []
    caplog.clear()
    train(patches, replace(SETTINGS, max_steps=105), tmp_path)
    said = [r.getMessage() for r in caplog.records]
    assert said == ["less than a minute for 105 steps on this machine"]


def test_the_bar_counts_steps(capsys):
    fabric = SimpleNamespace(is_global_zero=True)
    with schedule.Progress(fabric, 2000, 5000) as bar:
        bar.update(1000)
    assert "training 3000/5000 steps |" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf16-mixed"},
        {"network": NetworkSettings(4, 1, 4, 2)},  # the paper's layers: instance norm and tanh
        {"weights": LossWeights(identity=5)},
        {"batch_size": 100},
    ],
)
def test_variants_run(change, tmp_path):
    result = train(toy_patches(targets=2), replace(SETTINGS, max_steps=7, **change), tmp_path)
    assert np.isfinite(result.history[0]["score"])


def test_gradients_are_shortened_to_their_limit(tmp_path):
    """Adam forgets the length of a gradient unless it is far below its own 1e-8."""
    start = CycleGan(2, 2, SETTINGS, Fabric(accelerator="cpu", devices=1)).networks.state_dict()
    patches = toy_patches(n=20, targets=2)
    for clip, moves in ((1e-15, False), (1e6, True)):
        settings = replace(SETTINGS, max_steps=7, clip=clip)
        train(patches, settings, tmp_path / str(clip))
        trained = load_state(tmp_path / str(clip) / "state.pt")["networks"]
        change = max(float((trained[key] - start[key]).abs().max()) for key in start)
        assert (change > 1e-4) == moves


def test_per_patch_scaling_takes_the_amplitude_from_the_real_tile(tmp_path):
    """Twice the CO is the same training, and as well met."""
    patches = toy_patches(scaling="minmax")
    rows = []
    for factor in (1, 2):
        bright = replace(patches, targets=factor * patches.targets)
        result = train(bright, replace(SETTINGS, max_steps=7), tmp_path / str(factor))
        rows.append(result.history[0])
    assert rows[0]["cycle"] == rows[1]["cycle"] and rows[0]["r2"] != rows[1]["r2"]
    assert rows[0]["r2"] == pytest.approx(rows[1]["r2"], abs=0.1)


def broken(patches, **arrays):
    return replace(patches, **arrays)


def test_bad_tiles_are_refused(patches, tmp_path):
    none = np.full_like(patches.split, UNUSED)
    with pytest.raises(CoganError, match="no train tiles"):
        train(broken(patches, split=none), SETTINGS, tmp_path)
    with pytest.raises(CoganError, match="no validation tiles"):
        train(broken(patches, split=np.zeros_like(none)), SETTINGS, tmp_path)
    inputs = patches.inputs.copy()
    inputs[3, 1, 2, 2] = np.nan
    with pytest.raises(CoganError, match="scaled input tiles for train hold NaN"):
        train(broken(patches, inputs=inputs), SETTINGS, tmp_path)
    with pytest.raises(CoganError, match="18 pixels cannot be halved twice"):
        train(toy_patches(npix=18), SETTINGS, tmp_path)
    with pytest.raises(CoganError, match="use larger tiles"):
        train(toy_patches(npix=12), SETTINGS, tmp_path)
    assert list(tmp_path.iterdir()) == []  # refused before any work


def test_bad_settings_are_refused(patches, tmp_path):
    with pytest.raises(CoganError, match="identity loss"):
        train(patches, replace(SETTINGS, weights=LossWeights(identity=5)), tmp_path)
    with pytest.raises(CoganError, match="pair loss"):
        train(patches, replace(SETTINGS, weights=LossWeights(pair=5)), tmp_path)
    for change, words in (
        ({"batch_size": 0}, "batch_size is 0"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"max_minutes": float("nan")}, "max_minutes is nan"),
        ({"average": 1.0}, "average is 1.0"),
        ({"precision": "16"}, "Precision '16'"),
        ({"device": "tpu"}, "Device 'tpu'"),
    ):
        with pytest.raises(CoganError, match=words):
            replace(SETTINGS, **change)
    if not torch.cuda.is_available():
        with pytest.raises(CoganError, match="no CUDA device"):
            replace(SETTINGS, device="cuda")


def test_losses_that_explode_are_reported(patches, tmp_path):
    with pytest.raises(CoganError, match="no longer finite in epoch 1; lower learning_rate"):
        train(patches, replace(SETTINGS, learning_rate=1e30), tmp_path)


def test_run_folder_that_cannot_be_written(patches, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(CoganError, match="Cannot write"):
        train(patches, SETTINGS, tmp_path / "file" / "run")


def test_checkpoint_round_trip(patches, finished):
    folder, result = finished
    checkpoint = load_checkpoint(result.checkpoint)
    assert checkpoint.settings == TINY
    assert checkpoint.scalings == patches.meta["scalings"]
    assert checkpoint.meta["input_columns"] == ["DUST", "N_HI"]
    assert checkpoint.content["provenance"]["seed"] == 5
    check_matches(checkpoint, patches.meta)
    names = sorted(path.name.split("-")[0] for path in result.checkpoint.iterdir())
    assert names == ["checkpoint.json", "generator_ab", "generator_ba"]
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint",
        "state.pt",
        "training_log.csv",
    }
    numbers = check(
        checkpoint.generator, patches.select("validation"), patches.scaled("validation")[0]
    )
    assert numbers["r2"] == pytest.approx(checkpoint.metrics["r2"], abs=1e-5)


def test_checkpoint_of_other_patches_is_refused(patches, finished):
    checkpoint = load_checkpoint(finished[1].checkpoint)
    meta = patches.meta
    scaling = meta["scalings"] | {"W_CO10": {"kind": "minmax"}}
    geometry = meta["geometry"] | {"npix": 32}
    for change, words in (
        ({"geometry": geometry}, "tiles of 16 x 16 pixels of 60 arcmin .* 32 x 32"),
        ({"scalings": scaling}, "scales W_CO10 by .*asinh.* by .*minmax"),
        ({"target_columns": ["W_CO21"]}, "targets are W_CO10, those of the patches are W_CO21"),
        ({"fwhm_arcmin": 20.0}, "beam of 180 arcmin, the patches have 20"),
    ):
        with pytest.raises(CoganError, match=words):
            check_matches(checkpoint, meta | change)


def test_damaged_checkpoints_are_refused(finished, tmp_path):
    with pytest.raises(CoganError, match="no checkpoint folder .* chapter 03 makes it"):
        load_checkpoint(tmp_path / "checkpoint")
    folder = shutil.copytree(finished[1].checkpoint, tmp_path / "checkpoint")
    card = folder / "checkpoint.json"
    weights = weights_file(card, read_json(card), "generator_ab")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(CoganError, match="missing, damaged or exchanged"):
        load_checkpoint(folder)
    weights.unlink()
    with pytest.raises(CoganError, match="missing, damaged or exchanged"):
        load_checkpoint(folder)
    weights.write_bytes(whole)
    described = folder / "checkpoint.json"
    content = json.loads(described.read_text("utf-8"))
    for change, words in (
        ({"format": 99}, "format 99"),
        ({"network": {"features": 4}}, "is damaged"),
        ({"network": {"layers": 4}}, "is damaged"),
    ):
        described.write_text(json.dumps(content | change), "utf-8")
        with pytest.raises(CoganError, match=words):
            load_checkpoint(folder)
    described.write_text("<html>", "utf-8")
    with pytest.raises(CoganError, match="is damaged or no JSON file"):
        load_checkpoint(folder)


def with_context(patches, pixels):
    """The same tiles, but their outermost pixels are context."""
    geometry = patches.meta["geometry"] | {"npix": patches.inputs.shape[-1] - 2 * pixels}
    return replace(patches, meta={**patches.meta, "geometry": geometry, "context": pixels})


def test_the_context_of_the_targets_teaches_a_generator_nothing(tmp_path):
    """But for the way back, which starts from it: without that, not a bit of it changes."""
    tiles = with_context(toy_patches(npix=24), 4)
    spoilt = tiles.targets.copy()
    spoilt[..., :4, :] = 1e3
    forward = replace(SETTINGS, weights=LossWeights(cycle=0, pair=5), paired=True, max_steps=1)
    results = [
        train(replace(tiles, targets=targets), forward, tmp_path / name)
        for name, targets in (("clean", tiles.targets), ("spoilt", spoilt))
    ]
    one, other = (load_checkpoint(result.checkpoint).generator for result in results)
    for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)
    rows = [result.history[0] for result in results]
    assert [row["r2"] for row in rows] == [rows[0]["r2"]] * 2  # the check's tiles have none either


def test_context_is_seen_by_the_check(tmp_path):
    """The check translates tiles with what lies around, and compares their interior."""
    tiles = with_context(toy_patches(npix=24), 4)
    result = train(tiles, replace(SETTINGS, max_steps=2), tmp_path)
    trained, held_out = load_checkpoint(result.checkpoint), tiles.select("validation")
    raw = translate(trained.generator, tiles.scaled("validation")[0])[:, 0, 4:-4, 4:-4]
    w = to_physical(raw, tiles.target_scalings[0])
    assert r2_score(held_out.targets[:, 0], w) == pytest.approx(trained.metrics["r2"], abs=1e-5)
    other = replace(tiles, meta=tiles.meta | {"context": 2})
    with pytest.raises(CoganError, match="another run: context was 4, now it is 2"):
        train(other, SETTINGS, tmp_path, resume=True)
