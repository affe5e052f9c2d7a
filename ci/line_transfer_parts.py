"""What `line_transfer_run` measures beside its trainings: grids, strange gas, fits, speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation, physics, quick, rays, store, winds
from cogan_lib.companions.line_transfer.network import COEmuNet
from cogan_lib.companions.line_transfer.recover import apart, recover
from cogan_lib.learn.metrics import seconds_each

#: Winds of a trial, of those kept for the test, and views of each.
TRIED, VIEWS = 40, 2
#: Winds that are recovered from their images, and what the telescope adds [K].
RECOVERED, NOISE_KELVIN = 24, 0.3
BATCHES = (1, 16)
RESAMPLED = 1000


def first_pictures(data: line_data.LineData, number: int) -> line_data.LineData:
    """Make a data set of the first pictures of training winds, and one more that validates."""
    rows = data.rows("train")[: number + 1]
    model = np.zeros(len(rows), int)
    model[-1] = 8  # one picture for the validation
    return line_data.LineData(data.cubes[rows], data.images[rows], model, data.content)


def over_winds(found: dict[str, np.ndarray], model: np.ndarray) -> dict[str, list[float]]:
    """95 % intervals of the medians: winds drawn with replacement, all views of each."""
    rng, each = np.random.default_rng(0), [np.flatnonzero(model == i) for i in np.unique(model)]
    draws = [
        np.concatenate([each[i] for i in rng.integers(len(each), size=len(each))])
        for _ in range(RESAMPLED)
    ]
    return {
        f"{name}_interval": np.percentile(
            [np.median(values[rows]) for rows in draws], (2.5, 97.5)
        ).tolist()
        for name, values in found.items()
    }


def resolution(*_) -> dict:
    """Flux of whole pictures by both rules at 32, 64 and 128 points, over that of the finest.

    The summed absolute difference of the channels' fluxes, over their sum; three winds together.
    """
    at = torch.from_numpy(winds.CHANNELS)
    found = {}
    for turbulence in (winds.TURBULENCE, 150.0):
        flux: dict[tuple[str, int], list] = {}
        for i in range(3):
            rng = np.random.default_rng([2, i])
            wind, rotation = winds.draw_wind(rng), winds.views(rng, 1)[0]
            for npix in (32, 64, 128):
                cubes = [x[None] for x in winds.seen_from(wind, npix, rotation)]
                step = winds.spacing_m(npix)
                opacity, source, width = physics.line_coefficients(
                    *cubes[1:], line_data.LINE, turbulence
                )
                for v in at:  # channel by channel: all at once would take gigabytes at 128^3
                    b = physics.profile_arguments(cubes[0], width, v[None])
                    chi = opacity[:, None] * torch.exp(-b * b) / math.sqrt(math.pi)
                    rules = {
                        "exact": physics.interval_depths(opacity, b, step),
                        "trapezoid": (chi[:, :, 1:] + chi[:, :, :-1]) / 2 * step,
                    }
                    for rule, depths in rules.items():
                        image = physics.emergent(depths, source)
                        flux.setdefault((rule, npix), []).append(float(image.sum()) * step**2)
        finest = np.array(flux["exact", 128])
        found[f"{turbulence:g}"] = {
            rule: {
                str(npix): float(np.abs(np.array(flux[rule, npix]) - finest).sum() / finest.sum())
                for npix in (32, 64, 128)
            }
            for rule in ("exact", "trapezoid")
        }
    return found


def test_winds(number: int):
    """Winds that no training saw, and the generator of each that draws its views."""
    for i in range(number):
        rng = np.random.default_rng([1, 10 * i + 9])  # seed and numbering of the data folder
        yield winds.draw_wind(rng), rng


def trial(
    network: rays.RayEmulator,
    *,
    change: Callable[[winds.Wind, np.random.Generator], winds.Wind] = lambda wind, _: wind,
    npix: int = 32,
    upper: int = 2,
    turbulence: float = winds.TURBULENCE,
    channels: np.ndarray = winds.CHANNELS,
    sign: int = 1,
    number: int = TRIED,
) -> dict:
    """Measures of the emulator beside the solver, on changed gas, lines or grids; -1 falls in."""
    line = physics.COLine(upper)
    options = (torch.from_numpy(channels), winds.spacing_m(npix), line, turbulence)
    ln_images: dict[str, list] = {"generated": [], "real": []}
    for original, rng in test_winds(number):
        wind = change(original, rng)
        for rotation in winds.views(rng, VIEWS):
            v_z, *rest = winds.seen_from(wind, npix, rotation)
            cubes = [x[None] for x in (sign * v_z, *rest)]
            with torch.inference_mode():
                drawn = rays.imitate(network, *cubes, *options)
                real = physics.line_images(*cubes, *options)
            ln_images["generated"].append(line_data.ln_intensity(drawn.double(), line))
            ln_images["real"].append(line_data.ln_intensity(real, line))
    pair = (torch.cat(ln_images[name]).numpy() for name in ("generated", "real"))
    found = evaluation.measures(*pair)
    model = np.repeat(np.arange(number), VIEWS)
    return evaluation.middle(found) | over_winds(found, model) | {"pictures": len(model)}


def changed(name: str, low: float, high: float) -> Callable:
    """Set one number of each wind to a random one between two bounds."""
    return lambda wind, rng: replace(wind, **{name: rng.uniform(low, high)})


def elsewhere(network: rays.RayEmulator, *_) -> dict:
    """The emulator where it was not trained: other grids, lines, gas, winds out of range."""
    fine = np.linspace(-24e3, 24e3, 25)
    trials = {
        "as trained": {},
        "grid of 16": {"npix": 16},
        "grid of 64": {"npix": 64},
        "grid of 128": {"npix": 128, "number": 8},
        "25 channels to 24 km/s": {"channels": fine},
        "CO J=1-0": {"upper": 1},
        "turbulence 0.15 km/s": {"turbulence": 150.0},
        "turbulence 0.5 km/s": {"turbulence": 500.0},
        "turbulence 3 km/s": {"turbulence": 3000.0},
        "mass loss 1e-5 to 1e-4": {"change": changed("mass_loss", 1e-5, 1e-4)},
        "mass loss 1e-8 to 1e-7": {"change": changed("mass_loss", 1e-8, 1e-7)},
        "speed 20 to 30 km/s": {"change": changed("speed", 20e3, 30e3)},
        "arms 50 to 100 au apart": {
            "change": lambda wind, rng: replace(
                wind, spacing_au=(apart := rng.uniform(50, 100)), width_au=apart * 0.16
            )
        },
        "contrast 10 to 30": {"change": changed("contrast", 10, 30)},
        "clumps 0.4 to 1": {"change": changed("clumps", 0.4, 1.0)},
        "gas that falls in": {"sign": -1},
        "star of 3000 to 6000 K": {"change": changed("star_kelvin", 3000, 6000)},
    }
    return {name: trial(network, **options) for name, options in trials.items()}


def recovered(network: rays.RayEmulator, *_) -> dict:
    """Errors of winds fitted to their own images, through solver and emulator."""
    options = (
        torch.from_numpy(winds.CHANNELS),
        winds.spacing_m(32),
        line_data.LINE,
        winds.TURBULENCE,
    )
    per_kelvin = 2 * physics.K * line_data.LINE.frequency**2 / physics.C**2
    found: dict[str, list] = {}
    for wind, rng in test_winds(RECOVERED):
        rotation = winds.views(rng, 1)[0]
        smooth = replace(wind, clumps=0.0)
        for gas, made in (("smooth", smooth), ("clumps", wind)):
            images = physics.line_images(
                *(x[None] for x in winds.seen_from(made, 32, rotation)), *options
            )
            images = images[0] + NOISE_KELVIN * per_kelvin * torch.from_numpy(
                rng.standard_normal(images.shape[1:])
            )
            ln_images = line_data.ln_intensity(images).numpy()
            for name, draw in (
                ("solver", physics.line_images),
                ("emulator", partial(rays.imitate, network)),
            ):
                start = time.process_time()
                fit = recover(ln_images, smooth, rotation, draw)
                row = apart(fit.wind, wind) | {
                    "misfit": fit.misfit, "images": fit.images,
                    "core_seconds": time.process_time() - start,
                }  # fmt: skip
                found.setdefault(f"{name}, {gas}", []).append(row)
    return {"winds": RECOVERED, "noise_kelvin": NOISE_KELVIN} | {
        name: {key: over_fits([row[key] for row in rows]) for key in rows[0]}
        for name, rows in found.items()
    }


def over_fits(values: list[float]) -> dict:
    """Median modulus with its 95 % interval, winds drawn with replacement, and those below 5 %."""
    moduli, rng = np.abs(values), np.random.default_rng(0)
    draws = np.median(rng.choice(moduli, (RESAMPLED, len(moduli))), axis=1)
    return {
        "median": float(np.median(moduli)),
        "interval": np.percentile(draws, (2.5, 97.5)).tolist(),
        "within_5_percent": float(np.mean(moduli < 0.05)),
        "each": values,
    }


def speed(network: rays.RayEmulator, _: dict, folder: Path) -> dict:
    """Seconds and errors of each way to draw a wind's seven pictures, on one core."""
    other, content = store.load_emulator(folder / "coemunet-1")
    ways = ways_to_draw(network, other, content["statistics"])
    cubes, options = some_cubes(32, max(BATCHES)), options_of(32)
    real = line_data.ln_intensity(physics.line_images(*cubes, *options)).numpy()
    error = {}
    for name, way in ways.items():
        with torch.inference_mode():
            images = way(*cubes, *options).double()
        found = evaluation.measures(line_data.ln_intensity(images).numpy(), real)
        error[name] = evaluation.middle(found)
    return timed(ways, 32, "cpu", time.process_time) | {"error": error}


def options_of(npix: int) -> tuple:
    """What the solver takes beside the cubes."""
    channels = torch.from_numpy(winds.CHANNELS)
    return channels, winds.spacing_m(npix), line_data.LINE, winds.TURBULENCE


def some_cubes(npix: int, number: int) -> list[torch.Tensor]:
    """Cubes of winds, each seen from one side."""
    rng = np.random.default_rng(0)
    seen = [
        winds.seen_from(winds.draw_wind(rng), npix, rotation)
        for rotation in winds.views(rng, number)
    ]
    return [torch.stack(field) for field in zip(*seen, strict=True)]


def ways_to_draw(
    network: rays.RayEmulator, other: COEmuNet, statistics: dict
) -> dict[str, Callable]:
    """The solver, the same in single precision, and two networks; from cubes in SI units all."""

    def coemunet(velocity, temperature, density, *_):
        packed = line_data.pack(velocity, temperature, density)
        scaled = other(line_data.scale_cubes(packed, statistics))
        images = line_data.unscale_images(scaled, statistics)
        return torch.exp(images.clamp_min(line_data.LN_FLOOR))

    return {
        "solver": physics.line_images,
        "quick solver": quick.quick_images,
        "trapezoid": partial(quick.quick_images, trapezoid=True),
        "coemunet": coemunet,
        "line": partial(rays.imitate, network),
    }


def timed(
    ways: dict[str, Callable], npix: int, device: str, clock: Callable = time.perf_counter
) -> dict:
    """Milliseconds for one wind, each way in turns, in batches; and of each way's best batch."""
    channels, *rest = options_of(npix)
    options = (channels.to(device), *rest)
    found: dict = {"npix": npix, "threads": torch.get_num_threads(), "batches": {}}
    for batch in BATCHES:
        cubes = [field.to(device) for field in some_cubes(npix, batch)]

        def task(way, cubes=cubes):
            return lambda: way(*cubes, *options).cpu()  # waits for a GPU

        with torch.inference_mode():
            seconds = seconds_each({k: task(way) for k, way in ways.items()}, 15, clock)
        found["batches"][str(batch)] = {
            name: 1e3 * float(np.min(values)) / batch for name, values in seconds.items()
        }
    found |= {name: min(row[name] for row in found["batches"].values()) for name in ways}
    found["ratios"] = {name: found["solver"] / found[name] for name in ways}
    return found
