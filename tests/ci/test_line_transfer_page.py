"""The companion's part of the reproduction page."""

from pathlib import Path

import line_transfer_page
import pytest

from cogan_lib.base.files import CoganError, read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
TEST = {"max_rel": 12.34, "zncc": 0.81, "ssim": 0.7, "below_10_percent": 0.4}
REPORT = {
    "data": {
        "npix": 32, "channels": [0.0] * 7, "pictures": {"train": 100, "test": 20},
        "mean_picture": {"max_rel": 57.0, "zncc": 0.6, "ssim": 0.5},
    },
    "trainings": {"1": {"core_minutes": 5.0, "git_commit": "abc", "test": TEST},
                  "2": {"core_minutes": 7.4, "git_commit": "abc", "test": TEST}},
    "summary": {key: {"mean": TEST[key], "std": 0.01} for key in ("max_rel", "zncc", "ssim")},
    "resolution": {"150": {rule: {"32": 0.1, "64": 0.02, "128": 0.0}
                           for rule in ("exact", "trapezoid")}},
    "speed": {"npix": 32, "batch": 16, "threads": 1,
              "cpu": {"solver": 20.0, "network": 8.0, "ratio": 2.5}},
    "provenance": {"git_commit": "abc"},
}  # fmt: skip


def page(stage, report):
    if report is not None:
        write_json(stage / line_transfer_page.REPORT, report)
    line_transfer_page.write_line_transfer(stage)
    return (stage / "_generated" / "line-transfer-run.md").read_text()


def test_without_a_report_the_part_is_empty(tmp_path):
    assert page(tmp_path, None).strip() == ""


def test_numbers_come_from_the_report_and_no_gpu_is_said(tmp_path):
    text = page(tmp_path, REPORT)
    assert "12.3 ± 0.0 %" in text and "6.9 %" in text and "57.0 %" in text
    assert "2 trainings" in text and "5 to 7 minutes" in text
    assert text.count("not measured") == 4  # three cells, and across devices


def test_the_two_speeds_stay_apart(tmp_path):
    gpu = {"solver": 1.0, "network": 0.1, "ratio": 10.0}
    text = page(tmp_path, REPORT | {"speed": REPORT["speed"] | {"cuda": gpu}})
    assert "not measured" not in text
    assert "a CPU: 200 times" in text


def test_a_report_that_lacks_something_is_refused(tmp_path):
    with pytest.raises(CoganError, match="has no 'speed'"):
        page(tmp_path, {key: value for key, value in REPORT.items() if key != "speed"})


def test_the_stored_report_makes_the_page(tmp_path):
    stored = ROOT / "book" / line_transfer_page.REPORT
    assert "MaxRel" in page(tmp_path, read_json(stored))
