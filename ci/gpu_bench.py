"""How fast training is on this machine, against the paper's order of work written plainly.

    python ci/gpu_bench.py runs/laptop/patches.npz gpu.json          # one GPU, ten minutes
    python ci/gpu_bench.py runs/laptop/patches.npz cpu.json --tiny   # a minute: does it run?

For both presets: tiles a second and the share of the measured peak of matrix products that they
make, plainly and as the library does it, in 32 and 16 bits, compiled and not; then the seconds of a
real training until the check after an epoch reaches the score of the laptop profile. Before
anything is timed, the plain step and the library's must agree on the losses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, provenance, write_json
from cogan_lib.gan.cyclegan import CycleGan
from cogan_lib.gan.losses import ReplayBuffer, fake_loss, real_loss
from cogan_lib.gan.recipes import TrainingSettings, training_settings
from cogan_lib.gan.training import train
from cogan_lib.tiles.patches import Patches

#: The check's score of a laptop profile's training, 12 minutes on two cores.
LAPTOP_SCORE = 0.33


def main(arguments: list[str] | None = None) -> int:
    """The command line; the table on standard output, all numbers in the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patches", type=Path, help="a patches file, as chapter 01 makes it")
    parser.add_argument("out", type=Path, help="JSON file for the numbers")
    parser.add_argument("--batch", type=int, default=32, help="tiles a step")
    parser.add_argument("--score", type=float, default=LAPTOP_SCORE, help="to be reached")
    parser.add_argument("--minutes", type=float, default=1.5, help="at most, of each training")
    parser.add_argument("--tiny", action="store_true", help="narrow networks and a few steps")
    options = parser.parse_args(arguments)
    patches = Patches.load(options.patches)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    peaks = {str(kind): matmul_peak(device, kind, options.tiny) for kind in PRECISIONS.values()}
    rows, trainings = [], []
    for preset in ("paper", "cogan"):
        settings = preset_settings(preset, patches, options, device)
        rows += throughput(preset, patches, settings, peaks, options.tiny)
        trainings.append({"preset": preset, **time_to_score(patches, settings, options.score)})
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    content = {
        "device": name,
        "batch": settings.batch_size,
        "tile": patches.inputs.shape[1:],
        "peaks_flops": peaks,
        "steps": rows,
        "trainings": trainings,
        "provenance": provenance(settings.seed),
    }
    write_json(options.out, content)
    print(table(content))
    return 0


PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def preset_settings(
    preset: str, patches: Patches, options: argparse.Namespace, device: str
) -> TrainingSettings:
    """The book's settings of a preset, with this benchmark's batch and budget."""
    minutes = 0.01 if options.tiny else options.minutes
    paired = preset == "cogan"
    base = Settings.check(preset=preset, paired=paired, max_minutes=minutes, device=device)
    chosen = training_settings(base, patches.inputs.shape[1], patches.targets.shape[1])
    precision = "bf16-mixed" if device == "cuda" else "32-true"
    batch = min(4 if options.tiny else options.batch, int((patches.split == 0).sum()))
    chosen = replace(chosen, batch_size=batch, precision=precision, max_epochs=100_000)
    if options.tiny:
        narrow = replace(chosen.network, features=4, blocks=1, discriminator_features=4)
        chosen = replace(chosen, network=narrow)
    return chosen


def matmul_peak(device: str, kind: torch.dtype, tiny: bool) -> float:
    """FLOP a second of a large matrix product, the best of a few."""
    n = 512 if tiny else 8192
    a, b = (torch.randn(n, n, device=device).to(kind) for _ in "ab")
    return max(2 * n**3 / seconds(lambda: a @ b, 5, device) for _ in range(3))


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
        for name, judge, real, fake, buffer, adam in sides:
            adam.zero_grad()
            past = buffer.exchange(fake, random)
            loss = (real_loss(judge(real)) + fake_loss(judge(past))) / 2
            loss.backward()
            adam.step()
            losses[f"discriminator_{name}"] = loss.item()
        return losses


def throughput(
    preset: str, patches: Patches, settings: TrainingSettings, peaks: dict, tiny: bool
) -> list[dict]:
    """Tiles a second of every way to do a step; the first one is the plain one."""
    device, rows, times = settings.accelerator, [], 3 if tiny else 50
    a, b = (torch.from_numpy(x) for x in patches.scaled("train"))
    a, b = a[: settings.batch_size], b[: settings.batch_size]

    def fresh(precision: str) -> CycleGan:
        fabric = Fabric(accelerator=device, devices=1, precision=precision)
        return CycleGan(a.shape[1], b.shape[1], replace(settings, precision=precision), fabric)

    here = [x.to(device) for x in (a, b)]
    random = torch.Generator().manual_seed(1)
    counter, model = FlopCounterMode(display=False), fresh("32-true")
    with counter:
        ours = model.step(*here, random)
    theirs = Plain(fresh("32-true")).step(a.to(device), b.to(device), random)
    for name, loss in theirs.items():
        if abs(loss - float(ours[name])) > 1e-2 * abs(loss):  # TF32 convolutions on a GPU
            raise CoganError(f"{preset}: the plain step's {name} is {loss}, ours {ours[name]}.")

    ways = [("plain", "32-true", False)]
    ways += [("ours", name, False) for name in PRECISIONS]
    if device == "cuda":  # on a CPU, compiling takes minutes and gains nothing
        ways.append(("ours, compiled", "bf16-mixed", True))
    for way, precision, compiled in ways:
        model = fresh(precision)
        if compiled:
            for network in model.networks.values():
                network.compile()
        if way == "plain":
            plain = Plain(model)

            def work(plain=plain) -> None:
                plain.step(a.to(device), b.to(device), random)  # each batch comes from the host
        else:

            def work(model=model) -> None:
                model.step(*here, random)

        for _ in range(1 if tiny else 10):
            work()
        waits = waits_for_gpu(work) if device == "cuda" else None
        each = seconds(work, times, device)
        flops = counter.get_total_flops() / each
        rows.append(
            {
                "preset": preset,
                "way": way,
                "precision": precision,
                "tiles_per_second": len(a) / each,
                "ratio": rows[0]["seconds"] / each if rows else 1.0,
                "share_of_peak": flops / peaks[str(PRECISIONS[precision])],
                "seconds": each,
                "waits_for_gpu": waits,
            }
        )
    return rows


def time_to_score(patches: Patches, settings: TrainingSettings, score: float) -> dict:
    """Seconds of a training, checks included, until the check after an epoch is that good."""
    with tempfile.TemporaryDirectory() as folder:
        result = train(patches, settings, folder)
    good = [row for row in result.history if row["score"] <= score]
    return {
        "score": score,
        "reached_in_seconds": good[0]["seconds"] if good else None,
        "best_score": min(row["score"] for row in result.history),
        "seconds": result.seconds,
        "steps": result.steps,
    }


def table(content: dict) -> str:
    """The numbers for a reader."""
    n, side, _ = content["tile"]
    peaks = [f"{rate / 1e12:.2f} TFLOP/s ({kind})" for kind, rate in content["peaks_flops"].items()]
    lines = [
        f"{content['device']}; batches of {content['batch']} tiles of {side} x {side} pixels, "
        f"{n} inputs",
        f"measured peak: {', '.join(peaks)}",
        f"{'preset':8s}{'way':18s}{'precision':12s}{'tiles/s':>10s}{'ratio':>8s}{'of peak':>9s}",
    ]
    for row in content["steps"]:
        lines.append(
            f"{row['preset']:8s}{row['way']:18s}{row['precision']:12s}"
            f"{row['tiles_per_second']:10.1f}{row['ratio']:8.2f}{row['share_of_peak']:9.1%}"
        )
    for row in content["trainings"]:
        reached = row["reached_in_seconds"]
        end = f"in {reached:.0f} s" if reached else f"not within {row['seconds']:.0f} s"
        lines.append(
            f"{row['preset']}: score {row['score']} {end} (best {row['best_score']:.3f}, "
            f"{row['steps']} steps)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
