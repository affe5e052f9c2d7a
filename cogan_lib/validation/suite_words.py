"""The suite's results in plain words: one sentence per test, and one for the verdict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: What a test asks, for tables and figures.
NAMES = {
    "ks": "brightness (KS)",
    "anderson_darling": "brightness (AD)",
    "spectrum": "power spectrum",
    "higher_order": "higher order",
    "minkowski": "Minkowski curves",
    "classifier": "classifier",
    "neighbours": "neighbours",
    "memorisation": "memorisation",
    "train_on_generated": "train on generated, test on real",
    "test_on_generated": "train on real, test on generated",
    "conditioning": "conditioning",
}


def in_words(name: str, numbers: Mapping[str, float], details: Mapping) -> str:
    """Say what a test found, and what chance gives.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    numbers : dict of str to float
        ``statistic``, ``chance``, ``p_value``, ``passes``.
    details : dict
        Of this test.

    Returns
    -------
    str
    """
    said = {
        "ks": _brightness, "anderson_darling": _brightness, "spectrum": _spectrum,
        "higher_order": _shape("The skewness and kurtosis in bands of scale"),
        "minkowski": _shape("The Minkowski curves"), "classifier": _classifier,
        "neighbours": _neighbours, "memorisation": _memory, "train_on_generated": _trained,
        "test_on_generated": _tested, "conditioning": _obeyed,
    }[name](numbers, details)  # fmt: skip
    seen = "no more than chance gives" if numbers["passes"] else "more than chance gives"
    return (
        f"{said}: {seen} (the statistic is {numbers['statistic']:.3g}, and by chance above "
        f"{numbers['chance']:.3g} in 5 % of cases; p = {numbers['p_value']:.2g} for it alone)."
    )


def verdict_sentence(tests: Mapping, p_value: float, images: Mapping[str, int]) -> str:
    """Say what all tests together found.

    Parameters
    ----------
    tests : dict of str to Test
    p_value : float
        Of all together.
    images : dict of str to int
        How many of each stack.

    Returns
    -------
    str
    """
    failed = [NAMES[name] for name, test in tests.items() if not test.passes]
    count = f"{images['generated']} generated and {images['real']} real images"
    if not failed:
        return (
            f"The generated images pass: none of {len(tests)} tests saw a difference (p = "
            f"{p_value:.2g} for all together), which with {count} says that it is small, not that "
            "there is none."
        )
    return (
        f"The generated images fail {len(failed)} of {len(tests)} tests ({', '.join(failed)}; "
        f"p = {p_value:.2g} for all together, {count})."
    )


def _brightness(numbers, details) -> str:
    return f"The images' brightness differs most in the {details['number']}"


def _spectrum(numbers, details) -> str:
    ratio, error = np.array(details["ratio"]), np.array(details["error"])
    worst = int((np.abs(np.log(ratio)) / error).argmax())
    return (
        f"In band {worst + 1} of {ratio.size} the typical power, generated over real, is "
        f"{ratio[worst]:.2f} ± {ratio[worst] * error[worst]:.2f}"
    )


def _shape(what: str):
    return lambda numbers, details: f"{what} differ by a distance of {numbers['statistic']:.3f}"


def _classifier(numbers, details) -> str:
    return (
        f"A classifier tells generated from real images that it has not seen with AUC "
        f"{details['auc']:.2f} (0.5 is guessing)"
    )


def _neighbours(numbers, details) -> str:
    generated, real = (np.exp(details[name]) for name in ("generated", "real"))
    return (
        f"The nearest generated image of a real one is {real:.2f} times as far as the nearest real "
        f"one, and the nearest real of a generated one {generated:.2f} times as far as the nearest "
        "generated one"
    )


def _memory(numbers, details) -> str:
    return (
        f"Of the generated images {details['share']:.0%} are nearest to one that was trained on, "
        f"in any pose, and {details['share_of_chance']:.0%} would be by chance"
    )


def _trained(numbers, details) -> str:
    return (
        "Of the labels' variance in held-out images, a reader trained on generated images misses "
        f"{details['generated']:.0%}, one trained on real images {details['real']:.0%}"
    )


def _tested(numbers, details) -> str:
    return (
        "Of the labels' variance, a reader trained on held-out images misses "
        f"{details['generated']:.0%} in generated images and {details['real']:.0%} in real ones"
    )


def _obeyed(numbers, details) -> str:
    return (
        "What is measured differs from what was asked for by "
        f"{details['generated']:.2f} of the labels' scatter, and in real images by "
        f"{details['real']:.2f}"
    )
