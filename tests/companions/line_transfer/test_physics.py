"""The line solver against truth: slabs, black bodies, thin clouds, other quadratures."""

import math

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer import physics as lt
from cogan_lib.companions.line_transfer import winds

LINE = lt.COLine(2)


def cubes(shape=(1, 9, 3, 4), velocity=0.0, temperature=50.0, density=1e8):
    return [
        torch.full(shape, float(x), dtype=torch.float64) for x in (velocity, temperature, density)
    ]


def channels(*values):
    return torch.tensor(values, dtype=torch.float64)


def depths_of(fields, at, spacing, turbulence=1500.0):
    opacity, source, width = lt.line_coefficients(fields[1], fields[2], LINE, turbulence)
    return lt.interval_depths(opacity, lt.profile_arguments(fields[0], width, at), spacing), source


@pytest.mark.parametrize(
    ("kelvin", "partition"),
    [(2.7255, 1.4055), (10, 3.9681), (50, 18.415), (300, 108.87), (1000, 359.10), (2000, 654.0)],
)
def test_partition_function_of_41_levels(kelvin, partition):
    """From the LAMDA table of levels, which the two constants of the rotor stand in for."""
    lower, _ = lt.populations(torch.tensor(float(kelvin), dtype=torch.float64), 1)
    assert 1 / lower == pytest.approx(partition, rel=2e-4)


def test_levels_give_back_the_lines_and_populations_are_boltzmanns():
    energy = lt.level_energies()
    for upper in (1, 2):
        assert (energy[upper] - energy[upper - 1]) / lt.H == pytest.approx(
            lt.FREQUENCY[upper], 1e-12
        )
    assert energy[3] / lt.H / lt.C / 100 == pytest.approx(23.069512649, rel=1e-5)  # [1/cm], LAMDA
    lower, upper = lt.populations(torch.tensor(30.0, dtype=torch.float64), 2)
    assert upper / lower == pytest.approx(
        5 / 3 * math.exp(-lt.H * 230.538e9 / lt.K / 30.0), rel=1e-9
    )


def test_source_function_is_plancks():
    temperature = torch.tensor([2.8, 10.0, 77.0, 900.0, 2500.0], dtype=torch.float64)
    for upper in (1, 2):
        _, source, _ = lt.line_coefficients(temperature, 1e8, lt.COLine(upper), 1000.0)
        theirs = lt.planck(temperature, lt.FREQUENCY[upper])
        torch.testing.assert_close(source, theirs, rtol=1e-10, atol=0)


@pytest.mark.parametrize("density", [1e3, 1e6, 1e9])
def test_uniform_slab(density):
    """tau to 1e-12 and I to 1e-5 of the analytic slab, thin and thick, with a background."""
    at, length = channels(0.0, 800.0, -2500.0), 8 * 1e13
    fields = cubes(density=density, temperature=50.0)
    depths, _ = depths_of(fields, at, 1e13)
    opacity, _, width = lt.line_coefficients(fields[1], fields[2], LINE, 1500.0)
    profile = torch.exp(-((at / width[0, 0, 0, 0]) ** 2)) / math.sqrt(math.pi)
    tau = opacity[0, 0, 0, 0] * profile * length
    torch.testing.assert_close(depths.sum(2)[0, :, 1, 1], tau, rtol=1e-12, atol=0)

    background = float(lt.planck(5.0, LINE.frequency))
    image = lt.line_images(*fields, at, 1e13, LINE, 1500.0, background)[0, :, 2, 1]
    seen = lt.planck(50.0, LINE.frequency) * -torch.expm1(-tau) + background * torch.exp(-tau)
    torch.testing.assert_close(image, seen, rtol=1e-5, atol=0)


def test_opacity_of_one_molecule_from_its_definition():
    """chi integrated over frequency is (h nu/4 pi)(x_l B_lu - x_u B_ul): A and B by other means."""
    _, _, width = lt.line_coefficients(torch.tensor(40.0, dtype=torch.float64), 1.0, LINE, 0.0)
    assert width == pytest.approx(math.sqrt(2 * lt.K * 40 / lt.CO_MASS))
    opacity, _, _ = lt.line_coefficients(torch.tensor(40.0, dtype=torch.float64), 1.0, LINE, 0.0)
    nu = LINE.frequency
    lower, upper = lt.populations(torch.tensor(40.0, dtype=torch.float64), 2)
    cross = lt.C**2 / (8 * math.pi * nu**2) * 6.910e-7 * (5 / 3 * lower - upper)  # [m^2 Hz]
    assert opacity * nu * width / lt.C == pytest.approx(float(cross), rel=1e-12)


@pytest.mark.parametrize("step", [1e-9, 1e-5, 1.9e-3, 2.1e-3, 0.1, 2.0, 30.0])
def test_both_branches_against_gauss_legendre(step):
    generator = torch.Generator().manual_seed(1)
    opacity = torch.rand((1, 2, 1, 500), generator=generator, dtype=torch.float64)
    near = 6 * torch.rand((1, 1, 1, 1, 500), generator=generator, dtype=torch.float64) - 3
    found = lt.interval_depths(opacity, torch.cat([near, near + step], 2), 1.0).flatten()
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(300))
    t = (nodes[:, None] + 1) / 2
    a0, a1, b0 = opacity[0, 0, 0], opacity[0, 1, 0], near.flatten()
    values = (a0 + (a1 - a0) * t) * torch.exp(-((b0 + step * t) ** 2)) / math.sqrt(math.pi)
    torch.testing.assert_close(found, (weights[:, None] * values).sum(0) / 2, rtol=0, atol=5e-10)


@pytest.mark.parametrize("depth", [0.0, 1e-8, 9.9e-3, 1.01e-2, 1.0, 50.0])
def test_formal_solution_with_a_linear_source(depth):
    near, far = 2.0, 5.0
    source = torch.tensor([near, far], dtype=torch.float64).reshape(1, 2, 1, 1)
    depths = torch.full((1, 1, 1, 1, 1), depth, dtype=torch.float64)
    found = float(lt.emergent(depths, source, 7.0))
    t, weights = np.polynomial.legendre.leggauss(200)
    t = (t + 1) / 2 * depth
    slope = (far - near) / depth if depth else 0.0
    true = depth / 2 * (weights * (near + slope * t) * np.exp(-t)).sum() + 7 * np.exp(-depth)
    assert found == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize("speed", [4000.0, -4000.0])
def test_moving_slab_shows_in_its_own_channel(speed):
    """Gas that recedes is seen at positive velocity, that is, at lower frequency."""
    at = channels(*np.linspace(-12e3, 12e3, 7))
    image = lt.line_images(*cubes(velocity=speed), at, 1e10, LINE, 500.0)[0, :, 0, 0]
    assert at[image.argmax()] == speed
    assert image.max() > 1e10 * image[at == -speed]


def test_the_near_slab_hides_the_far_one():
    fields = cubes((1, 3, 1, 1), density=1e14)
    fields[1][0, :, 0, 0] = torch.tensor([20.0, 60.0, 200.0])
    image = lt.line_images(*fields, channels(0.0), 1e13, LINE, 500.0)
    assert float(image) == pytest.approx(float(lt.planck(20.0, LINE.frequency)), rel=1e-3)


def test_energy_of_a_thin_moving_cloud():
    """Summed over sky and channels: h nu A x_u N/(4 pi), wherever the gas moves."""
    npix, spacing = 32, 1e14
    line = (torch.arange(npix, dtype=torch.float64) - (npix - 1) / 2) / 4
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    density = 1e-2 * torch.exp(-(x**2 + y**2 + z**2) / 2)[None]
    velocity = (3000 * z + 1000 * x)[None]
    at = torch.arange(-17e3, 17.1e3, 500.0, dtype=torch.float64)
    image = lt.line_images(
        velocity, torch.full_like(density, 80.0), density, at, spacing, LINE, 800.0
    )
    energy = float(image.sum()) * 500 * LINE.frequency / lt.C * spacing**2
    _, upper = lt.populations(torch.tensor(80.0, dtype=torch.float64), 2)
    molecules = 1e-2 * (2 * math.pi) ** 1.5 * (4 * spacing) ** 3
    true = lt.H * LINE.frequency * lt.EINSTEIN_A[2] * float(upper) * molecules / (4 * math.pi)
    assert energy == pytest.approx(true, rel=1e-3)


def test_a_few_rows_at_a_time_are_the_whole(monkeypatch):
    rng = np.random.default_rng(4)
    pair = [winds.seen_from(winds.draw_wind(rng), 16, winds.views(rng, 1)[0]) for _ in range(2)]
    fields = [torch.stack(field) for field in zip(*pair, strict=True)]
    options = (torch.from_numpy(winds.CHANNELS), winds.spacing_m(16), LINE, winds.TURBULENCE)
    whole = lt.line_images(*fields, *options)
    for cells in (1, 3 * 256, 10**9):
        monkeypatch.setattr(lt, "CELLS_AT_ONCE", cells)
        torch.testing.assert_close(lt.line_images(*fields, *options), whole, rtol=1e-13, atol=0)


def test_the_closed_form_converges_where_the_trapezoid_is_lost():
    """A steep wind: at 32 points to the side of the box, against 128."""
    wind = winds.draw_wind(np.random.default_rng(5))
    turn = winds.views(np.random.default_rng(5), 1)[0]
    found = {}
    for npix in (32, 64, 128):
        rays = winds.grid_au(32, npix)[:, :, ::4, ::4]  # the same, sampled finer along their way
        fields = [field[None] for field in winds.seen_at(wind, rays, turn)]
        at = torch.from_numpy(winds.CHANNELS)
        opacity, _, width = lt.line_coefficients(*fields[1:], LINE, 150.0)
        b = lt.profile_arguments(fields[0], width, at)
        closed = lt.interval_depths(opacity, b, winds.spacing_m(npix)).sum(2)
        points = opacity[:, None] * torch.exp(-b * b) / math.sqrt(math.pi)
        trapezoid = (points.sum(2) - (points[:, :, 0] + points[:, :, -1]) / 2) * winds.spacing_m(
            npix
        )
        found[npix] = closed, trapezoid
    true = found[128][0]
    off = {
        npix: [float((x - true).abs().mean() / true.mean()) for x in found[npix]] for npix in found
    }
    assert off[64][0] < off[32][0] < 0.1
    assert off[32][1] > 4 * off[32][0]


def test_gradients_through_the_solver():
    generator = torch.Generator().manual_seed(2)
    shape = (1, 5, 1, 2)
    velocity = 2000 * torch.randn(shape, generator=generator, dtype=torch.float64)
    velocity[0, 1] = velocity[0, 0]  # the series' branch
    kelvin = 60 + 30 * torch.rand(shape, generator=generator, dtype=torch.float64)
    dex = torch.randn(shape, generator=generator, dtype=torch.float64)

    def images(v, t, d):  # all of order one, as gradcheck wants
        made = lt.line_images(
            v * 1e3, t * 50, 10**d * 3e8, channels(0.0, 1500.0), 1e13, LINE, 600.0
        )
        return made / lt.planck(50.0, LINE.frequency)

    inputs = [x.requires_grad_() for x in (velocity / 1e3, kelvin / 50, dex)]
    assert torch.autograd.gradcheck(images, inputs, eps=1e-6, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f[2].fill_(-1.0), r"density falls to -1 m\^-3; it must not be negative"),
        (lambda f: f[1].fill_(2.0), "below that of the cosmic background"),
        (lambda f: f[0][0, 0, 0].fill_(math.nan), "velocity has 4 values that are not finite"),
        (lambda f: f[2][0, 0, 0, :2].fill_(math.inf), "density has 2 values that are not finite"),
        (lambda f: f.__setitem__(1, f[1][:, :4]), r"temperature \(1, 4, 3, 4\)"),
        (lambda f: f.__setitem__(slice(None), [x[0] for x in f]), r"shape \(n, nz, ny, nx\)"),
        (lambda f: f[0].fill_(40e3), "meets the line of cube 0"),
    ],
)
def test_bad_cubes_are_refused_with_a_sentence(spoil, words):
    fields = cubes()
    spoil(fields)
    with pytest.raises(CoganError, match=words) as caught:
        lt.line_images(*fields, channels(-4000.0, 0.0, 4000.0), 1e13, LINE, 1500.0)
    assert "\n" not in str(caught.value)


def test_channels_in_hertz_and_other_lines_are_refused():
    with pytest.raises(CoganError, match="as velocities in m/s"):
        lt.line_images(*cubes(), channels(230.538e9), 1e13, LINE, 1500.0)
    with pytest.raises(CoganError, match="upper level 1 or 2, but is 3"):
        lt.COLine(3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_gpu_agrees():
    fields = [x[None] for x in winds.seen_from(
        winds.draw_wind(np.random.default_rng(1)), 16, winds.views(np.random.default_rng(1), 1)[0]
    )]  # fmt: skip
    at = torch.from_numpy(winds.CHANNELS)
    options = (at, winds.spacing_m(16), LINE, winds.TURBULENCE)
    there = lt.line_images(*(x.cuda() for x in fields), *options).cpu()
    torch.testing.assert_close(there, lt.line_images(*fields, *options), rtol=1e-9, atol=1e-30)


LAMDA_HEAD = "!MOLECULE\nCO\n!MOLECULAR WEIGHT\n28.0\n!NUMBER OF ENERGY LEVELS\n41\n"


@pytest.mark.pomme
def test_agrees_with_pomme(tmp_path):
    """The solver of the paper, on a wind: it reads a LAMDA file, which we write for it."""
    lines = pytest.importorskip("pomme.lines", reason="pip install pomme")
    energy = (lt.level_energies() / (lt.H * lt.C * 100)).tolist()
    rows = [f"{j + 1} {e:.12f} {2 * j + 1} {j}" for j, e in enumerate(energy)]
    text = LAMDA_HEAD + "!LEVEL + ENERGIES(cm^-1) + WEIGHT + J\n" + "\n".join(rows)
    text += "\n!NUMBER OF RADIATIVE TRANSITIONS\n2\n!TRANS + UP + LOW + EINSTEINA + FREQ + E_u\n"
    for j in (1, 2):
        text += f"{j} {j + 1} {j} {lt.EINSTEIN_A[j]:.4e} {lt.FREQUENCY[j] / 1e9:.9f} 0.0\n"
    text += "!NUMBER OF COLL PARTNERS\n1\n!COLLISIONS BETWEEN\n1 CO-H2\n"
    text += "!NUMBER OF COLL TRANS\n1\n!NUMBER OF COLL TEMPS\n1\n!COLL TEMPS\n10.0\n"
    text += "!TRANS\n1 2 1 1e-11\n"
    (tmp_path / "co.dat").write_text(text, "utf-8")
    line = lines.COLine("CO", 1, datafile=str(tmp_path / "co.dat"), molar_mass=28.0)

    rng = np.random.default_rng(11)
    wind, npix = winds.draw_wind(rng), 32
    fields = winds.seen_from(wind, npix, winds.views(rng, 1)[0])
    at, spacing = torch.from_numpy(winds.CHANNELS), winds.spacing_m(npix)
    ours = lt.line_images(*(x[None] for x in fields), at, spacing, LINE, winds.TURBULENCE)[0]
    velocity, kelvin, density = (x.permute(1, 2, 0) for x in fields)  # its rays run along the last
    theirs = line.LTE_image_along_last_axis(
        abundance=density, temperature=kelvin, velocity_los=velocity,
        v_turbulence=torch.full_like(kelvin, winds.TURBULENCE),
        frequencies=line.frequency * (1 - at / lt.C), dx=spacing, img_bdy=0.0,
    )  # fmt: skip
    theirs = theirs.permute(2, 0, 1)
    bright = ours > 1e-3 * ours.max()
    torch.testing.assert_close(ours[bright], theirs[bright], rtol=0.01, atol=0)
    off = float(((ours - theirs).abs() / ours.amax(0)).max())
    print(f"largest difference: {off:.1e} of a pixel's brightest channel")
    assert off < 0.01
