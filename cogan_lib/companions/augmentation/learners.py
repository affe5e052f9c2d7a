"""Who learns: a small network for images, one for maps, and a straight line for each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ...learn.fit import Plan, fit, seeded
from .tasks import Labelled, Predictor

AT_ONCE = 256  # images


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: equally long, however many examples it has.

    Attributes
    ----------
    steps, batch : int
    rate : float
        Highest learning rate.
    decay : float
        Of the weights, per step and rate (AdamW).
    channels : int
        Of the first convolution of images; of all but the last one of maps.
    """

    steps: int = 300
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.05
    channels: int = 8


IMAGES = Recipe()
MAPS = Recipe(steps=300, batch=32, decay=0.01, channels=12)


class Draws:
    """Batches of random rows of examples, for `learn.fit`."""

    def __init__(self, inputs: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> None:
        self.inputs, self.labels, self.recipe = inputs, labels, recipe
        self.rng = np.random.default_rng([seed, 21])

    def __len__(self) -> int:
        return self.recipe.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.recipe.steps):
            rows = torch.from_numpy(self.rng.integers(len(self.inputs), size=self.recipe.batch))
            yield self.inputs[rows], self.labels[rows]


def classifier(
    examples: Labelled,
    seed: int,
    *,
    recipe: Recipe = IMAGES,
    weights: tuple[float, ...] | None = None,
    classes: int = 2,
) -> Predictor:
    """Train a network on images and their classes.

    Parameters
    ----------
    examples : Labelled
        Of sides of a multiple of 16 pixels.
    seed : int
        Of the first weights and the batches.
    recipe : Recipe
    weights : tuple of float, optional
        Of the classes in the loss.
    classes : int

    Returns
    -------
    callable
        From inputs (n, c, h, w) to scores (n, classes): log probabilities.
    """
    mean, scale = _moments(examples.inputs)
    with seeded(seed):
        network = image_network(examples.inputs.shape[1:], classes, recipe.channels)
        balance = None if weights is None else torch.tensor(weights, dtype=torch.float32)

        def losses(batch: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
            yield cross_entropy(network(batch[0]), batch[1], weight=balance)

        inputs = torch.from_numpy((examples.inputs - mean) / scale)
        _train(network, losses, inputs, torch.from_numpy(examples.labels.astype(np.int64)),
               recipe, seed)  # fmt: skip
    return _predictor(network, mean, scale, lambda found: found.log_softmax(1))


def mapper(examples: Labelled, seed: int, *, recipe: Recipe = MAPS) -> Predictor:
    """Train a network from images to maps: a straight line, and convolutions for what it leaves.

    Parameters
    ----------
    examples : Labelled
    seed : int
        Of the first weights and the batches.
    recipe : Recipe

    Returns
    -------
    callable
        From inputs (n, c, h, w) to maps (n, h, w).
    """
    mean, scale = _moments(examples.inputs)
    spread = float(examples.labels.std()) or 1.0
    line = straight_line(examples, seed)
    with seeded(seed):
        network = MapNetwork(examples.inputs.shape[1], recipe.channels)

        def losses(batch: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
            yield mse_loss(network(batch[0])[:, 0], batch[1])

        inputs = torch.from_numpy((examples.inputs - mean) / scale)
        labels = torch.from_numpy((examples.labels - line(examples.inputs)).astype(np.float32))
        _train(network, losses, inputs, labels / spread, recipe, seed)
    rest = _predictor(network, mean, scale, lambda found: found[:, 0] * spread)
    return lambda images: line(images) + rest(images)


def straight_line(examples: Labelled, seed: int = 0) -> Predictor:
    """Fit each pixel's label by a linear function of its inputs: of logarithms, a power law.

    Parameters
    ----------
    examples : Labelled
        With maps.
    seed : int
        Not needed; for one signature.

    Returns
    -------
    callable
        From inputs (n, c, h, w) to maps (n, h, w).
    """
    pixels = examples.inputs.swapaxes(0, 1).reshape(examples.inputs.shape[1], -1).astype(np.float64)
    mean = pixels.mean(1)
    design = np.vstack([np.ones(pixels.shape[1]), pixels - mean[:, None]]).T
    first, *slopes = np.linalg.lstsq(design, examples.labels.ravel(), rcond=None)[0]
    first -= np.dot(slopes, mean)
    return lambda images: first + np.tensordot(slopes, images, axes=(0, 1))


def image_network(shape: tuple[int, ...], classes: int, channels: int) -> nn.Sequential:
    """Build a network: means of 2 x 2 pixels, three convolutions that halve the sides, a sum.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width.
    classes : int
    channels : int
        Of the first convolution; twice and four times as many follow.

    Returns
    -------
    nn.Sequential
    """
    widths = (shape[0], channels, 2 * channels, 4 * channels)
    layers: list[nn.Module] = [nn.AvgPool2d(2)]
    for number, (narrow, wide) in enumerate(zip(widths, widths[1:], strict=False)):
        size = 5 if number == 0 else 3
        layers += [nn.Conv2d(narrow, wide, size, 2, size // 2), nn.ReLU()]
    pixels = (shape[1] // 16) * (shape[2] // 16)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * pixels, classes))


class MapNetwork(nn.Sequential):
    """Four convolutions that keep the sides; at first it gives zero everywhere.

    Parameters
    ----------
    inputs, channels : int
    """

    def __init__(self, inputs: int, channels: int) -> None:
        def layer(narrow: int, wide: int, size: int) -> nn.Conv2d:
            return nn.Conv2d(narrow, wide, size, padding=size // 2, padding_mode="reflect")

        last = layer(channels, 1, 3)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(
            layer(inputs, channels, 5), nn.ReLU(),
            layer(channels, channels, 3), nn.ReLU(),
            layer(channels, channels, 3), nn.ReLU(),
            last,
        )  # fmt: skip


def _moments(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scatter of each channel, shape (1, c, 1, 1)."""
    mean, scale = (f(inputs, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    return mean, np.where(scale > 0, scale, 1).astype(np.float32)


def _train(network, losses, inputs: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> None:
    plan = Plan(1, rate=recipe.rate, batch=recipe.batch, seed=seed)

    def adam(parameters) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, weight_decay=recipe.decay)

    fit(network, losses, Draws(inputs, labels, recipe, seed), plan, optimiser=adam, quiet=True)


def _predictor(network: nn.Module, mean: np.ndarray, scale: np.ndarray, last) -> Predictor:
    @torch.no_grad()
    def predict(images: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(((images - mean) / scale).astype(np.float32))
        return torch.cat([last(network(some)) for some in rows.split(AT_ONCE)]).numpy()

    return predict
