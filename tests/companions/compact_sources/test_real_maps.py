"""The tool on real maps, with sources of known flux put in (skipped where there are none)."""

import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.companions.compact_sources import io, photometry, removal, tool
from tests.companions.compact_sources import toy

#: File, width of the beam, value that stands for no data, and its unit.
MAPS = [
    ("L1642_Herschel_PSW250.fits", "18.2arcsec", 0.0, "MJy/sr"),
    ("gc_bolocam_gps.fits", None, None, "Jy/Beam"),
    ("W5_WISE12um.fits", "24arcsec", None, ""),
]


@pytest.fixture(params=MAPS, ids=lambda row: row[0])
def real(request, real_data):
    name, fwhm, blank, unit = request.param
    path = real_data / "regions" / name
    if not path.exists():
        pytest.skip(f"no {name} in {path.parent}")
    image = io.read_image(path, blank=blank)
    assert image.unit == unit
    return path, image, io.beam_px(image, fwhm), blank


def test_injected_sources(real, tmp_path):
    path, image, fwhm_px, _ = real
    rng = np.random.default_rng(4)
    good = np.argwhere(np.isfinite(image.values[20:-20, 20:-20])) + 20
    y, x = good[rng.choice(len(good), 30, replace=False)].T + rng.uniform(-0.5, 0.5, (2, 30))
    rms = removal.Field(image.values, x, y, fwhm_px).rms
    flux = rms * 10 ** rng.uniform(1, 3, 30)
    values = image.values.copy()
    values = toy.add(values, x, y, flux, fwhm_px)
    parts = {**vars(image), "values": values}
    result = tool.remove_sources(
        io.Image(**parts), np.stack([x, y], axis=1), fwhm=fwhm_px, engine=toy.annulus,
        progress=False,
    )  # fmt: skip
    same = ~result.mask & np.isfinite(values)
    assert (result.image[same] == values[same]).all()
    assert (np.isnan(result.image) == np.isnan(image.values)).all()
    factor, unit = photometry.per_peak(image.unit, fwhm_px, image.pixel_arcsec, image.beam_px)
    assert unit == ("Jy" if image.unit else "")
    alone = np.array(["blend" not in words for words in result.table["flags"]])
    off = np.abs(result.table["flux"] / factor - flux) / rms
    assert np.nanmedian(off[alone]) < 1.5  # a median of the ring is no good background
    tool.write(result, tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as hdus:
        before = fits.getheader(path)
        for key in ("CRVAL1", "CRPIX2", "CTYPE1"):
            assert hdus["SOURCES"].header[key] == before[key]


def test_detected_sources(real):
    path, image, fwhm_px, blank = real
    result = tool.remove_sources(
        path, fwhm=fwhm_px, blank=blank, engine=toy.annulus, progress=False
    )
    assert 5 < len(result.table) < 2000
    assert not any("outside" in words for words in result.table["flags"])
    assert result.mask.mean() < 0.1
