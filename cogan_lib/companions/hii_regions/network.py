"""A generator of skies and a discriminator of images, both of a few convolutions (DCGAN).

The generator makes the *sky*; the telescope, which we know, is no part of it. Its beam comes behind
the last layer, its noise is drawn when an image is made (AmbientGAN, Bora et al. 2018). So no
weights are spent on noise, and no chequerboard of the transposed convolutions can pass the beam.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from ...base.files import CoganError
from ...learn.weights import packed, read_network, write_weights
from . import physics
from .physics import FWHM_PX

FORMAT = 1
CARD = "hii-regions.json"
#: Folders of shipped weights; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"
AT_ONCE = 250  # images
LAST = 32  # channels of the discriminator's last convolution
TRUNCATION = 0.5  # scatter of the random numbers of `truncated`
LEAK = 0.2  # slope of the discriminator's units below zero


@dataclass(frozen=True)
class PlayerShape:
    """Sizes of both networks.

    Attributes
    ----------
    latent : int
        Random numbers that an image is made of; the document's 100.
    channels : tuple of int
        Of the generator at 4, 8, 16 and 32 pixels, and of the discriminator in reverse order.
    """

    latent: int = 100
    channels: tuple[int, ...] = (96, 48, 24, 12)


class RegionGenerator(nn.Module):
    """From normal random numbers to a sky: a dense layer, then four times twice the side.

    Parameters
    ----------
    shape : PlayerShape
    """

    def __init__(self, shape: PlayerShape) -> None:
        super().__init__()
        self.shape = shape
        first, *_, last = shape.channels
        layers = [nn.Linear(shape.latent, 16 * first), nn.Unflatten(1, (first, 4, 4)), nn.ReLU()]
        for wide, narrow in zip(shape.channels, shape.channels[1:], strict=False):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(last, 1, 4, 2, 1))
        for layer in self.layers:
            if hasattr(layer, "weight"):
                # A pixel sees 4 of the 16 weights of a transposed convolution. Torch's own start is
                # so small that all first images are alike, and the discriminator wins at once.
                inputs = (
                    layer.in_features if isinstance(layer, nn.Linear) else 4 * layer.in_channels
                )
                nn.init.normal_(layer.weight, std=(2 / inputs) ** 0.5)
        self.register_buffer("beam", beam_kernel(), persistent=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Make skies.

        Parameters
        ----------
        latent : Tensor, shape (n, latent)
            Standard normal.

        Returns
        -------
        Tensor, shape (n, SIDE, SIDE)
            Brightness behind the beam, without noise. Nothing forbids that it is a little negative:
            a function that did would have no slope where the sky is dark, and a generator that
            has once gone dark would stay so.
        """
        sharp = physics.unscaled(self.layers(latent).clamp(-5, 5))
        half = len(self.beam) // 2
        smooth = conv2d(pad(sharp, [half] * 4), self.beam[None, None, None])
        return conv2d(smooth, self.beam[None, None, :, None])[:, 0]


class RegionDiscriminator(nn.Module):
    """From an image to a score, high if real; the last layer also sees how alike a group is.

    Half of the generator's failures are of this kind: each image is good, but all are the same.
    A discriminator that looks at one at a time can't see that. So the scatter from image to image,
    averaged over a group of them, is one more channel (Karras et al. 2018).

    Parameters
    ----------
    shape : PlayerShape
    compare : bool
        Whether it sees the scatter.
    """

    def __init__(self, shape: PlayerShape, compare: bool = True) -> None:
        super().__init__()
        self.compare = compare
        widths = (1, *reversed(shape.channels))
        layers = []
        for narrow, wide in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Sequential(
            nn.Conv2d(widths[-1] + compare, LAST, 3, 1, 1),
            nn.LeakyReLU(LEAK),
            nn.Flatten(),
            nn.Linear(16 * LAST, 1),
        )

    def forward(self, image: Tensor, group: int = 8) -> Tensor:
        """Score images.

        Parameters
        ----------
        image : Tensor, shape (n, SIDE, SIDE)
            Brightness, with noise.
        group : int
            Images that are compared with each other.

        Returns
        -------
        Tensor, shape (n,)
        """
        x = self.layers(physics.scaled(image)[:, None])
        if self.compare:
            groups = x.unflatten(0, (-1, min(group, len(x))))
            scatter = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
            scatter = scatter.repeat_interleave(groups.shape[1])[:, None, None, None]
            x = torch.cat([x, scatter.expand(-1, 1, *x.shape[2:])], dim=1)
        return self.last(x)[:, 0]


def beam_kernel() -> Tensor:
    """Compute the beam along one axis, of sum 1.

    Returns
    -------
    Tensor, shape (9,)
    """
    x = torch.arange(-4.0, 5.0)
    kernel = torch.exp(-4 * np.log(2) * (x / FWHM_PX) ** 2)
    return kernel / kernel.sum()


@torch.no_grad()
def generate(
    generator: RegionGenerator, n: int, seed: int, *, latent: Tensor | None = None
) -> np.ndarray:
    """Make skies without noise; `physics.observed` adds it.

    Parameters
    ----------
    generator : RegionGenerator
    n : int
    seed : int
        Of the random numbers.
    latent : Tensor, shape (n, latent), optional
        Random numbers of one's own.

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float32

    Raises
    ------
    CoganError
        If the numbers do not fit the generator.
    """
    if latent is None:
        latent = torch.randn(
            n, generator.shape.latent, generator=torch.Generator().manual_seed(seed)
        )
    if latent.shape != (n, generator.shape.latent):
        raise CoganError(
            f"The random numbers are {tuple(latent.shape)}; {n} images of this generator need "
            f"{n, generator.shape.latent}."
        )
    generator.eval()
    return torch.cat([generator(some) for some in latent.split(AT_ONCE)]).numpy()


def truncated(
    generator: RegionGenerator, n: int, seed: int, share: float = TRUNCATION
) -> np.ndarray:
    """Make skies from random numbers that are too near to zero.

    It is often done, as the middle of the latent space makes the fewest odd images; and the fewest
    kinds of image. (The 100 numbers of a normal draw lie on a shell of radius 10, hardly any near
    the middle.)

    Parameters
    ----------
    generator : RegionGenerator
    n : int
    seed : int
    share : float
        Of the right scatter.

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float32
    """
    draws = torch.Generator().manual_seed(seed)
    latent = share * torch.randn(n, generator.shape.latent, generator=draws)
    return generate(generator, n, seed, latent=latent)


def save_network(folder: str | Path, generator: RegionGenerator, content: dict) -> Path:
    """Write a generator's weights, matrices in half precision, and all that explains them.

    Parameters
    ----------
    folder : path
        An older one in it is replaced.
    generator : RegionGenerator
    content : dict
        For the card: plan, recipe, history, provenance.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    facts = {**content, "format": FORMAT, "network": asdict(generator.shape)}
    return write_weights(Path(folder) / CARD, facts, packed("generator", generator)).parent


def load_generator(folder: str | Path) -> tuple[RegionGenerator, dict]:
    """Read a generator.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    generator : RegionGenerator
        On the CPU, in evaluation mode.
    content : dict
        Of its card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """

    def make(content: dict) -> RegionGenerator:
        found = content["network"]
        return RegionGenerator(PlayerShape(found["latent"], tuple(found["channels"])))

    return read_network(Path(folder) / CARD, FORMAT, "generator", make)
