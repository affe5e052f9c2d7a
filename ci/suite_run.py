"""Measure what the suite of chapter 13 catches: six faulty generators on three kinds of images.

    python ci/suite_run.py runs/suite book/results/suite/report.json [--sky path/to/sky.fits]

The images are HII regions, log-normal fields, and tiles of CO: of the embedded skies, or of the sky
that is given. What has been measured is not measured again, unless its part is named with --again.
Shares have their 95 % interval after Wilson.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
from verdict_power import fails_of

from cogan_lib.base.files import CoganError, atomic_path, provenance, read_json, sha256, write_json
from cogan_lib.companions.hii_regions import physics as hii
from cogan_lib.companions.hii_regions.shapes import shape_numbers
from cogan_lib.companions.three_models import physics as fields
from cogan_lib.sky.embedded import make_sky
from cogan_lib.sky.skyfile import Sky, read_sky
from cogan_lib.tiles.geometry import Geometry, tile_centres
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm
from cogan_lib.validation.bias import bias_amplification
from cogan_lib.validation.blocks import sky_blocks
from cogan_lib.validation.exchange import ALPHA
from cogan_lib.validation.faults import FAULTS, faulty
from cogan_lib.validation.image_numbers import poses
from cogan_lib.validation.suite import Verdict, validate_generated

PARTS = ("catches", "false_alarms", "speed", "bias")
ROLES = ("real", "held_out", "training", "pool")
#: Fresh images to choose from, over the images that a generator makes; the least of CO.
POOL, LEAST_POOL = 4, 1.5
#: Tiles of CO: 4 degrees, as the beam of the embedded sky allows; blocks of sky; skies.
GEOMETRY, CENTRE_NSIDE, BLOCK_DEG, SKIES = Geometry(32, 7.5), 16, 10.0, 6
#: A tile is kept as in chapter 05: so much of it has such a signal to noise.
SNR, SHARE = 8.0, 0.02
LARGE = 13.0  # radius of a large region [pixels]


class Stack(NamedTuple):
    """Images, what is known of them, and which are not independent."""

    images: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray


class Kind(NamedTuple):
    """A kind of images: draws the stacks of `ROLES`, and measures labels if it can."""

    draw: Callable[[int, np.random.Generator], dict[str, Stack]]
    reader: Callable[[np.ndarray], np.ndarray] | None


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for the tiles of CO")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--sky", type=Path, help="sky file with CO and its error")
    parser.add_argument("--kinds", nargs="+", default=["regions", "fields", "co"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--repeats", type=int, default=20, help="of each fault and size")
    parser.add_argument("--alarms", type=int, default=200, help="of no fault, of the least size")
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    options = parser.parse_args(arguments)
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)

    def once(part: str, key: str, measure) -> None:
        if key not in report.setdefault(part, {}):
            started = time.process_time()
            report[part][key] = measure()
            report.setdefault("core_seconds", {})[f"{part} {key}"] = time.process_time() - started
            write_json(options.report, report)
            print(part, key, f"{time.process_time() - started:.0f} s", flush=True)

    for name in options.kinds:
        kind = kind_of(name, options)
        for size in options.sizes:
            for fault in FAULTS:
                once(
                    "catches",
                    f"{name}, {fault}, {size}",
                    lambda kind=kind, fault=fault, size=size: shares(
                        kind, fault, size, options.repeats
                    ),
                )
        least = min(options.sizes)
        once(
            "false_alarms",
            f"{name}, {least}",
            lambda kind=kind, least=least: shares(kind, None, least, options.alarms),
        )
    once("speed", "500", speed)
    for name in GENERATORS:
        once("bias", name, lambda name=name: amplification(name))
    report["settings"] = {
        "kinds": options.kinds, "sizes": options.sizes, "faults": list(FAULTS), "alpha": ALPHA,
        "strengths": {name: strength for name, (_, strength) in FAULTS.items()},
    }  # fmt: skip
    report["all_kinds"] = together(report)
    facts = {"sky_sha256": sha256(options.sky)} if options.sky else {}
    write_json(options.report, report | {"provenance": provenance(1, **facts)})
    show(report)
    return 0


def kind_of(name: str, options: argparse.Namespace) -> Kind:
    """The kind of images of this name."""
    if name == "regions":
        return Kind(simulated(regions), shape_numbers)
    if name == "fields":
        return Kind(simulated(log_normal), None)
    if name == "co":
        return Kind(lambda n, rng: dealt(co_tiles(options), n, rng), None)
    raise CoganError(f"There are no images of the kind {name!r}; choose regions, fields or co.")


def simulated(draw) -> Callable[[int, np.random.Generator], dict[str, Stack]]:
    """Stacks of a simulator: all images are independent."""

    def stacks(n: int, rng: np.random.Generator) -> dict[str, Stack]:
        found, start = {}, 0
        for role in ROLES:
            images, labels = draw(POOL * n if role == "pool" else n, rng)
            found[role] = Stack(images, labels, start + np.arange(len(images)))
            start += len(images)
        return found

    return stacks


def regions(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """HII regions with noise, and their shapes."""
    drawn = hii.regions(n, rng)
    return hii.observed(drawn.sky, rng), drawn.shapes


def log_normal(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal fields, and their scatter."""
    drawn = fields.fields(n, rng)
    return drawn, scatter(drawn)


def scatter(images: np.ndarray) -> np.ndarray:
    """Logarithm of each image's standard deviation, (n, 1)."""
    return np.log(np.std(images, axis=(1, 2), dtype=float))[:, None]


def co_tiles(options: argparse.Namespace) -> Stack:
    """Tiles of CO, with ln of the mean dust as their label."""
    kept = options.folder / "co_tiles.npz"
    name = str(options.sky.resolve()) if options.sky else "embedded"
    if kept.exists() and str(np.load(kept)["sky"]) == name:
        return Stack(*(np.load(kept)[part] for part in ("images", "labels", "blocks")))
    found, first = [], 0
    for seed in range(1, 2 if options.sky else SKIES + 1):
        sky = read_sky(options.sky) if options.sky else make_sky(128, 30.0, seed)
        tiles = tiles_of(sky)
        found.append(Stack(tiles.images, tiles.labels, tiles.blocks + first))
        first += tiles.blocks.max() + 1
    tiles = Stack(*(np.concatenate(part) for part in zip(*found, strict=True)))
    options.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept) as path, open(path, "wb") as file:
        np.savez(file, sky=name, images=tiles.images, labels=tiles.labels, blocks=tiles.blocks)
    return tiles


def tiles_of(sky: Sky) -> Stack:
    """Tiles of one sky with CO in them."""
    centres = tile_centres(CENTRE_NSIDE)
    target = sorted(sky.targets)[-1]
    images, error, dust = (
        cut_tiles(map_to_alm(sky.maps[name]), GEOMETRY, centres)
        for name in (target, f"{target}_ERR", sky.inputs[0])
    )
    kept = (images > SNR * error).mean(axis=(1, 2)) > SHARE
    label = np.log(np.maximum(dust[kept].mean(axis=(1, 2)), 1e-30))
    return Stack(images[kept], label[:, None], sky_blocks(*centres[kept].T, BLOCK_DEG))


def dealt(tiles: Stack, n: int, rng: np.random.Generator) -> dict[str, Stack]:
    """Deal out one tile of each block of sky, so that none is another's neighbour.

    n are for each role; the pool gets what is left.
    """
    order = rng.permutation(len(tiles.blocks))
    order = order[np.unique(tiles.blocks[order], return_index=True)[1]]
    order = rng.permutation(order)
    if len(order) < (3 + LEAST_POOL) * n:
        raise CoganError(
            f"{len(order)} blocks of sky are too few for stacks of {n}; ask for at most "
            f"{int(len(order) / (3 + LEAST_POOL))}."
        )
    parts = dict(zip(ROLES, np.split(order, [n, 2 * n, 3 * n]), strict=True))
    return {role: Stack(*(some[which] for some in tiles)) for role, which in parts.items()}


def verdict_of(kind: Kind, fault: str | None, n: int, seed: int) -> Verdict:
    """The verdict on n images of a generator, faulty or (`fault` is None) perfect."""
    stacks = kind.draw(n, np.random.default_rng((seed, n)))
    real, held_out, training, pool = (stacks[role] for role in ROLES)
    name, strength = (fault, None) if fault else ("rescaled", 0.0)
    made = faulty(name, pool.images, training.images, n, seed=seed, strength=strength)
    labels = np.concatenate([pool.labels, training.labels])[made.source]
    return validate_generated(
        real.images,
        made.images,
        held_out.images,
        training=training.images,
        labels=(real.labels, labels, held_out.labels),
        reader=kind.reader,
        # of what a generator makes nobody knows that two came of one: each stands for itself
        blocks=(real.blocks, np.arange(n), held_out.blocks, training.blocks),
        seed=seed,
    )


def shares(kind: Kind, fault: str | None, n: int, repeats: int) -> dict:
    """Shares of verdicts that fail: of all tests together, of each among them, of each alone."""
    verdicts = [verdict_of(kind, fault, n, seed) for seed in range(1, repeats + 1)]
    names = list(verdicts[0].tests)
    among = {name: sum(not v.tests[name].passes for v in verdicts) for name in names}
    alone = {name: sum(v.tests[name].p_value < ALPHA for v in verdicts) for name in names}
    among["all"] = sum(not v.passes for v in verdicts)
    return {
        "caught": fails_of(among, repeats),
        "alone": fails_of(alone, repeats),
        "repeats": repeats,
        "counts": {"caught": among, "alone": alone},
    }


def together(report: dict) -> dict:
    """The catch table over all kinds: fault -> size -> shares of each test."""
    found: dict[str, dict] = {}
    for key, row in report["catches"].items():
        _, fault, size = key.split(", ")
        for way in ("caught", "alone"):
            sums = found.setdefault(fault, {}).setdefault(size, {}).setdefault(way, {})
            for name, count in row["counts"][way].items():
                done = sums.setdefault(name, [0, 0])
                sums[name] = [done[0] + count, done[1] + row["repeats"]]
    return {
        fault: {
            size: {
                way: {name: fails_of({name: k}, n)[name] for name, (k, n) in sums.items()}
                for way, sums in ways.items()
            }
            for size, ways in sizes.items()
        }
        for fault, sizes in found.items()
    }


def speed() -> dict:
    """Core seconds for 500 generated, 500 real and 500 held-out images of 64 x 64 pixels."""
    rng = np.random.default_rng(1)
    stacks = [regions(500, rng)[0] for _ in range(3)]
    started = time.process_time()
    validate_generated(*stacks, seed=1)
    return {"core_seconds": time.process_time() - started}


def copies(training: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A generator that gives what it was shown, in any pose: the skew comes out as it went in."""
    rng = np.random.default_rng(seed)
    posed = poses(training)
    return posed[rng.integers(8, size=n), rng.integers(len(training), size=n)]


def typical(training: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A generator of typical images only: of the half that is nearest to the mean image."""
    distance = ((training - training.mean(axis=0)) ** 2).mean(axis=(1, 2))
    return copies(training[np.argsort(distance)[: len(training) // 2]], n, seed)


def gaussian(training: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A Gaussian with the mean and the covariance of the training images."""
    rng = np.random.default_rng(seed)
    rows = training.reshape(len(training), -1)
    mean = rows.mean(axis=0)
    drawn = rng.standard_normal((n, len(rows))) / np.sqrt(len(rows))
    return (mean + drawn @ (rows - mean)).reshape(n, *training.shape[1:])


GENERATORS = {"copies": copies, "typical": typical, "gaussian": gaussian}


def amplification(name: str) -> dict:
    """What happens to the share of large HII regions."""
    images, shapes = regions(3000, np.random.default_rng(2))

    def large(some: np.ndarray) -> np.ndarray:
        return shape_numbers(some)[:, 0] > LARGE

    return bias_amplification(
        GENERATORS[name], images, shapes[:, 0] > LARGE, large, size=500, n=500, repeats=5, seed=1
    ).to_dict()


def show(report: dict) -> None:
    for part in ("catches", "false_alarms"):
        for key, row in report[part].items():
            said = (f"{name} {found['share']:.2f}" for name, found in row["caught"].items())
            alone = row["alone"]["train_on_generated"]["share"]
            print(f"{key:32s}", *said, f"(train on generated, alone: {alone:.2f})")
    print(report["speed"], *(found["sentence"] for found in report["bias"].values()), sep="\n")
    print(f"{sum(report['core_seconds'].values()) / 60:.1f} core-minutes")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
