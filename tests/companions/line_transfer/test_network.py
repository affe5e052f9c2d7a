"""COEmuNet: shapes, loss, training, files."""

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import evaluation, store, winds
from cogan_lib.companions.line_transfer import network as line_network
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.companions.line_transfer.network import COEmuNet, COEmuNetSettings
from cogan_lib.companions.line_transfer.physics import line_images
from cogan_lib.learn.blocks import Residual, count_parameters
from cogan_lib.learn.fit import Plan
from cogan_lib.learn.weights import weights_file
from tests.forks import answer

TINY = COEmuNetSettings(npix=16, channels=7, latent=16, features=8)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    line_data.make_data(folder / "data", 20, 2, 16, seed=1)
    line_data.make_data(folder / "face-on", 20, 1, 16, seed=1, face_on=True)
    return [line_data.read_data(folder / name) for name in ("face-on", "data")]


@pytest.fixture(scope="module")
def trained(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator") / "emulator"
    plan = Plan(epochs=5, batch=8)
    return line_training.train_coemunet(folder, *pairs, TINY, plan)


@pytest.mark.parametrize(
    ("npix", "preset", "millions", "encoder_sides"),
    [(64, "paper", 143.3, (31, 16, 8, 4)), (32, "paper", 33.2, (15, 8, 4, 2))],
)
def test_the_papers_sizes(npix, preset, millions, encoder_sides):
    """Counts of the released code; its down blocks' skips are a little wider than equation 23's."""
    with torch.device("meta"):
        network = COEmuNet(COEmuNetSettings(npix, 7, *line_network.PRESETS[preset]))
    assert count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.06)
    dense = network.squeeze.weight.numel() + network.spread.weight.numel()
    assert dense / count_parameters(network) > 0.97
    x, sides = torch.zeros(1, 1, npix, npix, npix, device="meta"), []
    for layer in network.encoders[0]:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool3d | Residual):
            sides.append(x.shape[-1])
    assert tuple(dict.fromkeys(sides)) == encoder_sides and x.shape[1] == 32


@pytest.mark.parametrize("halvings", [3, 4])
@pytest.mark.parametrize("npix", [16, 24, 32, 40])
def test_every_multiple_of_eight_fits(npix, halvings):
    network = COEmuNet(replace(TINY, npix=npix, halvings=halvings)).eval()
    assert network(torch.zeros(1, 3, npix, npix, npix)).shape == (1, 7, npix, npix)


def test_one_halving_less_leaves_places_at_32_cubed():
    """Each encoder ends at 4^3, as the paper's does at 64^3."""
    with torch.device("meta"):
        network = COEmuNet(replace(TINY, npix=32, halvings=3))
        assert network.encoders[0](torch.zeros(1, 1, 32, 32, 32)).shape == (1, 32, 4, 4, 4)


def test_channels_meet_in_the_dense_layers_only():
    torch.manual_seed(1)
    network = COEmuNet(replace(TINY, features=64)).eval()
    maps = torch.rand(1, *network.map_shape)
    before = network.decoder(maps)
    maps[:, :, 3] += 1
    changed = (network.decoder(maps) != before).flatten(3).any(3)[0, 0]
    assert changed.tolist() == [i == 3 for i in range(7)]


def test_one_channels_weights_start_all():
    one = COEmuNet(replace(TINY, channels=1)).eval()
    seven = COEmuNet(TINY).eval()
    seven.start_from(one)
    x = torch.randn(2, 3, 16, 16, 16)
    torch.testing.assert_close(seven(x), one(x).expand(-1, 7, -1, -1))
    with pytest.raises(CoganError, match="only the channels may differ"):
        seven.start_from(COEmuNet(replace(TINY, latent=8, channels=1)))


@pytest.mark.parametrize("npix", [16, 15])
def test_the_loss_is_what_it_says(npix):
    real = torch.rand(3, 7, npix, npix, generator=torch.Generator().manual_seed(1))
    generated = (real + 0.1 * torch.randn(real.shape)).requires_grad_()
    mse, frequency = line_training.loss_terms(generated, real)
    whole = torch.fft.fft2(generated - real, norm="ortho").abs().mean()
    torch.testing.assert_close(frequency, whole)
    torch.testing.assert_close(mse, ((generated - real) ** 2).mean())
    raw = torch.fft.fft2(generated - real).abs().mean()  # the released code's convention
    torch.testing.assert_close(raw, npix * whole)
    line_training.loss(generated, real).backward()
    assert torch.isfinite(generated.grad).all()


def test_a_perfect_image_has_a_finite_gradient():
    generated = torch.rand(1, 7, 16, 16).requires_grad_()
    line_training.loss(generated, generated.detach()).backward()
    assert torch.isfinite(generated.grad).all()


def test_a_rotated_wind_has_rotated_pictures(pairs):
    """Quarter turns and mirrors about the line of sight are exact: solver and turn commute."""
    wind = winds.draw_wind(np.random.default_rng(3))
    turn = winds.views(np.random.default_rng(3), 1)[0]
    fields = torch.stack(winds.seen_from(wind, 16, turn))
    options = (
        torch.from_numpy(winds.CHANNELS), winds.spacing_m(16), line_data.LINE, winds.TURBULENCE,
    )  # fmt: skip
    images = line_images(*fields[:, None], *options)
    for number in range(8):
        cubes, pictures = line_training.rotated(fields[None], images, number)
        again = line_images(*cubes[0][:, None], *options)
        torch.testing.assert_close(again, pictures, rtol=1e-10, atol=0)


def test_training_learns_and_repeats_itself(pairs, trained, tmp_path):
    network, content = store.load_emulator(trained)
    history = content["history"]["fine-tuning"]
    assert len(history) == 5 and history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert content["statistics"] == pairs[1].content["statistics"]
    plan = Plan(epochs=5, batch=8)
    again, _ = store.load_emulator(
        line_training.train_coemunet(tmp_path / "again", *pairs, TINY, plan)
    )
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, again.state_dict()[name], msg=name)
    rows = pairs[1].rows("test")
    draw = evaluation.drawer(network, content)
    found = evaluation.measures(draw(pairs[1].cubes[rows]), pairs[1].images[rows])
    assert set(found) == {"max_rel", "zncc", "ssim"}
    assert all(len(v) == len(rows) and np.isfinite(v).all() for v in found.values())
    scaled = line_data.scale_cubes(torch.from_numpy(pairs[1].cubes[rows]), content["statistics"])
    again = line_data.unscale_images(network(scaled), content["statistics"])
    again = again.clamp_min(line_data.LN_FLOOR)
    np.testing.assert_allclose(draw(pairs[1].cubes[rows]), again, atol=1e-4)


def test_a_budget_in_minutes_ends_the_training(pairs):
    plan = Plan(epochs=10_000, minutes=0.02, batch=8)
    history = line_training.train_stage(
        COEmuNet(TINY), pairs[1], pairs[1].content["statistics"], plan
    )
    assert 1 <= len(history) < 10_000 and history[-1]["seconds"] < 10


def test_half_precision_files_change_little(pairs, tmp_path):
    torch.manual_seed(1)
    network = COEmuNet(TINY).eval()
    loaded, _ = store.load_emulator(store.save_emulator(tmp_path / "e", network, {}))
    x = torch.randn(2, 3, 16, 16, 16)
    torch.testing.assert_close(loaded(x), network(x), rtol=0, atol=2e-3)


def test_foreign_grids_are_refused(pairs, trained, tmp_path):
    network, content = store.load_emulator(trained)
    words = "trained on a grid of 16 x 16 x 16, but these cubes are 24 x 24 x 24"
    with pytest.raises(CoganError, match=words):
        evaluation.drawer(network, content)(np.zeros((1, 3, 24, 24, 24), np.float16))
    plan = Plan(epochs=1, minutes=1.0)
    with pytest.raises(CoganError, match="trained on a grid of 32"):
        line_training.train_coemunet(tmp_path / "e", *pairs, replace(TINY, npix=32), plan)
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_refused(trained, tmp_path):
    network, content = store.load_emulator(trained)
    folder = store.save_emulator(tmp_path / "e", network, content)
    card = folder / "emulator.json"
    with weights_file(card, read_json(card), "emulator").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CoganError, match="not the file that emulator.json describes"):
        store.load_emulator(folder)
    with pytest.raises(CoganError, match="There is no JSON file"):
        store.load_emulator(tmp_path / "none")


def test_a_card_that_asks_for_a_larger_network_is_refused(trained, tmp_path):
    network, content = store.load_emulator(trained)
    folder = store.save_emulator(tmp_path / "e", network, content)
    card = folder / "emulator.json"
    for change, words in (
        ({"latent": 10**9}, "too short for the network described"),  # 12 TB
        ({"latent": 15}, "damaged"),
        ({"channels": -1}, "damaged"),
    ):
        shape = {**content["network"], **change}
        write_json(card, {**read_json(card), "network": shape})
        with pytest.raises(CoganError, match=words):
            store.load_emulator(folder)


def memory_of_a_refusal(folder: Path) -> tuple[float, str]:
    """By how many bytes the process grew at its largest while it refused; and the sentence."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        store.load_emulator(folder)
    except CoganError as error:
        return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before), str(error)
    return 0.0, "taken"


def test_a_card_that_claims_a_gigabyte_and_a_half_is_refused_without_it(trained, tmp_path):
    network, content = store.load_emulator(trained)
    folder = store.save_emulator(tmp_path / "e", network, content)
    shape = {**content["network"], "latent": 1_200_000}
    with torch.device("meta"):
        claimed = COEmuNet(replace(network.settings, latent=shape["latent"]))
    assert 1.4e9 < 4 * sum(x.numel() for x in claimed.state_dict().values()) < 2e9
    card = folder / "emulator.json"
    write_json(card, {**read_json(card), "network": shape})
    grown, words = answer(memory_of_a_refusal, folder)
    assert "too short for the network described" in words
    assert grown < 100e6, f"{grown / 1e6:.0f} MB"
