"""COEmuNet: a 3D residual network that turns cubes of gas into CO line images (Su et al. 2025).

Three encoders, one for each of v_z, T and n_CO, shrink a cube to a few numbers; two dense layers
mix them; a decoder draws the images, with frequency as a depth axis over which it never convolves.
Only the dense layers let one channel know of another.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError, provenance, reading
from ...learn.blocks import convolution, residual
from ...learn.dataset import Batches
from ...learn.fit import Plan, fit, seeded
from ...learn.weights import load_network, packed, read_card, write_weights
from .data import LineData, intensity_of, pack, scale_cubes, scale_images
from .physics import check_cubes
from .winds import CHANNELS, TURBULENCE

log = logging.getLogger(__name__)

FORMAT = 1
CARD = "emulator.json"
#: Share of the budget that pre-training gets.
PRETRAINING = 0.15
#: Validation pictures that are looked at after each epoch.
VALIDATED = 128
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
    """One field, shape (n, 1, npix, npix, npix), to 32 channels at a sixteenth of the size.

    Where the size is halved the skip is a 1x1x1 convolution of x, as in equation 23. (The released
    code convolves the block's own output there, F + g(F), which leaves no way around F.)
    """
    layers = [*convolution(1, 4, dimensions=3, padding=0), nn.MaxPool3d(2)]
    for inputs, outputs in ((4, 8), (8, 16), (16, 32)):
        layers.append(residual(inputs, outputs, 2, dimensions=3))
        layers += [residual(outputs, outputs, dimensions=3) for _ in range(2)]
    return nn.Sequential(*layers)


def decoder(features: int) -> nn.Sequential:
    """Maps, shape (n, features, channels, s, s), to one image a channel, eight times as wide."""
    layers: list[nn.Module] = []
    for _ in range(3):
        for inputs, outputs in ((features, features // 2), *2 * [(features // 2, features // 2)]):
            layers += convolution(inputs, outputs, (1, 3, 3), dimensions=3)
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


def turned(cubes: Tensor, images: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Both in one of eight positions about the line of sight: quarter turns and mirror images.

    v_z, T and n are unchanged by them, so the pictures are as true as before.
    """
    if number >= 4:
        cubes, images = cubes.flip(-1), images.flip(-1)
    return torch.rot90(cubes, number % 4, (-2, -1)), torch.rot90(images, number % 4, (-2, -1))


@torch.no_grad()
def predict(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> Tensor:
    """Scaled images of some rows of the data, on the CPU."""
    network.eval().to(device)
    parts = [
        network(scale_cubes(torch.from_numpy(data.cubes[some]).to(device), statistics)).cpu()
        for some in np.split(rows, range(64, len(rows), 64))
    ]
    return torch.cat(parts)


def train_stage(
    network: Emulator, data: LineData, statistics: dict, plan: Plan, device: str = "cpu"
) -> list[dict]:
    """Train on the data's training winds; `learn.fit`'s history with the ``validation`` loss."""
    held_out = data.rows("validation")[:VALIDATED]
    true = scale_images(torch.from_numpy(data.images[held_out]), statistics)

    def load(rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        cubes, images = (torch.from_numpy(x[rows]).to(device) for x in (data.cubes, data.images))
        pairs = scale_cubes(cubes, statistics), scale_images(images, statistics)
        return turned(*pairs, int(rng.integers(8)))

    def losses(pairs: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        yield loss(network(pairs[0]), pairs[1])

    def validate() -> dict[str, float]:
        made = predict(network, data, held_out, statistics, device)
        return {"validation": float(loss(made, true))}

    network.to(memory_format=torch.channels_last_3d)  # a sixth faster on a CPU
    batches = Batches(data.rows("train"), load, plan.batch, [plan.seed, 6])
    return fit(network, losses, batches, plan, device=device, validate=validate)


def train_emulator(
    folder: str | Path,
    face_on: LineData,
    data: LineData,
    settings: EmulatorSettings,
    plan: Plan,
    device: str = "cpu",
) -> Path:
    """Pre-train on one channel, fine-tune on all, save.

    The scalings are those of `data`. Pre-training gets `PRETRAINING` of the pictures' and minutes'
    budget; its weights are repeated over the channels (`Emulator.start_from`).

    Parameters
    ----------
    folder : path
        Of the result, which `load_emulator` reads.
    face_on, data : LineData
        Of the same winds.
    settings : EmulatorSettings
    plan : Plan
    device : str
    """
    statistics = data.content["statistics"]
    with seeded(plan.seed):
        network = Emulator(settings)
        for pairs in (face_on, data):
            check_grid(network, pairs.cubes.shape[2:])
        first = Emulator(replace(settings, channels=face_on.images.shape[1]))
        early, late = (
            None if plan.minutes is None else share * plan.minutes
            for share in (PRETRAINING, 1 - PRETRAINING)
        )
        epochs = (
            PRETRAINING * plan.epochs * len(data.model) / len(face_on.model)
        )  # of fewer pictures
        short = replace(plan, epochs=max(1, round(epochs)), minutes=early)
        histories = {"pre-training": train_stage(first, face_on, statistics, short, device)}
        network.to(device).start_from(first)
        rest = replace(plan, minutes=late)
        histories["fine-tuning"] = train_stage(network, data, statistics, rest, device)
    kept = ("channels", "line", "turbulence", "statistics", "models", "views")
    content = {key: data.content[key] for key in kept} | {
        "history": histories,
        "plan": vars(plan),
        "provenance": provenance(plan.seed, data_seed=data.content["provenance"]["seed"]),
    }
    return save_emulator(folder, network, content)


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
    """
    facts = {**content, "format": FORMAT, "network": asdict(network.settings)}
    return write_weights(Path(folder) / CARD, facts, packed("emulator", network)).parent


def load_emulator(folder: str | Path) -> tuple[Emulator, dict]:
    """The network, on the CPU and ready to use, and the content of its ``emulator.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """
    card, mend = Path(folder) / CARD, "get the whole folder again, or train again"
    content = read_card(card, FORMAT, mend)
    with reading(card.parent, "emulator", mend):
        settings = EmulatorSettings(**content["network"])
        files = sorted(content["weights_sha256"])
        network = load_network(card, content, partial(Emulator, settings), files)
    return network, content


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
