"""Examples: stars that are new each time, diagrams without dust, parts of cells, and refusals."""

import numpy as np
import pytest
import torch
from scipy import stats

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction import data, physics
from cogan_lib.companions.extinction.physics import BINS, SIDE

from .conftest import seeded


def test_nine_sightlines_lie_on_the_map_and_others_are_kept_from_the_training():
    lon, lat = np.array(data.TRAINED + data.UNSEEN).T
    assert len(set(data.TRAINED)) == 9 and not set(data.TRAINED) & set(data.UNSEEN)
    assert ((lon > 257) & (lon < 303) & (np.abs(lat) < 5)).all()


def test_the_reference_is_the_mean_diagram_without_dust(survey):
    generator, n = seeded(99), 60
    total = sum(survey.observe(torch.zeros(9, BINS), torch.arange(9), generator) for _ in range(n))
    theirs, ours = total.sum((1, 2)) / n, survey.reference.sum((1, 2))
    error = (theirs * (1 / n + 1 / 8)).sqrt()
    assert ((ours - theirs).abs() < 4 * error).all()
    chi2 = ((survey.reference - total / n) ** 2 / (total / n * (1 / n + 1 / 8)))[total > 5 * n]
    assert float(chi2.mean()) == pytest.approx(1, abs=0.1)


def test_examples_are_what_they_say(survey, examples):
    shape = (256, SIDE, SIDE)
    assert examples.counts.shape == examples.reference.shape == shape
    assert examples.a_v.shape == (256, BINS)
    sums = survey.reference.sum((1, 2))
    whose = (examples.reference.sum((1, 2))[:, None] - sums).abs().argmin(1)
    assert torch.equal(examples.reference, survey.reference[whose])
    assert stats.chisquare(torch.bincount(whose, minlength=9)).pvalue > 1e-3
    lost = 1 - examples.counts.sum((1, 2)) / examples.reference.sum((1, 2))
    dust = examples.a_v[:, :50].sum(1)
    assert lost[dust > 8].mean() > 0.2 + lost[dust < 2].mean()


def test_sightlines_do_not_get_each_others_stars_or_dust(survey):
    """Diagrams that are drawn together have the mean that they have alone."""
    dust = torch.zeros(600, BINS)
    dust[1::2, 10] = 6.0
    which = torch.tensor([0, 4]).repeat(300)
    together = survey.observe(dust, which, seeded(1))
    for number in (0, 1):
        alone = survey.observe(dust[number::2], which[number::2], seeded(2))
        n, m = (float(x.sum()) for x in (together[number::2], alone))
        assert abs(n - m) < 4 * np.sqrt(n + m)
        column = [x.sum((0, 1)) for x in (together[number::2], alone)]
        sure = (column[0] + column[1]) > 50
        chi2 = ((column[0] - column[1]) ** 2 / (column[0] + column[1]))[sure]
        assert float(chi2.mean()) == pytest.approx(1, abs=4 * np.sqrt(2 / int(sure.sum())))


def test_a_part_of_a_cell_has_its_share_of_stars_in_both_diagrams(survey):
    area = torch.tensor([1.0, 0.1]).repeat(300)
    found = survey.examples(600, seeded(1), area=area)
    whole, part = found.reference[::2].sum((1, 2)), found.reference[1::2].sum((1, 2))
    sums = survey.reference.sum((1, 2))
    assert ((whole[:, None] / sums - 1).abs().min(1).values < 1e-5).all()
    assert ((part[:, None] / sums / 0.1 - 1).abs().min(1).values < 1e-5).all()
    ratio = found.counts.sum((1, 2)) / found.reference.sum((1, 2))
    scatter = float(ratio.std()) * np.sqrt(2 / 300)
    assert float(ratio[::2].mean()) == pytest.approx(float(ratio[1::2].mean()), abs=4 * scatter)


def test_batches_are_new_each_time_and_some_are_thinned(survey):
    batches = data.NewDraws(survey, 64, 3, seed=5)
    first, second = list(batches), list(batches)
    assert len(batches) == len(first) == 3
    profiles = torch.cat([batch.a_v for batch in first + second])
    assert len(torch.unique(profiles[:, 7])) == len(profiles) == 6 * 64
    again = next(iter(data.NewDraws(survey, 64, 3, seed=5)))
    assert torch.equal(again.counts, first[0].counts)
    share = torch.cat([batch.reference for batch in first + second]).sum((1, 2))
    sums = survey.reference.sum((1, 2))
    whole = ((share[:, None] / sums - 1).abs() < 1e-4).any(1)
    assert 1 - float(whole.float().mean()) == pytest.approx(0.25, abs=4 * np.sqrt(0.19 / 384))
    whose = torch.cat([batch.reference for batch in first + second])[~whole].flatten(1)
    likeness = (
        torch.nn.functional.normalize(whose)
        @ torch.nn.functional.normalize(survey.reference.flatten(1)).T
    )
    area = share[~whole] / sums[likeness.argmax(1)]
    logs = (area.log() / np.log(0.03)).numpy()
    assert stats.kstest(logs, stats.uniform(0, 1).cdf).pvalue > 1e-3


def test_a_frozen_catalogue_shows_the_same_stars_again(survey):
    """Two of its diagrams of a sightline behind equal dust differ by the lost tenth alone."""
    frozen = data.Frozen(survey, seed=3)
    found = frozen.examples(12, seeded(1))
    assert found.counts.shape == (12, SIDE, SIDE) and torch.isfinite(found.counts).all()
    clear, four = torch.zeros(12, BINS), torch.full((12,), 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(physics, "profiles", lambda n, generator: clear)
        patch.setattr(torch, "randint", lambda *args, **kwargs: four)
        same = frozen.examples(12, seeded(1)).counts
    for counts, asked in ((same, 0.1), (survey.observe(clear, four, seeded(1)), 1)):
        busy = counts.mean(0) > 5  # of a binomial 1 - 0.9, of Poisson's law 1
        scatter = float((counts.var(0) / counts.mean(0))[busy].mean())
        assert scatter == pytest.approx(asked, rel=0.15)


def pair(n=2, side=SIDE):
    return torch.ones(n, side, side)


BROKEN = pair()
BROKEN[0, 0, 0] = torch.nan
NEGATIVE = pair()
NEGATIVE[1, 3, 3] = -1


@pytest.mark.parametrize(
    ("counts", "reference", "words"),
    [
        (pair(side=32), pair(), r"The diagrams must have the shape \(n, 64, 64\).*\(2, 32, 32\)"),
        (pair()[0], pair(), "The diagrams must have the shape"),
        (pair(), pair(side=65), "The diagrams without dust must have the shape"),
        (BROKEN, pair(), "The diagrams must be counts of stars, finite and not negative"),
        (pair(), NEGATIVE, "The diagrams without dust must be counts of stars"),
        (pair(3), pair(2), "There are 3 diagrams and 2 without dust; each needs its own"),
    ],
)
def test_what_are_not_pairs_of_diagrams_is_refused(counts, reference, words):
    with pytest.raises(CoganError, match=words):
        data.check_diagrams(counts, reference)
