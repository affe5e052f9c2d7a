"""The methods without deep learning, where their assumptions hold and where they don't."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import data, physics, rivals
from cogan_lib.companions.extinction.evaluation import rmse_at
from cogan_lib.companions.extinction.physics import BINS, SIDE

from .conftest import WIDE, clump_stars, line_of, seeded


def clump_diagrams(monkeypatch, a_v, noise=False):
    """Many stars of the clump alone, from 0.5 to 10 kpc, behind this dust and without it."""
    if not noise:
        clump_stars(monkeypatch)
    else:
        only = {"red clump": physics.COMPONENTS["red clump"]}
        monkeypatch.setattr(physics, "COMPONENTS", only)
    lines, area = line_of(2e5, (0.5, 10.0)), torch.tensor([WIDE])
    return [
        physics.diagrams(physics.stars(lines, torch.tensor([0]), dust, seeded(seed), area=area), 1)
        for seed, dust in ((1, a_v), (2, 0 * a_v))
    ]


NONE = torch.zeros(BINS)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("step", [2.0, 6.0])
def test_the_clump_sees_a_step_of_dust(monkeypatch, step, noise):
    """Within a tenth of the step from 2 to 6 kpc, but for half a kiloparsec about the step."""
    a_v = torch.zeros(1, BINS)
    a_v[0, 30] = step  # at 3.0-3.1 kpc
    pair, law = clump_diagrams(monkeypatch, a_v, noise), physics.extinction_law()
    sums = rivals.red_clump(*pair, law, NONE)[0].cumsum(0).numpy()
    d = 0.1 * (np.arange(BINS) + 1)
    pixel = 0.05 / (law[0] - law[1])  # half a pixel of colour, in mag of A_V
    front, behind = (d >= 2) & (d <= 2.5), (d >= 3.6) & (d <= 6)
    assert (np.abs(sums[front]) <= max(0.1 * step, pixel)).all()
    assert (np.abs(sums[behind] - step) <= max(0.1 * step, pixel)).all()


def test_the_clump_follows_a_ramp_within_a_tenth(monkeypatch):
    ramp = torch.full((1, BINS), 0.12)  # mag per 100 pc
    pair = clump_diagrams(monkeypatch, ramp, noise=True)
    sums = rivals.red_clump(*pair, physics.extinction_law(), NONE)[0].cumsum(0)
    real = ramp[0].cumsum(0)
    near = slice(19, 60)
    np.testing.assert_allclose(sums[near], real[near], rtol=0.1, atol=0.25)


def test_beyond_its_last_row_the_clump_grows_as_the_mean_profile(monkeypatch):
    """10 mag at 3 kpc push the clump beyond J's limit at some distance: the mean goes on there."""
    wall, mean = torch.zeros(1, BINS), torch.full((BINS,), 0.07)
    wall[0, 30] = 10.0
    pair, law = clump_diagrams(monkeypatch, wall), physics.extinction_law()
    found, alone = (rivals.red_clump(*pair, law, usual)[0] for usual in (mean, NONE))
    # J = -1.606 + 0.65 + 5 log10(d / 10 pc) + A_J = 15.8 - 0.2 at 6 kpc.
    reach = 10 ** ((15.6 - 0.65 + 1.606 - 10 * law[0] - 10) / 5)
    late = round(10 * reach) + 2
    assert reach < 10
    np.testing.assert_allclose(found[late:] - alone[late:], 0.07, atol=1e-5)
    np.testing.assert_allclose(found[: late - 8], alone[: late - 8], atol=1e-6)


def test_profiles_of_the_clump_rise_and_an_empty_diagram_has_the_mean(examples):
    law, mean = physics.extinction_law(), physics.profiles(500, seeded(1)).mean(0)
    found = rivals.red_clump(examples.counts[:50], examples.reference[:50], law, mean)
    assert found.shape == (50, BINS) and found.min() >= 0 and torch.isfinite(found).all()
    none = torch.zeros(2, SIDE, SIDE)
    empty = rivals.red_clump(none, examples.reference[:2], law, mean)
    torch.testing.assert_close(empty, mean.expand(2, -1), rtol=1e-3, atol=1e-5)


def test_the_clump_knows_more_than_the_mean(examples):
    mean = physics.profiles(2000, seeded(1)).mean(0)
    law = physics.extinction_law()
    ours = rivals.red_clump(examples.counts, examples.reference, law, mean)
    ours, usual = (rmse_at(x, examples.a_v) for x in (ours, mean.expand_as(ours)))
    assert all(ours[d] < 0.6 * usual[d] for d in (3, 5, 8, 10)), (ours, usual)


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
    return data.Drawn(counts, reference, (logs[:, :1] + 0.5 * logs[:, 1:]) * bins)


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
