"""How both emulators are trained.

COEmuNet: its loss, rotations as augmentation, and two stages. The emulator of rays: some rays of
some cubes at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...base.files import provenance
from ...learn.dataset import Batches
from ...learn.fit import Plan, fit, seeded
from .data import LINE, LN_FLOOR, LineData, scale_cubes, scale_images, unpack
from .evaluation import drawer
from .network import COEmuNet, COEmuNetSettings, check_grid
from .rays import RayEmulator, RaySettings, along_rays
from .store import save_emulator
from .winds import spacing_m

#: Share of the budget that pre-training gets.
PRETRAINING = 0.15
#: Validation pictures that are looked at after each epoch.
VALIDATED = 128
#: Rays of a batch of cubes that a step of the emulator of rays sees.
RAYS_A_STEP = 2048
#: Errors of ln I below this count as squares, above it as moduli.
SMALL_ERROR = 0.15


def loss_terms(generated: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Compute MSE and L_freq, equations 27 and 28.

    L_freq is the mean modulus of the difference in Fourier space. With the orthonormal transform it
    is of the order of the pixels' root mean square error; the released code's un-normalised one is
    sqrt(W H) times as large, and then the MSE hardly counts.

    Parameters
    ----------
    generated, real : Tensor, shape (n, channels, npix, npix)
        Scaled logarithms.

    Returns
    -------
    tuple of Tensor
        Both scalars.
    """
    apart = torch.fft.rfft2(generated - real, norm="ortho")
    columns = generated.shape[-1]
    # The half that rfft2 leaves out counts too.
    weight = generated.new_full((apart.shape[-1],), 2.0)
    weight[0] = 1.0
    if columns % 2 == 0:
        weight[-1] = 1.0
    modulus = torch.sqrt(apart.real**2 + apart.imag**2 + 1e-16)  # has a slope at 0
    frequency = (modulus * weight).sum(-1).mean() / columns
    return functional.mse_loss(generated, real), frequency


def loss(generated: Tensor, real: Tensor) -> Tensor:
    """Weigh the `loss_terms` as equation 26, with the released code's alpha: 0.8 and 0.2.

    Parameters
    ----------
    generated, real : Tensor, shape (n, channels, npix, npix)
        Scaled logarithms.

    Returns
    -------
    Tensor
        A scalar.
    """
    mse, frequency = loss_terms(generated, real)
    return 0.8 * mse + 0.2 * frequency


def rotated(cubes: Tensor, images: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Rotate both about the line of sight by quarters of a circle, with or without a mirror.

    v_z, T and n are unchanged by it, so the images still belong to the cubes.

    Parameters
    ----------
    cubes : Tensor, shape (n, 3, npix, npix, npix)
    images : Tensor, shape (n, channels, npix, npix)
    number : int
        Which of the eight positions; from 4 on mirrored.

    Returns
    -------
    tuple of Tensor
        Cubes and images, of the same shapes.
    """
    if number >= 4:
        cubes, images = cubes.flip(-1), images.flip(-1)
    return torch.rot90(cubes, number % 4, (-2, -1)), torch.rot90(images, number % 4, (-2, -1))


def train_stage(
    network: COEmuNet, data: LineData, statistics: dict, plan: Plan, device: str = "cpu"
) -> list[dict]:
    """Train on the data's training winds.

    Parameters
    ----------
    network : COEmuNet
    data : LineData
    statistics : dict
        The scalings.
    plan : Plan
    device : str

    Returns
    -------
    list of dict
        The history of `learn.fit.fit`, with the loss on validation winds as ``validation``.

    Raises
    ------
    CoganError
        If the loss is no longer finite.
    """
    held_out = data.rows("validation")[:VALIDATED]
    cubes = data.cubes[held_out]
    real = scale_images(torch.from_numpy(data.images[held_out]), statistics)
    content = {"channels": data.content["channels"], "statistics": statistics}

    def load(rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        cubes, images = (torch.from_numpy(x[rows]).to(device) for x in (data.cubes, data.images))
        pairs = scale_cubes(cubes, statistics), scale_images(images, statistics)
        return rotated(*pairs, int(rng.integers(8)))

    def losses(pairs: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        yield loss(network(pairs[0]), pairs[1])

    def validate() -> dict[str, float]:
        generated = torch.from_numpy(drawer(network, content, device)(cubes))
        return {"validation": float(loss(scale_images(generated, statistics), real))}

    network.to(memory_format=torch.channels_last_3d)  # a sixth faster on a CPU
    batches = Batches(data.rows("train"), load, plan.batch, [plan.seed, 6])
    return fit(network, losses, batches, plan, device=device, validate=validate)


def train_coemunet(
    folder: str | Path,
    face_on: LineData,
    data: LineData,
    settings: COEmuNetSettings,
    plan: Plan,
    device: str = "cpu",
) -> Path:
    """Pre-train on one channel, fine-tune on all, save.

    The scalings are those of `data`. Pre-training gets `PRETRAINING` of the pictures' and minutes'
    budget; its weights are repeated over the channels (`COEmuNet.start_from`).

    Parameters
    ----------
    folder : path
        Of the result, which `store.load_emulator` reads.
    face_on, data : LineData
        Of the same winds.
    settings : COEmuNetSettings
    plan : Plan
    device : str
        Where the networks are trained.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the data are of another grid than the network's, the loss is no longer finite, or the
        folder cannot be written.
    """
    statistics = data.content["statistics"]
    with seeded(plan.seed):
        network = COEmuNet(settings)
        for pairs in (face_on, data):
            check_grid(network, pairs.cubes.shape[2:])
        first = COEmuNet(replace(settings, channels=face_on.images.shape[1]))
        early, late = (
            None if plan.minutes is None else share * plan.minutes
            for share in (PRETRAINING, 1 - PRETRAINING)
        )
        epochs = (
            PRETRAINING * plan.epochs * len(data.model) / len(face_on.model)
        )  # of fewer pictures
        short = replace(plan, epochs=max(1, round(epochs)), minutes=early)
        histories = {"pre-training": train_stage(first, face_on, statistics, short, device)}
        network.to(device).start_from(first)
        rest = replace(plan, minutes=late)
        histories["fine-tuning"] = train_stage(network, data, statistics, rest, device)
    return save_emulator(folder, network, _card(data, histories, plan))


def _card(data: LineData, history: dict | list, plan: Plan) -> dict:
    """Gather what a card says beside the network's shape."""
    kept = ("npix", "channels", "line", "turbulence", "statistics", "models", "views")
    return {key: data.content[key] for key in kept} | {
        "history": history,
        "plan": vars(plan),
        "provenance": provenance(plan.seed, data_seed=data.content["provenance"]["seed"]),
    }


def ray_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Compute the smooth modulus of the error of ln I; below the floor all is as dark.

    Parameters
    ----------
    generated, real : Tensor, same shape
        ln I_nu; `real` not below `data.LN_FLOOR`.

    Returns
    -------
    Tensor
        A scalar.
    """
    generated = torch.where(real > LN_FLOOR, generated, generated.clamp_min(LN_FLOOR))
    return functional.smooth_l1_loss(generated, real, beta=SMALL_ERROR)


def train_rays(
    folder: str | Path, data: LineData, settings: RaySettings, plan: Plan, device: str = "cpu"
) -> Path:
    """Train an emulator of rays on the data's training winds, and save it.

    Half of the rays, at random, are reversed: gas that falls in has the same images with the
    channels in reverse, as the line's profile is even, and the channels lie evenly about zero.

    Parameters
    ----------
    folder : path
        Of the result, which `store.load_emulator` reads.
    data : LineData
    settings : RaySettings
    plan : Plan
        Its batch counts cubes; a step sees `RAYS_A_STEP` of their rays.
    device : str

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    points = settings.points
    npix = data.content["npix"]
    channels = torch.tensor(data.content["channels"], dtype=torch.float32, device=device)
    spacing = spacing_m(npix) * npix / points
    options = (channels, spacing, LINE, data.content["turbulence"])

    def load(rows: np.ndarray, rng: np.random.Generator) -> tuple[list[Tensor], Tensor]:
        columns = [along_rays(x, points) for x in unpack(torch.from_numpy(data.cubes[rows]))]
        real = torch.from_numpy(data.images[rows]).permute(0, 2, 3, 1).flatten(0, 2)
        chosen = torch.from_numpy(rng.integers(len(real), size=RAYS_A_STEP))
        velocity, *rest = (column[chosen] for column in columns)
        fall = torch.from_numpy(rng.random((RAYS_A_STEP, 1)) < 0.5)
        pairs = torch.where(fall, -velocity, velocity), *rest
        real = torch.where(fall, real[chosen].flip(1), real[chosen])
        return [column.to(device) for column in pairs], real.to(device)

    def losses(batch: tuple[list[Tensor], Tensor]) -> Iterator[Tensor]:
        yield ray_loss(network.ln_intensity(*batch[0], *options), batch[1])

    rows = data.rows("validation")[:VALIDATED]
    cubes, real = data.cubes[rows], torch.from_numpy(data.images[rows])

    def validate() -> dict[str, float]:
        generated = drawer(network, data.content, device)(cubes)
        return {"validation": float(ray_loss(torch.from_numpy(generated), real))}

    with seeded(plan.seed):
        network = RayEmulator(settings)
        batches = Batches(data.rows("train"), load, plan.batch, [plan.seed, 7])
        history = fit(network, losses, batches, plan, device=device, validate=validate)
    return save_emulator(folder, network, _card(data, history, plan))
