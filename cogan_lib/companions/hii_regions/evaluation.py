"""How good generated regions are: spectrum, brightness, shapes, modes, copies, and their use.

All tests see generated and real skies through the same telescope, unless they say "sky".
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import fft
from scipy.spatial.distance import cdist

from ...base.files import CoganError
from ...learn.compare import classifier_auc, ks, nearest_ratio
from . import physics
from .physics import RANGES, SHAPES, SIDE, Regions
from .shapes import shape_numbers

#: Images for the distributions' tests, and to look for copies: nearest neighbours take long.
TESTED, SEARCHED = 1000, 500
#: Bins of the power spectrum [cycles per image].
K_EDGES = np.arange(0.5, SIDE / 2 + 1, 2.0)
#: Corners of the space of shapes: outside of these quantiles of the real ones, on either side.
OUTER = (0.4, 0.6)
#: A shell is thinner than that, a bubble thicker.
SHELL = float(np.mean(RANGES["thickness"]))
#: What passes: largest error of the spectrum, least p-value, least share of real regions' number in
#: a corner, largest AUC, least ratio of nearest distances, largest loss of accuracy.
LIMITS = {
    "power": 0.10,
    "flux": 0.01,
    "shapes": 0.01,
    "coverage": 0.5,
    "auc": 0.6,
    "nearest": 0.9,
    "use": 0.03,
}
TESTS = tuple(LIMITS)


def power(images: np.ndarray) -> np.ndarray:
    """Compute each image's power spectrum in rings.

    Parameters
    ----------
    images : ndarray, shape (n, SIDE, SIDE)

    Returns
    -------
    ndarray, shape (n, len(K_EDGES) - 1)
        Mean of ``|F|^2`` over the modes of a ring.
    """
    k = np.hypot(fft.fftfreq(SIDE)[:, None], fft.rfftfreq(SIDE)[None]) * SIDE
    ring = np.digitize(k, K_EDGES) - 1
    modes = np.abs(fft.rfft2(images)) ** 2
    return np.stack([modes[:, ring == i].mean(1) for i in range(len(K_EDGES) - 1)], axis=1)


def power_ratio(generated: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide the mean power spectra.

    Parameters
    ----------
    generated, real : ndarray, shapes (n, SIDE, SIDE) and (m, SIDE, SIDE)

    Returns
    -------
    ratio, error : ndarray, shape (len(K_EDGES) - 1,)
        Generated over real, and its standard error from the scatter of the images.
    """
    powers = [power(images) for images in (generated, real)]
    means = [some.mean(0) for some in powers]
    relative = [some.std(0) / np.sqrt(len(some)) / some.mean(0) for some in powers]
    ratio = means[0] / means[1]
    return ratio, ratio * np.hypot(*relative)


def corners() -> list[str]:
    """Name the 16 corners of the space of shapes, a letter per number: - is low, + is high."""
    return ["".join(signs) for signs in product("-+", repeat=len(SHAPES))]


def coverage(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Compare the numbers of regions in the corners of the space of shapes.

    Parameters
    ----------
    generated, real : ndarray, shapes (n, 4) and (m, 4)
        Of `shape_numbers`.

    Returns
    -------
    ndarray, shape (16,)
        Share of generated regions in each of `corners` over that of real ones: 0 is a lost corner.
    """
    low, high = np.quantile(real, OUTER, axis=0)

    def shares(numbers: np.ndarray) -> np.ndarray:
        side = {"-": numbers < low, "+": numbers > high}
        return np.array(
            [
                np.all([side[sign][:, i] for i, sign in enumerate(name)], axis=0).mean()
                for name in corners()
            ]
        )

    return shares(generated) / np.maximum(shares(real), 1 / len(real))


def blocks(images: np.ndarray, size: int) -> np.ndarray:
    """Average pixels and scale them: short rows that still show a region.

    Parameters
    ----------
    images : ndarray, shape (n, SIDE, SIDE)
    size : int
        Pixels along a side of what is averaged.

    Returns
    -------
    ndarray, shape (n, (SIDE / size)^2)
    """
    sides = SIDE // size
    means = np.asarray(images, np.float32).reshape(-1, sides, size, sides, size).mean((2, 4))
    return np.arcsinh(2 * means).reshape(len(means), -1)


def features(images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Collect what a classifier looks at: shapes, log spectrum, quantiles of the brightness.

    Parameters
    ----------
    images : ndarray, shape (n, SIDE, SIDE)
    numbers : ndarray, shape (n, 4)
        Of `shape_numbers`.

    Returns
    -------
    ndarray, shape (n, 25)
    """
    bright = np.quantile(images.reshape(len(images), -1), (0.5, 0.8, 0.9, 0.97, 0.995), axis=1).T
    return np.column_stack([numbers, np.log(power(images)), np.arcsinh(2 * bright)])


def use(images: np.ndarray, numbers: np.ndarray, tested: np.ndarray, real: Regions) -> dict:
    """Train a small machine on images with measured shapes, test it on real ones with known shapes.

    Kernel ridge regression of blocks of pixels, with a Gaussian kernel: of the radius, and of the
    thickness, which tells shells from bubbles.

    Parameters
    ----------
    images : ndarray, shape (n, SIDE, SIDE)
        With noise; generated or real.
    numbers : ndarray, shape (n, 4)
        Their `shape_numbers`: of generated images nothing else is known, so no more is told of real
        ones.
    tested : ndarray, shape (m, SIDE, SIDE)
        Images of `real`, with noise.
    real : Regions

    Returns
    -------
    dict
        ``radius_rms`` [pixels] and ``accuracy``, the share of regions that are rightly called shell
        or bubble.
    """
    train, test = blocks(images, 4), blocks(tested, 4)
    squared = cdist(train, train, "sqeuclidean")
    width = np.median(squared)
    if not width > 0:
        return {"radius_rms": float("nan"), "accuracy": 0.5}
    labels = numbers[:, :2]
    kernel = np.exp(-squared / width) + 0.02 * np.eye(len(train))
    weights = np.linalg.solve(kernel, labels - labels.mean(0))
    found = np.exp(-cdist(test, train, "sqeuclidean") / width) @ weights + labels.mean(0)
    radius, thickness = real.shapes[:, 0], real.shapes[:, 1]
    return {
        "radius_rms": float(np.sqrt(np.mean((found[:, 0] - radius) ** 2))),
        "accuracy": float(np.mean((found[:, 1] > SHELL) == (thickness > SHELL))),
    }


def copies(sky: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> float:
    """Compare the nearest distance to the training's skies, in all their orientations.

    Parameters
    ----------
    sky, training, held_out : ndarray, shape (n, SIDE, SIDE) each
        Without noise.

    Returns
    -------
    float
        As `learn.compare.nearest_ratio`: about 1, near 0 for copies.
    """
    small = blocks(training, 8).reshape(-1, SIDE // 8, SIDE // 8)  # turned when they are small
    small = np.concatenate([small, small.swapaxes(1, 2)])
    seen = np.concatenate([np.rot90(small, i, (1, 2)).reshape(len(small), -1) for i in range(4)])
    return nearest_ratio(blocks(sky[:SEARCHED], 8), seen, blocks(held_out[:SEARCHED], 8))


def assess(sky: np.ndarray, real: Regions, training: np.ndarray, seed: int) -> dict:
    """Put generated skies to all tests.

    Parameters
    ----------
    sky : ndarray, shape (n, SIDE, SIDE)
        Generated, without noise, as many as `real`; distributions are tested on the first `TESTED`.
    real : Regions
        That no training saw.
    training : ndarray, shape (m, SIDE, SIDE)
        Skies that the network was trained on.
    seed : int
        Of the noise and the folds.

    Returns
    -------
    dict
        JSON-ready: ``power_ratio`` and ``power_error`` by ring, ``sky_ratio``, the same without
        noise for the first rings, in which the sky has more power than that; ``flux`` and each
        of ``shapes``: (distance, p-value); ``pixels``, the distance of all pixels' distributions;
        ``coverage`` by corner; ``auc``; ``nearest``; ``use`` of generated and ``use_real`` of as
        many other real images; and ``passes``, a bool for each of `TESTS`.

    Raises
    ------
    CoganError
        If there are too few skies.
    """
    if len(sky) != len(real.sky) or len(sky) < 2 * SEARCHED:
        raise CoganError(
            f"{len(sky)} generated and {len(real.sky)} real skies were given; take equal numbers, "
            f"at least {2 * SEARCHED}."
        )
    rng = np.random.default_rng(seed)
    images, reals = (physics.observed(some, rng) for some in (sky, real.sky))
    numbers, known = (shape_numbers(some) for some in (images, reals))
    ratio, error = power_ratio(images, reals)
    bright = np.count_nonzero(power(real.sky).mean(0) > (SIDE * physics.NOISE) ** 2)
    half = len(sky) // 2  # one half is trained on, where something is trained, the other tested
    tested = Regions(real.sky[half:], real.shapes[half:], real.angles[half:])
    flux = ks(*(some[:TESTED].sum((1, 2))[:, None] for some in (reals, images)))
    shapes = ks(known[:TESTED], numbers[:TESTED])
    thinned = [np.sort(some.ravel()[::7]) for some in (reals, images)]
    found = {
        "power_ratio": ratio.tolist(),
        "power_error": error.tolist(),
        "sky_ratio": power_ratio(sky, real.sky)[0][:bright].tolist(),
        "flux": [float(flux[0][0]), float(flux[1][0])],
        "shapes": {
            name: [float(shapes[0][i]), float(shapes[1][i])] for i, name in enumerate(SHAPES)
        },
        "pixels": float(ks(*(some[:, None] for some in thinned))[0][0]),
        "coverage": dict(zip(corners(), coverage(numbers, known).tolist(), strict=True)),
        "auc": classifier_auc(
            features(reals[:TESTED], known[:TESTED]),
            features(images[:TESTED], numbers[:TESTED]),
            seed,
        ),
        "nearest": copies(sky, training, real.sky),
        "use": use(images[:half], numbers[:half], reals[half:], tested),
        "use_real": use(reals[:half], known[:half], reals[half:], tested),
    }
    return found | {"passes": passes(found)}


def passes(found: dict) -> dict[str, bool]:
    """Say which tests are passed, by `LIMITS`.

    Parameters
    ----------
    found : dict
        Of `assess`.

    Returns
    -------
    dict of str to bool
    """
    lost = found["use_real"]["accuracy"] - found["use"]["accuracy"]
    values = {
        "power": max(abs(ratio - 1) for ratio in found["power_ratio"]) <= LIMITS["power"],
        "flux": found["flux"][1] > LIMITS["flux"],
        "shapes": min(p for _, p in found["shapes"].values()) > LIMITS["shapes"],
        "coverage": min(found["coverage"].values()) >= LIMITS["coverage"],
        "auc": found["auc"] <= LIMITS["auc"],
        "nearest": found["nearest"] >= LIMITS["nearest"],
        "use": lost <= LIMITS["use"],
    }
    return {name: bool(values[name]) for name in TESTS}
