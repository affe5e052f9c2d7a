"""A Cycle-GAN in training: its four networks with optimisers, and one step."""

from __future__ import annotations

import copy
import math

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..base.processes import of_all, share
from ..tiles.patches import interior
from .losses import ReplayBuffer, discriminator_loss, generator_losses, member_losses
from .networks import Discriminator, Generator, layout
from .noise import flat_noise
from .recipes import TrainingSettings


class CycleGan:
    """What changes during a run, and the one step that changes it.

    With `context` the generators see so many pixels more around each tile than losses and
    discriminators do.

    Attributes
    ----------
    networks : ModuleDict
        g_ab (inputs to targets), g_ba, d_a (discriminates inputs), d_b.
    generators, averages : ModuleList
        g_ab and g_ba as they are trained, and their running averages.
    optimisers : list
        For both generators, d_a and d_b.
    buffers : list of ReplayBuffer
        Of generated inputs and targets.
    steps : int
    """

    def __init__(
        self,
        inputs: int,
        targets: int,
        settings: TrainingSettings,
        fabric: Fabric,
        context: int = 0,
    ):
        self.settings, self.fabric, self.steps = settings, fabric, 0
        self.context = context
        network = settings.network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.networks = nn.ModuleDict(
                {
                    "g_ab": Generator(inputs, targets, network, len(network.noise)),
                    "g_ba": Generator(targets, inputs, network),
                    "d_a": Discriminator(inputs, network),
                    "d_b": Discriminator(targets, network),
                }
            )
        self.networks.to(fabric.device)
        self.layout = layout(self.networks)
        self.networks.to(memory_format=self.layout)
        self.generators = nn.ModuleList([self.networks["g_ab"], self.networks["g_ba"]])
        self.averages = copy.deepcopy(self.generators).requires_grad_(False)
        groups = (self.generators, self.networks["d_a"], self.networks["d_b"])
        self.optimisers = [
            torch.optim.Adam(g.parameters(), settings.learning_rate, betas=(0.5, 0.999), fused=True)
            for g in groups
        ]
        self.buffers = [ReplayBuffer(), ReplayBuffer()]

    def step(self, real_a: Tensor, real_b: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        """Take one step: generators, then discriminators, then the average.

        Several processes are given the same whole batch and the same `random`. Each works on its
        share of the tiles; gradients are averaged, and every process replays what all have
        generated.

        Parameters
        ----------
        real_a, real_b : Tensor, shape (b, channels, h, w)
            Scaled tiles of inputs and targets, with their context, the whole batch.
        random : torch.Generator
            On the CPU.

        Returns
        -------
        dict of str to scalar Tensor
            The losses, cut off from the graph.
        """
        nets, autocast = self.networks, self.fabric.autocast
        discriminators, weights = (nets["d_a"], nets["d_b"]), self.settings.weights
        for discriminator in discriminators:
            discriminator.requires_grad_(False)  # the generators' step needs no gradients for them
        real_a, real_b = (x.contiguous(memory_format=self.layout) for x in (real_a, real_b))
        mine, widths = share(len(real_a)), self.settings.network.noise
        if widths:  # of two members of each tile
            noise = flat_noise(2 * len(real_a), real_a.shape[-1], widths, random)
            noise = noise.unflatten(0, (2, -1))[:, mine].flatten(0, 1).to(real_a, non_blocking=True)
        real_a, real_b = real_a[mine], real_b[mine]
        arguments = [nets["g_ab"], nets["g_ba"], *discriminators, real_a, real_b]
        with autocast():
            if widths:
                terms, *fakes = member_losses(*arguments, noise, weights, self.context)
            else:
                terms, *fakes = generator_losses(*arguments, weights, self.context)
        self._descend(self.optimisers[0], terms["generator"])
        reals = [interior(real, self.context) for real in (real_a, real_b)]
        sides = zip(discriminators, reals, fakes, self.buffers, strict=True)
        for i, (discriminator, real, fake, buffer) in enumerate(sides):
            discriminator.requires_grad_(True)
            past = buffer.exchange(of_all(fake), random)[mine]
            past = past.contiguous(memory_format=self.layout)
            with autocast():
                loss = discriminator_loss(discriminator, real, past)
            self._descend(self.optimisers[1 + i], loss)
            terms["discriminator_" + "ab"[i]] = loss
        self.steps += 1
        memory = min(self.settings.average, self.steps / (self.steps + 9))
        with torch.no_grad():
            pairs = zip(self.averages.parameters(), self.generators.parameters(), strict=True)
            for averaged, current in pairs:
                averaged.lerp_(current, 1 - memory)
        return {name: term.detach() for name, term in terms.items()}

    def _descend(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        """One step of an optimiser; several processes average their gradients first."""
        optimiser.zero_grad()
        self.fabric.backward(loss)
        if self.fabric.world_size > 1:
            gradients = [p.grad for group in optimiser.param_groups for p in group["params"]]
            flat = self.fabric.all_reduce(torch.cat([g.flatten() for g in gradients]))
            for g, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                g.copy_(mean.view_as(g))
        clip_gradients(optimiser, self.settings.clip)
        optimiser.step()

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of all optimisers.

        Parameters
        ----------
        rate : float
        """
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate

    def state_dict(self) -> dict:
        """Give all that changes from step to step.

        Returns
        -------
        dict
        """
        return {
            "steps": self.steps,
            "networks": self.networks.state_dict(),
            "averages": self.averages.state_dict(),
            "optimisers": [x.state_dict() for x in self.optimisers],
            "buffers": [x.state_dict() for x in self.buffers],
        }

    def load_state_dict(self, state: dict) -> None:
        """Take over what `state_dict` gave.

        Parameters
        ----------
        state : dict
        """
        self.steps = state["steps"]
        self.networks.load_state_dict(state["networks"])
        self.averages.load_state_dict(state["averages"])
        for mine, saved in zip(self.optimisers, state["optimisers"], strict=True):
            mine.load_state_dict(saved)
        for mine, saved in zip(self.buffers, state["buffers"], strict=True):
            mine.load_state_dict(saved, self.fabric.device)


def clip_gradients(optimiser: torch.optim.Optimizer, clip: float) -> None:
    """Shorten the gradient of all that an optimiser moves, if it is longer than `clip`.

    Parameters
    ----------
    optimiser : Optimizer
        Its gradients are changed in place.
    clip : float
        Longest norm; infinite: no limit.
    """
    if math.isfinite(clip):
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, clip)
