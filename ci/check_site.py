"""Open the built site's pages and say what a reader would stumble over.

    python ci/check_site.py

Every page of the table of contents is there and not empty; no traceback, no directive or reference
left raw; images have alt text and those that cells drew have a numbered caption; links inside the
site resolve; no link is empty; no page loads anything from another host; pages and site are not
too big.
"""

from __future__ import annotations

import argparse
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[1]
MIN_TEXT = 200
#: A page with its pictures; the one that holds all chapters to print may be larger.
MAX_PAGE_MB = 2.5
#: The library's page grows with each companion.
MAX_LIBRARY_MB = 6.0
#: All that is read: a megabyte and a half for each chapter beside what all share. What is taken
#: along (downloads: the wheel with its weights) comes on top.
MAX_SITE_MB = 38
WHOLE_BOOK, LIBRARY_PAGE, DOWNLOADS = "print.html", "api.html", "downloads"
#: Signs of trouble, looked for in the running text (code and its output apart).
RAW = {
    r"\{(glue|numref|ref|eq|cite|doc|term|download|math)[^}]*\}": "a role is left raw",
    r"^\s*(:{3,}|`{3,})\s*\{": "a directive is left raw",
    r"<!-- badges -->|REPOSITORY_URL": "a placeholder is left over",
    r"\[\?\]|\?\?\?": "a reference is not resolved",
}
#: Signs of trouble anywhere on the page.
TROUBLE = {
    r"Traceback \(most recent call last\)": "it shows a traceback",
    r'class="[^"]*\b(system-message|problematic)\b': "Sphinx has left an error on it",
    r"myst_nb\.glue|KeyError: .*glue": "a glued number is missing",
}
ADDRESS_HOSTS = ("colab.research.google.com", "mybinder.org")
VOID = {"img", "br", "hr", "input", "meta", "link", "source", "wbr", "area", "col", "embed"}


class Page(HTMLParser):
    """What the checks need of one HTML page; only its article counts, not the theme around it."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.problems: list[str] = []
        self.stack: list[tuple[str, str]] = []  # open elements: tag, classes
        self.figures: list[bool] = []  # open figures: has a number
        self.images: set[str] = set()  # of this site

    def inside(self, *names: str) -> bool:
        return any(tag in names or set(names) & set(classes.split()) for tag, classes in self.stack)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        classes = values.get("class", "")
        self.anchors.update(filter(None, (values.get("id"), values.get("name"))))
        if tag not in VOID:
            self.stack.append((tag, classes))
        self._loads(tag, values)
        if not self.inside("article"):
            return
        if tag == "a":
            self.links.append(values.get("href", "#"))  # an <a> without href is an anchor
        elif tag == "figure":
            self.figures.append(False)
        elif tag == "img":
            alt = values.get("alt", "")
            source = values.get("src", "")
            if not alt.strip() or Path(alt).name == Path(source).name or alt.startswith("_images/"):
                self.problems.append(f"the image {source[:80]} has no alt text")
            if self.inside("cell_output") and not self.inside("figure"):
                self.problems.append(f"the image {source[:80]} that a cell drew has no caption")
        if "caption-number" in classes.split() and self.figures:
            self.figures[-1] = True

    def _loads(self, tag: str, values: dict[str, str]) -> None:
        """Note what the browser fetches for the page."""
        fetched = values.get("src", "")
        if tag == "link" and {"stylesheet", "preload"} & set(values.get("rel", "").split()):
            fetched = values.get("href", "")
        if urlsplit(fetched).netloc:
            self.problems.append(f"it loads {fetched[:80]} from another host")
        elif tag == "img" and not fetched.startswith("data:"):
            self.images.add(fetched)

    def handle_endtag(self, tag: str) -> None:
        if tag == "figure" and self.figures and not self.figures.pop():
            self.problems.append("a figure has no number")
        while any(tag == name for name, _ in self.stack):
            if self.stack.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if self.inside("article") and not self.inside("pre", "code", "script", "style", "math"):
            self.text.append(data)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if nothing is wrong, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--site", type=Path, default=root / "_build" / "html")
    parser.add_argument("--toc", type=Path, default=root / "book" / "_toc.yml")
    parser.add_argument("--config", type=Path, default=root / "_config.yml")
    options = parser.parse_args(arguments)
    config = yaml.safe_load(options.config.read_text("utf-8")) or {}
    has_address = bool((config.get("repository") or {}).get("url"))
    problems = check_site(options.site, toc_pages(options.toc), has_address)
    for problem in problems:
        print(problem)
    print(f"{len(list(options.site.rglob('*.html')))} pages, {len(problems)} problems")
    return min(1, len(problems))


def toc_pages(toc: Path) -> list[str]:
    """Names of the pages in a table of contents, without suffix."""

    def names(entry: object) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in names(item)]
        if not isinstance(entry, dict):
            return []
        own = [str(entry[key]) for key in ("root", "file") if key in entry]
        return own + [name for value in entry.values() for name in names(value)]

    return [str(Path(name).with_suffix("")) if name.endswith((".md", ".ipynb")) else name
            for name in names(yaml.safe_load(toc.read_text("utf-8")))]  # fmt: skip


def check_site(site: Path, names: list[str], has_address: bool) -> list[str]:
    """What is wrong with the site, one line each."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    problems = []
    for name in names:
        page = pages.get(site / f"{name}.html")
        if page is None:
            problems.append(f"{name}: the page is missing")
        elif len("".join(page.text).strip()) < MIN_TEXT:
            problems.append(f"{name}: the page is as good as empty")
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found = [*page.problems, *_check_text(path, page), *_check_links(path, pages, has_address)]
        problems += [f"{name}: {text}" for text in dict.fromkeys(found)]
    files = [path for path in site.rglob("*") if path.is_file()]
    read = [path for path in files if path.relative_to(site).parts[0] != DOWNLOADS]
    size = sum(path.stat().st_size for path in read) / 1e6
    if size > MAX_SITE_MB:
        problems.append(f"the site takes {size:.0f} MB, more than {MAX_SITE_MB} MB")
    return problems


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def _check_text(path: Path, page: Page) -> list[str]:
    html = path.read_text(encoding="utf-8")
    text = "".join(page.text)
    problems = []
    for pattern, meaning in RAW.items():
        if match := re.search(pattern, text, re.MULTILINE):
            problems.append(f"{meaning}: {match.group()!r}")
    problems += [meaning for pattern, meaning in TROUBLE.items() if re.search(pattern, html)]
    images = [path.parent / unquote(urlsplit(image).path) for image in page.images]
    size = len(html.encode()) + sum(image.stat().st_size for image in images if image.exists())
    most = MAX_LIBRARY_MB if path.name == LIBRARY_PAGE else MAX_PAGE_MB
    if size > most * 1e6 and path.name != WHOLE_BOOK:
        problems.append(f"the page takes {size / 1e6:.1f} MB, more than {most} MB")
    return problems


def _check_links(path: Path, pages: dict[Path, Page], has_address: bool) -> list[str]:
    problems = []
    for link in pages[path].links:
        parts = urlsplit(link)
        if link.strip() in ("", "None") or parts.netloc in ("None", "unset"):
            problems.append("a link is empty")
        elif parts.netloc in ADDRESS_HOSTS and not has_address:
            problems.append(f"{link} leads nowhere, as _config.yml names no address")
        elif not parts.scheme and not parts.netloc:
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            page = pages.get(path if not parts.path else _same(target, pages))
            if not target.exists():
                problems.append(f"the link {link} leads nowhere")
            elif page and parts.fragment and unquote(parts.fragment) not in page.anchors:
                problems.append(f"the link {link} names a place that its page does not have")
    return problems


def _same(target: Path, pages: dict[Path, Page]) -> Path:
    """The key of `pages` for a resolved path."""
    return next((path for path in pages if path.resolve() == target), target)


if __name__ == "__main__":
    sys.exit(main())
