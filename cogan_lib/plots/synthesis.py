"""Figures of chapter 04: how tiles are joined, and the power that survives it.

Every function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .style import BASE, GENERATED, REAL


def cells_and_weights(
    share: np.ndarray, side_deg: float, distance: np.ndarray, weights: Mapping[str, np.ndarray]
) -> Figure:
    """Left: the share of the strongest tile over a piece of sky. Right: weight beyond a border.

    Parameters
    ----------
    share : ndarray, shape (npix, npix)
        Largest normalised weight at each point, 1 where one tile alone speaks.
    side_deg : float
        Side of the piece of sky.
    distance : ndarray, shape (m,)
        Position between two neighbouring centres, in spacings; the border is at 0.
    weights : dict of label to ndarray, shape (m,)
        Share of the first of the two tiles.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.6, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    half = side_deg / 2
    image = left.imshow(share, cmap="magma", vmin=0, vmax=1, extent=(half, -half, -half, half))
    left.set(xlabel="degrees to the east", ylabel="degrees to the north")
    left.grid(False)
    figure.colorbar(image, ax=left, label="share of the strongest tile")
    for (label, weight), line, colour in zip(
        weights.items(), ("-", "--", "-."), (GENERATED, BASE, REAL), strict=False
    ):
        right.plot(distance, weight, ls=line, color=colour, label=label)
    right.axvline(0, color="0.5", lw=0.8)
    right.set(xlabel="distance beyond the border [spacings]", ylabel="share of the first tile")
    right.legend(fontsize=9)
    return figure


def power_kept(
    ell: np.ndarray, curves: Mapping[str, np.ndarray], in_beam: np.ndarray, of: str
) -> Figure:
    """Share of the power that is kept, by multipole; what lies beyond the beam is shaded.

    Parameters
    ----------
    ell : ndarray, shape (n_bins,)
    curves : dict of label to ndarray, shape (n_bins,)
    in_beam : ndarray of bool, shape (n_bins,)
        From `spectra.bin_edges`.
    of : str
        What the share is of, for the axis.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.8, 3.8), layout="constrained")
    axes = figure.add_subplot()
    colours = (GENERATED, BASE, REAL, "#7a5195", "#5f7f2f")
    looks = zip("osD^v", ("-", "--", "-.", ":", "-"), colours, strict=True)
    for (label, share), (marker, line, colour) in zip(curves.items(), looks, strict=False):
        axes.plot(ell, share, marker=marker, ls=line, color=colour, ms=5, label=label)
    axes.axhline(1, color="0.5", lw=0.8)
    if not in_beam.all():
        axes.axvspan(ell[in_beam][-1] ** 0.5 * ell[~in_beam][0] ** 0.5, ell[-1] * 1.1, color="0.93")
    axes.set(
        xscale="log",
        xlim=(ell[0] / 1.1, ell[-1] * 1.1),
        ylim=(0, max(1.15, *(float(np.max(share)) * 1.05 for share in curves.values()))),
        xlabel=r"multipole $\ell$",
        ylabel=f"share of {of}",
    )
    axes.set_xticks(ell, labels=[f"{value:.0f}" for value in ell])
    axes.minorticks_off()
    axes.legend(fontsize=9)
    return figure
