"""Is this machine ready for the workshop? A table for the student, a code for the teacher.

    python -m cogan_lib check
    python -m cogan_lib check --read Ann=ABCDE-FGHIJ-... Bob=...
    python -m cogan_lib check --read codes.txt

Needs no network, and works where packages are missing: it says which.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

from .base import machine
from .base.files import CoganError, reading

SECONDS = 20.0
#: Tiles as chapter 3 of the laptop profile has them: three inputs of the embedded sky, two lines.
INPUTS, TARGETS = 3, 2


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m cogan_lib check`.

    Parameters
    ----------
    arguments : list of str, optional
        Those behind the word ``check``.

    Returns
    -------
    int
        The exit status: 1 if something is missing or a code cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="cogan_lib check", description=__doc__.split("\n")[0], allow_abbrev=False
    )
    parser.add_argument(
        "--read", nargs="+", metavar="CODE", default=[],
        help="for teachers: codes, NAME=CODE, or a file with one a line",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of training, at most")
    options = parser.parse_args(arguments)
    if options.read:
        table, problems = read_codes(options.read)
        print("\n".join([*table, *problems]))
        return int(bool(problems))
    if not 0 <= options.seconds <= SECONDS:
        raise CoganError(f"--seconds is from 0 to {SECONDS:.0f}, not {options.seconds:g}.")
    gpu, name = find_gpu()
    speed, why = measure(options.seconds)
    trains = speed is not None or not options.seconds  # not measured is no failure
    found = machine.look(Path.cwd(), gpu, speed, trains)
    print("\n".join(report(found, name, why)))
    return int(bool(found.lacks))


def report(found: machine.Machine, gpu: str = "none", why: str = "") -> list[str]:
    """Say what was found, for the student.

    Parameters
    ----------
    found : Machine
    gpu : str
        Its name.
    why : str
        Why the speed was not measured.

    Returns
    -------
    list of str
        Lines.
    """
    pins, here = machine.pinned(), machine.versions()
    lines = [
        f"{'':12s} {'here':14s} {'the book':14s}",
        f"{'python':12s} {platform.python_version()}",
    ]
    for name, version in here.items():
        pin = pins.get(name, "")
        word = "" if version else "pip install it"
        if version and pin and version.partition("+")[0] != pin:
            word = "another version, which may do as well"
        lines.append(f"{name:12s} {version or 'missing':14s} {pin or '-':14s} {word}".rstrip())
    memory = f"{found.memory} GiB" if found.memory else "not known"
    lines += [
        "",
        f"system       {found.system}, {platform.machine()}, {found.cores} cores",
        f"memory       {memory}",
        f"free disk    {found.disk} GiB in {Path.cwd()}",
        f"write here   {'yes' if found.writable else 'no'}",
        f"GPU          {gpu}",
        f"training     {_speed(found.speed) or why}",
        "",
        "Ready." if not found.lacks else f"Not ready: {', '.join(found.lacks)}.",
        "",
        f"Send this to your teacher: {found.code()}",
    ]
    return lines


def read_codes(words: list[str]) -> tuple[list[str], list[str]]:
    """Put several codes into a table, for the teacher.

    Parameters
    ----------
    words : list of str
        Codes, ``NAME=CODE``, or names of files with one of these a line.

    Returns
    -------
    table, problems : list of str
        Lines; a sentence for each code that cannot be read.

    Raises
    ------
    CoganError
        If a file cannot be read, or there is no code in it.
    """
    table, problems = [], []
    for name, code in _named(words):
        try:
            found = machine.read_code(code)
        except CoganError as problem:
            problems.append(f"{name}: {problem}" if name else str(problem))
            continue
        table.append(_row(name, found))
    head = ("who", "cogan", "python", *machine.PACKAGES[: machine.CARRIED], "system", "cores")
    head += ("memory", "disk", "GPU", "steps/s", "chapter 3", "verdict")
    widths = [max(len(row[i]) for row in [head, *table]) for i in range(len(head))]
    rows = [head, *table] if table else []
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines, problems


def _named(words: list[str]) -> list[tuple[str, str]]:
    """Names and codes; a name is "" where none is given."""
    entries = []
    for word in words:
        if Path(word).is_file():
            with reading(word, "list of codes", "write one code a line, with a name and = before"):
                lines = [line.strip() for line in Path(word).read_text("utf-8-sig").splitlines()]
            lines = [line for line in lines if line]
            if not lines:
                raise CoganError(f"{word} is empty; write one code a line.")
            entries += lines
        elif "." in word.rpartition("=")[2] or "/" in word:
            raise CoganError(f"There is no file {word}; give codes, or a file with one a line.")
        else:
            entries.append(word)
    pairs = [entry.rpartition("=") for entry in entries]
    return [(name.strip(), code) for name, _, code in pairs]


def _row(name: str, found: machine.Machine) -> tuple[str, ...]:
    """One student in the teacher's table."""
    packages = [f"{pair[0]}.{pair[1]}" if pair else "missing" for pair in found.packages]
    unknown = "not measured" if found.trains else "does not run"
    speed = unknown if found.speed is None else f"{found.speed:.2f}"
    return (
        name or "-",
        ".".join(map(str, found.cogan)),
        f"3.{found.python[0]}.{found.python[1]}",
        *packages,
        found.system,
        str(found.cores),
        f"{found.memory} GiB" if found.memory else "?",
        f"{found.disk} GiB",
        "none" if found.gpu is None else f"{found.gpu} GiB",
        speed,
        f"{_minutes(found.speed):.0f} min" if found.speed else "?",
        "; ".join(found.lacks) or "ready",
    )


def _minutes(speed: float) -> float:
    """Minutes of chapter 3's training, checks apart, with the notebook's own parameters.

    A profile may ask for fewer steps: the laptop's trains half as long.
    """
    from .base.config import Settings

    return Settings().max_steps / speed / 60


def _speed(speed: float | None) -> str:
    if not speed:
        return ""
    return (
        f"{speed:.2f} steps per second: chapter 3, opened alone, trains for about "
        f"{_minutes(speed):.0f} minutes; with the laptop profile for half of that"
    )


def find_gpu() -> tuple[int | None, str]:
    """Ask torch for a GPU.

    Returns
    -------
    memory : int or None
        In GiB; None without a GPU that torch can use.
    name : str
    """
    try:
        import torch

        if torch.cuda.is_available():
            found = torch.cuda.get_device_properties(0)
            return min(round(found.total_memory / 2**30), 255), found.name
    except Exception:  # noqa: BLE001 - no torch, a broken one, a driver that fits neither
        return None, "not known: torch cannot be used"
    return None, "none that torch can use"


def measure(seconds: float) -> tuple[float | None, str]:
    """Measure the speed of chapter 3's training, on made-up tiles of its size.

    Parameters
    ----------
    seconds : float
        Most of it; 0 to leave it out. A step that has begun is finished.

    Returns
    -------
    speed : float or None
        Steps per second.
    why : str
        If it is None.
    """
    if not seconds:
        return None, "not measured"
    try:
        return _steps_per_second(seconds), ""
    except Exception as problem:  # noqa: BLE001 - whatever an installation may do
        return None, f"does not run: {' '.join(str(problem).split())[:200]}"


def _steps_per_second(seconds: float) -> float:
    import torch

    from .base.config import Settings
    from .base.processes import open_fabric
    from .gan.cyclegan import CycleGan
    from .gan.recipes import training_settings

    settings = Settings()
    torch.set_num_threads(settings.thread_count)
    recipe = training_settings(settings, INPUTS, TARGETS)
    fabric = open_fabric(recipe.accelerator)
    gan = CycleGan(INPUTS, TARGETS, recipe, fabric)
    random = torch.Generator().manual_seed(settings.seed)
    shape = (settings.batch_size, INPUTS + TARGETS, settings.tile_npix, settings.tile_npix)
    tiles = torch.randn(shape, generator=random).to(fabric.device)
    begin = time.monotonic()
    gan.step(tiles[:, :INPUTS], tiles[:, INPUTS:], random)  # the first is slow: memory, choices
    warm, steps = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        gan.step(tiles[:, :INPUTS], tiles[:, INPUTS:], random)["generator"].item()  # waits for it
        steps += 1
    end = time.monotonic()
    return steps / (end - warm) if steps else 1 / (warm - begin)
