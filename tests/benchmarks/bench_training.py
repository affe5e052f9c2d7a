"""One step of training, against the same step written plainly."""

import copy

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn.functional import l1_loss, mse_loss
from torch.utils.flop_counter import FlopCounterMode

from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.losses import LossWeights, ReplayBuffer
from cogan_lib.gan.recipes import PRESETS, TrainingSettings

WEIGHTS = LossWeights(cycle=10.0, identity=5.0)  # the paper's
PRECISIONS = {"train": "32-true", "train-bf16": "bf16-mixed"}


class PlainCycleGan:
    """The paper's networks and order of work, one pass a loss term and nothing thought about.

    Single precision, contiguous tiles, gradients for the discriminators that nobody needs, Adam as
    it comes, and every loss fetched in every step.
    """

    def __init__(self, networks):
        self.nets = copy.deepcopy(networks).to(memory_format=torch.contiguous_format)
        generators = [*self.nets["g_ab"].parameters(), *self.nets["g_ba"].parameters()]
        groups = (generators, self.nets["d_a"].parameters(), self.nets["d_b"].parameters())
        self.optimisers = [torch.optim.Adam(group, 2e-4, betas=(0.5, 0.999)) for group in groups]
        self.buffers = {"a": ReplayBuffer(), "b": ReplayBuffer()}

    def step(self, real_a, real_b, random):
        g_ab, g_ba = self.nets["g_ab"], self.nets["g_ba"]
        losses = {}
        self.optimisers[0].zero_grad()
        fake = {"b": g_ab(real_a), "a": g_ba(real_b)}
        for side in "ab":
            answers = self.nets[f"d_{side}"](fake[side])
            losses[f"adversarial_{side}"] = mse_loss(answers, torch.ones_like(answers)) / 2
        losses["cycle_a"] = WEIGHTS.cycle * l1_loss(g_ba(fake["b"]), real_a) / 2
        losses["cycle_b"] = WEIGHTS.cycle * l1_loss(g_ab(fake["a"]), real_b) / 2
        losses["identity_b"] = WEIGHTS.identity * l1_loss(g_ab(real_b), real_b) / 2
        losses["identity_a"] = WEIGHTS.identity * l1_loss(g_ba(real_a), real_a) / 2
        generator = sum(losses.values())
        generator.backward()
        self.optimisers[0].step()
        losses = {name: loss.item() for name, loss in losses.items()}
        losses["generator"] = generator.item()
        for optimiser, side, real in zip(self.optimisers[1:], "ab", (real_a, real_b), strict=True):
            network = self.nets[f"d_{side}"]
            optimiser.zero_grad()
            answers = network(real)
            true = mse_loss(answers, torch.ones_like(answers))
            answers = network(self.buffers[side].exchange(fake[side].detach(), random))
            loss = (true + mse_loss(answers, torch.zeros_like(answers))) / 2
            loss.backward()
            optimiser.step()
            losses[f"discriminator_{side}"] = loss.item()
        return losses


def pair(size, work="train", batch=None):
    """The library's Cycle-GAN, the plain one with the same weights, and a batch."""
    precision = PRECISIONS[work]
    settings = TrainingSettings(
        PRESETS["paper"], WEIGHTS, batch_size=size.train_batch, device="cpu", precision=precision
    )
    ours = CycleGan(2, 2, settings, Fabric(accelerator="cpu", devices=1, precision=precision))
    random = torch.Generator().manual_seed(1)
    shape = (batch or size.train_batch, 2, size.train_npix, size.train_npix)
    tiles = [torch.randn(shape, generator=random) for _ in "ab"]
    return ours, PlainCycleGan(ours.networks), tiles


@pytest.mark.parametrize(("work", "tolerance"), [("train", 1e-3), ("train-bf16", 0.05)])
def test_step_ours(size, measure, agree, work, tolerance):
    ours, plain, tiles = pair(size, work, batch=1)
    worst = 0.0
    with FlopCounterMode(display=False) as counter:
        plain_losses = plain.step(*tiles, torch.Generator().manual_seed(2))
    losses = ours.step(*tiles, torch.Generator().manual_seed(2))
    for name in ("generator", "discriminator_a", "discriminator_b"):
        worst = max(worst, abs(float(losses[name]) / plain_losses[name] - 1))
    agree(work, "greatest relative difference of the losses", worst, tolerance)
    ours, _, tiles = pair(size, work)
    random = torch.Generator().manual_seed(1)
    measure(
        lambda: ours.step(*tiles, random),
        *(work, "ours"),
        count=size.train_batch,
        rounds=2,
        note=f"batches of {size.train_batch} (the paper's 32 would take some 17 GB)",
        precision=work.replace("train-", "").replace("train", "fp32"),
        flops=counter.get_total_flops(),
    )


@pytest.mark.parametrize("work", list(PRECISIONS))
def test_step_theirs(size, record, measure, work):
    if work == "train-bf16" and "theirs" in record.work("train"):  # it is the very same step
        record.work(work)["theirs"] = record.work("train")["theirs"]
        return record.keep()
    _, plain, tiles = pair(size)
    random = torch.Generator().manual_seed(1)
    measure(lambda: plain.step(*tiles, random), work, "theirs", count=size.train_batch, rounds=2)
