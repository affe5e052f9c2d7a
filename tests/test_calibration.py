"""The stretch finds the factor by which a generator shrinks amplitudes, and nothing else."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from cogan_lib.calibration import fit_stretch
from cogan_lib.patches import TEST, TRAIN, VALIDATION, Patches
from cogan_lib.scaling import Scaling


def toy(factor, kind="asinh"):
    """asinh(W / 0.3) is `factor` times log10 of dust; and a generator that thinks it is once."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(24, 64, 64))
    u = 2 + 8 * ndimage.gaussian_filter(noise, (0, 3, 3), mode="wrap")
    dust, co = 10.0**u, 0.3 * np.sinh(factor * u)
    log, asinh = (Scaling(k, v, 0.0, 1.0).to_dict() for k, v in (("log", 1e-9), ("asinh", 0.3)))
    scalings = {"DUST": log, "N_HI": log, "W_CO21": {"kind": kind} if kind == "minmax" else asinh}
    meta = {
        "input_columns": ["DUST", "N_HI"],
        "target_columns": ["W_CO21"],
        "geometry": {"npix": 64, "pixel_arcmin": 7.5, "projection": "ZEA"},
        "fwhm_arcmin": 20.0,
        "scalings": scalings,
    }
    split = np.array([TRAIN] * 16 + [VALIDATION] * 4 + [TEST] * 4, dtype=np.uint8)
    co[16:] *= 100  # what is not for training must not be looked at
    inputs = np.stack([dust, np.ones_like(dust)], axis=1).astype(np.float32)
    patches = Patches(inputs, co[:, None].astype(np.float32), np.zeros((24, 2)), split, meta)
    generator = nn.Conv2d(2, 1, 1, bias=False)
    generator.weight.data = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    return generator, patches


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.15])
def test_stretch_is_found(factor):
    assert fit_stretch(*toy(factor))["W_CO21"] == pytest.approx(factor, abs=1e-3)


def test_per_patch_scaling_has_none():
    assert fit_stretch(*toy(1.2, "minmax")) == {"W_CO21": 1.0}
