"""What the script of chapter 07 measures: on which pictures, with which intervals."""

from dataclasses import replace

import line_transfer_parts as parts
import line_transfer_run
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer import data as line_data
from cogan_lib.companions.line_transfer import store


@pytest.fixture(scope="module")
def network():
    return store.load_emulator(store.SHIPPED)[0]


def test_every_trial_runs_and_says_how_sure_it_is(network, monkeypatch):
    def tiny(emulator, **options):
        return parts_trial(emulator, **options | {"npix": 16, "number": 2})

    parts_trial = parts.trial
    monkeypatch.setattr(parts, "trial", tiny)
    found = parts.elsewhere(network)
    assert {"as trained", "25 channels to 24 km/s", "gas that falls in"} < set(found)
    for name, row in found.items():
        low, high = row["max_rel_interval"]
        assert 0 < low <= row["max_rel"] <= high and row["pictures"] == 4, name


def test_a_changed_wind_is_one_wind_from_all_sides(network, monkeypatch):
    seen = []
    monkeypatch.setattr(
        parts.winds,
        "seen_from",
        lambda wind, *_: seen.append(wind) or (_ for _ in ()).throw(KeyError),
    )
    change = parts.changed("speed", 1.0, 2.0)
    for _ in range(2):
        with pytest.raises(KeyError):
            parts.trial(network, change=change, number=1)
    assert seen[0] == seen[1] and 1 < seen[0].speed < 2


def test_pictures_learnt_by_heart_are_those_that_are_judged(tmp_path):
    folder = line_data.make_data(tmp_path / "data", 20, 2, 16, seed=1)
    data = line_data.read_data(folder)
    few = parts.first_pictures(data, 5)
    trained = few.cubes[few.rows("train")]
    np.testing.assert_array_equal(trained, data.cubes[data.rows("train")[:5]])
    assert len(few.rows("validation")) == 1


def test_intervals_over_winds_and_fits():
    found = {"max_rel": np.repeat(np.arange(1.0, 21), 2)}
    low, high = parts.over_winds(found, np.repeat(np.arange(20), 2))["max_rel_interval"]
    assert 4 < low < 10.5 < high < 17
    fits = parts.over_fits([0.01, -0.02, 0.06])
    assert fits["median"] == 0.02 and fits["within_5_percent"] == pytest.approx(2 / 3)


def test_what_was_trained_by_another_recipe_is_refused(tmp_path, monkeypatch):
    network, content = store.load_emulator(store.SHIPPED)
    store.save_emulator(tmp_path / "line-1", network, content)
    monkeypatch.setattr(line_transfer_run, "data_of", lambda *_: [None, None])
    shape, *rest = line_transfer_run.RECIPES["line"]
    recipes = {"line": (replace(shape, width=48), *rest)}
    monkeypatch.setattr(line_transfer_run, "RECIPES", recipes)
    with pytest.raises(CoganError, match="line-1 was trained by another recipe; remove it"):
        line_transfer_run.measured(tmp_path, "line", 1)
