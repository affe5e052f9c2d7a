"""The map's truth: its disc, its arms, its turbulence, and the integral along a ray."""

import numpy as np
import pytest

from cogan_lib.companions.extinction import galaxy as truth
from cogan_lib.companions.extinction import physics


@pytest.fixture(scope="module")
def dust():
    return truth.galaxy(1)


@pytest.fixture(scope="module")
def calm():
    """Without turbulence: disc and arms alone, times the mean of a log-normal's median."""
    waves = np.ones((1, 3))
    return truth.Galaxy(waves, np.zeros(1), np.zeros(1))


def test_an_equal_seed_gives_an_equal_galaxy(dust):
    again, other = truth.galaxy(1), truth.galaxy(2)
    lon, lat = np.array([260.0, 281.0]), np.array([0.0, -2.0])
    np.testing.assert_array_equal(dust.profiles(lon, lat), again.profiles(lon, lat))
    assert np.abs(dust.profiles(lon, lat) - other.profiles(lon, lat)).max() > 0.01


def test_the_disc_falls_with_height_and_radius(calm):
    x, y, z = (np.array(part) for part in ([8.2, 8.2, 8.2], [0.0, 0.0, 0.0], [0.0, 0.12, -0.36]))
    density = calm.density(x, y, z)
    np.testing.assert_allclose(density / density[0], np.exp([0, -1, -3]), rtol=1e-5)
    radius = np.array([3.0, 4.0, 5.0])  # within all arms
    inner = calm.density(radius, 0 * radius, 0 * radius)
    np.testing.assert_allclose(inner[1:] / inner[:-1], np.exp(-1 / 4), rtol=1e-4)


def test_dust_at_the_sun_is_as_much_as_it_says():
    """Between the arms, averaged over many seeds: a log-normal of mean 1, and the arms' wings."""
    seeds = range(300)
    found = np.array([
        truth.galaxy(seed).density(np.array([8.2]), np.array([0.0]), np.array([0.0]))[0]
        for seed in seeds
    ])  # fmt: skip
    wing = sum(np.exp(-0.5 * ((8.2 - r) * np.cos(np.radians(p)) / w) ** 2) for r, p, w in
               truth.ARMS.values())  # fmt: skip
    asked = 0.25 * (1 + 8 * wing)
    assert found.mean() == pytest.approx(
        asked, abs=4 * asked * np.sqrt(np.exp(0.64) - 1) / np.sqrt(300)
    )
    assert np.log(found).std() == pytest.approx(0.8, abs=0.12)


def test_turbulence_has_the_spectrum_of_kolmogorov(dust):
    """Scatter 1 in space as well; its structure function is the integral over k^-11/3 d^3k."""
    rng = np.random.default_rng(1)
    at = rng.uniform(-50, 50, (10_000, 3))

    def field(points):
        return np.cos(points @ dust.waves.T + dust.phases) @ dust.amplitudes

    here = field(at)
    assert here.std() == pytest.approx(1, abs=0.04) and abs(here.mean()) < 0.04
    step = rng.normal(size=at.shape)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    k = np.geomspace(2 * np.pi / 2, 2 * np.pi / 0.2, 4001)
    for lag in (0.05, 0.15, 0.5, 1.0):
        rough = ((field(at + lag * step) - here) ** 2).mean()
        apart = 1 - np.sinc(k * lag / np.pi)
        asked = 2 * np.trapezoid(k**-1.6667 * apart, k) / np.trapezoid(k**-1.6667, k)
        assert rough == pytest.approx(asked, rel=0.12), lag


@pytest.mark.parametrize("arm", list(truth.ARMS))
def test_an_arm_is_brighter_in_its_middle(calm, arm):
    radius, pitch, width = truth.ARMS[arm]
    azimuth = np.radians(np.array([-50.0, -20.0, 10.0]))
    middle = radius * np.exp(-azimuth * np.tan(np.radians(pitch)))
    for apart in (0.0, 1.5 * width, -1.5 * width):
        r = middle + apart / np.cos(np.radians(pitch))
        x, y = r * np.cos(azimuth), r * np.sin(azimuth)
        np.testing.assert_allclose(truth.arm_offset(x, y, arm), apart, atol=1e-9)
        disc = 0.25 * np.exp((8.2 - r) / 4) * np.exp(-0.32)
        contrast = calm.density(x, y, 0 * x) / disc
        if apart:
            assert (contrast < 5.0).all()
        else:
            assert (contrast > 8.99).all() and (contrast < 9.4).all()


def test_offsets_are_distances_to_the_spiral():
    """Against the nearest of many points on it, near the arm."""
    azimuth = np.radians(np.linspace(-90, 60, 200_001))
    r = 7.4 * np.exp(-azimuth * np.tan(np.radians(14.0)))
    rng = np.random.default_rng(1)
    for _ in range(10):
        i = rng.integers(60_000, 140_000)
        at = (r[i] + rng.uniform(-0.4, 0.4)) * np.exp(1j * azimuth[i])
        nearest = np.abs(r * np.exp(1j * azimuth) - at).min()
        found = truth.arm_offset(at.real, at.imag, "Carina-Sagittarius")
        assert abs(found) == pytest.approx(nearest, rel=0.03)
        assert (found > 0) == (abs(at) > r[i])


def test_the_carina_arms_tangent_is_where_it_is_seen():
    lon, d = np.arange(265.0, 300.0, 0.05), np.arange(0.05, 12.8, 0.01)
    x, y, _ = physics.galactocentric(lon[:, None], 0.0, d)
    nearest = truth.arm_offset(x, y, "Carina-Sagittarius").min(axis=1)
    tangent = lon[np.flatnonzero(nearest <= 0)[0]]  # smaller longitudes pass the arm outside
    assert 280 < tangent < 286


def test_the_map_has_its_densest_ridge_along_the_arm(calm):
    lon, lat = np.arange(258.0, 303.0, 1.0), np.zeros(45)
    total = calm.profiles(lon, lat)[:, :100].sum(1)
    assert 278 < lon[total.argmax()] < 290


def test_profiles_are_the_integral_along_a_ray(dust):
    lon, lat = np.array([262.3, 283.1, 300.7]), np.array([0.4, -1.3, 2.2])
    found = dust.profiles(lon, lat)
    assert found.shape == (3, 128) and found.dtype == np.float32 and found.min() > 0
    d = np.arange(0.0, 12.8, 1e-3) + 5e-4
    for row in range(3):
        l, b = np.radians([lon[row], lat[row]])  # noqa: E741
        x = 8.2 - d * np.cos(b) * np.cos(l)
        fine = dust.density(x, d * np.cos(b) * np.sin(l), d * np.sin(b)).reshape(128, 100).sum(1)
        np.testing.assert_allclose(found[row].cumsum(), 1e-3 * fine.cumsum(), rtol=0.02, atol=0.005)
        np.testing.assert_allclose(found[row], 1e-3 * fine, rtol=0.15)


def test_neighbouring_sightlines_are_alike_and_far_ones_are_not(calm):
    """What is left when disc and arms, which all have in common, are divided out."""
    lon = np.arange(258.0, 302.0, 0.5)
    smooth = calm.profiles(lon, 0 * lon)[:, 19]  # at 2 kpc
    layers = [
        np.log(truth.galaxy(seed).profiles(lon, 0 * lon)[:, 19] / smooth) for seed in range(1, 13)
    ]

    def alike(step):
        pairs = [(layer[step:], layer[:-step]) for layer in layers]
        return np.corrcoef(*map(np.concatenate, zip(*pairs, strict=True)))[0, 1]

    assert alike(1) > 0.95 and alike(4) > 0.8  # 17 and 70 pc
    assert abs(alike(50)) < 0.3  # 0.9 kpc
    across = [np.corrcoef(a, b)[0, 1] for a, b in zip(layers[1:], layers[:-1], strict=True)]
    assert abs(np.mean(across)) < 0.3


def test_the_grid_is_of_the_maps_cells():
    lon, lat = truth.map_grid()
    assert lon.shape == lat.shape == (20, 92)
    assert (lon[0, 0], lon[0, -1], lat[0, 0], lat[-1, 0]) == (257.25, 302.75, -4.75, 4.75)
    lon, lat = truth.map_grid(2.0)
    assert lon.shape == (5, 23) and (lon[0, -1], lat[-1, 0]) == (302.0, 4.0)


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        ((0.0, 0.0, 8.2), (0.0, 0.0, 0.0)),
        ((180.0, 0.0, 1.0), (9.2, 0.0, 0.0)),
        ((270.0, 0.0, 3.0), (8.2, -3.0, 0.0)),
        ((90.0, 30.0, 2.0), (8.2, 2 * np.cos(np.pi / 6), 1.0)),
    ],
)
def test_galactic_coordinates_turn_into_galactocentric_ones(place, asked):
    np.testing.assert_allclose(physics.galactocentric(*place), asked, atol=1e-12)
    modulus = physics.distance_modulus(np.array([0.01, 1.0]))
    np.testing.assert_allclose(modulus, [0.0, 10.0], atol=1e-12)
