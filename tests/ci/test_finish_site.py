"""What is changed on a built page, by value."""

import finish_site
import numpy as np
from PIL import Image

HEAD = (
    '<html><head><title>01</title><link rel="stylesheet" href="_static/sphinx-thebe.css?v=4" />\n'
    '<link rel="stylesheet" href="_static/cogan.css" />\n'
    '<script src="_static/scripts/theme.js"></script>\n'
    '<script defer src="_static/mathjax/tex.js"></script>\n'
    '<script>const THEBE_JS_URL = "https://unpkg.com/t.js"; const a = 1;</script>\n'
    '<script async="async" src="_static/sphinx-thebe.js?v=1"></script>\n</head><body>'
)


def page(body: str) -> str:
    return f'{HEAD}<article class="bd-article">{body}</article></body></html>'


def test_thebe_is_gone_and_nothing_else():
    tail = (
        '<script type="text/x-thebe-config">{\n a: 1}\n</script>\n<script>kernelName = "p"</script>'
    )
    text = finish_site.without_thebe(page(f"<p>Thebe is a town.</p>{tail}"))
    assert "thebe" not in text and "THEBE" not in text and "kernelName" not in text
    assert "Thebe is a town" in text and "cogan.css" in text and "theme.js" in text


def test_long_signatures_are_no_definition_lists():
    text = '<dl class="py function"><dt class="sig a" id="f">f(<dl><dd>a,</dd><dd>b</dd></dl>)</dt>'
    text += "<dd><p>It does.</p><dl><dt>x</dt><dd>y</dd></dl></dd></dl>"
    found = finish_site.signatures(text)
    lines = '<span class="sig-line">a,</span><span class="sig-line">b</span>'
    assert f'f(<span class="sig-lines">{lines}</span>)</dt>' in found
    assert found.endswith("<dl><dt>x</dt><dd>y</dd></dl></dd></dl>"), "other lists stay"


def test_empty_heads_of_tables_and_works():
    assert finish_site.tables('<th class="head"><p></p></th><th>a</th>') == (
        '<td class="head"></td><th>a</th>'
    )
    assert finish_site.works('<div role="doc-biblioentry">') == '<div role="listitem">'
    assert finish_site.scrolls("<pre><span></span>x") == '<pre tabindex="0"><span></span>x'


def test_a_page_is_described_by_its_first_paragraph():
    metas = '<meta name="description" content="x,,,, y" />'
    metas += '<meta property="og:description" content="x" />'
    text = (
        f'{metas}<article class="bd-article"><p class="badges">b</p><p>A &amp; <em>B</em>\n c.</p>'
    )
    found = finish_site.description(f"{text}<p>Second.</p></article>")
    assert found.count('content="A &amp; B c."') == 2 and "x,,,," not in found
    assert finish_site.description(metas) == metas


def test_names_in_signatures_may_break_after_a_dot():
    text = '<dt class="sig a" id="f"><span class="pre">cogan_lib.sky.</span></dt>'
    assert "cogan_lib.<wbr>sky.<wbr></span>" in finish_site.signatures(text)


def test_a_site_is_finished(tmp_path):
    pictures = tmp_path / "_images"
    pictures.mkdir()
    fonts = tmp_path / "_static" / "vendor"
    fonts.mkdir(parents=True)
    for name in ("a.ttf", "a.woff2", "a.js.map", "a.js"):
        (fonts / name).touch()
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(pictures / "map.png")
    Image.fromarray(noise[:8, :8]).save(pictures / "icon.png")
    body = (
        '<h1 id="top">Title {0}</h1><a href="#top">up</a><a href="02-b.html#top">next</a>'
        '<a href="glossary.html#term">t</a><img src="_images/map.png"><img src="_images/icon.png">'
    )
    for name in ("01-a", "02-b"):
        (tmp_path / f"{name}.html").write_text(page(body.format(name)), "utf-8")
    finish_site.finish(tmp_path, "A < B", {})
    assert {path.name for path in pictures.iterdir()} == {"map.webp", "icon.png"}
    with Image.open(pictures / "map.webp") as picture:
        seen = np.asarray(picture.convert("RGB"), dtype=float)
    assert np.abs(seen.mean((0, 1)) - noise.mean((0, 1))).max() < 3
    assert {path.name for path in fonts.iterdir()} == {"a.woff2", "a.js"}
    text = (tmp_path / "01-a.html").read_text("utf-8")
    assert 'src="_images/map.webp"' in text and 'src="_images/icon.png"' in text
    whole = (tmp_path / "print.html").read_text("utf-8")
    assert whole.index("Title 01-a") < whole.index("Title 02-b")
    assert 'id="01-a-top"' in whole and 'id="02-b-top"' in whole
    assert 'href="#01-a-top"' in whole and whole.count('href="#02-b-top"') == 3
    assert 'href="glossary.html#term"' in whole
    assert '<h1 class="book">A &lt; B</h1>' in whole
    assert "mathjax" in whole and "theme.js" not in whole and "<title>All chapters" in whole


def test_a_site_without_chapters_has_nothing_to_print(tmp_path):
    (tmp_path / "index.html").write_text(page("x"), "utf-8")
    finish_site.finish(tmp_path, "A < B", {})
    assert not (tmp_path / "print.html").exists()


def test_pages_in_folders_are_finished_and_the_themes_own_are_not(tmp_path):
    for name in ("index.html", "teach/index.html", "_static/x.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(page("<h1>T</h1>"), "utf-8")
    finish_site.finish(tmp_path, "cogan", {})
    thebe = {
        name: "THEBE_JS_URL" in (tmp_path / name).read_text("utf-8")
        for name in ("index.html", "teach/index.html", "_static/x.html")
    }
    assert thebe == {"index.html": False, "teach/index.html": False, "_static/x.html": True}
