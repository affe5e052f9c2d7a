"""Exact maps pass what generated ones are asked, and wrong ones do not."""

import numpy as np
import pytest
import torch

from cogan_lib.companions.cmb_maps import evaluation, physics


@pytest.fixture(scope="module")
def reader():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "LEARNT", 400)
        return evaluation.regression()


def test_judged_cosmologies_lie_within():
    rows = evaluation.judged()
    assert rows.shape == (5, 5) and np.abs(physics.unit(rows)).max() < 0.8


def test_exact_maps_pass_and_blurred_ones_do_not():
    real = evaluation.judged_maps(evaluation.exact, 64)
    found = evaluation.verdict(evaluation.judged_maps(evaluation.exact, 64, 1), real)
    assert found["rms"] < 0.05 and found["worst"] < 0.1
    assert 0.7 < np.mean(found["scatter"]) < 1.3
    assert abs(found["moments"]["skewness"]) < 0.1 and max(found["shapes"]) < 0.1
    assert abs(found["posterior"]["A_s"]["bias"]) < 5 * found["posterior"]["A_s"]["error"]
    smooth = [(some + np.roll(some, 1, axis=1)) / 2 for some in real]
    assert evaluation.verdict(smooth, real)["rms"] > 0.2


def test_slopes_see_what_was_asked_for(reader):
    rows = physics.draw_cosmologies(60, np.random.default_rng(2), 0.9)
    generator = torch.Generator().manual_seed(2)

    def cheap(cosmologies, generator):
        return physics.patches(cosmologies[::4], generator, 4)

    slopes = evaluation.slopes(reader, evaluation.set_spectra(cheap, rows, generator), rows)
    assert slopes[physics.NAMES.index("A_s")] == pytest.approx(1, abs=0.15)
    shuffled = evaluation.slopes(
        reader, evaluation.set_spectra(cheap, rows[::-1].copy(), generator), rows
    )
    assert abs(shuffled[physics.NAMES.index("A_s")]) < 0.5


def test_posterior_finds_the_truth():
    from cogan_lib.companions.cmb_maps.statistics import expected

    row = np.array(physics.FIDUCIAL)
    n_s, a_s, density = evaluation.posterior(expected([row])[0], row, maps=160)
    assert density.sum() == pytest.approx(1)
    peak = np.unravel_index(density.argmax(), density.shape)
    assert n_s[peak[0]] == pytest.approx(row[3], abs=0.004)
    assert a_s[peak[1]] == pytest.approx(row[4], abs=0.03)
