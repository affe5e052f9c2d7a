"""The shipped weights: small, and of what they should be."""

import pytest

from cogan_lib.companions.three_models import network, physics
from cogan_lib.companions.three_models.network import KINDS, WEIGHTS


def test_shipped_weights_are_small_and_better_than_noise():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")) < 1e6
    for kind in KINDS:
        model, content = network.load_model(WEIGHTS / kind)
        assert content["kind"] == kind
        fields = network.generate(model, 100, 1)
        assert fields.mean() == pytest.approx(1, abs=0.15)
        assert fields.std() == pytest.approx(physics.SCATTER, rel=0.25)
