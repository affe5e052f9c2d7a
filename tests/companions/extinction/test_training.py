"""The loss by hand, the prior, and a short training that learns and repeats itself."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import data, network, physics, training
from cogan_lib.companions.extinction.evaluation import coverage_at
from cogan_lib.companions.extinction.network import Shape
from cogan_lib.companions.extinction.physics import BINS
from cogan_lib.learn.fit import Plan

from .conftest import seeded

TINY = Shape(((6, 5), (8, 5), (8, 3)), (64,))
PLAN = Plan(epochs=3, batch=64, rate=3e-3, seed=4)


@pytest.fixture(scope="module")
def shrunk():
    """Epochs of 10 steps, few examples to validate and calibrate on, a coarse reference."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("EPOCH", 640), ("VALIDATED", 128), ("CALIBRATED", 256)):
            patch.setattr(training, name, value)
        plain = data.Survey
        patch.setattr(training, "Survey", lambda *a, **k: plain(*a, draws=4, **k))
        yield


@pytest.fixture(scope="module")
def trained(shrunk, tmp_path_factory):
    return training.train(tmp_path_factory.mktemp("extinction") / "n", TINY, PLAN)


def test_the_prior_is_the_mean_profile_and_the_scatter_of_its_sum():
    known = training.prior(3, draws=5000)
    again = physics.profiles(20_000, seeded(77))
    np.testing.assert_allclose(known.mean, again.mean(0), rtol=0.15)
    np.testing.assert_allclose(known.scatter, again.cumsum(1).std(0), rtol=0.08)
    assert float(known.scatter[99]) == pytest.approx(14.5 / np.sqrt(12), rel=0.05)
    assert torch.equal(known.mean, training.prior(3, draws=5000).mean)


def test_the_loss_by_hand():
    """Of two examples, one has 0.2 mag too much in the first bin, 0.1 too little in the third."""
    real = torch.zeros(2, 4)
    found = torch.tensor([[0.2, 0.0, -0.1, 0.0], [0.0, 0.0, 0.0, 0.0]])
    scatter = torch.tensor([0.1, 0.5, 1.0, 2.0])  # the first counts as 0.3
    sums = ((0.2 / 0.3) ** 2 + (0.2 / 0.5) ** 2 + (0.1 / 1) ** 2 + (0.1 / 2) ** 2) / 8
    bins = (2.0**2 + 1.0**2) / 8
    assert float(training.loss(found, real, scatter)) == pytest.approx(sums + bins, rel=1e-5)
    assert float(training.loss(real, real, scatter)) == 0


def test_training_learns_and_says_what_it_was(trained):
    loaded, content = network.load_network_of(trained)
    history = content["history"]
    assert [row["steps"] for row in history] == [10, 20, 30]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    assert history[-1]["rmse_10_kpc"] < history[0]["rmse_10_kpc"] < 4.5
    assert set(history[0]) >= {f"rmse_{d}_kpc" for d in (1, 3, 5, 8, 10)}
    assert content["law"] == list(physics.extinction_law())
    assert content["plan"] == {"epochs": 3, "minutes": None, "rate": 3e-3, "batch": 64, "seed": 4}
    assert content["sightlines"] == [list(place) for place in data.TRAINED]
    assert content["bins"] == [128, 0.1]
    assert content["provenance"]["seed"] == 4 and "git_commit" in content["provenance"]
    factors = torch.tensor(content["spread_factors"])
    assert factors.shape == (BINS,) and (factors > 0).all()
    assert loaded.shape == TINY


def test_an_equal_seed_gives_equal_weights_and_leaves_torchs_own_draws(trained, tmp_path):
    before = torch.random.get_rng_state()
    folder = training.train(tmp_path / "again", TINY, PLAN)
    assert torch.equal(torch.random.get_rng_state(), before)
    again, content = network.load_network_of(folder)
    first, theirs = network.load_network_of(trained)
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, again.state_dict()[name], rtol=0, atol=0, msg=name)
    assert content["spread_factors"] == theirs["spread_factors"]


def test_factors_let_the_spread_cover_two_thirds(trained):
    loaded, content = network.load_network_of(trained)
    survey = data.Survey(data.TRAINED, PLAN.seed, draws=4)
    drawn = survey.examples(600, seeded(5))
    pair = drawn.counts, drawn.reference
    wide = network.spread(loaded, *pair) * torch.tensor(content["spread_factors"])
    found = coverage_at(network.predict(loaded, *pair), wide, drawn.a_v)
    # Calibrated on 256: a binomial error of 0.03, and one of 0.02 here.
    assert all(share == pytest.approx(0.6827, abs=0.13) for share in found.values()), found


def test_a_law_of_ones_own_is_learnt_and_written(shrunk, tmp_path):
    plan = Plan(epochs=0.2, batch=64, seed=1)
    folder = training.train(tmp_path / "n", TINY, plan, law=(0.3, 0.1))
    assert network.load_network_of(folder)[1]["law"] == [0.3, 0.1]


def test_a_loss_that_is_no_longer_finite_is_a_sentence(shrunk, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "loss", lambda found, *_: found.sum() * float("nan"))
    with pytest.raises(CoganError, match="no longer finite after 3 steps"):
        training.train(tmp_path / "n", TINY, Plan(epochs=0.3, batch=64))
    assert not (tmp_path / "n").exists()
