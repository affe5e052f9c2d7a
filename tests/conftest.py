"""What all tests share: one thread, no display, no network, the real sky where there is a copy."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the rest of the rule: cogan_lib.base.threads
os.environ.setdefault("MPLBACKEND", "Agg")

import socket
from pathlib import Path

import pytest

import cogan_lib  # noqa: F401 - before torch is loaded: threads that wait sleep

LOCAL = {"127.0.0.1", "::1", "localhost", ""}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Only this machine can be reached: every other host looks as it does offline."""
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def local_connect(self, address):
        if isinstance(address, tuple) and address[0] not in LOCAL:
            raise OSError(f"no network in tests: {address}")
        return connect(self, address)

    def local_getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (*LOCAL, None):
            raise socket.gaierror(socket.EAI_NONAME, f"no network in tests: {name}")
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", local_connect)
    monkeypatch.setattr(socket, "getaddrinfo", local_getaddrinfo)


@pytest.fixture
def book(tmp_path) -> Path:
    """Top folder of a checkout with two chapters and a profile file."""
    from tests.books import write_book

    return write_book(tmp_path)


@pytest.fixture
def in_process(monkeypatch):
    """Run chapters in this process: a list of what ran."""
    import run_notebooks

    from tests.books import execute_here

    ran = []

    def begin(chapter, output, environment, root, bar):
        monkeypatch.chdir(root)
        ran.append(chapter.name)
        return execute_here(chapter, output)

    monkeypatch.setattr(run_notebooks, "begin", begin)
    return ran


@pytest.fixture(scope="session")
def sky64():
    """The embedded sky of the smoke profile."""
    from cogan_lib.sky.embedded import make_sky

    return make_sky(64, 90.0, seed=1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real sky files; COGAN_REAL_DATA names another one."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
    folder = Path(os.environ.get("COGAN_REAL_DATA", default))
    if not (folder / "sky-nside256.fits").exists():
        pytest.skip(f"no real sky files in {folder}; set COGAN_REAL_DATA to their folder")
    return folder
