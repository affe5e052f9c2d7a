"""The two long steps without a notebook, in one process or, under torchrun, in several.

    python -m cogan_lib train --profile laptop -p max_minutes 30
    torchrun --nproc-per-node 2 -m cogan_lib train --profile gpu
    torchrun --nproc-per-node 2 -m cogan_lib synthesise --profile gpu

`train` makes the sky and the patches first if they are missing, and leaves ``checkpoint/``;
`synthesise` takes both and leaves ``co.fits``. Chapters 03 and 04 do the same, and show it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from . import road
from .base import session
from .base.config import from_command_line, load_profile
from .base.files import CoganError
from .base.processes import open_fabric

log = logging.getLogger("cogan_lib")  # run as a module, __name__ is another


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(prog="cogan_lib", description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=["train", "synthesise"])
    parser.add_argument(
        "--profile", default="laptop", help="a name in ci/profiles, or a .yaml file"
    )
    parser.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another value for one parameter (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with a training from state.pt")
    options = parser.parse_args(arguments)
    settings = load_profile(options.profile, **from_command_line(options.parameter))

    if os.environ.get("RANK", "0") != "0":
        logging.disable(logging.INFO)  # one process is talkative enough
    run = session.start(settings)
    fabric = open_fabric(session.device(settings))
    if fabric.is_global_zero:  # the others would make the same files at the same time
        session.need(run, "patches.npz", lambda: road.patches_file(settings))
    fabric.barrier()
    if options.step == "train":
        result = road.train_checkpoint(settings, options.resume)
        log.info("%d steps; the best epoch, %d, is in %s", result.steps, result.best_epoch, run)
    else:
        session.need(run, "checkpoint")
        log.info("wrote %s", road.co_sky_file(settings))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
