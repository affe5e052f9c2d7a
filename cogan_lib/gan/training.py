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

import csv
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm

from ..base.files import CoganError, atomic_path, provenance, reading
from ..base.made_from import difference
from ..base.processes import open_fabric
from ..tiles.patches import Patches, turn
from ..tiles.scaling import to_physical
from ..validation.amplitude import middle_of, r2_score
from ..validation.report import per_epoch_check
from .checkpoint import load_state, save_checkpoint, save_state
from .cyclegan import CycleGan
from .networks import translate
from .noise import flat_noise
from .recipes import TrainingSettings

log = logging.getLogger(__name__)

#: The state of a long run is written at most this often, and at its end.
STATE_SECONDS = 60.0
#: Members whose mean the check after each epoch takes.
CHECK_MEMBERS = 4
COLUMNS = [
    *("epoch", "steps", "seconds", "learning_rate"),
    *("generator", "adversarial", "cycle", "identity", "pair"),
    *("discriminator_a", "discriminator_b"),
    *("spectrum", "histogram", "r2", "score"),
]


@dataclass(frozen=True)
class TrainingResult:
    """What a run leaves behind.

    Attributes
    ----------
    checkpoint : Path
        Folder of the best epoch's averaged weights; `checkpoint.load_checkpoint` reads it.
    log : Path
        CSV file with one line an epoch.
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

    Raises
    ------
    CoganError
        Empty split, NaN, a tile side that is no multiple of four, an identity loss between unequal
        channels, a batch that processes cannot share, a folder that cannot be written, a state of
        another run, losses that explode.
    """
    tiles = {split: patches.scaled(split) for split in ("train", "validation")}
    _check_tiles(tiles, settings)
    run_dir = Path(run_dir)
    with atomic_path(run_dir / "training_log.csv.part") as probe:
        probe.write_text("")
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


def _check_tiles(tiles: dict, settings: TrainingSettings) -> None:
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
    if a.shape[-1] % 4 or a.shape[-1] < 16:
        raise CoganError(
            f"Tiles of {a.shape[-1]} pixels cannot be halved twice; make them a multiple of 4, at "
            "least 16."
        )
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
    """The run itself, in every process: the history and what ended it."""
    a, b = (torch.from_numpy(x).to(fabric.device) for x in tiles["train"])
    model = CycleGan(a.shape[1], b.shape[1], settings, fabric)
    free = ("max_epochs", "max_minutes", "device")  # what may differ when a run is resumed
    fingerprint = {key: value for key, value in settings.to_dict().items() if key not in free}
    fingerprint |= patches.fingerprint()
    history, state_file = [], run_dir / "state.pt"
    if resume and state_file.exists():
        history = _resume(state_file, model, fingerprint)
    elif fabric.is_global_zero:
        state_file.unlink(missing_ok=True)  # of an older run, whose checkpoint will be replaced
    held_out = patches.select("validation")
    made = provenance(settings.seed, patches=patches.meta.get("provenance", {}))
    schedule = _Schedule(fabric, settings, len(a), history)
    saved = time.monotonic()
    with tqdm(
        total=100,
        bar_format="training {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}",
        mininterval=5.0,
        miniters=0,
        **({} if fabric.is_global_zero else {"disable": True}),  # else TQDM_DISABLE decides
    ) as bar:
        for epoch in range(len(history) + 1, settings.max_epochs + 1):
            losses = _epoch(epoch, model, a, b, schedule, bar)
            if not all(map(math.isfinite, losses.values())):
                raise CoganError(
                    f"The losses are no longer finite in epoch {epoch}; lower learning_rate "
                    f"({settings.learning_rate:g}) and train again."
                )
            history.append({"epoch": epoch, "steps": model.steps, **losses})
            over = epoch == settings.max_epochs or schedule.used(model.steps) >= 1
            checked = {}
            if fabric.is_global_zero:
                checked = check(
                    model.averages[0], held_out, tiles["validation"][0], settings.network.noise
                )
                checked["seconds"] = round(schedule.seconds(), 2)
            history[-1] |= fabric.broadcast(checked)
            if fabric.is_global_zero:
                _write_log(run_dir / "training_log.csv", history)
                if best_of(history) is history[-1]:
                    save_checkpoint(
                        run_dir / "checkpoint",
                        *model.averages,
                        settings.network,
                        patches.meta,
                        metrics=history[-1],
                        training=settings.to_dict(),
                        provenance=made,
                        made_from=made_from,
                    )
                if over or time.monotonic() - saved > STATE_SECONDS:
                    state = {"fingerprint": fingerprint, "history": history, **model.state_dict()}
                    save_state(state_file, state)
                    saved = time.monotonic()
            if over:
                bar.update(100 - bar.n)
                break
    fabric.barrier()  # the files are there for all
    return history, "epochs" if model.steps >= schedule.steps else "minutes"


def _epoch(
    epoch: int, model: CycleGan, a: Tensor, b: Tensor, schedule: _Schedule, bar: tqdm
) -> dict[str, float]:
    """One pass over the training tiles, or less if time is up; the mean losses."""
    settings = model.settings
    seed = np.random.SeedSequence([settings.seed, epoch]).generate_state(1)[0]
    random = torch.Generator().manual_seed(int(seed))
    order_a = torch.randperm(len(a), generator=random).to(a.device)
    order_b = order_a
    if not settings.paired:
        order_b = torch.randperm(len(a), generator=random).to(a.device)
    totals: dict[str, Tensor] = {}
    for step in range(schedule.steps_an_epoch):
        used = schedule.used(model.steps)
        if used >= 1 and step > 0:
            break
        rate = settings.learning_rate * min(1.0, 2 * (1 - used))
        model.set_rate(max(rate, 0.0))
        part = slice(step * schedule.batch, (step + 1) * schedule.batch)
        turns = torch.randint(8, (2,), generator=random).tolist()
        if settings.paired:
            turns[1] = turns[0]
        real_a = _turned(a[order_a[part]], turns[0])
        if settings.jitter:
            offset = torch.randn((*real_a.shape[:2], 1, 1), generator=random)
            real_a = real_a + settings.jitter * offset.to(real_a.device, non_blocking=True)
        real_b = _turned(b[order_b[part]], turns[1])
        for name, loss in model.step(real_a, real_b, random).items():
            totals[name] = totals[name] + loss if name in totals else loss
        done = step + 1
        if bar.update(100 * min(used, 1) - bar.n):
            # the only place within an epoch where a GPU has to be waited for: every few seconds
            shown = ("generator", "cycle", "discriminator_a", "discriminator_b")
            means = ", ".join(f"{name} {float(totals[name]) / done:.3f}" for name in shown)
            bar.set_postfix_str(f"epoch {epoch}, {means}", refresh=False)
    means = model.fabric.all_reduce(torch.stack(list(totals.values())).float() / done)
    return {"learning_rate": rate, **dict(zip(totals, means.tolist(), strict=True))}


def _turned(tiles: Tensor, turn_number: int) -> Tensor:
    """One of the eight flips and quarter turns of a square, the same for a whole batch."""
    return turn(tiles, turn_number >= 4, turn_number % 4)


class _Schedule:
    """How much of the budget is used: the larger of the shares of steps and of minutes."""

    def __init__(self, fabric: Fabric, settings: TrainingSettings, tiles: int, history: list[dict]):
        self.fabric, self.settings = fabric, settings
        self.batch = min(settings.batch_size, tiles)
        if self.batch % fabric.world_size:
            raise CoganError(
                f"{fabric.world_size} processes cannot share the {self.batch} tiles of a step "
                "equally; choose another batch_size or number of processes."
            )
        self.steps_an_epoch = tiles // self.batch
        self.steps = settings.max_epochs * self.steps_an_epoch
        self.start = time.monotonic() - (history[-1]["seconds"] if history else 0.0)

    def seconds(self) -> float:
        """Seconds since the start, over all resumed parts."""
        return time.monotonic() - self.start

    def used(self, steps: int) -> float:
        """Share of the budget used after so many steps; 1 is the end."""
        minutes = self.seconds() / 60
        if self.fabric.world_size > 1 and math.isfinite(self.settings.max_minutes):
            minutes = self.fabric.broadcast(minutes)  # all processes must stop at the same step
        return max(steps / self.steps, minutes / self.settings.max_minutes)


def check(
    generator: nn.Module, patches: Patches, a: np.ndarray, widths: tuple[float, ...] = ()
) -> dict[str, float]:
    """The check after each epoch: generated against real CO of the same tiles, in K km/s.

    Parameters
    ----------
    generator : Module
    patches : Patches
        The validation tiles alone. A per-patch scaling has forgotten the amplitude; as in the
        paper's notebooks, the real tile's own extremes then put it back.
    a : ndarray, shape (n, inputs, npix, npix)
        Their scaled inputs.
    widths : tuple of float
        Of the noise for a generator of members: then the spectrum and the histogram are those of
        one member, and r2 that of the mean of `CHECK_MEMBERS`. The noise is the same each time.

    Returns
    -------
    dict
        ``spectrum`` and ``histogram`` (see `report.per_epoch_check`) and ``r2`` (of
        asinh(W / 0.3 K km/s) pixels), each the mean over the targets, and the ``score`` that
        chooses the best epoch, lowest first: ln(10) sqrt(spectrum) + 1 - r2, the relative error
        of the spectrum plus the share of the variance that is missed.
    """
    random, members = torch.Generator().manual_seed(1), []
    for _ in range(CHECK_MEMBERS if widths else 1):
        noise = flat_noise(len(a), a.shape[-1], widths, random).numpy()
        members.append(translate(generator, np.concatenate([a, noise], axis=1)))
    rows = []
    for channel, scaling in enumerate(patches.target_scalings):
        real = patches.targets[:, channel]
        physical = [to_physical(mock[:, channel], scaling, real) for mock in members]
        generated, middle = physical[0], middle_of(physical)
        numbers = per_epoch_check(
            real,
            generated,
            patches.meta["geometry"]["pixel_arcmin"],
            patches.meta["fwhm_arcmin"],
        )
        rows.append([numbers["spectrum"], numbers["histogram"], r2_score(real, middle)])
    spectrum, histogram, r2 = np.mean(rows, axis=0).tolist()
    score = math.log(10) * math.sqrt(spectrum) + 1 - r2
    return {"spectrum": spectrum, "histogram": histogram, "r2": r2, "score": score}


def best_of(history: list[dict]) -> dict:
    """The epoch with the lowest score."""
    return min(history, key=lambda row: row["score"])


def _write_log(path: Path, history: list[dict]) -> None:
    """The CSV log, one line an epoch; terms without weight stay empty."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(history)


def _resume(state_file: Path, model: CycleGan, fingerprint: dict) -> list[dict]:
    """Put a saved state into `model`; the history of the epochs so far."""
    state = load_state(state_file)
    saved = state.pop("fingerprint", {})
    for key, value in fingerprint.items():
        if saved.get(key) != value:
            raise CoganError(
                f"{state_file} belongs to another run: {difference(key, saved.get(key), value)}; "
                "delete it or train without resume."
            )
    history = state.pop("history")
    with reading(state_file, "state of such networks", "delete it and train from the start"):
        model.load_state_dict(state)
    log.info("going on after epoch %d of %s", len(history), state_file)
    return history
