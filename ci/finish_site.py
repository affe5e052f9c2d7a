"""The last touch on a built site: what the theme and its tools leave for readers to stumble over.

Called by ci/build_book.py. Live code by Thebe is switched off, which declares its address twice and
would load a program from another host; lists get the structure that screen readers expect; pictures
become WebP; one page to print holds all chapters; under each figure of a chapter stands how it is
made again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

#: A picture below this is left as it is.
SMALL_BYTES = 20_000
#: In the middle between what can be seen in a map's fine structure and bytes.
QUALITY = 88
#: What the theme brings and no reader's browser asks for: second formats of fonts, maps of scripts.
UNREAD = ("*.ttf", "*.map")
PRINT_PAGE = "print.html"
ARTICLE = r'<article class="bd-article"[^>]*>(.*?)</article>'


def finish(site: Path, title: str, folds: dict[str, dict[str, str]]) -> None:
    """Change the pages of a site in place, and add the one to print, with the book's title.

    `folds` has what stands under each figure, by page and name (`figures.folds`).
    """
    names = make_webp(site / "_images")
    pages = (path for path in site.rglob("*.html") if path.relative_to(site).parts[0][0] != "_")
    for page in sorted(pages):
        text = page.read_text("utf-8")
        for change in CHANGES:
            text = change(text)
        for old, new in names.items():
            text = text.replace(f"_images/{old}", f"_images/{new}")
        page.write_text(text, "utf-8")
    write_print_page(site, title)  # without what is folded under figures
    for name, parts in folds.items():
        page = site / f"{name}.html"
        page.write_text(under_figures(page.read_text("utf-8"), parts), "utf-8")
    for pattern in UNREAD:
        for path in (site / "_static").rglob(pattern):
            path.unlink()


def without_thebe(text: str) -> str:
    """A page without the scripts, styles and settings of Thebe."""
    text = re.sub(r"<script>const THEBE_JS_URL.*?</script>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'<script type="text/x-thebe-config">.*?</script>\n?', "", text, flags=re.DOTALL)
    text = re.sub(r"<script[^>]*sphinx-thebe\.js[^>]*></script>\n?", "", text)
    text = re.sub(r"<link[^>]*sphinx-thebe\.css[^>]*>\n?", "", text)
    return re.sub(r"<script>kernelName = .*?</script>\n?", "", text)


def signatures(text: str) -> str:
    """A page whose long signatures are no lists without a term, and break between names."""

    def plain(found: re.Match) -> str:
        inside = found.group(0).replace("<dl>", '<span class="sig-lines">')
        inside = inside.replace("</dl>", "</span>").replace("<dd>", '<span class="sig-line">')
        inside = inside.replace("</dd>", "</span>")
        inside = inside.replace(
            '<span class="sig-paren">(</span>', '<span class="sig-paren">(</span><wbr>'
        )
        return re.sub(r'(?<=class="pre">)[\w.]+\.(?=</span>)', _breaks, inside)

    return re.sub(r'<dt class="sig .*?</dt>', plain, text, flags=re.DOTALL)


def _breaks(found: re.Match) -> str:
    return found.group(0).replace(".", ".<wbr>")


def works(text: str) -> str:
    """A page whose list of works has items."""
    return text.replace('role="doc-biblioentry"', 'role="listitem"')


def tables(text: str) -> str:
    """A page whose tables name no column by nothing."""
    return re.sub(r"<th([^>]*)>\s*(<p>\s*</p>)?\s*</th>", r"<td\1></td>", text)


def scrolls(text: str) -> str:
    """A page whose blocks of code and output can be scrolled with the keyboard."""
    return text.replace("<pre><span></span>", '<pre tabindex="0"><span></span>')


def description(text: str) -> str:
    """A page that is described by its first paragraph, not by what its first table holds."""
    article = re.search(ARTICLE, text, re.DOTALL)
    first = article and re.search(r"<p>(.*?)</p>", article.group(1), re.DOTALL)
    if not first:
        return text
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", "", first.group(1))).split())
    said = html.escape(words[:200])
    tags = r'(<meta (?:name="description"|property="og:description") content=")[^"]*(")'
    return re.sub(tags, lambda found: f"{found.group(1)}{said}{found.group(2)}", text)


def under_figures(text: str, parts: dict[str, str]) -> str:
    """A page with these parts under its figures, by the figures' names."""
    for name, part in parts.items():
        figure = rf'<figure\b[^>]*\bid="{re.escape(name)}".*?</figcaption>\s*</figure>\n?'
        text = re.sub(
            figure, lambda found, part=part: f"{found.group(0)}{part}\n", text, flags=re.DOTALL
        )
    return text


CHANGES: tuple[Callable[[str], str], ...]
CHANGES = (without_thebe, signatures, works, tables, scrolls, description)


def make_webp(folder: Path) -> dict[str, str]:
    """Turn the large PNG pictures of a folder into WebP; their old and new names."""
    names = {}
    for path in sorted(folder.glob("*.png")) if folder.is_dir() else []:
        if path.stat().st_size < SMALL_BYTES:
            continue
        target = path.with_suffix(".webp")
        with Image.open(path) as picture:
            picture.save(target, quality=QUALITY, method=4)
        if target.stat().st_size < path.stat().st_size:
            path.unlink()
            names[path.name] = target.name
        else:
            target.unlink()
    return names


def write_print_page(site: Path, title: str) -> None:
    """All chapters, one after the other, in a page that a browser can print or save as PDF."""
    chapters = sorted(site.glob("[0-9][0-9]-*.html"))
    if not chapters:
        return
    frame = chapters[0].read_text("utf-8")
    bodies = []
    for page in chapters:
        article = re.search(ARTICLE, page.read_text("utf-8"), re.DOTALL)
        if article:
            bodies.append(unique_ids(article.group(1), page.stem))
    head = re.search(r"<head>.*?</head>", frame, re.DOTALL).group(0)
    head = re.sub(r"<title>.*?</title>", "<title>All chapters</title>", head, flags=re.DOTALL)
    # styles and formulas; the theme's own scripts want a page around them
    head = re.sub(r"<script(?![^>]*mathjax)[^>]*src=[^>]*></script>\n?", "", head)
    inline = r"<script[^>]*>(?!window\.MathJax)(?!</script>).*?</script>\n?"
    head = re.sub(inline, "", head, flags=re.DOTALL)
    head = re.sub(r'<link rel="canonical"[^>]*>\n?|<meta property="og:[^>]*>\n?', "", head)
    content = "\n".join(f'<section class="chapter">{body}</section>' for body in bodies)
    (site / PRINT_PAGE).write_text(
        f'<!DOCTYPE html>\n<html lang="en" data-content_root="./" data-theme="light">\n{head}\n'
        f'<body class="print-page"><main class="bd-article">\n'
        f'<h1 class="book">{html.escape(title)}</h1>\n'
        f'<p><a href="index.html">The book</a> on one page, to print or to save as PDF.</p>\n'
        f"{content}\n</main></body>\n</html>\n",
        "utf-8",
    )


def unique_ids(text: str, page: str) -> str:
    """A chapter's body whose ids, and the links to them, carry the chapter's name."""
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    # every exercise's box has the same id, to which nothing links
    text = re.sub(r' id="(exercise|solution)-content"', "", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{page}-\1"', text)

    def link(found: re.Match) -> str:
        target, name = found.groups()
        if not target and name in ids:
            return f'href="#{page}-{name}"'
        if re.fullmatch(r"[0-9][0-9]-[\w-]+\.html", target):
            return f'href="#{target.removesuffix(".html")}-{name}"'
        return found.group(0)

    text = re.sub(r'href="([^"#]*)#([^"]*)"', link, text)
    text = re.sub(r"<h1>", "<h2 class='chapter-title'>", text)
    return text.replace("</h1>", "</h2>")
