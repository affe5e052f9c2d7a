"""Files of several parts with the same columns: the part that was asked for, or one sentence."""

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.sky import prepare
from cogan_lib.sky.fetch import products
from cogan_lib.sky.skyfile import read_map, read_sky

N = 16
THETA, PHI = hp.pix2ang(N, np.arange(12 * N**2))
SMOOTH = 2 + np.cos(THETA) + 0.5 * np.sin(THETA) * np.cos(PHI)
HEADER = {"PIXTYPE": "HEALPIX", "ORDERING": "RING", "COORDSYS": "G", "NSIDE": N, "FWHM": 300.0}


def sentence(read, *arguments, **options):
    with pytest.raises(CoganError) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def commander(path, *factors, first=None):
    hdus = [fits.PrimaryHDU()]
    for line, factor in zip(("co10", "co21", "co32"), factors, strict=False):
        fields = [
            fits.Column(name, "E", "K_RJ km/s", array=scale * factor * SMOOTH)
            for name, scale in (("I_ML", 1.0), ("I_MEAN", 1.1), ("I_RMS", 0.1))
        ]
        hdus.append(fits.BinTableHDU.from_columns(fields, name=f"COMP-MAP-{line}"))
        hdus[-1].header.update(HEADER)
    if first is not None:
        hdus.insert(1, first)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def test_another_line_is_never_returned(tmp_path):
    path = commander(tmp_path / "commander.fits", 1.0, 2.0, 3.0)
    for column in (None, 0, "I_ML"):
        text = sentence(read_map, path, column=column)
        assert "COMP-MAP-co10" in text.replace("CO10", "co10") and "hdu=" in text
        for number, factor in ((1, 1.0), (2, 2.0), (3, 3.0)):
            values = read_map(path, column=column, hdu=number, to_unit="K km/s")
            np.testing.assert_allclose(values, factor * SMOOTH, rtol=1e-6)
    values = read_map(path, column="I_MEAN", hdu="comp-map-CO21")
    np.testing.assert_allclose(values, 2.2 * SMOOTH, rtol=1e-6)
    assert "no part 'co99'" in sentence(read_map, path, hdu="co99")
    assert "no part 7" in sentence(read_map, path, hdu=7)


def test_a_sky_chooses_its_part(tmp_path):
    """Two parts with the same columns, as of two releases: each by number or name, no guess."""
    hdus = [fits.PrimaryHDU()]
    for name, factor in (("LINE-A", 1.0), ("LINE-B", 3.0)):
        fields = [
            fits.Column(column, "E", unit, array=scale * factor * SMOOTH)
            for column, unit, scale in (
                ("DUST", "MJy/sr", 1.0),
                ("W_CO21", "K km/s", 2.0),
                ("W_CO21_ERR", "K km/s", 0.1),
            )
        ]
        hdus.append(fits.BinTableHDU.from_columns(fields, name=name))
        hdus[-1].header.update({**HEADER, "FWHM": 600.0 * factor})
    path = tmp_path / "two.fits"
    fits.HDUList(hdus).writeto(path)
    for columns in (None, ["W_CO21"], ["DUST", "W_CO21"]):
        text = sentence(read_sky, path, columns)
        assert "LINE-A" in text and "LINE-B" in text and "hdu=" in text
        for hdu, factor in ((1, 1.0), (2, 3.0), ("line-a", 1.0), ("LINE-B", 3.0)):
            sky = read_sky(path, columns, hdu=hdu)
            assert sky.fwhm_arcmin == 600 * factor
            np.testing.assert_allclose(sky.maps["W_CO21"], 2 * factor * SMOOTH, rtol=1e-6)
    assert "no part 3" in sentence(read_sky, path, hdu=3)
    assert "no column N_HI" in sentence(read_sky, path, ["N_HI"], hdu=2)


def test_a_product_chooses_its_part(tmp_path):
    product, names = products()[-1], ["I_ML"]
    path = commander(tmp_path / "commander.fits", 1.0, 2.0, 3.0)
    text = sentence(prepare.read_column, path, product, "W_CO21", names)
    assert "hdus={'W_CO21': ...}" in text and "COMP-MAP-CO21" in text.upper()
    for hdu, factor in ((1, 1.0), ("COMP-MAP-CO21", 2.0), (3, 3.0)):
        values = prepare.read_column(path, product, "W_CO21", names, hdu)
        np.testing.assert_allclose(values, factor * SMOOTH, rtol=1e-6)
    text = sentence(prepare.prepare_sky, tmp_path, N, 600.0, hdus={"W_13CO": 1})
    assert "hdus names W_13CO" in text


def test_the_part_is_the_one_with_the_column(tmp_path):
    beam = fits.BinTableHDU.from_columns([fits.Column("STEP", "E", array=np.ones(5))], name="BEAM")
    path = commander(tmp_path / "a.fits", 2.0, first=beam)
    for column in ("I_ML", None, "i_ml"):
        np.testing.assert_allclose(read_map(path, column=column), 2 * SMOOTH, rtol=1e-6)


def test_a_sky_in_several_parts(tmp_path):
    hdus = [fits.PrimaryHDU()]
    for name, unit in (("DUST", "MJy/sr"), ("N_HI", "cm-2")):
        column = fits.Column(name, "E", unit, array=SMOOTH)
        hdus.append(fits.BinTableHDU.from_columns([column], name=name))
        hdus[-1].header.update(HEADER)
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    text = sentence(read_sky, tmp_path / "a.fits")
    assert "DUST" in text and "N_HI" in text and "one table" in text
    np.testing.assert_allclose(read_sky(tmp_path / "a.fits", ["N_HI"]).maps["N_HI"], SMOOTH, 1e-6)
