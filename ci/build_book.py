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
from growth_figure import draw_growth
from pages import write_pages

from cogan_lib.base.files import CoganError, read_json, sha256, write_json

BADGES = "<!-- badges -->"
ADDRESS = "REPOSITORY_URL"
NO_ADDRESS = "ADDRESS-OF-THE-REPOSITORY"  # plain in prose, code and shell lines
COLAB = "https://colab.research.google.com"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit status: 0 if the site was built, 1 if Jupyter Book failed, 2 for a bad request."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="laptop", help="whose executed notebooks to show")
    options = parser.parse_args(arguments)
    build = root / "_build"
    executed = build / "executed" / Path(options.profile).stem
    try:
        status = check_run(root / "book", executed)
        config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
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
    repository = config.get("repository") or {}
    for page in sorted(target.rglob("*.md")):
        page.write_text(fill_address(page.read_text("utf-8"), page.stem, repository), "utf-8")
    for page in sorted(target.glob("*.ipynb")):
        run = executed / page.name
        notebook = json.loads((run if run.exists() else page).read_text("utf-8"))
        notebook["metadata"].pop("papermill", None)
        for cell in notebook["cells"]:
            cell["metadata"].pop("papermill", None)
            if cell["cell_type"] == "markdown":
                cell["source"] = fill_address("".join(cell["source"]), page.stem, repository)
        page.write_text(json.dumps(notebook, indent=1) + "\n", "utf-8")


def fill_address(text: str, page: str, repository: dict) -> str:
    """`text` with the line of badges and the word REPOSITORY_URL filled in, or taken out."""
    url = (repository.get("url") or "").rstrip("/")
    badges = ""
    if url:
        branch = repository.get("branch") or "main"
        place = f"{branch}/{repository.get('path_to_book') or 'book'}/{page}.ipynb"
        links = [f"[Source]({url}/blob/{place})"]
        if url.startswith("https://github.com/"):
            colab = url.replace("https://github.com", f"{COLAB}/github")
            links = [f"[Open in Colab]({colab}/blob/{place})", *links]
        badges = " · ".join(links)
    lines = [badges if line.strip() == BADGES else line for line in text.split("\n")]
    return "\n".join(lines).replace(ADDRESS, url or NO_ADDRESS)


def site_config(config: dict, status: dict) -> dict:
    """Jupyter Book's settings: no execution, no button to nowhere, the run in the footer."""
    config = {**config, "execute": {"execute_notebooks": "off"}}
    has_address = bool((config.get("repository") or {}).get("url"))
    buttons = {"use_repository_button": has_address, "use_issues_button": has_address}
    config["html"] = {**config.get("html", {}), **buttons}
    if has_address and not config["html"].get("baseurl"):
        config["html"]["baseurl"] = pages_address(config["repository"]["url"])
    config["launch_buttons"] = {"colab_url": COLAB if has_address else ""}
    if not has_address:
        config.pop("repository", None)
    commits = {short_commit(record) for record in status["chapters"].values()}
    made = max(record["date"] for record in status["chapters"].values())
    config["html"]["extra_footer"] = (
        f"{config['html'].get('extra_footer', '')}\n<p>Notebooks executed with profile "
        f"{status['profile']}, commit {', '.join(sorted(commits))}, {made[:10]}.</p>\n"
    )
    return config


def pages_address(url: str) -> str:
    """Where GitHub Pages shows the site of a repository; the repository itself for other hosts."""
    host, _, path = url.rstrip("/").removeprefix("https://").partition("/")
    owner, _, name = path.partition("/")
    return f"https://{owner}.github.io/{name}/" if host == "github.com" else url


def short_commit(record: dict) -> str:
    """The commit that a chapter ran with, for people."""
    name, dirty, _ = record["commit"].partition("-dirty")
    return f"{name[:12] if len(name) == 40 else name}{' with changes' if dirty else ''}"


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
    settings = [f"| `{name}` | `{value!r}` |" for name, value in status["settings"].items()]
    return "\n".join(
        [
            "# Status",
            "",
            "The chapters on these pages were executed with the profile "
            f"**{status['profile']}** in {seconds / 60:.1f} minutes altogether. "
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
