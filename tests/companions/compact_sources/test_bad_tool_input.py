"""What the tool refuses: one sentence each, before the engine is called or a file is written."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources.__main__ import main
from cogan_lib.companions.compact_sources.tool import remove_sources
from tests.companions.compact_sources import toy

IMAGE = toy.sky()[0]
SKY = Table({"ra": [80.0], "dec": [-20.0]})


def changed(**parts):
    """Arguments of the tool, all good but for some."""
    image = parts.pop("image", IMAGE)
    if callable(image):
        image = image(IMAGE.copy())
    given = {"catalogue": [[50, 50]], "fwhm": 4.0, "engine": toy.never, "progress": False}
    return (image,), given | parts


def with_value(value):
    def made(image):
        image[3, 4] = value
        return image

    return made


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"catalogue": SKY}, "no WCS"),
        ({"fwhm": "18arcsec"}, "no WCS"),
        ({"unit": "kg"}, "no brightness"),
        ({"unit": "blorg/beam"}, "is unknown"),
        ({"image": np.full((100, 100), np.nan)}, "no data"),
        ({"image": with_value(np.inf)}, "infinite"),
        ({"image": np.zeros((5, 100, 100))}, "3 axes"),
        ({"image": np.zeros((100, 100), complex)}, "complex"),
        ({"image": np.full((100, 100), "a")}, "not real numbers"),
        ({"image": IMAGE[:90]}, "less than a cut-out"),
        ({"catalogue": SKY, "wcs": toy.wcs(centre=(10, 50))}, "outside the image"),
        ({"catalogue": [[-50, 3], [4, 1e6]]}, "outside the image"),
        ({"catalogue": Table({"flux": [1.0]})}, "no positions"),
        ({"catalogue": Table({"x": [], "y": []})}, "no sources"),
        ({"catalogue": [1, 2, 3]}, "pairs"),
        ({"catalogue": Table({"x": ["a"], "y": ["b"]})}, "no numbers"),
        ({"catalogue": Table({"ra": ["a"], "dec": ["b"]}), "wcs": toy.wcs()}, "no places"),
        ({"catalogue": Table({"ra": [8.0], "dec": [95.0]}), "wcs": toy.wcs()}, "beyond 90"),
        ({"catalogue": None, "image": np.ones((100, 100))}, "lower the threshold"),
        ({"catalogue": None, "threshold": -1.0}, "threshold"),
        ({"fwhm": None}, "beam is unknown"),
        ({"fwhm": 1.5}, "at least 2"),
        ({"fwhm": -3.0}, "positive"),
        ({"fwhm": np.nan}, "positive"),
        ({"fwhm": "wide"}, "no width"),
        ({"fwhm": "3 Jy"}, "no width"),
        ({"fwhm": 30.0}, "rebin"),
        ({"engine": "best"}, "no engine 'best'"),
    ],
)
def test_refused(parts, said, monkeypatch):
    name = "cogan_lib.companions.compact_sources.engines"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(ENGINES={"toy": toy.never}))
    image, settings = changed(**parts)
    with pytest.raises(CoganError, match=said) as caught:
        remove_sources(*image, **settings)
    sentence(caught.value)


def sentence(error):
    text = str(error)
    assert "\n" not in text and text.endswith(".") and len(text) < 300


def files(tmp_path):
    """A map, and some that are none."""
    toy.write_map(tmp_path / "map.fits", IMAGE)
    toy.write_map(tmp_path / "cube.fits", np.stack([IMAGE] * 3))
    toy.write_map(tmp_path / "unit.fits", IMAGE, unit="s")
    flat = toy.wcs().to_header()
    flat["CDELT2"] *= 1.5
    fits.PrimaryHDU(IMAGE, flat).writeto(tmp_path / "flat.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(SKY)]).writeto(tmp_path / "table.fits")
    (tmp_path / "text.fits").write_text("<html>not found</html>", "utf-8")
    (tmp_path / "cut.fits").write_bytes((tmp_path / "map.fits").read_bytes()[:20000])
    SKY.write(tmp_path / "cat.csv")
    (tmp_path / "bad.csv").write_bytes(bytes(range(256)))
    (tmp_path / "old.fits").write_text("old", "utf-8")
    return {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("missing.fits", "There is no FITS image"),
        ("text.fits", "no FITS image"),
        ("cut.fits", "damaged"),
        ("table.fits", "no 2D image"),
        ("cube.fits", "240 x 200 x 3"),
        ("unit.fits", "no brightness"),
        ("flat.fits", "square"),
        ("map.fits --catalogue none.csv --fwhm 4", "There is no catalogue"),
        ("map.fits --catalogue bad.csv --fwhm 4", "catalogue"),
        ("map.fits --catalogue cat.csv --fwhm 5arcsec", "at least 2"),
        ("map.fits --catalogue cat.csv", "beam is unknown"),
        ("map.fits --catalogue cat.csv --fwhm 24arcsec --engine best", "no engine"),
        ("map.fits --catalogue cat.csv --fwhm 24arcsec --out old.fits", "--overwrite"),
        ("map.fits --catalogue cat.csv --fwhm 24arcsec --out map.fits", "would replace the image"),
        ("map.fits --catalogue cat.csv --fwhm 24arcsec --out out.txt", "ends in .fits"),
        ("map.fits --catalogue cat.csv --fwhm 24arcsec --unit parsec", "no brightness"),
    ],
)
def test_refused_on_the_command_line(words, said, tmp_path, monkeypatch):
    name = "cogan_lib.companions.compact_sources.engines"
    fake = SimpleNamespace(ENGINES={"toy": toy.never})
    monkeypatch.setitem(sys.modules, name, fake)
    before = files(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = words.split()
    if "--engine" not in arguments:
        arguments += ["--engine", "toy"]
    with pytest.raises(CoganError, match=said) as caught:
        main(arguments)
    sentence(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "old.fits").read_text("utf-8") == "old"
