"""Three ways to take a source out of a cut-out, behind one interface.

``masked`` hides the source and fills the hole by a network, as the document does; ``gaussian`` fits
the source through a Gaussian process; ``joint`` lets a network correct a fit of the beam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from ...base.files import CoganError
from . import gaussian, joint, masks, network, rivals, training
from .beams import Beam

#: Relative error (rms) of the width of the beam that a user states.
WIDTH_PRIOR = 0.05
AT_ONCE = 64


@dataclass(frozen=True)
class Removed:
    """What an engine says of some cut-outs.

    Attributes
    ----------
    background : ndarray, shape (n, side, side), float32
        The image without the central source.
    flux, flux_error : ndarray, shape (n,)
        Peak of the source, in the image's unit; NaN where there is none to be found.
    """

    background: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray


Engine = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], Removed]


def by_gaussian(image, hole, others, x, y, fwhm_px) -> Removed:
    """Fit sources through a Gaussian process, the beam's width free within 5 per cent.

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole, others : ndarray of bool, shape (n, side, side)
        Pixels of the central source, and of all others.
    x, y : ndarray, shape (n,)
        Column and row of the central source.
    fwhm_px : float

    Returns
    -------
    Removed

    Raises
    ------
    CoganError
        As of `gaussian.joint`.
    """
    beam = Beam("gaussian", fwhm_px)
    flux, error, background = gaussian.joint(image, hole, x, y, beam, WIDTH_PRIOR, others)
    return Removed(background, flux, error)


def by_masked(image, hole, others, x, y, fwhm_px) -> Removed:
    """Fill holes by the network that never sees a source; parameters as `by_gaussian`.

    The network knows beams of the training's width: of others, a cut-out's scale does the same.
    """
    net, card = shipped("masked")
    _check_beam(fwhm_px, card)
    background = fill_by(net, card, image, hole, others)
    known = ~(hole | others) & np.isfinite(image)
    beam = Beam("gaussian", fwhm_px)
    flux = rivals.flux_above(image, background, hole & ~others, x, y, beam)
    around = known & masks.ring(
        image.shape[-1], *(edge * fwhm_px for edge in masks.RING_FWHM), x, y
    )
    rms = np.array([row[use].std() for row, use in zip(image, around, strict=True)])
    return Removed(background, flux, card["flux_error_over_rms"] * rms)


def fill_by(net, card: dict, image: np.ndarray, hole: np.ndarray, others=None) -> np.ndarray:
    """Fill holes by a masked network.

    Parameters
    ----------
    net : PartialUNet
    card : dict
        Its, for the scaling.
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    hole, others : ndarray of bool, shape (n, side, side)
        `others` may be missing.

    Returns
    -------
    ndarray, shape (n, side, side), float32
        The image outside the holes.
    """
    known = ~hole & np.isfinite(image)
    if others is not None:
        known &= ~others
    values = torch.from_numpy(np.nan_to_num(image).astype(np.float32))
    mask = torch.from_numpy(known.astype(np.float32))
    with torch.no_grad():
        pairs = zip(values.split(AT_ONCE), mask.split(AT_ONCE), strict=True)
        found = torch.cat([training.filled(net, *pair, card["normalisation"]) for pair in pairs])
    return np.where(hole, found.numpy(), image).astype(np.float32)


def by_joint(image, hole, others, x, y, fwhm_px) -> Removed:
    """Correct a fit of the beam by a network that sees the source; parameters as `by_gaussian`."""
    net, card = shipped("joint")
    _check_beam(fwhm_px, card)
    beam = Beam("gaussian", fwhm_px)
    fit = joint.fitted(image, x, y, beam, others)
    flux = fit.rms * joint.corrected(net, fit)
    background = np.where(hole, image - flux[:, None, None] * fit.beams, image)
    return Removed(background.astype(np.float32), flux, card["flux_error_over_rms"] * fit.rms)


@cache
def shipped(kind: str):
    """Load the shipped network of a kind, once.

    Parameters
    ----------
    kind : {'masked', 'joint'}

    Returns
    -------
    network : Module
    card : dict
    """
    load = {"masked": network.load_masked, "joint": joint.load_joint}[kind]
    return load(network.WEIGHTS / kind)


def _check_beam(fwhm_px: float, card: dict) -> None:
    low, high = card["fwhm_px"]
    if not low <= fwhm_px <= high:
        raise CoganError(
            f"The network was trained for beams of {low:g} to {high:g} pixels, and this one has "
            f"{fwhm_px:.3g}; bin the map, or take the engine 'gaussian'."
        )


ENGINES: dict[str, Engine] = {"masked": by_masked, "gaussian": by_gaussian, "joint": by_joint}
