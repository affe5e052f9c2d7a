"""Chapter 05: is generated CO like real CO? Spectra, morphology, amplitudes, the report."""

from .report import validate

__all__ = ["validate"]
