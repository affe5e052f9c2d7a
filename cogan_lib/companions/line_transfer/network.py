"""COEmuNet: a 3D residual network that turns cubes of gas into CO line images (Su et al. 2025).

Three encoders, one for each of v_z, T and n_CO, shrink a cube to a few numbers; two dense layers
mix them; a decoder draws the images, with frequency as a depth axis over which it never convolves.
Only the dense layers let one channel know of another.
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...base.files import CoganError
from ...learn.blocks import convolution, residual
from ...learn.weights import packed, read_network, write_weights
from .data import LineData, intensity_of, pack, scale_cubes
from .physics import check_cubes
from .winds import CHANNELS, TURBULENCE

log = logging.getLogger(__name__)

FORMAT = 1
CARD = "emulator.json"
#: Folders of weights that come with the package; README.md there is their card.
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


#: (latent, features): the paper's, and one with an eighth of its latent numbers.
PRESETS = {"paper": (4096, 64), "small": (512, 64)}


def encoder() -> nn.Sequential:
    """Build the encoder of one field: 32 channels at a sixteenth of the cube's size.

    Where the size is halved the skip is a 1x1x1 convolution of x, as in equation 23. (The released
    code convolves the block's own output there, F + g(F), which leaves no way around F.)

    Returns
    -------
    Sequential
        Takes shape (n, 1, npix, npix, npix).
    """
    layers = [*convolution(1, 4, dimensions=3, padding=0), nn.MaxPool3d(2)]
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


class Emulator(nn.Module):
    """The network: scaled cubes in, scaled ln-intensity images out.

    Parameters
    ----------
    settings : EmulatorSettings
    """

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

    def start_from(self, other: Emulator) -> None:
        """Take over the weights of a network for one channel, repeated for each of ours.

        Parameters
        ----------
        other : Emulator

        Raises
        ------
        CoganError
            If more than the channels differ.
        """
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


@torch.no_grad()
def predict(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> Tensor:
    """Draw the scaled images of some rows of the data.

    Parameters
    ----------
    network : Emulator
        Is moved to `device`, in evaluation mode.
    data : LineData
    rows : ndarray of int, shape (n,)
    statistics : dict
        The scalings that the network was trained with.
    device : str

    Returns
    -------
    Tensor, shape (n, channels, npix, npix)
        On the CPU.
    """
    network.eval().to(device)
    parts = [
        network(scale_cubes(torch.from_numpy(data.cubes[some]).to(device), statistics)).cpu()
        for some in np.split(rows, range(64, len(rows), 64))
    ]
    return torch.cat(parts)


def save_emulator(folder: str | Path, network: Emulator, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them, whole or not at all.

    Half precision changes the images by less than a thousandth of their range.

    Parameters
    ----------
    folder : path
        An older emulator in it is replaced.
    network : Emulator
    content : dict
        For ``emulator.json``: statistics, channels, line, turbulence, training, provenance.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    facts = {**content, "format": FORMAT, "network": asdict(network.settings)}
    return write_weights(Path(folder) / CARD, facts, packed("emulator", network)).parent


def load_emulator(folder: str | Path) -> tuple[Emulator, dict]:
    """Read an emulator.

    Parameters
    ----------
    folder : path
        That `save_emulator` wrote.

    Returns
    -------
    network : Emulator
        On the CPU, in evaluation mode.
    content : dict
        Of its ``emulator.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """
    return read_network(
        Path(folder) / CARD,
        FORMAT,
        "emulator",
        lambda content: Emulator(EmulatorSettings(**content["network"])),
    )


def fitting(settings: EmulatorSettings) -> Path | None:
    """Find shipped weights for this network, the channels and the turbulence.

    Parameters
    ----------
    settings : EmulatorSettings

    Returns
    -------
    Path or None
        Their folder; None if none fit.
    """
    for folder in sorted(WEIGHTS.glob("*/")):
        network, content = load_emulator(folder)
        same_line = (content["channels"], content["turbulence"]) == (CHANNELS.tolist(), TURBULENCE)
        if network.settings == settings and same_line:
            return folder
    log.info(
        "None of the weights that came with the package fit a network of %s: training.", settings
    )
    return None


@torch.no_grad()
def imitate(
    network: Emulator, statistics: dict, velocity: Tensor, temperature: Tensor, density: Tensor
) -> Tensor:
    """Draw line images without a solver, in the channels that the network was trained for.

    Parameters
    ----------
    network : Emulator
    statistics : dict
        The scalings, from its ``emulator.json``.
    velocity, temperature, density : Tensor, shape (n, npix, npix, npix)
        As `physics.line_images` takes them.

    Returns
    -------
    Tensor, shape (n, channels, npix, npix)
        I_nu [W m^-2 Hz^-1 sr^-1].

    Raises
    ------
    CoganError
        If the cubes are not usable, or of another grid than the network's.
    """
    check_cubes(velocity, temperature, density)
    check_grid(network, tuple(velocity.shape[1:]))
    packed = pack(velocity.cpu().numpy(), temperature.cpu().numpy(), density.cpu().numpy())
    device = next(network.parameters()).device
    return intensity_of(
        network(scale_cubes(torch.from_numpy(packed).to(device), statistics)), statistics
    )


def check_grid(network: Emulator, grid: tuple[int, ...]) -> None:
    """Refuse cubes of another grid than the network's.

    Parameters
    ----------
    network : Emulator
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
