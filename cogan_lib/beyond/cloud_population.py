"""A sky of CO from a cloud population alone: the model that CO in PySM's high latitudes is made of.

MCMole3D (Puglisi, Fabbian & Baccigalupi 2017, arXiv:1701.07856) scatters clouds on the Galaxy's
ring and spiral arms and knows nothing of the observed gas: its maps can be compared with the real
sky in their statistics only. The package does not run on today's NumPy and SciPy. What follows is
its model with the numbers of pysm3's call, written anew on the pieces of `clouds`.

Two traps. A cloud's disc mostly holds no pixel centre (two in three at NSIDE 128), so that a disc
query loses its flux; here the flux is conserved whatever the pixel (`clouds.paint`). And of 40,000
clouds none, one or two lie beyond 20 degrees of latitude: average the maps of many seeds there.
"""

from __future__ import annotations

import healpy as hp
import numpy as np

from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from ..sky.clouds import Clouds, draw_sizes, paint, seen_from_sun
from ..sky.galaxy import arm_phase
from ..sky.maps import check_beam, check_nside

# pysm3's call (its CO lines model); lengths in kpc, emissivity in K km/s
N_CLOUDS = 40_000
RING, RING_FWHM, BAR = 5.8, 2.7, 3.0
THICKNESS_FWHM, THICKNESS_SCALE = 0.1, 10.0
EMISSIVITY, EMISSIVITY_SCALE = 240.0, 6.6
SIGMAS_A_SIZE = 6  # the size L is the angular radius of a cloud's disc, cut at 6 sigma
HIGH_LATITUDE_DEG, LARGEST_DEG = 20.0, 3.0
PLANE_DEG = 2.0


def cloud_population(seed: int, n: int = N_CLOUDS) -> Clouds:
    """Draw MCMole3D's 'LogSpiral' population as pysm3 calls it.

    One tenth of the clouds lie in a ring and nine tenths on four arms of pitch angle 12 degrees,
    0.3 to 0.4 kpc wide; those within the bar's radius are drawn again from a bulge. Heights are
    normal with sigma(R) = sigma_0 cosh(R / 10 kpc), emissivities 240 K km/s exp(-R / 6.6 kpc), and
    sizes follow eq. 4 of the paper (`clouds.draw_sizes`). The ring's standard deviation is
    FWHM / sqrt(2 ln 2), twice the usual, as coded there. Clouds of more than 3 degrees that reach
    beyond 20 degrees of latitude are dropped, as pysm3 asks.

    Parameters
    ----------
    seed : int
    n : int
        Number of clouds before any is dropped.

    Returns
    -------
    Clouds
        `sigma_rad` is L / (6 d); hence `size_pc`, four of them, is 2/3 of MCMole3D's L.

    Raises
    ------
    CoganError
        If n or the seed is impossible.

    Examples
    --------
    >>> clouds = cloud_population(seed=1, n=200)
    >>> clouds.lon_deg.size <= 200
    True
    """
    if n < 1 or seed < 0:
        raise CoganError(f"There are {n} clouds of seed {seed}; n must be positive, seed not < 0.")
    rng = np.random.default_rng([seed, 0])
    base = rng.normal(RING, RING_FWHM / (FWHM_PER_SIGMA / 2), n)
    width = 0.30 + 0.10 * (base - BAR).clip(0) / (12.0 - BAR)
    in_ring = rng.random(n) < 0.1
    radius = np.where(in_ring, base, rng.normal(base, width))
    phi = arm_phase(base) + np.pi / 2 * rng.integers(0, 4, n)
    phi = np.where(in_ring, rng.uniform(0, 2 * np.pi, n), phi)
    bulge = np.abs(rng.normal(0, BAR / 1.5, n))
    radius = np.where(np.minimum(base, radius) < BAR, bulge, radius)
    thickness = THICKNESS_FWHM / FWHM_PER_SIGMA * np.cosh(radius / THICKNESS_SCALE)
    place = np.stack([radius * np.cos(phi), radius * np.sin(phi), rng.normal(0, thickness)])
    size = draw_sizes(rng, radius) * 4 / SIGMAS_A_SIZE
    brightness = EMISSIVITY * np.exp(-radius / EMISSIVITY_SCALE)
    clouds = seen_from_sun(rng, place, size, brightness)
    disc_deg = np.degrees(SIGMAS_A_SIZE * clouds.sigma_rad)
    high = np.abs(clouds.lat_deg) + disc_deg / 2 > HIGH_LATITUDE_DEG
    return clouds.select(~(high & (disc_deg > LARGEST_DEG)))


def cloud_map(
    nside: int,
    seed: int,
    *,
    fwhm_arcmin: float | None = None,
    like: np.ndarray | None = None,
    n: int = N_CLOUDS,
) -> np.ndarray:
    """W_CO of one cloud population, as a HEALPix map.

    Clouds are Gaussian, and elliptical as in the embedded sky (MCMole3D's are round). pysm3 goes on
    to scale the map beyond 20 degrees of latitude to the Planck map's standard deviation there;
    that is mostly noise, and is not done here.

    Parameters
    ----------
    nside : int
    seed : int
    fwhm_arcmin : float, optional
        Beam; without one, a cloud smaller than a pixel fills the four pixels around it.
    like : ndarray, optional
        A map in K km/s, of this beam and any NSIDE: the clouds are scaled to its total over
        2 deg on each side of the plane, as in pysm3 (`plane_total`). Otherwise MCMole3D's own
        K km/s are kept.
    n : int
        Number of clouds.

    Returns
    -------
    ndarray, shape (12 * nside**2,)
        W [K km/s], RING.

    Raises
    ------
    CoganError
        NSIDE, seed or n is impossible, the beam is finer than a pixel, `like` is not a HEALPix map
        or not positive in the plane.
    """
    nside = check_nside(nside)
    if fwhm_arcmin is not None:
        check_beam(nside, fwhm_arcmin)
    wanted = None if like is None else plane_total(like)
    if wanted is not None and not wanted > 0:
        raise CoganError(
            f"The map to be like has a total of {wanted:g} K km/s sr within {PLANE_DEG:g} degrees "
            "of the plane; give a CO map, in Galactic coordinates and RING order."
        )
    clouds = cloud_population(seed, n)
    rng = np.random.default_rng([seed, 1])
    if fwhm_arcmin is None:
        w_co = paint(clouds, clouds.flux[None], nside, rng)[0]
    else:
        # painted finely, and evaluated beyond ell = 3 NSIDE: the beam alone decides the shape
        sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
        fine = nside
        while hp.nside2resol(fine, arcmin=True) > fwhm_arcmin / 5:
            fine *= 2
        lmax = min(int(4 / sigma), 3 * fine - 1)
        alm = hp.map2alm(paint(clouds, clouds.flux[None], fine, rng)[0], lmax=lmax, iter=0)
        hp.smoothalm(alm, sigma=sigma, inplace=True)
        w_co = hp.alm2map(alm, nside, lmax=lmax)
    return w_co if wanted is None else w_co * (wanted / plane_total(w_co))


def plane_total(w_co: np.ndarray) -> float:
    """Integrate a map within 2 deg of the plane, over all longitudes.

    The pixels whose centres lie inside, as in MCMole3D's `integrate_intensity_map`, which adds them
    up in 499 steps of longitude and in other units; missing pixels (NaN, UNSEEN) count as zero.

    Parameters
    ----------
    w_co : ndarray, shape (12 * nside**2,)
        W in K km/s, RING.

    Returns
    -------
    float
        In K km/s sr.

    Raises
    ------
    CoganError
        If it is no map.
    """
    w_co = np.asarray(w_co, dtype=np.float64)
    if w_co.ndim != 1 or not hp.isnpixok(w_co.size):
        raise CoganError(f"An array of shape {w_co.shape} is no HEALPix map of 12 NSIDE^2 pixels.")
    nside = hp.npix2nside(w_co.size)
    edges = np.radians([90 - PLANE_DEG, 90 + PLANE_DEG])
    inside = w_co[hp.query_strip(nside, *edges)]
    good = np.isfinite(inside) & (inside != hp.UNSEEN)
    return float(inside[good].sum() * hp.nside2pixarea(nside))
