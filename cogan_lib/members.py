"""Many CO skies for one sky of dust and HI: how a generator of members is trained, and what their
mean and their spread are worth.

A single map cannot both have the right statistics and be the best guess: the best guess, the mean
of all skies that are possible, lacks whatever the inputs leave open. So the generator is given
noise (`noise`), each draw makes another *member* with the statistics of a real sky, and the mean
and the standard deviation over members are the estimate and its uncertainty. It is trained as the
Cycle-GAN is, with a proper score of two members against the true tile in place of the L1 term
(`losses.crps`): the score makes the spread honest, the discriminator the texture.

Two trainings that differ by their seed differ in more than noise. So members of several trainings
are taken in turns: their spread then holds what a training leaves to chance as well.

Amplitudes are compared as y = asinh(W / 0.3 K km/s), as everywhere in the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import torch
from tqdm import tqdm

from .checkpoint import Checkpoint
from .files import CoganError
from .losses import LossWeights
from .networks import PRESETS
from .noise import flat_noise
from .scores import SOFTENING, asinh_scale
from .sky import Sky
from .synthesis import generate, synthesise
from .training import TrainingSettings

#: FWHM of the noise in tile pixels: texture, clouds, regions.
WIDTHS = (3.0, 12.0, 48.0)
#: The cycle forces all members to be equal, and the score forbids it; with the cogan preset's
#: weights the members differ by half of what they should (on training tiles).
WEIGHTS = LossWeights(cycle=1.0, pair=8.0)
#: The light cycle holds the reverse generator on a long leash; at a rate of 5e-4 without a limit on
#: the gradient (about 15 in this training) a run on the real sky went astray in its eighth epoch.
RATE, CLIP = 3e-4, 20.0


def member_settings(settings: TrainingSettings) -> TrainingSettings:
    """The settings of a Cycle-GAN training, changed to those of a generator of members."""
    network = replace(PRESETS["cogan"], noise=WIDTHS)
    return replace(
        settings, network=network, weights=WEIGHTS, paired=True, learning_rate=RATE, clip=CLIP
    )


def member_tiles(
    trainings: Sequence[Checkpoint], inputs: np.ndarray, members: int, seed: int
) -> np.ndarray:
    """Members of tiles that are taken one by one (`synthesise` makes members of a sky).

    Parameters
    ----------
    trainings : sequence of Checkpoint
        Generators of members, equal but for their seeds; they take turns, member by member.
    inputs : ndarray, shape (n, n_inputs, npix, npix)
        Physical units.

    Returns
    -------
    ndarray, shape (members, n, n_targets, npix, npix), float32
        K km/s.
    """
    random, widths = torch.Generator().manual_seed(seed), trainings[0].settings.noise
    made = []
    for trained in islice(cycle(trainings), members):
        draw = flat_noise(len(inputs), inputs.shape[-1], widths, random)
        made.append(generate(trained, inputs, noise=draw.numpy()))
    return np.stack(made)


def synthesise_members(
    sky: Sky,
    trainings: Sequence[Checkpoint],
    members: int,
    seed: int,
    each: Callable[[Sky], object] | None = None,
    **options,
) -> Sky:
    """The CO sky of a generator of members, with their mean and standard deviation.

    Parameters
    ----------
    trainings : sequence of Checkpoint
        As for `member_tiles`: member i comes from the training number i modulo their number.
    members : int
        At least two; their seeds are `seed`, `seed` + 1, ...
    each : callable, optional
        Called with every member, before the next one is made.
    **options
        Passed on to `synthesis.synthesise`.

    Returns
    -------
    Sky
        For each target, such as W_CO21, in K km/s: the first member under the target's own name,
        and over all members W_CO21_MEAN, W_CO21_STD and W_CO21_MID, the middle
        (`scores.middle_of`).
    """
    noisy = [trained for trained in trainings if trained.settings.noise]
    if not noisy or len(noisy) < len(trainings) or members < 2:
        raise CoganError(
            "Mean and spread need at least two members and a checkpoint trained with noise "
            "(chapter 06 makes one); other checkpoints give one answer to one sky."
        )
    first, sums = None, {}
    for i in tqdm(range(members), desc="members", disable=not options.get("progress", True)):
        trained = trainings[i % len(trainings)]
        one = synthesise(sky, trained, member=seed + i, **{**options, "progress": False})
        first = first or one
        if each is not None:
            each(one)
        for name in first.targets:  # from the first member on: sums of small numbers
            shift = one.maps[name].astype(np.float64) - first.maps[name]
            new = np.stack([shift, shift**2, asinh_scale(one.maps[name])])
            sums[name] = sums.get(name, 0.0) + new
    maps, units = dict(first.maps), dict(first.units)
    for name, (total, squares, asinh) in sums.items():
        spread = np.sqrt(np.maximum(squares - total**2 / members, 0) / (members - 1))
        columns = {
            f"{name}_MEAN": first.maps[name] + total / members,
            f"{name}_STD": spread,
            f"{name}_MID": SOFTENING * np.sinh(asinh / members),
        }
        maps |= columns
        units |= dict.fromkeys(columns, "K km/s")
    maps = {name: values.astype(np.float32) for name, values in maps.items()}
    others = {
        f"weights{i}": trained.content["weights_sha256"]["generator_ab"]
        for i, trained in enumerate(trainings[1:], start=2)
    }
    return Sky(maps, units, first.fwhm_arcmin, {**first.meta, **others, "members": members})


def calibration(
    members: np.ndarray, real: np.ndarray, seed: int, levels: tuple[float, ...] = (0.68, 0.95)
) -> dict:
    """Is the spread of the members the size of their error?

    Parameters
    ----------
    members : ndarray, shape (m, ...)
        W in K km/s.
    real : ndarray, shape (...)
    seed : int
        Where truth and members are equal, the rank is drawn.

    Returns
    -------
    dict
        JSON-ready, of asinh(W / 0.3 K km/s): ``rank`` (share of the true values between the sorted
        members, m + 1 numbers, all equal if truth is like one more member), ``coverage`` (level to
        the share of true values within the members' central interval of that level; m members
        can reach (m - 1)/(m + 1) at most, so 95 % takes 39),
        ``spread_over_error`` (rms spread, times sqrt(1 + 1/m), over the rms error of the mean; 1 if
        calibrated), ``crps`` (fair for m members), ``crps_of_one`` (mean absolute error of a single
        member) and ``mean_error`` (truth minus mean).
    """
    y, truth = asinh_scale(members).reshape(len(members), -1), asinh_scale(real).ravel()
    m = len(y)
    if m < 2 or y.shape[1] != truth.size:
        raise CoganError(
            f"Members of shape {np.shape(members)} do not fit real values of shape "
            f"{np.shape(real)}; give at least two members of the same shape."
        )
    if not (np.isfinite(y).all() and np.isfinite(truth).all()):
        raise CoganError("Members or real values are NaN or infinite; leave such tiles out.")
    ordered = np.sort(y, axis=0)
    below, equal = (y < truth).sum(axis=0), (y == truth).sum(axis=0)
    rank = below + np.random.default_rng(seed).integers(0, equal + 1)
    # positions (i + 1)/(m + 1): with these, members and truth of one distribution cover the level
    places = np.arange(1, m + 1) / (m + 1)
    coverage = {}
    for level in levels:
        ends = [_quantile(ordered, places, (1 + sign * level) / 2) for sign in (-1, 1)]
        coverage[f"{level:g}"] = float(((truth >= ends[0]) & (truth <= ends[1])).mean())
    mean, variance = y.mean(axis=0), y.var(axis=0, ddof=1)
    error = np.sqrt(((truth - mean) ** 2).mean())
    spread = np.sqrt(variance.mean() * (1 + 1 / m))
    single = np.abs(y - truth).mean()
    weights = 2 * np.arange(1, m + 1) - m - 1  # sum_ij |y_i - y_j| of sorted values
    differences = 2 * (weights[:, None] * ordered).sum(axis=0).mean() / (m * (m - 1))
    return {
        "members": m,
        "rank": (np.bincount(rank, minlength=m + 1) / rank.size).tolist(),
        "coverage": coverage,
        "spread_over_error": float(spread / error) if error else 0.0,
        "crps": float(single - differences / 2),
        "crps_of_one": float(single),
        "mean_error": float((truth - mean).mean()),
    }


def _quantile(ordered: np.ndarray, places: np.ndarray, level: float) -> np.ndarray:
    """Quantile of sorted columns, interpolated; the outermost member beyond the last place."""
    position = np.interp(level, places, np.arange(len(places)))
    low = int(position)
    high = min(low + 1, len(places) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
