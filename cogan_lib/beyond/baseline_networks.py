"""What the Cycle-GAN has to beat with a network: a ResUNet regression and a pix2pix, both of them
earlier attempts of the paper's authors.

As `baselines`, and trained like the Cycle-GAN: they look at the validation tiles after each epoch
and keep the weights of the best one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ..base.files import CoganError
from ..gan.cyclegan import clip_gradients
from ..gan.epoch_check import check
from ..gan.losses import discriminator_loss, real_loss
from ..gan.networks import Discriminator, Generator, count_parameters, layout, translate
from ..gan.recipes import TrainingSettings
from ..tiles.patches import Patches, scale, turn
from ..tiles.scaling import Scaling, to_physical
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
        One row an epoch: steps, and the numbers of `epoch_check.check`.
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
        """W in K km/s, shape (n, npix, npix), from inputs (n, channels, npix, npix).

        Inputs and outputs are cut off at the range of the training tiles. Another `seed` is another
        member, where there is noise.
        """
        inputs = checked_inputs(inputs, len(self.input_scalings))
        known = [s.bound(inputs[:, i]) for i, s in enumerate(self.input_scalings)]
        tiles = scale(np.stack(known, axis=1), self.input_scalings)
        made = translate(self.network, _with_noise(tiles, self.noise, seed))
        return to_physical(made[:, 0], self.target_scaling)


def _with_noise(tiles: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Scaled tiles and a channel of noise, one for all: no tile depends on the others."""
    if not noise:
        return tiles
    n, _, *side = tiles.shape
    channel = np.random.default_rng(seed).normal(0, noise, (1, 1, *side)).astype(np.float32)
    return np.concatenate([tiles, np.broadcast_to(channel, (n, 1, *side))], axis=1)


class ResidualUnit(nn.Module):
    """Two times dropout, 5x5 convolution, SELU, batch norm; a shortcut goes around both."""

    def __init__(self, inputs: int, outputs: int, dropout: float = 0.3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            conv = nn.Conv2d(channels, outputs, 5, padding=2, padding_mode="reflect")
            layers += [nn.Dropout(dropout), conv, nn.SELU(), nn.BatchNorm2d(outputs)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, h, w) to (b, outputs, h, w)."""
        return self.shortcut(x) + self.body(x)


class ResUNet(nn.Module):
    """Residual units at full, half and quarter resolution, joined by skips; one output channel.

    With the ingredients of the regression in an earlier version of the paper's code (SELU, batch
    norm, dropout 0.3, 5x5 convolutions), narrower. A tile's side must be a multiple of four pixels.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.full = ResidualUnit(inputs, width, dropout=0.0)  # two inputs: none to spare
        self.middle = ResidualUnit(width, 2 * width)
        self.deep = ResidualUnit(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [ResidualUnit(6 * width, 2 * width), ResidualUnit(3 * width, width)]
        )
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, npix, npix) to (b, 1, npix, npix)."""
        full = self.full(x)
        middle = self.middle(functional.avg_pool2d(full, 2))
        deep = self.deep(functional.avg_pool2d(middle, 2))
        for unit, skip in zip(self.up, (middle, full), strict=True):
            doubled = functional.interpolate(deep, scale_factor=2, mode="bilinear")
            deep = unit(torch.cat([doubled, skip], dim=1))
        return self.last(deep)


def fit_resunet(
    patches: Patches, settings: TrainingSettings, column: str | None = None, width: int = 8
) -> Network:
    """Regression by a ResUNet: mean squared error in scaled units.

    The epoch with the highest R^2 on the validation tiles is kept. `width` is the number of
    channels at full resolution. Of the settings count the budget, batch_size, learning_rate (1e-3
    suits this network), jitter, seed and device.

    Raises `CoganError`, too, for tiles that cannot be halved twice, a scaling by each patch's own
    extremes, and a loss that is no longer finite.
    """
    tiles = one_target(patches, column, "train", "validation")
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = ResUNet(tiles.inputs.shape[1], width)

        def losses(x: Tensor, y: Tensor) -> Iterator[Tensor]:
            yield functional.mse_loss(network(x), y)

        return _train([network], losses, tiles, settings, lambda row: row["r2"])


def fit_pix2pix(patches: Patches, settings: TrainingSettings, column: str | None = None) -> Network:
    """pix2pix (Isola et al. 2017, arXiv:1611.07004): L = adversarial + 100 L1, true pairs only.

    A generator of the Cycle-GAN's kind, with one more channel of noise, against a PatchGAN that
    sees the inputs beside the CO; the adversarial loss is least squares. The epoch with the best
    score of `epoch_check.check` is kept. Only the generator counts as `parameters`. Of the settings
    `network` counts too; all else is as in `fit_resunet`.
    """
    tiles = one_target(patches, column, "train", "validation")
    inputs, shape = tiles.inputs.shape[1], settings.network
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        generator = Generator(inputs + 1, 1, shape)
        judge = Discriminator(inputs + 1, shape)

        def losses(x: Tensor, y: Tensor) -> Iterator[Tensor]:
            made = generator(torch.cat([x, NOISE * torch.randn_like(y)], dim=1))
            judge.requires_grad_(False)  # the generator's step needs no gradients for it
            adversarial = real_loss(judge(torch.cat([x, made], dim=1)))
            yield adversarial + L1_WEIGHT * functional.l1_loss(made, y)
            judge.requires_grad_(True)
            real, fake = (torch.cat([x, co], dim=1) for co in (y, made.detach()))
            yield discriminator_loss(judge, real, fake)

        networks = [generator, judge]
        return _train(networks, losses, tiles, settings, lambda row: -row["score"], NOISE)


def _train(
    networks: list[nn.Module],
    losses: Callable[[Tensor, Tensor], Iterator[Tensor]],
    tiles: Patches,
    settings: TrainingSettings,
    worth: Callable[[dict], float],
    noise: float = 0.0,
) -> Network:
    """Epochs of turned batches of true pairs until the budget is used; the best of networks[0].

    `losses` gives each network's loss in turn, and is taken up again after that network's step.
    Adam and its rate are as in `training`: constant for the first half of the budget, then falling
    linearly to zero.
    """
    network, device, history, best = networks[0], settings.accelerator, [], {}
    for each in networks:
        each.to(device)
        each.to(memory_format=layout(each))
    optimisers = [torch.optim.Adam(each.parameters(), betas=(0.5, 0.999)) for each in networks]
    x, y = (torch.from_numpy(each).to(device) for each in tiles.scaled("train"))
    held_out = tiles.select("validation")
    held_out_inputs = _with_noise(tiles.scaled("validation")[0], noise, seed=0)
    batch = min(settings.batch_size, len(x))
    steps_an_epoch = len(x) // batch
    start, steps = time.monotonic(), 0

    def used() -> float:
        minutes = (time.monotonic() - start) / 60
        return max(steps / steps_an_epoch / settings.max_epochs, minutes / settings.max_minutes)

    shown = "training {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=100, bar_format=shown, mininterval=5.0, miniters=0) as bar:
        while not history or used() < 1:
            network.train()
            for part in torch.randperm(len(x)).split(batch)[:steps_an_epoch]:
                turned, part = int(torch.randint(8, ())), part.to(device)
                a, b = (turn(each[part], turned >= 4, turned % 4) for each in (x, y))
                a = a + settings.jitter * torch.randn(*a.shape[:2], 1, 1, device=device)
                rate = settings.learning_rate * min(1.0, max(2 * (1 - used()), 0.0))
                for optimiser, loss in zip(optimisers, losses(a, b), strict=True):
                    optimiser.param_groups[0]["lr"] = rate
                    optimiser.zero_grad()
                    loss.backward()
                    clip_gradients(optimiser, settings.clip)
                    optimiser.step()
                steps += 1
                bar.update(100 * min(used(), 1) - bar.n)
                if used() >= 1:
                    break
            if not math.isfinite(loss.item()):
                raise CoganError(
                    f"The loss is no longer finite after {steps} steps; lower learning_rate "
                    f"({settings.learning_rate:g}) and train again."
                )
            network.eval()
            row = {"steps": steps, **check(network, held_out, held_out_inputs)}
            history.append(row)
            bar.set_postfix_str(f"validation R^2 {row['r2']:.3f}", refresh=False)
            if not best or worth(row) > worth(best):
                best, weights = row, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    scalings = tiles.input_scalings, tiles.target_scalings[0]
    seconds = time.monotonic() - start
    return Network(network, *scalings, noise, count_parameters(network), seconds, history, best)
