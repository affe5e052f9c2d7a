"""Each loss by hand, and against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from cogan_lib.companions.compact_sources import losses


@pytest.fixture
def scene():
    rng = np.random.default_rng(1)
    real, found = (torch.from_numpy(rng.normal(size=(2, 24, 24)).astype("f4")) for _ in range(2))
    mask = torch.ones(2, 24, 24)
    mask[:, 8:14, 9:15] = 0
    image = real + 7 * (1 - mask)
    return found, real, image, mask


def test_terms_by_hand(scene):
    found, real, image, mask = scene
    parts = losses.terms(found, real, image, mask, losses.RandomFeatures())
    apart = (found - real).abs()
    assert float(parts["valid"] + parts["hole"]) == pytest.approx(float(apart.mean()))
    assert float(parts["hole"]) == pytest.approx(float(apart[mask == 0].sum()) / mask.numel())
    assert float(parts["square"]) == pytest.approx(float(apart[mask == 0].square().mean()))
    # with the source wholly in the hole, the source that comes out is off by what the hole is
    torch.testing.assert_close(parts["source"], parts["hole"])
    weighed = losses.total(parts, losses.DOCUMENT)
    by_hand = sum(weight * float(parts[name]) for name, weight in losses.DOCUMENT.items())
    assert float(weighed) == pytest.approx(by_hand, rel=1e-5)
    simple = losses.simple_terms(found, real, mask)
    assert all(torch.equal(simple[name], parts[name]) for name in simple)


def test_a_small_hole_counts_as_much_as_a_large_one():
    mask = torch.ones(2, 16, 16)
    mask[0, 4:6, 4:6] = 0
    mask[1, 2:12, 2:12] = 0
    off = torch.zeros(2, 16, 16)
    for number in range(2):
        alone = off.clone()
        alone[number] = 1
        square = losses.simple_terms(alone, off, mask)["square"]
        assert float(square) == pytest.approx(0.5)


def test_what_is_right_costs_nothing(scene):
    _, real, image, mask = scene
    parts = losses.terms(real, real, image, mask, losses.RandomFeatures())
    assert all(abs(float(value)) < 1e-5 for value in parts.values())


def test_ssim_is_that_of_scikit_image(scene):
    found, real, *_ = scene
    theirs = [
        structural_similarity(
            a.numpy(), b.numpy(), win_size=5, data_range=2.0, use_sample_covariance=False
        )
        for a, b in zip(found, real, strict=True)
    ]
    ours = 1 - 2 * float(losses.ssim_loss(found, real))
    assert ours == pytest.approx(np.mean(theirs), abs=1e-4)


def test_style_knows_textures_but_not_levels_or_places():
    rng = np.random.default_rng(2)
    rough = torch.from_numpy(rng.normal(size=(4, 64, 64)).astype("f4"))
    other = torch.from_numpy(rng.normal(size=(4, 64, 64)).astype("f4"))
    smooth = torch.nn.functional.avg_pool2d(rough[:, None], 5, 1, 2)[:, 0]
    smooth = smooth / smooth.std()
    features = losses.RandomFeatures()

    def apart(a, b):
        return sum(
            float((x - y).abs().mean()) for x, y in zip(features(a), features(b), strict=True)
        )

    assert apart(rough, rough + 3) < 0.35 * apart(rough, smooth)
    assert apart(rough, other) < 0.5 * apart(rough, smooth)
    again = losses.RandomFeatures()
    assert apart(rough, other) == sum(
        float((x - y).abs().mean()) for x, y in zip(again(rough), again(other), strict=True)
    )
