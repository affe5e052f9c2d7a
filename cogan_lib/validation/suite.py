"""One function that asks everything of generated images: like real ones, and no copies of them.

`validate_generated` takes stacks of any images. Each test has a statistic that is large where
generated and real images differ, and what chance gives:

- ``ks``, ``anderson_darling``: mean, scatter and quantiles of the brightness, one number per image,
  since an image's pixels are not independent; the largest distance of two distributions;
- ``spectrum``: mean log power in bands of wave number; the largest difference in standard errors,
  from the scatter of the images;
- ``higher_order``: skewness and kurtosis of the image and of bands of scale;
- ``minkowski``: Minkowski curves of the standardised image;
- ``classifier``: can a classifier tell them apart in blocks that it has not seen?
- ``neighbours``: are images nearer to their own kind? Few kinds again and again, or a kind missing;
- ``memorisation``: are generated images nearer to what was trained on than to held-out images, in
  any of eight poses?
- with labels, ``train_on_generated``: what does a reader lose if it learns from generated images;
  ``test_on_generated``: does a reader that learnt from held-out images do as well on generated ones
  as on real ones; and with a reader function, ``conditioning``: do images show what they were asked
  for?

**What chance gives.** If generated images came from the population of the real ones, the labels
"real" and "generated" could be exchanged, block by block. Every test is computed anew for a
thousand exchanged sets, and the share of sets that do as well is its p-value, exact whatever the
distributions. For the memorisation it is the labels "trained on" and "held out" of the real images
that are exchanged. All tests together raise a false alarm in 5 % of cases (`ALPHA`), as each
p-value is compared with the *smallest* in each exchanged set (Westfall & Young 1993), and Sidak's
rule joins the memorisation: it is the adjusted p-value that decides.

**The control.** Held-out images are put to the same tests against the real ones. If they fail,
the two real stacks differ themselves, as two regions of the sky may, and a generator that fails has
proved nothing.

**Limits.** Passing means: with so many images these tests saw no difference. How small a fault is
seen with how many images is measured by ``ci/suite_run.py``. Pairs of generated and real images of
the same place can be compared far more sharply, see `two_sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ..base.files import CoganError
from . import image_numbers as numbers
from . import neighbours, uses
from .exchange import (
    ALPHA,
    classifier_aucs,
    energy_distances,
    label_sets,
    mean_differences,
    p_values,
    rank_distances,
    whiten,
)
from .suite_input import checked_blocks, checked_labels, checked_stacks, flat
from .suite_words import in_words, verdict_sentence

FEWEST_DRAWS = 499  # with fewer, no test among ten could be significant
#: Ratio of the images per block beyond which blocks of two stacks can't be exchanged.
UNLIKE = 1.5
TESTS = ("ks", "anderson_darling", "spectrum", "higher_order", "minkowski", "classifier",
         "neighbours", "memorisation", "train_on_generated", "test_on_generated",
         "conditioning")  # fmt: skip


@dataclass(frozen=True)
class Test:
    """One test's result.

    Attributes
    ----------
    statistic : float
        Large where generated and real images differ.
    chance : float
        What 5 % of the exchanged sets exceed.
    p_value : float
        Of this test alone.
    adjusted : float
        p-value among all tests; it decides.
    passes : bool
    sentence : str
        The result in plain words.
    held_out : float or None
        p-value, of this test alone, of held-out images in the place of the generated ones.
    details : dict
        What the sentence speaks of, JSON-ready.
    """

    __test__ = False  # no test of pytest's

    statistic: float
    chance: float
    p_value: float
    adjusted: float
    passes: bool
    sentence: str
    held_out: float | None = None
    details: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What `validate_generated` found.

    Attributes
    ----------
    passes : bool
        No test fails, at a false alarm rate of 5 % for all together.
    p_value : float
        Of all tests together.
    sentence : str
    tests : dict of str to Test
        By the names in `TESTS`, those that could be done.
    control : float
        p-value of held-out against real images, all tests of these together.
    images : dict of str to int
        How many of each stack.
    label_sets : int
    hints : tuple of str
        What a reader of the verdict should know: another unit, a control that fails.
    """

    passes: bool
    p_value: float
    sentence: str
    tests: dict[str, Test]
    control: float
    images: dict[str, int]
    label_sets: int
    hints: tuple[str, ...] = ()

    @property
    def fails(self) -> tuple[str, ...]:
        """Names of the tests that fail."""
        return tuple(name for name, test in self.tests.items() if not test.passes)

    def to_dict(self) -> dict:
        """All of it, JSON-ready."""
        return asdict(self) | {"hints": list(self.hints), "fails": list(self.fails)}


def validate_generated(
    real: np.ndarray,
    generated: np.ndarray,
    held_out: np.ndarray,
    *,
    training: np.ndarray | None = None,
    labels: Sequence[np.ndarray] | None = None,
    reader: Callable[[np.ndarray], np.ndarray] | None = None,
    blocks: Sequence[np.ndarray] | None = None,
    seed: int,
    draws: int = 999,
) -> Verdict:
    """Ask whether generated images are like real ones, and no copies of what was trained on.

    Parameters
    ----------
    real, generated, held_out : ndarray, shapes (n, side, side), (m, side, side), (l, side, side)
        Brightness in one unit, with the same beam and the same noise: a generated image without
        noise differs from a real one at once. The held-out images are real, were not trained on
        and are none of `real`. No image may be in two stacks, but in `generated` and in what was
        trained on.
    training : ndarray, shape (t, side, side), optional
        What the generator was trained on, none of `real`; if it isn't given, that was `real`.
    labels : three arrays, shapes (n,) or (n, q), and likewise for the other stacks, optional
        What is known of the real, asked of the generated, and known of the held-out images;
        classes as 0 and 1. If there is a reader and no labels, these are what it measures.
    reader : callable, optional
        Measures labels: from images (n, side, side) to (n,) or (n, q).
    blocks : three or four arrays of int, shapes (n,), (m,), (l,) and (t,), optional
        Images of one block are not independent, such as neighbouring tiles of a sky; if they
        aren't given, every image is its own block. A generated image has the block of the place
        that it shows, if it shows one. Blocks of all stacks must have about as many images.
    seed : int
    draws : int
        Exchanged sets of labels, at least `FEWEST_DRAWS`.

    Returns
    -------
    Verdict

    Raises
    ------
    CoganError
        For stacks of unequal shapes, NaN, masked or constant images, too few images or blocks,
        stacks that share images, or labels that don't fit.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> real, generated, held_out = rng.lognormal(size=(3, 40, 16, 16))
    >>> good = validate_generated(real, generated, held_out, seed=1)
    >>> wrong = validate_generated(real, 1.3 * generated, held_out, seed=1)
    >>> good.passes, wrong.passes, "ks" in wrong.fails
    (True, False, True)
    """
    stacks, hints = checked_stacks(real, generated, held_out, training)
    if draws < FEWEST_DRAWS:
        raise CoganError(f"{draws} exchanged sets are too few; take at least {FEWEST_DRAWS}.")
    places = checked_blocks(blocks, stacks)
    given, measured = checked_labels(labels, reader, stacks)
    scale = numbers.scale_of(np.concatenate([stacks["real"], stacks["generated"]]))
    rows = {name: _rows(images, scale) for name, images in stacks.items() if name != "training"}
    small = {name: numbers.small(images, scale) for name, images in stacks.items()}

    pair = "real", "generated"
    count = 7 + 2 * (given is not None) + (given is not None and measured is not None)
    sets, all_blocks = _exchanged(places, pair, draws, seed, count)
    found = _two_sample(rows, pair, all_blocks, sets, seed)
    if given is not None:
        pool = np.concatenate([flat(small[name]) for name in pair])
        known = np.concatenate([given[name] for name in pair])
        bench = uses.Bench(pool, flat(small["held_out"]), known, given["held_out"], seed)
        found["train_on_generated"] = uses.trained_on_generated(bench, sets)
        found["test_on_generated"] = uses.tested_on_generated(bench, sets)
        if measured is not None:
            seen = np.concatenate([measured[name] for name in pair])
            found["conditioning"] = uses.obeyed(known, seen, sets)
    others = "real", "held_out"
    control_sets, control_blocks = _exchanged(places, others, draws, seed, 7)
    controls = _two_sample(rows, others, control_blocks, control_sets, seed)
    alone, together = p_values(np.stack([some for some, _ in controls.values()], axis=1))
    held = dict(zip(controls, alone.tolist(), strict=True))
    if (control := float(together.min())) < ALPHA:
        hints.append(
            f"Held-out images differ from the real ones, too (p = {control:.2g}): the real stacks "
            "are of two populations, and a difference from one of them proves little."
        )
    return _verdict(found, _memory(small, places, draws, seed), held, control, stacks, hints)


def _rows(images: np.ndarray, scale: numbers.Scale) -> dict[str, np.ndarray]:
    """Numbers that describe each image."""
    brightness = numbers.marginals(images)
    return {
        "brightness": brightness,
        "scaled": scale(brightness),
        "spectrum": numbers.log_power(images)[1],
        "higher_order": numbers.moments(images),
        "minkowski": numbers.curves(images),
    }


def _exchanged(places, pair, draws, seed, tests) -> tuple[np.ndarray, np.ndarray]:
    """Exchange labels: their sets, and the blocks in which a classifier is trained or tested.

    Blocks are dealt out as real or generated, so that one which has both is two there.
    """
    one, other = (np.unique(places[name], return_inverse=True)[1] for name in pair)
    each = [len(some) / (some.max() + 1) for some in (one, other)]
    if max(each) > UNLIKE * min(each):
        said = (f"{n:.1f} {name.replace('_', '-')}" for n, name in zip(each, pair, strict=True))
        raise CoganError(
            f"There are {' and '.join(said)} images per block; blocks that are exchanged must be "
            "alike, so leave images of the larger ones out, or give blocks to both."
        )
    apart = np.concatenate([one, other + one.max() + 1])
    sets = label_sets(apart, len(one), False, draws, seed, tests)
    return sets, np.concatenate([places[name] for name in pair])


def _two_sample(rows, pair, blocks, sets, seed) -> dict[str, tuple[np.ndarray, dict]]:
    """Do the tests that need nothing but images: statistics of all sets, details of the first."""
    one, other = (rows[name] for name in pair)
    every = {name: np.concatenate([one[name], other[name]]) for name in one}
    ks, ad = rank_distances(every["brightness"], sets)
    found = {}
    for name, distances in (("ks", ks), ("anderson_darling", ad)):
        worst = int(distances[0].argmax())
        found[name] = distances.max(axis=1), {"number": numbers.MARGINALS[worst]}
    apart, error = mean_differences(every["spectrum"], sets)
    details = {"ratio": np.exp(-apart[0]).tolist(), "error": error[0].tolist()}
    found["spectrum"] = (np.abs(apart) / error).max(axis=1), details
    white = {name: whiten(every[name]) for name in every if name != "brightness"}
    for name in ("higher_order", "minkowski"):
        found[name] = energy_distances(white[name], sets), {}
    # Each set counts as much as the others, however many components it has.
    joined = np.hstack([values / np.sqrt(values.shape[1]) for values in white.values()])
    auc = classifier_aucs(joined, blocks, sets, seed)
    found["classifier"] = 2 * auc - 1, {"auc": float(auc[0])}
    found["neighbours"] = neighbours.strangers(neighbours.squared_distances(joined, joined), sets)
    return found


def _memory(small, places, draws, seed) -> tuple[np.ndarray, dict]:
    """Look for copies of what was trained on."""
    trained = "training" if "training" in small else "real"
    sets, _ = _exchanged(places, (trained, "held_out"), draws, seed, 1)
    shown = np.concatenate([small[trained], small["held_out"]])
    posed = numbers.poses(shown).reshape(8, len(shown), -1)
    squared = neighbours.to_any_pose(flat(small["generated"]), posed)
    statistics, share = neighbours.memory(squared, sets)
    chance = len(small[trained]) / len(shown)
    return statistics, {"share": share, "share_of_chance": chance}


def _verdict(found, memory, held, control, stacks, hints) -> Verdict:
    """Put p-values and words together."""
    alone, together = p_values(np.stack([some for some, _ in found.values()], axis=1))
    remembered, _ = p_values(memory[0][:, None])
    found = found | {"memorisation": memory}
    alone = dict(zip(found, [*alone, *remembered], strict=True))
    # Sidak: the smaller of two independent p-values.
    together = {
        name: 1 - (1 - float(p)) ** 2
        for name, p in zip(found, [*together, *remembered], strict=True)
    }
    tests = {}
    for name in (name for name in TESTS if name in found):
        statistics, details = found[name]
        numbers_of = {
            "statistic": float(statistics[0]),
            "chance": float(np.quantile(statistics, 1 - ALPHA)),
            "p_value": float(alone[name]),
            "adjusted": together[name],
            "passes": together[name] >= ALPHA,
        }
        sentence = in_words(name, numbers_of, details)
        tests[name] = Test(
            **numbers_of, sentence=sentence, held_out=held.get(name), details=details
        )
    p_value = min(together.values())
    return Verdict(
        passes=p_value >= ALPHA,
        p_value=p_value,
        sentence=verdict_sentence(tests, p_value, {n: len(s) for n, s in stacks.items()}),
        tests=tests,
        control=control,
        images={name: len(images) for name, images in stacks.items()},
        label_sets=len(memory[0]),
        hints=tuple(hints),
    )
