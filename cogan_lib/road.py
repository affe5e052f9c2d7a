"""The road's steps, each from its predecessor's file in the run folder to its own.

The chapters show what happens inside; these functions are what they call in the end. A step always
makes its artefact; `need` gives one that fits the settings, and makes it if it must. What an
artefact depends on (parameters and other artefacts), and whether it is dear, stands above its step;
`STEPS` holds it all.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .base.artefacts import Artefacts
from .base.config import Settings
from .base.files import sha256
from .base.made_from import joined, read_with_sum, to_header
from .base.session import REPORT, add_to_report, device
from .beyond.baselines import fit_loglinear
from .beyond.extrapolation import extrapolation, training_inputs
from .beyond.member_training import flow_network, member_meta, trained_on
from .beyond.members import synthesise_members
from .gan import pretrained
from .gan.checkpoint import Checkpoint, check_matches, load_checkpoint
from .gan.recipes import training_settings
from .gan.training import TrainingResult, train
from .sky.embedded import make_sky
from .sky.skyfile import Sky, read_sky, write_sky
from .synthesis import generate, synthesise
from .tiles.cutting import make_patches
from .tiles.geometry import Geometry
from .tiles.instrument import noise_tiles
from .tiles.patches import Patches, interior
from .tiles.tiling import cut_tiles, map_to_alm
from .validation.amplitude import softening_of
from .validation.report import diagnostics, validate

log = logging.getLogger(__name__)

STEPS = Artefacts()
need = STEPS.need
run_provenance = STEPS.provenance
_OF_PATCHES = ("snr_min", "target_scaling", "poses", "context", "faint_share")
_MEMBER_TILES = ("tile_npix", "tile_pixel_arcmin", "projection", "centre_nside", "snr_min")
_TRAINING = ("seed", "batch_size", "max_minutes", "precision")


def _of_patches(path: Path) -> str:
    return Patches.load(path).checksum()


def _of_members(first: Path) -> str:
    cards = sorted(first.parents[1].glob("checkpoint*/checkpoint.json"))
    return joined([sha256(card) for card in cards])


def geometry(settings: Settings) -> Geometry:
    """Describe the tile that the settings ask for.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Geometry

    Examples
    --------
    >>> geometry(Settings.check()).side_deg
    8.0
    """
    return Geometry(settings.tile_npix, settings.tile_pixel_arcmin, settings.projection)


@STEPS.step(
    "sky.fits",
    "01 (data preparation)",
    settings=("sky_path", "nside", "fwhm_arcmin", "seed"),
    inputs=(),
    whole="sky.fits",
)
def sky_file(settings: Settings) -> Path:
    """Write ``sky.fits``: the file named by `sky_path`, checked, or the embedded sky.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the file is not usable, or the tiles have fewer than 2 pixels per FWHM of its beam.
    """
    made_from = {"settings": {}, "inputs": {}}
    if settings.sky_path:
        source = Path(settings.sky_path)
        sky, found = read_with_sum(source, read_sky)
        geometry(settings).check_beam(sky.fwhm_arcmin)
        made_from["settings"] = {"sky_path": found}
        facts = {**sky.meta, "origin": "file", "source": source.name, "srcsha": found}
    else:
        geometry(settings).check_beam(settings.fwhm_arcmin)
        made_from["settings"] = STEPS.asked(settings, "sky.fits")
        sky = make_sky(settings.nside, settings.fwhm_arcmin, settings.seed)
        facts = sky.meta
    sky = Sky(sky.maps, sky.units, sky.fwhm_arcmin, facts | to_header(made_from))
    return write_sky(Path(settings.run_dir) / "sky.fits", sky)


@STEPS.step(
    "patches.npz",
    "01 (data preparation)",
    settings=(
        *("tile_npix", "tile_pixel_arcmin", "projection"),
        *("centre_nside", "poses_seed", *_OF_PATCHES),
    ),
    inputs=("sky.fits",),
    whole="patches.npz",
    sum_of=_of_patches,
)
def patches_file(settings: Settings) -> Path:
    """Cut ``sky.fits`` into ``patches.npz``.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the tiles do not sample the sky's beam, or too few are left for a split.
    """
    sky, found = read_with_sum(need(settings, "sky.fits"), read_sky)
    geometry(settings).check_beam(sky.fwhm_arcmin)
    options = {name: getattr(settings, name) for name in _OF_PATCHES}
    options |= {"seed": settings.seed, "nthreads": settings.thread_count, "sky_sha256": found}
    patches = make_patches(sky, geometry(settings), settings.centre_nside, **options)
    made_from = STEPS.record(settings, "patches.npz", **{"sky.fits": found})
    patches = replace(patches, meta={**patches.meta, "made_from": made_from})
    return patches.save(Path(settings.run_dir) / "patches.npz")


@STEPS.step(
    "checkpoint",
    "03 (training)",
    settings=("preset", "paired", "pretrained", "max_steps", *_TRAINING),
    inputs=("patches.npz",),
    whole="checkpoint/checkpoint.json",
    dear=True,
    unasked={"alone": True},
)
def train_checkpoint(
    settings: Settings, resume: bool = False, alone: bool = False
) -> TrainingResult:
    """Train on ``patches.npz`` and leave ``checkpoint/``.

    Or take weights that came with the package, if `pretrained` wants them and some fit the tiles.

    Parameters
    ----------
    settings : Settings
    resume : bool
        Go on from ``state.pt`` if there is one.
    alone : bool
        Whether a later chapter asks, in whose run folder nothing has been trained.

    Returns
    -------
    TrainingResult

    Raises
    ------
    CoganError
        As `training.train`.
    """
    run = Path(settings.run_dir)
    patches = Patches.load(need(settings, "patches.npz"))
    chosen = training_settings(settings, patches.inputs.shape[1], patches.targets.shape[1])
    made_from = STEPS.record(settings, "checkpoint", **{"patches.npz": patches.checksum()})
    if settings.pretrained == "always" or (alone and settings.pretrained == "alone"):
        kept = STEPS.asked(settings, "patches.npz")  # no budget, no seed: nothing was trained
        kept |= {"preset": settings.preset, "paired": settings.paired, "pretrained": "always"}
        if taken := pretrained.take_fitting(patches, chosen, run, made_from | {"settings": kept}):
            return taken
    if settings.pretrained == "alone":
        made_from["settings"]["pretrained"] = "never"
    return train(patches, chosen, run, resume=resume, made_from=made_from)


@STEPS.step(
    "members",
    "06 (beyond the paper)",
    settings=(
        *_MEMBER_TILES,
        *("train_members", "member_steps", "seed", "batch_size", "max_minutes"),
    ),
    inputs=("sky.fits",),
    whole="members/checkpoint/checkpoint.json",
    dear=True,
    sum_of=_of_members,
)
def member_checkpoints(settings: Settings) -> list[Path]:
    """Leave weights of generators of members in ``members/checkpoint*``.

    Those that came with the package if some were trained on such tiles, unless `train_members`;
    else the result of one training of `member_steps`. The test longitudes (fold 1) are held out.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    list of Path

    Raises
    ------
    CoganError
        As `member_training.trained_on`.
    """
    folder, tile = Path(settings.run_dir) / "members", geometry(settings)
    sky, found_sum = read_with_sum(need(settings, "sky.fits"), read_sky)
    found = []
    if not settings.train_members:
        network = flow_network(tile, sky.fwhm_arcmin, len(sky.targets))
        found = pretrained.fitting(member_meta(sky, tile, fold=1), network)
    for old in sorted(folder.glob("checkpoint*")):
        (old / "checkpoint.json").unlink(missing_ok=True)  # first: half a checkpoint is none
        shutil.rmtree(old)
    made_from = STEPS.record(settings, "members", **{"sky.fits": found_sum})
    if not found:
        return [trained_on(settings, sky, 1, folder / "checkpoint", made_from)]
    kept = {name: getattr(settings, name) for name in ("train_members", *_MEMBER_TILES)}
    made_from["settings"] = STEPS.asked(settings, "sky.fits") | kept
    return pretrained.take_members(found, folder, made_from)


def load_members(settings: Settings) -> list[Checkpoint]:
    """Load the generators of `member_checkpoints`, on their device.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    list of Checkpoint

    Raises
    ------
    CoganError
        If they are there, but were made with other settings.
    """
    paths = need(settings, "members").glob("checkpoint*")
    for trained in (trainings := [load_checkpoint(path) for path in sorted(paths)]):
        trained.generator.to(device(settings))
    return trainings


@STEPS.step(
    "co_members.fits",
    "06 (beyond the paper)",
    settings=("members", "seed"),
    inputs=("members", "patches.npz", "sky.fits"),
    whole="co_members.fits",
)
def member_sky_file(settings: Settings, each: Callable[[Sky], object] | None = None) -> Path:
    """Turn ``sky.fits`` into ``co_members.fits``: a member, mean and spread of each line.

    And, see `extrapolation`, how far from the training tiles' dust and HI each pixel lies.

    Parameters
    ----------
    settings : Settings
    each : callable, optional
        Called with every member's sky.

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        As `synthesis.skies`.
    """
    trainings = load_members(settings)
    patches = Patches.load(need(settings, "patches.npz"))
    sky, found = read_with_sum(need(settings, "sky.fits"), read_sky)
    sums = {"sky.fits": found, "patches.npz": patches.checksum()}
    made_from = STEPS.record(settings, "co_members.fits", **sums)
    options = {"nthreads": settings.thread_count, "skysha": found, **to_header(made_from)}
    co = synthesise_members(sky, trainings, settings.members, settings.seed, each, **options)
    flag, distance = extrapolation(sky.maps, training_inputs(patches))
    maps = co.maps | {"OUTSIDE": flag, "OUTSIDE_DEX": distance}
    units = co.units | {"OUTSIDE": "1", "OUTSIDE_DEX": "dex"}
    path = Path(settings.run_dir) / "co_members.fits"
    return write_sky(path, replace(co, maps=maps, units=units))


@STEPS.step(
    "co.fits",
    "04 (full-sky synthesis)",
    settings=(),
    inputs=("checkpoint", "sky.fits"),
    whole="co.fits",
)
def co_sky_file(settings: Settings) -> Path:
    """Turn ``sky.fits`` into ``co.fits`` with ``checkpoint/``.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the checkpoint is not one of these tiles; as `synthesis.synthesise`.
    """
    run = Path(settings.run_dir)
    trained = load_checkpoint(need(settings, "checkpoint"))
    check_matches(trained, Patches.load(need(settings, "patches.npz")).meta)
    trained.generator.to(device(settings))
    sky, found = read_with_sum(need(settings, "sky.fits"), read_sky)
    made_from, part = {"sky.fits": found}, run / "co.part.npz"
    facts = {"skysha": found, **to_header(STEPS.record(settings, "co.fits", **made_from))}
    co = synthesise(sky, trained, nthreads=settings.thread_count, part=part, **facts)
    path = write_sky(run / "co.fits", co)
    part.unlink(missing_ok=True)
    return path


@STEPS.step(
    REPORT,
    "05 (validation)",
    settings=("seed",),
    inputs=("co.fits", "sky.fits", "patches.npz", "checkpoint"),
    whole=REPORT,
)
def report(settings: Settings) -> Path:
    """Compare ``co.fits`` with the real one in the test tiles: ``validation`` in ``report.json``.

    The CO sky is cut where the real one was, and given the noise of the real one. Each target's
    section holds what `validate` finds, the score of the log-linear fit that the network has to
    beat, and under ``tiles_bare`` some numbers of the test tiles translated one by one.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the checkpoint is not one of these tiles; as `validate`.
    """
    run = Path(settings.run_dir)
    (co, co_sum), (sky, sky_sum) = (
        read_with_sum(need(settings, name), read_sky) for name in ("co.fits", "sky.fits")
    )
    patches = Patches.load(need(settings, "patches.npz"))
    trained = load_checkpoint(need(settings, "checkpoint"))
    check_matches(trained, patches.meta)
    trained.generator.to(device(settings))
    sums = {"co.fits": co_sum, "sky.fits": sky_sum, "patches.npz": patches.checksum()}
    made_from = STEPS.record(settings, REPORT, **sums)
    train_tiles, test = patches.select("train"), patches.select("test")
    seen = patches.select("test", context=True)
    bare = interior(generate(trained, seen.inputs, seen.targets), patches.context)
    tile, sections = Geometry(**test.meta["geometry"]), {}
    for i, name in enumerate(test.meta["target_columns"]):
        generated = cut_tiles(map_to_alm(co.maps[name]), tile, test.lonlat, settings.thread_count)
        noise = noise_tiles(sky, name, tile, test.lonlat, settings.seed, settings.thread_count)
        scale = {"softening": softening_of(test.meta, name)}
        fit = fit_loglinear(train_tiles.inputs, train_tiles.targets[:, i], **scale)
        options = {"noise": noise, "seed": settings.seed}
        sections[name] = validate(test, generated, name, **options, baseline=fit)
        sections[name]["tiles_bare"] = diagnostics(validate(test, bare[:, i], name, **options))
    add_to_report(run, "validation", sections)
    add_to_report(run, "provenance", run_provenance(settings))
    return add_to_report(run, "made_from", made_from)  # last: where it fits, the section does
