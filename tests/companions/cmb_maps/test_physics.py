"""The spectra are camb's, and the patches have exactly their covariance."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from cogan_lib.base.files import CoganError
from cogan_lib.companions.cmb_maps import physics

BASE = np.array([physics.FIDUCIAL])


def changed(name, factor):
    row = BASE.copy()
    row[0, physics.NAMES.index(name)] *= factor
    return physics.spectrum(row)[0]


def test_table_says_what_it_is():
    table = physics.emulator()
    assert "camb 2.0.5" in table.recipe and table.rms < 2e-3
    assert physics.TABLE.stat().st_size < 2e6


def test_spectrum_answers_as_physics_has_it():
    c_l = physics.spectrum(BASE)[0]
    assert np.allclose(changed("A_s", 1.1), 1.1 * c_l)
    tilted = changed("n_s", 1.03)[2:] / c_l[2:]
    assert tilted[100] < tilted[1000]  # bluer
    peaks = changed("omega_b", 1.1)[2:] / c_l[2:]
    assert peaks[220] > 1 > peaks[540]  # baryons raise odd peaks over even ones
    assert not c_l[:2].any()


def test_outside_of_the_table_is_refused():
    with pytest.raises(CoganError, match="n_s = 1.2 is outside"):
        physics.unit([(0.022, 0.12, 67, 1.2, 2.1)])
    with pytest.raises(CoganError, match="rows of omega_b"):
        physics.unit([1.0, 2.0])
    with pytest.raises(CoganError, match="room for 1 to 4"):
        physics.patches(BASE, torch.Generator(), 5)


def test_patches_have_the_covariance(fiducial):
    cov = physics.covariance(physics.FIDUCIAL)
    maps = fiducial.numpy()
    for dy, dx in ((0, 0), (0, 1), (3, 5), (10, 0)):
        found = (maps[:, dy:, dx:] * maps[:, : 64 - dy, : 64 - dx]).mean()
        assert found == pytest.approx(cov[63 + dy, 63 + dx], abs=0.04 * cov[63, 63])
    assert np.abs(maps[:, 0] - maps[:, -1]).std() > np.abs(maps[:, 0] - maps[:, 1]).std()


def test_cosine_variance_is_exact(fiducial):
    variance = physics.dct_variance(physics.covariance(physics.FIDUCIAL))
    found = (dctn(fiducial.numpy(), axes=(1, 2), norm="ortho") ** 2).mean(axis=0)
    assert (found / variance).mean() == pytest.approx(1, abs=0.003)
    assert (found / variance).std() == pytest.approx(np.sqrt(2 / len(fiducial)), rel=0.15)


def test_whitening_goes_both_ways(fiducial):
    white = physics.fiducial_whitening()
    some = fiducial[:20]
    assert torch.allclose(white.back(white.forth(some)), some, atol=0.01)
    assert float(white.forth(fiducial).std()) == pytest.approx(1, abs=0.01)


def test_log_normal_variance_is_exact(fiducial):
    maps = physics.log_normal(fiducial)
    assert abs(float(maps.mean())) < 3
    amplitudes = dctn(
        physics.fiducial_whitening("log-normal").forth(maps).numpy(), axes=(1, 2), norm="ortho"
    )
    assert (amplitudes[:, 4:, 4:] ** 2).mean() == pytest.approx(1, abs=0.03)


def test_equal_seeds_draw_equal_patches():
    one, two = (physics.patches(BASE, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
