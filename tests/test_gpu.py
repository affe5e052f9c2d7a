"""The benchmark of a GPU runs on a CPU, too, and notices when it compares unlike things."""

import gpu_bench
import pytest
from test_training import toy_patches

from cogan_lib.files import CoganError, read_json


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return toy_patches(npix=32, targets=2).save(tmp_path_factory.mktemp("bench") / "patches.npz")


def test_it_runs_on_a_cpu(patches, tmp_path, capsys):
    out = tmp_path / "bench.json"
    assert gpu_bench.main([str(patches), str(out), "--tiny", "--score", "100"]) == 0
    content, printed = read_json(out), capsys.readouterr().out
    rows = content["steps"]
    assert [row["way"] for row in rows] == ["plain", "ours", "ours"] * 2
    assert all(row["share_of_peak"] > 0 for row in rows)
    assert rows[1]["tiles_per_second"] * rows[1]["seconds"] == pytest.approx(content["batch"])
    for row in content["trainings"]:
        assert 0 < row["reached_in_seconds"] <= row["seconds"]
        assert row["best_score"] < row["score"] == 100
    assert "cogan: score 100.0 in" in printed and "TFLOP/s (torch.bfloat16)" in printed


def test_a_plain_step_of_something_else_is_noticed(patches, tmp_path, monkeypatch):
    def without_pair(self, *arguments):
        losses = step(self, *arguments)
        return losses | {"generator": losses["generator"] - 0.1}

    step = gpu_bench.Plain.step
    monkeypatch.setattr(gpu_bench.Plain, "step", without_pair)
    with pytest.raises(CoganError, match="the plain step's generator is"):
        gpu_bench.main([str(patches), str(tmp_path / "bench.json"), "--tiny"])
