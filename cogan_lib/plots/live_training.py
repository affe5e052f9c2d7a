"""Live figures of chapters 02 and 03: lost amplitudes, the mirror landscape, the learning rate.

As in `live`, each function computes what is to be seen at every choice.
"""

from __future__ import annotations

import healpy as hp
import numpy as np
import torch
from matplotlib import colors

from ..base.units import CO_SOFTENING
from ..gan import two_numbers
from ..gan.networks import Generator, NetworkSettings
from ..gan.rate_trial import rates, trial
from ..learn.fit import seeded
from ..sky.skyfile import Sky
from ..tiles.geometry import Geometry
from ..tiles.scaling import Scaling, scale, tracer_scaling
from ..tiles.split import TRAIN, UNUSED, assign_split
from ..tiles.tiling import cut_tiles, map_to_alm
from .live import PLACE, panels, picture
from .slider import LiveFigure
from .style import BASE, GENERATED

#: Walks down the landscape, and values of either number at which it is drawn.
WALKS, GRID = 24, np.linspace(-1.7, 1.7, 101)
#: Of the small training, and where its error counts: the last fifth.
STEPS = 250
#: Sky between trained and held-out pixels: so many beams apart nothing is shared.
GUARD_BEAMS = 2


def norm(sky: Sky, seed: int = 1) -> LiveFigure:
    """Show what instance normalisation does to the amplitude of a tile.

    Parameters
    ----------
    sky : Sky
    seed : int
        Of the untrained generators' weights.

    Returns
    -------
    LiveFigure
        Of the factor on the input, and of the kind of generator.
    """
    names, geometry = sky.inputs[:2], Geometry(48, 30.0)
    cut = [cut_tiles(map_to_alm(sky.maps[name]), geometry, PLACE) for name in names]
    tiles = np.stack(cut, axis=1)
    scaled = scale(tiles, [tracer_scaling(tiles[:, i], sky.maps[n]) for i, n in enumerate(names)])
    factors = [0.25, 0.5, 1, 2, 4]
    kinds, found = {"with instance norm": True, "without": False}, {}
    for kind, normed in kinds.items():
        network = NetworkSettings(features=12, blocks=2, instance_norm=normed, tanh=False)
        with seeded(seed), torch.no_grad():
            generator = Generator(len(names), 1, network)
            for k in factors:
                found[k, kind] = generator(k * torch.from_numpy(scaled))[0, 0].numpy()
    spread = {at: float(values.std()) for at, values in found.items()}
    # each generator in units of its own output to the tile as it is, about that output's mean
    shown = {
        (k, kind): (found[k, kind] - found[k, kind].mean()) / spread[1, kind] for k, kind in found
    }
    limits = {"vmin": -6.0, "vmax": 6.0, "cmap": "RdBu_r"}

    def draw(k: float, kind: str):
        figure, (left, middle, right) = panels(2.8, 1, 1, 1.25)
        picture(left, k * (scaled[0, 0] - scaled[0, 0].mean()) / scaled[0, 0].std(), **limits)
        image = picture(middle, shown[k, kind], **limits)
        left.set_title(f"{k:g} times the input")
        middle.set_title("output")
        figure.colorbar(image, ax=[left, middle], location="bottom", shrink=0.7,
                        label="about the mean; 1: spread of the tile as it is")  # fmt: skip
        for name, colour in zip(kinds, (GENERATED, BASE), strict=True):
            relative = [spread[factor, name] / spread[1, name] for factor in factors]
            right.loglog(factors, relative, "-", color=colour, label=name, base=2)
            if name == kind:
                right.loglog([k], [spread[k, name] / spread[1, name]], "o", color=colour, base=2)
        ticks = [1 / 4, 1, 4]
        right.set_xticks(ticks, ["1/4", "1", "4"])
        right.set_yticks(ticks, ["1/4", "1", "4"])
        right.set(xlabel="input times ...", ylabel="spread of the output", ylim=(0.2, 12))
        right.legend(loc="upper left")
        return figure

    def describe(k: float, kind: str) -> str:
        return (
            f"Untrained generator {kind}: an input {k:g} times as strong gives an output "
            f"{spread[k, kind] / spread[1, kind]:.2f} times as strong."
        )

    return LiveFigure(
        draw, {"input times": factors, "generator": list(kinds)},
        "A tile of dust in network units, times a factor; what an untrained generator makes of it; "
        "and the output's spread over the factor.",
        describe, start=(4, "with instance norm"),
    )  # fmt: skip


def mirror(seed: int = 1) -> LiveFigure:
    """Show where the smallest Cycle-GAN ends: at the truth or at its mirror image.

    Parameters
    ----------
    seed : int
        Of the walks' starts.

    Returns
    -------
    LiveFigure
        Of the loss term that is added, and of its weight.
    """
    terms = {"identity loss": "identity", "pair loss": "pair"}
    added = [0, 1, 4, 10]
    axis = torch.tensor(GRID, dtype=torch.float32)
    v, w = torch.meshgrid(axis, axis, indexing="ij")
    start = 0.3 * torch.randn(WALKS, 2, generator=torch.Generator().manual_seed(seed))
    cases = [(name, weight) for name in terms for weight in added]
    weights = {
        short: torch.tensor([float(x) * (terms[name] == short) for name, x in cases])[:, None]
        for short in terms.values()
    }
    starts = start.expand(len(cases), WALKS, 2)
    paths = two_numbers.descend(starts, rate=0.015, steps=130, **weights).numpy()
    heights = [two_numbers.loss(w, v, **{terms[name]: x}).numpy() for name, x in cases]
    levels = np.geomspace(max(min(h.min() for h in heights), 0.2), max(map(np.max, heights)), 18)

    def draw(name: str, weight: float):
        number = cases.index((name, weight))
        figure, (left, right) = panels(3.3, 1, 1)
        left.contourf(GRID, GRID, heights[number], levels, norm=colors.LogNorm(), cmap="Greys",
                      extend="min")  # fmt: skip
        for path in paths[:, number].transpose(1, 0, 2):
            colour = GENERATED if path[-1, 0] < 0 else BASE
            left.plot(*path.T, color=colour, lw=0.8, alpha=0.8)
            left.plot(*path[-1], "o", color=colour, ms=6, mec="white")
        left.set(xlabel="w (dust to CO)", ylabel="v (CO to dust)", aspect="equal",
                 xticks=[-1, 0, 1], yticks=[-1, 0, 1])  # fmt: skip
        along = [
            float(two_numbers.loss(torch.tensor(x), torch.tensor(x), **{terms[name]: weight}))
            for x in GRID
        ]
        right.plot(GRID, along, color="k")
        right.set(xlabel="w = v", ylabel="loss", yscale="log", ylim=(0.2, 60), xticks=[-1, 0, 1])
        for x, colour in ((1, BASE), (-1, GENERATED)):
            right.axvline(x, color=colour, ls="--")
        return figure

    def describe(name: str, weight: float) -> str:
        wrong = int((paths[-1, cases.index((name, weight)), :, 0] < 0).sum())
        truth, mirrored = (
            float(two_numbers.loss(*torch.full((2,), x), **{terms[name]: weight}))
            for x in (1.0, -1.0)
        )
        return (
            f"Adversarial and cycle loss, and {weight:g} times the {name}: {truth:.2f} at the "
            f"truth, {mirrored:.2f} at the mirror image, where {wrong} of {WALKS} walks end."
        )

    return LiveFigure(
        draw, {"term": list(terms), "its weight": added},
        "The loss of two numbers as a landscape with walks down to its valleys, and a cut through "
        "it along the diagonal.",
        describe, start=("identity loss", 0),
    )  # fmt: skip


def rate(sky: Sky, seed: int = 1) -> LiveFigure:
    """Compare one small training at several learning rates, constant or falling.

    Parameters
    ----------
    sky : Sky
    seed : int
        Of first weights and batches.

    Returns
    -------
    LiveFigure
        Of the highest learning rate and of its course.
    """
    line, random = sky.targets[0], np.random.default_rng(seed)
    few = random.choice(sky.maps[line].size, 4000, replace=False)
    lon, lat = hp.pix2ang(sky.nside, few[:, None], lonlat=True)
    split = assign_split(lon, lat, guard_deg=GUARD_BEAMS * sky.fwhm_arcmin / 60)
    few, held = few[split != UNUSED], (split != TRAIN)[split != UNUSED]
    x = np.stack(
        [tracer_scaling(sky.maps[n][few], sky.maps[n]).forward(sky.maps[n][few].astype(float))
         for n in sky.inputs], axis=1,
    )  # fmt: skip
    y = sky.maps[line][few].astype(float)
    y = Scaling.fit("asinh", y, CO_SOFTENING).forward(y)
    highest, courses = [0.001, 0.01, 0.1, 0.5], {"constant": False, "falls to 0": True}
    course = {(r, c): rates(r, STEPS, falls) for r in highest for c, falls in courses.items()}
    found = {at: trial(x, y, held, of_steps, seed) for at, of_steps in course.items()}

    def draw(r: float, c: str):
        figure, (left, right) = panels(2.9, 1, 1.2)
        for at, of_steps in course.items():
            chosen = at == (r, c)
            style = {"color": GENERATED if chosen else "0.8", "zorder": 3 if chosen else 1,
                     "lw": 1.8 if chosen else 0.9}  # fmt: skip
            left.plot(np.maximum(of_steps, 1e-5), **style)
            right.plot(*found[at], **style)
        left.set(xlabel="step", ylabel="learning rate", yscale="log", ylim=(1e-4, 1))
        right.set(xlabel="step", ylabel="error / variance", yscale="log", ylim=(0.05, 3))
        return figure

    def describe(r: float, c: str) -> str:
        steps, errors = found[r, c]
        late = errors[steps >= 0.8 * STEPS]
        best = min(errors[-1] for _, errors in found.values())
        return (
            f"Rate {r:g}, {c if courses[c] else f'{c} to the end'}: the error ends at "
            f"{errors[-1]:.3f} of the variance, {errors[-1] / best:.1f} times the least of all, "
            f"and swings between {late.min():.3f} and {late.max():.3f} over the last fifth."
        )

    return LiveFigure(
        draw, {"highest rate": highest, "course": list(courses)},
        "Learning rate over the steps of a small training, and the error on pixels that it has "
        "not seen; the chosen training in orange, the others in grey.",
        describe, start=(0.1, "falls to 0"),
    )  # fmt: skip
