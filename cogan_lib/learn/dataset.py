"""Data sets on disk: folders that are whole or not there, arrays that grow, batches, moments."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..base.files import cannot_write

Batch = TypeVar("Batch")


@contextmanager
def fresh_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; it takes that place if the block succeeds.

    Parameters
    ----------
    folder : path
        Replaced if there is one.

    Yields
    ------
    Path
        The empty folder.

    Raises
    ------
    CoganError
        If something in it cannot be written, or the disk is full: an `OSError` of the block.
    """
    folder, fresh = Path(folder), None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        yield fresh
        fresh.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)


class Stream:
    """An .npy file that is written rows by rows, and never in memory as a whole.

    Not a memory map: on a full disk the kernel ends a process that writes to one without a word.
    Here that is an `OSError`, which `fresh_folder` makes a sentence of. A context manager.

    Parameters
    ----------
    path : path
    shape : tuple of int
        Of the whole array.
    dtype : dtype
    """

    def __init__(
        self, path: str | Path, shape: tuple[int, ...], dtype: np.typing.DTypeLike
    ) -> None:
        self.shape, self.dtype, self.rows = tuple(shape), np.dtype(dtype), 0
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        self._file = open(path, "wb")  # noqa: SIM115 - closed in __exit__
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows, as the file's type.

        Parameters
        ----------
        rows : ndarray, shape (n, ...)

        Raises
        ------
        ValueError
            If they do not fit into the array.
        OSError
            If the disk is full.
        """
        rows = np.ascontiguousarray(rows, self.dtype)
        if rows.shape[1:] != self.shape[1:] or self.rows + len(rows) > self.shape[0]:
            raise ValueError(f"rows of {rows.shape} after {self.rows} do not fit {self.shape}")
        self._file.write(rows.data)
        self.rows += len(rows)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind, *_) -> None:
        with self._file:
            if kind is None:
                if self.rows != self.shape[0]:
                    raise ValueError(f"{self.rows} of {self.shape[0]} rows were written")
                self._file.flush()
                os.fsync(self._file.fileno())


class Batches:
    """Shuffled batches of some rows, in a new order each time; equal seed, equal orders.

    Parameters
    ----------
    rows : ndarray of int
    load : callable
        Makes a batch of sorted rows (a file is best read in its own order) and a NumPy generator,
        for what is random in it.
    size : int
        Of a batch, at most; they are as equal as possible.
    seed : int or sequence of int
    """

    def __init__(
        self,
        rows: np.ndarray,
        load: Callable[[np.ndarray, np.random.Generator], Batch],
        size: int,
        seed: int | Sequence[int],
    ) -> None:
        self.rows, self.load, self.size = rows, load, size
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for chosen in np.array_split(self._rng.permutation(self.rows), len(self)):
            yield self.load(np.sort(chosen), self._rng)


@dataclass
class Moments:
    """Mean and variance of numbers that come in chunks (Chan, Golub and LeVeque 1983).

    Attributes
    ----------
    count : int
    mean : float
    squares : float
        Sum of the squared distances from the mean.

    Examples
    --------
    >>> moments = Moments()
    >>> moments.add(np.array([1.0, 2.0]))
    >>> moments.add(np.array([3.0, 4.0, 5.0]))
    >>> moments.mean, round(moments.std**2, 12)
    (np.float64(3.0), 2.0)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in a chunk: the sums of both parts, and what lies between their means.

        Parameters
        ----------
        values : ndarray, any shape, not empty
        """
        values = np.asarray(values, float)
        count, mean = values.size, values.mean()
        total, apart = self.count + count, mean - self.mean
        self.squares += ((values - mean) ** 2).sum() + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    @property
    def std(self) -> float:
        """Standard deviation, with N in the denominator."""
        return math.sqrt(self.squares / self.count)
