"""The patches file: tiles in physical units, split by Galactic longitude, with their scalings.

Imports neither healpy nor ducc0 (only `make_patches` does, when called), so that training runs on a
machine that has torch and numpy alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.files import CoganError, atomic_path, parse_json, provenance, reading
from ..base.foreign import check_npz
from ..base.units import CO_SOFTENING
from .scaling import PatchMinMax, Scaling, scale, scaling_from_dict
from .split import SPLITS, TRAIN, UNUSED, assign_split
from .split import TEST as TEST  # handed on, as the next four
from .split import TEST_BLOCKS as TEST_BLOCKS
from .split import VALIDATION as VALIDATION
from .split import VALIDATION_BLOCKS as VALIDATION_BLOCKS
from .split import distance_to_block as distance_to_block


@dataclass(frozen=True)
class Patches:
    """Tiles of inputs and targets with what is needed to train on them.

    Attributes
    ----------
    inputs : ndarray, shape (n, n_inputs, npix, npix), float32
        Physical units.
    targets : ndarray, shape (n, n_targets, npix, npix), float32
        K km/s.
    lonlat : ndarray, shape (n, 2)
        Tile centres in degrees.
    split : ndarray, shape (n,), uint8
        TRAIN, VALIDATION or TEST.
    meta : dict
        input_columns, target_columns, units, geometry, fwhm_arcmin, scalings, provenance.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lonlat: np.ndarray
    split: np.ndarray
    meta: dict

    def select(self, split: str) -> Patches:
        """Select the tiles of a split.

        Parameters
        ----------
        split : {'train', 'validation', 'test'}

        Returns
        -------
        Patches
            With copies of those tiles.

        Raises
        ------
        CoganError
            If there is no such split.
        """
        keep = self._numbers(split)
        return Patches(
            self.inputs[keep], self.targets[keep], self.lonlat[keep], self.split[keep], self.meta
        )

    def _numbers(self, split: str) -> np.ndarray:
        """Find the numbers of a split's tiles."""
        if split not in SPLITS:
            raise CoganError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
        return np.flatnonzero(self.split == SPLITS[split])

    @property
    def input_scalings(self) -> list[Scaling | PatchMinMax]:
        """One scaling per input column."""
        return [
            scaling_from_dict(self.meta["scalings"][name]) for name in self.meta["input_columns"]
        ]

    @property
    def target_scalings(self) -> list[Scaling | PatchMinMax]:
        """One scaling per target column."""
        return [
            scaling_from_dict(self.meta["scalings"][name]) for name in self.meta["target_columns"]
        ]

    def scaled(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Scale inputs and targets of a split to network units.

        Parameters
        ----------
        split : {'train', 'validation', 'test'}

        Returns
        -------
        inputs, targets : ndarray, float32
            Shapes as the attributes; the only arrays of that size that are made.

        Raises
        ------
        CoganError
            If there is no such split.
        """
        chosen = self._numbers(split)
        return (
            scale(self.inputs, self.input_scalings, chosen),
            scale(self.targets, self.target_scalings, chosen),
        )

    def fingerprint(self) -> dict[str, object]:
        """Tell what the tiles are, part by part; who made them, and when, does not count.

        Returns
        -------
        dict
            Plain types: SHA-256 of the arrays, and the columns, geometry, beam and scalings.
        """
        arrays = {"input tiles": self.inputs, "target tiles": self.targets}
        arrays |= {"tile centres": self.lonlat, "split": self.split}
        kept = ("input_columns", "target_columns", "geometry", "fwhm_arcmin")
        scalings = self.meta["scalings"].items()
        return (
            {name: _sum(array) for name, array in arrays.items()}
            | {name: self.meta[name] for name in kept}
            | {
                f"scaling of {name}": json.dumps(scaling, sort_keys=True)
                for name, scaling in scalings
            }
        )

    def checksum(self) -> str:
        """Take the SHA-256 of the `fingerprint`.

        Returns
        -------
        str
            Hexadecimal; equal tiles have equal ones, whoever made them.
        """
        return hashlib.sha256(json.dumps(self.fingerprint(), sort_keys=True).encode()).hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write the patches file, whole or not at all.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path
            `path`.

        Raises
        ------
        CoganError
            If it cannot be written.
        """
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez(
                stream,
                inputs=self.inputs,
                targets=self.targets,
                lonlat=self.lonlat,
                split=self.split,
                meta=json.dumps(self.meta),
            )
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Patches:
        """Read a patches file.

        Parameters
        ----------
        path : path

        Returns
        -------
        Patches

        Raises
        ------
        CoganError
            If it is missing, damaged or inconsistent.
        """
        with reading(path, "patches file", "chapter 01 makes it"):
            check_npz(path)
            with np.load(path, allow_pickle=False) as content:
                arrays = {key: content[key] for key in ("inputs", "targets", "lonlat", "split")}
                patches = cls(**arrays, meta=parse_json(str(content["meta"])))
            check_meta(patches.meta)
        patches.check(str(path))
        return patches

    def check(self, where: str = "the patches") -> None:
        """Check that shapes agree and all values are finite.

        Parameters
        ----------
        where : str
            What the sentence of the error calls the patches.

        Raises
        ------
        CoganError
            If not.
        """
        n, shape = len(self.split), self.inputs.shape
        good = (
            self.inputs.ndim == 4
            and self.targets.ndim == 4
            and len(self.targets) == shape[0] == n == len(self.lonlat)
            and shape[2:] == self.targets.shape[2:]
            and shape[1] == len(self.meta.get("input_columns", ()))
            and self.targets.shape[1] == len(self.meta.get("target_columns", ()))
        )
        if not good:
            raise CoganError(f"The arrays of {where} do not fit together; run chapter 01 again.")
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.targets).all()):
            raise CoganError(f"{where} hold NaN or infinite values; check the sky file.")


def _sum(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def check_meta(meta: dict) -> None:
    """Check the description of tiles in a patches file or a checkpoint.

    Columns, units, scalings, geometry and beam.

    Parameters
    ----------
    meta : dict

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not sound; `files.reading` turns them into a sentence.
    """
    columns = [*meta["input_columns"], *meta["target_columns"]]
    for name in columns:
        if not re.fullmatch(r"[A-Za-z]\w{0,39}", name) or columns.count(name) > 1:
            raise ValueError(f"{name!r} is no name for a column, or is there twice")
        scaling_from_dict(meta["scalings"][name])
        if not isinstance(meta["units"][name], str):
            raise TypeError(f"the unit of {name} is {meta['units'][name]!r}")
    side, pixel = meta["geometry"]["npix"], meta["geometry"]["pixel_arcmin"]
    if sorted(meta["geometry"]) != ["npix", "pixel_arcmin", "projection"] or not (
        type(side) is int and 8 <= side <= 4096 and 0 < side * pixel < 3600
    ):
        raise ValueError(f"{meta['geometry']} are no tiles")
    if not 0 < meta["fwhm_arcmin"] < math.inf:
        raise ValueError(f"a beam of {meta['fwhm_arcmin']} arcmin cannot be")


def rotate(tiles, flip: bool, quarter_turns: int):
    """Mirror tiles along the last axis, then rotate them by quarter turns: the augmentation.

    Parameters
    ----------
    tiles : ndarray or Tensor, shape (..., npix, npix)
    flip : bool
        Mirror or not.
    quarter_turns : int
        Rotations by 90 degrees.

    Returns
    -------
    ndarray or Tensor, shape (..., npix, npix)

    Examples
    --------
    >>> rotate(np.array([[1, 2], [3, 4]]), flip=False, quarter_turns=1)
    array([[2, 4],
           [1, 3]])
    """
    if flip:
        tiles = tiles[..., ::-1] if isinstance(tiles, np.ndarray) else tiles.flip(-1)
    if isinstance(tiles, np.ndarray):
        return np.rot90(tiles, quarter_turns, axes=(-2, -1))
    return tiles.rot90(quarter_turns, (-2, -1))


def make_patches(
    sky,
    geometry,
    centre_nside: int,
    *,
    snr_min: float = 8.0,
    min_share: float = 0.02,
    target_scaling: str = "asinh",
    nthreads: int = 1,
    **inputs: str,
) -> Patches:
    """Cut, select and split the tiles of a sky; fit the scalings on the training tiles.

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
        No dust, HI, CO or error column; too few tiles in a split.
    """
    from ..sky.harmonics import beam_lmax
    from . import tiling

    if len(sky.inputs) < 2 or not sky.targets:
        raise CoganError(
            f"The sky has the columns {', '.join(sky.maps)}; two tracers, such as DUST and N_HI, "
            "and W_CO10 or W_CO21 are needed."
        )
    missing = [f"{name}_ERR" for name in sky.targets if f"{name}_ERR" not in sky.maps]
    if missing:
        raise CoganError(f"The sky has no column {missing[0]}; the S/N selection needs it.")
    if target_scaling not in ("asinh", "log", "minmax"):
        raise CoganError(f"Scaling {target_scaling!r} is unknown; choose asinh, log or minmax.")
    if not 0 <= snr_min < np.inf:
        raise CoganError(f"The signal to noise snr_min is {snr_min}; it must be 0 or larger.")
    centres = tiling.tile_centres(centre_nside)
    border = np.ones((geometry.npix, geometry.npix), dtype=bool)
    border[1:-1, 1:-1] = False
    strong = np.logical_and.reduce(
        [sky.maps[name] > snr_min * sky.maps[f"{name}_ERR"] for name in sky.targets]
    )
    split, share = np.empty(len(centres), dtype=np.uint8), np.zeros(len(centres))
    for start in range(0, len(centres), 64):  # the points of all tiles at once are gigabytes
        part = slice(start, start + 64)
        lon, lat = tiling.tile_lonlat(geometry, centres[part])
        split[part] = assign_split(lon[:, border], lat[:, border], geometry.side_deg)
        used = split[part] != UNUSED
        share[part][used] = tiling.share_of_tiles(strong, lon[used], lat[used])
    keep = (split != UNUSED) & (share >= min_share)
    centres, split = centres[keep], split[keep]
    for name, label in SPLITS.items():
        if (split == label).sum() < 4:
            raise CoganError(
                f"Only {(split == label).sum()} tiles are left for the {name} split; lower snr_min "
                "or take smaller tiles."
            )
    columns, side = [*sky.inputs, *sky.targets], geometry.npix
    tiles = np.empty((len(centres), len(columns), side, side), dtype=np.float32)
    train, scalings = split == TRAIN, {}
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    for i, name in enumerate(columns):
        alm = tiling.map_to_alm(sky.maps[name], lmax)
        tiles[:, i] = values = tiling.cut_tiles(alm, geometry, centres, nthreads)
        if target_scaling == "minmax":
            scaling = PatchMinMax()
        elif name in sky.targets:
            scaling = Scaling.fit(target_scaling, values[train], CO_SOFTENING)
        else:
            # a floor far below the sky: harmonic sums may ring below zero beside bright points
            floor = float(np.percentile(sky.maps[name], 0.1))
            scaling = Scaling.fit("log", values[train], floor if floor > 0 else None)
        scalings[name] = scaling.to_dict()
    meta = {
        "input_columns": sky.inputs,
        "target_columns": sky.targets,
        "units": {name: sky.units[name] for name in scalings},
        "geometry": geometry.to_dict(),
        "fwhm_arcmin": float(sky.fwhm_arcmin),
        "scalings": scalings,
        "selection": {"snr_min": snr_min, "min_share": min_share, "centre_nside": centre_nside},
        "provenance": provenance(None, **inputs),
    }
    inputs_targets = np.split(tiles, [len(sky.inputs)], axis=1)
    patches = Patches(*inputs_targets, centres, split, meta)
    patches.check()
    return patches
