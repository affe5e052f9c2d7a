"""Chapter 01: skies, their files and harmonics, public maps, the embedded sky, PySM."""

from .cutouts import cutout, write_cutout
from .lines import COLUMN_UNITS, X_CO
from .maps import fill_missing, to_grid
from .skyfile import Sky, read_map, read_sky, write_sky

__all__ = [
    "COLUMN_UNITS",
    "X_CO",
    "Sky",
    "cutout",
    "fill_missing",
    "read_map",
    "read_sky",
    "to_grid",
    "write_cutout",
    "write_sky",
]
