"""Chapter 04: from a sky of dust and HI to a sky of CO: cut, translate, join, tile by tile.

Two things keep on the sphere what the tiles have. Each tile is cut larger than the cell that it
will fill, so that the generator sees what lies around (its borders are thrown away), and cells are
handed over within narrow zones, so that nearly everywhere one tile alone speaks
(`tiling.Joiner`). What is joined is filtered to the sky's beam (`beam_limit`), which the tiles
know nothing of.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import healpy as hp
import numpy as np
from tqdm import tqdm

from . import __version__
from .base.checks import check_positive
from .base.files import CoganError, git_commit
from .base.processes import add_up, share
from .gan.checkpoint import Checkpoint, check_alike
from .gan.generate import cut_off, generate
from .gan.noise import noise_alm
from .sky.beam_limit import limit_to_beam
from .sky.harmonics import Interpolant, beam_lmax
from .sky.lines import LINES
from .sky.skyfile import Sky
from .tiles.geometry import Geometry
from .tiles.part import Part
from .tiles.split import fold_of
from .tiles.tiling import Joiner, cut_maps, map_to_alm

#: A long synthesis writes down what it has at most this often.
PART_SECONDS = 60.0
#: Members made in one go over the sky, up to NSIDE 1024; fewer above, so that the noise that is
#: ready for points anywhere takes 3 GB at most (0.3 GB per member at NSIDE 1024).
TOGETHER = 8


def synthesis_grid(
    geometry: Geometry, nside: int, nthreads: int = 1, context: int = 0
) -> tuple[int, Joiner]:
    """Choose the centres and the enlarged tiles with which a sky is generated.

    The grid of centres whose spacing is nearest to half a training tile, and the smallest tile
    that holds a centre's cell with its hand-over zone and a quarter of a training tile of context
    around it. A generator that was trained with context does not mind how large a tile is beside
    it: then the spacing is the widest with which no tile gives anything to a place that is a
    training tile's side from its centre, for two thirds of the work.

    Parameters
    ----------
    geometry : Geometry
        Of the training tiles.
    nside : int
        Of the sky.
    nthreads : int
        For the joiner.
    context : int
        That the generator was trained with.

    Returns
    -------
    centre_nside : int
    joiner : Joiner
        Empty, with the enlarged geometry.
    """
    ideal = np.degrees(hp.nside2resol(1)) / (geometry.side_deg / 2)
    centre_nside = 2 ** max(0, round(math.log2(ideal)))
    if context:
        centre_nside = 1
        while np.degrees(Joiner.reach(centre_nside)) >= geometry.side_deg:
            centre_nside *= 2
    needed = 2 * np.degrees(Joiner.reach(centre_nside)) * 60 / geometry.pixel_arcmin
    around = max(0, math.ceil((needed - geometry.npix) / 2)) + (context or geometry.npix // 4)
    grown = geometry.grown(around + (-(geometry.npix + 2 * around) // 2) % 2)
    return centre_nside, Joiner(grown, centre_nside, nside, nthreads)


def synthesise(
    sky: Sky,
    checkpoint: Checkpoint,
    *,
    member: int = 0,
    batch_size: int | None = None,
    nthreads: int = 1,
    progress: bool = True,
    part: Path | None = None,
    beam_limited: bool = True,
    **inputs: str,
) -> Sky:
    """Generate CO over the whole sky.

    Processes that torchrun has started (see `processes`) each translate a share of the tiles, and
    all of them get the whole sky.

    Parameters
    ----------
    sky : Sky
        Has the checkpoint's input columns in its units and beam. CO columns are not read, except
        by checkpoints of the per-patch scaling.
    checkpoint : Checkpoint
        Its generator runs on the device that it is on.
    member : int
        Seed of the noise for a generator of members: every number is another equally likely sky.
    batch_size : int, optional
        Tiles cut and translated together; bounds the memory. By default 64 on a GPU and 8 on a CPU,
        where the networks' features of more tiles leave the cache and take half as long again.
    nthreads : int
        CPU threads that cut and join.
    progress : bool
        Show a bar.
    part : path, optional
        File that keeps the sums over the tiles so far. If the process is killed, the next one goes
        on from there, to the same sky bit by bit; whoever has written the sky removes the file.
        Of use to one process alone.
    beam_limited : bool
        Filter what was joined to the sky's beam (`beam_limit.limit_to_beam`). Without it the map
        is what the tiles hold, and rings when it is transformed (chapter 04 shows it).
    **inputs : str
        Facts for the FITS header, such as the sky file's checksum.

    Returns
    -------
    Sky
        The checkpoint's target columns at the sky's NSIDE, with the provenance in `meta` and the
        numbers of pixels that were cut off (`generate.cut_off`).

    Raises
    ------
    CoganError
        If the sky lacks a column or has another unit or beam than the checkpoint was trained at.
    """
    options = {"batch_size": batch_size, "nthreads": nthreads, "progress": progress, "part": part}
    options["beam_limited"] = beam_limited
    return next(skies(sky, [(checkpoint, member)], **options, **inputs))


def together(nside: int) -> int:
    """Say how many members are made in one go over a sky.

    Parameters
    ----------
    nside : int

    Returns
    -------
    int

    Examples
    --------
    >>> together(256), together(2048), together(8192)
    (8, 2, 1)
    """
    return max(1, min(TOGETHER, TOGETHER * 1024**2 // nside**2))


def skies(
    sky: Sky,
    members: Sequence[tuple[Checkpoint, int]],
    *,
    batch_size: int | None = None,
    nthreads: int = 1,
    progress: bool = True,
    part: Path | None = None,
    beam_limited: bool = True,
    folds: Sequence[Checkpoint] = (),
    **inputs: str,
) -> Iterator[Sky]:
    """Generate each member's sky, in order: what `synthesise` gives, made together.

    The sky is analysed once for all members; its tiles are cut once for every `together` of them,
    with the noise of all.

    Parameters
    ----------
    sky : Sky
        As for `synthesise`.
    members : sequence of (Checkpoint, int)
        Generators, equal but for their weights, and the seeds of their noise.
    batch_size, nthreads, progress, beam_limited, **inputs
        As for `synthesise`.
    part : path, optional
        As for `synthesise`; kept of up to `together` members.
    folds : sequence of Checkpoint
        Of a cross-fit, in order (`split.FOLDS`): each tile is translated by that one in whose
        longitudes its centre lies, instead of the member's.

    Yields
    ------
    Sky

    Raises
    ------
    CoganError
        As `synthesise`, and if the generators are not made for the same tiles.
    """
    first, _ = members[0]
    ours, fields = first.meta, first.settings.noise
    _check_sky(sky, ours)
    for trained in [*(trained for trained, _ in members), *folds]:
        check_alike(first, trained)
    on_gpu = next(first.generator.parameters()).is_cuda
    if batch_size is None:
        batch_size = 64 if on_gpu else 8
    check_positive(batch_size=batch_size)
    # on a GPU cutting and joining run side by side, and cutting is three times the work
    joining = max(1, nthreads // 4) if on_gpu else nthreads
    cutting = max(1, nthreads - joining) if on_gpu else nthreads
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    per_patch = any(s["kind"] == "minmax" for s in ours["scalings"].values())

    def of_columns(columns: list[str]) -> list[Interpolant]:
        return [Interpolant(map_to_alm(sky.maps[name], lmax), cutting) for name in columns]

    known = of_columns(ours["input_columns"])
    real = of_columns(ours["target_columns"] if per_patch else [])
    positive = not per_patch and not first.settings.flow_steps
    others = set(ours["target_columns"]) - set(LINES)
    named = {"targcols": " ".join(ours["target_columns"])} if others else {}
    at_once = together(sky.nside)
    for start in range(0, len(members), at_once):
        group = members[start : start + at_once]
        grid = Geometry(**ours["geometry"]), sky.nside, joining, ours.get("context", 0)
        _, joiner = synthesis_grid(*grid)
        widths = np.array(fields) * joiner.geometry.pixel_arcmin
        noise = [
            Interpolant(noise_alm(sky.nside, width, (seed, i)), cutting)
            for _, seed in group
            for i, width in enumerate(widths)
        ]
        kept = None
        if part is not None and len(members) <= at_once:
            kept = Part(part, _fingerprint(sky, group, folds, batch_size))
        generators = [folds or [trained] for trained, _ in group]
        _translate_sky(generators, (known, real, noise), joiner, batch_size, progress, kept)
        columns = np.split(joiner.finish(), len(group))
        for (trained, seed), maps in zip(group, columns, strict=True):
            maps = dict(zip(ours["target_columns"], maps, strict=True))
            counts = _cut_off(folds or [trained], sky, maps)
            if beam_limited:
                for name, values in maps.items():
                    filtered = limit_to_beam(values, sky.fwhm_arcmin, positive=positive)
                    maps[name] = filtered.astype(np.float32)
            meta = {
                "creator": f"cogan {__version__}",
                "commit": git_commit(),
                "weights": trained.content["weights_sha256"]["generator_ab"],
                "seed": trained.content.get("training", {}).get("seed", -1),
                "origin": "synthesised",
                **({"member": seed} if fields else {}),
                **named,
                **counts,
                **inputs,
            }
            yield Sky(maps, {name: ours["units"][name] for name in maps}, sky.fwhm_arcmin, meta)


def _translate_sky(
    generators: list[Sequence[Checkpoint]],
    columns: tuple[list[Interpolant], ...],
    joiner: Joiner,
    batch_size: int,
    progress: bool,
    part: Part | None,
) -> None:
    """Cut every tile of the sky, translate it with each generator, and give it to the joiner.

    `columns` are the inputs, the targets for scalings that need them, and each generator's noise.
    Each generator is one checkpoint, or one for each fold.
    """
    mine = share(len(joiner.centres))  # all of them, unless several processes are at work
    if mine != slice(0, len(joiner.centres)):
        part = None
    first, kept = part.take_up(joiner) if part else mine.start, time.monotonic()
    starts = tqdm(
        range(first, mine.stop, batch_size),
        desc="synthesis",
        mininterval=5.0,
        disable=not progress or mine.start > 0,
    )

    owner = fold_of(joiner.centres[:, 0]) - 1
    if len(generators[0]) == 1:
        owner[:] = 0

    def cut(start: int) -> tuple[int, list]:
        centres = joiner.centres[start : min(start + batch_size, mine.stop)]
        return start, [
            cut_maps(maps, joiner.geometry, centres) if maps else None for maps in columns
        ]

    def to_co(start_and_tiles: tuple[int, list]) -> tuple[int, np.ndarray]:
        start, (known, real, noise) = start_and_tiles
        parts = [None] * len(generators) if noise is None else np.split(noise, len(generators), 1)
        fold = owner[start : start + len(known)]
        generated = [
            _by_fold(folds, fold, (known, real, of_one))
            for folds, of_one in zip(generators, parts, strict=True)
        ]
        return start, np.concatenate(generated, axis=1)

    # on a GPU the host cuts the next tiles and joins the last ones while the card translates
    on_gpu = next(generators[0][0].generator.parameters()).is_cuda
    for start, tiles in _ahead(to_co, _ahead(cut, starts, on_gpu), on_gpu):
        joiner.add(start, tiles)
        if part and time.monotonic() - kept > PART_SECONDS:
            part.keep(start + len(tiles), joiner)
            kept = time.monotonic()
    add_up(*joiner.state().values())


def _cut_off(folds: Sequence[Checkpoint], sky: Sky, maps: dict[str, np.ndarray]) -> dict:
    """Count what was cut off, each pixel by the generator of its own longitudes."""
    if len(folds) == 1:
        return cut_off(folds[0], sky.maps, maps)
    fold = fold_of(hp.pix2ang(sky.nside, np.arange(hp.nside2npix(sky.nside)), lonlat=True)[0])
    total: Counter = Counter()
    for number, trained in enumerate(folds, start=1):
        total.update(cut_off(trained, sky.maps, maps, fold == number))
    return dict(total)


def _by_fold(
    folds: Sequence[Checkpoint], fold: np.ndarray, tiles: tuple[np.ndarray | None, ...]
) -> np.ndarray:
    """Translate each tile with its fold's generator."""
    kinds = np.unique(fold)
    if kinds.size == 1:
        return generate(folds[kinds[0]], *tiles)
    made: dict[int, np.ndarray] = {}
    for kind in kinds:
        here = np.flatnonzero(fold == kind)
        some = [None if one is None else one[here] for one in tiles]
        made |= dict(zip(here.tolist(), generate(folds[kind], *some), strict=True))
    return np.stack([made[i] for i in range(len(fold))])


def _ahead(work: Callable, items: Iterable, in_thread: bool) -> Iterator:
    """Do `work` for each item, in order; in a thread of its own, two items ahead of their use."""
    if not in_thread:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(1) as worker:
        waiting: deque = deque()
        for item in items:
            waiting.append(worker.submit(work, item))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _fingerprint(
    sky: Sky,
    members: Sequence[tuple[Checkpoint, int]],
    folds: Sequence[Checkpoint],
    batch_size: int,
) -> str:
    """Take the checksum of all that the sums over tiles depend on, to the last bit."""
    first, _ = members[0]
    device = next(first.generator.parameters()).device.type
    facts: list = [git_commit(), batch_size, device]
    for trained, seed in [*members, *((trained, 0) for trained in folds)]:
        facts += [trained.content["weights_sha256"], asdict(trained.settings), trained.meta, seed]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in [*first.meta["input_columns"], *first.meta["target_columns"]]:
        if name in sky.maps:
            digest.update(np.ascontiguousarray(sky.maps[name]))
    return digest.hexdigest()


def _check_sky(sky: Sky, ours: dict) -> None:
    """Raise `CoganError` unless the sky is of the kind that the checkpoint was trained on."""
    for name in ours["input_columns"]:
        if name not in sky.maps:
            raise CoganError(
                f"The checkpoint needs the column {name}; the sky has {', '.join(sky.maps)}."
            )
        if sky.units[name] != ours["units"][name]:
            raise CoganError(
                f"The checkpoint was trained on {name} in {ours['units'][name]}, the sky has it in "
                f"{sky.units[name]}; convert it or train again."
            )
    if not math.isclose(sky.fwhm_arcmin, ours["fwhm_arcmin"], rel_tol=1e-3):
        raise CoganError(
            f"The checkpoint was trained at a beam of {ours['fwhm_arcmin']:g} arcmin, the sky has "
            f"{sky.fwhm_arcmin:g} arcmin; smooth it (sky.to_grid) or train again."
        )
