"""The weights that come along: whole, described, small, and taken only where they fit."""

import dataclasses
import shutil

import numpy as np
import pytest

from cogan_lib import road
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.gan import pretrained, recipes
from cogan_lib.gan.checkpoint import META, load_checkpoint
from cogan_lib.gan.recipes import PRESETS
from cogan_lib.sky.embedded import make_sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import TRAIN
from tests.road import VOUCHED

FOLDERS = sorted(pretrained.WEIGHTS.glob("*/*/"))
SKIES = sorted({folder.parent for folder in FOLDERS})


def name_of(folder):
    return f"{folder.parent.name}/{folder.name}" if folder in FOLDERS else folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_weights_are_whole_and_described(folder):
    trained = load_checkpoint(folder)  # compares checksums
    members_here = folder.name.startswith("members")
    assert trained.settings.noise == (recipes.MEMBER_WIDTHS if members_here else ())
    card = (pretrained.WEIGHTS / "README.md").read_text("utf-8")
    commit = trained.content["provenance"]["git_commit"]
    assert len(commit.removesuffix("-dirty")) == 40
    assert commit.isalnum() or f"`{folder.name}` says `-dirty`" in card  # why, says the card
    kept = trained.metrics
    row = f"| `{name_of(folder)}` | {trained.content['training']['seed']} |"
    (line,) = [line for line in card.splitlines() if line.startswith(row)]
    assert f"| {kept['epoch']} |" in line and f"| {kept['r2']:.3f} |" in line


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


@pytest.mark.parametrize("sky", SKIES, ids=name_of)
def test_weights_are_taken_where_they_fit(sky, tmp_path):
    (tmp_path / "members" / "checkpoint-9").mkdir(parents=True)  # of an older run: must go
    patches_for(sky / "cycle-gan").save(tmp_path / "patches.npz")
    settings = Settings.check(run_dir=str(tmp_path), device="cpu", use_pretrained=True)
    road.member_checkpoints(settings)
    theirs = [load_checkpoint(folder).content for folder in sorted(sky.glob("members-*"))]
    assert [without_record(one) for one in road.load_members(settings)] == theirs
    result = road.train_checkpoint(settings)
    trained = load_checkpoint(result.checkpoint)
    assert without_record(trained) == load_checkpoint(sky / "cycle-gan").content
    best = result.history[result.best_epoch - 1]
    assert best["r2"] == pytest.approx(trained.metrics["r2"]) and best["epoch"] == result.best_epoch
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".") == [
        "checkpoint", "members", "patches.npz", "training_log.csv",
    ]  # fmt: skip


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
    folder = pretrained.WEIGHTS / "embedded-nside256"
    assert pretrained.fitting(patches.meta, PRESETS["cogan"]) == [folder / "cycle-gan"]


def test_weights_of_another_kind_are_left_alone(tmp_path, monkeypatch):
    patches = patches_for(FOLDERS[0])
    assert not pretrained.fitting(patches.meta, PRESETS["paper"])
    assert not pretrained.fitting(patches.meta, PRESETS["cogan"], paired=False)
    other = dataclasses.replace(patches, meta={**patches.meta, "fwhm_arcmin": 30.0})
    other.save(tmp_path / "patches.npz")
    asked = []
    monkeypatch.setattr(road, "train", lambda *given, **_: asked.append(given[1]) or _Result(given))
    settings = Settings.check(
        run_dir=str(tmp_path), device="cpu", member_steps=7, use_pretrained=True
    )
    assert road.member_checkpoints(settings) == [tmp_path / "members" / "checkpoint"]
    road.train_checkpoint(settings)
    assert asked[0].network.noise == recipes.MEMBER_WIDTHS and asked[0].max_steps == 7
    assert asked[1].network == PRESETS["cogan"] and asked[1].max_steps == settings.max_steps


def test_what_ended_a_training_is_known_of_old_and_new_weights(tmp_path):
    for folder in FOLDERS:  # all by minutes
        assert pretrained.take(folder, tmp_path).stopped_by == "minutes"
    card = read_json(folder / "checkpoint.json")
    with open(folder / pretrained.LOG, encoding="utf-8") as stream:
        steps = int(stream.readlines()[-1].split(",")[1])
    own = shutil.copytree(folder, tmp_path / "own")
    for budget, end in ((steps, "steps"), (steps + 1, "minutes")):
        training = card["training"] | {"max_steps": budget}
        write_json(own / "checkpoint.json", card | {"training": training})
        assert pretrained.take(own, tmp_path).stopped_by == end


def test_the_own_training_can_be_insisted_on(tmp_path, monkeypatch):
    patches_for(FOLDERS[0]).save(tmp_path / "patches.npz")
    monkeypatch.setattr(road, "train", lambda *given, **_: _Result(given))
    settings = Settings.check(run_dir=str(tmp_path), device="cpu", train_members=True)
    assert road.member_checkpoints(settings) == [tmp_path / "members" / "checkpoint"]
    trained = road.train_checkpoint(settings).checkpoint  # the default trains
    assert trained == tmp_path / "checkpoint"


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "sky" / "cycle-gan"
    folder.mkdir(parents=True)
    for path in FOLDERS[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "generator_ab.safetensors").write_bytes(b"half")
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path)
    with pytest.raises(CoganError, match="is not the file"):
        pretrained.fitting(patches_for(FOLDERS[0]).meta, PRESETS["cogan"])


class _Result:
    """Of a training that has left no more than a folder with a card."""

    def __init__(self, given):
        self.checkpoint = given[2] / "checkpoint"
        write_json(self.checkpoint / "checkpoint.json", {"made_from": VOUCHED})
