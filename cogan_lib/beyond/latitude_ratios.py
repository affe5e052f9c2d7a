"""How bright the generated sky is from the plane to high latitudes, over the real one."""

from __future__ import annotations

from collections.abc import Iterable

import healpy as hp
import numpy as np

from ..base.checks import check_alike
from ..base.files import CoganError
from ..validation.blocks import block_interval
from .extrapolation import LATITUDE_BANDS, latitude
from .high_latitude import zero_level
from .rotations import pixel_blocks

#: Beyond 45 deg all together: there is little CO, and the zero is measured beyond 60.
RATIO_BANDS = (*(band for band in LATITUDE_BANDS if band[1] <= 45), (45, 75))
FEWEST_BLOCKS = 4


def latitude_ratios(
    real: np.ndarray,
    generated: np.ndarray,
    *,
    seed: int,
    members: Iterable[np.ndarray] = (),
    good: np.ndarray | None = None,
) -> list[dict]:
    """Compute the mean generated W over the mean real W, its zero removed, by latitude.

    The zero of the real map is that of `high_latitude.zero_level` with `generated`, on the whole
    sky. Intervals of 95 % draw blocks of sky of 15 deg, each cut by the band, with replacement
    (`blocks.block_interval`); they leave out the error of the zero, which all bands share.

    Parameters
    ----------
    real, generated : ndarray, shape (12 * nside**2,)
        W in K km/s; `generated` is usually the mean of members.
    seed : int
        Of the intervals.
    members : iterable of ndarray, shape (12 * nside**2,)
        Single members, whose ratios are listed as well; one at a time is in memory if it is a
        generator.
    good : ndarray of bool, shape (12 * nside**2,), optional
        The pixels that count, such as held-out longitudes; all by default.

    Returns
    -------
    list of dict
        JSON-ready, one per band with at least four blocks: ``b_deg``, ``ratio``, ``ratio_95``
        (``low`` and ``high``), ``real`` and ``generated`` (the means [K km/s], that of the real map
        with its zero removed), ``members`` (a ratio each), ``pixels``, ``blocks``, ``zero_level``.

    Raises
    ------
    CoganError
        If maps or mask do not fit each other, or a value is not finite.

    Examples
    --------
    >>> real = np.full(hp.nside2npix(16), 2.0)
    >>> real[latitude(16) > 60] = 1.0  # the zero
    >>> rows = latitude_ratios(real, 1.5 * (real - 1), seed=1)
    >>> [row["b_deg"] for row in rows[:2]], rows[0]["ratio"]
    ([[0, 5], [5, 10]], 1.5)
    """
    real, generated = check_alike("The ratio by latitude", real, generated)
    if real.ndim != 1 or not hp.isnpixok(real.size):
        raise CoganError(f"Maps of shape {real.shape} are no HEALPix maps; give full-sky maps.")
    good = np.ones(real.size, dtype=bool) if good is None else np.asarray(good)
    if good.shape != real.shape or good.dtype != bool:
        raise CoganError(
            f"The mask is of shape {good.shape} and type {good.dtype}; give one bool per pixel, "
            f"shape {real.shape}."
        )
    zero, b = zero_level(real, generated), latitude(hp.npix2nside(real.size))
    bands = [(low, high, good & (b >= low) & (b < high)) for low, high in RATIO_BANDS]
    bands = [band for band in bands if np.unique(pixel_blocks(band[2])).size >= FEWEST_BLOCKS]
    means = [float(real[inside].mean()) - zero for *_, inside in bands]
    each = []
    for member in members:
        _, member = check_alike("The ratio by latitude", real, member)
        tops = [float(member[inside].mean()) for *_, inside in bands]
        each.append([top / bottom for top, bottom in zip(tops, means, strict=True)])
    rows = []
    for i, (low, high, inside) in enumerate(bands):
        block = pixel_blocks(inside)
        sums = np.array([np.bincount(block, w[inside]) for w in (generated, real - zero)])

        def ratio(use, sums=sums):
            top, bottom = sums[:, use].sum(axis=1)
            return top / bottom

        blocks = np.arange(sums.shape[1])
        ends = block_interval(ratio, blocks, seed)
        rows.append(
            {
                "b_deg": [low, high],
                "ratio": float(ratio(blocks)),
                "ratio_95": dict(zip(("low", "high"), map(float, ends), strict=True)),
                "real": means[i],
                "generated": float(generated[inside].mean()),
                "members": [ratios[i] for ratios in each],
                "pixels": int(inside.sum()),
                "blocks": int(blocks.size),
                "zero_level": zero,
            }
        )
    return rows
