"""Files of strangers, by value: whatever way a table stores a known map, that map comes back, or
one sentence says what is wrong."""

import gzip

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky

N = 16
NPIX = 12 * N**2
THETA, PHI = hp.pix2ang(N, np.arange(NPIX))


def smooth(theta, phi):
    return 2 + np.cos(theta) + 0.5 * np.sin(theta) * np.cos(phi)


SMOOTH = smooth(THETA, PHI)
HEADER = {"PIXTYPE": "HEALPIX", "ORDERING": "RING", "COORDSYS": "G", "NSIDE": N, "FWHM": 300.0}
RANDOM = np.random.default_rng(1)


def in_frame(frame):
    """The same sky, as a map in other coordinates."""
    return smooth(*hp.Rotator(coord=[frame, "G"])(THETA, PHI))


def table(path, columns, primary=None, **header):
    """Write a table of (name, format, unit, array[, more of fits.Column]); None drops a keyword."""
    fields = [
        fits.Column(name=n, format=f, unit=u, array=a, **(more[0] if more else {}))
        for n, f, u, a, *more in columns
    ]
    hdu = fits.BinTableHDU.from_columns(fields)
    hdu.header.update({k: v for k, v in (HEADER | header).items() if v is not None})
    first = fits.PrimaryHDU()
    first.header.update(primary or {})
    fits.HDUList([first, hdu]).writeto(path, overwrite=True)
    return path


def dust(values, **more):
    return ("DUST", "E", "MJy/sr", values, more)


def both(path, **options):
    """The map by either door."""
    return [read_map(path, column="DUST", **options), read_sky(path).maps["DUST"]]


def sentence(read, *arguments, **options):
    with pytest.raises(CoganError) as caught:
        read(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 500
    return text


# --- which pixel a row is -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PIXEL", "PIX", "HPXINDEX", "Pixel_Index", "ipix", "hpx_pixel"])
@pytest.mark.parametrize("scheme", ["EXPLICIT", None])
@pytest.mark.parametrize("order", ["RING", "NESTED"])
@pytest.mark.parametrize("form", ["J", "K", "D"])
def test_shuffled_rows_find_their_pixels(tmp_path, name, scheme, order, form):
    rows = RANDOM.permutation(NPIX)
    ring = rows if order == "RING" else hp.nest2ring(N, rows)
    path = table(
        tmp_path / "a.fits",
        [(name, form, None, rows), dust(SMOOTH[ring])],
        ORDERING=order,
        INDXSCHM=scheme,
        OBJECT="PARTIAL",
    )
    for values in both(path):
        np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)
    np.testing.assert_allclose(read_map(path), SMOOTH, rtol=1e-6)  # by default, the map
    assert "pixel numbers, no map" in sentence(read_map, path, column=0)
    assert "DUST" in sentence(read_map, path, column=name)


def test_shuffled_rows_in_equatorial_coordinates(tmp_path):
    rows = RANDOM.permutation(NPIX)
    equatorial = in_frame("C")
    path = table(
        tmp_path / "a.fits",
        [("PIXEL", "J", None, rows), dust(equatorial[rows])],
        COORDSYS="C",
        INDXSCHM="EXPLICIT",
    )
    for values in both(path):
        np.testing.assert_allclose(values, SMOOTH, atol=0.025)


def test_an_unnamed_index_is_the_first_column_of_an_explicit_table(tmp_path):
    rows = RANDOM.permutation(NPIX)
    columns = [("NUMMER", "J", None, rows), dust(SMOOTH[rows])]
    for values in both(table(tmp_path / "a.fits", columns, INDXSCHM="EXPLICIT")):
        np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)


@pytest.mark.parametrize("order", ["RING", "NESTED"])
@pytest.mark.parametrize("way", ["number of another name", "places", "two numbers"])
def test_pixels_that_nobody_calls_so(tmp_path, order, way):
    """A column with every number once, galactic places, or both numberings side by side."""
    rows = RANDOM.permutation(NPIX)
    ring, nested = (
        (rows, hp.ring2nest(N, rows)) if order == "RING" else (hp.nest2ring(N, rows), rows)
    )
    lon, lat = hp.pix2ang(N, ring, lonlat=True)
    columns = {
        "number of another name": [("ID", "J", None, rows)],
        "places": [("GLON", "E", "deg", lon), ("GLAT", "E", "deg", lat)],
        "two numbers": [("nest_idx", "J", None, nested), ("ring_idx", "J", None, ring)],
    }[way]
    path = table(tmp_path / "a.fits", [*columns, dust(SMOOTH[ring])], ORDERING=order, INDXSCHM=None)
    for values in both(path):
        np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)
    if way == "two numbers":
        wrong = [columns[0 if order == "RING" else 1], dust(SMOOTH[ring])]
        assert "another order" in sentence(read_map, table(path, wrong, ORDERING=order))


def test_indices_that_are_missing_twice_or_beyond(tmp_path):
    path = tmp_path / "a.fits"
    kept = np.delete(RANDOM.permutation(NPIX), np.arange(150))  # 5 % have no row
    table(path, [("PIXEL", "J", None, kept), dust(SMOOTH[kept])], INDXSCHM="EXPLICIT")
    one, other = both(path)
    np.testing.assert_allclose(one[kept], SMOOTH[kept], rtol=1e-6)
    assert np.isnan(np.delete(one, kept)).all() and np.isnan(one).sum() == 150
    np.testing.assert_allclose(other, SMOOTH, atol=0.1)  # filled from the neighbours

    rows = np.arange(NPIX)
    twice = np.where(rows == 5, 6, rows)
    table(path, [("PIXEL", "J", None, twice), dust(SMOOTH)], INDXSCHM="EXPLICIT")
    assert "PIXEL" in sentence(read_map, path) and "more than once" in sentence(read_sky, path)
    table(path, [("PIXEL", "J", None, rows + 7), dust(SMOOTH)], INDXSCHM="EXPLICIT")
    assert "go from 7 to 3078" in sentence(read_map, path)
    table(path, [("PIXEL", "J", None, (rows + 1)[::-1]), dust(SMOOTH[::-1])], INDXSCHM="EXPLICIT")
    np.testing.assert_allclose(read_map(path), SMOOTH, rtol=1e-6)  # numbered from 1
    table(path, [dust(SMOOTH)], INDXSCHM="EXPLICIT")
    assert "no column of pixel numbers" in sentence(read_map, path)
    halves = [("PIXEL", "D", None, rows + 0.5), dust(SMOOTH)]
    assert "whole numbers" in sentence(read_map, table(path, halves, INDXSCHM="EXPLICIT"))


def test_an_index_beside_implicit_rows(tmp_path):
    """Harmless if it says the same; else nobody knows which of the two is right."""
    path, rows = tmp_path / "a.fits", np.arange(NPIX)
    nested = hp.nest2ring(N, rows)
    table(path, [("PIXEL", "J", None, rows), dust(SMOOTH)], INDXSCHM="IMPLICIT")
    np.testing.assert_allclose(read_map(path), SMOOTH, rtol=1e-6)
    columns = [("RINGPIX", "J", None, nested), ("PIXEL", "J", None, nested), dust(SMOOTH[nested])]
    table(path, columns, INDXSCHM="IMPLICIT", ORDERING="NESTED")
    np.testing.assert_allclose(read_map(path, column="DUST"), SMOOTH, rtol=1e-6)
    rows = RANDOM.permutation(NPIX)
    table(path, [("PIXEL", "J", None, rows), dust(SMOOTH[rows])], INDXSCHM="IMPLICIT")
    assert "INDXSCHM" in sentence(read_map, path) and "INDXSCHM" in sentence(read_sky, path)


def test_firstpix(tmp_path):
    path, first = tmp_path / "a.fits", 200
    part = {"FIRSTPIX": first, "LASTPIX": NPIX - 1, "INDXSCHM": "IMPLICIT"}
    values = read_map(table(path, [dust(SMOOTH[first:])], **part))
    assert np.isnan(values[:first]).all()
    np.testing.assert_allclose(values[first:], SMOOTH[first:], rtol=1e-6)
    table(path, [dust(SMOOTH)], FIRSTPIX=1, LASTPIX=NPIX)  # numbered from 1
    np.testing.assert_allclose(read_map(path), SMOOTH, rtol=1e-6)
    assert "FIRSTPIX=100" in sentence(read_map, table(path, [dust(SMOOTH)], FIRSTPIX=100))
    table(path, [dust(SMOOTH[: NPIX // 4])], FIRSTPIX=0, LASTPIX=NPIX // 4 - 1)
    for read in (read_map, read_sky):
        text = sentence(read, path)
        assert "DUST" in text and "a.fits" in text and "needs 3072" in text


@pytest.mark.parametrize("nest", [True, False])
def test_partial_maps_of_healpy(tmp_path, nest):
    """Three of twelve base pixels are no full sky of half the NSIDE."""
    path = tmp_path / "quarter.fits"
    seen = np.full(NPIX, hp.UNSEEN)
    pixels = np.arange(3 * N * N) if nest else hp.nest2ring(N, np.arange(3 * N * N))
    seen[pixels] = SMOOTH[pixels]
    options = {"column_names": ["DUST"], "column_units": ["MJy/sr"], "overwrite": True}
    hp.write_map(path, seen, nest=nest, coord="G", partial=True, **options)
    fits.setval(path, "FWHM", value=300.0, ext=1)
    for read in (read_map, read_sky):
        text = sentence(read, path)
        assert "quarter.fits" in text and "DUST" in text and "75%" in text and "put other" in text


# --- the header decides ---------------------------------------------------------------------------


def test_several_numbers_per_pixel_are_no_finer_map(tmp_path):
    path = tmp_path / "a.fits"
    iquv = np.stack([SMOOTH] * 4, 1)
    for more in ({}, {"dim": "(2,2)"}):
        for nside in (N, None):
            table(path, [("DUST", "4E", "MJy/sr", iquv, more)], NSIDE=nside)
            text = sentence(read_map, path)
            assert "DUST" in text and "4 numbers" in text and "a column of its own" in text
    spectra = [("DUST", "16E", "MJy/sr", np.stack([SMOOTH] * 16, 1))]
    assert "16 numbers" in sentence(read_map, table(path, spectra, NSIDE=None))
    rows = [("DUST", f"{NPIX}E", "MJy/sr", np.stack([SMOOTH] * 4))]
    for nside in (N, None):
        assert "DUST" in sentence(read_map, table(path, rows, NSIDE=nside))
    fits.writeto(path, np.stack([SMOOTH] * 4), overwrite=True)
    assert "(4, 3072)" in sentence(read_map, path, order="RING", frame="G")
    for width in (1, 32, 1024, NPIX):  # as healpy and IDL write it
        array = SMOOTH.reshape(-1, width)
        for nside in (N, None):
            columns = [("DUST", f"{width}E", "MJy/sr", array)]
            values = read_map(table(path, columns, NSIDE=nside))
            np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)


def test_an_image_of_the_sky_is_no_healpix_map(tmp_path):
    path = tmp_path / "car.fits"
    header = fits.Header({"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR"})
    fits.writeto(path, np.ones((96, 128), np.float32), header)  # 12 * 32^2 numbers
    text = sentence(read_map, path, order="RING", frame="G")
    assert "car.fits" in text and "CAR" in text and "reproject" in text
    fits.writeto(path, np.ones((96, 128), np.float32), overwrite=True)
    assert "no HEALPix map" in sentence(read_map, path, order="RING", frame="G")


@pytest.mark.parametrize("order", ["RING", "NESTED"])
def test_nside_24(tmp_path, order):
    path = tmp_path / "a.fits"
    for nside in (24, None, 64):
        table(path, [dust(np.ones(12 * 24**2))], NSIDE=nside, ORDERING=order)
        text = sentence(read_map, path)
        assert "a.fits" in text and ("power of two" in text or "needs 49152" in text)
    with pytest.raises(CoganError, match="power of two"):
        Sky({"DUST": np.ones(12 * 24**2)}, {"DUST": "MJy/sr"}, 300.0)


def test_limited_coverage(tmp_path):
    """A survey of the plane, as a full-sky map that is mostly UNSEEN."""
    seen = np.where(np.abs(90 - np.degrees(THETA)) < 20, SMOOTH, hp.UNSEEN)
    path = table(tmp_path / "dame.fits", [dust(seen)])
    for read in (read_map, read_sky):
        text = sentence(read, path)
        assert "dame.fits" in text and "DUST" in text and "65%" in text and "model" in text


# --- keywords of storage --------------------------------------------------------------------------


def test_storage_keywords_stay_behind(tmp_path):
    """Read, written, read: the scaling of the first file is not applied again."""
    path = tmp_path / "a.fits"
    counts = np.round(1000 * SMOOTH).astype(np.int16)
    table(path, [("DUST", "I", "MJy/sr", counts, {"null": -9999})], ORIGIN="ESA", BLANK=-1)
    for key, value in {"TSCAL1": 0.001, "TZERO1": 0.5, "THEAP": 6144, "TDIM1": "(1)"}.items():
        fits.setval(path, key, value=value, ext=1)
    first = read_sky(path)
    np.testing.assert_allclose(first.maps["DUST"], counts * 0.001 + 0.5, rtol=1e-6)
    assert first.meta == {"origin": "ESA"}
    again = read_sky(write_sky(tmp_path / "b.fits", first))
    np.testing.assert_array_equal(again.maps["DUST"], first.maps["DUST"])
    assert again.meta == first.meta
    header = fits.getheader(tmp_path / "b.fits", 1)
    assert not {"TSCAL1", "TZERO1", "TNULL1", "TDIM1", "THEAP", "BLANK", "BSCALE"} & set(header)
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:  # valid, astropy thinks
        assert hdus[1].verify_checksum() == 1 and hdus[1].verify_datasum() == 1


@pytest.mark.parametrize(
    "key", ["TSCAL1", "tzero1", "TNULL1", "TDIM2", "BSCALE", "BLANK", "THEAP", "CHECKSUM", "TFORM1"]
)
def test_storage_keywords_as_facts_are_refused(tmp_path, key):
    sky = Sky({"DUST": SMOOTH}, {"DUST": "MJy/sr"}, 300.0, {key: 2})
    assert "leave it out" in sentence(write_sky, tmp_path / "a.fits", sky)


def test_facts_of_any_name_and_alphabet_travel(tmp_path):
    facts = {"note": "himmel_größe.fits ½", "a_long_name": 3, "rate": 0.5, "url": "a%20b%41"}
    sky = Sky({"DUST": SMOOTH}, {"DUST": "MJy/sr"}, 300.0, facts)
    assert read_sky(write_sky(tmp_path / "größe.fits", sky)).meta == facts


# --- no value -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form, null", [("J", -9999), ("I", -32768), ("B", 255), ("K", -1)])
def test_tnull(tmp_path, form, null):
    counts = np.round(50 * SMOOTH).astype(int)
    stored = np.where(np.isin(np.arange(NPIX), (7, 900)), null, counts)
    path = table(tmp_path / "a.fits", [("DUST", form, "MJy/sr", stored, {"null": null})])
    values = read_map(path)
    assert np.flatnonzero(np.isnan(values)).tolist() == [7, 900]
    np.testing.assert_allclose(np.delete(values, (7, 900)), np.delete(counts, (7, 900)))
    np.testing.assert_allclose(read_sky(path).maps["DUST"], counts, atol=20)
    if form == "K":
        return  # which astropy cannot scale
    fits.setval(path, "TSCAL1", value=0.1, ext=1)
    fits.setval(path, "TZERO1", value=3.0, ext=1)
    scaled = read_map(path)
    assert np.flatnonzero(np.isnan(scaled)).tolist() == [7, 900]
    np.testing.assert_allclose(np.delete(scaled, (7, 900)), np.delete(counts, (7, 900)) / 10 + 3)


@pytest.mark.parametrize("key", ["BAD_DATA", "BADVAL"])
@pytest.mark.parametrize("where", ["table", "primary"])
@pytest.mark.parametrize("form", ["E", "D"])
@pytest.mark.parametrize("bad", [-1e30, -32768.0, -9999.0, 9.9e33, 0.0, -1.6375e30, -999.25])
def test_bad_data_of_any_value(tmp_path, bad, form, where, key):
    values = SMOOTH.copy()
    values[[7, 900]] = bad
    keyword = {key: bad}
    primary, header = (None, keyword) if where == "table" else (keyword, {})
    path = table(tmp_path / "a.fits", [("DUST", form, "MJy/sr", values)], primary, **header)
    one, other = both(path)
    assert np.flatnonzero(np.isnan(one)).tolist() == [7, 900]
    np.testing.assert_allclose(other, SMOOTH, atol=0.05)


def test_unseen_in_other_clothes_and_infinities(tmp_path):
    values = SMOOTH.copy()
    values[:5] = hp.UNSEEN, -1e30, np.inf, -np.inf, np.nan
    one = read_map(table(tmp_path / "a.fits", [dust(values)]))
    assert np.flatnonzero(np.isnan(one)).tolist() == [0, 1, 2, 3, 4]


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["unknown ", "", "N/A", "UNDEFINED", "?"])
def test_placeholders_say_nothing(tmp_path, nothing):
    path = table(
        tmp_path / "a.fits",
        [("SIGNAL", "E", nothing, SMOOTH)],
        COORDSYS=nothing,
        ORDERING=nothing,
    )
    said = {"frame": "G", "order": "RING", "unit": "K km/s", "to_unit": "mK km/s"}
    np.testing.assert_allclose(read_map(path, **said), 1000 * SMOOTH, rtol=1e-6)
    for word, words in (("frame", "frame"), ("order", "pixel order"), ("unit", "unit")):
        text = sentence(read_map, path, **{k: v for k, v in said.items() if k != word})
        assert f"does not say its {words}" in text
    assert "has no ORDERING" in sentence(read_sky, path)


@pytest.mark.parametrize(
    "word", ["CEL", "celestial", "C", "Q", "EQU", "J2000", "ICRS", "FK5", "Equatorial"]
)
def test_frames_as_people_call_them(tmp_path, word):
    equatorial = in_frame("C")
    for values in both(table(tmp_path / "a.fits", [dust(equatorial)], COORDSYS=word)):
        np.testing.assert_allclose(values, SMOOTH, atol=0.025)
    table(tmp_path / "a.fits", [dust(SMOOTH)], COORDSYS="GAL")
    np.testing.assert_allclose(read_map(tmp_path / "a.fits"), SMOOTH, rtol=1e-6)


def test_what_is_not_understood_is_quoted(tmp_path):
    path = table(tmp_path / "a.fits", [dust(SMOOTH)], COORDSYS="B1950", ORDERING="NUNIQ")
    assert "'NUNIQ'" in sentence(read_map, path)
    assert "'B1950'" in sentence(read_map, path, order="RING")
    np.testing.assert_allclose(read_map(path, order="RING", frame="G"), SMOOTH, rtol=1e-6)
    assert "no frame 'X'" in sentence(read_map, path, order="RING", frame="X")
    assert "'SPIRAL'" in sentence(read_map, path, order="SPIRAL", frame="G")


def test_the_callers_word_wins_with_a_warning(tmp_path, caplog):
    nested = hp.reorder(SMOOTH, r2n=True)
    path = table(tmp_path / "a.fits", [dust(nested)], ORDERING="RING", COORDSYS="C")
    values = read_map(path, order="NESTED", frame="G")
    np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)
    assert "pixel order is RING; NESTED was asked for" in caplog.text


@pytest.mark.parametrize("placeholder", [None, "unknown"])
def test_keywords_in_the_primary_header(tmp_path, placeholder):
    """As LAMBDA writes them."""
    equatorial = in_frame("E")
    path = table(
        tmp_path / "a.fits",
        [dust(hp.reorder(equatorial, r2n=True))],
        {"SKYCOORD": "Ecliptic", "ORDERING": "NESTED", "NSIDE": N, "FWHM": 300.0},
        **{key: placeholder for key in ("COORDSYS", "ORDERING")},
        **dict.fromkeys(("NSIDE", "FWHM", "PIXTYPE")),
    )
    for values in both(path):
        np.testing.assert_allclose(values, SMOOTH, atol=0.025)


# --- files as they come ---------------------------------------------------------------------------


def test_a_file_without_its_last_padding(tmp_path):
    path = table(tmp_path / "a.fits", [dust(SMOOTH)])
    whole = path.read_bytes()
    end = 2 * 2880 + 4 * NPIX
    for length in (end, end + 1, len(whole) - 1, len(whole) + 1):
        path.write_bytes(whole[:length].ljust(length, b"\n"))
        for values in both(path):
            np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)
    path.write_bytes(gzip.compress(whole[:end]))  # and .gz by its content
    np.testing.assert_allclose(read_map(path), SMOOTH, rtol=1e-6)
    path.write_bytes(whole[: end - 1])
    assert "damaged" in sentence(read_map, path)
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(whole)  # unpacked by the server
    np.testing.assert_allclose(read_map(packed), SMOOTH, rtol=1e-6)


def test_a_flipped_bit_in_our_own_files_is_seen(tmp_path):
    sky = Sky({"DUST": SMOOTH}, {"DUST": "MJy/sr"}, 300.0, {"seed": 3})
    path = write_sky(tmp_path / "a.fits", sky)
    whole = path.read_bytes()
    assert whole == write_sky(tmp_path / "b.fits", sky).read_bytes()  # the same at any time of day
    for at in (3 * 2880, len(whole) - 3000, whole.find(b"300.0")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "a byte has changed" in sentence(read_sky, path)
        assert "a byte has changed" in sentence(read_map, path)
    path.write_bytes(gzip.compress(whole))
    np.testing.assert_allclose(read_sky(path).maps["DUST"], SMOOTH, rtol=1e-6)
    path.write_bytes(whole)
    fits.setval(path, "SEED", value=4, ext=1)  # astropy takes the sums anew
    assert read_sky(path).meta == {"seed": 4}


def test_sums_of_strangers_are_believed_with_a_warning(tmp_path, caplog):
    """Many programs change a header and leave its CHECKSUM; neither sum travels on."""
    wrong = {"CHECKSUM": "0123456789abcdef", "DATASUM": "12345"}
    path = table(tmp_path / "a.fits", [dust(SMOOTH)], **wrong)
    for values in both(path):
        np.testing.assert_allclose(values, SMOOTH, rtol=1e-6)
    assert "changed after its CHECKSUM" in caplog.text
    again = write_sky(tmp_path / "b.fits", read_sky(path))
    caplog.clear()
    np.testing.assert_allclose(read_sky(again).maps["DUST"], SMOOTH, rtol=1e-6)
    assert not caplog.text and fits.getheader(again, 1)["CHECKSUM"] != wrong["CHECKSUM"]
