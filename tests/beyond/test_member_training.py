"""What generators of members are trained on: context, poses and guard, folds, surroundings."""

from dataclasses import replace

import numpy as np
import pytest

from cogan_lib.base.config import Settings
from cogan_lib.beyond import member_training
from cogan_lib.beyond.member_training import (
    context_of,
    flow_network,
    flow_plan,
    member_meta,
    member_patches,
    surroundings,
    trained_on,
)
from cogan_lib.gan import pretrained
from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.flow import Flow
from cogan_lib.gan.recipes import FLOW, FLOW_BATCH
from cogan_lib.tiles.geometry import Geometry, tile_lonlat
from cogan_lib.tiles.map_scalings import map_scalings
from cogan_lib.tiles.patches import interior
from cogan_lib.tiles.poses import HIGHEST_DEG
from cogan_lib.tiles.split import blocks_of_fold, distance_to_block
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm

TILE, CENTRES, FOLD = Geometry(16, 30.0), 16, 3


@pytest.fixture(scope="module")
def patches(sky64):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member_training, "POSES", 150)
        return member_patches(sky64, TILE, CENTRES, fold=FOLD, seed=5, sky_sha256="abc")


@pytest.mark.parametrize(
    ("npix", "context"), [(8, 2), (16, 4), (20, 6), (32, 8), (36, 10), (64, 16), (128, 32)]
)
def test_context_is_a_quarter_of_the_side_and_even(npix, context):
    geometry = Geometry(npix, 7.5)
    assert context_of(geometry) == context and context % 2 == 0
    assert geometry.grown(context).npix % 4 == npix % 4 == 0  # twice halved, as the tile itself


def test_surroundings_are_what_the_generator_was_shown(sky64, patches):
    test = patches.select("test", context=True)
    assert len(test.lonlat) > 20
    shown = surroundings(sky64, patches.meta["input_columns"], TILE, test.lonlat)
    assert shown.dtype == np.float32 and shown.shape == test.inputs.shape
    np.testing.assert_array_equal(shown, test.inputs)
    few, column = surroundings(sky64, ["N_HI"], TILE, test.lonlat[3:5]), sky64.inputs.index("N_HI")
    np.testing.assert_array_equal(few[:, 0], test.inputs[3:5, column])
    bare = cut_tiles(map_to_alm(sky64.maps["DUST"]), TILE, test.lonlat[:3])
    inner = interior(shown, context_of(TILE))[:3, 0]
    np.testing.assert_allclose(inner, bare, rtol=1e-3, atol=1e-3 * bare.std())


def test_training_tiles_keep_their_guard_with_all_that_they_show(patches):
    train = patches.select("train", context=True)
    assert len(train.lonlat) == 150 and patches.context == context_of(TILE) == 4
    angles = patches.angles[patches.split == 0]
    assert len(np.unique(angles)) == 150 and np.abs(train.lonlat[:, 1]).max() < HIGHEST_DEG
    lon, lat = tile_lonlat(TILE.grown(4), train.lonlat, angles)
    for block in blocks_of_fold(FOLD)[0]:
        assert distance_to_block(lon, lat, block).min() >= TILE.side_deg
    held_out = patches.select("test").lonlat
    inside = [distance_to_block(*held_out.T, block) == 0 for block in blocks_of_fold(FOLD)[0]]
    assert np.any(inside, axis=0).all() and all(some.any() for some in inside)


def test_a_share_of_the_tiles_lies_anywhere(sky64, patches):
    """The first two fifths; of the others at least 2 % of the pixels have a strong CO line."""
    train = patches.select("train")
    name = patches.meta["target_columns"][-1]
    strong = sky64.maps[name] > 8 * sky64.maps[f"{name}_ERR"]
    share = cut_tiles(map_to_alm(strong.astype(float)), TILE, train.lonlat).mean((1, 2))
    assert np.mean(share[:60] < 0.01) > 0.2 and share[60:].min() > 0.005


def test_tiles_tell_their_fold_and_recipe(sky64, patches):
    selection = patches.meta["selection"]
    assert selection["fold"] == FOLD and selection["poses"] == 150 and selection["seed"] == 5
    assert selection["faint_share"] == 0.4 and patches.meta["provenance"]["sky_sha256"] == "abc"
    described = member_meta(sky64, TILE, FOLD)
    assert {key: patches.meta[key] for key in described} == described
    own = map_scalings(sky64, blocks_of_fold(FOLD)[0], TILE.side_deg)
    assert described["scalings"] == {name: scaling.to_dict() for name, scaling in own.items()}


@pytest.mark.parametrize(
    ("npix", "poses"), [(16, 3000), (64, 3000), (128, 750), (256, 187), (512, 100)]
)
def test_large_tiles_are_fewer(sky64, monkeypatch, npix, poses):
    """Memory: as many pixels as 3,000 tiles of 96 a side have, or a hundred tiles."""
    asked = []
    monkeypatch.setattr(member_training, "make_patches", lambda *_, **given: asked.append(given))
    member_patches(sky64, Geometry(npix, 512 / npix), 8, fold=1, seed=1)
    assert asked[0]["poses"] == poses and asked[0]["context"] == npix // 4
    whole = npix * 3 // 2
    assert poses == 100 or poses * whole**2 <= member_training.POSES * 96**2


def test_a_plan_of_a_runs_settings():
    plan = flow_plan(Settings.check(member_steps=7, batch_size=2, seed=3, device="cpu"))
    assert (plan.steps, plan.batch_size, plan.seed, plan.device) == (7, FLOW_BATCH, 3, "cpu")
    assert plan.max_minutes == np.inf
    many = flow_plan(Settings.check(batch_size=64, max_minutes=2, device="cpu"))
    assert (many.batch_size, many.max_minutes) == (64, 2)
    network = flow_network(TILE, 90.0, 2)
    assert network.noise == (3.0, 3.0) and network.flow_steps == FLOW.flow_steps


@pytest.mark.parametrize("fold", [1, 4])
def test_a_checkpoint_tells_its_fold(sky64, tmp_path, monkeypatch, fold):
    monkeypatch.setattr(member_training, "POSES", 100)
    monkeypatch.setattr(member_training, "FLOW", replace(FLOW, features=4, blocks=1))
    settings = Settings.check(
        nside=64, fwhm_arcmin=90.0, tile_npix=16, tile_pixel_arcmin=30.0, centre_nside=16,
        member_steps=3, device="cpu", threads=1,
    )  # fmt: skip
    folder = trained_on(settings, sky64, fold, tmp_path / "checkpoint", {"settings": {}})
    trained = load_checkpoint(folder)
    assert trained.content["fold"] == fold and trained.content["made_from"] == {"settings": {}}
    assert trained.content["training"]["steps"] == 3 and trained.meta["context"] == 4
    own = member_meta(sky64, TILE, fold)
    assert {key: trained.meta[key] for key in own} == own


def test_weights_of_other_folds_do_not_fit(sky64, tmp_path, monkeypatch):
    """The road asks for fold 1; scalings are those of the fold's own training longitudes."""
    network = flow_network(TILE, 90.0, len(sky64.targets))
    inputs, targets = len(sky64.inputs), len(sky64.targets)
    for fold in range(1, 7):
        save_checkpoint(
            tmp_path / "sky" / f"fold-{fold}",
            Flow(inputs, targets, network),
            None,
            network,
            member_meta(sky64, TILE, fold),
            training={"kind": "flow", "paired": True},
        )
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path)
    for fold in (1, 2, 6):
        found = pretrained.fitting(member_meta(sky64, TILE, fold), network)
        assert [folder.name for folder in found] == [f"fold-{fold}"]
    other = flow_network(TILE, 60.0, len(sky64.targets))
    assert not pretrained.fitting(member_meta(sky64, TILE, 1), other)
