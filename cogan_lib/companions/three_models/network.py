"""The three: a variational autoencoder, a generator with its discriminator, and a velocity.

Equal as far as they can be: convolutions of about the same width, 100 to 200 thousand weights each,
the same scaled field. What differs is where the chance comes in. The autoencoder and the
generator make a field of `LATENT` random numbers in one go; the flow starts from noise in every
pixel and takes many small steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError
from ...learn import flow
from ...learn.weights import packed, read_network, write_weights
from .physics import SIDE, unscaled

FORMAT = 1
CARD = "three-models.json"
#: Folders of shipped weights, one a kind; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"
#: Random numbers that a field of the first two is made of.
LATENT = 48
#: Channels at 4, 8 and 16 pixels of what makes a field; of what looks at one in reverse order.
CHANNELS = (48, 32, 16)
#: Channels of the flow at 16 and at 8 pixels.
WIDTHS = (32, 48)
#: Steps of Heun's method from noise to a field, two calls of the network each.
STEPS = 12
AT_ONCE = 250  # fields


def maker() -> nn.Sequential:
    """Make layers from `LATENT` numbers to a field: a dense one, then three times twice the side.

    Returns
    -------
    Sequential
    """
    first = CHANNELS[0]
    layers = [nn.Linear(LATENT, 16 * first), nn.Unflatten(1, (first, 4, 4)), nn.ReLU()]
    for wide, narrow in zip(CHANNELS, CHANNELS[1:], strict=False):
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.ReLU()]
    layers = nn.Sequential(*layers, nn.ConvTranspose2d(CHANNELS[-1], 1, 4, 2, 1), nn.Flatten(1, 2))
    for layer in layers:
        if hasattr(layer, "weight"):  # a pixel sees 4 of the 16 weights of a transposed one
            dense = isinstance(layer, nn.Linear)
            inputs = layer.in_features if dense else 4 * layer.in_channels
            nn.init.normal_(layer.weight, std=(2 / inputs) ** 0.5)
    return layers


def viewer() -> nn.Sequential:
    """Make layers from a field to `CHANNELS` at 4 x 4 pixels: three times half the side.

    Returns
    -------
    Sequential
    """
    widths = (1, *reversed(CHANNELS))
    layers = [nn.Unflatten(1, (1, SIDE))]
    for narrow, wide in zip(widths, widths[1:], strict=False):
        layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class Vae(nn.Module):
    """A code for each field, and a field for each code (Kingma & Welling 2014).

    Its likelihood is Gaussian, with one scatter for all pixels, which it learns: what the code does
    not hold is noise to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            viewer(), nn.Flatten(), nn.Linear(16 * CHANNELS[0], 2 * LATENT)
        )
        self.decoder = maker()
        self.log_sigma = nn.Parameter(torch.tensor(-0.5))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mean and log variance of the codes, shape (n, LATENT), of scaled fields."""
        return self.encoder(x).chunk(2, dim=1)

    def draw(self, n: int, generator: torch.Generator, noise: bool = True) -> Tensor:
        """Draw scaled fields, shape (n, SIDE, SIDE); without `noise`, the decoder's mean."""
        mean = self.decoder(torch.randn(n, LATENT, generator=generator))
        if not noise:
            return mean
        return mean + self.log_sigma.exp() * torch.randn(mean.shape, generator=generator)


class Gan(nn.Module):
    """The generator; its discriminator, which is not kept, is `FieldDiscriminator`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = maker()

    def forward(self, latent: Tensor) -> Tensor:
        """Make scaled fields, shape (n, SIDE, SIDE), of random numbers, shape (n, LATENT)."""
        return self.layers(latent)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw scaled fields, shape (n, SIDE, SIDE)."""
        return self(torch.randn(n, LATENT, generator=generator))


class FieldDiscriminator(nn.Module):
    """From a scaled field to a score, high if real; it also sees how alike a group of fields is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = viewer()
        self.last = nn.Sequential(
            nn.Conv2d(CHANNELS[0] + 1, CHANNELS[0], 3, 1, 1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(16 * CHANNELS[0], 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Score fields, shape (n, SIDE, SIDE); groups of 8 are compared (Karras et al. 2018)."""
        x = self.layers(x)
        groups = x.unflatten(0, (-1, min(8, len(x))))
        scatter = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        scatter = scatter.repeat_interleave(groups.shape[1])[:, None, None, None]
        return self.last(torch.cat([x, scatter.expand(-1, 1, 4, 4)], dim=1))[:, 0]


class Block(nn.Module):
    """Two convolutions with a skip; each channel is shifted by what the angle says."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.told = nn.Linear(4, 2 * outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, angle: Tensor) -> Tensor:
        """Apply the block to x, shape (n, inputs, h, w), angle (n, 4)."""
        scale, shift = self.told(angle)[:, :, None, None].chunk(2, dim=1)
        y = functional.silu(self.first(functional.silu(x)) * (1 + scale) + shift)
        return self.skip(x) + self.second(y)


class FieldFlow(nn.Module):
    """Velocity on the circle from fields to noise, a small U-Net (`learn.flow`)."""

    def __init__(self) -> None:
        super().__init__()
        fine, coarse = WIDTHS
        self.stem = nn.Conv2d(4, fine, 3, padding=1)
        steps = [(fine, fine), (fine, coarse), (coarse, coarse), (coarse + fine, fine)]
        self.blocks = nn.ModuleList(Block(a, b) for a, b in steps)
        self.last = nn.Conv2d(fine, 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, phi: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute the velocity of x, shape (n, SIDE, SIDE), at the angles phi, shape (n,)."""
        angle = torch.stack([phi.cos(), phi.sin(), (2 * phi).cos(), (2 * phi).sin()], dim=1)
        one, two, three, four = self.blocks
        folded = functional.pixel_unshuffle(x[:, None], 2)
        a = one(self.stem(folded.contiguous(memory_format=torch.channels_last)), angle)
        b = three(two(functional.avg_pool2d(a, 2), angle), angle)
        a = four(torch.cat([functional.interpolate(b, scale_factor=2), a], dim=1), angle)
        return functional.pixel_shuffle(self.last(functional.silu(a)), 2)[:, 0]

    def draw(self, n: int, generator: torch.Generator, steps: int = STEPS) -> Tensor:
        """Draw scaled fields, shape (n, SIDE, SIDE)."""
        noise = torch.randn(n, SIDE, SIDE, generator=generator)
        return flow.sample(self, noise, noise.new_zeros(n, 0), steps)


KINDS = {"vae": Vae, "gan": Gan, "flow": FieldFlow}


def build(kind: str) -> nn.Module:
    """Make a network that was not trained.

    Parameters
    ----------
    kind : {'vae', 'gan', 'flow'}

    Returns
    -------
    Module

    Raises
    ------
    CoganError
        For another kind.
    """
    if kind not in KINDS:
        raise CoganError(f"The kind of network is {kind!r}; choose {', '.join(KINDS)}.")
    return KINDS[kind]()


@torch.no_grad()
def generate(network: nn.Module, n: int, seed: int, **how) -> np.ndarray:
    """Draw fields of any of the three.

    Parameters
    ----------
    network : Vae, Gan or FieldFlow
    n : int
    seed : int
    **how
        ``noise=False`` for a `Vae`, ``steps`` for a `FieldFlow`.

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float32
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(AT_ONCE, n - start) for start in range(0, n, AT_ONCE)]
    return unscaled(torch.cat([network.draw(size, generator, **how) for size in sizes]).numpy())


def save_network(folder: str | Path, network: nn.Module, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them.

    Parameters
    ----------
    folder : path
        An older network in it is replaced.
    network : Vae, Gan or FieldFlow
    content : dict
        For the card, with its ``kind``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    content = {**content, "format": FORMAT}
    return write_weights(Path(folder) / CARD, content, packed("network", network)).parent


def load_model(folder: str | Path) -> tuple[nn.Module, dict]:
    """Read a network.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    network : Vae, Gan or FieldFlow
        On the CPU, in evaluation mode.
    content : dict
        Of its card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """
    return read_network(
        Path(folder) / CARD, FORMAT, "network", lambda content: build(content["kind"])
    )
