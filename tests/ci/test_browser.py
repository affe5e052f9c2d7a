"""Each check of the browser catches the fault that it is there for, on pages made by hand."""

import contextlib
import json
import shutil

import browser
import pytest
from browser_checks import CHECKS

#: One pixel; another pixel.
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
pre {{ overflow: auto; width: 30ch }} [data-theme=dark] body {{ background: #222; color: #eee }}
</style></head><body><main><h1>A page</h1>{body}</main></body></html>"""
SLIDER = """<div class="cogan-slider"><img src="{dot}" alt="one" hidden><img src="{dot}" alt="two">
<input type="range" min="0" max="1" value="1" aria-label="number" oninput="{move}">
<output>2</output></div>"""
MOVE = """const box = this.closest('.cogan-slider');
    box.querySelectorAll('img').forEach((img, i) => { img.hidden = i !== +this.value; });
    box.querySelector('output').value = +this.value + 1;"""
QUESTION = """<div class="cogan-slider"><button onclick="{act}">left</button>
<p class="cogan-answer" role="status"></p></div>"""
ANSWER = "this.nextElementSibling.textContent = 'Right.'"
SEARCH = """<ul id="search-results"></ul><script>addEventListener('load', () => setTimeout(() => {
    const word = new URLSearchParams(location.search).get('q'), list = document.all[
        'search-results'], found = {Minkowski: 'good.html', Hilbert: 'hosts.html'}[word];
    if (found) list.innerHTML = `<li><a href="${found}">${word}</a></li>`; }, 50))</script>"""
GOOD = f"""<p>Minkowski</p><pre>{"x" * 30}</pre>
<details><summary>More</summary><pre>short</pre></details>
<img src="{DOT}" alt="a dot">{SLIDER.format(dot=DOT, move=MOVE)}
{QUESTION.format(act=ANSWER)}"""
ELSEWHERE = "https://elsewhere.example/a.js"
MISS = "if (+this.value) return; box.querySelector('output')"
#: For each page the body, and what the checks say of it; all other checks are content.
FAULTS = {
    "alt": (f'<img src="{DOT}">', {
        "images": f"{DOT[:80]} has no alt text", "axe light": "image-alt (critical, 1)",
        "axe dark": "image-alt (critical, 1)"}),
    "lost": ('<img src="no.png" alt="lost">', {
        "images": "no.png is not there", "console": "(File not found) no.png"}),
    "pale": ('<p style="color: #ccc; background: #fff">pale in both</p>', {
        "axe light": "p (#cccccc on #ffffff)", "axe dark": "color-contrast (serious, 1)"}),
    "unseen": ('<p style="color: #ddd; background: #ddd">its ground\'s colour</p>', {
        "axe light": "p (#dddddd on #dddddd)", "axe dark": "color-contrast"}),
    "dark": ('<p style="color: #444">black on black</p>', {"axe dark": "p (#444444 on #222222)"}),
    "link": ('<p>A sentence with <a href="#" style="color: #555; text-decoration: none">one '
             "link</a> in it</p><style>body { color: #333 !important; background: #fff !important }"
             "</style>", {"axe light": "link-in-text-block (serious, 1)",
                          "axe dark": "link-in-text-block (serious, 1)"}),
    "slow": ('<p style="color: #eee; transition: color 9s" id="p">ends black</p>'
             "<script>p.offsetTop; p.style.color = '#111'</script>",
             {"axe dark": "#p (#111111 on #222222)"}),
    "list": ("<dl><p>no term</p></dl>", {
        "axe light": "definition-list (serious, 1)", "axe dark": "definition-list (serious, 1)"}),
    "hosts": (f'<script src="{ELSEWHERE}"></script>', {"hosts": ELSEWHERE}),
    "late": (f"<script>fetch('{ELSEWHERE}').catch(() => 0)</script>", {"hosts": ELSEWHERE}),
    "console": ("<script>console.error('two words')</script>", {"console": "two words"}),
    "twice": ("<script>const A = 1</script><script>const A = 2</script>", {
        "console": "Identifier 'A' has already been declared"}),
    "code": (f"<pre tabindex=0>{'x' * 40}</pre>", {"code width": "px too wide: xxxx"}),
    "folded": (f"<details><summary>S</summary><pre tabindex=0>{'y' * 40}</pre></details>", {
        "code width": "px too wide: yyyy"}),
    "phone": ('<div style="width: 500px" id="wide">text</div>', {
        "phone": "px too wide: div#wide text"}),
    "mute": (SLIDER.format(dot=DOT, move=""), {"widgets": "number: ArrowLeft changes nothing"}),
    "stuck": (SLIDER.format(dot=DOT, move=MOVE.replace("box.querySelector('output')", MISS)), {
        "widgets": "number: ArrowRight does not come back"}),
    "unanswered": (QUESTION.format(act=""), {"widgets": "left: the button gets no answer"}),
    "kernel": ('<script type="application/vnd.jupyter.widget-view+json">{}</script>', {
        "widgets": "widget 1 shows nothing without a kernel"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pages = {name: body for name, (body, _) in FAULTS.items()} | {"good": GOOD, "search": SEARCH}
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(body=body), "utf-8")
    (folder / "_static").mkdir()
    (folder / "_static" / "part.html").write_text("no page", "utf-8")
    return folder


@pytest.fixture(scope="module")
def opened(site):
    if missing := browser.lacks():
        pytest.skip(f"not checked: no {missing}")
    with browser.serve(site) as address, browser.chromium() as chromium:
        yield chromium, address


@pytest.fixture
def command(opened, monkeypatch):
    """Run the script in the browser that is open: Playwright starts one in a process."""
    monkeypatch.setattr(browser, "chromium", lambda: contextlib.nullcontext(opened[0]))
    return lambda *words: browser.main([str(word) for word in words])


@pytest.fixture(scope="module")
def report(site, opened):
    return browser.check(*opened, browser.page_names(site, [""]))


def test_a_good_page_has_no_fault(report):
    found = report["pages"]["good.html"]
    assert {check: (result["problems"], result["details"]) for check, result in found.items()} == {
        check: (0, []) for check in CHECKS[:-1]
    }
    assert report["pages"]["search.html"]["search"] == {"problems": 0, "details": []}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_its_check_and_by_no_other(report, name):
    found, told = report["pages"][f"{name}.html"], FAULTS[name][1]
    assert {check for check, result in found.items() if result["problems"]} == set(told)
    for check, words in told.items():
        assert found[check]["problems"] == len(found[check]["details"]) == 1
        assert words in found[check]["details"][0]


def test_what_is_lesser_is_listed_and_not_counted(opened, site):
    (site / "minor.html").write_text(PAGE.format(body="").replace("<h1>A page</h1>", ""), "utf-8")
    found = browser.check(*opened, ["minor.html"])["pages"]["minor.html"]["axe light"]
    (site / "minor.html").unlink()
    assert found["problems"] == 0
    assert [line.split(":")[0] for line in found["minor"]] == ["page-has-heading-one (moderate, 1)"]


def test_a_search_that_finds_nothing_or_leads_astray(opened, monkeypatch):
    monkeypatch.setattr("browser_checks.SLOW", 500)
    for word, told in {
        "Cauchy": "Cauchy is not found",
        "Hilbert": "hosts.html is found for Hilbert, which it has not",
    }.items():
        found = browser.check(*opened, ["search.html"], word)["pages"]["search.html"]["search"]
        assert found == {"problems": 1, "details": [told]}


def test_the_table_says_where_and_what(report):
    text = browser.table(report)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if ".html  " in line}
    assert rows["good.html"] == ["ok"] * 8 and rows["search.html"] == ["ok"] * 9
    assert rows["mute.html"] == ["ok"] * 7 + ["1"]
    assert f"- {ELSEWHERE}\n    hosts: hosts.html, late.html\n" in text
    assert f"{len(FAULTS) + 2} pages, {browser.problems(report)} problems in" in text


def test_from_the_command_line(command, site, tmp_path, capsys):
    path = tmp_path / "report.json"
    assert command(site, "--pages", "lost", "good", "--report", path) == 1
    assert "2 pages, 2 problems" in capsys.readouterr().out
    pages = json.loads(path.read_text("utf-8"))["pages"]
    assert [pages[name]["images"]["problems"] for name in ("lost.html", "good.html")] == [1, 0]
    assert command(site, "--pages", "good") == 0
    assert command(site, "--pages", "_static") == 1
    assert "has no such page" in capsys.readouterr().err


def test_pictures_of_a_chapter(command, site, tmp_path, capsys):
    shutil.copy(site / "good.html", site / "05-good.html")
    folder = tmp_path / "pictures"
    assert command(site, "--pages", "05", "good", "--screenshots", folder) == 0
    (site / "05-good.html").unlink()
    kinds = [f"{width}-{theme}-1.png" for width in (1280, 390) for theme in ("dark", "light")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["05-good.pdf", *(f"05-good-{kind}" for kind in kinds)]
    )
    sizes = {kind: (folder / f"05-good-{kind}").read_bytes()[16:20] for kind in kinds}
    assert {kind: int.from_bytes(width) for kind, width in sizes.items()} == {
        kind: int(kind.split("-")[0]) for kind in kinds
    }
    assert f"{folder / '05-good-390-dark-1.png'}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lost", "browsers", "word"),
    [("", (), "Chromium"), ("playwright", ("sh",), "Playwright")],
)
def test_without_a_browser_nothing_is_checked(monkeypatch, capsys, lost, browsers, word):
    monkeypatch.setattr(browser, "BROWSERS", browsers)
    monkeypatch.setattr(browser.importlib.util, "find_spec", lambda name: name != lost)
    assert browser.main(["no-site"]) == 0
    assert capsys.readouterr().out == f"not checked: no {word}\n"
