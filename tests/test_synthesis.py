"""From tiles to a sky: what the tiles have, the sky keeps; what does not fit is refused."""

import dataclasses

import healpy as hp
import numpy as np
import pytest
import torch

from cogan_lib import synthesis
from cogan_lib.base.files import CoganError
from cogan_lib.gan import generate as generating
from cogan_lib.sky.beam_limit import limit_to_beam
from cogan_lib.sky.skyfile import read_sky, write_sky
from cogan_lib.synthesis import generate, synthesis_grid, synthesise
from cogan_lib.tiles.bounds import HEADROOM
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.scaling import scaling_from_dict
from cogan_lib.tiles.tiling import cut_tiles, map_to_alm
from tests.toys import SCALINGS, steep_sky, untrained

NSIDE, FWHM = 64, 120.0
GEOMETRY = Geometry(32, 30.0)
PIXELS = np.stack(hp.pix2vec(NSIDE, np.arange(12 * NSIDE**2)))


@pytest.fixture(scope="module")
def sky():
    return steep_sky(NSIDE, FWHM)


def checkpoint(folder, scalings=SCALINGS):
    return untrained(folder, GEOMETRY, FWHM, scalings=scalings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("trained") / "checkpoint")


@pytest.fixture(scope="module")
def co(sky, trained):
    return synthesise(sky, trained, batch_size=500, progress=False, skysha="abc")


def test_sky_keeps_what_the_tiles_have(sky, trained, co):
    """The synthesised sky, cut into tiles again, equals the translated tiles (away from their
    borders), although every cell came from another, shifted tile."""
    centres = np.array([[10.0, 3.0], [200.0, -40.0], [77.0, 80.0], [300.0, 20.0]])
    inputs = np.stack(
        [cut_tiles(map_to_alm(sky.maps[name]), GEOMETRY, centres) for name in ("DUST", "N_HI")], 1
    )
    bare = generate(trained, inputs)[:, 0, 8:-8, 8:-8]
    again = cut_tiles(map_to_alm(co.maps["W_CO21"]), GEOMETRY, centres)[:, 8:-8, 8:-8]
    assert np.corrcoef(bare.ravel(), again.ravel())[0, 1] > 0.98
    assert 0.94 < again.var() / bare.var() < 1.06


def test_the_sky_is_filtered_to_its_beam(sky, trained, co):
    joined = synthesise(sky, trained, batch_size=500, progress=False, beam_limited=False)
    joined, made = joined.maps["W_CO21"], co.maps["W_CO21"]
    np.testing.assert_array_equal(made, limit_to_beam(joined, FWHM).astype(np.float32))
    assert made.min() >= 0 and made.mean() == pytest.approx(joined.mean(), rel=1e-5)


@pytest.mark.parametrize(("peak", "brightest"), [(10.0, 8.0), (20.0, 1.0)])
def test_a_source_brighter_than_the_training(peak, brightest, sky, trained, monkeypatch, caplog):
    """By a network that knows the truth, scaled CO = scaled dust; trained up to `brightest`."""
    caplog.set_level("INFO")
    monkeypatch.setattr(generating, "translate", lambda _, scaled: scaled[:, :1].copy())
    ends = {"DUST": (0.01, 10.0), "N_HI": (1e18, 1e24), "W_CO21": (0.0, brightest)}
    scalings = {
        name: SCALINGS[name] | dict(zip(("low", "high"), ends[name], strict=True))
        for name in SCALINGS
    }
    monkeypatch.setitem(trained.meta, "scalings", scalings)
    dust, co = (scaling_from_dict(scalings[name]) for name in ("DUST", "W_CO21"))
    far = hp.rotator.angdist(PIXELS, hp.ang2vec(40.0, 10.0, lonlat=True))
    source = peak * np.exp(-4 * np.log(2) * (far / np.radians(2 * FWHM / 60)) ** 2)
    bright = dataclasses.replace(sky, maps={**sky.maps, "DUST": 0.1 + source})
    truth = co.inverse(dust.forward(dust.bound(bright.maps["DUST"], HEADROOM)))
    made = synthesise(bright, trained, batch_size=500, progress=False)
    assert truth.max() > 1.3 * brightest, "the old cut"
    limit = co.limits(HEADROOM)[1]
    assert made.maps["W_CO21"].max() == pytest.approx(min(truth.max(), limit), rel=0.12)
    counts = [made.meta[name] for name in ("cutbelow", "cutabove", "atbound")]
    assert counts[:2] == [0, (bright.maps["DUST"] > dust.limits(HEADROOM)[1]).sum()]
    assert counts[2] == pytest.approx((truth > 0.99 * limit).sum(), rel=0.25)
    assert (counts[1] > 0) == (counts[2] > 0) == (peak > 10)
    said = [f"{counts[1]} at the upper" in caplog.text, f"at {counts[2]} its CO" in caplog.text]
    assert said == 2 * [peak > 10], "nothing is said where nothing was cut off"


def test_threads_ahead_of_a_gpu_change_no_bit(sky, trained, co, monkeypatch):
    """The road that a GPU takes: cut in one thread, translate in another, join in this one."""
    used, ahead = [], synthesis._ahead

    def threaded(work, items, in_thread):
        used.append(in_thread)
        return ahead(work, items, True)

    monkeypatch.setattr(synthesis, "_ahead", threaded)
    again = synthesise(sky, trained, batch_size=500, progress=False)
    assert used == [False, False]
    np.testing.assert_array_equal(again.maps["W_CO21"], co.maps["W_CO21"])


def test_an_error_in_a_thread_ends_the_synthesis(sky, trained, monkeypatch):
    def fails(*arguments):
        raise CoganError("the card has had enough")

    ahead = synthesis._ahead
    monkeypatch.setattr(synthesis, "generate", fails)
    monkeypatch.setattr(synthesis, "_ahead", lambda work, items, _: ahead(work, items, True))
    with pytest.raises(CoganError, match="had enough"):
        synthesise(sky, trained, batch_size=500, progress=False)


def test_sky_file_of_the_result(sky, trained, co, tmp_path):
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


@pytest.mark.parametrize("geometry", [Geometry(64, 7.5), Geometry(16, 30.0), Geometry(36, 7.5)])
def test_a_generator_that_knows_context_gets_fewer_and_larger_tiles(geometry):
    context = 2 * -(-geometry.npix // 8)
    (coarse, large), (fine, small) = (synthesis_grid(geometry, NSIDE, context=c)
                                      for c in (context, 0))  # fmt: skip
    assert coarse == fine // 2 and len(large.centres) == len(small.centres) // 4
    inner = large.geometry.npix - 2 * context
    assert inner * geometry.pixel_arcmin / 60 >= 2 * np.degrees(large.reach(coarse)) - 1e-9
    assert large.geometry.npix % 4 == 0 and large.geometry.npix > small.geometry.npix
    pixels = [len(joiner.centres) * joiner.geometry.npix**2 for joiner in (large, small)]
    assert pixels[0] < 0.7 * pixels[1]


@pytest.mark.parametrize(
    ("geometry", "context"), [(Geometry(64, 7.5), 16), (Geometry(32, 30.0), 8)]
)
def test_no_tile_gives_anything_a_training_tile_away(geometry, context):
    """So that what its network was trained on, a tile's side from its longitudes, stays out."""
    centre_nside, joiner = synthesis_grid(geometry, NSIDE, context=context)
    assert np.degrees(joiner.reach(centre_nside)) < geometry.side_deg
    assert np.degrees(joiner.reach(centre_nside // 2)) >= geometry.side_deg


def test_larger_tiles_give_the_same_sky(sky, tmp_path):
    """A generator that acts on each pixel by itself does not mind where tiles end: what differs
    is the cutting and joining alone, a thousandth of the CO's spread."""
    trained, skies = untrained(tmp_path / "checkpoint", Geometry(16, 30.0), FWHM), {}

    class Toy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.none = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.tanh(0.5 * x[:, :1] + 0.3 * x[:, 1:2]) + self.none

    for context in (0, 4):
        meta = trained.meta | ({"context": context} if context else {})
        one = dataclasses.replace(trained, generator=Toy(), meta=meta)
        skies[context] = synthesise(sky, one, progress=False).maps["W_CO21"]
    fine, coarse = skies[0], skies[4]
    assert np.abs(coarse - fine).max() > 0
    assert np.std(coarse - fine) < 0.001 * fine.std()
    assert np.abs(coarse - fine).max() < 0.02 * fine.std()


def test_skies_that_do_not_fit_are_refused(sky, trained):
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
