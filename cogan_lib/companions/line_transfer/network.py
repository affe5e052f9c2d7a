"""COEmuNet: a 3D residual network that turns cubes of gas into CO line images (Su et al. 2025).

Three encoders, one for each of v_z, T and n_CO, shrink a cube to a few numbers; two dense layers
mix them; a decoder draws the images, with frequency as a depth axis over which it never convolves.
Only the dense layers let one channel know of another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ...base.files import CoganError
from ...learn.blocks import convolution, residual


@dataclass(frozen=True)
class COEmuNetSettings:
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
    halvings : int
        How often the encoders halve a cube: 4, the paper's, make 4 points of 64 and 2 of 32; 3 make
        4 of 32.
    """

    npix: int
    channels: int
    latent: int
    features: int
    halvings: int = 4

    def __post_init__(self) -> None:
        """Refuse other encoders."""
        if self.halvings not in (3, 4):
            raise CoganError(f"An encoder halves a cube 3 or 4 times, not {self.halvings!r}.")


#: (latent, features): the paper's, and one with an eighth of its latent numbers.
PRESETS = {"paper": (4096, 64), "small": (512, 64)}


def encoder(halvings: int) -> nn.Sequential:
    """Build the encoder of one field: 32 channels at a sixteenth or an eighth of the cube's size.

    Where the size is halved the skip is a 1x1x1 convolution of x, as in equation 23. (The released
    code convolves the block's own output there, F + g(F), which leaves no way around F.)

    Parameters
    ----------
    halvings : int
        4, or 3: without the pooling.

    Returns
    -------
    Sequential
        Takes shape (n, 1, npix, npix, npix).
    """
    layers = [*convolution(1, 4, dimensions=3, padding=0)]
    layers += [nn.MaxPool3d(2)] if halvings == 4 else []
    for inputs, outputs in ((4, 8), (8, 16), (16, 32)):
        layers.append(residual(inputs, outputs, 2, dimensions=3))
        layers += [residual(outputs, outputs, dimensions=3) for _ in range(2)]
    return nn.Sequential(*layers)


def decoder(features: int) -> nn.Sequential:
    """Build the decoder: from maps to one image per channel, eight times as wide.

    Parameters
    ----------
    features : int
        Channels of the maps, a multiple of 8.

    Returns
    -------
    Sequential
        Takes shape (n, features, channels, s, s), gives (n, 1, channels, 8 s, 8 s).
    """
    layers: list[nn.Module] = []
    for _ in range(3):
        for inputs, outputs in ((features, features // 2), *2 * [(features // 2, features // 2)]):
            layers += convolution(inputs, outputs, (1, 3, 3), dimensions=3)
        layers.append(nn.Upsample(scale_factor=(1, 2, 2), mode="nearest"))
        features //= 2
    return nn.Sequential(*layers, nn.Conv3d(features, 1, (1, 3, 3), padding=(0, 1, 1)), nn.Tanh())


class COEmuNet(nn.Module):
    """The network: scaled cubes in, scaled ln-intensity images out.

    Parameters
    ----------
    settings : COEmuNetSettings
    """

    def __init__(self, settings: COEmuNetSettings) -> None:
        super().__init__()
        self.settings = settings
        side = settings.npix // 8
        self.map_shape = (settings.features, settings.channels, side, side)
        self.encoders = nn.ModuleList(encoder(settings.halvings) for _ in range(3))
        first = settings.npix - 2 if settings.halvings == 3 else settings.npix // 2 - 1
        numbers = 3 * 32 * math.ceil(first / 8) ** 3
        self.squeeze = nn.Linear(numbers, settings.latent)
        self.spread = nn.Linear(settings.latent, math.prod(self.map_shape))
        self.decoder = decoder(settings.features)

    def forward(self, cubes: Tensor) -> Tensor:
        """Draw the images of scaled cubes.

        Parameters
        ----------
        cubes : Tensor, shape (n, 3, npix, npix, npix)
            As `data.scale_cubes` gives them.

        Returns
        -------
        Tensor, shape (n, channels, npix, npix)
            As `data.scale_images` gives them.
        """
        fields = (encode(cubes[:, i : i + 1]).flatten(1) for i, encode in enumerate(self.encoders))
        latent = self.squeeze(torch.cat([*fields], 1))  # nothing between the two dense layers
        maps = torch.relu(self.spread(latent)).unflatten(1, self.map_shape)
        return self.decoder(maps)[:, 0]

    def start_from(self, other: COEmuNet) -> None:
        """Take over the weights of a network for one channel, repeated for each of ours.

        Parameters
        ----------
        other : COEmuNet

        Raises
        ------
        CoganError
            If more than the channels differ.
        """
        ours, theirs = self.settings, other.settings
        if replace(theirs, channels=ours.channels) != ours:
            raise CoganError(
                f"Weights of {theirs} cannot start {ours}: only the channels may differ."
            )
        state = other.state_dict()
        for name in ("spread.weight", "spread.bias"):
            one = state[name].unflatten(0, other.map_shape)
            state[name] = one.repeat_interleave(ours.channels, 1).flatten(0, 3)
        self.load_state_dict(state)


def check_grid(network: COEmuNet, grid: tuple[int, ...]) -> None:
    """Refuse cubes of another grid than the network's.

    Parameters
    ----------
    network : COEmuNet
    grid : tuple of int
        Shape of the cubes, (nz, ny, nx).

    Raises
    ------
    CoganError
        If that is not the network's grid.
    """
    npix = network.settings.npix
    if tuple(grid) != 3 * (npix,):
        raise CoganError(
            f"The network was trained on a grid of {npix} x {npix} x {npix}, but these cubes are "
            f"{' x '.join(map(str, grid))}; make cubes of that grid, or train on this one."
        )
