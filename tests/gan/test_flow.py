"""Flow matching: the way from noise to CO, its training, its checkpoint."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.gan import flow_training, pretrained
from cogan_lib.gan.checkpoint import load_checkpoint, save_half
from cogan_lib.gan.flow import Flow, clock
from cogan_lib.gan.flow_training import FlowPlan, train_flow
from cogan_lib.gan.generate import generate
from cogan_lib.gan.networks import NetworkSettings, translate
from cogan_lib.gan.noise import flat_noise
from cogan_lib.learn import fit as loop
from tests.toys import toy_patches

TINY = NetworkSettings(
    features=8, blocks=1, instance_norm=False, tanh=False, smooth=True, noise=(3.0,), flow_steps=8
)


class Known(Flow):
    """A flow whose mean is that of independent Gaussian pixels, N(2, 0.5^2): known exactly."""

    def mean(self, known, x, t):
        t = t[:, None, None, None]
        return 2 + t * 0.25 / (t**2 * 0.25 + (1 - t) ** 2) * (x - 2 * t)


@pytest.mark.parametrize("steps, least", [(4, 0.76), (8, 0.935), (16, 0.98), (64, 0.995)])
def test_the_way_leads_from_the_noise_to_the_distribution(steps, least):
    flow = Known(1, 1, replace(TINY, flow_steps=steps))
    noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    made = flow(torch.cat([torch.zeros_like(noise), noise], dim=1))
    # a Gaussian's way is a straight stretching of the noise: its order stays, pixel by pixel
    spread, mean = np.polyfit(noise.flatten(), made.flatten(), 1)
    torch.testing.assert_close(made, mean + spread * noise.double(), check_dtype=False)
    assert mean == pytest.approx(2, abs=1e-3)
    assert least < spread / 0.5 < 1


def test_one_step_is_the_best_guess():
    flow, tiles = Flow(2, 1, replace(TINY, flow_steps=1)), torch.randn(3, 3, 16, 16)
    guess = flow.mean(tiles[:, :2], tiles[:, 2:], torch.zeros(3))
    torch.testing.assert_close(flow(tiles), guess)


def test_the_loss_asks_for_the_mean():
    """With the perfect answer of a target that is known the loss is zero, whatever the time."""
    flow, t = Flow(1, 1, TINY), torch.tensor([0.0, 0.3, 0.9])
    real, noise = torch.randn(2, 3, 1, 16, 16)
    x = (1 - t).view(-1, 1, 1, 1) * noise + t.view(-1, 1, 1, 1) * real
    s = (t**2 + (1 - t) ** 2).sqrt().view(-1, 1, 1, 1)
    share, far = (t.view(-1, 1, 1, 1) / s**2), (1 - t).view(-1, 1, 1, 1) / s
    flow.network.forward = lambda _: (real - share * x) / far
    assert flow.loss(real, real, noise, t, 0).item() < 1e-10
    torch.testing.assert_close(flow.mean(real, x, t), real)


def test_the_clock_tells_the_times_apart():
    times = clock(torch.linspace(0, 1, 9)).flatten(1)
    assert torch.pdist(times).min() > 0.2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Tiles whose CO is half known from the inputs, and half another smooth field."""
    patches = toy_patches(n=240, npix=16)
    random = torch.Generator().manual_seed(3)
    first, hidden = flat_noise(len(patches.split), 16, (4.0, 4.0), random).numpy().swapaxes(0, 1)
    inputs = patches.inputs.copy()
    inputs[:, 0] = 10.0**first
    targets = np.repeat(0.3 * np.sinh(first + hidden)[:, None], patches.targets.shape[1], axis=1)
    scalings = dict(patches.meta["scalings"])
    name, line = patches.meta["input_columns"][0], patches.meta["target_columns"][0]
    own = {"kind": "log", "softening": 1e-4, "mean": 0.0, "std": 1.0, "low": None, "high": None}
    scalings[name] = own
    scalings[line] = {**own, "kind": "asinh", "softening": 0.3, "std": 2**0.5}
    meta = patches.meta | {"scalings": scalings, "target_columns": [line]}
    patches = replace(patches, inputs=inputs, targets=targets[:, :1].astype("f4"), meta=meta)
    folder = tmp_path_factory.mktemp("flow") / "checkpoint"
    return patches, train_flow(patches, TINY, FlowPlan(steps=700, batch_size=16, seed=1), folder)


def test_members_are_of_the_distribution(trained):
    """The known half is followed, the hidden half is in the spread, not more and not less."""
    patches, folder = trained
    test, checkpoint = patches.select("test"), load_checkpoint(folder)
    many = []
    for seed in range(12):
        noise = flat_noise(len(test.inputs), 16, TINY.noise, torch.Generator().manual_seed(seed))
        many.append(np.arcsinh(generate(checkpoint, test.inputs, noise=noise.numpy()) / 0.3))
    y, real = np.array(many)[:, :, 0], np.arcsinh(test.targets[:, 0] / 0.3)
    known = np.log10(test.inputs[:, 0])
    assert np.corrcoef(y.mean(axis=0).ravel(), known.ravel())[0, 1] > 0.9
    assert 0.7 < y.std(axis=0, ddof=1).mean() < 1.2  # the hidden field's is 1
    assert 0.8 < y.std() / real.std() < 1.2
    ends = np.quantile(y, [0.16, 0.84], axis=0, method="weibull")
    assert 0.58 < ((real > ends[0]) & (real < ends[1])).mean() < 0.78


def test_a_checkpoint_of_a_flow(trained, tmp_path):
    patches, folder = trained
    one = load_checkpoint(folder)
    assert one.reverse is None and one.settings == TINY
    assert one.content["training"]["kind"] == "flow" and one.content["training"]["seed"] == 1
    assert (folder / "training_log.csv").read_text("utf-8").splitlines()[0].startswith("epoch,")
    half = load_checkpoint(save_half(folder, tmp_path / "half"))
    tiles = np.random.default_rng(1).normal(size=(2, 3, 16, 16))
    a, b = (translate(c.generator, tiles.astype("f4")) for c in (one, half))
    assert 0 < np.abs(a - b).max() < 0.05
    with pytest.raises(CoganError, match="channels"):
        translate(one.generator, tiles[:, 1:])


def test_equal_seeds_give_equal_weights(trained, tmp_path):
    patches, _ = trained
    plan = FlowPlan(steps=5, batch_size=4, seed=2)
    sums = [
        load_checkpoint(train_flow(patches, TINY, one, tmp_path / name)).content["weights_sha256"]
        for name, one in (("a", plan), ("b", plan), ("c", replace(plan, seed=3)))
    ]
    assert sums[0] == sums[1] != sums[2]


def ticking(monkeypatch, seconds):
    """A clock that moves by so much whenever it is read: no test depends on the machine."""
    ticks = itertools.count()
    fake = SimpleNamespace(monotonic=lambda: seconds * next(ticks))
    for room in (loop, flow_training):
        monkeypatch.setattr(room, "time", fake)


def noted(monkeypatch):
    """The learning rates of a training, over the highest, as they come."""
    rates = []

    def noting(rate, used):
        rates.append(loop.warm_cosine(1.0, used))
        return loop.warm_cosine(rate, used)

    monkeypatch.setattr(flow_training, "warm_cosine", noting)
    return rates


def test_a_slow_machine_gets_the_same_flow(trained, tmp_path, monkeypatch):
    """An equal number of steps, an equal result: a limit that is not reached changes nothing."""
    patches, _ = trained
    rates, found = noted(monkeypatch), []
    for name, seconds, limit in (("fast", 1e-3, math.inf), ("slow", 500.0, 1e4)):
        ticking(monkeypatch, seconds)
        plan = FlowPlan(steps=30, batch_size=4, seed=2, max_minutes=limit)
        found.append(load_checkpoint(train_flow(patches, TINY, plan, tmp_path / name)).content)
    assert found[0]["weights_sha256"] == found[1]["weights_sha256"]
    assert found[0]["training"] == found[1]["training"]  # the limit is not named either
    assert found[1]["metrics"]["seconds"] > 10_000 > 1 > found[0]["metrics"]["seconds"]
    expected = [loop.warm_cosine(1.0, i / 30) for i in range(30)]
    np.testing.assert_allclose(rates, 2 * expected, rtol=1e-12)


def test_the_clock_ends_a_flow_and_says_what_is_lost(trained, tmp_path, monkeypatch, caplog):
    patches, _ = trained
    rates = noted(monkeypatch)
    ticking(monkeypatch, 1.0)
    plan = FlowPlan(steps=2000, batch_size=4, max_minutes=1.0)
    folder = train_flow(patches, TINY, plan, tmp_path / "checkpoint")
    content = load_checkpoint(folder).content
    steps = content["metrics"]["steps"]
    assert 10 < steps < 60 and content["training"]["max_minutes"] == 1
    expected = [loop.warm_cosine(1.0, i / 2000) for i in range(steps)]  # not of the minutes
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    (said,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert said.startswith(f"The limit of 1 minutes ended the training after {steps} of 2,000 step")
    assert "had not fallen yet" in said and "or lower member_steps so that" in said
    assert pretrained.take(folder, tmp_path / "run").stopped_by == "minutes"


def test_the_time_of_a_flow_is_foretold(trained, tmp_path, caplog):
    patches, _ = trained
    caplog.set_level("INFO")
    for steps, said in ((60, []), (110, ["less than a minute for 110 steps on this machine"])):
        train_flow(patches, TINY, FlowPlan(steps=steps, batch_size=4), tmp_path / f"{steps}")
        assert [r.getMessage() for r in caplog.records] == said


def test_a_flow_goes_below_zero(trained):
    """Its tiles have the survey's noise; cut off at zero, their mean would be too bright."""
    patches, folder = trained
    test = patches.select("test")
    noise = flat_noise(len(test.inputs), 16, TINY.noise, torch.Generator().manual_seed(1)).numpy()
    assert generate(load_checkpoint(folder), test.inputs, noise=noise).min() < 0


@pytest.mark.parametrize("change", [{"flow_steps": 0}, {"noise": ()}, {"noise": (3.0, 3.0)}])
def test_settings_that_are_no_flow(change):
    with pytest.raises(CoganError, match="A flow takes"):
        Flow(2, 1, replace(TINY, **change))


def test_bad_plans(trained, tmp_path):
    patches, _ = trained
    with pytest.raises(CoganError, match="fewer than the 9999"):
        train_flow(patches, TINY, FlowPlan(batch_size=9999), tmp_path / "x")
    with pytest.raises(CoganError, match="no flow"):
        replace(TINY, flow_steps=-1)
    assert not (tmp_path / "x").exists()
