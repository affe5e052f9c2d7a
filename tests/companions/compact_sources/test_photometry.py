"""Units as files spell them, what they are in Jy, and apertures."""

import numpy as np
import pytest
from astropy import units as u

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.photometry import aperture_fluxes, parse_unit, per_peak

AREA = np.pi / (4 * np.log(2)) * 16


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Jy/beam", u.Jy / u.beam), ("Jy/Beam", u.Jy / u.beam), ("JY/BEAM", u.Jy / u.beam),
        ("jy beam-1", u.Jy / u.beam), ("mJy/beam", u.mJy / u.beam), ("Jy per beam", u.Jy / u.beam),
        ("MJy/sr", u.MJy / u.sr), ("MJY/SR", u.MJy / u.sr), ("MJy sr-1", u.MJy / u.sr),
        ("Jy/pixel", u.Jy / u.pix), ("mJy/arcsec2", u.mJy / u.arcsec**2), ("K", u.K),
        ("KELVIN", u.K), ("mK", u.mK), ("K km/s", u.K * u.km / u.s), ("DN", u.DN),
        ("counts", u.ct), ("DN/s", u.DN / u.s), ("", u.dimensionless_unscaled),
    ],
)  # fmt: skip
def test_spellings(text, unit):
    assert parse_unit(text).is_equivalent(unit)
    assert parse_unit(text).to(unit) == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["furlong/fortnight", "m", "mag", "mag/arcsec2", "Jy", "Fluxes",
                                  "MJY/BEAM", "5 + 3", "deg"])  # fmt: skip
def test_what_is_no_brightness(text):
    with pytest.raises(CoganError, match="unit"):
        parse_unit(text)


def test_peaks_in_jansky():
    pixel = 6.0
    steradian = (pixel / 3600 * np.pi / 180) ** 2
    assert per_peak("mJy/beam", 4.0, None, None) == (pytest.approx(1e-3), "Jy")
    assert per_peak("MJy/sr", 4.0, pixel, None) == (pytest.approx(1e6 * steradian * AREA), "Jy")
    assert per_peak("mJy/pix", 4.0, None, None) == (pytest.approx(1e-3 * AREA), "Jy")
    # smoothed after its header was written: more pixels count towards the same beam
    assert per_peak("Jy/beam", 4.0, pixel, 2.0) == (pytest.approx(4.0), "Jy")
    assert per_peak("MJy/sr", 4.0, None, None) == (1.0, "MJy/sr")
    assert per_peak("K", 4.0, pixel, None) == (1.0, "K")
    assert per_peak("", 4.0, pixel, None) == (1.0, "")


def test_apertures_are_corrected_for_the_beam_and_for_gaps():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(47.5, 48.5, size=(2, 5))
    above = np.stack([7 * Beam("gaussian", 4.0).image(96, *at) for at in zip(x, y, strict=True)])
    np.testing.assert_allclose(aperture_fluxes(above, x, y, 4.0), 7.0, rtol=1e-6)
    above[1, 46, 44:50] = np.nan
    above[2, :, 46:] = np.nan
    found = aperture_fluxes(above, x, y, 4.0)
    np.testing.assert_allclose(found[[0, 1, 3, 4]], 7.0, rtol=1e-6)
    assert np.isnan(found[2])
