"""The field: its mean, scatter, skewness, correlation and density; and Gaussians fitted to it."""

import numpy as np
import pytest

from cogan_lib.companions.three_models import physics
from cogan_lib.companions.three_models.physics import SCATTER, SIDE, SIGMA, SKEWNESS
from cogan_lib.validation.spectra import power_spectra


@pytest.fixture(scope="module")
def fields():
    return physics.fields(3000, np.random.default_rng(1)).astype(float)


def test_pixels_are_log_normal(fields):
    assert fields.min() > 0
    assert fields.mean() == pytest.approx(1, abs=0.01)
    assert fields.std() == pytest.approx(SCATTER, rel=0.02)
    u = (fields - 1) / SCATTER
    assert (u**3).mean() == pytest.approx(SKEWNESS, rel=0.08)
    for share in (0.1, 0.5, 0.99):
        assert np.mean(fields < physics.ONE_POINT.ppf(share)) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("lag", [1, 3, 9, 20])
def test_correlation_is_the_formula_s_in_all_directions(fields, lag):
    u = fields - 1
    along = np.mean(u[:, :, lag:] * u[:, :, :-lag])
    down = np.mean(u[:, lag:] * u[:, :-lag])
    diagonal = np.mean(u[:, lag:, lag:] * u[:, :-lag, :-lag])
    assert along == pytest.approx(physics.correlation(lag), abs=0.004)
    assert down == pytest.approx(physics.correlation(lag), abs=0.004)
    assert diagonal == pytest.approx(physics.correlation(lag * 2**0.5), abs=0.008)


def test_opposite_sides_do_not_belong_together(fields):
    u = fields - 1
    assert abs(np.mean(u[:, 0] * u[:, -1])) < 0.01 < np.mean(u[:, 0] * u[:, 1])


def test_equal_seeds_draw_equal_fields_of_any_number():
    draw = physics.fields(5, np.random.default_rng(3))
    assert np.array_equal(draw, physics.fields(5, np.random.default_rng(3)))
    assert draw.shape == (5, SIDE, SIDE) and draw.dtype == np.float32
    assert len(physics.fields(1001, np.random.default_rng(3))) == 1001


def test_scaling_goes_back(fields):
    x = physics.scaled(fields)
    assert x.std() == pytest.approx(1, rel=0.02)
    assert np.allclose(physics.unscaled(x), fields)


def test_surprise_of_a_constant_field_by_hand():
    root = physics._root()
    covariance = root @ root.T
    logarithm = -0.3
    rest = np.full(SIDE**2, logarithm + SIGMA**2 / 2)
    expected = 0.5 * rest @ np.linalg.solve(covariance, rest) + SIDE**2 * logarithm
    expected += 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    found = physics.surprise(np.full((1, SIDE, SIDE), np.exp(logarithm)))
    assert found[0] == pytest.approx(expected, rel=1e-8)


def test_surprise_is_least_for_what_the_field_is(fields):
    some = fields[:300]
    assert physics.surprise(some).mean() < physics.surprise(some**1.1).mean()


def test_a_gaussian_of_the_logarithm_is_the_answer_and_one_of_the_field_is_not(fields):
    rng = np.random.default_rng(2)
    for logarithm, skewness in ((True, SKEWNESS), (False, 0.0)):
        drawn = physics.gaussian_draw(
            physics.gaussian_fit(fields[:1500], logarithm), 1000, logarithm, rng
        )
        u = (drawn - drawn.mean()) / drawn.std()
        assert (u**3).mean() == pytest.approx(skewness, abs=0.2)
        assert (drawn.min() > 0) == logarithm
        grid = {"pixel_arcmin": 60.0, "edges": np.array([30.0, 90.0, 150.0])}
        power = [power_spectra(some, **grid)[1].mean(axis=0) for some in (drawn, fields)]
        assert np.allclose(power[0] / power[1], 1, atol=0.1)
