"""CO far from the plane: how much, does the real sky know of it, and how far from the training?

Beyond 20 deg latitude most pixels of the real CO map are noise, so questions are asked of all of
them together. How much CO is there (`totals`, `pdfs`)? Does the mock follow the real map better
than a turned mock, and than dust, does (`correlation`, `cross_spectrum`, `beyond`)? How far the
generator had to reach from its training range says `extrapolation`.

The null skies are the mock itself, turned about the Galactic poles by whole degrees and mirrored in
b, in l or in both: same latitudes, brightness and texture, other places. A turn by delta multiplies
a_lm by exp(-i m delta), a mirror in b by (-1)^(l + m), one in l conjugates it, so that all 1,440
cost one transform. Maps are full-sky, RING, Galactic; W in K km/s.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from ..sky.skyfile import Sky
from ..tiles.patches import TEST, Patches
from ..tiles.tiling import Geometry, tile_vectors
from ..validation.amplitude import asinh_scale
from .extrapolation import BIN_DEX, by_latitude, extrapolation, latitude, log10

ANGLES_DEG = np.arange(360)
MIRRORS = ((False, False), (True, False), (False, True), (True, True))  # (in b, in l)
SMALLEST_TURN_DEG = 20  # for the null's mean and sd: below, a cloud still overlaps itself
BLOCK_NSIDE = 4  # jackknife blocks of 15 deg
TAPER_DEG, ZERO_DEG = 5.0, 60.0


def seen_pixels(patches: Patches, nside: int) -> np.ndarray:
    """Pixels in a training or validation tile (some lie beyond 20 deg), full-sky, bool."""
    geometry = Geometry(**patches.meta["geometry"])
    seen = np.zeros(hp.nside2npix(nside), dtype=bool)
    for centre in patches.lonlat[patches.split != TEST]:
        corners = tile_vectors(geometry, centre)[0][[0, 0, -1, -1], [0, -1, -1, 0]]
        seen[hp.query_polygon(nside, corners, inclusive=True)] = True
    return seen


def turned_products(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """sum_lm conj(a_lm) b_lm in bands of ell, `b` being mirrored, then turned to larger l.

    Takes a_lm in healpy's order to one lmax and the n_bands + 1 edges of half-open bands. Returns
    an ndarray of shape (n_bands, 4, 360): mirrors as in `MIRRORS`, turns as in `ANGLES_DEG`;
    [:, 0, 0] is `b` as it is.
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
    """Place of a statistic, shape (4, 360), large where maps agree, among its turned copies.

    ``p_value`` (one-sided, at least 1 / 1440) is the share of the whole orbit, the statistic
    itself included, that does as well: turns and mirrors form a group, so it is exact, though
    neighbouring turns are alike, for a mock that knows nothing of the longitudes (one that only
    knows where the Galactic centre is does know something). ``null_mean``, ``null_sd``, the
    distance ``z`` in sd and the histogram ``null_edges``, ``null_counts`` leave turns below 20 deg
    out, where the signal itself would widen the null.
    """
    away = np.minimum(ANGLES_DEG, 360 - ANGLES_DEG) >= SMALLEST_TURN_DEG
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
    """Pearson's r of two maps, its jackknife error, and its place among turned copies of `other`.

    Both maps are cut to one region, and `other` turns with its holes: what lies outside has no part
    in r nor in the null, whose covariances are averaged over the pixels that both maps have.

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
    """
    good, w = weight > 0, weight / weight.sum()
    x, y = (np.where(good, v - w @ np.asarray(v, np.float64), 0.0) for v in (real, other))
    if np.ptp(real[good]) == 0 or np.ptp(other[good]) == 0:
        raise CoganError("A map is constant in its region, so nothing correlates; check the mock.")

    def slope_and_r(sums):
        n, sx, sy, sxx, syy, sxy = sums
        xx, yy, xy = sxx - sx**2 / n, syy - sy**2 / n, sxy - sx * sy / n
        return np.array([xy / yy, xy / np.sqrt(xx * yy)])

    products = [w, w * x, w * y, w * x**2, w * y**2, w * x * y]
    (slope, r), (slope_sd, sd) = _jackknife(products, good, slope_and_r)
    covariance, overlap = _turned_sum(w * x, y), _turned_sum(w, good.astype(float))
    curve = covariance / overlap / np.sqrt((w @ x**2) * (w @ y**2))
    curve[0, 0] = r  # from the pixels themselves; by harmonics it differs in the third digit
    return significance(curve) | {"sd": sd, "slope": slope, "slope_sd": slope_sd}


def _turned_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of a(p) b(p) over pixels for all turns and mirrors of the map `b`, shape (4, 360)."""
    nside, lmax = hp.npix2nside(a.size), 3 * hp.npix2nside(a.size) - 1
    # without iteration map2alm is the adjoint of synthesis, times the area of a pixel
    alms = hp.map2alm(a, lmax, iter=0), hp.map2alm(b, lmax, iter=1)
    return turned_products(*alms, np.array([0, lmax + 1]))[0] / hp.nside2pixarea(nside)


def _jackknife(products, good: np.ndarray, statistic) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of sums of `products` over pixels, and its delete-one-block errors, as lists."""
    vectors = hp.pix2vec(hp.npix2nside(good.size), np.flatnonzero(good))
    block = np.unique(hp.vec2pix(BLOCK_NSIDE, *vectors), return_inverse=True)[1]
    sums = np.array([np.bincount(block, row[good]) for row in products])
    left_out = statistic(sums.sum(axis=1, keepdims=True) - sums)
    error = np.sqrt((sums.shape[1] - 1) * left_out.var(axis=-1))
    return statistic(sums.sum(axis=1)).tolist(), error.tolist()


def beyond(values: np.ndarray, controls: list[np.ndarray], good: np.ndarray) -> np.ndarray:
    """What is left of a map when its mean at given dust (or dust and HI) is taken away.

    The region's pixels are sorted into cells of 0.05 dex of one control, 0.1 dex of each of two,
    and from each a least-squares plane in the log10 of the controls is subtracted (means alone
    leave slopes, in which two functions of dust agree): hardly any function of the controls, pixel
    by pixel, remains. This favours the controls, fitted to what they explain. 0 outside the region.
    """
    logs = log10([control[good] for control in controls])
    places = np.floor(logs.T / (BIN_DEX / 2 * len(controls)))
    cell = np.unique(places, axis=0, return_inverse=True)[1].ravel()
    left, basis = np.where(good, values, 0.0), []
    for u in (np.ones(cell.size), *logs):  # Gram-Schmidt in all cells at once
        for b in basis:
            u = u - b * (np.bincount(cell, u * b) / np.bincount(cell, b * b).clip(1e-12))[cell]
        slope = np.bincount(cell, u * left[good]) / np.bincount(cell, u * u).clip(1e-12)
        left[good] -= u * slope[cell]
        basis.append(u)
    return left


def cross_spectrum(
    real: np.ndarray, other: np.ndarray, good: np.ndarray, b_min_deg: float, fwhm_arcmin: float
) -> dict:
    """Cross spectrum of two maps in a region, band by band, with the null of the turned copies.

    A pseudo-spectrum: both maps, less their means, are multiplied by the region's mask, tapered
    over 5 deg of latitude, and C_ell is divided by the mean squared mask; modes are not decoupled.
    Bands are factors of about 2 from ell 10 to where the beam leaves B_ell^2 = 0.1. Returns lists
    over bands: ``value``, ``null_mean``, ``null_sd`` [(K km/s)^2 sr for two CO maps], ``z``,
    ``p_value``, ``rho`` (the real spectrum contains the noise), ``slope`` (cross over auto spectrum
    of `other`); ``ell_edges``; and ``all_bands``, the `significance` of the sum of z.
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
    sums = turned_products(*alms, edges) * scale[:, None, None]
    autos = [turned_products(alm, alm, edges)[:, 0, 0] * scale for alm in alms]
    found = [significance(band) for band in sums]
    keys = ("value", "null_mean", "null_sd", "z", "p_value")
    out = {key: np.array([band[key] for band in found]) for key in keys}
    out["rho"] = out["value"] / np.sqrt(autos[0] * autos[1])
    out["slope"] = out["value"] / autos[1]
    every_z = (sums.T - out["null_mean"]) / out["null_sd"]
    out = {key: values.tolist() for key, values in out.items()} | {"ell_edges": edges.tolist()}
    return out | {"all_bands": significance(every_z.sum(axis=-1).T)}


def zero_level(real: np.ndarray, mock: np.ndarray) -> float:
    """Median of real - mock [K km/s] near the poles: a CO map's zero is not measured otherwise."""
    polar = latitude(hp.npix2nside(real.size)) > ZERO_DEG
    return float(np.median(real[polar].astype(np.float64) - mock[polar]))


def totals(
    mock: np.ndarray, real: np.ndarray, error: np.ndarray, good: np.ndarray, fwhm_arcmin: float
) -> dict:
    """Mean W [K km/s] and its integral [K km/s sr] over a region, mock against real.

    Three errors of the real mean, as none tells all: ``noise``, from the error map, for noise that
    was white before it was smoothed to the beam (then 4 pi sigma^2 of sky are one value);
    ``jackknife``, over blocks of 15 deg, with noise of longer range and the patchy sky in it;
    ``zero_level``, which shifts all pixels: the real mean is given with it and without.
    """
    area, n = hp.nside2pixarea(hp.npix2nside(good.size)), int(np.count_nonzero(good))
    level = zero_level(real, mock)
    out = {"pixels": n, "solid_angle_sr": n * area, "zero_level": level}
    maps = {"mock": mock, "real": real, "real_minus_zero": real - level}
    maps["mock_minus_real_minus_zero"] = mock - (real - level)
    for name, values in maps.items():
        (mean,), (sd,) = _jackknife([good, values], good, lambda sums: sums[1:] / sums[0])
        out[name] = {"mean": mean, "jackknife": sd, "integral": mean * n * area}
    sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
    together = max(1.0, 4 * np.pi * sigma**2 / area)
    out["noise"] = float(np.sqrt(together * np.sum(np.square(error[good], dtype=np.float64))) / n)
    return out


def pdfs(
    mock: np.ndarray, real: np.ndarray, error: np.ndarray, good: np.ndarray, seed: int
) -> dict:
    """Shares of the pixels in 100 bins of asinh(W / 0.3 K km/s): real, mock, mock with noise.

    The real map's zero level is taken off; the noise is Gaussian, drawn from the error map.
    ``distance`` is half the summed difference of real and mock with noise (0 alike, 1 disjoint).
    """
    pixels = {"real": real[good] - zero_level(real, mock), "mock": mock[good]}
    pixels["mock_noise"] = mock[good] + np.random.default_rng(seed).normal(0, error[good])
    y = {name: asinh_scale(w) for name, w in pixels.items()}
    edges = np.linspace(min(v.min() for v in y.values()), max(v.max() for v in y.values()), 101)
    shares = {name: np.histogram(v, edges)[0] / v.size for name, v in y.items()}
    return {
        "asinh_edges": edges.tolist(),
        **{name: share.tolist() for name, share in shares.items()},
        "distance": float(np.abs(shares["real"] - shares["mock_noise"]).sum() / 2),
        "above_3_sigma": {n: float((w > 3 * error[good]).mean()) for n, w in pixels.items()},
    }


def high_latitude_report(
    sky: Sky,
    mock: np.ndarray,
    target: str,
    patches: Patches,
    *,
    seed: int,
    b_min_deg: float = 20.0,
    spread: np.ndarray | None = None,
) -> dict:
    """All of the above for one CO line, ready for JSON.

    Regions: ``all`` beyond b_min; ``unseen``, without the training and validation tiles;
    ``faint``, unseen pixels with the mock below 3 sigma of the real map; ``outside``, unseen pixels
    out of the training range. In each the real map is compared with the mock, with dust, and, as
    asinh(W / 0.3 K km/s), with what the mock has `beyond` dust, and beyond dust and HI; ``r_asinh``
    of the mock stands beside ``r_best_of`` them, fitted in place. Below 1,000 pixels: left out.

    Parameters
    ----------
    sky : Sky
        DUST, N_HI, the real `target` (W_CO10 or W_CO21) and its error column.
    mock, spread : ndarray, shape (12 * nside**2,)
        A member or the mean of members, and, if there is one, the members' standard deviation.
    patches : Patches
        Those that the generator was trained on.
    seed : int
        Of the noise in `pdfs`.

    Raises
    ------
    CoganError
        A map is missing, not usable or constant, or b_min is not in 0-60 deg.
    """
    names = ("DUST", "N_HI", target, f"{target}_ERR")
    maps = {n: sky.maps.get(n) for n in names} | {"mock": mock}
    maps |= {} if spread is None else {"spread": spread}
    for name, values in maps.items():
        if np.shape(values) != (hp.nside2npix(sky.nside),) or not np.isfinite(values).all():
            raise CoganError(
                f"{name} must be a map of NSIDE {sky.nside} without NaN; add it to the sky file, "
                "bring it to its grid (sky.to_grid), or fill it (sky.fill_missing)."
            )
    dust, hi, real, error = (maps[name].astype(np.float64) for name in names)
    if not error.min() > 0 or not 0 < b_min_deg < ZERO_DEG:
        raise CoganError(
            f"The error map must be positive (it goes to {error.min():g}), and b_min_deg between 0 "
            f"and {ZERO_DEG:g} (it is {b_min_deg:g}); mend the sky file or the parameter."
        )
    flag, distance = extrapolation(maps, patches.select("train").inputs)
    high = latitude(sky.nside) > b_min_deg
    unseen = high & ~seen_pixels(patches, sky.nside)
    regions = {"all": high, "unseen": unseen}
    regions |= {"faint": unseen & (mock < 3 * error), "outside": unseen & (flag > 0)}
    maps["real_minus_zero"] = real - zero_level(real, mock)
    y_real, y_mock = asinh_scale(maps["real_minus_zero"]), asinh_scale(mock)
    report = {"target": target, "b_min_deg": b_min_deg, "seed": seed, "regions": {}}
    for name, good in regions.items():
        if good.sum() < 1000:
            continue
        weight = np.where(good, error**-2, 0)
        part = {"totals": totals(mock, real, error, good, sky.fwhm_arcmin)}
        part |= {"mock": correlation(real, mock, weight), "dust": correlation(real, dust, weight)}
        part["r_asinh"] = float(np.corrcoef(y_real[good], y_mock[good])[0, 1])
        for key, controls in (("dust", [dust]), ("dust_hi", [dust, hi])):
            left = [beyond(y, controls, good) for y in (y_real, y_mock)]
            part[f"mock_beyond_{key}"] = correlation(*left, weight)
            part[f"r_best_of_{key}"] = float(np.sqrt(1 - left[0][good].var() / y_real[good].var()))
        report["regions"][name] = part | {"share_of_sky": float(good.mean())}
    options = {"good": unseen, "b_min_deg": b_min_deg, "fwhm_arcmin": sky.fwhm_arcmin}
    pairs = {"mock": mock, "dust": dust}
    report["cross_spectrum"] = {n: cross_spectrum(real, v, **options) for n, v in pairs.items()}
    report["pdf"] = pdfs(mock, real, error, high, seed)
    means = {n: maps[n] for n in ("mock", "spread", "real_minus_zero") if n in maps}
    return report | {"by_latitude": by_latitude(flag, distance, means)}
