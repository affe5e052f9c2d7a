"""How many draws it takes to see a fault: a sample of forty passes nearly any test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwo, norm

from . import samplers
from .evaluation import acceptance

#: Draws of the reference that stands for the population itself, and the fewest that are tried.
REFERENCE_DRAWS, FEWEST = 100_000, 8
#: Draws that are held at a time.
AT_ONCE = 500_000

Draw = Callable[[int, np.random.Generator], np.ndarray]


def power_curve(
    reference: np.ndarray,
    biased: Draw,
    draws: Sequence[int],
    rng: np.random.Generator,
    level: float = 0.05,
    repeats: int = 400,
) -> np.ndarray:
    """Compute how often a KS test sees that draws are not of the reference.

    Parameters
    ----------
    reference : ndarray, shape (m,)
        Many draws: their cumulative distribution counts as known.
    biased : function
        (n, rng) to ndarray, shape (n,).
    draws : sequence of int
        Numbers of draws to try.
    rng : numpy Generator
    level : float
        Share of false alarms that the test allows.
    repeats : int
        Tests per number.

    Returns
    -------
    ndarray, shape (len(draws),)
        Share of the tests that refuse.
    """
    ordered = np.sort(reference)
    power = []
    for n in draws:
        limit, steps, refused, done = kstwo.isf(level, n), np.arange(n + 1) / n, 0, 0
        while done < repeats:
            tests = min(max(AT_ONCE // n, 1), repeats - done)
            found = biased(n * tests, rng).reshape(tests, n)
            place = np.sort(np.searchsorted(ordered, found, side="right") / len(ordered), axis=1)
            distance = np.maximum(steps[1:] - place, place - steps[:-1]).max(axis=1)
            refused, done = refused + np.count_nonzero(distance > limit), done + tests
        power.append(refused / repeats)
    return np.array(power)


def draws_needed(
    reference: np.ndarray,
    biased: Draw,
    rng: np.random.Generator,
    level: float = 0.05,
    power: float = 0.8,
    repeats: int = 400,
    most: int = 10_000,
) -> dict[str, float | None]:
    """Find how many draws a KS test needs to see a bias.

    Numbers of draws grow by a factor of sqrt(2) until the test sees the bias nearly always; the
    answer is interpolated.

    Parameters
    ----------
    reference, biased, rng, level, repeats
        As in `power_curve`.
    power : float
        Chance to see it.
    most : int
        Draws beyond which it gives up.

    Returns
    -------
    dict
        ``draws``, with ``low`` and ``high`` from the finite number of tests; None where `most` are
        not enough.
    """
    tried = np.unique(np.geomspace(FEWEST, most, 2 + int(2 * np.log2(most / FEWEST))).round())
    counts, seen = [], []
    for n in tried.astype(int):
        counts.append(n)
        seen.append(float(power_curve(reference, biased, [n], rng, level, repeats)[0]))
        if acceptance(round(seen[-1] * repeats), repeats)["low"] > power:
            break
    shares = [acceptance(round(x * repeats), repeats) for x in seen]

    def where(name):
        curve = np.maximum.accumulate([share[name] for share in shares])
        if curve[-1] < power:
            return None
        return float(np.exp(_first(curve, np.log(counts), power)))

    return {"draws": where("rate"), "low": where("high"), "high": where("low")}


def draws_for_correlation(rho: float, level: float = 0.05, power: float = 0.8) -> float:
    """Compute how many draws it takes to see that a correlation is missing.

    A KS test of the fields one by one never sees it. By Fisher's z, whose variance is 1 / (n - 3).

    Parameters
    ----------
    rho : float
        Spearman's correlation of the population, not 0.
    level, power : float
        As in `draws_needed`.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(draws_for_correlation(rho)) for rho in (0.1, 0.25, 0.9)]
    [783, 123, 7]
    """
    away = norm.isf(level / 2) + norm.isf(1 - power)
    return float((away / np.arctanh(abs(rho))) ** 2 + 3)


@dataclass(frozen=True)
class Bias:
    """A fault of a population that the marginal distribution of one field shows.

    Attributes
    ----------
    field : str
    draw : function
        (n, strength, rng) to ndarray, shape (n,); strength 0 is the reference.
    strengths : tuple of float
    words : str
        What a strength means, which it is formatted into.
    """

    field: str
    draw: Callable[[int, float, np.random.Generator], np.ndarray]
    strengths: tuple[float, ...]
    words: str

    def needed(self, seed: int, repeats: int = 400, most: int = 10_000) -> list[dict]:
        """Find the draws needed for each strength.

        Parameters
        ----------
        seed, repeats, most : int
            As in `draws_needed`.

        Returns
        -------
        list of dict
            Of `draws_needed`, and the ``strength``.
        """
        rng = np.random.default_rng(seed)
        reference = self.draw(REFERENCE_DRAWS, 0.0, rng)
        return [
            {
                "strength": strength,
                **draws_needed(
                    reference,
                    lambda n, rng, strength=strength: self.draw(n, strength, rng),
                    rng,
                    repeats=repeats,
                    most=most,
                ),
            }
            for strength in self.strengths
        ]


#: Index from which the bias of the peaks is counted.
FLATTER = 1.8
#: Faults by name; the strengths of each go from a quarter or an eighth to the whole.
BIASES = {
    "index of the flares' peaks": Bias(
        "peak_w_m2",
        lambda n, x, rng: samplers.truncated_power_law(n, FLATTER + x, *samplers.PEAKS, rng),
        (0.1, 0.2, 0.4, 0.8),
        "too steep by {:g}",
    ),
    "radius valley": Bias(
        "radius_earth",
        lambda n, x, rng: samplers.planets(n, rng, valley=1 - x)["radius_earth"],
        (0.25, 0.5, 0.75, 1.0),
        "a share of {:g} filled",
    ),
    "sizes of galaxies": Bias(
        "radius_kpc",
        lambda n, x, rng: samplers.galaxies(n, rng, offset_dex=-x)["radius_kpc"],
        (0.025, 0.05, 0.1, 0.2),
        "too small by {:g} dex",
    ),
    "metal-rich clusters": Bias(
        "fe_h",
        lambda n, x, rng: samplers.clusters(n, rng, rich=samplers.RICH[0] * (1 - x))["fe_h"],
        (0.25, 0.5, 0.75, 1.0),
        "a share of {:g} missing",
    ),
}


def _first(curve: np.ndarray, at: np.ndarray, level: float) -> float:
    """Where a rising curve first reaches a level, between its points."""
    i = int(np.argmax(curve >= level))
    if i == 0:
        return float(at[0])
    share = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(at[i - 1] + share * (at[i] - at[i - 1]))
