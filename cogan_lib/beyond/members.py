"""Many CO skies from one sky of dust and HI, with their mean and their spread.

A single map cannot both have the right statistics and be the best guess: the best guess, the mean
of all skies that are possible, lacks whatever the inputs leave open. So the generator is given
noise (`noise`), each draw makes another *member* with the statistics of a real sky, and the mean
and the standard deviation over members are the estimate and its uncertainty (`calibration` says
what they are worth). The road's generator of members is a flow (`gan.flow`, `member_training`); a
Cycle-GAN with noise as a further input, trained with a proper score (`recipes.member_settings`,
`losses.crps`), is one too, and stands in the ablation.

Two trainings that differ by their seed differ in more than noise. So members of several trainings
are taken in turns: their spread then holds what a training leaves to chance as well.

Amplitudes are compared as y = asinh(W / 0.3 K km/s), as everywhere in the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice

import numpy as np
import torch

from ..base.files import CoganError
from ..base.units import CO_SOFTENING
from ..gan.checkpoint import Checkpoint
from ..gan.noise import flat_noise
from ..sky.skyfile import Sky
from ..synthesis import generate, skies
from ..validation.amplitude import asinh_scale


def member_tiles(
    trainings: Sequence[Checkpoint], inputs: np.ndarray, members: int, seed: int
) -> np.ndarray:
    """Generate members of tiles one by one (`synthesise_members` makes them of a sky).

    Parameters
    ----------
    trainings : sequence of Checkpoint
        Generators of members, equal but for their seeds; they take turns, member by member.
    inputs : ndarray, shape (n, n_inputs, npix, npix)
        Physical units.
    members : int
        Their number.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray, shape (members, n, n_targets, npix, npix), float32
        K km/s.
    """
    random, widths = torch.Generator().manual_seed(seed), trainings[0].settings.noise
    generated = []
    for trained in islice(cycle(trainings), members):
        draw = flat_noise(len(inputs), inputs.shape[-1], widths, random)
        generated.append(generate(trained, inputs, noise=draw.numpy()))
    return np.stack(generated)


def synthesise_members(
    sky: Sky,
    trainings: Sequence[Checkpoint],
    members: int,
    seed: int,
    each: Callable[[Sky], object] | None = None,
    **options,
) -> Sky:
    """Generate many CO skies, and keep one with the mean and standard deviation of all.

    Parameters
    ----------
    sky : Sky
        Of dust and HI, as for `synthesis.synthesise`.
    trainings : sequence of Checkpoint
        As for `member_tiles`: member i comes from the training number i modulo their number.
    members : int
        At least two.
    seed : int
        Of the first member's noise; the others' are `seed` + 1, ...
    each : callable, optional
        Called with every member, in order.
    **options
        Passed on to `synthesis.skies`, which makes the members together.

    Returns
    -------
    Sky
        For each target, such as W_CO21, in K km/s: the first member under the target's own name,
        and over all members W_CO21_MEAN, W_CO21_STD and W_CO21_MID, the middle
        (`amplitude.middle_of`).

    Raises
    ------
    CoganError
        If a checkpoint was trained without noise, or there are fewer than two members.
    """
    check_members(trainings, members)
    turns = [(trainings[i % len(trainings)], seed + i) for i in range(members)]
    others = {
        f"weights{i}": trained.content["weights_sha256"]["generator_ab"]
        for i, trained in enumerate(trainings[1:], start=2)
    }
    return summarise(skies(sky, turns, **options), each, **others)


def check_members(trainings: Iterable[Checkpoint], members: int) -> None:
    """Check that generators have members to give, and that enough are asked for.

    Parameters
    ----------
    trainings : iterable of Checkpoint
    members : int

    Raises
    ------
    CoganError
        If not.
    """
    fields = [trained.settings.noise for trained in trainings]
    if not fields or not all(fields) or members < 2:
        raise CoganError(
            "Mean and spread need at least two members and a checkpoint trained with noise "
            "(chapter 06 makes one); other checkpoints give one answer to one sky."
        )


def summarise(
    members: Iterable[Sky], each: Callable[[Sky], object] | None = None, **facts: str
) -> Sky:
    """Keep the first of many skies, with the mean and standard deviation of all.

    Parameters
    ----------
    members : iterable of Sky
        At least two (`check_members`), of which one at a time is held.
    each : callable, optional
        Called with every one, in order.
    **facts : str
        Further entries of the meta, which else is that of the first.

    Returns
    -------
    Sky
        As for `synthesise_members`.

    Raises
    ------
    CoganError
        If there are fewer than two.
    """
    first, sums, n = None, {}, 0
    for n, one in enumerate(members, start=1):  # noqa: B007 - their number is needed
        first = first or one
        if each is not None:
            each(one)
        for name in first.targets:  # from the first member on: sums of small numbers
            shift = one.maps[name].astype(np.float64) - first.maps[name]
            new = np.stack([shift, shift**2, asinh_scale(one.maps[name])])
            sums[name] = sums.get(name, 0.0) + new
    if n < 2:
        raise CoganError(f"Mean and spread need at least two members; there is {n or 'none'}.")
    maps, units = dict(first.maps), dict(first.units)
    for name, (total, squares, asinh) in sums.items():
        spread = np.sqrt(np.maximum(squares - total**2 / n, 0) / (n - 1))
        columns = {
            f"{name}_MEAN": first.maps[name] + total / n,
            f"{name}_STD": spread,
            f"{name}_MID": CO_SOFTENING * np.sinh(asinh / n),
        }
        maps |= columns
        units |= dict.fromkeys(columns, "K km/s")
    maps = {name: values.astype(np.float32) for name, values in maps.items()}
    return Sky(maps, units, first.fwhm_arcmin, {**first.meta, **facts, "members": n})
