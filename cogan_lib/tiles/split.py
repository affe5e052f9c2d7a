"""Training, validation and test tiles: whole blocks of Galactic longitude, a tile apart."""

from __future__ import annotations

import itertools

import numpy as np

from ..base.files import CoganError

TRAIN, VALIDATION, TEST, UNUSED = 0, 1, 2, 3
SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
#: Whole blocks of Galactic longitude, in degrees, the same everywhere in the project.
TEST_BLOCKS = ((100, 120), (200, 230), (345, 360))
VALIDATION_BLOCKS = ((50, 60), (150, 160), (280, 290))
Blocks = tuple[tuple[float, float], ...]


def _folds() -> tuple[Blocks, ...]:
    """Deal out the longitudes between the test blocks, in order, to five folds more."""
    edges = [range(0, 101, 20), range(120, 201, 20), [230 + 115 * i / 6 for i in range(7)]]
    rest = [block for part in edges for block in itertools.pairwise(part)]
    return TEST_BLOCKS, *(tuple(rest[i::5]) for i in range(5))


#: For cross-fitting: six times three blocks, which together are all longitudes.
FOLDS = _folds()


def blocks_of_fold(fold: int) -> tuple[Blocks, Blocks]:
    """Tell which longitudes are held out.

    Parameters
    ----------
    fold : int
        0: the project's test and validation blocks. 1 to 6: the blocks of `FOLDS` with that number,
        counted from 1, are the test blocks, and none are for validation: what is trained for
        cross-fitting follows a recipe that is fixed, so that there is nothing to choose.

    Returns
    -------
    test, validation : tuple of (float, float)
        Longitudes in degrees, as `assign_split` takes them.

    Raises
    ------
    CoganError
        If there is no such fold.

    Examples
    --------
    >>> blocks_of_fold(2)[0][:2], blocks_of_fold(2)[1]
    (((0, 20), (120, 140)), ())
    """
    if fold not in range(len(FOLDS) + 1):
        raise CoganError(f"There is no fold {fold}; choose 1 to {len(FOLDS)}, or 0 for the usual.")
    return (FOLDS[fold - 1], ()) if fold else (TEST_BLOCKS, VALIDATION_BLOCKS)


def fold_of(lon_deg: np.ndarray) -> np.ndarray:
    """Find in whose longitudes points lie.

    Parameters
    ----------
    lon_deg : ndarray
        In degrees.

    Returns
    -------
    ndarray of int, of that shape
        Fold, 1 to 6.

    Examples
    --------
    >>> fold_of(np.array([110.0, 0.0, 20.0, 360.0]))
    array([1, 2, 3, 2])
    """
    lon = np.mod(lon_deg, 360)
    found = np.zeros(np.shape(lon), dtype=int)
    for fold, blocks in enumerate(FOLDS, start=1):
        for low, high in blocks:
            found[(lon >= low) & (lon < high)] = fold
    return found


def distance_to_block(lon: np.ndarray, lat: np.ndarray, block: tuple[float, float]) -> np.ndarray:
    """Compute the angular distance of points from a block of longitudes.

    A block ends on two meridians; the distance from a meridian dl away is asin(cos b sin dl), and
    the distance from the pole where dl is over 90 degrees.

    Parameters
    ----------
    lon, lat : ndarray of one shape
        In degrees.
    block : (float, float)
        The two longitudes, growing eastwards.

    Returns
    -------
    ndarray of that shape
        In degrees; 0 inside.

    Examples
    --------
    >>> distance_to_block(np.array([110.0, 95.0]), np.array([0.0, 0.0]), (100, 120)).round(6)
    array([0., 5.])
    """
    inside = (lon - block[0]) % 360 <= block[1] - block[0]
    distances = []
    for edge in block:
        dl = np.abs((lon - edge + 180) % 360 - 180)
        across = np.degrees(np.arcsin(np.cos(np.radians(lat)) * np.sin(np.radians(dl))))
        distances.append(np.where(dl < 90, across, 90 - np.abs(lat)))
    return np.where(inside, 0.0, np.minimum(*distances))


def assign_split(
    lon: np.ndarray,
    lat: np.ndarray,
    guard_deg: float,
    test: Blocks = TEST_BLOCKS,
    validation: Blocks = VALIDATION_BLOCKS,
) -> np.ndarray:
    """Split of each tile from the points of its border.

    A tile is held out if it lies in a test or validation block as a whole; it trains if it keeps
    `guard_deg` (one tile) from every such block; all others are unused.

    Parameters
    ----------
    lon, lat : ndarray, shape (n, m)
        Border points of n tiles in degrees.
    guard_deg : float
    test, validation : tuple of (float, float)
        Blocks of longitude in degrees.

    Returns
    -------
    ndarray, shape (n,), uint8

    Examples
    --------
    >>> assign_split(np.array([[105.0, 115.0], [20.0, 22.0], [95.0, 97.0]]), np.zeros((3, 2)), 8.0)
    array([2, 0, 3], dtype=uint8)
    """
    split = np.full(len(lon), UNUSED, dtype=np.uint8)
    nearest = np.full(len(lon), np.inf)
    for label, blocks in ((TEST, test), (VALIDATION, validation)):
        for block in blocks:
            distance = distance_to_block(lon, lat, block)
            split[(distance == 0).all(axis=1)] = label
            nearest = np.minimum(nearest, distance.min(axis=1))
    split[(nearest >= guard_deg) & (split == UNUSED)] = TRAIN
    return split
