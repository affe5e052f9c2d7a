"""Beams fitted through a background of one typical spectrum, many at a time.

As `gaussian.joint`, but nothing is measured around the source except the level and the rms: all
sources without missing pixels share one covariance, and its inverse is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
#: Farthest that these go; steps of Gauss and Newton; step of the numerical derivatives.
FARTHEST, STEPS, NUDGE = np.array([0.3, 0.3, 0.3, 0.5, 0.5]), 4, 1e-5


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

    def beams(self, side: int, x: np.ndarray, y: np.ndarray, beam: Beam) -> np.ndarray:
        """Draw the fitted beams, of peak 1, in cut-outs.

        Parameters
        ----------
        side : int
        x, y : ndarray, shape (n,)
        beam : Beam
            As it was stated.

        Returns
        -------
        ndarray, shape (n, side, side)
        """
        dx = np.arange(side) - x[:, None, None]
        dy = np.arange(side)[:, None] - y[:, None, None]
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
        flux[members], shape[members] = _gauss_newton(*part, beam, whiten)
    return BeamFit(flux, shape)


@lru_cache(maxsize=4)
def _whitening(fwhm_px: float, disk: bytes) -> np.ndarray:
    """Matrix that turns a background at the disk's pixels into white noise of rms 1."""
    pixels = np.frombuffer(disk, dtype=int).reshape(-1, 2)
    root = linalg.cholesky(covariance(TYPICAL, fwhm_px, pixels, pixels), lower=True)
    return linalg.lapack.dtrtri(root, lower=1)[0]


def _gauss_newton(values, offset, beam, whiten):
    """Fluxes, (n,), and shapes, (n, 5), of values (n, m) at offsets (n, m, 2) from the centres."""
    n, m = values.shape
    shape, dx, dy = np.zeros((n, 1, len(PRIOR))), *np.moveaxis(offset, -1, 0)

    def whitened(columns):
        stacked = np.stack(columns).reshape(-1, m)
        return (stacked @ whiten.T).reshape(len(columns), n, m).transpose(1, 2, 0)

    ones, data = whitened([np.ones((n, m)), values]).transpose(2, 0, 1)
    for step in range(STEPS + 1):
        here = beam.distorted(dx, dy, shape)
        slopes = [] if step == STEPS else [
            (beam.distorted(dx, dy, shape + NUDGE * unit) - here) / NUDGE for unit in np.eye(5)
        ]  # fmt: skip
        white = whitened([here, *slopes])
        linear = np.stack([white[..., 0], ones], -1)
        across = linear.transpose(0, 2, 1)
        # Flux and constant at this shape; then all together, linear about it.
        best = np.linalg.solve(across @ linear, across @ data[..., None])
        flux = best[:, 0, 0]
        if step == STEPS:
            return flux, shape[:, 0]
        design = np.concatenate([linear, flux[:, None, None] * white[..., 1:]], -1)
        turned = design.transpose(0, 2, 1)
        normal = turned @ design
        normal[:, range(2, 7), range(2, 7)] += PRIOR**-2
        gradient = turned @ (data[..., None] - linear @ best)
        gradient[:, 2:, 0] -= shape[:, 0] / PRIOR**2
        shape[:, 0] += np.linalg.solve(normal, gradient)[:, 2:, 0]
        shape = np.clip(shape, -FARTHEST, FARTHEST)
