"""From tiles to a sky: what the tiles have, the sky keeps; what does not fit is refused."""

import dataclasses

import healpy as hp
import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.networks import Generator, NetworkSettings
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.synthesis import generate, synthesis_grid, synthesise
from cogan_lib.tiles.tiling import Geometry, cut_tiles, map_to_alm

NSIDE, FWHM = 64, 120.0
GEOMETRY = Geometry(32, 30.0)
SCALINGS = {
    "DUST": {"kind": "log", "softening": 1e-3, "mean": 0.0, "std": 0.3},
    "N_HI": {"kind": "log", "softening": 1e18, "mean": 21.0, "std": 0.3},
    "W_CO21": {"kind": "asinh", "softening": 0.3, "mean": 1.0, "std": 1.0},
}


@pytest.fixture(scope="module")
def sky():
    np.random.seed(5)  # noqa: NPY002 - healpy's synfast knows no generator
    cl = np.r_[0, 0, np.arange(2.0, 150) ** -2.4]
    a, b = (hp.synfast(cl, NSIDE, fwhm=np.radians(FWHM / 60)) for _ in "ab")
    maps = {"DUST": 10 ** (a / a.std() / 3), "N_HI": 1e21 * 10 ** (b / b.std() / 3)}
    return Sky(maps, {"DUST": "mag", "N_HI": "cm-2"}, FWHM)


def checkpoint(folder, scalings=SCALINGS):
    """An untrained generator: any smooth translation will do to test the road."""
    settings = NetworkSettings(8, 2, 8, 2, instance_norm=False, tanh=False, smooth=True)
    torch.manual_seed(1)
    networks = Generator(2, 1, settings), Generator(1, 2, settings)
    meta = {
        "input_columns": ["DUST", "N_HI"],
        "target_columns": ["W_CO21"],
        "units": {"DUST": "mag", "N_HI": "cm-2", "W_CO21": "K km/s"},
        "geometry": GEOMETRY.to_dict(),
        "fwhm_arcmin": FWHM,
        "scalings": scalings,
    }
    save_checkpoint(folder, *networks, settings, meta, training={"seed": 1})
    return load_checkpoint(folder)


def test_sky_keeps_what_the_tiles_have(sky, tmp_path):
    """The synthesised sky, cut into tiles again, equals the translated tiles (away from their
    borders), although every cell came from another, shifted tile."""
    trained = checkpoint(tmp_path / "checkpoint")
    co = synthesise(sky, trained, batch_size=500, progress=False)
    centres = np.array([[10.0, 3.0], [200.0, -40.0], [77.0, 80.0], [300.0, 20.0]])
    inputs = np.stack(
        [cut_tiles(map_to_alm(sky.maps[name]), GEOMETRY, centres) for name in ("DUST", "N_HI")], 1
    )
    bare = generate(trained, inputs)[:, 0, 8:-8, 8:-8]
    again = cut_tiles(map_to_alm(co.maps["W_CO21"]), GEOMETRY, centres)[:, 8:-8, 8:-8]
    assert np.corrcoef(bare.ravel(), again.ravel())[0, 1] > 0.98
    assert 0.94 < again.var() / bare.var() < 1.06


def test_sky_file_of_the_result(sky, tmp_path):
    trained = checkpoint(tmp_path / "checkpoint")
    co = synthesise(sky, trained, batch_size=500, progress=False, skysha="abc")
    back = read_sky(write_sky(tmp_path / "co.fits", co))
    assert back.units == {"W_CO21": "K km/s"} and back.nside == NSIDE
    assert back.meta["weights"] == trained.content["weights_sha256"]["generator_ab"]
    assert back.meta["skysha"] == "abc" and back.meta["seed"] == 1
    np.testing.assert_array_equal(back.maps["W_CO21"], co.maps["W_CO21"])
    again = synthesise(sky, trained, batch_size=300, progress=False)
    np.testing.assert_allclose(again.maps["W_CO21"], co.maps["W_CO21"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("geometry", [Geometry(64, 7.5), Geometry(32, 15.0), Geometry(128, 1.5)])
def test_enlarged_tiles_hold_their_cell_and_context(geometry):
    centre_nside, joiner = synthesis_grid(geometry, NSIDE)
    assert joiner.geometry.npix % 4 == 0
    spare = joiner.geometry.side_deg / 2 - np.degrees(joiner.reach(centre_nside))
    assert geometry.side_deg / 4 <= spare < geometry.side_deg


def test_skies_that_do_not_fit_are_refused(sky, tmp_path):
    trained = checkpoint(tmp_path / "checkpoint")
    for change, sentence in (
        ({"maps": {"DUST": sky.maps["DUST"]}}, "needs the column N_HI"),
        ({"units": {"DUST": "MJy/sr", "N_HI": "cm-2"}}, "trained on DUST in mag"),
        ({"fwhm_arcmin": 60.0}, "trained at a beam of 120"),
    ):
        with pytest.raises(CoganError, match=sentence):
            synthesise(dataclasses.replace(sky, **change), trained, progress=False)


def test_minmax_has_no_amplitude_of_its_own(tmp_path):
    trained = checkpoint(tmp_path / "checkpoint", {name: {"kind": "minmax"} for name in SCALINGS})
    rng = np.random.default_rng(1)
    inputs, truth = rng.random((3, 2, 32, 32)), rng.random((3, 1, 32, 32))
    with pytest.raises(CoganError, match="its own extremes"):
        generate(trained, inputs)
    once, twice = generate(trained, inputs, truth), generate(trained, inputs, 2 * truth)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-4)
