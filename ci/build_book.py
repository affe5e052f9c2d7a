"""Build the site ``_build/html`` from the pages in ``book/`` and a profile's executed notebooks.

    python ci/build_book.py --profile smoke

The pages are staged in ``_build/stage``: the executed notebooks take the place of the sources, a
status page is made from the record of the run, and the public address, which stands in
``_config.yml`` alone, is filled in; without one, no badge and no button is shown. Then Jupyter Book
builds with warnings as errors, and executes nothing; a site that was built from the very same
pages, library and packages is left as it is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from beside import ROOT
from book_tables import write_tables
from figures import folds
from finish_site import finish
from flavours import make_flavours
from formats import short_commit, span_minutes
from growth_figure import draw_growth
from pages import write_pages
from release import COLAB, make_wheel, notebooks_tag, read_config, repository, site, wheel_name

from cogan_lib.base.files import CoganError, read_json, sha256, write_json

BADGES = "<!-- badges -->"
ADDRESS = "REPOSITORY_URL"
WHEEL = "WHEEL_NAME"
NO_ADDRESS = "ADDRESS-OF-THE-REPOSITORY"  # plain in prose, code and shell lines
BINDER = "https://mybinder.org"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if the site was built, 1 if Jupyter Book failed, 2 for a bad request."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="laptop", help="whose executed notebooks to show")
    options = parser.parse_args(arguments)
    build = root / "_build"
    executed = build / "executed" / Path(options.profile).stem
    try:
        status = check_run(root / "book", executed)
        config = read_config(root)
        stage(root / "book", executed, build / "stage", config, status)
        (build / "stage" / "status.md").write_text(status_page(status), "utf-8")
        staged_config = build / "stage-config.yml"
        staged_config.write_text(
            yaml.safe_dump(site_config(config, status), sort_keys=False), "utf-8"
        )
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    record, key = build / "site.json", site_key(root)
    if record.exists() and read_json(record) == {"key": key, "site": tree(build / "html")}:
        print("The site is up to date: _build/html/index.html")
        return 0
    record.unlink(missing_ok=True)
    shutil.rmtree(build / "html", ignore_errors=True)
    # not its script, whose first line names the environment that it was installed in
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(build / "stage"), "--config", str(staged_config)]
    command += ["--path-output", str(root), "-W", "-n", "--keep-going"]
    # Sphinx's autodoc imports the library: from this checkout, whatever else is installed; and
    # Jupyter Book opens pages in the encoding of the locale
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONUTF8": "1"}
    if subprocess.run(command, cwd=root, env=environment, check=False).returncode:
        return 1
    try:
        remade = folds(root / "book", executed, status)
        finish(build / "html", str(config.get("title", "")), remade)
        write_downloads(root, executed, build / "html" / "downloads", config)
    except CoganError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    write_json(record, {"key": key, "site": tree(build / "html")})
    return 0


def site_key(root: Path) -> dict:
    """All that a site is made from: the staged pages, the library, the scripts, the packages."""
    packages = {dist.name: dist.version for dist in importlib.metadata.distributions()}
    folders = ("_build/stage", "cogan_lib", "ci")
    files = {folder: tree(root / folder) for folder in folders}
    files["config"] = sha256(root / "_build" / "stage-config.yml")
    return {"files": files, "packages": packages, "python": sys.version}


def tree(folder: Path) -> dict[str, str]:
    """Checksum of each file in a folder and below."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def check_run(book: Path, executed: Path) -> dict:
    """The record of the run, if each chapter in `book` ran well and has not changed since."""
    again = f"run `make book PROFILE={executed.name}`"
    if not (executed / "status.json").exists():
        raise CoganError(f"No chapter has been run with profile {executed.name}; {again}.")
    status = read_json(executed / "status.json")
    for source in sorted(book.glob("[0-9][0-9]-*.ipynb")):
        record = status["chapters"].get(source.stem, {})
        if record.get("outcome") != "ok" or not (executed / source.name).exists():
            raise CoganError(f"{source.stem} has not run to its end; {again}.")
        if record["source_sha256"] != sha256(source):
            raise CoganError(f"{source.stem} has changed since it was run; {again}.")
        if record["out_of_date_inputs"]:
            raise CoganError(f"{source.stem} ran on results that were out of date; {again}.")
    return status


def stage(book: Path, executed: Path, target: Path, config: dict, status: dict) -> None:
    """Copy the pages to `target`, with executed notebooks, generated parts and the address."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(book, target, ignore=shutil.ignore_patterns(".*", "_build", "status.md"))
    if (target / "_includes").is_dir():
        write_tables(target)
        write_pages(target, status)
        draw_growth(target)
    for page in sorted(target.rglob("*.md")):
        page.write_text(fill_address(page.read_text("utf-8"), page.stem, config), "utf-8")
    for page in sorted(target.glob("*.ipynb")):
        run = executed / page.name
        notebook = json.loads((run if run.exists() else page).read_text("utf-8"))
        notebook["metadata"].pop("papermill", None)
        for cell in notebook["cells"]:
            cell["metadata"].pop("papermill", None)
            if "outputs" in cell:
                cell["outputs"] = [output for output in cell["outputs"] if not is_bar(output)]
            if cell["cell_type"] == "markdown":
                cell["source"] = fill_address("".join(cell["source"]), page.stem, config)
        page.write_text(json.dumps(notebook, indent=1) + "\n", "utf-8")


def is_bar(output: dict) -> bool:
    """Whether a cell's output is a progress bar, whose states would stand one below the other."""
    return output.get("name") == "stderr" and "\r" in "".join(output.get("text", ""))


def fill_address(text: str, page: str, config: dict) -> str:
    """`text` with the line of badges and the word REPOSITORY_URL filled in."""
    url = repository(config)[0]
    filled = [badges(page, config) if x.strip() == BADGES else x for x in text.split("\n")]
    filled = "\n".join(filled).replace(WHEEL, wheel_name())
    return filled.replace(ADDRESS, url or NO_ADDRESS)


def badges(page: str, config: dict) -> str:
    """Where a chapter can be opened, and what of it can be taken along; one line of HTML."""
    url, tag = repository(config)
    opened, owner = {}, url.removeprefix("https://github.com/")
    if owner != url:
        # not the source, which needs MyST: what the publishing workflow has put beside the tag
        place = f"blob/{notebooks_tag(tag)}/colab/{page}.ipynb"
        opened["Open in Colab"] = f"{COLAB}/github/{owner}/{place}"
        opened["Open in Binder"] = f"{BINDER}/v2/gh/{owner}/{tag}?labpath=book/{page}.ipynb"
    if url:
        opened["Source"] = f"{url}/blob/{tag}/book/{page}.ipynb"
    flavours = {
        "for Colab": "colab",
        "for students": "student",
        "with solutions": "solved",
        "as it ran": "executed",
    }
    links = [f'<a href="{link}">{name}</a>' for name, link in opened.items()]
    taken = [
        f'<a href="downloads/{folder}/{page}.ipynb" download>{name}</a>'
        for name, folder in flavours.items()
    ]
    line = " · ".join([*links, f"Download: {', '.join(taken)}"])
    return f'<p class="badges">{line}; <a href="downloads.html">all files</a></p>'


def write_downloads(root: Path, executed: Path, target: Path, config: dict) -> None:
    """What the page Downloads offers: notebooks in their flavours and as they ran, the wheel."""
    make_flavours(root / "book", target, site(config))
    (target / "executed").mkdir(exist_ok=True)
    for notebook in sorted(executed.glob("*.ipynb")):
        content = json.loads(notebook.read_text("utf-8"))
        for part in (content, *content["cells"]):
            part["metadata"].pop("papermill", None)
        (target / "executed" / notebook.name).write_text(json.dumps(content, indent=1), "utf-8")
    make_wheel(ROOT, target)


def site_config(config: dict, status: dict) -> dict:
    """Jupyter Book's settings: no execution, no button to nowhere, the run in the footer."""
    config = {**config, "execute": {"execute_notebooks": "off"}}
    url, tag = repository(config)
    has_address = bool(url)
    buttons = {"use_repository_button": has_address, "use_issues_button": has_address}
    config["html"] = {**config.get("html", {}), **buttons}
    config["html"]["baseurl"] = site(config)
    options = dict((config.get("sphinx") or {}).get("config") or {})
    # where the host shows any address that it does not know, links must be absolute
    place = "/" + site(config).partition("://")[2].partition("/")[2]
    options |= {"ogp_site_url": site(config), "notfound_urls_prefix": place}
    config["sphinx"] = {**(config.get("sphinx") or {}), "config": options}
    config["launch_buttons"] = {}
    if has_address:
        config["repository"] = {**config["repository"], "branch": tag}
        # no button for Colab: it would open the source, which needs MyST (see `badges`)
        config["launch_buttons"] = {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"}
    else:
        config.pop("repository", None)
    commits = {short_commit(record) for record in status["chapters"].values()}
    made = max(record["date"] for record in status["chapters"].values())
    config["html"]["extra_footer"] = (
        f"{config['html'].get('extra_footer', '')}\n<p>Notebooks executed with profile "
        f"{status['profile']}, commit {', '.join(sorted(commits))}, {made[:10]}.</p>\n"
    )
    return config


def status_page(status: dict) -> str:
    """The status page in Markdown: what ran when, for how long, on what."""
    rows = [
        f"| [{record['title']}]({name}.ipynb) | {record['seconds']:.0f} | {record['peak_mb']} | "
        f"{record['date'][:16].replace('T', ' ')} | {short_commit(record)} |"
        for name, record in sorted(status["chapters"].items())
    ]
    seconds = sum(record["seconds"] for record in status["chapters"].values())
    machine = status["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    beside = machine.get("side_by_side", 1)
    work = f" of work, up to {beside} chapters at once" if beside > 1 else " altogether"
    if beside > 1 and (span := span_minutes(status)) is not None:
        work += f": {span} minutes from the first one's start to the last one's end"
    settings = [f"| `{name}` | `{value!r}` |" for name, value in status["settings"].items()]
    return "\n".join(
        [
            "# Status",
            "",
            "The chapters on these pages were executed with the profile "
            f"**{status['profile']}** in {seconds / 60:.1f} minutes{work}. "
            "Each row is written by the run itself.",
            "",
            "| chapter | seconds | peak memory, MB | date (UTC) | commit |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Machine: {machine['system']}, {machine['cores']} cores, threads used: "
            f"{machine['threads']}, GPU: {machine['gpu']}.",
            "",
            f"Software: Python {machine['python']}, {versions}.",
            "",
            "## Parameters of this run",
            "",
            "| parameter | value |",
            "|---|---|",
            *settings,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
