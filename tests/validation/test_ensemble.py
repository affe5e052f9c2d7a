"""An ensemble judged as one: members of the real sky's own process pass, others do not."""

import json

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.validation import spectra
from cogan_lib.validation.amplitude import middle_of, r2_score
from cogan_lib.validation.calibration import calibration
from cogan_lib.validation.ensemble import judge_tiles, verdicts
from tests.toy_reports import FWHM, NPIX, PIXEL, places, report_of
from tests.toys import gaussian_tiles

GEOMETRY = Geometry(NPIX, PIXEL)
SIGMA = 0.05  # of the noise [K km/s]


def field(shape, seed):
    tiles, sigma0, _ = gaussian_tiles(np.prod(shape), seed, -1.5, FWHM, NPIX, PIXEL, cut=False)
    return (tiles / sigma0).reshape(*shape, NPIX, NPIX)


def draws(m, n, seed, spread=0.6):
    """`m` skies of one log-normal process with the same inputs, without noise, and its noise.

    All share half of the structure and most of a tile's brightness.
    """
    random = np.random.default_rng(seed)
    common = 0.8 * field((n,), seed) + random.normal(0, 0.7, (n, 1, 1))
    own = 0.6 * field((m, n), seed + 1) + 0.3 * random.normal(size=(m, n, 1, 1))
    return np.exp(common + spread / 0.6 * own), random.normal(0, SIGMA, (m, n, NPIX, NPIX))


def judged(real, members, noise, per_block=4):
    lonlat = places(np.arange(len(real)) // per_block)
    found = judge_tiles(real, members, lonlat, GEOMETRY, FWHM, noise=noise, seed=1)
    json.dumps(found, allow_nan=False)
    return found


@pytest.fixture(scope="module")
def process():
    """The real tiles, members and their noise, all of one process."""
    bare, noise = draws(25, 96, seed=3)
    return bare[0] + noise[0], bare[1:], noise[1:]


@pytest.fixture(scope="module")
def calibrated(process):
    return judged(*process)


def test_members_of_the_real_skys_process_are_calibrated(calibrated):
    found, n = calibrated, 96
    bins = len(found["ell"])
    assert (found["members"], found["tiles"], found["blocks"]) == (24, n, 24)
    np.testing.assert_allclose(found["power"]["mean"], 1, atol=0.12)
    for key in ("power", "power_bright"):
        assert np.shape(found[key]["members"]) == (24, bins)
        low, high = (np.array(found[key]["mean_95"][end]) for end in ("low", "high"))
        assert np.all((low < found[key]["mean"]) & (found[key]["mean"] < high))
        below = (np.array(found[key]["members"]) < 1).mean(axis=0)
        np.testing.assert_allclose(found[key]["rank"], below, atol=1e-6)
    assert all(found["power"]["within_90"])
    for level in (0.68, 0.9):
        chance = 3 * np.sqrt(level * (1 - level) / n)
        np.testing.assert_allclose(found["coverage"][f"{level:g}"], level, atol=chance)
    pit = np.array(found["pit"])
    assert pit.shape == (bins, 10)
    np.testing.assert_allclose(pit.sum(axis=1), 1, atol=1e-5)
    assert pit.max() < 0.1 + 4 * np.sqrt(0.09 / n)
    assert all(0.2 < skill < 1 for skill in found["crps_power"]["skill"])
    assert np.all(np.array(found["crps_power"]["skill_95"]["low"]) > 0)
    pixels = found["calibration"]
    assert pixels["coverage"]["0.68"] == pytest.approx(0.68, abs=0.04)
    ends = pixels["coverage_95"]["0.68"]
    assert ends["low"] < pixels["coverage"]["0.68"] < ends["high"]
    assert pixels["spread_over_error"] == pytest.approx(1, abs=0.07)
    assert found["peaks"]["V1"]["mean"] == pytest.approx(1, abs=0.05)


def test_parts_of_the_sky_add_up_to_what_the_other_rooms_say_of_all(process, calibrated):
    real, members, noise = process
    whole, pooled = calibration(members + noise, real, 1, (0.68, 0.9)), calibrated["calibration"]
    for key in ("spread_over_error", "crps", "crps_of_one", "mean_error"):
        assert pooled[key] == pytest.approx(whole[key])
    np.testing.assert_allclose(pooled["rank"], whole["rank"], atol=1e-6)
    assert pooled["coverage"] == pytest.approx(whole["coverage"])
    edges, in_beam = spectra.bin_edges(GEOMETRY.side_deg, PIXEL, FWHM)
    grid = {"pixel_arcmin": PIXEL, "edges": edges[: in_beam.sum() + 1]}
    for name, guess in (("middle", middle_of(members)), ("mean", members.mean(axis=0))):
        best = calibrated["best"][name]
        assert best["r2"] == pytest.approx(r2_score(real, guess))
        linear = 1 - ((real - guess) ** 2).sum() / ((real - real.mean()) ** 2).sum()
        assert best["r2_linear"] == pytest.approx(linear)
        rho = spectra.cross_correlation(real, guess, **grid)[1]
        np.testing.assert_allclose(best["rho"], rho, rtol=1e-5)
        for key in ("r2", "r2_linear"):
            assert best[f"{key}_95"]["low"] < best[key] < best[f"{key}_95"]["high"]
    assert calibrated["best"]["mean"]["r2_linear"] > calibrated["best"]["middle"]["r2_linear"]
    assert calibrated["best"]["middle"]["r2"] > calibrated["best"]["mean"]["r2"]


def test_peaks_are_those_of_the_report(process):
    real, members, noise = (values[..., :16, :, :] for values in process)
    found = judged(real, members[:2], noise[:2])
    blocks = np.arange(16) // 4
    inputs = np.stack([1e20 * real, real], axis=1)
    for i in range(2):
        report = report_of(real, members[i], inputs, blocks, noise=noise[i])["minkowski"]
        for name, peak in report["peak_ratio"].items():
            assert found["peaks"][name]["members"][i] == pytest.approx(peak)
    report = report_of(real, members[0], inputs, blocks, noise=noise[0])["spectrum"]
    np.testing.assert_allclose(
        found["power"]["members"][0], report["paired_ratio"][: len(found["ell"])], rtol=1e-5
    )


def test_nine_in_ten_real_skies_are_within_the_central_90_percent():
    """Each of 20 skies once as the real one: by Weibull's positions the first and last are out."""
    bare, noise = draws(20, 6, seed=5)
    inside = {"power": [], "power_bright": []}
    for i in range(20):
        others = np.arange(20) != i
        found = judged(bare[i] + noise[i], bare[others], noise[others], per_block=2)
        for key, rows in inside.items():
            rows.append(found[key]["within_90"])
    for rows in inside.values():
        np.testing.assert_array_equal(np.sum(rows, axis=0), 18)


def test_an_ensemble_that_is_too_bright_is_found_out(process):
    real, members, noise = (values[..., :24, :, :] for values in process)
    right, bright = (judged(real, factor * members, 0 * noise) for factor in (1, 1.5))
    for key in ("power", "power_bright"):
        np.testing.assert_allclose(bright[key]["mean"], 2.25 * np.array(right[key]["mean"]), 1e-5)
    assert not any(bright["power"]["within_90"])
    np.testing.assert_array_less(bright["power"]["rank"], 0.05)
    assert np.all(np.array(bright["crps_power"]["skill"]) < right["crps_power"]["skill"])


def test_an_ensemble_that_is_too_narrow_covers_less(process, calibrated):
    real, _, noise = process
    narrow, _ = draws(25, 96, seed=3, spread=0.2)
    found = judged(real, narrow[1:], noise)
    less = np.array(calibrated["coverage"]["0.68"]) - found["coverage"]["0.68"]
    assert np.all(less > 0.15)
    assert found["calibration"]["coverage"]["0.68"] < 0.45
    assert found["calibration"]["spread_over_error"] < 0.6
    ends = np.array(found["pit"])[:, [0, -1]].sum(axis=1)
    assert np.all(ends > 0.3)


def test_verdicts_pass_members_of_the_process_and_fail_bright_ones():
    bare, noise = draws(4, 24, seed=7)
    real, lonlat = bare[0] + noise[0], places(np.arange(24) // 2)
    common = (noise[1:], lonlat, GEOMETRY, FWHM)
    right = verdicts(real, bare[1:], *common, seed=1)
    wrong = verdicts(real, 3 * bare[1:], *common, seed=1, most=2)
    json.dumps([right, wrong], allow_nan=False)
    assert right["share_passing"] >= 2 / 3 and right["blocks"] == 12 and right["tiles"] == 24
    assert wrong["share_passing"] == 0 and len(wrong["p_values"]) == wrong["members"] == 2
    assert {len(values) for values in wrong["tests"].values()} == {2}


def test_what_is_no_ensemble_is_refused(process):
    real, members, noise = (values[..., :8, :, :] for values in process)
    lonlat, few = places(np.arange(8) // 2), slice(0, 2)
    spoilt = members[few].copy()
    spoilt[1, 3, 0, 0] = np.nan
    for one, many, draw, where, geometry, words in (
        (real, members[0], noise[0], lonlat, GEOMETRY, "no ensemble"),
        (real, members[:1], noise[:1], lonlat, GEOMETRY, "at least two members"),
        (real, members[few], noise[:3], lonlat, GEOMETRY, "a draw of the noise for each"),
        (real[:5], members[few], noise[few], lonlat, GEOMETRY, "cut both at the same centres"),
        (real, spoilt, noise[few], lonlat, GEOMETRY, "first in tile 3"),
        (real, members[few], noise[few], lonlat[:5], GEOMETRY, "as many centres"),
        (real, members[few], noise[few], lonlat, Geometry(64, PIXEL), "the geometry 64"),
        (real, members[few], noise[few], 0 * lonlat, GEOMETRY, "in 1 blocks of sky"),
        (0 * real, members[few], noise[few], lonlat, GEOMETRY, "0 real tiles"),
    ):
        with pytest.raises(CoganError, match=words):
            judge_tiles(one, many, where, geometry, FWHM, noise=draw, seed=1)
