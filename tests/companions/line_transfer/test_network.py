"""The network that imitates the solver: shapes, loss, measures, training, files."""

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import network as line_emulator
from cogan_lib.companions.line_transfer import training as line_training
from cogan_lib.companions.line_transfer import winds
from cogan_lib.companions.line_transfer.evaluation import judge
from cogan_lib.companions.line_transfer.network import Emulator, EmulatorSettings
from cogan_lib.companions.line_transfer.physics import line_images
from cogan_lib.learn.blocks import Residual, count_parameters
from cogan_lib.learn.fit import Plan
from cogan_lib.learn.metrics import max_rel
from cogan_lib.learn.weights import weights_file
from tests.forks import answer

TINY = EmulatorSettings(npix=16, channels=7, latent=16, features=8)


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
    return line_training.train_emulator(folder, *pairs, TINY, plan)


@pytest.mark.parametrize(
    ("npix", "preset", "millions", "encoder_sides"),
    [(64, "paper", 143.3, (31, 16, 8, 4)), (32, "paper", 33.2, (15, 8, 4, 2))],
)
def test_the_papers_sizes(npix, preset, millions, encoder_sides):
    """Counts of the released code; its down blocks' skips are a little wider than equation 23's."""
    with torch.device("meta"):
        network = Emulator(EmulatorSettings(npix, 7, *line_emulator.PRESETS[preset]))
    assert count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.06)
    dense = network.squeeze.weight.numel() + network.spread.weight.numel()
    assert dense / count_parameters(network) > 0.97
    x, sides = torch.zeros(1, 1, npix, npix, npix, device="meta"), []
    for layer in network.encoders[0]:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool3d | Residual):
            sides.append(x.shape[-1])
    assert tuple(dict.fromkeys(sides)) == encoder_sides and x.shape[1] == 32


@pytest.mark.parametrize("npix", [16, 24, 32, 40])
def test_every_multiple_of_eight_fits(npix):
    network = Emulator(replace(TINY, npix=npix)).eval()
    assert network(torch.zeros(1, 3, npix, npix, npix)).shape == (1, 7, npix, npix)


def test_channels_meet_in_the_dense_layers_only():
    torch.manual_seed(1)
    network = Emulator(replace(TINY, features=64)).eval()
    maps = torch.rand(1, *network.map_shape)
    before = network.decoder(maps)
    maps[:, :, 3] += 1
    changed = (network.decoder(maps) != before).flatten(3).any(3)[0, 0]
    assert changed.tolist() == [i == 3 for i in range(7)]


def test_one_channels_weights_start_all():
    one = Emulator(replace(TINY, channels=1)).eval()
    seven = Emulator(TINY).eval()
    seven.start_from(one)
    x = torch.randn(2, 3, 16, 16, 16)
    torch.testing.assert_close(seven(x), one(x).expand(-1, 7, -1, -1))
    with pytest.raises(CoganError, match="only the channels may differ"):
        seven.start_from(Emulator(replace(TINY, latent=8, channels=1)))


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
    fields = torch.from_numpy(np.stack(winds.seen_from(wind, 16, turn)))
    options = (
        torch.from_numpy(winds.CHANNELS), winds.spacing_m(16), line_data.LINE, winds.TURBULENCE,
    )  # fmt: skip
    images = line_images(*fields[:, None], *options)
    for number in range(8):
        cubes, pictures = line_training.rotated(fields[None], images, number)
        again = line_images(*cubes[0][:, None], *options)
        torch.testing.assert_close(again, pictures, rtol=1e-10, atol=0)


def test_training_learns_and_repeats_itself(pairs, trained, tmp_path):
    network, content = line_emulator.load_emulator(trained)
    history = content["history"]["fine-tuning"]
    assert len(history) == 5 and history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert content["statistics"] == pairs[1].content["statistics"]
    plan = Plan(epochs=5, batch=8)
    again, _ = line_emulator.load_emulator(
        line_training.train_emulator(tmp_path / "again", *pairs, TINY, plan)
    )
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, again.state_dict()[name], msg=name)
    rows = pairs[1].rows("test")
    found = judge(network, pairs[1], rows, content["statistics"])
    assert set(found) == {"max_rel", "zncc", "ssim"}
    assert all(len(v) == len(rows) and np.isfinite(v).all() for v in found.values())


def test_a_budget_in_minutes_ends_the_training(pairs):
    plan = Plan(epochs=10_000, minutes=0.02, batch=8)
    history = line_training.train_stage(
        Emulator(TINY), pairs[1], pairs[1].content["statistics"], plan
    )
    assert 1 <= len(history) < 10_000 and history[-1]["seconds"] < 10


def test_half_precision_files_change_little(pairs, tmp_path):
    torch.manual_seed(1)
    network = Emulator(TINY).eval()
    loaded, _ = line_emulator.load_emulator(
        line_emulator.save_emulator(tmp_path / "e", network, {})
    )
    x = torch.randn(2, 3, 16, 16, 16)
    torch.testing.assert_close(loaded(x), network(x), rtol=0, atol=2e-3)


def test_imitate_takes_what_the_solver_takes(pairs, trained):
    network, content = line_emulator.load_emulator(trained)
    fields = [torch.from_numpy(np.stack([cube] * 2)) for cube in winds.seen_from(
        winds.draw_wind(np.random.default_rng(1)), 16, winds.views(np.random.default_rng(1), 1)[0]
    )]  # fmt: skip
    generated = line_emulator.imitate(network, content["statistics"], *fields)
    assert generated.shape == (2, 7, 16, 16) and float(generated.min()) > 0
    scaled = line_data.scale_cubes(
        torch.from_numpy(line_data.pack(*(field.numpy() for field in fields))),
        content["statistics"],
    )
    torch.testing.assert_close(
        generated, line_data.intensity_of(network(scaled), content["statistics"])
    )


def test_foreign_grids_and_bad_cubes_are_refused(pairs, trained, tmp_path):
    network, content = line_emulator.load_emulator(trained)
    cube = torch.full((1, 24, 24, 24), 50.0)
    words = "trained on a grid of 16 x 16 x 16, but these cubes are 24 x 24 x 24"
    with pytest.raises(CoganError, match=words):
        line_emulator.imitate(network, content["statistics"], 0 * cube, cube, cube)
    with pytest.raises(CoganError, match="must not be negative"):
        line_emulator.imitate(network, content["statistics"], 0 * cube, cube, -cube)
    plan = Plan(epochs=1, minutes=1.0)
    with pytest.raises(CoganError, match="trained on a grid of 32"):
        line_training.train_emulator(tmp_path / "e", *pairs, replace(TINY, npix=32), plan)
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_refused(trained, tmp_path):
    network, content = line_emulator.load_emulator(trained)
    folder = line_emulator.save_emulator(tmp_path / "e", network, content)
    card = folder / "emulator.json"
    with weights_file(card, read_json(card), "emulator").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CoganError, match="not the file that emulator.json describes"):
        line_emulator.load_emulator(folder)
    with pytest.raises(CoganError, match="There is no JSON file"):
        line_emulator.load_emulator(tmp_path / "none")


def test_a_card_that_asks_for_a_larger_network_is_refused(trained, tmp_path):
    network, content = line_emulator.load_emulator(trained)
    folder = line_emulator.save_emulator(tmp_path / "e", network, content)
    card = folder / "emulator.json"
    for change, words in (
        ({"latent": 10**9}, "too short for the network described"),  # 12 TB
        ({"latent": 15}, "damaged"),
        ({"channels": -1}, "damaged"),
    ):
        shape = {**content["network"], **change}
        write_json(card, {**read_json(card), "network": shape})
        with pytest.raises(CoganError, match=words):
            line_emulator.load_emulator(folder)


def memory_of_a_refusal(folder: Path) -> tuple[float, str]:
    """By how many bytes the process grew at its largest while it refused; and the sentence."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        line_emulator.load_emulator(folder)
    except CoganError as error:
        return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before), str(error)
    return 0.0, "taken"


def test_a_card_that_claims_a_gigabyte_and_a_half_is_refused_without_it(trained, tmp_path):
    network, content = line_emulator.load_emulator(trained)
    folder = line_emulator.save_emulator(tmp_path / "e", network, content)
    shape = {**content["network"], "latent": 1_200_000}
    with torch.device("meta"):
        claimed = Emulator(EmulatorSettings(**shape))
    assert 1.4e9 < 4 * sum(x.numel() for x in claimed.state_dict().values()) < 2e9
    card = folder / "emulator.json"
    write_json(card, {**read_json(card), "network": shape})
    grown, words = answer(memory_of_a_refusal, folder)
    assert "too short for the network described" in words
    assert grown < 100e6, f"{grown / 1e6:.0f} MB"


FOLDERS = sorted(line_emulator.WEIGHTS.glob("*/"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_weights_that_come_along_are_whole_described_and_small(folder):
    network, content = line_emulator.load_emulator(folder)  # compares checksums
    card = (line_emulator.WEIGHTS / "README.md").read_text("utf-8")
    assert f"`{folder.name}`" in card
    assert network.settings.npix == 32 and len(content["channels"]) == 7
    assert len(content["provenance"]["git_commit"].removesuffix("-dirty")) == 40
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert max(sizes) < 5e6 and sum(sizes) < 10e6


def test_weights_are_taken_where_they_fit():
    for folder in FOLDERS:
        network, _ = line_emulator.load_emulator(folder)
        assert line_emulator.fitting(network.settings) == folder
    assert line_emulator.fitting(TINY) is None


def test_weights_imitate_a_wind_that_they_have_not_seen():
    for folder in FOLDERS:
        network, content = line_emulator.load_emulator(folder)
        rng = np.random.default_rng([12345, 0])  # another seed than the training's
        wind = winds.draw_wind(rng)
        fields = [
            torch.from_numpy(x)[None] for x in winds.seen_from(wind, 32, winds.views(rng, 1)[0])
        ]
        generated = line_emulator.imitate(network, content["statistics"], *fields)
        at = torch.tensor(content["channels"], dtype=torch.float64)
        real = line_images(*fields, at, winds.spacing_m(32), line_data.LINE, content["turbulence"])
        assert max_rel(generated.numpy(), real.numpy())[0] < 30
