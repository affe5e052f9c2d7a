"""The network: what it starts as, its filter, its file, and a training that goes the right way."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.cmb_maps import physics, training
from cogan_lib.companions.cmb_maps.network import (
    WEIGHTS,
    VelocityNet,
    VelocityShape,
    bands,
    load_velocity,
    save_network,
)  # fmt: skip
from cogan_lib.learn.fit import Plan

TINY = VelocityShape((8, 8, 8), 16)
X, PHI = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(1)), torch.ones(2)


def test_bands_share_every_wave():
    assert np.allclose(bands().sum(axis=0), 1)


def test_starts_at_rest_and_filters():
    net = VelocityNet(TINY)
    condition = torch.zeros(2, 5)
    assert not net(X, PHI, condition).any()  # white data stand still on the circle
    torch.nn.init.ones_(net.gains.bias)
    assert torch.allclose(net(X, PHI, condition), X, atol=1e-4)
    assert (
        "gains.weight" not in VelocityNet(VelocityShape((8, 8, 8), 16, filtered=False)).state_dict()
    )


def test_file(tmp_path):
    net = VelocityNet(TINY)
    save_network(tmp_path, net, {"kind": "trig"})
    found, content = load_velocity(tmp_path)
    assert content["kind"] == "trig" and found.shape == TINY
    (tmp_path / next(tmp_path.glob("*.safetensors")).name).write_bytes(b"broken")
    with pytest.raises(CoganError):
        load_velocity(tmp_path)


def test_shipped_weights_are_small_and_good():
    net, content = load_velocity(WEIGHTS / "diffusion")
    assert sum(path.stat().st_size for path in (WEIGHTS / "diffusion").iterdir()) < 4e6
    assert content["field"] == "gaussian"
    from cogan_lib.companions.cmb_maps.statistics import expected, measured

    maps = training.generate(net, np.array([physics.FIDUCIAL]).repeat(48, axis=0), 1, steps=4)
    ratio = measured(maps.numpy()).mean(axis=0) / expected([physics.FIDUCIAL])[0]
    assert abs(ratio.mean() - 1) < 0.04 and np.abs(ratio - 1).max() < 0.25


@pytest.mark.parametrize("kind", ["trig", "linear", "ddpm"])
def test_training(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(training, "EPOCH", 5)
    training.train(tmp_path, TINY, Plan(2, rate=2e-3, batch=8, seed=1), kind=kind)
    net, content = load_velocity(tmp_path)
    assert content["history"][-1]["steps"] == 10
    rows = physics.draw_cosmologies(2, np.random.default_rng(1))
    maps = training.sampler_of(net, content, 2)(rows, torch.Generator().manual_seed(1))
    assert maps.shape == (2, 64, 64) and maps.isfinite().all()


def test_film_ends_where_generate_does():
    net = VelocityNet(TINY).eval()
    phi, frames = training.film(net, physics.FIDUCIAL, 3, steps=2)
    maps = training.generate(net, np.array([physics.FIDUCIAL]), 3, steps=2)
    assert phi[0] == pytest.approx(np.pi / 2) and phi[-1] == 0
    assert np.allclose(frames[-1], maps[0].numpy(), atol=1e-3)


def test_unknown_fields_are_refused():
    with pytest.raises(CoganError, match="The field is 'cubic'"):
        training.NewPatches(8, 1, 1, "cubic")
