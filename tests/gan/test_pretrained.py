"""The shipped weights: whole, described, small, and taken only where they fit."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from cogan_lib import road
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.beyond.member_training import context_of, flow_network, member_meta
from cogan_lib.gan import pretrained
from cogan_lib.gan.checkpoint import META, check_alike, load_checkpoint, save_checkpoint
from cogan_lib.gan.flow import Flow
from cogan_lib.gan.recipes import PRESETS
from cogan_lib.sky.embedded import make_sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import TRAIN
from tests.road import VOUCHED, toy_settings

FOLDERS = sorted(pretrained.WEIGHTS.glob("*/*/"))
GANS = [folder for folder in FOLDERS if folder.name == "cycle-gan"]
FLOWS = [folder for folder in FOLDERS if folder.name.startswith("fold-")]
FIRST = [folder for folder in FLOWS if folder.name == "fold-1"]


def name_of(folder):
    return f"{folder.parent.name}/{folder.name}" if folder in FOLDERS else folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_weights_are_whole_and_described(folder):
    trained = load_checkpoint(folder)  # compares checksums
    content, kept = trained.content, trained.metrics
    card = (pretrained.WEIGHTS / "README.md").read_text("utf-8")
    commit = content["provenance"]["git_commit"]
    assert len(commit.removesuffix("-dirty")) == 40
    assert commit.isalnum() or "of the folds says `-dirty`" in card  # why, says the card
    (line,) = [line for line in card.splitlines() if line.startswith(f"| `{name_of(folder)}` |")]
    if folder in GANS:
        assert trained.settings == PRESETS["cogan"]
        assert line.split("|")[2].strip() == str(content["training"]["seed"])
        assert f"| {kept['epoch']} |" in line and f"| {kept['r2']:.3f} |" in line
        return
    tile = Geometry(**trained.meta["geometry"])
    assert folder in FLOWS and folder.name == f"fold-{content['fold']}"
    network = flow_network(tile, trained.meta["fwhm_arcmin"], len(trained.meta["target_columns"]))
    assert trained.settings == network and trained.meta["context"] == context_of(tile)
    training = content["training"]
    inputs = ", ".join(f"`{name}`" for name in trained.meta["input_columns"])
    numbers = f"{training['steps']:,}", str(training["batch_size"]), f"{kept['seconds']:.0f}"
    assert [cell.strip() for cell in line.split("|")[2:6]] == [inputs, *numbers]
    assert kept["steps"] == training["steps"] == training["max_steps"]


def test_every_kind_of_weights_is_there():
    assert set(GANS) | set(FLOWS) == set(FOLDERS)
    whole = {folder.parent for folder in FLOWS if folder.name == "fold-6"}
    assert {sky.name for sky in whole} == {"planck-hi4pi-nside256", "planck-hi4pi-nside256-tracers"}
    for sky in whole:
        assert sorted(sky.glob("fold-*")) == [sky / f"fold-{k}" for k in range(1, 7)]
        folds = [load_checkpoint(folder) for folder in sorted(sky.glob("fold-*"))]
        for trained in folds[1:]:
            check_alike(folds[0], trained)


@pytest.mark.parametrize("first", FIRST, ids=name_of)
def test_folds_have_scalings_of_their_own(first):
    """Those of fold 1 fit the road's tiles, and no others of that sky do."""
    trained = load_checkpoint(first)
    assert pretrained.fitting(trained.meta, trained.settings) == [first]


def test_all_weights_together_are_small():
    assert sum(path.stat().st_size for path in pretrained.WEIGHTS.rglob("*")) < 20e6


def patches_for(folder):
    """Empty-handed patches of the kind that the weights were made for."""
    content = load_checkpoint(folder).content
    shapes = [(8, len(content[key]), 64, 64) for key in ("input_columns", "target_columns")]
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    meta = {key: content[key] for key in META} | {"made_from": VOUCHED}
    return Patches(*arrays, np.zeros((8, 2)), np.full(8, TRAIN, np.uint8), meta)


def without_record(trained):
    """What a checkpoint says, but for what it was taken up with."""
    return {key: value for key, value in trained.content.items() if key != "made_from"}


@pytest.mark.parametrize("folder", GANS, ids=name_of)
def test_a_cycle_gan_is_taken_where_it_fits(folder, tmp_path):
    patches_for(folder).save(tmp_path / "patches.npz")
    settings = Settings.check(run_dir=str(tmp_path), device="cpu", pretrained="always")
    result = road.train_checkpoint(settings)
    trained = load_checkpoint(result.checkpoint)
    assert without_record(trained) == load_checkpoint(folder).content
    best = result.history[result.best_epoch - 1]
    assert best["r2"] == pytest.approx(trained.metrics["r2"]) and best["epoch"] == result.best_epoch
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".") == [
        "checkpoint", "patches.npz", "training_log.csv",
    ]  # fmt: skip


@pytest.fixture
def on_sky(sky64, tmp_path, monkeypatch):
    """Settings of a run on a small sky for which the package has flows of folds 1 and 2."""
    tile = Geometry(16, 30.0)
    network = flow_network(tile, 90.0, len(sky64.targets))
    for fold in (1, 2):
        folder = tmp_path / "weights" / "sky" / f"fold-{fold}"
        torch.manual_seed(fold)
        networks = Flow(len(sky64.inputs), len(sky64.targets), network), None
        facts = {"training": {"kind": "flow", "paired": True, "max_steps": 9}, "fold": fold}
        save_checkpoint(folder, *networks, network, member_meta(sky64, tile, fold), **facts)
        (folder / pretrained.LOG).write_text("epoch,steps,loss,seconds\n1,9,0.5,1.0\n", "utf-8")
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")
    return toy_settings(tmp_path / "run")


def test_members_are_taken_where_they_fit(on_sky, tmp_path):
    run = tmp_path / "run" / "members"
    (run / "checkpoint-9").mkdir(parents=True)  # of an older run: must go
    assert road.member_checkpoints(on_sky) == [run / "checkpoint"]
    (one,) = road.load_members(on_sky)
    assert without_record(one) == load_checkpoint(pretrained.WEIGHTS / "sky" / "fold-1").content
    assert one.content["made_from"]["settings"]["train_members"] is False
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint", "training_log.csv"]


@pytest.mark.parametrize("change", [{"train_members": True}, {"tile_npix": 20}])
def test_members_are_trained_where_none_fit_or_are_wanted(on_sky, monkeypatch, change):
    asked = []

    def trained_on(settings, sky, fold, folder, made_from):
        asked.append((settings.member_steps, fold))
        write_json(folder / "checkpoint.json", {"made_from": made_from})
        return folder

    monkeypatch.setattr(road, "trained_on", trained_on)
    settings = on_sky.model_copy(update={"member_steps": 7, **change})
    road.member_checkpoints(settings)
    assert asked == [(7, 1)]  # the test longitudes are held out


def test_the_recipe_of_sky_and_tiles_is_that_of_the_weights(sky64):
    """A tripwire at toy size. If it trips on purpose, `pytest -m slow tests/gan/test_pretrained.py`
    says whether the weights must be trained again; then put the new numbers here."""
    scalings = make_patches(sky64, Geometry(16, 30.0), 16).meta["scalings"]
    found = {name: (x["softening"], x["mean"], x["std"]) for name, x in scalings.items()}
    assert found == {
        "DUST": pytest.approx((0.410050, 1.065536, 0.468964), rel=1e-4),
        "N_HI": pytest.approx((1.110793e20, 21.224690, 0.338810), rel=1e-4),
        "DUST_353": pytest.approx((0.038645, 0.007981, 0.453237), rel=1e-4),
        "W_CO10": pytest.approx((0.3, 1.795926, 1.427660), rel=1e-4),
        "W_CO21": pytest.approx((0.3, 1.421403, 1.295808), rel=1e-4),
    }


@pytest.mark.slow
def test_weights_fit_the_embedded_sky_of_the_default_profile():
    """If the sky's recipe or the road to tiles changes, its weights must be trained again."""
    settings = Settings.check()
    sky = make_sky(settings.nside, settings.fwhm_arcmin, settings.seed)
    patches = make_patches(
        sky, road.geometry(settings), settings.centre_nside, snr_min=settings.snr_min
    )
    folder, tile = pretrained.WEIGHTS / "embedded-nside256", road.geometry(settings)
    assert pretrained.fitting(patches.meta, PRESETS["cogan"]) == [folder / "cycle-gan"]
    network = flow_network(tile, sky.fwhm_arcmin, len(sky.targets))
    assert pretrained.fitting(member_meta(sky, tile, 1), network) == [folder / "fold-1"]


def test_weights_of_another_kind_are_left_alone(tmp_path, monkeypatch):
    patches = patches_for(GANS[0])
    assert not pretrained.fitting(patches.meta, PRESETS["paper"])
    assert not pretrained.fitting(patches.meta, PRESETS["cogan"], paired=False)
    other = dataclasses.replace(patches, meta={**patches.meta, "fwhm_arcmin": 30.0})
    other.save(tmp_path / "patches.npz")
    asked = []
    monkeypatch.setattr(road, "train", lambda *given, **_: asked.append(given[1]) or _Result(given))
    settings = Settings.check(run_dir=str(tmp_path), device="cpu", pretrained="always")
    road.train_checkpoint(settings)
    assert asked[0].network == PRESETS["cogan"] and asked[0].max_steps == settings.max_steps


def test_what_ended_a_training_is_known_of_old_and_new_weights(tmp_path):
    for folder in FOLDERS:
        training = load_checkpoint(folder).content["training"]
        known = "steps" if "max_steps" in training else "minutes"  # older ones: by minutes
        assert pretrained.take(folder, tmp_path).stopped_by == known
    for folder in (GANS[0], FLOWS[0]):
        card = read_json(folder / "checkpoint.json")
        with open(folder / pretrained.LOG, encoding="utf-8") as stream:
            steps = int(stream.readlines()[-1].split(",")[1])
        own = shutil.copytree(folder, tmp_path / folder.name)
        for budget, end in ((steps, "steps"), (steps + 1, "minutes")):
            training = card["training"] | {"max_steps": budget}
            write_json(own / "checkpoint.json", card | {"training": training})
            assert pretrained.take(own, tmp_path).stopped_by == end


def test_the_own_training_is_the_default(tmp_path, monkeypatch):
    patches_for(GANS[0]).save(tmp_path / "patches.npz")
    monkeypatch.setattr(road, "train", lambda *given, **_: _Result(given))
    settings = Settings.check(run_dir=str(tmp_path), device="cpu")
    assert road.train_checkpoint(settings).checkpoint == tmp_path / "checkpoint"


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "sky" / "cycle-gan"
    folder.mkdir(parents=True)
    for path in GANS[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (damaged,) = folder.glob("generator_ab*.safetensors")
    damaged.write_bytes(b"half")
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path)
    with pytest.raises(CoganError, match="is not the file"):
        pretrained.fitting(patches_for(GANS[0]).meta, PRESETS["cogan"])


class _Result:
    """Of a training that has left no more than a folder with a card."""

    def __init__(self, given):
        self.checkpoint = given[2] / "checkpoint"
        write_json(self.checkpoint / "checkpoint.json", {"made_from": VOUCHED})
