"""Whether a map knows where things are: correlations, against those of its rotated copies.

The null skies are the generated map itself, rotated about the Galactic poles by whole degrees and
mirrored in b, in l or in both: same latitudes, brightness and texture, other places. A rotation by
delta multiplies a_lm by exp(-i m delta), a mirror in b by (-1)^(l + m), one in l conjugates it, so
that all 1,440 cost one transform. Maps are full-sky, RING, Galactic.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from .extrapolation import latitude

ANGLES_DEG = np.arange(360)
MIRRORS = ((False, False), (True, False), (False, True), (True, True))  # (in b, in l)
SMALLEST_ROTATION_DEG = 20  # for the null's mean and sd: below, a cloud still overlaps itself
BLOCK_NSIDE = 4  # blocks of 15 deg
TAPER_DEG = 5.0


def rotated_products(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Compute sum_lm conj(a_lm) b_lm in bands of ell, `b` mirrored, then rotated to larger l.

    Parameters
    ----------
    a, b : ndarray of complex
        healpy's order, to one lmax.
    edges : ndarray, shape (n_bands + 1,)
        Of half-open bands.

    Returns
    -------
    ndarray, shape (n_bands, 4, 360)
        Mirrors as in `MIRRORS`, rotations as in `ANGLES_DEG`; [:, 0, 0] is `b` as it is.
    """
    lmax, bands = hp.Alm.getlmax(a.size), len(edges) - 1
    ell, m = hp.Alm.getlm(lmax)
    which = np.digitize(ell, edges) - 1
    used = (which >= 0) & (which < bands)
    cell = (which * (lmax + 1) + m)[used]
    phase = np.exp(-1j * np.outer(np.arange(lmax + 1), np.radians(ANGLES_DEG)))
    sums = np.empty((bands, len(MIRRORS), len(ANGLES_DEG)))
    for i, (in_b, in_l) in enumerate(MIRRORS):
        other = b * np.where((ell + m) % 2, -1, 1) if in_b else b
        other = other.conj() if in_l else other
        product = (a.conj() * other * np.where(m, 2, 1))[used]  # healpy keeps m >= 0 only
        real, imaginary = (
            np.bincount(cell, part, bands * (lmax + 1)).reshape(bands, -1)
            for part in (product.real, product.imag)
        )
        sums[:, i] = ((real + 1j * imaginary) @ phase).real
    return sums


def significance(sums: np.ndarray) -> dict:
    """Find the place of a statistic, large where maps agree, among its rotated copies.

    ``p_value`` (one-sided, at least 1 / 1440) is the share of the whole orbit, the statistic
    itself included, that does as well: rotations and mirrors form a group, so it is exact, though
    neighbours are alike, for a map that knows nothing of the longitudes (one that only
    knows where the Galactic centre is does know something). ``null_mean``, ``null_sd``, the
    distance ``z`` in sd and the histogram ``null_edges``, ``null_counts`` leave rotations below 20
    deg out, where the signal itself would widen the null.

    Parameters
    ----------
    sums : ndarray, shape (4, 360)
        The statistic itself at [0, 0].

    Returns
    -------
    dict
        JSON-ready: ``value``, ``null_mean``, ``null_sd``, ``z``, ``p_value``, and the histogram.
    """
    away = np.minimum(ANGLES_DEG, 360 - ANGLES_DEG) >= SMALLEST_ROTATION_DEG
    null = np.concatenate([sums[0, away], sums[1:].ravel()])
    value, mean, sd = float(sums[0, 0]), float(null.mean()), float(null.std())
    counts, edges = np.histogram(null, 40)
    return {
        "value": value,
        "null_mean": mean,
        "null_sd": sd,
        "z": (value - mean) / sd,
        "p_value": float((sums >= value).mean()),
        "null_edges": edges.tolist(),
        "null_counts": counts.tolist(),
    }


def correlation(real: np.ndarray, other: np.ndarray, weight: np.ndarray) -> dict:
    """Compute Pearson's r of two maps, its error, and its place among rotated copies of `other`.

    Both maps are cut to one region, and `other` rotates with its holes: what lies outside has no
    part in r nor in the null, whose covariances are averaged over the pixels that both maps have.

    Parameters
    ----------
    real, other, weight : ndarray, shape (12 * nside**2,)
        The weight is the inverse variance of `real` in the region, 0 outside.

    Returns
    -------
    dict
        That of `significance`, ``sd`` (jackknife), ``slope`` and ``slope_sd``: the least squares
        slope of `real` on `other`, 1 for an unbiased estimate of the real sky; the scatter that
        single members have, and a mean of members has not, lowers it.

    Raises
    ------
    CoganError
        If a map is constant in its region.
    """
    good, w = weight > 0, weight / weight.sum()
    x, y = (np.where(good, v - w @ np.asarray(v, np.float64), 0.0) for v in (real, other))
    if np.ptp(real[good]) == 0 or np.ptp(other[good]) == 0:
        raise CoganError("A map is constant in its region, so nothing correlates; check both.")

    def slope_and_r(sums):
        n, sx, sy, sxx, syy, sxy = sums
        xx, yy, xy = sxx - sx**2 / n, syy - sy**2 / n, sxy - sx * sy / n
        return np.array([xy / yy, xy / np.sqrt(xx * yy)])

    products = [w, w * x, w * y, w * x**2, w * y**2, w * x * y]
    (slope, r), (slope_sd, sd) = jackknife(products, good, slope_and_r)
    covariance, overlap = _rotated_sum(w * x, y), _rotated_sum(w, good.astype(float))
    curve = covariance / overlap / np.sqrt((w @ x**2) * (w @ y**2))
    curve[0, 0] = r  # from the pixels themselves; by harmonics it differs in the third digit
    return significance(curve) | {"sd": sd, "slope": slope, "slope_sd": slope_sd}


def _rotated_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum a(p) b(p) over pixels for all rotations and mirrors of the map `b`, shape (4, 360)."""
    nside, lmax = hp.npix2nside(a.size), 3 * hp.npix2nside(a.size) - 1
    # without iteration map2alm is the adjoint of synthesis, times the area of a pixel
    alms = hp.map2alm(a, lmax, iter=0), hp.map2alm(b, lmax, iter=1)
    return rotated_products(*alms, np.array([0, lmax + 1]))[0] / hp.nside2pixarea(nside)


def pixel_blocks(good: np.ndarray) -> np.ndarray:
    """Find the number of the block of sky, of 15 deg, of each pixel of a region.

    Parameters
    ----------
    good : ndarray of bool, shape (12 * nside**2,)
        The pixels.

    Returns
    -------
    ndarray of int, shape (number of pixels in the region,)
        From 0, without gaps.
    """
    vectors = hp.pix2vec(hp.npix2nside(good.size), np.flatnonzero(good))
    return np.unique(hp.vec2pix(BLOCK_NSIDE, *vectors), return_inverse=True)[1]


def jackknife(products, good: np.ndarray, statistic) -> tuple[np.ndarray, np.ndarray]:
    """Compute a statistic of sums over pixels, and its delete-one-block errors.

    Parameters
    ----------
    products : list of ndarray, shape (12 * nside**2,)
        What is summed.
    good : ndarray of bool, shape (12 * nside**2,)
        The pixels.
    statistic : callable
        Takes the sums, shape (len(products), ...).

    Returns
    -------
    values, errors : list of float
    """
    block = pixel_blocks(good)
    sums = np.array([np.bincount(block, row[good]) for row in products])
    left_out = statistic(sums.sum(axis=1, keepdims=True) - sums)
    error = np.sqrt((sums.shape[1] - 1) * left_out.var(axis=-1))
    return statistic(sums.sum(axis=1)).tolist(), error.tolist()


def cross_spectrum(
    real: np.ndarray, other: np.ndarray, good: np.ndarray, b_min_deg: float, fwhm_arcmin: float
) -> dict:
    """Compute the cross spectrum of two maps in a region, with the null of the rotated copies.

    A pseudo-spectrum: both maps, less their means, are multiplied by the region's mask, tapered
    over 5 deg of latitude, and C_ell is divided by the mean squared mask; modes are not decoupled.
    Bands are factors of about 2 from ell 10 to where the beam leaves B_ell^2 = 0.1. Returns lists
    over bands: ``value``, ``null_mean``, ``null_sd`` [(K km/s)^2 sr for two CO maps], ``z``,
    ``p_value``, ``rho`` (the real spectrum contains the noise), ``slope`` (cross over auto spectrum
    of `other`); ``ell_edges``; and ``all_bands``, the `significance` of the sum of z.

    Parameters
    ----------
    real, other : ndarray, shape (12 * nside**2,)
    good : ndarray of bool, shape (12 * nside**2,)
    b_min_deg : float
        Where the region begins.
    fwhm_arcmin : float
        Beam of the maps.

    Returns
    -------
    dict

    Raises
    ------
    CoganError
        If the beam leaves no band.
    """
    nside, lmax = hp.npix2nside(real.size), 3 * hp.npix2nside(real.size) - 1
    depth = np.clip((latitude(nside) - b_min_deg) / TAPER_DEG, 0, 1)
    mask = np.where(good, np.sin(np.pi / 2 * depth) ** 2, 0.0)
    flat = (mask * (v - np.average(v, weights=mask)) for v in (real, other))
    alms = [hp.map2alm(v.astype(np.float64), lmax, iter=1) for v in flat]
    sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
    last = min(np.sqrt(np.log(10)) / sigma, lmax)
    if last < 20:
        raise CoganError(f"A beam of {fwhm_arcmin:g} arcmin leaves no band beyond ell 10.")
    edges = np.round(np.geomspace(10, last, round(np.log2(last / 10)) + 1))
    scale = 1 / (np.diff(edges**2) * np.mean(mask**2))  # sum of 2 ell + 1 over a band
    sums = rotated_products(*alms, edges) * scale[:, None, None]
    autos = [rotated_products(alm, alm, edges)[:, 0, 0] * scale for alm in alms]
    found = [significance(band) for band in sums]
    keys = ("value", "null_mean", "null_sd", "z", "p_value")
    out = {key: np.array([band[key] for band in found]) for key in keys}
    out["rho"] = out["value"] / np.sqrt(autos[0] * autos[1])
    out["slope"] = out["value"] / autos[1]
    every_z = (sums.T - out["null_mean"]) / out["null_sd"]
    out = {key: values.tolist() for key, values in out.items()} | {"ell_edges": edges.tolist()}
    return out | {"all_bands": significance(every_z.sum(axis=-1).T)}
