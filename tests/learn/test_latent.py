"""A variational autoencoder's loss, by value."""

import numpy as np
import torch
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from cogan_lib.learn.latent import active_units, draw, gaussian_nll, kl_to_normal


def test_the_likelihood_is_that_of_scipy():
    rng = np.random.default_rng(1)
    x, mean, sigma = rng.normal(size=(3, 5)), rng.normal(size=(3, 5)), rng.uniform(0.5, 2, 5)
    found = gaussian_nll(*map(torch.from_numpy, (x, mean, sigma)))
    np.testing.assert_allclose(found, -norm.logpdf(x, mean, sigma).sum(1))
    one = gaussian_nll(torch.from_numpy(x), torch.from_numpy(mean), 0.3)
    np.testing.assert_allclose(one, -norm.logpdf(x, mean, 0.3).sum(1))


def test_the_divergence_is_that_of_torch_unit_by_unit():
    mean, log_variance = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros(()), torch.ones(())))
    torch.testing.assert_close(kl_to_normal(mean, log_variance), expected)


def test_draws_have_the_posteriors_moments_and_hand_gradients_on():
    mean = torch.full((20_000, 1), 2.0, requires_grad=True)
    log_variance = torch.full((20_000, 1), np.log(0.25), requires_grad=True)
    z = draw(mean, log_variance, torch.Generator().manual_seed(1))
    assert abs(z.mean() - 2) < 0.02 and abs(z.std() - 0.5) < 0.02
    z.sum().backward()
    assert (mean.grad == 1).all() and log_variance.grad.abs().sum() > 0
    again = draw(mean, log_variance, torch.Generator().manual_seed(1))
    assert (z == again).all()


def test_a_unit_is_active_if_its_mean_says_something():
    spread = torch.linspace(-1, 1, 50)[:, None]
    assert active_units(spread * torch.tensor([[1.0, 0.1, 0.2]])).tolist() == [True, False, True]
