"""What each choice of the recipe costs: the same tiles and steps, one change at a time.

    python -m cogan_lib.ablation runs/real/patches.npz ablation.json --steps 2000 --seeds 1 2 3

trains every variant with every seed and adds its row to the file after each; called again it goes
on with what is missing. Chapter 06 reads the file. Nothing is chosen from it: the numbers of the
held-out test tiles stand beside each other for the reader.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from .base.config import Settings
from .base.files import CoganError, provenance, read_json, write_json
from .beyond.members import member_tiles
from .gan.checkpoint import load_checkpoint
from .gan.losses import LossWeights
from .gan.recipes import VARIANTS, TrainingSettings, member_settings, training_settings
from .gan.training import train
from .sky.skyfile import Sky, read_sky
from .synthesis import generate
from .tiles.geometry import Geometry
from .tiles.instrument import noise_tiles
from .tiles.patches import Patches
from .tiles.scaling import PatchMinMax
from .validation.report import headline, validate

log = logging.getLogger(__name__)


def variant(name: str, patches: Patches, steps: int, seed: int) -> TrainingSettings:
    """Choose the training settings of a variant.

    The paper's recipe is run a quarter as wide (the cogan preset's widths), so that a step of it
    takes about as long as one of the others.

    Parameters
    ----------
    name : str
        One of `recipes.VARIANTS`.
    patches : Patches
    steps : int
        Of the training.
    seed : int

    Returns
    -------
    TrainingSettings

    Raises
    ------
    CoganError
        Unknown name; the identity loss between unequal channels.
    """
    if name not in VARIANTS:
        raise CoganError(f"There is no variant {name!r}; there are {', '.join(VARIANTS)}.")
    change = dict(VARIANTS[name])
    recipe = change.get("recipe")
    base = Settings.check(
        preset="paper" if recipe == "paper" else "cogan",
        paired=recipe != "paper",
        seed=seed,
        max_steps=steps,
        device="cpu",
    )
    settings = training_settings(base, patches.inputs.shape[1], patches.targets.shape[1])
    if recipe == "paper":
        narrow = replace(settings.network, features=16, discriminator_features=16)
        settings = replace(settings, network=narrow)
    if recipe == "members":
        settings = member_settings(settings)

    def changed(part, owner):
        mine = {key: value for key, value in change.items() if hasattr(owner, key)}
        return replace(part, **mine)

    settings = replace(
        settings,
        network=changed(settings.network, settings.network),
        weights=changed(settings.weights, LossWeights()),
    )
    settings = changed(settings, settings)
    settings.weights.check(patches.inputs.shape[1], patches.targets.shape[1], settings.paired)
    return settings


def scaled_patches(name: str, patches: Patches) -> Patches:
    """Put the per-patch scaling on all columns, if the variant wants it.

    Parameters
    ----------
    name : str
        One of `recipes.VARIANTS`.
    patches : Patches

    Returns
    -------
    Patches
        With the same arrays.
    """
    change = VARIANTS[name]
    if change.get("scaling") != "minmax" and change.get("recipe") != "paper":
        return patches
    scalings = {column: PatchMinMax().to_dict() for column in patches.meta["scalings"]}
    return replace(patches, meta={**patches.meta, "scalings": scalings})


def typical_extremes(patches: Patches) -> np.ndarray:
    """Make a tile that has the training tiles' median extremes, for a scaling that asks for some.

    Parameters
    ----------
    patches : Patches

    Returns
    -------
    ndarray, shape (1, n_targets, npix, npix)
        The median minimum in its first row, the median maximum elsewhere.
    """
    targets = patches.select("train").targets
    low, high = (np.median(f(targets, axis=(2, 3)), axis=0) for f in (np.min, np.max))
    tile = np.broadcast_to(high[:, None, None], targets.shape[1:]).copy()
    tile[:, 0] = low[:, None]
    return tile[None]


def run(name: str, patches: Patches, sky: Sky, steps: int, seed: int) -> list[dict]:
    """Train one variant with one seed and validate it on the test tiles (bare, not on a sky).

    Parameters
    ----------
    name : str
        One of `recipes.VARIANTS`.
    patches : Patches
    sky : Sky
        That the patches were cut from: its noise is added to the generated tiles.
    steps : int
        Of the training.
    seed : int

    Returns
    -------
    list of dict
        One row; two for a per-patch scaling, which has no amplitude of its own: with that of the
        real tile, as published, and with the typical one of the training tiles.

    Raises
    ------
    CoganError
        As `variant`, and as `training.train`.
    """
    settings = variant(name, patches, steps, seed)
    mine = scaled_patches(name, patches)
    with tempfile.TemporaryDirectory() as folder:
        result = train(mine, settings, folder)
        trained = load_checkpoint(result.checkpoint)
    test = mine.select("test")
    if settings.network.noise:
        generated = {name: member_tiles([trained], test.inputs, 1, seed)[0]}
    elif isinstance(mine.target_scalings[0], PatchMinMax):
        typical = np.repeat(typical_extremes(mine), len(test.targets), axis=0)
        generated = {
            f"{name}, extremes given": generate(trained, test.inputs, test.targets),
            f"{name}, typical extremes": generate(trained, test.inputs, typical),
        }
    else:
        generated = {name: generate(trained, test.inputs)}
    facts = {"training": name, "seed": seed, "steps": result.steps, "seconds": result.seconds}
    return [{"variant": key, **facts, **_scores(test, sky, co)} for key, co in generated.items()]


def _scores(test: Patches, sky: Sky, generated: np.ndarray) -> dict:
    """Find the numbers of each target's generated tiles."""
    numbers, geometry = {}, Geometry(**test.meta["geometry"])
    for channel, target in enumerate(test.meta["target_columns"]):
        noise = noise_tiles(sky, target, geometry, test.lonlat, seed=1)
        quoted = headline(validate(test, generated[:, channel], target, noise=noise, seed=1))
        numbers[target] = {key: quoted[key] for key in ("r2", "ratio", "rho")}
        numbers[target] |= {key: quoted["peaks"][key] for key in ("V1", "V2")}
    return numbers


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit status, 0.

    Raises
    ------
    CoganError
        If the table was made on another sky or with another budget, or a variant cannot be trained.
    """
    parser = argparse.ArgumentParser(prog="cogan_lib.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("patches", type=Path, help="patches.npz of a run, beside its sky.fits")
    parser.add_argument("table", type=Path, help="JSON file that the rows are added to")
    parser.add_argument("--steps", type=int, default=2000, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    options = parser.parse_args(arguments)
    patches, sky = Patches.load(options.patches), read_sky(options.patches.with_name("sky.fits"))
    content = {
        "steps": options.steps,
        "tiles": len(patches.split),
        "sky_sha256": patches.meta.get("provenance", {}).get("sky_sha256"),
        "rows": [],
    }
    if options.table.exists():
        found = read_json(options.table)
        if any(found.get(key) != content[key] for key in ("steps", "tiles", "sky_sha256")):
            raise CoganError(
                f"{options.table} was made on another sky or with another budget; give another "
                "name for the table."
            )
        content = found
    done = {(row["training"], row["seed"]) for row in content["rows"]}
    for seed in options.seeds:
        for name in options.variants:
            unequal = patches.inputs.shape[1] != patches.targets.shape[1]
            if (name, seed) in done or (name == "identity loss" and unequal):
                continue
            content["rows"] += run(name, patches, sky, options.steps, seed)
            content["provenance"] = provenance(None)
            write_json(options.table, content)
            log.info("%s, seed %d: %s", name, seed, content["rows"][-1])
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
