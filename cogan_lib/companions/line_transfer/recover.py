"""Which wind made these images? A fit by gradients, through the solver or through its emulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.autograd import forward_ad

from .data import LINE, ln_intensity
from .winds import CHANNELS, TURBULENCE, Wind, fields_at, grid_au, seen_at, spacing_m

#: What is fitted: its logarithm, but of the phase. The rest of the wind is taken as known.
SMOOTH = ("mass_loss", "speed", "beta")
SPIRAL = ("spacing_au", "contrast", "phase")
#: The middle of the ranges of `winds.draw_wind`, and the spirals that are tried before the descent.
START = {"mass_loss": 1e-6, "speed": 15e3, "beta": 0.45}
#: No descent leaves these.
BOUNDS = {
    "mass_loss": (1e-8, 1e-4), "speed": (3e3, 50e3), "beta": (0.05, 2.0), "spacing_au": (50, 400),
    "contrast": (0.05, 50), "phase": (-np.inf, np.inf),
}  # fmt: skip
SPACINGS_AU, PHASES, CONTRAST = np.arange(100, 201, 12.5), np.arange(12) * np.pi / 6, 3.0

#: Distances at which velocity laws are compared: outside of the softened middle.
PROBED_AU = np.arange(25.0, 201.0, 5.0)

Draw = Callable[..., Tensor]


@dataclass(frozen=True)
class Recovered:
    """Result of a fit.

    Attributes
    ----------
    wind : Wind
        With the fitted numbers.
    misfit : float
        Root mean square of what is left of ln I.
    images : int
        Sets of images that were drawn, derivatives counted as one set each.
    """

    wind: Wind
    misfit: float
    images: int


def recover(ln_images: np.ndarray, known: Wind, rotation: Rotation, draw: Draw) -> Recovered:
    """Fit mass loss, velocity law and spiral of a wind to its images.

    First a wind without a spiral (mass loss and velocity law), then every spiral of a coarse table,
    as the misfit has many valleys along spacing and phase; the best starts the descent in all six
    numbers, by least squares (trust region) with exact derivatives.

    Parameters
    ----------
    ln_images : ndarray, shape (n_channels, npix, npix)
        `data.ln_intensity` of what was observed in the channels of `winds.CHANNELS`.
    known : Wind
        Its other numbers are used as they are; those of `SMOOTH` and `SPIRAL` are not looked at.
    rotation : Rotation
        From the wind's frame to that of the sky.
    draw : callable
        `physics.line_images`, or `rays.imitate` with its first argument, a network, given.

    Returns
    -------
    Recovered
    """
    npix = ln_images.shape[-1]
    sky, channels = grid_au(npix), torch.from_numpy(CHANNELS)
    observed, drawn = torch.from_numpy(ln_images).double(), 0

    def left(names: tuple[str, ...], values: Tensor, wind: Wind) -> Tensor:
        nonlocal drawn
        drawn += 1
        pairs = zip(names, values, strict=True)
        wind = replace(wind, **{k: v if k == "phase" else torch.exp(v) for k, v in pairs})
        cubes = (field[None] for field in seen_at(wind, sky, rotation))
        images = draw(*cubes, channels, spacing_m(npix), LINE, TURBULENCE)[0]
        return (ln_intensity(images.double()) - observed).flatten()

    def descend(wind: Wind, names: tuple[str, ...]) -> tuple[Wind, float]:
        def columns(x: np.ndarray) -> np.ndarray:
            found = []
            for unit in torch.eye(len(x), dtype=torch.float64):
                with forward_ad.dual_level():
                    moved = forward_ad.make_dual(torch.from_numpy(x), unit)
                    found.append(forward_ad.unpack_dual(left(names, moved, wind)).tangent)
            return torch.stack(found, 1).numpy()

        def misfits(x: np.ndarray) -> np.ndarray:
            return left(names, torch.from_numpy(x), wind).numpy()

        def numbers(which: dict) -> list:
            return [which[k] if k == "phase" else np.log(which[k]) for k in names]

        fit = least_squares(
            misfits, numbers(vars(wind)), columns, np.transpose(numbers(BOUNDS)), x_scale="jac",
            xtol=1e-5, ftol=1e-6, max_nfev=40,
        )  # fmt: skip
        pairs = zip(names, map(float, fit.x), strict=True)
        best = replace(wind, **{k: x if k == "phase" else float(np.exp(x)) for k, x in pairs})
        return best, float(np.sqrt(np.mean(fit.fun**2)))

    with torch.no_grad():
        smooth, _ = descend(replace(known, **START, contrast=0.0), SMOOTH)
        spirals = [
            replace(smooth, spacing_au=float(spacing), phase=float(phase), contrast=CONTRAST)
            for spacing, phase in product(SPACINGS_AU, PHASES)
        ]
        nothing = torch.empty(0)
        best = min(spirals, key=lambda wind: float(left((), nothing, wind).square().mean()))
        wind, misfit = descend(best, SMOOTH + SPIRAL)
    return Recovered(wind, misfit, drawn)


def apart(found: Wind, truth: Wind) -> dict[str, float]:
    """Compare two winds.

    Parameters
    ----------
    found, truth : Wind

    Returns
    -------
    dict of str to float
        Relative differences of ``mass_loss``, ``spacing_au`` and ``contrast``, and ``velocity``,
        the largest one of v_r at `PROBED_AU`: speed and beta make up for each other.
    """
    radius = torch.from_numpy(PROBED_AU)
    place = torch.stack([radius, 0 * radius, 0 * radius])
    speeds = [fields_at(wind, place)[0][0].numpy() for wind in (found, truth)]
    names = ("mass_loss", "spacing_au", "contrast")
    return {name: getattr(found, name) / getattr(truth, name) - 1 for name in names} | {
        "velocity": float(np.abs(speeds[0] / speeds[1] - 1).max())
    }
