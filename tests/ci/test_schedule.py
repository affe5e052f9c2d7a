"""Which chapters run side by side, and what the driver keeps true while they do."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import chapter_process
import psutil
import pytest
import run_notebooks
import schedule
import try_it
from schedule import Limits, Order, makespan, pick, plan, read_order

from cogan_lib import road
from cogan_lib.base import session
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.base.made_from import BOOK_RUN
from tests.books import SKY, drive, notebook, save, status
from tests.forks import ROOT
from tests.toys import toy_patches

BOOK = ROOT / "book"
NAMES = [path.stem for path in sorted(BOOK.glob("[0-9][0-9]-*.ipynb"))]
TABLE = """
- {name: 01-sky, reads: [], writes: [sky.fits, facts.json, report.json#sky]}
- {name: 02-training, reads: [sky.fits], writes: [checkpoint]}
- {name: 03-stars, reads: [], writes: [stars]}
- {name: 04-dust, reads: [], writes: [dust]}
"""
STARS = notebook(
    "Stars",
    'run_dir: str = "runs/laptop"',
    "from pathlib import Path\n\nplace = Path(run_dir) / 'stars'\n"
    "place.mkdir(parents=True, exist_ok=True)\n(place / 'stars.txt').write_text('stars')",
)
DUST = json.loads(json.dumps(STARS).replace("tars", "ust").replace("sust", "dust"))
DUST["cells"][0]["source"] = DUST["cells"][0]["source"].replace("Sust", "Dust")


@pytest.fixture
def wide(book) -> Path:
    """A book of four chapters, of which one needs another."""
    (book / "book" / "_includes").mkdir()
    (book / "book" / "_includes" / "order.yaml").write_text(TABLE, "utf-8")
    save(book, "03-stars", STARS)
    save(book, "04-dust", DUST)
    return book


# ---------------------------------------------------------------- the table


def test_every_chapter_is_in_the_table():
    order = read_order(BOOK, NAMES)
    assert list(order.reads) == list(order.writes) == NAMES
    needed = ["01-data-preparation", "03-training", "04-full-sky-synthesis"]
    assert order.needs("06-beyond") == needed
    alone = ["00-training", *NAMES[NAMES.index("07-line-transfer") :]]
    assert not any(order.needs(name) for name in alone), "companions need nothing of the road"


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_what_a_notebook_asks_the_road_for(name):
    """Whatever it takes up is read or made by it, with all that this was made from."""
    order, cells = read_order(BOOK, NAMES), read_json(BOOK / f"{name}.ipynb")["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    made = {step.make.__name__: artefact for artefact, step in road.STEPS.items()}
    asked = set(re.findall(r"road\.need\(\s*settings,\s*\"([^\"]+)\"", source))
    makes = {made[word] for word in re.findall(r"road\.(\w+)\(", source) if word in made}
    asked |= {other for artefact in makes for other in road.STEPS[artefact].inputs}
    for artefact in list(asked):
        asked |= set(road.STEPS[artefact].inputs)
    own = order.writes[name]
    sections = re.findall(r"add_to_report\(\s*run,\s*\"(\w+)\"", source)
    assert asked <= {*order.reads[name], *own}
    assert {f"report.json#{x}" for x in sections if x != "provenance"} <= set(own)
    assert makes - {session.REPORT} <= set(own)


def test_a_table_that_cannot_be_right_is_one_sentence(tmp_path):
    (tmp_path / "_includes").mkdir()
    path = tmp_path / "_includes" / "order.yaml"
    for text, words in (
        ("- {name: a, reads: [x], writes: []}", "a reads x, which no chapter before it writes"),
        ("- {name: a}", "must be a list of chapters with name, reads and writes"),
        ("a: [", "must be a list of chapters"),
        ("3", "must be a list of chapters"),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(CoganError, match=words):
            read_order(tmp_path, ["a"])


def test_chapters_that_the_table_lacks_wait_for_all_and_run_alone():
    order = Order(["a", "b", "c"], {"a": [], "c": []}, {"a": ["x"], "c": ["y"]})
    assert order.needs("b") == ["a"] and order.needs("c") == ["b"]
    assert order.beside("a", "c") and not order.beside("a", "b")
    assert order.all_needs("c") == ["a", "b"]
    assert order.mine("a", "x/file") and not order.mine("c", "x") and order.mine("c", "unknown")


# ---------------------------------------------------------------- the order


ORDER = Order(
    list("abcde"),
    {"a": [], "b": ["A"], "c": ["B"], "d": [], "e": []},
    {name: [name.upper()] for name in "abcde"},
)
SECONDS = {"a": 10.0, "b": 50.0, "c": 20.0, "d": 30.0, "e": 40.0}


def test_the_longest_chain_goes_first():
    chains = ORDER.chains(SECONDS, ORDER.names)
    assert chains == {"a": 80.0, "b": 70.0, "c": 20.0, "d": 30.0, "e": 40.0}
    rows = plan(ORDER.names, SECONDS, ORDER, Limits(2, 1e6, {}))
    begun = {name: begin for name, begin, _ in rows}
    assert begun == {"a": 0.0, "e": 0.0, "b": 10.0, "d": 40.0, "c": 60.0}
    assert makespan(rows) == 80.0
    assert makespan(plan(ORDER.names, SECONDS, ORDER, Limits(1, 1e6, {}))) == 150.0
    still = plan(["b", "c", "d"], SECONDS, ORDER, Limits(2, 1e6, {}), {"b": 5.0})
    assert makespan(still) == 30.0


def test_memory_bounds_what_runs_together():
    peaks, chains = dict.fromkeys("de", 1000.0), dict.fromkeys("abcde", 1.0)
    assert pick("de", ["d"], chains, ORDER, Limits(4, 2400.0, peaks)) == "d"
    assert pick("e", ["d"], chains, ORDER, Limits(4, 2200.0, peaks)) is None
    assert pick("e", [], chains, ORDER, Limits(4, 10.0, peaks)) == "e", "alone it may try"
    assert pick("e", ["d"], chains, ORDER, Limits(1, 1e6, peaks)) is None
    assert pick("ae", ["d"], chains | {"a": 2.0}, ORDER, Limits(4, 2400.0, peaks)) == "e", (
        "a has not run yet, and is reckoned with the default"
    )


def test_available_memory_is_the_containers(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule.threads, "CGROUP", tmp_path)
    whole = schedule.available_mb()
    assert whole > 50
    for name, text in (("max", "104857600"), ("current", "62914560"), ("stat", "inactive_file 0")):
        (tmp_path / f"memory.{name}").write_text(text, "utf-8")
    assert schedule.available_mb() == pytest.approx(40)
    (tmp_path / "memory.max").write_text("max\n", "utf-8")
    assert schedule.available_mb() > 50


def test_a_gpu_is_not_shared_unasked(monkeypatch):
    settings = run_notebooks.Settings.check()
    monkeypatch.setattr(run_notebooks, "cores", lambda: 4)
    at_once = run_notebooks.at_once
    assert at_once(settings, "none") == 4 and at_once(settings, "NVIDIA T4") == 1
    assert at_once(settings.model_copy(update={"device": "cpu"}), "NVIDIA T4") == 4
    assert at_once(settings.model_copy(update={"threads": 2}), "none") == 2


# ---------------------------------------------------------------- the driver


class Clock:
    """Chapters that take a given number of looks each, and what ran beside what."""

    def __init__(self, monkeypatch, execute_here, looks: dict[str, int], failing=()):
        self.looks, self.failing, self.log = looks, failing, []
        self.execute_here, self.now = execute_here, []
        self.stopped, self.interrupt, self.threads = [], None, {}
        monkeypatch.setattr(run_notebooks, "begin", self.begin)
        monkeypatch.setattr(run_notebooks, "LOOK_SECONDS", 0.0)
        monkeypatch.setattr(run_notebooks, "at_once", lambda settings, gpu: 2)

    def begin(self, chapter, output, environment, root, bar):
        os.chdir(root)
        clock, name = self, chapter.name
        self.now.append(name)
        self.threads[name] = environment["OMP_NUM_THREADS"]
        self.log.append(" ".join(sorted(self.now)))

        class Slow:
            started, left = time.monotonic(), self.looks.get(name, 1)

            def poll(self):
                self.left -= 1
                if clock.interrupt == name:
                    raise KeyboardInterrupt
                if self.left:
                    return None
                clock.now.remove(name)
                record = clock.execute_here(chapter, output).record
                return record | ({"outcome": "failed"} if name in clock.failing else {})

            def stop(self):
                clock.stopped.append(name)

        return Slow()


@pytest.fixture
def clock(monkeypatch, wide):
    from tests.books import execute_here

    before = Path.cwd()
    yield Clock(monkeypatch, execute_here, {"01-sky": 3, "02-training": 5, "03-stars": 6})
    os.chdir(before)


def test_chapters_run_side_by_side_and_each_knows_its_own_files(wide, clock, capsys):
    assert drive(wide) == 0
    assert clock.log == ["01-sky", "01-sky 03-stars", "02-training 03-stars", "02-training 04-dust"]
    chapters = status(wide)["chapters"]
    assert set(chapters["03-stars"]["artefacts"]) == {"stars/stars.txt"}
    assert set(chapters["02-training"]["artefacts"]) == {"checkpoint/weights.txt"}
    assert status(wide)["machine"]["side_by_side"] == 2
    said = capsys.readouterr().out
    assert "chapter 3 of 4: Stars\n    Promise.\n" in said and "left for all" not in said, (
        "no times yet"
    )
    assert drive(wide) == 0 and len(clock.log) == 4, "all is up to date"

    save(wide, "01-sky", copy.deepcopy(SKY) | {"metadata": {**SKY["metadata"], "more": 1}})
    (wide / "runs" / "toy" / "stars" / "stars.txt").unlink()
    assert drive(wide) == 0
    assert clock.log[4:] == ["01-sky", "01-sky 03-stars"], "its sky is the same"
    words = "chapter 1 of 4: Sky (about 1 minute; about 1 minute left for all, from the last run)\n"
    assert words in capsys.readouterr().out


def test_a_chapter_that_will_be_alone_has_all_cores(wide, clock, monkeypatch):
    """03-stars takes far longer than all that may run beside it, and 02-training does not."""
    took = {"01-sky": 10.0, "02-training": 20.0, "03-stars": 500.0, "04-dust": 10.0}
    monkeypatch.setattr(run_notebooks, "stored_seconds", lambda _: took)
    monkeypatch.setattr(run_notebooks, "cores", lambda: 7)
    assert drive(wide) == 0
    assert clock.threads == {"01-sky": "1", "02-training": "1", "03-stars": "7", "04-dust": "1"}
    assert status(wide)["chapters"]["03-stars"]["threads"] == 7


def test_a_failure_lets_the_others_end_and_is_said_last(wide, clock, capsys):
    clock.failing = ("01-sky",)
    assert drive(wide) == 1
    chapters = status(wide)["chapters"]
    assert chapters["03-stars"]["outcome"] == "ok" and chapters["01-sky"]["outcome"] == "failed"
    assert "02-training" not in chapters and "04-dust" not in chapters
    lines = capsys.readouterr().out.splitlines()
    assert "01-sky: FAILED; waiting for 03-stars" in lines
    assert lines[-1].startswith("01-sky: FAILED; what it did so far is in _build/executed/toy/01")
    clock.failing = ()
    assert drive(wide) == 0 and "01-sky" in clock.log[2]
    clock.failing = ("02-training",)
    assert drive(wide, "-p", "max_minutes", "2.0") == 1
    record = status(wide)["chapters"]["02-training"]
    assert record["outcome"] == "failed" and record["last"] == {"peak_mb": 1, "seconds": 1.0}


def test_an_interrupt_stops_all_that_run(wide, clock):
    clock.interrupt, before = "03-stars", signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        drive(wide)
    assert sorted(clock.stopped) == ["01-sky", "03-stars"]
    assert signal.getsignal(signal.SIGINT) is before  # of a shell's background job it is ignored
    assert {row["outcome"] for row in status(wide)["chapters"].values()} == {"begun"}
    clock.interrupt = None
    assert drive(wide) == 0


def test_only_and_bad_jobs(wide, clock, capsys):
    assert drive(wide, "--only", "01", "03", "04") == 0
    assert clock.log == ["01-sky", "01-sky 03-stars", "03-stars 04-dust"]
    assert drive(wide, "--jobs", "-1") == 2 and "--jobs is -1" in capsys.readouterr().err


# ---------------------------------------------------------------- real processes


KERNEL = """
import os, subprocess, sys, time
environment = {**os.environ, "JPY_PARENT_PID": str(os.getpid())}
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)"
child = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
print(child.pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize("seconds", ["100", "0"])
def test_a_stopped_chapter_leaves_no_child(monkeypatch, tmp_path, seconds):
    """Not even if papermill went first, and the kernel heeds nothing but SIGKILL."""
    popen, processes = subprocess.Popen, []

    def started(*arguments, **options):
        processes.append(popen(*arguments, **options, stdout=subprocess.PIPE, text=True))
        return processes[0]

    monkeypatch.setattr(chapter_process.subprocess, "Popen", started)
    monkeypatch.setattr(chapter_process, "PATIENCE_SECONDS", 0.1)
    command = [sys.executable, "-S", "-c", KERNEL, seconds]
    running = chapter_process.Running(None, command, dict(os.environ), tmp_path)
    kernel = psutil.Process(int(processes[0].stdout.readline()))
    running.stop()
    assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE
    assert processes[0].returncode is not None
    processes[0].stdout.close()


@pytest.mark.slow
def test_ctrl_c_leaves_no_child(wide):
    """A real driver, papermill and kernel; SIGINT to the driver alone."""
    for name, source in (("01-sky", SKY), ("03-stars", STARS)):
        slow = copy.deepcopy(source)
        slow["cells"][-1]["source"] += (
            f"\nimport os, time\nPath('{name}.pid').write_text(str(os.getpid()))\ntime.sleep(100)"
        )
        save(wide, name, slow)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'ci'}"}
    code = f"import sys, run_notebooks; from pathlib import Path\nroot = Path({str(wide)!r})\n"
    code += "run_notebooks.main(['--jobs', '2', '--profile', str(root / 'toy.yaml')], root)"
    driver = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    pids = [wide / f"{name}.pid" for name in ("01-sky", "03-stars")]
    end = time.monotonic() + 300
    while not all(path.exists() and path.read_text("utf-8") for path in pids):
        assert time.monotonic() < end and driver.poll() is None
        time.sleep(0.1)
    family = psutil.Process(driver.pid).children(recursive=True)
    assert {int(path.read_text("utf-8")) for path in pids} <= {process.pid for process in family}
    driver.send_signal(signal.SIGINT)
    said = driver.communicate(timeout=30)[0]
    assert driver.returncode and "Stopping 01-sky, 03-stars." in said
    assert not psutil.wait_procs(family, timeout=5)[1]


CHAPTER = """
import os, sys, time
from pathlib import Path
from cogan_lib.base import made_from, session

made_from.WAIT_SECONDS = 0.01
with made_from.alone(sys.argv[1]):
    print("begun", flush=True)
    time.sleep(0.2)
made_from.WAIT_SECONDS = 5.0
for number in range(10):
    session.add_to_report(sys.argv[1], f"{os.getpid()} {number}", {"value": number})
"""


def test_two_chapters_take_turns_and_lose_no_section_of_the_report(tmp_path):
    """A step waits for the other's, where a stranger's is refused after `WAIT_SECONDS`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), BOOK_RUN: "1"}
    command = [sys.executable, "-c", CHAPTER, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(read_json(tmp_path / "report.json")) == 20


# ---------------------------------------------------------------- what is printed


def test_the_plan_is_printed(capsys):
    assert schedule.main(["--stored", "--jobs", "2", "--seconds", "03-training", "60"]) == 0
    said = capsys.readouterr().out
    assert "2 at once" in said and all(name in said for name in NAMES)


def test_a_chapter_without_a_time_is_assumed_or_asked_for(capsys, monkeypatch, tmp_path):
    known = dict.fromkeys(NAMES[1:], 100.0)
    monkeypatch.setattr(schedule, "stored_seconds", lambda record: dict(known))
    assert schedule.main(["--stored", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"No stored time of {NAMES[0]}: {schedule.DEFAULT_SECONDS:.0f} s assu")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "01-a.ipynb").write_text("{}", "utf-8")
    with pytest.raises(CoganError, match="No run has left a time of 01-a; try --stored"):
        schedule.main([], tmp_path)


def test_try_it_refuses_to_train(monkeypatch, tmp_path):
    toy = run_notebooks.read_parameters("smoke", {"run_dir": str(tmp_path)})[0]
    monkeypatch.setattr(road, "need", lambda settings, name: tmp_path / name)
    monkeypatch.setattr(try_it.Patches, "load", lambda path: toy_patches())
    with pytest.raises(CoganError, match="None of the shipped weights fit"):
        try_it.try_it(toy)
    assert not list(tmp_path.iterdir())
