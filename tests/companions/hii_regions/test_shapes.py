"""Shapes are measured where they are known: by value, in the presence of lumps and noise."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.hii_regions import physics, shapes
from cogan_lib.companions.hii_regions.physics import SHAPES, SIDE


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(2)
    drawn = physics.regions(1500, rng)
    return drawn.shapes, shapes.shape_numbers(physics.observed(drawn.sky, rng))


@pytest.mark.parametrize(
    ("name", "bias", "scatter"),
    [
        ("radius", 0.3, 0.6),
        ("thickness", 0.05, 0.15),
        ("ellipticity", 0.03, 0.04),
        ("asymmetry", 0.05, 0.17),
    ],
)
def test_measured_shapes_are_the_real_ones(measured, name, bias, scatter):
    real, found = (some[:, SHAPES.index(name)] for some in measured)
    assert abs(np.mean(found - real)) < bias
    assert np.std(found - real) < scatter
    assert np.corrcoef(found, real)[0, 1] > (0.95 if name in ("radius", "ellipticity") else 0.75)


def test_no_number_is_taken_for_another(measured):
    real, found = measured
    table = np.corrcoef(real.T, found.T)[:4, 4:]
    assert (np.abs(table).argmax(axis=0) == np.arange(4)).all()


def test_orientation_and_brightness_do_not_matter(measured):
    rng = np.random.default_rng(3)
    images = physics.observed(physics.regions(20, rng).sky, rng)
    found = shapes.shape_numbers(images)
    np.testing.assert_allclose(shapes.shape_numbers(np.rot90(images, 1, (1, 2))), found, atol=1e-3)
    np.testing.assert_allclose(shapes.shape_numbers(images[:, :, ::-1]), found, atol=1e-3)
    np.testing.assert_allclose(shapes.shape_numbers(2 * images), found, atol=0.3)


def test_the_ratio_of_middle_and_limb_is_that_of_the_profile():
    u = (np.arange(100_000) + 0.5) / 100_000
    for thickness in (0.1, 0.3, 0.6, 1.0):
        profile = 2 * u * physics.limb_profile(u, thickness)
        ratio = profile[u < 0.5].sum() / 0.25 / (profile[u >= 0.5].sum() / 0.75)
        assert shapes.middle_over_limb(thickness) == pytest.approx(ratio, rel=1e-3)
    assert (np.diff(shapes.middle_over_limb(shapes.TABLE)) > 0).all()


def test_an_empty_image_has_no_shape():
    assert not shapes.shape_numbers(np.zeros((2, SIDE, SIDE))).any()
    noise = physics.observed(np.zeros((20, SIDE, SIDE)), np.random.default_rng(1))
    assert np.mean(shapes.shape_numbers(noise)[:, 0] == 0) > 0.9


@pytest.mark.parametrize("images", [np.zeros((SIDE, SIDE)), np.full((1, SIDE, SIDE), np.nan)])
def test_what_is_no_image_is_refused(images):
    with pytest.raises(CoganError, match="finite images"):
        shapes.shape_numbers(images)
