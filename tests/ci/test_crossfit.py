"""The cross-fit's script: six small trainings and the sky that they make, by its command line."""

import os
from dataclasses import replace

import crossfit
import numpy as np
import pytest

from cogan_lib.base.files import CoganError, read_json, sha256
from cogan_lib.beyond import member_training
from cogan_lib.gan.recipes import FLOW
from cogan_lib.sky.lines import TRACERS
from cogan_lib.sky.skyfile import read_sky, write_sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.map_scalings import map_scalings
from cogan_lib.tiles.split import FOLDS


@pytest.fixture(scope="module")
def small():
    """Small tiles, networks and numbers of poses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossfit, "TILE", Geometry(16, 30.0))
        patch.setattr(crossfit, "CENTRES", 16)
        patch.setattr(member_training, "POSES", 100)
        patch.setattr(member_training, "FLOW", replace(FLOW, features=4, blocks=1, flow_steps=2))
        yield


@pytest.fixture(scope="module")
def made(small, sky64, tmp_path_factory):
    """A sky file, and the folder of a cross-fit with two of its three tracers."""
    folder = tmp_path_factory.mktemp("crossfit")
    path = write_sky(folder / "sky.fits", sky64)
    given = [str(path), str(folder), "--inputs", "DUST", "N_HI"]
    assert crossfit.main(["train", *given, "--steps", "4", "--seed", "3"]) == 0
    more = ["--weights", str(folder), "--members", "2", "--seed", "5"]
    assert crossfit.main(["sky", *given, *more]) == 0
    return path, folder


@pytest.mark.long
def test_each_fold_has_a_flow_of_its_own(made, sky64):
    path, folder = made
    cards = [read_json(folder / f"fold-{fold}" / "checkpoint.json") for fold in range(1, 7)]
    assert len({card["weights_sha256"]["generator_ab"] for card in cards}) == 6
    for fold, card in enumerate(cards, start=1):
        assert card["fold"] == fold and card["input_columns"] == ["DUST", "N_HI"]
        assert card["training"]["steps"] == card["metrics"]["steps"] == 4
        assert card["training"]["seed"] == 3
        own = map_scalings(sky64, FOLDS[fold - 1], crossfit.TILE.side_deg)
        assert card["scalings"] == {name: own[name].to_dict() for name in card["scalings"]}


@pytest.mark.long
def test_the_sky_is_of_all_folds(made, sky64):
    path, folder = made
    co, maps = read_sky(folder / "co_members.fits"), np.load(folder / "members.npy")
    names = sky64.targets
    assert maps.shape == (2, len(names), 12 * 64**2) and np.isfinite(maps).all()
    assert co.meta["crossfit"] == 6 and co.meta["members"] == 2 and co.meta["member"] == 5
    assert co.meta["skysha"] == sha256(path)
    for i, name in enumerate(names):
        np.testing.assert_array_equal(co.maps[name], maps[0, i])
        np.testing.assert_allclose(
            co.maps[f"{name}_MEAN"], maps[:, i].mean(0), rtol=1e-4, atol=1e-4
        )
        assert (co.maps[f"{name}_STD"] > 0).any()


@pytest.mark.long
def test_steps_can_be_asked_for_in_seconds(small, made, sky64, tmp_path, monkeypatch, capsys):
    path, _ = made
    monkeypatch.setattr(crossfit, "TIMED", 3)
    given = ["train", str(path), str(tmp_path), "--folds", "2", "--seconds", "1"]
    assert crossfit.main(given) == 0
    card = read_json(tmp_path / "fold-2" / "checkpoint.json")
    steps = card["training"]["steps"]
    assert steps >= 3 and f"fold-2: {steps} steps in" in capsys.readouterr().out
    assert card["input_columns"] == sky64.inputs and os.listdir(tmp_path) == ["fold-2"]


@pytest.mark.long
def test_weights_that_did_not_come_along_get_a_sentence(made, tmp_path):
    path, _ = made
    with pytest.raises(CoganError, match="No weights of a cross-fit came .* DUST, N_HI, DUST_353"):
        crossfit.main(["sky", str(path), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_package_has_a_cross_fit_for_two_tracers_and_for_four(sky64):
    line = {"W_CO21": sky64.maps["W_CO21"]}
    for names in (["DUST", "N_HI"], ["DUST", "N_HI", "DUST_353", "EBV_SFD"]):
        maps = dict.fromkeys(names, sky64.maps["DUST"]) | line
        units = {name: TRACERS.get(name, ("K km/s",))[0] for name in maps}
        folds = crossfit.load_folds(crossfit.packed_with(replace(sky64, maps=maps, units=units)))
        assert [one.content["fold"] for one in folds.values()] == [1, 2, 3, 4, 5, 6]
        assert all(one.meta["input_columns"] == names for one in folds.values())


def test_a_sky_with_some_of_its_tracers(sky64):
    some = crossfit.with_inputs(sky64, ["N_HI", "DUST"])
    assert some.inputs == ["DUST", "N_HI"] and some.targets == sky64.targets
    assert crossfit.with_inputs(sky64, None).inputs == sky64.inputs
    with pytest.raises(CoganError, match="The sky has no EBV_SFD; it has DUST, N_HI, DUST_353."):
        crossfit.with_inputs(sky64, ["DUST", "EBV_SFD"])
