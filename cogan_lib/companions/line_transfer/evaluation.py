"""How good generated line images are, on which pictures: the measures of Su et al. (2025).

MaxRel is computed on intensities; ZNCC and SSIM, as in the released code, on *logarithms*, where
faint and bright weigh the same. Both do not change when the logarithms are scaled (equation 16).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...learn.metrics import max_rel, ssim, zncc
from .data import LINE, LN_FLOOR, LineData, scale_cubes, unpack, unscale_images
from .network import COEmuNet, check_grid
from .rays import RayEmulator, ln_images
from .winds import spacing_m

#: Cubes that a network of cubes sees at once.
AT_ONCE = 64


def measures(ln_generated: np.ndarray, ln_real: np.ndarray) -> dict[str, np.ndarray]:
    """Compute MaxRel [per cent], ZNCC and SSIM of each picture.

    Parameters
    ----------
    ln_generated, ln_real : ndarray, shape (n, channels, npix, npix)
        ln I_nu, not below `LN_FLOOR`.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``max_rel``, ``zncc``, ``ssim``.
    """
    intensities = (np.exp(x.astype(float)) for x in (ln_generated, ln_real))
    above = [x - LN_FLOOR for x in (ln_generated, ln_real)]
    return {"max_rel": max_rel(*intensities), "zncc": zncc(*above), "ssim": ssim(*above)}


def middle(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Take the median over the pictures of each of the `measures`.

    Parameters
    ----------
    found : dict of str to ndarray

    Returns
    -------
    dict of str to float
        And ``below_10_percent``, the share of pictures with a MaxRel that the authors call enough.
    """
    medians = {name: float(np.median(values)) for name, values in found.items()}
    return medians | {"below_10_percent": float((found["max_rel"] < 10).mean())}


def drawer(
    network: COEmuNet | RayEmulator, content: dict, device: str = "cpu"
) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function that draws pictures of a data folder's cubes.

    Parameters
    ----------
    network : COEmuNet or RayEmulator
        Moved to `device`, in evaluation mode.
    content : dict
        Of its ``emulator.json``.
    device : str

    Returns
    -------
    callable
        Of cubes, shape (n, 3, npix, npix, npix): ln I_nu, shape (n, n_channels, npix, npix).
    """
    network.eval().to(device)
    channels = torch.tensor(content["channels"])

    @torch.inference_mode()
    def draw(cubes: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(cubes), AT_ONCE):
            some = torch.from_numpy(cubes[first : first + AT_ONCE]).to(device)
            if isinstance(network, RayEmulator):
                options = (channels, spacing_m(some.shape[-1]), LINE, content["turbulence"])
                images = ln_images(network, *unpack(some), *options)
            else:
                check_grid(network, tuple(some.shape[2:]))
                scaled = network(scale_cubes(some, content["statistics"]))
                images = unscale_images(scaled, content["statistics"]).clamp_min(LN_FLOOR)
            found.append(images.cpu().numpy())
        return np.concatenate(found)

    return draw


def mean_picture(data: LineData, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the `measures` of the training winds' mean picture, which needs no network.

    ZNCC and SSIM are far from zero, because all winds are bright in the middle and faint outside.

    Parameters
    ----------
    data : LineData
    rows : ndarray of int, shape (n,)
        The pictures that the mean is compared with.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """
    mean = data.images[data.rows("train")].mean(axis=0)
    return measures(np.repeat(mean[None], len(rows), 0), data.images[rows])
