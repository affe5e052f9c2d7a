"""The harmonic work of data preparation, against healpy's defaults."""

import healpy as hp
import numpy as np
from skies import fwhm_arcmin, gaussian_map

from cogan_lib.sky.maps import to_grid


def widths(nside):
    """A map of this beam is brought to one half as wide again; and the kernel that does so."""
    narrow = fwhm_arcmin(nside)
    return narrow, 1.5 * narrow, np.radians(narrow * np.sqrt(1.5**2 - 1) / 60)


def test_smoothing_ours(size, measure, agree):
    nside = size.smooth_nside
    values, (narrow, wide, kernel) = gaussian_map(nside), widths(nside)
    theirs = hp.smoothing(values, fwhm=kernel)
    worst = np.abs(to_grid(values, nside, narrow, wide) - theirs).max() / theirs.std()
    agree("smooth", "greatest difference of a pixel, in sd", worst, 1e-6)
    lmax = 3 * nside - 1
    measure(
        lambda: to_grid(values, nside, narrow, wide),
        *("smooth", "ours"),
        rounds=1,
        note=f"NSIDE {nside}, lmax {lmax}, three iterations in both",
        precision="fp64",
        bytes=8 * 2 * values.nbytes,
        # eight transforms: pairs of rings, (l, m), four multiplications and additions at each
        flops=8 * (2 * nside) * (lmax**2 / 2) * 8,
    )


def test_smoothing_theirs(size, measure):
    values, (*_, kernel) = gaussian_map(size.smooth_nside), widths(size.smooth_nside)
    measure(lambda: hp.smoothing(values, fwhm=kernel), "smooth", "theirs", rounds=1)
