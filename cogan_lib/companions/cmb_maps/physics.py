"""What is true: spectra of five parameters, and exact Gaussian patches of sky with that spectrum.

Without lensing the temperature of the microwave background is a Gaussian field, and all that there
is to know about it is C_l. A patch of 64 x 64 pixels of 10 arcmin (10.7 deg) is cut from a periodic
field four times as wide, so that it has slopes and is not periodic itself; all expectations below
are those of exactly this field.

Units: parameters as in `NAMES` (A_s in 1e-9), multipoles, C_l in uK^2 (sr), maps in uK.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError, reading

NAMES = ("omega_b", "omega_c", "H0", "n_s", "A_s")
#: Planck 2018's cosmology, rounded (A_s in 1e-9).
FIDUCIAL = (0.02237, 0.1200, 67.36, 0.9649, 2.10)
#: Pixels along a patch, their side, and how much wider the periodic field is.
SIDE, PIXEL_ARCMIN, WIDER = 64, 10.0, 4
FIELD = WIDER * SIDE
PIXEL = np.radians(PIXEL_ARCMIN / 60)
#: Patches that share a field: as far from each other as they are wide.
SHARED = 4
#: Of the log-normal variant: the scatter of the logarithm.
SKEW = 0.5
TABLE = Path(__file__).parent / "data" / "spectra.npz"


class SpectrumTable(NamedTuple):
    """The stored table, which ``ci/cmb_table.py`` makes with camb.

    ln(C_l / A_s) = mean + polynomial(omega_b, omega_c, H0, n_s) @ fit @ waves, l from 2.
    """

    mean: np.ndarray  # (n_l,)
    waves: np.ndarray  # (components, n_l)
    fit: np.ndarray  # (powers, components)
    low: np.ndarray  # (5,)
    high: np.ndarray  # (5,)
    degree: int
    recipe: str
    rms: float


@cache
def emulator() -> SpectrumTable:
    """Read the table.

    Returns
    -------
    SpectrumTable

    Raises
    ------
    CoganError
        If it is missing or damaged.
    """
    with reading(TABLE, "table of spectra", "get the package again"), np.load(TABLE) as stored:
        arrays = [stored[name].astype(float) for name in ("mean", "waves", "fit", "low", "high")]
        return SpectrumTable(
            *arrays, int(stored["degree"]), str(stored["recipe"]), float(stored["rms"])
        )


def unit(cosmologies: np.ndarray) -> np.ndarray:
    """Scale parameters so that the table's box reaches from -1 to 1.

    Parameters
    ----------
    cosmologies : array_like, shape (n, 5)
        In the order of `NAMES`.

    Returns
    -------
    ndarray, shape (n, 5)

    Raises
    ------
    CoganError
        If one lies outside of the box.
    """
    table = emulator()
    cosmologies = np.asarray(cosmologies, dtype=float)
    if cosmologies.ndim != 2 or cosmologies.shape[1] != len(NAMES):
        raise CoganError(f"Cosmologies are rows of {', '.join(NAMES)}, not {cosmologies.shape}.")
    scaled = 2 * (cosmologies - table.low) / (table.high - table.low) - 1
    if not (np.abs(scaled) <= 1 + 1e-6).all():
        row, column = np.argwhere(~(np.abs(scaled) <= 1 + 1e-6))[0]
        raise CoganError(
            f"{NAMES[column]} = {cosmologies[row, column]:g} is outside of the table, which has "
            f"{table.low[column]:g} to {table.high[column]:g}."
        )
    return scaled


def draw_cosmologies(n: int, rng: np.random.Generator, share: float = 1.0) -> np.ndarray:
    """Draw parameters, each evenly and independently.

    Parameters
    ----------
    n : int
    rng : Generator
    share : float
        Of the box's width, about its centre.

    Returns
    -------
    ndarray, shape (n, 5)
    """
    table = emulator()
    drawn = share * rng.uniform(-1, 1, (n, len(NAMES)))
    return table.low + (drawn + 1) / 2 * (table.high - table.low)


def spectrum(cosmologies: np.ndarray) -> np.ndarray:
    """Compute unlensed temperature spectra.

    Parameters
    ----------
    cosmologies : array_like, shape (n, 5)

    Returns
    -------
    ndarray, shape (n, n_l)
        C_l for l = 0, 1, 2, ... [uK^2]; 0 for the first two.

    Examples
    --------
    >>> c_l = spectrum([FIDUCIAL])[0]
    >>> ell = np.arange(c_l.size)
    >>> int(np.argmax(ell * (ell + 1) * c_l))  # the first acoustic peak
    221
    """
    table = emulator()
    scaled = unit(cosmologies)
    columns = [np.ones(len(scaled))]
    for degree in range(1, table.degree + 1):
        for which in combinations_with_replacement(range(4), degree):
            columns.append(np.prod(scaled[:, which], axis=1))
    logs = table.mean + np.stack(columns, axis=1) @ table.fit @ table.waves
    values = np.exp(logs) * np.asarray(cosmologies, dtype=float)[:, 4:]
    return np.pad(values, ((0, 0), (2, 0)))


@cache
def grid_ell() -> np.ndarray:
    """Multipole of each mode of the periodic field, shape (FIELD, FIELD // 2 + 1)."""
    across = 2 * np.pi * np.fft.rfftfreq(FIELD, PIXEL)
    down = 2 * np.pi * np.fft.fftfreq(FIELD, PIXEL)
    return np.hypot(down[:, None], across)


def on_grid(c_l: np.ndarray) -> np.ndarray:
    """Interpolate spectra to the modes of the periodic field.

    Parameters
    ----------
    c_l : ndarray, shape (n, n_l)

    Returns
    -------
    ndarray, shape (n, FIELD, FIELD // 2 + 1)
        0 for the mean of the field.
    """
    ell = grid_ell()
    below = ell.astype(int)
    share = (ell - below).astype(c_l.dtype)
    found = c_l[:, below] * (1 - share) + c_l[:, below + 1] * share
    found[:, 0, 0] = 0
    return found


def patches(cosmologies: np.ndarray, generator: torch.Generator, shared: int = 1) -> Tensor:
    """Draw exact patches of sky.

    Parameters
    ----------
    cosmologies : array_like, shape (n, 5)
    generator : torch.Generator
    shared : int
        Patches from the same field, 1 to `SHARED`: cheaper, and not quite independent.

    Returns
    -------
    Tensor, shape (n * shared, SIDE, SIDE), float32
        [uK]; patches of one field follow each other.
    """
    # cosmologies by the hundred: the fields take 0.25 MB each
    parts = [_patches(part, generator, shared) for part in _chunks(cosmologies, 64)]
    return torch.cat(parts)


def _chunks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    rows = np.asarray(rows, dtype=float)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _patches(cosmologies: np.ndarray, generator: torch.Generator, shared: int) -> Tensor:
    if not 1 <= shared <= SHARED:
        raise CoganError(f"A field has room for 1 to {SHARED} patches, not {shared}.")
    amplitude = on_grid(np.sqrt(spectrum(cosmologies)).astype(np.float32)) * (FIELD / PIXEL)
    modes = torch.randn(amplitude.shape, generator=generator, dtype=torch.complex64)
    modes[..., [0, -1]] *= 2**0.5  # of these columns irfft2 takes the half that is Hermitian
    fields = torch.fft.irfft2(modes * torch.from_numpy(amplitude.astype(np.float32)))
    places = [(y, x) for y in (0, FIELD // 2) for x in (0, FIELD // 2)][:shared]
    cut = [fields[:, y : y + SIDE, x : x + SIDE] for y, x in places]
    return torch.stack(cut, dim=1).reshape(-1, SIDE, SIDE)


def covariance(cosmology: np.ndarray) -> np.ndarray:
    """Compute the covariance of two pixels by their distance.

    Parameters
    ----------
    cosmology : array_like, shape (5,)

    Returns
    -------
    ndarray, shape (2 SIDE - 1, 2 SIDE - 1)
        [uK^2], for distances from -(SIDE - 1) to SIDE - 1 pixels down and across.
    """
    modes = on_grid(spectrum([cosmology]))[0] / PIXEL**2
    found = np.fft.irfft2(modes, s=(FIELD, FIELD))
    reach = np.arange(1 - SIDE, SIDE)
    return found[np.ix_(reach, reach)]


@cache
def dct_matrix() -> np.ndarray:
    """Make the orthonormal cosine transform (DCT-II), shape (SIDE, SIDE): rows are waves."""
    place = np.arange(SIDE) + 0.5
    waves = np.cos(np.pi * np.arange(SIDE)[:, None] * place / SIDE) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    return waves


def dct_variance(cov: np.ndarray) -> np.ndarray:
    """Compute the exact variance of each cosine amplitude of a patch.

    Parameters
    ----------
    cov : ndarray, shape (2 SIDE - 1, 2 SIDE - 1)
        Of `covariance`, or of another field without a preferred place.

    Returns
    -------
    ndarray, shape (SIDE, SIDE)
    """
    waves = dct_matrix()
    own = np.stack([np.correlate(wave, wave, mode="full") for wave in waves])
    return own @ cov @ own.T


class Whitening:
    """The scale of maps, fixed for all of them: each cosine amplitude over its own scatter.

    Parameters
    ----------
    variance : ndarray, shape (SIDE, SIDE)
        Of `dct_variance`.
    """

    def __init__(self, variance: np.ndarray) -> None:
        self.scatter = torch.from_numpy(np.sqrt(variance)).float()
        self.waves = torch.from_numpy(dct_matrix()).float()

    def forth(self, maps: Tensor) -> Tensor:
        """Make maps white.

        Parameters
        ----------
        maps : Tensor, shape (n, SIDE, SIDE)
            [uK]

        Returns
        -------
        Tensor, shape (n, SIDE, SIDE)
            For the cosmology of the variance, all cosine amplitudes have variance 1.
        """
        return self.waves.T @ ((self.waves @ maps @ self.waves.T) / self.scatter) @ self.waves

    def back(self, white: Tensor) -> Tensor:
        """Make white images maps again, as `forth` reversed."""
        return self.waves.T @ ((self.waves @ white @ self.waves.T) * self.scatter) @ self.waves


def log_normal(maps: Tensor) -> Tensor:
    """Make a log-normal field of a Gaussian one, pixel by pixel.

    Parameters
    ----------
    maps : Tensor
        [uK]

    Returns
    -------
    Tensor
        (exp(SKEW x) - exp(SKEW^2 / 2)) scatter / SKEW, with x = maps / scatter and the scatter of
        the fiducial cosmology: for this one the mean is 0.
    """
    scatter = fiducial_scatter()
    return ((SKEW * maps / scatter).exp() - np.exp(SKEW**2 / 2)) * (scatter / SKEW)


@cache
def fiducial_scatter() -> float:
    """Scatter of the fiducial cosmology's pixels [uK]."""
    return float(np.sqrt(covariance(np.array(FIDUCIAL))[SIDE - 1, SIDE - 1]))


@cache
def fiducial_whitening(field: str = "gaussian") -> Whitening:
    """Make the whitening of the fiducial cosmology, which all networks of a field share.

    Parameters
    ----------
    field : {'gaussian', 'log-normal'}

    Returns
    -------
    Whitening
    """
    cov = covariance(np.array(FIDUCIAL))
    if field == "log-normal":  # exact, by the moments of exp(a Gaussian)
        variance = fiducial_scatter() ** 2
        cov = variance / SKEW**2 * np.exp(SKEW**2) * np.expm1(SKEW**2 * cov / variance)
    return Whitening(dct_variance(cov))
