"""Make and score the first entries of a challenge: shipped networks, fits, and an impostor.

    python ci/challenge_entries.py FOLDER KEY.npz book/results/challenge [--only NAME]

FOLDER and KEY are those of `python -m cogan_lib challenge`. CO skies are kept in ``FOLDER-skies``
and entries that are there already are left alone, so that a run that was stopped goes on.

- ``cycle-gan``: the generator of chapter 03 that came with the package, from another seed's sky;
- ``members``: one draw of the generator of members of chapter 06, likewise;
- ``log-linear``, ``linear``: fits to the published pixels near the plane;
- ``shuffled``: real CO tiles from published places of the same latitude, joined in any order.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.beyond.baselines import fit_loglinear
from cogan_lib.beyond.challenge import PUBLIC, SKY, plane_pixels, submission
from cogan_lib.beyond.challenge_score import score
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.gan.pretrained import WEIGHTS
from cogan_lib.sky.beam_limit import limit_to_beam
from cogan_lib.sky.harmonics import beam_lmax
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.synthesis import synthesis_grid, synthesise
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.joining import join_tiles
from cogan_lib.tiles.split import TEST_BLOCKS, distance_to_block
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm

SEED = 1
#: What the leaderboard calls them.
NAMES = {
    "cycle-gan": "shipped Cycle-GAN",
    "members": "shipped members, one draw",
    "log-linear": "log-linear fit",
    "linear": "linear fit",
    "shuffled": "shuffled tiles of real CO (impostor)",
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the challenge")
    parser.add_argument("key", type=Path, help="the scorer's")
    parser.add_argument("results", type=Path, help="folder of the entries")
    parser.add_argument("--only", choices=NAMES, action="append", help="may be repeated")
    given = parser.parse_args(arguments)
    public, sky = read_json(given.folder / PUBLIC), read_sky(given.folder / SKY)
    skies = given.folder.with_name(f"{given.folder.name}-skies")
    skies.mkdir(parents=True, exist_ok=True)
    given.results.mkdir(parents=True, exist_ok=True)
    for name in given.only or NAMES:
        entry, path = given.results / f"{name}.json", skies / f"{name}.fits"
        if not path.exists():
            made = co_sky(name, sky, public, skies / f"{name}.part.npz")
            made = submission(made, given.folder, name=NAMES[name], seed=SEED)
            write_sky(path, made)
        if not entry.exists():
            found = score(path, given.key, entry)
            print(f"{NAMES[name]}: {found['score']:.2f}", flush=True)
    shutil.copyfile(given.folder / PUBLIC, given.results / PUBLIC)
    return 0


def co_sky(name: str, sky: Sky, public: dict, part: Path) -> Sky:
    """The CO sky of one of `NAMES`, from the published one."""
    if name in ("cycle-gan", "members"):
        folder = "cycle-gan" if name == "cycle-gan" else "fold-1"
        trained = load_checkpoint(WEIGHTS / "embedded-nside256" / folder)
        made = synthesise(sky, trained, member=SEED, part=part)
        part.unlink(missing_ok=True)
        return made
    if name == "shuffled":
        maps = shuffled(sky, Geometry(**public["geometry"]), np.random.default_rng(SEED))
    else:
        pixels = plane_pixels(sky.nside, public["guard_deg"])
        maps = {column: fitted(name, sky, column, pixels) for column in sky.targets}
    return Sky(maps, {column: "K km/s" for column in maps}, sky.fwhm_arcmin, {})


def fitted(name: str, sky: Sky, column: str, pixels: np.ndarray) -> np.ndarray:
    """W of every pixel, from a fit to the published ones."""
    inputs, real = np.stack([sky.maps[tracer] for tracer in sky.inputs]), sky.maps[column]
    if name == "log-linear":
        fit = fit_loglinear(inputs[:, pixels].swapaxes(0, 1), real[pixels])
        made = fit.predict(inputs[None, :, :, None])[0, :, 0]
    else:  # W = c0 + sum c_i x_i, in K km/s
        scale = inputs.mean(axis=1, keepdims=True)
        design = np.vstack([np.ones(inputs.shape[1]), inputs / scale]).astype(np.float64)
        used = pixels.ravel()
        made = np.linalg.lstsq(design[:, used].T, real[used], rcond=None)[0] @ design
    return limit_to_beam(made, sky.fwhm_arcmin, positive=False).astype(np.float32)


def shuffled(sky: Sky, geometry: Geometry, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A sky of real CO tiles, each from a published place of about the same latitude."""
    _, joiner = synthesis_grid(geometry, sky.nside)
    lon, lat = joiner.centres.T
    reach = geometry.side_deg + joiner.geometry.side_deg / np.sqrt(2)
    apart = np.min([distance_to_block(lon, lat, block) for block in TEST_BLOCKS], axis=0)
    published = np.flatnonzero(apart >= reach)
    if not published.size:
        raise CoganError("No published tile is large enough to be shuffled; take smaller tiles.")
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)
    alms = [map_to_alm(sky.maps[column], lmax) for column in sky.targets]
    tiles = np.stack(
        [cut_tiles(alm, joiner.geometry, joiner.centres[published]) for alm in alms], 1
    )
    off = np.abs(np.abs(lat[published])[None] - np.abs(lat)[:, None])
    near = off <= off.min(axis=1, keepdims=True) + 1e-6
    chosen = [rng.choice(np.flatnonzero(row)) for row in near]
    maps = join_tiles(joiner, (tiles[i] for i in chosen))
    filtered = (limit_to_beam(x, sky.fwhm_arcmin, positive=False) for x in maps)
    return {name: x.astype(np.float32) for name, x in zip(sky.targets, filtered, strict=True)}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
