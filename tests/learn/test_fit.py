"""The training loop: what it computes, by value; how it ends; what it keeps; what it refuses."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from cogan_lib.base.files import CoganError
from cogan_lib.learn import fit as room
from cogan_lib.learn.dataset import Batches
from cogan_lib.learn.fit import Plan, fit, late_linear, seeded, warm_cosine

X = torch.linspace(-1, 1, 40)[:, None]
Y = 2 * X - 1
SGD = partial(torch.optim.SGD, lr=0.0)


class Number(nn.Module):
    """A network of one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


def constant(rate, used):
    return rate


def pairs(batch=10, seed=1):
    return Batches(np.arange(40), lambda rows, rng: (X[rows], Y[rows]), batch, seed)


def line_fit(network, plan, **options):
    def losses(batch):
        x, y = batch
        yield nn.functional.mse_loss(network(x), y)

    return fit(network, losses, pairs(seed=plan.seed), plan, **options)


def test_a_linear_problem_is_solved():
    with seeded(1):
        line = nn.Linear(1, 1)
    history = line_fit(line, Plan(epochs=100, rate=0.05))
    assert float(line.weight.detach()) == pytest.approx(2, abs=1e-3)
    assert float(line.bias.detach()) == pytest.approx(-1, abs=1e-3)
    assert not line.training
    assert [row["epoch"] for row in history] == list(range(1, 101))
    assert history[-1]["steps"] == 400 and history[-1]["loss"] < 1e-6 < history[0]["loss"]
    assert set(history[0]) == {"epoch", "steps", "seconds", "loss"}


def test_the_loop_is_the_one_that_one_would_write():
    plan = Plan(epochs=3, rate=0.01, seed=7)
    ours, theirs = nn.Linear(1, 1), nn.Linear(1, 1)
    theirs.load_state_dict(ours.state_dict())
    history = line_fit(ours, plan)
    adam, steps, means = torch.optim.Adam(theirs.parameters()), 0, []
    batches = pairs(seed=7)
    for _ in range(3):
        losses = []
        for x, y in batches:
            adam.param_groups[0]["lr"] = warm_cosine(0.01, steps / 12)
            loss = ((theirs(x) - y) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(float(loss.detach()))
            steps += 1
        means.append(np.mean(losses))
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)
    np.testing.assert_allclose([row["loss"] for row in history], means, rtol=1e-7)


def test_two_networks_take_turns_and_the_second_sees_the_first_ones_step():
    one, other, after = Number(3.0), Number(5.0), []

    def losses(batch):
        yield (one.value - 1) ** 2
        yield (other.value - one.value.detach()) ** 2
        after.append((one.value.item(), other.value.item()))

    plan, networks = Plan(epochs=1, rate=0.25), {"one": one, "other": other}
    history = fit(networks, losses, [None], plan, optimiser=SGD, schedule=constant)
    first = 3 - 0.25 * 2 * (3 - 1)
    second = 5 - 0.25 * 2 * (5 - first)
    assert (one.value.item(), other.value.item()) == (first, second) == (2.0, 3.5)
    assert after == [(first, second)], "what follows the last yield sees both steps"
    assert (history[0]["loss_one"], history[0]["loss_other"]) == (4.0, 9.0)


def test_the_clock_ends_a_training(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(room.time, "monotonic", lambda: float(next(ticks)))
    rates = []

    def schedule(rate, used):
        rates.append(used)
        return rate * (1 - used)

    history = line_fit(nn.Linear(1, 1), Plan(epochs=10**6, minutes=0.5), schedule=schedule)
    assert 4 < history[-1]["steps"] < 15  # of a clock that is looked at at least twice a step
    assert rates == sorted(rates) and rates[-1] < 1
    assert history[-1]["seconds"] >= 30
    short = line_fit(nn.Linear(1, 1), Plan(epochs=5, minutes=1e-9))
    assert [row["steps"] for row in short] == [1], "one step there always is"


def test_the_best_epoch_is_kept_or_the_last():
    for worth, kept in ((lambda row: -abs(row["value"] - 3), 3.0), (None, 6.0)):
        number = Number(0.0)

        def losses(batch, number=number):
            yield -number.value  # one step up an epoch

        validate = lambda number=number: {"value": number.value.item()}  # noqa: E731
        history = fit(
            number, losses, [None], Plan(epochs=6, rate=1.0), optimiser=SGD, schedule=constant,
            validate=validate, worth=worth,
        )  # fmt: skip
        assert [row["value"] for row in history] == [1, 2, 3, 4, 5, 6]
        assert number.value.item() == kept


def test_long_gradients_are_shortened():
    number = Number(0.0)

    def losses(batch):
        yield 1e6 * number.value

    fit(number, losses, [None], Plan(1, rate=1.0), optimiser=SGD, schedule=constant, clip=0.5)
    assert number.value.item() == pytest.approx(-0.5)


def test_schedules():
    assert warm_cosine(2.0, 0.0) == pytest.approx(0.04)
    assert warm_cosine(2.0, 0.5) == pytest.approx(1.0) and warm_cosine(2.0, 1.0) == 0
    assert [late_linear(2.0, used) for used in (0, 0.5, 0.75, 1)] == [2, 2, 1, 0]


def test_seeded_draws_leave_others_alone():
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(2)
    assert torch.equal(before, torch.get_rng_state())
    with seeded(3):
        assert torch.equal(first, torch.rand(2))


def test_what_cannot_be_trained_is_refused():
    line = nn.Linear(1, 1)
    with pytest.raises(CoganError, match="no longer finite after 4 steps; lower the learning rate"):
        fit(line, lambda batch: iter([line(X).mean() * float("nan")]), pairs(), Plan(epochs=2))
    with pytest.raises(CoganError, match="no batch to train on"):
        fit(line, iter, [], Plan(epochs=2))
    for wrong in ({"epochs": 0}, {"minutes": -1.0}, {"rate": float("nan")}, {"batch": 0}):
        (name,) = wrong
        with pytest.raises(CoganError, match=f"{name} must be above zero"):
            Plan(**{"epochs": 1, **wrong})
