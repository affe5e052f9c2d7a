"""How good made line images are, on which pictures: the measures of Su et al. (2025).

MaxRel is computed on intensities; ZNCC and SSIM, as in the released code, on the *scaled
logarithms* (equation 16), where faint and bright weigh the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...learn.metrics import max_rel, ssim, zncc
from .data import LineData, intensity_of, scale_images
from .network import Emulator, check_grid, predict


def measures(made: Tensor, true: Tensor, statistics: dict) -> dict[str, np.ndarray]:
    """MaxRel [per cent], ZNCC and SSIM of each picture, shape (n,).

    Parameters
    ----------
    made, true : Tensor, shape (n, channels, npix, npix)
        Scaled logarithms, on the CPU.
    statistics : dict
        The scalings.
    """
    return {
        "max_rel": max_rel(*(intensity_of(x, statistics).numpy() for x in (made, true))),
        "zncc": zncc(made.numpy(), true.numpy()),
        "ssim": ssim(made.numpy(), true.numpy()),
    }


def judge(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """The `measures` of the network's pictures of these rows of the data."""
    check_grid(network, data.cubes.shape[2:])
    made = predict(network, data, rows, statistics, device)
    true = scale_images(torch.from_numpy(data.images[rows]), statistics)
    return measures(made, true, statistics)


def judge_mean_picture(data: LineData, rows: np.ndarray, statistics: dict) -> dict[str, np.ndarray]:
    """The `measures` of the training winds' mean picture, which needs no network.

    ZNCC and SSIM are far from zero, because all winds are bright in the middle and faint outside.
    """
    mean = np.repeat(data.images[data.rows("train")].mean(axis=0)[None], len(rows), 0)
    made, true = (scale_images(torch.from_numpy(x), statistics) for x in (mean, data.images[rows]))
    return measures(made, true, statistics)
