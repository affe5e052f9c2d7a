"""What every file of a run needs: one error, whole or no files, checked reading, provenance."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

#: Reasons of a failed write that more room mends; astropy gives none when a disk is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)
#: A temporary file that nobody has written to for so long has lost its writer.
_LEFT_SECONDS = 3600.0


class CoganError(ValueError):
    """A problem that the user can mend: the message says what is wrong, where, and what to do."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` only if the block succeeds.

    Whatever happens, a power cut included, `path` is the old file or the new one, and whole.

    Raises
    ------
    CoganError
        If the folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    prefix, suffix = f".{path.name}.", f".new{path.suffix}"
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent, f"{escape(prefix)}*{escape(suffix)}")
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())  # or a power cut could leave the new name with no content
        temporary.replace(path)
        _fsync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> CoganError:
    """The error that says why `path` cannot be written, and what to do about it."""
    mend = (
        "Make room on the disk and run it again; nothing that was there is lost."
        if error.errno in _FULL
        else "Choose a run folder that you may write to."
    )
    return CoganError(f"Cannot write {path}: {error.strerror or error}. {mend}")


def _sweep(folder: Path, pattern: str) -> None:
    """Remove what processes that were killed have left; who still writes has done so just now."""
    with suppress(OSError):
        for left in folder.glob(pattern):
            if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                left.unlink()


def _fsync_folder(folder: Path) -> None:
    """Wait until a new name is on the disk, where a folder can be opened for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def reading(path: str | Path, what: str, mend: str) -> Iterator[None]:
    """Whatever goes wrong in the block, which only reads `path`, becomes one sentence.

    Parsers raise nearly everything on a broken file, and warn of what is refused here anyway.

    Parameters
    ----------
    path : path
    what : str
        What the file should be, for example ``"patches file"``.
    mend : str
        What to do about a missing or damaged one, for example ``"run chapter 01 again"``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CoganError:
        raise
    except FileNotFoundError as error:
        raise CoganError(f"There is no {what} {path}; {mend}.") from error
    except PermissionError as error:
        raise CoganError(f"You may not read {path}; ask its owner, or {mend}.") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CoganError(f"{path} is damaged or no {what} ({reason}); {mend}.") from error


def write_bytes(path: str | Path, content: bytes | memoryview) -> Path:
    """Write a file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_json(path: str | Path, content: dict) -> Path:
    """Write `content` as JSON, whole or not at all; NaN and infinities are refused."""
    try:
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CoganError(f"Cannot write {path}: {error}; leave that value out.") from error
    return write_bytes(path, text.encode())


def read_json(path: str | Path, mend: str = "delete it and make it again") -> dict:
    """Read a JSON object; a missing or broken file, NaN and infinities are a `CoganError`.

    Parameters
    ----------
    path : path
    mend : str
        As for `reading`.
    """
    with reading(path, "JSON file", mend):
        content = parse_json(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        return content


def parse_json(text: str) -> object:
    """What a JSON text says; NaN and infinities, which JSON has not, are a ValueError."""

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(f"{number} is no finite number")
        return float(number)

    return json.loads(text, parse_constant=finite, parse_float=finite)


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as a hexadecimal string."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_commit() -> str:
    """Commit of this package's checkout ('-dirty' if changed), or 'not a checkout'."""
    folder = Path(__file__).parent
    command = [
        "git",
        "-C",
        str(folder),
        "describe",
        "--always",
        "--abbrev=40",
        "--dirty",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not a checkout"
    return done.stdout.strip() or "not a checkout"


def provenance(seed: int | None = None, **inputs: str) -> dict:
    """Who made an artefact: commit, library versions, machine, seed, checksums of the inputs.

    Parameters
    ----------
    seed : int, optional
        The seed of the step.
    **inputs : str
        Named facts on the inputs, for example ``sky_sha256=sha256(path)``.
    """
    versions = {}
    for name in ("cogan", "numpy", "scipy", "torch", "healpy", "ducc0", "astropy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "seed": seed,
        **inputs,
    }
