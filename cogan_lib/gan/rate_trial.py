"""What the learning rate does: one tiny training, at any rate, with the rate falling or not.

The network is a hidden layer of 16 that gives CO, pixel by pixel, from the tracers; so a training
takes a fifth of a second, and shows what those of an hour show.
"""

from __future__ import annotations

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ..base.files import CoganError
from ..learn.fit import seeded
from .recipes import TrainingSettings
from .schedule import Schedule

HIDDEN, BATCH, EVERY = 16, 64, 5


def rates(rate: float, steps: int, falls: bool) -> np.ndarray:
    """Learning rate of each step.

    Parameters
    ----------
    rate : float
        The highest.
    steps : int
    falls : bool
        As in this library (`Schedule.rate`), to 0 over the second half; or constant.

    Returns
    -------
    ndarray, shape (steps,)

    Examples
    --------
    >>> rates(0.1, 4, True).tolist(), rates(0.1, 2, False).tolist()
    ([0.1, 0.1, 0.1, 0.05], [0.1, 0.1])
    """
    if not falls:
        return np.full(steps, rate)
    asked = TrainingSettings(learning_rate=rate, max_steps=steps, device="cpu")
    schedule = Schedule(Fabric(accelerator="cpu", devices=1), asked, BATCH)
    return np.array([schedule.rate(step) for step in range(steps)])


def trial(
    x: np.ndarray, y: np.ndarray, held: np.ndarray, of_steps: np.ndarray, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Train on pixels, and look at those that are held out now and then.

    Parameters
    ----------
    x : ndarray, shape (n, channels)
        Tracers in network units.
    y : ndarray, shape (n,)
        CO in network units.
    held : ndarray of bool, shape (n,)
        Pixels that are not trained on: of a sky, whole blocks of it (`tiles.split`), since
        neighbours are alike.
    of_steps : ndarray, shape (steps,)
        Learning rates.
    seed : int
        Of first weights and batches: equal for all rates that are to be compared.

    Returns
    -------
    steps : ndarray, shape (m,)
    errors : ndarray, shape (m,)
        Mean squared error on pixels that were not trained on, over their variance.

    Raises
    ------
    CoganError
        If there are too few pixels, or one is not finite.
    """
    few = min(held.sum(), (~held).sum())
    if few < BATCH or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CoganError(
            f"A trial needs {BATCH} pixels with finite values to train on, and {BATCH} that are "
            f"held out; it got {len(x)}, {held.sum()} of them held out."
        )
    x, y = (torch.as_tensor(v, dtype=torch.float32) for v in (x, y[:, None]))
    unseen, x, y = (x[held], y[held]), x[~held], y[~held]
    with seeded(seed):
        network = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        adam = torch.optim.Adam(network.parameters())
        seen, errors = [], []
        for step, rate in enumerate(of_steps):
            if step % EVERY == 0:
                with torch.no_grad():
                    error = ((network(unseen[0]) - unseen[1]) ** 2).mean() / unseen[1].var()
                seen.append(step)
                errors.append(float(error))
            adam.param_groups[0]["lr"] = float(rate)
            which = torch.randint(len(x), (BATCH,))
            adam.zero_grad()
            ((network(x[which]) - y[which]) ** 2).mean().backward()
            adam.step()
    return np.array(seen), np.array(errors)
