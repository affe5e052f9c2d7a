"""The book's results on the real sky are those of the weights that come with the package."""

import base64
import json
import shutil
from dataclasses import replace

import beside
import numpy as np
import pytest
import store_results

from cogan_lib.base.files import CoganError, read_json, write_json
from cogan_lib.beyond import member_training
from cogan_lib.gan.checkpoint import load_checkpoint, save_half
from cogan_lib.gan.recipes import FLOW, PRESETS
from cogan_lib.sky.skyfile import write_sky
from tests.road import toy_settings
from tests.toys import TINY

BOOK = beside.ROOT / "book"


def shipped_sum(name):
    card = read_json(store_results.SHIPPED / name / "checkpoint.json")
    return card["weights_sha256"]["generator_ab"]


@pytest.mark.parametrize(("part", "names"), [("real", ("cycle-gan",)), ("beyond", ("fold-1",))])
def test_the_stored_reports_are_of_the_shipped_weights(part, names):
    stored = read_json(BOOK / "results" / part / "report.json")
    assert stored["weights"] == {name: shipped_sum(name) for name in names}


@pytest.fixture
def run(tmp_path):
    """A run folder with the package's weights and a report, executed chapters, and results."""
    folder = tmp_path / "run"
    for name, place in (("cycle-gan", "checkpoint"), ("fold-1", "members/checkpoint")):
        shutil.copytree(store_results.SHIPPED / name, folder / place)
    parts = ("validation", "synthesis", "training", "beyond", "provenance")
    write_json(folder / "report.json", {part: {"x": part} for part in parts})
    executed = tmp_path / "executed"
    executed.mkdir()
    picture = base64.b64encode(b"a picture").decode()
    cell = {"id": "fig-a", "outputs": [{"text": "no"}, {"data": {"image/png": picture}}]}
    (executed / "05-a.ipynb").write_text(json.dumps({"cells": [{"id": "other"}, cell]}), "utf-8")
    for part in store_results.PARTS:
        (tmp_path / "results" / part).mkdir(parents=True)
        text = "- {file: a.png, from: 05 fig-a, caption: A, alt: A}\n"
        (tmp_path / "results" / part / "figures.yaml").write_text(text, "utf-8")
    return folder, executed, tmp_path / "results"


def test_reports_figures_and_the_weights_names_are_stored_together(run):
    store_results.store(*run)
    real, beyond = (read_json(run[2] / part / "report.json") for part in store_results.PARTS)
    assert real["validation"] == {"x": "validation"} and "beyond" not in real
    assert real["weights"] == {"cycle-gan": shipped_sum("cycle-gan")}
    assert set(beyond) == {"beyond", "provenance", "weights"}
    assert beyond["weights"] == {"fold-1": shipped_sum("fold-1")}
    assert (run[2] / "beyond" / "a.png").read_bytes() == b"a picture"


def test_a_run_of_other_weights_is_not_stored(run):
    folder, _, results = run
    shutil.rmtree(folder / "checkpoint")
    shutil.copytree(store_results.SHIPPED / "fold-2", folder / "checkpoint")
    with pytest.raises(CoganError, match="other weights than cycle-gan in the package"):
        store_results.store(*run)
    assert not (results / "real" / "report.json").exists()


def test_half_a_run_is_not_stored(run):
    folder, executed, results = run
    (executed / "05-a.ipynb").write_text(json.dumps({"cells": []}), "utf-8")
    with pytest.raises(CoganError, match="no picture of the cell fig-a of chapter 05"):
        store_results.store(*run)
    write_json(folder / "report.json", {"validation": {}})
    with pytest.raises(CoganError, match="has no beyond, provenance, synthesis, training"):
        store_results.store(*run)
    assert not list(results.glob("*/report.json"))


def test_members_of_other_weights_are_not_stored(run):
    """Another fold has seen the test longitudes."""
    folder, _, _ = run
    shutil.rmtree(folder / "members")
    shutil.copytree(store_results.SHIPPED / "fold-2", folder / "members/checkpoint")
    with pytest.raises(CoganError, match="other weights than fold-1 in the package"):
        store_results.store(*run)


def test_all_folds_are_trained_and_shipped(tmp_path, sky64, monkeypatch):
    """Each from the same sky file, in half precision, with its log."""
    monkeypatch.setattr(member_training, "POSES", 100)
    monkeypatch.setattr(member_training, "FLOW", replace(FLOW, features=4, blocks=1))
    monkeypatch.setitem(PRESETS, "cogan", TINY)
    write_sky(tmp_path / "mine.fits", sky64)
    settings = toy_settings(
        tmp_path / "run", sky_path=str(tmp_path / "mine.fits"), max_steps=2, member_steps=3
    )
    store_results.train_all(settings, tmp_path / "shipped")
    for name in ("cycle-gan", *(f"fold-{k}" for k in range(1, 7))):
        trained = load_checkpoint(tmp_path / "shipped" / name)
        assert (tmp_path / "shipped" / name / "training_log.csv").exists()
        assert trained.content.get("fold") == (int(name[-1]) if name != "cycle-gan" else None)
        if name != "cycle-gan":
            assert trained.content["made_from"]["inputs"].keys() == {"sky.fits"}
            assert trained.metrics["steps"] == 3


def test_weights_are_rounded_on_their_way_into_the_package(tmp_path):
    source = load_checkpoint(store_results.SHIPPED / "cycle-gan")
    whole = load_checkpoint(save_half(store_results.SHIPPED / "cycle-gan", tmp_path / "half"))
    for (key, a), b in zip(
        source.generator.state_dict().items(), whole.generator.state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6, err_msg=key)
    assert max(f.stat().st_size for f in (tmp_path / "half").iterdir()) < 1e6
