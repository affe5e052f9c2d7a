"""What generators of members are trained on, and how: tiles from anywhere, with their surroundings.

A generator of members is to make whole skies, faint ones too. So its training tiles lie at random
places and angles, two fifths of them wherever that is; they show what lies around them, as tiles
of a sky in the making do; and nothing is chosen on held-out tiles, so that a fold of longitudes
(`split.FOLDS`) is all that it must not see.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..base.config import Settings
from ..base.files import CoganError
from ..base.session import device
from ..gan.flow_training import FlowPlan, train_flow
from ..gan.networks import NetworkSettings
from ..gan.recipes import FLOW, FLOW_BATCH
from ..sky.harmonics import beam_lmax
from ..sky.lines import LINES
from ..sky.skyfile import Sky
from ..tiles.cutting import describe, make_patches
from ..tiles.geometry import Geometry
from ..tiles.map_scalings import map_scalings
from ..tiles.patches import Patches
from ..tiles.scaling import Scaling
from ..tiles.split import blocks_of_fold
from ..tiles.tiling import cut_tiles, map_to_alm

#: Training tiles (fewer, if they are larger than 96 pixels a side), and the share from anywhere.
POSES, FAINT_SHARE = 3000, 0.4


def context_of(geometry: Geometry) -> int:
    """Say how many pixels around a tile its generator sees: a quarter of its side, or one more.

    Parameters
    ----------
    geometry : Geometry

    Returns
    -------
    int
        Even, so that the whole can be halved twice.

    Examples
    --------
    >>> context_of(Geometry(64, 7.5)), context_of(Geometry(36, 7.5))
    (16, 10)
    """
    return 2 * math.ceil(geometry.npix / 8)


def flow_network(geometry: Geometry, fwhm_arcmin: float, targets: int) -> NetworkSettings:
    """Choose the network of a flow: its noise has the beam of the map.

    Parameters
    ----------
    geometry : Geometry
    fwhm_arcmin : float
    targets : int
        CO lines.

    Returns
    -------
    NetworkSettings
    """
    return replace(FLOW, noise=(fwhm_arcmin / geometry.pixel_arcmin,) * targets)


def flow_plan(settings: Settings) -> FlowPlan:
    """Choose a flow's training from a run's settings.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    FlowPlan
    """
    return FlowPlan(
        steps=settings.member_steps,
        batch_size=max(FLOW_BATCH, settings.batch_size),
        seed=settings.seed,
        device=device(settings),
        max_minutes=settings.max_minutes or math.inf,
    )


def member_meta(sky: Sky, geometry: Geometry, fold: int) -> dict:
    """Describe the tiles of `member_patches` without cutting them.

    Parameters
    ----------
    sky : Sky
    geometry : Geometry
    fold : int
        1 to 6: which longitudes are held out.

    Returns
    -------
    dict
        As in a patches file.
    """
    scalings = _scalings(sky, geometry, fold)
    return describe(sky, geometry, scalings, context_of(geometry))


def _scalings(sky: Sky, geometry: Geometry, fold: int) -> dict[str, Scaling]:
    """Fit the scalings to a sky of CO; members have no other scale of amplitudes."""
    if others := sorted(set(sky.targets) - set(LINES)):
        raise CoganError(
            f"Members are made of CO alone, and the target of this sky is {others[0]}; take the "
            "steps up to `report`."
        )
    return map_scalings(sky, blocks_of_fold(fold)[0], geometry.side_deg)


def member_patches(
    sky: Sky,
    geometry: Geometry,
    centre_nside: int,
    *,
    fold: int,
    seed: int,
    snr_min: float = 8.0,
    nthreads: int = 1,
    **inputs: str,
) -> Patches:
    """Cut the tiles of a generator of members: random ones to train on, the grid's of its fold.

    Parameters
    ----------
    sky : Sky
    geometry : Geometry
    centre_nside : int
        Grid of the held-out tiles.
    fold : int
        1 to 6: which longitudes are held out.
    seed : int
        Of places and angles.
    snr_min : float
        As in `make_patches`.
    nthreads : int
    **inputs : str
        Facts for the provenance.

    Returns
    -------
    Patches
    """
    context = context_of(geometry)
    side = geometry.grown(context).npix
    poses = min(POSES, max(100, POSES * 96**2 // side**2))
    return make_patches(
        sky,
        geometry,
        centre_nside,
        snr_min=snr_min,
        poses=poses,
        context=context,
        faint_share=FAINT_SHARE,
        fold=fold,
        scalings=_scalings(sky, geometry, fold),
        seed=seed,
        nthreads=nthreads,
        **inputs,
    )


def trained_on(settings: Settings, sky: Sky, fold: int, folder: Path, made_from: dict) -> Path:
    """Train a flow on one fold of a sky, with a run's settings, and leave a checkpoint folder.

    Parameters
    ----------
    settings : Settings
    sky : Sky
    fold : int
        1 to 6: which longitudes are held out.
    folder : Path
        Of the checkpoint.
    made_from : dict
        See `base.made_from`.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    CoganError
        As `make_patches` and `train_flow`.
    """
    tile = Geometry(settings.tile_npix, settings.tile_pixel_arcmin, settings.projection)
    options = {"seed": settings.seed, "nthreads": settings.thread_count}
    options["snr_min"] = settings.snr_min
    patches = member_patches(sky, tile, settings.centre_nside, fold=fold, **options)
    network = flow_network(tile, sky.fwhm_arcmin, len(sky.targets))
    facts = {"made_from": made_from, "fold": fold}
    return train_flow(patches, network, flow_plan(settings), folder, **facts)


def surroundings(
    sky: Sky, columns: list[str], geometry: Geometry, lonlat: np.ndarray, nthreads: int = 1
) -> np.ndarray:
    """Cut tracers around tiles: what a generator of members sees of them.

    Parameters
    ----------
    sky : Sky
    columns : list of str
        Tracers.
    geometry : Geometry
        Of the tiles without their context.
    lonlat : ndarray, shape (n, 2)
        Centres in degrees.
    nthreads : int

    Returns
    -------
    ndarray, shape (n, len(columns), side, side), float32
        In the sky's units; `patches.interior` with `context_of` pixels takes the tiles out.
    """
    whole = geometry.grown(context_of(geometry))
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    tiles = [cut_tiles(map_to_alm(sky.maps[c], lmax), whole, lonlat, nthreads) for c in columns]
    return np.stack(tiles, axis=1)
