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

import numpy as np

from ..base.files import CoganError
from .exchange import ALPHA, classifier_aucs, energy_distances, label_sets, p_values, whiten
from .features import tile_features
from .tiles import check_tiles

#: The tests; the last takes pairs of the same place.
TESTS = ("spectrum", "minkowski", "pdf", "classifier", "paired_spectrum")


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
    tests = len(TESTS[: None if paired else -1])
    labels = label_sets(all_blocks, len(real), paired, draws, seed, tests)

    features = tile_features(
        np.concatenate([real, generated]).astype(np.float64), pixel_arcmin, fwhm_arcmin
    )
    white = {name: whiten(values) for name, values in features.items()}
    # Each set counts as much as the others, however many components it has.
    joined = np.hstack([values / np.sqrt(values.shape[1]) for values in white.values()])
    auc = classifier_aucs(joined, all_blocks, labels, seed)
    distances = [energy_distances(white[name], labels) for name in TESTS[:3]]
    distances.append(2 * auc - 1)
    if paired:
        distances.append(_swap_statistics(features["spectrum"], labels))
    distances = np.stack(distances, axis=1)
    alone, together = p_values(distances)
    p_value = float(together.min())
    chance = np.quantile(distances, 1 - ALPHA, axis=0)
    numbers = zip(alone, np.round(distances[0], 6) + 0.0, np.round(chance, 6), strict=True)
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
