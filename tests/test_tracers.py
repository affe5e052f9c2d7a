"""A sky with further tracers: prepared, cut, learnt from and translated by their names."""

import logging

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.beyond.baselines import fit_excess
from cogan_lib.beyond.extrapolation import extrapolation, training_inputs
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.gan.training import train
from cogan_lib.sky import fetch
from cogan_lib.sky.columns import check_usable
from cogan_lib.sky.lines import COLUMN_UNITS, TRACERS
from cogan_lib.sky.prepare import prepare_sky
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.synthesis import synthesise
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry
from tests.toys import SETTINGS

NSIDE, FWHM = 64, 110.0
GEOMETRY = Geometry(16, 30.0)


@pytest.fixture(scope="module")
def sky():
    """CO from dust, HI and a third tracer, in another order than the road's; noise everywhere."""
    rng = np.random.default_rng(1)
    latitude = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2), lonlat=True)[1]
    maps = {}
    for name, level in (("EBV_SFD", 0.1), ("N_HI", 1e21), ("DUST_353", 2.0), ("DUST", 1.0)):
        field = hp.smoothing(rng.normal(size=12 * NSIDE**2), fwhm=np.radians(3), iter=0)
        maps[name] = level * 10 ** (0.3 * field / field.std() + np.exp(-np.abs(latitude) / 20))
    maps["W_CO21"] = 3 * maps["DUST"] * maps["EBV_SFD"] / 0.1
    maps["W_CO21"] += rng.normal(0, 0.05, latitude.size)
    maps["W_CO21_ERR"] = np.full(latitude.size, 0.05)
    return Sky(maps, {name: COLUMN_UNITS[name][0] for name in maps}, FWHM)


@pytest.fixture(scope="module")
def patches(sky):
    return make_patches(sky, GEOMETRY, 16)


def test_tracers_come_in_the_roads_order_and_survive_a_file(sky, tmp_path):
    assert sky.inputs == ["DUST", "N_HI", "DUST_353", "EBV_SFD"]
    again = read_sky(write_sky(tmp_path / "sky.fits", sky))
    assert again.inputs == sky.inputs and again.units == sky.units
    few = read_sky(tmp_path / "sky.fits", columns=["EBV_SFD", "DUST", "W_CO21"])
    assert few.inputs == ["DUST", "EBV_SFD"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["DUST", "V_MEAN", "T", "T_ERR"], ["DUST", "V_MEAN"]),
        (["DUST", "T", "t_err"], ["DUST"]),
        (["DUST", "dust_std", "N_HI", "T", "Outside"], ["DUST", "N_HI"]),
    ],
)
def test_of_other_targets_only_what_belongs_to_a_column_is_no_tracer(names, found, caplog):
    unit = {"DUST": "mag", "dust_std": "mag", "N_HI": "cm-2"}
    sky = Sky(
        {name: np.ones(48) for name in names}, {name: unit.get(name, "K") for name in names},
        2000.0, {"targcols": "T"},
    )  # fmt: skip
    assert sky.inputs == found
    with caplog.at_level(logging.INFO):
        check_usable(sky)
    assert f"Targets: T; tracers: {', '.join(found)}." in caplog.text


def test_tiles_scalings_and_weights_are_those_of_the_named_tracers(sky, patches, tmp_path):
    assert patches.meta["input_columns"] == sky.inputs
    assert patches.inputs.shape[1] == len(patches.input_scalings) == 4
    trained = load_checkpoint(train(patches, SETTINGS, tmp_path).checkpoint)
    co = synthesise(sky, trained, progress=False)
    shuffled = Sky(dict(reversed(sky.maps.items())), sky.units, FWHM)  # names decide, not places
    again = synthesise(shuffled, trained, progress=False)
    np.testing.assert_array_equal(co.maps["W_CO21"], again.maps["W_CO21"])
    without = {name: values for name, values in sky.maps.items() if name != "EBV_SFD"}
    with pytest.raises(CoganError, match="needs the column EBV_SFD; the sky has"):
        synthesise(Sky(without, sky.units, FWHM), trained, progress=False)


def test_what_asks_for_dust_and_hi_finds_them_among_others(sky, patches):
    pair = training_inputs(patches)
    train_tiles = patches.select("train").inputs
    np.testing.assert_array_equal(pair, train_tiles[:, :2])
    flag, _ = extrapolation(sky.maps, pair)
    assert 0 < (flag == 0).mean() < 1
    few = make_patches(
        Sky({k: v for k, v in sky.maps.items() if k != "N_HI"}, sky.units, FWHM), GEOMETRY, 16
    )
    with pytest.raises(CoganError, match="no N_HI, which tell what is outside"):
        training_inputs(few)
    with pytest.raises(CoganError, match="excess needs the inputs DUST and N_HI"):
        fit_excess(few)


def test_a_sky_needs_two_tracers(sky):
    one = {k: v for k, v in sky.maps.items() if k not in ("N_HI", "DUST_353", "EBV_SFD")}
    with pytest.raises(CoganError, match="two tracers, such as DUST and N_HI"):
        make_patches(Sky(one, sky.units, FWHM), GEOMETRY, 16)


def test_every_tracer_has_a_product_whose_facts_fit_a_header():
    for name in set(TRACERS) - {"DUST", "N_HI"}:
        *_, product = [p for p in fetch.products(tracers=[name]) if name in p.columns]
        assert len(product.role) <= 4 and product.unit in TRACERS[name]
        assert product.citation and product.confirmed and product.unconfirmed and product.urls
    with pytest.raises(CoganError, match="no tracer W_CO10; choose of DUST_353"):
        fetch.products(tracers=["W_CO10"])


def test_a_tracer_is_prepared_and_may_be_coarser_than_the_sky(sky, tmp_path, monkeypatch):
    """Own beam 300 arcmin kept beside maps smoothed to 200; values by their own transform."""
    asked = {"DUST": 5.0, "N_HI": 16.2, "RADIO_408": 300.0}
    smooth = hp.smoothing(sky.maps["DUST"], fwhm=np.radians(5), iter=3)

    def product(name, column):
        known = {p.name: p for p in fetch.products(tracers=["RADIO_408"])}[name]
        fields = vars(known) | {"fwhm_arcmin": asked[column], "checksum": ""}
        return fetch.Product(**fields)

    chosen = [product("planck-gnilc-857", "DUST"), product("hi4pi", "N_HI")]
    chosen.append(product("haslam-408", "RADIO_408"))
    monkeypatch.setattr("cogan_lib.sky.prepare.products", lambda target, tracers: chosen)
    monkeypatch.setattr("cogan_lib.sky.prepare.fetch", lambda p, *_: tmp_path / p.file)
    monkeypatch.setattr("cogan_lib.sky.prepare.read_column", lambda *_: smooth)
    for one in chosen:
        (tmp_path / one.file).write_bytes(b"x")
    made = prepare_sky(tmp_path, NSIDE, 290.0, tracers=["RADIO_408"], progress=False)
    assert made.inputs == ["DUST", "N_HI", "RADIO_408"] and made.units["RADIO_408"] == "K"
    np.testing.assert_allclose(made.maps["RADIO_408"], smooth, rtol=0.02)  # resampled only
    assert made.meta["r408beam"] == 300.0 and "dustbeam" not in made.meta
    write_sky(tmp_path / "sky.fits", made)  # the facts fit into a header
    chosen[-1] = fetch.Product(**vars(chosen[-1]) | {"fwhm_arcmin": 900.0})
    assert prepare_sky(tmp_path, NSIDE, 290.0, tracers=["RADIO_408"]).meta["r408beam"] == 900.0
    chosen[0] = fetch.Product(**vars(chosen[0]) | {"fwhm_arcmin": 900.0})
    with pytest.raises(CoganError, match="cannot be sharpened to 290"):
        prepare_sky(tmp_path, NSIDE, 290.0, tracers=["RADIO_408"])
