"""The network: a velocity of white images, given the angle and five parameters.

The best denoiser of a Gaussian field is a linear filter, so the network has one: gains of the
image's cosine waves in bands of multipole, which follow from angle and cosmology. A small U-Net
beside it adds what no filter does: waves that are correlated because a patch ends, and all that is
not Gaussian. Without the filter the U-Net has to build it out of convolutions (`filtered`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...learn.weights import packed, read_network, write_weights
from .physics import NAMES, SIDE, dct_matrix

FORMAT = 1
CARD = "cmb-maps.json"
WEIGHTS = Path(__file__).parent / "weights"
#: Waves of the angle that the network is told.
ANGLES = 6
#: Cosine waves between the centres of two bands of the filter.
BAND = 3


@dataclass(frozen=True)
class VelocityShape:
    """Size of the network.

    Attributes
    ----------
    widths : tuple of int
        Channels at a half, a quarter and an eighth of the resolution.
    told : int
        Numbers that describe angle and cosmology to each block.
    filtered : bool
        With the filter.
    """

    widths: tuple[int, int, int] = (32, 64, 96)
    told: int = 128
    filtered: bool = True


class Block(nn.Module):
    """Two convolutions with a skip; in between each channel is scaled and shifted (FiLM)."""

    def __init__(self, inputs: int, outputs: int, told: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(told, 2 * outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        for layer in (self.film, self.second):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Apply the block to x, shape (n, inputs, h, w), told (n, told)."""
        scale, shift = self.film(told)[:, :, None, None].chunk(2, dim=1)
        y = functional.silu(self.first(functional.silu(x)) * (1 + scale) + shift)
        return self.skip(x) + self.second(y)


def bands() -> np.ndarray:
    """Make the filter's bands: triangles of the cosine wave's number, which add up to 1.

    Returns
    -------
    ndarray, shape (n_bands, SIDE, SIDE)
    """
    number = np.hypot(*np.mgrid[:SIDE, :SIDE]) / BAND
    centres = np.arange(np.ceil(number.max()) + 1)
    return np.clip(1 - np.abs(number - centres[:, None, None]), 0, None)


class VelocityNet(nn.Module):
    """Velocity of `learn.flow` for white images.

    Parameters
    ----------
    shape : VelocityShape
    """

    def __init__(self, shape: VelocityShape) -> None:
        super().__init__()
        self.shape = shape
        full, half, quarter = shape.widths
        self.tell = nn.Sequential(
            nn.Linear(len(NAMES) + 2 * ANGLES, shape.told), nn.SiLU(),
            nn.Linear(shape.told, shape.told), nn.SiLU(),
        )  # fmt: skip
        self.stem = nn.Conv2d(4, full, 3, padding=1)
        steps = [(full, full), (full, half), (half, quarter), (quarter, quarter)]
        steps += [(quarter + half, half), (half + full, full)]
        self.blocks = nn.ModuleList(Block(a, b, shape.told) for a, b in steps)
        self.last = nn.Conv2d(full, 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.to(memory_format=torch.channels_last)  # the convolutions' faster order on CPUs
        if shape.filtered:
            triangles = torch.from_numpy(bands()).float()
            self.gains = nn.Linear(shape.told, len(triangles))
            nn.init.zeros_(self.gains.weight)
            nn.init.zeros_(self.gains.bias)
            self.register_buffer("bands", triangles.flatten(1), persistent=False)
            waves = torch.from_numpy(dct_matrix()).float()
            self.register_buffer("waves", waves, persistent=False)

    def forward(self, x: Tensor, phi: Tensor, condition: Tensor) -> Tensor:
        """Compute the velocity.

        Parameters
        ----------
        x : Tensor, shape (n, SIDE, SIDE)
        phi : Tensor, shape (n,)
            0 to pi / 2.
        condition : Tensor, shape (n, 5)
            Of `physics.unit`.

        Returns
        -------
        Tensor, shape (n, SIDE, SIDE)
        """
        turns = phi[:, None] * torch.arange(1, ANGLES + 1, device=phi.device)
        told = self.tell(torch.cat([condition, turns.sin(), turns.cos()], dim=1))
        with torch.autocast(x.device.type, torch.bfloat16):
            y = self._unet(x, told).float()
        if self.shape.filtered:
            gains = (self.gains(told) @ self.bands).reshape(-1, SIDE, SIDE)
            y = y + self.waves.T @ (gains * (self.waves @ x @ self.waves.T)) @ self.waves
        return y

    def _unet(self, x: Tensor, told: Tensor) -> Tensor:
        one, two, three, four, five, six = self.blocks
        folded = functional.pixel_unshuffle(x[:, None], 2)
        a = one(self.stem(folded.contiguous(memory_format=torch.channels_last)), told)
        b = two(functional.avg_pool2d(a, 2), told)
        c = four(three(functional.avg_pool2d(b, 2), told), told)
        b = five(torch.cat([functional.interpolate(c, scale_factor=2), b], dim=1), told)
        a = six(torch.cat([functional.interpolate(b, scale_factor=2), a], dim=1), told)
        return functional.pixel_shuffle(self.last(functional.silu(a)), 2)[:, 0]


def save_network(folder: str | Path, network: VelocityNet, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them, whole or not at all.

    Parameters
    ----------
    folder : path
        An older network in it is replaced.
    network : VelocityNet
    content : dict
        For the card.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    content = {**content, "format": FORMAT, "shape": asdict(network.shape)}
    return write_weights(Path(folder) / CARD, content, packed("network", network)).parent


def load_velocity(folder: str | Path) -> tuple[VelocityNet, dict]:
    """Read a network.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    network : VelocityNet
        On the CPU, in evaluation mode.
    content : dict
        Of its card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """

    def make(content: dict) -> VelocityNet:
        shape = content["shape"]
        return VelocityNet(VelocityShape(tuple(shape["widths"]), shape["told"], shape["filtered"]))

    return read_network(Path(folder) / CARD, FORMAT, "network", make)
