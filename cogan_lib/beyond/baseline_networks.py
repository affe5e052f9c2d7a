"""What the Cycle-GAN has to beat with a network: a ResUNet regression and a pix2pix.

Both are earlier attempts of the paper's authors.

As `baselines`, and trained like the Cycle-GAN: they look at the validation tiles after each epoch
and keep the weights of the best one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..gan.epoch_check import check
from ..gan.losses import discriminator_loss, real_loss
from ..gan.networks import Discriminator, Generator, layout, translate
from ..gan.recipes import TrainingSettings
from ..learn.blocks import Residual, UNet, count_parameters
from ..learn.fit import Plan, fit, late_linear, seeded
from ..tiles.bounds import scale_inputs, to_physical
from ..tiles.patches import Patches, rotate
from ..tiles.scaling import Scaling
from .baselines import checked_inputs, one_target

L1_WEIGHT = 100.0  # of pix2pix (Isola et al. 2017)
NOISE = 0.3  # standard deviation of pix2pix's noise channel


@dataclass(frozen=True)
class Network:
    """A trained network, in evaluation mode, with its scalings.

    Attributes
    ----------
    noise : float
        Standard deviation of a further input channel of white noise; 0: there is none.
    parameters : int
        Trained numbers.
    seconds : float
        Training and checks.
    history : list of dict
        One row per epoch: steps, and the numbers of `epoch_check.check`.
    best : dict
        The row whose weights were kept.
    """

    network: nn.Module
    input_scalings: list[Scaling]
    target_scaling: Scaling
    noise: float
    parameters: int
    seconds: float
    history: list[dict]
    best: dict

    def predict(self, inputs: np.ndarray, seed: int = 0) -> np.ndarray:
        """Predict W [K km/s] from dust and HI.

        Inputs and outputs are cut off as those of a generator are. Another `seed` is another
        member, where there is noise.

        Parameters
        ----------
        inputs : ndarray, shape (n, channels, npix, npix)
            Physical units.
        seed : int

        Returns
        -------
        ndarray, shape (n, npix, npix), float64
        """
        inputs = checked_inputs(inputs, len(self.input_scalings))
        tiles = scale_inputs(inputs, self.input_scalings)
        generated = translate(self.network, _with_noise(tiles, self.noise, seed))
        return to_physical(generated[:, 0], self.target_scaling)


def _with_noise(tiles: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Scaled tiles and a channel of noise, one for all: no tile depends on the others."""
    if not noise:
        return tiles
    n, _, *side = tiles.shape
    channel = np.random.default_rng(seed).normal(0, noise, (1, 1, *side)).astype(np.float32)
    return np.concatenate([tiles, np.broadcast_to(channel, (n, 1, *side))], axis=1)


def residual_unit(inputs: int, outputs: int, dropout: float = 0.3) -> Residual:
    """Two times dropout, 5x5 convolution, SELU, batch norm; a 1x1 convolution goes around both."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        conv = nn.Conv2d(channels, outputs, 5, padding=2, padding_mode="reflect")
        layers += [nn.Dropout(dropout), conv, nn.SELU(), nn.BatchNorm2d(outputs)]
    return Residual(nn.Sequential(*layers), nn.Conv2d(inputs, outputs, 1))


def resunet(inputs: int, width: int) -> UNet:
    """Residual units at full, half and quarter resolution, joined by skips; one output channel.

    With the ingredients of the regression in an earlier version of the paper's code (SELU, batch
    norm, dropout 0.3, 5x5 convolutions), narrower. A tile's side must be a multiple of four pixels.
    """
    first = partial(residual_unit, dropout=0.0)  # two inputs: none to spare
    return UNet(inputs, 1, (width, 2 * width, 4 * width), residual_unit, first)


def fit_resunet(
    patches: Patches, settings: TrainingSettings, column: str | None = None, width: int = 8
) -> Network:
    """Fit a ResUNet by the mean squared error in scaled units.

    The epoch with the highest R^2 on the validation tiles is kept.

    Parameters
    ----------
    patches : Patches
    settings : TrainingSettings
        Of them count the budget, batch_size, learning_rate (1e-3 suits this network), jitter, seed
        and device.
    column : str, optional
        The target; by default the patches' first.
    width : int
        Channels at full resolution.

    Returns
    -------
    Network

    Raises
    ------
    CoganError
        If there is no such target, a split without tiles, tiles that cannot be halved twice, a
        scaling by each patch's own extremes, or a loss that is no longer finite.
    """
    tiles = one_target(patches, column, "train", "validation")
    with seeded(settings.seed):
        network = resunet(tiles.inputs.shape[1], width)

        def losses(batch: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
            x, y = batch
            yield functional.mse_loss(network(x), y)

        return _train({"network": network}, losses, tiles, settings, lambda row: row["r2"])


def fit_pix2pix(patches: Patches, settings: TrainingSettings, column: str | None = None) -> Network:
    """pix2pix (Isola et al. 2017, arXiv:1611.07004): L = adversarial + 100 L1, real pairs only.

    A generator of the Cycle-GAN's kind, with one more channel of noise, against a PatchGAN that
    sees the inputs beside the CO; the adversarial loss is least squares. The epoch with the best
    score of `epoch_check.check` is kept. Only the generator counts as `parameters`.

    Parameters
    ----------
    patches : Patches
    settings : TrainingSettings
        As in `fit_resunet`; `network` counts too.
    column : str, optional
        The target; by default the patches' first.

    Returns
    -------
    Network

    Raises
    ------
    CoganError
        As `fit_resunet`.
    """
    tiles = one_target(patches, column, "train", "validation")
    inputs, shape = tiles.inputs.shape[1], settings.network
    with seeded(settings.seed):
        generator = Generator(inputs + 1, 1, shape)
        discriminator = Discriminator(inputs + 1, shape)

        def losses(batch: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
            x, y = batch
            generated = generator(torch.cat([x, NOISE * torch.randn_like(y)], dim=1))
            discriminator.requires_grad_(False)  # the generator's step needs no gradients for it
            adversarial = real_loss(discriminator(torch.cat([x, generated], dim=1)))
            yield adversarial + L1_WEIGHT * functional.l1_loss(generated, y)
            discriminator.requires_grad_(True)
            real, fake = (torch.cat([x, co], dim=1) for co in (y, generated.detach()))
            yield discriminator_loss(discriminator, real, fake)

        networks = {"generator": generator, "discriminator": discriminator}
        return _train(networks, losses, tiles, settings, lambda row: -row["score"], NOISE)


class _Pairs:
    """Turned and jittered batches of real pairs; torch's own draws give order, turns and jitter."""

    def __init__(self, tiles: Patches, settings: TrainingSettings) -> None:
        device, self.jitter = settings.accelerator, settings.jitter
        self.x, self.y = (torch.from_numpy(each).to(device) for each in tiles.scaled("train"))
        self.batch = min(settings.batch_size, len(self.x))

    def __len__(self) -> int:
        return len(self.x) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for part in torch.randperm(len(self.x)).split(self.batch)[: len(self)]:
            number, part = int(torch.randint(8, ())), part.to(self.x.device)
            a, b = (rotate(each[part], number >= 4, number % 4) for each in (self.x, self.y))
            yield a + self.jitter * torch.randn(*a.shape[:2], 1, 1, device=a.device), b


def _train(
    networks: dict[str, nn.Module],
    losses: Callable[[tuple[Tensor, Tensor]], Iterator[Tensor]],
    tiles: Patches,
    settings: TrainingSettings,
    worth: Callable[[dict], float],
    noise: float = 0.0,
) -> Network:
    """Train until the budget is used; the best epoch of the first of the networks.

    Adam and its rate are as in `training`.
    """
    network = next(iter(networks.values()))
    for each in networks.values():
        each.to(settings.accelerator)
        each.to(memory_format=layout(each))
    held_out = tiles.select("validation")
    held_out_inputs = _with_noise(tiles.scaled("validation")[0], noise, seed=0)
    pairs = _Pairs(tiles, settings)
    rows = fit(
        networks,
        losses,
        pairs,
        Plan(settings.max_steps / len(pairs), settings.max_minutes, settings.learning_rate),
        device=settings.accelerator,
        optimiser=partial(torch.optim.Adam, betas=(0.5, 0.999)),
        schedule=late_linear,
        clip=settings.clip,
        validate=lambda: check(network, held_out, held_out_inputs),
        worth=worth,
    )
    kept = ("steps", "spectrum", "histogram", "r2", "score")
    history = [{key: row[key] for key in kept if key in row} for row in rows]
    best, seconds = max(history, key=worth), rows[-1]["seconds"]
    scalings = tiles.input_scalings, tiles.target_scalings[0]
    return Network(network, *scalings, noise, count_parameters(network), seconds, history, best)
