"""One rule for CPU threads: as many as help, none that fight over a core.

Importing `cogan_lib` applies it, before NumPy, healpy or torch are loaded and read it. So every
road goes by it: notebooks in JupyterLab or under papermill, ``make``, the tests, a sweep's workers,
the processes of a shared training, and the number that ducc0 is given
(`config.Settings.thread_count`).

Three things are set, unless the user has. OMP_NUM_THREADS, which OpenMP and MKL read, and numba's
own name for it. OPENBLAS_NUM_THREADS=1: NumPy's matrices are small here and multiplied in threads
of our own, in which OpenBLAS's threads would wait for each other. And OMP_WAIT_POLICY=PASSIVE:
threads that wait sleep. Threads that spin instead made a training step sixty times slower as soon
as another program took one of two cores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Count the CPUs that this process may use.

    The machine's, within its affinity and its container's limit.

    Returns
    -------
    int
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.floor(min(allowed, _quota())))


def _quota() -> float:
    """CPUs' worth of time that a container is granted (cgroup version 2, then 1)."""
    old = [CGROUP / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
    for paths in ([CGROUP / "cpu.max"], old):
        try:
            quota, period = " ".join(path.read_text("utf-8") for path in paths).split()
        except (OSError, ValueError):  # another version, another system
            continue
        return math.inf if quota in ("max", "-1") else int(quota) / int(period)
    return math.inf


def default_threads() -> int:
    """Choose a number of CPU threads that suits this process.

    OMP_NUM_THREADS if set; otherwise one per physical core, but a single one on two cores or fewer,
    where a second OpenMP thread gains little and loses much. Processes that torchrun has started
    side by side share the cores, whatever OMP_NUM_THREADS says.

    Returns
    -------
    int
    """
    usable, processes = cores(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    share = max(1, usable // processes)
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given) if processes == 1 else min(int(given), share)
    try:
        import psutil

        usable = min(usable, psutil.cpu_count(logical=False) or usable)
    except ImportError:  # a bare GPU machine: most CPUs run two threads per core
        usable = max(1, usable // 2)
    return min(usable, share) if usable > 2 else 1


def settle(threads: int) -> None:
    """Let libraries that are loaded from now on use so many threads, and wait asleep.

    Parameters
    ----------
    threads : int
        For OpenMP, MKL and numba; what the user has set for OpenBLAS and numba stays.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))  # may not change once numba runs
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def in_threads(number: int) -> Iterator[Callable]:
    """Open a `map` that works in so many threads; the plain one for a single thread.

    Parameters
    ----------
    number : int
        Threads, at least one.

    Yields
    ------
    callable
        Called as `map`; results come in the order of the items.

    Examples
    --------
    >>> with in_threads(2) as each:
    ...     list(each(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    if number == 1:
        yield map
        return
    with ThreadPoolExecutor(number) as pool:
        yield pool.map
