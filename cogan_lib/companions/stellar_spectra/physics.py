"""A toy spectrograph and toy stars: 512 pixels whose noise is known, from three numbers a star.

The lines are where those of stars are, and grow and fade with temperature, gravity and metals in
the right sense; their strengths are ours. What is true of a spectrum is therefore known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...base.files import CoganError

PIXELS = 512
#: Middles of the first and the last pixel [Angstrom]; equal steps of the logarithm between.
RANGE_A = (3800.0, 7200.0)
#: Width of the instrument's line spread [pixels]: a resolving power of about 320.
FWHM_PX = 2.5
#: Samples of a pixel, and pixels beyond either end, where a spectrum is computed.
FINE, MARGIN = 3, 16
LABELS = ("Teff", "log g", "[Fe/H]")
#: Of the labels: what the toy is made for.
LIMITS = ((3400.0, 10_000.0), (1.0, 5.0), (-2.0, 0.5))
#: Fractional noise of a pixel at the blue end, and where the detector is best.
NOISE_BLUE, NOISE_BEST = 0.03, 0.015
AT_ONCE = 256
#: Lines are saturated within: their strength follows the abundance to this power.
GROWTH = 0.6
#: A line is computed within so many times its core and wings.
REACH = 15.0
FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class Line:
    """A line of the toy.

    Attributes
    ----------
    name : str
    wavelength_a : float
        Its middle [Angstrom].
    strength : float
        Equivalent width while it is weak, where the line is strongest, at [Fe/H] = 0, log g = 4
        [Angstrom].
    best_k, width : float
        Temperature where it is strongest, and how far in ln T it fades to 0.6 of that.
    metals : float
        0 or about 1: of the metals' abundance, which its strength follows to the power `GROWTH`.
    gravity : float
        d log10 strength / d log g.
    sigma_a : float
        Gaussian core [Angstrom].
    wings_a : float
        Lorentz half width at log g = 4 [Angstrom], which grows as 10^(0.3 (log g - 4)).
    """

    name: str
    wavelength_a: float
    strength: float
    best_k: float
    width: float
    metals: float = 1.0
    gravity: float = 0.0
    sigma_a: float = 2.5
    wings_a: float = 0.6


def _balmer(name: str, wavelength_a: float, strength: float) -> Line:
    return Line(name, wavelength_a, strength, 9000.0, 0.33, 0.0, 0.05, 4.0, 8.0)


def _iron(wavelength_a: float, strength: float, best_k: float = 4700.0, width=0.30) -> Line:
    return Line("Fe", wavelength_a, strength, best_k, width)


LINES = (
    _balmer("Hα", 6562.8, 20.0),
    _balmer("Hβ", 4861.3, 20.0),
    _balmer("Hγ", 4340.5, 18.0),
    _balmer("Hδ", 4101.7, 17.0),
    _balmer("Hε", 3970.1, 15.0),
    _balmer("H8", 3889.1, 13.0),
    Line("Ca II K", 3933.7, 22.0, 4800.0, 0.36, 0.8, -0.10, 4.0, 3.0),
    Line("Ca II H", 3968.5, 20.0, 4800.0, 0.36, 0.8, -0.10, 4.0, 3.0),
    Line("Ca I 4227", 4226.7, 5.0, 3900.0, 0.25, 0.9, 0.25, 2.5, 1.5),
    Line("CH (G band)", 4304.0, 12.0, 5000.0, 0.20, 0.8, -0.15, 9.0, 1.0),
    Line("CN 4216", 4200.0, 6.0, 4700.0, 0.18, 1.2, -0.30, 10.0, 1.0),
    Line("Mg b", 5167.3, 3.0, 4400.0, 0.28, 0.8, 0.25, 2.0, 1.2),
    Line("Mg b", 5172.7, 4.5, 4400.0, 0.28, 0.8, 0.25, 2.0, 1.2),
    Line("Mg b", 5183.6, 5.0, 4400.0, 0.28, 0.8, 0.25, 2.0, 1.2),
    Line("MgH", 5120.0, 8.0, 4000.0, 0.16, 0.7, 0.30, 14.0, 1.0),
    Line("Na D", 5890.0, 4.0, 3900.0, 0.28, 0.9, 0.22, 2.0, 1.0),
    Line("Na D", 5895.9, 3.5, 3900.0, 0.28, 0.9, 0.22, 2.0, 1.0),
    Line("Ba II", 4554.0, 1.5, 4900.0, 0.30, 1.0, -0.25),
    Line("Sr II", 4077.7, 3.0, 5800.0, 0.35, 1.0, -0.30),
    Line("Ti II", 4501.3, 2.0, 6500.0, 0.35, 1.0, -0.25),
    Line("Mg II", 4481.2, 3.0, 9300.0, 0.30, 0.8, -0.05),
    *(_iron(w, s) for w, s in (
        (3859.9, 4.0), (4045.8, 4.0), (4063.6, 3.5), (4143.9, 3.0), (4271.8, 4.0), (4383.5, 5.0),
        (4404.8, 3.5), (4528.6, 3.0), (4668.0, 3.0), (4891.0, 2.5), (4957.6, 2.5), (5270.0, 5.0),
        (5328.0, 4.5), (5405.8, 3.0), (5446.9, 3.0), (5615.6, 2.5), (5709.4, 2.0), (6065.5, 1.5),
        (6191.6, 2.0), (6400.0, 2.0), (6495.0, 2.5), (6678.0, 1.5),
    )),
    *(Line("Fe II", w, s, 7500.0, 0.35, 1.0, -0.25) for w, s in (
        (4233.2, 3.0), (4549.5, 3.0), (4583.8, 3.0), (4923.9, 3.0), (5018.4, 3.5), (5316.6, 3.0),
        (6247.6, 1.5), (6456.4, 1.5),
    )),
)  # fmt: skip

#: Heads of TiO [Angstrom] and their optical depth in the coolest stars; each fades to the red.
TIO_HEADS = ((4761, 0.5), (4954, 0.7), (5167, 0.7), (5448, 0.6), (5862, 0.6), (6159, 0.9),
             (6651, 0.8), (7053, 1.1))  # fmt: skip
TIO_TAIL_A, TIO_BELOW_K, TIO_SOFT_K = 110.0, 3900.0, 130.0


def _wavelength(pixel: np.ndarray) -> np.ndarray:
    return RANGE_A[0] * (RANGE_A[1] / RANGE_A[0]) ** (pixel / (PIXELS - 1))


#: Middles of the pixels [Angstrom], and of the samples that a spectrum is computed at.
WAVELENGTH_A = _wavelength(np.arange(PIXELS))
FINE_A = _wavelength((np.arange((PIXELS + 2 * MARGIN) * FINE) + 0.5) / FINE - 0.5 - MARGIN)
#: Noise of each pixel, as a share of the continuum.
SIGMA = NOISE_BEST + (NOISE_BLUE - NOISE_BEST) * np.exp(-(WAVELENGTH_A - RANGE_A[0]) / 600.0)


def check_labels(labels: np.ndarray) -> np.ndarray:
    """Check labels of stars.

    Parameters
    ----------
    labels : array_like, shape (n, 3)
        Teff [K], log g [cgs], [Fe/H].

    Returns
    -------
    ndarray, shape (n, 3)

    Raises
    ------
    CoganError
        If they have another shape, or lie where the toy knows no stars.
    """
    labels = np.asarray(labels, float)
    if labels.ndim != 2 or labels.shape[1] != len(LABELS) or not len(labels):
        raise CoganError(f"Labels have shape {labels.shape}; give a row of {LABELS} per star.")
    low, high = np.transpose(LIMITS)
    if not ((labels >= low) & (labels <= high)).all():
        raise CoganError(f"The toy's stars have {LABELS} from {low.tolist()} to {high.tolist()}.")
    return labels


def spectra(labels: np.ndarray) -> np.ndarray:
    """Compute spectra without noise, over the continuum.

    The optical depths of all lines add up, F = exp(-tau); then the instrument blurs and bins.

    Parameters
    ----------
    labels : array_like, shape (n, 3)
        Teff [K], log g [cgs], [Fe/H].

    Returns
    -------
    ndarray, shape (n, PIXELS), float32
        Flux over the continuum, 0 to 1.

    Raises
    ------
    CoganError
        If the labels are none, or lie where the toy knows no stars.

    Examples
    --------
    >>> cool, hot = spectra([[4500.0, 4.5, 0.0], [9000.0, 4.0, 0.0]])
    >>> alpha = np.abs(WAVELENGTH_A - 6562.8).argmin()
    >>> bool(hot[alpha] < 0.6 < 0.9 < cool[alpha])
    True
    """
    labels = check_labels(labels)
    parts = np.split(labels, range(AT_ONCE, len(labels), AT_ONCE))
    return np.concatenate([_blurred(_depth(some)) for some in parts])


def _depth(labels: np.ndarray) -> np.ndarray:
    """Optical depth on the fine grid."""
    teff, log_g, metals = labels.T.astype(np.float32)[..., None]
    tau = np.zeros((len(labels), len(FINE_A)), np.float32)
    for line in LINES:
        strength = line.strength * np.exp(
            -0.5 * (np.log(teff / np.float32(line.best_k)) / line.width) ** 2
            + np.log(10) * (GROWTH * line.metals * metals + line.gravity * (log_g - 4))
        )
        wings = line.wings_a * 10 ** (0.3 * (log_g - 4))
        near = np.abs(FINE_A - line.wavelength_a) < REACH * (line.wings_a + line.sigma_a)
        apart = (FINE_A[near] - line.wavelength_a).astype(np.float32)
        core = np.exp(-0.5 * (apart / line.sigma_a) ** 2) / (line.sigma_a * np.sqrt(2 * np.pi))
        lorentz = wings / (np.pi * (apart**2 + wings**2 + line.sigma_a**2))
        tau[:, near] += strength * (0.5 * core + 0.5 * lorentz).astype(np.float32)
    cool = 1 / (1 + np.exp((teff - TIO_BELOW_K) / TIO_SOFT_K))
    for head, depth in TIO_HEADS:
        past = np.maximum(FINE_A - head, 0)
        shape = np.where(head <= FINE_A, np.exp(-past / TIO_TAIL_A), 0).astype(np.float32)
        tau += depth * cool * 10 ** (0.2 * metals) * shape
    return tau


def _blurred(tau: np.ndarray) -> np.ndarray:
    """Blur by the line spread, then sum into the pixels."""
    flux = ndimage.gaussian_filter1d(np.exp(-tau), FWHM_PX * FINE / FWHM_PER_SIGMA, axis=1)
    binned = flux.reshape(len(tau), -1, FINE).mean(2)
    return np.ascontiguousarray(binned[:, MARGIN:-MARGIN])


def continuum(wavelength_a: np.ndarray, flux: np.ndarray, degree: int = 4, rounds: int = 12):
    """Fit a spectrum's continuum: a polynomial of the logarithm that leaves lines below it.

    Parameters
    ----------
    wavelength_a : ndarray, shape (m,)
    flux : ndarray, shape (..., m)
        Above zero.
    degree, rounds : int
        Of the polynomial, and how often what is below it is left out.

    Returns
    -------
    ndarray, shape (..., m)
    """
    x = 2 * (wavelength_a - wavelength_a[0]) / np.ptp(wavelength_a) - 1
    basis = np.polynomial.chebyshev.chebvander(x, degree)
    fits = []
    for y in np.log(flux).reshape(-1, len(x)):
        use = np.ones(len(x), bool)
        for _ in range(rounds):
            fit = basis @ np.linalg.lstsq(basis[use], y[use], rcond=None)[0]
            scatter = max(np.std((y - fit)[use]), 1e-4)
            new = (y - fit > -0.5 * scatter) & (y - fit < 3 * scatter)
            if new.sum() < 3 * degree or (new == use).all():
                break
            use = new
        fits.append(fit)
    return np.exp(np.reshape(fits, np.shape(flux)))
