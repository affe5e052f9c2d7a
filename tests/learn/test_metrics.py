"""Image metrics: by hand, and written out."""

import numpy as np
import pytest
import torch

from cogan_lib.learn import metrics


def test_max_rel_by_hand():
    true = np.ones((1, 2, 1, 2))
    true[0, 1] = [[4.0, 0.5]]
    made = true.copy()
    made[0, 0, 0, 0] += 1.0  # over 4, the brightest channel there
    made[0, 1, 0, 1] -= 0.25  # over 1
    assert metrics.max_rel(made, true)[0] == pytest.approx(100 * (0.25 + 0.25) / 4)
    assert metrics.max_rel(true, true)[0] == 0


def test_zncc_is_the_mean_correlation_and_blind_to_scale():
    rng = np.random.default_rng(1)
    true, noise = rng.standard_normal((2, 4, 3, 8, 8))
    made = true + noise
    by_hand = [
        np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(x, y, strict=True)])
        for x, y in zip(made, true, strict=True)
    ]
    np.testing.assert_allclose(metrics.zncc(made, true), by_hand, rtol=1e-12)
    np.testing.assert_allclose(metrics.zncc(3 * true + 2, true), 1)
    np.testing.assert_allclose(metrics.zncc(-true, true), -1)
    true[:, 0] = 0.5  # an empty channel says nothing
    np.testing.assert_allclose(metrics.zncc(true, true), 1)
    assert np.isfinite(metrics.zncc(np.zeros_like(true), true)).all()


def gaussian_ssim(a, b, span):
    """Equations 33-37 written out: a Gaussian of 11 pixels and sigma 1.5, no padding."""
    x = torch.arange(11.0, dtype=torch.float64) - 5
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]
    a, b = (torch.from_numpy(v)[None, None] for v in (a, b))
    blur = lambda v: torch.nn.functional.conv2d(v, window)  # noqa: E731
    mu_a, mu_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mu_a**2, blur(b * b) - mu_b**2, blur(a * b) - mu_a * mu_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    top = (2 * mu_a * mu_b + c1) * (2 * cov + c2)
    return float((top / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2))).mean())


def test_ssim_is_the_definition_with_the_channels_range():
    rng = np.random.default_rng(2)
    true = rng.random((2, 3, 20, 20)) * np.array([1.0, 2.0, 0.5])[:, None, None]
    made = true + 0.1 * rng.standard_normal(true.shape)
    spans = true.max(axis=(0, 2, 3)) - true.min(axis=(0, 2, 3))
    by_hand = [
        np.mean([gaussian_ssim(a, b, span) for a, b, span in zip(x, y, spans, strict=True)])
        for x, y in zip(made, true, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(made, true), by_hand, rtol=1e-9)
    np.testing.assert_allclose(metrics.ssim(true, true), 1)


def test_seconds_take_turns():
    calls = []
    tasks = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    found = metrics.seconds_each(tasks, rounds=2)
    assert calls == list("ababab") and [len(v) for v in found.values()] == [2, 2]


def test_a_channel_without_anything_does_not_count():
    real = np.random.default_rng(1).random((2, 3, 16, 16))
    generated = real + 0.01
    dark, drawn = real.copy(), generated.copy()
    dark[:, 1], drawn[:, 1] = 0.0, 0.0
    np.testing.assert_allclose(
        metrics.ssim(drawn, dark), metrics.ssim(generated[:, ::2], real[:, ::2])
    )
    np.testing.assert_allclose(
        metrics.zncc(drawn, dark), metrics.zncc(generated[:, ::2], real[:, ::2])
    )
