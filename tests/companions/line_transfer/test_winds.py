"""Winds seen from all sides, and their pictures on disk."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.transform import Rotation

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import winds
from cogan_lib.companions.line_transfer.physics import line_images

WIND = winds.draw_wind(np.random.default_rng(1))


def test_equal_seed_equal_wind():
    assert winds.draw_wind(np.random.default_rng(1)) == WIND
    assert winds.draw_wind(np.random.default_rng(2)) != WIND
    assert set(winds.plain_numbers(WIND)) >= {"mass_loss", "speed", "spacing_au"}


def test_a_smooth_wind_keeps_its_mass():
    """4 pi r^2 rho v is Mdot in each shell, away from the softened centre."""
    plain = winds.Wind(**{**vars(WIND), "contrast": 0.0, "clumps": 0.0})
    radius = np.array([60.0, 120.0, 190.0])
    along = torch.from_numpy(np.stack([radius, 0 * radius, 0 * radius]))
    velocity, _, density = winds.fields_at(plain, along)
    gas = density.numpy() * winds.H2_MASS / winds.CO_PER_H2
    speed = velocity[0].numpy() * np.hypot(radius, winds.SOFTENING_AU) / radius
    shell = 4 * np.pi * (np.hypot(radius, winds.SOFTENING_AU) * winds.AU) ** 2
    np.testing.assert_allclose(
        gas * speed * shell, WIND.mass_loss * winds.SOLAR_MASS_A_YEAR, rtol=1e-12
    )


def test_the_spiral_winds_outward_once_a_turn():
    phi = WIND.phase + np.linspace(0, 2 * np.pi, 9)
    radius = WIND.spacing_au * (1 + np.linspace(0, 1, 9))
    places = np.stack([radius * np.cos(phi), radius * np.sin(phi), 0 * phi])
    on_arm = winds.spiral(WIND, *torch.from_numpy(places))
    np.testing.assert_allclose(on_arm, 1, atol=0.05)
    between = 1.5 * WIND.spacing_au * np.array([np.cos(phi[0]), np.sin(phi[0]), 0.0])
    assert winds.spiral(WIND, *torch.from_numpy(between)) < 0.2


def test_gas_has_a_gradient_with_respect_to_the_wind():
    """Forward derivatives of the density against differences, for each number that is fitted."""
    place = torch.tensor([[40.0, 90.0, -70.0], [30.0, -50.0, 20.0], [5.0, -10.0, 8.0]]).double()
    for name in ("mass_loss", "speed", "beta", "spacing_au", "contrast", "phase"):
        value = torch.tensor(getattr(WIND, name), dtype=torch.float64)

        def density(x, name=name):
            return torch.log(winds.fields_at(replace(WIND, **{name: x}), place)[2])

        _, slope = torch.autograd.functional.jvp(density, value, torch.ones_like(value))
        step = 1e-5 * value
        differences = (density(value + step) - density(value - step)) / (2 * step)
        torch.testing.assert_close(slope, differences, rtol=1e-5, atol=1e-7 / float(value))


def test_floor_of_the_temperature():
    cold = winds.Wind(**{**vars(WIND), "star_kelvin": 1.0, "contrast": 0.0})
    _, kelvin, _ = winds.fields_at(cold, torch.tensor([[200.0], [0.0], [200.0]]))
    assert kelvin >= winds.FLOOR_KELVIN


def test_views_are_uniform_over_all_rotations():
    """Haar: a rotated axis is uniform on the sphere, and the angle has density (1 - cos a)/pi."""
    rotations = winds.views(np.random.default_rng(0), 4000)
    for axis in np.eye(3):
        rotated = np.array([rotation.apply(axis) for rotation in rotations])
        for component in rotated.T:
            assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    angle = np.array([rotation.magnitude() for rotation in rotations])
    assert stats.kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-3
    # a uniform axis with a uniform angle would fail
    biased = np.random.default_rng(0).uniform(0, np.pi, 4000)
    assert stats.kstest(biased, lambda a: (a - np.sin(a)) / np.pi).pvalue < 1e-6


def test_face_on_views_keep_the_axis():
    for rotation in winds.views(np.random.default_rng(0), 5, face_on=True):
        np.testing.assert_allclose(rotation.apply([0, 0, 1]), [0, 0, 1], atol=1e-12)


def test_velocities_are_rotated_with_the_wind():
    """90 degrees about x bring the wind's y axis to the line of sight, and its v_y with it."""
    quarter = Rotation.from_euler("x", 90, degrees=True)
    v_z, kelvin, density = winds.seen_from(WIND, 16, quarter)
    x, y, z = winds.grid_au(16)
    own = torch.stack([x, z, -y])  # R^-1 (x, y, z)
    velocity, same_kelvin, same_density = winds.fields_at(WIND, own)
    np.testing.assert_allclose(v_z, velocity[1], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(kelvin, same_kelvin)
    np.testing.assert_allclose(density, same_density)


def test_any_rotation_keeps_what_does_not_depend_on_the_side():
    """The whole velocity vector is rotated: its component along the sky position is the same."""
    rotation = Rotation.random(rng=3)
    sky = winds.grid_au(16)
    own = np.tensordot(rotation.as_matrix().T, sky.numpy(), 1)
    velocity, _, _ = winds.fields_at(WIND, torch.from_numpy(own))
    rotated, sky = np.tensordot(rotation.as_matrix(), velocity.numpy(), 1), sky.numpy()
    np.testing.assert_allclose(winds.seen_from(WIND, 16, rotation)[0], rotated[2], atol=1e-6)
    radial = (rotated * sky).sum(0) / np.sqrt((sky**2).sum(0))
    soft = np.sqrt((sky**2).sum(0) + winds.SOFTENING_AU**2)
    law = WIND.speed * (1 - winds.LAUNCH_AU / soft) ** WIND.beta
    np.testing.assert_allclose(radial, law * np.sqrt((sky**2).sum(0)) / soft, rtol=1e-9)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines") / "data"
    return line_data.read_data(line_data.make_data(folder, 11, 2, 16, seed=7))


def test_data_hold_what_the_solver_says(data):
    assert data.cubes.shape == (22, 3, 16, 16, 16) and data.images.shape == (22, 7, 16, 16)
    assert data.images.min() >= line_data.LN_FLOOR and np.isfinite(data.cubes).all()
    rng = np.random.default_rng([7, 4])  # wind number 4, made by itself
    wind = winds.draw_wind(rng)
    assert data.content["winds"][4] == winds.plain_numbers(wind)
    second = winds.seen_from(wind, 16, winds.views(rng, 2)[1])
    np.testing.assert_array_equal(data.cubes[9], line_data.pack(*second))
    fields = [field[None] for field in second]
    options = (winds.spacing_m(16), line_data.LINE, winds.TURBULENCE)
    image = line_images(*fields, torch.from_numpy(winds.CHANNELS), *options)
    np.testing.assert_allclose(data.images[9], line_data.ln_intensity(image)[0], rtol=1e-6)


def test_winds_are_never_in_two_splits(data):
    parts = {split: set(data.model[data.rows(split)]) for split in line_data.SPLITS}
    assert parts["validation"] == {8} and parts["test"] == {9}
    assert not parts["train"] & (parts["validation"] | parts["test"])
    assert sum(len(data.rows(split)) for split in parts) == 22


def test_statistics_are_those_of_the_training_winds(data):
    rows = data.rows("train")
    cubes, found = data.cubes[rows].astype(float), data.content["statistics"]
    assert found["velocity"]["mean"] == pytest.approx(cubes[:, 0].mean(), rel=1e-9)
    assert found["velocity"]["std"] == pytest.approx(cubes[:, 0].std(), rel=1e-9)
    for channel, name in ((1, "temperature"), (2, "density")):
        assert found[name]["min"] == cubes[:, channel].min()
        median = np.median(cubes[:, channel]) - found[name]["min"]
        assert found[name]["median"] == pytest.approx(median, rel=0.05)
    assert found["intensity"]["max"] == data.images[rows].max()


def test_scaling_there_and_back(data):
    statistics = data.content["statistics"]
    images = torch.from_numpy(data.images)
    scaled = line_data.scale_images(images, statistics)
    assert scaled[data.rows("train")].min() == 0 and scaled[data.rows("train")].max() == 1
    back = line_data.unscale_images(scaled, statistics)
    torch.testing.assert_close(back, images, rtol=1e-5, atol=1e-4)
    cubes = line_data.scale_cubes(torch.from_numpy(data.cubes[data.rows("train")]), statistics)
    assert cubes.dtype == torch.float32
    assert float(cubes[:, 0].mean()) == pytest.approx(0, abs=1e-4)
    assert float(cubes[:, 1:].min()) == 0


def test_face_on_data_have_one_channel(tmp_path):
    data = line_data.read_data(
        line_data.make_data(tmp_path / "face", 10, 1, 16, seed=7, face_on=True)
    )
    assert data.images.shape == (10, 1, 16, 16)
    assert data.content["channels"] == [0.0]


def test_data_are_whole_or_not_there(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    line_data.make_data(tmp_path / "data", 10, 1, 16, seed=1)
    before = read_json(tmp_path / "data" / "data.json")
    monkeypatch.setattr(line_data, "line_images", fail)
    with pytest.raises(KeyboardInterrupt):
        line_data.make_data(tmp_path / "data", 10, 1, 16, seed=2)
    assert read_json(tmp_path / "data" / "data.json") == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5, 1, 16), "5 winds with 1 views cannot be divided"),
        ((10, 0, 16), "10 winds with 0 views"),
        ((10, 1, 20), "npix must be a multiple of 8 and 16 or more, but is 20"),
    ],
)
def test_bad_requests_are_refused(tmp_path, arguments, words):
    with pytest.raises(CoganError, match=words):
        line_data.make_data(tmp_path / "data", *arguments, seed=1)
    assert not list(tmp_path.iterdir())


def test_missing_and_damaged_data(tmp_path):
    with pytest.raises(CoganError, match="no JSON file"):
        line_data.read_data(tmp_path / "none")
    line_data.make_data(tmp_path / "data", 10, 1, 16, seed=1)
    (tmp_path / "data" / "images.npy").write_bytes(b"no array")
    with pytest.raises(CoganError, match="damaged"):
        line_data.read_data(tmp_path / "data")


def test_the_plane_through_the_star_lies_between_two_of_the_grid():
    """v of a point is minus that of the opposite one, and the grid's next planes stand around."""
    rotation = Rotation.from_euler("xyz", [0.4, -0.8, 1.9])
    smooth = winds.Wind(**{**vars(WIND), "contrast": 0.0, "clumps": 0.0})
    cubes = [cube.numpy() for cube in winds.seen_from(smooth, 16, rotation)]
    for depth in (False, True):
        v_z, kelvin, density = (
            field.numpy() for field in winds.through_star(smooth, 16, rotation, depth)
        )
        np.testing.assert_allclose(v_z, -v_z[::-1, ::-1], atol=1e-6)
        axis = 1 if depth else 0
        near = [np.take(cubes[0], i, axis) for i in (7, 8)]
        far = np.hypot(*np.mgrid[-7.5:8, -7.5:8]) > 3  # the star's surroundings are curved
        np.testing.assert_allclose(v_z[far], np.mean(near, axis=0)[far], atol=150.0)
        for field, cube in ((kelvin, cubes[1]), (density, cubes[2])):
            between = np.mean([np.take(cube, i, axis) for i in (7, 8)], axis=0)
            np.testing.assert_allclose(field[far], between[far], rtol=0.15)
    v_z = winds.through_star(smooth, 16, rotation)[0]
    assert v_z.abs().max() <= smooth.rotation, "nothing but the rotation has a part towards us"
    v_z = winds.through_star(smooth, 16, rotation, depth=True)[0]
    assert v_z[0].max() < 0 < v_z[-1].min(), "it comes in front and goes behind"
