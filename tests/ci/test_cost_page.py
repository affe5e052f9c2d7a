"""Measurements become tables and arithmetic; without them the page says what makes them."""

import json
import tomllib
from pathlib import Path

import cost_page
import pytest

from cogan_lib.base.files import CoganError

ROOT = Path(__file__).resolve().parents[2]


def work(target, ours, theirs=None, **facts):
    entry = {"title": "tiles to sphere", "unit": "tile", "rival": "reproject", "target": target}
    entry |= {"agreement": "difference: 1e-07", "ours": {"seconds": ours, "peak_mb": 12.0} | facts}
    if theirs:
        entry["theirs"] = {"seconds": theirs, "peak_mb": None, "note": "the rival joined one tile"}
    return entry


def growing(seconds, memory, **facts):
    row = {"seconds": seconds, "peak_mb": memory, "tiles": 192}
    return {"256": row | facts, "512": {k: 4 * v for k, v in (row | facts).items()}}


def record():
    return {
        "machine": {"cpu": "A CPU", "cores": 2, "memory_gb": 24},
        "provenance": {"git_commit": "abc", "made": "2026-01-01", "python": "3", "versions": {}},
        "limits": {"copy_bytes_s": 1e10, "flops_s_fp32": 1e11, "flops_s_bf16": 2e11},
        "works": {
            "join": work(10_000, 0.002, 22.0, bytes=2e6, flops=4e7, precision="fp32"),
            "spectra": work(2, 0.5),
            "minkowski": work(10, 1.0, 9.0),
        },
        "growth": {
            "cutting": growing(1.0, 50.0),
            "joining": growing(2.0, 20.0),
            "synthesis": growing(20.0, 100.0, generator_seconds=15.0, sampled=0.25),
            "generator": {"paper": {"seconds": 1.0}, "cogan": {"seconds": 0.1}},
            "analysis": {"seconds": 0.5, "lmax": 1500},
        },
        "profiles": {},
    }


def pages(stage, content=None, status=None):
    if content:
        (stage / "results" / "bench").mkdir(parents=True, exist_ok=True)
        (stage / cost_page.RESULTS).write_text(json.dumps(content))
    cost_page.write_costs(stage, status)
    names = ("ratios", "growth", "profiles", "paper")
    return {name: (stage / "_generated" / f"cost-{name}.md").read_text() for name in names}


def test_without_measurements_the_page_says_so(tmp_path):
    parts = pages(tmp_path)
    assert all("make bench" in parts[name] for name in ("ratios", "growth", "paper"))
    assert "`laptop`" in parts["profiles"] and "not run here" in parts["profiles"]


def test_ratios_limits_and_what_is_met(tmp_path):
    text = pages(tmp_path, record())["ratios"]
    rows = text.split("* - ")[2:]
    join, spectra, minkowski = ([c.strip() for c in r.split("\n  -")] for r in rows)
    # the limit is the slower of 2 MB at 10 GB/s and 40 MFLOP at 100 GFLOP/s: 0.4 of 2 ms
    assert join[1:8] == ["2 ms", "reproject: 22 s", "11,000", "10,000", "yes", "12 / –", "20%"]
    assert spectra[2:6] == ["reproject: not measured", "–", "2", ""]
    assert minkowski[3:6] == ["9", "10", "no"]
    assert "difference: 1e-07; the rival joined one tile." in text


def test_growth_says_where_the_time_goes(tmp_path):
    text = pages(tmp_path, record())["growth"]
    assert (tmp_path / "_generated" / "cost-growth.png").stat().st_size > 5000
    assert "786,432" in text and "3,145,728" in text and text.count("75%") == 3
    # at NSIDE 512: 20 s beside a generator of 768 tiles at one second each
    assert f"would have {768 / 788:.0%}" in text
    assert f"holds {400e6 / 3145728:.0f} bytes a pixel" in text


def test_arithmetic_on_paper(tmp_path):
    text = pages(tmp_path, record())["paper"]
    assert "805,306,368, 196,608" in text  # pixels and tiles of NSIDE 8192
    # 256 times the pixels of NSIDE 512; the transforms of two maps 16 cubed times
    assert cost_page.duration(256 * 60.0) in text
    assert cost_page.duration(256 * (20.0 - 1.0)) in text
    assert cost_page.duration(4096 * 1.0) in text
    assert cost_page.duration(256 * 79.0 + 4096 * 1.0) in text
    assert cost_page.duration(1000 * 80.0) in text and "25 GB" in text


def test_profiles_take_the_run_that_is_built(tmp_path):
    chapters = {
        f"0{n}-x": {"seconds": 10.0 * n, "peak_mb": 100 * n, "date": "2026-02-03T04:05"}
        for n in (1, 2)
    }
    status = {"profile": "smoke", "machine": {"cores": 2}, "chapters": chapters}
    text = pages(tmp_path, record(), status)["profiles"]
    smoke = next(row for row in text.split("* - ") if row.startswith("`smoke`"))
    cells = [cell.strip() for cell in smoke.split("\n  -")]
    assert cells[-5:] == ["10 s", "20 s", "30 s", "200", "2026-02-03, 2 cores"]


def test_an_incomplete_record_is_refused(tmp_path):
    broken = record()
    del broken["growth"]["analysis"]
    with pytest.raises(CoganError, match="'analysis'; run `make bench` again"):
        pages(tmp_path, broken)


def test_benchmarks_are_no_part_of_the_tests():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "benchmarks" in options["norecursedirs"], "nor is their conftest.py loaded"
    assert not list((ROOT / "tests" / "benchmarks").glob("test_*.py"))
