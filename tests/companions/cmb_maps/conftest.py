"""Exact maps that several tests look at."""

import numpy as np
import pytest
import torch

from cogan_lib.companions.cmb_maps import physics


@pytest.fixture(scope="session")
def fiducial():
    """800 exact patches of the fiducial cosmology."""
    rows = np.array([physics.FIDUCIAL]).repeat(200, axis=0)
    return physics.patches(rows, torch.Generator().manual_seed(1), physics.SHARED)
