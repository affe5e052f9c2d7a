"""The network, its files, its training and what is drawn from it."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.stellar_spectra import (
    data,
    evaluation,
    network,
    physics,
    sampling,
    training,
)
from cogan_lib.learn.fit import Plan


@pytest.fixture(scope="module")
def test_set():
    rng = np.random.default_rng(9)
    stars = data.draw_stars(400, rng)
    return stars, stars.observe(rng)


def test_a_short_training_gets_near(net, test_set):
    stars, seen = test_set
    found = evaluation.assess(net, stars, seen)
    assert found["chi2"] == pytest.approx(found["own_chi2"])
    assert 0.95 < found["chi2"] < 1.6 and found["error"] < 0.7
    assert 1 < found["active"] <= network.LATENT and len(found["kl"]) == network.LATENT
    assert found["chi2"] < 0.3 * evaluation.chi2_per_pixel(seen, net.mean.numpy()).mean()


def test_equal_seed_equal_network(stars, folder, tmp_path):
    plan = Plan(1, batch=500, seed=3)
    pair = [network.load_vae(training.train(tmp_path / name, plan, stars))[0] for name in "ab"]
    assert all(
        torch.equal(a, b) for a, b in zip(*(x.state_dict().values() for x in pair), strict=True)
    )


def test_cross_entropy_takes_the_top_off_the_noise(stars, tmp_path, test_set):
    plan = Plan(6, rate=2e-3, batch=64, seed=1)
    net, content = network.load_vae(training.train(tmp_path / "b", plan, stars, "bernoulli"))
    assert net.likelihood == content["network"]["likelihood"] == "bernoulli"
    found = evaluation.assess(net, *test_set)
    assert found["bias"] < -0.2 and found["own_chi2"] < 0.2
    with pytest.raises(CoganError, match="gaussian or bernoulli"):
        network.SpectrumVAE(likelihood="poisson")


def test_files_hold_the_network(net, folder, test_set):
    again, content = network.load_vae(folder)
    assert content["stars"] == 1500 and content["plan"]["epochs"] == 12
    flux = test_set[1][:3]
    np.testing.assert_array_equal(
        network.reconstruction(net, flux), network.reconstruction(again, flux)
    )
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_spectra_with_gaps_or_of_another_length_are_refused(net):
    with pytest.raises(CoganError, match="rows of 512 pixels"):
        network.latent_of(net, np.ones((2, 100)))
    with pytest.raises(CoganError, match="NaN"):
        network.latent_of(net, np.full((2, physics.PIXELS), np.nan))


def test_a_mixture_has_the_moments_of_what_it_is_fitted_to(net, stars):
    seen = stars.observe(np.random.default_rng(4))
    mean, sd = network.latent_of(net, seen)
    mixture = sampling.LatentMixture.of(net, seen, seed=1, components=4)
    z = mixture.draw(20_000, seed=2)
    assert abs(mixture.weights.sum() - 1) < 1e-9
    assert (z.mean(0) - mean.mean(0)).abs().max() < 0.1
    wide = (mean.var(0) + (sd**2).mean(0)).sqrt()
    torch.testing.assert_close(z.std(0).float(), wide, rtol=0.1, atol=0.05)
    with pytest.raises(CoganError, match="too few"):
        sampling.LatentMixture.of(net, seen[:20], seed=1)


def test_stars_are_made_to_order(net, stars, test_set):
    labels = sampling.LabelMap.of(net, stars, np.random.default_rng(5))
    asked = network.decoded(net, labels.latent(test_set[0].labels))
    error = np.sqrt(evaluation.chi2_per_pixel(asked, test_set[0].clean))
    mean = np.sqrt(evaluation.chi2_per_pixel(net.mean.numpy(), test_set[0].clean))
    assert np.median(error) < 0.3 * np.median(mean)
    few = data.StarSample(stars.labels[:30], stars.clean[:30])
    with pytest.raises(CoganError, match="30 stars are too few"):
        sampling.LabelMap.of(net, few, np.random.default_rng(5))


def test_between_two_stars_lie_others(net, test_set):
    one, other = test_set[1][:2]
    path = sampling.interpolate(net, one, other, 5)
    ends = network.reconstruction(net, test_set[1][:2])
    np.testing.assert_allclose(path[[0, -1]], ends, atol=1e-5)
    with pytest.raises(CoganError, match="at least 2 steps"):
        sampling.interpolate(net, one, other, 1)


def test_draws_from_the_prior_follow_their_seed(net):
    z = sampling.from_prior(net, 5000, seed=1)
    assert z.shape == (5000, network.LATENT) and (z == sampling.from_prior(net, 5000, seed=1)).all()
    assert abs(z.std() - 1) < 0.02
