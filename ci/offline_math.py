"""Sphinx extension: MathJax from the site itself, so that formulas are drawn without a network.

Takes the files from the package sphinx-mathjax-offline where that is installed; otherwise the pages
load MathJax from its usual content network, and show raw TeX when they cannot.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = "tex-mml-chtml.js"
FONTS = "output/chtml/fonts"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    if package := find_spec(PACKAGE):
        source = Path(package.origin).parent / "static" / "mathjax"
        app.config.mathjax_path = f"mathjax/{SCRIPT}"
        app.connect("build-finished", lambda app, problem: problem or copy(source, app.outdir))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy(source: Path, site: Path) -> None:
    """Copy the script and its fonts; the rest of MathJax (menus, speech, SVG) is 20 MB more."""
    target = Path(site) / "_static" / "mathjax"
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)
    shutil.copy(source / SCRIPT, target / SCRIPT)
