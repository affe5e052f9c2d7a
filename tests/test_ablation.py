"""The ablation: each variant is what its name says, and a table goes on where it stopped."""

import numpy as np
import pytest

from cogan_lib import ablation
from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.sky.skyfile import Sky, write_sky
from cogan_lib.tiles.scaling import PatchMinMax
from tests.toys import toy_patches

STEPS = 9


@pytest.fixture(scope="module")
def patches():
    return toy_patches(60, npix=32)


def noise_sky():
    """A CO map of noise alone, which is all that the ablation takes from the sky."""
    maps = {"W_CO10": np.random.default_rng(3).normal(0, 0.1, 12 * 32**2)}
    maps["W_CO10_ERR"] = np.full(12 * 32**2, 0.1)
    return Sky(maps, dict.fromkeys(maps, "K km/s"), 180.0)


def differing(name, patches):
    """The flat settings in which a variant differs from the cogan recipe."""
    one, other = (ablation.variant(n, patches, 1, 1).to_dict() for n in ("cogan", name))
    flat = [{**s.pop("network"), **s.pop("weights"), **s} for s in (one, other)]
    return {key for key in flat[0] if flat[0][key] != flat[1][key]}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("unpaired", {"paired", "pair"}),
        ("instance norm", {"instance_norm"}),
        ("plain resampling", {"smooth"}),
        ("no jitter", {"jitter"}),
        ("min-max", set()),
        ("members", {"noise", "cycle", "pair", "learning_rate", "clip"}),
    ],
)
def test_a_variant_changes_one_thing(name, changed, patches):
    assert differing(name, patches) == changed


def test_the_identity_loss_needs_two_lines(patches):
    with pytest.raises(CoganError, match="identity loss"):
        ablation.variant("identity loss", patches, 1, 1)
    assert differing("identity loss", toy_patches(40, targets=2)) == {"identity"}


def test_the_papers_recipe_is_the_papers_but_narrow(patches):
    settings = ablation.variant("paper's recipe", patches, 1, 1)
    network = settings.network
    assert network.instance_norm and network.tanh and not network.smooth and not settings.paired
    assert (network.blocks, network.features, network.discriminator_layers) == (6, 16, 4)
    assert settings.weights.cycle == 10 and settings.learning_rate == 2e-4


def test_per_patch_scaling_takes_the_given_or_the_typical_amplitude(patches):
    scaled = ablation.scaled_patches("min-max", patches)
    assert all(isinstance(s, PatchMinMax) for s in scaled.input_scalings + scaled.target_scalings)
    assert ablation.scaled_patches("cogan", patches) is patches
    tile = ablation.typical_extremes(patches)
    targets = patches.select("train").targets
    assert tile.min() == pytest.approx(np.median(targets.min(axis=(1, 2, 3))))
    assert tile.max() == pytest.approx(np.median(targets.max(axis=(1, 2, 3))))


@pytest.mark.parametrize("name", ["members", "paper's recipe"])
def test_a_run_is_judged_on_the_test_tiles(name, patches):
    rows = ablation.run(name, patches, noise_sky(), STEPS, 1)
    kinds = [row["variant"].removeprefix(name) for row in rows]
    assert kinds == ([""] if name == "members" else [", extremes given", ", typical extremes"])
    for row in rows:
        numbers = row["W_CO10"]
        assert row["steps"] == STEPS and row["training"] == name
        assert np.isfinite([numbers["r2"], numbers["V1"], numbers["V2"], *numbers["ratio"]]).all()
        assert len(numbers["ratio"]) == len(numbers["rho"]) > 0


def test_a_table_goes_on_with_what_is_missing(patches, tmp_path, monkeypatch):
    called = []

    def fake_run(name, patches, sky, steps, seed):
        assert sky.targets == ["W_CO10"]
        called.append((name, seed))
        return [{"variant": name, "training": name, "seed": seed}]

    monkeypatch.setattr(ablation, "run", fake_run)
    file, table = patches.save(tmp_path / "patches.npz"), tmp_path / "table.json"
    write_sky(tmp_path / "sky.fits", noise_sky())
    arguments = [str(file), str(table), "--variants", "cogan", "identity loss", "members"]
    assert ablation.main([*arguments, "--seeds", "1"]) == 0
    assert ablation.main([*arguments, "--seeds", "1", "2"]) == 0
    assert called == [("cogan", 1), ("members", 1), ("cogan", 2), ("members", 2)]
    assert len(read_json(table)["rows"]) == 4
    with pytest.raises(CoganError, match="another budget"):
        ablation.main([*arguments, "--steps", "9"])
    content = read_json(table)
    assert content["steps"] == 2000
    write_json(table, {"epochs": 7} | {k: v for k, v in content.items() if k != "steps"})
    with pytest.raises(CoganError, match="another budget"):  # of an older version: rows are kept
        ablation.main(arguments)
    assert len(read_json(table)["rows"]) == 4
    with pytest.raises(CoganError, match="no variant"):
        ablation.variant("wings", patches, 1, 1)
