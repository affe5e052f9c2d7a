"""Pieces of networks are what their equations say."""

import torch
from torch import nn
from torch.nn import functional

from cogan_lib.learn.blocks import Residual, UNet, convolution, count_parameters, residual


def test_a_residual_block_is_f_plus_g():
    for dimensions in (2, 3):
        x = torch.randn(2, 4, *dimensions * [6])
        block = residual(4, 8, 2, dimensions=dimensions).eval()
        torch.testing.assert_close(block(x), block.body(x) + block.skip(x))
        assert block(x).shape == (2, 8, *dimensions * [3])
        same = residual(4, 4, dimensions=dimensions).eval()
        torch.testing.assert_close(same(x), same.body(x) + x)
        wider = residual(4, 6, dimensions=dimensions).eval()
        assert wider(x).shape == (2, 6, *dimensions * [6])


def test_a_convolution_keeps_the_size_and_has_no_bias():
    block = nn.Sequential(*convolution(1, 2, (1, 3, 3), dimensions=3))
    assert block(torch.zeros(1, 1, 5, 6, 7)).shape == (1, 2, 5, 6, 7)
    assert count_parameters(block) == 2 * 9 + 2 * 2
    narrow = nn.Sequential(*convolution(1, 2, dimensions=2, padding=0))
    assert narrow(torch.zeros(1, 1, 5, 6)).shape == (1, 2, 3, 4)


def test_a_u_net_joins_each_resolution_with_its_own():
    def unit(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 1)

    net = UNet(2, 3, (4, 5, 6), unit)
    x = torch.randn(1, 2, 8, 8)
    full = net.down[0](x)
    half = net.down[1](functional.avg_pool2d(full, 2))
    quarter = net.down[2](functional.avg_pool2d(half, 2))
    up = lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear")  # noqa: E731
    half = net.up[0](torch.cat([up(quarter), half], 1))
    full = net.up[1](torch.cat([up(half), full], 1))
    torch.testing.assert_close(net(x), net.last(full))
    assert net(x).shape == (1, 3, 8, 8)
    first = UNet(2, 1, (4, 5), unit, lambda i, o: Residual(nn.Conv2d(i, o, 3), nn.Conv2d(i, o, 3)))
    assert isinstance(first.down[0], Residual) and isinstance(first.down[1], nn.Conv2d)
