"""Is generated CO like real CO? Spectra, morphology, amplitudes, report and two-sample test."""

from .report import validate

__all__ = ["validate"]
