"""What is looked at on one page in the browser; ci/browser.py opens the browser and the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

WIDE, NARROW, HEIGHT = 1280, 390, 900  # px: a laptop, a phone
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
#: All of axe's rules. Those of colour would look at each token of code and each link and take ten
#: times as long as all others: they get the first text and the first link of each look (colour,
#: background, size, weight, line, and the colour of the text around). Its preload would ask for the
#: style sheets again, some by a wrong address.
AXE = """async () => {
    const colour = ['color-contrast', 'link-in-text-block'];
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
        const link = e.matches('a[href]');
        if (!link && ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        const s = getComputedStyle(e), around = getComputedStyle(e.parentElement).color;
        const look = [link, s.color, s.fontSize, s.fontWeight, s.textDecorationLine, around,
            ground(e)].join();
        if (!texts.has(look)) texts.set(look, e);
    }
    const run = (where, rules) => axe.run(
        where, {resultTypes: ['violations', 'incomplete'], iframes: false, preload: false,
            ...rules});
    const found = [
        await run(document, {rules: Object.fromEntries(colour.map(r => [r, {enabled: false}]))}),
        await run({include: [...texts.values()]}, {runOnly: {type: 'rule', values: colour}})];
    // text of its ground's very colour is left to people by axe: it might be meant to be unseen
    const unseen = v => ({...v, nodes: v.nodes.filter(
        n => n.any.some(a => a.data?.messageKey === 'equalRatio'))});
    const wrong = r => [...r.violations, ...r.incomplete.map(unseen).filter(v => v.nodes.length)];
    return found.flatMap(wrong).map(v => [v.impact, v.id, v.help,
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
KERNEL = """() => document.querySelectorAll(
    'script[type="application/vnd.jupyter.widget-view+json"]').length"""


def axe_source() -> str:
    """The text of axe-core, which its Python package carries."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


class Tab:
    """One tab of the browser, and what its page asks for and complains about."""

    def __init__(self, browser, address: str) -> None:
        self.address = address
        self.hosts: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(
            viewport={"width": WIDE, "height": HEIGHT}, service_workers="block"
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
        """Open a page of the site, in light and on a wide screen, and wait until it is whole."""
        self.hosts, self.errors = [], []
        self.page.emulate_media(color_scheme="light")
        self.width(WIDE)
        self.page.goto(self.address + name)
        self.page.add_style_tag(content=STILL)
        self.page.evaluate(READY)
        self.theme("light")

    def theme(self, name: str) -> None:
        """Switch to light or dark."""
        self.page.emulate_media(color_scheme=name)
        self.page.evaluate(THEME, name)

    def width(self, pixels: int) -> None:
        """Make the screen so wide."""
        self.page.set_viewport_size({"width": pixels, "height": HEIGHT})


def check_page(tab: Tab, name: str, axe: str, word: str) -> dict[str, dict]:
    """The problems of one page: for each check their number and the first of them."""
    tab.open(name)
    page = tab.page
    page.evaluate(UNFOLD)
    found = {
        "code width": _counted(map("{0[0]} px too wide: {0[1]:.100}".format, page.evaluate(CODE)))
    }
    found["images"] = _counted(_images(page))
    found["widgets"] = _counted(_widgets(page))
    page.evaluate(axe)
    found["axe light"] = _axe(page.evaluate(AXE))
    tab.theme("dark")
    found["axe dark"] = _axe(page.evaluate(AXE))
    tab.width(NARROW)
    beyond, wide = page.evaluate(PHONE, NARROW)
    found["phone"] = _counted([_line(f"{beyond} px too wide: {'; '.join(wide)}")] * (beyond > 0))
    found["hosts"], found["console"] = _counted(tab.hosts), _counted(tab.errors)
    if name == "search.html":
        found["search"] = _counted(_search(tab, word))
    return {name: found[name] for name in CHECKS if name in found}


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


def _counted(problems: Iterable[str]) -> dict:
    """Count problems; equal ones, such as a line of the console that comes twice, are one."""
    problems = list(dict.fromkeys(problems))
    return {"problems": len(problems), "details": problems[:SHOWN]}


def _images(page) -> list[str]:
    problems = []
    for source, loaded, named in page.evaluate(IMAGES):
        problems += [f"{source} is not there"] * (not loaded)
        problems += [f"{source} has no alt text"] * (not named)
    return problems


def _widgets(page) -> list[str]:
    """Press keys on each slider: what it shows must change, and come back; buttons must answer."""
    problems = []
    for slider in page.locator("input[type=range]").all():
        label = slider.get_attribute("aria-label") or "a slider without a name"
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
    for box in page.locator(".cogan-slider:has(button)").all():
        for button in box.locator("button").all():
            button.click()
            if not box.locator(".cogan-answer").inner_text().strip():
                problems.append(f"{button.inner_text()}: the button gets no answer")
    for number in range(page.evaluate(KERNEL)):
        problems.append(f"widget {number + 1} shows nothing without a kernel or another host")
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


def _line(text: object) -> str:
    return " ".join(str(text).split())[:200]
