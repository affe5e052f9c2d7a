"""Training the emulator: one channel of winds seen along their axis, then all from any side."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...base.files import CoganError, provenance
from .data import LineData, intensity_of, scale_cubes, scale_images
from .evaluation import max_rel, ssim, zncc
from .network import Emulator, EmulatorSettings, check_grid, loss, save_emulator

#: Share of the budget that pre-training gets.
PRETRAINING = 0.15
#: Validation pictures that are looked at after each epoch.
VALIDATED = 128


@dataclass(frozen=True)
class Plan:
    """A training: it ends after `epochs` or `minutes` (None: no limit), whichever comes first.

    Without a limit in minutes an equal seed gives an equal result.

    The learning rate climbs to `rate` in the first twentieth and falls to zero along a cosine.
    """

    epochs: int
    minutes: float | None = None
    rate: float = 2e-3
    batch: int = 32
    seed: int = 1


def turned(cubes: Tensor, images: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Both in one of eight positions about the line of sight: quarter turns and mirror images.

    v_z, T and n are unchanged by them, so the pictures are as true as before.
    """
    if number >= 4:
        cubes, images = cubes.flip(-1), images.flip(-1)
    return torch.rot90(cubes, number % 4, (-2, -1)), torch.rot90(images, number % 4, (-2, -1))


def fit(network: Emulator, data: LineData, statistics: dict, plan: Plan, device: str) -> list[dict]:
    """Train on the data's training winds; returns epoch, seconds, loss and validation loss."""
    rows, held_out = data.rows("train"), data.rows("validation")[:VALIDATED]
    rng = np.random.default_rng([plan.seed, 6])
    network.to(device, memory_format=torch.channels_last_3d)  # a sixth faster on a CPU
    adam = torch.optim.Adam(network.parameters(), plan.rate)
    batches = -(-len(rows) // plan.batch)
    history, started, progress = [], time.monotonic(), 0.0
    bar = tqdm(total=100, desc="training", unit="%", bar_format="{l_bar}{bar}| {postfix}")
    while progress < 1:
        epoch, losses = len(history) + 1, []
        network.train()
        for number, chosen in enumerate(np.array_split(rng.permutation(rows), batches)):
            cubes, images = _load(data, chosen, statistics, device)
            cubes, images = turned(cubes, images, int(rng.integers(8)))
            progress = (epoch - 1 + number / batches) / plan.epochs
            if plan.minutes is not None:
                used = (time.monotonic() - started) / 60 / plan.minutes
                progress = min(1.0, max(progress, used))
            warm = min(1.0, progress / 0.05 + 0.02)
            for group in adam.param_groups:
                group["lr"] = plan.rate * warm * (1 + math.cos(math.pi * progress)) / 2
            value = loss(network(cubes), images)
            adam.zero_grad()
            value.backward()
            adam.step()
            losses.append(float(value.detach()))
            if progress >= 1:
                break
        if not np.isfinite(losses).all():
            raise CoganError("The losses are no longer finite; train with a lower rate.")
        progress = max(progress, epoch / plan.epochs)
        made = predict(network, data, held_out, statistics, device)
        true = scale_images(torch.from_numpy(data.images[held_out]), statistics)
        history.append({
            "epoch": epoch, "seconds": time.monotonic() - started,
            "loss": float(np.mean(losses)), "validation": float(loss(made, true)),
        })  # fmt: skip
        bar.n = round(100 * min(progress, 1))
        bar.set_postfix_str(f"epoch {epoch}, validation {history[-1]['validation']:.4f}")
    bar.close()
    return history


def _load(data, rows, statistics, device):
    rows = np.sort(rows)  # in the order of the file
    cubes = torch.from_numpy(data.cubes[rows]).to(device)
    images = torch.from_numpy(data.images[rows]).to(device)
    return scale_cubes(cubes, statistics), scale_images(images, statistics)


@torch.no_grad()
def predict(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> Tensor:
    """Scaled images of some rows of the data, on the CPU."""
    network.eval().to(device)
    parts = [
        network(_load(data, rows[first : first + 64], statistics, device)[0]).cpu()
        for first in range(0, len(rows), 64)
    ]
    return torch.cat(parts)


def train_emulator(
    folder: str | Path,
    face_on: LineData,
    data: LineData,
    settings: EmulatorSettings,
    plan: Plan,
    device: str = "cpu",
) -> Path:
    """Pre-train on one channel, fine-tune on all, save.

    The scalings are those of `data`. Pre-training gets `PRETRAINING` of the pictures' and minutes'
    budget; its weights are repeated over the channels (`Emulator.start_from`).

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_emulator` reads.
    face_on, data : LineData
        Of the same winds.
    settings : EmulatorSettings
    plan : Plan
    device : str
    """
    torch.manual_seed(plan.seed)
    statistics = data.content["statistics"]
    network = Emulator(settings)
    for pairs in (face_on, data):
        check_grid(network, pairs.cubes.shape[2:])
    first = Emulator(replace(settings, channels=face_on.images.shape[1]))
    epochs = PRETRAINING * plan.epochs * len(data.model) / len(face_on.model)  # of fewer pictures
    share = replace(
        plan,
        epochs=max(1, round(epochs)),
        minutes=None if plan.minutes is None else PRETRAINING * plan.minutes,
    )
    histories = {"pre-training": fit(first, face_on, statistics, share, device)}
    network.to(device).start_from(first)
    minutes = None if plan.minutes is None else (1 - PRETRAINING) * plan.minutes
    rest = replace(plan, minutes=minutes)
    histories["fine-tuning"] = fit(network, data, statistics, rest, device)
    kept = ("channels", "line", "turbulence", "statistics", "models", "views")
    content = {key: data.content[key] for key in kept} | {
        "history": histories,
        "plan": vars(plan),
        "provenance": provenance(plan.seed, data_seed=data.content["provenance"]["seed"]),
    }
    return save_emulator(folder, network, content)


def judge(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """MaxRel [per cent], ZNCC and SSIM of each of these pictures, shape (len(rows),)."""
    check_grid(network, data.cubes.shape[2:])
    made = predict(network, data, rows, statistics, device)
    true = scale_images(torch.from_numpy(data.images[rows]), statistics)
    return {
        "max_rel": max_rel(*(intensity_of(x, statistics).numpy() for x in (made, true))),
        "zncc": zncc(made.numpy(), true.numpy()),
        "ssim": ssim(made.numpy(), true.numpy()),
    }
