"""Impostors of real tiles that an eye hardly finds, and which test of the sharp verdict finds them.

Each is a copy of real tiles with one fault (`faults`), at a strength that shows and at one that
doesn't; the verdict compares it with the tiles of the same places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .exchange import ALPHA
from .faults import faulty
from .two_sample import TESTS, sharp_verdict

#: Fault, two strengths, and what it is in words.
FAULTS = {
    "blurred": ((1.0, 0.4), "a copy smoothed by a Gaussian of sigma {strength:g} pixels"),
    "rescaled": ((0.5, 0.1), "a copy {strength:.0%} too bright"),
    "phases randomised": ((1.0, 0.15), "a copy whose waves have {strength:.0%} of a random phase"),
}
DRAWS = 199


class Impostor(NamedTuple):
    """One impostor and what the sharp verdict says of it.

    Attributes
    ----------
    images : ndarray, shape (n, npix, npix)
        Image i shows the place of real tile i.
    fault : str
        In words.
    verdict : dict
        Of `two_sample.sharp_verdict`.
    """

    images: np.ndarray
    fault: str
    verdict: dict

    @property
    def seen_by(self) -> list[str]:
        """Tests that find it alone (p < 0.05), the one farthest beyond chance first."""
        found = [name for name in TESTS if self.verdict[name]["p_value"] < ALPHA]

        def beyond(name: str) -> float:
            return self.verdict[name]["distance"] / max(self.verdict[name]["chance"], 1e-9)

        return sorted(found, key=beyond, reverse=True)


def impostors(
    real: np.ndarray, blocks: np.ndarray, *, pixel_arcmin: float, fwhm_arcmin: float, seed: int
) -> list[Impostor]:
    """Make each fault, the plain one first, and test it.

    Parameters
    ----------
    real : ndarray, shape (n, npix, npix)
        K km/s, with the instrument's noise in it.
    blocks : ndarray of int, shape (n,)
        Of sky, which must not touch (`blocks.separate_blocks`).
    pixel_arcmin, fwhm_arcmin : float
    seed : int

    Returns
    -------
    list of Impostor
        Two for each of `FAULTS`.
    """
    found = []
    for fault, (strengths, words) in FAULTS.items():
        for strength in strengths:
            made = faulty(fault, real, real, len(real), seed=seed, strength=strength)
            images = made.images[np.argsort(made.source)]  # each of them once
            verdict = sharp_verdict(
                real, images, pixel_arcmin=pixel_arcmin, fwhm_arcmin=fwhm_arcmin, blocks=blocks,
                seed=seed, noise=None, draws=DRAWS,
            )  # fmt: skip
            found.append(Impostor(images, words.format(strength=strength), verdict))
    return found
