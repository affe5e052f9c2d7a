"""A cross-fit: six flows, each of which has not seen its own longitudes, and the sky they make.

    python ci/crossfit.py train SKY OUT                      # six trainings, one after the other
    python ci/crossfit.py train SKY OUT --folds 3 --inputs DUST N_HI --device cuda --seconds 100
    python ci/crossfit.py sky SKY OUT --members 24           # OUT/co_members.fits and members.npy

Without ``--weights FOLDER`` the sky is made with those that come with the package, if they take the
sky's tracers: no network has seen what it answers for, so this is the map to use.

A fold's checkpoint is ``OUT/fold-K``. The budget is one of steps; --seconds asks for as many as
this machine takes in that time, measured on the first ones; the checkpoint tells their number.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import beside  # noqa: F401 - this checkout's library, not an installed one
import numpy as np

from cogan_lib.base.files import CoganError, atomic_path, read_json, sha256
from cogan_lib.base.threads import default_threads
from cogan_lib.beyond.crossfit import out_of_fold_members
from cogan_lib.beyond.member_training import flow_network, member_patches
from cogan_lib.gan.checkpoint import Checkpoint, load_checkpoint
from cogan_lib.gan.flow_training import FlowPlan, train_flow
from cogan_lib.gan.pretrained import WEIGHTS
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import FOLDS

TILE, CENTRES = Geometry(64, 7.5), 32
#: Steps that are timed, and how much of the time is planned for.
TIMED, SAFE = 150, 0.93


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train", help="leave OUT/fold-1 ... fold-6")
    training.add_argument("sky", type=Path, help="sky file")
    training.add_argument("out", type=Path, help="folder")
    training.add_argument("--inputs", nargs="+", help="tracers; default: all that the sky has")
    training.add_argument("--folds", nargs="+", type=int, default=[*range(1, len(FOLDS) + 1)])
    training.add_argument("--steps", type=int, default=6000)
    training.add_argument("--seconds", type=float, help="instead of --steps")
    training.add_argument("--batch", type=int, default=8, help="tiles per step")
    training.add_argument("--seed", type=int, default=1)
    training.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    making = actions.add_parser("sky", help="make members of the out-of-fold sky")
    making.add_argument("sky", type=Path, help="sky file")
    making.add_argument("out", type=Path, help="folder")
    making.add_argument("--weights", type=Path, help="folder with fold-1 ... fold-6")
    making.add_argument("--inputs", nargs="+", help="as for train")
    making.add_argument("--members", type=int, default=24)
    making.add_argument("--seed", type=int, default=1, help="of the first member's noise")
    options = parser.parse_args(arguments)
    if options.action == "sky":
        make_sky(options)
        return 0
    sky = with_inputs(read_sky(options.sky), options.inputs)
    for fold in options.folds:
        patches = fold_patches(sky, fold, options.seed, sky_sha256=sha256(options.sky))
        plan = FlowPlan(options.steps, options.batch, options.seed, options.device)
        train_fold(patches, fold, plan, options.seconds, options.out / f"fold-{fold}")
    return 0


def with_inputs(sky: Sky, inputs: list[str] | None) -> Sky:
    """The sky with some of its tracers only."""
    missing = sorted(set(inputs or []) - set(sky.inputs))
    if missing:
        raise CoganError(f"The sky has no {missing[0]}; it has {', '.join(sky.inputs)}.")
    left_out = set(sky.inputs) - set(inputs or sky.inputs)
    return replace(sky, maps={k: v for k, v in sky.maps.items() if k not in left_out})


def fold_patches(sky: Sky, fold: int, seed: int, **inputs: str) -> Patches:
    """Tiles to train one fold's generator on."""
    options = {"fold": fold, "seed": seed, "nthreads": default_threads(), **inputs}
    return member_patches(sky, TILE, CENTRES, **options)


def train_fold(
    patches: Patches, fold: int, plan: FlowPlan, seconds: float | None, folder: Path
) -> Path:
    """Train one generator; with `seconds`, for the steps that fit into them."""
    targets = len(patches.meta["target_columns"])
    network = flow_network(TILE, patches.meta["fwhm_arcmin"], targets)
    start = time.monotonic()
    if seconds:
        with tempfile.TemporaryDirectory() as aside:
            train_flow(patches, network, replace(plan, steps=20), aside)  # warms up
            begun = time.monotonic()
            train_flow(patches, network, replace(plan, steps=TIMED), aside)
            now = time.monotonic()
        left = SAFE * (seconds - (now - start))
        plan = replace(plan, steps=max(TIMED, int(left * TIMED / (now - begun))))
    made = train_flow(patches, network, plan, folder, fold=fold)
    print(f"{made}: {plan.steps} steps in {time.monotonic() - start:.0f} s", flush=True)
    return made


def packed_with(sky: Sky) -> Path:
    """The package's folder of weights for these tracers and lines."""
    for folder in sorted(WEIGHTS.iterdir()):
        card = folder / "fold-6" / "checkpoint.json"
        if card.exists():
            card = read_json(card)
            if [card["input_columns"], card["target_columns"]] == [sky.inputs, sky.targets]:
                return folder
    raise CoganError(
        f"No weights of a cross-fit came with the package for {', '.join(sky.inputs)} to "
        f"{', '.join(sky.targets)}; choose other --inputs, or train some and name their folder by "
        "--weights."
    )


def load_folds(folder: Path) -> dict[int, Checkpoint]:
    """The generators in ``fold-1``, ``fold-2``, ... of a folder."""
    return {fold: load_checkpoint(folder / f"fold-{fold}") for fold in range(1, len(FOLDS) + 1)}


def make_sky(options: argparse.Namespace) -> None:
    """Write the members' maps as they come, and at last their mean and spread."""
    sky = with_inputs(read_sky(options.sky), options.inputs)
    trainings = load_folds(options.weights or packed_with(sky))
    maps = []

    def keep(member: Sky) -> None:
        maps.append(np.stack([member.maps[name] for name in sky.targets]))
        with atomic_path(options.out / "members.npy") as path, open(path, "wb") as stream:
            np.save(stream, np.stack(maps))
        print(f"member {len(maps)} at {time.monotonic() - start:.0f} s", flush=True)

    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    # one tile at a time: more of them leave the cache of a CPU
    facts = {"nthreads": default_threads(), "skysha": sha256(options.sky), "batch_size": 1}
    co = out_of_fold_members(sky, trainings, options.members, options.seed, keep, **facts)
    write_sky(options.out / "co_members.fits", co)


if __name__ == "__main__":
    raise SystemExit(main())
