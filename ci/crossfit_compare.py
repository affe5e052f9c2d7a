"""Compare the skies of a cross-fit with the real one, all longitudes of it, and store the numbers.

    python ci/crossfit_compare.py SKY OUT.json pair=FOLDER tracers=FOLDER

A FOLDER is what ``ci/crossfit.py sky`` has filled, with the weights that come with the package.
Tiles are those of a grid in which the real CO is well above its noise, wherever they lie: no
network has seen them. With every set of inputs stand a log-linear fit, cross-fitted on the same
folds, and the targets that were set for this sky.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import beside  # noqa: F401 - this checkout's library, not an installed one
import numpy as np
from crossfit import TILE, load_folds, packed_with, with_inputs

from cogan_lib.base.files import CoganError, provenance, sha256, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.beyond.baselines import fit_loglinear
from cogan_lib.beyond.extrapolation import PAIR
from cogan_lib.beyond.latitude_ratios import latitude_ratios
from cogan_lib.sky.harmonics import beam_lmax
from cogan_lib.sky.skyfile import Sky, read_sky
from cogan_lib.tiles.instrument import noise_tiles
from cogan_lib.tiles.split import FOLDS, distance_to_block
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm, share_of_tiles, tile_centres, tile_lonlat
from cogan_lib.validation.amplitude import middle_of, r2_score
from cogan_lib.validation.ensemble import judge_tiles, verdicts
from cogan_lib.validation.power import log_ratio, paired_ratio
from cogan_lib.validation.spectra import bin_edges, cross_correlation, power_spectra

#: Grid of the tiles, half a side apart; a tile is strong as one of the training is.
CENTRES, SNR_MIN, MIN_SHARE = 16, 8.0, 0.02
SEED = 1
#: The least and the most that was asked of each set (`book/06-beyond`): R2 of the mean, its rho,
#: generated over real by latitude.
ASKED = {
    "pair": {"r2": 0.74, "rho": (0.84, 0.76, 0.67, 0.57, 0.45), "latitude": (0.75, 1.33)},
    "tracers": {"r2": 0.80, "rho": (0.89, 0.79, 0.70, 0.60, 0.48), "latitude": (0.8, 1.25)},
}
POWER, PEAKS, COVERAGE, PASSING = (0.9, 1.1), (0.9, 1.1), (0.63, 0.73), 0.5


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sky", type=Path, help="sky file")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", help="pair and tracers")
    options = parser.parse_args(arguments)
    whole, sets, targets = read_sky(options.sky), {}, []
    for given in options.sets:
        name, folder = given.split("=", 1)
        sky = with_inputs(whole, list(PAIR) if name == "pair" else None)
        cards = [one.content for one in load_folds(packed_with(sky)).values()]
        co = read_sky(Path(folder) / "co_members.fits").meta
        used = [co["weights"], *(co[f"weights{i}"] for i in range(2, len(FOLDS) + 1))]
        if used != [card["weights_sha256"]["generator_ab"] for card in cards]:
            raise CoganError(f"{folder} was made with other weights than the package's.")
        maps = np.load(Path(folder) / "members.npy")
        sets[name] = compare_set(sky, maps[:, -1], cards)
        targets += compare(name, sets[name])
    facts = {"sky_sha256": sha256(options.sky)}
    write_json(
        options.out,
        {"sets": sets, "targets": targets, "provenance": provenance(SEED, **facts)},
    )
    for row in targets:
        print("{set:8s} {quantity:50s} asked {asked:28s} found {found}  {reached}".format(**row))
    return 0


def strong_places(sky: Sky, line: str) -> np.ndarray:
    """Centres of the grid's tiles in which the real CO is strong, shape (n, 2)."""
    centres = tile_centres(CENTRES)
    strong = sky.maps[line] > SNR_MIN * sky.maps[f"{line}_ERR"]
    share = [
        share_of_tiles(strong, *tile_lonlat(TILE, centres[start : start + 64]))
        for start in range(0, len(centres), 64)
    ]
    return centres[np.concatenate(share) >= MIN_SHARE]


def compare_set(sky: Sky, maps: np.ndarray, cards: list[dict]) -> dict:
    """Everything about the members of one set of inputs, `maps` of shape (m, 12 nside^2)."""
    start, line = time.monotonic(), sky.targets[-1]
    lonlat, threads = strong_places(sky, line), default_threads()
    lmax = beam_lmax(sky.nside, sky.fwhm_arcmin)

    def tiles_of(values: np.ndarray) -> np.ndarray:
        return cut_tiles(map_to_alm(values, lmax), TILE, lonlat, threads)

    real, members = tiles_of(sky.maps[line]), np.stack([tiles_of(values) for values in maps])
    noise = np.stack(
        [noise_tiles(sky, line, TILE, lonlat, SEED + i, threads) for i in range(len(maps))]
    )
    facts = {"geometry": TILE, "fwhm_arcmin": sky.fwhm_arcmin, "seed": SEED}
    inputs = np.stack([tiles_of(sky.maps[name]) for name in sky.inputs], axis=1)
    found = {
        "inputs": sky.inputs,
        "training": {key: [card["training"][key] for card in cards] for key in ("steps", "seed")}
        | {"batch_size": cards[0]["training"]["batch_size"]},
        "weights": [card["weights_sha256"]["generator_ab"] for card in cards],
        "noise_added": judge_tiles(real, members, lonlat, noise=noise, **facts),
        "as_made": judge_tiles(real, members, lonlat, noise=np.zeros_like(noise), **facts),
        "latitude": latitude_ratios(sky.maps[line], maps.mean(axis=0), seed=SEED, members=maps),
        "verdicts": verdicts(real, members, noise, lonlat, **facts),
        "verdicts_as_made": verdicts(real, members, np.zeros_like(noise), lonlat, **facts),
        "folds": by_fold(real, members, noise, inputs, lonlat, sky.fwhm_arcmin),
    }
    print(
        f"{', '.join(sky.inputs)}: {len(real)} tiles, {time.monotonic() - start:.0f} s", flush=True
    )
    return found


def by_fold(real, members, noise, inputs, lonlat, fwhm_arcmin) -> list[dict]:
    """The mean and the members in each fold's longitudes, and a log-linear fit to the others'."""
    edges, in_beam = bin_edges(TILE.side_deg, TILE.pixel_arcmin, fwhm_arcmin)
    grid = {"pixel_arcmin": TILE.pixel_arcmin, "edges": edges[: in_beam.sum() + 1]}
    rows = []
    for fold, blocks in enumerate(FOLDS, start=1):
        away = np.min([distance_to_block(*lonlat.T, block) for block in blocks], axis=0)
        here = away == 0
        guess = middle_of(members[:, here])
        fit = fit_loglinear(inputs[away > 1.5 * TILE.side_deg], real[away > 1.5 * TILE.side_deg])
        true = power_spectra(real[here], **grid)[1]
        power = [
            paired_ratio(log_ratio(power_spectra(m[here] + n[here], **grid)[1], true))
            for m, n in zip(members, noise, strict=True)
        ]
        rows.append(
            {
                "fold": fold,
                "tiles": int(here.sum()),
                "r2": r2_score(real[here], guess),
                "r2_loglinear": r2_score(real[here], fit.predict(inputs[here])),
                "rho": cross_correlation(real[here], guess, **grid)[1].tolist(),
                "power": np.mean(power, axis=0).tolist(),
            }
        )
    return rows


def compare(name: str, found: dict) -> list[dict]:
    """The targets of one set, a row each."""
    judged, asked, rows = found["noise_added"], ASKED[name], []

    def row(quantity: str, wanted: str, values: list, reached: bool) -> None:
        said = [("no", "yes")[v] if isinstance(v, bool) else f"{v:.2f}" for v in values]
        said = " ".join(said)
        rows.append({"quantity": quantity, "set": name, "asked": wanted, "found": said})
        rows[-1]["reached"] = bool(reached)

    def within(values: list[float], low: float, high: float) -> bool:
        return all(low <= value <= high for value in values)

    best = judged["best"]["middle"]
    row("R2 of the mean", f"at least {asked['r2']:.2f}", [best["r2"]], best["r2"] >= asked["r2"])
    rho = [f"{value:.2f}" for value in asked["rho"]]
    above = all(a >= b for a, b in zip(best["rho"], asked["rho"], strict=True))
    row("rho of the mean, bin by bin", " ".join(rho), best["rho"], above)
    for words, of in (("noise added", judged), ("as made", found["as_made"])):
        power, inside = of["power"]["mean"], of["power"]["within_90"]
        wanted = "{} to {}".format(*POWER)
        row(f"power of members, bin by bin, {words}", wanted, power, within(power, *POWER))
        row(f"real power in the central 90 %, {words}", "every bin", inside, all(inside))
    peaks = [judged["peaks"][which]["mean"] for which in ("V1", "V2")]
    row("peaks of V1, V2", "{} to {}".format(*PEAKS), peaks, within(peaks, *PEAKS))
    cover = judged["calibration"]["coverage"]["0.68"]
    row("coverage of 68 %", "{} to {}".format(*COVERAGE), [cover], within([cover], *COVERAGE))
    ratios = [band["ratio"] for band in found["latitude"] if band["b_deg"][1] <= 45]
    wanted = "{} to {}".format(*asked["latitude"])
    row("generated over real to 45 degrees", wanted, ratios, within(ratios, *asked["latitude"]))
    share = found["verdicts"]["share_passing"]
    row("members that pass the sharp verdict", f"at least {PASSING:.0%}", [share], share >= PASSING)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
