"""Times of chapters come from runs, and a table that says so is written, not typed."""

import json

import pytest
import times

from cogan_lib.base.files import CoganError, read_json, write_json

CHAPTERS = sorted((times.ROOT / "book").glob("[0-9][0-9]-*.ipynb"))
FIRST = """# Title

| whatever | needs | makes |
|---|---|---|
| 3 minutes | nothing | `sky.fits` |

**You will learn**"""
MACHINE = {"cores": 2, "gpu": "none"}


def log_of(folder, seconds, profile="laptop", outcome="ok", machine=MACHINE):
    runs = [{"notebook": k, "seconds": v, "outcome": outcome} for k, v in seconds.items()]
    path = folder / "log.json"
    write_json(
        path, {"profile": profile, "machine": machine, "provenance": {"made": "x"}, "runs": runs}
    )
    return path


def notebook_of(*cells):
    kinds = {"m": "markdown", "c": "code", "f": "code"}
    return {
        "cells": [
            {
                "cell_type": kinds[kind],
                "source": source,
                "metadata": {"tags": ["hide-input"] if kind == "f" else []},
            }
            for kind, source in cells
        ]
    }


def test_a_log_becomes_a_row_and_what_is_missing_says_so(tmp_path):
    record = tmp_path / "times.json"
    times.record(log_of(tmp_path, {"01-a": 100.0, "02-b": 61.0}), "cpu", record)
    times.record(log_of(tmp_path, {"02-b": 400.0}), "cpu", record)  # run again
    assert read_json(record)["cpu"]["seconds"] == {"01-a": 100.0, "02-b": 400.0}
    text = times.with_table(FIRST, notebook_of(("m", FIRST)), "02-b", record)
    assert "| 5 minutes | 7 minutes | not measured | nothing | `sky.fits` |" in text
    assert text.endswith("**You will learn**") and text.count("needs") == 1
    assert times.with_table(text, notebook_of(("m", text)), "02-b", record) == text


def test_times_of_another_machine_replace_all(tmp_path):
    record = tmp_path / "times.json"
    times.record(log_of(tmp_path, {"01-a": 100.0, "02-b": 61.0}), "gpu", record)
    card = {"cores": 16, "gpu": "NVIDIA H100"}
    times.record(log_of(tmp_path, {"02-b": 30.0}, machine=card), "gpu", record)
    assert read_json(record)["gpu"]["seconds"] == {"02-b": 30.0}
    text = times.with_table(FIRST, notebook_of(("m", FIRST)), "02-b", record)
    assert "| to read | to run: 2 cores | NVIDIA H100 | needs | makes |" in text


@pytest.mark.parametrize("fault", [{"profile": "smoke"}, {"outcome": "failed"}])
def test_runs_that_say_nothing_about_a_readers_time_are_refused(tmp_path, fault):
    with pytest.raises(CoganError, match="smoke|failed"):
        times.record(log_of(tmp_path, {"01-a": 1.0}, **fault), "cpu", tmp_path / "times.json")
    assert not (tmp_path / "times.json").exists()


def test_reading_time_counts_words_and_lines_that_are_shown():
    words, lines = "word " * 1500, "x = 1\n" * 150
    assert times.reading_minutes(notebook_of(("m", "title"), ("m", words))) == 10
    assert times.reading_minutes(notebook_of(("m", "title"), ("m", words), ("c", lines))) == 20
    assert times.reading_minutes(notebook_of(("m", "title"), ("m", words), ("f", lines))) == 10


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_say_what_was_measured(path):
    """`python ci/times.py write` brings the first cells up to date."""
    notebook = json.loads(path.read_text("utf-8"))
    first = "".join(notebook["cells"][0]["source"])
    assert times.with_table(first, notebook, path.stem) == first


def test_minutes_are_whole_and_never_none():
    assert [times.minutes(x) for x in (None, 2.0, 64.0, 70.0, 660.0)] == [
        *("not measured", "1 minute", "1 minute", "2 minutes", "11 minutes")
    ]


def test_a_first_cell_without_a_table_is_named():
    with pytest.raises(CoganError, match="02-b: the first cell has no table"):
        times.with_table("# Title", notebook_of(("m", "# Title")), "02-b")
