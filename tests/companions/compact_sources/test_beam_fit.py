"""Fits through a typical background: against the general one, on noiseless beams, and with gaps."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import beam_fit, masks, truth
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.spectra import covariance

BEAM = Beam("gaussian", 4.0)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(8)
    found = truth.backgrounds(40, rng)
    seen = truth.inject(found, rng, beam=BEAM, snr=(3.0, 3e4))
    return seen, seen.image / seen.rms[:, None, None], np.isfinite(seen.image)


def test_errors_are_a_third_of_the_rms_over_four_decades_of_flux(scene):
    seen, image, known = scene
    found = beam_fit.fit_beams(image, known, seen.x, seen.y, BEAM)
    off = found.flux - seen.flux / seen.rms
    assert np.sqrt(np.mean(off**2)) < 0.45 and abs(np.mean(off)) < 0.15


def test_a_bright_beam_of_any_shape_is_found():
    real = np.array([[0.08, 0.03, -0.02, 0.2, -0.1], [-0.05, 0.0, 0.04, 0.0, 0.3]])
    x, y = np.array([48.2, 47.9]), np.array([48.0, 48.3])
    drawn = beam_fit.BeamFit(np.array([1e4, 1e4]), real).beams((96, 96), x, y, BEAM)
    image = 1e4 * drawn + 3
    found = beam_fit.fit_beams(image, np.ones(image.shape, bool), x, y, BEAM)
    np.testing.assert_allclose(found.shape, real, atol=2e-3)
    np.testing.assert_allclose(found.flux, 1e4, rtol=1e-3)


def test_a_faint_source_is_the_linear_estimate(scene, monkeypatch):
    """With nothing free but the flux: generalised least squares, written out."""
    seen, image, known = scene
    monkeypatch.setattr(beam_fit, "PRIOR", np.full(5, 1e-9))
    found = beam_fit.fit_beams(image, known, seen.x, seen.y, BEAM)
    pixels = np.argwhere(masks.distance(96, 48, 48) <= beam_fit.RADIUS_FWHM * 4.0)
    inverse = np.linalg.inv(covariance(beam_fit.TYPICAL, 4.0, pixels, pixels))
    for i in range(3):
        centre = np.rint([seen.y[i], seen.x[i]]).astype(int) - 48
        at = tuple((pixels + centre).T)
        template = BEAM.image(96, seen.x[i], seen.y[i])[at]
        design = np.column_stack([template, np.ones(len(pixels))])
        best = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ image[i][at])
        assert found.flux[i] == pytest.approx(best[0], rel=1e-6)


def test_pixels_that_are_hidden_have_no_say(scene):
    seen, image, known = (part if i == 0 else part[:4].copy() for i, part in enumerate(scene))
    known[1, 40:47, 50:53] = False
    place = seen.x[:4], seen.y[:4], BEAM
    one = beam_fit.fit_beams(image, known, *place)
    other = beam_fit.fit_beams(np.where(known, image, 1e9), known, *place)
    np.testing.assert_array_equal(one.flux, other.flux)
    whole = beam_fit.fit_beams(image, np.ones(known.shape, bool), *place)
    np.testing.assert_allclose(one.flux[[0, 2, 3]], whole.flux[[0, 2, 3]], rtol=1e-9)
    assert 1e-6 < abs(one.flux[1] - whole.flux[1]) < 2


def test_a_source_without_pixels_is_a_sentence(scene):
    seen, image, known = scene
    with pytest.raises(CoganError, match="fewer than 20 pixels"):
        beam_fit.fit_beams(image, np.zeros_like(known), seen.x, seen.y, BEAM)
