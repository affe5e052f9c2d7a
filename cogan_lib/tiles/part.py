"""The file in which a long joining keeps what it has, so that a killed one can go on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.files import CoganError, atomic_path, reading
from .tiling import Joiner

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """The file that keeps the sums over the tiles so far, and the checksum of what they are of.

    Attributes
    ----------
    path : Path
    key : str
        Checksum of all that the sums depend on.
    """

    path: Path
    key: str

    def keep(self, done: int, joiner: Joiner) -> None:
        """Write down the sums over the first tiles, whole or not at all.

        Parameters
        ----------
        done : int
            How many tiles are in the sums.
        joiner : Joiner
            Has been given these tiles.

        Raises
        ------
        CoganError
            If the file cannot be written.
        """
        with atomic_path(self.path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, key=self.key, done=done, **joiner.state())

    def take_up(self, joiner: Joiner) -> int:
        """Give the sums of a killed process to the joiner, if they are of the same tiles.

        Parameters
        ----------
        joiner : Joiner
            Empty.

        Returns
        -------
        int
            How many tiles are in the sums; 0 without a usable file, and the log says why.
        """
        if not self.path.exists():
            return 0
        try:
            with reading(self.path, "part of a sky", "delete it"), np.load(self.path) as kept:
                if str(kept["key"]) != self.key:
                    raise CoganError(f"{self.path} is a part of another sky, or of other weights.")
                done = int(kept["done"])
                joiner.restore(kept)
        except CoganError as problem:
            log.info("Starting over: %s", problem)
            return 0
        log.info("going on after %d of %d tiles in %s", done, len(joiner.centres), self.path)
        return done
