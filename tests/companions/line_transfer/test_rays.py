"""The emulator of single rays: what it is told holds exactly, whatever its weights are."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation, physics, quick, rays, store, winds
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.companions.line_transfer.recover import apart, recover
from cogan_lib.companions.line_transfer.tables import LineTable
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

LINE = physics.COLine(2)
CHANNELS = torch.from_numpy(winds.CHANNELS)


def random_network(knows="line", points=16):
    torch.manual_seed(3)
    network = rays.RayEmulator(rays.RaySettings(knows, width=8, points=points)).eval()
    torch.nn.init.normal_(network.block.body[2].weight, std=0.3)
    torch.nn.init.constant_(network.last.bias, -0.5)  # neither as bright as can be nor dark
    return network


def gas(npix=16, seed=5, number=1):
    rng = np.random.default_rng(seed)
    seen = [
        winds.seen_from(winds.draw_wind(rng), npix, winds.views(rng, 1)[0]) for _ in range(number)
    ]
    return [torch.stack(field) for field in zip(*seen, strict=True)]


def draw(network, cubes, channels=CHANNELS, line=LINE, turbulence=winds.TURBULENCE):
    spacing = winds.spacing_m(cubes[0].shape[1])
    with torch.no_grad():
        return rays.imitate(network, *cubes, channels, spacing, line, turbulence)


@pytest.mark.parametrize("line", [1, 2])
def test_the_table_is_what_the_levels_say(line):
    kelvin = torch.exp(torch.linspace(math.log(3.0), math.log(9000), 500, dtype=torch.float64))
    opacity, source, _ = physics.line_coefficients(
        kelvin, torch.ones_like(kelvin), physics.COLine(line), 1500.0
    )
    found = LineTable(physics.COLine(line), 1500.0)(kelvin.log().float())
    for ln, right in zip(found, (opacity, source), strict=True):
        torch.testing.assert_close(ln.double(), right.log(), rtol=0, atol=3e-5)


@pytest.mark.parametrize(("trapezoid", "error"), [(False, 1e-3), (True, 1.5)])
def test_the_quick_solver_is_the_solver(trapezoid, error):
    cubes = gas(32, number=2)
    options = (CHANNELS, winds.spacing_m(32), LINE, winds.TURBULENCE)
    real = line_data.ln_intensity(physics.line_images(*cubes, *options)).numpy()
    found = quick.quick_images(*cubes, *options, trapezoid=trapezoid)
    assert found.dtype == torch.float32
    found = evaluation.measures(line_data.ln_intensity(found.double()).numpy(), real)
    assert found["max_rel"].max() < error


def test_the_quick_solver_holds_where_gas_is_slow_and_steep():
    """Where b hardly changes from cell to cell and the density jumps, digits are lost."""
    z = torch.arange(32, dtype=torch.float64).view(1, 32, 1, 1)
    velocity, kelvin = 4.5 * z, torch.full((1, 32, 1, 1), 100.0).double()
    options = (torch.tensor([0.0, 1e3]), winds.spacing_m(32), LINE, winds.TURBULENCE)
    for density, jump in ((1e10, 100.0), (1e12, 100.0), (1e9, 1.5)):
        fields = velocity, kelvin, density * jump ** (z % 2)
        real = physics.line_images(*fields, *options)
        found = quick.quick_images(*fields, *options).double()
        torch.testing.assert_close(found, real, rtol=1e-3, atol=0)


def test_a_pixel_sees_its_own_column_alone():
    network, cubes = random_network(), gas()
    before = draw(network, cubes)
    cubes[2][0, :, 3, 7] *= 5
    changed = (draw(network, cubes) != before).any(1)[0]
    assert changed[3, 7] and int(changed.sum()) == 1


@pytest.mark.parametrize("knows", ["shift", "line"])
def test_a_channel_is_a_shift_of_velocity(knows):
    network, cubes = random_network(knows), gas()
    moved = [cubes[0] + 4000.0, *cubes[1:]]
    torch.testing.assert_close(
        draw(network, moved)[:, 1:], draw(network, cubes)[:, :-1], rtol=2e-3, atol=0
    )


def test_source_function_scales_and_gas_counts_by_opacity():
    """In another line, with as much opacity and another source: as many times as bright."""
    network, (velocity, kelvin, density) = random_network(), gas()
    hot = torch.full_like(kelvin, 500.0)
    one = draw(network, [velocity, hot, density])
    table = [LineTable(physics.COLine(upper), winds.TURBULENCE) for upper in (2, 1)]
    (a2, s2), (a1, s1) = (look(hot[:1, 0, 0, :1].log().float()) for look in table)
    other = draw(network, [velocity, hot, density * torch.exp(a2 - a1)], line=physics.COLine(1))
    seen = one > 2 * math.exp(line_data.LN_FLOOR)
    torch.testing.assert_close(
        (other / one)[seen & (other > 2 * math.exp(line_data.LN_FLOOR))],
        torch.exp(s1 - s2).expand(other.shape)[seen & (other > 2 * math.exp(line_data.LN_FLOOR))],
        rtol=1e-3, atol=0,
    )  # fmt: skip


def test_no_ray_is_brighter_than_its_hottest_gas():
    network, cubes = random_network(), gas()
    torch.nn.init.constant_(network.last.bias, 5.0)
    top = physics.planck(cubes[1], LINE.frequency).amax(1)
    torch.testing.assert_close(draw(network, cubes)[:, 0].double(), top, rtol=1e-4, atol=0)


def test_other_grids_are_resampled_where_the_points_would_be():
    line = torch.linspace(0, 1, 64)[None, :, None, None]
    columns = rays.along_rays(line, 16)
    middles = torch.linspace(0, 1, 64).view(16, 4).mean(1)
    torch.testing.assert_close(columns, middles[None])
    network, cubes = random_network(), gas(32)
    assert draw(network, cubes).shape == (1, 7, 32, 32)


def test_no_gas_is_dark_and_finite():
    network, cubes = shipped()[0], gas(32)
    for line in (LINE, physics.COLine(1)):
        images = draw(network, [cubes[0], cubes[1], 0 * cubes[2]], line=line)
        floor = torch.full_like(images, math.exp(line_data.faintest(line)))
        torch.testing.assert_close(images, floor)
    with pytest.raises(CoganError, match="must not be negative"):
        draw(network, [cubes[0], cubes[1], -cubes[2]])
    with pytest.raises(CoganError, match="give the channels as velocities"):
        draw(network, cubes, torch.tensor([230.5e9]))


def test_who_does_not_know_the_shift_draws_its_own_channels():
    network = random_network("rays")
    assert draw(network, gas()).shape == (1, 7, 16, 16)
    with pytest.raises(CoganError, match="the 7 channels that it was trained for, not 3"):
        draw(network, gas(), CHANNELS[:3])
    with pytest.raises(CoganError, match="knows one of rays, shift, line, not 'all'"):
        rays.RaySettings("all")


@pytest.mark.parametrize("knows", rays.KNOWLEDGE)
def test_training_learns_repeats_itself_and_is_read_back(tmp_path, knows):
    folder = line_data.make_data(tmp_path / "data", 20, 2, 16, seed=1)
    data = line_data.read_data(folder)
    settings = rays.RaySettings(knows, width=16, points=16)
    plan = Plan(epochs=8, batch=8, rate=4e-3)
    nets = []
    for name in ("one", "two"):
        made = line_training.train_rays(tmp_path / name, data, settings, plan)
        network, content = store.load_emulator(made)
        assert network.settings == settings and content["turbulence"] == winds.TURBULENCE
        nets.append(network.state_dict())
    for name, weight in nets[0].items():
        torch.testing.assert_close(weight, nets[1][name], msg=name)
    first, last = content["history"][0], content["history"][-1]
    assert last["validation"] < 0.7 * first["validation"]


def test_training_knows_gas_that_falls_in():
    """Its pictures are those of the reversed wind, channels in reverse: the profile is even."""
    cubes, options = gas(), (CHANNELS, winds.spacing_m(16), LINE, winds.TURBULENCE)
    falls = physics.line_images(-cubes[0], *cubes[1:], *options)
    reverse = physics.line_images(*cubes, *options).flip(1)
    torch.testing.assert_close(falls, reverse, rtol=5e-3, atol=0)  # but for v v_z/c
    drawn = [draw(shipped()[0], [sign * cubes[0], *cubes[1:]]) for sign in (1, -1)]
    real = line_data.ln_intensity(falls).numpy()
    found = [evaluation.measures(line_data.ln_intensity(x.double()).numpy(), y)["max_rel"][0]
             for x, y in zip(drawn, (real[:, ::-1], real), strict=True)]  # fmt: skip
    assert found[1] < 2 * found[0] + 1, found


def test_no_gradient_ends_at_the_limit_in_training():
    network = random_network().train()
    torch.nn.init.constant_(network.last.bias, 3.0)
    cubes = gas()
    columns = [rays.along_rays(x, 16)[:4] for x in (cubes[0], cubes[1].log(), cubes[2].log())]
    seen = network.ln_intensity(*columns, CHANNELS.float(), 1e12, LINE, 1500.0)
    top = physics.planck(cubes[1], LINE.frequency).amax(1).flatten()[:4].log()
    assert (seen.detach() > top[:, None]).all()
    seen.sum().backward()
    assert network.last.bias.grad.abs().min() > 0


def test_what_is_below_the_floor_costs_nothing():
    real = torch.tensor([line_data.LN_FLOOR, line_data.LN_FLOOR, -35.0])
    assert line_training.ray_loss(torch.tensor([-60.0, -40.0, -35.0]), real) == 0
    generated = torch.tensor([-60.0, -50.0, -60.0], requires_grad=True)
    line_training.ray_loss(generated, real).backward()
    assert generated.grad.tolist()[:2] == [0, 0] and generated.grad[2] < 0


def shipped():
    return store.load_emulator(store.SHIPPED)


def test_shipped_weights_are_described_and_small():
    network, content = shipped()  # compares checksums
    card = (store.WEIGHTS / "README.md").read_text("utf-8")
    folders = [path.name for path in store.WEIGHTS.iterdir() if path.is_dir()]
    assert folders == [store.SHIPPED.name] and f"`{store.SHIPPED.name}`" in card
    assert f"{count_parameters(network):,}" in card
    assert len(content["provenance"]["git_commit"]) == 40, "made by committed code"
    assert sum(path.stat().st_size for path in store.SHIPPED.iterdir()) < 1e6


@pytest.mark.parametrize(
    ("npix", "upper", "turbulence", "most"),
    [(32, 2, 1500.0, 5), (64, 2, 1500.0, 6), (32, 1, 1500.0, 8)],
)
def test_shipped_weights_draw_winds_that_they_have_not_seen(npix, upper, turbulence, most):
    """Another seed than the training's; on a finer grid and in another line without retraining."""
    cubes, line = gas(npix, seed=12345, number=3), physics.COLine(upper)
    options = (CHANNELS, winds.spacing_m(npix), line, turbulence)
    real = line_data.ln_intensity(physics.line_images(*cubes, *options)).numpy()
    generated = draw(shipped()[0], cubes, line=line, turbulence=turbulence)
    found = evaluation.measures(line_data.ln_intensity(generated.double()).numpy(), real)
    assert np.median(found["max_rel"]) < most, found
    assert np.median(found["zncc"]) > 0.97


def test_a_wind_is_recovered_from_its_images():
    """By the solver exactly, and by the emulator nearly."""
    rng = np.random.default_rng(7)
    wind = replace(winds.draw_wind(rng), clumps=0.0)
    rotation = winds.views(rng, 1)[0]
    cubes = [field[None] for field in winds.seen_from(wind, 16, rotation)]
    options = (CHANNELS, winds.spacing_m(16), LINE, winds.TURBULENCE)
    ln_images = line_data.ln_intensity(physics.line_images(*cubes, *options)[0]).numpy()
    fit = recover(ln_images, wind, rotation, physics.line_images)
    assert all(abs(value) < 1e-3 for value in apart(fit.wind, wind).values()), fit
    assert fit.misfit < 1e-3 and 100 < fit.images < 500
    fit = recover(ln_images, wind, rotation, partial(rays.imitate, shipped()[0]))
    assert abs(apart(fit.wind, wind)["mass_loss"]) < 0.1, fit
