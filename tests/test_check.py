"""`python -m cogan_lib check`: the machine's facts, the code, and what a teacher reads."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cogan_lib import __main__ as command_line
from cogan_lib import check
from cogan_lib.base import machine
from cogan_lib.base.files import CoganError

ROOT = Path(__file__).resolve().parents[1]
FOUND = machine.Machine(
    (0, 1, 0), (12, 3), ((2, 4), (2, 13), (1, 20), None), "macOS", 8, 16, 93, None, 12.34, True
)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"speed": None, "gpu": 15, "writable": False},
        {"speed": None, "trains": False},
        {"packages": (None,) * 4, "memory": 0, "disk": 0, "system": "another system"},
        {"speed": 655.34, "gpu": 0, "cores": 255, "disk": 255, "cogan": (9, 8, 7)},
    ],
)
def test_what_is_packed_comes_back(change):
    found = replace(FOUND, **change)
    code = found.code()
    assert machine.read_code(code) == found
    assert len(code.replace("-", "")) == 40 and set(code) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-"
    )
    spoken = code.lower().replace("-", " ").replace("o", "0").replace("i", "1")
    assert machine.read_code(f" {spoken}\n") == found


def test_what_does_not_fit_into_a_byte_is_cut_off():
    found = replace(FOUND, cores=600, disk=4000, packages=((2026, 300), (1, 2), None, None))
    back = machine.read_code(replace(found, speed=9999.0).code())
    assert back.cores == back.disk == 255 and back.speed == 655.34
    assert back.packages[0] is None or back.packages[0][0] == 255


def test_every_slip_of_one_letter_is_found():
    code = FOUND.code().replace("-", "")
    for i, letter in enumerate(code):
        other = "B" if letter != "B" else "C"
        with pytest.raises(CoganError, match="slip|another version"):
            machine.read_code(code[:i] + other + code[i + 1 :])
    swapped = code[:4] + code[5] + code[4] + code[6:]
    assert swapped == code or pytest.raises(CoganError, machine.read_code, swapped)


@pytest.mark.parametrize(
    "code, words",
    [
        ("", "0 letters and digits in place of 40"),
        ("ABCDE", "5 letters and digits in place of 40"),
        ("!" * 40, "a sign that no code has"),
        ("é" * 40, "a sign that no code has"),
        ("8" * 40, "a sign that no code has"),
        ("A" * 40, "slip|another version"),
    ],
)
def test_a_bad_code_is_one_sentence(code, words):
    with pytest.raises(CoganError, match=words) as problem:
        machine.read_code(code)
    assert "\n" not in str(problem.value)


def test_the_teacher_gets_a_table_and_a_sentence_for_each_bad_code(capsys, tmp_path):
    slow = replace(FOUND, packages=((2, 4), (2, 13), (1, 20), (4, 6)), memory=4, speed=0.5)
    codes = tmp_path / "codes.txt"
    codes.write_text(f"Bob={slow.code()}\n\nCleo={slow.code()[:-1]}\n", "utf-8")
    assert command_line.main(["check", "--read", f"Ann={FOUND.code()}", str(codes)]) == 1
    head, ann, bob, cleo = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["who", "cogan", "python"] and head.endswith("verdict")
    assert "3.12.3" in ann and "missing" in ann and ann.endswith("no jupyterlab")
    assert "0.50" in bob and "167 min" in bob and bob.endswith("4 GiB of memory")
    assert cleo.startswith("Cleo: The code")
    assert check.main(["--read", FOUND.code()]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("-  ")


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    empty, strange = tmp_path / "a.txt", tmp_path / "b.txt"
    empty.write_text("\n", "utf-8")
    strange.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CoganError, match="is empty"):
        check.main(["--read", str(empty)])
    with pytest.raises(CoganError, match="no list of codes"):
        check.main(["--read", str(strange)])
    with pytest.raises(CoganError, match="There is no file"):
        check.main(["--read", str(tmp_path / "c.txt")])
    with pytest.raises(CoganError, match="--seconds is from 0 to 20"):
        check.main(["--seconds", "99"])


def test_the_check_of_this_machine(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    check.main(["--seconds", "0.05"])
    lines = capsys.readouterr().out.splitlines()
    found = machine.read_code(lines[-1].partition(": ")[2])
    assert found.python == sys.version_info[1:3] and found.speed > 0 and found.writable
    assert found.packages[0] and any(line.startswith("healpy") for line in lines)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_or_broken_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "versions", lambda: dict.fromkeys(machine.PACKAGES))
    monkeypatch.setattr(check, "_steps_per_second", lambda seconds: 1 / 0)
    speed, why = check.measure(1.0)
    assert speed is None and "does not run: " in why
    found = machine.look(tmp_path)
    words = "\n".join(check.report(found, "none", why))
    assert "torch        missing" in words and "pip install it" in words
    assert "Not ready: no numpy, no torch, no healpy, no jupyterlab" in words
    assert not machine.writable(tmp_path / "nowhere")


def test_a_training_that_fails_is_not_ready(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check, "_steps_per_second", lambda seconds: 1 / 0)
    monkeypatch.setattr(machine, "PACKAGES", ("numpy",) * machine.CARRIED)  # all of them are here
    monkeypatch.setattr(machine, "memory_gib", lambda: 16.0)
    assert check.main(["--seconds", "1"]) == 1
    said = capsys.readouterr().out
    assert "training     does not run: division" in said
    assert "Not ready: training does not run." in said
    assert check.main(["--read", f"Ann={said.split()[-1]}"]) == 0
    ann = capsys.readouterr().out.splitlines()[1]
    assert ann.endswith("does not run  ?          training does not run")
    assert check.main(["--seconds", "0"]) == 0
    said = capsys.readouterr().out
    assert "training     not measured" in said and "\nReady." in said
    check.main(["--read", f"Ann={said.split()[-1]}"])
    assert "not measured" in capsys.readouterr().out


def test_a_list_of_an_editor_that_marks_its_files(tmp_path, capsys):
    codes = tmp_path / "codes.txt"
    codes.write_text(f"Ann={FOUND.code()}\n", "utf-8-sig")
    assert check.main(["--read", str(codes)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("Ann ")


def test_the_check_works_where_nothing_is_installed(tmp_path):
    """Python alone, without site-packages: the road could not even be imported."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['x', 'check']\n"
    code += "import runpy; runpy.run_module('cogan_lib', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "no torch" in done.stdout and not done.stderr
    assert machine.read_code(done.stdout.strip().rpartition(" ")[2]).packages == (None,) * 4


def test_the_books_versions_come_along(tmp_path):
    pins = machine.pinned()
    assert set(machine.PACKAGES) <= set(pins) and machine.pinned(tmp_path / "no") == {}
