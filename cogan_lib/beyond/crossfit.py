"""One CO sky in which every pixel comes from networks that have never seen it.

Six networks are trained, each with other longitudes held out (`tiles.split.FOLDS`): together these
are all longitudes. Each tile of the sky is translated by the network in whose longitudes its centre
lies. What is joined so is judged on the whole sky, not on three blocks of it.

Why no pixel comes from a network that has seen it: a tile gives something to pixels within `reach`
of its centre (`tiling.Joiner.reach`), which lies in the network's own blocks. Training tiles, their
context included, keep a tile's side from these (`split.assign_split`). So pixel and training tile
are at least side - reach apart, which is more than nothing (`synthesis.synthesis_grid`). Networks
hand over to each other as tiles do. The fields of noise are the same for all of them, so that a
member is one field.

Near the poles all longitudes meet: there no network has been trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..base.files import CoganError
from ..gan.checkpoint import Checkpoint, check_alike
from ..sky.skyfile import Sky
from ..synthesis import skies
from ..tiles.split import FOLDS
from .members import check_members, summarise


def out_of_fold(
    sky: Sky, trainings: Mapping[int, Checkpoint], member: int = 0, **options: object
) -> Sky:
    """Generate CO over the whole sky, every pixel by networks that have not seen it.

    Parameters
    ----------
    sky : Sky
        Of dust and HI, as for `synthesis.synthesise`.
    trainings : mapping of int to Checkpoint
        For each fold, 1 to 6, a generator trained with its blocks held out (`make_patches(...,
        fold=1)`), all equal but for that and their seeds.
    member : int
        Seed of the noise, as for `synthesise`: the same for all folds.
    **options
        As for `out_of_fold_skies`.

    Returns
    -------
    Sky
        As of `synthesise`. `meta` has the checksums of the weights of all folds (``weights``,
        ``weights2``, ...), and ``crossfit``: 6.

    Raises
    ------
    CoganError
        As `out_of_fold_skies`.
    """
    return next(out_of_fold_skies(sky, trainings, [member], **options))


def out_of_fold_skies(
    sky: Sky, trainings: Mapping[int, Checkpoint], members: Sequence[int], **options: object
) -> Iterator[Sky]:
    """Generate the out-of-fold sky of each member, in order: as `out_of_fold`, made together.

    Parameters
    ----------
    sky, trainings
        As for `out_of_fold`.
    members : sequence of int
        Seeds of their noise.
    **options
        As for `synthesis.skies`.

    Yields
    ------
    Sky

    Raises
    ------
    CoganError
        If folds are missing or interchanged, the generators are not of the same tiles, or need real
        CO for their amplitude (minmax); as `synthesis.skies`.
    """
    folds = _in_order(trainings)
    sums = {
        f"weights{i}": trained.content["weights_sha256"]["generator_ab"]
        for i, trained in enumerate(folds[1:], start=2)
    }
    for one in skies(sky, [(folds[0], seed) for seed in members], folds=folds, **options):
        yield replace(one, meta=one.meta | sums | {"crossfit": len(folds)})


def out_of_fold_members(
    sky: Sky,
    trainings: Mapping[int, Checkpoint],
    members: int,
    seed: int,
    each: Callable[[Sky], object] | None = None,
    **options: object,
) -> Sky:
    """Generate many out-of-fold skies, and keep one with the mean and standard deviation of all.

    Parameters
    ----------
    sky, trainings
        As for `out_of_fold`.
    members : int
        At least two.
    seed : int
        Of the first member's noise; the others' are `seed` + 1, ...
    each : callable, optional
        Called with every member, in order.
    **options
        As for `out_of_fold_skies`.

    Returns
    -------
    Sky
        With the columns of `members.synthesise_members`.

    Raises
    ------
    CoganError
        As `out_of_fold_skies`, and if a checkpoint was trained without noise, or there are fewer
        than two members.
    """
    check_members(trainings.values(), members)
    seeds = range(seed, seed + members)
    return summarise(out_of_fold_skies(sky, trainings, seeds, **options), each)


def _in_order(trainings: Mapping[int, Checkpoint]) -> list[Checkpoint]:
    """Take the trainings by the numbers of their folds; all must be there, and alike."""
    numbers = range(1, len(FOLDS) + 1)
    missing = [str(fold) for fold in numbers if fold not in trainings]
    if missing or len(trainings) > len(FOLDS):
        found = ", ".join(map(str, trainings)) or "none"
        wanted = f"fold{'s' * (len(missing) > 1)} {', '.join(missing)}"
        raise CoganError(
            f"Cross-fitting takes one training for each fold from 1 to {len(FOLDS)}; it got "
            f"{found}" + (f"; {wanted} missing." if missing else ".")
        )
    folds = [trainings[fold] for fold in numbers]
    for fold, trained in zip(numbers, folds, strict=True):
        check_alike(folds[0], trained)
        if trained.content.get("fold", fold) != fold:
            raise CoganError(
                f"The checkpoint that is given for fold {fold} was trained for fold "
                f"{trained.content['fold']}: it has seen what it is to answer for."
            )
        if any(scaling["kind"] == "minmax" for scaling in trained.scalings.values()):
            raise CoganError(
                "A checkpoint that scales every patch by its own extremes (minmax) takes its "
                "amplitude from real CO, so no pixel is out of its fold; train with "
                "target_scaling='asinh'."
            )
    return folds
