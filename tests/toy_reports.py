"""Real and generated tiles of known differences, for the report and its figures."""

import json

import numpy as np

from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import TEST
from cogan_lib.validation.report import validate
from tests.toys import gaussian_tiles

PIXEL, FWHM, NPIX = 15.0, 40.0, 32


def clouds(n, seed, common=None):
    """Log-normal tiles in K km/s, of unequal brightness from tile to tile."""
    field, sigma0, _ = gaussian_tiles(n, seed, -1.5, FWHM, NPIX, PIXEL, cut=False)
    brightness = np.random.default_rng(seed).normal(0, 0.5, (n, 1, 1))
    return 0.7 * np.exp(field / sigma0 + brightness)


def sky(n=40, seed=1):
    """Real tiles, two inputs that follow them, and four tiles to a block."""
    real = clouds(n, seed)
    scatter = np.exp(0.3 * np.random.default_rng(seed + 1).standard_normal((2, *real.shape)))
    inputs = np.stack([1e20 * real**0.7 * scatter[0], 0.1 * real**1.2 * scatter[1]], axis=1)
    return real, inputs, np.arange(n) // 4


def places(blocks, between=None):
    """Tile centres: blocks lie 30 degrees apart, the tiles `between` 3 degrees beside their own."""
    lonlat = np.stack([30.0 * (blocks % 12) + 5, 45.0 * (blocks // 12) + 7.5], axis=1)
    if between is not None:
        lonlat[between, 0] += 3
    return lonlat


def report_of(real, mock, inputs, blocks, between=None, **options):
    meta = {
        "input_columns": ["DUST", "N_HI"], "target_columns": ["W_CO10"],
        "geometry": {"npix": NPIX, "pixel_arcmin": PIXEL, "projection": "ZEA"},
        "fwhm_arcmin": FWHM,
    }  # fmt: skip
    split = np.full(len(real), TEST, np.uint8)
    test = Patches(inputs, real[:, None], places(blocks, between), split, meta)
    report = validate(test, mock, "W_CO10", **{"noise": None, "seed": 1} | options)
    json.dumps(report, allow_nan=False)  # finite and of plain types
    return report
