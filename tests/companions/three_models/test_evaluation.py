"""The tests see what they should: exact fields pass, each fault is found by its own measure."""

import numpy as np
import pytest
import torch
from torch import nn

from cogan_lib.base.files import CoganError
from cogan_lib.companions.three_models import evaluation, figures, network, physics
from cogan_lib.companions.three_models.physics import SCATTER, SIDE, SKEWNESS

N = 400


@pytest.fixture(scope="module")
def sets():
    """Generated, real and training fields; all exact."""
    return [physics.fields(N, np.random.default_rng(seed)).astype(float) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def verdict(sets):
    return evaluation.assess(*sets, seed=1)


def test_exact_fields_pass(verdict):
    assert verdict["rms"] < 0.05 and verdict["worst"] < 0.12
    assert verdict["spread_mean"] == pytest.approx(1, abs=0.15)
    assert verdict["correlation"] < 0.05 and verdict["ks"] < 0.02
    assert verdict["skewness"] == pytest.approx(SKEWNESS, rel=0.15)
    assert verdict["negative"] == 0 and max(verdict["minkowski"]) < 0.1
    assert 0.4 < verdict["auc"] < 0.6 and 0.4 < verdict["auc_pixels"] < 0.6
    assert verdict["nearest"] == pytest.approx(1, abs=0.1)


def test_a_gaussian_of_the_right_spectrum_is_found_by_all_but_the_spectrum(sets):
    _, real, seen = sets
    fit = physics.gaussian_fit(physics.fields(1500, np.random.default_rng(4)), False)
    drawn = physics.gaussian_draw(fit, N, False, np.random.default_rng(5))
    found = evaluation.assess(drawn, real, seen, 1)
    assert found["rms"] < 0.07
    assert found["ks"] > 0.05 and found["negative"] > 0.02 and abs(found["skewness"]) < 0.3
    assert found["auc"] > 0.95 and found["minkowski"][2] > 0.1
    some = real[:100]
    assert evaluation.gaussian_excess(fit, False, some) > 50


def test_collapse_is_seen_by_the_spread(sets):
    one, real, seen = sets
    alike = one.mean() + (one - one.mean()) * (one.std() / one.std(axis=(1, 2), keepdims=True))
    found = evaluation.assess(alike, real, seen, 1)
    assert found["spread_mean"] < 0.8 and found["ks"] < 0.08


def test_copies_are_seen(sets):
    _, real, seen = sets
    found = evaluation.assess(seen + 0.01, real, seen, 1)
    assert found["nearest"] < 0.1


def test_too_few_fields_are_refused(sets):
    with pytest.raises(CoganError, match="at least 100"):
        evaluation.assess(sets[0][:50], *sets[1:], seed=1)


def test_densities_of_the_answer_are_no_worse_than_it(sets):
    fit = physics.gaussian_fit(physics.fields(1500, np.random.default_rng(4)), True)
    assert 0 < evaluation.gaussian_excess(fit, True, sets[1][:100]) < 300


class Still(nn.Module):
    """The velocity of white Gaussian data: none."""

    def forward(self, x, phi):
        return 0 * x


class Narrow(nn.Module):
    """The velocity of independent Gaussian pixels of variance a^2, which is known."""

    def __init__(self, a):
        super().__init__()
        self.a = a

    def forward(self, x, phi):
        cos, sin = (f(phi)[:, None, None] for f in (torch.cos, torch.sin))
        return x * cos * sin * (1 - self.a**2) / (self.a**2 * cos**2 + sin**2)


@pytest.mark.parametrize(("velocity", "a"), [(Still(), 1.0), (Narrow(0.5), 0.5)])
def test_density_of_a_flow_that_is_known(sets, velocity, a):
    some = sets[1][:20]
    found = evaluation.flow_excess(velocity, some, 1, steps=64)
    x = physics.scaled(some)
    nll = (0.5 * (x / a) ** 2).sum((1, 2)) + SIDE**2 * np.log(a * SCATTER * np.sqrt(2 * np.pi))
    expected = float(np.mean(nll - physics.surprise(some)))
    assert found == pytest.approx(expected, rel=0.02)


def test_bound_of_an_autoencoder(sets):
    torch.manual_seed(1)
    found = evaluation.vae_bound(network.build("vae").eval(), sets[1][:50], 1, draws=2)
    assert found["excess"] > 100 and found["sigma"] == pytest.approx(np.exp(-0.5))
    assert 0 <= found["active"] <= network.LATENT and found["explained"] < 1


def test_figures(sets, verdict):
    named = {"real": sets[1], "generated": sets[0]}
    assert len(figures.panels(named, 3).axes) == 6
    assert len(figures.spectra({"generated": verdict}).axes) == 2
    assert len(figures.distributions(named).axes) == 2
    row = {key: verdict[key] for key in figures.MEASURES if key in verdict}
    figure = figures.table({"generated": row}, dict.fromkeys(figures.MEASURES, 0.5))
    said = [text.get_text() for text in figure.axes[0].texts]
    assert len(said) == len(figures.MEASURES) and "none" in said
