"""Power tile by tile: what a ratio of medians hides."""

import numpy as np
import pytest

from cogan_lib.validation.power import log_ratio, paired_ratio
from tests.toy_reports import report_of, sky


def test_an_excess_that_every_tile_has_shows_where_medians_agree():
    """Spectra over five decades; all tiles but the middle ones have twice the power."""
    real = 10.0 ** np.linspace(0, 5, 41)[:, None]
    generated = 2 * real
    generated[18:23] = real[18:23]
    assert np.median(generated) == np.median(real)
    assert paired_ratio(log_ratio(generated, real)) == pytest.approx(2 ** (36 / 41))


def test_the_paired_ratio_is_the_mean_of_logarithms_and_has_its_interval():
    real, inputs, blocks = sky()
    factors = np.exp(np.random.default_rng(1).normal(0.2, 0.3, len(real)))
    report = report_of(real, real * np.sqrt(factors)[:, None, None], inputs, blocks)["spectrum"]
    np.testing.assert_allclose(report["paired_ratio"], np.exp(np.log(factors).mean()), rtol=1e-5)
    low, high = (np.array(report["paired_ratio_95"][end]) for end in ("low", "high"))
    assert np.all((low < report["paired_ratio"]) & (report["paired_ratio"] < high))
    by_hand = [np.log(factors)[blocks == block].mean() for block in np.unique(blocks)]
    spread = np.std(by_hand, ddof=1) / np.sqrt(len(by_hand))  # blocks of equal size
    np.testing.assert_allclose(np.log(high / low), 2 * 1.96 * spread, rtol=0.35)


def test_a_tile_that_lost_all_power_counts_and_one_that_has_none_does_not():
    real = np.array([[1.0], [1.0], [0.0]])
    assert paired_ratio(log_ratio(np.array([[1.0], [0.0], [5.0]]), real)) == pytest.approx(1e-3)
    assert np.isnan(paired_ratio(log_ratio(real[2:], real[2:])))
