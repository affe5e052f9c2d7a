"""The suite passes what is right, sees each of six faults, and refuses what is no stack."""

import json

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.validation import image_numbers
from cogan_lib.validation.bias import bias_amplification
from cogan_lib.validation.exchange import mean_differences, p_values, rank_distances
from cogan_lib.validation.faults import FAULTS, faulty
from cogan_lib.validation.suite import TESTS, validate_generated
from cogan_lib.validation.suite_words import NAMES

N, SIDE = 60, 24
DRAWS = 499


def clouds(n, seed):
    """Log-normal fields of a steep spectrum; their scatter differs."""
    rng = np.random.default_rng(seed)
    k = np.hypot(np.fft.fftfreq(2 * SIDE)[:, None], np.fft.rfftfreq(2 * SIDE))
    k[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal((n, 2 * SIDE, 2 * SIDE))) / (k + 0.05) ** 1.5
    field = np.fft.irfft2(waves)[:, :SIDE, :SIDE]
    return np.exp(rng.uniform(0.3, 0.7, (n, 1, 1)) * field / field.std())


def contrast(images):
    return np.log(images.std(axis=(1, 2)))


@pytest.fixture(scope="module")
def stacks():
    """Real, held-out and training images, and a pool of fresh ones."""
    return clouds(N, 1), clouds(N, 2), clouds(N, 3), clouds(4 * N, 4)


@pytest.fixture(scope="module")
def verdicts(stacks):
    """Of no fault, and of each, strong enough for so few images."""
    real, held_out, training, pool = stacks
    known = np.concatenate([contrast(pool), contrast(training)])
    strengths = {"rescaled": 0.0, "biased": 1.5, "collapsed": 0.9}
    found = {}
    for name in ("none", *FAULTS):
        fault = "rescaled" if name == "none" else name
        strength = 0.0 if name == "none" else strengths.get(name) or FAULTS[name][1]
        made = faulty(fault, pool, training, N, seed=1, strength=strength)
        found[name] = validate_generated(
            real, made.images, held_out, training=training, reader=contrast, seed=1, draws=DRAWS,
            labels=(contrast(real), known[made.source], contrast(held_out)),
        )  # fmt: skip
    return found


def test_a_perfect_generator_passes_all_tests(verdicts):
    verdict = verdicts["none"]
    assert verdict.passes and not verdict.fails and verdict.p_value >= 0.05
    assert set(verdict.tests) == set(TESTS) == set(NAMES)
    assert verdict.sentence.startswith("The generated images pass")
    assert verdict.control > 0.05 and not verdict.hints
    json.dumps(verdict.to_dict(), allow_nan=False)  # finite and of plain types


SEEN = {
    "blurred": {"spectrum", "higher_order", "minkowski", "classifier", "neighbours"},
    "rescaled": {"ks", "anderson_darling", "spectrum", "test_on_generated"},
    "phases randomised": {"higher_order", "minkowski", "classifier"},
    "copying": {"memorisation"},
    "collapsed": {"neighbours", "classifier"},
    "biased": {"anderson_darling"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_seen_by_the_tests_that_are_made_for_it(verdicts, fault):
    verdict = verdicts[fault]
    assert not verdict.passes
    assert SEEN[fault] <= set(verdict.fails)
    for name in SEEN[fault]:
        test = verdict.tests[name]
        assert test.statistic > test.chance
        assert "more than chance gives" in test.sentence and "no more than" not in test.sentence


def test_copies_are_seen_by_nothing_else(verdicts):
    assert verdicts["copying"].fails in (("memorisation",), ("memorisation", "conditioning"))
    assert "trained on" in verdicts["copying"].tests["memorisation"].sentence


def test_training_on_generated_images_alone_passes_with_lost_kinds(verdicts):
    """And with blurred ones, and copies: it asks whether they are of use for one task."""
    for fault in ("collapsed", "copying"):
        assert verdicts[fault].tests["train_on_generated"].passes, fault


def test_equal_seed_equal_verdict_and_labels_are_optional(stacks):
    real, held_out, _, pool = stacks
    made = pool[:N]
    one, other = (validate_generated(real, made, held_out, seed=5, draws=DRAWS) for _ in range(2))
    assert one == other
    assert "conditioning" not in one.tests and "memorisation" in one.tests
    read = validate_generated(real, made, held_out, reader=contrast, seed=5, draws=DRAWS)
    assert "train_on_generated" in read.tests and "conditioning" not in read.tests


def test_labels_that_are_ignored_are_found_out(stacks):
    real, held_out, _, pool = stacks
    rng = np.random.default_rng(1)
    labels = contrast(real), rng.permutation(contrast(pool[:N])), contrast(held_out)
    verdict = validate_generated(
        real, pool[:N], held_out, labels=labels, reader=contrast, seed=1, draws=DRAWS
    )
    assert "conditioning" in verdict.fails
    details = verdict.tests["conditioning"].details
    assert details["generated"] > 1 and details["real"] == 0


def test_another_population_of_real_images_and_another_unit_are_told(stacks):
    real, held_out, _, pool = stacks
    verdict = validate_generated(real, 1000 * pool[:N], 2 * held_out, seed=1, draws=DRAWS)
    assert len(verdict.hints) == 2
    assert "same unit" in verdict.hints[0] and "two populations" in verdict.hints[1]
    assert verdict.control < 0.05 and not verdict.passes


def test_images_of_a_block_are_exchanged_together():
    """Ten looks at each of a few clouds are no more than these few clouds."""
    alarms = {"blocks": 0, "none": 0}
    for seed in range(4):
        stacks = [np.repeat(clouds(10, (seed, i)), 4, axis=0) for i in range(3)]
        noise = np.random.default_rng(seed).standard_normal((3, *stacks[0].shape))
        stacks = [some + 0.05 * more for some, more in zip(stacks, noise, strict=True)]
        blocks = [10 * i + np.repeat(np.arange(10), 4) for i in range(3)]
        for name, given in (("blocks", blocks), ("none", None)):
            verdict = validate_generated(*stacks, blocks=given, seed=1, draws=DRAWS)
            alarms[name] += not verdict.passes
    assert alarms["blocks"] <= 1 and alarms["none"] >= 3


def test_p_values_are_uniform_among_all_tests():
    """No more than 5 % of perfect generators fail, however many tests go together."""
    rng, fails = np.random.default_rng(1), 0
    for _ in range(200):
        statistics = rng.standard_normal((200, 1)) + rng.standard_normal((200, 6))
        fails += p_values(statistics)[1].min() <= 0.05
    assert 2 <= fails <= 20


def test_rank_distances_are_scipys():
    from scipy.stats import ks_2samp

    values = np.random.default_rng(1).integers(0, 9, (40, 1)).astype(float)
    labels = np.where(np.arange(40) < 15, 1.0, -1.0)[None]
    ks, ad = rank_distances(values, labels)
    assert np.isclose(ks[0, 0], ks_2samp(values[:15, 0], values[15:, 0]).statistic, atol=1e-6)
    order = np.sort(np.random.default_rng(2).standard_normal(30))[:, None]
    alternating = np.where(np.arange(30) % 2, 1.0, -1.0)[None]
    by_hand = sum(
        (np.ceil(i / 2) - np.floor(i / 2)) ** 2 * 30**2 / 15**2 / (i * (30 - i))
        for i in range(1, 30)
    )
    assert np.isclose(rank_distances(order, alternating)[1][0, 0], by_hand * 15 * 15 / 900)
    assert ad[0, 0] > 0


def test_differences_of_means_have_their_standard_error():
    values = np.array([[1.0], [3.0], [10.0], [14.0], [12.0]])
    difference, error = mean_differences(values, np.array([[1.0, 1.0, -1.0, -1.0, -1.0]]))
    assert np.isclose(difference[0, 0], -10)
    assert np.isclose(error[0, 0], np.sqrt(2 / 2 + 4 / 3))


def test_small_images_and_poses():
    image = np.arange(64.0).reshape(1, 8, 8)
    assert len({pose.tobytes() for pose in image_numbers.poses(image)[:, 0]}) == 8
    scale = image_numbers.scale_of(image)
    assert image_numbers.small(np.zeros((2, 70, 70)), scale).shape == (2, 14, 14)


def nan(images):
    return np.where(np.arange(len(images))[:, None, None] == 3, np.nan, images)


def some_constant(images):
    return np.where(np.arange(len(images))[:, None, None] == 3, 1.0, images)


BAD = {
    "few": (lambda x: x[:5], "5 generated images are too few; give at least 20"),
    "shape": (lambda x: x[0], "give a stack"),
    "other side": (lambda x: x[:, :12, :12], "12 pixels along a side; give 24"),
    "nan": (nan, "1 of the 60 generated images hold NaN.*number 3"),
    "constant": (some_constant, "are constant .the first is number 3"),
    "all equal": (np.ones_like, "All generated images are constant"),
    "words": (lambda x: x.astype(str), "real numbers"),
    "ragged": (lambda x: [*x[:-1].tolist(), [[1.0]]], "rows of equal lengths"),
    "none": (lambda x: None, "real numbers"),
    "masked": (lambda x: np.ma.masked_greater(x, np.quantile(x, 0.99)), "have masked values"),
    "huge": (lambda x: 1e200 * x, "powers overflow"),
}


@pytest.mark.parametrize("bad", BAD)
def test_no_stack_is_one_sentence(stacks, bad):
    spoil, sentence = BAD[bad]
    with pytest.raises(CoganError, match=sentence):
        validate_generated(stacks[0], spoil(stacks[3][:N]), stacks[1], seed=1)


def test_what_does_not_fit_is_one_sentence(stacks):
    real, held_out, _, pool = stacks
    given = real, pool[:N], held_out
    few = [np.arange(N) // 30 + i for i in range(3)]
    for options, sentence in (
        ({"draws": 99}, "at least 499"),
        ({"blocks": few}, "2 blocks; give at least 8"),
        ({"blocks": few[:2]}, "a number per image"),
        ({"blocks": [np.arange(N) // 3, *2 * [np.arange(N)]]}, "3.0 real and 1.0 generated"),
        ({"labels": few[:2]}, "three arrays"),
        ({"labels": [few[0][:5], *few[1:]]}, "as many rows of labels"),
        ({"labels": [few[0] * np.nan, *few[1:]]}, "hold NaN"),
        ({"labels": 3}, "three arrays"),
        ({"labels": [few[0].astype(str), *few[1:]]}, "labels of the real images.*real numbers"),
        ({"labels": [[[1.0], [1.0, 2.0]] * 30, *few[1:]]}, "rows of equal lengths"),
        ({"labels": [few[0], None, few[2]]}, "labels of the generated images.*real numbers"),
        ({"labels": [np.ma.masked_less(few[0], 1), *few[1:]]}, "have masked values"),
        ({"labels": [1e200 * (few[0] + 1), *few[1:]]}, "go beyond"),
        ({"blocks": [few[0].astype(str), *few[1:]]}, "whole numbers"),
        ({"blocks": 3}, "arrays of blocks"),
        ({"reader": lambda x: None}, "labels of the real images.*real numbers"),
        ({"labels": few, "reader": lambda x: np.ones((len(x), 2))}, "labels per image"),
    ):
        with pytest.raises(CoganError, match=sentence):
            validate_generated(*given, seed=1, **options)
    with pytest.raises(CoganError, match="All real images are the same"):
        validate_generated(np.repeat(real[:1], N, axis=0), *given[1:], seed=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [(0, 2), (0, 3), (2, 3), (1, 0), (1, 2)],
)
def test_stacks_that_share_images_are_refused(stacks, one, other):
    names = ("real", "generated", "held-out", "training")
    given = [stacks[0].copy(), stacks[3][:N].copy(), stacks[1].copy(), stacks[2].copy()]
    given[other][5:8] = given[one][20:23]
    sentence = f"The {names[one]} and the {names[other]} images share 3 images; none may serve"
    with pytest.raises(CoganError, match=sentence):
        validate_generated(*given[:3], training=given[3], seed=1)


def test_what_was_trained_on_may_come_back_and_is_then_found_out(stacks):
    real, held_out, training, pool = stacks
    for trained, options in ((training, {"training": training}), (real, {})):
        made = np.concatenate([pool[: N // 2], trained[: N // 2]])
        verdict = validate_generated(real, made, held_out, seed=1, draws=DRAWS, **options)
        assert "memorisation" in verdict.fails


def test_faults_of_no_strength_are_none_and_bad_ones_are_refused(stacks):
    _, _, training, pool = stacks
    for name in FAULTS:
        made = faulty(name, pool, training, N, seed=1, strength=0.0)
        assert np.allclose(made.images, pool[made.source]), name
        assert np.unique(made.source).size == N
    kept = faulty("phases randomised", pool, training, N, seed=1, strength=1.0)
    powers = [np.abs(np.fft.rfft2(some)) for some in (kept.images, pool[kept.source])]
    assert np.allclose(*powers, rtol=1e-6, atol=1e-6)
    for arguments, sentence in (
        (("no such", pool, training, N), "no fault"),
        (("blurred", pool[:5], training, N), "pool of 5"),
        (("biased", pool[:5], training, N), "pool of 5"),
    ):
        with pytest.raises(CoganError, match=sentence):
            faulty(*arguments, seed=1)
    with pytest.raises(CoganError, match="strength"):
        faulty("blurred", pool, training, N, seed=1, strength=-1.0)


def test_a_generator_that_prefers_the_frequent_amplifies_the_skew():
    images = np.zeros((600, 8, 8))
    images[300:] = 1.0

    def is_one(some):
        return some[:, 0, 0] > 0.5

    def more_of_the_same(training, n, seed):
        share = is_one(training).mean()
        odds = (share / (1 - share)) ** 2
        drawn = np.random.default_rng(seed).random(n) < odds / (1 + odds)
        return np.broadcast_to(drawn[:, None, None] * 1.0, (n, 8, 8))

    options = {"size": 200, "n": 1000, "seed": 1}
    found = bias_amplification(more_of_the_same, images, is_one(images), is_one, **options)
    assert abs(found.slope - 2) < 0.2 and "amplified" in found.sentence
    json.dumps(found.to_dict(), allow_nan=False)
    for changed, sentence in (
        ({"size": 500}, "there are 300 and 300"),
        ({"shares": (0.5,)}, "at least two shares"),
        ({"repeats": 1}, "two repeats"),
    ):
        with pytest.raises(CoganError, match=sentence):
            bias_amplification(
                more_of_the_same, images, is_one(images), is_one, **(options | changed)
            )
    with pytest.raises(CoganError, match="one bool each"):
        bias_amplification(more_of_the_same, images, is_one(images), lambda x: x, **options)
