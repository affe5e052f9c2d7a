"""Is what a header says true? Each fault is found, good headers are left in peace."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord, get_body
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from cogan_lib.base.files import CoganError
from cogan_lib.companions.headers.cards import read_cards
from cogan_lib.companions.headers.checks import LEVELS, check_header, write_checked
from cogan_lib.companions.headers.sky_checks import barycentric_error_deg, body_position
from cogan_lib.companions.proposals import document

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "real"
TIME = Time("2024-03-15T04:30:00")
SHAPE = (40, 60)


def good(**changes):
    """A header of Mars without a fault, and with what is asked."""
    header = fits.PrimaryHDU(np.zeros(SHAPE, "f4")).header
    mars = body_position("mars", TIME)
    header.update({
        "OBJECT": "Mars", "EXPTIME": 30.0, "BUNIT": "adu", "DATE-OBS": "2024-03-15T04:30:00",
        "MJD-OBS": 60384.1875, "RADESYS": "ICRS", "EQUINOX": 2000.0,
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
        "CRVAL1": mars.ra.deg, "CRVAL2": mars.dec.deg, "CRPIX1": 30.5, "CRPIX2": 20.5,
        "CDELT1": -0.3 / 3600, "CDELT2": 0.3 / 3600,
    })  # fmt: skip
    for name, value in changes.items():
        keyword = name.replace("_OBS", "-OBS")
        if value is None:
            header.remove(keyword)
        else:
            header[keyword] = value
    return header


def test_a_good_header_has_no_findings():
    assert check_header(good(), SHAPE, 0.3) == []


FAULTS = [
    ({"NAXIS1": 61}, "NAXIS1", "error", "NAXIS1 is 61, but the data, of shape (40, 60), have 60"),
    ({"NAXIS": 3}, "NAXIS", "error", "the data have 2 axes"),
    ({"NAXIS": 10**9}, "NAXIS", "error", "0 to 999 axes"),
    ({"NAXIS2": None}, "NAXIS2", "error", "is missing"),
    ({"NAXIS1": "60"}, "NAXIS1", "error", "must be a whole number"),
    ({"BITPIX": 12}, "BITPIX", "error", "FITS has (8, 16"),
    ({"SIMPLE": False}, "SIMPLE", "error", "it is T"),
    ({"OBJECT": 7}, "OBJECT", "error", "must be a text"),
    ({"BUNIT": "ADU"}, "BUNIT", "warning", "write 'adu'"),
    ({"BUNIT": "counts per second"}, "BUNIT", "warning", "no unit as FITS spells them."),
    ({"EXPTIME": -30.0}, "EXPTIME", "error", "not negative"),
    ({"EXPTIME": "30 s"}, "EXPTIME", "error", "must be a number"),
    ({"EXPTIME": 0.0}, "EXPTIME", "note", "bias"),
    ({"DATE_OBS": "2024-02-31"}, "DATE-OBS", "error", "no date"),
    ({"DATE_OBS": "15/03/99", "MJD_OBS": None}, "DATE-OBS", "warning", "year-month-day"),
    ({"MJD_OBS": 60385.1875}, "MJD-OBS", "error", "1 days apart"),
    ({"MJD_OBS": 60384.19}, "MJD-OBS", "warning", "216 s apart"),
    ({"MJD_OBS": 60384.18767}, "MJD-OBS", "note", "within the exposure"),
    ({"MJD_OBS": 2460384.6875}, "MJD-OBS", "error", "looks like a Julian date"),
    ({"RADESYS": None}, "RADESYS", "warning", "take the frame to be FK5"),
    ({"RADESYS": None, "EQUINOX": 1950.0}, "RADESYS", "warning", "FK4"),
    ({"RADESYS": "J2000"}, "RADESYS", "warning", "FITS has ICRS"),
    ({"EQUINOX": "J2000"}, "EQUINOX", "error", "must be a number"),
    ({"EQUINOX": None, "EPOCH": 2000.0}, "EPOCH", "note", "deprecated"),
    ({"CROTA2": 10.0}, "CROTA2", "note", "PCi_j"),
    ({"CTYPE2": "GLAT-TAN"}, "CTYPE1", "error", "cannot be used"),
    ({"CTYPE2": "DEC--SIN"}, "CTYPE1", "error", "cannot be used"),
    ({"CTYPE2": None}, "CTYPE1", "error", "Unmatched celestial axes"),
    ({"CTYPE1": "RA", "CTYPE2": "DEC"}, "CTYPE1", "warning", "without a projection"),
    ({"CUNIT1": "m"}, "CTYPE1", "error", "cannot be used"),
    ({"CDELT1": 0.0}, "CTYPE1", "error", "singular"),
    ({"CDELT1": -0.3, "CDELT2": 0.3}, "CDELT1", "error", "Pixels are 1080 by 1080 arcsec"),
    ({"CDELT1": -30.0, "CDELT2": 30.0}, "CDELT1", "error", "degrees wide"),
    ({"CD1_1": -1e-4, "CD2_2": 1e-4}, "CDELT1", "warning", "the CD matrix, which readers take"),
    ({"CRVAL2": 95.0}, "CRVAL2", "error", "from -90 to 90"),
    ({"CRVAL1": "21h45m"}, "CRVAL1", "error", "must be a number"),
    ({"CRVAL1": float(body_position("mars", TIME).ra.deg) + 360}, "CRVAL1", "note", "to 360"),
    ({"LONPOLE": "180"}, "LONPOLE", "error", "is '180'; it must be a number"),
    ({"PV2_1": "x"}, "PV2_1", "error", "must be a number"),
    ({"PC1_2": "0"}, "PC1_2", "error", "must be a number"),
    ({"CD1_1": "abc", "CD2_2": 1e-4}, "CD1_1", "error", "must be a number"),
    ({"EPOCH": "J2000", "RADESYS": None}, "EPOCH", "error", "must be a number"),
    ({"CD1_1": 0.0, "CD2_2": 0.0}, "CD1_1", "error", "The CD matrix is singular"),
    ({"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4}, "CD1_1", "error", "singular"),
    ({"CD1_1": 1e-4}, "CD1_1", "error", "singular"),  # what is not given is 0
    ({"PC1_2": 1.0, "PC2_1": 1.0}, "PC1_1", "error", "The PC matrix is singular"),
    ({"CRPIX1": 30.0}, "CRPIX1", "note", "the middle of 60 is 30.5"),
    ({"CRPIX1": 300.0}, "CRPIX1", "note", "outside the image"),
    ({"CRVAL1": 160.12, "CRVAL2": 5.99}, "CRVAL1", "error", " degrees away."),
    ({"CRVAL1": 304.39, "CRVAL2": -21.49}, "CRVAL1", "error", "what .icrs gives"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "keyword", "level", "words"), FAULTS)
def test_each_fault_is_found(changes, keyword, level, words):
    found = [one for one in check_header(good(**changes), SHAPE, 0.3) if words in one.sentence]
    assert [(one.keyword, one.level) for one in found][:1] == [(keyword, level)]
    assert all(one.sentence.endswith(".") and "\n" not in one.sentence for one in found)


def test_errors_come_first_and_broken_cards_are_found():
    header = good(CRPIX1=30.0, BUNIT="ADU", EXPTIME=-1.0)
    header.append(fits.Card.fromstring("AIRMASS = 1.2 or so"))
    found = check_header(header, SHAPE)
    assert [one.level for one in found] == sorted((o.level for o in found), key=LEVELS.index)
    assert {"AIRMASS", "EXPTIME", "BUNIT", "CRPIX1"} == {one.keyword for one in found}
    assert "EXPTIME" in header  # what was given is not changed


def test_what_a_good_header_may_have():
    """Other scales, frames and kinds of image: none of it is an alarm."""
    assert not check_header(good(CUNIT1="arcsec", CUNIT2="arcsec", CDELT1=-0.3, CDELT2=0.3,
                                 CRVAL1=None, CRVAL2=None, OBJECT="M 33"), SHAPE, 0.3)  # fmt: skip
    assert not check_header(good(OBJECT="Moonlight"), SHAPE)
    assert not check_header(good(DATE_OBS="2024-03-15", OBJECT="NGC 7"), SHAPE)
    for ctype, shape in (("GLON-CAR", (181, 361)), ("RA---AIT", (90, 180)), ("HPLN-TAN", SHAPE)):
        other = {"GLON": "GLAT", "RA--": "DEC-", "HPLN": "HPLT"}[ctype[:4]] + ctype[4:]
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crpix = [ctype, other], [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
        wcs.wcs.cdelt = [-1.0, 1.0] if ctype[0] != "H" else [1e-3, 1e-3]
        header = fits.ImageHDU(np.zeros(shape), wcs.to_header()).header
        assert not check_header(header, shape), ctype
    columns = [fits.Column("flux", "E", unit="Jy", array=np.ones(3))]
    assert not check_header(fits.BinTableHDU.from_columns(columns).header)
    assert not check_header(fits.ImageHDU(np.zeros((2, 3, 4))).header, (2, 3, 4))


def test_a_place_is_astrometric_and_get_bodys_is_apparent():
    mars = body_position("mars", TIME)
    assert (mars.ra.deg, mars.dec.deg) == pytest.approx((326.31187, -14.73707), abs=1e-5)
    seen = get_body("mars", TIME, ephemeris="builtin")
    assert mars.separation(SkyCoord(seen.ra, seen.dec)).arcsec == pytest.approx(17.8, abs=0.1)


@pytest.mark.parametrize("name", ["Moon", "Mercury"])
@pytest.mark.parametrize(
    "also",
    [{"MJD-OBS": 60384.9}, {"UT": "21:36:00"}, {"TIME-OBS": "21:36:00.0"}, {}, {"UT": 21.6},
     {"MJD-OBS": 60384}],
)  # fmt: skip
def test_a_day_without_a_time(name, also):
    at = body_position(name.lower(), Time("2024-03-15T21:36:00"))
    for off in (0.0, 5.0):
        header = good(OBJECT=name, DATE_OBS="2024-03-15", MJD_OBS=None,
                      CRVAL1=(at.ra.deg + off) % 360, CRVAL2=at.dec.deg)  # fmt: skip
        header.update(also)
        known = also not in ({}, {"UT": 21.6}, {"MJD-OBS": 60384})
        wanted = ["CRVAL1"] if off and known else []
        assert [one.keyword for one in check_header(header, SHAPE)] == wanted


def test_cards_without_a_value_say_nothing():
    for keyword in [*good(), "CD1_1", "TIMESYS", "PV2_1"]:
        header = good()
        header[keyword] = None
        found = check_header(header, SHAPE)
        assert keyword in header and not any("ndefined" in one.sentence for one in found)
    header = good(RADESYS=None)
    for keyword in ("EXPTIME", "OBJECT", "CUNIT1", "CRVAL1", "RADESYS", "MJD-OBS"):
        header[keyword] = None
    assert check_header(header, SHAPE) == []


def test_numbers_of_numpy_are_numbers():
    header = good(NAXIS1=np.int64(60), BITPIX=np.int16(-32), EXPTIME=np.float32(30),
                  CRPIX1=np.float64(30.5))  # fmt: skip
    assert check_header(header, SHAPE, 0.3) == []
    (one,) = check_header(good(NAXIS1=np.float64(60)))
    assert one.sentence == "NAXIS1 is 60.0; it must be a whole number."


@pytest.mark.parametrize("keyword", ["CRVAL1", "CRPIX2", "CTYPE2", "CUNIT1", "CDELT1", "NAXIS1"])
def test_what_is_unreadable_is_found_once(keyword):
    value = 7 if keyword[:2] in ("CT", "CU") else "21h45m"
    (one,) = check_header(good(**{keyword: value}), SHAPE, 0.3)
    assert one.keyword == keyword and "must be" in one.sentence


def test_a_cube_may_leave_out_its_third_axis():
    header = good(CD1_1=-0.3 / 3600, CD2_2=0.3 / 3600, CDELT1=None, CDELT2=None)
    header.update({"NAXIS": 3, "NAXIS3": 5, "CTYPE3": "VELO", "CDELT3": 1.0})
    assert not [one for one in check_header(header) if one.level == "error"]


@pytest.mark.parametrize("header", [b"SIMPLE", "SIMPLE", {"NAXIS": 0}, None])
def test_what_is_no_header_is_refused_in_words(header):
    with pytest.raises(CoganError, match=f"Header, not {type(header).__name__}\\.$"):
        check_header(header)


@pytest.mark.parametrize("shape", [40, np.zeros(SHAPE), (40.0, 60), "46", (True, 60), (-1, 60)])
def test_what_is_no_shape_is_refused_in_words(shape):
    with pytest.raises(CoganError, match="The shape must be a sequence of whole numbers"):
        check_header(good(), shape)


def test_the_documents_mars_was_elsewhere():
    found = check_header(
        read_cards(document.MARS).header,
        document.SHAPE,
        document.SCALE_ARCSEC,
    )
    assert [(one.keyword, one.level) for one in found] == [
        ("CRVAL1", "error"), ("BUNIT", "warning"), ("RADESYS", "warning"),
    ]  # fmt: skip
    assert "RA 326.31, Dec -14.74" in found[0].sentence and "163.9 degrees" in found[0].sentence
    assert barycentric_error_deg("mars", TIME) == pytest.approx(21.9, abs=0.05)
    galaxy = read_cards(document.SAMPLE).header
    (one,) = check_header(galaxy, document.SAMPLE_SHAPE, document.SAMPLE_SCALE_ARCSEC)
    assert one.keyword == "RADESYS"


def test_a_written_file_has_checksums_and_its_sky(tmp_path):
    data = np.arange(2400, dtype="f4").reshape(SHAPE)
    path = write_checked(tmp_path / "mars.fits", data, good())
    with fits.open(path, checksum=True) as file:
        file.verify("exception")
        assert {"CHECKSUM", "DATASUM"} <= set(file[0].header)
        np.testing.assert_array_equal(file[0].data, data)
        centre = WCS(file[0].header).pixel_to_world(29.5, 19.5)
    assert centre.separation(body_position("mars", TIME)).arcsec < 1e-3
    assert isinstance(centre, SkyCoord) and check_header(fits.getheader(path), SHAPE) == []


def test_a_file_that_would_lie_is_not_written(tmp_path):
    path = tmp_path / "mars.fits"
    path.write_bytes(b"old")
    with pytest.raises(CoganError, match="is not written: NAXIS1 is 61"):
        write_checked(path, np.zeros(SHAPE), good(NAXIS1=61))
    with pytest.raises(CoganError, match="not negative. \\(1 more\\)"):
        write_checked(path, np.zeros(SHAPE), good(CRVAL1=160.12, CRVAL2=5.99, EXPTIME=-1.0))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the checkout")
def test_real_files_have_no_errors():
    paths = sorted((REAL / "regions").glob("*.fits"))
    assert len(paths) > 5
    for path in paths:
        with fits.open(path) as file:
            for part in file:
                shape = part.shape if part.is_image and part.shape else None
                found = check_header(part.header, shape)
                assert not [one for one in found if one.level == "error"], (path, found)
