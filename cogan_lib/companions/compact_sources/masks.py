"""Where sources are hidden: rings, holes by signal to noise, and the blending at a hole's rim.

A position (x, y) is a column and a row; an array of n positions gives a stack of n masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, correlate1d

from ...base.checks import check_positive
from ...base.files import CoganError
from .beams import Beam

#: Inner and outer edge of the ring [FWHM]; 10 and 22 pixels, the document's, for a beam of 4.
RING_FWHM = (2.5, 5.5)
#: Outside a hole a source is fainter than this share of the rms.
LEFT_OUTSIDE = 0.1
#: Widest hole [FWHM]: beams with wings have no end, and a cut-out does.
WIDEST_FWHM = 4.0
#: Side of the square that widens a hole, and of the one that smooths it, at the rim [pixels]...
RIM_PX = 5
#: ... and the latter's Gaussian sigma.
RIM_SIGMA_PX = 5.0
#: Sources whose surroundings are in memory at a time.
CHUNK = 512


@dataclass(frozen=True)
class Radii:
    """Radii of holes by signal to noise, as the document's code lists them.

    Attributes
    ----------
    source_px : float
        The peak is looked for within this radius.
    ring_px : (float, float)
        Inner and outer radius of the ring.
    thresholds : tuple of float
        Of the signal to noise, falling.
    radii_px : tuple of float
        The hole's, one more than thresholds: the last is for sources below all of them.
    """

    source_px: float
    ring_px: tuple[float, float]
    thresholds: tuple[float, ...]
    radii_px: tuple[float, ...]

    def of(self, snr: np.ndarray) -> np.ndarray:
        """Look up the radius of the hole.

        Parameters
        ----------
        snr : array_like
            Signal to noise.

        Returns
        -------
        ndarray, shaped as the signal to noise
            [pixels]; the narrowest for a NaN.
        """
        snr = np.nan_to_num(np.asarray(snr, dtype=float), nan=-np.inf)
        return np.array(self.radii_px)[(snr[..., None] < np.array(self.thresholds)).sum(-1)]


_SCAN = {"source_px": 8.0, "ring_px": (10.0, 22.0), "thresholds": (300.0, 140.0, 13.0, 8.0, 4.0)}
_PARALLEL = {
    "source_px": 4.0,
    "ring_px": (8.0, 18.0),
    "thresholds": (855.0, 590.0, 300.0, 20.0, 13.0),
}
_RED = Radii(**_SCAN, radii_px=(10, 9, 8, 7, 6, 4))
#: The document's, by the mode and the band of Herschel's PACS.
DOCUMENT = {
    ("scan", "blue"): Radii(**_SCAN, radii_px=(12, 11, 9, 7, 6, 5)),
    ("scan", "green"): Radii(**_SCAN, radii_px=(13, 11, 10, 8, 6, 5)),
    ("scan", "red"): _RED,
    ("parallel", "blue"): Radii(**_PARALLEL, radii_px=(9, 8, 7, 6, 5, 4)),
    ("parallel", "green"): Radii(**_PARALLEL, radii_px=(10, 9, 8, 7, 5, 4)),
    ("parallel", "red"): _RED,
}
#: Beam of the document's blue scan maps [pixels]: its ring is then `RING_FWHM`. Our reading; the
#: released code has radii in pixels alone.
DOCUMENT_FWHM_PX = 4.0


def radii_for(fwhm_px: float) -> Radii:
    """Scale the document's radii of blue scan maps to another beam.

    Parameters
    ----------
    fwhm_px : float

    Returns
    -------
    Radii

    Raises
    ------
    CoganError
        If the FWHM is not positive.
    """
    check_positive(fwhm_px=fwhm_px)
    blue, wider = DOCUMENT["scan", "blue"], fwhm_px / DOCUMENT_FWHM_PX
    return Radii(
        wider * blue.source_px,
        (RING_FWHM[0] * fwhm_px, RING_FWHM[1] * fwhm_px),
        blue.thresholds,
        tuple(wider * radius for radius in blue.radii_px),
    )


def hole_radius(snr: np.ndarray, beam: Beam) -> np.ndarray:
    """Find how wide a hole must be to hide a source.

    Outside, the source is fainter than `LEFT_OUTSIDE` of the rms, along the beam's long axis: one
    per cent of the beam's peak left outside biases the fill, and so the flux of a source.

    Parameters
    ----------
    snr : array_like
        Peak over rms.
    beam : Beam

    Returns
    -------
    ndarray, shaped as the signal to noise
        [pixels]; at least half the FWHM, and at most `WIDEST_FWHM`, which wings may pass.
    """
    snr = np.asarray(snr, dtype=float)
    least, most = 0.5 * beam.fwhm_px, WIDEST_FWHM * beam.fwhm_px
    radii = np.linspace(least, most, 1000)
    # Brightest at this radius or farther out: an Airy beam has rings.
    farther = np.linspace(most, 8 * most, 7000)
    bright = np.concatenate([beam.profile(radii), beam.profile(farther)])
    envelope = np.maximum.accumulate(bright[::-1])[::-1][: len(radii)]
    level = LEFT_OUTSIDE / np.maximum(np.nan_to_num(snr, nan=0.0), 1e-9)
    first = (envelope > level[..., None]).sum(-1)
    found = radii[np.minimum(first, len(radii) - 1)]
    return np.minimum(found * np.sqrt(beam.elongation), most)


def distance(side: int | tuple[int, int], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute each pixel's distance from a position.

    Parameters
    ----------
    side : int, or (height, width)
    x, y : float or ndarray, shape (...)

    Returns
    -------
    ndarray, shape (..., height, width)
        [pixels].
    """
    height, width = (side, side) if np.isscalar(side) else side
    x, y = (np.asarray(at, dtype=float)[..., None, None] for at in (x, y))
    return np.hypot(np.arange(width) - x, np.arange(height)[:, None] - y)


def ring(side: int, inner_px: float, outer_px: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Find the pixels of a ring around a source.

    Parameters
    ----------
    side : int
        Of the cut-out.
    inner_px, outer_px : float
        Radii, both within the ring.
    x, y : float or ndarray, shape (...)
        The source.

    Returns
    -------
    ndarray of bool, shape (..., side, side)

    Raises
    ------
    CoganError
        If the radii are no range.
    """
    if not 0 <= inner_px < outer_px:
        raise CoganError(
            f"The ring is from {inner_px:g} to {outer_px:g} pixels; the outer radius must be "
            "larger, and none negative."
        )
    radius = distance(side, x, y)
    return (radius >= inner_px) & (radius <= outer_px)


def hole(side: int, radius_px: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Find the pixels that hide a source.

    Parameters
    ----------
    side : int
        Of the cut-out.
    radius_px, x, y : float or ndarray, shape (...)

    Returns
    -------
    ndarray of bool, shape (..., side, side)
    """
    return distance(side, x, y) <= np.asarray(radius_px)[..., None, None]


def holes(shape: tuple[int, int], catalogue: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Hide all sources of a catalogue.

    Parameters
    ----------
    shape : (int, int)
        Of the map: height and width.
    catalogue : ndarray, shape (n, 2)
        x and y of each source; one beyond the edge hides what reaches into the map.
    radii : float or ndarray, shape (n,)
        [pixels].

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    CoganError
        If the catalogue is no list of finite positions, or a radius is not positive.
    """
    catalogue = _positions(catalogue)
    radii = np.broadcast_to(np.asarray(radii, dtype=float), len(catalogue))
    if not (radii > 0).all():
        raise CoganError(f"A hole's radius is {radii.min():g} pixels; it must be positive.")
    union = np.zeros(shape, dtype=bool)
    for (x, y), radius in zip(catalogue, radii, strict=True):
        rows, columns = (
            slice(max(int(at - radius), 0), max(int(np.ceil(at + radius)) + 1, 0)) for at in (y, x)
        )
        part = union[rows, columns]
        part |= distance(part.shape, x - columns.start, y - rows.start) <= radius
    return union


def signal_to_noise(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    source_px: float,
    inner_px: float,
    outer_px: float,
    hidden: np.ndarray | None = None,
) -> np.ndarray:
    """Measure sources in a map: peak above the ring's mean, over the ring's standard deviation.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        NaN where there are no data.
    x, y : ndarray, shape (n,)
    source_px : float
        The peak is the brightest pixel within this radius.
    inner_px, outer_px : float
        Of the ring.
    hidden : ndarray of bool, shape (height, width), optional
        Pixels that don't count for a ring: holes of other sources.

    Returns
    -------
    ndarray, shape (n,)
        NaN where peak or ring have no data.

    Raises
    ------
    CoganError
        If the image has not two axes, a position is not finite, or the radii are no range.
    """
    if np.ndim(image) != 2:
        raise CoganError(f"The image has {np.ndim(image)} axes; a ring needs 2.")
    check_positive(source_px=source_px)
    catalogue = _positions(np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, 2))
    reach = int(np.ceil(max(outer_px, source_px))) + 1
    side = 2 * reach + 1
    image = np.pad(np.asarray(image, float), reach, constant_values=np.nan)
    quiet = image if hidden is None else np.where(np.pad(hidden, reach), np.nan, image)
    found = np.full(len(catalogue), np.nan)
    near = np.rint(catalogue).astype(int)
    inside = ((near >= 0) & (near < np.array(image.shape)[::-1] - 2 * reach)).all(axis=1)
    steps = np.arange(side)
    for numbers in np.array_split(np.flatnonzero(inside), max(1, -(-inside.sum() // CHUNK))):
        at = near[numbers][:, ::-1, None] + steps
        pieces = at[:, 0, :, None], at[:, 1, None, :]
        offset = (catalogue - near)[numbers].T + reach
        peak = np.where(hole(side, source_px, *offset), image[pieces], np.nan)
        around = np.where(ring(side, inner_px, outer_px, *offset), quiet[pieces], np.nan)
        says = np.isfinite(peak).any(axis=(1, 2)) & (np.isfinite(around).sum(axis=(1, 2)) > 1)
        peak, around = peak[says], around[says]
        level, spread = np.nanmean(around, axis=(1, 2)), np.nanstd(around, axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            found[numbers[says]] = (np.nanmax(peak, axis=(1, 2)) - level) / spread
    return found


def blend(filled: np.ndarray, original: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Put a filled hole into the original, with a soft rim, as the document does.

    The pixels to keep are eroded by a square of `RIM_PX` and smoothed over one; the rim therefore
    lies outside the hole, and nothing of the source comes back.

    Parameters
    ----------
    filled, original : ndarray, shape (..., side, side)
        NaN in the original: no data.
    hole : ndarray of bool, shape (..., side, side)

    Returns
    -------
    ndarray, shape (..., side, side)
        float32.
    """
    filled, original, hole = np.broadcast_arrays(filled, original, hole)
    square = np.ones((1,) * (hole.ndim - 2) + (RIM_PX, RIM_PX), dtype=bool)
    keep = binary_erosion(~hole, square, border_value=1).astype(float)
    weights = np.exp(-0.5 * ((np.arange(RIM_PX) - RIM_PX // 2) / RIM_SIGMA_PX) ** 2)
    for axis in (-2, -1):
        keep = correlate1d(keep, weights / weights.sum(), axis=axis, mode="nearest")
    mixed = np.where(hole, filled, (1 - keep) * filled + keep * np.where(hole, 0, original))
    return mixed.astype(np.float32)


def _positions(catalogue: np.ndarray) -> np.ndarray:
    catalogue = np.asarray(catalogue, dtype=float)
    if catalogue.ndim != 2 or catalogue.shape[1] != 2 or not np.isfinite(catalogue).all():
        raise CoganError(
            f"A catalogue is a finite x and y of each source, shape (n, 2), not {catalogue.shape}."
        )
    return catalogue
