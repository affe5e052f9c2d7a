"""The sharp verdict: does *any* systematic difference tell generated from real CO tiles.

`report.validate` asks whether the generated tiles' median lies within the scatter of the real sky,
which is easy to pass. Here up to five tests look for a difference, and one p-value joins them:

- ``spectrum``, ``minkowski``, ``pdf``: the energy distance (Szekely & Rizzo 2013, J. Stat. Plan.
  Inference 143, 1249) between real and generated tiles in the space of their log spectra within the
  beam, Minkowski curves, and quantiles of asinh(W / 0.3 K km/s);
- ``classifier``: a classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv:1610.06545): can a
  small classifier tell real from generated tiles in blocks of sky that it has not seen?
- ``paired_spectrum``, where tile i of both shows the same place: do the log spectra deviate in the
  same sense all over the sky? It is the statistic of `blocks.swap_p_value`.

**The instrument sees both.** A real map has noise. A generated one without it differs, whatever the
generator is worth, so a draw of that noise (`noise`) is added to the generated tiles before
anything is computed. Without it the null hypothesis is false by construction.

**Null hypothesis of all tests.** In each block of sky the labels "real" and "generated" could be
exchanged, for all its tiles at once, without changing the joint distribution of the maps. This
holds for tiles drawn from the distribution of CO given dust and HI, and for an independent sky of
the same population. It does not hold for an accurate *mean* map, which has too little power. Blocks
are exchanged and not tiles, because neighbouring tiles overlap. Without pairs (generated tiles of
other places) whole blocks are dealt out anew as real or generated.

**What chance gives.** Each test is computed for the labels as they are and for the same up to 999
exchanged sets; the share of sets that do as well as the labels as they are is a p-value, exact
under the null whatever the distribution of the features. The classifier is trained anew for each
set: the scores of fixed classifiers would not do, since each block also trains the classifiers of
the others.

**One p-value.** The smallest p-value of all tests is compared with the smallest in every exchanged
set (min-p: Tippett; Westfall & Young 1993). That costs the false alarm rate nothing, 5 % for all
together, and as it knows that the tests go together, it is sharper than Bonferroni's or Holm's
rule, which assume the worst.

**Power and limits.** How small a difference is found depends on the blocks and on what is compared.
A *copy* of the real map, a little too bright, is found out at once: its pairs differ in nothing
else. Independent maps differ by chance in every pair. The energy distances and the classifier take
any tile for any other and see a wrong brightness badly, as places differ by much more; the paired
spectrum, in which a place's own brightness drops out, sees it far better, but blur and phases
worse, and for these the others are there. Without pairs of the same places the verdict is blunt.
The share of wrong maps that fail, by kind and size of the fault, is measured for independent maps
by ``ci/verdict_power.py`` and stored in ``book/results/real/verdict_power.json``. Passing means
that no difference was found by these statistics with this much sky; 8 blocks find little but gross
errors. A failure may be a small one: read ``distance`` beside ``p_value``. A copy of the real sky
passes: memory is not tested, nor is accuracy place by place (see `report`).

**Blocks must not touch.** Where tiles of two blocks share sky, each recognises its neighbour, and
exchanging one block and not the other looks like a difference: in simulated skies as correlated as
the real one, blocks of two tile sides that touch raised the false alarms from 5 % to 22 %.
`blocks.separate_blocks` chooses blocks that do not, and leaves out the tiles between them: most of
a dense grid, whose tiles repeat each other anyway.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from ..base.files import CoganError
from .features import tile_features
from .tiles import check_tiles

ALPHA = 0.05  # false alarm rate of the combined verdict
#: The tests; the last takes pairs of the same place.
TESTS = ("spectrum", "minkowski", "pdf", "classifier", "paired_spectrum")
MOST_COMPONENTS = 10  # of one set of features; beyond, directions hold little but noise
FOLDS = 5


def _whiten(features: np.ndarray) -> np.ndarray:
    """Leading principal components, each of variance 1, of features scaled by their scatter.

    Without it a power spectrum counts as one number, its brightness, which changes most from place
    to place. Labels play no part, so the exchanged sets stay as likely as the labels as they are.
    """
    centred = features - features.mean(axis=0)
    scatter = centred.std(axis=0)
    varies = scatter > 1e-9 * np.abs(features).max(axis=0)
    if not varies.any():
        return np.zeros((len(features), 1))
    u, s, _ = np.linalg.svd(centred[:, varies] / scatter[varies], full_matrices=False)
    share = np.cumsum(s**2) / (s**2).sum()
    return u[:, : min(MOST_COMPONENTS, np.searchsorted(share, 0.999) + 1)] * np.sqrt(len(u))


def _label_sets(blocks, n_real, paired, draws, seed) -> np.ndarray:
    """Labels (sets, n tiles), +1 real and -1 generated: as they are first, then exchanged.

    Paired: all 2^(k-1) distinct exchanges if they are no more than draws + 1 (exchanging every
    block changes nothing).

    Raises
    ------
    CoganError
        If the blocks are too few for a difference seen by one test alone to be significant.
    """
    names, which = np.unique(blocks, return_inverse=True)
    k = names.size
    given = np.where(np.arange(len(blocks)) < n_real, 1.0, -1.0)
    k_real = np.unique(blocks[:n_real]).size
    distinct = 2 ** (k - 1) if paired else math.comb(k, k_real) // 2
    if len(TESTS[: None if paired else -1]) > ALPHA * distinct:
        raise CoganError(
            f"{k} blocks of sky are too few: no difference between generated and real could be "
            f"significant; use tiles of at least {8 if paired else 10} blocks that do not touch."
        )
    rng = np.random.default_rng(seed)
    if paired:
        exchanged = rng.integers(0, 2, (draws + 1, k))
        exchanged[0] = 0
        if distinct <= draws + 1:
            exchanged = (np.arange(distinct)[:, None] >> np.arange(k)) & 1
        return given * (1 - 2.0 * exchanged[:, which])
    dealt = np.where(np.isin(names, blocks[:n_real]), 1.0, -1.0)
    return np.array([dealt, *(rng.permutation(dealt) for _ in range(draws))])[:, which]


def _energy_distances(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 - (<d_rr> + <d_gg>) / (2 <d_rg>) for each set of labels: 0 if alike, 1 if worlds apart.

    < > is the mean Euclidean distance over all couples of real (r) and generated (g) tiles.
    """
    distance = cdist(features, features)
    real, generated = np.maximum(labels, 0), np.maximum(-labels, 0)
    real /= real.sum(axis=1, keepdims=True)
    generated /= generated.sum(axis=1, keepdims=True)
    from_real, from_generated = real @ distance, generated @ distance
    within = (from_real * real).sum(axis=1) + (from_generated * generated).sum(axis=1)
    across = (from_real * generated).sum(axis=1)
    return np.where(across > 0, 1 - within / np.where(across > 0, 2 * across, 1), 0)


def _classifier_aucs(features, blocks, labels, seed) -> np.ndarray:
    """Held-out AUC, for each set of labels, of a classifier trained on these labels.

    The classifier is kernel ridge regression on the labels (a least-squares support vector
    machine) with a Gaussian kernel. A network trained on a few hundred tiles would learn less, and
    not a thousand times over; here the held-out scores are linear in the labels, K_test,train
    (K_train + 1)^-1 y_train, so that one solution per fold serves all sets. Folds are of whole
    blocks: a tile, its neighbours and its partner are all trained on or all held out, so that
    knowing the place is of no use.

    AUC is the chance that a real tile scores higher than a generated one; 0.5 is guessing.
    """
    squared = cdist(features, features, "sqeuclidean")
    width = np.median(squared)
    kernel = np.exp(-squared / (width if width > 0 else 1))
    names, which = np.unique(blocks, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(names.size) % FOLDS)[which]
    scores = np.empty_like(labels)
    for held_out in (fold == i for i in range(FOLDS)):
        train = kernel[np.ix_(~held_out, ~held_out)] + np.eye(np.count_nonzero(~held_out))
        weights = np.linalg.solve(train, kernel[np.ix_(~held_out, held_out)])
        y = labels[:, ~held_out]
        scores[:, held_out] = (y - y.mean(axis=1, keepdims=True)) @ weights
    ranks = rankdata(np.round(scores, 9), axis=1)  # equal tiles score equal
    n_real = np.count_nonzero(labels > 0, axis=1)
    n_generated = labels.shape[1] - n_real
    return ((ranks * (labels > 0)).sum(axis=1) - n_real * (n_real + 1) / 2) / (n_real * n_generated)


def _swap_statistics(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How far pairs deviate in the same sense, for each set of labels, from 0 to 1.

    With d = generated - real, its sign changed where a set exchanges the labels, the mean over the
    features j of (sum_i d_ij)^2 / (n sum_i d_ij^2): T of `blocks.swap_p_value` over its maximum.
    As there, features whose differences are below a thousandth of the tiles' scatter are left out.
    """
    n = len(features) // 2
    difference = features[n:] - features[:n]
    scale = np.sqrt((difference**2).mean(axis=0))
    differs = scale > 1e-3 * features.std(axis=0)
    if not differs.any():
        return np.zeros(len(labels))
    return ((labels[:, :n] @ (difference[:, differs] / scale[differs]) / n) ** 2).mean(axis=1)


def _p_values(statistics: np.ndarray) -> tuple[np.ndarray, float]:
    """p-value of each test and of the smallest of them; `statistics` is (sets, tests).

    The first set is that of the labels as they are; every set gets the p-values that it would have
    in its place.
    """
    rounded = np.round(statistics, 9)  # rounding is no difference
    sets = len(rounded)
    p = (sets + 1 - rankdata(rounded, "min", axis=0)) / sets
    smallest = p.min(axis=1)
    return p[0], float(np.mean(smallest <= smallest[0]))


def sharp_verdict(
    real: np.ndarray,
    generated: np.ndarray,
    *,
    pixel_arcmin: float,
    fwhm_arcmin: float,
    blocks: np.ndarray,
    seed: int,
    noise: np.ndarray | None,
    generated_blocks: np.ndarray | None = None,
    draws: int = 999,
) -> dict:
    """Look for any systematic difference between generated and real CO tiles.

    Parameters
    ----------
    real, generated : ndarray, shapes (n, npix, npix) and (m, npix, npix)
        W in K km/s. Without `generated_blocks`, tile i of both shows the same place.
    pixel_arcmin, fwhm_arcmin : float
        Tile pixel and beam of the maps.
    blocks : ndarray of int, shape (n,)
        Block of sky of each real tile; tiles of a negative number are left out. Take
        `blocks.separate_blocks`: blocks that touch raise false alarms.
    seed : int
        For the exchanged labels and the folds.
    noise : ndarray, shape (m, npix, npix), or None
        The instrument's noise in K km/s at the places of the generated tiles, to be added to them
        (`tiles.instrument.noise_tiles`). None only if the generated tiles hold it already, or the
        real ones have none.
    generated_blocks : ndarray of int, shape (m,), optional
        Blocks of the generated tiles, none of them a block of `blocks`: they show other places.
    draws : int
        Sets of exchanged labels, unless all of them are fewer; at least 99.

    Returns
    -------
    dict
        JSON-ready. For each of the tests ``spectrum``, ``minkowski``, ``pdf``, ``classifier`` and,
        for pairs, ``paired_spectrum``: ``p_value``, ``distance`` (0 alike, 1 entirely different;
        for the classifier 2 AUC - 1, for the pairs the share of their squared difference that has
        the same sense everywhere) and ``chance`` (the distance that 5 % of the exchanged sets
        exceed); ``auc`` of the classifier. ``p_value`` of all together, ``passes`` (p_value >=
        0.05), ``verdict`` (a sentence), ``paired``, ``noise_added``, ``tiles`` of both, ``blocks``,
        ``label_sets``.

    Raises
    ------
    CoganError
        For tiles of unequal geometry, NaN, blocks that do not fit, or too few blocks to fail.
    """
    paired = generated_blocks is None
    real = check_tiles("real", real)
    generated = check_tiles("generated", generated, like=real if paired else None)
    if noise is not None:
        generated = generated + check_tiles("noise", noise, like=generated)
    blocks = np.asarray(blocks)
    generated_blocks = blocks if paired else np.asarray(generated_blocks)
    if generated.shape[1:] != real.shape[1:]:
        raise CoganError(
            f"Generated tiles of {generated.shape[1:]} pixels cannot be compared with real ones of "
            f"{real.shape[1:]}; cut both with the same geometry."
        )
    for name, tiles, numbers in (
        ("real", real, blocks),
        ("generated", generated, generated_blocks),
    ):
        if numbers.shape != (len(tiles),):
            raise CoganError(
                f"{len(tiles)} {name} tiles need as many block numbers, not {numbers.shape}."
            )
    if not paired and np.intersect1d(generated_blocks[generated_blocks >= 0], blocks).size:
        raise CoganError(
            "Some blocks of sky have both real and generated tiles; without pairs a block must be "
            "either, so leave one of them out."
        )
    if draws < 99:
        raise CoganError(f"{draws} exchanged sets of labels are too few for a p-value; use >= 99.")
    used, generated_used = blocks >= 0, generated_blocks >= 0
    real, generated = real[used], generated[generated_used]
    all_blocks = np.concatenate([blocks[used], generated_blocks[generated_used]])
    labels = _label_sets(all_blocks, len(real), paired, draws, seed)

    features = tile_features(
        np.concatenate([real, generated]).astype(np.float64), pixel_arcmin, fwhm_arcmin
    )
    white = {name: _whiten(values) for name, values in features.items()}
    # Each set counts as much as the others, however many components it has.
    joined = np.hstack([values / np.sqrt(values.shape[1]) for values in white.values()])
    auc = _classifier_aucs(joined, all_blocks, labels, seed)
    distances = [_energy_distances(white[name], labels) for name in TESTS[:3]]
    distances.append(2 * auc - 1)
    if paired:
        distances.append(_swap_statistics(features["spectrum"], labels))
    distances = np.stack(distances, axis=1)
    p_values, p_value = _p_values(distances)
    chance = np.quantile(distances, 1 - ALPHA, axis=0)
    numbers = zip(p_values, np.round(distances[0], 6) + 0.0, np.round(chance, 6), strict=True)
    report = {
        name: {"p_value": float(p), "distance": float(d), "chance": float(c)}
        for name, (p, d, c) in zip(TESTS, numbers, strict=False)  # unpaired: the last has none
    }
    report["classifier"]["auc"] = round(float(auc[0]), 6)
    report |= {
        "p_value": p_value,
        "passes": p_value >= ALPHA,
        "paired": paired,
        "noise_added": noise is not None,
        "tiles": {"real": len(real), "mock": len(generated)},
        "blocks": int(np.unique(all_blocks).size),
        "label_sets": len(labels),
    }
    report["verdict"] = _sentence(report)
    return report


def _sentence(report: dict) -> str:
    """Put the verdict in words."""
    passes, found = "fails", "generated and real tiles differ"
    if report["passes"]:
        passes, found = "passes", "no difference between generated and real tiles was found"
    each = ", ".join(
        f"{name.replace('_', ' ')} {report[name]['p_value']:.2g}"
        for name in TESTS
        if name in report
    )
    places = "the same" if report["paired"] else "other"
    return (
        f"The generated sky {passes} the sharp verdict: {found} (p = {report['p_value']:.2g} for "
        f"all tests together; {each}). {report['tiles']['mock']} generated tiles were compared "
        f"with {report['tiles']['real']} real ones of {places} "
        f"places, their labels exchanged in {report['blocks']} blocks of sky; a classifier tells "
        f"them apart in blocks it has not seen with AUC {report['classifier']['auc']:.2f} "
        "(0.5: guessing)."
    )
