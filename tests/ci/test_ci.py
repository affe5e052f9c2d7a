"""The scripts that run, build and check the book, on books of two tiny chapters."""

import copy
import json
import subprocess
import zipfile
from pathlib import Path

import build_book
import check_notebooks
import check_site
import pytest
import release
import run_notebooks
from companion_settings import companions_of
from formats import span_minutes

from cogan_lib.base.files import CoganError
from tests.books import SKY, TRAINING, code, drive, save, status

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]-*.ipynb"))


# ---------------------------------------------------------------- the driver


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "batch_size", "4"], "No notebook has a parameter batch_size"),
        (["-p", "nsid", "64"], "did you mean 'nside'"),
        (["-p", "seed", "-1"], "seed should be greater than or equal to 0"),
        (["--profile", "none"], "no profile 'none'"),
        (["--only", "07"], "no chapter '07'"),
        (["--sky", "missing.fits"], f"There is no sky file {Path.cwd() / 'missing.fits'}"),
        (["--sky", "a.fits", "-p", "sky_path", "b.fits"], "take one"),
        (["-p", "seed", "1", "-p", "seed", "2"], "seed is given twice"),
        (["-p", "seed", "010"], "seed should be a valid integer, but is '010'"),
        (["-p", "max_minutes", "1:30"], "max_minutes should be a valid number, but is '1:30'"),
        (["-p", "seed", "[1"], "The value '[1' of seed is not readable as YAML"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(book, in_process, capsys, arguments, words):
    assert drive(book, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not in_process and not (book / "runs").exists()


def test_a_missing_sky_is_named_with_the_folder_that_was_searched(book, in_process, capsys):
    """The checkout's, for a parameter; so make -C says where it looked."""
    assert drive(book, "-p", "sky_path", "mine/sky.fits") == 2
    said = capsys.readouterr().err
    assert f"There is no sky file {book / 'mine' / 'sky.fits'}" in said
    assert f"SKY=PATH, seen from {book}" in said


def test_a_profile_key_that_no_notebook_has_is_refused(book, in_process, capsys):
    (book / "toy.yaml").write_text("run_dir: runs/toy\nbatch_size: 4\n", "utf-8")
    assert drive(book) == 2
    assert "No notebook has a parameter batch_size" in capsys.readouterr().err
    assert drive(book, "--only", "01") == 0, "a part of the book does not have them all"


def test_each_notebook_gets_its_own_parameters(book, in_process):
    assert drive(book, "-p", "seed", "5") == 0
    chapters = status(book)["chapters"]
    assert chapters["01-sky"]["parameters"] == {"run_dir": "runs/toy", "seed": 5}
    assert chapters["02-training"]["parameters"] == {"run_dir": "runs/toy", "max_minutes": 0.5}
    assert set(chapters["01-sky"]["artefacts"]) == {"sky.fits", "facts.json", "report.json#sky"}
    weights = book / "runs" / "toy" / "checkpoint" / "weights.txt"
    assert weights.read_text("utf-8") == "sky of seed 5, 0.5 minutes"


def change_parameter(book):
    return ["-p", "seed", "2"]


def change_last_parameter(book):
    return ["-p", "max_minutes", "3.0"]


def change_library(book):
    (book / "cogan_lib" / "module.py").write_text("answer = 43\n", "utf-8")


def change_first_source(book):
    changed = copy.deepcopy(SKY)
    changed["cells"][-1]["source"] += "\n(run / 'sky.fits').write_text('another sky')"
    save(book, "01-sky", changed)


def change_words_of_first(book):
    changed = copy.deepcopy(SKY)
    changed["cells"][0]["source"] += " More words."
    save(book, "01-sky", changed)


def lose_sky(book):
    (book / "runs" / "toy" / "sky.fits").unlink()


def tamper_with_sky(book):
    (book / "runs" / "toy" / "sky.fits").write_text("something else", "utf-8")


def lose_weights(book):
    (book / "runs" / "toy" / "checkpoint" / "weights.txt").unlink()


def lose_report(book):
    (book / "runs" / "toy" / "report.json").unlink()


def lose_executed(book):
    (book / "_build" / "executed" / "toy" / "02-training.ipynb").unlink()


@pytest.mark.parametrize(
    ("change", "reruns"),
    [
        (lambda book: None, ""),
        (change_parameter, "01 02"),
        (change_last_parameter, "02"),
        (change_library, "01 02"),
        (change_first_source, "01 02"),
        (change_words_of_first, "01"),  # it leaves the same files, so the next one stands
        (lose_sky, "01"),
        (tamper_with_sky, "01"),
        (lose_weights, "02"),
        (lose_report, "01"),
        (lose_executed, "02"),
    ],
)
def test_what_is_out_of_date_runs_again_and_nothing_else(book, in_process, change, reruns):
    assert drive(book) == 0
    in_process.clear()
    arguments = change(book) or []
    assert drive(book, *arguments) == 0
    assert " ".join(name[:2] for name in in_process) == reruns
    in_process.clear()
    assert drive(book, *arguments) == 0 and not in_process, "now all is up to date"


def test_a_changed_sky_file_runs_its_readers_again(book, in_process):
    sky = book / "mine.fits"
    sky.write_text("one", "utf-8")
    assert drive(book, "--sky", str(sky)) == 0
    assert status(book)["chapters"]["01-sky"]["parameters"]["sky_path"] == "mine.fits"
    in_process.clear()
    sky.write_text("two", "utf-8")
    assert drive(book, "--sky", str(sky)) == 0
    assert in_process[0] == "01-sky"


def test_only_warns_about_inputs_that_are_out_of_date(book, in_process, capsys):
    assert drive(book) == 0
    change_first_source(book)
    in_process.clear()
    assert drive(book, "--only", "02", "-p", "max_minutes", "1.0") == 0
    assert in_process == ["02-training"]
    assert "WARNING: 02-training uses what 01-sky left" in capsys.readouterr().out
    executed = book / "_build" / "executed" / "toy"
    with pytest.raises(CoganError, match="01-sky has changed since it was run"):
        build_book.check_run(book / "book", executed)
    assert drive(book) == 0
    build_book.check_run(book / "book", executed)
    assert in_process == ["02-training", "01-sky", "02-training"]


def test_real_kernels_and_what_a_failure_leaves(book, capfd):
    """The kernel is this interpreter; the partial notebook stays; the failure is recorded."""
    broken = copy.deepcopy(TRAINING)
    broken["cells"].append(code("broken", "raise RuntimeError('out of luck')"))
    save(book, "02-training", broken)
    assert drive(book) == 1
    facts = json.loads((book / "runs" / "toy" / "facts.json").read_text("utf-8"))
    assert Path(facts[0]).samefile(run_notebooks.sys.executable)
    assert int(facts[1]) >= 1 and Path(facts[2]).samefile(book)
    chapters = status(book)["chapters"]
    assert chapters["01-sky"]["outcome"] == "ok" and chapters["02-training"]["outcome"] == "failed"
    assert chapters["01-sky"]["seconds"] > 0 and chapters["01-sky"]["peak_mb"] > 20
    partial = (book / "_build" / "executed" / "toy" / "02-training.ipynb").read_text("utf-8")
    assert "read sky of seed 1" in partial and "out of luck" in partial
    printed = capfd.readouterr()
    assert "papermill book/01-sky.ipynb" in printed.out and "-r run_dir runs/toy" in printed.out
    assert "out of luck" in printed.err
    with pytest.raises(CoganError, match="02-training has not run to its end"):
        build_book.check_run(book / "book", book / "_build" / "executed" / "toy")


# ---------------------------------------------------------------- the build


def test_the_address_is_filled_in_or_taken_out():
    text = "# T\n\n<!-- badges -->\n\ngit clone REPOSITORY_URL"
    without = build_book.fill_address(text, "01-sky", {"repository": {"url": ""}})
    assert "http" not in without and "badges -->" not in without
    assert without.endswith("git clone ADDRESS-OF-THE-REPOSITORY")
    assert 'href="downloads/student/01-sky.ipynb"' in without
    address = {"url": "https://github.com/us/cogan/", "branch": "", "path_to_book": "book"}
    with_it = build_book.fill_address(text, "01-sky", {"repository": address})
    tag = f"v{release.version()}"
    assert f'"https://github.com/us/cogan/blob/{tag}/book/01-sky.ipynb"' in with_it
    colab = "https://colab.research.google.com/github/us/cogan/blob"
    assert f'"{colab}/notebooks-{tag}/colab/01-sky.ipynb"' in with_it
    assert f'"https://mybinder.org/v2/gh/us/cogan/{tag}?labpath=book/01-sky.ipynb"' in with_it
    assert with_it.endswith("git clone https://github.com/us/cogan")
    address["branch"] = "trunk"
    assert "/blob/trunk/" in build_book.fill_address(text, "01-sky", {"repository": address})
    elsewhere = {"repository": {"url": "https://git.example.org/cogan"}}
    assert "colab.research" not in build_book.fill_address(text, "01-sky", elsewhere)


def test_the_site_stands_where_the_repository_is_unless_it_says_otherwise():
    github = {"repository": {"url": "https://github.com/us/cogan"}}
    assert release.site(github) == "https://us.github.io/cogan/"
    assert release.site({**github, "html": {"baseurl": "https://x.org/b"}}) == "https://x.org/b/"
    assert release.site({"repository": {"url": "https://git.example.org/c"}}) == ""
    assert release.site({}) == "" and release.repository({}) == ("", "")


def test_the_wheel_of_a_checkout_leaves_no_trace(tmp_path):
    before = {path.name for path in ROOT.iterdir()}
    wheel = release.make_wheel(ROOT, tmp_path / "out")
    assert wheel.name == f"cogan-{release.version()}-py3-none-any.whl" and wheel.exists()
    assert {path.name for path in ROOT.iterdir()} == before
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"cogan_lib/road.py", "cogan_lib/base/profiles/laptop.yaml"} <= names
    assert any(name.endswith("/generator_ab-83876ef5192a.safetensors") for name in names)
    (tmp_path / "pyproject.toml").write_text("[project", "utf-8")
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).touch()
    (tmp_path / "cogan_lib").mkdir()
    with pytest.raises(CoganError, match="The wheel could not be built"):
        release.make_wheel(tmp_path, tmp_path / "out")


def test_no_button_without_an_address(book, in_process):
    assert drive(book) == 0
    run = status(book)
    config = {"repository": {"url": "", "branch": ""}, "html": {"extra_footer": "<p>x</p>"}}
    built = build_book.site_config(config, run)
    assert "repository" not in built and not built["html"]["use_repository_button"]
    assert not built["launch_buttons"]
    assert built["execute"] == {"execute_notebooks": "off"}
    assert "<p>x</p>" in built["html"]["extra_footer"] and "toy" in built["html"]["extra_footer"]
    config["repository"]["url"] = "https://github.com/us/cogan"
    built = build_book.site_config(config, run)
    assert built["html"]["baseurl"] == "https://us.github.io/cogan/"
    assert built["launch_buttons"]["binderhub_url"] == "https://mybinder.org"
    assert built["repository"]["branch"] == f"v{release.version()}"
    assert built["html"]["use_repository_button"]


def test_staging_takes_the_executed_notebooks(book, in_process):
    assert drive(book) == 0
    executed = book / "_build" / "executed" / "toy"
    run = json.loads((executed / "01-sky.ipynb").read_text("utf-8"))
    stream = {"output_type": "stream", "name": "stdout", "text": "ran"}
    bar = {"output_type": "stream", "name": "stderr", "text": ["\rsynthesis: 62%|██"]}
    run["cells"][-1]["outputs"] = [stream, bar]
    (executed / "01-sky.ipynb").write_text(json.dumps(run), "utf-8")
    (book / "book" / "index.md").write_text("# Home\n\nREPOSITORY_URL\n", "utf-8")
    stage = book / "_build" / "stage"
    build_book.stage(book / "book", executed, stage, {}, status(book))
    shown = json.loads((stage / "01-sky.ipynb").read_text("utf-8"))["cells"][-1]["outputs"]
    assert shown == [stream], "a bar's states are no output"
    assert "REPOSITORY_URL" not in (stage / "index.md").read_text("utf-8")
    page = build_book.status_page(status(book))
    assert "[Training](02-training.ipynb) | 1 | 1 | 2026-01-01 00:00 | not a checkout |" in page


def test_the_status_page_says_how_long_chapters_side_by_side_took():
    def run(*ends_and_seconds):
        return {"chapters": {
            str(i): {"date": end, "seconds": seconds}
            for i, (end, seconds) in enumerate(ends_and_seconds)
        }}  # fmt: skip

    first, second = ("2026-01-01T10:05+00:00", 300.0), ("2026-01-01T10:06+00:00", 240.0)
    assert span_minutes(run(first, second)) == 6
    assert span_minutes(run(first, ("2026-01-02T10:06+00:00", 240.0))) is None


def test_a_book_that_has_not_run_is_not_built(book, capsys):
    assert build_book.main(["--profile", "toy"], root=book) == 2
    assert "run `make book PROFILE=toy`" in capsys.readouterr().err


@pytest.fixture
def builds(book, in_process, monkeypatch):
    """A book that has run, and how often Jupyter Book is asked to build it."""
    assert drive(book) == 0
    (book / "_config.yml").write_text("title: Toy\n", "utf-8")
    (book / "book" / "index.md").write_text("# Home\n", "utf-8")
    built = []

    def jupyter_book(command, **_):
        html = book / "_build" / "html"
        html.mkdir()
        (html / "index.html").write_text(f"site number {len(built)}", "utf-8")
        built.append(command)
        return subprocess.CompletedProcess(command, 1 if "fail" in built else 0)

    monkeypatch.setattr(build_book.subprocess, "run", jupyter_book)
    monkeypatch.setattr(build_book, "make_wheel", lambda root, folder: folder / "a.whl")
    return built


def site_change(name: str, text: str):
    return lambda book, _: (book / name).write_text(text, "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        site_change("book/index.md", "# Home of others"),
        site_change("cogan_lib/module.py", "answer = 43"),
        site_change("_config.yml", "title: Other"),
        site_change("_build/html/index.html", "by hand"),
        site_change("_build/html/more.html", "from elsewhere"),
        lambda book, _: (book / "_build" / "html" / "index.html").unlink(),
        lambda book, _: drive(book, "-p", "seed", "2"),
        lambda _, monkeypatch: monkeypatch.setattr(
            build_book.importlib.metadata, "distributions", lambda: []
        ),
    ],
)
def test_a_site_is_built_again_if_anything_has_changed(book, builds, change, monkeypatch):
    options = ["--profile", "toy"]
    assert build_book.main(options, root=book) == 0 and len(builds) == 1
    assert build_book.main(options, root=book) == 0 and len(builds) == 1, "nothing has changed"
    change(book, monkeypatch)
    assert build_book.main(options, root=book) == 0 and len(builds) == 2
    assert build_book.main(options, root=book) == 0 and len(builds) == 2


def test_a_wheel_that_cannot_be_built_is_a_sentence(book, builds, monkeypatch, capsys):
    def fails(root, folder):
        raise CoganError("The wheel could not be built: no setuptools.")

    monkeypatch.setattr(build_book, "make_wheel", fails)
    assert build_book.main(["--profile", "toy"], root=book) == 1
    assert "Error: The wheel could not be built" in capsys.readouterr().err
    assert not (book / "_build" / "site.json").exists(), "it is built again next time"


def test_a_site_whose_build_failed_is_not_up_to_date(book, builds):
    builds.append("fail")
    assert build_book.main(["--profile", "toy"], root=book) == 1
    assert build_book.main(["--profile", "toy"], root=book) == 1
    builds.remove("fail")
    assert build_book.main(["--profile", "toy"], root=book) == 0


# ---------------------------------------------------------------- the notebooks' contract


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_keep_the_contract(path):
    setup = check_notebooks.setup_cell(release.read_config(ROOT))
    assert (
        check_notebooks.check_notebook(
            json.loads(path.read_text("utf-8")),
            setup,
            companions_of(path),
            check_notebooks.gains(path),
        )
        == []
    )


def test_the_tiny_notebooks_keep_the_contract():
    assert check_notebooks.check_notebook(SKY) == []
    assert check_notebooks.check_notebook(TRAINING) == []


def breakages():
    """Pairs: what is done to the notebook, what the check then says."""

    def cell(place, **changes):
        return lambda content: content["cells"][place].update(changes)

    def parameter(line):
        return cell(2, source=f'run_dir: str = "runs/laptop"  # why\n{line}')

    figure = {"mystnb": {"figure": {"name": "fig", "caption": "What"}}}
    return [
        (cell(4, outputs=[{"output_type": "stream"}]), "outputs are not stripped"),
        (cell(4, execution_count=3), "outputs are not stripped"),
        (cell(4, id="start"), "is there more than once"),
        (cell(4, id="1b9d6bcd"), "lower-case words"),
        (cell(4, source="x = 1\n" * 46), "longer than 45 lines"),
        (cell(4, source="path = '/home/me/sky.fits'"), "absolute path"),
        (cell(4, source="!pip install x"), "only the set-up cell may"),
        (cell(4, source="try:\n    x = 1\nexcept:\n    x = 2"), "bare except"),
        (cell(4, source="x ="), "not plain Python"),
        (cell(4, metadata=figure), "image.alt"),
        (cell(4, metadata={"tags": ["parameters"]}), "Exactly one cell"),
        (cell(2, metadata={}), "Exactly one cell"),
        (cell(1, source="import sys"), "differs from SETUP_CELL"),
        (cell(1, metadata={}), "must be tagged 'setup'"),
        (cell(0, source="Text"), "begin with the title"),
        (cell(0, source="# Title"), "needs the line <!-- badges -->"),
        (parameter("seed = 1  # why"), "is not `name: type = literal`"),
        (parameter("seed: int = 2  # why"), "default 2, but Settings says 1"),
        (parameter("seed: float = 1  # why"), "must be annotated int"),
        (parameter("seed: int = 1"), "seed has no comment"),
        (parameter("seed: int = int(1)  # why"), "is not a literal"),
        (parameter("sed: int = 1  # why"), "not a field of"),
        (parameter("threads: int = 0  # why"), "does not pass threads"),
        (lambda content: content["metadata"].pop("kernelspec"), "kernelspec must be"),
        (lambda content: content.update(nbformat_minor=4), "nbformat 4.5"),
    ]


@pytest.mark.parametrize(("spoil", "words"), breakages(), ids=lambda value: str(value)[:24])
def test_a_broken_contract_is_noticed(spoil, words):
    content = copy.deepcopy(SKY)
    spoil(content)
    problems = check_notebooks.check_notebook(content)
    assert any(words in problem for problem in problems), problems


def test_the_address_is_written_into_the_set_up_cells(book):
    (book / "_config.yml").write_text("repository: {url: 'https://github.com/us/cogan'}\n", "utf-8")
    assert check_notebooks.main([], root=book) == 1, "the cells have no address yet"
    assert check_notebooks.main(["--write-address"], root=book) == 0
    assert "us/cogan@v" in (book / "book" / "01-sky.ipynb").read_text("utf-8")
    (book / "_config.yml").write_text("repository: {url: ''}\n", "utf-8")
    assert check_notebooks.main(["--write-address"], root=book) == 0
    assert "us/cogan" not in (book / "book" / "01-sky.ipynb").read_text("utf-8")


def test_the_notice_about_a_gpu_is_where_one_helps(book):
    training = book / "book" / "03-more.ipynb"
    training.write_text(json.dumps(SKY), "utf-8")
    assert "asks Colab for one" in "".join(check_notebooks.check_notebook(SKY, gpu=True))
    for _ in range(2):  # again is the same
        check_notebooks.main(["--write-address"], root=book)
        content = json.loads(training.read_text("utf-8"))
        assert [cell["id"] for cell in content["cells"][:4]] == [
            "title",
            "gpu",
            "setup",
            "parameters",
        ]
        assert content["metadata"]["colab"] == {"gpuType": "T4"}
        assert check_notebooks.main([], root=book) == 0
    assert check_notebooks.check_notebook(content) != []
    content["cells"][1]["source"] = "Buy a GPU."
    assert check_notebooks.check_notebook(content, gpu=True) != []
    training.rename(training.with_name("02-training.ipynb"))
    check_notebooks.main(["--write-address"], root=book)
    content = json.loads((book / "book" / "02-training.ipynb").read_text("utf-8"))
    assert "accelerator" not in content["metadata"] and content["cells"][1]["id"] == "setup"


# ---------------------------------------------------------------- the site

FIGURE = (
    '<figure id="fig"><img src="_images/a.png" alt="Two lines that cross">'
    '<figcaption><p><span class="caption-number">Figure 1 </span>Caption.</p></figcaption></figure>'
)
GOOD = f'<h1 id="top">Title</h1><p>{"Words of the page. " * 20}</p>{FIGURE}<a href="#top">up</a>'


def site(tmp_path: Path, extra: str = "", article: str = GOOD) -> Path:
    folder = tmp_path / "html"
    folder.mkdir()
    page = "<html><body><a href=''>theme</a><article>{}</article></body></html>"
    (folder / "index.html").write_text(page.format(article + extra), "utf-8")
    (folder / "other.html").write_text(page.format(GOOD), "utf-8")
    return folder


def test_a_good_site_passes(tmp_path):
    links = '<a href="other.html#fig">there</a> <a href="https://example.org/x">out</a>'
    quoted = "<pre>```{glue} x</pre><p>as <code>{glue:text}</code> shows</p>"
    folder = site(tmp_path, links + quoted)
    assert check_site.check_site(folder, ["index", "other"], has_address=False) == []


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("<pre>Traceback (most recent call last):</pre>", "shows a traceback"),
        ("<p>share {glue:text}`share`</p>", "role is left raw"),
        ("<p>\n```{figure} a.png</p>", "directive is left raw"),
        ("<p>see [?]</p>", "not resolved"),
        ("<p>clone REPOSITORY_URL</p>", "placeholder is left over"),
        ('<div class="system-message">x</div>', "left an error"),
        ('<a href="">x</a>', "link is empty"),
        ('<a href="None">x</a>', "link is empty"),
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="other.html#gone">x</a>', "names a place that its page does not have"),
        ('<a href="#gone">x</a>', "names a place"),
        ('<a href="https://colab.research.google.com/github/a">x</a>', "names no address"),
        ('<img src="_images/a.png" alt="">', "no alt text"),
        ('<img src="_images/a.png" alt="_images/a.png">', "no alt text"),
        ('<div class="cell_output"><img src="a.png" alt="A line"></div>', "has no caption"),
        ('<figure><img src="a.png" alt="A line"><figcaption>c</figcaption></figure>', "no number"),
    ],
)
def test_planted_errors_are_found(tmp_path, extra, words):
    problems = check_site.check_site(site(tmp_path, extra), ["index", "other"], has_address=False)
    assert len(problems) == 1 and words in problems[0], problems


def test_missing_empty_and_big_pages_are_found(tmp_path, monkeypatch):
    folder = site(tmp_path, article="<h1>Only a title</h1>")
    problems = check_site.check_site(folder, ["index", "other", "third"], has_address=False)
    assert problems == ["index: the page is as good as empty", "third: the page is missing"]
    monkeypatch.setattr(check_site, "MAX_PAGE_MB", 1e-5)
    monkeypatch.setattr(check_site, "MAX_SITE_MB", 1e-5)
    problems = check_site.check_site(folder, [], has_address=False)
    assert sum("MB, more than" in problem for problem in problems) == 3


def test_the_table_of_contents_is_read_with_parts_and_sections(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: index.md\nparts:\n  - caption: A\n    chapters:\n"
        "      - file: 01-sky\n        sections:\n          - file: deep/page\n"
        "      - url: https://example.org\n",
        "utf-8",
    )
    assert check_site.toc_pages(toc) == ["index", "01-sky", "deep/page"]
