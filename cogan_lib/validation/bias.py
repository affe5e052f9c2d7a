"""Does a generator make a rare kind rarer: a skew that is put in, and the one that comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..base.checks import check_positive
from ..base.files import CoganError

#: Shares of the one class in training sets.
SHARES = (0.5, 0.7, 0.9)
#: Shares of none and of all are moved inwards by half an image, so that their odds are finite.
HALF = 0.5


@dataclass(frozen=True)
class BiasAmplification:
    """What `bias_amplification` found.

    Attributes
    ----------
    shares_in : tuple of float
        Share of the class in the training sets.
    shares_read : tuple of float
        What the reader finds in these sets themselves: its own errors are in it.
    shares_out, errors : tuple of float
        What it finds in generated images: mean, and its standard error over the repeats.
    slope, slope_error : float
        Of ln odds out against ln odds read: 1 is faithful, more than 1 makes the rare rarer, 0
        ignores the training set; the standard error is that over the repeats.
    sentence : str
    """

    shares_in: tuple[float, ...]
    shares_read: tuple[float, ...]
    shares_out: tuple[float, ...]
    errors: tuple[float, ...]
    slope: float
    slope_error: float
    sentence: str

    def to_dict(self) -> dict:
        """All of it, JSON-ready."""
        return asdict(self)


def bias_amplification(
    make: Callable[[np.ndarray, int, int], np.ndarray],
    images: np.ndarray,
    member: np.ndarray,
    reader: Callable[[np.ndarray], np.ndarray],
    *,
    shares: Sequence[float] = SHARES,
    size: int,
    n: int,
    repeats: int = 3,
    seed: int,
) -> BiasAmplification:
    """Skew the training set, and measure the skew that comes out.

    Parameters
    ----------
    make : callable
        Trains a generator and draws: ``make(training, n, seed)`` gives images (n, side, side).
    images : ndarray, shape (m, side, side)
        Real ones, from which training sets are drawn.
    member : ndarray of bool, shape (m,)
        Which belong to the class.
    reader : callable
        Says which images of a stack belong to the class, as bools.
    shares : sequence of float
        At least two, between 0 and 1.
    size : int
        Of a training set.
    n : int
        Images that are generated for each.
    repeats : int
        Training sets of each share, at least two.
    seed : int

    Returns
    -------
    BiasAmplification

    Raises
    ------
    CoganError
        If a class has too few images for a share, or the arguments make no sense.

    Examples
    --------
    >>> images = np.zeros((400, 8, 8))
    >>> images[200:] = 1.0
    >>> found = bias_amplification(
    ...     lambda training, n, seed: training[np.arange(n) % len(training)],  # copies
    ...     images, images[:, 0, 0] > 0.5, lambda some: some[:, 0, 0] > 0.5,
    ...     size=100, n=100, seed=1,
    ... )
    >>> tuple(round(share, 6) for share in found.shares_out), round(found.slope, 3)
    ((0.5, 0.7, 0.9), 1.0)
    """
    check_positive(size=size, n=n)
    images, member = np.asarray(images), np.asarray(member, bool)
    if member.shape != (len(images),):
        raise CoganError(f"{len(images)} images need as many bools, not {member.shape}.")
    if len(set(shares)) < 2 or not all(0 < share < 1 for share in shares) or repeats < 2:
        raise CoganError(
            f"A slope needs at least two shares between 0 and 1 and two repeats, not {shares} and "
            f"{repeats}."
        )
    kinds = np.flatnonzero(member), np.flatnonzero(~member)
    read, out = np.empty((2, repeats, len(shares)))
    for repeat in range(repeats):
        for column, share in enumerate(shares):
            rng = np.random.default_rng((seed, repeat, column))
            counts = round(share * size), size - round(share * size)
            if any(count > len(kind) for count, kind in zip(counts, kinds, strict=True)):
                raise CoganError(
                    f"A training set of {size} with a share of {share:g} needs {counts[0]} images "
                    f"of the class and {counts[1]} others; there are {len(kinds[0])} and "
                    f"{len(kinds[1])}."
                )
            drawn = [
                rng.choice(kind, count, replace=False)
                for kind, count in zip(kinds, counts, strict=True)
            ]
            training = images[rng.permutation(np.concatenate(drawn))]
            read[repeat, column] = _share(reader, training)
            made = make(training, n, int(rng.integers(2**31)))
            out[repeat, column] = _share(reader, np.asarray(made))
    slopes = [np.polyfit(_odds(a, size), _odds(b, n), 1)[0] for a, b in zip(read, out, strict=True)]
    root = np.sqrt(repeats)
    slope, error = float(np.mean(slopes)), float(np.std(slopes, ddof=1) / root)
    return BiasAmplification(
        shares_in=tuple(float(share) for share in shares),
        shares_read=tuple(read.mean(axis=0).tolist()),
        shares_out=tuple(out.mean(axis=0).tolist()),
        errors=tuple((out.std(axis=0, ddof=1) / root).tolist()),
        slope=slope,
        slope_error=error,
        sentence=_sentence(slope, error, shares, out.mean(axis=0)),
    )


def _share(reader, images: np.ndarray) -> float:
    belongs = np.asarray(reader(images))
    if belongs.shape != (len(images),):
        raise CoganError(
            f"The reader gives {belongs.shape} for {len(images)} images; give one bool each."
        )
    return float(belongs.astype(bool).mean())


def _odds(shares: np.ndarray, n: int) -> np.ndarray:
    inside = np.clip(shares, HALF / n, 1 - HALF / n)
    return np.log(inside / (1 - inside))


def _sentence(slope, error, shares, out) -> str:
    if abs(slope - 1) <= 2 * error:
        what = "no amplification was seen"
    else:
        what = "the skew is amplified" if slope > 1 else "the skew is weakened"
    last = int(np.argmax(shares))
    return (
        f"With a share of {shares[last]:.0%} in training, {out[last]:.0%} of the generated images "
        f"belong to the class; the odds go with the power {slope:.2f} ± {error:.2f} of those in "
        f"training (1 is faithful): {what}."
    )
