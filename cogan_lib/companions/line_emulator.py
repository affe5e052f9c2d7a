"""COEmuNet: a 3D residual network that turns cubes of gas into CO line images (Su et al. 2025).

Three encoders, one for each of v_z, T and n_CO, shrink a cube to a few numbers; two dense layers mix
them; a decoder draws the images, with frequency as a depth axis over which it never convolves. Only
the dense layers let one channel know of another.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..files import CoganError, atomic_path, provenance, read_json, sha256, write_json
from .line_data import LineData, intensity_of, scale_cubes, scale_images

log = logging.getLogger(__name__)

FORMAT = 1
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class EmulatorSettings:
    """Shape of the network.

    Attributes
    ----------
    npix : int
        Side of the cubes, a multiple of 8.
    channels : int
        Number of images.
    latent : int
        Numbers between the two dense layers.
    features : int
        Channels of the decoder's first map, a multiple of 8.
    """

    npix: int
    channels: int
    latent: int
    features: int


#: (latent, features): the paper's, and one whose weights fit into a few megabytes.
PRESETS = {"paper": (4096, 64), "small": (512, 64)}


class Block(nn.Module):
    """Two convolutions with a skip: y = F(x) + x, equation 23.

    Where the size is halved the skip is a 1x1x1 convolution of x. (The released code convolves the
    block's own output there, F + g(F), which leaves no way around F. We follow the paper.)
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm3d(outputs),
            nn.ReLU(),
            nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU(),
        )  # fmt: skip
        self.skip = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.skip(x)


def encoder() -> nn.Sequential:
    """One field, shape (n, 1, npix, npix, npix), to 32 channels at a sixteenth of the size."""
    layers = [nn.Conv3d(1, 4, 3, bias=False), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(2)]
    for inputs, outputs in ((4, 8), (8, 16), (16, 32)):
        layers += [Block(inputs, outputs, 2), Block(outputs, outputs, 1), Block(outputs, outputs, 1)]
    return nn.Sequential(*layers)


def decoder(features: int) -> nn.Sequential:
    """Maps, shape (n, features, channels, s, s), to one image a channel, eight times as wide."""
    layers: list[nn.Module] = []
    for _ in range(3):
        for inputs, outputs in ((features, features // 2), *2 * [(features // 2, features // 2)]):
            layers += [
                nn.Conv3d(inputs, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False),
                nn.BatchNorm3d(outputs), nn.ReLU(),
            ]  # fmt: skip
        layers.append(nn.Upsample(scale_factor=(1, 2, 2), mode="nearest"))
        features //= 2
    return nn.Sequential(*layers, nn.Conv3d(features, 1, (1, 3, 3), padding=(0, 1, 1)), nn.Tanh())


class Emulator(nn.Module):
    """The network: scaled cubes in, scaled ln-intensity images out."""

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__()
        self.settings = settings
        side = settings.npix // 8
        self.map_shape = (settings.features, settings.channels, side, side)
        self.encoders = nn.ModuleList(encoder() for _ in range(3))
        numbers = 3 * 32 * math.ceil(math.ceil((settings.npix // 2 - 1) / 2) / 4) ** 3
        self.squeeze = nn.Linear(numbers, settings.latent)
        self.spread = nn.Linear(settings.latent, math.prod(self.map_shape))
        self.decoder = decoder(settings.features)

    def forward(self, cubes: Tensor) -> Tensor:
        """Shape (n, 3, npix, npix, npix) to (n, channels, npix, npix)."""
        fields = (
            encode(cubes[:, i : i + 1]).flatten(1) for i, encode in enumerate(self.encoders)
        )
        latent = self.squeeze(torch.cat([*fields], 1))  # nothing between the two dense layers
        maps = torch.relu(self.spread(latent)).unflatten(1, self.map_shape)
        return self.decoder(maps)[:, 0]

    def start_from(self, other: Emulator) -> None:
        """Take over the weights of a network for one channel, repeated for each of ours."""
        ours, theirs = self.settings, other.settings
        if (ours.npix, ours.latent, ours.features) != (theirs.npix, theirs.latent, theirs.features):
            raise CoganError(
                f"Weights of {theirs} cannot start {ours}: only the channels may differ."
            )
        state = other.state_dict()
        for name in ("spread.weight", "spread.bias"):
            one = state[name].unflatten(0, other.map_shape)
            state[name] = one.repeat_interleave(ours.channels, 1).flatten(0, 3)
        self.load_state_dict(state)


def count_parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def loss_terms(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """MSE and L_freq, equations 27 and 28.

    L_freq is the mean modulus of the difference in Fourier space. With the orthonormal transform it
    is of the order of the pixels' root mean square error; the released code's un-normalised one is
    sqrt(W H) times as large, and then the MSE hardly counts.

    Parameters
    ----------
    made, true : Tensor, shape (n, channels, npix, npix)
    """
    apart = torch.fft.rfft2(made - true, norm="ortho")
    columns = made.shape[-1]
    weight = made.new_full((apart.shape[-1],), 2.0)  # the half that rfft2 leaves out counts too
    weight[0] = 1.0
    if columns % 2 == 0:
        weight[-1] = 1.0
    modulus = torch.sqrt(apart.real**2 + apart.imag**2 + 1e-16)  # has a slope at 0
    frequency = (modulus * weight).sum(-1).mean() / columns
    return functional.mse_loss(made, true), frequency


def loss(made: Tensor, true: Tensor) -> Tensor:
    """Equation 26 with the alpha of the released code: 0.8 MSE + 0.2 L_freq."""
    mse, frequency = loss_terms(made, true)
    return 0.8 * mse + 0.2 * frequency


@dataclass(frozen=True)
class Plan:
    """A training: it ends after `epochs` or `minutes`, whichever comes first.

    The learning rate climbs to `rate` in the first twentieth and falls to zero along a cosine.
    """

    epochs: int
    minutes: float
    rate: float = 2e-3
    batch: int = 32
    seed: int = 1


def turned(cubes: Tensor, images: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Both in one of eight positions about the line of sight: quarter turns and mirror images.

    v_z, T and n are unchanged by them, so the pictures are as true as before.
    """
    if number >= 4:
        cubes, images = cubes.flip(-1), images.flip(-1)
    return torch.rot90(cubes, number % 4, (-2, -1)), torch.rot90(images, number % 4, (-2, -1))


def fit(network: Emulator, data: LineData, statistics: dict, plan: Plan, device: str) -> list[dict]:
    """Train on the data's training winds; returns epoch, seconds, loss and validation loss."""
    rows, held_out = data.rows("train"), data.rows("validation")
    rng = np.random.default_rng([plan.seed, 6])
    network.to(device)
    adam = torch.optim.Adam(network.parameters(), plan.rate)
    batches = -(-len(rows) // plan.batch)
    history, started, progress = [], time.monotonic(), 0.0
    bar = tqdm(total=100, desc="training", unit="%", bar_format="{l_bar}{bar}| {postfix}")
    while progress < 1:
        epoch, losses = len(history) + 1, []
        network.train()
        for number, chosen in enumerate(np.array_split(rng.permutation(rows), batches)):
            cubes, images = _load(data, chosen, statistics, device)
            cubes, images = turned(cubes, images, int(rng.integers(8)))
            minutes = (time.monotonic() - started) / 60
            done = (epoch - 1 + number / batches) / plan.epochs
            progress = min(1.0, max(done, minutes / plan.minutes))
            warm = min(1.0, progress / 0.05 + 0.02)
            for group in adam.param_groups:
                group["lr"] = plan.rate * warm * (1 + math.cos(math.pi * progress)) / 2
            value = loss(network(cubes), images)
            adam.zero_grad()
            value.backward()
            adam.step()
            losses.append(float(value.detach()))
            if progress >= 1:
                break
        if not np.isfinite(losses).all():
            raise CoganError("The losses are no longer finite; train with a lower rate.")
        progress = max(progress, epoch / plan.epochs)
        made = predict(network, data, held_out, statistics, device)
        true = scale_images(torch.from_numpy(data.images[held_out]), statistics)
        history.append({
            "epoch": epoch, "seconds": time.monotonic() - started,
            "loss": float(np.mean(losses)), "validation": float(loss(made, true)),
        })  # fmt: skip
        bar.n = round(100 * min(progress, 1))
        bar.set_postfix_str(f"epoch {epoch}, validation {history[-1]['validation']:.4f}")
    bar.close()
    return history


def _load(data, rows, statistics, device):
    rows = np.sort(rows)  # in the order of the file
    cubes = torch.from_numpy(data.cubes[rows]).to(device)
    images = torch.from_numpy(data.images[rows]).to(device)
    return scale_cubes(cubes, statistics), scale_images(images, statistics)


@torch.no_grad()
def predict(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> Tensor:
    """Scaled images of some rows of the data, on the CPU."""
    network.eval().to(device)
    parts = [
        network(_load(data, rows[first : first + 64], statistics, device)[0]).cpu()
        for first in range(0, len(rows), 64)
    ]
    return torch.cat(parts)
