"""The verdict: it passes the same sky, fails a wrong one, and its p-values mean what they say."""

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cogan_lib.base.files import CoganError
from cogan_lib.beyond.baselines import fit_loglinear
from cogan_lib.validation.amplitude import r2_score
from cogan_lib.validation.blocks import block_interval, sky_blocks, swap_p_value
from cogan_lib.validation.report import headline, per_epoch_check
from tests.toy_reports import FWHM, PIXEL, clouds, report_of, sky


def test_the_real_sky_passes_against_itself():
    real, inputs, blocks = sky()
    baseline = fit_loglinear(inputs, real)
    report = report_of(real, real.copy(), inputs, blocks, baseline=baseline)
    assert report["within_2sigma"] and "is consistent" in report["verdict"]
    for key in ("spectrum", "spectrum_standardised", "minkowski", "shapes"):
        assert report[key]["inside_2sigma"] == 1 and report[key]["p_value"] == 1
    assert report["r2_heldout"] == 1 and 0.5 < report["r2_heldout_loglinear"] < 1
    np.testing.assert_allclose(report["rho_ell_real_mock"], 1)
    np.testing.assert_allclose(report["spectrum"]["median_ratio"], 1)
    assert report["minkowski"]["peak_ratio"] == {"V0": 1, "V1": 1, "V2": 1}
    assert report["pdf"]["real"] == report["pdf"]["mock"]
    assert sum(report["pdf"]["real"]) == pytest.approx(1)


def test_another_sky_of_the_same_population_passes():
    real, inputs, blocks = sky(60, seed=3)
    report = report_of(real, clouds(60, seed=4), inputs, blocks)
    assert report["within_2sigma"]
    ratio = np.array(report["spectrum"]["median_ratio"])
    assert np.all((ratio > 0.5) & (ratio < 2))
    for key in ("spectrum", "minkowski", "shapes"):
        assert report[key]["p_value"] > 0.01, key
    assert np.all(np.abs(report["rho_ell_real_mock"]) < 0.4)  # the same kind, another sky
    assert report["r2_heldout"] < 0


def test_a_smoothed_sky_fails():
    real, inputs, blocks = sky()
    mock = np.stack([gaussian_filter(tile, 3, mode="wrap") for tile in real])
    report = report_of(real, mock, inputs, blocks)
    assert not report["within_2sigma"] and "is not consistent" in report["verdict"]
    spectrum = report["spectrum"]
    assert spectrum["inside_2sigma"] < 1 and spectrum["median_ratio"][-2] < 0.1
    assert report["minkowski"]["peak_ratio"]["V2"] < 0.6
    for key in ("spectrum", "minkowski", "shapes"):
        assert report[key]["p_value"] < 0.01, key


def test_a_rescaled_sky_shows_in_amplitude_and_not_in_shape():
    real, inputs, blocks = sky()
    report = report_of(real, 1.3 * real, inputs, blocks)
    np.testing.assert_allclose(report["spectrum"]["median_ratio"], 1.69, rtol=1e-5)
    for end in ("low", "high"):  # one factor everywhere: other places would say the same
        np.testing.assert_allclose(report["spectrum"]["median_ratio_95"][end], 1.69, rtol=1e-5)
    assert report["spectrum"]["p_value"] == pytest.approx(2 / 2**10)  # least for 10 blocks
    assert report["spectrum_standardised"]["p_value"] == 1
    assert report["minkowski"]["p_value"] == 1 and report["shapes"]["p_value"] == 1
    assert report["r2_heldout"] < 1
    assert not report_of(real, 12 * real, inputs, blocks)["within_2sigma"]


def test_small_scale_noise_shows_in_shape():
    real, inputs, blocks = sky()
    noise = np.random.default_rng(5).standard_normal(real.shape)
    noise = np.stack([gaussian_filter(tile, 0.8, mode="wrap") for tile in noise])
    report = report_of(real, real * np.exp(1.2 * noise), inputs, blocks)
    assert report["minkowski"]["peak_ratio"]["V1"] > 1.1
    assert report["minkowski"]["p_value"] < 0.01 and report["shapes"]["p_value"] < 0.05


@pytest.mark.parametrize("value", [0.0, 1.1])
def test_a_collapsed_generator_fails_with_finite_numbers(value):
    real, inputs, blocks = sky()
    report = report_of(real, np.full_like(real, value), inputs, blocks)
    assert not report["within_2sigma"]
    assert report["spectrum"]["inside_2sigma"] == 0 and report["shapes"]["inside_2sigma"] == 0
    assert report["spectrum"]["median_ratio"] == [0.0] * len(report["spectrum"]["ell"])
    assert report["rho_ell_real_mock"] == [0.0] * len(report["spectrum"]["ell"])
    assert report["spectrum"]["p_value"] < 0.01


def test_one_empty_real_tile_does_no_harm_and_all_are_refused():
    real, inputs, blocks = sky()
    real[3] = 0
    assert report_of(real, real, inputs, blocks)["within_2sigma"]
    with pytest.raises(CoganError, match="Most real tiles are constant"):
        report_of(np.zeros_like(real), real, inputs, blocks)


def test_tiles_between_blocks_count_in_all_but_the_p_values():
    real, inputs, blocks = sky(48)
    mock = 1.05 * clouds(48, seed=8)
    between = np.arange(48) % 4 == 3
    report = report_of(real, mock, inputs, blocks, between)
    whole = report_of(real, mock, inputs, blocks)
    kept = ~between
    part = report_of(real[kept], mock[kept], inputs[kept], blocks[kept])
    assert report["spectrum"]["median_ratio_95"] == whole["spectrum"]["median_ratio_95"]
    for key in ("spectrum_standardised", "minkowski", "shapes"):
        assert report[key]["p_value"] == part[key]["p_value"] != whole[key]["p_value"]
    assert report["tiles"] == 48 and report["blocks_apart"] == 12


def test_same_seed_same_report():
    real, inputs, _ = sky(48)
    mock = 1.01 * clouds(48, seed=8)
    blocks = np.arange(48) // 4  # 12 blocks: random swaps
    first = report_of(real, mock, inputs, blocks, seed=5)
    assert first == report_of(real.astype(np.float64), mock, inputs, blocks, seed=5)


def test_bad_input_is_refused():
    real, inputs, blocks = sky(8)
    with pytest.raises(CoganError, match="same centres"):
        report_of(real, real[:7], inputs, blocks)
    with pytest.raises(CoganError, match="NaN"):
        report_of(real, np.where(real > 1, np.nan, real), inputs, blocks)
    with pytest.raises(CoganError, match="N_HI tiles hold NaN"):
        bad = inputs.copy()
        bad[2, 1, 0, 0] = np.inf
        report_of(real, real, bad, blocks)
    with pytest.raises(CoganError, match="at least 4"):
        report_of(real[:3], real[:3], inputs[:3], blocks[:3])
    with pytest.raises(CoganError, match="channels DUST, N_HI"):
        report_of(real, real, inputs[:, :1], blocks)
    with pytest.raises(CoganError, match="as many centres"):
        report_of(real, real, inputs, blocks[:5])


def test_the_headline_is_of_the_bins_within_the_beam():
    real, inputs, blocks = sky()
    section = report_of(real, 1.3 * real, inputs, blocks)
    quoted, bins = headline(section), sum(section["spectrum"]["in_beam"])
    np.testing.assert_allclose(quoted["ratio"], [1.69] * bins, rtol=1e-5)
    np.testing.assert_allclose(quoted["rho"], [1.0] * bins)
    assert quoted["r2"] == section["r2_heldout"] and quoted["peaks"]["V1"] == 1
    assert quoted["inside"] == {"spectrum": 1.0, "minkowski": 1.0}


def test_p_values_are_uniform_when_whole_blocks_are_swapped():
    """Tiles of a block share a deviation, as overlapping tiles do: 30 tiles, 6 independent."""
    rng = np.random.default_rng(1)
    trials, blocks = 300, np.repeat(np.arange(6), 5)
    by_block, by_tile = [], []
    for trial in range(trials):
        shared = rng.standard_normal((6, 3))[blocks]
        mock = shared + 0.3 * rng.standard_normal((30, 3))
        real = np.zeros((30, 3))
        by_block.append(swap_p_value(real, mock, blocks, trial))
        by_tile.append(swap_p_value(real, mock, np.arange(30), trial, permutations=200))
    assert np.mean(np.array(by_block) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(np.array(by_tile) < 0.1) > 0.4  # why single tiles must not be swapped


def test_p_value_limits():
    rng = np.random.default_rng(2)
    real = rng.standard_normal((40, 2))
    assert swap_p_value(real, real, np.arange(40) // 4, 1) == 1
    assert swap_p_value(real, real + 1e-9, np.arange(40) // 4, 1) == 1  # rounding is no difference
    assert swap_p_value(real, real + 1, np.arange(40) // 8, 1) == pytest.approx(2 / 2**5)
    assert swap_p_value(real, real + 1, np.zeros(40), 1) == 1  # one block can tell nothing
    assert swap_p_value(real, real + 1, np.arange(40), 1, 999) == pytest.approx(1 / 1000)


def test_sky_blocks_are_of_about_equal_size_and_wrap():
    lon, lat = np.meshgrid(np.arange(0, 360, 1.0), np.arange(-89.5, 90))
    blocks = sky_blocks(lon.ravel(), lat.ravel(), 15.0)
    area = np.bincount(blocks, np.cos(np.radians(lat.ravel())))
    assert len(area) == pytest.approx(41253 / 15**2, rel=0.05)
    assert area.min() > 0.7 * 15**2 and area.max() < 1.3 * 15**2
    assert sky_blocks([359.9, -0.1], [5, 5])[0] == sky_blocks([359.9, -0.1], [5, 5])[1]


def test_loglinear_fit_finds_its_own_law():
    real, _, _ = sky(12)
    rng = np.random.default_rng(3)
    inputs = np.stack(
        [10 ** rng.normal(0.5, 0.4, real.shape), 10 ** rng.normal(21, 0.3, real.shape)], axis=1
    )
    y = -20 + 1.5 * np.log10(inputs[:, 0]) + 1.0 * np.log10(inputs[:, 1])
    fit = fit_loglinear(inputs, 0.3 * np.sinh(y), most_pixels=5000)
    np.testing.assert_allclose(fit.coefficients, (-20, 1.5, 1), rtol=0.01)
    assert r2_score(0.3 * np.sinh(y), fit.predict(inputs)) > 0.999
    inputs[0, 0, 0, :3] = -1  # ringing beside a bright source counts as the faintest dust
    floor = fit.predict(np.where(inputs > 0, inputs, fit.floors[0]))
    np.testing.assert_allclose(fit.predict(inputs), floor)
    with pytest.raises(CoganError, match="not positive"):
        fit_loglinear(inputs - 1e22, real)
    with pytest.raises(CoganError, match="channels, npix, npix"):
        fit_loglinear(inputs[:5], real)
    with pytest.raises(CoganError, match="takes inputs"):
        fit.predict(inputs[:, :1])
    inputs[0, 0] = np.nan
    with pytest.raises(CoganError, match="NaN"):
        fit_loglinear(inputs, real)


def test_r2_is_one_for_equal_and_zero_for_the_mean():
    real, *_ = sky(8)
    mean = 0.3 * np.sinh(np.arcsinh(real / 0.3).mean())
    assert r2_score(real, real) == 1
    assert r2_score(real, np.full_like(real, mean)) == pytest.approx(0, abs=1e-12)


def test_per_epoch_check_orders_mocks():
    real, other = clouds(40, 1), clouds(25, 2)  # unequal numbers: unpaired
    same = per_epoch_check(real, real, PIXEL, FWHM)
    assert same == {"spectrum": 0, "histogram": 0}
    near = per_epoch_check(real, other, PIXEL, FWHM)
    smooth = np.stack([gaussian_filter(tile, 3, mode="wrap") for tile in other])
    blurred = per_epoch_check(real, smooth, PIXEL, FWHM)
    assert near["spectrum"] < 0.1 < blurred["spectrum"]
    scaled = per_epoch_check(real, 10 * real, PIXEL)
    assert scaled["spectrum"] == pytest.approx(4, rel=1e-3)  # 100 in power, 2 in log10
    assert scaled["histogram"] > near["histogram"]
    collapsed = per_epoch_check(real, 0 * other, PIXEL, FWHM)
    assert 10 < collapsed["spectrum"] < 100
    assert all(np.isfinite(list(per_epoch_check(0 * real, real, PIXEL).values())))
    with pytest.raises(CoganError, match="generated tiles hold NaN"):
        per_epoch_check(real, other * np.nan, PIXEL)


def mean_of(values, tiles):
    return values[tiles].mean()


@pytest.mark.parametrize("trials", [60, pytest.param(150, marks=pytest.mark.slow)])
def test_the_block_interval_knows_that_neighbours_err_together(trials):
    draw = np.random.default_rng(2)
    blocks, covered = np.repeat(np.arange(30), 6), {"blocks": [], "tiles": []}
    for trial in range(trials):
        values = np.repeat(draw.standard_normal(30), 6) + 0.2 * draw.standard_normal(180)
        for name, groups in (("blocks", blocks), ("tiles", np.arange(180))):
            low, high = block_interval(partial(mean_of, values), groups, trial, 0.68, 200)
            covered[name].append(low < 0 < high)
    assert np.mean(covered["blocks"]) == pytest.approx(0.68, abs=0.1)
    assert np.mean(covered["tiles"]) < 0.5
