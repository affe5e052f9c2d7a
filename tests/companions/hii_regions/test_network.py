"""Both networks, a short game, its result on disk, and that a seed repeats it."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.hii_regions import network, physics, training
from cogan_lib.companions.hii_regions.network import (
    PlayerShape,
    RegionDiscriminator,
    RegionGenerator,
)
from cogan_lib.companions.hii_regions.physics import SIDE
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan, seeded

TINY = PlayerShape(8, (12, 8, 6, 4))
PLAN = Plan(epochs=2, batch=16, rate=1e-3, seed=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hii") / "n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "STEPS", 10)
        return training.train(folder, PLAN, training.Recipe(skies=64), TINY)


def test_the_first_skies_differ_and_the_beam_is_the_telescope_s():
    torch.manual_seed(1)
    generator = RegionGenerator(PlayerShape())
    with torch.no_grad():
        sky = generator(torch.randn(64, 100))
    assert sky.shape == (64, SIDE, SIDE)
    assert sky.std(0).mean() > 0.05
    beam = network.beam_kernel().double().numpy()
    assert beam.sum() == pytest.approx(1, rel=1e-6)
    variance = (beam * np.arange(-4, 5) ** 2).sum()
    assert variance == pytest.approx(physics.FWHM_PX**2 / (8 * np.log(2)), rel=0.02)
    assert count_parameters(generator) * 2 < 2e6  # bytes in half precision


def test_a_sky_is_smoothed_by_the_beam():
    generator = RegionGenerator(TINY)

    class Point(torch.nn.Module):
        def forward(self, _):
            image = torch.zeros(1, 1, SIDE, SIDE)
            image[..., 30, 20] = physics.scaled(torch.tensor(10.0))
            return image

    generator.layers = Point()
    sky = generator(torch.zeros(1, 8))[0]
    beam = network.beam_kernel()
    torch.testing.assert_close(sky[26:35, 16:25], 10 * beam[:, None] * beam[None])


def test_a_group_of_equal_images_is_seen():
    torch.manual_seed(2)
    images = torch.rand(16, SIDE, SIDE)
    comparing, alone = RegionDiscriminator(TINY), RegionDiscriminator(TINY, compare=False)
    same = images[:1].expand(16, -1, -1)
    with torch.no_grad():
        together = comparing(images[:8])[0]
        assert not torch.isclose(together, comparing(same[:8])[0], rtol=1e-6, atol=0)
        torch.testing.assert_close(alone(images)[0], alone(same)[0])
        torch.testing.assert_close(comparing(images[:3], group=8), comparing(images[:3], group=3))


def test_a_game_is_saved_with_what_made_it(trained):
    generator, content = network.load_generator(trained)
    assert generator.shape == TINY
    assert content["recipe"] == {"gamma": 0.01, "skies": 64}
    assert [row["steps"] for row in content["history"]] == [10, 20]
    assert {"loss_discriminator", "loss_generator"} <= set(content["history"][0])
    assert content["plan"]["seed"] == content["provenance"]["seed"] == 3
    first = network.generate(generator, 5, seed=1)
    assert first.shape == (5, SIDE, SIDE) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, network.generate(generator, 5, seed=1))
    assert not np.array_equal(first, network.generate(generator, 5, seed=2))


def test_an_equal_seed_gives_equal_weights(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 10)
    again = training.train(tmp_path / "n", PLAN, training.Recipe(skies=64), TINY)
    one, other = (network.load_generator(folder)[0].state_dict() for folder in (trained, again))
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], rtol=0, atol=0, msg=name)


def test_batches_are_the_skies_in_eight_orientations_with_new_noise():
    skies = training.training_skies(1, n=4)
    np.testing.assert_array_equal(skies, training.training_skies(1, n=4))
    batches = training.NoisyBatches(skies[:1], 2, 40, seed=1)
    seen = [batch.numpy() for batch in batches]
    assert len(batches) == len(seen) == 40
    ways = [np.rot90(side, turn) for side in (skies[0], skies[0].T) for turn in range(4)]
    apart = np.array([[np.std(one[0] - way) for way in ways] for one in seen])
    assert set(apart.argmin(axis=1)) == set(range(8))
    np.testing.assert_allclose(apart.min(axis=1), physics.NOISE, rtol=0.1)
    assert not np.array_equal(seen[0][0], seen[0][1])


def test_truncated_skies_are_more_alike(trained):
    generator, _ = network.load_generator(trained)
    whole, half = (make(generator, 50, 1) for make in (network.generate, network.truncated))
    assert 0 < half.std(0).mean() < 0.8 * whole.std(0).mean()
    np.testing.assert_array_equal(network.truncated(generator, 50, 1, share=1.0), whole)


@pytest.mark.parametrize("recipe", [{"gamma": -1.0}, {"skies": 0}])
def test_a_bad_recipe_is_a_sentence(recipe):
    with pytest.raises(CoganError, match="penalty's weight"):
        training.Recipe(**recipe)


def test_random_numbers_of_another_generator_are_refused(trained):
    generator, _ = network.load_generator(trained)
    with pytest.raises(CoganError, match=r"\(3, 8\)"):
        network.generate(generator, 3, 1, latent=torch.zeros(3, 9))


def test_an_unfair_game_spares_the_generator_that_it_begins_with():
    with seeded(3):
        generator = RegionGenerator(TINY)
    before = [weight.clone() for weight in generator.parameters()]
    skies = training.training_skies(1, 32)
    one, other = (training.unfair(generator, skies, 5, turns=2, ahead=2) for _ in range(2))
    for old, kept, new, again in zip(
        before, *(net.parameters() for net in (generator, one, other)), strict=True
    ):
        assert torch.equal(old, kept) and torch.equal(new, again) and not torch.equal(old, new)
