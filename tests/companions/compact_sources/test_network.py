"""Partial convolutions: what a hole hides has no say, and what is missing is made up for."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import network as nets
from cogan_lib.learn.blocks import count_parameters


@pytest.fixture
def scene():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 32, 32, generator=generator)
    mask = torch.ones(2, 32, 32)
    mask[:, 10:20, 12:22] = 0
    return image, mask


def block(**options):
    torch.manual_seed(2)
    return nets.PartialConvolution(1, 3, nets.Layer(3, 3, 1), last=True, **options)


def test_the_documents_network_has_as_many_weights_as_counted():
    with torch.device("meta"):
        assert count_parameters(nets.PartialUNet(nets.PRESETS["document"])) == 35_069_409
        assert count_parameters(nets.PartialUNet(nets.PRESETS["small"])) < 1_000_000


def test_without_a_hole_it_is_a_convolution(scene):
    image, _ = scene
    layer = block()
    found, known = layer(image[:, None], [(1, torch.ones(2, 1, 32, 32))])
    plain = functional.conv2d(image[:, None], layer.conv.weight, padding=1)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1])
    assert known.min() == 1


def test_a_constant_stays_what_it_is_beside_a_hole(scene):
    """The ratio: the mean of the pixels that are seen stands for the window."""
    _, mask = scene
    layer = block()
    with torch.no_grad():
        layer.conv.weight.fill_(1 / 9)
        found, known = layer(5 * mask[:, None], [(1, mask[:, None])])
    np.testing.assert_allclose(found[known.expand_as(found) > 0], 5, rtol=1e-6)
    assert (found[known.expand_as(found) == 0] == 0).all()


def test_the_released_codes_last_layer_is_576_times_too_small(scene):
    image, mask = scene
    ours, theirs = (
        nets.PartialConvolution(64, 1, nets.Layer(1, 3, 1), last=True, ratio=ratio)
        for ratio in (True, False)
    )
    theirs.load_state_dict(ours.state_dict())
    x = image[:, None].expand(-1, 64, -1, -1) * mask[:, None]
    (a, _), (b, _) = (layer(x, [(64, mask[:, None])]) for layer in (ours, theirs))
    torch.testing.assert_close(a, 576 * b)


def test_masks_close_from_the_rim(scene):
    _, mask = scene
    found, known = block()(mask[:, None], [(1, mask[:, None])])
    assert (known[0, 0] == 0).sum() == 8 * 8 and known[0, 0, 11:19, 13:21].max() == 0


@pytest.mark.parametrize("ratio", [True, False])
def test_what_a_hole_hides_has_no_say(scene, ratio):
    image, mask = scene
    net = nets.PartialUNet(nets.PRESETS["small"], ratio).eval()
    other = torch.where(mask > 0, image, 1e4 * torch.ones_like(image))
    with torch.no_grad():
        torch.testing.assert_close(net(image, mask), net(other, mask), rtol=0, atol=0)
        assert net(image, mask).shape == image.shape
        assert not torch.equal(net(image, mask), net(image + mask, mask))


def test_a_network_is_read_back(tmp_path, scene):
    net = nets.PartialUNet(nets.PRESETS["small"]).eval()
    layers = [vars(layer) for layer in nets.PRESETS["small"]]
    content = {"kind": "masked", "layers": layers, "ratio": True}
    folder = nets.save_network(tmp_path / "net", net, content)
    again, card = nets.load_masked(folder)
    with torch.no_grad():
        first, second = net(*scene), again(*scene)
        assert float((first - second).std() / first.std()) < 0.01
    assert card["kind"] == "masked"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2e6
    nets.save_network(tmp_path / "other", net, {**content, "kind": "joint"})
    with pytest.raises(CoganError, match="holds a joint network"):
        nets.load_masked(tmp_path / "other")
    with pytest.raises(CoganError, match="There is no"):
        nets.load_masked(tmp_path / "nowhere")
