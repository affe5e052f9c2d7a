"""Open the built site in a real browser and say what its readers would meet, page by page.

    python ci/browser.py [_build/html] [--pages 01 05] [--report FILE.json]
    python ci/browser.py --screenshots FOLDER [--pages 05]

The distribution's Chromium does it (Playwright drives it and downloads none): accessibility by
axe-core in light and dark, no request to another host, no error in the console, code that fits its
box at 1280 px and pages that fit a phone of 390 px, images that load and have alt text, sliders
that answer keys, a search that finds. `--screenshots` takes pictures of the chapters instead, on
both screens, in light and dark, and prints them. Where there is no Chromium this says so and checks
nothing.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import importlib.util
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
from browser_checks import CHECKS, NARROW, WIDE, Tab, axe_source, check_page

from cogan_lib.base.files import CoganError, write_json

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = "chromium", "chromium-browser", "google-chrome"
WORD = "Minkowski"  # what the search must find
CHAPTER = re.compile(r"\d\d-")
MAX_PICTURE = 16_000  # px: a longer page takes several; Chromium paints no more at once


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 if nothing is wrong or there is no browser, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "_build" / "html")
    parser.add_argument("--pages", nargs="+", default=[""], help="how their names begin: 01 05")
    parser.add_argument("--report", type=Path, help="write what was found as JSON")
    parser.add_argument("--screenshots", type=Path, help="only take pictures of the chapters there")
    options = parser.parse_args(arguments)
    if missing := lacks():
        print(f"not checked: no {missing}")
        return 0
    try:
        names = page_names(options.site, options.pages)
        with serve(options.site) as address, chromium() as browser:
            if options.screenshots:
                return picture(browser, address, names, options.screenshots)
            report = check(browser, address, names)
    except CoganError as error:
        print(error, file=sys.stderr)
        return 1
    if options.report:
        write_json(options.report, report)
    print(table(report))
    return min(1, problems(report))


def lacks() -> str | None:
    """What is missing to open pages: the name of a program or a package, or None."""
    if not _browser():
        return "Chromium"
    packages = {"Playwright": "playwright", "axe-core": "axe_playwright_python"}
    return next((name for name, p in packages.items() if not importlib.util.find_spec(p)), None)


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def page_names(site: Path, beginnings: list[str]) -> list[str]:
    """Names of the site's pages that begin so, the search page last."""
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    names = [name for name in names if name.startswith(tuple(beginnings)) and name[0] != "_"]
    if not names:
        raise CoganError(f"{site} has no such page; run `make book` first, or name another folder.")
    return sorted(names, key="search.html".__eq__)


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """The address under which this machine alone sees the site."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections

        def log_message(self, *_words: object) -> None:
            pass

    handler = functools.partial(Handler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def chromium() -> Iterator:
    """The distribution's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser(), args=["--no-sandbox"])
        yield browser
        browser.close()


def check(browser, address: str, names: list[str], word: str = WORD) -> dict:
    """Open each page and look at it.

    Returns
    -------
    dict
        ``pages``: for each page and check the number of problems, the first of them in words, and
        what is worth a look but no problem (``minor``); beside them who looked and how long.
    """
    axe = axe_source()
    start = time.perf_counter()
    tab = Tab(browser, address)
    pages = {name: check_page(tab, name, axe, word) for name in names}
    tab.context.close()
    return {
        "browser": f"Chromium {browser.version}",
        "axe": re.search(r"axe v([\d.]+)", axe).group(1),
        "seconds": round(time.perf_counter() - start, 1),
        "pages": pages,
    }


def problems(report: dict) -> int:
    """The number of all problems."""
    return sum(r["problems"] for found in report["pages"].values() for r in found.values())


def picture(browser, address: str, names: list[str], folder: Path) -> int:
    """Take pictures of chapters as a reader first sees them, and print them as PDF; returns 0."""
    folder.mkdir(parents=True, exist_ok=True)
    tab = Tab(browser, address)
    for name in filter(CHAPTER.match, names):
        stem = name.removesuffix(".html")
        tab.open(name)
        for width in (WIDE, NARROW):
            tab.width(width)
            for theme in ("light", "dark"):
                tab.theme(theme)
                height = tab.page.evaluate("document.documentElement.scrollHeight")
                for part, top in enumerate(range(0, height, MAX_PICTURE), 1):
                    clip = {"x": 0, "y": top, "width": width}
                    clip["height"] = min(height - top, MAX_PICTURE)
                    path = folder / f"{stem}-{width}-{theme}-{part}.png"
                    tab.page.screenshot(path=path, full_page=True, clip=clip)
                    print(path)
        tab.theme("light")
        tab.width(WIDE)
        tab.page.pdf(path=folder / f"{stem}.pdf", format="A4", print_background=True)
        print(folder / f"{stem}.pdf")
    tab.context.close()
    return 0


def table(report: dict) -> str:
    """Pages x checks in words, and under it what is wrong."""
    pages = report["pages"]
    width = max(map(len, pages))
    lines = [" " * width + "".join(f"  {check}" for check in CHECKS)]
    for name, found in pages.items():
        cells = [str(found[c]["problems"] or "ok") if c in found else "" for c in CHECKS]
        lines.append(
            name.ljust(width)
            + "".join(f"  {x:>{len(c)}}" for x, c in zip(cells, CHECKS, strict=True))
        )
    for key, title in (("details", "What is wrong"), ("minor", "Not counted")):
        where: dict[str, dict[str, list[str]]] = {}  # problem, check: the pages that share it
        for name, found in pages.items():
            for check, result in found.items():
                for text in result.get(key, []):
                    where.setdefault(text, {}).setdefault(check, []).append(name)
        lines += ["", title] * bool(where)
        for text, checks in where.items():
            lines.append(f"- {text}")
            for check, names in checks.items():
                some = "all pages" if len(names) == len(pages) > 1 else ", ".join(names)
                lines.append(f"    {check}: {some}")
    lines.append(
        f"\n{len(pages)} pages, {problems(report)} problems in {report['seconds']:.0f} s "
        f"({report['browser']}, axe-core {report['axe']})"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
