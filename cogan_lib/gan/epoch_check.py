"""The check after each epoch, and which epoch it finds best."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from ..tiles.bounds import to_physical
from ..tiles.patches import Patches, interior
from ..validation.amplitude import middle_of, r2_score, softening_of
from ..validation.report import per_epoch_check
from .networks import translate
from .noise import flat_noise

#: Members whose mean the check takes.
CHECK_MEMBERS = 4


def check(
    generator: nn.Module, patches: Patches, a: np.ndarray, widths: tuple[float, ...] = ()
) -> dict[str, float]:
    """Compare generated with real tiles of the same places after an epoch, in physical units.

    Parameters
    ----------
    generator : Module
        On any device, with averaged weights.
    patches : Patches
        The validation tiles alone, without context. A per-patch scaling has forgotten the
        amplitude; as in the paper's notebooks, the real tile's own extremes then put it back.
    a : ndarray, shape (n, inputs, side, side)
        Their scaled inputs, with context around them or without.
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
    context = (a.shape[-1] - patches.targets.shape[-1]) // 2
    for _ in range(CHECK_MEMBERS if widths else 1):
        noise = flat_noise(len(a), a.shape[-1], widths, random).numpy()
        member = translate(generator, np.concatenate([a, noise], axis=1))
        members.append(interior(member, context))
    rows = []
    for channel, scaling in enumerate(patches.target_scalings):
        real = patches.targets[:, channel]
        softening = softening_of(patches.meta, patches.meta["target_columns"][channel])
        physical = [to_physical(member[:, channel], scaling, real) for member in members]
        generated, middle = physical[0], middle_of(physical, softening)
        numbers = per_epoch_check(
            real,
            generated,
            patches.meta["geometry"]["pixel_arcmin"],
            patches.meta["fwhm_arcmin"],
            softening,
        )
        r2 = r2_score(real, middle, softening)
        rows.append([numbers["spectrum"], numbers["histogram"], r2])
    spectrum, histogram, r2 = np.mean(rows, axis=0).tolist()
    score = math.log(10) * math.sqrt(spectrum) + 1 - r2
    return {"spectrum": spectrum, "histogram": histogram, "r2": r2, "score": score}


def best_of(history: list[dict]) -> dict:
    """Find the epoch with the lowest score.

    Parameters
    ----------
    history : list of dict
        One row per epoch, as `check` scores it.

    Returns
    -------
    dict
        The first of the best rows.

    Examples
    --------
    >>> best_of([{"epoch": 1, "score": 0.7}, {"epoch": 2, "score": 0.5}])["epoch"]
    2
    """
    return min(history, key=lambda row: row["score"])
