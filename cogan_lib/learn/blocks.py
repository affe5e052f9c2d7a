"""Pieces of networks for images and cubes: convolutions, residual blocks, a U-Net."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def count_parameters(module: nn.Module) -> int:
    """Count the trained numbers of a network.

    Parameters
    ----------
    module : Module

    Returns
    -------
    int
    """
    return sum(parameter.numel() for parameter in module.parameters())


def convolution(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, ...] = 3,
    stride: int = 1,
    *,
    dimensions: int,
    padding: int | None = None,
) -> list[nn.Module]:
    """Make a convolution without a bias, batch norm and ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int or tuple of int
        Odd.
    stride : int
    dimensions : int
        2 for images, 3 for cubes.
    padding : int, optional
        Zeros at each border; by default as many as keep the size at stride 1.

    Returns
    -------
    list of Module
    """
    sides = kernel if isinstance(kernel, tuple) else (kernel,) * dimensions
    zeros = tuple(side // 2 for side in sides) if padding is None else padding
    conv = CONVOLUTIONS[dimensions](inputs, outputs, kernel, stride, zeros, bias=False)
    return [conv, NORMS[dimensions](outputs), nn.ReLU()]


class Residual(nn.Module):
    """y = F(x) + g(x), with g the identity by default (He et al. 2016).

    Parameters
    ----------
    body : Module
        F.
    skip : Module, optional
        g, needed where F changes the shape.
    """

    def __init__(self, body: nn.Module, skip: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.skip = nn.Identity() if skip is None else skip

    def forward(self, x: Tensor) -> Tensor:
        """Add the body's and the skip's outputs.

        Parameters
        ----------
        x : Tensor
            As F and g take it.

        Returns
        -------
        Tensor
        """
        return self.body(x) + self.skip(x)


def residual(inputs: int, outputs: int, stride: int = 1, *, dimensions: int) -> Residual:
    """Make two convolutions with a skip: a 1x1 convolution of x where the shape changes.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the first convolution.
    dimensions : int
        2 for images, 3 for cubes.

    Returns
    -------
    Residual
    """
    body = [
        *convolution(inputs, outputs, 3, stride, dimensions=dimensions),
        *convolution(outputs, outputs, dimensions=dimensions),
    ]
    if stride == 1 and inputs == outputs:
        return Residual(nn.Sequential(*body))
    around = convolution(inputs, outputs, 1, stride, dimensions=dimensions)[:2]
    return Residual(nn.Sequential(*body), nn.Sequential(*around))


class UNet(nn.Module):
    """Units at full, half, quarter ... resolution, joined by skips (Ronneberger et al. 2015).

    Images are halved by averaging and doubled by bilinear interpolation. A side must be a multiple
    of 2^(levels - 1) pixels.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    widths : sequence of int
        Channels at each resolution, full first.
    unit : callable
        Makes the module of one resolution from its numbers of channels, in and out.
    first : callable, optional
        The same for the module that sees the inputs; by default `unit`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        unit: Callable[[int, int], nn.Module],
        first: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        steps = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList([(first or unit)(inputs, widths[0])])
        self.down.extend(unit(finer, coarser) for finer, coarser in steps)
        self.up = nn.ModuleList(unit(finer + coarser, finer) for finer, coarser in reversed(steps))
        self.last = CONVOLUTIONS[2](widths[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network.

        Parameters
        ----------
        x : Tensor, shape (b, inputs, h, w)

        Returns
        -------
        Tensor, shape (b, outputs, h, w)
        """
        skips = [self.down[0](x)]
        for unit in self.down[1:]:
            skips.append(unit(functional.avg_pool2d(skips[-1], 2)))
        x = skips.pop()
        for unit in self.up:
            doubled = functional.interpolate(x, scale_factor=2, mode="bilinear")
            x = unit(torch.cat([doubled, skips.pop()], dim=1))
        return self.last(x)
