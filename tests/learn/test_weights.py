"""Weights on disk: parts, half precision, cards, and files that are not what a card says."""

import json

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from cogan_lib.base.files import CoganError, read_json, reading
from cogan_lib.learn.weights import (
    load_network,
    packed,
    read_card,
    weights_file,
    write_weights,
)


def make(width=50):
    return nn.Sequential(nn.Linear(20, width), nn.BatchNorm1d(width), nn.Linear(width, 3))


def read(card, width=50):
    with reading(card, "network", "train again"):
        content = read_json(card)
        return load_network(card, content, lambda: make(width), sorted(content["weights_sha256"]))


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("part_bytes", [10, 300, 900, 1e9])
def test_any_division_into_files_is_undone(tmp_path, half, part_bytes):
    torch.manual_seed(1)
    network = make()
    files = packed("net", network, half=half, part_bytes=part_bytes)
    assert list(files) == sorted(files) and (len(files) == 1) == (part_bytes > 1e6)
    row = 20 * (2 if half else 4)
    for content in files.values():
        assert sum(value.nbytes for value in load(content).values()) <= max(part_bytes, 200, row)
    back = read(write_weights(tmp_path / "card.json", {"format": 1}, files))
    assert not back.training and not any(p.requires_grad for p in back.parameters())
    for name, value in network.state_dict().items():
        stored = value.half().float() if half and value.ndim > 1 else value
        assert torch.equal(back.state_dict()[name], stored), name


def test_large_tensors_go_into_files_under_5_mb():
    files = packed("net", nn.Linear(1500, 4000))
    assert list(files) == ["net-001", "net-002", "net-003"]
    assert all(len(content) < 5e6 for content in files.values())


def test_a_file_too_short_for_the_network_takes_no_memory(tmp_path):
    card = write_weights(tmp_path / "card.json", {}, packed("net", make()))
    with pytest.raises(CoganError, match="is too short for the network described"):
        read(card, width=10**12)  # 80 TB
    with pytest.raises(CoganError, match="is damaged or no network"):
        read(card, width=49)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, bad):
    network = make()
    with torch.no_grad():
        network[2].weight[1, 7] = bad
    card = write_weights(tmp_path / "card.json", {}, packed("net", network))
    with pytest.raises(CoganError, match="holds NaN or infinite weights"):
        read(card)


def test_exchanged_missing_and_surplus_weights_are_refused(tmp_path):
    card = write_weights(tmp_path / "card.json", {}, packed("net", make()))
    path = weights_file(card, read_json(card), "net")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(CoganError, match="not the file that card.json describes"):
        read(card)
    path.unlink()
    with pytest.raises(CoganError, match="not the file that card.json describes"):
        read(card)
    write_weights(card, {}, {"net": save({**load(whole), "more": torch.zeros(2)})})
    with pytest.raises(CoganError, match="more"):
        read(card)


def test_new_weights_replace_old_ones(tmp_path):
    card = write_weights(tmp_path / "card.json", {"n": 1}, packed("net", make(), part_bytes=900))
    write_weights(card, {"n": 2}, packed("net", make(40)))
    assert read_json(card)["n"] == 2 and len(list(tmp_path.iterdir())) == 2
    read(card, width=40)


def test_a_card_of_another_format_is_refused(tmp_path):
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"format": 1}), "utf-8")
    assert read_card(card, 1, "train again") == {"format": 1}
    with pytest.raises(CoganError, match="is of format 1, this package reads 2; train again"):
        read_card(card, 2, "train again")
    card.write_text(json.dumps({"n": float("nan")}), "utf-8")
    with pytest.raises(CoganError, match="is damaged"):
        read_card(card, 1, "train again")
