"""The three networks: what they draw, their files, and trainings that go the right way."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.three_models import network, physics, training
from cogan_lib.companions.three_models.network import KINDS, FieldDiscriminator
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan

SHAPE = (physics.SIDE, physics.SIDE)


@pytest.fixture
def few(monkeypatch):
    """Small trainings: 256 fields, epochs of 4 steps."""
    exact = physics.fields(256, np.random.default_rng(1))
    monkeypatch.setattr(training, "training_fields", lambda seed: exact)
    monkeypatch.setattr(training, "EPOCH", 4)


@pytest.mark.parametrize("kind", list(KINDS))
def test_equal_seeds_draw_equal_fields_and_others_others(kind):
    torch.manual_seed(1)
    model = network.build(kind).eval()
    one, same, other = (network.generate(model, 3, seed) for seed in (1, 1, 2))
    assert one.shape == (3, *SHAPE) and np.isfinite(one).all()
    assert np.array_equal(one, same) and not np.allclose(one, other)


def test_sizes_are_alike():
    sizes = [count_parameters(network.build(kind)) for kind in KINDS]
    sizes[1] += count_parameters(FieldDiscriminator())
    assert min(sizes) > 100_000 and max(sizes) < 200_000


def test_another_kind_is_refused():
    with pytest.raises(CoganError, match="choose vae, gan, flow"):
        network.build("llm")


def test_the_autoencoder_s_noise_can_be_left_out():
    model = network.build("vae").eval()
    mean, noisy = (network.generate(model, 200, 1, noise=on) for on in (False, True))
    rough = [np.var(np.diff(some, axis=1)) for some in (mean, noisy)]
    noise = float(model.log_sigma.detach().exp()) ** 2 * physics.SCATTER**2
    assert rough[1] - rough[0] == pytest.approx(2 * noise, rel=0.05)


def test_a_flow_that_was_not_trained_leaves_noise_white():
    fields = network.generate(network.build("flow").eval(), 50, 1)
    assert physics.scaled(fields).std() == pytest.approx(1, abs=0.1)


def test_the_discriminator_sees_that_fields_are_alike():
    net = FieldDiscriminator().eval()
    x = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(1))
    alone, repeated = net(x)[0], net(x[:1].repeat(8, 1, 1))[0]
    assert alone != repeated


@pytest.mark.parametrize("kind", list(KINDS))
def test_trainings_write_what_is_read_back(tmp_path, kind, few):
    training.train(tmp_path, kind, Plan(2, rate=1e-3, batch=16, seed=1))
    model, content = network.load_model(tmp_path)
    assert content["kind"] == kind and content["history"][-1]["steps"] == 8
    assert content["core_seconds"] > 0
    assert isinstance(model, KINDS[kind])
    assert np.isfinite(network.generate(model, 2, 1)).all()


@pytest.mark.parametrize("kind", ["vae", "flow"])
def test_losses_fall(tmp_path, kind, few):
    training.train(tmp_path, kind, Plan(5, rate=3e-3, batch=32, seed=1))
    history = network.load_model(tmp_path)[1]["history"]
    assert history[-1]["loss"] < 0.85 * history[0]["loss"]


def test_batches_are_fields_in_eight_orientations():
    fields = physics.fields(1, np.random.default_rng(1))
    seen = {batch.numpy().tobytes() for batch in training.Mirrored(fields, 1, 100, 1)}
    assert len(seen) == 8


def test_a_share_of_a_plan():
    assert training.full_plan("vae", 1, 0.5).epochs == training.STEPS["vae"] / training.EPOCH / 2
