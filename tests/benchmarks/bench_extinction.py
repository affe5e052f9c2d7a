"""Chapter 08: diagrams drawn, against stars placed one diagram at a time; profiles from them."""

import numpy as np
import pytest
import torch

from cogan_lib.companions.extinction import data, network, physics
from cogan_lib.companions.extinction.physics import BINS, SIDE, STEP_KPC

AT_ONCE = 2000  # sightlines that the chapter's map takes together


@pytest.fixture(scope="module")
def survey():
    return data.Survey(data.TRAINED, seed=1, draws=4)


@pytest.fixture(scope="module")
def examples(survey):
    return survey.examples(AT_ONCE, torch.Generator().manual_seed(1))


def plain_diagram(lines, row, a_v, rng):
    """The same stars written plainly: NumPy, one diagram, interpolation and a histogram."""
    at = physics.extinction_law()
    depth, found = np.concatenate([[0], np.cumsum(a_v)]), []
    for number, part in enumerate(physics.COMPONENTS.values()):
        n = rng.poisson(float(lines.expected[row, number]))
        table = lines.distances_kpc[row, number].numpy()
        d = np.interp(rng.uniform(0, 1, n), np.linspace(0, 1, table.size), table)
        modulus = 5 * np.log10(d) + 10
        faintest = torch.from_numpy(physics.LIMITS["Ks"] + physics.MARGIN - modulus)
        shares = torch.from_numpy(rng.uniform(0, 1, n)) * part.share(faintest)
        absolute = part.quantile(shares.clamp_min(1e-7))
        colour = part.colour(absolute).numpy() + physics.COLOUR_SCATTER * rng.normal(size=n)
        dust = np.interp(d, STEP_KPC * np.arange(BINS + 1), depth)
        ks = absolute.numpy() + modulus + at[1] * dust
        j = absolute.numpy() + modulus + colour + at[0] * dust
        for band, values in (("J", j), ("Ks", ks)):
            sky = 0.1086 * 10 ** (0.4 * np.minimum(values - physics.LIMITS[band], 2))
            values += rng.normal(size=n) * np.hypot(0.02, sky)
        seen = (ks < physics.LIMITS["Ks"]) & (j < physics.LIMITS["J"])
        found.append([ks[seen], (j - ks)[seen]])
    ks, colour = np.concatenate(found, axis=1)
    order = np.argsort(ks)  # as many brighter ones as its place says; ours counts its whole row
    near = np.pi * (physics.BLEND_ARCSEC / 3600 / physics.CELL_DEG) ** 2
    kept = order[rng.uniform(0, 1, ks.size) < np.exp(-near * np.arange(ks.size))]
    spans = (physics.MAGNITUDE, physics.COLOUR)
    return np.histogram2d(ks[kept], colour[kept], bins=SIDE, range=spans)[0]


def test_diagrams_ours(survey, measure, agree):
    n, line = 400, 4
    clear, which = torch.zeros(n, BINS), torch.full((n,), line)
    ours = survey.observe(clear, which, torch.Generator().manual_seed(1)).sum((1, 2)).mean()
    rng = np.random.default_rng(1)
    theirs = np.mean(
        [plain_diagram(survey.lines, line, np.zeros(BINS), rng).sum() for _ in range(n)]
    )
    agree(
        "diagrams", "relative difference of the mean number of stars", abs(ours / theirs - 1), 0.01
    )
    generator = torch.Generator().manual_seed(2)
    measure(
        lambda: survey.examples(AT_ONCE, generator),
        *("diagrams", "ours"),
        count=AT_ONCE,
        note="profile, sightline and stars drawn anew for each; at most 1.4 ms were asked",
    )


def test_diagrams_theirs(survey, measure):
    few = 100
    rng = np.random.default_rng(2)
    profiles = physics.profiles(few, torch.Generator().manual_seed(2)).numpy()
    measure(
        lambda: [plain_diagram(survey.lines, i % 9, a_v, rng) for i, a_v in enumerate(profiles)],
        *("diagrams", "theirs"),
        count=few,
        note="NumPy, one diagram after the other",
    )


@pytest.fixture(scope="module")
def reader():
    """Untrained: what its weights are does not change the time."""
    return network.ProfileNetwork(network.PRESETS["small"]).eval()


def test_profiles_ours(reader, examples, measure, agree):
    pair = examples.counts, examples.reference
    alone = torch.cat(
        [network.predict(reader, *(part[i : i + 1] for part in pair)) for i in range(20)]
    )
    worst = float((network.predict(reader, *pair)[:20] - alone).abs().max() / alone.max())
    agree("profiles", "greatest relative difference from one alone", worst, 1e-4)
    measure(
        lambda: network.predict(reader, *pair),
        *("profiles", "ours"),
        count=AT_ONCE,
        note=f"batch of {AT_ONCE:,}, the small network; at most 1 ms was asked",
    )


def test_profiles_alone(reader, examples, measure):
    few = 200
    pairs = list(zip(examples.counts[:few, None], examples.reference[:few, None], strict=True))
    measure(
        lambda: [network.predict(reader, *pair) for pair in pairs],
        *("profiles", "theirs"),
        count=few,
        note="one sightline at a time",
    )
