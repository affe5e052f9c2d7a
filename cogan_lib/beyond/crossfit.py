"""One CO sky in which every pixel comes from networks that have never seen it.

Six networks are trained, each with other longitudes held out (`tiles.split.FOLDS`): together these
are all longitudes. Each network answers for its own blocks, and hands over to the next within a few
degrees of their borders. What is joined so is judged on the whole sky, not on three blocks of it.

Why no pixel comes from a network that has seen it: let B be the blocks of a fold, and p a pixel at
which its network has a say. Then p is nearer to B than `reach_deg` (`fold_weights`). Every point q
of a training tile of that fold, its context included, is at least `guard_deg` from B, one tile's
side (`split.assign_split`). The distance from a set differs between two points by no more than the
points are apart; so p and q are at least guard_deg - reach_deg apart, which is more than nothing,
and half a tile's side by default. The fields of noise are the same for all folds, so that a member
is one field, and only the networks change across a border.

Near the poles all longitudes meet: there all six networks have a say, and none has been trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import healpy as hp
import numpy as np

from ..base.checks import check_positive
from ..base.files import CoganError
from ..gan.checkpoint import Checkpoint, check_alike
from ..gan.generate import cut_off
from ..sky.beam_limit import limit_to_beam
from ..sky.skyfile import Sky
from ..synthesis import skies, together
from ..tiles.geometry import Geometry
from ..tiles.split import FOLDS, distance_to_block
from .members import check_members, summarise


def fold_weights(nside: int, reach_deg: float) -> np.ndarray:
    """Share out the pixels of the sky among the networks of the folds.

    A fold's share is 1 in its own blocks, falls as (1 + cos(pi d / reach_deg)) / 2 with the
    distance d from them, and is 0 from `reach_deg` on; then the shares of a pixel are divided by
    their sum. So a border between two folds lies in the middle of where they hand over, half a
    share each.

    Parameters
    ----------
    nside : int
    reach_deg : float
        Less than the guard between the blocks and training tiles (one tile's side).

    Returns
    -------
    ndarray, shape (6, 12 * nside**2), float32
        RING; row k belongs to fold k + 1.

    Raises
    ------
    CoganError
        If `reach_deg` is not larger than 0.

    Examples
    --------
    >>> at = [hp.ang2pix(64, lon, 0.0, lonlat=True) for lon in (110, 99, 90)]
    >>> fold_weights(64, reach_deg=4.0)[[0, 5]][:, at].round(2)
    array([[1.  , 0.47, 0.  ],
           [0.  , 0.53, 1.  ]], dtype=float32)
    """
    check_positive(reach_deg=reach_deg)
    lon, lat = hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)
    weights = np.empty((len(FOLDS), lon.size), dtype=np.float32)
    for weight, blocks in zip(weights, FOLDS, strict=True):
        distance = np.min([distance_to_block(lon, lat, block) for block in blocks], axis=0)
        falling = (1 + np.cos(np.pi * distance / reach_deg)) / 2
        weight[:] = np.where(distance < reach_deg, falling, 0)
    weights /= weights.sum(axis=0)  # at least 1: the blocks of all folds are the whole sky
    return weights


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
        ``weights2``, ...), and ``crossfit``: 6. A pixel counts as cut off if it was for the fold
        with the largest share of it.

    Raises
    ------
    CoganError
        As `out_of_fold_skies`.
    """
    return next(out_of_fold_skies(sky, trainings, [member], **options))


def out_of_fold_skies(
    sky: Sky,
    trainings: Mapping[int, Checkpoint],
    members: Sequence[int],
    *,
    reach_deg: float | None = None,
    **options: object,
) -> Iterator[Sky]:
    """Generate the out-of-fold sky of each member, in order: as `out_of_fold`, made together.

    Parameters
    ----------
    sky, trainings
        As for `out_of_fold`.
    members : sequence of int
        Seeds of their noise.
    reach_deg : float, optional
        How far beyond its blocks a network has a say (`fold_weights`), by default half a tile's
        side.
    **options
        batch_size, nthreads, progress and facts for the FITS header, as for `synthesis.skies`.

    Yields
    ------
    Sky

    Raises
    ------
    CoganError
        If folds are missing or `reach_deg` reaches as far as the guard, the generators are not of
        the same tiles, or need real CO for their amplitude (minmax); as `synthesis.skies`.
    """
    folds = _in_order(trainings)
    side = Geometry(**folds[0].meta["geometry"]).side_deg
    reach_deg = side / 2 if reach_deg is None else reach_deg
    if not reach_deg < side:
        raise CoganError(
            f"With a reach of {reach_deg:g} degrees a network would answer for what it was trained "
            f"on: training tiles keep {side:g} degrees from its blocks; choose less."
        )
    weights = fold_weights(sky.nside, reach_deg)
    at_once = together(sky.nside)
    for start in range(0, len(members), at_once):
        yield from _joined(sky, folds, members[start : start + at_once], weights, options)


def _joined(
    sky: Sky,
    folds: list[Checkpoint],
    members: Sequence[int],
    weights: np.ndarray,
    options: dict,
) -> Iterator[Sky]:
    """Generate members together, fold by fold; join the folds, then filter to the beam."""
    names = folds[0].meta["target_columns"]
    sums = np.zeros((len(members), len(names), weights.shape[1]), dtype=np.float32)
    counts: list[Counter] = [Counter() for _ in members]
    metas: list[dict] = [{} for _ in members]
    largest = weights.argmax(axis=0)
    positive = not folds[0].settings.flow_steps  # a flow's maps have noise, as the survey's
    for fold, (trained, weight) in enumerate(zip(folds, weights, strict=True)):
        turns = [(trained, seed) for seed in members]
        for i, part in enumerate(skies(sky, turns, where=weight > 0, **options)):
            counts[i].update(cut_off(trained, sky.maps, part.maps, largest == fold))
            metas[i] = metas[i] or part.meta
            for total, name in zip(sums[i], names, strict=True):
                total += weight * part.maps[name]
    sums_of_weights = {
        f"weights{i}": trained.content["weights_sha256"]["generator_ab"]
        for i, trained in enumerate(folds[1:], start=2)
    }
    for meta, count, columns in zip(metas, counts, sums, strict=True):
        maps = {
            name: limit_to_beam(values, sky.fwhm_arcmin, positive=positive).astype(np.float32)
            for name, values in zip(names, columns, strict=True)
        }
        meta = {**meta, **count, **sums_of_weights, "crossfit": len(folds)}
        yield Sky(maps, dict.fromkeys(names, "K km/s"), sky.fwhm_arcmin, meta)


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
