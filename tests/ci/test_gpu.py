"""The GPU script runs whole on a CPU, at toy size, and its results become the book's record."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.gan.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
GPU = ROOT / "ci" / "gpu"
sys.path.insert(0, str(GPU))

import collect  # noqa: E402
import pack  # noqa: E402

PARTS = ("machine", "threads", "steps", "real", "paper", "synthesis", "lines")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    out = tmp_path_factory.mktemp("pack")
    assert pack.main([str(out), "--tiny"]) == 0
    return out


def run(packed: Path, results: Path, *parts: str) -> dict:
    command = [sys.executable, str(GPU / "run.py"), str(packed), str(results), "--tiny"]
    command += ["--work", str(results / "work"), "--minutes", "4", "--parts", *parts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return read_json(results / "gpu.json")


@pytest.fixture(scope="module")
def results(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    run(packed, folder, *PARTS)
    return folder


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_part_gives_its_numbers(results):
    parts = {
        name: part["numbers"] for name, part in read_json(results / "gpu.json")["parts"].items()
    }
    assert set(parts) == set(PARTS)
    rows = parts["steps"]["rows"]
    assert [row["way"] for row in rows] == ["plain", "ours", "ours"] * 2
    for row in rows:
        assert row["tiles_per_second"] * row["seconds"] == pytest.approx(row["batch"])
        assert 0 < row["share_of_peak"] < 1
    assert rows[1]["ratio"] == pytest.approx(rows[0]["seconds"] / rows[1]["seconds"])
    for row in parts["threads"]["rows"]:
        assert row["generator"] > 0 < row["solver"]
    for sky in parts["synthesis"].values():
        assert sky["finite"] and sky["tiles"] == 12 * 16**2
        assert sky["generator_seconds"] < sky["seconds"]
    assert (
        parts["paper"]["paper"]["steps"]
        > 0
        < parts["lines"]["16"]["speed"]["cpu"]["ratios"]["line"]
    )


@pytest.mark.long
def test_what_returns_is_small_and_plain(results):
    files = [path for path in results.iterdir() if path.is_file()]
    assert len(files) <= 8 and all(path.stat().st_size < 2**24 for path in files)
    assert str(ROOT) not in (results / "gpu.json").read_text("utf-8")


@pytest.mark.long
def test_the_record_keeps_what_worked(results, tmp_path, capsys):
    record = tmp_path / "gpu.json"
    assert collect.main([str(results), "--record", str(record), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert not record.exists() and "cycle-gan: score" in said and "fold-1: loss" in said
    collect.main([str(results), "--record", str(record)])
    later = tmp_path / "later"
    later.mkdir()
    content = read_json(results / "gpu.json")
    content["parts"] = {
        "machine": {"seconds": 1.0, "failed": "no"},
        "compiled": {"skipped": "late"},
    }
    (later / "gpu.json").write_text(json.dumps(content), "utf-8")
    collect.main([str(later), "--record", str(record)])
    parts = read_json(record)["parts"]
    assert parts["machine"]["numbers"]["device"] == "cpu"
    assert parts["compiled"]["skipped"] == "late"


@pytest.mark.long
def test_a_tiny_run_is_no_measurement(results):
    record = read_json(collect.RECORD)
    with pytest.raises(CoganError, match="tiny run measures nothing"):
        collect.merge(record, read_json(results / "gpu.json"))


@pytest.mark.long
def test_weights_are_taken_over_in_half_precision(results, tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "ROOM", tmp_path)
    collect.compare(results / "real.tar", ["fold-1"])
    taken = load_checkpoint(tmp_path / "fold-1")
    made = load_checkpoint(results / "work" / "fold-1" / "checkpoint")
    assert (
        taken.meta == made.meta
        and taken.content["fold"] == 1
        and (tmp_path / "fold-1" / "training_log.csv").exists()
    )
    pairs = zip(taken.generator.parameters(), made.generator.parameters(), strict=True)
    assert all((a - b).abs().max() <= 1e-3 * b.abs().max() for a, b in pairs)
    assert sum(p.stat().st_size for p in (tmp_path / "fold-1").glob("*.safetensors")) < 100_000
    with pytest.raises(CoganError, match="holds no weights fold-9"):
        collect.compare(results / "real.tar", ["fold-9"])


def test_what_no_card_has_measured_comes_first(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(GPU))
    run_gpu = importlib.import_module("run")
    record = tmp_path / "book" / "results" / "gpu" / "gpu.json"
    record.parent.mkdir(parents=True)
    monkeypatch.setattr(run_gpu, "ROOT", tmp_path)
    assert run_gpu.unmeasured_first() == list(run_gpu.PARTS)
    measured = {"numbers": {"cogan": {}, "paper": "no time left"}}
    parts = dict.fromkeys(("machine", "steps", "real", "paper", "synthesis", "lines"), measured)
    record.write_text(json.dumps({"parts": parts}), "utf-8")
    first = ["threads", "processes", "compiled", "paper", "synthesis"]
    assert run_gpu.unmeasured_first() == [*first, "machine", "steps", "real", "lines"]


def test_a_damaged_pack_is_refused(packed, tmp_path):
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with open(tmp_path / "sky.npz", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(CoganError, match="missing or damaged"):
        pack.check_manifest(tmp_path)


def test_a_folder_that_is_no_pack(tmp_path):
    command = [sys.executable, str(GPU / "run.py"), str(tmp_path), str(tmp_path / "results")]
    done = subprocess.run([*command, "--work", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1 and "is no pack; make one" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_much_does_not_travel(packed, monkeypatch):
    monkeypatch.setattr(pack, "LIMIT_MIB", 1.0)
    with pytest.raises(CoganError, match="at most 1 travel"):
        pack.write_manifest(packed)


@pytest.mark.slow
def test_one_process_on_a_device_and_two_on_the_cpu(packed, tmp_path):
    numbers = run(packed, tmp_path, "processes")["parts"]["processes"]["numbers"]
    assert numbers["largest_relative_difference"] < 0.01
