"""How far a training is, how long it will take, and the bar that shows it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from ..base.files import CoganError
from .recipes import TrainingSettings

log = logging.getLogger(__name__)

#: The time is foretold from so many steps; the one before them is slower, and is left out.
TIMED_STEPS = 20
#: Nothing is foretold of fewer steps than these, which are done before one has read it.
FEW_STEPS = 100


class Forecast:
    """How long a training will take, told once by its first steps; checks are not counted.

    Parameters
    ----------
    max_steps : int
    max_minutes : float
        The limit, or infinity.
    seconds : callable
        Those since the start.
    """

    def __init__(self, max_steps: int, max_minutes: float, seconds: Callable[[], float]) -> None:
        self.max_steps, self.max_minutes, self.seconds = max_steps, max_minutes, seconds
        self.first: tuple[int, float] | None = None  # step and second from which it is foretold

    def after(self, steps: int, loss: Tensor) -> str:
        """Tell, after a step, what is to be said of the time.

        Parameters
        ----------
        steps : int
            Done so far, all parts counted.
        loss : Tensor
            Of the last one: a GPU is waited for here, twice in a run.

        Returns
        -------
        str
            Nothing but once.
        """
        if self.first is None:
            float(loss)
            self.first = steps, self.seconds()
        elif steps == self.first[0] + TIMED_STEPS:
            float(loss)
            return self._said(self.first[0] - 1, (self.seconds() - self.first[1]) / TIMED_STEPS)
        return ""

    def _said(self, done: int, seconds_per_step: float) -> str:
        left = self.max_steps - done
        if left < FEW_STEPS:
            return ""
        seconds = left * seconds_per_step
        what = f"the {left:,} steps that are left" if done else f"{left:,} steps"
        more = ""
        if self.first[1] + seconds > 60 * self.max_minutes:
            more = f"; the limit of {self.max_minutes:g} minutes will end them before"
        return f"{_in_words(seconds)} for {what} on this machine{more}"


def lost(steps: int, max_steps: int, max_minutes: float, rate: float, name: str) -> str:
    """Say what a training has lost that a limit in minutes has ended.

    Parameters
    ----------
    steps, max_steps : int
        Taken, and wanted.
    max_minutes : float
    rate : float
        The learning rate at the end, over the highest.
    name : str
        Of the parameter that holds `max_steps`.

    Returns
    -------
    str
        A sentence.
    """
    fallen = "not fallen yet" if rate > 0.99 else f"fallen to {rate:.0%} only"
    return (
        f"The limit of {max_minutes:g} minutes ended the training after {steps:,} of "
        f"{max_steps:,} steps; the learning rate had {fallen}, so these weights are worse than "
        f"those of a whole run: raise max_minutes, or lower {name} so that the rate falls in time."
    )


class Schedule:
    """The course of a training: the learning rate by its steps alone, and a limit in minutes.

    Parameters
    ----------
    fabric : Fabric
    settings : TrainingSettings
        Of which the batch size, the budget and the learning rate count.
    tiles : int
        Training tiles.
    seconds : float
        Those of earlier parts, if the training goes on.

    Attributes
    ----------
    batch, steps_per_epoch : int
        Tiles of a step, shared by all processes; steps of a whole epoch.

    Raises
    ------
    CoganError
        If the processes cannot share a step's tiles equally.
    """

    def __init__(
        self, fabric: Fabric, settings: TrainingSettings, tiles: int, seconds: float = 0.0
    ):
        self.fabric, self.settings = fabric, settings
        self.batch = min(settings.batch_size, tiles)
        if self.batch % fabric.world_size:
            raise CoganError(
                f"{fabric.world_size} processes cannot share the {self.batch} tiles of a step "
                "equally; choose another batch_size or number of processes."
            )
        self.steps_per_epoch = tiles // self.batch
        self.start = time.monotonic() - seconds
        self.forecast = Forecast(settings.max_steps, settings.max_minutes, self.seconds)

    def seconds(self) -> float:
        """Count the seconds since the start, over all resumed parts.

        Returns
        -------
        float
        """
        return time.monotonic() - self.start

    def late(self) -> bool:
        """Whether the limit in minutes is reached; the same answer in all processes.

        Returns
        -------
        bool
        """
        if math.isinf(self.settings.max_minutes):
            return False
        seconds = self.seconds()
        if self.fabric.world_size > 1:
            seconds = self.fabric.broadcast(seconds)
        return seconds >= 60 * self.settings.max_minutes

    def rate(self, steps: int) -> float:
        """Learning rate after so many steps: constant for the first half of all, then down to 0.

        Parameters
        ----------
        steps : int

        Returns
        -------
        float
        """
        return self.settings.learning_rate * min(1.0, 2 * (1 - steps / self.settings.max_steps))

    def foretell(self, steps: int, loss: Tensor) -> None:
        """Say in the log, once, how long the training will take (`Forecast.after`).

        Parameters
        ----------
        steps : int
        loss : Tensor
        """
        said = self.forecast.after(steps, loss)
        if said and self.fabric.is_global_zero:
            log.info(said)

    def lost(self, steps: int) -> str:
        """Say what a training has lost that the limit in minutes has ended (`lost`).

        Parameters
        ----------
        steps : int
            That it had taken.

        Returns
        -------
        str
        """
        settings = self.settings
        share = self.rate(steps) / settings.learning_rate
        return lost(steps, settings.max_steps, settings.max_minutes, share, "max_steps")


def _in_words(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 1.5:
        return "about a minute"
    return f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.0f} hours"


class Progress(tqdm):
    """A bar of the steps, with the epoch's mean losses so far.

    Parameters
    ----------
    fabric : Fabric
        Its first process alone draws.
    done, steps : int
        Done in earlier parts; of the whole training.
    """

    SHOWN = ("generator", "cycle", "discriminator_a", "discriminator_b")

    def __init__(self, fabric: Fabric, done: int, steps: int) -> None:
        super().__init__(
            initial=done,
            total=steps,
            bar_format="training {n_fmt}/{total_fmt} steps |{bar:20}| "
            "{elapsed}<{remaining}{postfix}",
            mininterval=5.0,
            miniters=0,
            **({} if fabric.is_global_zero else {"disable": True}),  # else TQDM_DISABLE decides
        )

    def show(self, epoch: int, totals: dict[str, Tensor], steps: int) -> None:
        """Move on by a step.

        Parameters
        ----------
        epoch : int
        totals : dict of str to Tensor
            The epoch's losses, summed over so many `steps`.
        steps : int
        """
        if self.update(1):
            # the only place within an epoch where a GPU has to be waited for: every few seconds
            means = ", ".join(f"{name} {float(totals[name]) / steps:.3f}" for name in self.SHOWN)
            self.set_postfix_str(f"epoch {epoch}, {means}", refresh=False)
