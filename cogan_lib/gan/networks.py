"""The two kinds of network of a Cycle-GAN: generators (image to image) and patch discriminators.

Two presets, one code:

``paper``
    The ResNet generator and PatchGAN discriminator of Anand, Puglisi & Migliaccio 2026
    (arXiv:2604.16167), which are those of Zhu et al. 2017 (arXiv:1703.10593): 64 features, six
    residual blocks, instance normalisation, tanh.
``cogan``
    A quarter of the width, without instance normalisation and tanh (both destroy amplitudes, and
    CO amplitudes in K km/s are what we are after), and with `smooth` resampling: a low-pass filter
    goes before each halving (Zhang 2019, arXiv:1904.11486), doubling is bilinear, and the features
    of each resolution are carried across to the way up. The fine structure then travels at full
    resolution, so that shifting the input shifts the output, and two overlapping tiles of one sky
    agree where they overlap. A 1x1 convolution leads straight from input to output and starts as
    the mean of the input channels. That settles a sign: unpaired training sees distributions only,
    and from a random start it can as well learn a sky whose CO is bright where dust is faint.

All networks take and give (batch, channels, npix, npix) tensors in scaled units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..base.checks import check_side
from ..base.files import CoganError


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of the two generators and the two discriminators.

    Attributes
    ----------
    features : int
        Channels of the generator's first layer; twice and four times as many after each halving.
    blocks : int
        Residual blocks at a quarter of the resolution.
    discriminator_features, discriminator_layers : int
        Channels of the discriminator's first layer (doubled by each next one) and number of 4x4
        layers with stride 2.
    instance_norm : bool
        Normalise each feature map of each tile to mean 0 and variance 1; a tile's own amplitude
        is lost.
    tanh : bool
        Squeeze the generator's output into [-1, 1].
    smooth : bool
        Anti-aliased halving, bilinear doubling, and skips between equal resolutions and from input
        to output, instead of strided and transposed convolutions.
    noise : tuple of float
        FWHM in tile pixels of each field of noise that the generator of the targets is given beside
        its inputs (see `noise`); empty: one answer to one input.
    flow_steps : int
        Evaluations by which a generator of members carries its noise to CO (`flow`); 0: its noise
        is an input like any other, and one evaluation makes a member.
    """

    features: int = 64
    blocks: int = 6
    discriminator_features: int = 64
    discriminator_layers: int = 4
    instance_norm: bool = True
    tanh: bool = True
    smooth: bool = False
    noise: tuple[float, ...] = ()
    flow_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse shapes that are no network for tiles."""
        object.__setattr__(self, "noise", tuple(self.noise))  # a list, if it comes from JSON
        sizes = (self.features, self.discriminator_features, self.discriminator_layers)
        whole = all(type(size) is int for size in (*sizes, self.blocks))
        if not whole or min(sizes) < 1 or not 0 <= self.blocks <= 64 or max(sizes) > 1024:
            raise CoganError(f"{self} is no network; features and layers must be positive.")
        if self.discriminator_layers > 8 or len(self.noise) > 16:  # each layer doubles the width
            raise CoganError(
                f"{self.discriminator_layers} layers or {len(self.noise)} fields of noise are no "
                "network for tiles; take at most 8 layers and 16 fields."
            )
        if not all(fwhm > 0 for fwhm in self.noise):
            raise CoganError(f"The widths of the noise, {self.noise}, must be positive.")
        if type(self.flow_steps) is not int or not 0 <= self.flow_steps <= 1000:
            raise CoganError(f"{self.flow_steps} steps are no flow; take 4 to 20, or 0 for none.")

    @property
    def least_side(self) -> int:
        """Fewest pixels along the side of a tile that all layers can work on.

        The discriminator halves a tile in each layer, and must leave one pixel, or more than one
        (2 x 2) where it normalises them. The generator's quarter must have two pixels to reflect.
        """
        normed = self.instance_norm and self.discriminator_layers > 1
        return max(8, (2 if normed else 1) * 2**self.discriminator_layers)


class Halve(nn.Module):
    """Low-pass with the binomial filter (1, 3, 3, 1)/8 on both axes and keep every other pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = torch.outer(kernel, kernel).expand(channels, 1, 4, 4).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve (b, c, h, w) to (b, c, h/2, w/2)."""
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.kernel, stride=2, groups=x.shape[1])


class Double(nn.Module):
    """Bilinear doubling, written as a transposed convolution, which is several times faster."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        kernel = torch.outer(kernel, kernel).expand(channels, 1, 4, 4).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Double (b, c, h, w) to (b, c, 2h, 2w)."""
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return functional.conv_transpose2d(
            padded, self.kernel, stride=2, padding=3, groups=x.shape[1]
        )


def norm_relu(channels: int, instance_norm: bool) -> list[nn.Module]:
    """Make instance normalisation and ReLU, or a leaky ReLU alone.

    Nothing brings the features back to mean zero without normalisation. A plain ReLU then dies
    easily: it did, for a whole layer, on the real sky.

    Parameters
    ----------
    channels : int
    instance_norm : bool

    Returns
    -------
    list of Module
    """
    return [nn.InstanceNorm2d(channels), nn.ReLU()] if instance_norm else [nn.LeakyReLU(0.2)]


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), 3x3 convolutions with reflected borders, normalised if asked for."""

    def __init__(self, channels: int, instance_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            *norm_relu(channels, instance_norm),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
        )
        if instance_norm:
            self.body.append(nn.InstanceNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's answer to its input; (b, c, h, w) in and out."""
        return x + self.body(x)


class Generator(nn.Module):
    """Image to image: in, halve, halve, residual blocks, double, double, out.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    settings : NetworkSettings
    noise : int
        Channels of noise that go in after the inputs; the straight road does not see them.

    Notes
    -----
    A tile's side must be a multiple of four pixels (`checks.check_side`).
    """

    def __init__(
        self, inputs: int, outputs: int, settings: NetworkSettings, noise: int = 0
    ) -> None:
        super().__init__()
        self.smooth, self.inputs, self.noise = settings.smooth, inputs, noise
        f, norm = settings.features, settings.instance_norm
        self.first = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(inputs + noise, f, 7), *norm_relu(f, norm)
        )
        self.down = nn.ModuleList(
            nn.Sequential(*self._halving(c, 2 * c), *norm_relu(2 * c, norm)) for c in (f, 2 * f)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(4 * f, norm) for _ in range(settings.blocks)))
        self.up = nn.ModuleList(nn.Sequential(*self._doubling(c, c // 2)) for c in (4 * f, 2 * f))
        self.joined = nn.ModuleList(nn.Sequential(*norm_relu(c, norm)) for c in (2 * f, f))
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(f, outputs, 7))
        self.final = nn.Tanh() if settings.tanh else nn.Identity()
        if settings.instance_norm:
            initialise_normal(self)
        else:
            initialise_amplitude(self, self.last[1])
        if settings.smooth:
            self.direct = nn.Conv2d(inputs, outputs, 1)
            nn.init.constant_(self.direct.weight, 1 / inputs)
            nn.init.zeros_(self.direct.bias)
            nn.init.normal_(self.last[1].weight, 0.0, 0.1 / math.sqrt(49 * f))

    def _halving(self, inputs: int, outputs: int) -> list[nn.Module]:
        if not self.smooth:
            return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)]
        return [Halve(inputs), nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]

    def _doubling(self, inputs: int, outputs: int) -> list[nn.Module]:
        if not self.smooth:
            return [nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)]
        return [Double(inputs), nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]

    def forward(self, x: Tensor) -> Tensor:
        """Translate (b, inputs + noise, npix, npix) to (b, outputs, npix, npix)."""
        full = self.first(x)
        half = self.down[0](full)
        quarter = self.blocks(self.down[1](half))
        if not self.smooth:
            half = self.joined[0](self.up[0](quarter))
            return self.final(self.last(self.joined[1](self.up[1](half))))
        half = self.joined[0](half + self.up[0](quarter))
        full = self.joined[1](full + self.up[1](half))
        return self.final(self.direct(x[:, : self.inputs]) + self.last(full))


class Discriminator(nn.Sequential):
    """PatchGAN: strided 4x4 convolutions, then one number per patch of the image (no sigmoid)."""

    def __init__(self, inputs: int, settings: NetworkSettings) -> None:
        layers: list[nn.Module] = []
        channels, width = inputs, settings.discriminator_features
        for layer in range(settings.discriminator_layers):
            layers.append(nn.Conv2d(channels, width, 4, stride=2, padding=1))
            if settings.instance_norm and layer > 0:
                layers.append(nn.InstanceNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            channels, width = width, 2 * width
        # one row and column of zeros at the top left keeps the size of an even image
        layers += [nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(channels, 1, 4, padding=1)]
        super().__init__(*layers)
        if settings.instance_norm:
            initialise_normal(self)
        else:
            initialise_amplitude(self, layers[-1])


def initialise_normal(module: nn.Module) -> None:
    """Draw weights from a normal of standard deviation 0.02, biases zero: CycleGAN's way.

    Parameters
    ----------
    module : Module
        Changed in place.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)


def initialise_amplitude(module: nn.Module, output: nn.Conv2d) -> None:
    """Start so that a signal keeps its amplitude without any normalisation (He et al. 2015).

    Residual blocks start as identities (their second convolution is zero), and the `output`
    layer, which no ReLU follows, gets half the variance.

    Parameters
    ----------
    module : Module
        Changed in place.
    output : Conv2d
        The layer of `module` that no ReLU follows.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            nn.init.zeros_([x for x in block.body if isinstance(x, nn.Conv2d)][-1].weight)
    nn.init.kaiming_normal_(output.weight, nonlinearity="linear")


def receptive_field(module: nn.Module) -> int:
    """Find the side, in input pixels, of the square that one output pixel can see.

    The interval of pixels behind one output pixel is followed backwards through the layers:
    a convolution of kernel k, stride s and padding p needs [s a - p, s b - p + k - 1] for [a, b].
    Instance normalisation, which lets each pixel see the whole tile a little, is not counted.

    Parameters
    ----------
    module : Module

    Returns
    -------
    int
        The largest of the phases.

    Examples
    --------
    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)))
    5
    """
    layers = [x for x in module.modules() if not list(x.children())]  # 1x1 skips change nothing
    widest = 0
    for position in range(8):  # the phases of two doublings, with room
        low = high = 64 + position
        for layer in reversed(layers):
            if isinstance(layer, Halve):
                low, high = 2 * low - 1, 2 * high + 2
            elif isinstance(layer, nn.ConvTranspose2d | Double):
                k, s, p = (4, 2, 1) if isinstance(layer, Double) else _kernel(layer)
                low, high = math.ceil((low + p - k + 1) / s), math.floor((high + p) / s)
            elif isinstance(layer, nn.Conv2d):
                k, s, p = _kernel(layer)
                low, high = s * low - p, s * high - p + k - 1
            elif isinstance(layer, nn.ReflectionPad2d | nn.ZeroPad2d):
                low, high = low - layer.padding[0], high - layer.padding[0]
        widest = max(widest, high - low + 1)
    return widest


def _kernel(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int, int]:
    """Kernel, stride and padding of a square layer."""
    return layer.kernel_size[0], layer.stride[0], layer.padding[0]


def layout(network: nn.Module) -> torch.memory_format:
    """Choose the order of a tile's numbers in memory with which a network runs fastest.

    Convolutions want a pixel's channels side by side, by a tenth to a half. Instance normalisation
    wants whole channels instead, and would reorder every feature map twice: a training step of the
    paper's preset is a quarter faster without (CPU, and H100 in 16 bits).

    Parameters
    ----------
    network : Module

    Returns
    -------
    torch.memory_format
    """
    normalised = any(isinstance(module, nn.InstanceNorm2d) for module in network.modules())
    return torch.contiguous_format if normalised else torch.channels_last


@torch.inference_mode()
def translate(generator: nn.Module, tiles: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """Run a generator over scaled tiles.

    Parameters
    ----------
    generator : Module
        On any device; its mode is left alone (no layer of ours depends on it).
    tiles : ndarray, shape (n, inputs + noise, npix, npix)
    batch_size : int

    Returns
    -------
    ndarray, shape (n, outputs, npix, npix), float32

    Raises
    ------
    CoganError
        If the tiles have other channels than the generator takes, or a side that it cannot halve.
    """
    if hasattr(generator, "inputs"):  # one of ours
        channels = generator.inputs + generator.noise
        if tiles.ndim != 4 or tiles.shape[1] != channels:
            raise CoganError(
                f"The generator takes tiles of {channels} channels, shape (n, {channels}, npix, "
                f"npix), not {tiles.shape}."
            )
        for side in tiles.shape[2:]:
            check_side(side)
    device, order = next(generator.parameters()).device, layout(generator)
    out = []
    for start in range(0, len(tiles), batch_size):
        batch = torch.as_tensor(tiles[start : start + batch_size], dtype=torch.float32)
        batch = batch.to(device, memory_format=order)
        out.append(generator(batch).float().cpu().contiguous().numpy())
    return np.concatenate(out)
