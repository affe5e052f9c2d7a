"""Pairs of cubes and line images: made wind by wind, written as they come, scaled globally.

A data folder holds ``cubes.npy`` (half precision: v_z [km/s], ln T, ln n_CO - ln 1e10 m^-3),
``images.npy`` (ln I_nu, SI), ``model.npy`` (which wind) and ``data.json``. It is made under
another name and renamed when it is complete.

Winds, not pictures, are divided into training, validation and test: pictures of one wind from two
sides have most of their content in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ...base.files import CoganError, provenance, reading, write_json
from ...learn.dataset import Moments, Stream, fresh_folder
from ...learn.weights import read_card
from . import winds
from .physics import COLine, line_images

FORMAT = 1
LINE = COLine(2)
#: Intensities below this are "nothing": 0.26 K in CO 2-1. The paper's clip.
LN_FLOOR = -40.0
LN_DENSITY = math.log(1e10)
#: Of ten winds, the ninth is for validation and the tenth for the test.
SPLITS = {"train": range(8), "validation": (8,), "test": (9,)}
CHUNK = 64  # pictures between two updates of the statistics
SOLVED_AT_ONCE = 4  # by a GPU


@dataclass(frozen=True)
class LineData:
    """A data folder.

    Attributes
    ----------
    cubes : ndarray, shape (n, 3, npix, npix, npix), float16
        As in the file, which stays on disk.
    images : ndarray, shape (n, n_channels, npix, npix), float32
        ln I_nu, not below `LN_FLOOR`.
    model : ndarray, shape (n,)
        Number of the wind.
    content : dict
        data.json.
    """

    cubes: np.ndarray
    images: np.ndarray
    model: np.ndarray
    content: dict

    def rows(self, split: str) -> np.ndarray:
        """Find the pictures of a split.

        Parameters
        ----------
        split : str
            train, validation or test.

        Returns
        -------
        ndarray of int, shape (n_rows,)
        """
        return np.flatnonzero(np.isin(self.model % 10, list(SPLITS[split])))


def statistics_of(cubes: np.ndarray, images: np.ndarray, rows: np.ndarray) -> dict[str, dict]:
    """Compute the numbers of equations 12-16, chunk by chunk, from training winds alone.

    Mean, variance and extremes are exact. The median is the median of the chunks' own medians, as
    in the paper: an approximation, good to a few per cent, and it only sets a scale.

    Parameters
    ----------
    cubes : ndarray, shape (n, 3, npix, npix, npix), float16
        As `pack` gives them.
    images : ndarray, shape (n, n_channels, npix, npix)
        ln I_nu.
    rows : ndarray of int
        Of the training pictures.

    Returns
    -------
    dict of str to dict
        Of velocity [km/s], temperature [ln K], density and intensity, for `scale_cubes` and
        `scale_images`.
    """
    velocity, lowest, medians, ln_images = Moments(), [], [], []
    for some in np.split(rows, range(CHUNK, len(rows), CHUNK)):
        chunk = cubes[some].astype(np.float32)  # as read back: rounded to half precision
        velocity.add(chunk[:, 0])
        lowest.append(chunk[:, 1:].min((0, 2, 3, 4)))
        medians.append(np.median(chunk[:, 1:], (0, 2, 3, 4)))
        ln_images += [images[some].min(), images[some].max()]
    low = np.min(lowest, 0)
    spread = np.median(medians, 0) - low
    logs = {
        name: {"min": float(low[i]), "median": float(spread[i])}
        for i, name in enumerate(("temperature", "density"))
    }
    return {
        "velocity": {"mean": velocity.mean, "std": velocity.std},
        **logs,
        "intensity": {"min": float(min(ln_images)), "max": float(max(ln_images))},
    }


def pack(velocity: Tensor, temperature: Tensor, density: Tensor) -> Tensor:
    """Write cubes in SI units as the files have them.

    Parameters
    ----------
    velocity, temperature, density : Tensor, shape (..., npix, npix, npix)
        v_z [m/s], T [K], n_CO [m^-3].

    Returns
    -------
    Tensor, shape (..., 3, npix, npix, npix), float16
        v_z [km/s], ln T, ln n_CO - ln 1e10 m^-3.
    """
    # No molecules at all: as few as half precision can say.
    ln_density = (torch.log(density) - LN_DENSITY).clamp_min(-6e4)
    return torch.stack([velocity / 1e3, torch.log(temperature), ln_density], -4).half()


def unpack(cubes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Read cubes of a file as an emulator of rays takes them.

    Parameters
    ----------
    cubes : Tensor, shape (..., 3, npix, npix, npix)
        As `pack` gives them.

    Returns
    -------
    tuple of Tensor, shape (..., npix, npix, npix), float32
        v_z [m/s], ln T, ln n_CO [m^-3].
    """
    velocity, ln_kelvin, ln_density = cubes.float().unbind(-4)
    return velocity * 1e3, ln_kelvin, ln_density + LN_DENSITY


def make_data(
    folder: str | Path,
    models: int,
    views: int,
    npix: int,
    seed: int,
    *,
    face_on: bool = False,
    device: str = "cpu",
) -> Path:
    """Draw winds, look at each from random sides, solve, and write the data folder.

    Parameters
    ----------
    folder : path
        Replaced if there is one.
    models, views : int
        Number of winds (ten or more), and of directions that each is seen from.
    npix : int
        Side of the cubes: a multiple of 8, 16 at least.
    seed : int
        Wind number i is the same in every data folder of this seed.
    face_on : bool
        Pre-training data: every wind seen along its axis, at the line's centre only.
    device : str
        Where the solver runs.

    Returns
    -------
    Path
        The data folder.

    Raises
    ------
    CoganError
        If a number is out of range, or the folder cannot be written.
    """
    if models < 10 or views < 1:
        raise CoganError(
            f"{models} winds with {views} views cannot be divided; take 10 or more, and 1 or more."
        )
    if npix % 8 or npix < 16:
        raise CoganError(f"npix must be a multiple of 8 and 16 or more, but is {npix}.")
    channels = np.zeros(1) if face_on else winds.CHANNELS
    with fresh_folder(folder) as fresh:
        statistics, numbers = _fill(fresh, models, views, npix, seed, channels, face_on, device)
        content = {
            "format": FORMAT, "npix": npix, "channels": channels.tolist(), "line": LINE.upper,
            "models": models, "views": views, "face_on": face_on, "winds": numbers,
            "turbulence": winds.TURBULENCE, "statistics": statistics,
            "provenance": provenance(seed),
        }  # fmt: skip
        write_json(fresh / "data.json", content)
    return Path(folder)


def _fill(fresh, models, views, npix, seed, channels, face_on, device):
    """Write the arrays; returns the statistics and the winds' numbers."""
    n = models * views
    model = np.repeat(np.arange(models), views)
    np.save(fresh / "model.npy", model)
    numbers, waiting = [], []
    v = torch.from_numpy(channels).to(device)
    with (
        Stream(fresh / "cubes.npy", (n, 3, npix, npix, npix), np.float16) as cubes,
        Stream(fresh / "images.npy", (n, len(channels), npix, npix), np.float32) as images,
    ):
        for i in tqdm(range(models), desc="winds", unit="wind", mininterval=1.0):
            rng = np.random.default_rng([seed, i])
            wind = winds.draw_wind(rng)
            numbers.append(winds.plain_numbers(wind))
            for rotation in winds.views(rng, views, face_on):
                waiting.append(winds.seen_from(wind, npix, rotation))
            while len(waiting) >= SOLVED_AT_ONCE or (waiting and i == models - 1):
                some, waiting = waiting[:SOLVED_AT_ONCE], waiting[SOLVED_AT_ONCE:]
                fields = [torch.stack(field).to(device) for field in zip(*some, strict=True)]
                cubes.append(pack(*fields).cpu().numpy())
                solved = line_images(*fields, v, winds.spacing_m(npix), LINE, winds.TURBULENCE)
                images.append(ln_intensity(solved).cpu().numpy())
    written = [np.load(fresh / f"{name}.npy", mmap_mode="r") for name in ("cubes", "images")]
    training = np.flatnonzero(np.isin(model % 10, list(SPLITS["train"])))
    return statistics_of(*written, training), numbers


def read_data(folder: str | Path) -> LineData:
    """Open a data folder.

    Parameters
    ----------
    folder : path
        That `make_data` wrote.

    Returns
    -------
    LineData

    Raises
    ------
    CoganError
        If it is missing, damaged or of another format.
    """
    folder = Path(folder)
    content = read_card(folder / "data.json", FORMAT, "make the data again")
    with reading(folder, "data", "make the data again"):
        cubes = np.load(folder / "cubes.npy", mmap_mode="r")
        images, model = (np.load(folder / f"{name}.npy") for name in ("images", "model"))
    return LineData(cubes, images, model, content)


def faintest(line: COLine) -> float:
    """Give the floor of a line's ln I_nu: the brightness of `LN_FLOOR` in `LINE`, 0.26 K.

    Parameters
    ----------
    line : COLine

    Returns
    -------
    float
    """
    return LN_FLOOR + 2 * math.log(line.frequency / LINE.frequency)


def ln_intensity(intensity: Tensor, line: COLine = LINE) -> Tensor:
    """Take the logarithm of intensities, none below the floor (equation 15).

    Parameters
    ----------
    intensity : Tensor, any shape
        I_nu [W m^-2 Hz^-1 sr^-1].
    line : COLine
        For the floor.

    Returns
    -------
    Tensor, same shape
        ln I_nu, not below `faintest`.
    """
    floor = faintest(line)
    return torch.log(intensity.clamp_min(math.exp(floor)))


def scale_cubes(cubes: Tensor, statistics: dict) -> Tensor:
    """Scale cubes to what the network sees (equations 12 and 14).

    Parameters
    ----------
    cubes : Tensor, shape (..., 3, npix, npix, npix)
        As `pack` gives them.
    statistics : dict
        The scalings: `statistics_of` the training winds.

    Returns
    -------
    Tensor, same shape, float32
    """
    velocity, *logs = cubes.float().unbind(-4)
    moments = statistics["velocity"]
    scaled = [(velocity - moments["mean"]) / moments["std"]]
    for field, name in zip(logs, ("temperature", "density"), strict=True):
        scaled.append((field - statistics[name]["min"]) / statistics[name]["median"])
    return torch.stack(scaled, -4)


def scale_images(ln_images: Tensor, statistics: dict) -> Tensor:
    """Scale images: 0 for the faintest, 1 for the brightest of the training winds (equation 16).

    Parameters
    ----------
    ln_images : Tensor, any shape
        ln I_nu.
    statistics : dict
        The scalings.

    Returns
    -------
    Tensor, same shape
    """
    low, high = statistics["intensity"]["min"], statistics["intensity"]["max"]
    return (ln_images - low) / (high - low)


def unscale_images(scaled: Tensor, statistics: dict) -> Tensor:
    """Invert `scale_images`.

    Parameters
    ----------
    scaled : Tensor, any shape
        As `scale_images` gives it.
    statistics : dict
        The scalings.

    Returns
    -------
    Tensor, same shape
        ln I_nu.
    """
    low, high = statistics["intensity"]["min"], statistics["intensity"]["max"]
    return scaled * (high - low) + low
