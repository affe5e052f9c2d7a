"""Rings are rings, signal to noise is what a loop finds, and holes hide what they should."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import masks
from cogan_lib.companions.compact_sources.beams import Beam

SIDE = 96


def noise(shape, seed=1):
    return np.random.default_rng(seed).normal(5.0, 2.0, shape)


def test_a_ring_is_a_ring_and_no_stripes():
    """The released code takes the ring of an array of shape (1, 96, 96): rows, across the image."""
    around = masks.ring(SIDE, 10, 22, 48, 48)
    assert around.sum() == pytest.approx(np.pi * (22**2 - 10**2), rel=0.02)
    np.testing.assert_array_equal(around, around.T)
    radius = np.hypot(*np.nonzero(around) - np.array([[48], [48]]))
    assert radius.min() == 10 and radius.max() == 22

    image = noise((1, SIDE, SIDE))
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]  # of the first two axes
    distance = np.hypot(rows - 0, columns - 48)
    theirs = (distance >= 10) & (distance <= 22)  # shape (1, 96): each True is a whole row
    stripes = image[theirs]
    assert stripes.shape == (26, SIDE)  # rows 26-38 and 58-70, from edge to edge
    np.testing.assert_array_equal(stripes[:13], image[0, 26:39])
    np.testing.assert_array_equal(stripes[13:], image[0, 58:71])

    # A bright band along row 64, far from the ring's columns or not, tells the two apart.
    image[0, 64, :20] += 1000
    ours = masks.signal_to_noise(image[0], [48], [48], 8, 10, 22)
    assert ours == masks.signal_to_noise(noise((SIDE, SIDE)), [48], [48], 8, 10, 22)
    assert image[theirs].std() > 50 > 3 > image[0][around].std()


def by_hand(image, x, y, source, inner, outer):
    peak, around = -np.inf, []
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            radius, value = np.hypot(column - x, row - y), image[row, column]
            if np.isfinite(value):
                peak = max(peak, value) if radius <= source else peak
                around += [value] if inner <= radius <= outer else []
    return (peak - np.mean(around)) / np.std(around)


def test_signal_to_noise_is_what_a_loop_finds():
    image = noise((70, 90))
    image[20:30, 41] = np.nan
    x, y = np.array([40.3, 2.0, 88.6, 45.0]), np.array([25.2, 3.4, 67.9, 55.5])
    for column, row in zip(x, y, strict=True):
        image += 300 * Beam("gaussian", 4).image(90, column, row)[:70]
    found = masks.signal_to_noise(image, x, y, 4, 8, 18)
    expected = [by_hand(image, *at, 4, 8, 18) for at in zip(x, y, strict=True)]
    np.testing.assert_allclose(found, expected)


def test_signal_to_noise_by_value():
    image = np.indices((51, 51)).sum(0) % 2 * 2.0 - 1  # -1 and 1: the ring's rms is one
    image[25, 25] = 100
    assert masks.signal_to_noise(image, [25], [25], 3, 8, 18) == pytest.approx([100], rel=0.01)


def test_hidden_pixels_do_not_count_for_a_ring():
    image, other = noise((96, 96)), masks.hole(96, 5, 60, 48)
    alone = masks.signal_to_noise(np.where(other, np.nan, image), [48], [48], 4, 8, 18)
    image[other] += 500
    found = masks.signal_to_noise(image, [48, 60], [48, 48], 4, 8, 18, other)
    assert found[0] == alone[0]
    assert found[1] > 200 > 2 > masks.signal_to_noise(image, [48], [48], 4, 8, 18)[0]


def test_sources_off_the_map_or_without_data_have_no_signal_to_noise():
    image = noise((60, 60))
    image[:25, :25] = np.nan
    x, y = [-1.0, 70.0, 5.0, 40.0, 30.0], [30.0, 30.0, 5.0, 40.0, 900.0]
    found = masks.signal_to_noise(image, x, y, 3, 4, 12)
    assert np.isfinite(found).tolist() == [False, False, False, True, False]


def test_many_sources_are_measured_in_parts(monkeypatch):
    x, y = np.random.default_rng(2).uniform(0, 79, (2, 50))
    whole = masks.signal_to_noise(noise((80, 80)), x, y, 3, 5, 9)
    monkeypatch.setattr(masks, "CHUNK", 7)
    np.testing.assert_array_equal(masks.signal_to_noise(noise((80, 80)), x, y, 3, 5, 9), whole)
    assert masks.signal_to_noise(noise((80, 80)), [], [], 3, 5, 9).shape == (0,)


@pytest.mark.parametrize(
    ("band", "snr", "radius"),
    [
        (
            ("scan", "blue"),
            [301, 300, 299, 140, 13, 12.9, 8, 4, 3.9],
            [12, 12, 11, 11, 9, 7, 7, 6, 5],
        ),
        (("scan", "green"), [1e4, 150, 100, 10, 5, 0], [13, 11, 10, 8, 6, 5]),
        (("scan", "red"), [1e4, 150, 100, 10, 5, -1], [10, 9, 8, 7, 6, 4]),
        (("parallel", "blue"), [855, 590, 300, 20, 13, 12], [9, 8, 7, 6, 5, 4]),
        (("parallel", "green"), [855, 590, 300, 20, 13, 12], [10, 9, 8, 7, 5, 4]),
        (("parallel", "red"), [855, 150, 100, 10, 5, np.nan], [10, 9, 8, 7, 6, 4]),
    ],
)
def test_the_documents_radii(band, snr, radius):
    assert masks.DOCUMENT[band].of(snr).tolist() == radius
    assert masks.DOCUMENT[band].of(snr[0]) == radius[0]


def test_the_documents_radii_for_another_beam():
    blue, same, twice = masks.DOCUMENT["scan", "blue"], masks.radii_for(4), masks.radii_for(8)
    assert same == blue
    assert twice.ring_px == (20, 44) and twice.source_px == 16
    assert twice.of([300, 5]).tolist() == [24, 12]


@pytest.mark.parametrize("snr", [3.0, 30.0, 3e2, 3e4])
@pytest.mark.parametrize("fwhm_px", [2.0, 4.0, 7.3])
def test_a_hole_hides_the_source_down_to_a_tenth_of_the_rms(snr, fwhm_px):
    radius = masks.hole_radius(snr, Beam("gaussian", fwhm_px))
    closed = fwhm_px * np.sqrt(np.log(10 * snr) / (4 * np.log(2)))
    assert closed <= radius <= closed + 0.01 * fwhm_px
    for elongation in (1.0, 1.2):
        beam = Beam("gaussian", fwhm_px, elongation, 35.0)
        hidden = masks.hole(SIDE, masks.hole_radius(snr, beam), 48.2, 47.7)
        assert snr * beam.image(SIDE, 48.2, 47.7)[~hidden].max() <= 0.1


def test_holes_of_beams_with_wings():
    for kind in ("airy", "moffat"):
        beam = Beam(kind, 4.0)
        radius = masks.hole_radius([0.0, 3.0, 5.0, 10.0, 1e9, np.nan], beam)
        assert (np.diff(radius[:5]) >= 0).all()
        assert radius[0] == radius[5] == 2.0 and radius[4] == 16.0
        far = np.linspace(radius[1], 200, 5000)  # the Airy beam's rings are hidden as well
        assert 3.0 * beam.profile(far).max() <= 0.1
    round_one, ringed = (masks.hole_radius(10.0, Beam(k, 4.0)) for k in ("gaussian", "airy"))
    assert ringed > 1.3 * round_one


def test_holes_are_the_union_of_all_sources():
    catalogue = np.array([[10.2, 8.7], [14, 9], [39.5, 29.5], [-2, 20], [20.0, 100.0]])
    radii = [3.0, 4.0, 5.0, 4.0, 6.0]
    y, x = np.mgrid[:30, :40]
    expected = np.zeros((30, 40), bool)
    for (column, row), radius in zip(catalogue, radii, strict=True):
        expected |= np.hypot(x - column, y - row) <= radius
    np.testing.assert_array_equal(masks.holes((30, 40), catalogue, radii), expected)
    one = masks.holes((30, 40), catalogue[:1], 3.0)
    np.testing.assert_array_equal(one, masks.hole(40, 3.0, 10.2, 8.7)[:30])
    assert not masks.holes((30, 40), np.empty((0, 2)), 3.0).any()


def test_stacks_of_masks():
    x, y, radius = np.array([48.0, 47.6]), np.array([48.2, 48.0]), np.array([4.0, 6.0])
    both = masks.hole(SIDE, radius, x, y)
    np.testing.assert_array_equal(both[1], masks.hole(SIDE, 6.0, 47.6, 48.0))
    around = masks.ring(SIDE, 5, 9, x, y)
    np.testing.assert_array_equal(around[1], masks.ring(SIDE, 5, 9, 47.6, 48.0))


def test_the_rim_is_soft_and_outside_the_hole():
    hidden = masks.hole(SIDE, 8, 48, 48)
    mixed = masks.blend(np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), hidden)
    assert mixed.dtype == np.float32
    assert (mixed[hidden] == 0).all()
    profile = mixed[48, 48:]
    assert (profile[:9] == 0).all() and profile[9] > 0.01 and (profile[13:] == 1).all()
    assert (np.diff(profile[8:14]) > 0).sum() >= 4
    # The kept pixels begin three beyond the hole's last one; five weights of exp(-d^2 / 50).
    weights = np.exp(-(np.arange(-2, 3) ** 2) / 50) / np.exp(-(np.arange(-2, 3) ** 2) / 50).sum()
    strip = np.zeros((40, 40), bool)
    strip[:, 15:21] = True
    row = masks.blend(np.zeros((40, 40)), np.ones((40, 40)), strip)[20]
    np.testing.assert_allclose(row[20:26], [0, *weights.cumsum()], rtol=1e-6)


def test_blending_stacks_and_missing_pixels():
    filled, original = noise((3, 40, 40)), noise((3, 40, 40), 2)
    hidden = masks.hole(40, np.array([3.0, 5.0, 7.0]), np.full(3, 20.0), np.full(3, 20.0))
    original[hidden] = np.nan
    original[:, 0, 0] = np.nan
    mixed = masks.blend(filled, original, hidden)
    np.testing.assert_array_equal(mixed[1], masks.blend(filled[1], original[1], hidden[1]))
    np.testing.assert_array_equal(mixed[hidden], filled[hidden].astype(np.float32))
    assert np.isnan(mixed).sum() == 3  # what had no data, and was not hidden, still has none
    np.testing.assert_array_equal(mixed[:, 1:5], original[:, 1:5].astype(np.float32))


IMAGE = np.ones((30, 30))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: masks.ring(30, 5, 5, 3, 3), "outer radius must be larger"),
        (lambda: masks.ring(30, -1, 5, 3, 3), "none negative"),
        (lambda: masks.ring(30, np.nan, 5, 3, 3), "outer radius must be larger"),
        (lambda: masks.radii_for(-4.0), "fwhm_px is -4.0"),
        (lambda: masks.radii_for(np.nan), "must be positive"),
        (lambda: masks.holes((9, 9), [[1, 2, 3]], 2), "x and y of each source"),
        (lambda: masks.holes((9, 9), [[1, np.nan]], 2), "finite x and y"),
        (lambda: masks.holes((9, 9), [[1, 2]], 0), "must be positive"),
        (lambda: masks.holes((9, 9), [[1, 2]], np.nan), "must be positive"),
        (lambda: masks.signal_to_noise(IMAGE[0], [3], [3], 2, 3, 5), "has 1 axes"),
        (lambda: masks.signal_to_noise(IMAGE[None], [3], [3], 2, 3, 5), "has 3 axes"),
        (lambda: masks.signal_to_noise(IMAGE, [np.inf], [3], 2, 3, 5), "finite x and y"),
        (lambda: masks.signal_to_noise(IMAGE, [3], [3], 0, 3, 5), "source_px is 0"),
        (lambda: masks.signal_to_noise(IMAGE, [3], [3], 2, 6, 5), "outer radius must be larger"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(CoganError, match=sentence):
        call()
