"""The figures that a run's notebooks have drawn, the hash of each, and how it is made again.

A figure is what a code cell with a name for it (`mystnb`) shows: a PNG, or a part of a page with a
slider. The fold that stands under it on the site says what ci/remake.py needs. All of it is of the
figure as drawn: the site shows large ones as WebP (`finish_site`), which changes pixels.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import papermill
from chapter_process import Chapter
from flavour_labels import figure_of
from formats import short_commit
from PIL import Image

#: Of a hash, as many digits as tell the book's figures apart.
DIGITS = 16
KINDS = {"image/png": "png", "text/html": "html"}


@dataclass(frozen=True)
class Figure:
    """What the cell `cell` of the chapter `chapter` has drawn, as a PNG file or as HTML."""

    name: str
    chapter: str
    cell: str
    kind: str
    content: bytes

    @property
    def pixels(self) -> np.ndarray:
        """Rows, columns and red, green, blue, opacity of a PNG, 0 to 255."""
        with Image.open(io.BytesIO(self.content)) as picture:
            return np.asarray(picture.convert("RGBA"))

    @property
    def hash(self) -> str:
        """First digits of the SHA-256 of the pixels (of the text, if it is HTML)."""
        if self.kind == "html":
            return hashlib.sha256(self.content).hexdigest()[:DIGITS]
        pixels = self.pixels  # not of the file, which names the version of matplotlib
        return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:DIGITS]

    @property
    def parts(self) -> str:
        """What is compared."""
        return "pixels" if self.kind == "png" else "HTML"

    @property
    def size(self) -> str:
        """How large it is, in words."""
        if self.kind == "html":
            return f"{len(self.content.decode()):,} characters of HTML"
        rows, columns, _ = self.pixels.shape
        return f"{columns} x {rows} pixels"


def figures_of(notebook: Path) -> Iterator[Figure]:
    """The figures in an executed notebook, in their order."""
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        name = figure_of(cell).get("name")
        shown = [output.get("data", {}) for output in cell.get("outputs", [])]
        found = [(kind, data[kind]) for kind in KINDS for data in shown if kind in data]
        if name and found:
            kind, text = KINDS[found[0][0]], "".join(found[0][1])
            content = base64.b64decode(text) if kind == "png" else text.encode()
            yield Figure(name, notebook.stem, cell["id"], kind, content)


def folds(book: Path, executed: Path, status: dict) -> dict[str, dict[str, str]]:
    """From each chapter to its figures' names and what stands under each, as HTML.

    Parameters
    ----------
    book : Path
        The folder of the sources.
    executed : Path
        The run's notebooks.
    status : dict
        The run's record.
    """
    found = {}
    for name, record in status["chapters"].items():
        source, output = book / f"{name}.ipynb", executed / f"{name}.ipynb"
        if not source.exists() or not output.exists():
            continue  # of an older book
        chapter = Chapter(source, record["parameters"])
        facts = (
            f"with profile {status['profile']}, {seed_of(chapter)}, commit {short_commit(record)}"
        )
        run = shlex.join(papermill_line(chapter, status["profile"]))
        under = {
            figure.name: fold(figure, facts, run, status["profile"])
            for figure in figures_of(output)
        }
        if under:
            found[name] = under
    return found


def seed_of(chapter: Chapter) -> str:
    """The seed that a chapter ran with, in words."""
    default = papermill.inspect_notebook(str(chapter.source)).get("seed", {}).get("default")
    seed = chapter.cell.get("seed", default)
    return "no seed" if seed is None else f"seed {seed}"


def papermill_line(chapter: Chapter, profile: str) -> list[str]:
    """What runs a whole chapter as this run did, seen from the checkout's top folder."""
    name = chapter.source.name
    line = ["papermill", f"book/{name}", f"_build/executed/{profile}/{name}"]
    for parameter, value in chapter.cell.items():
        line += ["-r" if isinstance(value, str) else "-p", parameter, str(value)]
    return line


def fold(figure: Figure, facts: str, run: str, profile: str) -> str:
    """What stands under a figure, folded."""
    alone = shlex.join(["python", "ci/remake.py", figure.name, "--profile", profile])
    return (
        '<details class="remake"><summary>Remake this figure</summary>\n'
        f"<p>Cell <code>{html.escape(figure.cell)}</code> of "
        f"<code>book/{html.escape(figure.chapter)}.ipynb</code>, run {html.escape(facts)}; "
        f"SHA-256 of its {figure.parts} as drawn: <code>{figure.hash}</code>…</p>\n"
        f"<p>This figure alone, compared with this one:</p>\n{_shell(alone)}\n"
        f"<p>The whole chapter with this run’s parameters:</p>\n{_shell(run)}\n</details>"
    )


def _shell(line: str) -> str:
    """A line that wraps and has a button to copy it."""
    return (
        '<div class="highlight-bash notranslate"><div class="highlight">'
        f'<pre tabindex="0">{html.escape(line)}</pre></div></div>'
    )
