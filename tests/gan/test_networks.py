"""Networks: shapes, sizes, what a pixel sees, what happens to amplitudes and to shifts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cogan_lib.base.files import CoganError
from cogan_lib.gan.networks import (
    Discriminator,
    Double,
    Generator,
    Halve,
    NetworkSettings,
    receptive_field,
    translate,
)
from cogan_lib.gan.recipes import PRESETS
from cogan_lib.learn.blocks import count_parameters

COGAN, PAPER = PRESETS["cogan"], PRESETS["paper"]
TINY = replace(COGAN, features=4, blocks=1, discriminator_features=4)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(1)


@pytest.mark.parametrize("preset", ["cogan", "paper"])
@pytest.mark.parametrize(("inputs", "outputs", "npix"), [(2, 1, 32), (1, 2, 64), (2, 2, 36)])
def test_shapes(preset, inputs, outputs, npix):
    settings = replace(PRESETS[preset], features=4, discriminator_features=4)
    x = torch.randn(3, inputs, npix, npix)
    y = Generator(inputs, outputs, settings)(x)
    assert y.shape == (3, outputs, npix, npix)
    answers = Discriminator(outputs, settings)(y)
    assert answers.shape[:2] == (3, 1)
    assert answers.shape[-1] == npix // 2**settings.discriminator_layers


def conv(k, inputs, outputs):
    return k * k * inputs * outputs + outputs


def test_parameter_counts_of_the_paper():
    # CycleGAN's published generator: nine blocks, three channels, 11.4 million
    assert round(count_parameters(Generator(3, 3, replace(PAPER, blocks=9))) / 1e6, 1) == 11.4
    expected = conv(7, 2, 64) + conv(3, 64, 128) + conv(3, 128, 256) + 12 * conv(3, 256, 256)
    expected += conv(3, 256, 128) + conv(3, 128, 64) + conv(7, 64, 2)
    assert count_parameters(Generator(2, 2, PAPER)) == expected == 7_831_426
    expected = conv(4, 2, 64) + conv(4, 64, 128) + conv(4, 128, 256) + conv(4, 256, 512)
    assert count_parameters(Discriminator(2, PAPER)) == expected + conv(4, 512, 1)
    assert round(count_parameters(Discriminator(3, PAPER)) / 1e6, 1) == 2.8


def test_paper_starts_with_small_weights_and_ends_in_tanh():
    g = Generator(2, 2, PAPER)
    weights = torch.cat([p.flatten() for n, p in g.named_parameters() if n.endswith("weight")])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert g(100 * torch.randn(1, 2, 32, 32)).abs().max().item() <= 1


def seen_pixels(module, inputs, npix):
    """Side of the input square on which any output pixel near the centre depends."""
    for p in module.parameters():
        nn.init.constant_(p, 0.01)  # all positive, so that every ReLU is open
    x = torch.ones(1, inputs, npix, npix, requires_grad=True)
    y = module(x)
    half, widest = y.shape[-1] // 2, 0
    for position in range(half, half + min(4, half)):
        (gradient,) = torch.autograd.grad(y[0, 0, half, position], x, retain_graph=True)
        columns = gradient[0].sum((0, 1)).nonzero()
        widest = max(widest, int(columns.max() - columns.min()) + 1)
    return widest


@pytest.mark.parametrize(
    "module",
    [
        Generator(1, 1, TINY),
        Generator(1, 1, replace(TINY, blocks=0)),
        Generator(1, 1, replace(TINY, smooth=False)),
        Discriminator(1, replace(TINY, discriminator_layers=2)),
        Discriminator(1, TINY),
    ],
)
def test_receptive_field_is_what_gradients_see(module):
    assert receptive_field(module) == seen_pixels(module, 1, 160)


def test_receptive_field_of_the_patchgan():
    # strides 2, 2, 2, 2 and a last 4x4: ((((4 - 1) 2 + 4 - 1) 2 + 4 - 1) 2 + 4 - 1) 2 + 4
    assert receptive_field(Discriminator(2, PAPER)) == 94
    assert receptive_field(Discriminator(2, COGAN)) == 46


def test_resampling_layers():
    x = torch.randn(2, 3, 12, 12)
    bilinear = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(Double(3)(x), bilinear)
    torch.testing.assert_close(Halve(3)(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 4, 4))
    checkers = (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16))
    assert Halve(1)(checkers[None, None]).abs().max() < 1e-6  # what would alias is gone


def test_cogan_keeps_amplitudes_and_instance_norm_does_not():
    x = torch.randn(4, 2, 32, 32)
    for network in (Generator(2, 1, COGAN), Discriminator(2, COGAN)):
        torch.testing.assert_close(network(5 * x), 5 * network(x))  # biases are zero at the start
    g = Generator(2, 1, replace(PAPER, features=8, tanh=False))
    assert (g(5 * x) - g(x)).std() < 0.01 * g(x).std()


def test_no_layer_of_cogan_dies():
    g, x = Generator(2, 1, COGAN), torch.randn(2, 2, 32, 32, requires_grad=True)
    for p in g.parameters():
        nn.init.constant_(p, -0.01)  # after a step too far: all features negative
    g(x).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in g.parameters())


def test_cogan_starts_as_the_mean_of_its_inputs():
    x = torch.randn(4, 2, 32, 32)
    y = Generator(2, 1, COGAN)(x)
    together = torch.stack([x.mean(1).flatten(), y.flatten()])
    assert torch.corrcoef(together)[0, 1] > 0.9


def shift_error(settings):
    """Relative change inside a tile of 128 pixels when it is cut one pixel further on."""
    torch.manual_seed(3)
    g = Generator(1, 1, settings)
    for p in g.blocks.parameters():  # no longer identities
        nn.init.normal_(p, 0.0, 0.05)
    sky = nn.functional.avg_pool2d(torch.randn(4, 1, 131, 131), 3, 1)
    with torch.no_grad():
        here, there = g(sky[..., :-1, :-1]), g(sky[..., 1:, 1:])
    inner = slice(48, 80)
    here, there = here[..., 1:, 1:][..., inner, inner], there[..., :-1, :-1][..., inner, inner]
    return float((here - there).std() / here.std())


def test_cogan_follows_shifts():
    smooth = replace(TINY, features=8)
    assert shift_error(smooth) < 0.1
    assert shift_error(smooth) < 0.5 * shift_error(replace(smooth, smooth=False))


def test_translate_is_the_generator_in_batches():
    g = Generator(2, 1, TINY)
    tiles = np.random.default_rng(1).normal(size=(5, 2, 16, 16)).astype(np.float32)
    out = translate(g, tiles, batch_size=2)
    assert out.shape == (5, 1, 16, 16) and out.dtype == np.float32
    with torch.no_grad():
        np.testing.assert_allclose(out, g(torch.from_numpy(tiles)).numpy(), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"features": 0}, {"blocks": -1}, {"discriminator_layers": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(CoganError, match="must be positive"):
        NetworkSettings(**wrong)
