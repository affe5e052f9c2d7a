"""Arrays as users of NumPy, healpy and astropy hold them: the right map, or a sentence."""

import healpy as hp
import numpy as np
import pytest
from astropy import units as u
from astropy.utils.masked import Masked

from cogan_lib.base.checks import nan_where_missing
from cogan_lib.base.files import CoganError
from cogan_lib.sky import pysm
from cogan_lib.sky.maps import fill_missing, full_sky, rotate_map, to_grid
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky
from cogan_lib.sky.spelling import unit_factor
from cogan_lib.tiles.scaling import Scaling

N = 16
NPIX = 12 * N**2
THETA, PHI = hp.pix2ang(N, np.arange(NPIX))


def smooth(theta, phi):
    return 2 + np.cos(theta) + 0.5 * np.sin(theta) * np.cos(phi)


SMOOTH = smooth(THETA, PHI)
BAD = np.arange(100, 110)
SPIKED = np.where(np.isin(np.arange(NPIX), BAD), 1e6, SMOOTH)
#: The same ten pixels without a value, in many ways.
WAYS = {
    "NaN": np.where(SPIKED > 1e5, np.nan, SMOOTH),
    "UNSEEN": np.where(SPIKED > 1e5, hp.UNSEEN, SMOOTH),
    "UNSEEN in single precision": np.where(SPIKED > 1e5, hp.UNSEEN, SMOOTH).astype(np.float32),
    "-1e30": np.where(SPIKED > 1e5, -1e30, SMOOTH),
    "healpy's masked map": hp.ma(np.where(SPIKED > 1e5, hp.UNSEEN, SMOOTH)),
    "a masked array": np.ma.masked_array(SPIKED, mask=SPIKED > 1e5),
    "astropy's masked array": Masked(SPIKED, mask=SPIKED > 1e5),
}


@pytest.fixture(params=WAYS)
def holed(request):
    return WAYS[request.param]


def test_every_way_is_nan_at_the_gate(holed):
    for values in (nan_where_missing(holed), full_sky(holed)):
        assert np.flatnonzero(np.isnan(values)).tolist() == BAD.tolist()
        np.testing.assert_allclose(np.delete(values, BAD), np.delete(SMOOTH, BAD), rtol=1e-6)
    assert nan_where_missing(SMOOTH) is SMOOTH


def test_every_way_through_the_doors(holed, tmp_path):
    """Filled from the neighbours, the map is itself again within what it varies between pixels."""
    np.testing.assert_allclose(fill_missing(holed), SMOOTH, atol=0.1)
    np.testing.assert_allclose(to_grid(holed, N, 300.0, 400.0), SMOOTH, atol=0.05)
    rotated = rotate_map(holed, "C")
    assert 5 <= np.isnan(rotated).sum() <= 20
    truth = smooth(*hp.Rotator(coord=["G", "C"])(THETA, PHI))
    good = ~np.isnan(rotated)
    np.testing.assert_allclose(rotated[good], truth[good], atol=0.1)
    sky = Sky({"W_CO10": holed}, {"W_CO10": "K km/s"}, 300.0)
    assert np.flatnonzero(np.isnan(sky.maps["W_CO10"])).tolist() == BAD.tolist()
    again = read_sky(write_sky(tmp_path / "a.fits", sky))
    np.testing.assert_allclose(again.maps["W_CO10"], SMOOTH, atol=0.1)
    with pytest.raises(CoganError, match="missing pixels"):
        pysm.COSky(sky)


def test_integers_with_a_mask():
    counts = np.ma.masked_equal(np.where(SPIKED > 1e5, -1, np.round(10 * SMOOTH)).astype(int), -1)
    assert np.flatnonzero(np.isnan(full_sky(counts))).tolist() == BAD.tolist()


def test_quantities_are_converted_where_the_unit_is_known(tmp_path):
    values = (1000 * SMOOTH) * u.Unit("mK km/s")
    sky = Sky({"W_CO10": values}, {"W_CO10": "K km/s"}, 5 * u.deg)
    assert sky.fwhm_arcmin == 300.0 and type(sky.maps["W_CO10"]) is np.ndarray
    again = read_sky(write_sky(tmp_path / "q.fits", sky))
    np.testing.assert_allclose(again.maps["W_CO10"], SMOOTH, rtol=1e-6)
    unseen = np.where(SPIKED > 1e5, hp.UNSEEN, 1000 * SMOOTH) * u.Unit("mK km/s")
    found = Sky({"W_CO10": unseen}, {"W_CO10": "K km/s"}, 300.0).maps["W_CO10"]
    assert np.flatnonzero(np.isnan(found)).tolist() == BAD.tolist()
    masked = Masked(values, mask=SPIKED > 1e5)
    found = Sky({"W_CO10": masked}, {"W_CO10": "K km/s"}, 300.0).maps["W_CO10"]
    assert np.flatnonzero(np.isnan(found)).tolist() == BAD.tolist()
    np.testing.assert_allclose(np.delete(found, BAD), np.delete(SMOOTH, BAD))
    with pytest.raises(CoganError, match="W_CO10.*cannot be converted"):
        Sky({"W_CO10": SMOOTH * u.K}, {"W_CO10": "K km/s"}, 300.0)


@pytest.mark.parametrize("function", [fill_missing, lambda q: to_grid(q, 16, 1, 400), full_sky])
def test_quantities_are_refused_where_it_is_not(function):
    with pytest.raises(CoganError, match="Quantity in K km / s.*to_value"):
        function(SMOOTH * u.Unit("K km/s"))


def test_beams_with_units():
    degrees = to_grid(SMOOTH, N, 5 * u.deg, 400 * u.arcmin)
    np.testing.assert_array_equal(degrees, to_grid(SMOOTH, N, 300.0, 400.0))
    with pytest.raises(CoganError, match="no angle"):
        to_grid(SMOOTH, N, 300 * u.K, 400.0)
    with pytest.raises(CoganError, match="no angle"):
        Sky({"DUST": SMOOTH}, {"DUST": "MJy/sr"}, 5 * u.K)


def test_half_precision_cannot_hold_a_column_density():
    with np.errstate(over="ignore"):
        half = (SMOOTH * 1e21).astype(np.float16)
    with pytest.raises(CoganError, match="N_HI has infinite pixels.*float16"):
        Sky({"N_HI": half}, {"N_HI": "cm-2"}, 300.0)


@pytest.mark.parametrize("error", [0.0, -1.0])
def test_errors_that_are_none(error, tmp_path):
    """With an error of zero every tile would pass S/N > 8."""
    units = {"W_CO21": "K km/s", "W_CO21_ERR": "K km/s"}
    with pytest.raises(CoganError, match="W_CO21_ERR.*100%.*zero or negative"):
        Sky({"W_CO21": SMOOTH, "W_CO21_ERR": np.full(NPIX, error)}, units, 300.0)
    some = np.where(np.isin(np.arange(NPIX), BAD), error, 0.3)
    sky = Sky({"W_CO21": SMOOTH, "W_CO21_ERR": some}, units, 300.0)
    assert np.flatnonzero(np.isnan(sky.maps["W_CO21_ERR"])).tolist() == BAD.tolist()
    strong = sky.maps["W_CO21"] > 8 * sky.maps["W_CO21_ERR"]
    assert not strong[BAD].any()
    again = read_sky(write_sky(tmp_path / "a.fits", sky))
    np.testing.assert_allclose(again.maps["W_CO21_ERR"], 0.3, rtol=1e-6)


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit, to_unit, factor",
    [
        ("1.823E18 cm-2", "cm-2", 1.823e18),
        ("1.823e+18 cm^-2", "cm-2", 1.823e18),
        ("1.823 x 10^18 cm-2", "cm-2", 1.823e18),
        ("10^{20} cm^{-2}", "cm-2", 1e20),
        ("10**20 atoms/cm**2", "cm-2", 1e20),
        ("1E20 atoms/cm^2", "cm-2", 1e20),
        ("atoms cm-2", "cm-2", 1.0),
        ("H/cm2", "cm-2", 1.0),
        ("cm**(-2)", "cm-2", 1.0),
        ("m-2", "cm-2", 1e-4),
        ("K_RJ.km/s", "K km/s", 1.0),
        ("Kkm/s", "K km/s", 1.0),
        ("K_{RJ} km/sec", "K km/s", 1.0),
        ("[K km s^{-1}]", "K km/s", 1.0),
        ("K(km/s)", "K km/s", 1.0),
        ("mK km s**-1", "K km/s", 1e-3),
        ("K m/s", "K km/s", 1e-3),
        ("MJY/SR", "MJy/sr", 1.0),
        ("Mjy/sr", "MJy/sr", 1.0),
        ("kJy/sr", "MJy/sr", 1e-3),
        ("Jy.sr-1", "MJy/sr", 1e-6),
        ("mK, thermodynamic", "K_CMB", 1e-3),
        ("mK (thermodynamic)", "uK_CMB", 1e3),
        ("K_CMB", "uK_CMB", 1e6),
        ("mK,antenna", "K_RJ", 1e-3),
        ("muK_RJ", "K", 1e-6),
        ("µK", "uK_RJ", 1.0),
    ],
)
def test_units_as_archives_spell_them(unit, to_unit, factor):
    assert unit_factor(unit, to_unit, "a.fits") == pytest.approx(factor, rel=1e-12)
    import pysm3  # noqa: F401 - enables units of its own

    assert unit_factor(unit, to_unit, "a.fits") == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    "unit, to_unit, words",
    [
        ("K_CMB", "K", "another quantity"),
        ("K_CMB km/s", "K km/s", "another quantity"),
        ("Jy", "MJy/sr", "another quantity"),
        ("log10(cm-2)", "cm-2", "not a unit"),
        ("dex(cm-2)", "cm-2", "logarithmic"),
        ("counts per bin", "K", "not a unit"),
    ],
)
def test_units_that_are_others(unit, to_unit, words):
    with pytest.raises(CoganError, match=words) as caught:
        unit_factor(unit, to_unit, "a.fits")
    assert "a.fits" in str(caught.value) and len(str(caught.value)) < 200
    # read_map listens to unit= only where the file's own unit is none
    assert ("unit=" in str(caught.value)) == (words == "not a unit")


def test_other_spellings_of_the_roads_units(tmp_path):
    path = write_sky(tmp_path / "a.fits", Sky({"W_CO10": SMOOTH}, {"W_CO10": "K_RJ.km.s-1"}, 300.0))
    sky = read_sky(path)
    np.testing.assert_allclose(sky.maps["W_CO10"], SMOOTH, rtol=1e-6)
    assert sky.units == {"W_CO10": "K km/s"}
    write_sky(path, Sky({"W_CO10": SMOOTH}, {"W_CO10": "mK km/s"}, 300.0))
    with pytest.raises(CoganError, match="'mK km/s'"):
        read_sky(path)


# --- rotation -------------------------------------------------------------------------------------


def test_integers_are_not_cut_by_a_rotation():
    ones = rotate_map(np.ones(NPIX, int), "C")
    np.testing.assert_array_equal(ones, 1.0)
    counts = np.round(1000 * SMOOTH).astype(np.int32)
    truth = smooth(*hp.Rotator(coord=["G", "C"])(THETA, PHI))
    np.testing.assert_allclose(rotate_map(counts, "C"), 1000 * truth, atol=40)


def test_flags_and_errors_are_not_rotated_by_a_lm(tmp_path):
    mask = (np.abs(90 - np.degrees(THETA)) < 20).astype(np.int16)
    rotated = rotate_map(mask, "C")
    assert set(np.unique(rotated)) == {0.0, 1.0}
    theta, _ = hp.Rotator(coord=["G", "C"])(THETA, PHI)
    assert np.mean(rotated == (np.abs(90 - np.degrees(theta)) < 20)) > 0.95
    error = np.where(mask, 0.1, 10.0)
    found = rotate_map(error, "C", "error")
    assert found.min() >= 0.0999 and found.max() <= 10.001
    sky = Sky(
        {"W_CO21": SMOOTH, "W_CO21_ERR": error}, dict.fromkeys(("W_CO21", "W_CO21_ERR"), "K km/s"),
        300.0,
    )  # fmt: skip
    from astropy.io import fits

    path = write_sky(tmp_path / "a.fits", sky)
    fits.setval(path, "COORDSYS", value="C", ext=1)
    again = read_sky(path).maps["W_CO21_ERR"]
    assert again.min() >= 0.0999 and again.max() <= 10.001
    assert read_map(path, column="W_CO21_ERR").min() >= 0.0999


def test_a_rough_map_keeps_its_range(caplog):
    """A point on a faint sky would ring; its rotation stays where it was, and positive."""
    rough = np.full(NPIX, 0.01)
    rough[1500] = 100.0
    rotated = rotate_map(rough, "C")
    assert rotated.min() >= 0.01 - 1e-12 and rotated.max() <= 100
    assert "not smooth" in caplog.text
    centre = hp.Rotator(coord=["C", "G"])(*hp.pix2ang(N, 1500))
    near = hp.query_disc(N, hp.ang2vec(*centre), np.radians(8))
    assert np.delete(rotated, near).max() == pytest.approx(0.01)
    assert rotated[near].sum() == pytest.approx(100, rel=0.4)


def test_a_smooth_map_is_rotated_exactly(caplog):
    rotated = rotate_map(SMOOTH, "C")
    truth = smooth(*hp.Rotator(coord=["G", "C"])(THETA, PHI))
    assert np.std(rotated - truth) < 3e-3 and "not smooth" not in caplog.text


def test_the_real_reddening_keeps_its_range(real_data):
    """Minimum 0.003 mag, maximum 414: its a_lm would make 27 mag below zero of it."""
    from astropy.io import fits

    path = real_data / "healpix/planck_ebv_nside256_ring.fits.gz"
    raw, rotated = fits.getdata(path, 0), read_map(path, unit="mag")
    assert rotated.min() >= raw.min() and rotated.max() <= raw.max()
    assert rotated.mean() == pytest.approx(raw.mean(), rel=0.01)


# --- scalings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["log", "asinh"])
def test_a_scaling_takes_plain_numbers(kind):
    scaling = Scaling.fit(kind, np.array([0.1, 1.0, 30.0]), 0.3)
    one = scaling.forward(3.0)
    assert one == pytest.approx(scaling.forward(np.array([3.0]))[0])
    assert scaling.forward([3.0, 5.0])[0] == pytest.approx(one)
    assert scaling.inverse(float(one)) == pytest.approx(3.0)
    assert scaling.bound(1e9) == 30.0
