"""Chapter 01: skies, their files and harmonics, public maps, the embedded sky, PySM."""

from .lines import COLUMN_UNITS, X_CO
from .skyfile import Sky, read_map, read_sky, to_grid, write_sky

__all__ = ["COLUMN_UNITS", "X_CO", "Sky", "read_map", "read_sky", "to_grid", "write_sky"]
