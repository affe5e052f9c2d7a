"""Take the road with other maps: the sky at 1420 MHz from dust and hydrogen, on real data.

    python ci/other_maps.py --data FOLDER book/results/other-maps/report.json

FOLDER holds the three maps (`FILES`): dust as HEALPix, hydrogen and the continuum on grids of half
a degree. They become one sky file that names its own target; the rest is the road as it is. What
has been made in the run folder is not made again; an interrupted training goes on.
"""

from __future__ import annotations

import argparse
import io
import lzma
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import healpy as hp
import numpy as np
from scipy.interpolate import RegularGridInterpolator

from cogan_lib import road, sky
from cogan_lib.base import session
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, provenance, read_json, reading, sha256, write_json
from cogan_lib.beyond.baselines import fit_loglinear
from cogan_lib.sky.prepare import smooth_error
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.instrument import POLAR_DEG
from cogan_lib.tiles.patches import SPLITS, Patches
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm
from cogan_lib.validation.amplitude import r2_score, softening_of
from cogan_lib.validation.report import headline

FILES = {
    "DUST": "planck_ebv_nside256_ring.fits.gz",
    "N_HI": "acrerd_hi4pi_nhi_grid_0p5deg.npy",
    "T_1420": "acrerd_continuum_1420_compact.npz.xz",
}
TARGET, UNITS = "T_1420", {"DUST": "mag", "N_HI": "cm-2", "T_1420": "K", "T_1420_ERR": "K"}
#: 2.7 pixels per FWHM; the coarsest map, the continuum, has 67 arcmin.
NSIDE, FWHM = 128, 75.0
#: Beams [arcmin]. On a grid of 30 arcmin: HI4PI's 16.2 with the mean over a cell (20) and the
#: interpolation (29), in quadrature; the continuum's 60 with the interpolation. Of dust, 5 arcmin
#: sampled at points, the pixel counts.
BEAMS = {"DUST": 14.0, "N_HI": 39.0, "T_1420": 67.0}
#: The survey's noise [K] at its own beam [arcmin] (Reich, Testori & Reich 2001: 50 mK are 3 rms).
NOISE, NOISE_BEAM = 0.05 / 3, 35.4
PLANE_DEG = 10.0


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, help="JSON file to write")
    parser.add_argument("--data", type=Path, required=True, help="folder with the three maps")
    parser.add_argument("--run", default="runs/other-maps", help="run folder")
    parser.add_argument("--steps", type=int, default=1500, help="of the training")
    options = parser.parse_args(arguments)
    start, cpu = time.monotonic(), time.process_time()
    path, settings = Path(options.run) / "my-sky.fits", settings_of(options.run, options.steps)
    files = {name: options.data / file for name, file in FILES.items()}
    if missing := sorted(str(file) for file in files.values() if not file.is_file()):
        raise CoganError(f"There is no file {missing[0]}; --data names the folder of the maps.")
    session.start(settings)
    if not path.exists():
        sky.write_sky(path, make_sky(files))
    if not (Path(options.run) / "checkpoint").exists():
        road.train_checkpoint(settings, resume=True)
    road.need(settings, session.REPORT)
    found = summary(settings)
    found["sources"] = {n: {"file": f.name, "sha256": sha256(f)} for n, f in files.items()}
    found["seconds"] = {"wall": time.monotonic() - start, "cpu": time.process_time() - cpu}
    write_json(options.report, found | {"provenance": provenance(settings.seed)})
    print(found["verdict"])
    return 0


def settings_of(run: str, steps: int) -> Settings:
    """What differs from the defaults: coarser tiles, as coarse as the maps, and fewer steps."""
    return Settings.check(
        run_dir=run, sky_path=f"{run}/my-sky.fits", tile_npix=32, tile_pixel_arcmin=15.0,
        centre_nside=16, max_steps=steps, pretrained="never", device="cpu", threads=1,
    )  # fmt: skip


def make_sky(files: dict[str, Path]) -> sky.Sky:
    """The three maps at one NSIDE and beam, and the continuum's error."""
    maps = {
        "DUST": sky.read_map(
            files["DUST"], order="RING", frame="C", unit="mag", to_unit="mag", cap_spikes=10
        )
    }
    with reading(files["N_HI"], "grid", "get it again"):
        maps["N_HI"] = from_grid(np.load(files["N_HI"], allow_pickle=False))
    with reading(files[TARGET], "grid", "get it again"):
        packed = np.load(io.BytesIO(lzma.decompress(files[TARGET].read_bytes())))
        maps[TARGET] = from_grid(packed["t"])
    maps = {name: sky.to_grid(one, NSIDE, BEAMS[name], FWHM) for name, one in maps.items()}
    white = np.full(hp.nside2npix(NSIDE), NOISE)
    maps[f"{TARGET}_ERR"] = smooth_error(white, NSIDE, NOISE_BEAM, FWHM)
    facts = {"targcols": TARGET, "origin": "Planck 2013 E(B-V), HI4PI, Stockert and Villa Elisa"}
    return sky.Sky(maps, UNITS, FWHM, facts)


def from_grid(values: np.ndarray) -> np.ndarray:
    """A HEALPix map from cells in longitude and latitude, both ascending, 0 to 360 and -90 to 90.

    Interpolated between the cells' centres; NaN beside cells without a value.
    """
    rows, columns = values.shape
    lat, lon = ((np.arange(n) + 0.5) * side / n for n, side in ((rows, 180), (columns, 360)))
    around = np.concatenate([values[:, -1:], values, values[:, :1]], axis=1)  # the sphere closes
    lon = np.concatenate([[lon[-1] - 360], lon, [lon[0] + 360]])
    places = hp.pix2ang(NSIDE, np.arange(hp.nside2npix(NSIDE)), lonlat=True)
    lat = lat - 90
    asked = np.transpose([np.clip(places[1], lat[0], lat[-1]), places[0]])
    return RegularGridInterpolator((lat, lon), around)(asked)


def summary(settings: Settings) -> dict:
    """The numbers that the page quotes."""
    run = Path(settings.run_dir)
    section = read_json(run / session.REPORT)["validation"][TARGET]
    patches, whole = Patches.load(run / "patches.npz"), sky.read_sky(run / "sky.fits")
    made, spectrum = sky.read_sky(run / "co.fits"), section["spectrum"]
    card = read_json(run / "checkpoint" / "checkpoint.json")
    keep = np.array(spectrum["in_beam"])
    found = headline(section)
    found |= {name: section[name] for name in ("verdict", "within_2sigma", "tiles", "blocks")}
    found |= {f"r2_loglinear{end}": section[f"r2_heldout_loglinear{end}"] for end in ("", "_95")}
    found["p_values"] = {
        name: section[name]["p_value"] for name in ("spectrum", "minkowski", "shapes")
    }
    found["ell"] = np.array(spectrum["ell"])[keep].tolist()
    found["softening"] = softening_of(patches.meta, TARGET)
    found["error"] = float(np.median(whole.maps[f"{TARGET}_ERR"]))
    found["medians"] = {name: float(np.median(values)) for name, values in whole.maps.items()}
    found["generated_median"] = float(np.median(made.maps[TARGET]))
    found["splits"] = {name: int((patches.split == code).sum()) for name, code in SPLITS.items()}
    found["by_latitude"] = by_latitude(patches, made, settings)
    found["training"] = {key: card["training"][key] for key in ("seed", "batch_size", "max_steps")}
    found["training"]["best_epoch"] = card["metrics"]["epoch"]
    found["polar_errors"] = polar_errors(whole)
    found["settings"] = settings.model_dump(exclude={"run_dir", "sky_path"}, exclude_unset=True)
    found["sky"] = {"nside": NSIDE, "fwhm_arcmin": FWHM, "beams": BEAMS, "units": UNITS}
    return found


def polar_errors(whole: sky.Sky) -> float:
    """How many errors the target scatters by near the poles: 1, if that were noise."""
    lat = hp.pix2ang(whole.nside, np.arange(hp.nside2npix(whole.nside)), lonlat=True)[1]
    values, error = (whole.maps[n][np.abs(lat) > POLAR_DEG[0]] for n in (TARGET, f"{TARGET}_ERR"))
    return float(1.4826 * np.median(np.abs(values - np.median(values)) / error))


def by_latitude(patches: Patches, made: sky.Sky, settings: Settings) -> list[dict]:
    """R2 of network and fit for test tiles whose centre is near the plane, and for the others."""
    test, train = patches.select("test"), patches.select("train")
    softening = softening_of(test.meta, TARGET)
    alm = map_to_alm(made.maps[TARGET])
    tiles = cut_tiles(alm, Geometry(**test.meta["geometry"]), test.lonlat, settings.thread_count)
    fit = fit_loglinear(train.inputs, train.targets[:, 0], softening=softening)
    answers = {"r2": tiles, "r2_loglinear": fit.predict(test.inputs)}
    near, rows = np.abs(test.lonlat[:, 1]) < PLANE_DEG, []
    for plane, some in ((True, near), (False, ~near)):
        row = {"near_plane": plane, "degrees": PLANE_DEG, "tiles": int(some.sum())}
        for name, values in answers.items():
            row[name] = r2_score(test.targets[some, 0], values[some], softening)
        rows.append(row)
    return rows


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
