"""One loop that trains a Cycle-GAN on a patches file: CPU, CUDA, bf16, one process or several.

A step follows Zhu et al. 2017: first both generators together, then each discriminator on real
tiles and on generated ones out of a replay buffer. Adam has rate 2e-4 and betas (0.5, 0.999); the
rate is constant for the first half of the budget and falls linearly to zero in the second.

Three things are added to the paper's recipe. A running average of the generators' weights is what
is checked and kept, because the weights themselves swing by tens of per cent in the power spectrum
from epoch to epoch. The check after each epoch compares generated CO with the real CO of the
validation tiles. And the epoch with the best check is kept, not the last one.

Reproducibility: all random draws of an epoch come from the seed and the epoch's number, so a
resumed run repeats an uninterrupted one bit by bit on the same machine's CPU. The budget ends with
`max_epochs` or `max_minutes`, whichever is used up first; the learning rate follows the one that
is further used. So a run to which the clock leaves ample time is reproducible; one that the clock
ends is not, because it takes as many steps as the machine allows.

Started by torchrun (see `processes`), several processes share every batch and follow the losses of
one but for rounding. All of them hold the whole state, the first one checks and writes.
"""

from __future__ import annotations

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
    seconds : float
        Training and checks, over all resumed parts.
    stopped_by : str
        'epochs' or 'minutes'.
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
    history, stopped_by = _train(fabric, patches, tiles, settings, run_dir, resume, made_from)
    last = history[-1]
    return TrainingResult(
        checkpoint=run_dir / "checkpoint",
        log=run_dir / "training_log.csv",
        history=history,
        best_epoch=best_of(history)["epoch"],
        epochs=len(history),
        steps=last["steps"],
        seconds=last["seconds"],
        stopped_by=stopped_by,
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
) -> tuple[list[dict], str]:
    """Run the training, in every process; the history and what ended it."""
    a, b = (torch.from_numpy(x).to(fabric.device) for x in tiles["train"])
    model = CycleGan(a.shape[1], b.shape[1], settings, fabric, patches.context)
    files = RunFiles(run_dir, settings, patches, made_from)
    history = files.begin(model, resume)
    held_out, inputs = patches.select("validation"), tiles["validation"][0]
    schedule = Schedule(fabric, settings, len(a), history)
    with Progress(fabric) as bar:
        for epoch in range(len(history) + 1, settings.max_epochs + 1):
            losses = _epoch(epoch, model, a, b, schedule, bar)
            history.append({"epoch": epoch, "steps": model.steps, **losses})
            over = epoch == settings.max_epochs or schedule.used(model.steps) >= 1
            checked = {}
            if fabric.is_global_zero:
                checked = check(model.averages[0], held_out, inputs, settings.network.noise)
                checked["seconds"] = round(schedule.seconds(), 2)
            history[-1] |= fabric.broadcast(checked)
            if fabric.is_global_zero:
                files.keep(model, history, over)
            if over:
                bar.update(100 - bar.n)
                break
    fabric.barrier()  # the files are there for all
    return history, "epochs" if model.steps >= schedule.steps else "minutes"


def _epoch(
    epoch: int, model: CycleGan, a: Tensor, b: Tensor, schedule: Schedule, bar: Progress
) -> dict[str, float]:
    """Pass over the training tiles once, or less if time is up; the mean losses."""
    settings = model.settings
    seed = np.random.SeedSequence([settings.seed, epoch]).generate_state(1)[0]
    random = torch.Generator().manual_seed(int(seed))
    order_a = torch.randperm(len(a), generator=random).to(a.device)
    order_b = order_a
    if not settings.paired:
        order_b = torch.randperm(len(a), generator=random).to(a.device)
    totals: dict[str, Tensor] = {}
    for step in range(schedule.steps_per_epoch):
        used = schedule.used(model.steps)
        if used >= 1 and step > 0:
            break
        rate = schedule.rate(used)
        model.set_rate(max(rate, 0.0))
        part = slice(step * schedule.batch, (step + 1) * schedule.batch)
        rotations = torch.randint(8, (2,), generator=random).tolist()
        if settings.paired:
            rotations[1] = rotations[0]
        real_a = _rotated(a[order_a[part]], rotations[0])
        if settings.jitter:
            offset = torch.randn((*real_a.shape[:2], 1, 1), generator=random)
            real_a = real_a + settings.jitter * offset.to(real_a.device, non_blocking=True)
        real_b = _rotated(b[order_b[part]], rotations[1])
        for name, loss in model.step(real_a, real_b, random).items():
            totals[name] = totals[name] + loss if name in totals else loss
        done = step + 1
        bar.show(used, epoch, totals, done)
    means = model.fabric.all_reduce(torch.stack(list(totals.values())).float() / done)
    losses = {"learning_rate": rate, **dict(zip(totals, means.tolist(), strict=True))}
    if not all(map(math.isfinite, losses.values())):
        raise CoganError(
            f"The losses are no longer finite in epoch {epoch}; lower learning_rate "
            f"({settings.learning_rate:g}) and train again."
        )
    return losses


def _rotated(tiles: Tensor, number: int) -> Tensor:
    """Apply one of a square's eight flips and quarter rotations to a whole batch."""
    return rotate(tiles, number >= 4, number % 4)
