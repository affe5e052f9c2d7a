"""Losses of two networks, the penalty and the running average, by hand."""

import math

import pytest
import torch
from torch import nn

from cogan_lib.learn import adversarial


def test_losses_by_hand():
    real, generated = torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 0.0])
    expected = (math.log(2) + math.log1p(math.exp(-2))) / 2
    expected += (math.log1p(math.exp(-1)) + math.log(2)) / 2
    assert float(adversarial.discriminator_loss(real, generated)) == pytest.approx(expected)
    expected = (math.log1p(math.exp(1)) + math.log(2)) / 2
    assert float(adversarial.generator_loss(generated)) == pytest.approx(expected)


def test_the_generator_has_a_slope_where_the_discriminator_is_sure():
    score = torch.tensor([-20.0], requires_grad=True)
    (slope,) = torch.autograd.grad(adversarial.generator_loss(score), score)
    assert float(slope) == pytest.approx(-1, abs=1e-6)


def test_the_penalty_is_the_squared_slope_at_the_real_images():
    """Score = sum of 3 x + x^2 / 2: its slope is 3 + x in each pixel."""
    images = torch.tensor([[[0.0, 1.0]], [[-3.0, 2.0]]])
    factor = nn.Parameter(torch.tensor(1.0))

    def score(x):
        return factor * (3 * x + x**2 / 2).sum((1, 2))

    found = adversarial.gradient_penalty(score, images)
    assert found.item() == pytest.approx((9 + 16 + 0 + 25) / 2)
    found.backward()  # the squared slope goes with the square of the factor
    assert float(factor.grad) == pytest.approx(2 * 25)
    assert images.grad is None


def test_the_average_remembers():
    average, network = nn.Linear(2, 1), nn.Linear(2, 1)
    old, new = (layer.weight.detach().clone() for layer in (average, network))
    adversarial.follow(average, network, 0.9)
    torch.testing.assert_close(average.weight.detach(), 0.9 * old + 0.1 * new)
    torch.testing.assert_close(network.weight.detach(), new)
    adversarial.follow(average, network, 0.0)
    torch.testing.assert_close(average.weight, network.weight)
