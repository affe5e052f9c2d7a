"""Run the chapters on a GPU machine, each alone, as somebody who has opened it in Colab would.

    python ci/gpu/pack.py PACK --chapters
    python ci/gpu/chapters.py PACK RESULTS [--only 03 04]
    python ci/times.py record RESULTS/flavours-log.json --as gpu

The pack has the notebooks and what a machine for deep learning lacks to run them. Parameters are
those of the laptop profile, which a reader finds in the notebooks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]


def main(arguments: list[str] | None = None) -> int:
    """The number of chapters that failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pack", type=Path, help="what ci/gpu/pack.py --chapters has made")
    parser.add_argument("results", type=Path, help="folder for the log")
    parser.add_argument("--only", nargs="+", default=[], metavar="03", help="run these chapters")
    parser.add_argument("--profile", default="laptop", help="whose parameters")
    options = parser.parse_args(arguments)
    from run import unpack_site

    with tempfile.TemporaryDirectory() as work:
        unpack_site(options.pack, Path(work))
        from flavour_runs import run_alone

        with zipfile.ZipFile(options.pack / "colab.zip") as archive:
            archive.extractall(work)
        options.results.mkdir(parents=True, exist_ok=True)
        folder = Path(work) / "cogan-colab"
        return run_alone([folder], options.profile, options.only, options.results)


if __name__ == "__main__":
    sys.exit(main())
