"""Beams: peak, width, elongation, angle and area, measured on their images."""

import numpy as np
import pytest
from scipy.special import j0, j1

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import beams
from cogan_lib.companions.compact_sources.beams import BEAMS, Beam


@pytest.mark.parametrize("kind", BEAMS)
def test_the_peak_is_one_and_where_it_was_put(kind):
    beam = Beam(kind, 4.0)
    assert beam.image(31, 15, 12)[12, 15] == beam.image(31, 15, 12).max() == pytest.approx(1)
    between = beam.image(31, 15.5, 12)
    assert between[12, 15] == pytest.approx(between[12, 16])
    assert beam.profile(0.0) == pytest.approx(1)


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("fwhm_px", [4.0, 41.3])
def test_half_of_the_peak_is_at_half_the_fwhm(kind, fwhm_px):
    row = Beam(kind, fwhm_px).image(401, 200, 200)[200, 200:]
    fine = np.linspace(0, 60, 60001)
    profile = Beam(kind, fwhm_px).profile(fine)
    assert 2 * fine[np.argmax(profile < 0.5)] == pytest.approx(fwhm_px, abs=3e-3)
    np.testing.assert_allclose(row[:60], Beam(kind, fwhm_px).profile(np.arange(60)))


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 90.0, 150.0])
def test_elongation_and_angle_of_what_is_above_one_half(kind, angle_deg):
    image = Beam(kind, 60.0, elongation=1.3, angle_deg=angle_deg).image(201, 100, 100)
    y, x = np.nonzero(image > 0.5)
    values, vectors = np.linalg.eigh(np.cov(x, y))
    assert np.sqrt(values[1] / values[0]) == pytest.approx(1.3, rel=5e-3)
    found = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    assert (found - angle_deg + 90) % 180 - 90 == pytest.approx(0, abs=1)
    assert len(x) == pytest.approx(np.pi * 30**2, rel=5e-3)  # the mean width is kept


@pytest.mark.parametrize("elongation", [1.0, 1.2])
def test_the_area_is_the_sum_of_the_pixels(elongation):
    beam = Beam("gaussian", 4.0, elongation, 20.0)
    assert beam.area_px == pytest.approx(1.1330900354567985 * 16)
    assert beam.image(81, 40.3, 39.6).sum() == pytest.approx(beam.area_px, rel=1e-6)
    beam = Beam("moffat", 4.0, elongation, 20.0)
    assert beam.image(601, 300.3, 299.6).sum() == pytest.approx(beam.area_px, rel=1e-5)


def test_the_airy_beam_encloses_what_its_closed_form_says():
    beam, radius = Beam("airy", 6.0), 150
    near = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    v = 2 * beams.AIRY_HALF / 6.0 * radius
    share = 1 - j0(v) ** 2 - j1(v) ** 2
    total = beam.image(2 * radius + 1, radius, radius)[near].sum()
    assert total == pytest.approx(beam.area_px * share, rel=1e-3)
    assert (2 * j1(beams.AIRY_HALF) / beams.AIRY_HALF) ** 2 == pytest.approx(0.5, abs=1e-8)


def test_many_positions_give_the_images_of_each():
    beam, x, y = Beam("moffat", 3.0, 1.1, 40), np.array([5.2, 7.0]), np.array([6.1, 4.4])
    both = beam.image(12, x, y)
    for one, at in zip(both, zip(x, y, strict=True), strict=True):
        np.testing.assert_array_equal(one, beam.image(12, *at))


def test_a_distorted_beam_is_the_beam_of_that_shape():
    """A wider beam, elsewhere; one along the axes; one along a diagonal: drawn both ways."""
    beam = Beam("gaussian", 4.0)
    dx, dy = np.broadcast_arrays(np.arange(21) - 10.0, np.arange(21)[:, None] - 10.0)
    shapes = np.array([[np.log(1.1), 0, 0, 0.3, -0.2], [0, 0.05, 0, 0, 0], [0, 0, 0.05, 0, 0]])
    found = beam.distorted(dx, dy, shapes[:, None, None])
    long = np.exp(0.1)
    same = [
        Beam("gaussian", 4.4).image(21, 10.3, 9.8),
        Beam("gaussian", 4.0, long).image(21, 10, 10),
        Beam("gaussian", 4.0, long, 45).image(21, 10, 10),
    ]
    np.testing.assert_allclose(found, same, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("box", 4.0), "may be gaussian, airy, moffat"),
        (("gaussian", 1.9), "at least 2 pixels per FWHM"),
        (("gaussian", -4.0), "at least 2 pixels per FWHM"),
        (("airy", np.nan), "at least 2 pixels per FWHM"),
        (("airy", np.inf), "at least 2 pixels per FWHM"),
        (("airy", 4.0, 0.9), "long over the short axis"),
        (("airy", 4.0, 1.1, np.nan), "long over the short axis"),
    ],
)
def test_bad_beams(given, sentence):
    with pytest.raises(CoganError, match=sentence):
        Beam(*given)
