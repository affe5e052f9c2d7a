"""Every bound of the settings is one of the code behind: it works there, or one sentence says why.

The sentence comes before the work. Toy skies and networks: what is tried is sides, counts and
budgets, not results.
"""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import papermill
import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt

from cogan_lib import road
from cogan_lib.base import session
from cogan_lib.base.config import LEAST_SIDE, Settings, load_profile
from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.beyond import member_training
from cogan_lib.gan import recipes
from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.networks import Discriminator, Generator, NetworkSettings
from cogan_lib.gan.recipes import PRESETS, VARIANTS
from cogan_lib.gan.training import train
from cogan_lib.validation import power
from tests.road import toy_settings, walk
from tests.toys import SETTINGS, TINY, toy_patches

ROOT = Path(__file__).resolve().parents[1]


def works(network: NetworkSettings, npix: int) -> bool:
    """Whether all four networks take a tile of that side, and give gradients."""
    network = replace(network, features=2, blocks=1, discriminator_features=2)
    try:
        for model in (Generator(1, 1, network), Discriminator(1, network)):
            model.train()(torch.ones(1, 1, npix, npix)).sum().backward()
    except (ValueError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_the_least_side_is_what_torch_takes(layers, norm):
    network = NetworkSettings(discriminator_layers=layers, instance_norm=norm, smooth=not norm)
    sides = [npix for npix in range(4, 132, 4) if works(network, npix)]
    assert sides[0] == network.least_side and sides == list(range(sides[0], 132, 4))


def test_the_settings_know_the_presets_least_sides():
    assert LEAST_SIDE.keys() == PRESETS.keys()
    assert LEAST_SIDE["paper"] == PRESETS["paper"].least_side == 32
    fields = NetworkSettings.__dataclass_fields__
    for changes in VARIANTS.values():  # of the ablation, on tiles of the cogan preset
        own = {name: value for name, value in changes.items() if name in fields}
        assert replace(PRESETS["cogan"], **own).least_side <= LEAST_SIDE["cogan"]


@pytest.mark.parametrize("npix", [16, 20, 24, 28])
def test_small_tiles_for_the_papers_discriminator_are_refused_before_work(tmp_path, npix):
    with pytest.raises(CoganError, match=f"Tiles of {npix} pixels are too small .* at least 32"):
        Settings.check(tile_npix=npix, tile_pixel_arcmin=7.5, preset="paper")
    assert Settings.check(tile_npix=npix, centre_nside=64).tile_npix == npix
    assert Settings.check(tile_npix=32, preset="paper").preset == "paper"
    four = replace(TINY, discriminator_layers=4, instance_norm=True)
    with pytest.raises(CoganError, match="at least 32"):
        train(toy_patches(npix=npix), replace(SETTINGS, network=four), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_smallest_tile_of_four_normed_layers_trains(tmp_path):
    four = replace(TINY, discriminator_layers=4, instance_norm=True)
    result = train(toy_patches(npix=32), replace(SETTINGS, network=four, max_steps=7), tmp_path)
    assert result.steps > 0 and np.isfinite(result.history[-1]["score"])


# ---------------------------------------------------------------- both ends of every bound

BEYOND = "use larger tiles or a finer beam"
#: An end of a parameter's range, with what else must be so; and the sentence, if there is one.
ENDS = {
    "seed 0": ({}, ""),
    "seed 2147483647": ({}, ""),
    "threads 0": ({}, ""),
    "threads 1024": ({"max_steps": 20}, ""),
    "nside 8": ({"fwhm_arcmin": 450.0}, BEYOND),
    "nside 8192": ({"fwhm_arcmin": 0.5}, "do not sample the sky's beam"),
    "fwhm_arcmin 1e-09": ({}, "narrower than a pixel of nside 64"),
    "fwhm_arcmin 600": ({}, BEYOND),
    "tile_npix 16": ({}, ""),
    "tile_npix 512": ({"tile_pixel_arcmin": 1.0, "snr_min": 0.0}, ""),
    "tile_pixel_arcmin 1e-09": ({}, "raise centre_nside"),
    "tile_pixel_arcmin 60": ({"fwhm_arcmin": 120.0}, "must fit into a held-out block"),
    "centre_nside 1": ({}, "raise centre_nside"),
    "centre_nside 128": ({"snr_min": 1e4}, "lower snr_min"),
    "snr_min 0": ({"max_steps": 20}, ""),
    "snr_min 1000000.0": ({}, "lower snr_min"),
    "poses 0": ({}, ""),
    "poses 100000": ({}, ""),
    "context 0": ({}, ""),
    "context 256": ({}, "less than 60 degrees a side"),
    "faint_share 0": ({}, ""),
    "faint_share 1": ({"poses": 8}, ""),
    "batch_size 1": ({"max_steps": 91}, ""),
    "batch_size 4096": ({}, ""),
    "max_steps 1": ({}, ""),
    "max_steps 10000000": ({"max_minutes": 1e-3}, ""),
    "max_minutes 0": ({}, ""),
    "max_minutes 10000": ({}, ""),
    "member_steps 1": ({}, ""),
    "member_steps 10000000": ({"max_minutes": 1e-3}, ""),
    "members 2": ({"member_steps": 20}, ""),
    "members 10000": ({}, ""),
}
FLOW = member_training.flow_network
#: Those that take longer than a minute, or gigabytes.
LONG = {"tile_npix 512", "centre_nside 128", "poses 100000", "members 10000"}
#: Those by which one sees that the road is walked at all.
QUICK = {"max_steps 1"}
#: Those of ten seconds that CI tries, too.
LATER = {"threads 1024", "batch_size 1", "snr_min 0", "members 2"}


def ends(name: str) -> list[float]:
    """The smallest and the largest value that a parameter may have; a bound itself may be out."""
    field, found = Settings.model_fields[name], []
    whole = field.annotation is int
    for bound in field.metadata:
        if isinstance(bound, Ge | Le):
            found.append(bound.ge if isinstance(bound, Ge) else bound.le)
        elif isinstance(bound, Gt):
            found.append(bound.gt + (1 if whole else 1e-9))
        elif isinstance(bound, Lt):
            found.append(bound.lt - 1)
    return found


def test_all_bounds_are_tried():
    numbers = [n for n, field in Settings.model_fields.items() if field.annotation in (int, float)]
    assert {f"{name} {end}" for name in numbers for end in ends(name)} == set(ENDS)
    words = {n: get_args(field.annotation) for n, field in Settings.model_fields.items()}
    assert {n for n, values in words.items() if values} == set(WORDS)


def narrow_flow(*arguments) -> NetworkSettings:
    return replace(FLOW(*arguments), features=4, blocks=1)


def tried(run, tiny, changes, monkeypatch):
    """The road, members too, in that run folder."""
    monkeypatch.setitem(recipes.PRESETS, "cogan", tiny)
    settings = toy_settings(run, **changes)
    if "members" in changes or "member_steps" in changes:
        monkeypatch.setattr(member_training, "POSES", 100)
        monkeypatch.setattr(member_training, "flow_network", narrow_flow)
        road.member_sky_file(settings.model_copy(update={"train_members": True}))
    else:
        walk(settings)


def speed(case: str) -> list:
    if case in LATER:
        return [pytest.mark.long]
    whole = [] if case in QUICK or ENDS[case][1] and case not in LONG else [pytest.mark.slow]
    return [*whole, pytest.mark.timeout(1800)] if case in LONG else whole


@pytest.mark.parametrize("case", [pytest.param(case, marks=speed(case)) for case in ENDS])
def test_both_ends_of_every_bound(tmp_path, monkeypatch, case):
    name, text = case.split()
    value = Settings.model_fields[name].annotation(text)
    also, words = ENDS[case]
    if not words:
        tried(tmp_path / "run", TINY, {**also, name: value}, monkeypatch)
        return
    with pytest.raises(CoganError, match=words) as refusal:
        tried(tmp_path / "run", TINY, {**also, name: value}, monkeypatch)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run" / "checkpoint").exists(), "nothing was trained before"


WORDS = {
    "device": ("auto", "cpu"),
    "projection": ("ZEA", "TAN"),
    "target_scaling": ("asinh", "log", "minmax"),
    "preset": ("cogan",),  # the paper's takes minutes here: its sides are tried above
    "precision": ("32-true", "bf16-mixed"),
    "pretrained": ("alone", "always", "never"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "word"), [(n, word) for n, some in WORDS.items() for word in some]
)
def test_every_word_walks_the_road(tmp_path, monkeypatch, name, word):
    tried(tmp_path / "run", TINY, {name: word}, monkeypatch)


def test_a_beam_too_wide_for_spectra_is_refused_before_the_sky_is_made(tmp_path):
    """It was found after an epoch of training."""
    settings = toy_settings(tmp_path / "run", tile_pixel_arcmin=15.0)
    with pytest.raises(CoganError, match="A tile of 4 deg resolves multipoles from 120, but a"):
        road.patches_file(settings)
    assert not (tmp_path / "run" / "sky.fits").exists()


# ---------------------------------------------------------------- 0/0 in ratios of spectra

GRID = {"pixel_arcmin": 30.0, "edges": (120, 200, 300)}


@pytest.mark.parametrize("level", [0.0, 3.7, 1e-9, 1e9])
def test_tiles_without_power_say_nothing_of_the_power_kept(level):
    """A constant tile has the power that rounding leaves, which is no power."""
    tiles = np.random.default_rng(1).normal(size=(5, 16, 16))
    reference = 2 * tiles
    reference[:2] = level
    reference[4] = tiles[4]  # its own ratio is 1
    ell, share = power.power_kept(tiles, reference, **GRID)
    np.testing.assert_allclose(share, 0.25 ** (2 / 3))
    nothing = power.power_kept(tiles, np.full_like(tiles, level), **GRID)[1]
    assert nothing.shape == ell.shape and np.isnan(nothing).all()


def test_a_number_that_a_run_does_not_have_is_null_in_the_report(tmp_path):
    share = np.ma.masked_invalid([0.5, np.nan])
    session.add_to_report(tmp_path, "x", {"a": share, "b": np.ma.masked_invalid(np.nan)})
    assert read_json(tmp_path / "report.json")["x"] == {"a": [0.5, None], "b": None}
    with pytest.raises(CoganError, match="find out why"):
        session.add_to_report(tmp_path, "x", {"a": np.nan})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_chapter_04_runs_to_its_end_with_constant_tiles(tmp_path):
    """As after a few seconds of training: what the generator makes is one number everywhere."""
    settings = load_profile("smoke", run_dir=str(tmp_path / "run"), max_steps=89, seed=2)
    road.train_checkpoint(settings)
    folder = tmp_path / "run" / "checkpoint"
    trained, card = load_checkpoint(folder), read_json(folder / "checkpoint.json")
    for name, parameter in trained.generator.named_parameters():
        if name.startswith(("last", "direct")):
            torch.nn.init.zeros_(parameter)
    networks = trained.generator, trained.reverse, trained.settings
    save_checkpoint(folder, *networks, road.Patches.load(tmp_path / "run" / "patches.npz").meta)
    now = read_json(folder / "checkpoint.json")
    write_json(folder / "checkpoint.json", now | {"made_from": card["made_from"]})
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    papermill.execute_notebook(
        ROOT / "book" / "04-full-sky-synthesis.ipynb", tmp_path / "04.ipynb",
        {n: value for n, value in given.items() if not n.startswith("member")},
        cwd=ROOT, progress_bar=False,
    )  # fmt: skip
    kept = read_json(tmp_path / "run" / "report.json")["synthesis"]["power_kept"]
    assert kept["joining"]["cells"] == [None, None, None]
    assert min(kept["resampling_accurate"]) > 0.99, "of the real sky: that has power"
