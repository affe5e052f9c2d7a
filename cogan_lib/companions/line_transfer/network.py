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

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError, read_json, reading, weights_file, write_weights
from .data import intensity_of, pack, scale_cubes
from .physics import check_cubes
from .winds import CHANNELS, TURBULENCE

log = logging.getLogger(__name__)

FORMAT = 1
LARGEST = "spread.weight"
PARTS = ("emulator", "spread-1", "spread-2")  # files of weights
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
        layers += [
            Block(inputs, outputs, 2),
            Block(outputs, outputs, 1),
            Block(outputs, outputs, 1),
        ]
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
        fields = (encode(cubes[:, i : i + 1]).flatten(1) for i, encode in enumerate(self.encoders))
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


def save_emulator(folder: str | Path, network: Emulator, content: dict) -> Path:
    """Write weights and all that explains them, whole or not at all.

    Weight matrices are stored in half precision, which changes the images by less than a thousandth
    of their range and halves the files; what is judged is what is read back. The largest matrix
    gets two files of its own, so that no file of the small preset passes 5 MB.

    Parameters
    ----------
    folder : path
        Replaced if there is one.
    network : Emulator
    content : dict
        For ``emulator.json``: statistics, channels, line, turbulence, training, provenance.
    """
    rest = {
        name: (value.half() if value.ndim > 1 else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    halves = rest.pop(LARGEST).chunk(2)
    parts = zip(PARTS, (rest, *({LARGEST: half.contiguous()} for half in halves)), strict=True)
    facts = {**content, "format": FORMAT, "network": asdict(network.settings)}
    card = Path(folder) / "emulator.json"
    return write_weights(card, facts, {name: save(part) for name, part in parts}).parent


def load_emulator(folder: str | Path) -> tuple[Emulator, dict]:
    """The network, on the CPU and ready to use, and the content of its ``emulator.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """
    folder = Path(folder)
    mend = "get the whole folder again, or train again"
    content = read_json(folder / "emulator.json", mend)
    if content.get("format") != FORMAT:
        raise CoganError(f"{folder} is of another format; train again.")
    with reading(folder, "emulator", mend):
        files = [weights_file(folder / "emulator.json", content, name) for name in PARTS]
        state, *halves = map(load_file, files)
        state[LARGEST] = torch.cat([half[LARGEST] for half in halves])
        network = Emulator(EmulatorSettings(**content["network"]))
        network.load_state_dict(state)
    return network.eval().requires_grad_(False), content


def fitting(settings: EmulatorSettings) -> Path | None:
    """Folder of weights that came along for this network, channels and turbulence, if any does."""
    for folder in sorted(WEIGHTS.glob("*/")):
        network, content = load_emulator(folder)
        same_line = (content["channels"], content["turbulence"]) == (CHANNELS.tolist(), TURBULENCE)
        if network.settings == settings and same_line:
            return folder
    log.info("None of the weights that came along fit a network of %s: training.", settings)
    return None


@torch.no_grad()
def imitate(
    network: Emulator, statistics: dict, velocity: Tensor, temperature: Tensor, density: Tensor
) -> Tensor:
    """Line images without a solver, in the channels that the network was trained for.

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
    """Raise `CoganError` unless the network was made for cubes of this grid."""
    npix = network.settings.npix
    if tuple(grid) != 3 * (npix,):
        raise CoganError(
            f"The network was trained on a grid of {npix} x {npix} x {npix}, but these cubes are "
            f"{' x '.join(map(str, grid))}; make cubes of that grid, or train on this one."
        )
