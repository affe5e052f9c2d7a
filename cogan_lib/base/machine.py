"""A machine in a few facts, and those facts in a code that is short enough to be read aloud.

Stands on nothing but Python: it has to work where something is missing.
"""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
import os
import platform
import re
import shutil
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .files import CoganError
from .threads import CGROUP, cores

#: What the check shows, in this order; those that the code carries come first.
PACKAGES = (
    "numpy",
    "torch",
    "healpy",
    "jupyterlab",
    "scipy",
    "astropy",
    "ducc0",
    "matplotlib",
    "pysm3",
    "papermill",
    "ipykernel",
)
CARRIED = 4
#: The exact versions of the book; a link to constraints.txt, where it is shipped.
PINNED = Path(__file__).with_name("constraints.txt")
SYSTEMS = ("another system", "Linux", "macOS", "Windows", "Linux in WSL")
#: Memory and disk, in GiB, below which a workshop is no pleasure. A machine that is sold as one
#: of 8 GB has a little less.
NEEDED = {"memory": 7, "disk": 2}

_VERSION = 1
# version, cogan, python, packages, system, cores, memory, disk, memory of the GPU, speed, flags
_FORMAT = ">B3B2B8B5BHB"
_NO_SPEED, _MISSING, _WRITABLE, _GPU, _FAILS = 0xFFFF, (255, 255), 1, 2, 4
_LETTERS, _CHECKED = 5, 3  # letters in a group, bytes of the checksum


@dataclass(frozen=True)
class Machine:
    """What the code carries.

    Attributes
    ----------
    cogan : tuple of int
        Version, three numbers.
    python : tuple of int
        Version, two numbers behind the 3.
    packages : tuple
        For each of the first `CARRIED` of `PACKAGES` its version's first two numbers, or None.
    system : str
        One of `SYSTEMS`.
    cores, memory, disk : int
        Cores that this process may use; GiB of memory and of free disk, 255 for more, 0 for not
        known.
    gpu : int or None
        GiB of the GPU's memory; None without a GPU.
    speed : float or None
        Training steps per second; None if not measured.
    writable : bool
        Whether files can be written here.
    trains : bool
        False if a step of training was tried, and failed.
    """

    cogan: tuple[int, int, int]
    python: tuple[int, int]
    packages: tuple[tuple[int, int] | None, ...]
    system: str
    cores: int
    memory: int
    disk: int
    gpu: int | None
    speed: float | None
    writable: bool
    trains: bool = True

    def code(self) -> str:
        """Pack the facts and a checksum into letters and digits that are hard to mix up.

        Returns
        -------
        str
            Groups of five of A to Z and 2 to 7, joined by dashes.
        """
        pairs = [pair or _MISSING for pair in self.packages]
        speed = _NO_SPEED if self.speed is None else min(round(self.speed * 100), _NO_SPEED - 1)
        fields = [_VERSION, *self.cogan, *self.python, *(n for pair in pairs for n in pair)]
        fields += [SYSTEMS.index(self.system), self.cores, self.memory, self.disk, self.gpu or 0]
        flags = _WRITABLE * self.writable + _GPU * (self.gpu is not None)
        flags += _FAILS * (not self.trains)
        packed = struct.pack(_FORMAT, *(min(n, 255) for n in fields), speed, flags)
        letters = base64.b32encode(packed + _checksum(packed)).decode().rstrip("=")
        return "-".join(re.findall(f".{{1,{_LETTERS}}}", letters))

    @property
    def lacks(self) -> list[str]:
        """What stands in the way of the workshop, in words; [] if nothing does."""
        names = PACKAGES[: len(self.packages)]
        found = [f"no {name}" for name, pair in zip(names, self.packages, strict=True) if not pair]
        known = {"memory": self.memory, "disk": self.disk}
        found += [
            f"{known[what]} GiB of {what}"
            for what, least in NEEDED.items()
            if known[what] and known[what] < least
        ]
        found += ["cannot write here"] * (not self.writable)
        return found + ["training does not run"] * (not self.trains)


def read_code(code: str) -> Machine:
    """Unpack what `Machine.code` has packed.

    Parameters
    ----------
    code : str
        Spaces, dashes and small letters don't matter, nor does 0 for O or 1 for I.

    Returns
    -------
    Machine

    Raises
    ------
    CoganError
        If it is no such code, or has a slip in it.
    """
    letters = re.sub(r"[\s-]", "", code).upper()
    shown = code.strip()[:60]
    size = struct.calcsize(_FORMAT) + _CHECKED
    whole = -(-size * 8 // 5)
    if len(letters) != whole:
        raise CoganError(
            f"The code {shown!r} has {len(letters)} letters and digits in place of {whole}; "
            "ask for it again, whole."
        )
    try:
        packed = base64.b32decode(letters + "=" * (-len(letters) % 8), map01="I")
    except (binascii.Error, ValueError):
        raise CoganError(
            f"The code {shown!r} has a sign that no code has; they are of A to Z and 2 to 7."
        ) from None
    body = packed[:-_CHECKED]
    if _checksum(body) != packed[-_CHECKED:]:
        raise CoganError(f"The code {shown!r} has a slip in it; compare it letter by letter.")
    fields = struct.unpack(_FORMAT, body)
    if fields[0] != _VERSION or fields[14] >= len(SYSTEMS):
        raise CoganError(f"The code {shown!r} is of another version of cogan; take that one.")
    pairs = [fields[i : i + 2] for i in range(6, 14, 2)]
    system, used, memory, disk, gpu, speed, flags = fields[14:]
    return Machine(
        cogan=fields[1:4],
        python=fields[4:6],
        packages=tuple(None if pair == _MISSING else pair for pair in pairs),
        system=SYSTEMS[system],
        cores=used,
        memory=memory,
        disk=disk,
        gpu=gpu if flags & _GPU else None,
        speed=None if speed == _NO_SPEED else speed / 100,
        writable=bool(flags & _WRITABLE),
        trains=not flags & _FAILS,
    )


def look(
    folder: Path, gpu: int | None = None, speed: float | None = None, trains: bool = True
) -> Machine:
    """Find the facts of this machine.

    Parameters
    ----------
    folder : Path
        Where the runs would be written.
    gpu : int, optional
        GiB of the GPU's memory, which torch knows.
    speed : float, optional
        Training steps per second.
    trains : bool
        False if a step was tried, and failed.

    Returns
    -------
    Machine
    """
    found = versions()
    return Machine(
        cogan=_numbers(version_of("cogan") or "0", 3),
        python=tuple(sys.version_info[1:3]),
        packages=tuple(_numbers(found[n], 2) if found[n] else None for n in PACKAGES[:CARRIED]),
        system=system(),
        cores=min(cores(), 255),
        memory=min(round(memory_gib() or 0), 255),
        disk=min(int(shutil.disk_usage(folder).free / 2**30), 255),
        gpu=gpu,
        speed=speed,
        writable=writable(folder),
        trains=trains,
    )


def versions() -> dict[str, str | None]:
    """Find the version of each of `PACKAGES`.

    Returns
    -------
    dict of str to str or None
        None where one is missing.
    """
    return {name: version_of(name) for name in PACKAGES}


def version_of(name: str) -> str | None:
    """Find the version of an installed package.

    Parameters
    ----------
    name : str

    Returns
    -------
    str or None
        None if it is not installed.
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def pinned(path: Path = PINNED) -> dict[str, str]:
    """Read the versions that the book is built with.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to str
        By name; empty where the file is not shipped.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("==") for line in lines if re.fullmatch(r"[\w.-]+==[\w.+]+", line))


def system() -> str:
    """Name the operating system.

    Returns
    -------
    str
        One of `SYSTEMS`.
    """
    if "microsoft" in platform.release().lower():
        return "Linux in WSL"
    name = {"Darwin": "macOS"}.get(platform.system(), platform.system())
    return name if name in SYSTEMS else SYSTEMS[0]


def memory_gib() -> float | None:
    """Find this machine's memory, or what its container grants.

    Returns
    -------
    float or None
        None where the system does not say.
    """
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for path in (CGROUP / "memory.max", CGROUP / "memory" / "memory.limit_in_bytes"):
        try:
            found = min(found, int(path.read_text("utf-8")))
        except (OSError, ValueError):  # another system, or "max"
            continue
    return found / 2**30


def writable(folder: Path) -> bool:
    """Try whether a file can be written.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"0" * 2**16)
    except OSError:
        return False
    return True


def _checksum(packed: bytes) -> bytes:
    return binascii.crc32(packed).to_bytes(4, "big")[-_CHECKED:]


def _numbers(version: str, count: int) -> tuple[int, ...]:
    """Take the first numbers of a version, 0 for those that it lacks."""
    found = [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]
    return tuple((found + [0] * count)[:count])
