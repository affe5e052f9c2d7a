"""The document's header of Mars: its prompt, its reply, and the same prompt to a real model."""

from __future__ import annotations

from collections.abc import Sequence

from .models import Model, Reply

#: Sides of the detector, as (rows, columns): the shape of the data.
SHAPE = 2048, 2048
SCALE_ARCSEC = 0.3
#: A header of 30 cards has about 700 tokens.
TOKENS = 700

#: The prompt of the document's example 15.8.2, word for word.
PROMPT = """\
Generate a plausible FITS header (formatted as 80-character cards) for a
simulated observation of Mars taken with a ground-based 1-meter telescope
using an R-band filter and a CCD detector with 2048x2048 pixels.

Include keywords for:
- Basic FITS structure (SIMPLE, BITPIX=-32, NAXIS=2, NAXIS1=2048, NAXIS2=2048)
- Object Identification (OBJECT='Mars')
- Telescope & Instrument (TELESCOP='1m Ground-based', INSTRUME='SimCCD')
- Observer (OBSERVER='Simulation')
- Observation Details (FILTER='R', EXPTIME=30.0, DATE-OBS='2024-03-15T04:30:00', MJD-OBS)
- Basic Planetary WCS (Approximate RA/Dec for Mars on that date, CTYPE='RA---TAN', 'DEC--TAN', \
reasonable CRPIX, CRVAL, and CDELT for a 1m telescope scale - e.g., 0.3 arcsec/pix). Assume \
standard J2000 equinox.
- Placeholder units (BUNIT='ADU')

Provide realistic placeholder values where exact calculation isn't possible
(like MJD-OBS corresponding to DATE-OBS, or approximate RA/Dec). Format
keywords, values, and comments according to FITS standard conventions."""

#: The reply that the document prints beneath it.
MARS = """\
SIMPLE  =                    T / Standard FITS format
BITPIX  =                  -32 / 32-bit floating point pixels
NAXIS   =                    2 / Number of data axes
NAXIS1  =                 2048 / Length of axis 1 (columns)
NAXIS2  =                 2048 / Length of axis 2 (rows)
OBJECT  = 'Mars    '           / Object Name
TELESCOP= '1m Ground-based'    / Telescope Name
INSTRUME= 'SimCCD  '           / Instrument Name
OBSERVER= 'Simulation'         / Observer Name
FILTER  = 'R       '           / Filter used
EXPTIME =                 30.0 / Exposure time in seconds
DATE-OBS= '2024-03-15T04:30:00' / Observation Start Date and Time (UTC)
MJD-OBS =         60384.187500 / Modified Julian Date at start (placeholder calc)
EQUINOX =               2000.0 / Equinox of coordinates
CTYPE1  = 'RA---TAN'           / WCS Axis 1 Type (Tangent Projection)
CTYPE2  = 'DEC--TAN'           / WCS Axis 2 Type
CRVAL1  =         160.12345678 / WCS Ref Value Axis 1 (RA deg - Placeholder)
CRVAL2  =           5.98765432 / WCS Ref Value Axis 2 (Dec deg - Placeholder)
CRPIX1  =             1024.500 / WCS Ref Pixel Axis 1
CRPIX2  =             1024.500 / WCS Ref Pixel Axis 2
CDELT1  =     -8.333333333E-05 / WCS Pixel Scale Axis 1 (-0.3 arcsec/pix in deg)
CDELT2  =      8.333333333E-05 / WCS Pixel Scale Axis 2 ( 0.3 arcsec/pix in deg)
CUNIT1  = 'deg     '           / WCS Axis 1 Units
CUNIT2  = 'deg     '           / WCS Axis 2 Units
BUNIT   = 'ADU     '           / Pixel units (placeholder)
COMMENT  Header generated for simulated Mars observation. WCS approximate.
END
"""

#: The sample of the document's section 15.4; it has no END card.
SAMPLE = """\
SIMPLE  =                    T / Standard FITS format
BITPIX  =                  -32 / 32-bit floating point pixels
NAXIS   =                    2 / Number of data axes
NAXIS1  =                 1024 / Length of axis 1 (columns)
NAXIS2  =                 1024 / Length of axis 2 (rows)
OBJECT  = 'SimGalaxy1'         / Object Name
FILTER  = 'V       '           / Filter used
EXPTIME =                300.0 / Exposure time in seconds
DATE-OBS= '2024-01-01T00:00:00' / Simulated observation date (placeholder)
EQUINOX =               2000.0 / Equinox of coordinates
CTYPE1  = 'RA---TAN'           / WCS Axis 1 Type (Tangent Projection)
CTYPE2  = 'DEC--TAN'           / WCS Axis 2 Type
CRVAL1  =            150.10000 / WCS Ref Value Axis 1 (RA deg)
CRVAL2  =             25.50000 / WCS Ref Value Axis 2 (Dec deg)
CRPIX1  =              512.500 / WCS Ref Pixel Axis 1
CRPIX2  =              512.500 / WCS Ref Pixel Axis 2
CDELT1  =     -5.555555555E-05 / WCS Pixel Scale Axis 1 (deg/pix, -ve for RA)
CDELT2  =      5.555555555E-05 / WCS Pixel Scale Axis 2 (deg/pix)
CUNIT1  = 'deg     '           / WCS Axis 1 Units
CUNIT2  = 'deg     '           / WCS Axis 2 Units
BUNIT   = 'adu     '           / Pixel units (placeholder)
COMMENT  Generated synthetic data header.
"""
SAMPLE_SHAPE = 1024, 1024
SAMPLE_SCALE_ARCSEC = 0.2


def has_end(text: str) -> bool:
    """Tell whether a header has come to its END card: what ends a reply early.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return any(line.strip() == "END" for line in text.splitlines()[1:])


def propose_headers(model: Model, seeds: Sequence[int]) -> list[Reply]:
    """Give the document's prompt to a model.

    Parameters
    ----------
    model : Model
    seeds : sequence of int

    Returns
    -------
    list of Reply
    """
    return model.replies([PROMPT] * len(seeds), seeds, tokens=TOKENS, until=has_end)
