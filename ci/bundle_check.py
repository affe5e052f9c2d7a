"""Prove that a workshop's bundle works without a network: install it and run a chapter.

    python ci/bundle_check.py BUNDLE.zip                  chapter 03, profile smoke
    python ci/bundle_check.py BUNDLE.zip --only 01 03 --profile laptop --log bundle.json

Linux alone: all of it happens in a network namespace of its own, which has no route and no device
but the loopback that Jupyter's kernels talk through. What it does is printed as commands that can
be typed, with their wall times.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from companion_settings import read_parameters
from run_notebooks import select

from cogan_lib.base.files import CoganError, provenance, reading, write_json

#: Variables that could lead to packages, settings or caches of this machine.
FOREIGN = ("PYTHON", "PIP_", "JUPYTER", "IPYTHON", "VIRTUAL_ENV", "COGAN", "CONDA", "MPL")
ROUTES = Path("/proc/net/route")
INSIDE = "--inside"


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 if the bundle installs and the chapters run, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--only", nargs="+", default=["03"], metavar="03", help="chapters to run")
    parser.add_argument("--profile", default="smoke", help="whose parameters they get")
    parser.add_argument("--log", type=Path, help="a JSON file for what was measured")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if not options.inside:
            return enter(sys.argv[1:] if arguments is None else arguments)
        close_network()
        with tempfile.TemporaryDirectory() as folder:
            rows = prove(options.bundle, Path(folder), options.only, options.profile)
            if options.log:
                write_json(options.log, {"provenance": provenance(0), "steps": rows})
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def enter(arguments: list[str]) -> int:
    """Start this script again, in a network namespace without routes.

    Raises
    ------
    CoganError
        If this machine has no such namespaces, or does not let this user make one.
    """
    program = shutil.which("unshare")
    ways = ([program, "--map-root-user", "--net"], [program, "--net"])  # the second wants root
    for way in ways if program else ():
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            command = [*way, sys.executable, str(Path(__file__).resolve()), *arguments, INSIDE]
            print(shlex.join(way), "...", flush=True)
            return subprocess.run(command, check=False).returncode
    raise CoganError(
        "A network namespace cannot be made here: that takes Linux, `unshare` of util-linux, and "
        "user namespaces or root."
    )


def close_network() -> None:
    """Switch the loopback on, and make sure that there is nothing else.

    Raises
    ------
    CoganError
        If anything outside could be reached.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        try:
            fcntl.ioctl(control, 0x8914, up)  # SIOCSIFFLAGS
        except OSError as error:
            raise CoganError(f"The loopback cannot be switched on: {error.strerror}.") from None
    devices = sorted(name for _, name in socket.if_nameindex())
    routes = ROUTES.read_text("utf-8").splitlines()[1:]
    if routes or any(is_up(name) for name in devices if name != "lo"):
        raise CoganError(
            f"This is no namespace without a network ({len(routes)} routes, devices "
            f"{', '.join(devices)}): call the script without {INSIDE}."
        )
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=2).close()  # reserved for examples
    except OSError as error:
        print(f"no routes; a connection to 192.0.2.1 fails: {error.strerror}", flush=True)
    else:
        raise CoganError("A connection to 192.0.2.1 was made: there is a network.")


def is_up(name: str) -> bool:
    """Whether a network device is switched on."""
    flags = Path("/sys/class/net", name, "flags")
    return flags.exists() and bool(int(flags.read_text("utf-8"), 16) & 1)


def prove(bundle: Path, folder: Path, only: list[str], profile: str) -> list[dict]:
    """Unpack, install, run: what was done, as commands, and how many seconds each took.

    Raises
    ------
    CoganError
        At the first step that fails.
    """
    rows = []

    def step(command: list[str], shown: str = "", inside: Path | None = None) -> None:
        started = time.monotonic()
        environment = clean_environment(folder)
        done = subprocess.run(
            command,
            cwd=inside or folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = round(time.monotonic() - started, 1)
        rows.append({"command": shown or shlex.join(command), "seconds": seconds})
        print(f"{seconds:7.1f} s  {rows[-1]['command']}", flush=True)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
            raise CoganError(f"`{rows[-1]['command']}` failed: {lines[-1][:400]}")

    with reading(bundle, "bundle", "make it with ci/bundle.py"), zipfile.ZipFile(bundle) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
        if len(top) != 1 or f"{min(top)}/install.sh" not in archive.namelist():
            raise ValueError("it has no install.sh in its folder")
    if unzip := shutil.which("unzip"):
        step([unzip, "-q", str(bundle.resolve())], f"unzip {bundle.name}")
    else:
        step([sys.executable, "-m", "zipfile", "-e", str(bundle.resolve()), "."])
    home = folder / min(top)
    step(["sh", "install.sh"], inside=home)
    settings, dotted = read_parameters(profile, {})
    for chapter in select(home / "notebooks", settings, dotted, only, given=set()):
        if not any(chapter.name.startswith(start) for start in only):
            continue
        values = home / f"{chapter.name}.json"  # JSON is YAML
        write_json(values, chapter.cell)
        command = [".venv/bin/papermill", f"notebooks/{chapter.source.name}", "done.ipynb"]
        command += ["--parameters_file", values.name, "--no-progress-bar", "--log-level", "ERROR"]
        step(command, inside=home)
    return rows


def clean_environment(folder: Path) -> dict[str, str]:
    """A student's environment: a home of its own, and none of this machine's packages."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(FOREIGN)}
    own = os.path.realpath(sys.executable)
    return kept | {"HOME": str(folder), "PYTHON": own}


if __name__ == "__main__":
    sys.exit(main())
