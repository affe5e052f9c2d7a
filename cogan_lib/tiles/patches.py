"""The patches file: tiles in physical units, split by Galactic longitude, with their scalings.

Imports neither healpy nor ducc0 (`cutting`, which makes the tiles, does), so that training runs on
a machine that has torch and numpy alone.

Tiles may carry some pixels of *context* around them, which networks see and nobody asks for: so a
generator is trained as it is used, in the middle of a larger tile (see `synthesis`). `Patches`
hands out tiles as they are compared, without their context; `scaled` alone gives them with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.files import CoganError, atomic_path, parse_json, reading
from ..base.foreign import check_npz
from .scaling import PatchMinMax, Scaling, scale, scaling_from_dict
from .split import SPLITS
from .split import TEST as TEST  # handed on, as the next ones
from .split import TEST_BLOCKS as TEST_BLOCKS
from .split import TRAIN as TRAIN
from .split import UNUSED as UNUSED
from .split import VALIDATION as VALIDATION
from .split import VALIDATION_BLOCKS as VALIDATION_BLOCKS
from .split import assign_split as assign_split
from .split import distance_to_block as distance_to_block


@dataclass(frozen=True)
class Patches:
    """Tiles of inputs and targets with what is needed to train on them.

    Attributes
    ----------
    inputs : ndarray, shape (n, n_inputs, side, side), float32
        Physical units; the side is npix + 2 `context`.
    targets : ndarray, shape (n, n_targets, side, side), float32
        K km/s, or the unit of another target.
    lonlat : ndarray, shape (n, 2)
        Tile centres in degrees.
    split : ndarray, shape (n,), uint8
        TRAIN, VALIDATION or TEST.
    meta : dict
        input_columns, target_columns, units, geometry (without context), fwhm_arcmin, scalings,
        provenance; `context` if there is any; of targets other than CO, `softening`
        (`columns.softening`).
    angles : ndarray, shape (n,), optional
        Position angles in degrees (`geometry.tile_vectors`); None if north is up in all tiles.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lonlat: np.ndarray
    split: np.ndarray
    meta: dict
    angles: np.ndarray | None = None

    @property
    def context(self) -> int:
        """Pixels around each tile, on every side, that networks see and nobody asks for."""
        return self.meta.get("context", 0)

    def interior(self) -> Patches:
        """Take the tiles without their context.

        Returns
        -------
        Patches
            Of views of the same arrays.
        """
        meta = {key: value for key, value in self.meta.items() if key != "context"}
        inputs, targets = (interior(x, self.context) for x in (self.inputs, self.targets))
        return replace(self, inputs=inputs, targets=targets, meta=meta)

    def select(self, split: str, context: bool = False) -> Patches:
        """Select the tiles of a split, as they are compared: without their context.

        Parameters
        ----------
        split : {'train', 'validation', 'test'}
        context : bool
            Keep the context: what a network is to see.

        Returns
        -------
        Patches
            With copies of those tiles.

        Raises
        ------
        CoganError
            If there is no such split, or the tiles are of a fold without validation tiles.
        """
        keep = self._numbers(split)
        tiles = self if context else self.interior()
        angles = None if self.angles is None else self.angles[keep]
        arrays = (tiles.inputs[keep], tiles.targets[keep], self.lonlat[keep], self.split[keep])
        return Patches(*arrays, tiles.meta, angles)

    def _numbers(self, split: str) -> np.ndarray:
        """Find the numbers of a split's tiles."""
        if split not in SPLITS:
            raise CoganError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
        found = np.flatnonzero(self.split == SPLITS[split])
        fold = self.meta.get("selection", {}).get("fold")
        if fold and split == "validation" and not found.size:
            raise CoganError(
                f"These are the tiles of fold {fold}, which has none for validation: they are for "
                "cross-fitting with a fixed recipe. For what checks itself take fold 0."
            )
        return found

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
        """Scale inputs and targets of a split to network units, with their context.

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
            If there is no such split, or the tiles are of a fold without validation tiles.
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
        if self.angles is not None:
            arrays["position angles"] = self.angles
        kept = ["input_columns", "target_columns", "geometry", "fwhm_arcmin"]
        kept += ["context"] if self.context else []
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
                **({} if self.angles is None else {"angles": self.angles}),
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
                names = ["inputs", "targets", "lonlat", "split"]
                names += ["angles"] if "angles" in content else []
                arrays = {key: content[key] for key in names}
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
            and (self.angles is None or (self.angles.shape, self.angles.dtype.kind) == ((n,), "f"))
            and (not self.context or shape[3] == self.meta["geometry"]["npix"] + 2 * self.context)
        )
        if not good:
            raise CoganError(f"The arrays of {where} do not fit together; run chapter 01 again.")
        arrays = [self.inputs, self.targets, *([] if self.angles is None else [self.angles])]
        if not all(np.isfinite(array).all() for array in arrays):
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
    if not all(0 < float(scale) < math.inf for scale in meta.get("softening", {}).values()):
        raise ValueError(f"amplitudes of the scale {meta['softening']} cannot be")
    context = meta.get("context", 0)
    if not (type(context) is int and 0 <= context <= side):
        raise ValueError(f"a context of {context!r} pixels cannot be")
    if not isinstance(meta.get("selection", {}), dict):
        raise TypeError(f"a selection {meta['selection']!r} says nothing")
    if not 0 < meta["fwhm_arcmin"] < math.inf:
        raise ValueError(f"a beam of {meta['fwhm_arcmin']} arcmin cannot be")


def interior(tiles, context: int):
    """Take tiles without the context around them.

    Parameters
    ----------
    tiles : ndarray or Tensor, shape (..., side, side)
    context : int
        Pixels on every side.

    Returns
    -------
    ndarray or Tensor, shape (..., side - 2 context, side - 2 context)
        A view.

    Examples
    --------
    >>> interior(np.arange(16).reshape(4, 4), 1)
    array([[ 5,  6],
           [ 9, 10]])
    """
    return tiles[..., context:-context, context:-context] if context else tiles


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
