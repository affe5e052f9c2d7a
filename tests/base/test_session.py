"""The beginning and the end of every chapter."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from cogan_lib.base import session
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky, write_sky


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quiet_log():
    """Take away again what `start` does to the library's log."""
    library = logging.getLogger("cogan_lib")
    handlers, level = list(library.handlers), library.level
    yield
    library.handlers[:] = handlers
    library.setLevel(level)


def test_start_makes_the_run_folder_and_equal_seeds_give_equal_numbers(caplog, quiet_log):
    settings = Settings.check(run_dir="runs/try", seed=3, threads=1, device="cpu")
    draws = []
    for _ in range(2):
        run = session.start(settings)
        draws.append((torch.rand(1).item(), np.random.rand()))  # noqa: NPY002
    assert run == Path("runs/try") and run.is_dir() and not list(run.iterdir())
    assert draws[0] == draws[1]
    assert torch.get_num_threads() == 1
    assert "torch" in caplog.text and "device cpu" in caplog.text


def test_start_goes_to_the_top_folder_of_a_checkout(tmp_path, monkeypatch, quiet_log):
    (tmp_path / "book").mkdir()
    (tmp_path / "cogan_lib").mkdir()
    monkeypatch.chdir(tmp_path / "book")
    session.start(Settings.check(run_dir="runs/try", threads=1, device="cpu"))
    assert (tmp_path / "runs" / "try").is_dir()


def test_a_run_folder_that_cannot_be_written_is_refused(tmp_path, quiet_log):
    Path("occupied").write_text("a file, so that no folder can lie below it", "utf-8")
    with pytest.raises(CoganError, match="Cannot write to the run folder occupied/run"):
        session.start(Settings.check(run_dir="occupied/run", threads=1, device="cpu"))


@pytest.mark.parametrize(
    ("meta", "target"), [({"targcols": "T_1420"}, "T_1420"), ({"targcols": "W_CO10"}, "W_CO10")]
)
def test_a_chapter_on_co_refuses_a_sky_of_something_else(meta, target, quiet_log):
    names = ("DUST", "N_HI", target)
    units = dict(zip(names, ("mag", "cm-2", "K km/s" if target == "W_CO10" else "K"), strict=True))
    maps = {name: np.ones(12 * 16**2) for name in names}
    path = write_sky(Path("mine.fits"), Sky(maps, units, 500.0, meta))
    settings = Settings.check(run_dir="run", sky_path=str(path), threads=1, device="cpu")
    if target == "W_CO10":
        assert session.start(settings, only_co=True).is_dir()
        return
    with pytest.raises(CoganError, match=r"mine.fits is a sky of T_1420, .* -p sky_path mine.fits"):
        session.start(settings, only_co=True)
    assert not Path("run").exists()
    assert session.start(settings).is_dir()  # a command


def test_what_is_no_sky_file_is_left_to_its_reader(quiet_log):
    Path("mine.fits").write_text("no FITS", "utf-8")
    for name in ("mine.fits", "missing.fits"):
        settings = Settings.check(run_dir="run", sky_path=name, threads=1, device="cpu")
        assert session.start(settings, only_co=True).is_dir()


def test_a_missing_gpu_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert session.device(Settings.check()) == "cpu"
    with pytest.raises(CoganError, match="No CUDA GPU"):
        session.device(Settings.check(device="cuda"))


def test_report_sections_replace_each_other_and_keep_the_rest(tmp_path):
    session.add_to_report(tmp_path, "sky", {"mean": np.float32(2), "ell": np.arange(3)})
    session.add_to_report(tmp_path, "training", {"old": 1})
    path = session.add_to_report(tmp_path, "training", {"seconds": 1.5, "kept": np.bool_(True)})
    assert json.loads(path.read_text("utf-8")) == {
        "sky": {"mean": 2.0, "ell": [0, 1, 2]},
        "training": {"seconds": 1.5, "kept": True},
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"training\.a\.b\[1\] is nan"),
        ({"a": np.array([np.inf])}, r"training\.a\[0\] is inf"),
        ({"a": object()}, r"training\.a is a object"),
    ],
)
def test_the_report_takes_finite_numbers_only(tmp_path, content, words):
    with pytest.raises(CoganError, match=words):
        session.add_to_report(tmp_path, "training", content)
    assert not list(tmp_path.iterdir())


def test_glue_keeps_formatted_text_for_the_pages_in_the_books_own_run(monkeypatch, capsys):
    kept = {}
    monkeypatch.setenv(session.BOOK_RUN, "1")
    monkeypatch.setattr("myst_nb.glue", lambda name, value, display: kept.update({name: value}))
    session.glue("share", 0.1234, ".1%")
    session.glue("count", np.int64(3))
    assert kept == {"share": "12.3%", "count": "3"}
    assert capsys.readouterr().out == ""


def test_a_reader_sees_glued_numbers_under_their_labels(monkeypatch):
    shown = []
    monkeypatch.delenv(session.BOOK_RUN, raising=False)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    session.glue("gan-paper-generator", 11371777, ",")
    assert shown[0]["text/markdown"] == "**[paper generator]** = 11,371,777"
    assert shown[0]["text/plain"] == "paper generator = 11,371,777"
