"""Figures of chapter 00: a straight line that is trained, on the plane of its two weights.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ..base.files import CoganError
from .style import BASE, COLOURS, GENERATED, LINES, REAL, VIOLET

CONTOURS = 12
MARKS = "osD^vP"


@dataclass(frozen=True)
class Landscape:
    """The loss at the crossings of a grid of two weights.

    Attributes
    ----------
    a, b : ndarray, shape (n_a,), (n_b,)
        Intercepts and slopes, growing.
    loss : ndarray, shape (n_b, n_a)
        Above zero.
    """

    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.b), len(self.a))
        if np.shape(self.loss) != shape or min(shape) < 2:
            raise CoganError(
                f"A landscape over {shape[1]} intercepts and {shape[0]} slopes has a loss of shape "
                f"{shape}, at least (2, 2), not {np.shape(self.loss)}."
            )
        if not (np.isfinite(self.loss).all() and np.min(self.loss) > 0):
            raise CoganError("A landscape's losses must be finite and above zero.")

    @property
    def lowest(self) -> tuple[float, float]:
        """Intercept and slope of the lowest crossing."""
        row, column = np.unravel_index(np.argmin(self.loss), np.shape(self.loss))
        return float(self.a[column]), float(self.b[row])


def landscape_and_data(
    landscape: Landscape,
    lines: Mapping[str, tuple[float, float]],
    x: np.ndarray,
    y: np.ndarray,
    labels: tuple[str, str],
) -> Figure:
    """Draw a few lines twice: as points of the landscape and among the data.

    Parameters
    ----------
    landscape : Landscape
    lines : dict of name to (float, float)
        Intercept and slope; six at most.
    x, y : ndarray, shape (n,)
    labels : (str, str)
        Of the data's axes.

    Returns
    -------
    Figure
    """
    figure, (left, right) = _pair()
    _contours(left, landscape)
    _data(right, x, y, labels)
    ends = np.array([x.min(), x.max()])
    for number, (name, (a, b)) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        left.plot(a, b, MARKS[number], color=colour, mec="white", ms=9, ls="none")
        style = LINES[number % len(LINES)]
        right.plot(ends, a + b * ends, style, color=colour, lw=2, label=name,
                   marker=MARKS[number], mec="white", ms=8)  # fmt: skip
    right.legend(loc="upper left", fontsize=9)
    return figure


def paths(landscape: Landscape, walks: Mapping[str, np.ndarray]) -> Figure:
    """Draw walks on one landscape, a panel each; what leaves it is cut off at its rim.

    Parameters
    ----------
    landscape : Landscape
    walks : dict of title to ndarray, shape (steps + 1, 2)
        Intercept and slope after each step.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.4 * len(walks) + 0.2, 3.0), layout="constrained")
    panels = figure.subplots(1, len(walks), sharey=True, squeeze=False)[0]
    for axes, (title, walk) in zip(panels, walks.items(), strict=True):
        _contours(axes, landscape)
        _walk(axes, walk)
        axes.set_title(title)
        axes.label_outer()
    return figure


def descent(
    landscape: Landscape,
    walk: np.ndarray,
    step: int,
    x: np.ndarray,
    y: np.ndarray,
    labels: tuple[str, str],
) -> Figure:
    """Draw a walk as far as a step, and the line that it has then reached among the data.

    Parameters
    ----------
    landscape : Landscape
    walk : ndarray, shape (steps + 1, 2)
    step : int
        From 0 to the walk's last.
    x, y : ndarray, shape (n,)
    labels : (str, str)
        Of the data's axes.

    Returns
    -------
    Figure

    Raises
    ------
    CoganError
        If the walk has no such step.
    """
    if not 0 <= step < len(walk):
        raise CoganError(f"The walk has steps 0 to {len(walk) - 1}, but not {step}.")
    figure, (left, right) = _pair()
    _contours(left, landscape)
    _walk(left, walk[: step + 1])
    _data(right, x, y, labels)
    a, b = walk[step]
    ends = np.array([x.min(), x.max()])
    right.plot(ends, a + b * ends, color=GENERATED, lw=2)
    left.set_title(f"after {step} step{'' if step == 1 else 's'}")
    right.set_title(f"a = {a:.2f}, b = {b:.2f}".replace("-", "−"))
    return figure


def overfitting(
    seen: tuple[np.ndarray, np.ndarray],
    unseen: tuple[np.ndarray, np.ndarray],
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    history: Mapping[str, Sequence[float]],
    labels: tuple[str, str],
) -> Figure:
    """Draw curves among the few points that taught them, and both errors over the training.

    Parameters
    ----------
    seen, unseen : two ndarrays each, x and y
        Points of the training and of the validation.
    curves : dict of name to (x, y)
        What the network has learnt at some steps.
    history : dict
        {steps, training, validation}, of one length, steps from 1.
    labels : (str, str)
        Of the data's axes.

    Returns
    -------
    Figure
    """
    figure, (left, right) = _pair(height=3.5)
    _data(left, *unseen, labels)
    left.plot(*seen, "o", color=REAL, ms=5, label="training")
    for (name, (x, y)), colour, style in zip(
        curves.items(), (BASE, GENERATED, VIOLET), LINES, strict=False
    ):
        left.plot(x, y, style, color=colour, lw=2, label=name)
    spread = np.concatenate([seen[1], unseen[1]])
    margin = 0.15 * np.ptp(spread)
    left.set_ylim(spread.min() - margin, spread.max() + margin)
    left.legend(loc="lower right", fontsize=9)
    steps, validation = history["steps"], history["validation"]
    best = int(np.argmin(validation))
    right.loglog(steps, history["training"], color=REAL, label="training")
    right.loglog(steps, validation, "--", color=GENERATED, label="validation")
    right.axvline(steps[best], color=BASE, lw=1, ls=":")
    right.plot(steps[best], validation[best], "o", color=BASE, ms=7, label="its lowest")
    right.set(xlabel="step", ylabel="error [dex]")
    right.legend(loc="lower left", fontsize=9)
    return figure


def _pair(height: float = 3.3) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(7.2, height), layout="constrained")
    return figure, figure.subplots(1, 2)


def _contours(axes, landscape: Landscape) -> None:
    """Fill a panel with the landscape; its star is the lowest crossing."""
    low, high = float(np.min(landscape.loss)), float(np.max(landscape.loss))
    # even steps of the logarithm of what lies above the lowest place
    heights = np.log10(landscape.loss / low - 1 + 1e-2)
    levels = np.linspace(-2, np.log10(high / low - 1 + 1e-2) + 1e-9, CONTOURS)
    axes.contourf(landscape.a, landscape.b, heights, levels, cmap="Blues", extend="min")
    axes.contour(landscape.a, landscape.b, heights, levels, colors="white",
                 linewidths=0.6, linestyles="solid")  # fmt: skip
    axes.plot(*landscape.lowest, "*", color="white", mec=REAL, ms=13)
    axes.set(xlabel="intercept a", ylabel="slope b")
    axes.set(xlim=(landscape.a[0], landscape.a[-1]), ylim=(landscape.b[0], landscape.b[-1]))
    axes.grid(False)


def _walk(axes, walk: np.ndarray) -> None:
    axes.plot(*np.transpose(walk), "o-", color=GENERATED, ms=3, lw=1)
    axes.plot(*walk[0], "s", color=REAL, mec="white", ms=7)
    axes.plot(*walk[-1], "o", color=GENERATED, mec="white", ms=8)


def _data(axes, x: np.ndarray, y: np.ndarray, labels: tuple[str, str]) -> None:
    axes.plot(x, y, ".", color="#999999", ms=2, rasterized=True)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    low, high = y.min(), y.max()
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
