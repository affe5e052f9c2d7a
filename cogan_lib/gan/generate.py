"""Tiles of dust and HI to tiles of CO by a trained generator, in physical units."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from ..base.files import CoganError
from ..tiles.bounds import count_cut_off, scale_inputs, to_physical
from ..tiles.scaling import PatchMinMax, scaling_from_dict
from .checkpoint import Checkpoint
from .networks import translate

log = logging.getLogger(__name__)


def generate(
    checkpoint: Checkpoint,
    inputs: np.ndarray,
    targets: np.ndarray | None = None,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Translate tiles of dust and HI into tiles of CO, all in physical units.

    Inputs and outputs are cut off somewhat beyond the range of the training tiles
    (`scaling.Scaling.bound`), and no output is negative, but for a flow's: its tiles are such as
    the survey could have measured, with the survey's noise.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its generator runs on the device that it is on.
    inputs : ndarray, shape (n, n_inputs, npix, npix)
        In the units of the checkpoint's input columns.
    targets : ndarray, shape (n, n_targets, npix, npix), optional
        Real CO of the same places: only the per-patch min-max scaling needs it, to put back the
        amplitude that it threw away (as the paper's notebooks do).
    noise : ndarray, shape (n, fields, npix, npix), optional
        What makes one member of an ensemble (see `noise`); a generator of members needs it.

    Returns
    -------
    ndarray, shape (n, n_targets, npix, npix), float32
        K km/s.

    Raises
    ------
    CoganError
        If the inputs have another number of channels or are not finite, the noise has another
        number of fields, or a per-patch scaling finds no targets.

    Examples
    --------
    >>> from cogan_lib.gan.checkpoint import load_checkpoint
    >>> from cogan_lib.gan.pretrained import WEIGHTS
    >>> trained = load_checkpoint(WEIGHTS / "planck-hi4pi-nside256" / "cycle-gan")
    >>> dust, gas = np.full((1, 16, 16), 1.0), np.full((1, 16, 16), 5e20)
    >>> generate(trained, np.stack([dust, gas], axis=1)).shape
    (1, 1, 16, 16)
    """
    ours = checkpoint.meta
    scalings = [scaling_from_dict(ours["scalings"][name]) for name in ours["input_columns"]]
    if inputs.ndim != 4 or inputs.shape[1] != len(scalings) or not np.isfinite(inputs).all():
        raise CoganError(
            f"The generator takes inputs (n, {len(scalings)}, npix, npix) of finite values; these "
            f"have shape {inputs.shape}, or NaN or infinite values in them."
        )
    scaled, fields = scale_inputs(inputs, scalings), len(checkpoint.settings.noise)
    if fields != (0 if noise is None else noise.shape[1]):
        raise CoganError(
            f"This checkpoint's generator takes {fields} fields of noise beside its inputs; give "
            "as many, drawn with noise.flat_noise or cut from a sky of noise."
        )
    if fields:
        scaled = np.concatenate([scaled, noise.astype(np.float32)], axis=1)
    generated = translate(checkpoint.generator, scaled)
    least = -np.inf if checkpoint.settings.flow_steps else 0.0
    for channel, name in enumerate(ours["target_columns"]):
        scaling = scaling_from_dict(ours["scalings"][name])
        if isinstance(scaling, PatchMinMax) and targets is None:
            raise CoganError(
                "This checkpoint scales every patch by its own extremes (minmax), so it cannot "
                f"give an amplitude where {name} is unknown; train with target_scaling='asinh'."
            )
        real = None if targets is None else targets[:, channel]
        generated[:, channel] = to_physical(generated[:, channel], scaling, real, least)
    return generated


def cut_off(
    checkpoint: Checkpoint,
    known: Mapping[str, np.ndarray],
    joined: Mapping[str, np.ndarray],
    where: np.ndarray | None = None,
) -> dict[str, int]:
    """Count where a generator's inputs and its answer were cut off, and say so in the log.

    Parameters
    ----------
    checkpoint : Checkpoint
    known : mapping of str to ndarray, shape (n,)
        Maps, its input columns among them, in their units.
    joined : mapping of str to ndarray, shape (n,)
        The maps of its answer in K km/s, not yet filtered to their beam.
    where : ndarray of bool, shape (n,), optional
        Pixels that count; by default all.

    Returns
    -------
    dict
        As of `bounds.count_cut_off`.
    """
    chosen = slice(None) if where is None else where
    scalings = {name: scaling_from_dict(s) for name, s in checkpoint.scalings.items()}
    inputs = {name: known[name][chosen] for name in checkpoint.meta["input_columns"]}
    outputs = {name: values[chosen] for name, values in joined.items()}
    counts = count_cut_off(inputs, outputs, scalings)
    if any(counts.values()):
        log.info(
            "of %d pixels %d had dust or HI cut off at the lower bound, %d at the upper, before "
            "the generator saw them; at %d its CO was cut off",
            next(iter(outputs.values())).size,
            *counts.values(),
        )
    return counts
