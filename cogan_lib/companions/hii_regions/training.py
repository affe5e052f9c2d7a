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
from .network import Discriminator, Generator, Shape, save_network

#: Skies that are trained on. A finite set, so that copying could be seen; each is shown in eight
#: orientations, since the sky has none.
SKIES = 20_000
#: Steps between two penalties, which are then so much heavier (Karras et al. 2020).
PENALTY_EVERY = 8
STEPS = 100  # of what the loop calls an epoch
#: Of the shipped weights, and of those that collapse on purpose.
EPOCHS, COLLAPSE_EPOCHS, RATE, BATCH = 40, 5, 1e-3, 32
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
    compare : bool
        Whether the discriminator sees how alike a group of images is.
    skies : int
        That are trained on.
    """

    gamma: float = 3.0
    compare: bool = True
    skies: int = SKIES

    def __post_init__(self) -> None:
        if not (self.gamma >= 0 and self.skies >= 1):
            raise CoganError(
                f"The penalty's weight is {self.gamma:g} and the number of skies {self.skies}; "
                "the first may not be negative, and there must be a sky."
            )


#: The one that works, and one that collapses: nothing flattens the discriminator, and it looks at
#: one image at a time.
HEALTHY, COLLAPSING = Recipe(), Recipe(gamma=0.0, compare=False)


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
    shape: Shape | None = None,
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
    shape : Shape, optional
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
        generator = Generator(shape or Shape()).to(device, memory_format=torch.channels_last)
        discriminator = Discriminator(generator.shape, recipe.compare)
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
