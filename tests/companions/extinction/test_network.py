"""The network that reads diagrams: its size, its spread, what it never says, and its files."""

import numpy as np
import pytest
import torch
from torch import nn

from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.companions.extinction import network as net
from cogan_lib.companions.extinction import physics
from cogan_lib.companions.extinction.network import PRESETS, ProfileNetwork, Shape
from cogan_lib.companions.extinction.physics import BINS, SIDE
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.weights import weights_file

from .conftest import seeded

TINY = Shape(((3, 3), (4, 3)), (16,))


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(1)
    return ProfileNetwork(TINY, physics.profiles(100, seeded(1)).mean(0)).eval()


def counts_by_hand(shape):
    """Filters have as many weights as their window has pixels in all channels, and one offset."""
    total, channels, side = 0, 2, 64
    for filters, kernel in shape.filters:
        total += filters * (channels * kernel * kernel + 1)
        channels, side = filters, side // 2
    units = [channels * side * side, *shape.dense, 128]
    return total + sum((a + 1) * b for a, b in zip(units[:-1], units[1:], strict=True))


@pytest.mark.parametrize(("preset", "asked"), [("document", 53_748_452), ("small", 638_012)])
def test_presets_have_so_many_parameters(preset, asked):
    with torch.device("meta"):
        network = ProfileNetwork(PRESETS[preset])
    assert count_parameters(network) == counts_by_hand(PRESETS[preset]) == asked


def test_the_documents_network_is_its_codes():
    """C5x5.12 - P2 - D3072 - D3072 - D2048 - D128, and dropout after each hidden dense layer."""
    with torch.device("meta"):
        network = ProfileNetwork(PRESETS["document"])
    eye = [type(layer) for layer in network.eye]
    assert eye == [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten]
    assert network.eye[0].kernel_size == (5, 5) and network.eye[0].out_channels == 12
    dense = [layer for layer in network.body if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in dense] == [3072, 3072, 2048, 128]
    assert sum(isinstance(layer, nn.Dropout) for layer in network.body) == 3


def test_an_untrained_network_is_near_the_mean_profile(tiny, examples):
    network = ProfileNetwork(TINY, tiny.mean)
    nn.init.zeros_(network.body[-1].weight)
    nn.init.zeros_(network.body[-1].bias)
    found = net.predict(network, examples.counts[:2], examples.reference[:2])
    torch.testing.assert_close(found, tiny.mean.expand(2, -1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_extinction_is_never_negative(seed):
    generator = seeded(seed)
    network = ProfileNetwork(TINY)
    for weight in network.parameters():
        weight.data = 10 ** (seed - 2) * torch.randn(weight.shape, generator=generator)
    counts, reference = 1e4 * torch.rand(2, 8, SIDE, SIDE, generator=generator) ** 4
    found = net.predict(network, counts, reference)
    assert found.shape == (8, BINS) and found.min() >= 0 and torch.isfinite(found).all()
    assert (found.cumsum(1).diff(dim=1) >= 0).all()


def test_both_diagrams_count_and_are_not_exchangeable(tiny, examples):
    counts, reference = examples.counts[:4], examples.reference[:4]
    found = tiny(counts, reference)
    for other in (
        tiny(reference, counts),
        tiny(counts, reference + 5),
        tiny(counts + 5, reference),
    ):
        assert (found - other).abs().max() > 1e-6


def test_many_diagrams_are_taken_in_parts(tiny, examples, monkeypatch):
    whole = net.predict(tiny, examples.counts, examples.reference)
    monkeypatch.setattr(net, "AT_ONCE", 100)
    torch.testing.assert_close(net.predict(tiny, examples.counts, examples.reference), whole)
    alone = net.predict(tiny, examples.counts[77:78], examples.reference[77:78])
    torch.testing.assert_close(alone[0], whole[77])


def test_what_is_predicted_has_no_dropout_and_no_gradient(tiny, examples):
    network = ProfileNetwork(TINY).train()
    pair = examples.counts[:8], examples.reference[:8]
    first, second = (net.predict(network, *pair) for _ in "ab")
    assert torch.equal(first, second) and not first.requires_grad and not network.training


def test_the_spread_is_that_of_dropped_units(tiny, examples):
    """Against the same units dropped by hand, many times: a second way, no dropout layer in it."""
    pair = examples.counts[:3], examples.reference[:3]
    found = net.spread(tiny, *pair, draws=2000, seed=3)
    features = tiny.seen(*pair)
    hidden = torch.relu(tiny.body[0](features))
    generator, draws = seeded(9), []
    for _ in range(2000):
        kept = (torch.rand(hidden.shape, generator=generator) >= net.DROPOUT) / (1 - net.DROPOUT)
        unit = tiny.mean.mean()
        start = torch.log(torch.expm1((tiny.mean / unit).clamp_min(0.01)))
        out = nn.functional.softplus(tiny.body[-1](hidden * kept) + start) * unit
        draws.append(out.cumsum(1).detach())
    torch.testing.assert_close(found, torch.stack(draws).std(0), rtol=0.12, atol=1e-4)


def test_a_spread_leaves_everything_as_it_was(tiny, examples):
    pair = examples.counts[:40], examples.reference[:40]
    before, mode = torch.random.get_rng_state(), net.predict(tiny, *pair)
    one, same, other = (net.spread(tiny, *pair, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(module.training for module in tiny.modules())
    assert torch.equal(net.predict(tiny, *pair), mode)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == (40, BINS) and (one > 0).all()


def test_without_dropout_there_is_no_spread(examples, monkeypatch):
    monkeypatch.setattr(net, "DROPOUT", 0.0)
    network = ProfileNetwork(TINY)
    assert (net.spread(network, examples.counts[:4], examples.reference[:4]) < 1e-6).all()


def test_files_are_small_and_give_the_network_back(examples, tmp_path):
    torch.manual_seed(1)
    mean = physics.profiles(100, seeded(1)).mean(0)
    network = ProfileNetwork(PRESETS["small"], mean).eval()
    folder = net.save_network(tmp_path / "n", network, {"law": [0.27, 0.11]})
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2e6
    loaded, content = net.load_network_of(folder)
    assert loaded.shape == network.shape and not loaded.training
    assert content["law"] == [0.27, 0.11]
    torch.testing.assert_close(loaded.mean, mean)
    pair = examples.counts[:16], examples.reference[:16]
    one, other = net.predict(network, *pair), net.predict(loaded, *pair)
    torch.testing.assert_close(other, one, rtol=5e-3, atol=1e-4)
    again, _ = net.load_network_of(net.save_network(tmp_path / "again", loaded, content))
    assert torch.equal(net.predict(again, *pair), other)  # half precision has no second loss


@pytest.fixture
def saved(tiny, tmp_path):
    return net.save_network(tmp_path / "saved", tiny, {"law": list(physics.extinction_law())})


def test_a_damaged_file_is_refused(saved):
    card = saved / net.CARD
    with weights_file(card, read_json(card), "extinction").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CoganError, match="not the file that extinction.json describes"):
        net.load_network_of(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"filters": [[3, 3], [4, 3]], "dense": [10**9]}}, "too short"),
        ({"network": {"filters": [[3, 3], [4, 3]], "dense": [17]}}, "damaged"),
        ({"network": {"filters": [[3, 3], [4, 3]], "dense": [-1]}}, "damaged"),
        ({"network": {"filters": 3, "dense": [16]}}, "damaged"),
        ({"network": {}}, "damaged"),
        ({"network": None}, "damaged"),
        ({"weights_sha256": {}}, "damaged|too short"),
        ({"format": 99}, "is of format 99, this package reads 1"),
    ],
)
def test_a_card_that_describes_another_network_is_refused(saved, change, words):
    card = saved / net.CARD
    write_json(card, {**read_json(card), **change})
    with pytest.raises(CoganError, match=words):
        net.load_network_of(saved)


def test_a_missing_network_and_a_folder_that_cannot_be_written_are_refused(tiny, tmp_path):
    with pytest.raises(CoganError, match="There is no JSON file"):
        net.load_network_of(tmp_path / "none")
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(CoganError, match="file"):
        net.save_network(tmp_path / "file" / "n", tiny, {})


@pytest.mark.parametrize("call", [net.predict, net.spread])
@pytest.mark.parametrize(
    ("side", "n", "words"), [(32, 2, r"\(2, 32, 32\)"), (64, 3, "There are 3 diagrams and 2")]
)
def test_what_are_not_pairs_of_diagrams_is_refused(tiny, call, side, n, words):
    with pytest.raises(CoganError, match=words):
        call(tiny, torch.ones(n, side, side), torch.ones(2, SIDE, SIDE))


def test_one_draw_has_no_spread(tiny):
    with pytest.raises(CoganError, match="at least two draws, not 1"):
        net.spread(tiny, torch.ones(1, SIDE, SIDE), torch.ones(1, SIDE, SIDE), draws=1)


def test_weights_are_taken_where_shape_and_law_fit(tiny, tmp_path, monkeypatch):
    law = physics.extinction_law()
    monkeypatch.setattr(net, "WEIGHTS", tmp_path)
    assert net.fitting(TINY, law) is None
    folder = net.save_network(tmp_path / "b", tiny, {"law": list(law)})
    net.save_network(tmp_path / "a", tiny, {"law": [0.3, 0.1]})
    assert net.fitting(TINY, law) == folder
    assert net.fitting(TINY, (law[0] * 1.001, law[1])) is None
    assert net.fitting(Shape(((3, 3), (4, 3)), (17,)), law) is None


FOLDERS = sorted(net.WEIGHTS.glob("*/"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_weights_that_come_along_are_whole_described_small_and_found(folder):
    network, content = net.load_network_of(folder)  # compares checksums
    card = (net.WEIGHTS / "README.md").read_text("utf-8")
    assert f"`{folder.name}`" in card
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2e6
    assert len(content["provenance"]["git_commit"].removesuffix("-dirty")) == 40
    assert len(content["spread_factors"]) == BINS and np.min(content["spread_factors"]) > 0
    law = physics.extinction_law()
    np.testing.assert_allclose(content["law"], law, rtol=1e-4)
    assert net.fitting(network.shape, law) == folder


@pytest.mark.skipif(not FOLDERS, reason="no weights come along yet")
def test_weights_that_come_along_know_more_than_the_prior(examples):
    found = net.fitting(PRESETS["small"], physics.extinction_law())
    network, _ = net.load_network_of(found)
    sums = net.predict(network, examples.counts, examples.reference).cumsum(1)
    error = (sums - examples.a_v.cumsum(1))[:, 79].square().mean().sqrt()  # at 8 kpc
    prior = examples.a_v.cumsum(1)[:, 79].std()
    assert error < 0.3 * prior
