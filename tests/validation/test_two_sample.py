"""The sharp verdict fails what is wrong, passes what is right, and rarely cries wolf."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from cogan_lib.base.files import CoganError
from cogan_lib.validation.blocks import separate_blocks, swap_p_value
from cogan_lib.validation.features import tile_features
from cogan_lib.validation.two_sample import TESTS, sharp_verdict
from tests.toys import gaussian_tiles

PIXEL, FWHM, NPIX = 15.0, 60.0, 32


def log_skies(n, seed, corners=4):
    """Gaussian fields (n x corners, npix, npix): overlapping quarters of n independent patches."""
    field, sigma0, _ = gaussian_tiles(n, seed, -2.0, FWHM, NPIX * 3 // 2, PIXEL, cut=False)
    starts = [(y, x) for y in (0, NPIX // 2) for x in (0, NPIX // 2)][:corners]
    cuts = np.stack([field[:, y : y + NPIX, x : x + NPIX] for y, x in starts], axis=1)
    return cuts.reshape(-1, NPIX, NPIX) / sigma0


def clouds(field, seed):
    """Log-normal W in K km/s with the noise of a map."""
    noise = np.random.default_rng(seed).standard_normal(field.shape)
    return 0.7 * np.exp(field) + 0.1 * gaussian_filter(noise, (0, 1.5, 1.5))


def blocks_of(n, corners=4):
    return np.repeat(np.arange(n), corners)


def verdict_of(real, generated, blocks, **options):
    options = {"pixel_arcmin": PIXEL, "fwhm_arcmin": FWHM, "seed": 1, "noise": None} | options
    report = sharp_verdict(real, generated, blocks=blocks, **options)
    json.dumps(report, allow_nan=False)  # finite and of plain types
    return report


def with_random_phases(tiles):
    """Each tile's Fourier moduli, and its mean, with the phases of noise."""
    noise = np.random.default_rng(0).standard_normal(tiles.shape)
    phases = np.exp(1j * np.angle(np.fft.fft2(noise)))
    phases[:, 0, 0] = 1
    return np.fft.ifft2(np.abs(np.fft.fft2(tiles)) * phases).real


def smoothed(tiles):
    return gaussian_filter(tiles, (0, 1, 1))


def rescaled(tiles):
    return 1.3 * tiles


@pytest.mark.parametrize("wrong", [with_random_phases, smoothed, rescaled])
@pytest.mark.parametrize("same_sky", [True, False], ids=["same sky", "another sky"])
def test_a_wrong_sky_fails(wrong, same_sky):
    """Even if the sky, before it was spoilt, was only another sky given the same dust and HI."""
    common, rest, other = (log_skies(10, seed) for seed in (1, 2, 3))
    real = clouds(common + 0.3 * rest, 4)
    generated = wrong(real if same_sky else clouds(common + 0.3 * other, 5))
    report = verdict_of(real, generated, blocks_of(10))
    assert not report["passes"]
    assert "fails the sharp verdict" in report["verdict"]
    if not same_sky:
        return
    seen_by = {
        with_random_phases: ("minkowski", "pdf", "classifier"),
        smoothed: ("spectrum", "minkowski", "classifier"),
        rescaled: ("spectrum", "pdf", "classifier"),
    }
    for name in seen_by[wrong]:
        assert report[name]["p_value"] < 0.02, name
        assert report[name]["distance"] > report[name]["chance"], name
    if wrong is rescaled:  # the shapes are the same: nothing may be claimed
        assert report["minkowski"]["p_value"] == 1 and report["minkowski"]["distance"] == 0
    if wrong is with_random_phases:
        assert report["classifier"]["auc"] > 0.9


def test_one_half_of_the_real_tiles_passes_as_generated_for_the_other():
    tiles, blocks = clouds(log_skies(24, 1), 2), blocks_of(24)
    real = np.isin(blocks, np.random.default_rng(5).permutation(24)[:12])
    halves = {"blocks": blocks[real], "generated_blocks": blocks[~real]}
    report = verdict_of(tiles[real], tiles[~real], **halves)
    assert report["passes"] and not report["paired"] and "no difference" in report["verdict"]
    assert report["blocks"] == 24 and report["tiles"] == {"real": 48, "mock": 48}
    for wrong in (with_random_phases, smoothed):
        assert not verdict_of(tiles[real], wrong(tiles[~real]), **halves)["passes"]
    unequal = blocks >= 16
    halves = {"blocks": blocks[unequal], "generated_blocks": blocks[~unequal]}
    assert verdict_of(tiles[unequal], tiles[~unequal], **halves)["passes"]


def test_a_copy_passes_and_tiles_between_blocks_do_not_count():
    real, blocks = clouds(log_skies(8, 1), 2), blocks_of(8)
    report = verdict_of(real, real.copy(), blocks)
    assert report["passes"] and report["p_value"] == 1 and report["label_sets"] == 2**7
    for name in TESTS:
        assert report[name]["p_value"] == 1 and report[name]["distance"] == 0
    spoilt = np.concatenate([real, 100 * real])
    left_out = np.concatenate([blocks, np.full(len(real), -1)])
    assert verdict_of(np.concatenate([real, real]), spoilt, left_out) == report


def test_only_the_classifier_sees_a_preferred_direction():
    """A sky stretched along x against one stretched along y: everything isotropic is the same."""
    field = gaussian_filter(log_skies(10, 1), (0, 0, 3))
    real = clouds(3 * field, 2)
    generated = real.transpose(0, 2, 1)
    report = verdict_of(real, generated, blocks_of(10))
    assert not report["passes"] and report["classifier"]["auc"] > 0.8
    for name in TESTS[:3]:
        assert report[name]["p_value"] > 0.05, name


def test_a_mean_map_is_no_member_of_the_population():
    common, rest = log_skies(10, 1), log_skies(10, 2)
    mean = clouds(common + 0.5 * rest.var(), 4)  # <exp(rest)> = exp(variance / 2)
    assert not verdict_of(clouds(common + rest, 3), mean, blocks_of(10))["passes"]


def test_false_alarms_are_as_rare_as_promised():
    """Real and generated share dust and HI; the tiles of a block overlap, so they err together."""
    p_values, by_tile = [], []
    for draw in range(60):
        common, *rest = (log_skies(10, 3 * draw + i, corners=3) for i in range(3))
        real, generated = (clouds(common + 0.7 * r, 2 * draw + i) for i, r in enumerate(rest))
        options = {"seed": draw, "draws": 99}
        report = verdict_of(real, generated, blocks_of(10, 3), **options)
        p_values.append([report["p_value"], *(report[name]["p_value"] for name in TESTS)])
        if draw < 20:
            report = verdict_of(real, generated, np.arange(30), **options)
            by_tile.append(report["minkowski"]["p_value"])
    p_values = np.array(p_values)
    assert np.all((p_values < 0.05).mean(axis=0) <= 0.12)
    assert np.all(np.abs(p_values.mean(axis=0) - 0.5) < 0.13)
    assert np.mean(np.array(by_tile) < 0.05) >= 0.2  # why blocks are exchanged, and not tiles


def instrument(shape, seed):
    """Beam-smoothed noise, as an instrument adds it."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), (0, 1.5, 1.5))
    return 0.2 * noise / noise.std()


def test_two_noise_draws_of_one_sky_pass_and_the_bare_sky_fails():
    """The null by value: 5 % false alarms. Without noise it is false, whatever the generator."""
    p_values, bare = [], []
    for draw in range(200):
        sky = 0.7 * np.exp(log_skies(10, draw, corners=1))
        real, again = (sky + instrument(sky.shape, (draw, i)) for i in range(2))
        given = real, sky, blocks_of(10, 1)
        options = {"seed": draw, "draws": 199}
        report = verdict_of(*given, noise=again - sky, **options)
        assert report["noise_added"]
        p_values.append([report["p_value"], *(report[name]["p_value"] for name in TESTS)])
        if draw < 30:
            report = verdict_of(*given, **options)
            bare.append(report["passes"])
            assert not report["noise_added"]
        if draw == 0:  # noise is nothing but added, and before anything else
            whole = verdict_of(real, again, blocks_of(10, 1), **options) | {"noise_added": True}
            assert whole == verdict_of(*given, noise=again - sky, **options)
    p_values = np.array(p_values)
    low, high = binom.interval(0.998, len(p_values), 0.05)
    alarms = (p_values < 0.05).sum(axis=0)
    assert np.all(alarms <= high) and low <= alarms[0], alarms
    assert np.all(np.abs(p_values.mean(axis=0) - 0.5) < 0.07)
    assert np.mean(bare) <= 0.3


def test_a_factor_between_independent_maps_is_found_by_their_pairs():
    """Places of very different brightness, which both maps share; all else is independent."""
    found = {}
    for factor in (1.0, 1.3, 2.0):
        p_values = []
        for draw in range(40):
            place = np.exp(np.random.default_rng((draw, 9)).normal(0, 1.5, (17, 1, 1)))
            seeds = 2 * draw, 2 * draw + 1
            one, other = (place * clouds(0.5 * log_skies(17, s, corners=1), s) for s in seeds)
            options = {"seed": draw, "draws": 199}
            report = verdict_of(one, factor * other, blocks_of(17, 1), **options)
            p_values.append([report["p_value"], *(report[name]["p_value"] for name in TESTS)])
        shares = (np.array(p_values) < 0.05).mean(axis=0)
        found[factor] = dict(zip(("all", *TESTS), shares, strict=True))
    assert max(found[1.0].values()) <= 0.15
    for factor, least in ((1.3, 0.4), (2.0, 0.95)):
        others = [found[factor][name] for name in ("spectrum", "minkowski", "pdf")]
        assert found[factor]["paired_spectrum"] >= max(least, 3 * max(others)), found
    assert found[1.3]["all"] > 0.2 and found[2.0]["all"] > 0.9


def test_pairs_are_swapped_as_in_chapter_5():
    """All 2^k swaps: the p-value is that of `swap_p_value`, and unpaired there is none."""
    common, rest, other = (log_skies(8, seed) for seed in (1, 2, 3))
    real, generated = clouds(common + 0.5 * rest, 4), 1.2 * clouds(common + 0.5 * other, 5)
    blocks = blocks_of(8)
    report = verdict_of(real, generated, blocks)["paired_spectrum"]
    features = tile_features(np.concatenate([real, generated]), PIXEL, FWHM)["spectrum"]
    expected = swap_p_value(*np.split(features, 2), blocks, seed=1)
    assert report["p_value"] == pytest.approx(expected, abs=1e-6) and 0 < report["distance"] < 1
    tiles, blocks = clouds(log_skies(12, 1, 1), 2), blocks_of(12, 1)
    halves = {"blocks": blocks[:6], "generated_blocks": blocks[6:]}
    report = verdict_of(tiles[:6], tiles[6:], **halves)
    assert "paired_spectrum" not in report and "paired" not in report["verdict"]


@pytest.mark.parametrize("number", [15, pytest.param(40, marks=pytest.mark.slow)])
def test_false_alarms_without_pairs(number):
    p_values = []
    for draw in range(number):
        tiles, blocks = clouds(log_skies(14, draw, corners=2), draw), blocks_of(14, 2)
        generated = blocks >= 7
        report = verdict_of(
            tiles[~generated],
            tiles[generated],
            blocks[~generated],
            generated_blocks=blocks[generated],
            seed=draw,
            draws=99,
        )
        p_values.append(report["p_value"])
    assert np.mean(np.array(p_values) < 0.05) <= 0.15
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)


def test_a_collapsed_generator_fails_with_finite_numbers():
    real = clouds(log_skies(10, 1), 2)
    report = verdict_of(real, np.zeros_like(real), blocks_of(10))
    assert not report["passes"] and report["classifier"]["auc"] == 1
    assert verdict_of(0 * real, 0 * real, blocks_of(10))["p_value"] == 1


def test_same_seed_same_report_and_order_does_not_matter():
    common, rest, other = (log_skies(12, seed) for seed in (1, 2, 3))
    real, generated = clouds(common + 0.5 * rest, 4), clouds(common + 0.5 * other, 5)
    blocks = blocks_of(12)  # 2048 exchanges: random ones
    report = verdict_of(real, generated, blocks)
    assert report == verdict_of(real, generated, blocks) and report["label_sets"] == 1000
    order = np.random.default_rng(1).permutation(len(real))
    shuffled = verdict_of(real[order], generated[order], blocks[order])
    for name in TESTS:
        assert shuffled[name]["distance"] == pytest.approx(report[name]["distance"], abs=1e-5)
        assert shuffled[name]["p_value"] == pytest.approx(report[name]["p_value"], abs=0.003)


def test_separate_blocks_do_not_touch():
    lon, lat = np.meshgrid(np.arange(-60, 60, 2.0), np.arange(-30, 31, 2.0))
    centres = np.stack([lon.ravel(), lat.ravel()], axis=1)
    blocks = separate_blocks(centres, 8.0)
    lon, lat = np.radians(centres[blocks >= 0]).T
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    apart = np.degrees(np.arccos(np.clip(points.T @ points, -1, 1)))
    same = np.equal.outer(blocks[blocks >= 0], blocks[blocks >= 0])
    assert apart[~same].min() >= 8 - 1e-6 and apart[same].max() <= 4 + 1e-6
    assert blocks.max() + 1 >= 30  # squares of 12 degrees would make 50
    assert separate_blocks(centres[:1], 8.0).tolist() == [0]


def test_bad_input_is_refused():
    real, blocks = clouds(log_skies(12, 1, 1), 2), blocks_of(12, 1)
    with pytest.raises(CoganError, match="same centres"):
        verdict_of(real, real[:7], blocks)
    with pytest.raises(CoganError, match="generated tiles hold NaN"):
        verdict_of(real, np.where(real > 1, np.nan, real), blocks)
    with pytest.raises(CoganError, match="12 real tiles need as many block numbers"):
        verdict_of(real, real, blocks[:5])
    with pytest.raises(CoganError, match="at least 8 blocks that do not touch"):
        verdict_of(real[:7], real[:7], blocks[:7])
    with pytest.raises(CoganError, match="at least 8 blocks"):
        verdict_of(real, real, np.full(12, -1))
    with pytest.raises(CoganError, match="at least 10 blocks"):
        verdict_of(real[:4], real[4:9], blocks[:4], generated_blocks=blocks[4:9])
    with pytest.raises(CoganError, match="both real and generated"):
        verdict_of(real[:6], real[5:], blocks[:6], generated_blocks=blocks[5:])
    with pytest.raises(CoganError, match="same geometry"):
        verdict_of(real[:6], real[6:, :16, :16], blocks[:6], generated_blocks=blocks[6:])
    with pytest.raises(CoganError, match="exchanged sets"):
        verdict_of(real, real, blocks, draws=9)
