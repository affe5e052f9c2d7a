"""Open the built site in a real browser and say what its readers would meet, page by page.

    python ci/browser.py [_build/html] [--pages 01 05] [--report FILE.json]
    python ci/browser.py --screenshots FOLDER [--print 05]

The distribution's Chromium does it (Playwright drives it and downloads none): accessibility by
axe-core in light and dark, no request to another host, no error in the console, code that fits its
box at 1280 px and pages that fit a phone of 390 px, images that load and have alt text, sliders
that answer keys, a search that finds. Where there is no Chromium this says so and checks nothing.
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

from cogan_lib.base.files import CoganError, write_json

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = "chromium", "chromium-browser", "google-chrome"
WIDE, NARROW, HEIGHT = 1280, 390, 900  # px: a laptop, a phone
MAX_PICTURE = 20_000  # px: a longer page's screenshot ends there
WORD = "Minkowski"  # what the search must find
SHOWN = 5  # details that a report keeps of each check
SLOW = 30_000  # ms: longest wait for a page or a result
BAD = "serious", "critical"  # impacts of axe that fail a page; lesser ones are listed
CHECKS = ("axe light", "axe dark", "hosts", "console", "code width", "phone", "images", "widgets",
          "search")  # fmt: skip

#: What folds is unfolded first: a reader will do it, and what is folded has no width.
UNFOLD = """() => {
    document.querySelectorAll('details').forEach(e => { e.open = true; });
    document.querySelectorAll('.toggle-hidden').forEach(e => e.classList.remove('toggle-hidden'));
    document.querySelectorAll('img[loading=lazy]').forEach(e => { e.loading = 'eager'; });
}"""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
READY = """async () => {
    await document.fonts.ready;
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    await Promise.all([...document.images].map(e => e.complete || new Promise(
        done => { e.onload = e.onerror = done; })));
}"""
#: The pydata theme follows the system, if its reader has not chosen; pages without it follow CSS.
THEME = "name => { document.documentElement.dataset.theme = name; }"
#: All of axe's rules. That of contrast would look at each token of code and take ten times as long
#: as all others: it gets the first text of each colour, background, size and weight.
AXE = """async () => {
    const grounds = new Map();
    const ground = e => {
        if (!e) return '';
        if (!grounds.has(e)) {
            const s = getComputedStyle(e);
            const own = [s.backgroundColor, s.backgroundImage, s.opacity].join();
            grounds.set(e, own === 'rgba(0, 0, 0, 0),none,1' ? ground(e.parentElement)
                : /^rgb\\(.*,none,1$/.test(own) ? own : own + ground(e.parentElement));
        }
        return grounds.get(e);
    };
    const texts = new Map();
    for (const e of document.body.querySelectorAll('*')) {
        if (!e.checkVisibility({visibilityProperty: true})) continue;
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        const s = getComputedStyle(e);
        const look = [s.color, s.fontSize, s.fontWeight, ground(e)].join();
        if (!texts.has(look)) texts.set(look, e);
    }
    const run = (where, rules) => axe.run(
        where, {resultTypes: ['violations'], iframes: false, ...rules});
    const found = [
        await run(document, {rules: {'color-contrast': {enabled: false}}}),
        await run({include: [...texts.values()]},
            {runOnly: {type: 'rule', values: ['color-contrast']}})];
    return found.flatMap(r => r.violations).map(v => [v.impact, v.id, v.help,
        v.nodes.map(n => n.target.join(' ') + (v.id === 'color-contrast'
            ? ' (' + n.any[0].data.fgColor + ' on ' + n.any[0].data.bgColor + ')' : ''))]);
}"""
CODE = """() => [...document.querySelectorAll('main pre, article pre')]
    .filter(e => e.scrollWidth > e.clientWidth + 1)
    .map(e => [e.scrollWidth - e.clientWidth,
        e.innerText.split('\\n').reduce((a, b) => a.length < b.length ? b : a, '')])"""
#: How far the page goes beyond the screen and what does, the widest first; what stands in a box
#: that scrolls does not.
PHONE = """width => {
    const beyond = document.documentElement.scrollWidth - width;
    if (beyond <= 0) return [0, []];
    const held = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
        if (getComputedStyle(p).overflowX !== 'visible') return true; };
    const wide = [...document.body.querySelectorAll('*')].filter(
        e => e.getBoundingClientRect().right > width + 1 && !held(e));
    const last = wide.filter(e => !wide.some(c => c !== e && e.contains(c)));
    last.sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right);
    return [beyond, last.slice(0, 3).map(e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '')
        + [...e.classList].map(c => '.' + c).join('') + ' ' + e.innerText.slice(0, 40).trim())];
}"""
IMAGES = """() => [...document.images].map(e => [
    (e.getAttribute('src') || '').slice(0, 80), e.naturalWidth > 0,
    (e.getAttribute('alt') || '').trim() !== '' || e.closest('[aria-hidden=true]') !== null
        || e.getAttribute('role') === 'presentation'])"""
#: What somebody sees of a widget: its words and which of its pictures is shown.
SEEN = """e => { const box = e.closest('.cogan-slider, figure, .cell_output') || e.parentElement;
    return box.innerText + [...box.querySelectorAll('img')].map(i => i.hidden ? '0' : '1').join('')
        + [...box.querySelectorAll('output')].map(o => o.value).join('|'); }"""
NAMELESS = "a widget without a name"
KERNEL = """() => document.querySelectorAll(
    'script[type="application/vnd.jupyter.widget-view+json"]').length"""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 if nothing is wrong or there is no browser, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "_build" / "html")
    parser.add_argument("--pages", nargs="+", default=[""], help="how their names begin: 01 05")
    parser.add_argument("--report", type=Path, help="write what was found as JSON")
    options = parser.parse_args(arguments)
    if missing := lacks():
        print(f"not checked: no {missing}")
        return 0
    try:
        names = page_names(options.site, options.pages)
        with serve(options.site) as address, chromium() as browser:
            report = check(browser, address, names)
    except CoganError as error:
        print(error, file=sys.stderr)
        return 1
    if options.report:
        write_json(options.report, report)
    print(table(report))
    return int(
        any(found["problems"] for page in report["pages"].values() for found in page.values())
    )


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


class Tab:
    """One tab of the browser, and what its page asks for and complains about."""

    def __init__(self, browser, address: str) -> None:
        self.address = address
        self.hosts: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(
            viewport={"width": WIDE, "height": HEIGHT},
            service_workers="block",
        )
        self.context.route(re.compile(f"^(?!{re.escape(address)})"), self._foreign)
        self.context.add_init_script("localStorage.clear()")  # each page is the reader's first
        self.page = self.context.new_page()
        self.page.set_default_timeout(SLOW)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(_line(error)))

    def _foreign(self, route) -> None:
        self.hosts.append(route.request.url)
        route.abort()

    def _said(self, message) -> None:
        url = message.location.get("url", "")
        foreign = url.startswith("http") and not url.startswith(self.address)  # `hosts` has it
        if message.type == "error" and not (foreign and "Failed to load" in message.text):
            self.errors.append(_line(f"{message.text} {url.removeprefix(self.address)}"))

    def open(self, name: str) -> None:
        """Open a page of the site, in light, on a wide screen, all unfolded."""
        self.hosts, self.errors = [], []
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        self.page.goto(self.address + name)
        self.page.add_style_tag(content=STILL)
        self.page.evaluate(UNFOLD)
        self.page.evaluate(READY)
        self.theme("light")

    def theme(self, name: str) -> None:
        self.page.emulate_media(color_scheme=name)
        self.page.evaluate(THEME, name)


def check(browser, address: str, names: list[str], word: str = WORD) -> dict:
    """Open each page and look at it.

    Returns
    -------
    dict
        ``pages``: for each page and check the number of problems, the first of them in words, and
        what is worth a look but no problem (``minor``); beside them who looked and how long.
    """
    from importlib.resources import files

    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
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


def check_page(tab: Tab, name: str, axe: str, word: str) -> dict[str, dict]:
    """The problems of one page: for each check their number and the first of them."""
    tab.open(name)
    page, found = tab.page, {}
    found["code width"] = [
        f"{over} px too wide: {line[:100]}" for over, line in page.evaluate(CODE)
    ]
    found["images"] = _images(page)
    found["widgets"] = _widgets(page)
    page.evaluate(axe)
    results = {"axe light": page.evaluate(AXE)}
    tab.theme("dark")
    results["axe dark"] = page.evaluate(AXE)
    page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    beyond, wide = page.evaluate(PHONE, NARROW)
    found["phone"] = [_line(f"{beyond} px too wide: {'; '.join(wide)}")] * (beyond > 0)
    found["hosts"], found["console"] = _distinct(tab.hosts), _distinct(tab.errors)
    if name == "search.html":
        found["search"] = _search(tab, word)
    return {c: _axe(results[c]) if c in results else _counted(found[c])
            for c in CHECKS if c in results or c in found}  # fmt: skip


def _axe(violations: list) -> dict:
    """Count the elements that break a rule of axe; a rule's line names the first of them."""

    def lines(bad: bool) -> list[str]:
        return [
            f"{rule} ({impact}, {len(where)}): {text}: {'; '.join(where[:3])}"
            for impact, rule, text, where in violations
            if (impact in BAD) == bad
        ]

    number = sum(len(where) for impact, _, _, where in violations if impact in BAD)
    return {"problems": number, "details": lines(True), "minor": lines(False)}


def _counted(problems: list[str]) -> dict:
    return {"problems": len(problems), "details": problems[:SHOWN]}


def _images(page) -> list[str]:
    problems = []
    for source, loaded, named in page.evaluate(IMAGES):
        problems += [f"{source} is not there"] * (not loaded) + [f"{source} has no alt text"] * (
            not named
        )
    return problems


def _widgets(page) -> list[str]:
    """Press keys on each slider: what it shows must change, and come back."""
    problems = []
    for slider in page.locator("input[type=range]").all():
        label = slider.get_attribute("aria-label") or NAMELESS
        before = slider.evaluate(SEEN)
        there, back = "ArrowRight", "ArrowLeft"
        if slider.evaluate("e => e.value === e.max"):
            there, back = back, there
        slider.focus()
        page.keyboard.press(there)
        if slider.evaluate(SEEN) == before:
            problems.append(f"{label}: {there} changes nothing")
        page.keyboard.press(back)
        if slider.evaluate(SEEN) != before:
            problems.append(f"{label}: {back} does not come back")
    if number := page.evaluate(KERNEL):
        problems += ["a widget that shows nothing without a kernel or another host"] * number
    return problems


def _search(tab: Tab, word: str) -> list[str]:
    """Search as a reader does and open the first page that is found."""
    from playwright.sync_api import Error

    tab.page.goto(f"{tab.address}search.html?q={word}")
    try:
        tab.page.locator("#search-results li a").first.click()
        tab.page.wait_for_url(lambda url: "search.html" not in url)
    except Error:
        return [f"{word} is not found"]
    if word.lower() in tab.page.locator("body").inner_text().lower():
        return []
    return [f"{tab.page.url.removeprefix(tab.address)} is found for {word}, which it has not"]


def _distinct(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _line(text: object) -> str:
    return " ".join(str(text).split())[:200]


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
    where: dict[str, list[str]] = {}  # the pages that share a problem
    for name, found in pages.items():
        for check, result in found.items():
            for text in _distinct(result["details"]):
                where.setdefault(f"{check}: {text}", []).append(name)
            for text in result.get("minor", []):
                where.setdefault(f"not counted, {check}: {text}", []).append(name)
    for text, names in sorted(where.items()):
        lines += ["", text, "    " + (", ".join(names) if len(names) < len(pages) else "all pages")]
    number = sum(result["problems"] for found in pages.values() for result in found.values())
    lines.append(
        f"\n{len(pages)} pages, {number} problems in {report['seconds']:.0f} s "
        f"({report['browser']}, axe-core {report['axe']})"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
