"""Replies that a live model gave once, kept with their prompts, and replayed.

What is kept is the raw text; `ci/record_replies.py` writes these files, and nobody by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ...base.files import CoganError, read_json, write_json
from .models import TOKENS, Model, Reply, way_of

#: Where the shipped replies are.
FOLDER = Path(__file__).resolve().parent / "replies"


def key_of(model: str, prompt: str, way: str, seed: int) -> str:
    """Name a reply by all that decides on it.

    Parameters
    ----------
    model, prompt, way : str
    seed : int

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> key_of("a", "Propose a planet.", "free", 1)
    'bb2c57b7dcd476aa'
    """
    said = json.dumps([model, prompt, way, int(seed)])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def write_replies(path: Path, provenance: dict, replies: Sequence[Reply]) -> Path:
    """Keep replies of one model, each prompt once.

    Parameters
    ----------
    path : Path
        A .json file.
    provenance : dict
        Of the model: its name, file, checksum, licence, sampling and versions.
    replies : sequence of Reply

    Returns
    -------
    Path
    """
    prompts = sorted({reply.prompt for reply in replies})
    rows = {
        key_of(reply.model, reply.prompt, reply.way, reply.seed): [
            prompts.index(reply.prompt), reply.way, reply.seed, reply.ended,
            round(reply.seconds, 2), reply.text,
        ]
        for reply in replies
    }  # fmt: skip
    columns = ["prompt", "way", "seed", "ended", "seconds", "text"]
    content = {"provenance": provenance, "prompts": prompts, "columns": columns, "replies": rows}
    return write_json(path, content)


def read_replies(path: Path) -> tuple[dict, list[Reply]]:
    """Read what `write_replies` kept.

    Parameters
    ----------
    path : Path

    Returns
    -------
    provenance : dict
    replies : list of Reply

    Raises
    ------
    CoganError
        If the file is missing, broken, or a reply is not under its own name.
    """
    fix = "record it again with `python ci/record_replies.py`"
    content = read_json(path, fix)
    try:
        origin, prompts = content["provenance"], content["prompts"]
        found = {
            key: Reply(text, prompts[at], way, seed, origin["model"], origin["sha256"], took, ended)
            for key, (at, way, seed, ended, took, text) in content["replies"].items()
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CoganError(f"{path} is no file of replies ({error!r:.80}); {fix}.") from error
    for key, reply in found.items():
        if key_of(reply.model, reply.prompt, reply.way, reply.seed) != key:
            raise CoganError(f"The reply {key} in {path} is of another prompt or seed; {fix}.")
    return origin, list(found.values())


class Recorded(Model):
    """Replies from files in place of a live model; `recorded` makes one."""

    def __init__(self, replies: Sequence[Reply], provenance: dict) -> None:
        self.name, self.origin = provenance["model"], provenance
        self.known = {key_of(r.model, r.prompt, r.way, r.seed): r for r in replies}

    def replies(self, prompts, seeds, *, schema=None, tokens=TOKENS, until=None) -> list[Reply]:
        """Replay; length and end are as they were recorded."""
        way = way_of(schema)
        return [self._replay(prompt, way, seed)
                for prompt, seed in zip(prompts, seeds, strict=True)]  # fmt: skip

    def seeds(self, prompt: str, way: str) -> list[int]:
        """List the seeds of a prompt.

        Parameters
        ----------
        prompt, way : str

        Returns
        -------
        list of int
            Sorted.
        """
        return sorted(r.seed for r in self.known.values() if (r.prompt, r.way) == (prompt, way))

    def _replay(self, prompt: str, way: str, seed: int) -> Reply:
        found = self.known.get(key_of(self.name, prompt, way, seed))
        if found is None:
            seeds = self.seeds(prompt, way)
            others = len({reply.prompt for reply in self.known.values()})
            kept = f"seeds {seeds[0]} to {seeds[-1]}" if seeds else f"{others:,} other prompts"
            raise CoganError(
                f"No reply of {self.name} to the prompt {prompt[:60]!r}... ({way}, seed {seed}) is "
                f"recorded, but {kept}; record more with `python ci/record_replies.py`, or ask "
                "`local_model()`."
            )
        return found


def read_folder(folder: str | Path = FOLDER) -> tuple[dict, list[Reply]]:
    """Read all recorded replies of a folder.

    Parameters
    ----------
    folder : path
        Of files by `write_replies`, all of one model.

    Returns
    -------
    provenance : dict
    replies : list of Reply

    Raises
    ------
    CoganError
        If there are none, a file is damaged, or they are of several models.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise CoganError(
            f"There are no recorded replies in {folder}; record some with "
            "`python ci/record_replies.py`."
        )
    files = [read_replies(path) for path in paths]
    if len({origin["sha256"] for origin, _ in files}) > 1:
        raise CoganError(f"The replies in {folder} are of several models; keep those of one.")
    return files[0][0], [reply for _, replies in files for reply in replies]


def recorded(folder: str | Path = FOLDER) -> Recorded:
    """Take the shipped replies in place of a live model: nothing else is needed.

    Parameters
    ----------
    folder : path
        As for `read_folder`.

    Returns
    -------
    Recorded

    Raises
    ------
    CoganError
        As `read_folder`.
    """
    origin, replies = read_folder(folder)
    return Recorded(replies, origin)
