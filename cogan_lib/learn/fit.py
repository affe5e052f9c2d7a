"""One training loop for one network or several, with a budget in epochs and minutes.

What differs from network to network is handed in: an iterable of batches, and a generator that
yields each network's loss in turn. The loop does what is always the same: Adam, the course of the
learning rate, the clock, a check after each epoch, and the choice of the weights that stay.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..base.files import CoganError

Batch = TypeVar("Batch", covariant=True)


class Epochs(Protocol[Batch]):
    """A number of batches, in a new order each time that they are gone through.

    A torch ``DataLoader`` is one, `dataset.Batches` another.
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Plan:
    """A training: it ends after `epochs` or `minutes` (None: no limit), whichever comes first.

    Without a limit in minutes, an equal seed gives an equal result on an equal machine.

    Attributes
    ----------
    epochs : float
        Passes over the data; the last one may be a part of one.
    minutes : float or None
    rate : float
        Highest learning rate.
    batch : int
        Rows of a batch, at most.
    seed : int
    """

    epochs: float
    minutes: float | None = None
    rate: float = 2e-3
    batch: int = 32
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "seed" and value is not None and not value > 0:
                raise CoganError(f"A training's {name} must be above zero, but is {value}.")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Build and train in here: torch's own draws follow `seed`, and are as before afterwards.

    Parameters
    ----------
    seed : int
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def warm_cosine(rate: float, used: float) -> float:
    """Climb to `rate` in the first twentieth of the budget, then fall to zero on a cosine.

    Parameters
    ----------
    rate : float
        The plan's.
    used : float
        Share of the budget that is used, 0 to 1.

    Returns
    -------
    float
        Learning rate of the next step.

    Examples
    --------
    >>> [round(warm_cosine(1.0, used), 3) for used in (0.0, 0.05, 0.5, 1.0)]
    [0.02, 0.994, 0.5, 0.0]
    """
    warm = min(1.0, used / 0.05 + 0.02)
    return rate * warm * (1 + math.cos(math.pi * used)) / 2


def late_linear(rate: float, used: float) -> float:
    """Stay at `rate` for the first half of the budget, then fall linearly to zero, as CycleGAN.

    Parameters
    ----------
    rate : float
        The plan's.
    used : float
        Share of the budget that is used, 0 to 1.

    Returns
    -------
    float
        Learning rate of the next step.
    """
    return rate * min(1.0, max(2 * (1 - used), 0.0))


def fit(
    networks: nn.Module | Mapping[str, nn.Module],
    losses: Callable[[Batch], Iterator[Tensor]],
    batches: Epochs[Batch],
    plan: Plan,
    *,
    device: str = "cpu",
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = torch.optim.Adam,
    schedule: Callable[[float, float], float] = warm_cosine,
    clip: float = math.inf,
    validate: Callable[[], dict[str, float]] | None = None,
    worth: Callable[[dict], float] | None = None,
    quiet: bool = False,
) -> list[dict]:
    """Train until the budget is used, and leave the networks in evaluation mode.

    Parameters
    ----------
    networks : Module, or dict of name to Module
        Moved to `device`.
    losses : callable
        A generator function of a batch. It yields one loss for each network, in their order, and
        goes on after that network's step; so the second loss sees the first network's new weights.
        What follows the last ``yield`` (a running average, for example) happens after all steps.
    batches : sized iterable
        See `Epochs`.
    plan : Plan
        Its `batch` and `seed` are for those who make batches and networks.
    optimiser : callable
        Makes the optimiser of some parameters; the loop sets its rate.
    schedule : callable
        Learning rate, from the plan's and from the share of the budget that is used.
    clip : float
        Longest gradient of a network.
    validate : callable, optional
        Called after each epoch, networks in evaluation mode: numbers for the history.
    worth : callable, optional
        Of a row of the history. The weights of the row with the highest are kept; without it, the
        last.
    quiet : bool
        Show no bar: for hundreds of trainings of a second each.

    Returns
    -------
    list of dict
        One row per epoch: epoch, steps, seconds since the start, the mean ``loss`` (of several
        networks: ``loss_NAME``), and the numbers of `validate`.

    Raises
    ------
    CoganError
        If there is nothing to train on, or a loss is no longer finite.
    """
    if not len(batches):
        raise CoganError("There is no batch to train on; take more data or smaller batches.")
    if isinstance(networks, nn.Module):
        networks = {"": networks}
    names = ["_".join(filter(None, ("loss", name))) for name in networks]
    optimisers = [optimiser(network.to(device).parameters()) for network in networks.values()]
    history, best, kept, steps, start = [], None, {}, 0, time.monotonic()

    def used() -> float:
        share = steps / len(batches) / plan.epochs
        minutes = (time.monotonic() - start) / 60
        return min(1.0, max(share, minutes / plan.minutes if plan.minutes else 0.0))

    shown = "training {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}"
    options = {"bar_format": shown, "mininterval": 5.0, "miniters": 0, "disable": quiet}
    with tqdm(total=100, **options) as bar:
        while not history or used() < 1:
            found = []
            for network in networks.values():
                network.train()
            for batch in batches:
                rate = schedule(plan.rate, used())
                found.append(_step(optimisers, losses(batch), rate, clip))
                steps += 1
                bar.update(100 * used() - bar.n)
                if used() >= 1:
                    break
            means = torch.stack(found).cpu().double().numpy().mean(axis=0)
            if not np.isfinite(means).all():
                raise CoganError(
                    f"The loss is no longer finite after {steps} steps; lower the learning rate "
                    f"({plan.rate:g}) and train again."
                )
            row = {"epoch": len(history) + 1, "steps": steps}
            row |= zip(names, means.tolist(), strict=True)
            for network in networks.values():
                network.eval()
            with torch.no_grad():
                row |= validate() if validate else {}
            row["seconds"] = time.monotonic() - start
            history.append(row)
            said = [f"{name} {row[name]:.3g}" for name in row if name not in ("steps", "seconds")]
            bar.set_postfix_str(", ".join(said), refresh=False)
            if worth and (best is None or worth(row) > worth(best)):
                best = row
                kept = {name: copy.deepcopy(net.state_dict()) for name, net in networks.items()}
    for name, weights in kept.items():
        networks[name].load_state_dict(weights)
    return history


def _step(
    optimisers: list[torch.optim.Optimizer], losses: Iterator[Tensor], rate: float, clip: float
) -> Tensor:
    """One step of each network; the losses, not waited for."""
    values = []
    for optimiser, loss in zip(optimisers, losses, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        loss.backward()
        if clip < math.inf:
            moved = [weight for group in optimiser.param_groups for weight in group["params"]]
            nn.utils.clip_grad_norm_(moved, clip)
        optimiser.step()
        values.append(loss.detach())
    return torch.stack(values)
