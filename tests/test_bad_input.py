"""What cannot be is refused before any work, in one sentence: what is wrong, where, what to do."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cogan_lib import synthesis
from cogan_lib.base import session
from cogan_lib.base.config import Settings, from_command_line, load_profile
from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.beyond import baselines, extrapolation, members
from cogan_lib.gan import networks, noise, pretrained
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.gan.networks import NetworkSettings
from cogan_lib.gan.recipes import TrainingSettings
from cogan_lib.sky import embedded, maps, prepare, pysm, skyfile
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles import bounds, cutting, patches, scaling, tiling
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.instrument import noise_map, noise_spectrum
from cogan_lib.tiles.scaling import Scaling
from cogan_lib.validation import amplitude, morphology, report, spectra, two_sample
from cogan_lib.validation.blocks import block_interval, separate_blocks, sky_blocks, swap_p_value
from cogan_lib.validation.calibration import calibration

NAN, INF = float("nan"), float("inf")
NPIX = 12 * 8**2
MAP = np.linspace(1, 2, NPIX)
TILES = np.random.default_rng(1).lognormal(0, 1, (6, 32, 32))
PAIR = np.stack([TILES, TILES * 1e20], axis=1)
GRID = {"pixel_arcmin": 15.0, "edges": (60.0, 120.0, 240.0)}
BEAM = {"pixel_arcmin": 15.0, "fwhm_arcmin": 45.0}
BLOCKS = np.arange(6)
CENTRES_6 = np.stack([30.0 * BLOCKS, 0.0 * BLOCKS], axis=1)
UNITS = {"DUST": "MJy/sr", "N_HI": "cm-2", "W_CO21": "K km/s", "W_CO21_ERR": "K km/s"}
SKY = Sky({name: MAP for name in UNITS}, UNITS, 600.0)
GEOMETRY = Geometry(32, 15.0)
CENTRES = np.array([[10.0, 20.0]])
ALM = tiling.map_to_alm(MAP, 20)
LOG = Scaling("log", 0.1, 0.0, 1.0)


def spoilt(array, value=NAN):
    """A copy with one bad number."""
    array = np.array(array, dtype=float)
    array.flat[array.size // 2] = value
    return array


@cache
def trained():
    return load_checkpoint(sorted(pretrained.WEIGHTS.glob("*/cycle-gan"))[-1])


def some_patches():
    meta = {"input_columns": ["DUST", "N_HI"], "target_columns": ["W_CO21"]}
    return patches.Patches(PAIR, TILES[:, None], np.zeros((6, 2)), np.zeros(6, np.uint8), meta)


def joined(start, tiles):
    joiner = tiling.Joiner(Geometry(40, 15.0), 16, 32)
    joiner.add(start, tiles)


def validate(mock=TILES, target="W_CO21", **changes):
    given = {"real": TILES, "inputs": PAIR, "lonlat": CENTRES_6, **BEAM} | changes
    test = SimpleNamespace(
        inputs=given["inputs"], targets=given["real"][:, None], lonlat=given["lonlat"],
        meta={
            "input_columns": ["DUST", "N_HI"], "target_columns": ["W_CO21"],
            "geometry": {"pixel_arcmin": given["pixel_arcmin"]},
            "fwhm_arcmin": given["fwhm_arcmin"],
        },
    )  # fmt: skip
    options = {key: changes[key] for key in ("thresholds", "noise") if key in changes}
    return report.validate(test, mock, target, **{"noise": None, "seed": 1} | options)


def sharp(**changes):
    given = {"real": TILES, "generated": TILES, "blocks": BLOCKS, "seed": 1, "noise": None}
    given |= BEAM
    return two_sample.sharp_verdict(**given | changes)


def other_sky(**changes):
    return Sky(**{"maps": {"DUST": MAP}, "units": UNITS, "fwhm_arcmin": 600.0} | changes)


#: What is done, and a part of the sentence that it gets.
TABLE = {
    # notebook parameters
    "nside not a number": (lambda: Settings.check(nside="many"), "nside should be a valid integer"),
    "nside None": (lambda: Settings.check(nside=None), "nside should be a valid integer"),
    "nside a truth value": (lambda: Settings.check(nside=True), "nside should be a valid integer"),
    "nside a list": (lambda: Settings.check(nside=[64]), "nside should be a valid integer"),
    "nside huge": (lambda: Settings.check(nside=2**40), "less than or equal to 8192"),
    "seed negative": (lambda: Settings.check(seed=-1), "greater than or equal to 0"),
    "seed beyond 31 bits": (lambda: Settings.check(seed=2**31), "less than 2147483648"),
    "threads negative": (lambda: Settings.check(threads=-2), "greater than or equal to 0"),
    "beam zero": (lambda: Settings.check(fwhm_arcmin=0.0), "greater than 0"),
    "beam infinite": (lambda: Settings.check(fwhm_arcmin=INF), "finite number"),
    "beam a Quantity": (lambda: Settings.check(fwhm_arcmin="20 arcmin"), "valid number"),
    "tile of no pixel": (lambda: Settings.check(tile_npix=0), "greater than or equal to 16"),
    "tile pixel negative": (lambda: Settings.check(tile_pixel_arcmin=-1.0), "greater than 0"),
    "projection unknown": (lambda: Settings.check(projection="CAR"), "'ZEA' or 'TAN'"),
    "scaling unknown": (lambda: Settings.check(target_scaling="sqrt"), "'asinh', 'log' or"),
    "preset unknown": (lambda: Settings.check(preset="big"), "'cogan' or 'paper'"),
    "limit below zero": (lambda: Settings.check(max_minutes=-1.0), "than or equal to 0"),
    "batch of none": (lambda: Settings.check(batch_size=0), "greater than or equal to 1"),
    "S/N not a number": (lambda: Settings.check(snr_min=NAN), "finite number"),
    "one member": (lambda: Settings.check(members=1), "greater than or equal to 2"),
    "precision unknown": (lambda: Settings.check(precision="16"), "'32-true' or 'bf16-mixed'"),
    "run_dir a number": (lambda: Settings.check(run_dir=3), "run_dir should be a valid string"),
    "run_dir a Path": (lambda: Settings.check(run_dir=Path("a")), "run_dir should be a valid str"),
    "profile unknown": (lambda: load_profile("lapttop"), "There is no profile 'lapttop'"),
    "profile a folder": (lambda: load_profile("../../etc/passwd"), "There is no profile"),
    "command line": (lambda: from_command_line([("nside", "[64")]), "not readable as YAML"),
    # the sky
    "sky without maps": (lambda: other_sky(maps={}), "A sky needs a map"),
    "sky map of 100 values": (lambda: other_sky(maps={"DUST": MAP[:100]}), "12 nside^2 real"),
    "sky map in two dimensions": (lambda: other_sky(maps={"DUST": MAP[None]}), "12 nside^2 real"),
    "sky maps of two sizes": (
        lambda: other_sky(maps={"DUST": MAP, "N_HI": np.ones(48)}),
        "N_HI has shape (48,)",
    ),
    "sky map of words": (lambda: other_sky(maps={"DUST": MAP.astype(str)}), "12 nside^2 real"),
    "sky map complex": (lambda: other_sky(maps={"DUST": MAP + 1j}), "12 nside^2 real"),
    "sky without dust": (lambda: other_sky(maps={"DUST": 0 * MAP}), "nowhere above zero"),
    "sky of dust below zero": (lambda: other_sky(maps={"DUST": -MAP}), "nowhere above zero"),
    "sky map without unit": (lambda: other_sky(units={}), "DUST has no unit"),
    "sky beam NaN": (lambda: other_sky(fwhm_arcmin=NAN), "must be a positive number"),
    "sky beam negative": (lambda: other_sky(fwhm_arcmin=-5.0), "must be a positive number"),
    "sky beam None": (lambda: other_sky(fwhm_arcmin=None), "must be a positive number"),
    "sky fact NaN": (
        lambda: skyfile.write_sky("x.fits", other_sky(meta={"mean": NAN})),
        "cannot stand in a FITS header",
    ),
    "sky path a folder": (lambda: skyfile.read_sky("."), "There is no file"),
    "nside 3.5": (lambda: maps.check_nside(3.5), "power of two from 1 to 8192"),
    "nside infinite": (lambda: maps.check_nside(INF), "power of two from 1 to 8192"),
    "beam finer than a pixel": (lambda: maps.check_beam(8, 1.0), "raise nside or fwhm_arcmin"),
    "beam NaN for a pixel": (lambda: maps.check_beam(8, NAN), "raise nside or fwhm_arcmin"),
    "rotation from nowhere": (lambda: maps.rotate_map(MAP, "J2000"), "no frame 'J2000'"),
    "rotation of half a map": (
        lambda: maps.rotate_map(MAP[:-1], "C"),
        "no full-sky HEALPix map",
    ),
    "grid from infinities": (
        lambda: maps.to_grid(spoilt(MAP, INF), 8, 0, 600),
        "infinite pixels",
    ),
    "grid with a beam NaN": (lambda: maps.to_grid(MAP, 8, 300.0, NAN), "cannot be sharpened"),
    "grid with a beam below zero": (
        lambda: maps.to_grid(MAP, 8, -1.0, 600.0),
        "cannot be sharp",
    ),
    "grid of NSIDE 7": (lambda: maps.to_grid(MAP, 7, 300.0, 600.0), "power of two"),
    "holes everywhere": (lambda: maps.fill_missing(MAP * NAN), "of the sky is missing"),
    "holes in no map": (lambda: maps.fill_missing(MAP[:5]), "no full-sky HEALPix map"),
    "embedded sky of NSIDE 100": (lambda: embedded.make_sky(100), "power of two"),
    "embedded sky of NSIDE 4096": (lambda: embedded.make_sky(4096), "up to NSIDE 2048"),
    "embedded sky seed 1.5": (lambda: embedded.make_sky(64, 90.0, 1.5), "whole number"),
    "embedded sky beam NaN": (lambda: embedded.make_sky(64, NAN), "beams from 5 to 600"),
    "statistics without CO": (lambda: embedded.sky_statistics(other_sky()), "no column N_HI"),
    "downloads for NSIDE 0": (lambda: prepare.prepare_sky("x", 0, 20.0), "power of two"),
    "downloads for a beam below zero": (lambda: prepare.prepare_sky("x", 64, -1.0), "finer pix"),
    "downloads of another target": (lambda: prepare.prepare_sky("x", 64, 60.0, "HCN"), "no CO t"),
    "error map below zero": (lambda: prepare.smooth_error(-MAP, 8, 300, 600), "negative"),
    # tiles
    "geometry of words": (lambda: Geometry("64", 7.5), "is not usable"),
    "geometry of half pixels": (lambda: Geometry(32.5, 7.5), "is not usable"),
    "geometry of a pixel NaN": (lambda: Geometry(32, NAN), "is not usable"),
    "geometry over the horizon": (lambda: Geometry(512, 60.0), "less than 60 degrees"),
    "centres on NSIDE 3": (lambda: tiling.tile_centres(3), "power of two"),
    "a_lm of a map with holes": (lambda: tiling.map_to_alm(spoilt(MAP)), "NaN or infinite pixels"),
    "a_lm of half a map": (lambda: tiling.map_to_alm(MAP[:-3]), "no full-sky"),
    "tiles centred at NaN": (
        lambda: tiling.cut_tiles(ALM, GEOMETRY, spoilt(CENTRES)),
        "longitude and latitude",
    ),
    "tiles centred beyond the pole": (
        lambda: tiling.cut_tiles(ALM, GEOMETRY, np.array([[0.0, 91.0]])),
        "longitude and latitude",
    ),
    "tiles centred in space": (
        lambda: tiling.cut_tiles(ALM, GEOMETRY, np.ones((4, 3))),
        "longitude and latitude",
    ),
    "joining another size": (lambda: joined(0, np.ones((1, 1, 20, 20))), "The joiner takes"),
    "joining NaN": (lambda: joined(0, np.full((1, 1, 40, 40), NAN)), "NaN or infinite"),
    "joining beyond the last": (lambda: joined(3072, np.ones((1, 1, 40, 40))), "The joiner takes"),
    "scaling kind": (lambda: Scaling("sqrt", 0.1, 0.0, 1.0), "does not describe a scaling"),
    "scaling of width zero": (lambda: Scaling("log", 0.1, 0.0, 0.0), "does not describe a sc"),
    "scaling softened by NaN": (lambda: Scaling("log", NAN, 0.0, 1.0), "does not describe a sc"),
    "scaling of infinities": (lambda: Scaling.fit("log", spoilt(MAP, INF)), "finite values"),
    "scaling of nothing": (lambda: Scaling.fit("asinh", np.array([]), 0.3), "finite values"),
    "scaling with softening -1": (lambda: Scaling.fit("asinh", MAP, -1.0), "must be positive"),
    "scaling with softening inf": (lambda: Scaling.fit("asinh", MAP, INF), "must be positive"),
    "scaling of words": (lambda: Scaling.fit("log", np.array(["a"])), "real numbers"),
    "minmax without the truth": (
        lambda: bounds.to_physical(TILES, scaling.PatchMinMax()),
        "no amplitude of its own",
    ),
    "split unknown": (lambda: some_patches().select("holdout"), "no split 'holdout'"),
    "patches of CO alone": (
        lambda: cutting.make_patches(other_sky(), GEOMETRY, 16),
        "such as DUST and N_HI, and W_CO10",
    ),
    "patches scaled by sqrt": (
        lambda: cutting.make_patches(SKY, GEOMETRY, 16, target_scaling="sqrt"),
        "Scaling 'sqrt' is unknown",
    ),
    "patches of S/N NaN": (
        lambda: cutting.make_patches(SKY, GEOMETRY, 16, snr_min=NAN),
        "snr_min is nan",
    ),
    # networks and training
    "network of no features": (lambda: NetworkSettings(features=0), "is no network"),
    "network of half features": (lambda: NetworkSettings(features=1.5), "is no network"),
    "network of a million blocks": (lambda: NetworkSettings(blocks=10**6), "is no network"),
    "noise of width zero": (lambda: NetworkSettings(noise=(0.0,)), "must be positive"),
    "network fed with three channels": (
        lambda: networks.translate(trained().generator, np.ones((1, 3, 32, 32))),
        "takes tiles of 2 channels",
    ),
    "network fed with 30 pixels": (
        lambda: networks.translate(trained().generator, np.ones((1, 2, 30, 30))),
        "multiple of 4",
    ),
    "learning rate NaN": (lambda: TrainingSettings(learning_rate=NAN), "learning_rate is nan"),
    "minutes below zero": (lambda: TrainingSettings(max_minutes=-1), "max_minutes is -1"),
    "average of one": (lambda: TrainingSettings(average=1.0), "between 0 and 1"),
    "synthesis without dust": (
        lambda: synthesis.synthesise(other_sky(maps={"N_HI": MAP}), trained()),
        "needs the column DUST",
    ),
    "synthesis of another unit": (
        lambda: synthesis.synthesise(
            Sky({"DUST": MAP, "N_HI": MAP}, UNITS | {"DUST": "MJy/sr"}, 20.0), trained()
        ),
        "the sky has it in MJy/sr",
    ),
    "synthesis of another beam": (
        lambda: synthesis.synthesise(
            Sky({"DUST": MAP, "N_HI": MAP}, UNITS | {"DUST": "mag"}, 600.0), trained()
        ),
        "trained at a beam of 20 arcmin",
    ),
    "synthesis in batches of none": (
        lambda: synthesis.synthesise(
            Sky({"DUST": MAP, "N_HI": MAP}, UNITS | {"DUST": "mag"}, 20.0), trained(), batch_size=0
        ),
        "batch_size is 0",
    ),
    "generation from one channel": (
        lambda: synthesis.generate(trained(), PAIR[:, :1]),
        "takes inputs (n, 2, npix, npix)",
    ),
    "generation from NaN": (lambda: synthesis.generate(trained(), spoilt(PAIR)), "NaN or infin"),
    "members of a plain generator": (
        lambda: members.synthesise_members(SKY, [trained()], 4, 1),
        "checkpoint trained with noise",
    ),
    "members of no generator": (
        lambda: members.synthesise_members(SKY, [], 4, 1),
        "checkpoint trained with noise",
    ),
    "calibration of one member": (
        lambda: calibration(TILES[:1], TILES[0], 1),
        "at least two members",
    ),
    "calibration on NaN": (lambda: calibration(TILES, spoilt(TILES[0]), 1), "NaN or inf"),
    "noise of width -1": (
        lambda: noise.flat_noise(2, 32, (-1.0,), torch.Generator()),
        "must be positive",
    ),
    "noise of seed -1": (lambda: noise.noise_alm(8, 60.0, (-1,)), "whole numbers, 0 or larger"),
    # spectra, scores, verdicts
    "spectra of one tile": (lambda: spectra.power_spectra(TILES[0], **GRID), "a stack (n, npix"),
    "spectra of oblongs": (lambda: spectra.power_spectra(TILES[:, :8], **GRID), "of squares"),
    "spectra of nothing": (lambda: spectra.power_spectra(TILES[:0], **GRID), "a stack (n, npix"),
    "spectra of NaN": (lambda: spectra.power_spectra(spoilt(TILES), **GRID), "first in tile 3"),
    "spectra of words": (lambda: spectra.power_spectra(TILES.astype(str), **GRID), "real numbers"),
    "spectra of complex": (lambda: spectra.power_spectra(TILES + 1j, **GRID), "real numbers"),
    "spectra of two sizes": (
        lambda: spectra.power_spectra(TILES, TILES[:3], **GRID),
        "cut both at the same centres",
    ),
    "spectra with a pixel of zero": (
        lambda: spectra.power_spectra(TILES, **GRID | {"pixel_arcmin": 0.0}),
        "pixel_arcmin is 0.0",
    ),
    "spectra with falling edges": (
        lambda: spectra.power_spectra(TILES, **GRID | {"edges": (240, 60)}),
        "do not rise",
    ),
    "spectra with an edge NaN": (
        lambda: spectra.power_spectra(TILES, **GRID | {"edges": (60, NAN)}),
        "do not rise",
    ),
    "bins of a beam below zero": (lambda: spectra.bin_edges(8.0, 15.0, -5.0), "fwhm_arcmin is -5"),
    "bins of a tile of no size": (lambda: spectra.bin_edges(0.0, 15.0, 45.0), "side_deg is 0.0"),
    "bins of a wide beam": (lambda: spectra.bin_edges(8.0, 15.0, 600.0), "use larger tiles"),
    "R2 of two sizes": (lambda: amplitude.r2_score(TILES, TILES[:1]), "the same shape"),
    "R2 of NaN": (lambda: amplitude.r2_score(spoilt(TILES), TILES), "NaN or infinite"),
    "R2 of a constant": (lambda: amplitude.r2_score(TILES * 0, TILES), "are all alike"),
    "fit to scaled inputs": (
        lambda: baselines.fit_loglinear(np.log(PAIR / 1e22), TILES),
        "give inputs in physical units",
    ),
    "fit to one channel less": (
        lambda: baselines.fit_loglinear(PAIR, TILES).predict(PAIR[:, :1]),
        "takes inputs (n, 2, npix, npix)",
    ),
    "blocks of NaN": (lambda: sky_blocks(NAN, 5.0), "longitude and latitude"),
    "blocks of two lengths": (lambda: sky_blocks(np.ones(3), np.ones(2)), "longitude and"),
    "separate blocks in space": (lambda: separate_blocks(np.ones((4, 3)), 8.0), "longitude"),
    "interval over no block": (
        lambda: block_interval(np.mean, np.array([]), 1),
        "needs blocks",
    ),
    "interval of level 2": (
        lambda: block_interval(lambda i: BLOCKS[i].mean(), BLOCKS, 1, level=2.0),
        "level is 2",
    ),
    "p-value of two lengths": (
        lambda: swap_p_value(TILES[:, 0], TILES[:3, 0], BLOCKS, 1),
        "the same shape",
    ),
    "p-value of NaN": (
        lambda: swap_p_value(spoilt(TILES[:, 0]), TILES[:, 0], BLOCKS, 1),
        "NaN or infinite",
    ),
    "p-value of other blocks": (
        lambda: swap_p_value(TILES[:, 0], TILES[:, 0], BLOCKS[:3], 1),
        "as many block numbers",
    ),
    "validation of three tiles": (lambda: validate(real=TILES[:3], mock=TILES[:3]), "at least 4"),
    "validation of NaN": (lambda: validate(mock=spoilt(TILES)), "The generated tiles hold NaN"),
    "validation with noise of two sizes": (
        lambda: validate(noise=TILES[:3]),
        "The noise tiles have shape",
    ),
    "validation with noise NaN": (lambda: validate(noise=spoilt(TILES)), "The noise tiles hold"),
    "noise of errors 0": (lambda: noise_map(np.zeros(48), np.ones(4), 1), "are not positive"),
    "noise of an error NaN": (lambda: noise_map(np.full(48, NAN), np.ones(4), 1), "real numbers"),
    "noise of two sizes": (lambda: noise_spectrum(np.ones(48), np.ones(12), 4), "the same shape"),
    "validation of two sizes": (lambda: validate(mock=TILES[:, :16, :16]), "same geometry"),
    "validation of one channel": (lambda: validate(inputs=PAIR[:, :1]), "The inputs have shape"),
    "validation without centres": (
        lambda: validate(lonlat=CENTRES_6[:2]),
        "as many centres",
    ),
    "validation of another line": (lambda: validate(target="W_13CO"), "there is no W_13CO"),
    "validation of an empty sky": (lambda: validate(real=0 * TILES), "tiles are constant"),
    "validation with a pixel NaN": (lambda: validate(pixel_arcmin=NAN), "is nan"),
    "validation at no threshold": (lambda: validate(thresholds=np.array([])), "in equal steps"),
    "check of an epoch of NaN": (
        lambda: report.per_epoch_check(TILES, spoilt(TILES), 15.0),
        "The generated tiles hold NaN",
    ),
    "verdict of few draws": (lambda: sharp(draws=5), "use >= 99"),
    "verdict of one block": (lambda: sharp(blocks=0 * BLOCKS), "blocks"),
    "verdict of shared blocks": (lambda: sharp(generated_blocks=BLOCKS), "both real and generated"),
    "verdict of other noise": (lambda: sharp(noise=TILES[:2]), "The noise tiles have shape"),
    "verdict of NaN noise": (lambda: sharp(noise=spoilt(TILES, NAN)), "The noise tiles hold NaN"),
    "verdict of infinities": (lambda: sharp(real=spoilt(TILES, INF)), "The real tiles hold NaN"),
    "Minkowski of tiny tiles": (
        lambda: morphology.minkowski(TILES[:, :4, :4], pixel_arcmin=15.0),
        "too small for a quintic spline",
    ),
    "Minkowski with a pixel of zero": (
        lambda: morphology.minkowski(TILES, pixel_arcmin=0.0),
        "pixel_arcmin is 0.0",
    ),
    "structures above NaN": (
        lambda: morphology.structures(TILES, pixel_arcmin=15.0, threshold=NAN),
        "threshold is nan",
    ),
    # baselines, beyond, PySM
    "baseline of 13CO": (
        lambda: baselines.fit_excess(some_patches(), "W_13CO"),
        "no target W_13CO",
    ),
    "baseline without training tiles": (
        lambda: baselines.one_target(some_patches(), None, "test"),
        "no test tiles",
    ),
    "baseline inputs": (lambda: baselines.checked_inputs(TILES, 2), "Give inputs (n, 2, npix"),
    "training region of zeros": (
        lambda: extrapolation.training_region(0 * PAIR),
        "give physical units",
    ),
    "extrapolation of one map": (
        lambda: extrapolation.extrapolation({"DUST": MAP}, PAIR),
        "DUST and N_HI",
    ),
    "PySM without CO": (lambda: pysm.COSky(other_sky()), "has no CO"),
    "PySM line": (lambda: pysm.band_factor("W_HCN", [88, 90]), "no line 'W_HCN'"),
    "PySM band without unit": (lambda: pysm.band_factor("W_CO10", [1, 2]), "are not frequencies"),
    "PySM band backwards": (
        lambda: pysm.band_factor("W_CO10", [120, 110] * pysm.u.GHz),
        "must be positive and increase",
    ),
    "PySM unit": (
        lambda: pysm.band_factor("W_CO10", [110, 120] * pysm.u.GHz, unit="metre"),
        "no unit 'metre'",
    ),
    "PySM weights NaN": (
        lambda: pysm.band_factor("W_CO10", [110, 120] * pysm.u.GHz, [1.0, NAN]),
        "check the weights",
    ),
    # reports
    "report of NaN": (lambda: session.add_to_report(".", "a", {"b": NAN}), "a.b is nan"),
    "report of an object": (lambda: session.add_to_report(".", "a", {"b": {1}}), "is a set"),
    "JSON of NaN": (lambda: write_json("a.json", {"a": NAN}), "a.json"),
    "JSON that is not there": (lambda: read_json("none.json"), "There is no JSON file none.json"),
    "GPU that is not there": (
        lambda: session.device(SimpleNamespace(device="cuda")),
        "No CUDA GPU",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_bad_input_gets_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    do, words = TABLE[name]
    with pytest.raises(CoganError) as caught:
        do()
    text = str(caught.value)
    assert words in text
    assert "\n" not in text and len(text) < 400 and text.endswith(".")
    assert not list(tmp_path.iterdir()), "nothing was written before the refusal"
