"""Names beyond ASCII in a locale that cannot spell them: the file, or what to set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys
from cogan_lib.base import session
from cogan_lib.base.config import Settings, from_command_line
from cogan_lib.base.files import CoganError, atomic_path
from cogan_lib.sky import read_map

def write(name):
    with atomic_path(name) as temporary:
        temporary.write_bytes(b"whole")

def tried(what, *arguments, **options):
    try:
        what(*arguments, **options)
        return "done"
    except CoganError as error:
        return ascii(str(error))

name = sys.argv[1] if sys.argv[2] == "given" else "gr\\xf6\\xdfe"
print(tried(write, name))
print(tried(read_map, name + ".fits"))
print(tried(lambda: session.start(Settings.check(run_dir=name + "-run", device="cpu", threads=1))))
print(tried(from_command_line, [("run_dir", name)]))
"""


def said(tmp_path, which, **environment):
    """What a program of this locale says to the name größe: typed by the user, or in the code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", **environment}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, "größe", which],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="LC_ALL is POSIX's")
def test_an_ascii_locale_writes_what_was_typed_or_says_what_to_set(tmp_path):
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    write, read, settings, line = said(tmp_path, "given", **ascii_only)
    assert write == "done" and (tmp_path / "größe").read_bytes() == b"whole"  # byte for byte
    assert "There is no file" in read and "PYTHONUTF8=1" in read
    assert "run_dir" in settings
    assert "run_dir" in line and "PYTHONUTF8=1" in line
    for sentence in said(tmp_path, "in the code", **ascii_only)[:3]:
        assert "PYTHONUTF8=1" in sentence and "ascii" in sentence
    assert said(tmp_path, "given", PYTHONUTF8="1")[-2:] == ["done", "done"]
