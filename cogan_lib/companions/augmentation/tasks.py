"""What is to be learnt, from few real examples, and how well it was.

A task is two sets of examples, one to take real examples from and one to test on. Its inputs are
images in the units that a network sees; its labels are classes (one number per image) or maps (one
per pixel). Nothing here knows what the images show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...base.files import CoganError

Kind = Literal["class", "map"]
#: From inputs (n, c, h, w) to scores (n, classes), of which the highest wins, or maps (n, h, w).
Predictor = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """Examples: images and what is to be read from them.

    Attributes
    ----------
    inputs : ndarray, shape (n, c, h, w), float32
    labels : ndarray, shape (n,), int, or (n, h, w), float32
        Classes 0, 1, ..., or maps.
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        shape = np.shape(self.inputs)
        if len(shape) != 4 or np.shape(self.labels) not in (shape[:1], shape[:1] + shape[2:]):
            raise CoganError(
                f"Examples are images (n, c, h, w) with labels (n,) or (n, h, w), not {shape} with "
                f"{np.shape(self.labels)}."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: np.ndarray | slice) -> Labelled:
        """Take some of them.

        Parameters
        ----------
        rows : ndarray of int or bool, or slice

        Returns
        -------
        Labelled
        """
        return Labelled(self.inputs[rows], self.labels[rows])

    def plus(self, other: Labelled) -> Labelled:
        """Put others behind them.

        Parameters
        ----------
        other : Labelled

        Returns
        -------
        Labelled
        """
        both = zip((self.inputs, self.labels), (other.inputs, other.labels), strict=True)
        return Labelled(*(np.concatenate(pair) for pair in both))


@dataclass(frozen=True)
class Task:
    """What is learnt, and tested.

    Attributes
    ----------
    name : str
    kind : {'class', 'map'}
        The score of classes is the share of right ones, that of maps the rms error.
    train : Labelled
        Real examples, from which few are taken.
    test : Labelled
        Real examples that have nothing in common with those.
    """

    name: str
    kind: Kind
    train: Labelled
    test: Labelled

    def __post_init__(self) -> None:
        if self.kind not in ("class", "map"):
            raise CoganError(f"A task is of the kind 'class' or 'map', not {self.kind!r}.")
        for some in (self.train, self.test):
            if np.ndim(some.labels) != (1 if self.kind == "class" else 3):
                raise CoganError(
                    f"The labels of {self.name} are {np.shape(some.labels)}, not of the kind "
                    f"{self.kind!r}."
                )

    @property
    def sign(self) -> int:
        """1 if a higher score is better, -1 if a lower one is."""
        return 1 if self.kind == "class" else -1

    def score(self, predict: Predictor) -> float:
        """Test.

        Parameters
        ----------
        predict : callable
            From inputs to scores of classes, or maps.

        Returns
        -------
        float
            Share of right classes, or rms error.
        """
        found = predict(self.test.inputs)
        if self.kind == "class":
            return float(np.mean(found.argmax(1) == self.test.labels))
        return float(np.sqrt(np.mean((found - self.test.labels) ** 2)))


def few(task: Task, n: int, seed: int) -> Labelled:
    """Take n real examples; those of a smaller n are among them.

    Parameters
    ----------
    task : Task
    n : int
    seed : int
        An equal one gives equal examples.

    Returns
    -------
    Labelled

    Raises
    ------
    CoganError
        If there are not so many.
    """
    if not 1 <= n <= len(task.train):
        raise CoganError(
            f"{task.name} has {len(task.train)} real examples to learn from; {n} were asked for."
        )
    return task.train.take(np.random.default_rng([seed, 20]).permutation(len(task.train))[:n])
