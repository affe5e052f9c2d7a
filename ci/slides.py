"""Slides of the road's chapters, from the run that the pages show: reveal.js, without a network.

    python ci/slides.py                      chapters 01 to 06 into _build/slides
    python ci/slides.py OUT --only 03        this one alone

A rule, and no one's hand, says what a slide is. A heading starts one; smaller headings and figures
go below it, code of up to `LINES` lines too. Of a text, the first paragraph, the formulas, lists
and tables are shown, and the rest is among the speaker's notes (press S). Longer code, set-up,
answers, records and references are left out. Numbers are those of the run.

Takes reveal.js from the package sphinx-revealjs and MathJax from sphinx-mathjax-offline: the
folder holds all that its pages load.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from html import escape
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

import nbformat
import offline_math
from beside import ROOT
from flavour_labels import Book, figure_of
from flavour_parts import tags
from flavours import Chapter
from nbconvert import SlidesExporter

from cogan_lib.base.files import CoganError, read_json, write_bytes
from cogan_lib.base.session import glue_label
from cogan_lib.base.yaml_data import read_yaml

CHAPTERS = ("01", "02", "03", "04", "05", "06")
LINES = 16  # of code on a slide, and of text that it prints
REVEAL = ("dist/reveal.js", "dist/reveal.css", "dist/theme/white.css", "plugin/notes/notes.js")
#: Sections that nobody shows.
LEFT_OUT = ("References", "Works cited", "For the record", "Into the report", "What's next")
LEFT_OUT += ("What goes into the report",)
HIDDEN = {"setup", "parameters", "remove-input"}
RECORD = "application/papermill.record/text/plain"
PICTURE = "image/png"
TEMPLATE = """
{%- extends 'reveal/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
<script>MathJax = {tex: {inlineMath: [['$', '$']], processEscapes: true}};</script>
<script src="_static/mathjax/tex-mml-chtml.js"></script>
<style>
.reveal .slides { text-align: left; }
.reveal .slides :is(h1, h2, h3, h4) { text-transform: none; letter-spacing: 0; }
.reveal .slides h1 { font-size: 42px; } .reveal .slides h2 { font-size: 36px; }
.reveal .slides :is(h3, h4) { font-size: 30px; }
.reveal .slides :is(p, li) { font-size: 25px; line-height: 1.35; }
.reveal .slides table :is(td, th, p) { font-size: 18px; line-height: 1.25; }
.reveal .slides pre { font-size: 17px; line-height: 1.25; }
.reveal .slides img { max-height: 470px; width: auto; margin: 0; }
.reveal .slides section section { max-height: 740px; overflow-y: auto; } /* nothing is lost */
</style>
{%- endblock -%}
{%- block footer_js -%}
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script>
Reveal.initialize({controls: true, progress: true, hash: true, slideNumber: 'c/t',
  width: 1200, height: 760, center: false, transition: 'none', plugins: [RevealNotes]});
</script>
{%- endblock -%}
"""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command line; prints each file with its number of slides."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, nargs="?", default=root / "_build" / "slides")
    parser.add_argument("--only", nargs="+", default=CHAPTERS, metavar="03")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        copy_reveal(options.out)
        stage, book = root / "_build" / "stage", Book(root / "book")
        for name in options.only:
            found = sorted(stage.glob(f"{name}-*.ipynb"))
            if not found:
                raise CoganError(f"There is no chapter {name} in {stage}; run `make book` before.")
            target, count = make_slides(book, found[0], options.out)
            print(f"{target}: {count} slides")
    except OSError as error:
        print(f"Error: {options.out}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def copy_reveal(out: Path) -> None:
    """Put reveal.js, MathJax and their licences beside the slides.

    Raises
    ------
    CoganError
        If a package that brings them is missing.
    """
    try:
        places = files("sphinx-revealjs") or []
    except PackageNotFoundError:
        places = []
    folders = [p.locate().parent for p in places if p.match("_static/revealjs/LICENSE")]
    if not folders or not find_spec(offline_math.PACKAGE):
        raise CoganError(
            "Slides take reveal.js from sphinx-revealjs and MathJax from sphinx-mathjax-offline: "
            "pip install --constraint constraints.txt '.[book,slides]'."
        )
    for name in (*REVEAL, "LICENSE"):
        target = out / "reveal" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (Path(folders[0]) / name).read_text("utf-8")
        # the theme's own font is a file of another folder; the browser's will do
        text = re.sub(r"@import[^;]*;", "", text) if name.endswith("css") else text
        target.write_text(text, encoding="utf-8")
    source = Path(find_spec(offline_math.PACKAGE).origin).parent / "static" / "mathjax"
    offline_math.copy(source, out)


def make_slides(book: Book, executed: Path, out: Path) -> tuple[Path, int]:
    """Write the slides of one chapter.

    Parameters
    ----------
    book : Book
        Labels of the sources.
    executed : Path
        The chapter with its outputs.
    out : Path
        Folder with reveal.js.

    Returns
    -------
    path : Path
    count : int
        Of its slides.
    """
    notebook = read_json(executed, "run `make book` again")
    numbers = glued(notebook["cells"])
    plain = Chapter(book, executed.stem, notebook["cells"], "", "student").notebook(notebook)
    figures = {cell["id"]: alt_of(cell) for cell in notebook["cells"] if figure_of(cell)}
    cells = lay_out(plain["cells"], numbers, figures)
    cells[0]["source"] += f"\n\n{run_of(executed.parents[1])}"
    made = nbformat.reads(json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "cells": cells,
         "metadata": {"title": title_of(cells), "language_info": {"name": "python"}}}
    ), as_version=4)  # fmt: skip
    html = to_html(made)
    problems = foreign(html)
    if problems:
        raise CoganError(f"The slides of {executed.stem} would load {', '.join(problems)}.")
    target = out / f"{executed.stem}.slides.html"
    write_bytes(target, html.encode())
    kinds = [cell["metadata"]["slideshow"]["slide_type"] for cell in cells]
    return target, sum(kind in ("slide", "subslide") for kind in kinds)


def run_of(build: Path) -> str:
    """Which run the slides show, as the pages' footer says it; "" where no pages were built."""
    path = build / "stage-config.yml"
    footer = read_yaml(path.read_bytes())["html"]["extra_footer"] if path.exists() else ""
    return next(iter(re.findall(r"Notebooks executed with [^<]*", footer)), "")


def to_html(notebook: nbformat.NotebookNode) -> str:
    """The page of a notebook whose cells are laid out."""
    exporter = SlidesExporter(
        raw_template=TEMPLATE,
        reveal_url_prefix="reveal",
        reveal_theme="white",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    return exporter.from_notebook_node(notebook)[0]


def glued(cells: list[dict]) -> dict[str, str]:
    """The run's numbers by the labels that stand for them in a distributed notebook."""
    found = {}
    for cell in cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name and RECORD in output.get("data", {}):
                text = "".join(output["data"][RECORD])
                found[glue_label(name)] = text.strip("'\"")
    return found


def alt_of(cell: dict) -> str:
    """What a figure shows, in words."""
    return cell.get("metadata", {}).get("mystnb", {}).get("image", {}).get("alt", "")


def title_of(cells: list[dict]) -> str:
    """The first heading."""
    texts = (cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    headings = (re.search(r"^# (.+)$", text, re.MULTILINE) for text in texts)
    return next(match.group(1) for match in headings if match)


def lay_out(cells: list[dict], numbers: dict[str, str], figures: dict[str, str]) -> list[dict]:
    """The slides' cells: the rule at this file's head.

    Parameters
    ----------
    cells : list of dict
        Of a plain notebook, with outputs.
    numbers : dict of str to str
        By label.
    figures : dict of str to str
        By the cell's id, what each figure shows.
    """
    made, shown = [], True
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            source = re.sub(
                r"\*\*\[([^\]]+)\]\*\*", lambda m: numbers.get(m.group(1), m.group(0)), source
            )
            caption = cell["id"].endswith("-caption")
            for level, text in sections(source):
                if level:
                    words = text.split("\n")[0].lstrip("# ")
                    shown = not words.startswith(LEFT_OUT)
                if shown:
                    made += slide(level, text, caption)
        elif shown:
            made += of_code(cell, source, figures.get(cell["id"]))
    return [{**cell, "id": f"slide-{number}"} for number, cell in enumerate(made)]


def sections(source: str) -> list[tuple[int, str]]:
    """The text cut at its headings: level (0 where it goes on) and text of each piece."""
    pieces, fenced = [(0, [])], False
    for line in source.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else re.match(r"(#+) ", line)
        if match:
            pieces.append((len(match.group(1)), []))
        pieces[-1][1].append(line)
    joined = [(level, "\n".join(lines).strip()) for level, lines in pieces]
    return [(level, text) for level, text in joined if text]


def slide(level: int, text: str, caption: bool = False) -> list[dict]:
    """Cells of one piece of text: what is shown, and what is said."""
    blocks = re.split(r"\n\s*\n", text)
    shown, said, had_text = [], [], level == 0
    for block in blocks:
        plain = re.match(r"[^#\s|>$`*-]|\*\*|\$[^$]|`[^`]", block)
        if block.startswith("#") or not plain or caption:
            shown.append(block)
        elif not had_text:
            shown.append(block)
            had_text = True
        else:
            said.append(block)
    kind = {0: "-", 1: "slide", 2: "slide"}.get(level, "subslide")
    cells = [_markdown("\n\n".join(shown), kind)] if shown else []
    return cells + ([_markdown("\n\n".join(said), "notes")] if said else [])


def of_code(cell: dict, source: str, figure: str | None) -> list[dict]:
    """Cells of one cell of code: its figure, or short code with what it prints."""
    marks = set(tags(cell))
    if HIDDEN & marks or cell["id"].endswith(("-answer", "-check")):
        return []
    outputs = [output for old in cell.get("outputs", []) if (output := _output(old, figure))]
    pages = any("text/html" in output.get("data", {}) for output in outputs)
    short = source.count("\n") < LINES and "hide-input" not in marks and figure is None
    if not (pages or short):
        return []
    made = {"cell_type": "code", "execution_count": None, "outputs": outputs,
            "source": source if short else "",
            "metadata": {"slideshow": {"slide_type": "subslide"}}}  # fmt: skip
    if not short:
        made["metadata"]["transient"] = {"remove_source": True}
        made["transient"] = {"remove_source": True}
    return [made]


def _output(output: dict, alt: str | None) -> dict | None:
    """An output as the slides show it; None if they don't."""
    if output["output_type"] == "stream":
        text = "".join(output["text"])
        return output if output["name"] == "stdout" and text.count("\n") <= LINES else None
    data = {kind: value for kind, value in output.get("data", {}).items()
            if "widget" not in kind and not kind.startswith("application/papermill")}  # fmt: skip
    if not data:
        return None
    if PICTURE in data:
        code = "".join(data[PICTURE]).replace("\n", "")
        words = escape(alt or "A figure of the cell above")
        data = {"text/html": f'<img alt="{words}" src="data:{PICTURE};base64,{code}">'}
    return {**output, "data": data, "metadata": {}}


def _markdown(text: str, kind: str) -> dict:
    metadata = {"slideshow": {"slide_type": kind}}
    return {"cell_type": "markdown", "metadata": metadata, "source": text}


def foreign(html: str) -> list[str]:
    """Addresses on other hosts that a page would load by itself; a link to follow is none."""
    loads = (
        r"<(?:script|img|iframe|audio|video|source)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    )
    links = r"<link\b[^>]*?\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    styles = r"(?:url\(|@import\s*)[\"']?((?:https?:)?//[^\"'\s)]+)"
    imports = r"\b(?:import|from)\s*\(?[\"']((?:https?:)?//[^\"']+)"
    return sorted({a for p in (loads, links, styles, imports) for a in re.findall(p, html)})


if __name__ == "__main__":
    sys.exit(main())
