"""The columns of a sky: tracers of gas and dust, and what is known of the CO lines."""

from __future__ import annotations

from typing import NamedTuple

from ..base.units import CO_GHZ

#: The tracers that CO may be generated from, in the order in which networks see them, and the
#: units that each may have (first: the usual one). Dust at 857 GHz follows how warm it is as much
#: as how much there is; a second band, or its temperature, tells the two apart. Planck's 353 GHz
#: band holds CO J=3-2, of which its separation leaves traces; EBV_SFD holds no CO line.
TRACERS = {
    "DUST": ("MJy/sr", "mag", "uK_RJ", "K_CMB"),
    "N_HI": ("cm-2",),
    "DUST_353": ("MJy/sr", "uK_RJ", "K_CMB"),
    "DUST_545": ("MJy/sr", "uK_RJ", "K_CMB"),
    "T_DUST": ("K",),
    "EBV_SFD": ("mag",),
    "H_ALPHA": ("R",),
    "RADIO_408": ("K",),
}
#: The columns that the road knows, with their units.
COLUMN_UNITS = TRACERS | {
    "W_CO10": ("K km/s",),
    "W_CO21": ("K km/s",),
    "W_CO10_ERR": ("K km/s",),
    "W_CO21_ERR": ("K km/s",),
    "W_CO10_MEAN": ("K km/s",),
    "W_CO21_MEAN": ("K km/s",),
    "W_CO10_STD": ("K km/s",),
    "W_CO21_STD": ("K km/s",),
    "W_CO10_MID": ("K km/s",),
    "W_CO21_MID": ("K km/s",),
    "OUTSIDE": ("1",),
    "OUTSIDE_DEX": ("dex",),
}
#: N(H2) / W(CO 1-0) in the disc [cm-2 / (K km/s)].
X_CO = 2.0e20


class Line(NamedTuple):
    """Rest frequency (CDMS), and the K_CMB per K km/s that PySM's templates were made with.

    The latter is the line's `band_factor` in Planck's own band around it (100, 217, 353 GHz).

    Attributes
    ----------
    ghz : float
        Rest frequency [GHz], CDMS.
    planck_factor : float
        K_CMB per K km/s in Planck's own band around the line (100, 217, 353 GHz).
    """

    ghz: float
    planck_factor: float


#: The lines, by the columns of a CO sky.
LINES = {
    "W_CO10": Line(CO_GHZ[1], 1.42e-5),
    "W_CO21": Line(CO_GHZ[2], 4.50e-5),
    "W_CO32": Line(CO_GHZ[3], 17.37e-5),
}
