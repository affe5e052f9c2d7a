"""How the network is trained: on new exact patches of all cosmologies, for so many steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...base.files import CoganError, provenance
from ...learn import flow
from ...learn.fit import Plan, fit, seeded
from . import physics, rivals
from .network import VelocityNet, VelocityShape, save_network

FIELDS = ("gaussian", "log-normal")
#: Patches in a batch, highest rate, steps of a full training, steps of one epoch of the history.
BATCH, RATE, STEPS, EPOCH = 64, 2e-3, 2000, 100
#: The average of the weights that is kept reaches back over this share of a training. Over a fixed
#: 300 steps, it would be half made of the first weights in a training of 250.
AVERAGED = 0.05
#: Patches that share a field and its cosmology: half the time to draw them.
SHARED = 2
#: Maps that go through the network at once.
CHUNK = 64


class WhitePatches(NamedTuple):
    """White patches and their scaled cosmologies."""

    white: Tensor  # (n, SIDE, SIDE)
    condition: Tensor  # (n, 5)


class NewPatches:
    """Batches that are drawn anew, for as long as one likes.

    Parameters
    ----------
    batch, batches : int
    seed : int
    field : {'gaussian', 'log-normal'}
    """

    def __init__(self, batch: int, batches: int, seed: int, field: str = "gaussian") -> None:
        if field not in FIELDS:
            raise CoganError(f"The field is {field!r}; choose {' or '.join(FIELDS)}.")
        self.batch, self.batches, self.field = batch, batches, field
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[WhitePatches]:
        whitening = physics.fiducial_whitening(self.field)
        for _ in range(self.batches):
            drawn = physics.draw_cosmologies(max(1, self.batch // SHARED), self.rng)
            maps = physics.patches(drawn, self.generator, SHARED)
            if self.field == "log-normal":
                maps = physics.log_normal(maps)
            condition = torch.from_numpy(physics.unit(drawn)).float()
            yield WhitePatches(whitening.forth(maps), condition.repeat_interleave(SHARED, 0))


def falling(rate: float, used: float) -> float:
    """Fall linearly from the rate to zero; the schedule of `learn.fit`.

    Parameters
    ----------
    rate : float
    used : float
        Share of the budget.

    Returns
    -------
    float
    """
    return rate * (1 - used)


def train(
    folder: str | Path,
    shape: VelocityShape,
    plan: Plan,
    *,
    kind: str = "trig",
    field: str = "gaussian",
    shuffled: bool = False,
) -> Path:
    """Train on new patches, keep the averaged weights, save.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_velocity` reads.
    shape : VelocityShape
    plan : Plan
        An epoch is `EPOCH` batches.
    kind : {'trig', 'linear', 'ddpm'}
        Of `rivals.example`.
    field : {'gaussian', 'log-normal'}
    shuffled : bool
        The control: tell the network another patch's cosmology.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    batches = NewPatches(plan.batch, EPOCH, plan.seed, field)
    generator = torch.Generator().manual_seed(plan.seed + 10**6)
    with seeded(plan.seed):
        network = VelocityNet(shape)
        decay = 1 - 1 / max(1.0, AVERAGED * plan.epochs * EPOCH)
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))

        def losses(batch: WhitePatches) -> Iterator[Tensor]:
            x, phi, target = rivals.example(kind, batch.white, generator)
            condition = batch.condition
            if shuffled:
                condition = condition[torch.randperm(len(condition), generator=generator)]
            yield (network(x, phi, condition) - target).square().mean()
            average.update_parameters(network)

        history = fit(network, losses, batches, plan, schedule=falling)
    content = {
        "kind": kind,
        "field": field,
        "shuffled": shuffled,
        "parameters": list(physics.NAMES),
        "fiducial": list(physics.FIDUCIAL),
        "table": physics.emulator().recipe,
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, average.module, content)


@torch.no_grad()
def generate(
    network: VelocityNet,
    cosmologies: np.ndarray,
    seed: int,
    *,
    kind: str = "trig",
    field: str = "gaussian",
    steps: int | None = None,
) -> Tensor:
    """Generate maps of cosmologies.

    Parameters
    ----------
    network : VelocityNet
    cosmologies : ndarray, shape (n, 5)
        One a map.
    seed : int
        Of the noise: an equal seed draws equal noise, whatever the network.
    kind, field : str
        As the network was trained.
    steps : int, optional
        By default `rivals.STEPS`.

    Returns
    -------
    Tensor, shape (n, SIDE, SIDE)
        [uK]

    Raises
    ------
    CoganError
        If a cosmology is outside of the table.
    """
    condition = torch.from_numpy(physics.unit(cosmologies)).float()
    noise = torch.randn(
        len(condition), physics.SIDE, physics.SIDE, generator=torch.Generator().manual_seed(seed)
    )
    whitening = physics.fiducial_whitening(field)
    pairs = zip(noise.split(CHUNK), condition.split(CHUNK), strict=True)
    return torch.cat([whitening.back(rivals.sample(kind, network, *pair, steps)) for pair in pairs])


def sampler_of(network: VelocityNet, content: dict, steps: int | None = None) -> rivals.Sampler:
    """Make a sampler of maps of a network.

    Parameters
    ----------
    network : VelocityNet
    content : dict
        Of its card, which says what it was trained for.
    steps : int, optional

    Returns
    -------
    callable
        Maps [uK] of (cosmologies, generator).
    """
    trained = {"kind": content["kind"], "field": content["field"], "steps": steps}

    def draw(cosmologies: np.ndarray, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        return generate(network, cosmologies, seed, **trained)

    return draw


def film(
    network: VelocityNet, cosmology: np.ndarray, seed: int, steps: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Watch a map come out of noise.

    Parameters
    ----------
    network : VelocityNet
        Of kind trig and the Gaussian field.
    cosmology : array_like, shape (5,)
    seed : int
    steps : int

    Returns
    -------
    phi : ndarray, shape (steps + 1,)
    frames : ndarray, shape (steps + 1, SIDE, SIDE)
        [uK], noise with the fiducial spectrum first.
    """
    condition = torch.from_numpy(physics.unit([cosmology])).float()
    noise = torch.randn(
        1, physics.SIDE, physics.SIDE, generator=torch.Generator().manual_seed(seed)
    )
    states = list(flow.path(network, noise, condition, steps))
    frames = physics.fiducial_whitening().back(torch.cat([x for _, x in states]))
    return np.array([phi for phi, _ in states]), frames.numpy()
