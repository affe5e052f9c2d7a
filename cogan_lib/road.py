"""The road's steps, each from its predecessor's file in the run folder to its own.

The chapters show what happens inside; these functions are what they call in the end, and what a
chapter that is opened alone calls to make the files that it misses.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .base.config import Settings
from .base.files import CoganError, provenance, sha256
from .base.session import device, need
from .beyond.extrapolation import extrapolation
from .beyond.members import synthesise_members
from .gan import pretrained
from .gan.checkpoint import Checkpoint, check_matches, load_checkpoint
from .gan.recipes import member_settings, training_settings
from .gan.training import TrainingResult, train
from .sky.embedded import make_sky
from .sky.skyfile import Sky, read_sky, write_sky
from .synthesis import synthesise
from .tiles.patches import Patches, make_patches
from .tiles.tiling import Geometry

log = logging.getLogger(__name__)


def geometry(settings: Settings) -> Geometry:
    """The tile that the settings describe."""
    return Geometry(settings.tile_npix, settings.tile_pixel_arcmin, settings.projection)


def sky_file(settings: Settings) -> Path:
    """Write ``sky.fits``: the file named by `sky_path`, checked, or the embedded sky.

    Raises
    ------
    CoganError
        If the file is not usable, or its beam too narrow for the tiles' pixels.
    """
    path = Path(settings.run_dir) / "sky.fits"
    if settings.sky_path:
        source = Path(settings.sky_path)
        sky = read_sky(source)
        facts = {"origin": "file", "source": source.name, "srcsha": sha256(source)}
        sky = Sky(sky.maps, sky.units, sky.fwhm_arcmin, {**sky.meta, **facts})
    else:
        sky = make_sky(settings.nside, settings.fwhm_arcmin, settings.seed)
    if settings.tile_pixel_arcmin > sky.fwhm_arcmin / 2:
        raise CoganError(
            f"Tile pixels of {settings.tile_pixel_arcmin:g} arcmin do not sample the sky's beam of "
            f"{sky.fwhm_arcmin:g} arcmin, which takes two a beam; lower tile_pixel_arcmin."
        )
    return write_sky(path, sky)


def patches_file(settings: Settings) -> Path:
    """Cut ``sky.fits`` into ``patches.npz``."""
    run = Path(settings.run_dir)
    source = need(run, "sky.fits", lambda: sky_file(settings))
    patches = make_patches(
        read_sky(source),
        geometry(settings),
        settings.centre_nside,
        snr_min=settings.snr_min,
        target_scaling=settings.target_scaling,
        nthreads=settings.thread_count,
        sky_sha256=sha256(source),
    )
    return patches.save(run / "patches.npz")


def train_checkpoint(settings: Settings, resume: bool = False) -> TrainingResult:
    """Train on ``patches.npz`` and leave ``checkpoint/``.

    With `use_pretrained`, take weights that came with the package if some were trained on such
    tiles; no ``state.pt`` belongs to those.
    """
    run = Path(settings.run_dir)
    patches = Patches.load(need(run, "patches.npz", lambda: patches_file(settings)))
    chosen = training_settings(settings, patches.inputs.shape[1], patches.targets.shape[1])
    if settings.use_pretrained:
        if found := pretrained.fitting(patches, chosen.network, chosen.paired):
            (run / "state.pt").unlink(missing_ok=True)
            return pretrained.take(found[0], run)
        log.info("None of the weights that came along fit these tiles: training.")
    return train(patches, chosen, run, resume=resume)


def member_checkpoints(settings: Settings) -> list[Path]:
    """The weights of generators of members, ``members/checkpoint*``.

    Those that came with the package if some were trained on such tiles, unless `train_members`;
    else the result of one training of `member_minutes`.
    """
    folder = Path(settings.run_dir) / "members"
    patches = Patches.load(need(folder.parent, "patches.npz", lambda: patches_file(settings)))
    ours = settings.model_copy(update={"preset": "cogan", "paired": True})
    chosen = training_settings(ours, patches.inputs.shape[1], patches.targets.shape[1])
    chosen = replace(member_settings(chosen), max_minutes=settings.member_minutes)
    found = [] if settings.train_members else pretrained.fitting(patches, chosen.network)
    for old in sorted(folder.glob("checkpoint*")):
        (old / "checkpoint.json").unlink(missing_ok=True)  # first: half a checkpoint is none
        shutil.rmtree(old)
    if not found:
        return [train(patches, chosen, folder).checkpoint]
    names = ["checkpoint", *(f"checkpoint-{i}" for i in range(2, len(found) + 1))]
    # the first one last: where it is, all are
    for source, name in reversed(list(zip(found, names, strict=True))):
        pretrained.take(source, folder, name)
    return [folder / name for name in names]


def load_members(settings: Settings) -> list[Checkpoint]:
    """The generators of `member_checkpoints`, on their device."""
    run = Path(settings.run_dir)
    first = need(run, "members/checkpoint", lambda: member_checkpoints(settings))
    trainings = [load_checkpoint(path) for path in sorted(first.parent.glob("checkpoint*"))]
    for trained in trainings:
        trained.generator.to(device(settings))
    return trainings


def member_sky_file(settings: Settings, each: Callable[[Sky], object] | None = None) -> Path:
    """Turn ``sky.fits`` into ``co_members.fits``: a member, mean and spread of each line.

    And, see `extrapolation`, how far from the training tiles' dust and HI each pixel lies. `each`
    is called with every member's sky.
    """
    run = Path(settings.run_dir)
    trainings = load_members(settings)
    patches = Patches.load(need(run, "patches.npz"))
    source = need(run, "sky.fits")
    sky = read_sky(source)
    co = synthesise_members(
        sky,
        trainings,
        settings.members,
        settings.seed,
        each,
        nthreads=settings.thread_count,
        skysha=sha256(source),
    )
    flag, distance = extrapolation(sky.maps, patches.select("train").inputs)
    maps = co.maps | {"OUTSIDE": flag, "OUTSIDE_DEX": distance}
    units = co.units | {"OUTSIDE": "1", "OUTSIDE_DEX": "dex"}
    return write_sky(run / "co_members.fits", replace(co, maps=maps, units=units))


def co_sky_file(settings: Settings) -> Path:
    """Turn ``sky.fits`` into ``co.fits`` with ``checkpoint/``."""
    run = Path(settings.run_dir)
    patches = Patches.load(need(run, "patches.npz", lambda: patches_file(settings)))
    trained = load_checkpoint(need(run, "checkpoint", lambda: train_checkpoint(settings)))
    check_matches(trained, patches)
    trained.generator.to(device(settings))
    source, part = need(run, "sky.fits"), run / "co.part.npz"
    co = synthesise(
        read_sky(source),
        trained,
        nthreads=settings.thread_count,
        part=part,
        skysha=sha256(source),
    )
    path = write_sky(run / "co.fits", co)
    part.unlink(missing_ok=True)
    return path


def run_provenance(settings: Settings) -> dict:
    """Provenance of the whole run so far: code, versions, seed, the files' checksums."""
    run = Path(settings.run_dir)
    sums = {
        f"{name.split('.')[0]}_sha256": sha256(run / name)
        for name in ("sky.fits", "patches.npz", "co.fits", "co_members.fits")
        if (run / name).exists()
    }
    if settings.sky_path:
        sums["sky_source"] = Path(settings.sky_path).name
        sums["sky_source_sha256"] = sha256(settings.sky_path)
    return provenance(settings.seed, **sums)
