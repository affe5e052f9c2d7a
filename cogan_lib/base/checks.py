"""What functions are given: looked at before any work, because NumPy computes with nearly anything.

A NaN passes every comparison that is written the other way round, shapes that differ are broadcast,
and a point beyond the pole is another place.
"""

from __future__ import annotations

import numpy as np

from .files import CoganError


def check_positive(**numbers: float) -> None:
    """Raise `CoganError` unless each named number is positive and finite."""
    for name, value in numbers.items():
        if not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise CoganError(f"The number {name} is {value!r}; it must be positive and finite.")


def check_lonlat(lon_deg: np.ndarray, lat_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes as float64, if they are points of the sphere."""
    lon, lat = np.asarray(lon_deg), np.asarray(lat_deg)
    good = lon.shape == lat.shape and lon.dtype.kind in "fiu" and lat.dtype.kind in "fiu"
    if not (good and np.isfinite(lon).all() and (np.abs(lat) <= 90).all()):
        raise CoganError(
            "Places are a longitude and latitude each, in finite degrees and within 90 of the "
            f"equator; shapes are {lon.shape} and {lat.shape}."
        )
    return lon.astype(np.float64), lat.astype(np.float64)


def check_centres(lonlat_deg: np.ndarray) -> np.ndarray:
    """Centres of tiles, shape (n, 2), as float64."""
    centres = np.atleast_2d(lonlat_deg)
    if centres.ndim != 2 or centres.shape[1] != 2:
        raise CoganError(
            f"Centres are pairs of longitude and latitude, shape (n, 2), not {centres.shape}."
        )
    return np.stack(check_lonlat(*centres.T), axis=1)


def check_alike(what: str, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays as float64, if they have the same shape and finite values."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.size == 0:
        raise CoganError(
            f"{what} needs two arrays of the same shape, not {one.shape}, {other.shape}."
        )
    for array in (one, other):
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise CoganError(
                f"{what} needs real numbers; there are NaN or infinite values, or none."
            )
    return one.astype(np.float64, copy=False), other.astype(np.float64, copy=False)
