"""Chapter 04: from a sky of dust and HI to a sky of CO: cut, translate, join, tile by tile.

Two things keep on the sphere what the tiles have. Each tile is cut larger than the cell that it
will fill, so that the generator sees what lies around (its borders are thrown away), and cells are
handed over within narrow zones, so that nearly everywhere one tile alone speaks
(`tiling.Joiner`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import healpy as hp
import numpy as np
from tqdm import tqdm

from . import __version__
from .base.checks import check_positive
from .base.files import CoganError, atomic_path, git_commit, reading
from .base.processes import add_up, share
from .gan.checkpoint import Checkpoint
from .gan.networks import translate
from .gan.noise import noise_alm
from .sky.harmonics import Interpolant, beam_lmax
from .sky.skyfile import Sky
from .tiles.patches import scale
from .tiles.scaling import PatchMinMax, scaling_from_dict, to_physical
from .tiles.tiling import Geometry, Joiner, cut_maps, map_to_alm

log = logging.getLogger(__name__)

#: A long synthesis writes down what it has at most this often.
PART_SECONDS = 60.0


def generate(
    checkpoint: Checkpoint,
    inputs: np.ndarray,
    targets: np.ndarray | None = None,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Translate tiles of dust and HI into tiles of CO, all in physical units.

    Inputs and outputs are cut off at the range of the training tiles (`scaling.Scaling.bound`),
    and no output is negative.

    Parameters
    ----------
    checkpoint : Checkpoint
    inputs : ndarray, shape (n, n_inputs, npix, npix)
    targets : ndarray, shape (n, n_targets, npix, npix), optional
        Real CO of the same places: only the per-patch min-max scaling needs it, to put back the
        amplitude that it threw away (as the paper's notebooks do).
    noise : ndarray, shape (n, fields, npix, npix), optional
        What makes one member of an ensemble (see `noise`); a generator of members needs it.

    Returns
    -------
    ndarray, shape (n, n_targets, npix, npix), float32
        K km/s.
    """
    ours = checkpoint.meta
    scalings = [scaling_from_dict(ours["scalings"][name]) for name in ours["input_columns"]]
    if inputs.ndim != 4 or inputs.shape[1] != len(scalings) or not np.isfinite(inputs).all():
        raise CoganError(
            f"The generator takes inputs (n, {len(scalings)}, npix, npix) of finite values; these "
            f"have shape {inputs.shape}, or NaN or infinite values in them."
        )
    known = np.stack([s.bound(inputs[:, i]) for i, s in enumerate(scalings)], axis=1)
    scaled, fields = scale(known, scalings), len(checkpoint.settings.noise)
    if fields != (0 if noise is None else noise.shape[1]):
        raise CoganError(
            f"This checkpoint's generator takes {fields} fields of noise beside its inputs; give "
            "as many, drawn with noise.flat_noise or cut from a sky of noise."
        )
    if fields:
        scaled = np.concatenate([scaled, noise.astype(np.float32)], axis=1)
    mock = translate(checkpoint.generator, scaled)
    for channel, name in enumerate(ours["target_columns"]):
        scaling = scaling_from_dict(ours["scalings"][name])
        if isinstance(scaling, PatchMinMax) and targets is None:
            raise CoganError(
                "This checkpoint scales every patch by its own extremes (minmax), so it cannot "
                f"give an amplitude where {name} is unknown; train with target_scaling='asinh'."
            )
        real = None if targets is None else targets[:, channel]
        mock[:, channel] = to_physical(mock[:, channel], scaling, real)
    return mock


def synthesis_grid(geometry: Geometry, nside: int, nthreads: int = 1) -> tuple[int, Joiner]:
    """Centres and enlarged tiles with which a sky is synthesised.

    The grid of centres whose spacing is nearest to half a training tile, and the smallest tile
    that holds a centre's cell with its hand-over zone and a quarter of a training tile of context
    around it.

    Returns
    -------
    centre_nside : int
    joiner : Joiner
        Empty, with the enlarged geometry.
    """
    spacing_of_one = np.degrees(hp.nside2resol(1))
    centre_nside = 2 ** max(0, round(math.log2(2 * spacing_of_one / geometry.side_deg)))
    needed = 2 * np.degrees(Joiner.reach(centre_nside)) * 60 / geometry.pixel_arcmin
    context = max(0, math.ceil((needed - geometry.npix) / 2)) + geometry.npix // 4
    grown = geometry.grown(context + (-(geometry.npix + 2 * context) // 2) % 2)
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
    part : path, optional
        File that keeps the sums over the tiles so far. If the process is killed, the next one goes
        on from there, to the same sky bit by bit; whoever has written the sky removes the file.
        Of use to one process alone.
    **inputs : str
        Facts for the FITS header, such as the sky file's checksum.

    Returns
    -------
    Sky
        The checkpoint's target columns in K km/s at the sky's NSIDE, with the provenance in `meta`.

    Raises
    ------
    CoganError
        If the sky lacks a column or has another unit or beam than the checkpoint was trained at.
    """
    ours = checkpoint.meta
    _check_sky(sky, ours)
    _, joiner = synthesis_grid(Geometry(**ours["geometry"]), sky.nside, nthreads)
    on_gpu = next(checkpoint.generator.parameters()).is_cuda
    if batch_size is None:
        batch_size = 64 if on_gpu else 8
    check_positive(batch_size=batch_size)
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    widths = np.array(checkpoint.settings.noise) * joiner.geometry.pixel_arcmin
    per_patch = any(s["kind"] == "minmax" for s in ours["scalings"].values())

    def of_columns(columns: list[str]) -> list[Interpolant]:
        return [Interpolant(map_to_alm(sky.maps[name], lmax), nthreads) for name in columns]

    known = of_columns(ours["input_columns"])
    truth = of_columns(ours["target_columns"] if per_patch else [])
    noise = [
        Interpolant(noise_alm(sky.nside, width, (member, i)), nthreads)
        for i, width in enumerate(widths)
    ]
    mine = share(len(joiner.centres))  # all of them, unless several processes are at work
    first, key = mine.start, ""
    if part is not None and mine == slice(0, len(joiner.centres)):
        key = _fingerprint(sky, checkpoint, member, batch_size)
        first = _take_up(part, key, joiner)
    starts, kept = range(first, mine.stop, batch_size), time.monotonic()
    progress = progress and mine.start == 0
    starts = tqdm(starts, desc="synthesis", mininterval=5.0, disable=not progress)

    def cut(start: int) -> tuple[int, list]:
        centres = joiner.centres[start : min(start + batch_size, mine.stop)]
        return start, [
            cut_maps(columns, joiner.geometry, centres) if columns else None
            for columns in (known, truth, noise)
        ]

    def to_co(start_and_tiles: tuple[int, list]) -> tuple[int, np.ndarray]:
        start, tiles = start_and_tiles
        return start, generate(checkpoint, *tiles)

    # on a GPU the host cuts the next tiles and joins the last ones while the card translates
    for start, tiles in _ahead(to_co, _ahead(cut, starts, on_gpu), on_gpu):
        joiner.add(start, tiles)
        if key and time.monotonic() - kept > PART_SECONDS:
            _keep(part, key, start + len(tiles), joiner)
            kept = time.monotonic()
    add_up(joiner._sum, joiner._weight)
    maps = dict(zip(ours["target_columns"], joiner.finish(), strict=True))
    meta = {
        "creator": f"cogan {__version__}",
        "commit": git_commit(),
        "weights": checkpoint.content["weights_sha256"]["generator_ab"],
        "seed": checkpoint.content.get("training", {}).get("seed", -1),
        "origin": "synthesised",
        **({"member": member} if len(widths) else {}),
        **inputs,
    }
    return Sky(maps, {name: "K km/s" for name in maps}, sky.fwhm_arcmin, meta)


def _ahead(work: Callable, items: Iterable, in_thread: bool) -> Iterator:
    """`work` of each item, in order; in a thread, up to two items before they are used."""
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


def _fingerprint(sky: Sky, checkpoint: Checkpoint, member: int, batch_size: int) -> str:
    """Checksum of all that the sums over tiles depend on, to the last bit."""
    columns = [*checkpoint.meta["input_columns"], *checkpoint.meta["target_columns"]]
    device = next(checkpoint.generator.parameters()).device.type
    facts = [checkpoint.content["weights_sha256"], asdict(checkpoint.settings), checkpoint.meta]
    facts += [git_commit(), member, batch_size, device]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in columns:
        if name in sky.maps:
            digest.update(np.ascontiguousarray(sky.maps[name]))
    return digest.hexdigest()


def _keep(part: Path, key: str, done: int, joiner: Joiner) -> None:
    """Write down the sums over the first `done` tiles."""
    with atomic_path(part) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, key=key, done=done, sum=joiner._sum, weight=joiner._weight)


def _take_up(part: Path, key: str, joiner: Joiner) -> int:
    """Give a killed synthesis's sums to the joiner; the number of tiles that are in them."""
    if not part.exists():
        return 0
    try:
        with reading(part, "part of a sky", "delete it"), np.load(part) as kept:
            if str(kept["key"]) != key:
                raise CoganError(f"{part} is a part of another sky, or of other weights.")
            joiner._sum, joiner._weight, done = kept["sum"], kept["weight"], int(kept["done"])
    except CoganError as problem:
        log.info("Starting over: %s", problem)
        return 0
    log.info("going on after %d of %d tiles in %s", done, len(joiner.centres), part)
    return done


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
