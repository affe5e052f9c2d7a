"""What the tests of the tool share: an engine without training, and a map with known sources."""

from types import SimpleNamespace

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from cogan_lib.companions.compact_sources import masks
from cogan_lib.companions.compact_sources.beams import Beam

FWHM = 4.0


def annulus(image, hole, others, x, y, fwhm_px):
    """The ring's median in the hole, and the beam fitted to what stands above it."""
    n, side, _ = image.shape
    inner, outer = (edge * fwhm_px for edge in masks.RING_FWHM)
    ring = masks.ring(side, inner, outer, side // 2, side // 2)
    level = np.nanmedian(np.where(others, np.nan, image)[:, ring], axis=1)
    background = np.where(hole, level[:, None, None], image).astype(np.float32)
    flux, error = np.empty(n), np.empty(n)
    for i in range(n):
        use = hole[i] & ~others[i]
        shape = Beam("gaussian", fwhm_px).image(side, x[i], y[i])[use]
        flux[i] = shape @ (image[i] - level[i])[use] / (shape @ shape)
        error[i] = (shape @ shape) ** -0.5
    return SimpleNamespace(background=background, flux=flux, flux_error=error)


def never(*_):
    raise AssertionError("the engine was called")


def add(image, x, y, flux, fwhm_px=FWHM):
    """Add sources to an image, in place."""
    side = 64
    padded = np.pad(image, side)
    for at_x, at_y, peak in zip(x, y, flux, strict=True):
        column, row = int(at_x), int(at_y)
        there = (
            slice(row + side // 2, row + 3 * side // 2),
            slice(column + side // 2, column + 3 * side // 2),
        )
        padded[there] += peak * Beam("gaussian", fwhm_px).image(
            side, at_x - column + side // 2, at_y - row + side // 2
        )
    image[:] = padded[side:-side, side:-side]
    return image


def sky(shape=(200, 240), n=6, seed=0, dtype=np.float32):
    """Noise of rms 1 about 100, and isolated sources: image, x, y, flux."""
    rng = np.random.default_rng(seed)
    image = 100 + rng.normal(size=shape)
    grid = np.array([(40, 50), (120, 48), (200, 60), (50, 140), (125, 150), (195, 145)])[:n]
    x, y = (grid + rng.uniform(-0.5, 0.5, size=grid.shape)).T
    flux = np.geomspace(20, 2000, n)
    return add(image, x, y, flux).astype(dtype), x, y, flux


def wcs(shape=(200, 240), pixel_arcsec=6.0, frame="RA---TAN DEC--TAN", centre=(80.0, -20.0)):
    """A projection about the middle of an image."""
    made = WCS(naxis=2)
    made.wcs.ctype = frame.split()
    made.wcs.crval = centre
    made.wcs.crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    made.wcs.cdelt = -pixel_arcsec / 3600, pixel_arcsec / 3600
    return made


def write_map(path, image, unit="MJy/sr", **cards):
    """Write an image as FITS, with a WCS of pixels of 6 arcsec."""
    header = wcs(image.shape[-2:]).to_header()
    if unit is not None:
        header["BUNIT"] = unit
    header.update({key.upper(): value for key, value in cards.items()})
    fits.PrimaryHDU(image, header).writeto(path)
    return path
