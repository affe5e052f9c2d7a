"""Noise that tells one member of an ensemble from another: Gaussian fields of unit variance.

Dust and hydrogen leave the CO open, on all scales: the texture of a cloud as well as the brightness
of a whole region. So a generator of members is given fields of several widths. They are fields *on
the sphere*, cut into tiles like any other map; then overlapping tiles of one sky see the same noise
and agree. For training, where tiles are far apart, flat fields with the same spectrum do.

Nothing here imports healpy before `noise_alm` is called.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_positive
from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA

SIGMA = 1 / FWHM_PER_SIGMA  # of a Gaussian of FWHM 1


def flat_noise(n: int, npix: int, widths: tuple[float, ...], random: torch.Generator) -> Tensor:
    """White noise smoothed by Gaussians, on flat tiles that have nothing to do with each other.

    Parameters
    ----------
    n, npix : int
        Tiles, and pixels along a side.
    widths : tuple of float
        FWHM of the Gaussians in pixels, one field each.
    random : torch.Generator
        The fields are drawn on its device.

    Returns
    -------
    Tensor, shape (n, len(widths), npix, npix)
        Variance 1, on that device.

    Raises
    ------
    CoganError
        If a width is not positive and finite.

    Examples
    --------
    >>> fields = flat_noise(2, 16, (3.0, 12.0), torch.Generator().manual_seed(1))
    >>> tuple(fields.shape)
    (2, 2, 16, 16)
    """
    if not all(0 < width < math.inf for width in widths):
        raise CoganError(f"The widths of the noise, {widths}, must be positive and finite.")
    if not widths:
        return torch.empty(n, 0, npix, npix, device=random.device)
    side = 2 * npix  # the fields are periodic; a tile must not meet its own other end
    waves = torch.fft.fftfreq(side, device=random.device)
    k2 = waves[:, None] ** 2 + waves**2
    sigma = SIGMA * torch.tensor(widths, device=random.device).view(-1, 1, 1)
    smooth = torch.exp(-2 * math.pi**2 * sigma**2 * k2)
    smooth = smooth / smooth.square().mean((1, 2), keepdim=True).sqrt()
    white = torch.randn(n, len(widths), side, side, generator=random, device=random.device)
    waves = torch.fft.rfft2(white) * smooth[..., : side // 2 + 1]
    return torch.fft.irfft2(waves, s=(side, side))[..., :npix, :npix].contiguous()


def noise_alm(nside: int, width_arcmin: float, seed: tuple[int, ...]) -> np.ndarray:
    """a_lm of a field on the sphere with the variance and spectrum of `flat_noise`.

    C_ell is proportional to exp(-ell (ell + 1) sigma^2), normalised to
    sum_ell (2 ell + 1) C_ell / (4 pi) = 1.

    Parameters
    ----------
    nside : int
        The a_lm go up to 3 nside - 1, or to where nothing is left of a wide field.
    width_arcmin : float
        FWHM of the smoothing Gaussian.
    seed : tuple of int

    Returns
    -------
    ndarray of complex
        healpy's order.

    Raises
    ------
    CoganError
        If the width is not positive, or the seed not made of whole numbers.
    """
    import healpy as hp

    check_positive(width_arcmin=width_arcmin)
    if not all(isinstance(part, int | np.integer) and part >= 0 for part in seed):
        raise CoganError(f"The seed {seed} must be made of whole numbers, 0 or larger.")
    sigma = SIGMA * math.radians(width_arcmin / 60)
    lmax = min(3 * nside - 1, math.ceil(5 / sigma))
    ell = np.arange(lmax + 1)
    power = np.exp(-ell * (ell + 1) * sigma**2)
    power /= ((2 * ell + 1) * power).sum() / (4 * np.pi)
    degree, order = hp.Alm.getlm(lmax)
    draws = np.random.default_rng(seed).standard_normal((degree.size, 2))
    alm = np.sqrt(power[degree] / 2) * (draws[:, 0] + 1j * draws[:, 1])
    return np.where(order == 0, math.sqrt(2) * alm.real, alm)
