"""Regions by hand: a shell's brightness, flux, beam, turbulence, noise and the fixed scaling."""

import numpy as np
import pytest
import torch
from scipy import fft

from cogan_lib.base.files import CoganError
from cogan_lib.companions.hii_regions import physics
from cogan_lib.companions.hii_regions.physics import NOISE, RANGES, SIDE


def rng(seed=1):
    return np.random.default_rng(seed)


def plain(n, radius, thickness=0.5, ellipticity=0.0, asymmetry=0.0):
    return np.tile([radius, thickness, ellipticity, asymmetry], (n, 1))


@pytest.fixture
def calm(monkeypatch):
    """Neither lumps nor scatter, and centres that are the image's."""
    for name in ("TURBULENCE", "SCATTER", "JITTER_PX"):
        monkeypatch.setattr(physics, name, 0.0)


@pytest.mark.parametrize("thickness", [0.1, 0.4, 1.0])
def test_a_shell_has_mean_one_and_its_limb_at_the_hollow_s_edge(thickness):
    u = (np.arange(200_000) + 0.5) / 200_000
    profile = physics.limb_profile(u, thickness)
    assert (2 * u * profile).mean() == pytest.approx(1, rel=1e-4)
    if thickness < 1:
        assert u[profile.argmax()] == pytest.approx(1 - thickness, abs=1e-4)
    # Gas along the line through the centre: thickness on either side, sphere less hollow.
    assert profile[0] == pytest.approx(thickness / (2 / 3 * (1 - (1 - thickness) ** 3)), rel=1e-3)


def test_flux_is_brightness_times_area_whatever_the_shape(calm):
    for shapes in (plain(3, 12.0), plain(3, 12.0, 0.2, 0.4, 0.7)):
        flux = physics.regions(3, rng(), shapes).sky.sum((1, 2))
        np.testing.assert_allclose(flux, np.pi * 12**2, rtol=0.03)


def test_an_ellipse_has_its_axes_and_one_side_is_brighter(calm):
    shapes = plain(200, 14.0, 0.9, 0.4, 0.6)
    sky = physics.regions(200, rng(3), shapes).sky.astype(float)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    light = sky / sky.sum((1, 2), keepdims=True)
    centre = np.array([(light * axis).sum((1, 2)) for axis in (x, y)])
    assert (np.hypot(*centre) > 0.5).all()
    directions = np.arctan2(centre[1], centre[0])
    assert np.hypot(np.cos(directions).mean(), np.sin(directions).mean()) < 0.2
    even = physics.regions(200, rng(3), plain(200, 14.0, 0.9, 0.4, 0.0)).sky.astype(float)
    light = even / even.sum((1, 2), keepdims=True)
    xx, yy, xy = ((light * p * q).sum((1, 2)) for p, q in ((x, x), (y, y), (x, y)))
    split = np.hypot((xx - yy) / 2, xy)
    # The beam adds its own variance to both axes.
    beam = (3.0**2) / (8 * np.log(2))
    ratio = np.sqrt(((xx + yy) / 2 - split - beam) / ((xx + yy) / 2 + split - beam))
    np.testing.assert_allclose(1 - ratio, 0.4, atol=0.02)


def test_the_beam_takes_what_a_gaussian_takes():
    transfer = physics.beam_transfer()
    assert transfer[0, 0] == 1
    kernel = fft.irfft2(transfer, s=(SIDE, SIDE))
    half = kernel[0, 0] / 2
    assert kernel[0, 1] > half > kernel[0, 2]  # at 1.5 pixels
    assert kernel[1, 1] * kernel[0, 0] == pytest.approx(kernel[0, 1] * kernel[1, 0], rel=1e-4)


def test_turbulence_is_a_power_law_without_the_largest_scales():
    field = physics.turbulence(400, rng())
    assert field.std(axis=(1, 2)) == pytest.approx(1, rel=1e-4)
    power = (np.abs(fft.rfft2(field)) ** 2).mean(0)
    assert power[0, 1] < 1e-6 * power[0, 4] and power[0, 2] < 1e-6 * power[0, 4]
    assert power[0, 16] / power[0, 4] == pytest.approx(4 ** (-11 / 3), rel=0.3)


def test_shapes_are_uniform_and_a_seed_gives_the_same_regions():
    drawn = physics.regions(1000, rng(4))
    for column, (low, high) in zip(drawn.shapes.T, RANGES.values(), strict=True):
        assert low <= column.min() and column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.05 * (high - low))
    assert (drawn.sky >= 0).all() and drawn.sky.dtype == np.float32
    assert drawn.sky[:, [0, -1]].max() < 1e-2  # nothing reaches the edge
    np.testing.assert_array_equal(drawn.sky, physics.regions(1000, rng(4)).sky)


def test_noise_is_the_telescope_s():
    sky = np.ones((50, SIDE, SIDE), np.float32)
    noise = physics.observed(sky, rng()) - sky
    assert noise.std() == pytest.approx(NOISE, rel=0.01) and abs(noise.mean()) < 1e-3


def test_the_scaling_is_inverted_and_tells_bright_from_faint():
    values = torch.linspace(-0.2, 30, 100)
    torch.testing.assert_close(physics.unscaled(physics.scaled(values)), values)
    assert float(physics.scaled(torch.tensor(1e-3))) == pytest.approx(2e-3, rel=1e-4)


@pytest.mark.parametrize(
    ("n", "shapes", "words"),
    [
        (0, None, "at least one"),
        (3, np.zeros((2, 4)), r"\(2, 4\)"),
        (2, np.zeros((2, 3)), "shapes"),
    ],
)
def test_bad_regions_are_a_sentence(n, shapes, words):
    with pytest.raises(CoganError, match=words):
        physics.regions(n, rng(), shapes)


def test_angles_say_where_the_axis_and_the_bright_side_are(calm):
    found = physics.regions(60, rng(5), plain(60, 16.0, 0.9, 0.5, 0.8))
    y, x = np.indices(found.sky.shape[1:]) - (physics.SIDE - 1) / 2
    weight = found.sky / found.sky.sum((1, 2), keepdims=True)
    turn, bright = found.angles.T
    xx, yy, xy = ((weight * product).sum((1, 2)) for product in (x * x, y * y, x * y))
    axis = np.arctan2(2 * xy, xx - yy) / 2
    assert np.median(np.abs(np.sin(axis - turn))) < 0.05
    moment = (weight * x).sum((1, 2)), (weight * y).sum((1, 2))
    along = moment[0] * np.cos(turn) + moment[1] * np.sin(turn)
    across = moment[1] * np.cos(turn) - moment[0] * np.sin(turn)
    assert np.corrcoef(along, np.cos(bright))[0, 1] > 0.99
    assert np.corrcoef(across, np.sin(bright))[0, 1] > 0.99
