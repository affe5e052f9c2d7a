"""One loop that trains a Cycle-GAN on a patches file: CPU, CUDA, bf16, one process or several.

A step follows Zhu et al. 2017: first both generators together, then each discriminator on real
tiles and on generated ones out of a replay buffer. Adam has rate 2e-4 and betas (0.5, 0.999); the
rate is constant for the first half of the budget and falls linearly to zero in the second.

Three things are added to the paper's recipe. A running average of the generators' weights is what
is checked and kept, because the weights themselves swing by tens of per cent in the power spectrum
from epoch to epoch. The check after each epoch compares generated CO with the real CO of the
validation tiles. And the epoch with the best check is kept, not the last one.

The budget is one of steps, `max_steps`, and the learning rate follows the steps alone: a busy
machine takes longer, and gets the same weights. An epoch is a pass over the training tiles, after
which there is a check; the last one may be cut short. `max_minutes` is a limit: a training that it
ends says what was lost, and can be gone on with.

Reproducibility: all random draws of an epoch come from the seed and the epoch's number, so a
resumed run repeats an uninterrupted one bit by bit on the same machine's CPU, wherever it stopped.

Started by torchrun (see `processes`), several processes share every batch and follow the losses of
one but for rounding. All of them hold the whole state, the first one checks and writes.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ..base.checks import check_side
from ..base.files import CoganError, atomic_path
from ..base.processes import open_fabric
from ..tiles.patches import Patches, rotate
from .cyclegan import CycleGan
from .epoch_check import best_of, check
from .recipes import TrainingSettings
from .run_files import RunFiles
from .schedule import Progress, Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a run leaves behind.

    Attributes
    ----------
    checkpoint : Path
        Folder of the best epoch's averaged weights; `checkpoint.load_checkpoint` reads it.
    log : Path
        CSV file with one line per epoch.
    history : list of dict
        The same lines.
    best_epoch, epochs, steps : int
        The one that was kept; how many were checked; steps taken.
    seconds : float
        Training and checks, over all resumed parts.
    stopped_by : str
        'steps' or 'minutes'.
    """

    checkpoint: Path
    log: Path
    history: list[dict]
    best_epoch: int
    epochs: int
    steps: int
    seconds: float
    stopped_by: str


def train(
    patches: Patches,
    settings: TrainingSettings,
    run_dir: str | Path,
    *,
    resume: bool = False,
    made_from: dict | None = None,
) -> TrainingResult:
    """Train on the patches' training tiles, check on their validation tiles, keep the best.

    Writes ``checkpoint/``, ``training_log.csv`` and ``state.pt`` into `run_dir`.

    Parameters
    ----------
    patches : Patches
    settings : TrainingSettings
    run_dir : path
    resume : bool
        Go on from ``state.pt`` if there is one; its settings and tiles must be the same, but for
        the budget and the device. The number of processes may be another one.
    made_from : dict, optional
        What the checkpoint says of its origin (see `base.made_from`). Default: that of the patches,
        and their checksum.

    Returns
    -------
    TrainingResult

    Raises
    ------
    CoganError
        Empty split, NaN, a tile side that is no multiple of 4 or below 16, an identity loss between
        unequal channels, a batch that processes cannot share, a folder that cannot be written, a
        state of another run, losses that explode.
    """
    tiles = {split: patches.scaled(split) for split in ("train", "validation")}
    _check_tiles(tiles, settings, patches.context)
    run_dir = Path(run_dir)
    with atomic_path(run_dir / "training_log.csv.part") as probe:
        probe.write_text("", "utf-8")
    (run_dir / "training_log.csv.part").unlink(missing_ok=True)  # another process was faster
    fabric = open_fabric(settings.accelerator, settings.precision)
    made_from = made_from or {
        "settings": patches.meta.get("made_from", {}).get("settings", {}),
        "inputs": {"patches.npz": patches.checksum()},
    }
    history, end = _train(fabric, patches, tiles, settings, run_dir, resume, made_from)
    return TrainingResult(
        checkpoint=run_dir / "checkpoint",
        log=run_dir / "training_log.csv",
        history=history,
        best_epoch=best_of(history)["epoch"],
        epochs=len(history),
        steps=end["steps"],
        seconds=end["seconds"],
        stopped_by="steps" if end["steps"] >= settings.max_steps else "minutes",
    )


def _check_tiles(tiles: dict, settings: TrainingSettings, context: int) -> None:
    """Refuse what cannot be trained on, before any work."""
    for split, arrays in tiles.items():
        for name, array in zip(("input", "target"), arrays, strict=True):
            if len(array) == 0:
                raise CoganError(
                    f"The patches hold no {split} tiles; lower snr_min or raise centre_nside and "
                    "run chapter 01 again."
                )
            if not np.isfinite(array).all():
                raise CoganError(
                    f"The scaled {name} tiles for {split} hold NaN or infinite values; run chapter "
                    "01 again and look at its figures."
                )
    a, b = tiles["train"]
    check_side(a.shape[-1] - 2 * context, settings.network.least_side)
    settings.weights.check(a.shape[1], b.shape[1], settings.paired)


def _train(
    fabric: Fabric,
    patches: Patches,
    tiles: dict,
    settings: TrainingSettings,
    run_dir: Path,
    resume: bool,
    made_from: dict,
) -> tuple[list[dict], dict]:
    """Run the training, in every process; the epochs' rows, and the steps and seconds at its end.

    An epoch that the limit in minutes cuts short has no row, unless it is the first: what is kept
    then is the last whole epoch's, and the state is that of the last step.
    """
    a, b = (torch.from_numpy(x).to(fabric.device) for x in tiles["train"])
    model = CycleGan(a.shape[1], b.shape[1], settings, fabric, patches.context)
    files = RunFiles(run_dir, settings, patches, made_from)
    history, part = files.begin(model, resume)
    held_out, inputs = patches.select("validation"), tiles["validation"][0]
    end = part or (history[-1] if history else {"seconds": 0.0})
    schedule = Schedule(fabric, settings, len(a), end["seconds"])
    rows = history
    with Progress(fabric, model.steps, settings.max_steps) as bar:
        while not history or model.steps < settings.max_steps and not schedule.late():
            epoch = len(history) + 1
            losses, part = _epoch(epoch, model, a, b, schedule, bar, part)
            if part and history:
                break
            checked = {}
            if fabric.is_global_zero:
                checked = check(model.averages[0], held_out, inputs, settings.network.noise)
                checked["seconds"] = round(schedule.seconds(), 2)
            row = {"epoch": epoch, "steps": model.steps, **losses, **fabric.broadcast(checked)}
            rows = [*history, row]
            if fabric.is_global_zero:
                files.keep(model, rows)
            if part:
                break
            history = rows
            if fabric.is_global_zero:
                files.keep_state(model, history, at_once=model.steps >= settings.max_steps)
    whole = model.steps >= settings.max_steps
    if fabric.is_global_zero:
        files.sign(whole)
        if not whole:
            files.keep_state(model, history, part, at_once=True)
            log.warning(schedule.lost(model.steps))
    fabric.barrier()  # the files are there for all
    return rows, part or rows[-1]


def _epoch(
    epoch: int,
    model: CycleGan,
    a: Tensor,
    b: Tensor,
    schedule: Schedule,
    bar: Progress,
    part: dict | None,
) -> tuple[dict[str, float], dict | None]:
    """Pass over the training tiles once, or to the last step of the budget; the mean losses.

    If the limit in minutes cuts it short, also what it takes to go on with it, as `part`.
    """
    settings, fabric = model.settings, model.fabric
    seed = np.random.SeedSequence([settings.seed, epoch]).generate_state(1)[0]
    random = torch.Generator().manual_seed(int(seed))
    order_a = torch.randperm(len(a), generator=random).to(a.device)
    order_b = order_a
    if not settings.paired:
        order_b = torch.randperm(len(a), generator=random).to(a.device)
    totals: dict[str, Tensor] = {}
    done, late = 0, False
    if part:
        random.set_state(part["random"])
        totals = {name: total.to(a.device) for name, total in part["totals"].items()}
        done = part["done"]
    last = min(schedule.steps_per_epoch, done + settings.max_steps - model.steps)
    while done < last and not (late := done > 0 and schedule.late()):
        model.set_rate(schedule.rate(model.steps))
        tiles = slice(done * schedule.batch, (done + 1) * schedule.batch)
        rotations = torch.randint(8, (2,), generator=random).tolist()
        if settings.paired:
            rotations[1] = rotations[0]
        real_a = _rotated(a[order_a[tiles]], rotations[0])
        if settings.jitter:
            offset = torch.randn((*real_a.shape[:2], 1, 1), generator=random)
            real_a = real_a + settings.jitter * offset.to(real_a.device, non_blocking=True)
        real_b = _rotated(b[order_b[tiles]], rotations[1])
        losses = model.step(real_a, real_b, random)
        for name, loss in losses.items():
            totals[name] = totals[name] + loss if name in totals else loss
        done += 1
        schedule.foretell(model.steps, losses["generator"])
        bar.show(epoch, totals, done)
    means = fabric.all_reduce(torch.stack(list(totals.values())).float() / done)
    rate = schedule.rate(model.steps - 1)
    row = {"learning_rate": rate, **dict(zip(totals, means.tolist(), strict=True))}
    if not all(map(math.isfinite, row.values())):
        raise CoganError(
            f"The losses are no longer finite in epoch {epoch}; lower learning_rate "
            f"({settings.learning_rate:g}) and train again."
        )
    if not late:
        return row, None
    return row, {
        "done": done,
        "random": random.get_state(),
        "totals": {name: fabric.all_reduce(total) for name, total in totals.items()},
        "steps": model.steps,
        "seconds": schedule.seconds(),
    }


def _rotated(tiles: Tensor, number: int) -> Tensor:
    """Apply one of a square's eight flips and quarter rotations to a whole batch."""
    return rotate(tiles, number >= 4, number % 4)
