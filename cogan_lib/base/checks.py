"""What functions are given: looked at before any work, because NumPy computes with nearly anything.

A NaN passes every comparison that is written the other way round, shapes that differ are broadcast,
and a point beyond the pole is another place.
"""

from __future__ import annotations

import numpy as np

from .files import CoganError

#: Numbers beyond it, on either side, stand for "no value": UNSEEN (-1.6375e30) and its relatives.
NO_VALUE = 1e29


def check_positive(**numbers: float) -> None:
    """Check that numbers are positive and finite.

    Parameters
    ----------
    **numbers : float
        What the function was given, by the names of its parameters.

    Raises
    ------
    CoganError
        If one of them is not.

    Examples
    --------
    >>> check_positive(pixel_arcmin=7.5)
    """
    for name, value in numbers.items():
        if not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise CoganError(f"The number {name} is {value!r}; it must be positive and finite.")


def check_lonlat(lon_deg: np.ndarray, lat_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check that longitudes and latitudes are points of the sphere.

    Parameters
    ----------
    lon_deg, lat_deg : array_like of one shape
        In degrees; latitudes from -90 to 90.

    Returns
    -------
    lon, lat : ndarray, float64

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or a latitude is beyond a pole.
    """
    lon, lat = np.asarray(lon_deg), np.asarray(lat_deg)
    good = lon.shape == lat.shape and lon.dtype.kind in "fiu" and lat.dtype.kind in "fiu"
    if not (good and np.isfinite(lon).all() and (np.abs(lat) <= 90).all()):
        raise CoganError(
            "Places are a longitude and latitude each, in finite degrees and within 90 of the "
            f"equator; shapes are {lon.shape} and {lat.shape}."
        )
    return lon.astype(np.float64), lat.astype(np.float64)


def check_centres(lonlat_deg: np.ndarray) -> np.ndarray:
    """Check the centres of tiles.

    Parameters
    ----------
    lonlat_deg : array_like, shape (n, 2) or (2,)
        Longitude and latitude in degrees.

    Returns
    -------
    ndarray, shape (n, 2), float64

    Raises
    ------
    CoganError
        If the shape is another one, or a pair is no point of the sphere.
    """
    centres = np.atleast_2d(lonlat_deg)
    if centres.ndim != 2 or centres.shape[1] != 2:
        raise CoganError(
            f"Centres are pairs of longitude and latitude, shape (n, 2), not {centres.shape}."
        )
    return np.stack(check_lonlat(*centres.T), axis=1)


def check_angles(angles_deg: np.ndarray, n: int) -> np.ndarray:
    """Check position angles of tiles.

    Parameters
    ----------
    angles_deg : array_like, shape (n,)
    n : int
        How many there must be.

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    CoganError
        If there are more or fewer, or some are not finite.

    Examples
    --------
    >>> check_angles([0, 45], 2)
    array([ 0., 45.])
    """
    angles = np.asarray(angles_deg, dtype=np.float64)
    if angles.shape != (n,) or not np.isfinite(angles).all():
        raise CoganError(f"{n} tiles need as many finite position angles, not {angles.shape}.")
    return angles


def check_alike(what: str, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check that two arrays have the same shape and finite values.

    Parameters
    ----------
    what : str
        What needs them, for the sentence of the error.
    one, other : array_like

    Returns
    -------
    one, other : ndarray, float64

    Raises
    ------
    CoganError
        If shapes differ, there are no values, or one is not finite.
    """
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


def check_side(npix: int, least: int = 0) -> None:
    """Check the side of tiles that a network will see; it halves them twice.

    Parameters
    ----------
    npix : int
        Pixels along a side.
    least : int
        The fewest that the networks' layers leave anything of (`NetworkSettings.least_side`).

    Raises
    ------
    CoganError
        If it is no multiple of 4, or less than `least`.

    Examples
    --------
    >>> check_side(64, least=32)
    """
    if npix % 4:
        raise CoganError(
            f"Tiles of {npix} pixels cannot be halved twice, as the networks do; tile_npix "
            "must be a multiple of 4."
        )
    if npix < least:
        raise CoganError(
            f"Tiles of {npix} pixels are too small for the discriminator, which halves them layer "
            f"by layer; tile_npix must be at least {least}, or take another preset."
        )


def check_sampling(pixel_arcmin: float, fwhm_arcmin: float) -> None:
    """Check that a tile's pixels sample a beam: at least 2 pixels per FWHM.

    Parameters
    ----------
    pixel_arcmin, fwhm_arcmin : float
        Side of a pixel, and full width at half maximum of the beam [arcmin].

    Raises
    ------
    CoganError
        If the pixels are too wide.

    Examples
    --------
    >>> check_sampling(7.5, 20.0)
    """
    if pixel_arcmin > fwhm_arcmin / 2:
        raise CoganError(
            f"Tile pixels of {pixel_arcmin:g} arcmin do not sample the sky's beam of "
            f"{fwhm_arcmin:g} arcmin, which needs at least 2 pixels per FWHM; lower "
            "tile_pixel_arcmin."
        )


def nan_where_missing(values: np.ndarray, *said: float) -> np.ndarray:
    """Put NaN where an array says, in whatever way, that there is no value.

    The one gate for that: it knows masked arrays (NumPy's and astropy's), UNSEEN and everything
    else beyond 1e29, and numbers that the caller names, such as a file's BAD_DATA.

    Parameters
    ----------
    values : array_like
        Real numbers; NaN stays NaN, and infinite ones are left to the caller.
    *said : float
        Further numbers that stand for "no value".

    Returns
    -------
    ndarray
        `values` itself if nothing is missing, else a copy, float32 or float64.

    Raises
    ------
    CoganError
        If it has a unit: a plain array could not say which.

    Examples
    --------
    >>> nan_where_missing(np.ma.masked_equal([1, 2, 3], 2))
    array([ 1., nan,  3.])
    """
    if getattr(values, "unit", None) is not None:
        raise CoganError(
            f"The map is a Quantity in {values.unit}; give its numbers, for example "
            f"values.to_value({str(values.unit)!r})."
        )
    mask = getattr(values, "mask", None)
    plain = np.asarray(values.unmasked if hasattr(values, "unmasked") else values)
    if plain.dtype.kind not in "fiu":
        return plain
    with np.errstate(invalid="ignore", over="ignore"):
        missing = (plain <= -NO_VALUE) & (plain > -np.inf)
        missing |= (plain >= NO_VALUE) & (plain < np.inf)
        for number in said:
            slack = 1e-6 * abs(number)  # of single precision
            missing |= (plain >= number - slack) & (plain <= number + slack)
    if mask is not None:
        missing |= np.broadcast_to(np.asarray(mask), plain.shape)
    if not missing.any():
        return plain
    single = plain.dtype.kind == "f" and plain.dtype.itemsize <= 4
    plain = plain.astype(np.float32 if single else np.float64)
    plain[missing] = np.nan
    return plain
