"""The training of a flow: tiles, noise and times drawn anew for every step, and least squares.

The loop is `learn.fit`'s. What is kept is the running average of the weights at the end: the
recipe has a fixed number of steps, and nothing is chosen on held-out tiles. The learning rate
follows the steps alone: a busy machine takes longer, and gets the same weights.
"""

from __future__ import annotations

import copy
import csv
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ..base.files import CoganError, atomic_path, provenance
from ..learn.fit import Plan, fit, seeded, warm_cosine
from ..tiles.bounds import scale_inputs
from ..tiles.patches import Patches, rotate
from ..tiles.scaling import scale
from .checkpoint import save_checkpoint
from .flow import Flow
from .networks import NetworkSettings, layout
from .noise import flat_noise
from .schedule import Forecast, lost

log = logging.getLogger(__name__)

LOG = "training_log.csv"
#: Longest gradient, highest learning rate (reached after a twentieth of the steps), and longest
#: memory of the average: the last thousand steps, or a tenth of all if these are fewer.
CLIP, RATE, AVERAGE = 1.0, 1e-3, 0.999
#: Steps of a row of the log.
ROW = 250


@dataclass(frozen=True)
class FlowPlan:
    """A flow's training.

    Attributes
    ----------
    steps : int
    batch_size : int
        Tiles per step.
    seed : int
    device : {'cpu', 'cuda'}
    max_minutes : float
        A limit that ends a training early, and changes nothing else.
    """

    steps: int = 3000
    batch_size: int = 8
    seed: int = 1
    device: str = "cpu"
    max_minutes: float = math.inf


class Draws:
    """Batches of tiles in any of a square's eight positions, `ROW` of them in one pass.

    Parameters
    ----------
    inputs, targets : Tensor, shape (n, channels, h, w)
        Scaled tiles on one device.
    plan : FlowPlan
    random : torch.Generator
        On the CPU.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, plan: FlowPlan, random: torch.Generator
    ) -> None:
        self.inputs, self.targets, self.random = inputs, targets, random
        self.size = plan.batch_size
        self._length = min(ROW, plan.steps)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(len(self)):
            chosen = torch.randint(len(self.inputs), (self.size,), generator=self.random)
            chosen = chosen.to(self.inputs.device, non_blocking=True)
            turn = int(torch.randint(8, (1,), generator=self.random))
            yield tuple(
                rotate(tiles[chosen], turn >= 4, turn % 4) for tiles in (self.inputs, self.targets)
            )


def train_flow(
    patches: Patches, settings: NetworkSettings, plan: FlowPlan, folder: str | Path, **content: dict
) -> Path:
    """Train a flow on the training tiles, and leave a checkpoint folder with its log.

    Parameters
    ----------
    patches : Patches
        Context around the tiles is seen and not asked for.
    settings : NetworkSettings
        With `flow_steps`, and a field of `noise` for each target.
    plan : FlowPlan
    folder : path
        An older checkpoint in it is replaced.
    **content : dict
        Further sections of checkpoint.json, such as `made_from`.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    CoganError
        If tiles are scaled one by one, or fewer than a batch; as `learn.fit.fit`.
    """
    meta, folder = patches.meta, Path(folder)
    if any(scaling["kind"] == "minmax" for scaling in meta["scalings"].values()):
        raise CoganError("A flow needs one scaling for all tiles; take target_scaling='asinh'.")
    train = patches.select("train", context=True)
    if len(train.inputs) < plan.batch_size:
        raise CoganError(
            f"There are {len(train.inputs)} training tiles, fewer than the {plan.batch_size} of a "
            "step; take more tiles or a smaller batch_size."
        )
    inputs = torch.from_numpy(scale_inputs(train.inputs, patches.input_scalings))
    targets = torch.from_numpy(scale(train.targets, patches.target_scalings))
    inputs, targets = inputs.to(plan.device), targets.to(plan.device)
    random = torch.Generator().manual_seed(plan.seed)  # of tiles; noise is drawn on the device
    draws = torch.Generator(plan.device).manual_seed(plan.seed)
    with seeded(plan.seed):
        flow = Flow(inputs.shape[1], targets.shape[1], settings)
    order = layout(flow)
    flow.to(plan.device, memory_format=order)
    average, steps = copy.deepcopy(flow).requires_grad_(False), 0
    start = time.monotonic()
    forecast = Forecast(plan.steps, plan.max_minutes, lambda: time.monotonic() - start)

    def rate_of(rate: float, _: float) -> float:
        return warm_cosine(rate, steps / plan.steps)

    def losses(batch: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        nonlocal steps
        known, real = batch
        n, side = len(known), known.shape[-1]
        noise = flat_noise(n, side, settings.noise, draws)
        # one time from each n-th of [0, 1): a batch sees all of the way
        t = torch.rand(n, generator=draws, device=draws.device)
        t = (torch.arange(n, device=draws.device) + t) / n
        known = known.contiguous(memory_format=order)
        loss = flow.loss(known, real, noise, t.clamp(max=0.999), patches.context)
        yield loss
        steps += 1
        if said := forecast.after(steps, loss.detach()):
            log.info(said)
        memory = min(AVERAGE, steps / (steps + 9))
        with torch.no_grad():
            moved = get_ema_multi_avg_fn(memory)
            moved(list(average.parameters()), list(flow.parameters()), None)

    batches = Draws(inputs, targets, plan, random)
    minutes = None if math.isinf(plan.max_minutes) else plan.max_minutes
    history = fit(
        flow,
        losses,
        batches,
        Plan(plan.steps / len(batches), minutes, RATE),
        device=plan.device,
        optimiser=partial(torch.optim.Adam, betas=(0.9, 0.99), fused=True),
        schedule=rate_of,
        clip=CLIP,
    )
    ended = plan.max_minutes if steps < plan.steps else None  # else the limit has changed nothing
    if ended:
        share = (1 + math.cos(math.pi * steps / plan.steps)) / 2  # warmed up or not
        log.warning(lost(steps, plan.steps, ended, share, "member_steps"))
    training = asdict(plan) | {"max_steps": plan.steps, "max_minutes": ended}
    content = {
        "metrics": history[-1],
        "training": {"kind": "flow", "paired": True, **training},
        "provenance": provenance(plan.seed),
        **content,
    }
    save_checkpoint(folder, average.cpu(), None, settings, meta, **content)
    with atomic_path(folder / LOG) as path, open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    return folder
