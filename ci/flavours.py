"""Make the notebooks that people open elsewhere, in three flavours, from the book's sources.

    python ci/flavours.py OUT                    OUT/colab, OUT/student, OUT/solved and their zips
    python ci/flavours.py OUT --check            and look whether they are what they should be
    python ci/flavours.py OUT --run smoke --only 02 --flavour student

``colab`` has an empty cell for each answer and its solution folded below it, ``student`` the empty
cell alone, ``solved`` the solution alone. None of them needs MyST, the book or the checkout.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import sys
import zipfile
from pathlib import Path

from beside import ROOT
from flavour_check import check, compare, labels_in
from flavour_labels import Book, figure_of
from flavour_parts import Exercise, code, markdown, parts, tags
from flavour_runs import run_alone
from flavour_text import Words
from release import read_config, site

from cogan_lib.base.files import CoganError

FLAVOURS = ("colab", "student", "solved")
FOLDED = {"setup", "hide-input", "remove-input"}
DATE = (2026, 1, 1, 0, 0, 0)  # in the zips, so that equal notebooks make equal files


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if all is well, 1 if a flavour is not what it should be or does not run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="folder for the notebooks, the zips and the log")
    parser.add_argument("--check", action="store_true", help="say what is wrong with them")
    parser.add_argument("--run", metavar="PROFILE", help="run each alone, with these parameters")
    parser.add_argument("--only", nargs="+", default=[], metavar="02", help="run these chapters")
    parser.add_argument("--flavour", choices=FLAVOURS, help="run this flavour alone")
    parser.add_argument(
        "--python", help="run with this interpreter and what is installed there, not the checkout"
    )
    options = parser.parse_args(arguments)
    try:
        make_flavours(root / "book", options.out, site(read_config(root)))
        problems = []
        if options.check:
            problems = [
                *check(root / "book", options.out, FLAVOURS),
                *compare(root / "_build" / "html", root / "_build" / "stage"),
            ]
            for problem in problems:
                print(problem)
            print(f"{len(FLAVOURS)} flavours, {len(problems)} problems")
        failed = 0
        if options.run:
            flavours = [options.flavour] if options.flavour else FLAVOURS
            folders = [options.out / flavour for flavour in flavours]
            failed = run_alone(
                folders, options.run, options.only, options.out, options.python, labels_in
            )
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return int(bool(problems or failed))


def make_flavours(book: Path, out: Path, site: str) -> None:
    """Write each chapter in each flavour, and a zip of each flavour.

    Parameters
    ----------
    book : Path
        The folder with the sources: notebooks, pages, references.bib.
    out : Path
        Gets the folders and the zips; older ones there are replaced.
    site : str
        Address of the built book, with a slash at its end; "" if it is not known.

    Raises
    ------
    CoganError
        If a chapter has a role or directive that no flavour knows, or that points nowhere.
    """
    labels = Book(book)
    for flavour in FLAVOURS:
        shutil.rmtree(out / flavour, ignore_errors=True)
        (out / flavour).mkdir(parents=True)
    for source in sorted(book.glob("[0-9][0-9]-*.ipynb")):
        notebook = json.loads(source.read_text("utf-8"))
        for flavour in FLAVOURS:
            made = Chapter(labels, source.stem, notebook["cells"], site, flavour).notebook(notebook)
            text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
            (out / flavour / source.name).write_text(text, "utf-8")
    for flavour in FLAVOURS:
        write_zip(out / flavour, out / f"{flavour}.zip")


def write_zip(folder: Path, target: Path) -> None:
    """The notebooks of a folder in a zip that is the same, byte by byte, for equal notebooks."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.glob("*.ipynb")):
            entry = zipfile.ZipInfo(f"cogan-{folder.name}/{path.name}", DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


class Chapter:
    """One chapter on its way into one flavour."""

    def __init__(self, book: Book, page: str, cells: list[dict], site: str, flavour: str) -> None:
        self.book, self.page, self.flavour = book, page, flavour
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        texts += [figure_of(cell).get("caption", "") for cell in cells]
        self.words = Words(book, page, texts, site)
        self.parts = list(parts(book, cells))

    def notebook(self, source: dict) -> dict:
        """The notebook in this flavour; its metadata are the source's."""
        cells = []
        for part in self.parts:
            cells += self._solution(part) if isinstance(part, Exercise) else self._cell(part)
        references = self.words.references()
        if references:
            cells.append(markdown("works-cited", references))
        return {**copy.deepcopy(source), "cells": cells}

    def _cell(self, cell: dict, title: str = "") -> list[dict]:
        """A cell, and the caption below it if it draws a figure; with a `title` it is folded."""
        if cell["cell_type"] == "markdown":
            text = self.words.plain("".join(cell["source"]))
            return [markdown(cell["id"], text)] if text else []
        metadata = {k: copy.deepcopy(v) for k, v in cell["metadata"].items() if k != "mystnb"}
        source = "".join(cell["source"])
        if title or FOLDED & set(tags(cell)):
            metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
            if self.flavour == "colab":
                source = f"# @title {title or fold_title(cell)}\n{source}"
        made = [{**cell, "metadata": metadata, "source": source.splitlines(keepends=True)}]
        figure = figure_of(cell)
        if figure:
            number = self.book.targets[figure["name"]].name
            caption = self.words.plain(" ".join(figure["caption"].split()))
            made.append(markdown(f"{cell['id']}-caption", f"**Figure {number}.** {caption}"))
        return made

    def _solution(self, exercise: Exercise) -> list[dict]:
        """The cells of an exercise below its text."""
        name, title = exercise.name, f"Solution of exercise {exercise.number}"
        made = []
        if self.flavour != "solved":
            made.append(code(f"{name}-answer", exercise.answer()))
        if self.flavour == "student":
            return made
        folded = self.flavour == "colab"
        made.append(markdown(f"{name}-solution-title", f"**{title}**" + " (unfold it)" * folded))
        for cell in exercise.cells:
            new = self._cell(cell, title if folded else "")
            if folded and cell["cell_type"] == "markdown" and new:
                text = "".join(new[0]["source"])
                summary = f"<summary>About the solution of exercise {exercise.number}</summary>"
                new = [markdown(cell["id"], f"<details>{summary}\n\n{text}\n\n</details>")]
            made += new
        return made


def fold_title(cell: dict) -> str:
    """What Colab shows in place of a folded cell's code."""
    if "setup" in tags(cell):
        return "Set-up: run this first"
    if "remove-input" in tags(cell):
        return "Numbers for the text"
    return cell["id"].replace("-", " ").capitalize()


if __name__ == "__main__":
    sys.exit(main())
