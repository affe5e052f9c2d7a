"""Dust of the embedded sky: how warm it is, and what two bands show of it.

Grains give back what they take from starlight. In a field G times the local one each radiates G
times as much, at the temperature T = T_LOCAL_K (G / opacity)^(1 / (4 + BETA)) of a modified black
body (Planck 2013 results XI, arXiv:1312.1300: a mean of 19.7 K, beta of 1.62, T low where opacity
is high). So the radiance, of which reddening is often made, follows N_H G and overweights warm
dust; at 353 GHz, near the Rayleigh-Jeans side, the brightness follows about N_H G^0.26, the gas
almost alone. Together they tell how warm dust is from how much there is.
"""

from __future__ import annotations

import numpy as np

T_LOCAL_K = 19.7  # in the field near the Sun
BETA = 1.6  # emissivity index
GHZ, GHZ_353 = 857.0, 353.0
H_OVER_K = 0.04799243  # [K / GHz]
EMISSIVITY = 4.5e-21  # dust at 857 GHz [MJy/sr per H atom cm-2], near the Sun
SCATTER_FIELD = 0.30  # sd of ln G, on scales below 12 degrees
SCATTER_OPACITY = 0.25  # and of ln opacity at 353 GHz, which varies by a factor of two or more
HYDROGEN_PER_AV = 2.2e21  # [cm-2 per mag] (Guver & Ozel 2009, arXiv:0903.2057)
AV_TRANSLUCENT = 1.0  # [mag], mean column of the small clouds that the molecular layer is made of
#: Noise at 20 arcmin, in the mean over the sky [MJy/sr]. At 353 GHz Planck's own, 154 uK_CMB arcmin
#: (Planck 2018 results I); of the radiance, what is left of the far infrared background.
NOISE = {"DUST": 0.01, "DUST_353": 0.0015}


def temperature(field: np.ndarray, opacity: np.ndarray | float = 1.0) -> np.ndarray:
    """Temperature of grains in equilibrium with starlight.

    Parameters
    ----------
    field : ndarray
        Radiation field G, in units of that near the Sun.
    opacity : ndarray or float
        Opacity at 353 GHz per hydrogen atom, in units of that near the Sun.

    Returns
    -------
    ndarray
        In K.

    Examples
    --------
    >>> temperature(np.array([0.25, 1.0, 3.0])).round(1)
    array([15.4, 19.7, 24. ])
    """
    return T_LOCAL_K * (field / opacity) ** (1 / (4 + BETA))


def black_body(ghz: float, temperature_k: np.ndarray | float) -> np.ndarray | float:
    """Planck's law, relative to its value at `T_LOCAL_K`.

    Parameters
    ----------
    ghz : float
    temperature_k : ndarray or float

    Returns
    -------
    ndarray or float, shaped as the temperature
    """
    return np.expm1(H_OVER_K * ghz / T_LOCAL_K) / np.expm1(H_OVER_K * ghz / temperature_k)


def emissivity_353() -> float:
    """Compute the brightness at 353 GHz per hydrogen atom, near the Sun.

    It is that at 857 GHz, by the modified black body of T_LOCAL_K: 3.9e-22, which is an opacity of
    8.3e-27 cm2 (Planck 2013 results XI find 7 to 9).

    Returns
    -------
    float
        In MJy/sr per H atom cm-2.
    """
    high, low = (np.expm1(H_OVER_K * ghz / T_LOCAL_K) for ghz in (GHZ, GHZ_353))
    return float(EMISSIVITY * (GHZ_353 / GHZ) ** (3 + BETA) * high / low)


def shielding(av: np.ndarray | float) -> np.ndarray:
    """Mean field in a slab lit from both sides, relative to that outside: (1 - exp(-A)) / A.

    Parameters
    ----------
    av : ndarray or float
        Extinction through the slab [mag], taken for the optical depth of what heats the dust.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> shielding(np.array([0.0, 1.0, 5.0])).round(2)
    array([1.  , 0.63, 0.2 ])
    """
    av = np.maximum(av, 1e-6)
    return -np.expm1(-av) / av


def shine(
    total: dict[str, np.ndarray],
    hydrogen: np.ndarray,
    field: np.ndarray,
    opacity: np.ndarray | float = 1.0,
) -> None:
    """Add the dust of one layer of gas to both bands.

    Parameters
    ----------
    total : dict of str to ndarray
        DUST and DUST_353 [MJy/sr], changed in place.
    hydrogen : ndarray
        Column [H atoms cm-2].
    field, opacity : ndarray
        As in `temperature`.
    """
    total["DUST"] += EMISSIVITY * hydrogen * field
    warmth = black_body(GHZ_353, temperature(field, opacity))
    total["DUST_353"] += emissivity_353() * hydrogen * opacity * warmth


def colour_temperature(dust: np.ndarray, dust_353: np.ndarray) -> np.ndarray:
    """Temperature of the one layer that would have this ratio of both bands.

    Along a sightline of many layers it is a mean of theirs, in which warm ones count for more.

    Parameters
    ----------
    dust, dust_353 : ndarray
        Columns of an embedded sky [MJy/sr].

    Returns
    -------
    ndarray
        In K, from 5 to 60.

    Examples
    --------
    >>> total = {"DUST": np.zeros(2), "DUST_353": np.zeros(2)}
    >>> shine(total, np.full(2, 1e21), np.array([0.5, 2.0]))
    >>> colour_temperature(**{name.lower(): values for name, values in total.items()}).round(1)
    array([17.4, 22.3])
    """
    t = np.geomspace(5, 60, 500)
    ratio = (t / T_LOCAL_K) ** (4 + BETA) / black_body(GHZ_353, t)
    found = np.maximum(dust, 1e-30) / np.maximum(dust_353, 1e-30) * (emissivity_353() / EMISSIVITY)
    return np.interp(np.log(found), np.log(ratio), t)
