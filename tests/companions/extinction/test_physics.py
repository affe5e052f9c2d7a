"""Toy Galaxy, dust and survey against integrals, stars drawn otherwise, and pairs of neighbours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy import units as u
from dust_extinction.parameter_averages import G23
from scipy import integrate, stats
from scipy.spatial import cKDTree

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import physics
from cogan_lib.companions.extinction.physics import BINS, SIDE, STEP_KPC

from .conftest import WIDE, clump_stars, line_of, seeded, unspoilt

#: Written anew, from the words of the fact sheet: density [pc^-3], pdf of M, its ends, (J - Ks)_0.
KINDS = {
    "main sequence": (0.02, lambda m: (m - 1) / 18, (1, 7), lambda m: 0.05 + 0.13 * (m - 1)),
    "giants": (
        4e-4,
        lambda m: 0.28 * np.log(10) * 10 ** (0.28 * m) / (10**0.56 - 10**-1.82),
        (-6.5, 2),
        lambda m: 0.60 + 0.07 * np.maximum(0, 1 - m),
    ),
    "red clump": (2e-4, stats.norm(-1.606, 0.18).pdf, (-3, -0.2), lambda m: 0.65 + 0 * m),
}
PLACES = [(280.0, 0.0), (261.0, -4.0), (299.0, 40.0)]


def density(lon, lat, d):
    """Of a disc of 2.5 and 0.3 kpc, in units of the Sun's; the cosine law for the radius."""
    flat = d * np.cos(np.radians(lat))
    radius = np.sqrt(8.2**2 + flat**2 - 2 * 8.2 * flat * np.cos(np.radians(lon)))
    return np.exp(-(radius - 8.2) / 2.5 - d * abs(np.sin(np.radians(lat))) / 0.3)


def cumulative(kind, lon, lat, faintest, far=20.0):
    """Stars of a cell brighter than a Ks, by distance: Simpson over M in each of many distances."""
    local, pdf, ends, _ = KINDS[kind]
    d = np.linspace(0, far, 8001)[1:]
    m = np.linspace(*ends, 2001)
    share = integrate.cumulative_simpson(pdf(m), x=m, initial=0)
    seen = np.interp(faintest - 5 * np.log10(100 * d), m, share)
    cell = np.radians(0.5) * 2 * np.sin(np.radians(0.25)) * np.cos(np.radians(lat))
    rate = 1e9 * cell * d**2 * local * density(lon, lat, d) * seen
    return d, integrate.cumulative_trapezoid(rate, d, initial=0) + rate[0] * d[0] / 3


def clear(n):
    return torch.zeros(n, BINS)


@pytest.mark.parametrize(("lon", "lat"), PLACES)
def test_expected_stars_are_the_integral_over_distance_and_luminosity(lon, lat):
    found = physics.sightlines([lon], [lat]).expected[0]
    asked = [cumulative(kind, lon, lat, 14.3 + physics.MARGIN)[1][-1] for kind in KINDS]
    np.testing.assert_allclose(found, asked, rtol=3e-3)
    one = integrate.dblquad(  # and once by adaptive quadrature, without a grid
        lambda m, d: d**2 * density(lon, lat, d) * KINDS["giants"][1](m),
        *(1e-3, 20.0, -6.5, lambda d: np.clip(14.8 - 5 * np.log10(100 * d), -6.5, 2)),
        epsrel=1e-4,
    )[0]
    cell = np.radians(0.5) ** 2 * np.cos(np.radians(lat))
    assert found[1] == pytest.approx(1e9 * cell * 4e-4 * one, rel=3e-3)


@pytest.mark.parametrize("kind", list(KINDS))
def test_luminosity_functions_are_inverted(kind):
    _, pdf, ends, colour = KINDS[kind]
    part = physics.COMPONENTS[kind]
    for share in (0.01, 0.3, 0.9):
        m = float(part.quantile(torch.tensor(share, dtype=torch.float64)))
        assert integrate.quad(pdf, ends[0], m)[0] == pytest.approx(share, abs=1e-4)
        assert float(part.share(torch.tensor(m, dtype=torch.float64))) == pytest.approx(share)
        assert float(part.colour(torch.tensor(m))) == pytest.approx(float(colour(m)), abs=1e-6)


@pytest.mark.parametrize("kind", list(KINDS))
def test_distances_and_magnitudes_of_drawn_stars_follow_their_densities(kind, monkeypatch):
    """Thin dust that dims J alone writes each star's distance into its colour."""
    unspoilt(monkeypatch)
    part = replace(physics.COMPONENTS[kind], colour=torch.zeros_like)
    monkeypatch.setattr(physics, "COMPONENTS", {kind: part})
    lon, lat = 280.0, 0.0
    lines = physics.sightlines([lon], [lat])
    area = torch.tensor([1e5 / float(lines.expected[0, 0])])
    dust = torch.full((1, BINS), 1e-3 * STEP_KPC)
    found = physics.stars(lines, torch.tensor([0]), dust, seeded(2), area=area, law=(1.0, 0.0))
    d = found.colour.double().numpy() * 1e3
    absolute = found.magnitude.double().numpy() - 5 * np.log10(100 * d)
    grid, total = cumulative(kind, lon, lat, 14.3)
    inside = d < 12.7  # beyond its end the profile doesn't tell distances apart
    share = np.interp(12.7, grid, total) / total[-1]
    assert inside.mean() == pytest.approx(share, abs=5e-3)
    cdf = total / np.interp(12.7, grid, total)
    assert stats.kstest(d[inside], lambda x: np.interp(x, grid, cdf)).statistic < 0.006
    _, pdf, ends, _ = KINDS[kind]
    if kind == "red clump":
        assert absolute[inside].mean() == pytest.approx(-1.606, abs=3e-3)
        assert absolute[inside].std() == pytest.approx(0.18, abs=3e-3)
    elif kind == "giants":
        m = np.linspace(*ends, 2001)
        norm = integrate.cumulative_simpson(pdf(m), x=m, initial=0)
        near = inside & (d < 2.5)  # where all of them are seen
        assert stats.kstest(absolute[near], lambda x: np.interp(x, m, norm)).pvalue > 1e-3
    else:
        near = inside & (d < 0.45)  # where those down to 6 are
        bright = absolute[near & (absolute < 6)]
        assert stats.kstest(bright, lambda x: ((x - 1) / 5) ** 2).pvalue > 1e-3


def brute_force(lon, lat, a_v, n, rng):
    """Stars of many cells, drawn from a grid of distances and the whole luminosity function."""
    at_j, at_ks = G23(Rv=3.1)(np.array([1.235, 2.159]) * u.micron)
    kept = []
    for kind, (_, pdf, ends, colour) in KINDS.items():
        edges = np.linspace(0, 20.0, 4001)
        d = (edges[1:] + edges[:-1]) / 2
        rate = 1e9 * np.radians(0.5) ** 2 * np.cos(np.radians(lat)) * d**2 * density(lon, lat, d)
        rate *= KINDS[kind][0] * (edges[1] - edges[0])
        m = np.linspace(*ends, 4001)
        norm = integrate.cumulative_trapezoid(pdf(m), m, initial=0)
        # Nothing fainter than Ks = 15.5 can be seen, nor M below this at any distance.
        share = np.interp(15.5 - 5 * np.log10(100 * d), m, norm)
        counts = rng.poisson(rate * share * n)
        far = np.repeat(d, counts) + rng.uniform(-0.5, 0.5, counts.sum()) * (edges[1] - edges[0])
        top = np.repeat(share, counts)
        magnitude = np.interp(rng.uniform(0, 1, far.size) * top, norm, m)
        dust = np.interp(far, STEP_KPC * np.arange(BINS + 1), np.r_[0, np.cumsum(a_v)])
        ks = magnitude + 5 * np.log10(100 * far) + at_ks * dust
        j = ks + colour(magnitude) + rng.normal(0, 0.04, far.size) + (at_j - at_ks) * dust
        ks += rng.normal(size=far.size) * np.hypot(0.02, 0.1086 * 10 ** (0.4 * (ks - 14.3)))
        j += rng.normal(size=far.size) * np.hypot(0.02, 0.1086 * 10 ** (0.4 * (j - 15.8)))
        seen = (ks < 14.3) & (j < 15.8)
        kept.append(np.stack([j[seen] - ks[seen], ks[seen]]))
    return np.concatenate(kept, axis=1)


@pytest.mark.parametrize("dusty", [False, True])
def test_diagrams_are_those_of_stars_drawn_otherwise(dusty, monkeypatch):
    """Number, colours and magnitudes: a Monte Carlo without tables, margins or inversion."""
    monkeypatch.setattr(physics, "BLEND_ARCSEC", 0.0)
    a_v = physics.profiles(1, seeded(5)) if dusty else clear(1)
    cells = 12
    theirs = brute_force(285.0, -1.0, a_v[0].numpy(), cells, np.random.default_rng(1))
    lines = physics.sightlines([285.0], [-1.0])
    which = torch.zeros(cells, dtype=torch.long)
    ours = physics.stars(lines, which, a_v.expand(cells, -1), seeded(1))
    n, m = len(ours.colour), theirs.shape[1]
    assert abs(n - m) < 4 * np.sqrt(n + m) + 2e-3 * n
    assert stats.ks_2samp(ours.magnitude.numpy(), theirs[1]).pvalue > 1e-3
    assert stats.ks_2samp(ours.colour.numpy(), theirs[0]).pvalue > 1e-3


def test_counts_are_of_a_poisson_process_and_no_star_comes_twice(monkeypatch):
    monkeypatch.setattr(physics, "BLEND_ARCSEC", 0.0)
    lines, draws = physics.sightlines([261.0], [-4.0]), 500
    generator = seeded(1)
    found = physics.stars(lines, torch.zeros(draws, dtype=torch.long), clear(draws), generator)
    numbers = torch.bincount(found.example, minlength=draws).double()
    theirs = brute_force(261.0, -4.0, np.zeros(BINS), 50, np.random.default_rng(3)).shape[1] / 50
    error = np.sqrt(theirs * (1 / draws + 1 / 50))
    assert abs(float(numbers.mean()) - theirs) < 4 * error + 1e-3 * theirs
    assert float(numbers.var() / numbers.mean()) == pytest.approx(1, abs=4 * np.sqrt(2 / draws))
    pairs = torch.stack([found.colour, found.magnitude], 1)
    a, b = (
        set(map(tuple, pairs[found.example == number].tolist())) for number in (0, 1)
    )  # fmt: skip
    assert len(a) > 1000 and not a & b


def test_an_equal_seed_gives_equal_diagrams_and_another_does_not(survey):
    a_v, which = physics.profiles(3, seeded(1)), torch.tensor([0, 4, 8])
    one, same, other = (survey.observe(a_v, which, seeded(s)) for s in (7, 7, 8))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_law_is_gordons():
    at = G23(Rv=3.1)(np.array([1 / 1.235, 1 / 2.159]) / u.micron)
    np.testing.assert_allclose(physics.extinction_law(), at, rtol=1e-12)
    assert physics.extinction_law() == pytest.approx((0.282, 0.112), rel=0.06)  # Rieke, Lebofsky


def test_a_screen_reddens_and_dims_each_star_by_the_law(monkeypatch):
    clump_stars(monkeypatch)
    lines, area = line_of(5000.0, (0.5, 3.0)), torch.tensor([WIDE])
    screen = clear(1)
    screen[0, 0] = 4.0  # mag, within the first 100 pc
    before, behind = (
        physics.stars(lines, torch.tensor([0]), a_v, seeded(1), area=area)
        for a_v in (clear(1), screen)
    )
    at_j, at_ks = G23(Rv=3.1)(np.array([1.235, 2.159]) * u.micron)
    np.testing.assert_allclose(behind.magnitude - before.magnitude, 4 * at_ks, atol=1e-5)
    np.testing.assert_allclose(behind.colour - before.colour, 4 * (at_j - at_ks), atol=1e-5)


def test_a_cloud_leaves_what_is_in_front_of_it(monkeypatch):
    """Nothing up to 3 kpc, all beyond 3.1 kpc, and in the cloud as much as lies in front."""
    clump_stars(monkeypatch)
    lines, area = line_of(20_000.0, (1.0, 5.0)), torch.tensor([WIDE])
    cloud = clear(1)
    cloud[0, 30] = 5.0
    before, behind = (
        physics.stars(lines, torch.tensor([0]), a_v, seeded(1), area=area)
        for a_v in (clear(1), cloud)
    )
    d = 10 ** ((before.magnitude.double().numpy() + 1.606 - 10) / 5)
    dust = np.clip((d - 3.0) / 0.1, 0, 1) * 5
    at_j, at_ks = physics.extinction_law()
    np.testing.assert_allclose(behind.magnitude - before.magnitude, at_ks * dust, atol=1e-3)
    np.testing.assert_allclose(behind.colour - before.colour, (at_j - at_ks) * dust, atol=1e-3)
    front = d < 2.999
    assert front.mean() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(behind.colour[front], before.colour[front])


def test_each_sightline_has_its_own_distances_and_each_example_its_own_dust(monkeypatch):
    """Nine shells of 100,000 equal stars, without an exception; every second has a cloud."""
    clump_stars(monkeypatch)
    d = torch.linspace(1, 5, 9)
    table = d[:, None, None].expand(9, 1, physics.KNOTS + 1)
    lines = physics.Sightlines(np.zeros(9), np.zeros(9), torch.full((9, 1), 1e5), table)
    which = torch.tensor([8, 0, 3, 3, 7, 1, 2, 6, 5, 4])
    dust = clear(10)
    dust[::2, 2] = 3.0
    found = physics.stars(lines, which, dust, seeded(1), law=(0.3, 0.1))
    ks = -1.606 + physics.distance_modulus(d[which]) + 0.3 * (torch.arange(10) % 2 == 0)
    np.testing.assert_allclose(found.magnitude, ks[found.example], atol=1e-4)
    red = 0.65 + 0.6 * (found.example % 2 == 0)
    np.testing.assert_allclose(found.colour, red, atol=1e-4)
    assert torch.bincount(found.example, minlength=10).min() > 9e4


def test_a_zero_point_shifts_j_alone(monkeypatch):
    clump_stars(monkeypatch)
    lines, area = line_of(1000.0, (1.0, 5.0)), torch.tensor([WIDE])
    found = [
        physics.stars(lines, torch.tensor([0]), clear(1), seeded(1), area=area, zero_point_j=x)
        for x in (0.0, 0.05)
    ]
    assert torch.equal(found[0].magnitude, found[1].magnitude)
    np.testing.assert_allclose(found[1].colour - found[0].colour, 0.05, atol=1e-5)


def test_no_star_is_fainter_than_a_limit_and_noise_is_ten_sigma_there(survey):
    a_v = physics.profiles(20, seeded(1))
    found = physics.stars(survey.lines, torch.arange(20) % 9, a_v, seeded(2))
    assert found.magnitude.max() < 14.3 and (found.colour + found.magnitude).max() < 15.8 + 1e-5
    error = physics.magnitude_error(torch.tensor([5.0, 14.3, 14.3 - 2.5, 30.0]), 14.3)
    flux = 2.5 / np.log(10) / 10  # S/N of 10 in magnitudes
    expected = np.hypot(0.02, [0, flux, flux / 10, flux * 10**0.8])
    np.testing.assert_allclose(error, expected, rtol=1e-3, atol=1e-5)


def test_crowding_takes_those_that_have_a_brighter_neighbour(monkeypatch):
    """Stars are put at random places of the cell, and neighbours within 5 arcsec looked for."""
    lines, which = physics.sightlines([299.0], [0.0]), torch.zeros(8, dtype=torch.long)
    crowded = physics.stars(lines, which, clear(8), seeded(1))
    monkeypatch.setattr(physics, "BLEND_ARCSEC", 0.0)
    alone = physics.stars(lines, which, clear(8), seeded(1))
    rng, lost = np.random.default_rng(1), []
    for number in range(8):
        ks = alone.magnitude[alone.example == number].numpy()
        places = rng.uniform(0, 1800, (len(ks), 2))
        i, j = cKDTree(places, boxsize=1800).query_pairs(5.0, output_type="ndarray").T
        fainter = np.where(ks[i] > ks[j], i, j)
        lost.append(ks[np.unique(fainter)])
    edges = np.array([4.7, 11, 12, 13, 13.5, 13.8, 14, 14.15, 14.3])
    there, ours = (
        np.histogram(x.magnitude.numpy(), edges)[0].astype(float) for x in (alone, crowded)
    )
    theirs = there - np.histogram(np.concatenate(lost), edges)[0]
    share, asked = ours / there, theirs / there
    error = np.sqrt(2 * asked * (1 - asked) / there + 1e-12)
    # A row's stars count as brighter than each other, half of which are: 0.15 mag, 3 % at most.
    assert (np.abs(share - asked) < 4 * error + 0.015).all(), (share, asked)
    nearby = len(alone.example) / 8 * np.pi * 25 / 1800**2
    faintest = alone.magnitude > 14.25
    left = (crowded.magnitude > 14.25).sum() / faintest.sum()
    sigma = np.sqrt(np.exp(-nearby) * (1 - np.exp(-nearby)) / float(faintest.sum()))
    assert float(left) == pytest.approx(np.exp(-nearby), abs=4 * sigma)


def test_a_part_of_a_cell_has_so_many_stars_and_is_as_crowded():
    lines, cells = physics.sightlines([299.0], [0.0]), 40
    which = torch.zeros(cells, dtype=torch.long)
    whole = physics.stars(lines, which[:4], clear(4), seeded(1))
    part = physics.stars(lines, which, clear(cells), seeded(2), area=0.1)
    n, m = len(whole.example), len(part.example)
    assert abs(n - m) < 4 * np.sqrt(n + m)  # 4 cells are 40 tenths, crowding included
    assert stats.ks_2samp(whole.magnitude, part.magnitude).pvalue > 1e-3


def test_profiles_are_dust_of_half_to_fifteen_magnitudes_with_a_falling_spectrum():
    a_v = physics.profiles(4000, seeded(1))
    assert a_v.shape == (4000, BINS) and a_v.min() >= 0 and torch.isfinite(a_v).all()
    total = a_v[:, :100].sum(1).numpy()
    assert stats.kstest(total, stats.uniform(0.5, 14.5).cdf).pvalue > 1e-3
    assert total.min() > 0.499 and total.max() < 15.001
    prior = np.sqrt(((total - total.mean()) ** 2).mean())
    assert prior == pytest.approx(14.5 / np.sqrt(12), rel=0.03)  # 4.19 mag
    logs = np.log(a_v.double().numpy()) * np.hanning(BINS)
    logs -= logs.mean(1, keepdims=True)
    power = (np.abs(np.fft.rfft(logs)) ** 2).mean(0)
    k = np.arange(len(power))
    slope = np.polyfit(np.log(k[4:60]), np.log(power[4:60]), 1)[0]
    assert -2.4 < slope < -1.2  # amplitudes k^-0.6 to k^-1.2
    first, second = a_v[:, :64].sum(1).mean(), a_v[:, 64:].sum(1).mean()
    assert first > 1.3 * second


def test_an_equal_seed_gives_equal_profiles():
    assert torch.equal(physics.profiles(5, seeded(3)), physics.profiles(5, seeded(3)))
    assert not torch.equal(physics.profiles(5, seeded(3)), physics.profiles(5, seeded(4)))


def test_diagrams_are_numpys_histograms(survey):
    a_v = physics.profiles(4, seeded(1))
    found = physics.stars(survey.lines, torch.arange(4), a_v, seeded(1))
    asked = [
        np.histogram2d(
            found.magnitude[found.example == number].double().numpy(),
            found.colour[found.example == number].double().numpy(),
            bins=SIDE,
            range=((4.7, 14.3), (-0.5, 5.9)),
        )[0]
        for number in range(4)
    ]
    counts = physics.diagrams(found, 4)
    assert counts.dtype == torch.float32
    assert (counts - torch.tensor(np.array(asked))).abs().sum() <= 2e-3 * counts.sum()  # rounding


@pytest.mark.parametrize(
    ("colour", "magnitude", "pixel"),
    [
        (-0.45, 4.75, (0, 0)),
        (5.85, 14.25, (63, 63)),
        (0.65, 10.0, (35, 11)),
        (-0.55, 10.0, None),
        (5.95, 10.0, None),
        (1.0, 4.6, None),
        (1.0, 14.35, None),
    ],
)
def test_rows_are_ks_columns_are_colours_and_what_is_outside_does_not_count(
    colour, magnitude, pixel
):
    star = physics.Stars(torch.tensor([1]), torch.tensor([colour]), torch.tensor([magnitude]))
    counts = physics.diagrams(star, 2)
    where = [tuple(x) for x in counts.nonzero().tolist()]
    assert where == ([] if pixel is None else [(1, *pixel)])


@pytest.mark.parametrize(
    ("lon", "lat"),
    [([], []), ([280.0], [0.0, 1.0]), ([np.nan], [0.0]), ([280.0], [np.inf])],
)
def test_bad_positions_are_refused(lon, lat):
    with pytest.raises(CoganError, match="as many finite longitudes as latitudes"):
        physics.sightlines(lon, lat)


def test_a_latitude_beyond_the_poles_is_refused():
    """Its cell would have a negative area, and so many stars."""
    with pytest.raises(CoganError, match="A latitude is -95 deg, beyond the poles"):
        physics.sightlines([280.0, 10.0], [4.0, -95.0])
