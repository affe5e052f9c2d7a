"""How much of a training's budget is used, and the bar that shows it."""

from __future__ import annotations

import math
import time

from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from ..base.files import CoganError
from .recipes import TrainingSettings


class Schedule:
    """How much of the budget is used: the larger of the shares of steps and of minutes.

    Parameters
    ----------
    fabric : Fabric
    settings : TrainingSettings
        Of which the batch size, the budget and the learning rate count.
    tiles : int
        Training tiles.
    history : list of dict
        Rows of the epochs so far, which have used their part.

    Attributes
    ----------
    batch, steps_per_epoch, steps : int
        Tiles of a step, shared by all processes; steps of an epoch; steps of the whole budget.

    Raises
    ------
    CoganError
        If the processes cannot share a step's tiles equally.
    """

    def __init__(self, fabric: Fabric, settings: TrainingSettings, tiles: int, history: list[dict]):
        self.fabric, self.settings = fabric, settings
        self.batch = min(settings.batch_size, tiles)
        if self.batch % fabric.world_size:
            raise CoganError(
                f"{fabric.world_size} processes cannot share the {self.batch} tiles of a step "
                "equally; choose another batch_size or number of processes."
            )
        self.steps_per_epoch = tiles // self.batch
        self.steps = settings.max_epochs * self.steps_per_epoch
        self.start = time.monotonic() - (history[-1]["seconds"] if history else 0.0)

    def seconds(self) -> float:
        """Count the seconds since the start, over all resumed parts.

        Returns
        -------
        float
        """
        return time.monotonic() - self.start

    def used(self, steps: int) -> float:
        """Share of the budget that is used after so many steps.

        Parameters
        ----------
        steps : int

        Returns
        -------
        float
            1 is the end.
        """
        minutes = self.seconds() / 60
        if self.fabric.world_size > 1 and math.isfinite(self.settings.max_minutes):
            minutes = self.fabric.broadcast(minutes)  # all processes must stop at the same step
        return max(steps / self.steps, minutes / self.settings.max_minutes)

    def rate(self, used: float) -> float:
        """Learning rate at a share of the budget: constant for the first half, then down to 0.

        Parameters
        ----------
        used : float

        Returns
        -------
        float
        """
        return self.settings.learning_rate * min(1.0, 2 * (1 - used))


class Progress(tqdm):
    """A bar for the used share of the budget, with the epoch's mean losses so far.

    Parameters
    ----------
    fabric : Fabric
        Its first process alone draws.
    """

    SHOWN = ("generator", "cycle", "discriminator_a", "discriminator_b")

    def __init__(self, fabric: Fabric) -> None:
        super().__init__(
            total=100,
            bar_format="training {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}",
            mininterval=5.0,
            miniters=0,
            **({} if fabric.is_global_zero else {"disable": True}),  # else TQDM_DISABLE decides
        )

    def show(self, used: float, epoch: int, totals: dict[str, Tensor], steps: int) -> None:
        """Move on to a share of the budget.

        Parameters
        ----------
        used : float
            The share.
        epoch : int
        totals : dict of str to Tensor
            The epoch's losses, summed over so many `steps`.
        steps : int
        """
        if self.update(100 * min(used, 1) - self.n):
            # the only place within an epoch where a GPU has to be waited for: every few seconds
            means = ", ".join(f"{name} {float(totals[name]) / steps:.3f}" for name in self.SHOWN)
            self.set_postfix_str(f"epoch {epoch}, {means}", refresh=False)
