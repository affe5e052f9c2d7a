"""The rivals: samplers of perfect networks, the Gaussian without a network, the mistake."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.cmb_maps import physics, rivals, statistics

VARIANCE = torch.tensor([0.5, 1.0, 2.0])


def test_perfect_networks_show_the_samplers_errors():
    assert rivals.sampler_error("trig", VARIANCE).numpy() == pytest.approx(1, abs=0.015)
    assert rivals.sampler_error("trig", VARIANCE)[1] == 1  # the data of the whitening stand still
    assert rivals.sampler_error("linear", VARIANCE)[1] == pytest.approx(0.9, abs=0.01)
    assert rivals.sampler_error("ddpm", VARIANCE)[1] < 0.9
    for kind in ("linear", "ddpm"):  # more steps are the remedy, and dear
        finer = rivals.sampler_error(kind, VARIANCE, 1000)
        assert finer.numpy() == pytest.approx(1, abs=0.01)


def test_examples_are_what_is_said():
    x0 = torch.ones(4, 2, 2)
    for kind in rivals.KINDS:
        x, phi, target = rivals.example(kind, x0, torch.Generator().manual_seed(1))
        assert x.shape == target.shape == x0.shape and phi.shape == (4,)
        assert ((phi > 0) & (phi < np.pi / 2)).all()
    with pytest.raises(CoganError, match="choose trig, linear, ddpm"):
        rivals.example("langevin", x0, torch.Generator())
    with pytest.raises(CoganError, match="choose trig, linear, ddpm"):
        rivals.sample("langevin", None, x0, x0)


def test_diagonal_gaussian_has_the_variances_and_lacks_power_where_it_falls():
    rows = np.array([physics.FIDUCIAL]).repeat(400, axis=0)
    maps = rivals.diagonal_gaussian(rows, torch.Generator().manual_seed(1)).numpy()
    sigma0, _ = statistics.field_moments(physics.FIDUCIAL)
    assert maps.std() == pytest.approx(sigma0, rel=0.03)
    ratio = statistics.measured(maps).mean(axis=0) / statistics.expected(rows[:1])[0]
    assert np.abs(ratio - 1).max() > 0.05


def test_min_max_forgets_the_amplitude():
    maps = torch.randn(3, 8, 8)
    assert torch.allclose(rivals.min_max(maps), rivals.min_max(5 * maps + 2), atol=1e-5)
