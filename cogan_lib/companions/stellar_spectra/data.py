"""Who the stars are, what is seen of them, and three kinds of spectra that are not theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...base.files import CoganError
from . import physics
from .physics import LIMITS, PIXELS, SIGMA, WAVELENGTH_A

#: The population: mean and standard deviation of log10 Teff, log g and [Fe/H], cut at `LIMITS`.
POPULATION = ((3.75, 0.09), (3.6, 0.7), (-0.5, 0.45))
#: A star with an emission line, two stars in one spectrum, a cosmic ray.
ANOMALIES = ("emission", "double", "cosmic ray")


@dataclass(frozen=True)
class StarSample:
    """Stars of known labels and their spectra without noise.

    Attributes
    ----------
    labels : ndarray, shape (n, 3) or (n, 2)
        Teff [K], log g, and of the toy [Fe/H].
    clean : ndarray, shape (n, PIXELS), float32
        Flux over the continuum.
    """

    labels: np.ndarray
    clean: np.ndarray

    def observe(self, rng: np.random.Generator) -> np.ndarray:
        """Look at each star once.

        Parameters
        ----------
        rng : numpy Generator

        Returns
        -------
        ndarray, shape (n, PIXELS), float32
            With noise of `physics.SIGMA` in each pixel.
        """
        return noisy(self.clean, rng)


def draw_labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw labels of the population.

    Parameters
    ----------
    n : int
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, 3)
        Teff [K], log g, [Fe/H].

    Raises
    ------
    CoganError
        If no star is asked for.
    """
    if n < 1:
        raise CoganError(f"{n} stars were asked for; ask for at least one.")
    low, high = np.transpose(LIMITS)
    means, scatter = np.transpose(POPULATION)
    labels = np.full((n, 3), np.nan)
    while (missing := np.isnan(labels[:, 0])).any():
        drawn = rng.normal(means, scatter, (missing.sum(), 3))
        drawn[:, 0] = 10 ** drawn[:, 0]
        inside = ((drawn >= low) & (drawn <= high)).all(axis=1)
        labels[missing] = np.where(inside[:, None], drawn, np.nan)
    return labels


def draw_stars(n: int, rng: np.random.Generator) -> StarSample:
    """Draw stars of the population and compute their spectra.

    Parameters
    ----------
    n : int
    rng : numpy Generator

    Returns
    -------
    StarSample

    Raises
    ------
    CoganError
        If no star is asked for.

    Examples
    --------
    >>> draw_stars(3, np.random.default_rng(1)).clean.shape
    (3, 512)
    """
    labels = draw_labels(n, rng)
    return StarSample(labels, physics.spectra(labels))


def noisy(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the instrument's noise.

    Parameters
    ----------
    clean : ndarray, shape (n, PIXELS)
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, PIXELS), float32
    """
    return clean + SIGMA.astype(np.float32) * rng.standard_normal(clean.shape, np.float32)


def scaled_labels(labels: np.ndarray) -> np.ndarray:
    """Scale labels to mean 0 and scatter 1 of the population, Teff by its logarithm.

    Parameters
    ----------
    labels : ndarray, shape (n, 2) or (n, 3)

    Returns
    -------
    ndarray, shaped as the labels
    """
    labels = np.array(labels, float)
    labels[:, 0] = np.log10(labels[:, 0])
    means, scatter = np.transpose(POPULATION[: labels.shape[1]])
    return (labels - means) / scatter


def anomalies(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw spectra that no star of the population has, with noise.

    ``emission``: the line Hα of a star is filled and stands above the continuum. ``double``: half
    of the light is another star's, at least 2,000 K hotter or cooler. ``cosmic ray``: a hit
    brightens one pixel by 6 to 20 times its noise, and its neighbours by a part of that.

    Parameters
    ----------
    kind : {'emission', 'double', 'cosmic ray'}
    n : int
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (n, PIXELS), float32

    Raises
    ------
    CoganError
        If there is no such kind, or none are asked for.
    """
    if kind not in ANOMALIES:
        raise CoganError(f"There is no anomaly {kind!r}; take one of {', '.join(ANOMALIES)}.")
    stars = draw_stars(n, rng)
    if kind == "emission":
        height = rng.uniform(0.1, 0.6, (n, 1))
        shape = np.exp(-0.5 * ((WAVELENGTH_A - 6562.8) / 8.0) ** 2)
        return noisy(stars.clean + (height * shape).astype(np.float32), rng)
    if kind == "double":
        labels = stars.labels.copy()
        middle, (low, high) = 10 ** POPULATION[0][0], LIMITS[0]
        cool = labels[:, 0] < middle
        edges = np.where(cool, labels[:, 0] + 2000, low), np.where(cool, high, labels[:, 0] - 2000)
        labels[:, 0] = rng.uniform(np.minimum(*edges), np.maximum(*edges)).clip(low, high)
        return noisy((stars.clean + physics.spectra(labels)) / 2, rng)
    seen, where = stars.observe(rng), rng.integers(1, PIXELS - 1, n)
    hit = rng.uniform(6, 20, n) * SIGMA[where]
    for step, share in ((-1, 0.3), (0, 1.0), (1, 0.3)):
        seen[np.arange(n), where + step] += (share * hit).astype(np.float32)
    return seen
