"""What the extinction chapter's tests share: a Galaxy of clump stars only, and one small survey."""

import numpy as np
import pytest
import torch

from cogan_lib.companions.extinction import data, physics

WIDE = 1000.0  # a cell's area in which stars don't crowd


def seeded(number):
    return torch.Generator().manual_seed(number)


def line_of(expected, distances_kpc):
    """One sightline with so many stars of one kind in a cell of area `WIDE`, evenly in distance."""
    table = torch.linspace(*distances_kpc, physics.KNOTS + 1).reshape(1, 1, -1)
    at = np.array([280.0]), np.array([0.0])
    return physics.Sightlines(*at, torch.tensor([[expected / WIDE]]), table)


def clump_stars(monkeypatch, magnitude=-1.606):
    """Stars that are all equal, and a survey that sees them as they are."""
    same = physics.Component(
        1.0,
        share=lambda m: (m > magnitude).float(),
        quantile=lambda p: torch.full_like(p, magnitude),
        colour=lambda m: torch.full_like(m, 0.65),
    )
    monkeypatch.setattr(physics, "COMPONENTS", {"clump": same})
    unspoilt(monkeypatch)


def unspoilt(monkeypatch):
    """Without noise, scatter and crowding."""
    monkeypatch.setattr(physics, "COLOUR_SCATTER", 0.0)
    monkeypatch.setattr(physics, "BLEND_ARCSEC", 0.0)
    monkeypatch.setattr(physics, "magnitude_error", lambda magnitude, limit: 0 * magnitude)


@pytest.fixture(scope="module")
def survey():
    return data.Survey(data.TRAINED, seed=1, draws=8)


@pytest.fixture(scope="module")
def examples(survey):
    return survey.examples(256, seeded(11))
