"""How good generated line images are, on which pictures: the measures of Su et al. (2025).

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


def measures(generated: Tensor, real: Tensor, statistics: dict) -> dict[str, np.ndarray]:
    """Compute MaxRel [per cent], ZNCC and SSIM of each picture.

    Parameters
    ----------
    generated, real : Tensor, shape (n, channels, npix, npix)
        Scaled logarithms, on the CPU.
    statistics : dict
        The scalings.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``max_rel``, ``zncc``, ``ssim``.
    """
    return {
        "max_rel": max_rel(*(intensity_of(x, statistics).numpy() for x in (generated, real))),
        "zncc": zncc(generated.numpy(), real.numpy()),
        "ssim": ssim(generated.numpy(), real.numpy()),
    }


def judge(
    network: Emulator, data: LineData, rows: np.ndarray, statistics: dict, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """Compute the `measures` of the network's pictures of some rows of the data.

    Parameters
    ----------
    network : Emulator
    data : LineData
    rows : ndarray of int, shape (n,)
    statistics : dict
        The scalings that the network was trained with.
    device : str
        Where the network runs.

    Returns
    -------
    dict of str to ndarray, shape (n,)

    Raises
    ------
    CoganError
        If the data are of another grid than the network's.
    """
    check_grid(network, data.cubes.shape[2:])
    generated = predict(network, data, rows, statistics, device)
    real = scale_images(torch.from_numpy(data.images[rows]), statistics)
    return measures(generated, real, statistics)


def judge_mean_picture(data: LineData, rows: np.ndarray, statistics: dict) -> dict[str, np.ndarray]:
    """Compute the `measures` of the training winds' mean picture, which needs no network.

    ZNCC and SSIM are far from zero, because all winds are bright in the middle and faint outside.

    Parameters
    ----------
    data : LineData
    rows : ndarray of int, shape (n,)
        The pictures that the mean is compared with.
    statistics : dict
        The scalings.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """
    mean = np.repeat(data.images[data.rows("train")].mean(axis=0)[None], len(rows), 0)
    generated, real = (
        scale_images(torch.from_numpy(x), statistics) for x in (mean, data.images[rows])
    )
    return measures(generated, real, statistics)
