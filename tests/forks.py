"""Processes that cost little, forked from a server that has imported the library; and their death.

What they run stands in `tests.forked`, which the server loads in advance. Where a kill is to hit a
certain moment the process is its own killer: it counts its steps, or what it does to files, and
sends itself SIGKILL at a given number.
"""

import functools
import os
import random
import signal
import sys
import threading
from multiprocessing import forkserver, get_context
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
#: What is done to files; a process can be killed before each of these.
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir"}


@functools.cache
def context():
    """Of processes from the server, which is started at the first call."""
    forks, before = get_context("forkserver"), dict(os.environ)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "ci")])
    os.environ.update(PYTHONPATH=paths, TQDM_DISABLE="1")
    try:
        forks.set_forkserver_preload(["tests.forked"])
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return forks


def start(target, *arguments):
    """A process that has begun."""
    process = context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def answer(target, *arguments):
    """What a function says in a process of its own."""
    here, there = context().Pipe()
    process = start(_send, there, target, *arguments)
    there.close()
    said = here.recv()
    process.join()
    return said


def _send(connection, target, *arguments) -> None:
    connection.send(target(*arguments))


def run(target, folder: Path, moment: tuple = ("never", 0)) -> bool:
    """Whether a process comes to its end; otherwise it was killed.

    The moment of its death is ('after', seconds), from outside; ('step', n), in the nth piece of
    work; ('touch', n), before it touches files in its folder for the nth time; or ('half', n), soon
    after that, when a file has been written and half of it is on the disk. A third entry of the
    last two is a part of the name that such files have.
    """
    process = start(_begin, target, folder, moment)
    process.join(moment[1] if moment[0] == "after" else None)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def _begin(target, folder: Path, moment: tuple) -> None:
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a killed process leaves behind
    kind, number, *name = moment
    if kind in ("touch", "half"):
        die_at_touch(folder, number, kind == "half", *name)
    target(folder, number if kind == "step" else 0)


def die(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_touch(folder: Path, number: int, half: bool, name: str = "") -> None:
    """The moments 'touch' and 'half'; ``touched`` beside `folder` gets the name of the file."""
    count, fsync = 0, os.fsync

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in TOUCHES or not str(arguments[0]).startswith(f"{folder}/"):
            return
        if name not in str(arguments[0]):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == number:
            with open(folder.with_name("touched"), "a", encoding="utf-8") as stream:
                stream.write(f"{event} {arguments[0]}\n")
            if not half:
                die()
            os.fsync = cut

    def cut(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        if os.path.isdir(path):
            return fsync(handle)
        os.truncate(path, os.path.getsize(path) // 2)
        die()

    sys.addaudithook(watch)


def counted(function, number: int, every=lambda: None):
    """`function`, which kills the process when it is called for the nth time."""
    calls = 0

    def wrapped(*arguments):
        nonlocal calls
        calls += 1
        every()
        return die() if calls == number else function(*arguments)

    return wrapped


def moments(seed: int, counts: dict[str, tuple[int, float]]) -> list[tuple]:
    """Shuffled moments of death: of each kind so many, with numbers up to so much."""
    draw, found = random.Random(seed), []
    for kind, (number, most) in counts.items():
        for _ in range(number):
            when = draw.uniform(0.05, most) if kind == "after" else draw.randint(1, most)
            found.append((kind, when))
    draw.shuffle(found)
    return found
