"""What two networks that play against each other need: losses, a penalty, a running average.

The non-saturating loss of Goodfellow et al. (2014) with the zero-centred penalty R1 of Mescheder et
al. (2018), and the generator's averaged weights (Karras et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Compute -<ln D(real)> - <ln(1 - D(generated))> with D the sigmoid of a score.

    Parameters
    ----------
    real, generated : Tensor
        Scores of the discriminator.

    Returns
    -------
    Tensor
        A scalar: 2 ln 2 where it cannot tell.
    """
    return softplus(-real).mean() + softplus(generated).mean()


def generator_loss(generated: Tensor) -> Tensor:
    """Compute -<ln D(generated)>, which has a gradient where the discriminator is sure.

    The loss of the game itself, <ln(1 - D(generated))>, is flat there: it saturates.

    Parameters
    ----------
    generated : Tensor
        Scores of the discriminator.

    Returns
    -------
    Tensor
        A scalar: ln 2 where it cannot tell.
    """
    return softplus(-generated).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Compute R1: the mean square of the score's gradient at real images.

    A discriminator with a slope at the real images pushes the generator even where that is right
    already, so the two circle each other. With weight gamma / 2 the penalty flattens it there, and
    the game comes to rest.

    Parameters
    ----------
    discriminator : callable
        Gives a score for each image.
    real : Tensor, shape (n, ...)

    Returns
    -------
    Tensor
        A scalar, which can be differentiated.
    """
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, memory: float) -> None:
    """Move averaged weights towards a network's: average <- memory average + (1 - memory) weights.

    Parameters
    ----------
    average, network : Module
        Of one shape.
    memory : float
        0 to 1; about 1 / (1 - memory) steps are remembered.
    """
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - memory)
