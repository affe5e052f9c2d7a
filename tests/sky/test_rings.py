"""Rings around bright places, absurd pixels, and the beam that a sky really has, by value."""

import logging

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits
from scipy.special import j0

from cogan_lib.base.files import CoganError
from cogan_lib.sky import Sky, read_map, read_sky, to_grid, write_sky
from cogan_lib.sky.embedded import effective_fwhm, make_sky, window
from cogan_lib.sky.harmonics import alm2map, map2alm
from cogan_lib.sky.rings import cap_spikes, find_rings, pixels_per_fwhm

NSIDE = 64
PIXEL = hp.nside2resol(NSIDE, arcmin=True)  # 55 arcmin
ORION = (209.0, -19.4)
HEADER = {"PIXTYPE": "HEALPIX", "ORDERING": "RING", "COORDSYS": "G", "FWHM": 60.0}


def spot(nside=256):
    """Faint sky with one bright point at Orion KL."""
    values = np.full(12 * nside**2, 0.01)
    values[hp.ang2pix(nside, *ORION, lonlat=True)] = 1e4
    return values


def ringed(pixels):
    """The spot with a beam of so many pixels of NSIDE 64, cut off where that grid ends."""
    alm = map2alm(spot(), 3 * NSIDE - 1)
    return hp.smoothalm(alm, fwhm=np.radians(pixels * PIXEL / 60), inplace=True)


def from_orion(rings):
    place = (rings.lon_deg, rings.lat_deg)
    return np.degrees(hp.rotator.angdist(place, ORION, lonlat=True))[()]


@pytest.mark.parametrize("pixels", [1.0, 1.46, 2.2])
def test_rings_are_as_deep_as_the_integral_that_ends_says(pixels):
    """On the plane a point is the integral of B_l J_0(l r) l dl, which ends at the grid's l."""
    ell, r = np.arange(0.5, 3 * NSIDE), np.radians(np.linspace(0, 6, 2001))
    beam = np.exp(-0.5 * (ell * np.radians(pixels * PIXEL / 60)) ** 2 / (8 * np.log(2)))
    profile = j0(np.outer(r, ell)) @ (beam * ell) / np.sum(beam * ell)
    alm = ringed(pixels)
    rings, peak = find_rings(alm, NSIDE), alm2map(alm, 512).max()
    assert rings.lowest / peak == pytest.approx(profile.min(), rel=0.1, abs=2e-4)
    assert from_orion(rings) == pytest.approx(np.degrees(r[profile.argmin()]), abs=0.4)


def test_share_depth_and_place_are_those_of_the_finer_map():
    alm = ringed(1.09)
    fine = alm2map(alm, 2 * NSIDE)
    rings = find_rings(alm, NSIDE)
    assert rings.lowest == fine.min() and rings.share == np.mean(fine < 0)
    vec = hp.pix2vec(2 * NSIDE, int(fine.argmin()))
    assert rings.near == np.mean(fine[hp.query_disc(2 * NSIDE, vec, np.radians(4))] < 0) > 0.2
    assert rings.share < find_rings(alm, NSIDE, floor=0.01).share


@pytest.mark.parametrize("pixels", [1.0, 1.46, 1.8])
def test_a_map_that_would_ring_is_not_made(pixels):
    with pytest.raises(
        CoganError, match="rings bright .*l=2[01].*b=-[12].*NSIDE (128|256)"
    ) as told:
        to_grid(spot(), NSIDE, 10.0, pixels * PIXEL)
    assert "121 arcmin" in str(told.value)


def test_at_2_2_pixels_it_is_made_and_even_a_point_has_no_ring_to_see():
    """As 30 arcmin at NSIDE 256 is."""
    assert pixels_per_fwhm(256, 30.0) == 2.2
    made = to_grid(spot(), NSIDE, 10.0, 2.2 * PIXEL)
    assert made.min() > -3e-3 * made.max()
    assert np.median(made) == pytest.approx(0.01, rel=0.01)


def test_noise_may_hide_rings_and_a_smooth_map_needs_no_beam():
    noise = np.random.default_rng(1).normal(size=12 * NSIDE**2)
    with pytest.raises(CoganError, match="below zero would hide"):
        to_grid(noise, NSIDE, 10.0, 90.0)
    theta = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2))[0]
    smooth = 2 + np.cos(theta)
    np.testing.assert_allclose(to_grid(smooth, NSIDE, 10.0, 90.0), smooth, atol=0.01)
    np.testing.assert_allclose(to_grid(noise, NSIDE, 90.0, 90.0), noise, atol=4)  # nothing made


def test_a_sky_that_is_read_is_warned_of_by_what_is_measured(tmp_path, caplog):
    dust = np.maximum(alm2map(ringed(1.46), NSIDE), 0.001)
    maps = {"DUST": dust.astype(np.float32), "N_HI": np.full(dust.size, 1e20, np.float32)}
    sky = Sky(maps, {"DUST": "mag", "N_HI": "cm-2"}, 1.46 * PIXEL)
    again = read_sky(write_sky(tmp_path / "sky.fits", sky))
    np.testing.assert_array_equal(again.maps["DUST"], maps["DUST"])  # as it is
    rings = find_rings(map2alm(maps["DUST"], 3 * NSIDE - 1, iterations=1), NSIDE)
    (text,) = [record.getMessage() for record in caplog.records if "ringed" in record.getMessage()]
    assert f"{100 * rings.share:.2g} % of the sky" in text
    assert f"falls to {rings.lowest:.3g} mag" in text and "1.5 pixels per FWHM" in text
    assert f"l={rings.lon_deg:.1f}, b={rings.lat_deg:.1f}" in text and "N_HI" not in text
    assert "121 arcmin" in text and "NSIDE 128" in text
    caplog.clear()
    write_sky(tmp_path / "sky.fits", Sky(maps, sky.units, 2.2 * PIXEL))
    read_sky(tmp_path / "sky.fits")
    assert "ringed" not in caplog.text


def test_the_real_skies_rings(real_data, caplog):
    read_sky(real_data / "sky-nside128.fits")
    assert "1.1 pixels per FWHM" in caplog.text and "-4.03 K km/s" in caplog.text
    assert "0.37 % of the sky" in caplog.text and "falls to -0.538 mag" in caplog.text
    caplog.clear()
    sky = read_sky(real_data / "sky-nside256.fits")
    assert "l=210.0, b=-21.1, where it falls to -0.124 mag" in caplog.text
    with pytest.raises(CoganError, match="1.5 pixels per FWHM"):
        to_grid(sky.maps["DUST"], 128, 20.0, 40.0)
    assert find_rings(map2alm(to_grid(sky.maps["DUST"], 128, 20.0, 60.5), 383), 128).share == 0


# --- absurd pixels --------------------------------------------------------------------------------


def absurd(nside=NSIDE):
    """A smooth sky with the 414 of Orion KL, twelve times what is around it."""
    theta, phi = hp.pix2ang(nside, np.arange(12 * nside**2))
    values = 30 + np.cos(theta) + np.sin(theta) * np.cos(phi)
    pixel = hp.ang2pix(nside, *ORION, lonlat=True)
    values[pixel] = 414.0
    return values, pixel, np.median(values[hp.get_all_neighbours(nside, pixel)])


def test_an_absurd_pixel_is_named_and_capped_on_request(caplog):
    values, pixel, median = absurd()
    assert cap_spikes(values, None, "the map", "mag") is values
    assert "414 mag at l=208.8, b=-19.5, 14.4 times the median" in caplog.text
    assert "cap_spikes=10" in caplog.text
    for times in (10.0, 2.0):
        capped = cap_spikes(values, times, "the map")
        assert capped[pixel] == pytest.approx(times * median)
        np.testing.assert_array_equal(np.delete(capped, pixel), np.delete(values, pixel))
    assert cap_spikes(values, 20.0, "the map") is values
    for times in (1.0, -3.0, np.nan, "10"):
        with pytest.raises(CoganError, match="cap_spikes"):
            cap_spikes(values, times, "the map")


def test_what_is_no_spike(caplog):
    """A cloud of several pixels, a beam's own peak, noise around zero, holes, one value alone."""
    cloud = np.ones(12 * NSIDE**2)
    cloud[hp.query_disc(NSIDE, (1, 0, 0), np.radians(2))] = 100.0
    beam = np.abs(hp.smoothing(spot(NSIDE), fwhm=np.radians(1.2 * PIXEL / 60))) + 1
    noise = np.random.default_rng(1).normal(size=cloud.size)
    holed = np.where(np.random.default_rng(2).random(cloud.size) < 0.1, np.nan, cloud)
    for values in (cloud, beam, noise, holed, np.zeros(cloud.size)):
        assert cap_spikes(values, None, "the map") is values
    assert not caplog.records


def write_table(path, columns, **header):
    fields = [fits.Column(name, "E", unit, array=values) for name, unit, values in columns]
    table = fits.BinTableHDU.from_columns(fields)
    table.header.update({**HEADER, "NSIDE": NSIDE, **header})
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("frame", ["G", "C"])
def test_the_readers_cap(tmp_path, caplog, frame):
    values, pixel, median = absurd()
    if frame == "C":  # the same place in the file's own frame
        lon, lat = hp.Rotator(coord=["G", "C"])(*ORION, lonlat=True)
        values[pixel], pixel = median, hp.ang2pix(NSIDE, lon, lat, lonlat=True)
        values[pixel] = 414.0
        median = np.median(values[hp.get_all_neighbours(NSIDE, pixel)])
    columns = [("DUST", "mag", values), ("N_HI", "cm-2", 1e20 * values), ("ERR", "mag", values)]
    path = write_table(tmp_path / "a.fits", columns, COORDSYS=frame)
    for column, scale in (("DUST", 1), ("N_HI", 1e20)):
        caplog.clear()
        plain = read_map(path, column=column)
        assert "414 mag" in caplog.text or "4.14e+22 cm-2" in caplog.text
        places = ("l=208.8", "b=-19.5") if frame == "G" else ("b=-1", "l=2")
        assert all(part in caplog.text for part in places)
        capped = read_map(path, column=column, cap_spikes=5)
        if frame == "G":
            assert plain[pixel] == pytest.approx(scale * 414, rel=1e-6)
            assert capped[pixel] == pytest.approx(scale * 5 * median, rel=1e-6)
        assert capped.max() < 5.01 * scale * median
    caplog.clear()
    read_map(path, column="ERR")
    assert "absurd" not in caplog.text  # errors are no signal
    sky = read_sky(path, cap_spikes=5)
    assert sky.maps["DUST"].max() < 5.01 * median
    if frame == "G":
        assert sky.maps["N_HI"][pixel] == pytest.approx(5e20 * median, rel=1e-6)
        assert read_sky(path).maps["DUST"][pixel] == 414


def test_the_real_reddenings_414_mag(real_data, caplog):
    path = real_data / "healpix/planck_ebv_nside256_ring.fits.gz"
    raw = read_map(path, unit="mag", to_unit="mag", frame="G")
    caplog.clear()
    read_map(path, unit="mag", to_unit="mag", cap_spikes=5)
    assert "414 mag at l=209.0, b=-19.4, 12.8 times the median of its neighbours" in caplog.text
    capped = read_map(path, unit="mag", to_unit="mag", frame="G", cap_spikes=5)
    changed = np.flatnonzero(capped != raw)
    assert raw.argmax() in changed and len(changed) == 10
    around = hp.get_all_neighbours(256, changed)
    np.testing.assert_allclose(capped[changed], 5 * np.median(raw[around], axis=0))


# --- the embedded sky -----------------------------------------------------------------------------


@pytest.mark.parametrize(("nside", "fwhm"), [(64, 55.0), (64, 90.0)])
def test_the_embedded_sky_has_no_rings_at_any_beam(nside, fwhm, caplog, tmp_path):
    """Its window rolls off: from one pixel per FWHM on, no dust or N_HI is below zero."""
    sky = make_sky(nside, fwhm, 1)
    for name in ("DUST", "N_HI"):
        rings = find_rings(map2alm(sky.maps[name], 3 * nside - 1), nside)
        assert rings.share == 0 and rings.lowest > 0.6 * sky.maps[name].min()
    with caplog.at_level(logging.WARNING):
        read_sky(write_sky(tmp_path / "sky.fits", sky))
    assert not caplog.records


def test_the_embedded_skys_beam_counts_a_pixel(sky64, tmp_path):
    assert effective_fwhm(256, 20.0) == pytest.approx(24.27, abs=0.01)
    assert sky64.fwhm_arcmin == 90 and sky64.meta["fwhmeff"] == pytest.approx(np.hypot(90, PIXEL))
    again = read_sky(write_sky(tmp_path / "sky.fits", sky64))
    assert fits.getheader(tmp_path / "sky.fits", 1)["FWHMEFF"] == sky64.meta["fwhmeff"]
    assert again.effective_fwhm_arcmin == sky64.effective_fwhm_arcmin == sky64.meta["fwhmeff"]
    one_sigma = round(np.sqrt(8 * np.log(2)) / np.radians(again.effective_fwhm_arcmin / 60))
    assert window(64, 90.0)[one_sigma] == pytest.approx(np.exp(-0.5), abs=0.01)


def test_the_noise_of_another_sky_has_its_beam():
    maps, units = {"DUST": np.ones(48)}, {"DUST": "MJy/sr"}
    assert Sky(maps, units, 1800.0).effective_fwhm_arcmin == 1800
    assert Sky(maps, units, 1800.0, {"fwhmeff": 24.3}).effective_fwhm_arcmin == 1800  # smoothed
    assert Sky(maps, units, 1800.0, {"fwhmeff": "wide"}).effective_fwhm_arcmin == 1800


# --- numbers that are not what they say -----------------------------------------------------------


def test_an_hi_that_is_none_and_a_number_for_no_value_are_named(tmp_path, caplog):
    """A logarithm, units of 1e20, dust under its name; -32768 that no header speaks of."""
    theta, phi = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2))
    smooth = 2 + np.cos(theta) + 0.5 * np.sin(theta) * np.cos(phi)
    path = tmp_path / "a.fits"
    for hi, median in ((smooth * 2e20, None), (20.3 + smooth / 9, "20.5"), (smooth, "2 cm-2")):
        caplog.clear()
        offset = smooth - np.median(smooth)  # a dust map may have lost its zero
        write_table(path, [("DUST", "mag", offset), ("N_HI", "cm-2", hi)], FWHM=600.0)
        np.testing.assert_allclose(read_sky(path).maps["N_HI"], hi, rtol=1e-6)
        if median:
            assert f"has the median {median}" in caplog.text and "a logarithm" in caplog.text
        else:
            assert not caplog.records
    smooth[::200] = -32768
    write_table(path, [("DUST", "mag", smooth)], FWHM=600.0)
    caplog.clear()
    read_sky(path)
    assert "DUST of" in caplog.text and "246 pixels far below zero (to -3.28e+04" in caplog.text
    write_table(path, [("DUST", "mag", smooth)], FWHM=600.0, BAD_DATA=-32768.0)
    caplog.clear()
    assert read_sky(path).maps["DUST"].min() > 0.4 and not caplog.records
