"""Losses and the replay buffer, against numbers that one can work out by hand."""

import pytest
import torch
from torch import nn

from cogan_lib.base.files import CoganError
from cogan_lib.gan.losses import (
    LossWeights,
    ReplayBuffer,
    discriminator_loss,
    fake_loss,
    generator_losses,
    member_losses,
    real_loss,
)


class Times(nn.Module):
    """A network that multiplies by a number."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor


def test_least_squares():
    answers = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    assert real_loss(answers).item() == pytest.approx((0 + 1 + 0.25 + 1) / 4)
    assert fake_loss(answers).item() == pytest.approx((1 + 0 + 0.25 + 4) / 4)


def test_discriminator_loss_scores_both_halves():
    real, fake = torch.full((2, 1, 4, 4), 1.0), torch.full((2, 1, 4, 4), 3.0)
    assert discriminator_loss(Times(1), real, fake).item() == pytest.approx((0 + 9) / 2)
    assert discriminator_loss(Times(0), real, fake).item() == pytest.approx((1 + 0) / 2)


def test_generator_losses_by_hand():
    a, b = torch.full((1, 1, 4, 4), 1.0), torch.full((1, 1, 4, 4), 2.0)
    weights = LossWeights(cycle=10, identity=5, pair=3)
    # G_AB = 3x, G_BA = x/2: fakes 3 and 1; there and back 1.5 and 3
    terms, fake_a, fake_b = generator_losses(
        Times(3), Times(0.5), Times(1), Times(1), a, b, weights
    )
    assert fake_a.mean().item() == 1 and fake_b.mean().item() == 3
    assert not fake_a.requires_grad and not fake_b.requires_grad
    assert terms["adversarial"].item() == pytest.approx(((3 - 1) ** 2 + (1 - 1) ** 2) / 2)
    assert terms["cycle"].item() == pytest.approx((0.5 + 1) / 2)
    assert terms["identity"].item() == pytest.approx((4 + 0.5) / 2)  # G_AB(b) = 6, G_BA(a) = 1/2
    assert terms["pair"].item() == pytest.approx((1 + 0) / 2)
    assert terms["generator"].item() == pytest.approx(2 + 10 * 0.75 + 5 * 2.25 + 3 * 0.5)


def test_a_square_takes_the_place_of_the_distance_for_the_targets_alone():
    a, b = torch.full((1, 1, 4, 4), 1.0), torch.full((1, 1, 4, 4), 2.0)
    weights = LossWeights(cycle=0, pair=3, pair_loss="l2")
    # G_AB = 5x, G_BA = 2x: fakes 5, three too large, and 4, three too large
    terms, *_ = generator_losses(Times(5), Times(2), Times(1), Times(1), a, b, weights)
    assert terms["pair"].item() == pytest.approx((9 + 3) / 2)
    assert LossWeights().pair_loss == "l1"


@pytest.mark.parametrize("members", [False, True])
def test_no_loss_and_no_discriminator_sees_the_context(members):
    """With networks that work pixel by pixel, all is as for the interior alone."""
    random = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 3, 1, 24, 24, generator=random)
    noise = torch.randn(6, 1, 24, 24, generator=random)
    weights = LossWeights(cycle=2, identity=0 if members else 5, pair=3)
    sizes = []

    class Watching(Times):
        def forward(self, x):
            sizes.append(x.shape[-1])
            return super().forward(x)

    class OnPair(Times):
        def forward(self, x):
            return super().forward(x.mean(dim=1, keepdim=True))

    def terms_of(*tiles, context):
        networks = (OnPair(3), Times(0.5), Watching(1), Watching(1))
        if members:
            return member_losses(*networks, *tiles, weights, context)
        return generator_losses(*networks, *tiles[:2], weights, context)

    whole = terms_of(a, b, noise, context=4)
    inner = terms_of(*(x[..., 4:-4, 4:-4] for x in (a, b, noise)), context=0)
    assert whole[0].keys() == inner[0].keys() and set(sizes) == {16}
    for name, term in inner[0].items():
        torch.testing.assert_close(whole[0][name], term)
    for one, other in zip(whole[1:], inner[1:], strict=True):
        torch.testing.assert_close(one, other)


def test_terms_without_weight_are_not_computed():
    a, b = torch.ones(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    terms, *_ = generator_losses(*(Times(1) for _ in range(4)), a, b, LossWeights())
    assert set(terms) == {"adversarial", "cycle", "generator"}
    assert terms["cycle"].item() == 0  # perfect translators there and back


def test_weights_that_cannot_be_are_refused():
    with pytest.raises(CoganError, match="identity loss .* 2 input and 1 target"):
        LossWeights(identity=5).check(2, 1, paired=False)
    with pytest.raises(CoganError, match="pair loss needs real pairs"):
        LossWeights(pair=1).check(2, 2, paired=False)
    with pytest.raises(CoganError, match="zero or positive"):
        LossWeights(cycle=-1)
    with pytest.raises(CoganError, match="choose l1 or l2"):
        LossWeights(pair_loss="l3")
    LossWeights(identity=5, pair=1).check(2, 2, paired=True)


def numbered(start, count):
    return torch.arange(start, start + count, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_buffer_fills_then_swaps_half():
    buffer, random = ReplayBuffer(50), torch.Generator().manual_seed(1)
    for start in range(0, 50, 8):  # 50 is no multiple of 8: the last batch is split
        out = buffer.exchange(numbered(start, 8), random)
        count = min(8, 50 - start)
        assert torch.equal(out[:count], numbered(start, count))
    swapped, ages, fed, n = 0, [], 56, 400
    for i in range(n):
        fresh = numbered(fed + 8 * i, 8)
        out = buffer.exchange(fresh, random)
        old = out != fresh
        swapped += int(old.sum())
        ages += (fresh - out)[old].tolist()
        assert len(set(out.flatten().tolist())) == 8  # no tile is handed out twice
    assert swapped / (8 * n) == pytest.approx(0.5, abs=0.03)
    # a stored tile is replaced with probability 1/2 * 1/50 per fresh one: it waits 100 on average
    assert sum(ages) / len(ages) == pytest.approx(100, rel=0.1)
    kept = set(buffer.tiles.flatten().tolist())
    assert len(kept) == 50 and max(kept) < fed + 8 * n


def test_buffer_repeats_with_its_seed_and_state():
    def run(buffer, random, first, last):
        return [buffer.exchange(numbered(8 * i, 8), random) for i in range(first, last)]

    one, other = ReplayBuffer(20), ReplayBuffer(20)
    a = run(one, torch.Generator().manual_seed(3), 0, 10)
    b = run(other, torch.Generator().manual_seed(3), 0, 10)
    assert all(map(torch.equal, a, b))
    third = ReplayBuffer(20)
    third.load_state_dict(one.state_dict())
    a = run(other, torch.Generator().manual_seed(4), 10, 15)
    b = run(third, torch.Generator().manual_seed(4), 10, 15)
    assert all(map(torch.equal, a, b))


def test_buffer_smaller_than_a_batch():
    buffer, random = ReplayBuffer(3), torch.Generator().manual_seed(1)
    for i in range(5):
        assert buffer.exchange(numbered(8 * i, 8), random).shape == (8, 1, 1, 1)
    assert buffer.count == 3
