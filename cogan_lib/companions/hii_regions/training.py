"""How the two networks play: a finite set of skies, new noise each time, and what makes it fail."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError, provenance
from ...learn.adversarial import discriminator_loss, follow, generator_loss, gradient_penalty
from ...learn.fit import Plan, fit, seeded
from . import physics
from .network import PlayerShape, RegionDiscriminator, RegionGenerator, save_network

#: Skies that are trained on. A finite set, so that copying could be seen; each is shown in eight
#: orientations, since the sky has none.
SKIES = 20_000
#: Steps between two penalties, which are then so much heavier (Karras et al. 2020).
PENALTY_EVERY = 8
STEPS = 100  # of what the loop calls an epoch
#: Of the shipped weights.
EPOCHS, RATE, BATCH = 140, 1e-3, 32
MEMORY = 0.998  # of the averaged weights
#: Adam without momentum, as usual for games: yesterday's direction is wrong today.
ADAM = partial(torch.optim.Adam, betas=(0.0, 0.99))


@dataclass(frozen=True)
class Recipe:
    """How they play.

    Attributes
    ----------
    gamma : float
        Twice the weight of the penalty R1; 0 leaves it out.
    skies : int
        That are trained on.
    """

    gamma: float = 0.01
    skies: int = SKIES

    def __post_init__(self) -> None:
        if not (self.gamma >= 0 and self.skies >= 1):
            raise CoganError(
                f"The penalty's weight is {self.gamma:g} and the number of skies {self.skies}; "
                "the first may not be negative, and there must be a sky."
            )


HEALTHY = Recipe()
#: Of `unfair`: images a step, rates of generator and discriminator, steps of the latter in the
#: first turn and in others.
FEW, UNFAIR_RATES, LEARNS = 16, (5e-4, 1e-3), (30, 2)


def training_skies(seed: int, n: int = SKIES) -> np.ndarray:
    """Draw the skies that a training with this seed sees, always the same.

    Parameters
    ----------
    seed : int
    n : int

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float16
    """
    return physics.regions(n, np.random.default_rng([seed, 10])).sky.astype(np.float16)


class NoisyBatches:
    """Batches of skies in random orientations with new noise.

    Parameters
    ----------
    skies : ndarray, shape (n, SIDE, SIDE)
    size : int
        Of a batch.
    batches : int
        Of what the loop calls an epoch.
    seed : int
    """

    def __init__(self, skies: np.ndarray, size: int, batches: int, seed: int) -> None:
        self.skies, self.size, self.batches = skies, size, batches
        self._rng = np.random.default_rng([seed, 11])

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.batches):
            rows = self._rng.integers(0, len(self.skies), self.size)
            some = self.skies[rows].astype(np.float32)
            some = np.rot90(some, self._rng.integers(4), (1, 2))
            some = some.swapaxes(1, 2) if self._rng.integers(2) else some
            yield torch.from_numpy(physics.observed(some, self._rng))


def train(
    folder: str | Path,
    plan: Plan,
    recipe: Recipe = HEALTHY,
    shape: PlayerShape | None = None,
    device: str = "cpu",
) -> Path:
    """Let generator and discriminator play, and save the generator's averaged weights.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_generator` reads.
    plan : Plan
        An epoch is `STEPS` steps of each network.
    recipe : Recipe
    shape : PlayerShape, optional
    device : str

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If a loss is no longer finite, or the folder cannot be written.
    """
    skies = training_skies(plan.seed, recipe.skies)
    batches = NoisyBatches(skies, plan.batch, STEPS, plan.seed)
    with seeded(plan.seed):
        generator = RegionGenerator(shape or PlayerShape()).to(
            device, memory_format=torch.channels_last
        )
        discriminator = RegionDiscriminator(generator.shape)
        discriminator.to(device, memory_format=torch.channels_last)
        average, steps = copy.deepcopy(generator), 0

        def losses(real: Tensor) -> Iterator[Tensor]:
            nonlocal steps
            real = real.to(device)
            latent = torch.randn(len(real), generator.shape.latent, device=device)
            sky = generator(latent)
            generated = sky + physics.NOISE * torch.randn_like(sky)
            loss = discriminator_loss(discriminator(real), discriminator(generated.detach()))
            if recipe.gamma and steps % PENALTY_EVERY == 0:
                weight = recipe.gamma / 2 * PENALTY_EVERY
                loss = loss + weight * gradient_penalty(discriminator, real)
            yield loss
            yield generator_loss(discriminator(generated))
            steps += 1
            follow(average, generator, min(MEMORY, steps / (steps + 9)))

        history = fit(
            {"discriminator": discriminator, "generator": generator},
            losses, batches, plan, device=device, optimiser=ADAM,
        )  # fmt: skip
    content = {
        "recipe": asdict(recipe),
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, average.cpu(), content)


def unfair(
    generator: RegionGenerator, skies: np.ndarray, seed: int, turns: int = 15, ahead: int = 10
) -> RegionGenerator:
    """Make a generator collapse: it moves many times a turn, against one that sees no groups.

    What the discriminator happens to like, all images are before it can learn better. After more
    turns the favourite is another; there is no end to that, and the game may recover for a while.

    Parameters
    ----------
    generator : RegionGenerator
        To begin with; it stays as it is.
    skies : ndarray, shape (n, SIDE, SIDE)
    seed : int
    turns, ahead : int
        Turns of the discriminator, and steps of the generator in each.

    Returns
    -------
    RegionGenerator
        On the CPU, not averaged.
    """
    with seeded(seed):
        ours = copy.deepcopy(generator).requires_grad_(True)
        other = RegionDiscriminator(ours.shape, compare=False)
        pairs = zip((ours, other), UNFAIR_RATES, strict=True)
        steps = [ADAM(network.parameters(), lr=rate) for network, rate in pairs]

        def images() -> Tensor:
            sky = ours(torch.randn(FEW, ours.shape.latent))
            return sky + physics.NOISE * torch.randn_like(sky)

        def move(step: torch.optim.Optimizer, loss: Tensor) -> None:
            step.zero_grad()
            loss.backward()
            step.step()

        for turn, real in enumerate(NoisyBatches(skies, FEW, turns, seed)):
            generated = images().detach()
            for _ in range(LEARNS[turn > 0]):
                loss = discriminator_loss(other(real), other(generated))
                move(steps[1], loss + 0.5 * gradient_penalty(other, real))
            for _ in range(ahead):
                move(steps[0], generator_loss(other(images())))
    return ours
