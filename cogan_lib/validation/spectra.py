"""Binned auto and cross power spectra of flat tiles, and how well two fields follow each other.

From each tile a quadratic surface is subtracted; it is multiplied by a smooth window, transformed
by FFT, and the squared moduli are averaged in rings of multipole. That is the flat-sky
pseudo-spectrum of the paper (arXiv:2604.16167), made so that little leaks between multipoles.

**Leakage.** A tile shows waves longer than itself as slopes, and the spectra of clouds are steep:
with a narrow taper the power below the first bin appears in all others. On fields of
C_ell ~ ell^-2.6 in these tiles a taper of an eighth of the side, with the mean subtracted, read 1.5
to 1.1 times the truth, and 2.4 to 1.7 times at ell^-3.3; the surface and a taper of a quarter on
each side keep every bin within 0.9 to 1.2 of it, with the same scatter (`tests/validation` has
slopes from -2 to -3.3). NaMaster (Alonso, Sanchez & Slosar 2019, MNRAS 484, 4127) inverts the
coupling of the bins with each other, which leaves what leaks in from below the first one.

Conventions: tiles are ``(n, npix, npix)``, ell = 2 pi / (wavelength in radian), and a map in K km/s
has a spectrum in (K km/s)^2 sr. Nothing is deconvolved: spectra contain the beam of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..base.checks import check_positive
from ..base.files import CoganError
from ..base.units import FWHM_PER_SIGMA
from .tiles import check_tiles, standardise

CHUNK_PIXELS = 2**16  # small enough for a chunk to stay in the processor's cache
TAPER = 0.25  # share of a tile's side over which the window falls to zero, at each end


def apodisation(npix: int) -> np.ndarray:
    """Window of a tile: a cosine taper over a quarter of the side at each edge, along x and y.

    With x the distance of a pixel's centre from the edge in units of the taper, the window along
    one axis is (1 - cos(pi x)) / 2 for x < 1 and 1 further in; the tile's is the product of two.

    Parameters
    ----------
    npix : int
        Pixels along a side.

    Returns
    -------
    ndarray, shape (npix, npix)

    Raises
    ------
    CoganError
        If npix is not positive.

    Examples
    --------
    >>> apodisation(8)[4].round(3)
    array([0.146, 0.854, 1.   , 1.   , 1.   , 1.   , 0.854, 0.146])
    """
    check_positive(npix=npix)
    inside = np.minimum(np.arange(npix), np.arange(npix)[::-1]) + 0.5
    row = 0.5 * (1 - np.cos(np.pi * np.clip(inside / (TAPER * npix), 0, 1)))
    return np.outer(row, row)


def bin_edges(
    side_deg: float, pixel_arcmin: float, fwhm_arcmin: float, max_bins: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Choose edges of multipole bins that a tile of this size, pixel and beam can support.

    - Lowest edge: one full wave on the window's width at half its height, 360 deg / (3/4 side).
    - Beam edge: where B_ell^2 = exp(-ell^2 sigma^2) has fallen to 0.1, or the Nyquist multipole if
      that is lower (`fwhm_arcmin` = 0: no beam).
    - In between: equal steps of sqrt(ell), at most `max_bins` bins and on average none narrower
      than the tile's fundamental multipole 360 deg / side, but at least two.
    - One more step beyond the beam, flagged False, unless the pixel leaves no room for it.

    Parameters
    ----------
    side_deg, pixel_arcmin : tile geometry
    fwhm_arcmin : float
        Full width at half maximum of the (Gaussian) beam of the maps.
    max_bins : int
        Most bins within the beam.

    Returns
    -------
    edges : ndarray, shape (n_bins + 1,)
    in_beam : ndarray of bool, shape (n_bins,)

    Raises
    ------
    CoganError
        If the beam is too wide for the tile to hold two bins.

    Examples
    --------
    >>> edges, in_beam = bin_edges(side_deg=8.0, pixel_arcmin=7.5, fwhm_arcmin=20.0)
    >>> edges.round()
    array([ 60., 124., 212., 323., 457., 614., 795.])
    >>> in_beam
    array([ True,  True,  True,  True,  True, False])
    """
    check_positive(side_deg=side_deg, pixel_arcmin=pixel_arcmin)
    if not 0 <= fwhm_arcmin < np.inf:
        raise CoganError(f"The beam fwhm_arcmin is {fwhm_arcmin}; it must be 0 or larger.")
    fundamental = 360 / side_deg
    lowest = fundamental / (1 - TAPER)
    sigma = np.radians(fwhm_arcmin / 60) / FWHM_PER_SIGMA
    nyquist = 180 * 60 / pixel_arcmin
    beam = np.sqrt(np.log(10)) / max(sigma, np.sqrt(np.log(10)) / nyquist)
    if beam < lowest + fundamental:
        raise CoganError(
            f"A tile of {side_deg:.3g} deg resolves multipoles from {lowest:.0f}, but a beam of "
            f"{fwhm_arcmin:g} arcmin ends at {beam:.0f}: use larger tiles or a finer beam."
        )
    n_bins = int(np.clip(round((beam - lowest) / fundamental), 2, max_bins))
    step = (np.sqrt(beam) - np.sqrt(lowest)) / n_bins
    edges = (np.sqrt(lowest) + step * np.arange(n_bins + 2)) ** 2
    edges[-1] = min(edges[-1], nyquist)
    in_beam = np.arange(n_bins + 1) < n_bins
    if edges[-1] < beam + fundamental:  # no room beyond the beam
        edges, in_beam = edges[:-1], in_beam[:-1]
    return edges, in_beam


class _Rings(NamedTuple):
    """What one geometry needs: window, surfaces, modes, and the matrix that averages these."""

    window: np.ndarray  # (npix, npix)
    surface: np.ndarray  # (npix**2, 6) orthonormal quadratic surfaces
    columns: int  # of a tile's rfft2 that hold the modes; all further ones are too fine
    modes: np.ndarray  # (n_modes,) flat indices into these columns
    average: np.ndarray  # (n_modes, n_bins), white noise of variance 1 per pixel becomes 1
    ell: np.ndarray  # (n_bins,) mean multipole of the bin's modes


@lru_cache(maxsize=16)
def _rings(npix, pixel_arcmin, edges) -> _Rings:
    if len(edges) < 2 or not np.all(np.diff(edges) > 0) or edges[0] < 0:
        raise CoganError(f"The bin edges {list(edges)} do not rise from a multipole >= 0.")
    window = apodisation(npix)
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, npix)])
    shapes = [np.ones_like(x), x, y, x * y, x**2, y**2]
    surface = np.linalg.qr(np.stack(shapes, axis=-1).reshape(-1, len(shapes)))[0]
    pixel = np.radians(pixel_arcmin / 60)
    ell_x = 2 * np.pi * np.fft.rfftfreq(npix, pixel)
    ell_y = 2 * np.pi * np.fft.fftfreq(npix, pixel)
    ell = np.hypot(ell_y[:, None], ell_x).ravel()
    twice = np.full((npix, ell_x.size), 2.0)  # rfft2 keeps one of each pair (k, -k)
    twice[:, 0] = 1
    if npix % 2 == 0:
        twice[:, -1] = 1
    which = np.digitize(ell, edges) - 1
    modes = np.flatnonzero((which >= 0) & (which < len(edges) - 1) & (ell > 0))
    average = np.zeros((modes.size, len(edges) - 1))
    average[np.arange(modes.size), which[modes]] = twice.ravel()[modes]
    total = average.sum(axis=0)
    if np.any(total == 0):
        empty = int(np.flatnonzero(total == 0)[0])
        raise CoganError(
            f"No Fourier mode of the tile falls between ell {edges[empty]:.0f} and "
            f"{edges[empty + 1]:.0f}; choose bins wider than {21600 / (npix * pixel_arcmin):.0f}."
        )
    average /= total
    centre = ell[modes] @ average
    # the surface takes away some of the first bin's power, even of white noise: give it back
    taken = np.fft.rfft2(window * surface.T.reshape(-1, npix, npix)).reshape(len(shapes), -1)
    kept = (window**2).sum() - (np.abs(taken[:, modes]) ** 2).sum(axis=0)
    average /= kept @ average
    row, column = np.divmod(modes, ell_x.size)
    columns = int(column.max()) + 1
    return _Rings(window, surface, columns, row * columns + column, average, centre)


def _transform(tiles: np.ndarray, rings: _Rings) -> np.ndarray:
    """Fourier amplitudes (n, n_modes) of the windowed tiles, their quadratic surface removed."""
    flat = np.asarray(tiles, dtype=np.float64).reshape(len(tiles), -1)
    flat = flat - flat[:, :1]  # a constant tile becomes 0, without what rounding leaves
    flat -= (flat @ rings.surface) @ rings.surface.T
    windowed = flat.reshape(tiles.shape) * rings.window
    rows = np.fft.rfft(windowed)[..., : rings.columns]
    return np.fft.fft(rows, axis=1).reshape(len(tiles), -1)[:, rings.modes]


def all_spectra(
    fields: Sequence[np.ndarray], *, pixel_arcmin: float, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Binned flat-sky auto and cross power spectra of several fields, each transformed once.

    C_b = (pixel area) x mean over the bin's modes of Re(F_a F_b*) / N_b, where F is the discrete
    Fourier transform of window x (tile - its quadratic surface), and N_b, about sum(window^2), what
    white noise of variance 1 per pixel has there. So white noise of variance s^2 has
    C = s^2 x pixel area.

    Parameters
    ----------
    fields : sequence of ndarrays, each (n, npix, npix)
    pixel_arcmin : float
    edges : sequence, length n_bins + 1
        Bin edges in multipole; see `bin_edges`.

    Returns
    -------
    ell : ndarray, shape (n_bins,)
        Mean multipole of the modes in each bin.
    spectra : ndarray, shape (len(fields), len(fields), n, n_bins), float64
        In (unit of the one)(unit of the other) sr; the same both ways.

    Raises
    ------
    CoganError
        For tiles of unequal or wrong shape, NaN, or an empty bin.
    """
    first = check_tiles("first", fields[0])
    fields = [first, *(check_tiles("second", field, like=first) for field in fields[1:])]
    check_positive(pixel_arcmin=pixel_arcmin)
    rings = _rings(first.shape[-1], float(pixel_arcmin), tuple(map(float, edges)))
    spectra = np.empty((len(fields), len(fields), len(first), rings.ell.size))
    step = max(1, CHUNK_PIXELS // first.shape[-1] ** 2)
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        waves = [_transform(field[part], rings) for field in fields]
        for i, one in enumerate(waves):
            for j, other in enumerate(waves[: i + 1]):
                product = one.real * other.real + one.imag * other.imag
                spectra[i, j, part] = spectra[j, i, part] = product @ rings.average
    area = np.radians(pixel_arcmin / 60) ** 2
    return rings.ell, spectra * area


def power_spectra(
    a: np.ndarray, b: np.ndarray | None = None, **grid
) -> tuple[np.ndarray, np.ndarray]:
    """Auto spectrum of each tile, or cross spectrum of each pair of tiles of two fields.

    Parameters
    ----------
    a, b : ndarray, shape (n, npix, npix)
        One stack for auto spectra, two of the same shape for cross spectra.
    **grid
        pixel_arcmin and edges, as in `all_spectra`.

    Returns
    -------
    ell : ndarray, shape (n_bins,)
    spectra : ndarray, shape (n, n_bins), float64

    Raises
    ------
    CoganError
        As `all_spectra`.

    Examples
    --------
    >>> tiles = np.random.default_rng(1).standard_normal((4, 64, 64))
    >>> edges, _ = bin_edges(8.0, 7.5, fwhm_arcmin=20.0)
    >>> ell, power = power_spectra(tiles, pixel_arcmin=7.5, edges=edges)
    >>> power.shape, bool(abs(power.mean() / np.radians(7.5 / 60) ** 2 - 1) < 0.1)  # white noise
    ((4, 6), True)
    """
    ell, spectra = all_spectra([a] if b is None else [a, b], **grid)
    return ell, spectra[0, -1]


def correlation(cross: np.ndarray, auto_a: np.ndarray, auto_b: np.ndarray) -> np.ndarray:
    """Compute the correlation coefficient C_xy / sqrt(C_xx C_yy) of spectra.

    Parameters
    ----------
    cross, auto_a, auto_b : ndarray of one shape

    Returns
    -------
    ndarray of that shape
        0 where one of the fields has no power.
    """
    scale = np.sqrt(np.asarray(auto_a) * np.asarray(auto_b))
    return np.where(scale > 0, cross / np.where(scale > 0, scale, 1), 0.0)


def correlation_of(a: np.ndarray, b: np.ndarray, **grid) -> Callable[[np.ndarray], np.ndarray]:
    """Prepare `cross_correlation` of any of the tiles: what `blocks.block_interval` asks again.

    Parameters
    ----------
    a, b, **grid
        As in `cross_correlation`.

    Returns
    -------
    callable
        From numbers of tiles, shape (m,), to rho_ell, shape (n_bins,).
    """
    _, spectra = all_spectra([standardise(a), standardise(b)], **grid)
    kept = np.stack([spectra[0, 1], spectra[0, 0], spectra[1, 1]])
    return lambda tiles: correlation(*kept[:, tiles].mean(axis=1))


def cross_correlation(
    a: np.ndarray, b: np.ndarray, **grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cross-correlation coefficient rho_ell = C_xy / sqrt(C_xx C_yy) of two stacks of tiles.

    Each tile is standardised first, as in the paper, so that every tile weighs the same in the
    mean; rho of a single tile does not change by it. `grid` is as in `all_spectra`.

    Parameters
    ----------
    a, b : ndarray, shape (n, npix, npix)
    **grid
        As in `all_spectra`.

    Returns
    -------
    ell : ndarray, shape (n_bins,)
    rho : ndarray, shape (n_bins,)
        From the spectra averaged over all tiles.
    rho_tiles : ndarray, shape (n, n_bins)
        Tile by tile.
    """
    a = standardise(check_tiles("first", a))
    b = standardise(check_tiles("second", b, like=a))
    ell, spectra = all_spectra([a, b], **grid)
    auto_a, cross, auto_b = spectra[0, 0], spectra[0, 1], spectra[1, 1]
    mean = correlation(cross.mean(axis=0), auto_a.mean(axis=0), auto_b.mean(axis=0))
    return ell, mean, correlation(cross, auto_a, auto_b)
