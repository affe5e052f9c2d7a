"""Cut, select and split the tiles of a sky: what fills a patches file."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from ..base.files import CoganError, provenance
from ..sky.columns import check_usable, softening
from ..sky.harmonics import beam_lmax
from ..sky.lines import LINES
from . import tiling
from .patches import Patches
from .poses import border_of, draw_poses
from .scaling import PatchMinMax, Scaling, tracer_scaling
from .split import SPLITS, TRAIN, UNUSED, VALIDATION, Blocks, assign_split, blocks_of_fold

log = logging.getLogger(__name__)


def make_patches(
    sky,
    geometry,
    centre_nside: int,
    *,
    snr_min: float = 8.0,
    min_share: float = 0.02,
    target_scaling: str = "asinh",
    poses: int = 0,
    context: int = 0,
    faint_share: float = 0.0,
    fold: int = 0,
    scalings: Mapping[str, Scaling] | None = None,
    seed: int = 1,
    nthreads: int = 1,
    **inputs: str,
) -> Patches:
    """Cut, select and split the tiles of a sky; fit the scalings on the training tiles.

    Validation and test tiles lie on the grid of centres, and so do training tiles unless `poses`
    are asked for. The context of a training tile keeps a tile's side from held-out longitudes as
    the tile itself does; that of a held-out tile may reach beyond its block, not to training tiles.

    Parameters
    ----------
    sky : `cogan_lib.sky.Sky`
    geometry : `cogan_lib.tiles.tiling.Geometry`
    centre_nside : int
        Grid of tile centres.
    snr_min, min_share : float
        A tile is kept if at least `min_share` of its pixels, a cloud's worth, have a
        signal-to-noise ratio above `snr_min` in every CO line (the paper: regions with S/N > 8).
    target_scaling : {'asinh', 'log', 'minmax'}
        'minmax' (the paper's) is used for the inputs as well.
    poses : int
        Draw so many training tiles at random places and position angles (`poses.draw_poses`).
    context : int
        Pixels around each tile, on every side, that networks see and nobody asks for.
    faint_share : float
        This share of the random tiles comes from anywhere, however faint its CO.
    fold : int
        Whose longitudes are held out (`split.blocks_of_fold`): 0 for test and validation, 1 to 6
        for one of the folds of a cross-fit, as test tiles.
    scalings : mapping of str to Scaling, optional
        To use instead of some fitted to the training tiles (`map_scalings`).
    seed : int
        Of the poses.
    nthreads : int
    **inputs : str
        Facts for the provenance, such as the sky file's checksum.

    Returns
    -------
    Patches
        Float32 tiles in physical units, with their splits and scalings.

    Raises
    ------
    CoganError
        No dust, HI, CO or error column; a target or tracer that is not what the road takes for
        granted (`columns.check_usable`); too few tiles in a split; context with tiles that are
        scaled by their own extremes, of which the context would be part.
    """
    check_usable(sky)
    if len(sky.inputs) < 2 or not sky.targets:
        raise CoganError(
            f"The sky has the columns {', '.join(sky.maps)}; two tracers, such as DUST and N_HI, "
            "and W_CO10 or W_CO21, or a target that is named in TARGCOLS, are needed."
        )
    missing = [f"{name}_ERR" for name in sky.targets if f"{name}_ERR" not in sky.maps]
    if missing:
        raise CoganError(f"The sky has no column {missing[0]}; the S/N selection needs it.")
    if target_scaling not in ("asinh", "log", "minmax"):
        raise CoganError(f"Scaling {target_scaling!r} is unknown; choose asinh, log or minmax.")
    if not 0 <= snr_min < np.inf:
        raise CoganError(f"The signal to noise snr_min is {snr_min}; it must be 0 or larger.")
    if context and target_scaling == "minmax":
        raise CoganError("The minmax scaling knows a tile, not its surroundings; set context to 0.")
    strong = np.logical_and.reduce(
        [sky.maps[name] > snr_min * sky.maps[f"{name}_ERR"] for name in sky.targets]
    )
    test, validation = blocks_of_fold(fold)
    shape = (geometry, context, (test, validation))
    centres, split = _on_grid(shape, centre_nside, strong, min_share, not poses)
    angles = None
    if poses:
        options = {"context": context, "faint_share": faint_share, "min_share": min_share}
        options |= {"test": test, "validation": validation}
        places, drawn = draw_poses(seed, poses, geometry, strong, **options)
        angles = np.concatenate([np.zeros(len(centres)), drawn])
        centres = np.concatenate([centres, places])
        split = np.concatenate([split, np.full(poses, TRAIN, dtype=np.uint8)])
    for name, label in SPLITS.items():
        if (validation or label != VALIDATION) and (split == label).sum() < 4:
            raise CoganError(
                f"Only {(split == label).sum()} tiles are left for the {name} split; lower snr_min "
                "or take smaller tiles."
            )
    columns, whole = [*sky.inputs, *sky.targets], geometry.grown(context)
    tiles = np.empty((len(centres), len(columns), whole.npix, whole.npix), dtype=np.float32)
    log.info(
        "%d tiles of %d x %d pixels, %d columns: %.0f MB",
        len(tiles), whole.npix, whole.npix, len(columns), tiles.nbytes / 1e6,
    )  # fmt: skip
    train, used = split == TRAIN, {}
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    for i, name in enumerate(columns):
        alm = tiling.map_to_alm(sky.maps[name], lmax)
        tiles[:, i] = values = tiling.cut_tiles(alm, whole, centres, nthreads, angles)
        if scalings is not None:
            used[name] = scalings[name]
        elif target_scaling == "minmax":
            used[name] = PatchMinMax()
        elif name in sky.targets:
            used[name] = Scaling.fit(target_scaling, values[train], softening(sky, name))
        else:
            used[name] = tracer_scaling(values[train], sky.maps[name])
    meta = describe(sky, geometry, used, context)
    meta["selection"] = {"snr_min": snr_min, "min_share": min_share, "centre_nside": centre_nside}
    meta["provenance"] = provenance(None, **inputs)
    if poses:
        meta["selection"] |= {"poses": poses, "faint_share": faint_share, "seed": seed}
    if fold:
        meta["selection"]["fold"] = fold
    inputs_targets = np.split(tiles, [len(sky.inputs)], axis=1)
    patches = Patches(*inputs_targets, centres, split, meta, angles)
    patches.check()
    return patches


def describe(sky, geometry, scalings: Mapping[str, Scaling | PatchMinMax], context: int) -> dict:
    """Say what kind of tiles these are: the part of a patches file's meta that a network needs.

    Parameters
    ----------
    sky : `cogan_lib.sky.Sky`
    geometry : `cogan_lib.tiles.tiling.Geometry`
        Of the tiles without their context.
    scalings : mapping of str to Scaling or PatchMinMax
        One per column.
    context : int

    Returns
    -------
    dict
    """
    meta = {
        "input_columns": sky.inputs,
        "target_columns": sky.targets,
        "units": {name: sky.units[name] for name in scalings},
        "geometry": geometry.to_dict(),
        "fwhm_arcmin": float(sky.fwhm_arcmin),
        "scalings": {name: scaling.to_dict() for name, scaling in scalings.items()},
    }
    scales = {name: softening(sky, name) for name in sky.targets if name not in LINES}
    meta |= {"softening": scales} if scales else {}
    return meta | ({"context": context} if context else {})


def _on_grid(
    shape: tuple[tiling.Geometry, int, tuple[Blocks, Blocks]],
    centre_nside: int,
    strong: np.ndarray,
    min_share: float,
    training: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the tiles of the grid, training ones only if asked; centres (n, 2) and splits."""
    geometry, context, blocks = shape
    centres, whole = tiling.tile_centres(centre_nside), geometry.grown(context)
    border, outer = border_of(geometry.npix), border_of(whole.npix)
    split, share = np.empty(len(centres), dtype=np.uint8), np.zeros(len(centres))
    for start in range(0, len(centres), 64):  # the points of all tiles at once are gigabytes
        part = slice(start, start + 64)
        lon, lat = tiling.tile_lonlat(geometry, centres[part])
        split[part] = assign_split(lon[:, border], lat[:, border], geometry.side_deg, *blocks)
        if context:
            edge = (angle[:, outer] for angle in tiling.tile_lonlat(whole, centres[part]))
            near = assign_split(*edge, geometry.side_deg, *blocks) != TRAIN
            split[part][near & (split[part] == TRAIN)] = UNUSED
        if not training:
            split[part][split[part] == TRAIN] = UNUSED
        used = split[part] != UNUSED
        share[part][used] = tiling.share_of_tiles(strong, lon[used], lat[used])
    keep = (split != UNUSED) & (share >= min_share)
    return centres[keep], split[keep]
