"""What chapters have left in a run folder, and whether that is still what they would leave."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from chapter_process import Chapter
from schedule import Order

from cogan_lib.base.files import read_json, sha256
from cogan_lib.base.made_from import checksum
from cogan_lib.base.session import REPORT


def library_key(root: Path) -> str:
    """One hash of the library's files."""
    digest = hashlib.sha256()
    for path in sorted((root / "cogan_lib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(root)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def artefacts(run_dir: Path) -> dict[str, str]:
    """Hash of each file of the run and of each section of its report but `provenance`, which all
    chapters may write."""
    found = {}
    # not rglob, which fails if another chapter removes a folder just now
    files = [Path(folder, name) for folder, _, names in os.walk(run_dir) for name in names]
    for path in sorted(files):
        name = path.relative_to(run_dir).as_posix()
        if not path.is_file() or path.name.startswith("."):
            continue
        if name == REPORT:
            sections = read_json(path, "delete it and run the chapters again")
            sections.pop("provenance", None)
            for section, content in sections.items():
                text = json.dumps(content, sort_keys=True)
                found[f"{REPORT}#{section}"] = hashlib.sha256(text.encode()).hexdigest()
        else:
            with suppress(FileNotFoundError):  # removed likewise
                found[name] = checksum(path)
    return found


def written(
    name: str, order: Order, previous: dict[str, str], before: dict[str, str], after: dict[str, str]
) -> dict[str, str]:
    """What a chapter has written: new or changed files, and those that it wrote the last time.

    Others write at the same time: what the table says of a file decides whose it is.
    """
    return {
        file: value
        for file, value in after.items()
        if (before.get(file) != value or file in previous) and order.mine(name, file)
    }


def chapter_key(
    chapter: Chapter,
    library: str,
    sky_key: str,
    left: dict[str, str],
    records: dict[str, dict],
    needs: list[str],
) -> str:
    """Hash of all that a chapter's result depends on."""
    inputs = {
        name: left.get(name, "missing")
        for other in needs
        for name in records.get(other, {}).get("artefacts", {})
        if not name.startswith(REPORT)  # numbers for the reader, not an input of later steps
    }
    facts = [sha256(chapter.source), library, chapter.parameters, sky_key, inputs]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_current(record: dict, key: str, left: dict[str, str]) -> bool:
    """Whether a chapter ran well from the same inputs and all that it wrote is still there."""
    return (
        record.get("outcome") == "ok"
        and record.get("key") == key
        and not record.get("out_of_date_inputs")
        and all(left.get(name) == value for name, value in record["artefacts"].items())
    )
