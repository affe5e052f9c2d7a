"""How good generated maps are, against what is exactly known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from . import physics
from .rivals import Sampler
from .statistics import bin_ell, expected, field_moments, measured, one_point, shapes

#: Cosmologies to evaluate on: drawn once, from the inner four fifths of the box.
JUDGED, JUDGED_SEED, JUDGED_SHARE = 5, 2026, 0.8
#: Maps of one cosmology whose mean spectrum is one datum of the regression and the posterior.
SET = 16
#: Cosmologies that the regression learns from.
LEARNT = 1500
RIDGE = 3.0
#: Parameters of the posterior, and grid points along each.
INFERRED, GRID = ("n_s", "A_s"), 81


def judged() -> np.ndarray:
    """Draw the cosmologies that all networks are judged on, shape (5, 5)."""
    rng = np.random.default_rng(JUDGED_SEED)
    return physics.draw_cosmologies(JUDGED, rng, JUDGED_SHARE)


def exact(cosmologies: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """Draw exact patches, each from a field of its own; a `rivals.Sampler`."""
    return physics.patches(cosmologies, generator)


def judged_maps(sampler: Sampler, n: int, seed: int = JUDGED_SEED) -> list[np.ndarray]:
    """Draw maps of each of the `judged` cosmologies.

    Parameters
    ----------
    sampler : callable
        Maps of (cosmologies, generator).
    n : int
        Of each.
    seed : int

    Returns
    -------
    list of ndarray, each (n, SIDE, SIDE)
    """
    generator = torch.Generator().manual_seed(seed)
    return [sampler(row[None].repeat(n, axis=0), generator).numpy() for row in judged()]


def verdict(maps: list[np.ndarray], real: list[np.ndarray]) -> dict:
    """Compare maps of the `judged` cosmologies with all that is known.

    Parameters
    ----------
    maps, real : list of ndarray, each (n, SIDE, SIDE)
        Judged, and exact patches of the same cosmologies.

    Returns
    -------
    dict
        `ratio` of the power per bin and its standard `error`, means over the cosmologies; `rms` and
        `worst` deviation of a bin; `each`, the mean ratio of each cosmology; `scatter` per bin;
        the pooled moments; `shapes`, the three Minkowski curves' worst error from
        the formulas, `shapes_exact`, from exact maps through the same estimator; `posterior`.
    """
    cosmologies = judged()
    ratio, error = power_ratio(maps, cosmologies)
    mean = ratio.mean(axis=0)
    sets = len(maps[0]) // SET
    worst, curves, formula = shape_errors(maps, cosmologies)
    apart = np.abs(curves - shape_errors(real, cosmologies)[1]).max(axis=1)
    apart /= np.abs(formula).max(axis=1)
    spectra = [measured(some[: sets * SET]).reshape(sets, SET, -1).mean(axis=1) for some in maps]
    return {
        "ratio": mean.tolist(),
        "error": (np.sqrt((error**2).sum(axis=0)) / len(maps)).tolist(),
        "rms": float(np.sqrt(np.mean((mean - 1) ** 2))),
        "worst": float(np.abs(mean - 1).max()),
        "each": ratio.mean(axis=1).tolist(),
        "scatter": power_scatter(maps, real).tolist(),
        "moments": pooled_moments(maps, cosmologies),
        "shapes": worst,
        "shapes_exact": apart.tolist(),
        "posterior": posterior_bias(np.concatenate(spectra), cosmologies.repeat(sets, axis=0)),
    }


def power_ratio(maps: list[np.ndarray], cosmologies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute measured over expected spectra.

    Parameters
    ----------
    maps : list of ndarray, each (n, SIDE, SIDE)
        Of each cosmology.
    cosmologies : ndarray, shape (m, 5)

    Returns
    -------
    ratio : ndarray, shape (m, 15)
    error : ndarray, shape (m, 15)
        Standard error of the mean over the maps.
    """
    theory = expected(cosmologies)
    found = [measured(some) for some in maps]
    ratio = [bins.mean(axis=0) for bins in found] / theory
    return ratio, [bins.std(axis=0) / np.sqrt(len(bins)) for bins in found] / theory


def power_scatter(maps: list[np.ndarray], real: list[np.ndarray]) -> np.ndarray:
    """Compute the variance of maps' spectra over that of exact patches' spectra.

    Parameters
    ----------
    maps, real : list of ndarray, each (n, SIDE, SIDE)
        Of the same cosmologies.

    Returns
    -------
    ndarray, shape (15,)
        Mean over the cosmologies; each divided by its own squared mean first, so that a wrong
        amplitude is no wrong scatter.
    """

    def relative(some: np.ndarray) -> np.ndarray:
        bins = measured(some)
        return bins.var(axis=0) / bins.mean(axis=0) ** 2

    pairs = zip(maps, real, strict=True)
    return np.mean([relative(one) / relative(other) for one, other in pairs], axis=0)


def pooled_moments(maps: list[np.ndarray], cosmologies: np.ndarray) -> dict[str, float]:
    """Average the one-point moments over cosmologies, each in its own true scatter."""
    rows = [
        one_point(some, field_moments(row)[0]) for some, row in zip(maps, cosmologies, strict=True)
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def shape_errors(
    maps: list[np.ndarray], cosmologies: np.ndarray
) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Compare Minkowski functionals with the Gaussian formulas.

    Parameters
    ----------
    maps : list of ndarray
    cosmologies : ndarray, shape (m, 5)

    Returns
    -------
    worst : list of float
        For each of the three curves: the largest difference of the means over cosmologies, over the
        formula's largest value.
    found, formula : ndarray, shape (3, 25)
        Means over the cosmologies.
    """
    pairs = [shapes(some, row) for some, row in zip(maps, cosmologies, strict=True)]
    found, formula = np.mean(pairs, axis=0)
    worst = np.abs(found - formula).max(axis=1) / np.abs(formula).max(axis=1)
    return worst.tolist(), found, formula


def set_spectra(
    sampler: Sampler, cosmologies: np.ndarray, generator: torch.Generator, change=None
) -> np.ndarray:
    """Measure mean spectra of sets of maps.

    Parameters
    ----------
    sampler : callable
        Maps of (cosmologies, generator).
    cosmologies : ndarray, shape (m, 5)
    generator : torch.Generator
    change : callable, optional
        What is done to the maps first.

    Returns
    -------
    ndarray, shape (m, 15)
        Each the mean over `SET` maps.
    """
    found = []
    for start in range(0, len(cosmologies), 64):
        maps = sampler(cosmologies[start : start + 64].repeat(SET, axis=0), generator)
        maps = change(maps) if change else maps
        found.append(measured(maps.numpy()).reshape(-1, SET, bin_ell().size).mean(axis=1))
    return np.concatenate(found)


@dataclass(frozen=True)
class Reader:
    """A quadratic polynomial of ln C_b that reads `physics.unit` parameters."""

    mean: np.ndarray  # (15,) of ln C_b
    scatter: np.ndarray  # (15,)
    weights: np.ndarray  # (136, 5)

    def powers(self, spectra: np.ndarray) -> np.ndarray:
        """Scale logarithms; one, the 15, and their products, shape (m, 136)."""
        x = (np.log(spectra) - self.mean) / self.scatter
        first, second = np.triu_indices(x.shape[1])
        return np.hstack([np.ones((len(x), 1)), x, x[:, first] * x[:, second]])

    def read(self, spectra: np.ndarray) -> np.ndarray:
        """Read parameters, shape (m, 5), from spectra of `set_spectra`."""
        return self.powers(spectra) @ self.weights


def regression(change=None, seed: int = JUDGED_SEED) -> Reader:
    """Learn to read the parameters from mean spectra of exact maps.

    Parameters
    ----------
    change : callable, optional
        As for `set_spectra`.
    seed : int

    Returns
    -------
    Reader
        By least squares with a small penalty of large weights.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def cheaper(cosmologies: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        return physics.patches(cosmologies[:: physics.SHARED], generator, physics.SHARED)

    drawn = physics.draw_cosmologies(LEARNT, rng)
    spectra = set_spectra(cheaper, drawn, generator, change)
    logs = np.log(spectra)
    empty = Reader(logs.mean(axis=0), logs.std(axis=0), np.zeros((1, 1)))
    x = empty.powers(spectra)
    penalty = RIDGE * np.eye(x.shape[1])
    penalty[0, 0] = 0
    return replace(empty, weights=np.linalg.solve(x.T @ x + penalty, x.T @ physics.unit(drawn)))


def slopes(reader: Reader, spectra: np.ndarray, cosmologies: np.ndarray) -> np.ndarray:
    """Fit lines through the parameters that are read, against those that were asked for.

    Parameters
    ----------
    reader : Reader
        Of `regression`.
    spectra : ndarray, shape (m, 15)
        Of `set_spectra`.
    cosmologies : ndarray, shape (m, 5)

    Returns
    -------
    ndarray, shape (5,)
        In the order of `physics.NAMES`. Below 1 for exact maps as well, as far as a set of maps
        does not tell a parameter; so quote the ratio to theirs.
    """
    asked, read = physics.unit(cosmologies), reader.read(spectra)
    asked = asked - asked.mean(axis=0)
    # all five at once, so that what one parameter does is not blamed on another
    return np.diag(np.linalg.lstsq(asked, read - read.mean(axis=0), rcond=None)[0])


def paired_slopes(
    sampler: Sampler, n: int = 64, step: float = 0.5, seed: int = JUDGED_SEED
) -> np.ndarray:
    """Compare how maps' spectra answer to each parameter with how the theory's do.

    The same noise is used on both sides of a step, so that chance all but cancels. The answer is
    projected on the theory's with the covariance of exact maps: it is the change of a parameter
    that a likelihood would read, the others known, over the change that was asked for.

    Parameters
    ----------
    sampler : callable
        Maps of (cosmologies, generator); equal generators draw equal noise.
    n : int
        Maps on each side.
    step : float
        To each side of the box's centre, in `physics.unit`.
    seed : int

    Returns
    -------
    ndarray, shape (5,)
        In the order of `physics.NAMES`.
    """
    table = physics.emulator()
    weights = np.linalg.inv(_relative_covariance())
    found = []
    for number in range(len(physics.NAMES)):
        sides = np.repeat([(table.low + table.high) / 2], 2, axis=0)
        sides[:, number] += np.array([step, -step]) * (table.high - table.low)[number] / 2
        spectra = []
        for row in sides:
            generator = torch.Generator().manual_seed(seed)
            maps = sampler(row[None].repeat(n, axis=0), generator)
            spectra.append(measured(maps.numpy()).mean(axis=0))
        answer = np.log(spectra[0] / spectra[1])
        right = np.log(np.divide(*expected(sides)))
        found.append(answer @ weights @ right / (right @ weights @ right))
    return np.array(found)


@cache
def _relative_covariance(seed: int = JUDGED_SEED, n: int = 4000) -> np.ndarray:
    """Covariance of one exact map's bins over their expectation, at the fiducial cosmology."""
    generator = torch.Generator().manual_seed(seed)
    fiducial = np.array([physics.FIDUCIAL])
    rows = fiducial.repeat(n // physics.SHARED, axis=0)
    bins = measured(physics.patches(rows, generator, physics.SHARED).numpy())
    return np.cov((bins / expected(fiducial)).T)


def posterior(
    spectrum: np.ndarray, cosmology: np.ndarray, maps: int = SET
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the posterior of (n_s, A_s), the other three known, from a mean spectrum.

    The likelihood is Gaussian, with the covariance of exact patches, in which bins are correlated;
    flat over the table's box.

    Parameters
    ----------
    spectrum : ndarray, shape (15,)
        Mean over `maps` maps.
    cosmology : array_like, shape (5,)
        The true one.
    maps : int

    Returns
    -------
    n_s, A_s : ndarray, shape (81,)
    density : ndarray, shape (81, 81)
        Sums to 1.
    """
    table = physics.emulator()
    which = [physics.NAMES.index(name) for name in INFERRED]
    axes = [np.linspace(table.low[i], table.high[i], GRID) for i in which]
    tried = np.repeat(np.array([cosmology], dtype=float), GRID, axis=0)
    tried[:, which[0]] = axes[0]
    per_amplitude = expected(tried) / tried[:, [which[1]]]  # spectra are proportional to A_s
    theory = per_amplitude[:, None] * axes[1][:, None]
    cov = _relative_covariance() / maps
    apart = spectrum / theory - 1
    chi2 = np.einsum("abi,ij,abj->ab", apart, np.linalg.inv(cov), apart)
    logs = -chi2 / 2 - np.log(theory).sum(axis=-1)
    density = np.exp(logs - logs.max())
    return *axes, density / density.sum()


def posterior_bias(
    spectra: np.ndarray, cosmologies: np.ndarray, maps: int = SET
) -> dict[str, dict[str, float]]:
    """Compare posteriors with the truth.

    Parameters
    ----------
    spectra : ndarray, shape (m, 15)
        Mean over `maps` maps each.
    cosmologies : ndarray, shape (m, 5)
    maps : int

    Returns
    -------
    dict of str to dict
        For n_s and A_s: `bias` (mean of (mean - truth) / width), its `error`, and `coverage`, the
        share of truths within one width.
    """
    pulls = []
    for row, cosmology in zip(spectra, cosmologies, strict=True):
        n_s, a_s, density = posterior(row, cosmology, maps)
        pull = []
        for axis, along, name in ((n_s, 1, "n_s"), (a_s, 0, "A_s")):
            p = density.sum(axis=along)
            mean = p @ axis
            width = np.sqrt(p @ (axis - mean) ** 2)
            pull.append((mean - cosmology[physics.NAMES.index(name)]) / width)
        pulls.append(pull)
    pulls = np.array(pulls)
    return {
        name: {
            "bias": float(pulls[:, i].mean()),
            "error": float(pulls[:, i].std() / np.sqrt(len(pulls))),
            "coverage": float((np.abs(pulls[:, i]) < 1).mean()),
        }
        for i, name in enumerate(INFERRED)
    }
