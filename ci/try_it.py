"""A CO sky in two minutes, from shipped weights, and three figures of it.

    python ci/try_it.py
    python ci/try_it.py --run-dir runs/mine -p seed 2

The embedded sky takes the road of chapters 01 to 05, with the laptop's parameters and no training.
In the run folder are then ``co.fits``, what it was made from, and ``skies.png``, ``spectrum.png``
and ``tiles.png``; what is there already and fits is taken as it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np

from cogan_lib import road
from cogan_lib.base import session
from cogan_lib.base.config import Settings, from_command_line, load_profile
from cogan_lib.base.files import CoganError, atomic_path, read_json
from cogan_lib.gan import pretrained
from cogan_lib.gan.recipes import training_settings
from cogan_lib.plots import style
from cogan_lib.plots.panels import sky_panels, tile_panels
from cogan_lib.plots.validation import spectra_bands
from cogan_lib.sky.skyfile import Sky, read_sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints where the files are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run-dir", default="runs/try", help="folder of the files")
    parser.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another value for one parameter (may be repeated)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    started = time.monotonic()
    asked = {"pretrained": "always"} | from_command_line(options.parameter)
    settings = load_profile("laptop", **{**asked, "run_dir": options.run_dir})
    session.start(settings)
    made = try_it(settings)
    print(f"\nDone in {time.monotonic() - started:.0f} s:")
    for path in made:
        print(f"  {path}")
    return 0


def try_it(settings: Settings) -> list[Path]:
    """Take the road from the sky to the report, and draw it.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    list of Path
        ``co.fits`` and three figures, in the run folder.

    Raises
    ------
    CoganError
        As the steps do, or if they would have to train.
    """
    run = Path(settings.run_dir)
    patches = Patches.load(road.need(settings, "patches.npz"))
    asked = training_settings(settings, patches.inputs.shape[1], patches.targets.shape[1])
    if not pretrained.fitting(patches.meta, asked.network, asked.paired):
        raise CoganError(
            "None of the shipped weights fit these parameters; leave them as they are, or "
            "train in chapter 03."
        )
    path = road.need(settings, "co.fits")
    co, sky = read_sky(path), read_sky(road.need(settings, "sky.fits"))
    sections = read_json(road.need(settings, session.REPORT))["validation"]
    style.use()
    figures = {
        "skies.png": _skies(sky, co),
        "spectrum.png": spectra_bands({sky.targets[0]: sections[sky.targets[0]]}),
        "tiles.png": _tiles(patches, co, settings.thread_count),
    }
    for name, figure in figures.items():
        with atomic_path(run / name) as temporary:
            figure.savefig(temporary)
    return [path, *(run / name for name in figures)]


def _skies(sky: Sky, co: Sky):
    """Two inputs, and real beside generated CO on one scale."""
    target = sky.targets[0]
    real, generated = (f"{kind} {style.column_title(target)}" for kind in ("real", "generated"))
    inputs = {style.COLUMNS.get(name, ("", name))[1]: name for name in sky.inputs[:2]}
    maps = {title: sky.maps[name] for title, name in inputs.items()}
    units = {title: sky.units[name] for title, name in inputs.items()}
    norm = style.column_norm(target, sky.maps[target])
    return sky_panels(
        maps | {real: sky.maps[target], generated: co.maps[target]},
        units | dict.fromkeys((real, generated), "K km/s"),
        norms=dict.fromkeys((real, generated), norm),
        column_of=inputs | dict.fromkeys((real, generated), target),
    )


def _tiles(patches: Patches, co: Sky, nthreads: int):
    """Of four test tiles, from faint to bright: dust, real CO, and the generated sky there."""
    test, target = patches.select("test"), patches.meta["target_columns"][0]
    order = np.argsort(test.targets[:, 0].mean(axis=(1, 2)))
    shown = order[(np.array([0.15, 0.4, 0.7, 0.95]) * len(order)).astype(int)]
    geometry, places = Geometry(**test.meta["geometry"]), test.lonlat[shown]
    first, real = patches.meta["input_columns"][0], f"real {style.column_title(target)}"
    rows = {first: test.inputs[shown, 0], real: test.targets[shown, 0]}
    rows["generated sky"] = cut_tiles(map_to_alm(co.maps[target]), geometry, places, nthreads)
    return tile_panels(
        rows,
        titles=["l, b = {:.0f}°, {:.0f}°".format(*place) for place in places],
        column_of={real: target, "generated sky": target},
        units={name: patches.meta["units"].get(name, "K km/s") for name in rows},
        shared=(real, "generated sky"),
        pixel_arcmin=geometry.pixel_arcmin,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
