"""How the network is trained: its loss, its budget, and the recalibration of its spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...base.files import provenance
from ...learn.fit import Plan, fit, seeded
from . import physics
from .data import TRAINED, Drawn, NewDraws, Survey
from .evaluation import rmse_at, spread_factors
from .network import ProfileNetwork, Shape, predict, save_network, spread
from .physics import BINS

#: Weight of the bins' own error, in units of `BIN_MAG`, beside that of the cumulative A_V.
BIN_WEIGHT, BIN_MAG = 1.0, 0.1
CLIP = 1.0
BATCH = 256
#: Of the presets: the higher for the smaller.
RATES = {"small": 3e-3, "document": 1e-3}
PRIOR_DRAWS = 20_000
#: Examples after which the loop validates, and those that it validates on.
EPOCH, VALIDATED = 25_600, 2_048
CALIBRATED = 4_096


@dataclass(frozen=True)
class Prior:
    """What is known of profiles before any star is looked at.

    Attributes
    ----------
    mean : Tensor, shape (BINS,)
        Of each bin [mag].
    scatter : Tensor, shape (BINS,)
        Standard deviation of the cumulative A_V [mag].
    """

    mean: Tensor
    scatter: Tensor


def prior(seed: int, draws: int = PRIOR_DRAWS) -> Prior:
    """Average training profiles.

    Parameters
    ----------
    seed : int
    draws : int

    Returns
    -------
    Prior
    """
    found = physics.profiles(draws, torch.Generator().manual_seed(seed))
    return Prior(found.mean(0), found.cumsum(1).std(0))


def loss(found: Tensor, real: Tensor, scatter: Tensor) -> Tensor:
    """Squared error of the cumulative A_V over the prior's scatter, and of the bins.

    The bins alone would leave sums over many of them loose; the sums alone, the shape.

    Parameters
    ----------
    found, real : Tensor, shape (n, BINS)
        A_V of each bin [mag].
    scatter : Tensor, shape (BINS,)
        Of the `Prior`.

    Returns
    -------
    Tensor
        A scalar.
    """
    apart = found - real
    sums = apart.cumsum(1) / scatter.clamp_min(0.3)
    return sums.square().mean() + BIN_WEIGHT * (apart / BIN_MAG).square().mean()


def train(
    folder: str | Path,
    shape: Shape,
    plan: Plan,
    device: str = "cpu",
    law: tuple[float, float] | None = None,
) -> Path:
    """Train on new draws of nine sightlines, recalibrate the spread, save.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_network_of` reads.
    shape : Shape
    plan : Plan
        An epoch is `EPOCH` examples.
    device : str
    law : tuple of float, optional
        As for `physics.stars`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    survey = Survey(TRAINED, plan.seed, device, law=law)
    known = prior(plan.seed)
    batches = NewDraws(survey, plan.batch, max(1, EPOCH // plan.batch), plan.seed)
    held_out = survey.examples(VALIDATED, torch.Generator(device).manual_seed(plan.seed + 10**6))
    scatter = known.scatter.to(device)
    with seeded(plan.seed):
        network = ProfileNetwork(shape, known.mean)

        def losses(batch: Drawn) -> Iterator[Tensor]:
            yield loss(network(batch.counts, batch.reference), batch.a_v, scatter)

        def validate() -> dict[str, float]:
            found = predict(network, held_out.counts, held_out.reference, device)
            errors = rmse_at(found, held_out.a_v.cpu())
            return {f"rmse_{d:g}_kpc": value for d, value in errors.items()}

        history = fit(network, losses, batches, plan, device=device, clip=CLIP, validate=validate)
    content = {
        "law": list(survey.law),
        "sightlines": [list(position) for position in TRAINED],
        "bins": [BINS, physics.STEP_KPC],
        "spread_factors": calibration(network, survey, plan.seed, device).tolist(),
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, network, content)


def calibration(network: ProfileNetwork, survey: Survey, seed: int, device: str) -> Tensor:
    """Find by what the dropout spread is too small, bin by bin, on examples of their own.

    Parameters
    ----------
    network : ProfileNetwork
    survey : Survey
    seed : int
    device : str

    Returns
    -------
    Tensor, shape (BINS,)
    """
    drawn = survey.examples(CALIBRATED, torch.Generator(device).manual_seed(seed + 2 * 10**6))
    found = predict(network, drawn.counts, drawn.reference, device)
    wide = spread(network, drawn.counts, drawn.reference, seed=seed, device=device)
    return spread_factors(found, wide, drawn.a_v.cpu())
