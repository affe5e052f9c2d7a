"""The shape of a tile and where its pixels lie on the sphere."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import healpy as hp
import numpy as np

from ..base.checks import check_sampling
from ..base.files import CoganError
from ..base.threads import in_threads
from ..sky.maps import check_nside
from ..validation.spectra import bin_edges


@dataclass(frozen=True)
class Geometry:
    """A square tile of the sky, longitude growing to the left, row 0 at the bottom; north is up.

    Unless the tile is rotated by a position angle, which belongs to the place, not to the shape.

    Attributes
    ----------
    npix : int
        Pixels along a side.
    pixel_arcmin : float
        Side of a pixel in the middle of the tile.
    projection : {'ZEA', 'TAN'}
        Equal area (the paper's) or gnomonic.

    Examples
    --------
    >>> geometry = Geometry(64, 7.5)
    >>> geometry.side_deg, geometry.grown(16).npix
    (8.0, 96)
    """

    npix: int
    pixel_arcmin: float
    projection: str = "ZEA"

    def __post_init__(self) -> None:
        """Refuse tiles that nothing here can cut."""
        if self.projection not in ("ZEA", "TAN"):
            raise CoganError(f"Projection {self.projection!r} is unknown; choose 'ZEA' or 'TAN'.")
        numbers = isinstance(self.npix, int) and isinstance(self.pixel_arcmin, int | float)
        if not (numbers and self.npix >= 8 and 0 < self.side_deg < 60):
            raise CoganError(
                f"A tile of {self.npix} pixels of {self.pixel_arcmin} arcmin is not usable; take "
                "at least 8 pixels and less than 60 degrees a side."
            )

    @property
    def side_deg(self) -> float:
        """Side of the tile in degrees."""
        return self.npix * self.pixel_arcmin / 60

    def check_beam(self, fwhm_arcmin: float) -> None:
        """Refuse tiles that do not sample a beam, or hold too few of it for spectra.

        Parameters
        ----------
        fwhm_arcmin : float

        Raises
        ------
        CoganError
            With what to change.
        """
        check_sampling(self.pixel_arcmin, fwhm_arcmin)
        bin_edges(self.side_deg, self.pixel_arcmin, fwhm_arcmin)

    def grown(self, pixels: int) -> Geometry:
        """Enlarge the tile by `pixels` on every side.

        Parameters
        ----------
        pixels : int

        Returns
        -------
        Geometry
        """
        return Geometry(self.npix + 2 * pixels, self.pixel_arcmin, self.projection)

    def to_dict(self) -> dict:
        """Give plain types, for JSON.

        Returns
        -------
        dict
        """
        return asdict(self)


def tile_centres(centre_nside: int) -> np.ndarray:
    """Take the pixel centres of a HEALPix grid as centres of tiles, uniform on the sphere.

    Parameters
    ----------
    centre_nside : int

    Returns
    -------
    ndarray, shape (12 * centre_nside**2, 2)
        Galactic longitude and latitude in degrees.

    Examples
    --------
    >>> tile_centres(1)[:2].round(1)
    array([[ 45. ,  41.8],
           [135. ,  41.8]])
    """
    pixels = np.arange(hp.nside2npix(check_nside(centre_nside, "centre_nside")))
    return np.stack(hp.pix2ang(centre_nside, pixels, lonlat=True), axis=1)


def frames(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the unit vectors to centres and to the east and north of each.

    Parameters
    ----------
    centres : ndarray, shape (n, 2) or (2,)
        Longitude and latitude in degrees.

    Returns
    -------
    out, east, north : ndarray, shape (n, 3)
    """
    lon, lat = np.radians(np.atleast_2d(centres)).T
    zero = np.zeros_like(lon)
    out = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    east = np.stack([-np.sin(lon), np.cos(lon), zero], axis=1)
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=1)
    return out, east, north


def tile_vectors(
    geometry: Geometry, centres: np.ndarray, angles: np.ndarray | None = None
) -> np.ndarray:
    """Compute the unit vectors of every tile pixel.

    With plane coordinates x (east) and y (north) in radians and r^2 = x^2 + y^2, the point is
    (1 - r^2/2) c + sqrt(1 - r^2/4) (x e + y n) for ZEA and (c + x e + y n) / sqrt(1 + r^2) for TAN.

    Parameters
    ----------
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    angles : ndarray, shape (n,), optional
        Position angle of each tile's upward direction, from north through east, in degrees; north
        if not given.

    Returns
    -------
    ndarray, shape (n, npix, npix, 3)
    """
    out, east, north = frames(centres)
    if angles is not None:
        turn = np.radians(angles)[:, None]
        right, up = east * np.cos(turn) - north * np.sin(turn), east * np.sin(turn)
        east, north = right, up + north * np.cos(turn)
    out, east, north = (v[:, None, None, :] for v in (out, east, north))
    step = np.radians(geometry.pixel_arcmin / 60)
    offset = (np.arange(geometry.npix) - (geometry.npix - 1) / 2) * step
    x, y = -offset[None, None, :, None], offset[None, :, None, None]
    r2 = x**2 + y**2
    if geometry.projection == "ZEA":
        return (1 - r2 / 2) * out + np.sqrt(1 - r2 / 4) * (x * east + y * north)
    return (out + x * east + y * north) / np.sqrt(1 + r2)


def tile_points(
    geometry: Geometry,
    centres: np.ndarray,
    nthreads: int = 1,
    angles: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the angles of every tile pixel, as `Interpolant` takes points.

    Tiles of one latitude and position angle differ in longitude only: computed once for all.

    Parameters
    ----------
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    nthreads : int
    angles : ndarray, shape (n,), optional
        Position angle of each tile's upward direction, from north through east, in degrees; north
        if not given.

    Returns
    -------
    ndarray, shape (n, npix, npix, 3)
        Colatitude and longitude [0, 2 pi) in radians, and a zero.
    """
    centres = np.atleast_2d(centres)
    turns = np.zeros(len(centres)) if angles is None else np.asarray(angles, dtype=np.float64)
    kinds = np.stack([centres[:, 1], turns], axis=1)
    kinds, which = np.unique(kinds, axis=0, return_inverse=True)
    points = np.empty((len(centres), geometry.npix, geometry.npix, 3))

    def at_zero_longitude(kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn = kind[1:] if kind[1] else None  # to the last bit as ever where none is asked for
        vectors = tile_vectors(geometry, np.array([[0.0, kind[0]]]), turn)[0]
        colatitude = np.arccos(np.clip(vectors[..., 2], -1, 1))
        return colatitude, np.arctan2(vectors[..., 1], vectors[..., 0])

    def fill(tile: np.ndarray, place: tuple[np.ndarray, np.ndarray], lon_deg: float) -> None:
        lon = place[1] + np.radians(lon_deg % 360)
        lon[lon < 0] += 2 * np.pi
        lon[lon >= 2 * np.pi] -= 2 * np.pi
        lon[lon >= 2 * np.pi] = 0.0  # a tiny negative number plus 2 pi is 2 pi itself
        tile[..., 0], tile[..., 1], tile[..., 2] = place[0], lon, 0.0

    with in_threads(nthreads) as each:
        places = list(each(at_zero_longitude, kinds))
        list(each(fill, points, [places[i] for i in which.ravel()], centres[:, 0]))
    return points


def tile_angles(
    geometry: Geometry, centres: np.ndarray, angles: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the angles of every tile pixel.

    Parameters
    ----------
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    angles : ndarray, shape (n,), optional
        Position angle of each tile's upward direction, from north through east, in degrees; north
        if not given.

    Returns
    -------
    colatitude, longitude : ndarray, shape (n, npix, npix)
        In radians, the longitude in [0, 2 pi).
    """
    points = tile_points(geometry, centres, angles=angles)
    return points[..., 0], points[..., 1]


def tile_lonlat(
    geometry: Geometry, centres: np.ndarray, angles: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Galactic longitude and latitude of every tile pixel.

    Parameters
    ----------
    geometry : Geometry
    centres : ndarray, shape (n, 2)
        Longitude and latitude in degrees.
    angles : ndarray, shape (n,), optional
        Position angle of each tile's upward direction, from north through east, in degrees; north
        if not given.

    Returns
    -------
    lon, lat : ndarray, shape (n, npix, npix)
        In degrees.

    Examples
    --------
    >>> lon, lat = tile_lonlat(Geometry(9, 60.0), np.array([[100.0, 0.0]]))
    >>> lon[0, 4, [0, 4, 8]].round(), lat[0, [0, 4, 8], 4].round()
    (array([104., 100.,  96.]), array([-4.,  0.,  4.]))
    """
    colatitude, lon = tile_angles(geometry, centres, angles)
    return np.degrees(lon), 90 - np.degrees(colatitude)
