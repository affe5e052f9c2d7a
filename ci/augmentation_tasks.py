"""The tasks of chapter 13 and their sources: HII regions of chapter 10, and CO on few tiles.

They stand here, not in the library, because companions know nothing of each other nor of the sky.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
from scipy.ndimage import gaussian_filter

from cogan_lib.base.units import CO_SOFTENING, FWHM_PER_SIGMA
from cogan_lib.companions.augmentation import learners, sources
from cogan_lib.companions.augmentation.tasks import Labelled, Task
from cogan_lib.companions.hii_regions import network, physics
from cogan_lib.companions.hii_regions.evaluation import SHELL
from cogan_lib.companions.hii_regions.shapes import shape_numbers
from cogan_lib.sky.embedded import make_sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry

#: Real HII regions to take few from, and to test on; tiles of other skies that a source may give.
POOL, TESTED = 1024, 2000
#: Images of chapter 10's generator, of which each training gets some.
GENERATED = 6000
AT_ONCE = 500  # images that are measured: a measurement holds twenty copies of them
#: Shapes whose handedness is plain: radius, thickness, ellipticity, asymmetry.
HANDED = ((14, 18), (0.7, 0.9), (0.45, 0.5), (0.75, 0.8))
#: The bright side lies at least so many degrees off the axes (in the ellipse made a circle).
OFF_AXIS_DEG = 15.0
#: The simulator that is a little wrong has this beam [pixels], and regions without a bright side.
WRONG_FWHM_PX = 5.0
#: The sky of the tiles, and the tiles.
SKY = {"nside": 128, "fwhm_arcmin": 40.0}
TILES, CENTRES, SNR_MIN = Geometry(16, 7.5), 32, 5.0
INPUTS, TARGET = ("DUST", "N_HI"), "W_CO21"
FLOORS = {"DUST": 0.1, "N_HI": 1e19}  # below: noise, which has no logarithm
NOISE = {"DUST": 0.01, "N_HI": 0.0, TARGET: 0.03}  # of the tiles, in their units


def seen(sky: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images of skies through the telescope, as the network sees them, shape (n, 1, h, w)."""
    return np.arcsinh(2 * physics.observed(sky, rng))[:, None].astype(np.float32)


def regions(n: int, rng: np.random.Generator, wrong: bool = False) -> Labelled:
    """HII regions, shell (0) or bubble (1), of the simulator or of one that is a little wrong."""
    shapes = rng.uniform(*np.transpose(list(physics.RANGES.values())), (n, 4))
    shapes[:, 3] *= not wrong
    found = physics.regions(n, rng, shapes)
    wider = np.sqrt(WRONG_FWHM_PX**2 - physics.FWHM_PX**2) / FWHM_PER_SIGMA if wrong else 0.0
    sky = gaussian_filter(found.sky, (0, wider, wider))
    return Labelled(seen(sky, rng), (shapes[:, 1] > SHELL).astype(np.int64))


def handed(n: int, rng: np.random.Generator) -> Labelled:
    """HII regions whose bright side lies clockwise (0) or anticlockwise (1) of the major axis.

    Rotations keep that, mirrors do not.
    """
    drawn = 2 * n + 20  # two thirds are far enough off the axes
    found = physics.regions(drawn, rng, rng.uniform(*np.transpose(HANDED), (drawn, 4)))
    sense = np.sin(2 * found.angles[:, 1])
    rows = np.flatnonzero(np.abs(sense) > np.sin(np.radians(2 * OFF_AXIS_DEG)))[:n]
    return Labelled(seen(found.sky[rows], rng), (sense[rows] > 0).astype(np.int64))


@cache
def morphology(which=regions) -> Task:
    """Shell or bubble (or, of `handed`, on which side it is bright)."""
    rng = np.random.default_rng([19, 1])
    return Task(which.__name__, "class", which(POOL, rng), which(TESTED, rng))


def noisier(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
    """Put the telescope's noise on images once more."""
    rows = rng.integers(len(real), size=n)
    return Labelled(seen(np.sinh(real.inputs[rows, 0]) / 2, rng), real.labels[rows])


@cache
def pool() -> tuple[np.ndarray, np.ndarray]:
    """Images of chapter 10's generator, that saw 20,000 skies, and what is measured in them."""
    found, _ = network.load_generator(network.WEIGHTS / "healthy")
    images = seen(network.generate(found, GENERATED, 1), np.random.default_rng([19, 2]))
    return images, measure(images)


def generated(n: int, rng: np.random.Generator) -> np.ndarray:
    """Some of those images."""
    return pool()[0][rng.permutation(GENERATED)[:n]]


def measured(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
    """Some of those images, named by the thickness that is measured in them."""
    rows = rng.permutation(GENERATED)[:n]
    return Labelled(pool()[0][rows], pool()[1][rows].astype(np.int64))


def measure(images: np.ndarray) -> np.ndarray:
    """True for a bubble, by chapter 10's measure of the thickness: it needs no training."""
    parts = np.array_split(images[:, 0], -(-len(images) // AT_ONCE))
    return np.concatenate([shape_numbers(np.sinh(part) / 2)[:, 1] > SHELL for part in parts])


def region_sources() -> dict:
    """Where more HII regions come from."""
    return {
        "none": None,
        "flips, 90°": sources.turned,
        "any pose": sources.posed,
        "noise": noisier,
        "Gaussian of the few": sources.gaussian,
        "GAN, named by the few": sources.read_by(learners.classifier, generated),
        "GAN, measured": measured,
        "wrong simulator": lambda real, n, rng: regions(n, rng, wrong=True),
        "simulator": lambda real, n, rng: regions(n, rng),
    }


def handed_sources() -> dict:
    """Rotations, and mirrors with the class that is right or wrong."""
    return {
        "none": None,
        "90°": partial(sources.turned, flip=False),
        "90°, mirrored, other class": partial(sources.turned, mirrored=lambda label: 1 - label),
        "90°, mirrored, same class": sources.turned,
    }


@cache
def tiles(seed: int) -> dict[str, Labelled]:
    """Tiles of the embedded sky of a seed, by split: log10 of dust and HI, asinh of CO."""
    sky = make_sky(**SKY, seed=seed)
    keep = [*INPUTS, TARGET, f"{TARGET}_ERR"]
    maps, units = ({name: part[name] for name in keep} for part in (sky.maps, sky.units))
    sky = replace(sky, maps=maps, units=units)
    patches = make_patches(sky, TILES, CENTRES, snr_min=SNR_MIN, seed=seed)
    found = {split: patches.select(split) for split in ("train", "validation", "test")}
    return {split: scaled(some.inputs, some.targets[:, 0]) for split, some in found.items()}


def scaled(inputs: np.ndarray, w_co: np.ndarray) -> Labelled:
    """Tiles in physical units as the network sees them."""
    floors = np.array([FLOORS[name] for name in INPUTS])[:, None, None]
    logs = np.log10(np.maximum(inputs, floors))
    return Labelled(logs.astype(np.float32), np.arcsinh(w_co / CO_SOFTENING).astype(np.float32))


def co_tiles(seed: int) -> Task:
    """CO of dust and HI, on tiles of one sky; tested in longitudes that no training touches."""
    found = tiles(seed)
    return Task("CO", "map", found["train"], found["test"])


def co_sources(seed: int, seeds: list[int]) -> dict:
    """Where more tiles come from; `seeds` are those of all skies."""
    others = [tiles(other) for other in seeds if other != seed]
    pool = others[0]["train"]
    for other in others[1:]:
        pool = pool.plus(other["train"])

    def simulated(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
        return pool.take(rng.permutation(len(pool))[:n])

    def uncalibrated(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
        found = simulated(real, n, rng)
        return Labelled(found.inputs, np.arcsinh(1.5 * np.sinh(found.labels)))

    def brighter(real: Labelled, n: int, rng: np.random.Generator, *, together: bool) -> Labelled:
        rows = rng.integers(len(real), size=n)
        factor = 2 ** rng.uniform(-1, 1, (n, 1, 1)).astype(np.float32)
        inputs = real.inputs[rows] + np.log10(factor)[:, None]
        w_co = np.sinh(real.labels[rows]) * (factor if together else 1)
        return Labelled(inputs, np.arcsinh(w_co))

    def noise(real: Labelled, n: int, rng: np.random.Generator) -> Labelled:
        rows = rng.integers(len(real), size=n)
        sigma = SKY["fwhm_arcmin"] / TILES.pixel_arcmin / FWHM_PER_SIGMA

        def drawn(name: str) -> np.ndarray:
            white = rng.standard_normal((n, *real.labels.shape[1:]))
            field = gaussian_filter(white, (0, sigma, sigma))
            return NOISE[name] * field / field.std()

        columns = [10 ** real.inputs[rows, i] + drawn(name) for i, name in enumerate(INPUTS)]
        w_co = CO_SOFTENING * np.sinh(real.labels[rows]) + drawn(TARGET)
        return scaled(np.stack(columns, 1), w_co)

    return {
        "none": None,
        "flips, 90°": sources.turned,
        "any pose": partial(sources.posed, shift_px=2.0),
        "noise": noise,
        "Gaussian of the few": sources.gaussian,
        "brightness, all": partial(brighter, together=True),
        "brightness, inputs": partial(brighter, together=False),
        "other skies, CO x 1.5": uncalibrated,
        "other skies": simulated,
    }
