"""Skies: files of HEALPix maps, harmonics, public maps to fetch, the embedded sky, PySM."""

from .skyfile import Sky, read_map, read_sky, to_grid, write_sky

__all__ = ["Sky", "read_map", "read_sky", "to_grid", "write_sky"]
