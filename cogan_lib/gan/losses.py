"""The terms of the Cycle-GAN objective, and the replay buffer of generated tiles.

A is the domain of the inputs (dust, HI), B that of the targets (CO); G_AB and G_BA translate, D_A
and D_B discriminate. With the paper's weights the generators minimise

    L = (adv_AB + adv_BA)/2 + 10 (cycle_A + cycle_B)/2 + 5 (identity_A + identity_B)/2

(Zhu et al. 2017, arXiv:1703.10593, equations 1-3 with least squares, each term averaged over the
two directions as in Anand et al. 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..base.files import CoganError
from ..tiles.patches import interior

#: Sides, in pixels, of the squares whose means `crps` scores.
CRPS_SIDES = (1, 4, 16)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms beside the adversarial one, whose weight is 1.

    Attributes
    ----------
    cycle : float
        L1 between a tile and its translation there and back. The paper: 10.
    identity : float
        L1 between a tile of the output domain and its translation; needs as many input as target
        channels. The paper: 5.
    pair : float
        L1 between a translated tile and its real counterpart. An extension of ours: the paper has
        none, and a run with it is no longer unpaired.
    pair_loss : {'l1', 'l2'}
        Whether it is the distance or its square for the translated targets. The distance is least
        for the median of what a target can be, its square for the mean. On a faint sky the two
        differ: CO's noise is symmetric about the map's zero, and asinh(W / 0.3 K km/s) is nearly
        linear there, so the square teaches the mean emission below the noise, while most places'
        median is none. Dust and HI have little noise: for them it is the distance always.
    """

    cycle: float = 10.0
    identity: float = 0.0
    pair: float = 0.0
    pair_loss: str = "l1"

    def __post_init__(self) -> None:
        """Refuse negative weights, and distances that there are not."""
        if self.pair_loss not in ("l1", "l2"):
            raise CoganError(f"The pair loss {self.pair_loss!r} is unknown; choose l1 or l2.")
        if not min(self.cycle, self.identity, self.pair) >= 0:
            raise CoganError(f"{self}: a loss weight must be zero or positive.")

    def check(self, inputs: int, targets: int, paired: bool) -> None:
        """Check that all terms exist for such tiles.

        Parameters
        ----------
        inputs, targets : int
            Channels.
        paired : bool

        Raises
        ------
        CoganError
            If a term is asked for that does not exist here.
        """
        if self.identity and inputs != targets:
            raise CoganError(
                f"The identity loss feeds one domain to the generator of the other, but there are "
                f"{inputs} input and {targets} target channels; set its weight to 0."
            )
        if self.pair and not paired:
            raise CoganError(
                "The pair loss needs real pairs: set paired to true or its weight to 0."
            )


def real_loss(answers: Tensor) -> Tensor:
    """Compute LSGAN's mean squared distance of answers from 1 (Mao et al. 2017).

    Parameters
    ----------
    answers : Tensor
        Of a discriminator.

    Returns
    -------
    Tensor, scalar

    Examples
    --------
    >>> real_loss(torch.tensor([1.0, 0.0])).item()
    0.5
    """
    return (answers.float() - 1).square().mean()


def fake_loss(answers: Tensor) -> Tensor:
    """Compute LSGAN's mean squared distance of answers from 0.

    Parameters
    ----------
    answers : Tensor
        Of a discriminator.

    Returns
    -------
    Tensor, scalar
    """
    return answers.float().square().mean()


def discriminator_loss(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Compute (real_loss + fake_loss)/2, both halves in one pass.

    Parameters
    ----------
    discriminator : Module
    real, fake : Tensor, shape (b, channels, h, w)
        `fake` must be cut off from its generator's graph.

    Returns
    -------
    Tensor, scalar
    """
    answers_real, answers_fake = discriminator(torch.cat([real, fake])).chunk(2)
    return (real_loss(answers_real) + fake_loss(answers_fake)) / 2


def generator_losses(
    g_ab: nn.Module,
    g_ba: nn.Module,
    d_a: nn.Module,
    d_b: nn.Module,
    real_a: Tensor,
    real_b: Tensor,
    weights: LossWeights,
    context: int = 0,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Compute all terms of one step of the generators.

    Parameters
    ----------
    g_ab, g_ba, d_a, d_b : Module
        Generators and discriminators.
    real_a, real_b : Tensor, shape (b, channels, h, w)
        Scaled tiles of inputs and targets.
    weights : LossWeights
    context : int
        Pixels around the tiles that the generators see, and that no term and no discriminator does.

    Returns
    -------
    terms : dict of scalar Tensor
        'adversarial', 'cycle', and 'identity', 'pair' where their weight is not zero: each averaged
        over both directions, unweighted; 'generator': their weighted sum, to be minimised.
    fake_a, fake_b : Tensor
        The translated tiles without context, cut off from the graph, for the discriminators.
    """

    def inner(tiles: Tensor) -> Tensor:
        return interior(tiles, context)

    def l1(one: Tensor, other: Tensor) -> Tensor:
        return functional.l1_loss(inner(one), inner(other))

    fake_b, fake_a = g_ab(real_a), g_ba(real_b)
    terms = {
        "adversarial": (real_loss(d_b(inner(fake_b))) + real_loss(d_a(inner(fake_a)))) / 2,
        "cycle": (l1(g_ba(fake_b), real_a) + l1(g_ab(fake_a), real_b)) / 2,
    }
    total = terms["adversarial"] + weights.cycle * terms["cycle"]
    if weights.identity:
        terms["identity"] = (l1(g_ab(real_b), real_b) + l1(g_ba(real_a), real_a)) / 2
        total = total + weights.identity * terms["identity"]
    if weights.pair:
        pair = functional.l1_loss if weights.pair_loss == "l1" else functional.mse_loss
        terms["pair"] = (pair(inner(fake_b), inner(real_b)) + l1(fake_a, real_a)) / 2
        total = total + weights.pair * terms["pair"]
    terms["generator"] = total
    return terms, inner(fake_a).detach().to(real_a), inner(fake_b).detach().to(real_b)


def crps(one: Tensor, other: Tensor, real: Tensor) -> Tensor:
    """Continuous ranked probability score of two members, on pixels and on means of 4 and 16.

    With d the absolute difference, (d(one, real) + d(other, real) - d(one, other))/2: on average
    lowest if real and members come from one distribution (Gneiting & Raftery 2007; fair for two
    members, Ferro 2014). Against it, L1 alone is lowest for the median of that distribution, whose
    power is too low. Means over squares make the members differ together over wide regions, not
    pixel by pixel alone.

    Parameters
    ----------
    one, other, real : Tensor, shape (b, channels, h, w)

    Returns
    -------
    Tensor, scalar

    Examples
    --------
    >>> tiles = torch.zeros(1, 1, 16, 16)
    >>> crps(tiles + 1, tiles - 1, tiles).item()
    0.0
    """
    score = torch.zeros((), device=real.device)
    for side in CRPS_SIDES:
        x, y, t = (functional.avg_pool2d(tiles, side) for tiles in (one, other, real))
        score = score + ((x - t).abs() + (y - t).abs() - (x - y).abs()).mean() / 2
    return score / len(CRPS_SIDES)


def member_losses(
    g_ab: nn.Module,
    g_ba: nn.Module,
    d_a: nn.Module,
    d_b: nn.Module,
    real_a: Tensor,
    real_b: Tensor,
    noise: Tensor,
    weights: LossWeights,
    context: int = 0,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Compute the terms for a generator that is given noise: two members of every tile.

    Their score against the real tile takes the place of the L1 term. The cycle runs from A to B to
    A only: B to A to B would ask the members to be equal.

    Parameters
    ----------
    g_ab, g_ba, d_a, d_b : Module
        As in `generator_losses`.
    real_a, real_b : Tensor, shape (b, channels, h, w)
    noise : Tensor, shape (2 b, channels, h, w)
        For the first and the second member of each of the b tiles.
    weights : LossWeights
        `pair_loss` does not count: the score asks for the whole distribution.
    context : int
        As in `generator_losses`.

    Returns
    -------
    terms, fake_a, fake_b
        As `generator_losses`.
    """

    def inner(tiles: Tensor) -> Tensor:
        return interior(tiles, context)

    members = g_ab(torch.cat([real_a.repeat(2, 1, 1, 1), noise], dim=1))
    one, other = members.chunk(2)
    fake_a, l1 = inner(g_ba(real_b)), functional.l1_loss
    terms = {
        "adversarial": (real_loss(d_b(inner(members))) + real_loss(d_a(fake_a))) / 2,
        "cycle": l1(inner(g_ba(one)), inner(real_a)) / 2,
    }
    one, other = inner(one), inner(other)
    terms["pair"] = (crps(one, other, inner(real_b)) + l1(fake_a, inner(real_a))) / 2
    terms["generator"] = (
        terms["adversarial"] + weights.cycle * terms["cycle"] + weights.pair * terms["pair"]
    )
    return terms, fake_a.detach().to(real_a), one.detach().to(real_b)


class ReplayBuffer:
    """Past generated tiles, so that a discriminator does not forget them (Shrivastava et al. 2017).

    Parameters
    ----------
    size : int
        Number of tiles kept; the paper and CycleGAN: 50.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.tiles: Tensor | None = None
        self.count = 0

    def exchange(self, fresh: Tensor, random: torch.Generator) -> Tensor:
        """Put tiles in, get as many back.

        While the buffer fills, tiles are stored and handed back. Then each tile is, with
        probability one half, exchanged for a random stored one.

        Parameters
        ----------
        fresh : Tensor, shape (b, channels, h, w)
            Cut off from any graph.
        random : torch.Generator
            On the CPU, so that a GPU run draws the same exchanges and never has to wait.

        Returns
        -------
        Tensor, shape (b, channels, h, w)
        """
        if self.tiles is None:
            self.tiles = torch.zeros_like(fresh[:1]).repeat(self.size, 1, 1, 1)
        new = min(self.size - self.count, len(fresh))
        self.tiles[self.count : self.count + new] = fresh[:new]
        self.count += new
        full = min(len(fresh) - new, self.size)
        swapped = torch.rand(full, generator=random) < 0.5
        stored = torch.randperm(self.size, generator=random)[:full][swapped]
        handed = new + torch.arange(full)[swapped]
        # on a GPU: do not wait until it has done all that was asked for so far
        stored, handed = (x.to(fresh.device, non_blocking=True) for x in (stored, handed))
        out = fresh.clone()
        out[handed] = self.tiles[stored]
        self.tiles[stored] = fresh[handed]
        return out

    def state_dict(self) -> dict:
        """Give the content, for a resumable run.

        Returns
        -------
        dict
        """
        return {"tiles": self.tiles, "count": self.count}

    def load_state_dict(self, state: dict, device: torch.device | str = "cpu") -> None:
        """Take over a saved content.

        Parameters
        ----------
        state : dict
            From `state_dict`.
        device : torch.device or str
        """
        tiles = state["tiles"]
        self.tiles, self.count = tiles if tiles is None else tiles.to(device), state["count"]
