"""Chapter 01: cutting a sky into flat tiles and joining them, scaling, the file of patches.

Without healpy, but for `tiling`, which is imported where tiles are cut or joined, and `part`.
"""

from .patches import Patches
from .scaling import PatchMinMax, Scaling

__all__ = ["PatchMinMax", "Patches", "Scaling"]
