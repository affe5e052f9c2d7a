"""Members: the score asks for the right spread, calibration shows, one member is one sky."""

import dataclasses

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.beyond import members
from cogan_lib.gan import recipes
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.gan.losses import crps
from cogan_lib.gan.recipes import TrainingSettings
from cogan_lib.gan.training import train
from cogan_lib.sky.skyfile import read_sky, write_sky
from cogan_lib.synthesis import synthesise
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm
from cogan_lib.validation.amplitude import middle_of
from cogan_lib.validation.calibration import calibration
from tests.toys import steep_sky, toy_patches, untrained

NSIDE, FWHM = 32, 240.0
GEOMETRY = Geometry(16, 60.0)


@pytest.fixture(scope="module")
def sky():
    return steep_sky(NSIDE, FWHM)


def test_the_score_is_best_for_the_true_spread_where_l1_wants_none():
    random = torch.Generator().manual_seed(1)
    truth, one, other = (torch.randn(2000, 1, 16, 16, generator=random) for _ in range(3))
    spreads = torch.linspace(0, 2, 21)
    scores = [float(crps(s * one, s * other, truth)) for s in spreads]
    assert spreads[int(np.argmin(scores))] == pytest.approx(1.0, abs=0.11)
    l1 = [float((s * one - truth).abs().mean()) for s in spreads]
    assert int(np.argmin(l1)) == 0


def test_the_score_sees_that_regions_vary_together():
    """Members with the right pixels but no common level score worse than members that have both."""
    random = torch.Generator().manual_seed(2)

    def draw(level):
        pixels = torch.randn(500, 1, 16, 16, generator=random)
        common = torch.randn(500, 1, 1, 1, generator=random)
        return np.sqrt(1 - level**2) * pixels + level * common

    truth = draw(0.7)
    right = float(crps(draw(0.7), draw(0.7), truth))
    wrong = float(crps(draw(0.0), draw(0.0), truth))
    assert right < wrong - 0.02


def test_members_from_the_truth_are_calibrated():
    draw = np.random.default_rng(3)
    w = 0.3 * np.sinh(draw.standard_normal((61, 20_000)))
    found = calibration(w[1:], w[0], seed=1)
    assert found["coverage"]["0.68"] == pytest.approx(0.68, abs=0.02)
    assert found["coverage"]["0.95"] == pytest.approx(0.95, abs=0.01)
    np.testing.assert_allclose(found["rank"], 1 / 61, atol=0.006)
    assert found["spread_over_error"] == pytest.approx(1, abs=0.02)
    assert found["crps"] == pytest.approx(1 / np.sqrt(np.pi), rel=0.02)  # of a normal variable
    assert found["crps_of_one"] == pytest.approx(2 / np.sqrt(np.pi), rel=0.02)
    assert abs(found["mean_error"]) < 0.03


@pytest.mark.parametrize(("factor", "low", "high"), [(0.5, 0.0, 0.5), (2.0, 0.9, 1.0)])
def test_wrong_spreads_are_recognised(factor, low, high):
    draw = np.random.default_rng(4)
    truth = 0.3 * np.sinh(draw.standard_normal(5000))
    w = 0.3 * np.sinh(factor * draw.standard_normal((40, 5000)))
    found = calibration(w, truth, seed=1)
    assert low <= found["coverage"]["0.68"] <= high
    assert found["spread_over_error"] == pytest.approx(factor, rel=0.05)
    ends = found["rank"][0] + found["rank"][-1]
    assert (ends > 0.2) if factor < 1 else (ends < 0.01)


@pytest.mark.parametrize("m", [2, 5, 9, 40])
def test_coverage_takes_weibulls_places(m):
    """Place (i + 1)/(m + 1) for member i, and the outermost member beyond: numpy's "weibull"."""
    members = np.random.default_rng(m).normal(size=(m, 500))
    ordered, places = np.sort(members, axis=0), np.arange(1, m + 1) / (m + 1)
    levels = np.concatenate([[0, 0.001, 0.16, 0.5, 0.84, 0.999, 1], places])
    by_hand = [
        [np.interp(level, places, column) for column in ordered.T] for level in levels
    ]  # np.interp clips at both ends
    found = np.quantile(members, levels, axis=0, method="weibull")
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-12)


def test_equal_members_and_truth_share_the_ranks():
    rank = calibration(np.zeros((9, 5000)), np.zeros(5000), seed=1)["rank"]
    np.testing.assert_allclose(rank, 0.1, atol=0.02)


def test_members_that_do_not_fit_are_refused():
    for shape in ((1, 5), (4, 6)):
        with pytest.raises(CoganError, match="at least two members of the same shape"):
            calibration(np.zeros(shape), np.zeros(5), seed=1)


def with_noise(folder, seed=1):
    """An untrained generator with fields of noise that it listens to."""
    return untrained(folder, GEOMETRY, FWHM, seed, noise=(8.0, 30.0))


def test_a_member_is_one_sky_wherever_tiles_overlap(sky, tmp_path):
    """Tiles of one sky of noise agree in what they share, as they do for the inputs."""
    trained = with_noise(tmp_path / "checkpoint")
    assert trained.settings.noise == (8.0, 30.0)
    options = {"batch_size": 500, "progress": False}
    one, again, other = (synthesise(sky, trained, member=m, **options) for m in (3, 3, 4))
    name = "W_CO21"
    np.testing.assert_array_equal(one.maps[name], again.maps[name])
    assert np.corrcoef(one.maps[name], other.maps[name])[0, 1] < 0.999
    assert one.meta["member"] == 3
    # a seam would be small-scale power that no tile has
    centres = np.array([[10.0, 3.0], [200.0, -40.0], [77.0, 80.0]])
    difference = one.maps[name].astype(float) - other.maps[name]
    cut = cut_tiles(map_to_alm(difference), GEOMETRY, centres)
    fine = np.diff(cut, n=2, axis=-1).std() / cut.std()
    assert fine < 0.5


def test_mean_and_spread_are_those_of_the_members(sky, tmp_path):
    """Of two trainings, which take turns."""
    trainings = [with_noise(tmp_path / f"checkpoint-{seed}", seed) for seed in (1, 2)]
    options = {"batch_size": 500, "progress": False}
    seen = []
    made = members.synthesise_members(sky, trainings, 3, 5, seen.append, **options)
    each = np.stack([one.maps["W_CO21"] for one in seen])
    for i, (seed, which) in ((1, (6, 1)), (2, (7, 0))):
        alone = synthesise(sky, trainings[which], member=seed, **options)
        np.testing.assert_array_equal(alone.maps["W_CO21"], each[i])
    maps = made.maps
    np.testing.assert_array_equal(maps["W_CO21"], each[0])
    np.testing.assert_allclose(maps["W_CO21_MEAN"], each.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(maps["W_CO21_STD"], each.std(0, ddof=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(maps["W_CO21_MID"], middle_of(each), rtol=1e-4, atol=1e-5)
    back = read_sky(write_sky(tmp_path / "co.fits", made))
    assert back.targets == ["W_CO21"] and back.meta["members"] == 3 and back.nside == NSIDE
    sums = [t.content["weights_sha256"]["generator_ab"] for t in trainings]
    assert [back.meta["weights"], back.meta["weights2"]] == sums
    with pytest.raises(CoganError, match="at least two members"):
        members.synthesise_members(sky, trainings, 1, seed=5)
    with pytest.raises(CoganError, match="trained with noise"):
        members.synthesise_members(sky, [untrained(tmp_path / "plain", GEOMETRY, FWHM)], 3, seed=5)


def test_trainings_take_turns_on_tiles_too(tmp_path):
    trainings = [with_noise(tmp_path / f"checkpoint-{seed}", seed) for seed in (1, 2)]
    level = np.array([1.0, 1e21])[:, None, None]  # mag, cm-2
    inputs = level * (np.abs(np.random.default_rng(1).standard_normal((2, 2, 32, 32))) + 0.5)
    both = members.member_tiles(trainings, inputs, 4, seed=3)
    for i, trained in enumerate(trainings):  # the same draws of noise in all three
        alone = members.member_tiles([trained], inputs, 4, seed=3)
        np.testing.assert_array_equal(both[i::2], alone[i::2])
        assert not np.allclose(both[1 - i :: 2], alone[1 - i :: 2])


def test_a_generator_of_members_learns_that_the_input_leaves_things_open(tmp_path):
    """Target = input + a level that the input does not know: the members learn its spread."""
    patches = toy_patches(60)
    level = np.random.default_rng(6).standard_normal((len(patches.targets), 1, 1, 1))
    scaling = patches.target_scalings[0]
    targets = scaling.inverse(scaling.forward(patches.targets.astype(float)) + 0.8 * level)
    patches = dataclasses.replace(patches, targets=targets.astype(np.float32))
    base = TrainingSettings(
        paired=True, batch_size=4, max_steps=72, learning_rate=2e-3, device="cpu"
    )
    settings = recipes.member_settings(base)
    small = dataclasses.replace(settings.network, features=8, blocks=1, discriminator_features=4)
    result = train(patches, dataclasses.replace(settings, network=small), tmp_path)
    trained, tiles = load_checkpoint(result.checkpoint), patches.select("train")
    made = members.member_tiles([trained], tiles.inputs, 8, seed=1)[:, :, 0]
    y = scaling.forward(made.astype(float)).mean((2, 3))  # level of each tile of each member
    assert 0.2 < y.std(axis=0).mean() < 1.2  # 0.3 of the 0.8 so early; untrained below 0.1


def test_members_need_pairs():
    settings = recipes.member_settings(TrainingSettings(device="cpu"))
    with pytest.raises(CoganError, match="set paired to true"):
        dataclasses.replace(settings, paired=False)
