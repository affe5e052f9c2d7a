"""Backgrounds have the spectra, and sources the fluxes and places, that were asked for."""

import numpy as np
import pytest
from scipy import stats

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import truth
from cogan_lib.companions.compact_sources.evaluation import power_spectrum
from cogan_lib.companions.compact_sources.masks import distance, ring
from cogan_lib.companions.compact_sources.truth import CENTRE, FWHM_PX, SIDE, Beam

BEAM = Beam("gaussian", FWHM_PX)


def seeded(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def some():
    return truth.backgrounds(240, seeded(3))


@pytest.mark.parametrize("slope", [-2.5, -3.0, -3.5])
def test_the_measured_slope_is_the_one_that_was_asked_for(slope):
    fields = truth.power_law_fields(np.full(64, slope), seeded(), 128)
    power = np.mean([np.abs(np.fft.fft2(f)) ** 2 for f in fields], axis=(0, 1))
    k = 128 * np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    use = (k >= 2) & (k < 60)
    assert np.polyfit(np.log(k[use]), np.log(power[use]), 1)[0] == pytest.approx(slope, abs=0.03)


def test_fields_are_standard_and_independent():
    first, second = truth.power_law_fields(np.full(200, -2.5), seeded(), 64)
    for field in (first, second):
        np.testing.assert_allclose(field.mean(axis=(1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(field.std(axis=(1, 2)), 1, rtol=1e-5)
    assert abs((first * second).mean()) < 0.03


def test_the_kinds_take_turns_and_each_cut_out_has_a_standard_deviation_of_one(some):
    assert some.kind[:4].tolist() == ["fbm", "lognormal", "filaments", "fbm"]
    np.testing.assert_allclose(some.sky.std(axis=(1, 2)), 1, rtol=1e-4)
    assert some.sky.dtype == some.noise.dtype == some.image.dtype == np.float32


def test_lognormal_and_filament_fields_are_positive_and_skewed(some):
    skewness = {k: stats.skew(some.sky[some.kind == k], axis=(1, 2)).mean() for k in truth.KINDS}
    assert abs(skewness["fbm"]) < 0.2
    for kind in ("lognormal", "filaments"):
        assert some.sky[some.kind == kind].min() > 0
        assert skewness[kind] > 0.7


def test_the_sky_is_smoothed_by_the_beam():
    """A wider beam takes what its own spectrum says, up to the cut-out's taper."""
    wide = Beam("gaussian", 8.0)
    skies = [
        truth.backgrounds(60, seeded(), kinds=("fbm",), beam=beam, slope=(-2.5, -2.5)).sky
        for beam in (BEAM, wide)
    ]
    k, narrow = power_spectrum(skies[0])
    ratio = power_spectrum(skies[1])[1].mean(0) / narrow.mean(0)
    expected = np.exp(-4 * np.pi**2 * k**2 * (8.0**2 - FWHM_PX**2) / (8 * np.log(2)))
    use = (k > 0.03) & (expected > 0.03)
    relative = ratio[use] / expected[use]
    np.testing.assert_allclose(relative / relative[0], 1, atol=0.2)


def test_a_cut_out_is_not_periodic(some):
    across = np.abs(some.sky[:, 0] - some.sky[:, -1]).mean()
    assert across > 8 * np.abs(np.diff(some.sky, axis=1)).mean()


def test_smoothed_noise_has_the_spectrum_of_the_beam():
    noise = truth.backgrounds(300, seeded(), correlated_rms=1.0, pixel_rms=0.0).noise
    assert noise.std() == pytest.approx(1.0, rel=0.02)
    k, power = power_spectrum(noise)
    expected = np.exp(-4 * np.pi**2 * k**2 * FWHM_PX**2 / (8 * np.log(2)))
    expected *= 2 * BEAM.area_px  # sum of the beam squared is area / 2: total variance is 1
    use = expected > 0.03 * expected[0]
    use[0] = False  # the mean is taken out there
    np.testing.assert_allclose(power.mean(0)[use] / expected[use], 1, atol=0.1)


def test_pixel_noise_is_white():
    noise = truth.backgrounds(300, seeded(), correlated_rms=0.0, pixel_rms=0.2).noise
    np.testing.assert_allclose(power_spectrum(noise)[1].mean(0)[1:], 0.04, rtol=0.08)
    assert stats.kurtosis(noise.ravel()) == pytest.approx(0, abs=0.01)


def test_sky_and_noise_add_up_and_equal_seeds_are_equal(some):
    np.testing.assert_array_equal(some.image, some.sky + some.noise)
    again = truth.backgrounds(240, seeded(3))
    np.testing.assert_array_equal(again.image, some.image)
    one, other = (truth.inject(some, seeded(4)) for _ in range(2))
    np.testing.assert_array_equal(one.image, other.image)
    assert one.beam == other.beam


def test_the_flux_over_the_rms_is_log_uniform_over_four_decades():
    cut = np.tile(truth.backgrounds(10, seeded()).image, (200, 1, 1))
    made = truth.inject(cut, seeded(5))
    share = np.log(made.flux / made.rms / 3) / np.log(1e4)
    assert 0 <= share.min() < 0.01 < 0.99 < share.max() <= 1
    assert stats.kstest(share, "uniform").pvalue > 0.01


def test_a_source_is_its_beam_times_its_flux_on_the_background(some):
    made = truth.inject(some, seeded(5), snr=(10, 100))
    assert np.abs(made.x - CENTRE).max() <= 0.5 >= np.abs(made.y - CENTRE).max()
    np.testing.assert_array_equal(made.background, some.image)
    around = ring(SIDE, 10, 22, CENTRE, CENTRE)
    assert made.rms[7] == pytest.approx(some.image[7][around].std(), rel=1e-5)
    shape = made.beam[7].image(SIDE, made.x[7], made.y[7])
    np.testing.assert_allclose(
        made.image[7] - made.background[7], made.flux[7] * shape, atol=1e-5 * made.flux[7]
    )
    elongation = [beam.elongation for beam in made.beam]
    assert 1 <= min(elongation) < 1.01 < 1.04 < max(elongation) <= 1.05
    assert np.isnan(made.neighbour).all()


def test_the_real_beam_is_wider_than_what_methods_are_told(some):
    wider = np.linspace(-0.1, 0.1, 240)
    made = truth.inject(some, seeded(), fwhm_error=wider, beam=Beam("moffat", 5.0))
    assert [b.fwhm_px for b in made.beam] == pytest.approx((5 * (1 + wider)).tolist())
    assert {b.kind for b in made.beam} == {"moffat"}


def test_a_neighbour_lies_at_its_distance_and_has_its_flux():
    empty = np.zeros((40, SIDE, SIDE), np.float32) + seeded().normal(0, 1, (SIDE, SIDE))
    made = truth.inject(empty, seeded(), neighbour=2.0, elongation=1.0)
    flux, x, y = made.neighbour.T
    np.testing.assert_allclose(np.hypot(x - made.x, y - made.y), 2 * FWHM_PX)
    both = made.flux[:, None, None] * BEAM.image(SIDE, made.x, made.y)
    both += flux[:, None, None] * BEAM.image(SIDE, x, y)
    np.testing.assert_allclose(made.image - made.background, both, rtol=1e-4, atol=1e-2)
    assert np.ptp(np.arctan2(y - made.y, x - made.x)) > 4  # in all directions


def test_saturated_pixels_and_those_beyond_the_edge_have_no_data(some):
    made = truth.inject(some, seeded(), snr=(1e3, 1e3), saturation=500.0, elongation=1.0)
    gone = np.isnan(made.image)
    share = gone & (distance(SIDE, made.x, made.y) <= 2.05)  # half of the peak is at 2 pixels
    assert share.sum() == gone.sum() > 10 * len(gone)
    assert np.isfinite(made.background).all()
    made = truth.inject(some, seeded(), edge_px=6.0)
    sides = set()
    for image, x, y in zip(made.image, made.x, made.y, strict=True):
        rows, columns = np.nonzero(np.isnan(image))
        far = {"right": columns - x, "up": rows - y, "left": x - columns, "down": y - rows}
        (name,) = [name for name, beyond in far.items() if beyond.min() > 6]
        assert far[name].min() <= 7
        assert len(rows) == SIDE * (far[name].max() - far[name].min() + 1).round()
        sides.add(name)
    assert len(sides) == 4


def test_cut_outs_of_a_map_are_its_pieces_without_gaps():
    image = np.arange(60.0 * 80).reshape(60, 80)
    image[20, 30] = np.nan
    pieces = truth.cutouts_of(image, 300, seeded(), side=16)
    assert pieces.shape == (300, 16, 16) and np.isfinite(pieces).all()
    rows, columns = np.divmod(pieces[:, 0, 0].astype(int), 80)
    for piece, row, column in zip(pieces, rows, columns, strict=True):
        np.testing.assert_array_equal(piece, image[row : row + 16, column : column + 16])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 44, 0, 64)
    whole = truth.cutouts_of(image[:16, :16], 2, seeded(), side=16)
    np.testing.assert_array_equal(whole[1], image[:16, :16])


GOOD = np.ones((2, SIDE, SIDE)) * np.arange(SIDE)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"n": 0}, "both must be positive"),
        ({"kinds": ("cirrus",)}, "may be fbm, lognormal, filaments"),
        ({"kinds": ()}, "may be fbm, lognormal, filaments"),
        ({"pixel_rms": -0.1}, "may not be negative"),
        ({"correlated_rms": np.nan}, "may not be negative"),
        ({"slope": (-2.5, -3.5)}, "give the steeper"),
    ],
)
def test_bad_backgrounds(given, sentence):
    with pytest.raises(CoganError, match=sentence):
        truth.backgrounds(**{"n": 1, "rng": seeded(), **given})


@pytest.mark.parametrize(
    ("image", "given", "sentence"),
    [
        (GOOD[0], {}, "square cut-outs without a gap"),
        (GOOD[:, :50], {}, "square cut-outs without a gap"),
        (GOOD * np.nan, {}, "square cut-outs without a gap"),
        (GOOD[:, :12, :12], {}, "too small for the ring"),
        (GOOD, {"snr": (0.0, 10.0)}, "two positive numbers"),
        (GOOD, {"snr": (10.0, 3.0)}, "two positive numbers"),
        (GOOD, {"jitter_px": -1.0}, "jitter"),
        (GOOD, {"elongation": 0.5}, "elongation"),
        (GOOD, {"fwhm_error": -0.9}, "at least 2 pixels per FWHM"),
    ],
)
def test_bad_injections(image, given, sentence):
    with pytest.raises(CoganError, match=sentence):
        truth.inject(image, seeded(), **given)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((3, 20, 20)), "has 3 axes"),
        (np.full((20, 20), np.nan), "no piece of 16 x 16"),
        (np.zeros((10, 30)), "no piece of 16 x 16"),
        (np.zeros((10, 10)), "no piece of 16 x 16"),
    ],
)
def test_bad_maps(image, sentence):
    with pytest.raises(CoganError, match=sentence):
        truth.cutouts_of(image, 1, seeded(), side=16)
