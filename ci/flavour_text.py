"""Markdown of the book to Markdown that every notebook shows: no roles, directives or labels.

The book's own parser finds them; the text around them stays as it was written. So nothing is
taken for a role that stands in code.
"""

from __future__ import annotations

import re
import unicodedata
from string import ascii_lowercase

from flavour_labels import (
    PARSER,
    Book,
    Target,
    authors_of,
    blocks,
    chapter_number,
    directive,
    options_and_body,
    reference,
)
from markdown_it.token import Token

from cogan_lib.base.files import CoganError
from cogan_lib.base.session import glue_label

BADGES = "<!-- badges -->"
LEADS = ("attention", "caution", "hint", "important", "note", "tip", "warning")
Edit = tuple[int, int, str]


class Words:
    """Turns the texts of one chapter.

    Parameters
    ----------
    book : Book
    page : str
        The chapter's name, ``02-cyclegan``.
    texts : list of str
        Its texts and captions, for the works that it cites.
    site : str
        Address of the built book, with a slash at its end, or "".
    """

    def __init__(self, book: Book, page: str, texts: list[str], site: str = "") -> None:
        self.book, self.page, self.site = book, page, site
        keys = {
            key
            for text in texts
            for token in roles(text)
            if token.meta["name"].startswith("cite")
            for key in _keys(token.content)
        }
        self.years = self._years(keys)

    def _years(self, keys: set[str]) -> dict[str, str]:
        """The year of each cited work, with a letter where author and year are not enough."""
        for key in sorted(keys - set(self.book.works)):
            raise CoganError(f"{self.page}: references.bib has no work {key!r}.")
        alike: dict[tuple, list[str]] = {}
        for key in sorted(keys):
            entry = self.book.works[key]
            alike.setdefault((authors_of(entry).lower(), entry.fields["year"]), []).append(key)
        return {
            key: year + (ascii_lowercase[place] if len(same) > 1 else "")
            for (_, year), same in sorted(alike.items())
            for place, key in enumerate(same)
        }

    def references(self) -> str:
        """The cited works as a list, or "" if there are none."""
        works = [reference(self.book.works[key], year) for key, year in self.years.items()]
        return "\n".join(["### Works cited", "", *works]) if works else ""

    def plain(self, text: str) -> str:
        """`text` without anything that only MyST understands."""
        lines = text.split("\n")
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        edits: list[Edit] = []
        behind: dict[int, int] = {}  # in a table's line, the column after the last cell
        in_table = False
        for token in PARSER.parse(text):
            if token.type in ("table_open", "table_close"):
                in_table = token.type == "table_open"
            if token.type == "inline":
                edits += self._inline(token, lines, starts, behind if in_table else None)
                continue
            new = self._block(token)
            if new is not None:
                first, end = token.map
                indent = re.match(r"[ ]*", lines[first]).group()
                new = new.replace("\n", f"\n{indent}")
                if not new and end < len(lines) and not lines[end].strip():
                    end += 1  # one empty line goes with it
                whole = starts[first] + len(indent) * bool(new), starts[end] - bool(new)
                edits.append((*whole, new))
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text.strip("\n")

    def _block(self, token: Token) -> str | None:
        """What takes the place of a block; None if it stays, "" if it goes."""
        if token.type == "math_block_label":
            tag = self.book.targets[token.info].name
            return f"$$\n{token.content.strip()} \\tag{{{tag}}}\n$$"
        if token.type in ("myst_target", "myst_line_comment", "myst_block_break"):
            return ""
        if token.type == "html_block" and token.content.lstrip().startswith("<!--"):
            return self._badges() if token.content.strip() == BADGES else ""
        name, argument = directive(token)
        if not name:
            return None
        options, body = options_and_body(token.content)
        if name == "exercise":
            title = self.plain(argument)
            number = self.book.targets[options["label"]].name
            return f"### Exercise {number}{': ' * bool(title)}{title}\n\n{self.plain(body)}"
        if name in LEADS:
            lead = f"**{name.capitalize()}.** {self.plain(body)}"
            return "\n".join(f"> {line}".rstrip() for line in lead.split("\n"))
        raise CoganError(f"{self.page}: no flavour knows the directive {name!r}.")

    def _badges(self) -> str:
        return f"[This chapter on the book's site]({self.site}{self.page}.html)" * bool(self.site)

    def _inline(
        self, token: Token, lines: list[str], starts: list[int], behind: dict[int, int] | None
    ) -> list[Edit]:
        """Edits of the roles and comments in one paragraph, heading or cell of a table."""
        at = []  # where each line of the token's content begins: in it, and in the whole text
        begin = 0
        for number, part in enumerate(token.content.split("\n"), start=token.map[0]):
            if behind is None:
                column = len(lines[number].rstrip()) - len(part.rstrip())
                found = lines[number].startswith(part.rstrip(), column)
            else:
                column = lines[number].find(part, behind.get(number, 0))
                found = column >= 0
                behind[number] = column + len(part) if found else behind.get(number, 0)
            at.append((begin, starts[number] + column if found else None))
            begin += len(part) + 1
        edits = []
        for child in token.children or []:
            if "span" not in child.meta:
                continue
            if child.type == "html_inline" and not child.content.startswith("<!--"):
                continue
            ends = []
            for position in child.meta["span"]:
                first, place = [pair for pair in at if pair[0] <= position][-1]
                if place is None:
                    raise CoganError(f"{self.page}: {token.content!r} cannot be placed.")
                ends.append(place + position - first)
            new = ""
            if child.type == "myst_role":
                first, end = child.meta["span"]
                around = token.content[:first], token.content[end:]
                new = self._role(child.meta["name"], child.content, around)
            edits.append((*ends, new))
        return edits

    def _role(self, role: str, content: str, around: tuple[str, str]) -> str:
        """What takes the place of a role; `around` is the text before and after it."""
        if role in ("cite", "cite:p", "cite:t"):
            return self._cite(_keys(content), textual=role == "cite:t")
        if role == "glue:text":
            label = glue_label(content.partition(":")[0])
            # Markdown's ** makes nothing bold between a bracket and a letter or sign
            beside = f" {around[0]}"[-1], f"{around[1]} "[0]
            bold = all(c.isspace() or unicodedata.category(c).startswith("P") for c in beside)
            return f"**[{label}]**" if bold else f"<b>[{label}]</b>"
        shown, target = _shown(content)
        if role == "term":
            anchor = self.book.terms.get((target or content).lower())
            if anchor is None:
                raise CoganError(f"{self.page}: the glossary has no term {target or content!r}.")
            return self._link(shown or content, f"glossary.html#{anchor}")
        if role == "doc":
            name = self._doc(shown, (target or content).strip("/"))
            first = re.search(r"(^|[.!?]\s+|^[-*]\s+)$", around[0])  # of a sentence
            return re.sub("^(chapter|the) ", lambda m: m[0].capitalize(), name) if first else name
        place = self.book.targets.get(target or content)
        if place is None:
            raise CoganError(f"{self.page}: nothing has the label {target or content!r}.")
        if role == "eq":
            return f"({place.name})"
        if role == "numref" and place.kind != "section":
            return (shown or f"{place.kind.capitalize()} %s").replace("%s", place.name)
        if role == "ref":
            return self._ref(shown, place, target or content)
        raise CoganError(f"{self.page}: no flavour knows the role {role!r} of {content!r}.")

    def _cite(self, keys: list[str], textual: bool) -> str:
        links = []
        for key in keys:
            entry = self.book.works[key]
            year = f"({self.years[key]})" if textual else self.years[key]
            links.append(f"[{authors_of(entry)} {year}]({entry.fields['url']})")
        return ", ".join(links) if textual else f"[{'; '.join(links)}]"

    def _doc(self, shown: str, page: str) -> str:
        title = self.book.titles.get(page)
        if title is None:
            raise CoganError(f"{self.page}: there is no page {page!r}.")
        number = chapter_number(page)
        if self.site:
            return self._link(shown or title, f"{page}.html")
        return shown or (
            f'chapter {number} ("{title}")' if number else f'the book\'s page "{title}"'
        )

    def _ref(self, shown: str, place: Target, label: str) -> str:
        name = self.plain(place.name)
        if place.kind != "section":
            name = f"{place.kind.capitalize()} {name}"
        if place.page == self.page:
            return shown or (f'"{name}"' if place.kind == "section" else name)
        if self.site:
            return self._link(shown or name, f"{place.page}.html#{label}")
        if shown or place.kind != "section":
            return shown or name
        number, title = chapter_number(place.page), self.book.titles[place.page]
        where = f"chapter {number}" if number else f'the book\'s page "{title}"'
        return f'"{name}" ({where})'

    def _link(self, text: str, place: str) -> str:
        return f"[{text}]({self.site}{place})" if self.site else text


def roles(text: str) -> list[Token]:
    """The roles in a text and in its directives, in order."""
    inline = (token.children or [] for token in blocks(text) if token.type == "inline")
    return [child for children in inline for child in children if child.type == "myst_role"]


def left_raw(text: str) -> list[str]:
    """What of MyST is still in a text that should have none, a few words each."""
    found = [f"the role {{{token.meta['name']}}}`{token.content}`" for token in roles(text)]
    for token in PARSER.parse(text):
        name, _ = directive(token)
        if name:
            found.append(f"the directive {name}")
        elif token.type in ("math_block_label", "myst_target", "myst_line_comment", "amsmath"):
            found.append(f"{token.type.replace('_', ' ')} {token.info or token.content.strip()!r}")
        elif token.type == "html_block" and token.content.lstrip().startswith("<!--"):
            found.append("an HTML comment")
        inner = token.children or []
        for child in inner:
            if child.type == "html_inline" and child.content.startswith("<!--"):
                found.append("an HTML comment")
            if child.type == "text" and ("**[" in child.content or "]**" in child.content):
                found.append(f"asterisks that make nothing bold in {child.content!r}")
        given = {"class", "id"} & {name for part in [token, *inner] for name in part.attrs}
        if given and not token.type.startswith("myst_"):
            found.append("{attributes}")
    return found


def split_solutions(text: str) -> list[tuple[str, str]]:
    """Parts of a text: ("text", it), ("start", the exercise's label), ("end", "")."""
    lines, parts, done = text.split("\n"), [], 0
    for token in PARSER.parse(text):
        name, argument = directive(token)
        if name in ("solution-start", "solution-end"):
            parts.append(("text", "\n".join(lines[done : token.map[0]]).strip("\n")))
            parts.append((name.removeprefix("solution-"), argument))
            done = token.map[1]
    parts.append(("text", "\n".join(lines[done:]).strip("\n")))
    return [(kind, part) for kind, part in parts if kind != "text" or part]


def _keys(content: str) -> list[str]:
    return [key.strip() for key in content.split(",")]


def _shown(content: str) -> tuple[str, str]:
    """``text <target>`` as a pair; ("", "") if there is no target."""
    match = re.fullmatch(r"(.+?)\s*<(.+)>", content)
    return (match.group(1), match.group(2)) if match else ("", "")
