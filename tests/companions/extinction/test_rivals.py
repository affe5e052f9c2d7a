"""The methods without deep learning, where their assumptions hold and where they don't."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import data, physics, rivals
from cogan_lib.companions.extinction.evaluation import rmse_at
from cogan_lib.companions.extinction.physics import BINS, SIDE

from .conftest import WIDE, clump_stars, line_of, seeded


def clump_diagram(monkeypatch, a_v, noise=False):
    """Many stars of the clump alone, from 0.5 to 10 kpc, behind this dust."""
    if not noise:
        clump_stars(monkeypatch)
    else:
        only = {"red clump": physics.COMPONENTS["red clump"]}
        monkeypatch.setattr(physics, "COMPONENTS", only)
    lines, area = line_of(2e5, (0.5, 10.0)), torch.tensor([WIDE])
    found = physics.stars(lines, torch.tensor([0]), a_v, seeded(1), area=area)
    return physics.diagrams(found, 1)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("step", [2.0, 6.0])
def test_the_clump_sees_a_step_of_dust(monkeypatch, step, noise):
    """Within a tenth of the step from 2 to 6 kpc, but for half a kiloparsec about the step."""
    a_v = torch.zeros(1, BINS)
    a_v[0, 30] = step  # at 3.0-3.1 kpc
    counts = clump_diagram(monkeypatch, a_v, noise)
    sums = rivals.red_clump(counts, physics.extinction_law())[0].cumsum(0).numpy()
    d = 0.1 * (np.arange(BINS) + 1)
    # Half a pixel of colour is 0.05 mag, so 0.3 mag of A_V.
    pixel = 0.05 / (physics.extinction_law()[0] - physics.extinction_law()[1])
    front, behind = (d >= 2) & (d <= 2.5), (d >= 3.6) & (d <= 6)
    assert (np.abs(sums[front]) <= max(0.1 * step, pixel)).all()
    assert (np.abs(sums[behind] - step) <= max(0.1 * step, pixel)).all()


def test_the_clump_follows_a_ramp_within_a_tenth(monkeypatch):
    ramp = torch.full((1, BINS), 0.12)  # mag per 100 pc
    counts = clump_diagram(monkeypatch, ramp, noise=True)
    sums = rivals.red_clump(counts, physics.extinction_law())[0].cumsum(0)
    real = ramp[0].cumsum(0)
    near = slice(19, 60)
    np.testing.assert_allclose(sums[near], real[near], rtol=0.1, atol=0.25)


def test_profiles_of_the_clump_rise_and_an_empty_diagram_has_none(examples):
    law = physics.extinction_law()
    found = rivals.red_clump(examples.counts[:50], law)
    assert found.shape == (50, BINS) and found.min() >= 0 and torch.isfinite(found).all()
    assert float(rivals.red_clump(torch.zeros(2, SIDE, SIDE), law).abs().max()) == 0
    lone = torch.zeros(1, SIDE, SIDE)
    lone[0, 30, 20] = rivals.FEWEST - 1
    assert float(rivals.red_clump(lone, law).abs().max()) == 0


def test_the_clumps_magnitude_and_colour_are_those_of_the_stars():
    part = physics.COMPONENTS["red clump"]
    middle = part.quantile(torch.tensor(0.5, dtype=torch.float64))
    assert float(middle) == pytest.approx(rivals.CLUMP_MAGNITUDE)
    assert float(part.colour(middle)) == pytest.approx(rivals.CLUMP_COLOUR)


def linear_toy(n, seed):
    """Profiles that are exactly linear in the logarithm of one summed pixel of each diagram."""
    generator = seeded(seed)
    logs = 2 + 2 * torch.rand(n, 2, generator=generator)
    counts, reference = torch.zeros(2, n, SIDE, SIDE)
    counts[:, 10, 20] = torch.expm1(logs[:, 0])
    reference[:, 41, 7] = torch.expm1(logs[:, 1])
    bins = 0.01 + 0.001 * torch.arange(BINS)
    return data.Examples(counts, reference, (logs[:, :1] + 0.5 * logs[:, 1:]) * bins)


def test_the_regression_finds_what_is_exactly_linear(monkeypatch):
    monkeypatch.setattr(rivals, "RIDGE", 1e-3)
    fitted = rivals.fit_linear(linear_toy(400, 1))
    other = linear_toy(50, 2)
    found = fitted.predict(other.counts, other.reference)
    torch.testing.assert_close(found, other.a_v, rtol=1e-3, atol=1e-4)


def test_the_regression_is_the_ridges_closed_form(survey):
    """In its dual form: as many unknowns as examples, and the pooled pixels summed by NumPy."""
    drawn = survey.examples(60, seeded(1))
    fitted = rivals.fit_linear(drawn)
    pooled = [
        np.log1p(x.numpy().reshape(60, 32, 2, 32, 2).sum((2, 4))).reshape(60, -1)
        for x in (drawn.counts, drawn.reference)
    ]
    x, y = np.concatenate(pooled, 1).astype(float), drawn.a_v.cumsum(1).numpy().astype(float)
    middle, offset = x.mean(0), y.mean(0)
    x -= middle
    weights = x.T @ np.linalg.solve(x @ x.T + rivals.RIDGE * np.eye(60), y - offset)
    np.testing.assert_allclose(fitted.weights, weights, atol=2e-4)
    np.testing.assert_allclose(fitted.offset, offset, rtol=1e-5)


def test_the_regression_rises_and_beats_the_mean(survey, examples):
    fitted = rivals.linear_regression(survey, seed=21, n=1500)
    found = fitted.predict(examples.counts, examples.reference)
    assert found.min() >= 0 and torch.isfinite(found).all()
    assert torch.equal(found, rivals.linear_regression(survey, seed=21, n=1500).predict(
        examples.counts, examples.reference))  # fmt: skip
    mean = rmse_at(examples.a_v.mean(0).expand_as(found), examples.a_v)
    ours = rmse_at(found, examples.a_v)
    assert all(ours[d] < 0.7 * mean[d] for d in ours), (ours, mean)


def test_a_regression_of_one_example_is_refused(survey):
    with pytest.raises(CoganError, match="at least two examples"):
        rivals.fit_linear(survey.examples(1, seeded(1)))
