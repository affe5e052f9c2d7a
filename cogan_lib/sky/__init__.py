"""Chapter 01: skies, their files and harmonics, public maps, the embedded sky, PySM."""

from .skyfile import Sky, read_map, read_sky, to_grid, write_sky

__all__ = ["Sky", "read_map", "read_sky", "to_grid", "write_sky"]
