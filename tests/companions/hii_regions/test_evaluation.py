"""Each test on what it must pass, and on what it must see."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.hii_regions import evaluation, physics, training
from cogan_lib.companions.hii_regions.physics import SHAPES, SIDE

N = 500


@pytest.fixture(scope="module", autouse=True)
def fewer():
    """Fewer images, of which chance takes more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "SEARCHED", 200)
        patch.setitem(evaluation.LIMITS, "power", 0.2)
        patch.setitem(evaluation.LIMITS, "coverage", 0.15)
        yield


@pytest.fixture(scope="module")
def real():
    return physics.regions(N, np.random.default_rng(1))


@pytest.fixture(scope="module")
def skies():
    return training.training_skies(1, n=N)


@pytest.fixture(scope="module")
def good(real, skies):
    other = physics.regions(N, np.random.default_rng(2)).sky
    return evaluation.assess(other, real, skies, seed=1)


def test_a_wave_has_its_power_in_its_ring():
    x = np.arange(SIDE)
    wave = np.cos(2 * np.pi * 8 * x / SIDE)[None, None] * np.ones((1, SIDE, 1))
    power = evaluation.power(wave)[0]
    ring = np.digitize(8, evaluation.K_EDGES) - 1
    assert power.argmax() == ring and np.delete(power, ring).max() < 1e-12 * power[ring]


def test_twice_as_bright_is_four_times_the_power():
    images = np.random.default_rng(1).normal(size=(200, SIDE, SIDE))
    ratio, error = evaluation.power_ratio(2 * images, images)
    np.testing.assert_allclose(ratio, 4)
    other, _ = evaluation.power_ratio(images[:100], images[100:])
    assert np.mean(np.abs(other - 1) < 2 * error) > 0.8


def test_corners_are_counted():
    rng = np.random.default_rng(1)
    real = rng.uniform(size=(20_000, 4))
    full = evaluation.coverage(rng.uniform(size=(20_000, 4)), real)
    assert full.shape == (16,) and evaluation.corners()[0] == "----"
    np.testing.assert_allclose(full, 1, atol=0.2)
    lost = evaluation.coverage(real[real[:, 0] > 0.5], real)
    assert not lost[:8].any() and (lost[8:] > 1.5).all()
    one = evaluation.coverage(np.tile([0.9, 0.1, 0.9, 0.1], (10, 1)), real)
    assert one[evaluation.corners().index("+-+-")] > 30 and np.count_nonzero(one) == 1


def test_blocks_are_means_on_the_fixed_scale():
    image = np.zeros((1, SIDE, SIDE))
    image[0, :8, 8:16] = 3.0
    found = evaluation.blocks(image, 8).reshape(8, 8)
    assert found[0, 1] == pytest.approx(np.arcsinh(6.0)) and np.count_nonzero(found) == 1


def test_real_skies_pass(good):
    assert all(good["passes"].values()), good["passes"]
    assert good["nearest"] == pytest.approx(1, abs=0.1)
    assert good["use"]["accuracy"] > 0.75 and good["use"]["radius_rms"] < 1.5
    assert set(good["passes"]) == set(evaluation.LIMITS) and set(good["shapes"]) == set(SHAPES)


def test_copies_are_seen_by_one_test_alone(real, skies):
    copies = np.rot90(skies.astype(np.float32), 1, (1, 2))
    found = evaluation.assess(copies, real, skies, seed=1)
    assert found["nearest"] < 0.05
    assert [name for name, ok in found["passes"].items() if not ok] == ["nearest"]


def test_one_region_again_and_again_is_seen_by_most(real, skies):
    same = np.repeat(physics.regions(1, np.random.default_rng(5)).sky, N, axis=0)
    seen = evaluation.assess(same, real, skies, seed=1)["passes"]
    assert not any(seen[name] for name in ("flux", "shapes", "coverage", "auc"))


def test_limits_decide(good):
    bad = {**good, "power_ratio": [1.0, 0.79], "flux": [0.5, 1e-9]}
    assert [name for name, ok in evaluation.passes(bad).items() if not ok] == ["power", "flux"]
    lost = {**good["use"], "accuracy": good["use_real"]["accuracy"] - 0.04}
    assert not evaluation.passes({**good, "use": lost})["use"]


def test_too_few_skies_are_a_sentence(real, skies):
    with pytest.raises(CoganError, match="equal numbers"):
        evaluation.assess(real.sky[:10], real, skies, seed=1)
