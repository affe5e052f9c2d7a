"""What an artefact of a run was made from: it says so itself, and whoever takes it up compares.

The record is a dictionary of two: ``settings``, those parameters that the artefact depends on, its
inputs' included, and ``inputs``, the checksum of each artefact that was read for it. It stands in
the MADEFROM keyword of a FITS header (as JSON), in the ``meta`` of a patches file, and under
``made_from`` in ``checkpoint.json`` and ``report.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from .files import CoganError, parse_json, read_json, reading, sha256

Content = TypeVar("Content")

#: Who finds a run folder taken waits so long: a process that was killed may still be ending.
WAIT_SECONDS = 5.0
#: An environment variable, set for the kernels of the run that makes the book's pages.
BOOK_RUN = "COGAN_BOOK"
_sums: dict[tuple, tuple[tuple, str]] = {}


def to_header(record: dict) -> dict[str, str]:
    """Turn a record into an entry of a sky's `meta`, which stands in its FITS header.

    Parameters
    ----------
    record : dict

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> to_header({"settings": {"seed": 1}, "inputs": {}})
    {'madefrom': '{"inputs": {}, "settings": {"seed": 1}}'}
    """
    return {"madefrom": json.dumps(record, sort_keys=True)}


def read_record(path: str | Path) -> dict | None:
    """Read the record of an artefact.

    Parameters
    ----------
    path : path
        A sky file, a patches file or a JSON file.

    Returns
    -------
    dict or None
        None if it has none, as in a file of an older version.

    Raises
    ------
    CoganError
        If the file is damaged.
    """
    path = Path(path)
    with reading(path, "file of a run", "delete it and make it again"):
        if path.suffix == ".json":
            record = read_json(path).get("made_from")
        elif path.suffix == ".npz":
            import numpy as np

            with np.load(path, allow_pickle=False) as content:
                record = parse_json(str(content["meta"])).get("made_from")
        else:
            from astropy.io import fits

            record = parse_json(fits.getheader(path, 1).get("MADEFROM", "null"))
        if record is None:
            return None
        return {part: dict(record[part]) for part in ("settings", "inputs")}


def difference(name: str, was: object, now: object) -> str:
    """Say in which way one setting or checksum differs.

    Parameters
    ----------
    name : str
    was, now : object
        JSON's types; a SHA-256 is cut short, and None was not recorded.

    Returns
    -------
    str
        Part of a sentence.

    Examples
    --------
    >>> difference("seed", None, 2)
    'seed was not recorded, now it is 2'
    """
    return f"{name} was {_show(was)}, now it is {_show(now)}"


def _show(value: object) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return f"one of SHA-256 {value[:12]}"
    return "not recorded" if value is None else json.dumps(value)


def differences(record: dict, settings: dict) -> str:
    """Say in which of its settings an artefact differs from those asked for.

    Parameters
    ----------
    record : dict
        The artefact's.
    settings : dict
        Those asked for; what it does not name is not compared.

    Returns
    -------
    str
        Part of a sentence; "" if they agree.

    Examples
    --------
    >>> differences({"settings": {"seed": 1, "nside": 64}, "inputs": {}}, {"seed": 2, "nside": 64})
    'seed was 1, now it is 2'
    """
    pairs = [(name, was, settings.get(name, was)) for name, was in record["settings"].items()]
    return ", ".join(difference(*pair) for pair in pairs if pair[1] != pair[2])


def checksum(path: str | Path, of: Callable[[Path], str] = sha256) -> str:
    """Take a file's checksum; again only when the file has changed.

    Parameters
    ----------
    path : path
    of : callable
        What takes it, SHA-256 of the bytes if not given.

    Returns
    -------
    str
        Hexadecimal.
    """
    path = Path(path).absolute()
    key, signature = (path, of), _signature(path)
    if key not in _sums or _sums[key][0] != signature:
        _sums[key] = signature, of(path)
    return _sums[key][1]


def read_with_sum(path: str | Path, read: Callable[[Path], Content]) -> tuple[Content, str]:
    """Read a file, and take the SHA-256 of the very bytes that were read.

    Parameters
    ----------
    path : path
    read : callable
        Takes the path and returns the content.

    Returns
    -------
    content : object
        What `read` returned.
    found : str
        The checksum; "" if `read` made something of a file that is not there.

    Raises
    ------
    CoganError
        If somebody has changed the file meanwhile.
    """
    path = Path(path)
    if not path.is_file():
        return read(path), ""  # it says in its own words what is wrong
    before, found = _signature(path), checksum(path)
    content = read(path)
    if _signature(path) != before:
        raise CoganError(f"{path} was changed while it was read; run this again.")
    return content, found


def joined(sums: list[str]) -> str:
    """Join several checksums in one.

    Parameters
    ----------
    sums : list of str

    Returns
    -------
    str
        The only one, or the SHA-256 of all.

    Examples
    --------
    >>> joined(["ab12"])
    'ab12'
    """
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _signature(path: Path) -> tuple:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@contextmanager
def alone(run_dir: str | Path, what: str = "step") -> Iterator[None]:
    """Be the only one that writes into a run folder, among those that ask for the same `what`.

    The system drops the lock of a process that ends, however it ends. The same process may ask
    again. Of several processes that torchrun started, the first one asks for all. Chapters that the
    book's own run has started side by side take their steps in turn: they wait for each other as
    long as it takes, for strangers `WAIT_SECONDS`.

    Parameters
    ----------
    run_dir : path
    what : {'step', 'driver', 'report'}
        One step of the road, all chapters of the book (a driver's kernels take the steps), or a
        section of the report.

    Yields
    ------
    None

    Raises
    ------
    CoganError
        If another process is at it, or the folder cannot be made.
    """
    run = Path(run_dir)
    try:
        run.mkdir(parents=True, exist_ok=True)
        held = _turns(run.absolute(), what) if os.environ.get("RANK", "0") == "0" else ExitStack()
    except Timeout:
        raise CoganError(
            f"Another process is writing into the run folder {run}; wait until it has ended, or "
            "choose another run_dir."
        ) from None
    except NotImplementedError:  # a file system that knows no locks, such as a mounted cloud drive
        held = ExitStack()
    except OSError as error:
        raise CoganError(
            f"Cannot write to the run folder {run}: {error.strerror}. "
            "Set run_dir to a folder that you may write to."
        ) from None
    with held:
        yield


def _turns(run: Path, what: str) -> ExitStack:
    """Take the locks: among the chapters of one run of the book first, then among all."""
    with ExitStack() as locks:
        if what == "step" and os.environ.get(BOOK_RUN):
            locks.enter_context(FileLock(run / ".chapters.lock", is_singleton=True).acquire())
        lock = FileLock(run / f".{what}.lock", is_singleton=True)
        locks.enter_context(lock.acquire(WAIT_SECONDS))
        return locks.pop_all()
