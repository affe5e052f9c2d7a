"""Sky files: what is written is read back, what is wrong gets a sentence, foreign maps come in."""

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.sky.maps import fill_missing, to_grid
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky

NSIDE = 16
NPIX = 12 * NSIDE**2


@pytest.fixture
def sky():
    values = np.linspace(1, 2, NPIX, dtype=np.float32)
    maps = {"DUST": values, "N_HI": values * 1e21, "W_CO21": values, "W_CO21_ERR": values / 10}
    units = {"DUST": "MJy/sr", "N_HI": "cm-2", "W_CO21": "K km/s", "W_CO21_ERR": "K km/s"}
    return Sky(maps, units, 240.0, {"seed": 3, "origin": "test"})


def rewrite(path, **changes):
    """Change header keys of the table in place; None deletes a key."""
    with fits.open(path, mode="update") as hdus:
        for key, value in changes.items():
            if value is None:
                del hdus[1].header[key]
            else:
                hdus[1].header[key] = value


def test_round_trip_keeps_everything(sky, tmp_path):
    path = write_sky(tmp_path / "run" / "sky.fits", sky)
    back = read_sky(path)
    assert back.units == sky.units and back.fwhm_arcmin == 240 and back.nside == NSIDE
    assert back.meta == sky.meta
    assert back.inputs == ["DUST", "N_HI"] and back.targets == ["W_CO21"]
    for name in sky.maps:
        np.testing.assert_array_equal(back.maps[name], sky.maps[name])
    assert list(tmp_path.glob("run/.*")) == []


def test_plain_healpy_reads_it(sky, tmp_path):
    path = write_sky(tmp_path / "sky.fits", sky)
    np.testing.assert_allclose(hp.read_map(path, field=2), sky.maps["W_CO21"], rtol=1e-6)
    header = fits.getheader(path, 1)
    assert (header["NSIDE"], header["ORDERING"], header["COORDSYS"]) == (NSIDE, "RING", "G")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"NSIDE": None}, "no NSIDE"),
        ({"ORDERING": None}, "no ORDERING"),
        ({"COORDSYS": None}, "no COORDSYS"),
        ({"FWHM": None}, "no FWHM"),
        ({"NSIDE": -16}, "power of two"),
        ({"NSIDE": 12}, "power of two"),
        ({"NSIDE": 32}, "needs 12288"),
        ({"ORDERING": "SPIRAL"}, "RING or NESTED"),
        ({"COORDSYS": "X"}, "G, C or E"),
        ({"FWHM": -3.0}, "positive number"),
        ({"TUNIT3": "Jy"}, "unit 'Jy'"),
        ({"TUNIT3": None}, "unit 'none'"),
        ({"TTYPE1": "FOO", "TTYPE2": "A", "TTYPE3": "B", "TTYPE4": "C"}, "no column"),
    ],
)
def test_bad_headers_get_a_sentence(sky, tmp_path, changes, sentence):
    path = write_sky(tmp_path / "sky.fits", sky)
    rewrite(path, **changes)
    with pytest.raises(CoganError, match=sentence) as caught:
        read_sky(path)
    assert str(path) in str(caught.value)


def test_wrong_column_missing_and_truncated_files(sky, tmp_path):
    path = write_sky(tmp_path / "sky.fits", sky)
    with pytest.raises(CoganError, match="no column W_CO10; it has DUST"):
        read_sky(path, ["W_CO10"])
    with pytest.raises(CoganError, match="There is no file"):
        read_sky(tmp_path / "none.fits")
    whole = path.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CoganError, match="damaged"):
            read_sky(path)
    path.write_text("<html>quota exceeded</html>", "utf-8")
    with pytest.raises(CoganError, match="damaged"):
        read_sky(path)


def test_all_nan_is_refused_and_few_are_filled(sky, tmp_path):
    sky.maps["N_HI"][:] = np.nan
    with pytest.raises(CoganError, match="NaN or UNSEEN everywhere"):
        read_sky(write_sky(tmp_path / "sky.fits", sky))
    sky.maps["N_HI"][:] = 5.0
    sky.maps["N_HI"][[3, 900]] = hp.UNSEEN, np.nan
    np.testing.assert_allclose(read_sky(write_sky(tmp_path / "sky.fits", sky)).maps["N_HI"], 5.0)


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("name", ["DUST", "N_HI"])
def test_an_input_that_is_nowhere_positive_is_refused(sky, tmp_path, name, value):
    path = write_sky(tmp_path / "sky.fits", sky)
    with fits.open(path, mode="update") as hdus:
        del hdus[1].header["CHECKSUM"], hdus[1].header["DATASUM"]
        hdus[1].data[name] = value
    with pytest.raises(CoganError, match=f"map {name} is nowhere above zero"):
        read_sky(path)


def test_nested_and_equatorial_files_arrive_ring_and_galactic(tmp_path):
    """A map of the Galactic z coordinate is the sine of latitude, however it is stored."""
    nside = 32
    pixels = np.arange(12 * nside**2)
    lon, lat = hp.pix2ang(nside, pixels, lonlat=True)
    galactic_lat = hp.Rotator(coord=["C", "G"])(lon, lat, lonlat=True)[1]
    equatorial = np.sin(np.radians(galactic_lat))
    path = tmp_path / "map.fits"
    hp.write_map(path, hp.reorder(equatorial, r2n=True), nest=True, coord="C", column_units="K")
    values = read_map(path, to_unit="mK")
    error = values - 1e3 * np.sin(np.radians(lat))
    assert error.std() < 0.5 and np.abs(error).max() < 6


def test_foreign_maps_that_do_not_say_are_refused(tmp_path):
    path = tmp_path / "plain.fits"
    fits.writeto(path, np.arange(NPIX, dtype=float))
    with pytest.raises(CoganError, match="pixel order"):
        read_map(path)
    with pytest.raises(CoganError, match="frame"):
        read_map(path, order="RING")
    with pytest.raises(CoganError, match="does not say its unit"):
        read_map(path, order="RING", frame="G", to_unit="K")
    with pytest.raises(CoganError, match="cannot be converted"):
        read_map(path, order="RING", frame="G", unit="mag", to_unit="K")
    np.testing.assert_allclose(
        read_map(path, order="RING", frame="G", unit="mK_RJ km/s", to_unit="K km/s"),
        np.arange(NPIX) / 1e3,
    )
    fits.writeto(path, np.arange(100.0), overwrite=True)
    with pytest.raises(CoganError, match="no full-sky HEALPix map"):
        read_map(path, order="RING", frame="G")
    fits.writeto(path, np.full(NPIX, hp.UNSEEN), overwrite=True)
    with pytest.raises(CoganError, match="every pixel"):
        read_map(path, order="RING", frame="G")


def test_to_grid_has_the_beam_asked_for():
    """A Gaussian of 200 arcmin, smoothed to 300, is the Gaussian of 300 with its flux."""
    nside, centre = 64, np.array([1.0, 0, 0])
    angle = np.arccos(
        np.clip(centre @ np.stack(hp.pix2vec(nside, np.arange(12 * nside**2))), -1, 1)
    )

    def blob(fwhm):
        sigma = np.radians(fwhm / 60) / np.sqrt(8 * np.log(2))
        return np.exp(-(angle**2) / (2 * sigma**2)) / sigma**2

    smooth = to_grid(blob(200.0), nside, 200.0, 300.0)
    np.testing.assert_allclose(smooth, blob(300.0), atol=0.01 * blob(300.0).max())
    assert smooth.sum() == pytest.approx(blob(200.0).sum(), rel=1e-6)
    with pytest.raises(CoganError, match="cannot be sharpened"):
        to_grid(smooth, nside, 300.0, 200.0)
    with pytest.raises(CoganError, match="needs pixels finer"):
        to_grid(smooth, 16, 200.0, 201.0)


def test_fill_missing_grows_inwards_and_knows_its_limit():
    values = np.ones(NPIX)
    hole = hp.query_disc(NSIDE, [0, 0, 1], 0.3)
    values[hole] = np.nan
    np.testing.assert_allclose(fill_missing(values), 1.0)
    with pytest.raises(CoganError, match="is missing"):
        fill_missing(np.where(np.arange(NPIX) % 2, values, np.nan))


def test_real_files_are_the_awkward_examples(real_data):
    """An ICRS plain array agrees with a Galactic table of the same dust after the rotation."""
    table = read_map(
        real_data / "healpix/dust_ebv_Planck13_healpix_lowres.fits", frame="G", unit="mag"
    )
    plain = read_map(real_data / "healpix/planck_ebv_nside256_ring.fits.gz", unit="mag")
    coarse = hp.ud_grade(plain, 64)
    good = (coarse > 0.02) & (table > 0.02)
    assert np.corrcoef(np.log(coarse[good]), np.log(table[good]))[0, 1] > 0.998
    with pytest.raises(CoganError, match="does not say its frame"):
        read_map(real_data / "healpix/qubic_CO_line.fits")
    sky = read_sky(real_data / "sky-nside256.fits")
    assert sky.nside == 256 and sky.targets == ["W_CO21"] and sky.units["DUST"] == "mag"
