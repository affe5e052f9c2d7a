"""What every chapter does at its ends: start a run, glue and report numbers."""

from __future__ import annotations

import logging
import math
import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from .config import Settings
from .files import CoganError, check_name, provenance, read_json, write_json
from .made_from import BOOK_RUN, alone
from .threads import settle

REPORT = "report.json"

log = logging.getLogger(__name__)


def start(settings: Settings, only_co: bool = False) -> Path:
    """Begin a chapter: working folder, threads, seeds, log lines, run folder.

    Goes to the top folder of the checkout when the notebook was opened in ``book/``, so that the
    same relative paths hold in JupyterLab and under papermill.

    Parameters
    ----------
    settings : Settings
        Checked parameters of this chapter.
    only_co : bool
        Refuse a sky whose targets are not CO: that of a chapter whose text and figures are of it.

    Returns
    -------
    Path
        The run folder, made and tried for writing.

    Raises
    ------
    CoganError
        If the run folder cannot be written to, a GPU was asked for and there is none, or the sky
        is of something else.
    """
    _show_log()
    os.chdir(_top_folder(Path.cwd()))
    if only_co and settings.sky_path:
        _check_co(Path(settings.sky_path))
    run = Path(settings.run_dir)
    check_name(run)
    try:
        run.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run):
            pass
    except OSError as error:
        raise CoganError(
            f"Cannot write to the run folder {run}: {error.strerror}. "
            "Set run_dir to a folder that you may write to."
        ) from None

    threads = settings.thread_count
    settle(threads)  # for libraries that are not loaded yet, torch among them
    import torch

    torch.set_num_threads(threads)
    random.seed(settings.seed)
    np.random.seed(settings.seed)  # noqa: NPY002 - for libraries that still draw from it
    torch.manual_seed(settings.seed)

    made_by = provenance(settings.seed)
    versions = ", ".join(f"{name} {number}" for name, number in made_by["versions"].items())
    log.info("Python %s, %s", made_by["python"], versions)
    log.info("device %s, CPU threads %d, seed %d", device(settings), threads, settings.seed)
    log.info("run folder %s", run)
    return run


def _check_co(path: Path) -> None:
    """Refuse a sky file whose header names other targets; what is wrong else, its reader says."""
    from astropy.io import fits

    try:
        named = str(fits.getval(path, "TARGCOLS", 1)).split()
    except Exception:  # no such keyword, no such file, no FITS: all the reader's to say
        return
    if other := [name for name in named if not name.startswith("W_CO")]:
        raise CoganError(
            f"{path} is a sky of {', '.join(other)}, and this chapter speaks of CO alone; "
            f"`python -m cogan_lib report -p sky_path {path}` takes the same road with it."
        )


def device(settings: Settings) -> str:
    """Choose the torch device of this run.

    Parameters
    ----------
    settings : Settings
        Of which `device` counts: "auto" takes a GPU if there is one.

    Returns
    -------
    {'cpu', 'cuda'}

    Raises
    ------
    CoganError
        If a GPU was asked for and there is none.

    Examples
    --------
    >>> device(Settings.check(device="cpu"))
    'cpu'
    """
    import torch

    if settings.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "cuda":
        raise CoganError(
            "No CUDA GPU is visible to torch; switch one on (Colab: Runtime, Change runtime type) "
            'or set device = "cpu".'
        )
    return "cpu"


def glue(name: str, value: object, fmt: str = "") -> None:
    """Give a number to the prose, where ``{glue:text}`name``` stands for it.

    In the book's own run (`BOOK_RUN` is set) the page is made from it. A reader who has opened the
    notebook sees it, under the label that the prose of the distributed notebooks has in its place.

    Parameters
    ----------
    name : str
        Unique over the whole book; its first word is the chapter's.
    value : object
        What to print.
    fmt : str, optional
        Format specification, for example ``".1%"``.
    """
    text = format(value, fmt)
    if os.environ.get(BOOK_RUN):
        from myst_nb import glue as keep

        keep(name, text, display=False)
        return
    from IPython.display import display

    label = glue_label(name)
    shown = {"text/markdown": f"**[{label}]** = {text}", "text/plain": f"{label} = {text}"}
    display(shown, raw=True)


def glue_label(name: str) -> str:
    """How a glued number is called in a notebook outside the book.

    Parameters
    ----------
    name : str
        As `glue` takes it.

    Returns
    -------
    str
        Without the chapter's word, with spaces.

    Examples
    --------
    >>> glue_label("gan-paper-generator")
    'paper generator'
    """
    return name.partition("-")[2].replace("-", " ") or name


def add_to_report(run_dir: str | Path, section: str, content: dict) -> Path:
    """Put one section into the run's ``report.json``, in the place of an older one of that name.

    Chapters that run side by side do so in turn, so that no section is lost.

    Parameters
    ----------
    run_dir : str or Path
        The run folder.
    section : str
        The section's name, for example ``"training"``.
    content : dict
        Nested dicts and lists of numbers, strings and NumPy arrays.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    CoganError
        If a number is not finite, with its place, or another process holds the report; nothing is
        written then.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_json(add_to_report(folder, "training", {"epochs": np.int64(3)}))
    {'training': {'epochs': 3}}
    """
    path = Path(run_dir) / REPORT
    fix = "delete it and run the chapters again"
    added = _plain(content, section)
    with alone(run_dir, "report"):
        report = read_json(path, fix) if path.exists() else {}
        return write_json(path, report | {section: added})


def _plain(value: object, place: str) -> object:
    """Turn `value` into plain Python numbers and lists; `place` names it in an error."""
    if isinstance(value, dict):
        return {str(key): _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise CoganError(f"The report's {place} is {value}; find out why before reporting it.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise CoganError(f"The report's {place} is a {type(value).__name__}, not a number or text.")


def _top_folder(folder: Path) -> Path:
    """Find the checkout that `folder` lies in (it has book/ and cogan_lib/), or `folder` itself."""
    for candidate in (folder, *folder.parents):
        if (candidate / "book").is_dir() and (candidate / "cogan_lib").is_dir():
            return candidate
    return folder


def _show_log() -> None:
    """Show the library's log lines in the notebook, as plain text."""
    library = logging.getLogger("cogan_lib")
    library.setLevel(logging.INFO)
    if not library.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        library.addHandler(handler)
