"""A U-Net of partial convolutions, which fills a hole from what lies around it (NEMESIS 2025).

A partial convolution sees only pixels whose mask is 1, and makes up for the missing ones by the
ratio of all pixels of its window to those that it saw (Liu et al. 2018). The document's released
code divides by the number that it saw and forgets to multiply by the window's: batch norm hides
that everywhere but in the last layer, whose output is 576 times too small.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError
from ...learn.weights import packed, read_network, write_weights

log = logging.getLogger(__name__)

FORMAT = 1
CARD = "compact-sources.json"
#: Folders of shipped weights; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Layer:
    """A partial convolution of the encoder; the decoder mirrors it.

    Attributes
    ----------
    channels, kernel, stride, padding : int
    """

    channels: int
    kernel: int
    stride: int
    padding: int = 1


#: The document's (35.07 million weights, counted) and a small one.
PRESETS = {
    "document": (
        *(Layer(32, 3, 1), Layer(64, 4, 2), Layer(64, 3, 1), Layer(128, 4, 2), Layer(128, 3, 1)),
        *(Layer(256, 4, 2), Layer(256, 3, 1), Layer(512, 4, 2), Layer(512, 3, 1)),
        *(Layer(512, 4, 2), Layer(512, 3, 1, 0)),
    ),
    "small": (Layer(16, 3, 1), Layer(32, 4, 2), Layer(48, 4, 2), Layer(64, 4, 2), Layer(96, 4, 2)),
}


class PartialConvolution(nn.Module):
    """A convolution of the pixels whose mask is 1, and the mask that it leaves.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    layer : Layer
        Its kernel, stride and padding.
    transposed : bool
        Enlarge instead of shrink.
    last : bool
        With a bias, without norm and ReLU.
    ratio : bool
        Make up for the pixels not seen; without, as the released code has it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        layer: Layer,
        *,
        transposed: bool = False,
        last: bool = False,
        ratio: bool = True,
    ) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        self.conv = kind(inputs, outputs, layer.kernel, layer.stride, layer.padding, bias=False)
        # torch has a transposed convolution's inputs first
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out" if transposed else "fan_in")
        self.bias = nn.Parameter(torch.zeros(outputs)) if last else None
        self.finish = nn.Identity() if last else nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())
        self.ratio = ratio
        ones = torch.ones(1, 1, layer.kernel, layer.kernel)
        self._slide = functional.conv_transpose2d if transposed else functional.conv2d
        self.register_buffer("ones", ones, persistent=False)

    def forward(self, x: Tensor, masks: list[tuple[int, Tensor]]) -> tuple[Tensor, Tensor]:
        """Convolve.

        Parameters
        ----------
        x : Tensor, shape (n, inputs, h, w)
            Zero where its mask is.
        masks : list of (channels, Tensor of shape (n, 1, h, w))
            1 where that many channels are known; equal for all of them.

        Returns
        -------
        y : Tensor, shape (n, outputs, h2, w2)
            Zero where nothing was seen.
        mask : Tensor, shape (n, 1, h2, w2)
            1 where something was.
        """
        seen = sum(channels * mask for channels, mask in masks)
        count = self._slide(seen, self.ones, stride=self.conv.stride, padding=self.conv.padding)
        known = (count > 0).to(x.dtype)
        y = self.conv(x) * known / count.clamp_min(1)
        if self.ratio:
            window = sum(channels for channels, _ in masks) * self.ones.numel()
            y = y * window
        if self.bias is not None:
            y = y + self.bias[:, None, None] * known
        return self.finish(y) * known, known


class PartialUNet(nn.Module):
    """Encoder and decoder of partial convolutions; each step back sees what the encoder saw.

    Parameters
    ----------
    layers : sequence of Layer
        Of the encoder.
    ratio : bool
        As for `PartialConvolution`.
    """

    def __init__(self, layers: tuple[Layer, ...], ratio: bool = True) -> None:
        super().__init__()
        self.layers = tuple(layers)
        widths = [1, *(layer.channels for layer in layers)]
        self.down = nn.ModuleList(
            PartialConvolution(widths[i], widths[i + 1], layer, ratio=ratio)
            for i, layer in enumerate(layers)
        )
        self.up = nn.ModuleList()
        for i in reversed(range(len(layers))):
            deepest, first = i == len(layers) - 1, i == 0
            inputs = widths[i + 1] * (1 if deepest else 2)
            outputs = 1 if first else widths[i]
            self.up.append(
                PartialConvolution(
                    inputs, outputs, layers[i], transposed=True, last=first, ratio=ratio
                )
            )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill holes.

        Parameters
        ----------
        image : Tensor, shape (n, h, w)
            Its values where the mask is 0 don't matter, if they are finite.
        mask : Tensor, shape (n, h, w)
            1 for pixels that may be used.

        Returns
        -------
        Tensor, shape (n, h, w)
            A background for all pixels.
        """
        known = mask[:, None].to(image.dtype)
        x, steps = image[:, None] * known, []
        for block in self.down:
            x, known = block(x, [(x.shape[1], known)])
            steps.append((x, known))
        x, known = steps.pop()
        for i, block in enumerate(self.up):
            masks = [(x.shape[1], known)]
            if i:
                skip, seen = steps.pop()
                x, masks = torch.cat([x, skip], 1), [*masks, (skip.shape[1], seen)]
            x, known = block(x, masks)
        return x[:, 0]


def save_network(folder: str | Path, network: nn.Module, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them, whole or not at all.

    Parameters
    ----------
    folder : path
        An older network in it is replaced.
    network : Module
    content : dict
        For ``compact-sources.json``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    return write_weights(
        Path(folder) / CARD, {**content, "format": FORMAT}, packed("network", network)
    ).parent


def load_masked(folder: str | Path) -> tuple[PartialUNet, dict]:
    """Read a network that fills holes.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    network : PartialUNet
        On the CPU, in evaluation mode.
    content : dict
        Of its card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """

    def make(content: dict) -> PartialUNet:
        check_kind(content, "masked", folder)
        return PartialUNet(tuple(Layer(**layer) for layer in content["layers"]), content["ratio"])

    return read_network(Path(folder) / CARD, FORMAT, "network", make)


def check_kind(content: dict, kind: str, folder: str | Path) -> None:
    """Refuse the card of a network of the other kind.

    Parameters
    ----------
    content : dict
        Of the card.
    kind : {'masked', 'joint'}
        That is wanted.
    folder : path
        For the sentence.

    Raises
    ------
    CoganError
        If it is of another kind.
    """
    if content.get("kind") != kind:
        raise CoganError(f"{folder} holds a {content.get('kind')} network, not a {kind} one.")
