"""How fast a training step is on this machine, against the paper's order of work written plainly.

For both presets: tiles a second and the share of the measured peak of matrix products, plainly and
as the library does it, in 32 and 16 bits, and without one habit at a time. Before anything is
timed, the plain step and the library's must agree on the losses.
"""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.losses import ReplayBuffer, fake_loss, real_loss
from cogan_lib.gan.recipes import TrainingSettings, training_settings

PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def device_name() -> str:
    """The card's name, or 'cpu'."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def machine(device: str, tiny: bool) -> dict:
    """Peak of matrix products [FLOP/s] by number format, copy bandwidth [B/s], versions."""
    n = 2**20 if tiny else 2**30
    source = torch.randn(n // 4, device=device)
    target = torch.empty_like(source)
    copied = 2 * n / min(seconds(lambda: target.copy_(source), 5, device) for _ in range(3))
    return {
        "device": device_name(),
        "peaks_flops": {name: matmul_peak(device, kind, tiny) for name, kind in PRECISIONS.items()},
        "copy_bytes_per_second": copied,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
    }


def matmul_peak(device: str, kind: torch.dtype, tiny: bool) -> float:
    """FLOP a second of a large matrix product, the best of a few; TF32 if convolutions use it."""
    n = 512 if tiny else 8192
    a, b = (torch.randn(n, n, device=device).to(kind) for _ in "ab")
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        return max(2 * n**3 / seconds(lambda: a @ b, 5, device) for _ in range(3))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def seconds(work: Callable[[], object], times: int, device: str) -> float:
    """Seconds that `work` takes, the mean of so many in a row, without waiting in between."""
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def waits_for_gpu(work: Callable[[], object]) -> int:
    """How often the CPU stands still in one step until the GPU has caught up."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    torch.cuda.set_sync_debug_mode("default")
    return len([warning for warning in caught if "synchroniz" in str(warning.message)])


def preset_settings(preset: str, n_inputs: int, n_targets: int, batch: int, tiny: bool):
    """The book's settings of a preset, as in the gpu profile; in a tiny run, narrow networks."""
    paired = preset == "cogan"
    base = Settings.check(preset=preset, paired=paired, batch_size=batch)
    chosen = training_settings(base, n_inputs, n_targets)
    if tiny:
        narrow = replace(chosen.network, features=4, blocks=1, discriminator_features=4)
        chosen = replace(chosen, network=narrow)
    return chosen


class Plain:
    """A step in the paper's order, one line after the other: every loss has its own passes through
    the networks, everything is contiguous and in 32 bits, every loss is read out at once."""

    def __init__(self, model: CycleGan):
        self.settings, self.nets = model.settings, model.networks
        for network in self.nets.values():
            network.to(memory_format=torch.contiguous_format)
        both = [*self.nets["g_ab"].parameters(), *self.nets["g_ba"].parameters()]
        groups = (both, self.nets["d_a"].parameters(), self.nets["d_b"].parameters())
        rate = self.settings.learning_rate
        self.adams = [torch.optim.Adam(group, rate, betas=(0.5, 0.999)) for group in groups]
        self.buffers = [ReplayBuffer(), ReplayBuffer()]

    def step(self, a: Tensor, b: Tensor, random: torch.Generator) -> dict[str, float]:
        """The losses of one step."""
        nets, weights, l1 = self.nets, self.settings.weights, functional.l1_loss
        g_ab, g_ba, d_a, d_b = (nets[name] for name in ("g_ab", "g_ba", "d_a", "d_b"))
        self.adams[0].zero_grad()
        adversarial = (real_loss(d_b(g_ab(a))) + real_loss(d_a(g_ba(b)))) / 2
        cycle = (l1(g_ba(g_ab(a)), a) + l1(g_ab(g_ba(b)), b)) / 2
        total = adversarial + weights.cycle * cycle
        if weights.identity:
            total = total + weights.identity * (l1(g_ab(b), b) + l1(g_ba(a), a)) / 2
        if weights.pair:
            total = total + weights.pair * (l1(g_ab(a), b) + l1(g_ba(b), a)) / 2
        total.backward()
        losses = {"adversarial": adversarial.item(), "cycle": cycle.item()}
        losses["generator"] = total.item()
        fakes = [g_ba(b).detach(), g_ab(a).detach()]
        self.adams[0].step()
        sides = zip("ab", (d_a, d_b), (a, b), fakes, self.buffers, self.adams[1:], strict=True)
        for name, net, real, fake, buffer, adam in sides:
            adam.zero_grad()
            past = buffer.exchange(fake, random)
            loss = (real_loss(net(real)) + fake_loss(net(past))) / 2
            loss.backward()
            adam.step()
            losses[f"discriminator_{name}"] = loss.item()
        return losses


def step_rows(
    preset: str,
    settings: TrainingSettings,
    a: Tensor,
    b: Tensor,
    peaks: dict[str, float],
    tiny: bool,
    compiled: bool = False,
) -> list[dict]:
    """Tiles per second of every way to do a step; the first one is the plain one.

    Parameters
    ----------
    preset : str
        For the rows.
    settings : TrainingSettings
    a, b : Tensor, shape (batch, channels, npix, npix)
        Scaled tiles, on the CPU.
    peaks : dict
        From `machine`.
    compiled : bool
        Time this way alone, beside the plain one.
    """
    device, rows, times = settings.accelerator, [], 3 if tiny else 30

    def fresh(precision: str) -> CycleGan:
        fabric = Fabric(accelerator=device, devices=1, precision=precision)
        return CycleGan(a.shape[1], b.shape[1], replace(settings, precision=precision), fabric)

    here = [x.to(device) for x in (a, b)]
    random = torch.Generator().manual_seed(1)
    counter, model = FlopCounterMode(display=False), fresh("32-true")
    with counter:
        ours = model.step(*here, random)
    theirs = Plain(fresh("32-true")).step(*here, random)
    for name, loss in theirs.items():
        if abs(loss - float(ours[name])) > 1e-2 * abs(loss):  # TF32 convolutions on a GPU
            raise CoganError(f"{preset}: the plain step's {name} is {loss}, ours {ours[name]}.")

    on_gpu = device == "cuda"
    ways = [("plain", "32-true"), *(("ours", name) for name in PRECISIONS)]
    if on_gpu:
        ways += [("contiguous", "bf16-mixed"), ("unfused Adam", "bf16-mixed")]
    if compiled:
        ways = [ways[0], ("compiled", "bf16-mixed")]
    for way, precision in ways:
        model = fresh(precision)
        if way == "plain":
            plain = Plain(model)

            def work(plain=plain) -> None:
                plain.step(a.to(device), b.to(device), random)  # each batch comes from the host
        else:
            without(model, way)

            def work(model=model) -> None:
                model.step(*here, random)

        try:
            for _ in range(1 if tiny else 10):
                work()
        except Exception as problem:  # a compiler's failure says something about that way alone
            rows.append({"preset": preset, "way": way, "failed": str(problem)[:300]})
            continue
        waits = waits_for_gpu(work) if on_gpu else None
        each = seconds(work, times, device)
        rows.append(
            {
                "preset": preset,
                "way": way,
                "precision": precision,
                "batch": len(a),
                "npix": a.shape[-1],
                "tiles_per_second": len(a) / each,
                "ratio": rows[0]["seconds"] / each if rows else 1.0,
                "share_of_peak": counter.get_total_flops() / each / peaks[precision],
                "seconds": each,
                "waits_for_gpu": waits,
            }
        )
    return rows


def without(model: CycleGan, way: str) -> None:
    """Take one of the library's habits away from a model, or compile it."""
    if way == "contiguous":
        model.layout = torch.contiguous_format
        for network in model.networks.values():
            network.to(memory_format=torch.contiguous_format)
    elif way == "unfused Adam":
        for optimiser in model.optimisers:
            for group in optimiser.param_groups:
                group["fused"], group["foreach"] = False, False
    elif way == "compiled":
        for network in model.networks.values():
            network.compile(dynamic=False)  # else shapes are solved for again and again
