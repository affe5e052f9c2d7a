"""The weights that come along: whole, described, small, and taken only where they fit."""

import dataclasses

import numpy as np
import pytest

from cogan_lib import members, steps
from cogan_lib.checkpoint import META, load_checkpoint
from cogan_lib.config import Settings
from cogan_lib.patches import TRAIN, Patches

FOLDERS = sorted(path for path in steps.WEIGHTS.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_weights_are_whole_small_and_described(folder):
    trained = load_checkpoint(folder)  # compares checksums
    assert trained.settings.noise == members.WIDTHS
    assert trained.content["provenance"]["git_commit"].isalnum()  # of a clean checkout
    card = (steps.WEIGHTS / "README.md").read_text()
    kept = trained.metrics
    for words in (f"`{folder.name}`", f"epoch {kept['epoch']} kept", f"{kept['r2']:.3f}"):
        assert words in card  # the card is of these weights
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6


def patches_for(folder):
    """Empty-handed patches of the kind that the weights were made for."""
    content = load_checkpoint(folder).content
    shapes = [(8, len(content[key]), 64, 64) for key in ("input_columns", "target_columns")]
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    meta = {key: content[key] for key in META}
    return Patches(*arrays, np.zeros((8, 2)), np.full(8, TRAIN, np.uint8), meta)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_weights_are_taken_where_they_fit(folder, tmp_path):
    patches_for(folder).save(tmp_path / "patches.npz")
    settings = Settings.check(run_dir=str(tmp_path), device="cpu")
    taken = load_checkpoint(steps.member_checkpoint(settings))
    assert taken.content == load_checkpoint(folder).content


def test_weights_of_another_beam_are_left_alone(tmp_path, monkeypatch):
    patches = patches_for(FOLDERS[0])
    other = dataclasses.replace(patches, meta={**patches.meta, "fwhm_arcmin": 30.0})
    other.save(tmp_path / "patches.npz")
    asked = []
    monkeypatch.setattr(steps, "train", lambda *given: asked.append(given[1]) or _Result())
    settings = Settings.check(run_dir=str(tmp_path), device="cpu", member_minutes=7.0)
    assert steps.member_checkpoint(settings) == "trained"
    assert asked[0].network.noise == members.WIDTHS and asked[0].max_minutes == 7


class _Result:
    checkpoint = "trained"
