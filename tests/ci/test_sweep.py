"""Sweeps: one table for many runs, whatever happens to the runs and to those who do them."""

import csv
import os
from pathlib import Path

import psutil
import pytest
import sweep

from cogan_lib.base.files import read_json
from tests.books import notebook, save

ROOT = Path(__file__).resolve().parents[2]

#: Seed 2 takes its worker down with it the first time, seed 3 fails until somebody fixes it.
SKY = notebook(
    "Sky",
    'run_dir: str = "runs/laptop"\nseed: int = 1\nnside: int = 256',
    "import json, os, signal, time\nfrom pathlib import Path\n\n"
    "marks = Path('marks')\nmarks.mkdir(exist_ok=True)\n"
    "with open(marks / str(seed), 'a') as stream:\n    stream.write(f'{os.getpid()} ')\n"
    "if seed == 2 and len((marks / '2').read_text().split()) == 1:\n"
    "    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(200)\n"
    "if seed == 3 and not Path('fixed').exists():\n"
    "    raise ValueError('this seed is unlucky\\nand more about it')\n"
    "numbers = {'seed': seed, 'list': [1, 2], 'deep': {'x': seed / 2}}\n"
    "threads = int(os.environ['OMP_NUM_THREADS'])\n"
    "report = {'sky': numbers, 'machine': {'threads': threads}}\n"
    "(Path(run_dir) / 'report.json').write_text(json.dumps(report))",
)
OTHER = notebook("Other", 'run_dir: str = "runs/laptop"\nmax_minutes: float = 0.0', "")


@pytest.fixture
def book(tmp_path, monkeypatch) -> Path:
    """Top folder of a checkout with two chapters."""
    (tmp_path / "book").mkdir()
    (tmp_path / "cogan_lib").mkdir()
    save(tmp_path, "01-sky", SKY)
    save(tmp_path, "02-other", OTHER)
    (tmp_path / "toy.yaml").write_text("nside: 512\n", "utf-8")
    for name in ("JUPYTER_PATH", "OMP_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back at the end
    return tmp_path


def run(book: Path, *arguments: str) -> int:
    options = ["--profile", str(book / "toy.yaml"), "--workers", "2"]
    return sweep.main([str(book / "runs" / "seeds"), *options, *arguments], root=book)


def attempts(book: Path) -> dict[str, list[int]]:
    """Process numbers of the kernels that have tried each seed."""
    marks = sorted((book / "marks").iterdir())
    return {path.name: [int(word) for word in path.read_text("utf-8").split()] for path in marks}


def alive(pid: int) -> bool:
    """Whether a process can still do anything; one that waits to be reaped cannot."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.long
def test_lost_workers_failed_runs_and_going_on(book, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")  # of the shell: no matter for the workers
    arguments = ["--only", "01", "--grid", "seed", "1", "2", "3", "--keys", "sky", "machine"]
    assert run(book, *arguments) == 1
    tries = attempts(book)
    assert [len(tries[seed]) for seed in "123"] == [1, 2, 1], "the lost run was done again"
    assert not alive(tries["2"][0]), "its kernel has ended with its worker"
    rows = read_json(book / "runs" / "seeds" / "table.json")["rows"]
    assert [row["outcome"] for row in rows] == ["ok", "ok", "failed"]
    assert rows[2]["error"] == "01-sky: ValueError: this seed is unlucky"
    assert rows[1]["sky.deep.x"] == 1.0 and "sky.deep.x" not in rows[2]
    assert rows[0]["machine.threads"] == 1
    with open(book / "runs" / "seeds" / "table.csv", newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [row["run"] for row in table] == ["seed=1", "seed=2", "seed=3"]
    assert table[1]["sky.seed"] == "2" and table[2]["sky.seed"] == ""
    executed = (book / "runs" / "seeds" / "seed=3" / "01-sky.ipynb").read_text("utf-8")
    assert "this seed is unlucky" in executed and "nside = 512" in executed
    assert "seed=3: 01-sky: ValueError" in capsys.readouterr().out

    (book / "fixed").write_text("", "utf-8")
    assert run(book, *arguments) == 0
    assert [len(attempts(book)[seed]) for seed in "123"] == [1, 2, 2], "only what had failed"
    assert "3 runs, 2 of them done before" in capsys.readouterr().out
    assert run(book, *arguments[:-2], "nothing") == 2
    assert "No report has nothing; there are machine.threads" in capsys.readouterr().err


def test_runs_of_other_parameters_or_sources_are_not_taken_for_done(book):
    def keys(*more):
        options = sweep._parser().parse_args(["runs/x", "--grid", "seed", "1", "2", *more])
        options.profile = str(book / "toy.yaml")
        return {run.key for run in sweep.plan(options, book / "runs" / "x", book)}

    first = keys()
    assert len(first) == 2 and keys() == first
    assert not keys("-p", "nside", "256") & first
    assert not keys("--only", "01") & first
    (book / "cogan_lib" / "module.py").write_text("answer = 42\n", "utf-8")
    assert not keys() & first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "sed", "1"], "no parameter 'sed'; did you mean 'seed'"),
        (["--grid", "batch_size", "4"], "No notebook has a parameter batch_size"),
        (["--grid", "max_minutes", "1.0", "--only", "01"], "no parameter max_minutes to be varied"),
        (["--grid", "seed", "1", "-p", "members", "3"], "No notebook has a parameter members"),
        (["--grid", "seed", "one"], "seed should be a valid integer"),
        (["--grid", "nside", "256", "300"], "nside must be a power of two"),
        (["--grid", "seed", "1", "1"], "Two runs would be seed=1"),
        (["--grid", "seed", "1", "--only", "07"], "no chapter '07'"),
        (["--grid", "seed", "7"], "was made by no sweep"),
        (["--grid", "seed", "1", "2", "-p", "seed", "9"], "seed is varied by --grid and fixed by"),
        (["--grid", "seed", "1", "--grid", "seed", "1"], "Two runs would be seed=1"),
        (["--grid", "seed"], "--grid seed has no values"),
        (["--grid", "seed", "[1"], "The value '[1' of seed is not readable as YAML"),
        (["--grid", "seed", "010"], "seed should be a valid integer, but is '010'"),
        (["--grid", "seed", "1", "-p", "run_dir", "x"], "leave run_dir out"),
        (
            ["--grid", "seed", "1", "-p", "nside", "64", "-p", "nside", "128"],
            "nside is given twice",
        ),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(book, capsys, arguments, words):
    (book / "runs" / "seeds" / "seed=7").mkdir(parents=True)
    assert run(book, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (book / "marks").exists() and not (book / "_build").exists()


def test_a_grid_that_is_told_in_parts_is_joined(book):
    asked = ["runs/x", "--grid", "seed", "1", "2", "--grid", "max_minutes", "1e1"]
    options = sweep._parser().parse_args([*asked, "--grid", "seed", "3"])
    options.profile = str(book / "toy.yaml")
    runs = sweep.plan(options, book / "runs" / "x", book)
    assert [run.varied for run in runs] == [
        {"seed": seed, "max_minutes": 10.0} for seed in (1, 2, 3)
    ]


EXAMPLE = ["--grid", "seed", "1", "2", "3", "--grid", "preset", "cogan", "paper"]


def test_the_example_is_six_runs_of_chapter_03(tmp_path):
    options = sweep._parser().parse_args(
        [str(tmp_path), "--profile", "smoke", "--only", "03", *EXAMPLE]
    )
    runs = sweep.plan(options, tmp_path, ROOT)
    assert [run.varied for run in runs] == [
        {"seed": seed, "preset": name} for seed in (1, 2, 3) for name in ("cogan", "paper")
    ]
    assert len({run.key for run in runs}) == len({run.folder for run in runs}) == 6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_example_three_seeds_and_both_presets(tmp_path, monkeypatch):
    """Chapter 03 itself, at the size of the smoke profile but for a single epoch of fewer tiles."""
    for name in ("JUPYTER_PATH", "OMP_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    short = ["-p", "max_steps", "3", "-p", "batch_size", "64"]
    short += ["-p", "snr_min", "100"]  # half of the tiles
    asked = [str(tmp_path / "sweep"), "--profile", "smoke", "--only", "03", *EXAMPLE, *short]
    assert sweep.main([*asked, "--keys", "training"], root=ROOT) == 0
    rows = read_json(tmp_path / "sweep" / "table.json")["rows"]
    found = [(row["seed"], row["preset"], row["training.preset"]) for row in rows]
    assert found == [(seed, name, name) for seed in (1, 2, 3) for name in ("cogan", "paper")]
    assert {row["training.threads"] for row in rows} == {1}
    assert len({row["training.best.score"] for row in rows}) == 6
    parameters = {row["training.parameters.generator"] for row in rows}
    assert len(parameters) == 2, "one size of network a preset"
