"""Figures of chapter 00: a straight line that is trained, on the plane of its two weights.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..base.files import CoganError
from .style import BASE, COLOURS, GENERATED, LINES, REAL, few_ticks, tick_label

MARKS = "osD^"
Points = tuple[np.ndarray, np.ndarray]  # x and y
Labels = tuple[str, str]  # of their axes


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
            need = f"of shape {shape}, at least (2, 2), not {np.shape(self.loss)}."
            raise CoganError(f"A landscape of {shape[1]} a and {shape[0]} b has a loss {need}")
        if not (np.isfinite(self.loss).all() and np.min(self.loss) > 0):
            raise CoganError("A landscape's losses must be finite and above zero.")


def landscape_and_data(
    landscape: Landscape, lines: Mapping[str, Sequence[float]], points: Points, labels: Labels
) -> Figure:
    """Draw a few lines twice: as places of the landscape and among the data.

    Parameters
    ----------
    landscape : Landscape
    lines : dict of name to (intercept, slope)
    points : two ndarrays, shape (n,)
    labels : (str, str)

    Returns
    -------
    Figure
    """
    figure, (left, right) = _pair()
    _contours(left, landscape)
    _data(right, points, labels)
    for number, (name, line) in enumerate(lines.items()):
        look = {"marker": MARKS[number % 4], "color": COLOURS[number % 4], "mec": "white"}
        left.plot(*line, ms=9, ls="none", **look)
        _line(right, points, line, label=name, ms=8, ls=LINES[number % 4], **look)
    right.legend(loc="upper left", fontsize=9)
    return figure


def paths(landscape: Landscape, walks: Mapping[str, np.ndarray]) -> Figure:
    """Draw walks on one landscape, a panel each.

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
    landscape: Landscape, walk: np.ndarray, step: int, points: Points, labels: Labels
) -> Figure:
    """Draw a walk as far as a step, and the line that it has then reached among the data.

    Parameters
    ----------
    landscape : Landscape
    walk : ndarray, shape (steps + 1, 2)
    step : int, from 0 to the walk's last
    points : two ndarrays, shape (n,)
    labels : (str, str)

    Returns
    -------
    Figure
    """
    if not 0 <= step < len(walk):
        raise CoganError(f"The walk has steps 0 to {len(walk) - 1}, but not {step}.")
    figure, (left, right) = _pair()
    _contours(left, landscape)
    _walk(left, walk[: step + 1])
    _data(right, points, labels)
    _line(right, points, walk[step], color=GENERATED)
    left.set_title(f"after {step} step{'' if step == 1 else 's'}")
    right.set_title("a = {:.2f}, b = {:.2f}".format(*walk[step]).replace("-", "−"))
    return figure


def overfitting(
    seen: Points, unseen: Points, curves: Mapping[str, Points], history: Mapping, labels: Labels
) -> Figure:
    """Draw curves among the few points that taught them, and both errors over the training.

    Parameters
    ----------
    seen, unseen : two ndarrays each
        Points of the training and of the validation.
    curves : dict of name to two ndarrays
        What has been learnt, at two moments at most.
    history : {steps, training, validation}, sequences of one length, above zero
    labels : (str, str)

    Returns
    -------
    Figure
    """
    figure, (left, right) = _pair()
    _data(left, unseen, labels)
    left.plot(*seen, "o", color=REAL, ms=5, label="training")
    for (name, curve), colour, look in zip(curves.items(), (BASE, GENERATED), LINES, strict=False):
        left.plot(*curve, look, color=colour, lw=2, label=name)
    left.legend(loc="lower right", fontsize=9)
    steps, errors = history["steps"], [history["training"], history["validation"]]
    right.loglog(steps, errors[0], color=REAL, label="training")
    right.loglog(steps, errors[1], "--", color=GENERATED, label="validation")
    best = int(np.argmin(errors[1]))
    right.plot(steps[best], errors[1][best], "o", color=BASE, ms=7, label="its lowest")
    right.axvline(steps[best], color=BASE, lw=1, ls=":")
    ticks = few_ticks(LogNorm(np.min(errors), np.max(errors)))
    right.set_yticks(ticks, labels=[tick_label(tick) for tick in ticks])
    right.yaxis.minorticks_off()
    right.set(xlabel="step", ylabel="error [dex]")
    right.legend(loc="lower left", fontsize=9)
    return figure


def _pair() -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    return figure, figure.subplots(1, 2)


def _contours(axes, landscape: Landscape) -> None:
    """Fill a panel with the landscape; the star is its lowest crossing."""
    lowest = np.unravel_index(np.argmin(landscape.loss), np.shape(landscape.loss))
    # even steps of the logarithm of what lies above the lowest place
    heights = np.log10(landscape.loss / landscape.loss[lowest] - 1 + 1e-2)
    levels = np.linspace(-2, max(heights.max(), -1) + 1e-9, 12)
    grid = landscape.a, landscape.b, heights, levels
    axes.contourf(*grid, cmap="Blues")
    axes.contour(*grid, colors="white", linewidths=0.6, linestyles="solid")
    star = landscape.a[lowest[1]], landscape.b[lowest[0]]
    axes.plot(*star, "*", color="white", mec=REAL, ms=13)
    axes.set(xlabel="intercept a", xlim=landscape.a[[0, -1]])
    axes.set(ylabel="slope b", ylim=landscape.b[[0, -1]])
    axes.grid(False)


def _walk(axes, walk: np.ndarray) -> None:
    axes.plot(*np.transpose(walk), "o-", color=GENERATED, ms=3, lw=1)
    axes.plot(*walk[0], "s", color=REAL, mec="white", ms=7)
    axes.plot(*walk[-1], "o", color=GENERATED, mec="white", ms=8)


def _data(axes, points: Points, labels: Labels) -> None:
    axes.plot(*points, ".", color="#999999", ms=2, rasterized=True)
    low, high, beside = points[1].min(), points[1].max(), 0.15 * np.ptp(points[1])
    axes.set(xlabel=labels[0], ylabel=labels[1], ylim=(low - beside, high + beside))


def _line(axes, points: Points, line: Sequence[float], **look) -> None:
    ends = np.array([points[0].min(), points[0].max()])
    axes.plot(ends, line[0] + line[1] * ends, lw=2, **look)
