"""Dust of the embedded sky: the black body, its two bands, and what the second one tells of CO."""

import itertools

import healpy as hp
import numpy as np
import pytest
from astropy import units as u
from astropy.constants import h, k_B
from astropy.modeling.models import BlackBody
from scipy.integrate import quad

from cogan_lib.sky import dust, embedded
from cogan_lib.sky.embedded import make_sky


@pytest.fixture(scope="module")
def quiet():
    """The smoke profile's sky without noise in its dust."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dust, "NOISE", {})
        return make_sky(64, 90.0, seed=1)


def warmth(sky):
    return dust.colour_temperature(*(sky.maps[n].astype(float) for n in ("DUST", "DUST_353")))


def where(sky):
    return hp.pix2ang(sky.nside, np.arange(12 * sky.nside**2), lonlat=True)


def test_the_black_body_is_plancks():
    assert (h / k_B).to_value("K / GHz") == pytest.approx(dust.H_OVER_K, rel=1e-6)
    planck = [BlackBody(t * u.K)(353 * u.GHz).value for t in (dust.T_LOCAL_K, 15.0)]
    assert dust.black_body(353, 15.0) == pytest.approx(planck[1] / planck[0], rel=1e-6)


def test_grains_radiate_what_they_take():
    """The modified black body's integral, at the temperature found, grows as the field does."""

    def radiance(t):
        x = dust.H_OVER_K * 1000 / t
        return quad(lambda y: y ** (3 + dust.BETA) / np.expm1(x * y), 1e-4, 60 / x)[0]

    for field, opacity in ((0.3, 1.0), (4.0, 1.0), (1.0, 1.6)):
        found = opacity * radiance(float(dust.temperature(np.array(field), opacity)))
        assert found / radiance(dust.T_LOCAL_K) == pytest.approx(field, rel=1e-3)


def test_opacity_near_the_sun_is_the_measured_one():
    local = BlackBody(dust.T_LOCAL_K * u.K)(353 * u.GHz).to_value("MJy / sr")
    assert 7e-27 < dust.emissivity_353() / local < 9e-27  # Planck 2013 results XI


def test_a_shaded_slab_is_lit_from_both_sides():
    for av in (0.1, 1.0, 6.0):
        mean = quad(lambda x, av=av: 0.5 * (np.exp(-x) + np.exp(x - av)), 0, av)[0] / av
        assert dust.shielding(av) == pytest.approx(mean, rel=1e-6)


def test_bands_of_one_layer_tell_its_temperature():
    field = np.geomspace(0.1, 10, 50)
    total = {"DUST": np.zeros(50), "DUST_353": np.zeros(50)}
    dust.shine(total, np.full(50, 3e21), field)
    found = dust.colour_temperature(total["DUST"], total["DUST_353"])
    np.testing.assert_allclose(found, dust.temperature(field), rtol=1e-3)
    ratio = np.log(total["DUST"] / total["DUST_353"])
    assert np.all(np.diff(ratio) > 0)
    slope = np.gradient(ratio, np.log(field))[25]
    assert slope == pytest.approx(0.735, abs=0.01)  # 1 - dln B / dln T / 5.6 at 19.7 K
    np.testing.assert_allclose(total["DUST"], dust.EMISSIVITY * 3e21 * field)


def test_temperatures_are_those_of_the_galaxy(quiet):
    found, (lon, lat) = warmth(quiet), where(quiet)
    assert 14 < found.min() < np.percentile(found, 1) < 18
    assert 22 < np.percentile(found, 99) < 25 and found.max() < 32
    assert np.median(found) == pytest.approx(dust.T_LOCAL_K, abs=0.5)
    plane = np.abs(lat) < 3
    inner, outer = (found[plane & (np.cos(np.radians(lon)) * s > 0.8)] for s in (1, -1))
    assert np.median(inner) > np.median(outer) + 1.5
    near = (np.abs(lat) > 5) & (np.abs(lat) < 20)
    clouds = near & (quiet.maps["W_CO10"] > np.percentile(quiet.maps["W_CO10"][near], 98))
    assert np.median(found[clouds]) < np.median(found[near]) - 0.4  # shaded, in spite of stars


def test_bands_have_their_noise(sky64, quiet):
    lat = where(sky64)[1]
    for name, level in dust.NOISE.items():
        noise = sky64.maps[name].astype(float) - quiet.maps[name]
        noise = noise[np.abs(lat) > 20]  # where float32 resolves it
        assert noise.std() == pytest.approx(level * 20 / 90, rel=0.12)
        assert noise.std() < 0.02 * np.median(quiet.maps[name][np.abs(lat) > 20])
    for name in ("N_HI", "W_CO10", "W_CO21"):
        np.testing.assert_array_equal(sky64.maps[name], quiet.maps[name])


def held_out_r2(columns, target, test):
    """R2 of a cubic polynomial, on pixels that it has not seen."""
    columns = [(c - c.mean()) / c.std() for c in columns]
    terms = [np.ones_like(target)]
    for power in (1, 2, 3):
        for chosen in itertools.combinations_with_replacement(columns, power):
            terms.append(np.prod(chosen, axis=0))
    terms = np.stack(terms, axis=1)
    weights = np.linalg.lstsq(terms[~test], target[~test], rcond=None)[0]
    left = target[test] - terms[test] @ weights
    return 1 - left.var() / target[test].var()


def gain(sky):
    """R2 of CO within 20 degrees of the plane: of DUST and N_HI, and with DUST_353 beside."""
    lon, lat = where(sky)
    near = np.abs(lat) < 20
    test = (lon // 10 % 3 == 0)[near]
    logs = [np.log(sky.maps[name][near].astype(float)) for name in sky.inputs]
    co = np.arcsinh(sky.maps["W_CO21"][near].astype(float) / 0.3)
    two, three = held_out_r2(logs[:2], co, test), held_out_r2(logs, co, test)
    print(f"R2 of DUST and N_HI {two:.3f}, with DUST_353 {three:.3f}")
    return two, three


@pytest.mark.slow
def test_the_numbers_of_the_data_page():
    assert gain(make_sky(256, 20.0, seed=1)) == pytest.approx((0.75, 0.85), abs=0.005)


def test_the_second_band_tells_more_of_co(sky64):
    two, three = gain(sky64)
    assert 0.6 < two < 0.9 and three < 0.95  # not the answer
    assert 0.03 < three - two < 0.13  # the real sky: 0.754 and 0.853, at 20 arcmin


def test_the_second_band_follows_the_gas_more_closely(sky64):
    assert embedded.UNITS["DUST_353"] == sky64.units["DUST_353"] == "MJy/sr"
    gas = sky64.maps["N_HI"] + 2 * sky64.meta["x_co"] * np.clip(sky64.maps["W_CO10"], 0, None)
    scatter = [np.std(np.log(sky64.maps[name] / gas)) for name in ("DUST", "DUST_353")]
    assert scatter[1] < scatter[0]
