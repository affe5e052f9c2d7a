"""What is known to be there: backgrounds, and sources injected into them.

A position (x, y) is a column and a row, and whole at a pixel's centre. A flux is the peak of the
source, in the image's own unit (per beam).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from ...base.files import CoganError
from .beams import Beam
from .masks import RING_FWHM, ring

SIDE = 96  # pixels of a cut-out, the document's
FWHM_PX = 4.0  # beam of the training examples
CENTRE = SIDE // 2  # a source lies within half a pixel of pixel (CENTRE, CENTRE)
KINDS = ("fbm", "lognormal", "filaments")
CONTRAST = (0.5, 1.5)  # of the log-normal: standard deviation of the logarithm
RIDGE = 0.15  # half-width of a filament, in standard deviations of the field that it follows
CHUNK = 64  # fields in memory at a time


@dataclass(frozen=True)
class Backgrounds:
    """Everything but compact sources.

    Attributes
    ----------
    sky : ndarray, shape (n, side, side), float32
        Emission, smoothed by the beam; its standard deviation is 1 in each cut-out.
    noise : ndarray, shape (n, side, side), float32
        Correlated by the beam, and white.
    kind : ndarray of str, shape (n,)
    """

    sky: np.ndarray
    noise: np.ndarray
    kind: np.ndarray

    @property
    def image(self) -> np.ndarray:
        """Sky and noise."""
        return self.sky + self.noise


@dataclass(frozen=True)
class Injected:
    """Cut-outs with a source near their centre.

    Attributes
    ----------
    image, background : ndarray, shape (n, side, side), float32
        With the sources, NaN where there are no data, and without, whole.
    flux, x, y : ndarray, shape (n,)
        The central source.
    rms : ndarray, shape (n,)
        Standard deviation of the background's pixels in the ring.
    beam : list of Beam
        The real one of each.
    neighbour : ndarray, shape (n, 3)
        Flux, x and y of a second source; NaN where there is none.
    """

    image: np.ndarray
    background: np.ndarray
    flux: np.ndarray
    x: np.ndarray
    y: np.ndarray
    rms: np.ndarray
    beam: list[Beam]
    neighbour: np.ndarray


def power_law_fields(
    slope: np.ndarray, rng: np.random.Generator, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw two independent, periodic fields of each slope (fractional Brownian motion).

    Parameters
    ----------
    slope : ndarray, shape (n,)
        Of the power spectrum, P(k) ~ k^slope.
    rng : numpy Generator
    side : int

    Returns
    -------
    first, second : ndarray, shape (n, side, side), float32
        Mean 0, standard deviation 1.
    """
    shape = (len(slope), side, side)
    k = np.hypot(fft.fftfreq(side)[:, None], fft.fftfreq(side)[None]).astype(np.float32)
    k[0, 0] = 1
    amplitude = np.exp(np.asarray(slope, np.float32)[:, None, None] / 2 * np.log(k))
    amplitude[:, 0, 0] = 0
    modes = np.empty(shape, np.complex64)
    modes.real, modes.imag = (rng.standard_normal(shape, np.float32) for _ in range(2))
    fields = fft.ifft2(modes * amplitude, overwrite_x=True)
    first, second = (x / x.std(axis=(1, 2), keepdims=True) for x in (fields.real, fields.imag))
    return first, second


def backgrounds(
    n: int,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = KINDS,
    beam: Beam | None = None,
    correlated_rms: float = 0.1,
    pixel_rms: float = 0.1,
    slope: tuple[float, float] = (-3.5, -2.5),
    side: int = SIDE,
) -> Backgrounds:
    """Draw backgrounds of known sky and noise; the kinds take turns.

    ``fbm`` is a Gaussian field of a power law, ``lognormal`` the exponential of one, ``filaments``
    a log-normal one with ridges along the zero lines of another field. All are drawn at twice the
    side, smoothed by the beam, and cut: no cut-out is periodic.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    kinds : sequence of str
        Some of `KINDS`.
    beam : Beam, optional
        Gaussian, of `FWHM_PX`, unless given.
    correlated_rms, pixel_rms : float
        Noise that the beam has smoothed, and white noise, over the sky's standard deviation.
    slope : (float, float)
        Range of the power spectrum's slope, before the beam.
    side : int

    Returns
    -------
    Backgrounds

    Raises
    ------
    CoganError
        If a kind is unknown, a noise negative, the slope no range, or there are no cut-outs.
    """
    beam = Beam("gaussian", FWHM_PX) if beam is None else beam
    if not kinds or not set(kinds) <= set(KINDS):
        raise CoganError(f"The kinds are {tuple(kinds)}; they may be {', '.join(KINDS)}.")
    if not (correlated_rms >= 0 and pixel_rms >= 0):
        raise CoganError(
            f"The noise is {correlated_rms:g} (correlated) and {pixel_rms:g} (per pixel); it may "
            "not be negative."
        )
    if not slope[0] <= slope[1]:
        raise CoganError(f"The slopes are {slope}; give the steeper (lower) one first.")
    check_count(n, side)
    kind = np.array([kinds[i % len(kinds)] for i in range(n)])
    sky, noise = (np.empty((n, side, side), np.float32) for _ in range(2))
    blur = _transfer(beam, 2 * side)
    narrow = _transfer(beam, fft.next_fast_len(side + 4 * int(np.ceil(beam.fwhm_px)), real=True))
    # The rms of white noise of rms 1 after the smoothing, by Parseval's theorem.
    unit = np.sqrt((fft.irfft2(narrow, s=(len(narrow),) * 2).astype(float) ** 2).sum())
    for start in range(0, n, CHUNK):
        part = slice(start, min(start + CHUNK, n))
        drawn = _emission(kind[part], slope, rng, 2 * side)
        smooth = _smooth(drawn, blur)[:, :side, :side]
        sky[part] = smooth / smooth.std(axis=(1, 2), keepdims=True)
        white = rng.standard_normal((len(drawn), *[len(narrow)] * 2), np.float32)
        noise[part] = correlated_rms / unit * _smooth(white, narrow)[:, :side, :side]
        noise[part] += pixel_rms * rng.standard_normal(smooth.shape, np.float32)
    return Backgrounds(sky, noise, kind)


def cutouts_of(image: np.ndarray, n: int, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Cut random pieces without a gap out of a real map.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        NaN where there are no data.
    n : int
    rng : numpy Generator
    side : int

    Returns
    -------
    ndarray, shape (n, side, side), float32

    Raises
    ------
    CoganError
        If the map is no image, or has no piece of this size without a gap.
    """
    image = np.asarray(image)
    if image.ndim != 2:
        raise CoganError(f"The map has {image.ndim} axes; cut-outs need an image with 2.")
    check_count(n, side)
    sums = np.pad(~np.isfinite(image), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    missing = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    rows, columns = np.nonzero(missing == 0) if missing.size else ((), ())
    if not len(rows):
        raise CoganError(
            f"The map of {image.shape[0]} x {image.shape[1]} pixels has no piece of {side} x "
            f"{side} without a gap."
        )
    where = np.stack([rows, columns])[:, rng.integers(0, len(rows), n)]
    pieces = [image[r : r + side, c : c + side] for r, c in zip(*where, strict=True)]
    return np.array(pieces, dtype=np.float32)


def inject(
    backgrounds: Backgrounds | np.ndarray,
    rng: np.random.Generator,
    *,
    snr: tuple[float, float] = (3.0, 3e4),
    beam: Beam | None = None,
    jitter_px: float = 0.5,
    elongation: float = 1.05,
    fwhm_error: float | np.ndarray = 0.0,
    saturation: float | None = None,
    neighbour: float | None = None,
    edge_px: float | None = None,
) -> Injected:
    """Put a source near the centre of each background.

    Parameters
    ----------
    backgrounds : Backgrounds, or ndarray of shape (n, side, side)
        The latter: pieces of a real map.
    rng : numpy Generator
    snr : (float, float)
        Range of the flux over the ring's rms, log-uniform.
    beam : Beam, optional
        What methods are told; Gaussian, of `FWHM_PX`, unless given.
    jitter_px : float
        A centre is at most so far from a pixel's, along each axis.
    elongation : float
        The real beams are elongated by up to this factor, in any direction.
    fwhm_error : float or ndarray, shape (n,)
        The real beams are so much wider than what methods are told, as a share.
    saturation : float, optional
        Pixels that are brighter than so many rms above the ring's median have no data.
    neighbour : float, optional
        Distance of a second source [FWHM], in any direction; its flux has the same range.
    edge_px : float, optional
        The map ends so many pixels from the source, on one side of it.

    Returns
    -------
    Injected

    Raises
    ------
    CoganError
        If the cut-outs are no square images, or a number is out of range.
    """
    beam = Beam("gaussian", FWHM_PX) if beam is None else beam
    whole = backgrounds.image if isinstance(backgrounds, Backgrounds) else np.asarray(backgrounds)
    if whole.ndim != 3 or whole.shape[1] != whole.shape[2] or not np.isfinite(whole).all():
        raise CoganError(f"Sources need square cut-outs without a gap, not shape {whole.shape}.")
    n, side = len(whole), whole.shape[-1]
    if not 0 < snr[0] <= snr[1] < np.inf:
        raise CoganError(f"The range of the flux over the rms is {snr}; give two positive numbers.")
    if not (jitter_px >= 0 and elongation >= 1):
        raise CoganError(f"The jitter is {jitter_px:g} pixels and the elongation {elongation:g}.")
    around = ring(side, *(edge * beam.fwhm_px for edge in RING_FWHM), side // 2, side // 2)
    if not around.any():
        raise CoganError(f"A cut-out of {side} pixels is too small for the ring of its source.")
    rms = whole[:, around].std(axis=1, dtype=float)
    level = np.median(whole[:, around], axis=1).astype(float)
    x, y = side // 2 + rng.uniform(-jitter_px, jitter_px, (2, n))
    flux, other = rms * np.exp(rng.uniform(*np.log(snr), (2, n)))
    far = (np.nan if neighbour is None else neighbour) * beam.fwhm_px
    turn = rng.uniform(0, 2 * np.pi, n)
    beside = np.stack([other + 0 * far, x + far * np.cos(turn), y + far * np.sin(turn)], axis=1)
    real = [
        replace(
            beam,
            fwhm_px=beam.fwhm_px * (1 + wider),
            elongation=beam.elongation * longer,
            angle_deg=beam.angle_deg + angle if beam.elongation > 1 else angle,
        )
        for wider, longer, angle in zip(
            np.broadcast_to(fwhm_error, n),
            rng.uniform(1, elongation, n),
            rng.uniform(0, 180, n),
            strict=True,
        )
    ]
    image = whole.astype(np.float32)
    for i, shape in enumerate(real):
        image[i] += flux[i] * shape.image(side, x[i], y[i])
        if neighbour is not None:
            image[i] += beside[i, 0] * shape.image(side, *beside[i, 1:])
    if saturation is not None:
        image[image > (level + saturation * rms)[:, None, None]] = np.nan
    if edge_px is not None:
        image[_beyond(side, x, y, edge_px, rng.integers(0, 4, n))] = np.nan
    return Injected(image, whole.astype(np.float32), flux, x, y, rms, real, beside)


def check_count(n: int, side: int) -> None:
    """Check that there are cut-outs to make.

    Parameters
    ----------
    n, side : int

    Raises
    ------
    CoganError
        If one is not positive.
    """
    if n < 1 or side < 1:
        raise CoganError(f"{n} cut-outs of {side} pixels were asked for; both must be positive.")


def _emission(
    kind: np.ndarray, slope: tuple[float, float], rng: np.random.Generator, side: int
) -> np.ndarray:
    first, second = power_law_fields(rng.uniform(*slope, len(kind)), rng, side)
    contrast = rng.uniform(*CONTRAST, len(kind)).astype(np.float32)[:, None, None]
    ridges = -np.log(np.hypot(second, np.float32(RIDGE)))
    ridges /= ridges.std(axis=(1, 2), keepdims=True)
    log_density = np.where((kind == "filaments")[:, None, None], 0.6 * first + 0.8 * ridges, first)
    return np.where((kind == "fbm")[:, None, None], first, np.exp(contrast * log_density))


def _transfer(beam: Beam, side: int) -> np.ndarray:
    """Fourier transform of the beam of sum 1, of a real image's half-plane."""
    kernel = fft.ifftshift(beam.image(side, side // 2, side // 2))
    return fft.rfft2(kernel / kernel.sum()).astype(np.complex64)


def _smooth(images: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    return fft.irfft2(fft.rfft2(images) * transfer, s=images.shape[1:], overwrite_x=True)


def _beyond(
    side: int, x: np.ndarray, y: np.ndarray, edge_px: float, direction: np.ndarray
) -> np.ndarray:
    """Pixels beyond the map's edge, which lies to the right, above, to the left or below."""
    dx = np.arange(side)[None, None, :] - x[:, None, None]
    dy = np.arange(side)[None, :, None] - y[:, None, None]
    sign = np.where(direction < 2, 1, -1)[:, None, None]
    return sign * np.where((direction % 2 == 0)[:, None, None], dx, dy) > edge_px
