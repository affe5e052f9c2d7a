"""How the three are trained: on the same fields, with one loop, for the same time of a core."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...base.files import provenance
from ...learn import adversarial, flow, latent
from ...learn.fit import Plan, fit, seeded
from . import physics
from .network import LATENT, FieldDiscriminator, build, save_network

#: Fields that are trained on: a finite set, so that copying could be seen.
FIELDS = 8192
BATCH, EPOCH = 64, 50  # fields of a step, steps of what the loop calls an epoch
#: Steps that take each of them about the same time of a core, and highest rates.
STEPS = {"vae": 4500, "gan": 1800, "flow": 1000}
RATES = {"vae": 2e-3, "gan": 1e-3, "flow": 6e-3}
#: Of the averaged weights.
MEMORY = {"vae": 0.0, "gan": 0.995, "flow": 0.99}
GAMMA, PENALTY_EVERY = 2.0, 8  # the discriminator's penalty R1
#: Without momentum for the two that play.
ADAM = {"gan": partial(torch.optim.Adam, betas=(0.0, 0.99))}


@cache
def training_fields(seed: int, n: int = FIELDS) -> np.ndarray:
    """Draw the fields that a training with this seed sees, always the same.

    Parameters
    ----------
    seed : int
    n : int

    Returns
    -------
    ndarray, shape (n, SIDE, SIDE), float32
    """
    return physics.fields(n, np.random.default_rng([seed, 31]))


class Mirrored:
    """Batches of scaled fields in random orientations.

    Parameters
    ----------
    fields : ndarray, shape (n, SIDE, SIDE)
    size, batches, seed : int
        Of a batch; of what the loop calls an epoch.
    """

    def __init__(self, fields: np.ndarray, size: int, batches: int, seed: int) -> None:
        self.x, self.size, self.batches = physics.scaled(fields), size, batches
        self._rng = np.random.default_rng([seed, 32])

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.batches):
            some = self.x[self._rng.integers(0, len(self.x), self.size)]
            some = np.rot90(some, self._rng.integers(4), (1, 2))
            some = some.swapaxes(1, 2) if self._rng.integers(2) else some
            yield torch.from_numpy(np.ascontiguousarray(some))


def vae_loss(network: nn.Module, x: Tensor) -> Tensor:
    """Compute minus the bound on the logarithm of the density, mean over the fields.

    Parameters
    ----------
    network : Vae
    x : Tensor, shape (n, SIDE, SIDE)
        Scaled.

    Returns
    -------
    Tensor
        A scalar [nats].
    """
    mean, log_variance = network.encode(x)
    found = network.decoder(latent.draw(mean, log_variance))
    nll = latent.gaussian_nll(x, found, network.log_sigma.exp())
    return (nll + latent.kl_to_normal(mean, log_variance).sum(1)).mean()


def flow_loss(network: nn.Module, x: Tensor) -> Tensor:
    """Compute the squared error of the velocity at random angles.

    Parameters
    ----------
    network : FieldFlow
    x : Tensor, shape (n, SIDE, SIDE)
        Scaled.

    Returns
    -------
    Tensor
        A scalar.
    """
    noise, phi = torch.randn_like(x), flow.logit_normal(len(x))
    return (network(flow.mixed(x, noise, phi), phi) - flow.target(x, noise, phi)).square().mean()


def game(generator: nn.Module, discriminator: nn.Module) -> Callable[[Tensor], Iterator[Tensor]]:
    """Make the losses of discriminator and generator, in this order, for `learn.fit`.

    Parameters
    ----------
    generator : Gan
    discriminator : FieldDiscriminator

    Returns
    -------
    callable
    """
    steps = 0

    def losses(real: Tensor) -> Iterator[Tensor]:
        nonlocal steps
        generated = generator(torch.randn(len(real), LATENT))
        loss = adversarial.discriminator_loss(
            discriminator(real), discriminator(generated.detach())
        )
        if steps % PENALTY_EVERY == 0:
            weight = GAMMA / 2 * PENALTY_EVERY
            loss = loss + weight * adversarial.gradient_penalty(discriminator, real)
        steps += 1
        yield loss
        yield adversarial.generator_loss(discriminator(generated))

    return losses


def train(folder: str | Path, kind: str, plan: Plan) -> Path:
    """Train one of the three and save it, with its averaged weights.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_model` reads.
    kind : {'vae', 'gan', 'flow'}
    plan : Plan
        An epoch is `EPOCH` steps.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    batches = Mirrored(training_fields(plan.seed), plan.batch, EPOCH, plan.seed)
    started = time.process_time()
    with seeded(plan.seed):
        network = build(kind)
        average, steps = copy.deepcopy(network), 0
        networks: dict[str, nn.Module] = {"": network}
        if kind == "gan":
            networks = {"discriminator": FieldDiscriminator(), "generator": network}
            of_batch = game(network, networks["discriminator"])
        else:
            loss = {"vae": vae_loss, "flow": flow_loss}[kind]

            def of_batch(x: Tensor) -> Iterator[Tensor]:
                yield loss(network, x)

        def losses(x: Tensor) -> Iterator[Tensor]:
            nonlocal steps
            yield from of_batch(x)
            steps += 1
            adversarial.follow(average, network, min(MEMORY[kind], steps / (steps + 9)))

        optimiser = ADAM.get(kind, torch.optim.Adam)
        history = fit(networks, losses, batches, plan, optimiser=optimiser)
    content = {
        "kind": kind,
        "core_seconds": time.process_time() - started,
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, average, content)


def full_plan(kind: str, seed: int, share: float = 1.0) -> Plan:
    """Plan a full training, or a share of one.

    Parameters
    ----------
    kind : {'vae', 'gan', 'flow'}
    seed : int
    share : float
        Of the steps.

    Returns
    -------
    Plan
    """
    return Plan(share * STEPS[kind] / EPOCH, rate=RATES[kind], batch=BATCH, seed=seed)
