"""What the roles of the book point to: numbers, titles, terms and works, read from its sources.

Figures, equations and exercises are counted in the order in which they stand, a chapter at a time,
as Sphinx counts them with ``numfig_secnum_depth: 1``; `numbers_on_site` reads what a built page
says, for comparison.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from beside import ROOT
from docutils.utils import new_document
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text
from sphinx.util.nodes import make_id

from cogan_lib.base.files import CoganError


def markdown_parser() -> object:
    """The book's own parser (myst-parser with the extensions of ``_config.yml``).

    Its inline roles and comments know their place: ``meta["span"]`` in the text of their block.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    extensions = config["parse"]["myst_enable_extensions"]
    parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    rules = {rule.name: rule.fn for rule in parser.inline.ruler.__rules__}
    for name in ("myst_role", "html_inline"):
        parser.inline.ruler.at(name, _with_span(rules[name]))
    return parser


def _with_span(rule: object) -> object:
    def spanned(state: object, silent: bool) -> bool:
        start, number = state.pos, len(state.tokens)
        found = rule(state, silent)
        for token in state.tokens[number:] if found and not silent else ():
            if token.type in ("myst_role", "html_inline"):
                token.meta = {**token.meta, "span": (start, state.pos)}
        return found

    return spanned


PARSER = markdown_parser()
FENCES = ("fence", "colon_fence")


def directive(token: Token) -> tuple[str, str]:
    """Name and argument of a directive; two empty words for anything else."""
    if token.type not in FENCES or not token.info.startswith("{"):
        return "", ""
    name, _, argument = token.info[1:].partition("}")
    return name, argument.strip()


def options_and_body(content: str) -> tuple[dict[str, str], str]:
    """The ``:name: value`` lines at the top of a directive, and what follows them."""
    lines, options = content.split("\n"), {}
    while lines and lines[0].startswith(":"):
        name, _, value = lines.pop(0)[1:].partition(":")
        options[name] = value.strip()
    return options, "\n".join(lines).strip("\n")


def blocks(text: str) -> Iterator[Token]:
    """Block tokens of a text and of the directives in it, in order."""
    for token in PARSER.parse(text):
        yield token
        if directive(token)[0]:
            yield from blocks(options_and_body(token.content)[1])


@dataclass(frozen=True)
class Target:
    """A place that has a label: a numbered thing or a section."""

    page: str
    kind: str  # figure, equation, exercise or section
    name: str  # "2.3", or the section's title


@dataclass
class Book:
    """Labels, titles, terms and works of the sources in a folder."""

    folder: Path
    targets: dict[str, Target] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for page in sorted(self.folder.glob("*.md")):
            if not page.name.startswith("_"):
                self._read(
                    page.stem, [{"cell_type": "markdown", "source": page.read_text("utf-8")}]
                )
        for page in sorted(self.folder.glob("[0-9][0-9]-*.ipynb")):
            self._read(page.stem, json.loads(page.read_text("utf-8"))["cells"])

    def _read(self, page: str, cells: list[dict]) -> None:
        """Count and name what has a label on one page."""
        number, count = chapter_number(page), {"figure": 0, "equation": 0, "exercise": 0}

        def numbered(kind: str, label: str) -> None:
            count[kind] += 1
            prefix = f"{number}." if number else ""  # pages that are no chapters count from 1
            self._add(label, Target(page, kind, f"{prefix}{count[kind]}"))

        for cell in cells:
            if cell["cell_type"] == "code":
                name = figure_of(cell).get("name")
                if name:
                    numbered("figure", name)
                continue
            waiting = ""  # the label of the next heading
            tokens = list(blocks("".join(cell["source"])))
            for place, token in enumerate(tokens):
                if token.type == "math_block_label":
                    numbered("equation", token.info)
                elif directive(token)[0] == "exercise":
                    options, _ = options_and_body(token.content)
                    numbered("exercise", options.get("label", f"{page}-{count['exercise']}"))
                elif token.type == "myst_target":
                    waiting = token.content
                elif token.type == "heading_open":
                    title = tokens[place + 1].content
                    self.titles.setdefault(page, title)
                    if waiting:
                        self._add(waiting, Target(page, "section", title))
                    waiting = ""

    def _add(self, label: str, target: Target) -> None:
        if label in self.targets:
            raise CoganError(f"{target.page}: the label {label!r} is there more than once.")
        self.targets[label] = target

    @cached_property
    def terms(self) -> dict[str, str]:
        """Anchor on the glossary page of each term, by the term in small letters."""
        glossary, found = self.folder / "glossary.md", {}
        for token in blocks(glossary.read_text("utf-8") if glossary.exists() else ""):
            if directive(token)[0] == "glossary":
                entries = options_and_body(token.content)[1].split("\n")
                for term in (line for line in entries if line and not line[0].isspace()):
                    found[term.lower()] = make_id(None, new_document(""), "term", term)
        return found

    @cached_property
    def works(self) -> dict[str, Entry]:
        """The entries of references.bib."""
        path = self.folder / "references.bib"
        return dict(parse_file(str(path)).entries) if path.exists() else {}


def figure_of(cell: dict) -> dict:
    """Name and caption of the figure that a code cell draws, if it draws one."""
    return cell["metadata"].get("mystnb", {}).get("figure", {})


def chapter_number(page: str) -> int:
    """2 for 02-cyclegan; 0 for a page that is no chapter."""
    number = page.partition("-")[0]
    return int(number) if number.isdigit() else 0


def authors_of(entry: Entry) -> str:
    """Who a work is cited by: "Anand et al.", "Krachmalnicoff and Puglisi"."""
    names = [" ".join(map(str, person.rich_last_names)) for person in entry.persons["author"]]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


def reference(entry: Entry, year: str) -> str:
    """One work in full, in Markdown, with a link to it."""
    persons = entry.persons["author"]
    names = [
        " ".join([*map(str, person.rich_last_names), *(f"{str(n)[0]}." for n in given)])
        for person, given in ((p, p.rich_first_names + p.rich_middle_names) for p in persons)
    ]
    if len(names) > 6 or names[-1] == "others":
        names = [*names[: min(3, len(names) - 1)], "and others"]
    fields = {name: str(Text.from_latex(text)) for name, text in entry.fields.items()}
    places = ("journal", "booktitle", "institution", "number", "volume", "pages")
    printed = ", ".join(fields[name] for name in places if name in fields)
    url = entry.fields.get("url", "")
    word = next((w for h, w in (("doi.org", "doi"), ("arxiv.org", "arXiv")) if h in url), "link")
    link = f" [{word}: {url.partition('.org/')[2].removeprefix('abs/') or url}]({url})" * bool(url)
    return f"- {', '.join(names)} ({year}). *{fields['title']}*. {printed}.{link}"


def numbers_on_site(page: str) -> dict[str, str]:
    """From the label of each figure, equation and exercise to its number on a page of the site."""
    found = {}
    for chunk in re.split(r"(?=<(?:figure|div)\b)", page):
        label = re.match(r'<(?:figure|div)\b[^>]*\bid="(?:equation-)?([^"]+)"', chunk)
        number = re.search(r'class="(?:caption-number|eqno)">\D*([0-9]+\.[0-9]+)', chunk)
        if label and number:
            found[label.group(1)] = number.group(1)
    return found
