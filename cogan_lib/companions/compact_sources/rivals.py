"""What the networks are compared with: ring, biharmonic, mesh of medians, and a fit of the beam.

A fill takes cut-outs with their source at the centre, and the pixels that are hidden; it returns
the cut-outs with those pixels replaced, and the rest untouched.
"""

from __future__ import annotations

import warnings

import numpy as np
from photutils.background import Background2D, MedianBackground
from scipy.ndimage import find_objects
from skimage.restoration import inpaint_biharmonic

from ...base.files import CoganError
from .beams import Beam
from .masks import RING_FWHM, ring
from .truth import FWHM_PX

#: Side of the mesh's boxes [FWHM], and of the median filter over them [boxes].
BOX_FWHM, FILTER = 4, 3
#: Pixels around a hole that the biharmonic equation is solved with.
MARGIN_PX = 4


def annulus(image: np.ndarray, hole: np.ndarray, fwhm_px: float = FWHM_PX) -> np.ndarray:
    """Fill a hole with the median of the ring around the centre, without what is hidden there.

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole : ndarray of bool, shape (n, side, side)
    fwhm_px : float
        Of the beam: the ring is `masks.RING_FWHM` wide.

    Returns
    -------
    ndarray, shape (n, side, side), float32
    """
    image, hole = check_cutouts(image, hole)
    return np.where(hole, ring_median(image, hole, fwhm_px)[:, None, None], image)


def ring_median(image: np.ndarray, hole: np.ndarray, fwhm_px: float = FWHM_PX) -> np.ndarray:
    """Compute the median of each cut-out's ring, without what is hidden there.

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole : ndarray of bool, shape (n, side, side)
    fwhm_px : float

    Returns
    -------
    ndarray, shape (n,), float32
        NaN for a ring without data.
    """
    side = image.shape[-1]
    around = ring(side, *(edge * fwhm_px for edge in RING_FWHM), side // 2, side // 2)
    pixels = np.where(hole[:, around], np.float32(np.nan), image[:, around])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        return np.nanmedian(pixels, axis=1)


def biharmonic(image: np.ndarray, hole: np.ndarray, fwhm_px: float = FWHM_PX) -> np.ndarray:
    """Fill a hole with the smoothest surface that joins its rim (scikit-image).

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data: in or at a hole they count as the ring's median.
    hole : ndarray of bool, shape (n, side, side)
    fwhm_px : float
        Of the ring.

    Returns
    -------
    ndarray, shape (n, side, side), float32
    """
    image, hole = check_cutouts(image, hole)
    filled = image.copy()
    for one, hidden, level in zip(filled, hole, ring_median(image, hole, fwhm_px), strict=True):
        for rows, columns in find_objects(hidden.astype(int)):
            near = tuple(
                slice(max(s.start - MARGIN_PX, 0), s.stop + MARGIN_PX) for s in (rows, columns)
            )
            # in double precision, as the surface far from a wide hole's rim magnifies rounding
            given = np.where(np.isfinite(one[near]), one[near], level).astype(np.float64)
            one[near][hidden[near]] = inpaint_biharmonic(given, hidden[near])[hidden[near]]
    return filled


def mesh(
    image: np.ndarray, hole: np.ndarray, fwhm_px: float = FWHM_PX, *, hide: bool = True
) -> np.ndarray:
    """Fill a hole with a spline through the clipped medians of boxes (photutils' Background2D).

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole : ndarray of bool, shape (n, side, side)
    fwhm_px : float
        A box's side is `BOX_FWHM` of it.
    hide : bool
        Without it the boxes see the source, and have their clipping alone against it.

    Returns
    -------
    ndarray, shape (n, side, side), float32
    """
    image, hole = check_cutouts(image, hole)
    box, estimator = max(int(BOX_FWHM * fwhm_px), 2), MedianBackground()
    filled = image.copy()
    for one, hidden in zip(filled, hole, strict=True):
        # A box counts with a tenth of its pixels; an empty one takes its neighbours' level.
        found = Background2D(
            one,
            box,
            mask=(hidden & hide) | ~np.isfinite(one),
            filter_size=FILTER,
            bkg_estimator=estimator,
            exclude_percentile=90,
        )
        one[hidden] = found.background[hidden]
    return filled


def psf_fit(
    image: np.ndarray, hole: np.ndarray, x: np.ndarray, y: np.ndarray, beam: Beam
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the beam and a constant to the pixels of a hole (least squares).

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole : ndarray of bool, shape (n, side, side)
        The pixels that are fitted.
    x, y : ndarray, shape (n,)
        The source.
    beam : Beam

    Returns
    -------
    flux : ndarray, shape (n,)
        NaN where fewer than three pixels have data.
    background : ndarray, shape (n, side, side), float32
        The image without the source; the image itself where there is no flux.
    """
    image, hole = check_cutouts(image, hole)
    shape, says, data = _beam_and_data(image, hole, x, y, beam)
    count = says.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_shape, mean_data = (
            np.where(count > 2, (says * a).sum(axis=(1, 2)) / count, np.nan) for a in (shape, data)
        )
        apart = np.where(says, shape - mean_shape[:, None, None], 0)
        rest = np.where(says, data - mean_data[:, None, None], 0)
        flux = (apart * rest).sum(axis=(1, 2)) / (apart * apart).sum(axis=(1, 2))
    source = np.nan_to_num(flux)[:, None, None] * shape
    return flux, (image - source).astype(np.float32)


def flux_above(
    image: np.ndarray,
    background: np.ndarray,
    hole: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    beam: Beam,
) -> np.ndarray:
    """Fit the beam, and nothing else, to what a filled background leaves in a hole.

    Parameters
    ----------
    image, background : ndarray, shape (n, side, side)
        With the source, and with its hole filled.
    hole : ndarray of bool, shape (n, side, side)
    x, y : ndarray, shape (n,)
    beam : Beam

    Returns
    -------
    ndarray, shape (n,)
        The peak flux; NaN where no pixel of the hole has data.
    """
    image, hole = check_cutouts(image, hole)
    shape, says, data = _beam_and_data(image - background, hole, x, y, beam)
    with np.errstate(invalid="ignore"):
        return (shape * data).sum(axis=(1, 2)) / (says * shape * shape).sum(axis=(1, 2))


def check_cutouts(image: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check a stack of cut-outs and of the pixels that are hidden in them.

    Parameters
    ----------
    image, hole : array_like, shape (n, side, side)

    Returns
    -------
    image : ndarray, float32
    hole : ndarray of bool

    Raises
    ------
    CoganError
        If they are no stacks of squares of one shape, or infinite, or a cut-out is hidden whole.
    """
    image, hole = np.asarray(image, np.float32), np.asarray(hole)
    if image.ndim != 3 or image.shape[1] != image.shape[2]:
        raise CoganError(f"Cut-outs are squares, shape (n, side, side), not {image.shape}.")
    if hole.shape != image.shape or hole.dtype != bool:
        raise CoganError(
            f"Holes are true or false for each pixel of the cut-outs, shape {image.shape}, not "
            f"{hole.dtype} of {hole.shape}."
        )
    if np.isinf(image).any():
        raise CoganError("The cut-outs have infinite pixels; write NaN where there are no data.")
    blind = np.flatnonzero((hole | np.isnan(image)).all(axis=(1, 2)))
    if blind.size:
        raise CoganError(f"Cut-out {blind[0]} has no pixel with data outside its hole.")
    return image, hole


def _beam_and_data(
    image: np.ndarray, hole: np.ndarray, x: np.ndarray, y: np.ndarray, beam: Beam
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the beams; find the pixels of the holes that have data, and these, zero elsewhere."""
    if not np.shape(x) == np.shape(y) == (len(image),):
        raise CoganError(
            f"{len(image)} cut-outs need an x and a y each, not {np.shape(x)} and {np.shape(y)}."
        )
    says = hole & np.isfinite(image)
    return beam.image(image.shape[-1], x, y), says, np.where(says, image, 0).astype(float)
