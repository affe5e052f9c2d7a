"""Beams fitted through a background of one typical spectrum, many at a time.

As `gaussian.joint`, but nothing is measured around the source except the level and the rms: all
sources without missing pixels share one covariance, and its inverse is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np
from scipy import linalg

from ...base.files import CoganError
from .beams import Beam
from .spectra import covariance, stride

#: Slope of the sky's power, rms of correlated and white noise over its own: the medians that
#: `gaussian.fill` finds on `truth.backgrounds`.
TYPICAL = (-3.0, 0.12, 0.12)
#: Pixels that are data [FWHM], and the fewest.
RADIUS_FWHM, LEAST = 2.5, 20
#: Rms of log width, of two distortions, and of the position [pixels].
PRIOR = np.array([0.1, 0.05, 0.05, 0.1, 0.1])
#: Farthest that these go.
FARTHEST = np.array([0.3, 0.3, 0.3, 0.5, 0.5])
#: Most steps of Gauss and Newton, the change that ends them, and that of numerical derivatives.
STEPS, SETTLED, NUDGE = 8, 1e-6, 1e-6


@dataclass(frozen=True)
class BeamFit:
    """Sources that were fitted, in the unit of the image.

    Attributes
    ----------
    flux : ndarray, shape (n,)
    shape : ndarray, shape (n, 5)
        For `Beam.distorted`.
    """

    flux: np.ndarray
    shape: np.ndarray

    def beams(self, size: tuple[int, int], x: np.ndarray, y: np.ndarray, beam: Beam) -> np.ndarray:
        """Draw the fitted beams, of peak 1, in cut-outs.

        Parameters
        ----------
        size : (int, int)
            Rows and columns.
        x, y : ndarray, shape (n,)
        beam : Beam
            As it was stated.

        Returns
        -------
        ndarray, shape (n, rows, columns)
        """
        dx = np.arange(size[1]) - x[:, None, None]
        dy = np.arange(size[0])[:, None] - y[:, None, None]
        dx, dy = np.broadcast_arrays(dx, dy)
        return beam.distorted(dx, dy, self.shape[:, None, None])


def fit_beams(
    image: np.ndarray, known: np.ndarray, x: np.ndarray, y: np.ndarray, beam: Beam
) -> BeamFit:
    """Fit flux, constant, width, two distortions and position by generalised least squares.

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        In units of the background's rms.
    known : ndarray of bool, same shape
        Pixels that are data.
    x, y : ndarray, shape (n,)
        Column and row of the sources.
    beam : Beam
        As it is stated.

    Returns
    -------
    BeamFit

    Raises
    ------
    CoganError
        If a source has no pixels left.
    """
    side, reach = image.shape[-1], int(np.ceil(RADIUS_FWHM * beam.fwhm_px))
    lattice = np.arange(-reach, reach + 1, stride(beam.fwhm_px))
    disk = np.stack(np.meshgrid(lattice, lattice, indexing="ij"), -1).reshape(-1, 2)
    disk = disk[np.hypot(*disk.T) <= RADIUS_FWHM * beam.fwhm_px]
    centre = np.rint(np.stack([y, x], 1)).astype(int)
    places = centre[:, None] + disk
    within = ((places >= 0) & (places < side)).all(2)
    rows, columns = np.clip(places, 0, side - 1).transpose(2, 0, 1)
    number = np.arange(len(image))[:, None]
    use = within & known[number, rows, columns]
    if (use.sum(1) < LEAST).any():
        raise CoganError(
            f"A source has fewer than {LEAST} pixels that are neither hidden nor without data."
        )
    values = np.nan_to_num(image[number, rows, columns].astype(float))
    offset = (places[..., ::-1] - np.stack([x, y], 1)[:, None]).astype(float)
    patterns: dict[bytes, list[int]] = {}
    for row, pattern in enumerate(use):
        patterns.setdefault(pattern.tobytes(), []).append(row)
    flux, shape = np.empty(len(image)), np.empty((len(image), len(PRIOR)))
    for members in patterns.values():
        there = use[members[0]]
        whiten = _whitening(beam.fwhm_px, disk[there].tobytes())
        part = values[members][:, there], offset[members][:, there]
        found = gauss_newton(*part, beam, PRIOR, whiten)
        flux[members], shape[members] = found.linear[:, 0], found.shape
    return BeamFit(flux, shape)


@lru_cache(maxsize=4)
def _whitening(fwhm_px: float, disk: bytes) -> np.ndarray:
    """Matrix that turns a background at the disk's pixels into white noise of rms 1."""
    pixels = np.frombuffer(disk, dtype=int).reshape(-1, 2)
    return whitening(covariance(TYPICAL, fwhm_px, pixels, pixels))


def whitening(cov: np.ndarray) -> np.ndarray:
    """Compute the matrix that turns noise of a covariance into white noise of rms 1.

    Parameters
    ----------
    cov : ndarray, shape (m, m)

    Returns
    -------
    ndarray, shape (m, m)
        Lower triangular.
    """
    return linalg.lapack.dtrtri(linalg.cholesky(cov, lower=True), lower=1)[0]


class Solved(NamedTuple):
    """What `gauss_newton` finds of n sources."""

    linear: np.ndarray  # (n, 2): flux and constant
    shape: np.ndarray  # (n, 5)
    error: np.ndarray  # (n,): of the flux


def gauss_newton(
    values: np.ndarray,
    offset: np.ndarray,
    beam: Beam,
    prior: np.ndarray,
    whiten: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Solved:
    """Find flux, constant and shape of sources through one background, by least squares.

    Parameters
    ----------
    values : ndarray, shape (n, m)
        The data, in units in which the background has the covariance below.
    offset : ndarray, shape (n, m, 2)
        Columns and rows from the stated centres to the pixels.
    beam : Beam
        As it is stated.
    prior : ndarray, shape (5,)
        Rms of the numbers of `Beam.distorted`; those of rms 0 are not free.
    whiten : ndarray, shape (m, m), optional
        Of `whitening`; white noise of rms 1 if not given.
    start : ndarray, shape (n, 5), optional
        Shapes to begin with.

    Returns
    -------
    Solved
        The error counts the background and all that was free.
    """
    n, m = values.shape
    dx, dy = np.moveaxis(offset, -1, 0)
    shape = np.zeros((n, 1, 5)) if start is None else start[:, None].copy()
    free = np.flatnonzero(prior)

    def whitened(columns):
        stacked = np.stack(columns)
        if whiten is not None:
            stacked = (stacked.reshape(-1, m) @ whiten.T).reshape(stacked.shape)
        return stacked.transpose(1, 2, 0)

    ones, data = np.moveaxis(whitened([np.ones((n, m)), values]), -1, 0)
    moved = np.inf
    for step in count():
        here = beam.distorted(dx, dy, shape)
        nudged = (beam.distorted(dx, dy, shape + NUDGE * np.eye(5)[i]) for i in free)
        white = whitened([here, *((there - here) / NUDGE for there in nudged)])
        linear = np.stack([white[..., 0], ones], -1)
        across = linear.transpose(0, 2, 1)
        # Flux and constant at this shape; then all together, linear about it.
        best = np.linalg.solve(across @ linear, across @ data[..., None])
        design = np.concatenate([linear, best[:, :1] * white[..., 1:]], -1)
        turned = design.transpose(0, 2, 1)
        normal = turned @ design
        normal[:, range(2, 2 + len(free)), range(2, 2 + len(free))] += prior[free] ** -2.0
        each = np.sqrt(np.diagonal(normal, axis1=1, axis2=2))  # of each number's own unit
        unit = each[:, :, None] * each[:, None]
        covariances = np.linalg.inv(normal / unit) / unit
        if moved < SETTLED or step == STEPS:
            return Solved(best[..., 0], shape[:, 0], covariances[:, 0, 0] ** 0.5)
        gradient = turned @ (data[..., None] - linear @ best)
        gradient[:, 2:, 0] -= shape[:, 0, free] / prior[free] ** 2
        new = shape.copy()
        new[:, 0, free] += (covariances @ gradient)[:, 2:, 0]
        new = np.clip(new, -FARTHEST, FARTHEST)
        moved, shape = np.abs(new - shape).max(), new
