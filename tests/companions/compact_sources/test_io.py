"""Images in, results out: HDUs, WCS, units and beams, and what the written files say."""

import hashlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from cogan_lib.companions.compact_sources import io, tool
from cogan_lib.companions.compact_sources.__main__ import main
from tests.companions.compact_sources import toy


@pytest.fixture
def command(monkeypatch):
    """The command line, with an engine called toy."""
    name = "cogan_lib.companions.compact_sources.engines"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(ENGINES={"toy": toy.annulus}))
    return lambda *words: main([*map(str, words), "--engine", "toy"])


def write_places(folder, x, y, shape=(200, 240)):
    places = toy.wcs(shape).pixel_to_world(x, y)
    Table({"name": [f"S{i}" for i in range(len(x))], "RA": places.ra.deg, "Dec": places.dec.deg}
          ).write(folder / "cat.csv")  # fmt: skip
    return folder / "cat.csv"


def test_the_command_writes_a_map_and_a_table(tmp_path, command):
    image, x, y, flux = toy.sky()
    image[:, :5] = np.nan
    path = toy.write_map(tmp_path / "map.fits", image, OBJECT="test field")
    catalogue = write_places(tmp_path, x, y)
    assert command(path, "--catalogue", catalogue, "--fwhm", "24arcsec") == 0
    with fits.open(tmp_path / "map_cleaned.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == list(io.EXTENSIONS)
        cleaned, taken, mask = (hdu.data for hdu in hdus[1:])
        for hdu in hdus[1:]:
            at = WCS(hdu.header).pixel_to_world_values(10, 20)
            np.testing.assert_allclose(at, toy.wcs().pixel_to_world_values(10, 20))
            assert hdu.header["OBJECT"] == "test field" and hdu.header["ENGINE"] == "toy"
            assert hdu.header["NSOURCES"] == 6 and hdu.header["FWHMPX"] == 4.0
        assert [hdu.header.get("BUNIT") for hdu in hdus[1:]] == ["MJy/sr", "MJy/sr", None]
        said = "".join(hdus["IMAGE"].header["HISTORY"])
    for used in (path, catalogue):
        assert hashlib.sha256(used.read_bytes()).hexdigest() in said
    assert "commit" in said and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
    same = (mask == 0) & np.isfinite(image)
    assert (cleaned[same] == image[same]).all() and np.isnan(cleaned[:, :5]).all()
    np.testing.assert_allclose((cleaned + taken)[:, 5:], image[:, 5:], rtol=1e-6)

    table = Table.read(tmp_path / "map_cleaned.ecsv")
    assert list(table["id"]) == [f"S{i}" for i in range(6)]
    assert table["flux"].unit == u.Jy and table["rms"].unit == u.MJy / u.sr
    area = (np.pi / (4 * np.log(2)) * (24 * u.arcsec) ** 2).to_value(u.sr)
    np.testing.assert_allclose(table["flux"], flux * 1e6 * area, rtol=0.1)
    places = toy.wcs().pixel_to_world(x, y)
    np.testing.assert_allclose(table["ra"], places.ra.deg, atol=1e-5)
    assert table.meta["provenance"]["git_commit"] and table.meta["image"]["hdu"] == "PRIMARY"
    assert not list(tmp_path.glob(".*"))


def test_names_that_a_header_cannot_spell(tmp_path, command):
    image, x, y, _ = toy.sky()
    catalogue = write_places(tmp_path, x, y).rename(tmp_path / "für.csv")
    path = toy.write_map(tmp_path / "map.fits", image)
    command(path, "--catalogue", catalogue, "--fwhm", "4", "--out", tmp_path / "Ä.fits")
    assert Table.read(tmp_path / "Ä.ecsv").meta["catalogue"] == "für.csv"


def test_earlier_results_are_replaced_only_when_asked(tmp_path, command):
    image, x, y, _ = toy.sky()
    path = toy.write_map(tmp_path / "map.fits", image)
    words = (path, "--catalogue", write_places(tmp_path, x, y), "--fwhm", "4pix")
    command(*words, "--out", tmp_path / "sub" / "out.fits.gz")
    with pytest.raises(ValueError, match="is there already"):
        command(*words, "--out", tmp_path / "sub" / "out.fits.gz")
    command(*words, "--out", tmp_path / "sub" / "out.fits.gz", "--overwrite")
    assert {p.name for p in (tmp_path / "sub").iterdir()} == {"out.fits.gz", "out.ecsv"}
    with pytest.raises(ValueError, match="would replace the image"):
        command(*words, "--out", path, "--overwrite")


@pytest.mark.parametrize("kind", ["plain", "extension", "compressed", "degenerate", "integers"])
def test_where_the_image_may_be(tmp_path, kind):
    image, *_ = toy.sky()
    header, path = toy.wcs().to_header(), tmp_path / "map.fits"
    header["BUNIT"] = "K"
    values = image
    if kind == "degenerate":
        values = image[None, None]
        header.update(WCSAXES=4, CTYPE3="FREQ", CRVAL3=1e11, CRPIX3=1.0, CDELT3=1e6, CUNIT3="Hz",
                      CTYPE4="STOKES", CRVAL4=1.0, CRPIX4=1.0, CDELT4=1.0)  # fmt: skip
    if kind == "integers":
        values = np.rint(np.minimum(image, 300) * 100).astype(np.int16)
    hdus = [fits.PrimaryHDU()]
    table = fits.BinTableHDU(Table({"a": [1, 2]}))
    if kind == "extension":
        hdus += [table, fits.ImageHDU(np.zeros((5, 6, 7))), fits.ImageHDU(values, header, name="S")]
    elif kind == "compressed":
        hdus += [fits.CompImageHDU(values, header, quantize_level=0, compression_type="GZIP_1")]
    elif kind == "integers":
        primary = fits.PrimaryHDU(values, header)
        primary.header["BSCALE"], primary.header["BLANK"] = 0.01, -32768
        primary.data[:3] = -32768
        hdus = [primary]
    else:
        hdus = [fits.PrimaryHDU(values, header)]
    fits.HDUList(hdus).writeto(path)
    found = io.read_image(path)
    assert found.values.shape == image.shape and found.unit == "K" and found.wcs.naxis == 2
    np.testing.assert_allclose(found.wcs.pixel_to_world_values(3, 4),
                               toy.wcs().pixel_to_world_values(3, 4))  # fmt: skip
    assert found.pixel_arcsec == pytest.approx(6.0, rel=1e-3)
    if kind == "integers":
        np.testing.assert_allclose(found.values[3:], np.minimum(image, 300)[3:], atol=0.006)
    else:
        assert (found.values == image).all()
    result = tool.remove_sources(found, [[50, 50]], fwhm=4, engine=toy.annulus, progress=False)
    tool.write(result, tmp_path / "out.fits")
    again = io.read_image(tmp_path / "out.fits")
    assert again.values.shape == image.shape and again.unit == "K"
    np.testing.assert_allclose(again.wcs.pixel_to_world_values(3, 4),
                               toy.wcs().pixel_to_world_values(3, 4))  # fmt: skip


def test_the_beam(tmp_path):
    image, *_ = toy.sky()
    path = toy.write_map(tmp_path / "m.fits", image, "Jy/Beam", BMAJ=25 / 3600, BMIN=23.04 / 3600)
    found = io.read_image(path)
    assert io.beam_px(found) == pytest.approx(4.0, rel=1e-3)
    for said in ("18arcsec", "0.3 arcmin", 18 * u.arcsec):
        assert io.beam_px(found, said) == pytest.approx(3.0, rel=1e-3)
    for said in (3, 3.0, "3", "3pix", np.float32(3), 3 * u.pix):
        assert io.beam_px(found, said) == 3.0


def test_zeros_may_stand_for_no_data(tmp_path, caplog):
    image, *_ = toy.sky()
    image[:, :40] = 0
    path = toy.write_map(tmp_path / "m.fits", image)
    assert np.isfinite(io.read_image(path).values).all() and "exactly 0" in caplog.text
    caplog.clear()
    assert np.isnan(io.read_image(path, blank=0).values[:, :40]).all() and not caplog.text


def test_no_unit_is_said_and_another_may_be_given(tmp_path, caplog):
    path = toy.write_map(tmp_path / "m.fits", toy.sky()[0], unit=None)
    assert io.read_image(path).unit == "" and "no BUNIT" in caplog.text
    assert io.read_image(path, unit="mJy/beam").unit == "mJy/beam"
