"""Two tracers and a target that the library has never heard of take the whole road."""

from dataclasses import replace

import healpy as hp
import numpy as np
import other_maps
import pytest

from cogan_lib import road
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.gan import recipes
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.instrument import noise_tiles
from cogan_lib.tiles.patches import Patches
from cogan_lib.validation.amplitude import softening_of
from cogan_lib.validation.report import validate
from tests.toys import TINY

NSIDE, FWHM, TILE = 64, 110.0, Geometry(16, 30.0)
NPIX, ERROR = 12 * NSIDE**2, 2e-9
UNITS = {
    "XRAY": "ct/s",
    "STARS": "deg-2",
    "GAMMA": "ph cm-2 s-1",
    "GAMMA_ERR": "ph cm-2 s-1",
}


def foreign_sky(**changes) -> Sky:
    """Gamma rays that follow both tracers, a hundred millionth of anything in K km/s."""
    rng = np.random.default_rng(1)
    a, b = (hp.smoothing(rng.normal(size=NPIX), fwhm=np.radians(5), iter=0) for _ in "ab")
    xray, stars = 10 ** (0.4 * a / a.std()), 50 * 10 ** (0.4 * b / b.std())
    noise = hp.smoothing(rng.normal(size=NPIX), fwhm=np.radians(FWHM / 60), iter=0)
    gamma = 1e-7 * xray * np.sqrt(stars / 50) + ERROR * noise / noise.std()
    maps = {"STARS": stars, "GAMMA": gamma, "XRAY": xray, "GAMMA_ERR": np.full(NPIX, ERROR)}
    return Sky(maps | changes, UNITS, FWHM, {"targcols": "GAMMA"})


@pytest.fixture(scope="module")
def sky():
    return foreign_sky()


@pytest.fixture(scope="module")
def walked(sky, tmp_path_factory):
    """Settings of a run that has gone from a file to a verdict, and its report."""
    folder = tmp_path_factory.mktemp("other")
    path = write_sky(folder / "mine.fits", sky)
    settings = Settings.check(
        run_dir=str(folder / "run"), sky_path=str(path), tile_npix=16, tile_pixel_arcmin=30.0,
        centre_nside=16, context=4, max_steps=50, device="cpu", threads=1,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.PRESETS, "cogan", TINY)
        return settings, read_json(road.report(settings))


def test_the_target_is_generated_in_its_own_unit(sky, walked, tmp_path):
    settings, _ = walked
    made = read_sky(f"{settings.run_dir}/co.fits")
    assert made.targets == ["GAMMA"] and made.units == {"GAMMA": "ph cm-2 s-1"}
    y_real, y = (np.log(np.maximum(m.maps["GAMMA"], ERROR)) for m in (sky, made))
    shuffled = np.random.default_rng(2).permutation(y)
    assert np.corrcoef(y_real, y)[0, 1] > 0.8 > 0.1 > abs(np.corrcoef(y_real, shuffled)[0, 1])
    assert 0.8 < np.median(made.maps["GAMMA"]) / np.median(sky.maps["GAMMA"]) < 1.25


def test_the_verdict_speaks_of_the_target(walked):
    """The target is a power law of the tracers: a log-linear fit finds it, up to the beam."""
    settings, report = walked
    found = report["validation"]["GAMMA"]
    assert found["spectrum"]["unit"] == "(ph cm-2 s-1)2 sr" and "edges_ph_cm_2_s_1" in found["pdf"]
    assert found["r2_heldout_loglinear"] > 0.97
    assert 0.6 < found["r2_heldout_95"]["low"] < found["r2_heldout"] < 1
    assert {"STARS x real", "XRAY x mock"} < set(found["rho_ell"])
    with pytest.raises(CoganError, match="Members are made of CO alone, .* is GAMMA"):
        road.member_sky_file(settings)


def test_amplitudes_are_compared_above_three_standard_errors(sky, walked):
    """In other units all is the same: nothing remembers the 0.3 K km/s of CO."""
    patches = Patches.load(f"{walked[0].run_dir}/patches.npz")
    assert patches.meta["input_columns"] == ["STARS", "XRAY"]
    assert softening_of(patches.meta, "GAMMA") == pytest.approx(3 * ERROR)
    assert patches.target_scalings[0].softening == pytest.approx(3 * ERROR)
    test, factor = patches.select("test"), 2.0**40
    generated = np.random.default_rng(3).permutation(test.targets[:, 0])
    scale = {"softening": {"GAMMA": factor * 3 * ERROR}}
    larger = replace(test, targets=test.targets * factor, meta=test.meta | scale)
    one, other = (
        validate(tiles, made, "GAMMA", noise=None, seed=1, permutations=20)
        for tiles, made in ((test, generated), (larger, generated * factor))
    )
    assert one["r2_heldout"] == pytest.approx(other["r2_heldout"])
    assert one["pdf"]["mock"] == other["pdf"]["mock"]
    assert one["verdict"] == other["verdict"]


def test_noise_of_another_target_is_its_errors_behind_the_beam(sky):
    """The sky near the poles is full of signal, which nobody takes for noise."""
    places = np.array([[40.0, 10.0], [200.0, -30.0], [100.0, 50.0], [300.0, 0.0], [0.0, -70.0]])
    tiles = noise_tiles(sky, "GAMMA", TILE, places, seed=1)
    assert tiles.std() == pytest.approx(ERROR, rel=0.2)
    steps = np.diff(tiles, axis=1).std() / tiles.std()
    assert steps == pytest.approx(
        np.sqrt(2 - 2 * np.exp(-2 * np.log(2) * (30 / FWHM) ** 2)), rel=0.2
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GAMMA": np.full(NPIX, -1e-7)}, "GAMMA lies more than 5 standard errors below zero"),
        ({"XRAY": np.linspace(-1, 1, NPIX)}, "The tracer XRAY is not above zero in 50% of the sky"),
    ],
)
def test_what_the_road_takes_for_granted_is_asked_for(changes, words):
    with pytest.raises(CoganError, match=words):
        make_patches(foreign_sky(**changes), TILE, 16)


def test_names_that_fit_no_column_are_refused(sky, tmp_path):
    for named, words in (("GAMA", "TARGCOLS names GAMA, which is no column"), ("a-b", "no name")):
        with pytest.raises(CoganError, match=words):
            make_patches(replace(sky, meta={"targcols": named}), TILE, 16)
    with pytest.raises(CoganError, match="no column GAMMA_ERR; the S/N"):
        maps = {name: values for name, values in sky.maps.items() if name != "GAMMA_ERR"}
        make_patches(replace(sky, maps=maps), TILE, 16)
    path = write_sky(tmp_path / "unnamed.fits", replace(sky, meta={}))
    with pytest.raises(CoganError, match="no column that the road knows.*TARGCOLS"):
        read_sky(path)


def test_a_plain_grid_becomes_a_map_and_a_missing_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(other_maps, "NSIDE", 16)
    lat, lon = (
        np.radians(np.arange(-89.75, 90, 0.5))[:, None],
        np.radians(np.arange(0.25, 360, 0.5)),
    )
    found = other_maps.from_grid(2 + np.cos(lat) * np.cos(lon) + np.sin(lat))
    x, _, z = hp.pix2vec(16, np.arange(12 * 16**2))
    np.testing.assert_allclose(found, 2 + x + z, atol=1e-4)
    with pytest.raises(CoganError, match="There is no file .*npz.xz; --data names the folder"):
        other_maps.main([str(tmp_path / "report.json"), "--data", str(tmp_path)])
