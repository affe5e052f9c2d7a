"""From a diagram to an extinction profile: one convolution and dense layers, after Cornu et al.

The document's network is known from the example list of its code (CIANNA): a convolution of 12
filters of 5x5, a 2x2 pool, dense layers of 3072, 3072, 2048 and 128. That the last are bins of 100
pc is our reading.
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...base.files import CoganError
from ...learn.weights import packed, read_card, read_network, write_weights
from .data import check_diagrams
from .physics import BINS, SIDE

log = logging.getLogger(__name__)

FORMAT = 1
CARD = "extinction.json"
#: Folders of shipped weights; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"
DROPOUT = 0.1
AT_ONCE = 512


@dataclass(frozen=True)
class Shape:
    """Shape of the network.

    Attributes
    ----------
    filters : tuple of (filters, kernel)
        Of each convolution; a 2x2 pool follows each.
    dense : tuple of int
        Hidden units of each dense layer.
    """

    filters: tuple[tuple[int, int], ...]
    dense: tuple[int, ...]


#: The document's, and one with an eightieth of its weights that scores the same.
PRESETS = {
    "document": Shape(((12, 5),), (3072, 3072, 2048)),
    "small": Shape(((12, 5), (24, 5), (32, 3)), (256, 256)),
}


class ProfileNetwork(nn.Module):
    """A_V of each bin from a diagram and the diagram without dust; never negative.

    Parameters
    ----------
    shape : Shape
    mean : Tensor, shape (BINS,), optional
        Mean profile of the training [mag per bin], which an untrained network is near to.
    """

    def __init__(self, shape: Shape, mean: Tensor | None = None) -> None:
        super().__init__()
        self.shape = shape
        channels, layers = 2, []
        for filters, kernel in shape.filters:
            layers += [nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
            channels = filters
        width = channels * (SIDE >> len(shape.filters)) ** 2
        self.eye = nn.Sequential(*layers, nn.Flatten())
        layers = []
        for units in shape.dense:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(DROPOUT)]
            width = units
        self.body = nn.Sequential(*layers, nn.Linear(width, BINS))
        mean = torch.full((BINS,), 0.05) if mean is None else mean
        self.register_buffer("mean", mean.float())
        self.eye.to(memory_format=torch.channels_last)

    def forward(self, counts: Tensor, reference: Tensor) -> Tensor:
        """Compute profiles.

        Parameters
        ----------
        counts, reference : Tensor, shape (n, SIDE, SIDE)
            Stars with dust, and without.

        Returns
        -------
        Tensor, shape (n, BINS)
            A_V of each bin [mag].
        """
        return self.profile(self.seen(counts, reference))

    def seen(self, counts: Tensor, reference: Tensor) -> Tensor:
        """Look at two diagrams: the convolutions.

        Parameters
        ----------
        counts, reference : Tensor, shape (n, SIDE, SIDE)

        Returns
        -------
        Tensor, shape (n, n_features)
        """
        both = torch.stack([counts, reference], -1).movedim(-1, 1)  # channels last: faster by half
        return self.eye(torch.log1p(both))

    def profile(self, seen: Tensor) -> Tensor:
        """Turn what was seen into a profile: the dense layers.

        Parameters
        ----------
        seen : Tensor, shape (n, n_features)

        Returns
        -------
        Tensor, shape (n, BINS)
            A_V of each bin [mag].
        """
        found = self.body(seen)
        unit = self.mean.mean()
        start = torch.log(torch.expm1((self.mean / unit).clamp_min(0.01)))  # softplus backwards
        return functional.softplus(found.float() + start) * unit


@torch.no_grad()
def predict(
    network: ProfileNetwork, counts: Tensor, reference: Tensor, device: str = "cpu"
) -> Tensor:
    """Compute the profiles of many diagrams, dropout off.

    Parameters
    ----------
    network : ProfileNetwork
        Is moved to `device`, in evaluation mode.
    counts, reference : Tensor, shape (n, SIDE, SIDE)
    device : str

    Returns
    -------
    Tensor, shape (n, BINS)
        A_V of each bin [mag], on the CPU.

    Raises
    ------
    CoganError
        If these are not pairs of diagrams.
    """
    check_diagrams(counts, reference)
    network.eval().to(device)
    pairs = zip(counts.split(AT_ONCE), reference.split(AT_ONCE), strict=True)
    return torch.cat([network(a.to(device), b.to(device)).cpu() for a, b in pairs])


@torch.no_grad()
def spread(
    network: ProfileNetwork,
    counts: Tensor,
    reference: Tensor,
    draws: int = 16,
    seed: int = 1,
    device: str = "cpu",
) -> Tensor:
    """Compute how far the cumulative A_V scatters when other units are dropped (dropout left on).

    Parameters
    ----------
    network : ProfileNetwork
    counts, reference : Tensor, shape (n, SIDE, SIDE)
    draws : int
        At least two.
    seed : int
    device : str

    Returns
    -------
    Tensor, shape (n, BINS)
        Standard deviation at the far edge of each bin [mag], not recalibrated.

    Raises
    ------
    CoganError
        If these are not pairs of diagrams, or the draws too few.
    """
    check_diagrams(counts, reference)
    if draws < 2:
        raise CoganError(f"A spread needs at least two draws, not {draws}.")
    network.eval().to(device)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = []
        for a, b in zip(counts.split(AT_ONCE), reference.split(AT_ONCE), strict=True):
            seen = network.seen(a.to(device), b.to(device))  # once: nothing is dropped there
            some = torch.stack([network.profile(seen).cumsum(1) for _ in range(draws)])
            parts.append(some.std(0).cpu())
    network.eval()
    return torch.cat(parts)


def save_network(folder: str | Path, network: ProfileNetwork, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them, whole or not at all.

    Parameters
    ----------
    folder : path
        An older network in it is replaced.
    network : ProfileNetwork
    content : dict
        For ``extinction.json``: plan, history, calibration, sightlines, law, provenance.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    facts = {**content, "format": FORMAT, "network": asdict(network.shape)}
    return write_weights(Path(folder) / CARD, facts, packed("extinction", network)).parent


def load_network_of(folder: str | Path) -> tuple[ProfileNetwork, dict]:
    """Read a network.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    network : ProfileNetwork
        On the CPU, in evaluation mode.
    content : dict
        Of its ``extinction.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """
    return read_network(
        Path(folder) / CARD,
        FORMAT,
        "network",
        lambda content: ProfileNetwork(shape_of(content["network"])),
    )


def shape_of(content: dict) -> Shape:
    """Read a shape back from JSON, which knows lists only."""
    return Shape(tuple(tuple(pair) for pair in content["filters"]), tuple(content["dense"]))


def fitting(shape: Shape, law: tuple[float, float]) -> Path | None:
    """Find shipped weights for this network and extinction law.

    Parameters
    ----------
    shape : Shape
    law : tuple of float
        A_J / A_V and A_Ks / A_V.

    Returns
    -------
    Path or None
        Their folder; None if none fit.
    """
    for folder in sorted(WEIGHTS.glob("*/")):
        content = read_card(folder / CARD, FORMAT, "get the package again")
        same_law = all(
            math.isclose(a, b, rel_tol=1e-4) for a, b in zip(content["law"], law, strict=True)
        )
        if shape_of(content["network"]) == shape and same_law:
            return folder
    log.info("None of the shipped weights fit a network of %s: training.", shape)
    return None
