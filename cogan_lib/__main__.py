"""The road's steps without a notebook, in one process or, two of them, under torchrun in several.

    python -m cogan_lib sky --profile real
    python -m cogan_lib train --profile laptop -p max_steps 10000
    torchrun --nproc-per-node 2 -m cogan_lib train --profile gpu
    torchrun --nproc-per-node 2 -m cogan_lib synthesise --profile gpu
    python -m cogan_lib report --profile gpu
    python -m cogan_lib check
    python -m cogan_lib score CO.fits --truth KEY.npz

`check` says whether this machine is ready for a workshop (`check --help`); `challenge`, `submit`
and `score` belong to a challenge (`score --help`). The others make their artefact anew, and first
those that it needs and that are missing or do not fit the settings: `sky` makes ``sky.fits``,
`patches` ``patches.npz``, `train` ``checkpoint/``, `synthesise` ``co.fits``, `members`
``co_members.fits``, `report` ``report.json``. The chapters do the same, and show it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from . import check
from .base.files import CoganError

if __name__ == "__main__" and sys.argv[1:2] == ["check"]:
    try:  # before all other imports: it says which package is missing
        sys.exit(check.main(sys.argv[2:]))
    except CoganError as problem:
        sys.exit(f"Error: {problem}")

from . import road  # noqa: E402
from .base import session  # noqa: E402
from .base.config import from_command_line, load_profile  # noqa: E402
from .base.processes import open_fabric  # noqa: E402
from .beyond import challenge_commands as challenge  # noqa: E402

log = logging.getLogger("cogan_lib")  # run as a module, __name__ is another

STEPS = {
    "sky": road.sky_file,
    "patches": road.patches_file,
    "train": road.train_checkpoint,
    "synthesise": road.co_sky_file,
    "members": road.member_sky_file,
    "report": road.report,
}
SHARED = ("train", "synthesise")  # what several processes can do together


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit status, 0.

    Raises
    ------
    CoganError
        If a parameter is not usable, `--resume` is given to another step than `train`, several
        processes are started for a step of one, or the step itself fails.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["check"]:
        return check.main(arguments[1:])
    if arguments and arguments[0] in challenge.COMMANDS:
        challenge.COMMANDS[arguments[0]](arguments[1:])
        return 0
    parser = argparse.ArgumentParser(prog="cogan_lib", description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=STEPS, help="or `check`, which has options of its own")
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
    if options.resume and options.step != "train":
        raise CoganError(f"Only `train` can be resumed; call {options.step} without --resume.")

    if os.environ.get("RANK", "0") != "0":
        logging.disable(logging.INFO)  # one process is talkative enough
    run = session.start(settings)
    fabric = open_fabric(session.device(settings))
    if options.step in SHARED:
        if fabric.is_global_zero:  # the others would make the same files at the same time
            road.need(settings, "patches.npz")
        fabric.barrier()
    elif fabric.world_size > 1:
        raise CoganError(f"`{options.step}` runs in one process; start it without torchrun.")
    if options.step == "train":
        result = road.train_checkpoint(settings, options.resume)
        log.info("%d steps; the best epoch, %d, is in %s", result.steps, result.best_epoch, run)
    else:
        log.info("wrote %s", STEPS[options.step](settings))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
