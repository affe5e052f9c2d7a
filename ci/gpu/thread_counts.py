"""(g) CPU threads: does a machine of many cores gain by them? `base.threads` gives all it has.

Chapter 02 took longer on the 16 CPUs of a card's machine than on two cores: this part says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from parts import Run

from cogan_lib.base.threads import cores
from cogan_lib.companions.line_transfer import winds
from cogan_lib.companions.line_transfer.data import LINE
from cogan_lib.companions.line_transfer.physics import line_images
from cogan_lib.gan.networks import Generator
from cogan_lib.gan.recipes import PRESETS

BATCH, NPIX = 4, 64


def threads_part(run: Run) -> dict:
    """Milliseconds of a generator's training step and of the line solver, by number of threads."""
    before, rows = torch.get_num_threads(), []
    counts = [1] if run.tiny else [n for n in (1, 2, 4, 8, 16, 32) if n <= cores()]
    works = {"generator": generator_step(), "solver": solver()}
    try:
        for n in counts:
            torch.set_num_threads(n)
            rows.append({"threads": n, **{k: milliseconds(work) for k, work in works.items()}})
    finally:
        torch.set_num_threads(before)
    return {"cores": cores(), "rows": rows}


def generator_step() -> Callable[[], None]:
    """Forward and backward through our generator, as the training on tiles takes it."""
    torch.manual_seed(1)
    network, tiles = Generator(2, 1, PRESETS["cogan"]), torch.randn(BATCH, 2, NPIX, NPIX)

    def work() -> None:
        network.zero_grad()
        network(tiles).square().mean().backward()

    return work


def solver() -> Callable[[], None]:
    """Pictures of eight winds at 32 cubed."""
    rng = np.random.default_rng(1)
    seen = [
        winds.seen_from(winds.draw_wind(rng), 32, winds.views(rng, 1, False)[0]) for _ in range(8)
    ]
    fields = [torch.stack(field) for field in zip(*seen, strict=True)]
    channels = torch.from_numpy(winds.CHANNELS)

    def work() -> None:
        line_images(*fields, channels, winds.spacing_m(32), LINE, winds.TURBULENCE)

    return work


def milliseconds(work: Callable[[], None], times: int = 5) -> float:
    """The median of a few, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        start = time.monotonic()
        work()
        taken.append(1e3 * (time.monotonic() - start))
    return float(np.median(taken))
