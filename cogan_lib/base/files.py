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
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

#: Reasons of a failed write that more room cures; astropy gives none when a disk is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)
#: A temporary file that nobody has written to for so long has lost its writer.
_LEFT_SECONDS = 3600.0


#: What cures names that are misread or cannot be written.
UTF8_ADVICE = "set the environment variable PYTHONUTF8=1 and start again"


class CoganError(ValueError):
    """A problem that the user can fix: the message says what is wrong, where, and what to do."""


def check_name(path: str | Path) -> None:
    """Check that the locale's encoding can spell the name of a file.

    Parameters
    ----------
    path : path

    Raises
    ------
    CoganError
        If it cannot: Python was started in an ASCII or Latin-1 locale.

    Examples
    --------
    >>> check_name("sky.fits")
    """
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise CoganError(
            f"The name {ascii(str(path))} has letters that this locale's encoding "
            f"({sys.getfilesystemencoding()}) lacks; {UTF8_ADVICE}."
        ) from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` only if the block succeeds.

    Whatever happens, a power cut included, `path` is the old file or the new one, and whole.

    Parameters
    ----------
    path : path
        Its folder is made if need be.

    Yields
    ------
    Path
        The temporary name, beside `path`.

    Raises
    ------
    CoganError
        If the folder cannot be made or written to, the disk is full, or the locale cannot spell the
        name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    check_name(path)
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
    """Put into words why `path` cannot be written, and what to do about it.

    Parameters
    ----------
    path : Path
    error : OSError
        What the attempt raised.

    Returns
    -------
    CoganError
        To be raised.

    Examples
    --------
    >>> print(cannot_write(Path("co.fits"), OSError(errno.EACCES, "Permission denied")))
    Cannot write co.fits: Permission denied. Choose a run folder that you may write to.
    """
    fix = (
        "Make room on the disk and run it again; nothing that was there is lost."
        if error.errno in _FULL
        else "Choose a run folder that you may write to."
    )
    return CoganError(f"Cannot write {path}: {error.strerror or error}. {fix}")


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
def reading(path: str | Path, what: str, fix: str) -> Iterator[None]:
    """Turn whatever goes wrong in a block that only reads `path` into one sentence.

    Parsers raise nearly everything on a broken file, and warn of what is refused here anyway.

    Parameters
    ----------
    path : path
    what : str
        What the file should be, for example ``"patches file"``.
    fix : str
        What to do about a missing or damaged one, for example ``"run chapter 01 again"``.

    Yields
    ------
    None

    Raises
    ------
    CoganError
        In place of every exception of the block.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CoganError:
        raise
    except FileNotFoundError as error:
        raise CoganError(f"There is no {what} {path}; {fix}.") from error
    except PermissionError as error:
        raise CoganError(f"You may not read {path}; ask its owner, or {fix}.") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CoganError(f"{path} is damaged or no {what} ({reason}); {fix}.") from error


def write_bytes(path: str | Path, content: bytes | memoryview) -> Path:
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : path
    content : bytes-like

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_json(path: str | Path, content: dict) -> Path:
    """Write `content` as JSON, whole or not at all; NaN and infinities are refused.

    Parameters
    ----------
    path : path
    content : dict

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CoganError
        If it cannot be written, or a value is none of JSON's.
    """
    try:
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CoganError(f"Cannot write {path}: {error}; leave that value out.") from error
    return write_bytes(path, text.encode())


def read_json(path: str | Path, fix: str = "delete it and make it again") -> dict:
    """Read a JSON object; a missing or broken file, NaN and infinities are a `CoganError`.

    Parameters
    ----------
    path : path
    fix : str
        As for `reading`.

    Returns
    -------
    dict

    Raises
    ------
    CoganError
        If the file is missing, broken, or holds something else than an object.
    """
    with reading(path, "JSON file", fix):
        content = parse_json(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        return content


def parse_json(text: str) -> object:
    """Read a JSON text; NaN and infinities, which JSON has not, are refused.

    Parameters
    ----------
    text : str

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If it is not JSON.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(f"{number} is no finite number")
        return float(number)

    return json.loads(text, parse_constant=finite, parse_float=finite)


def sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    str
        Hexadecimal.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_commit() -> str:
    """Find the commit of the checkout that this package itself lies in ('-dirty' if changed).

    Neither a repository around it counts nor one that the environment names (GIT_DIR).

    Returns
    -------
    str
        Or 'not a checkout'.
    """
    here = Path(__file__).resolve()
    top = here.parents[2]
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment["GIT_CEILING_DIRECTORIES"] = str(top.parent)  # git looks for none above `top`
    # a checkout of another user's, as in a container, is read nevertheless
    git = ["git", "-C", str(top), "-c", f"safe.directory={top}"]
    said = ""
    for command in (
        ["ls-files", "--error-unmatch", str(here.relative_to(top))],  # is it tracked there?
        ["describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
    ):
        try:
            done = subprocess.run(
                git + command, capture_output=True, text=True, timeout=20, env=environment
            )
        except (OSError, subprocess.TimeoutExpired):
            return "not a checkout"
        said = done.stdout.strip()
        if done.returncode or not said:
            return "not a checkout"
    return said


def provenance(seed: int | None = None, **inputs: str) -> dict:
    """Note who made an artefact: commit, versions, machine, seed, checksums of the inputs.

    Parameters
    ----------
    seed : int, optional
        The seed of the step.
    **inputs : str
        Named facts on the inputs, for example ``sky_sha256=sha256(path)``.

    Returns
    -------
    dict
        JSON-ready.
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
