"""Flat tiles back to the sphere.

Every HEALPix pixel in a tile *pulls* its value from the tile by cubic splines, and tiles are joined
with weights that fall off across the borders of their cells only. Chapter 04 draws it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from functools import cache

import ducc0
import healpy as hp
import numpy as np
from scipy import spatial

from ..base.files import CoganError
from ..base.threads import in_threads
from .geometry import Geometry, frames, tile_centres
from .splines import evaluation, to_coefficients

#: Half width of the zone in which one tile hands over to the next, in spacings of their centres.
BLEND = 1 / 20
#: A tile has no say where another's weight is e^8 times its own.
_FAINT = 8


@cache
def _covering_radius(centre_nside: int) -> float:
    """Find the largest distance of any point of the sphere from its nearest centre [rad]."""
    fine = 8 * centre_nside
    points = np.stack(hp.pix2vec(fine, np.arange(hp.nside2npix(fine))), axis=1)
    centres = np.stack(hp.pix2vec(centre_nside, np.arange(hp.nside2npix(centre_nside))), axis=1)
    return spatial.cKDTree(centres).query(points)[0].max() + hp.nside2resol(fine)


class Joiner:
    """Puts flat tiles back on the sphere, tile by tile, for several maps at once.

    Each tile owns the cell of points nearest to its centre; the weight exp(-d^2 / (D b)) of the
    distance d to the centre hands over from cell to cell within about b = `BLEND` D of the border
    (D is the spacing of the centres). Away from borders one tile alone speaks, so that joining
    does not average away what neighbouring tiles disagree on.

    Parameters
    ----------
    geometry : Geometry
        Of the tiles that come in.
    centre_nside : int
        The grid of centres, as in `tile_centres`.
    nside : int
        Of the maps that come out.
    nthreads : int
        Tiles interpolated at the same time; the sum is taken in the same order for any number.

    Attributes
    ----------
    centres : ndarray, shape (12 * centre_nside**2, 2)
        Of the tiles, in the order in which `add` numbers them [degrees].

    Raises
    ------
    CoganError
        If the tiles are too small for the grid of centres and would leave gaps.
    """

    def __init__(
        self, geometry: Geometry, centre_nside: int, nside: int, nthreads: int = 1
    ) -> None:
        self.geometry, self.nside = geometry, nside
        self.centres = tile_centres(centre_nside)
        self._centre_nside = centre_nside
        self._pixels = ducc0.healpix.Healpix_Base(nside, "RING")  # healpy's, but faster
        self._scale = hp.nside2resol(centre_nside) ** 2 * BLEND
        self._reach = self.reach(centre_nside)
        if self._reach > np.radians(geometry.side_deg / 2):
            raise CoganError(
                f"Tiles of {geometry.side_deg:.2f} degrees on a grid of centre_nside "
                f"{centre_nside} leave gaps; they must be at least "
                f"{2 * np.degrees(self._reach):.2f} degrees wide. Raise tile_npix or centre_nside."
            )
        # Nobody asks for a tile's outermost pixels, which were context for the generator; a spline
        # feels a pixel 12 pixels away by 0.27^12 = 1e-7, so what lies further out is left aside.
        needed = np.degrees(self._reach) * 60 / geometry.pixel_arcmin
        self._crop = max(0, int(geometry.npix / 2 - needed) - 12)
        self.nthreads = nthreads
        self._sum: np.ndarray | None = None
        self._weight = np.zeros(hp.nside2npix(nside), dtype=np.float32)

    @staticmethod
    def reach(centre_nside: int) -> float:
        """Find how far a centre's points reach, the hand-over included.

        Parameters
        ----------
        centre_nside : int

        Returns
        -------
        float
            Radians.
        """
        return _covering_radius(centre_nside) + _FAINT / 2 * BLEND * hp.nside2resol(centre_nside)

    def add(self, start: int, tiles: np.ndarray) -> None:
        """Add tiles number `start`, `start` + 1, ... of the grid.

        Parameters
        ----------
        start : int
        tiles : ndarray, shape (n, n_maps, npix, npix)
            In the unit that is wanted of the maps.

        Raises
        ------
        CoganError
            If shapes or values are not usable, or there are no such centres.
        """
        side, last = self.geometry.npix, len(self.centres)
        good = tiles.ndim == 4 and tiles.shape[2:] == (side, side) and np.isfinite(tiles).all()
        if not good or not 0 <= start <= last - len(tiles):
            raise CoganError(
                f"The joiner takes tiles (n, n_maps, {side}, {side}) of finite values for the "
                f"places 0 to {last - 1}; it got {tiles.shape} from place {start}, or NaN or "
                "infinite values in them."
            )
        if self._sum is None:
            self._sum = np.zeros((tiles.shape[1], self._weight.size), dtype=np.float32)
        with in_threads(self.nthreads) as each:
            for pixels, weight, values in each(self._pull, itertools.count(start), tiles):
                self._weight[pixels] += weight
                for total, pulled in zip(self._sum, values, strict=True):
                    total[pixels] += weight * pulled

    def _pull(self, index: int, tile: np.ndarray) -> tuple[np.ndarray, np.ndarray, list]:
        """Find what a tile gives to the sky: pixels, weights (m,), values of each map (m,)."""
        frame = np.concatenate(frames(self.centres[index]))
        pixels = hp.query_disc(self.nside, frame[0], self._reach)
        vectors = self._pixels.pix2vec(pixels).T
        around = hp.get_all_neighbours(self._centre_nside, index)
        others = np.stack(hp.pix2vec(self._centre_nside, around[around >= 0]), axis=1)
        ahead = (others @ vectors).max(axis=0) - frame[0] @ vectors
        ours = 2 * ahead < _FAINT * self._scale  # half of a disc is deep in the others' cells
        pixels = pixels[ours]
        depth, x, y = frame @ vectors[:, ours]
        shrink = np.sqrt((1 + depth) / 2) if self.geometry.projection == "ZEA" else depth
        weight = np.exp((2 * depth - 2) / self._scale)  # 2 - 2 depth is the squared distance
        inner = slice(self._crop, self.geometry.npix - self._crop)
        npix = self.geometry.npix - 2 * self._crop
        middle, step = (npix - 1) / 2, np.radians(self.geometry.pixel_arcmin / 60)
        values_at = evaluation(y / shrink / step + middle, middle - x / shrink / step, npix)
        spline = to_coefficients(npix)
        values = [values_at @ (spline @ one[inner, inner] @ spline.T).ravel() for one in tile]
        return pixels, weight, [one.astype(np.float32) for one in values]

    def state(self) -> dict[str, np.ndarray]:
        """Give what has been added so far.

        The arrays themselves, no copies: processes that have added tiles of one grid each join
        their work by adding up these arrays in place.

        Returns
        -------
        dict of str to ndarray
            ``sum``, shape (n_maps, 12 * nside**2), and ``weight``, shape (12 * nside**2,).

        Raises
        ------
        CoganError
            If no tile has been added.
        """
        if self._sum is None:
            raise CoganError("The joiner has been given no tiles yet.")
        return {"sum": self._sum, "weight": self._weight}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave; the arrays become the joiner's own.

        Parameters
        ----------
        state : mapping of str to ndarray
            Of a joiner of the same grid.

        Raises
        ------
        CoganError
            If it is of maps of another NSIDE.
        """
        total, weight = state["sum"], state["weight"]
        if not weight.shape == self._weight.shape == total.shape[1:]:
            raise CoganError(
                f"Sums of shape {total.shape} with weights of shape {weight.shape} do not belong "
                f"to maps of NSIDE {self.nside}."
            )
        self._sum, self._weight = total, weight

    def finish(self) -> np.ndarray:
        """Divide the sums by the weights; the joiner is used up by it.

        Returns
        -------
        ndarray, shape (n_maps, 12 * nside**2), float32
            The joined maps, RING, in the tiles' units.

        Raises
        ------
        CoganError
            If a part of the sky was given no tile.
        """
        if self._sum is None or not self._weight.all():
            missing = (self._weight <= 0).mean()
            raise CoganError(f"{missing:.1%} of the sky got no tile; add every tile of the grid.")
        self._sum /= self._weight
        return self._sum


def join_tiles(joiner: Joiner, tiles: Iterable[np.ndarray]) -> np.ndarray:
    """Join tiles that come one by one, in the order of the grid.

    Parameters
    ----------
    joiner : Joiner
        Empty.
    tiles : iterable of ndarray, each of shape (n_maps, npix, npix)
        One per centre.

    Returns
    -------
    ndarray, shape (n_maps, 12 * nside**2), float32

    Raises
    ------
    CoganError
        If tiles are missing or not usable.

    Examples
    --------
    >>> joiner = Joiner(Geometry(16, 120.0), centre_nside=4, nside=4)
    >>> join_tiles(joiner, np.full((192, 1, 16, 16), 3.0))[0, :3].round(4)
    array([3., 3., 3.], dtype=float32)
    """
    for index, tile in enumerate(tiles):
        joiner.add(index, tile[None])
    return joiner.finish()
