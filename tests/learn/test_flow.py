"""The circle from data to noise: by value, and with the exact velocity of Gaussian data."""

import math

import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.learn import flow

GENERATOR = torch.Generator().manual_seed(1)


def test_ends_and_velocity():
    x0, noise = torch.ones(2, 3, 3), 2 * torch.ones(2, 3, 3)
    phi = torch.tensor([0.0, math.pi / 2])
    mixed = flow.mixed(x0, noise, phi)
    assert torch.allclose(mixed[0], x0[0]) and torch.allclose(mixed[1], noise[1])
    target = flow.target(x0, noise, phi)
    assert torch.allclose(target[0], noise[0]) and torch.allclose(target[1], -x0[1])
    ahead = flow.mixed(x0, noise, phi + 1e-3)
    assert torch.allclose((ahead - mixed) / 1e-3, target, atol=2e-3)


def test_angles_are_stratified_logit_normal():
    phi = flow.logit_normal(1000, torch.Generator().manual_seed(2))
    deviate = torch.logit(phi / (math.pi / 2)).sort().values
    assert abs(deviate.mean()) < 0.01 and abs(deviate.std() - 1) < 0.01
    assert not torch.equal(phi, phi.sort().values)  # no order in the batch


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
def test_error_falls_with_the_method_s_order(method, order):
    """Data of variance 4: the exact velocity is linear in x, the exact end is 2 x noise."""

    def velocity(x, phi, condition):
        c, s = phi.double().cos()[:, None], phi.double().sin()[:, None]
        return c * s * (1 - 4) / (4 * c**2 + s**2) * x

    noise, none = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1)
    errors = [abs(float(flow.sample(velocity, noise, none, n, method)) - 2) for n in (64, 128)]
    assert errors[1] < 0.02
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_path_hands_out_each_state():
    states = list(flow.path(lambda x, phi, condition: x, torch.ones(1, 2), torch.zeros(1), 3))
    assert [round(math.degrees(phi)) for phi, _ in states] == [90, 60, 30, 0]


def test_refusals():
    for steps, method in ((0, "heun"), (3, "runge")):
        with pytest.raises(CoganError, match="Take at least 1 step"):
            flow.sample(lambda x, phi, c: x, torch.ones(1, 2), torch.zeros(1), steps, method)
