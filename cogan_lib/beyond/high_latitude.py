"""CO far from the plane: how much there is, and whether the real sky knows of it.

Beyond 20 deg latitude most pixels of the real CO map are noise, so questions are asked of all of
them together. How much CO is there (`totals`, `pdfs`)? Does the generated map follow the real one
better than a rotated copy of itself, and than dust, does (`rotations`, `beyond`)? How far the
generator had to reach from its training region says `extrapolation`.

Maps are full-sky, RING, Galactic; W in K km/s.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from ..sky.skyfile import Sky
from ..tiles.geometry import Geometry, tile_vectors
from ..tiles.patches import Patches
from ..tiles.split import TEST
from ..validation.amplitude import asinh_scale
from .extrapolation import (
    BIN_DEX,
    by_latitude,
    extrapolation,
    latitude,
    log10,
    training_inputs,
)
from .rotations import correlation, cross_spectrum, jackknife

ZERO_DEG = 60.0


def seen_pixels(patches: Patches, nside: int) -> np.ndarray:
    """Find the pixels in a training or validation tile or its context (some lie beyond 20 deg).

    Parameters
    ----------
    patches : Patches
    nside : int

    Returns
    -------
    ndarray of bool, shape (12 * nside**2,)
    """
    geometry = Geometry(**patches.meta["geometry"]).grown(patches.context)
    angles = np.zeros(len(patches.split)) if patches.angles is None else patches.angles
    seen = np.zeros(hp.nside2npix(nside), dtype=bool)
    for place in np.flatnonzero(patches.split != TEST):
        corners = tile_vectors(geometry, patches.lonlat[place], angles[[place]])[0][
            [0, 0, -1, -1], [0, -1, -1, 0]
        ]
        seen[hp.query_polygon(nside, corners, inclusive=True)] = True
    return seen


def beyond(values: np.ndarray, controls: list[np.ndarray], good: np.ndarray) -> np.ndarray:
    """Subtract from a map its mean at given dust (or dust and HI).

    The region's pixels are sorted into cells of 0.05 dex of one control, 0.1 dex of each of two,
    and from each a least-squares plane in the log10 of the controls is subtracted (means alone
    leave slopes, in which two functions of dust agree): hardly any function of the controls, pixel
    by pixel, remains. This favours the controls, fitted to what they explain. 0 outside the region.

    Parameters
    ----------
    values : ndarray, shape (12 * nside**2,)
    controls : list of ndarray, shape (12 * nside**2,)
    good : ndarray of bool, shape (12 * nside**2,)
        The region.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
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


def zero_level(real: np.ndarray, generated: np.ndarray) -> float:
    """Compute the median of real - generated near the poles.

    A CO map's zero is not measured otherwise.

    Parameters
    ----------
    real, generated : ndarray, shape (12 * nside**2,)
        W in K km/s.

    Returns
    -------
    float
        In K km/s.
    """
    polar = latitude(hp.npix2nside(real.size)) > ZERO_DEG
    return float(np.median(real[polar].astype(np.float64) - generated[polar]))


def totals(
    generated: np.ndarray, real: np.ndarray, error: np.ndarray, good: np.ndarray, fwhm_arcmin: float
) -> dict:
    """Compute the mean W [K km/s] and its integral [K km/s sr] over a region, of both maps.

    Three errors of the real mean, as none tells all: ``noise``, from the error map, for noise that
    was white before it was smoothed to the beam (then 4 pi sigma^2 of sky are one value);
    ``jackknife``, over blocks of 15 deg, with noise of longer range and the patchy sky in it;
    ``zero_level``, which shifts all pixels: the real mean is given with it and without.

    Parameters
    ----------
    generated, real, error : ndarray, shape (12 * nside**2,)
        W in K km/s, and the standard error of `real`.
    good : ndarray of bool, shape (12 * nside**2,)
    fwhm_arcmin : float

    Returns
    -------
    dict
    """
    area, n = hp.nside2pixarea(hp.npix2nside(good.size)), int(np.count_nonzero(good))
    level = zero_level(real, generated)
    out = {"pixels": n, "solid_angle_sr": n * area, "zero_level": level}
    maps = {"mock": generated, "real": real, "real_minus_zero": real - level}
    maps["mock_minus_real_minus_zero"] = generated - (real - level)
    for name, values in maps.items():
        (mean,), (sd,) = jackknife([good, values], good, lambda sums: sums[1:] / sums[0])
        out[name] = {"mean": mean, "jackknife": sd, "integral": mean * n * area}
    sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
    together = max(1.0, 4 * np.pi * sigma**2 / area)
    out["noise"] = float(np.sqrt(together * np.sum(np.square(error[good], dtype=np.float64))) / n)
    return out


def pdfs(
    generated: np.ndarray, real: np.ndarray, error: np.ndarray, good: np.ndarray, seed: int
) -> dict:
    """Count the shares of pixels in 100 bins of asinh(W / 0.3 K km/s).

    The real map's zero level is taken off; the noise is Gaussian, drawn from the error map.
    ``distance`` is half the summed difference of real and generated with noise (0 alike, 1
    disjoint).

    Parameters
    ----------
    generated, real, error : ndarray, shape (12 * nside**2,)
        As in `totals`.
    good : ndarray of bool, shape (12 * nside**2,)
    seed : int
        Of the noise.

    Returns
    -------
    dict
    """
    pixels = {"real": real[good] - zero_level(real, generated), "mock": generated[good]}
    pixels["mock_noise"] = generated[good] + np.random.default_rng(seed).normal(0, error[good])
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
    generated: np.ndarray,
    target: str,
    patches: Patches,
    *,
    seed: int,
    b_min_deg: float = 20.0,
    spread: np.ndarray | None = None,
) -> dict:
    """Put all of the above together for one CO line, ready for JSON.

    Regions: ``all`` beyond b_min; ``unseen``, without the training and validation tiles; ``faint``,
    unseen pixels with the generated map below 3 sigma of the real map; ``outside``, unseen pixels
    out of the training region (`extrapolation`). In each the real map is compared with the
    generated one, with dust, and, as asinh(W / 0.3 K km/s), with what that has `beyond` dust, and
    beyond dust and HI; ``r_asinh`` of it stands beside ``r_best_of`` them, fitted in place. Below
    1,000 pixels: left out.

    Parameters
    ----------
    sky : Sky
        DUST, N_HI, the real `target` (W_CO10 or W_CO21) and its error column.
    generated, spread : ndarray, shape (12 * nside**2,)
        A member or the mean of members, and, if there is one, the members' standard deviation.
    target : str
        W_CO10 or W_CO21.
    patches : Patches
        Those that the generator was trained on.
    seed : int
        Of the noise in `pdfs`.
    b_min_deg : float

    Returns
    -------
    dict

    Raises
    ------
    CoganError
        A map is missing, not usable or constant, or b_min is not in 0-60 deg.
    """
    names = ("DUST", "N_HI", target, f"{target}_ERR")
    maps = {n: sky.maps.get(n) for n in names} | {"generated": generated}
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
            f"and {ZERO_DEG:g} (it is {b_min_deg:g}); fix the sky file or the parameter."
        )
    flag, distance = extrapolation(maps, training_inputs(patches))
    high = latitude(sky.nside) > b_min_deg
    unseen = high & ~seen_pixels(patches, sky.nside)
    regions = {"all": high, "unseen": unseen}
    regions |= {"faint": unseen & (generated < 3 * error), "outside": unseen & (flag > 0)}
    maps["real_minus_zero"] = real - zero_level(real, generated)
    y_real, y_generated = asinh_scale(maps["real_minus_zero"]), asinh_scale(generated)
    report = {"target": target, "b_min_deg": b_min_deg, "seed": seed, "regions": {}}
    for name, good in regions.items():
        if good.sum() < 1000:
            continue
        weight = np.where(good, error**-2, 0)
        part = {"totals": totals(generated, real, error, good, sky.fwhm_arcmin)}
        part["mock"] = correlation(real, generated, weight)
        part["dust"] = correlation(real, dust, weight)
        part["r_asinh"] = float(np.corrcoef(y_real[good], y_generated[good])[0, 1])
        for key, controls in (("dust", [dust]), ("dust_hi", [dust, hi])):
            left = [beyond(y, controls, good) for y in (y_real, y_generated)]
            part[f"mock_beyond_{key}"] = correlation(*left, weight)
            part[f"r_best_of_{key}"] = float(np.sqrt(1 - left[0][good].var() / y_real[good].var()))
        report["regions"][name] = part | {"share_of_sky": float(good.mean())}
    options = {"good": unseen, "b_min_deg": b_min_deg, "fwhm_arcmin": sky.fwhm_arcmin}
    pairs = {"mock": generated, "dust": dust}
    report["cross_spectrum"] = {n: cross_spectrum(real, v, **options) for n, v in pairs.items()}
    report["pdf"] = pdfs(generated, real, error, high, seed)
    means = {"mock": generated} | {n: maps[n] for n in ("spread", "real_minus_zero") if n in maps}
    return report | {"by_latitude": by_latitude(flag, distance, means)}
