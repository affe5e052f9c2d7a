"""CO in PySM: a band shows the line's energy, lines and bands may miss each other, PySM reads the
templates, and bad bands and skies get a sentence."""

import healpy as hp
import numpy as np
import pysm3
import pytest
from astropy.io import fits
from pysm3 import units as u
from scipy import constants

from cogan_lib.base.files import CoganError
from cogan_lib.sky.lines import LINES
from cogan_lib.sky.pysm import COSky, band_factor, pysm_band_factor, write_templates
from cogan_lib.sky.skyfile import Sky, write_sky

NSIDE = 32
NPIX = 12 * NSIDE**2
BAND = np.linspace(100, 130, 61) * u.GHz  # holds J=1-0 alone
WIDE = np.linspace(100, 250, 301) * u.GHz  # holds J=1-0 and J=2-1


@pytest.fixture
def sky():
    lat = hp.pix2ang(NSIDE, np.arange(NPIX), lonlat=True)[1]
    plane = {"W_CO10": 80 * np.exp(-((lat / 8) ** 2)), "W_CO21": 60 * np.exp(-((lat / 6) ** 2))}
    maps = {name: (0.1 + values).astype(np.float32) for name, values in plane.items()}
    return Sky(maps, dict.fromkeys(maps, "K km/s"), 180.0, {"origin": "test"})


def top_hat(line, width=30.0, n=601):
    return np.linspace(LINES[line].ghz - width / 2, LINES[line].ghz + width / 2, n) * u.GHz


def power_of(kelvin, ghz):
    """Brightness [W m-2 Hz-1 sr-1] of 1 K_RJ or 1 K_CMB, from Planck's law alone."""
    nu = 1e9 * ghz
    rj = 2 * constants.k * nu**2 / constants.c**2
    x = constants.h * nu / (constants.k * 2.7255)
    return rj if kelvin == "K_RJ" else rj * x**2 * np.exp(x) / np.expm1(x) ** 2


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("unit", ["K_RJ", "K_CMB"])
def test_equals_a_narrow_line_put_through_the_band(line, unit):
    """A Gaussian line of 1 K km/s, 20 km/s wide, integrated numerically through a bumpy band."""
    nu0 = LINES[line].ghz
    fine = np.linspace(nu0 - 20, nu0 + 25, 400_001)
    velocity = constants.c / 1e3 * (nu0 - fine) / nu0
    sigma = 20 / np.sqrt(8 * np.log(2))
    line_shape = np.exp(-((velocity / sigma) ** 2) / 2) / np.sqrt(2 * np.pi) / sigma  # K

    def transmission(ghz):
        return np.exp(-(((ghz - nu0 - 3) / 9) ** 4)) * (1 + 0.2 * np.sin(ghz))

    seen = np.trapezoid(transmission(fine) * power_of("K_RJ", fine) * line_shape, fine)
    per_kelvin = np.trapezoid(transmission(fine) * power_of(unit, fine), fine)
    band = np.linspace(fine[0], fine[-1], 901)
    assert band_factor(line, band * u.GHz, transmission(band), unit) == pytest.approx(
        seen / per_kelvin, rel=2e-4
    )


@pytest.mark.parametrize(
    ("line", "energy"), [("W_CO10", 1.570e-12), ("W_CO21", 1.256e-11), ("W_CO32", 4.238e-11)]
)
def test_a_top_hat_keeps_the_energy_of_the_line(line, energy):
    """Mean brightness times bandwidth is 2 k nu^3 / c^3 x 1 km/s, W m-2 sr-1, for any width."""
    for width in (3.0, 30.0, 60.0):
        mean = band_factor(line, top_hat(line, width), unit="MJy/sr")
        assert mean * 1e-20 * width * 1e9 == pytest.approx(energy, rel=1e-3)


def test_thirty_gigahertz_around_the_lowest_line():
    """12.8 uK_RJ and 17.9 uK_CMB per K km/s: exactly nu0/c/30 GHz if flat in RJ temperature."""
    band = top_hat("W_CO10")
    flat_in_rj = band.value**-2.0
    expected = 1e6 * 115.2712018 / constants.c * 1e3 / 30
    assert band_factor("W_CO10", band, flat_in_rj, "uK_RJ") == pytest.approx(expected, rel=1e-4)
    assert expected == pytest.approx(12.8, abs=0.05)
    assert band_factor("W_CO10", band, unit="uK_RJ") == pytest.approx(12.8, rel=0.006)
    for weights in (None, flat_in_rj):
        assert band_factor("W_CO10", band, weights, "uK_CMB") == pytest.approx(17.9, abs=0.05)


def test_a_line_outside_the_band_gives_exactly_zero(sky):
    assert band_factor("W_CO10", [85, 115] * u.GHz) == 0.0  # 0.27 GHz short of the line
    assert band_factor("W_CO10", [115.28, 140] * u.GHz) == 0.0
    assert band_factor("W_CO10", BAND, (abs(BAND.value - 115.25) > 1).astype(int)) == 0.0
    out = COSky(sky).get_emission([130, 160] * u.GHz)
    assert out.unit == u.uK_RJ and out.shape == (3, NPIX) and not out.value.any()


def test_the_ends_belong_to_the_band():
    nu = LINES["W_CO10"].ghz
    inside = {"first": [nu, nu + 30], "last": [nu - 30, nu]}
    for ends in inside.values():
        g = 3 * nu**2 / (ends[1] ** 3 - ends[0] ** 3)  # of a top hat in power
        band = np.linspace(*ends, 3001) * u.GHz
        assert band_factor("W_CO10", band, unit="K_RJ") == pytest.approx(
            1e3 * nu / constants.c * g, rel=1e-6
        )
    assert band_factor("W_CO10", [nu - 30, np.nextafter(nu, 0)] * u.GHz) == 0.0


def test_neither_norm_nor_unit_nor_unequal_steps_matter():
    smooth = np.linspace(90, 140, 2001)
    uneven = 90 + 50 * np.linspace(0, 1, 1001) ** 2

    def bell(ghz):
        return np.exp(-(((ghz - 112) / 9) ** 2))

    expected = band_factor("W_CO10", smooth * u.GHz, bell(smooth))
    assert band_factor("W_CO10", uneven * u.GHz, bell(uneven)) == pytest.approx(expected, rel=1e-4)
    assert band_factor("W_CO10", smooth * 1e9 * u.Hz, 7 * bell(smooth)) == pytest.approx(expected)


def of_straight_lines(line, ghz, tau, unit):
    """The factor of a band whose power per kelvin is a straight line between `ghz`: quadrature."""
    nu0 = LINES[line].ghz
    fine = np.unique(np.concatenate([np.linspace(ghz[0], ghz[-1], 50_001), ghz]))
    of_one_kelvin = np.trapezoid(np.interp(fine, ghz, tau * power_of(unit, ghz)), fine)
    return (
        1e3 * nu0 / constants.c * np.interp(nu0, ghz, tau * power_of("K_RJ", ghz)) / of_one_kelvin
    )


@pytest.mark.parametrize("unit", ["K_RJ", "K_CMB"])
@pytest.mark.parametrize(
    "zeros",
    [(1, 0), (0, 1), (1, 1), (2, 0), (400, 0), (0, 400), (30, 500)],
    ids=lambda zeros: f"{zeros[0]}+{zeros[1]}",
)
def test_zeros_at_the_ends_are_weights_like_others(zeros, unit):
    """The band falls to zero over one step, however many zeros follow."""
    inner = np.linspace(106, 124, 19)
    left, right = (np.arange(1, n + 1) for n in zeros)
    ghz = np.concatenate([(inner[0] - 0.05 * left)[::-1], inner, inner[-1] + right])
    tau = np.concatenate([0.0 * left, 1 + 0.3 * np.cos(inner), 0.0 * right])
    found = band_factor("W_CO10", ghz * u.GHz, tau, unit)
    assert found == pytest.approx(of_straight_lines("W_CO10", ghz, tau, unit), rel=1e-7)


@pytest.mark.parametrize("unit", ["K_RJ", "K_CMB"])
def test_a_gap_and_a_single_weight_are_no_other_band(unit):
    ghz = np.arange(100.0, 131.0)
    gap = np.where(abs(ghz - 122) < 5, 0.0, 1.0)
    peak, edge = (ghz == 115).astype(float), (ghz < 120).astype(int)
    for tau in (gap, peak, edge, 1 - peak, gap - 1e-3 * (ghz == 122)):
        found = band_factor("W_CO10", ghz * u.GHz, tau, unit)
        assert found == pytest.approx(of_straight_lines("W_CO10", ghz, tau, unit), rel=1e-7)


def test_zeros_around_a_narrow_band_leave_it_narrow():
    nu = LINES["W_CO10"].ghz
    ghz = np.array([100, nu - 0.05, nu, nu + 0.05, 130])
    with pytest.raises(CoganError, match="Doppler spread"):
        band_factor("W_CO10", ghz * u.GHz, np.array([0, 0, 1, 0, 0]))
    assert band_factor("W_CO21", ghz * u.GHz, np.array([0, 0, 1, 0, 0])) == 0


@pytest.mark.parametrize(
    ("freqs", "weights", "sentence"),
    [
        ([100, 130], None, "not frequencies"),
        ([100, 130] * u.K, None, "not frequencies"),
        ([130, 100] * u.GHz, None, "increase; sort them"),
        ([100, 120, 110] * u.GHz, [1, 1, 1], "increase; sort them"),
        ([100, 110, 110, 120] * u.GHz, None, "increase"),
        ([np.nan, 130] * u.GHz, None, "positive and increase"),
        ([100, 130] * u.GHz, [1, 1, 1], "one weight per frequency"),
        ([[100, 130]] * u.GHz, None, "one weight per frequency"),
        ([100, 130] * u.GHz, [0, 0], "not positive"),
        ([100, 130] * u.GHz, [1, np.nan], "not positive"),
        ([100, 130] * u.GHz, [1, np.inf], "not positive"),
        ([90] * u.GHz, [0], "not positive"),
        ([90] * u.GHz, [np.nan], "not positive"),
    ],
)
def test_what_is_no_band_gets_a_sentence(sky, freqs, weights, sentence):
    with pytest.raises(CoganError, match=sentence):
        band_factor("W_CO10", freqs, weights)
    with pytest.raises(CoganError, match=sentence):
        COSky(sky).get_emission(freqs, weights)


def test_a_single_frequency_is_zero_off_the_lines_and_refused_on_them(sky):
    component = COSky(sky)
    for away in (100 * u.GHz, [353] * u.GHz, 114.9 * u.GHz):
        assert not component.get_emission(away).value.any()
    for at in (115.271 * u.GHz, 115.2712018 * u.GHz, [230.6] * u.GHz, [115.2, 115.3] * u.GHz):
        with pytest.raises(CoganError, match="Doppler spread"):
            component.get_emission(at)
    assert component.get_emission([113.8, 116.8] * u.GHz)[0].min() > 0
    only_two_one = Sky({"W_CO21": sky.maps["W_CO21"]}, {"W_CO21": "K km/s"}, 180.0)
    assert not COSky(only_two_one).get_emission(115.271 * u.GHz).value.any()


def test_skies_without_co_or_with_wrong_units_get_a_sentence(sky, tmp_path):
    ones = np.ones(NPIX, np.float32)
    holes = np.where(np.arange(NPIX) == 5, np.nan, ones)
    unseen = np.where(np.arange(NPIX) == 5, hp.UNSEEN, ones)
    for maps, units, sentence in (
        ({"DUST": ones}, {"DUST": "MJy/sr"}, "has no CO: its columns are DUST"),
        ({"W_CO10": ones}, {"W_CO10": "K_CMB"}, "unit 'K_CMB'; it must be K km/s"),
        ({"W_CO10": ones}, {}, "W_CO10 has no unit"),
        ({"W_CO21": holes}, {"W_CO21": "K km/s"}, "W_CO21 has missing pixels"),
        ({"W_CO21": unseen}, {"W_CO21": "K km/s"}, "W_CO21 has missing pixels"),
    ):
        with pytest.raises(CoganError, match=sentence):
            COSky(Sky(maps, units, 180.0))
        with pytest.raises(CoganError, match=sentence):
            write_templates(Sky(maps, units, 180.0), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(CoganError, match="no line '10'; the lines are W_CO10"):
        band_factor("10", BAND)


def test_pysm_sky_adds_it_to_other_components(sky):
    """In uK_CMB on a CMB of 50 uK, in either order, and twice the same: PySM adds in place."""
    ours = COSky(sky)
    cmb = pysm3.CMBMap(NSIDE, map_IQU=np.full((3, NPIX), 50.0) * u.uK_CMB)
    weights = 1 + 0.3 * np.cos(WIDE.value / 7)
    co = sum(sky.maps[line] * band_factor(line, WIDE, weights, "uK_CMB") for line in sky.targets)
    assert len(sky.targets) == 2
    for components, background in (([ours], 0), ([ours, cmb], 50), ([cmb, ours], 50)):
        both = pysm3.Sky(nside=NSIDE, component_objects=components, output_unit="uK_CMB")
        for _ in range(2):
            out = both.get_emission(WIDE, weights)
            assert out.unit == u.uK_CMB
            np.testing.assert_allclose(out[0].value, co + background, rtol=1e-6)
            np.testing.assert_allclose(out[1:].value, background, rtol=1e-6)
    with pytest.raises(AssertionError, match="same NSIDE"):
        pysm3.Sky(nside=2 * NSIDE, component_objects=[ours])


def test_other_nside_keeps_the_flux(sky):
    full = COSky(sky).get_emission(BAND)[0].value
    coarse = COSky(sky, nside=8).get_emission(BAND)[0].value
    np.testing.assert_allclose(coarse, hp.ud_grade(full, 8))
    fine = COSky(sky, nside=64).get_emission(BAND)[0].value
    assert fine.mean() == pytest.approx(full.mean(), rel=1e-4)
    # the same smooth profile in latitude, not repeated pixels
    lat = hp.pix2ang(64, np.arange(fine.size), lonlat=True)[1]
    profile = (0.1 + 80 * np.exp(-((lat / 8) ** 2))) * band_factor("W_CO10", BAND, unit="uK_RJ")
    assert np.abs(fine - profile).max() < 0.01 * profile.max()
    with pytest.raises(CoganError, match="power of two"):
        COSky(sky, nside=48)


def test_pysm_reads_the_templates(sky, tmp_path, monkeypatch):
    """co1 gives the templates as PySM uses them; co3 adds neither polarisation nor clouds."""
    monkeypatch.setenv("PYSM_LOCAL_DATA", str(tmp_path))
    files = write_templates(sky, tmp_path)
    assert sorted(tmp_path.rglob("*.fits")) == sorted(files) and len(files) == 8
    co1 = pysm3.Sky(nside=NSIDE, preset_strings=["co1"], output_unit="K_CMB")
    at_line = co1.get_emission(115.271 * u.GHz)[0].value
    np.testing.assert_allclose(at_line, 1.42e-5 * sky.maps["W_CO10"], rtol=1e-5)
    assert not co1.get_emission(345.796 * u.GHz).value.any()  # a line that the sky lacks
    assert not co1.get_emission(115.2712018 * u.GHz).value.any()  # PySM wants exactly 115.271
    for freqs in (115.271 * u.GHz, 116 * u.GHz, BAND, WIDE, [85, 115] * u.GHz):
        expected = sum(pysm_band_factor(n, freqs) * sky.maps[n] for n in sky.targets)
        found = co1.get_emission(freqs)[0].value
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    weights = np.exp(-(((WIDE.value - 180) / 60) ** 2))
    expected = sum(pysm_band_factor(n, WIDE, weights) * sky.maps[n] for n in sky.targets)
    np.testing.assert_allclose(co1.get_emission(WIDE, weights)[0].value, expected, rtol=1e-5)
    co3 = pysm3.Sky(nside=NSIDE, preset_strings=["co3"], output_unit="K_CMB").get_emission(WIDE)
    np.testing.assert_allclose(co3.value, co1.get_emission(WIDE).value, rtol=1e-6)
    # the same files under the other name, for NSIDE above 512
    pairs = {path.name.replace("2048", "512"): path for path in files if "2048" in path.name}
    for path in files[:4]:
        assert path.read_bytes() == pairs[path.name].read_bytes()


@pytest.mark.parametrize(("line", "ratio"), [("W_CO10", 37.7), ("W_CO21", 58.0), ("W_CO32", 78.6)])
def test_physical_over_pysm_is_the_width_of_plancks_band(line, ratio):
    for width in (3.0, 30.0):
        band = top_hat(line, width)
        assert band_factor(line, band) / pysm_band_factor(line, band) == pytest.approx(
            ratio, abs=0.06
        )


def test_templates_say_what_they_hold_and_spare_what_is_not_ours(sky, tmp_path):
    del sky.maps["W_CO21"]
    first = write_templates(sky, tmp_path)[0]
    header = fits.getheader(first, 1)
    assert [header[f"TTYPE{i}"] for i in (1, 2, 3)] == ["CO10", "CO21", "CO32"]
    assert {header[f"TUNIT{i}"] for i in (1, 2, 3)} == {"K_CMB"}
    assert header["NSIDE"] == NSIDE and header["FWHM"] == 180 and header["ORIGIN"] == "test"
    assert header["CO10_IS"] == "W_CO10 x 1.42e-05 K_CMB/(K km/s)"
    assert header["CO21_IS"] == "zero: no W_CO21" and header["CO32_IS"] == "zero: no W_CO32"
    sky.maps["W_CO10"][:] = 1
    write_templates(sky, tmp_path)  # our own are replaced
    np.testing.assert_allclose(hp.read_map(first), 1.42e-5, rtol=1e-6)

    foreign = tmp_path / "pysm" / "co" / "gmap_dust90_2048.fits"
    write_sky(foreign, sky)
    with pytest.raises(CoganError, match="not ours.*another folder"):
        write_templates(sky, tmp_path / "pysm")
    assert list(foreign.parent.iterdir()) == [foreign]
    foreign.write_text("half a download", "utf-8")
    with pytest.raises(CoganError, match="not ours"):
        write_templates(sky, tmp_path / "pysm")
