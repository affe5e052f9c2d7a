"""Real against generated rows: what is alike, what is not, and what is a copy."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from cogan_lib.base.files import CoganError
from cogan_lib.learn.compare import auc, classifier_auc, ks, nearest_ratio


def rows(seed, n=400, mean=0.0, width=1.0, k=4):
    return np.random.default_rng(seed).normal(mean, width, (n, k))


def test_equal_distributions_are_not_told_apart():
    found = [classifier_auc(rows(2 * i), rows(2 * i + 1), seed=i) for i in range(5)]
    assert abs(np.mean(found) - 0.5) < 0.03


def test_a_shift_gives_the_area_that_theory_knows():
    # the best classifier of two Gaussians that are d apart has the area Phi(d / sqrt 2)
    apart = np.zeros(4)
    apart[0] = 1.5
    found = classifier_auc(rows(1, 1000), rows(2, 1000) + apart, seed=1)
    assert found == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.03)


def test_a_wrong_scatter_is_seen_though_the_mean_is_right():
    assert classifier_auc(rows(1), rows(2, width=1.6), seed=1) > 0.65


def test_columns_without_scatter_do_no_harm():
    one, other = (np.column_stack([rows(i), np.ones(400)]) for i in (1, 2))
    assert 0.4 < classifier_auc(one, other, seed=1) < 0.6


def test_the_area_is_the_chance_of_a_pair():
    rng = np.random.default_rng(1)
    low, high = rng.integers(0, 9, 30), rng.integers(3, 12, 40)
    above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    assert auc(low, high) == pytest.approx(above)


def test_copies_are_near_and_new_rows_are_as_near_as_held_out_ones():
    training, held_out = rows(1, 2000), rows(2, 1000)
    assert nearest_ratio(rows(3, 1000), training, held_out) == pytest.approx(1, abs=0.1)
    copies = training[:1000] + 0.01 * rows(4, 1000)
    assert nearest_ratio(copies, training, held_out) < 0.1


def test_distributions_are_compared_column_by_column():
    one, other = rows(1), rows(2, 300) + np.array([0, 1, 0, 0])
    distance, p_value = ks(one, other)
    expected = [ks_2samp(one[:, k], other[:, k]) for k in range(4)]
    np.testing.assert_allclose(distance, [x.statistic for x in expected])
    np.testing.assert_allclose(p_value, [x.pvalue for x in expected])
    assert p_value[1] < 1e-6 < p_value[0]


@pytest.mark.parametrize(
    ("one", "other"), [((4, 2), (9, 2)), ((9, 2), (9, 3)), ((9,), (9,)), ((0, 2), (9, 2))]
)
def test_rows_that_cannot_be_compared_are_refused(one, other):
    with pytest.raises(CoganError, match="rows|Rows"):
        classifier_auc(np.ones(one), np.ones(other), seed=1)
