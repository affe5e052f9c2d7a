"""The whole road at toy size, for tests: sky, patches, checkpoint, CO sky, report."""

from pathlib import Path

from cogan_lib import road
from cogan_lib.base import session
from cogan_lib.base.config import Settings
from cogan_lib.gan import recipes
from cogan_lib.sky.skyfile import read_sky
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.tiling import Geometry, cut_tiles, map_to_alm
from cogan_lib.validation.blocks import separate_blocks, sky_blocks
from cogan_lib.validation.report import validate
from tests.toys import TINY


def toy_settings(run_dir: Path, **changes) -> Settings:
    """The smoke profile's sky in coarser tiles, for one epoch, however long that takes."""
    toy = {
        "nside": 64, "fwhm_arcmin": 90.0, "tile_npix": 16, "tile_pixel_arcmin": 30.0,
        "centre_nside": 16, "max_epochs": 1, "max_minutes": 1e4, "device": "cpu", "threads": 1,
    }  # fmt: skip
    return Settings.check(run_dir=str(run_dir), **{**toy, **changes})


def use_tiny() -> None:
    """From now on the cogan preset is the tiny network, in this process."""
    recipes.PRESETS["cogan"] = TINY


def validate_run(settings: Settings) -> dict:
    """``co.fits`` against the test tiles, as chapter 05 does it, into ``report.json``."""
    run = Path(settings.run_dir)
    test = Patches.load(run / "patches.npz").select("test")
    geometry, co = Geometry(**test.meta["geometry"]), read_sky(run / "co.fits")
    sections = {}
    for i, name in enumerate(test.meta["target_columns"]):
        sections[name] = validate(
            test.targets[:, i],
            cut_tiles(map_to_alm(co.maps[name]), geometry, test.lonlat),
            test.inputs,
            pixel_arcmin=geometry.pixel_arcmin,
            fwhm_arcmin=co.fwhm_arcmin,
            blocks=sky_blocks(*test.lonlat.T),
            apart=separate_blocks(test.lonlat, geometry.side_deg),
            seed=settings.seed,
            permutations=200,
        )
    session.add_to_report(run, "validation", sections)
    return sections


def walk(settings: Settings) -> dict:
    """All of it; the numbers of the validation."""
    road.sky_file(settings)
    road.patches_file(settings)
    road.train_checkpoint(settings)
    road.co_sky_file(settings)
    return validate_run(settings)
