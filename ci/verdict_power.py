"""How often the sharp verdict finds a fault: its power, on maps that are independent of each other.

    python ci/verdict_power.py path/to/sky.fits book/results/real/verdict_power.json

"Real" and generated are both drawn by the generator of members (the shipped one if it fits the sky,
else one trained here); they have the survey's noise, as the maps that it has learnt from. Two
members of one training are exact draws from the null hypothesis, and one is then spoilt: brighter,
blurred, or with random phases. Two cases: both show the *same places*, the test tiles of chapter
06; or one of a pair shows an *other place*, drawn from all blocks of sky, with nothing in common
but the population. Stored is the share of trials that fail at p < 0.05, for the joint p-value and
each test, with its 95 % interval after Wilson.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

from cogan_lib import road
from cogan_lib.base.config import load_profile
from cogan_lib.base.files import CoganError, provenance, sha256, write_json
from cogan_lib.base.units import FWHM_PER_SIGMA
from cogan_lib.beyond.member_training import context_of, surroundings
from cogan_lib.gan.generate import generate
from cogan_lib.gan.noise import noise_alm
from cogan_lib.sky.skyfile import read_sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches, interior
from cogan_lib.tiles.tiling import cut_tiles
from cogan_lib.validation.blocks import separate_blocks
from cogan_lib.validation.two_sample import ALPHA, TESTS, sharp_verdict

FACTORS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0)  # of the brightness
BLURS = (0.25, 0.5)  # FWHM over that of the beam
DRAWS = 199  # exchanged sets of labels in each verdict


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sky", type=Path, help="sky file with dust, HI, CO and the CO's error")
    parser.add_argument("report", type=Path, help="JSON file to write")
    parser.add_argument("--trials", type=int, default=80, help="of each case (default: 80)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.trials < 1:
        raise CoganError(f"{options.trials} trials measure nothing; ask for at least 1.")
    with tempfile.TemporaryDirectory() as folder:
        changes = {"run_dir": folder, "sky_path": str(options.sky.resolve()), "seed": options.seed}
        settings = load_profile("real").model_copy(update=changes)
        bench = Bench(settings)
    facts = provenance(options.seed, sky_sha256=sha256(options.sky))  # of the code that runs
    begin, cases = time.perf_counter(), {}
    for name, places in (("same places", bench.same_places), ("other places", bench.other_places)):
        verdicts = [bench.trial(places, (options.seed, i)) for i in range(options.trials)]
        cases[name] = summary(verdicts)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    content = {
        "target": bench.target,
        "alpha": ALPHA,
        "trials": options.trials,
        "label_sets": DRAWS + 1,
        "trainings": bench.weights,
        "cases": cases,
        "provenance": facts,
    }
    write_json(options.report, content)
    return 0


class Bench:
    """A sky, generators of members, and places at which they are tried."""

    def __init__(self, settings) -> None:
        patches = Patches.load(road.need(settings, "patches.npz")).interior()
        self.sky = read_sky(road.need(settings, "sky.fits"))
        self.trainings = road.load_members(settings)
        self.weights = [t.content["weights_sha256"]["generator_ab"] for t in self.trainings]
        self.geometry = Geometry(**patches.meta["geometry"])
        self.fwhm_arcmin, self.target = patches.meta["fwhm_arcmin"], sorted(self.sky.targets)[-1]
        self.lonlat, self.context = patches.lonlat, context_of(self.geometry)
        columns = self.trainings[0].meta["input_columns"]
        shown = (self.sky, columns, self.geometry, self.lonlat, settings.thread_count)
        self.inputs = surroundings(*shown)
        test = np.flatnonzero(np.isin(patches.split, patches.select("test").split))
        blocks = separate_blocks(self.lonlat[test], self.geometry.side_deg)
        self.test, self.blocks = test[blocks >= 0], blocks[blocks >= 0]
        blocks = separate_blocks(self.lonlat, self.geometry.side_deg)
        self.apart = np.array([np.flatnonzero(blocks == i)[0] for i in range(blocks.max() + 1)])

    def same_places(self, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles of the real and of the generated map, and their blocks."""
        return self.test, self.test, self.blocks

    def other_places(self, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As many blocks of one tile, paired at random with other blocks of the sky."""
        pairs = min(self.blocks.max() + 1, len(self.apart) // 2)
        one, other = rng.permutation(self.apart)[: 2 * pairs].reshape(2, -1)
        return one, other, np.arange(pairs)

    def member(self, trained, tiles: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
        """A member with a sky of noise of its own, K km/s."""
        whole = self.geometry.grown(self.context)
        widths = trained.settings.noise
        fields = [
            noise_alm(self.sky.nside, width * self.geometry.pixel_arcmin, (*seed, i))
            for i, width in enumerate(widths)
        ]
        noise = np.stack([cut_tiles(x, whole, self.lonlat[tiles]) for x in fields], axis=1)
        channel = trained.meta["target_columns"].index(self.target)
        made = generate(trained, self.inputs[tiles], noise=noise)
        return interior(made, self.context)[:, channel]

    def trial(self, places, seed: tuple[int, int]) -> dict:
        """One pair of maps, all faults in turn: fault -> report of the verdict."""
        rng = np.random.default_rng((*seed, 2))  # 0 and 1: the two maps
        one, other, blocks = places(rng)
        trained = self.trainings[seed[1] % len(self.trainings)]
        first, second = (
            self.member(trained, tiles, (*seed, i)).astype(np.float64)
            for i, tiles in enumerate((one, other))
        )
        given = {"pixel_arcmin": self.geometry.pixel_arcmin, "fwhm_arcmin": self.fwhm_arcmin}
        given |= {"blocks": blocks, "seed": seed[1], "noise": None, "draws": DRAWS}
        return {
            fault: sharp_verdict(first, spoilt, **given)
            for fault, spoilt in self.spoilt(second, rng)
        }

    def spoilt(self, tiles: np.ndarray, rng):
        """Each fault, (kind, size), and the tiles with it."""
        for factor in FACTORS:
            yield ("factor", factor), factor * tiles
        beam_px = self.fwhm_arcmin / self.geometry.pixel_arcmin / FWHM_PER_SIGMA
        for blur in BLURS:
            sigma = blur * beam_px
            yield ("blur", blur), gaussian_filter(tiles, (0, sigma, sigma), mode="nearest")
        phases = np.fft.fft2(rng.standard_normal(tiles.shape))
        phases[:, 0, 0] = 1
        phases /= np.abs(phases)
        yield ("random phases", None), np.fft.ifft2(np.fft.fft2(tiles) * phases).real


def summary(verdicts: list[dict]) -> dict:
    """Numbers of tiles and blocks, and for each fault the shares of failures."""
    any_one = next(iter(verdicts[0].values()))
    faults = []
    for kind, size in verdicts[0]:
        p_values = [
            {"all": report["p_value"]} | {name: report[name]["p_value"] for name in TESTS}
            for report in (verdict[kind, size] for verdict in verdicts)
        ]
        fails = {key: sum(p[key] < ALPHA for p in p_values) for key in p_values[0]}
        faults.append({"fault": kind, "size": size, "fails": fails_of(fails, len(verdicts))})
    return {"tiles": any_one["tiles"]["real"], "blocks": any_one["blocks"], "faults": faults}


def fails_of(counts: dict[str, int], trials: int) -> dict:
    """Share of failures of each test, and its 95 % interval after Wilson."""
    found = {}
    for name, count in counts.items():
        interval = binomtest(count, trials).proportion_ci(0.95, method="wilson")
        found[name] = {
            "share": round(count / trials, 4),
            "low": round(float(interval.low), 4),
            "high": round(float(interval.high), 4),
        }
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as error:
        sys.exit(f"Error: {error}")
