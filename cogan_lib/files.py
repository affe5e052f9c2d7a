"""What every file of a run needs: one error, whole-or-nothing writing, checksums, provenance."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class CoganError(ValueError):
    """A problem that the user can mend: the message says what is wrong, where, and what to do."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` only if the block succeeds.

    Raises
    ------
    CoganError
        If the folder cannot be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise CoganError(
            f"Cannot write {path}: {error.strerror}. Choose a run folder that you may write to."
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        temporary.replace(path)
    except OSError as error:
        raise CoganError(
            f"Cannot write {path}: {error.strerror or error}. Make room on the disk, or choose "
            "another folder; what was there before is still there."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: dict) -> Path:
    """Write `content` as JSON, whole or not at all; NaN and infinities are refused."""
    try:
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CoganError(f"Cannot write {path}: {error}; leave that value out.") from error
    with atomic_path(path) as temporary:
        temporary.write_text(text)
    return Path(path)


def read_json(path: str | Path) -> dict:
    """Read a JSON object; a missing or broken file is a `CoganError`."""
    try:
        content = parse_json(Path(path).read_text())
    except FileNotFoundError as error:
        raise CoganError(f"There is no file {path}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CoganError(f"{path} is not readable as JSON ({error}); make it again.") from error
    if not isinstance(content, dict):
        raise CoganError(f"{path} does not hold a JSON object; make it again.")
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
