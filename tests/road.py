"""The whole road at toy size, for tests: sky, patches, checkpoint, CO sky, report."""

from pathlib import Path

from cogan_lib import road
from cogan_lib.base.config import Settings
from cogan_lib.base.files import read_json
from cogan_lib.gan import recipes
from tests.toys import TINY

#: The record of an artefact that fits any settings, for those that no step has made.
VOUCHED = {"settings": {}, "inputs": {}}


def toy_settings(run_dir: Path, **changes) -> Settings:
    """The smoke profile's sky in coarser tiles, for about one epoch."""
    steps = max(1, 364 // changes.get("batch_size", 4))
    toy = {
        "nside": 64, "fwhm_arcmin": 90.0, "tile_npix": 16, "tile_pixel_arcmin": 30.0,
        "centre_nside": 16, "max_steps": steps, "device": "cpu", "threads": 1,
    }  # fmt: skip
    return Settings.check(run_dir=str(run_dir), **{**toy, **changes})


def use_tiny() -> None:
    """From now on the cogan preset is the tiny network, in this process."""
    recipes.PRESETS["cogan"] = TINY


def validate_run(settings: Settings) -> dict:
    """``co.fits`` against the test tiles, into ``report.json``."""
    return read_json(road.report(settings))["validation"]


def walk(settings: Settings) -> dict:
    """All of it; the numbers of the validation."""
    road.sky_file(settings)
    road.patches_file(settings)
    road.train_checkpoint(settings)
    road.co_sky_file(settings)
    return validate_run(settings)
