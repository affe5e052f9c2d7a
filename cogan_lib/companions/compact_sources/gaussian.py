"""Backgrounds as Gaussian processes: a hole filled from around it, or a source fitted through them.

`fill` and `sample` see nothing of the hole; `joint` sees the source and fits its flux, width and
shape together with the process. All three take the spectrum from the ring (`spectra`).
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, ndimage

from ...base.files import CoganError
from .beam_fit import BeamFit, gauss_newton, whitening
from .beams import MIN_FWHM_PX, Beam
from .spectra import Spectra, covariance, ring_spectra, stride

#: Data are this near the hole [FWHM]; fewer are no ring; of more, the nearest: one takes 10 ms.
REACH, LEAST, MOST = 1.5, 20, 600
#: Rms of an ellipse's distortion beside the width, and of a catalogue's position [pixels].
SHAPE_PRIOR, POSITION_PRIOR = 0.05, 0.1


def fill(
    image: np.ndarray, hole: np.ndarray, fwhm_px: float, others: np.ndarray | None = None
) -> tuple[np.ndarray, Spectra]:
    """Fill holes with the most likely background, given the pixels around.

    It is smoother than the real one; `sample` is not.

    Parameters
    ----------
    image : ndarray, shape (n, rows, columns)
        NaN where there are no data.
    hole : ndarray of bool, same shape
        Pixels that hide the source; within the cut-out.
    fwhm_px : float
        Of the beam, at least 2.
    others : ndarray of bool, same shape, optional
        Pixels that hide other sources: no data either.

    Returns
    -------
    mean : ndarray, shape (n, rows, columns), float32
        The image outside the holes.
    spectra : Spectra

    Raises
    ------
    CoganError
        If a hole is at the border or has no pixels around it, or numbers are out of range.
    """
    image, hole, known = _checked(image, hole, others, fwhm_px)
    spectra = ring_spectra(image, known & ~hole, _centres(hole), fwhm_px)
    return _conditional(image, hole, known, spectra, fwhm_px, None), spectra


def sample(
    image: np.ndarray,
    hole: np.ndarray,
    fwhm_px: float,
    rng: np.random.Generator,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Fill holes with a draw: one of the backgrounds, noise included, that fit the pixels around.

    Never measure a flux on it: it is farther from the real background than `fill`.

    Parameters
    ----------
    image, hole, fwhm_px, others
        As of `fill`.
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, rows, columns), float32

    Raises
    ------
    CoganError
        As `fill`.
    """
    image, hole, known = _checked(image, hole, others, fwhm_px)
    spectra = ring_spectra(image, known & ~hole, _centres(hole), fwhm_px)
    normal = rng.standard_normal(image.shape)
    return _conditional(image, hole, known, spectra, fwhm_px, normal)


def joint(
    image: np.ndarray,
    hole: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    beam: Beam,
    width_prior: float = 0.05,
    others: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit sources through the background: generalised least squares with its covariance.

    Free are the flux, a constant, the width, two distortions of the beam's shape and the position;
    all but the first two have Gaussian priors. Whatever the beam does not explain, noise included,
    stays in the background.

    Parameters
    ----------
    image, hole, others
        As of `fill`; here the hole's pixels are data, and only the spectrum is measured outside.
    x, y : ndarray, shape (n,)
        Column and row of the sources.
    beam : Beam
    width_prior : float
        Relative error (rms) of the beam's width; 0 if it is known.

    Returns
    -------
    flux, flux_error : ndarray, shape (n,), float32
        Peak of the source; the error counts the background and everything that was free.
    background : ndarray, shape (n, rows, columns), float32
        The image without the source. Where a hole has no data (saturated), as `fill` would.

    Raises
    ------
    CoganError
        As `fill`, or if a source is outside its hole.
    """
    fwhm_px = beam.fwhm_px
    image, hole, known = _checked(image, hole, others, fwhm_px)
    x, y = (np.asarray(values, dtype=np.float64) for values in (x, y))
    _check_places(x, y, hole, width_prior)
    prior = np.array([width_prior, SHAPE_PRIOR, SHAPE_PRIOR, POSITION_PRIOR, POSITION_PRIOR])
    place = np.stack([x, y], 1)
    fluxes, shapes, errors = np.empty(len(image)), np.empty((len(image), 5)), np.empty(len(image))

    def solve(members, data, scale, *how):
        values = image[members][:, *data.T] / scale[:, None]
        offset = data[:, ::-1] - place[members, None]
        found = gauss_newton(values, offset, beam, prior, *how)
        fluxes[members], shapes[members] = found.linear[:, 0] * scale, found.shape
        errors[members] = found.error * scale

    def sources():
        return fluxes[:, None, None] * BeamFit(fluxes, shapes).beams(image.shape[1:], x, y, beam)

    # The wings reach into the ring: a first fit, without the covariance, takes them out.
    for row in range(len(image)):
        white = np.array([_scatter(image[row][known[row] & ~hole[row]])])
        solve([row], _nearest(known[row], hole[row], fwhm_px), white)
    spectra = ring_spectra(image - sources(), known & ~hole, place[:, ::-1], fwhm_px)
    for model, members in _groups(spectra, hole, known):
        data = _nearest(known[members[0]], hole[members[0]], fwhm_px)
        whiten = whitening(covariance(model, fwhm_px, data, data))
        solve(members, data, spectra.amplitude[members] ** 0.5, whiten, shapes[members])
    background = image - sources()
    lost = hole & ~known
    if lost.any():
        rows = lost.any((1, 2))
        part = Spectra(*(values[rows] for values in vars(spectra).values()))
        background[rows] = _conditional(
            background[rows], lost[rows], known[rows], part, fwhm_px, None
        )
    return fluxes.astype(np.float32), errors.astype(np.float32), background.astype(np.float32)


def _checked(image, hole, others, fwhm_px):
    """Image in double precision, hole, and which pixels have data."""
    image, hole = np.asarray(image, dtype=np.float64), np.asarray(hole)
    others = np.zeros(hole.shape, bool) if others is None else np.asarray(others)
    if image.ndim != 3 or not image.shape == hole.shape == others.shape:
        raise CoganError(
            f"Images, holes and other sources need one shape (n, rows, columns), not "
            f"{image.shape}, {hole.shape} and {others.shape}."
        )
    if hole.dtype != bool or others.dtype != bool:
        raise CoganError("Holes and other sources are arrays of True and False.")
    if np.isinf(image).any():
        raise CoganError("The image has infinite values; pixels without data are NaN.")
    if not MIN_FWHM_PX <= fwhm_px < np.inf:
        raise CoganError(
            f"The beam's FWHM is {fwhm_px:g} pixels; there must be at least 2 pixels per FWHM."
        )
    rim = np.ones(image.shape[1:], bool)
    rim[1:-1, 1:-1] = False
    if (hole & rim).any():
        raise CoganError("A hole touches the border of its cut-out; take a larger cut-out.")
    if not hole.any((1, 2)).all():
        raise CoganError("A cut-out has no hole.")
    return image, hole, np.isfinite(image) & ~(others & ~hole)


def _check_places(x, y, hole, width_prior):
    if not 0 <= width_prior < np.inf:
        raise CoganError(f"The width's relative error is {width_prior}; it is 0 or more.")
    if not (x.shape == y.shape == (len(hole),) and np.isfinite(x + y).all()):
        raise CoganError(f"{len(hole)} cut-outs need as many finite places, not {x.shape}.")
    column, row = (np.rint(values).astype(int) for values in (x, y))
    inside = (row >= 0) & (row < hole.shape[1]) & (column >= 0) & (column < hole.shape[2])
    if not inside.all() or not hole[np.arange(len(hole)), row, column].all():
        raise CoganError("A source lies outside its hole; x is the column and y the row.")


def _centres(hole: np.ndarray) -> np.ndarray:
    """Mean row and column of each hole, (n, 2)."""
    return np.array([np.argwhere(pixels).mean(0) for pixels in hole])


def _scatter(values: np.ndarray) -> float:
    """Compute a ring's standard deviation, positive; 1 without a ring, which is said later."""
    return max(float(values.std()), 1e-30) if values.size else 1.0


def _nearest(free: np.ndarray, hole: np.ndarray, fwhm_px: float) -> np.ndarray:
    """Rows and columns of the free pixels in and around a hole that are data, (m, 2)."""
    step = stride(fwhm_px)
    lattice = np.zeros(free.shape, bool)
    lattice[::step, ::step] = True
    rows, columns = np.nonzero(hole)
    reach = int(np.ceil(REACH * fwhm_px))
    window = tuple(
        slice(max(along.min() - reach, 0), along.max() + reach + 1) for along in (rows, columns)
    )
    distance = ndimage.distance_transform_edt(~hole[window])
    use = np.nonzero((free & lattice)[window] & (distance <= REACH * fwhm_px))
    if len(use[0]) < LEAST:
        raise CoganError(
            f"A hole has no ring left: within {REACH:g} FWHM, fewer than {LEAST} pixels are free "
            "of other sources and have data."
        )
    places = np.stack(use, 1) + [along.start for along in window]
    inner = np.hypot(*(places - [rows.mean(), columns.mean()]).T)  # of a large hole, the middle
    return places[np.lexsort((inner, distance[use]))[:MOST]]


def _groups(spectra: Spectra, hole: np.ndarray, known: np.ndarray):
    """Cut-outs that share a spectrum and a hole share a covariance: its model, and their rows."""
    shared: dict = {}
    models = zip(spectra.slope, spectra.correlated, spectra.white, strict=True)
    for row, model in enumerate(models):
        key = model, hole[row].tobytes(), known[row].tobytes()
        shared.setdefault(key, []).append(row)
    return [(key[0], rows) for key, rows in shared.items()]


def _conditional(image, hole, known, spectra, fwhm_px, normal):
    """Mean of the process in the holes given the data around; plus a draw of it, if `normal`."""
    filled = image.astype(np.float32)
    for model, members in _groups(spectra, hole, known):
        inside = np.argwhere(hole[members[0]])
        data = _nearest((known & ~hole)[members[0]], hole[members[0]], fwhm_px)
        factor = linalg.cho_factor(covariance(model, fwhm_px, data, data))
        cross = covariance(model, fwhm_px, data, inside)
        solved = linalg.cho_solve(factor, np.column_stack([np.ones(len(data)), cross]))
        ones, weights = solved[:, 0], solved[:, 1:]
        missing = (1 - weights.sum(0)) / ones.sum()  # the constant is fitted as well
        if normal is not None:
            spread = covariance(model, fwhm_px, inside, inside) - cross.T @ weights
            spread += np.outer(missing, missing) * ones.sum()
            spread[np.diag_indices_from(spread)] += 1e-9 * np.trace(spread)
            root = np.linalg.cholesky(spread)
        weights = weights + np.outer(ones, missing)
        for row in members:
            values = image[row][tuple(data.T)] @ weights
            if normal is not None:
                values += spectra.amplitude[row] ** 0.5 * (root @ normal[row][tuple(inside.T)])
            filled[row][tuple(inside.T)] = values
    return filled
