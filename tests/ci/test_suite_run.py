"""The script of the validation suite: what is measured is kept, and a kind is one argument."""

import json

import numpy as np
import pytest
import suite_run

from cogan_lib.base.files import CoganError


def test_a_run_measures_what_is_missing_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(suite_run, "FAULTS", {"blurred": suite_run.FAULTS["blurred"]})
    monkeypatch.setattr(suite_run, "amplification", lambda name: {"sentence": f"Of {name}."})
    monkeypatch.setattr(suite_run, "speed", lambda: {"core_seconds": 2.0})
    target = tmp_path / "report.json"
    command = [str(tmp_path), str(target), "--kinds", "fields", "--sizes", "40", "--repeats", "1",
               "--alarms", "1"]  # fmt: skip
    assert suite_run.main(command) == 0
    report = json.loads(target.read_text("utf-8"))
    row = report["all_kinds"]["blurred"]["40"]
    assert row["caught"]["all"]["share"] == 1.0 and 0 <= row["alone"]["ks"]["share"] <= 1
    assert list(report["false_alarms"]) == ["fields, 40"]
    assert report["settings"]["strengths"] == {"blurred": 0.6}
    monkeypatch.setattr(suite_run, "shares", None)  # nothing is left to measure
    assert suite_run.main(command) == 0
    assert "fields, blurred, 40" in capsys.readouterr().out


def test_unknown_images_and_too_few_blocks_are_refused():
    with pytest.raises(CoganError, match="choose regions, fields or co"):
        suite_run.kind_of("galaxies", None)
    tiles = suite_run.Stack(np.zeros((9, 8, 8)), np.zeros((9, 1)), np.arange(9))
    with pytest.raises(CoganError, match="ask for at most 2"):
        suite_run.dealt(tiles, 3, np.random.default_rng(1))


def test_tiles_are_dealt_out_one_of_each_block():
    tiles = suite_run.Stack(np.zeros((40, 8, 8)), np.zeros((40, 1)), np.arange(40) // 2)
    found = suite_run.dealt(tiles, 4, np.random.default_rng(1))
    blocks = np.concatenate([some.blocks for some in found.values()])
    assert sorted(blocks) == list(range(20)) and len(found["pool"].blocks) == 8
