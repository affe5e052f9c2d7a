"""Chapter 05: is generated CO like real CO? Spectra, shapes, amplitudes, members, report."""

from .report import validate

__all__ = ["validate"]
