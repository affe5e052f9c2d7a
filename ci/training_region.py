"""Write the training region of a run's tiles beside the weights that came of such tiles.

    python ci/training_region.py runs/real planck-hi4pi-nside256 planck-hi4pi-nside256-tracers
    python ci/training_region.py runs/laptop embedded-nside256

The region is that of chapter 1's training tiles (`patches.npz`), which `OUTSIDE` of
`co_members.fits` is told by. It comes along because the tiles do not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one

from cogan_lib.beyond.extrapolation import REGION, save_region, training_inputs, training_region
from cogan_lib.gan.pretrained import WEIGHTS
from cogan_lib.tiles.patches import Patches


def main(arguments: list[str] | None = None) -> list[Path]:
    """Write one file for each of the weights that the road takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run folder with patches.npz")
    parser.add_argument("skies", nargs="+", help="folders of gan/weights")
    options = parser.parse_args(arguments)
    patches = Patches.load(options.run / "patches.npz")
    region = training_region(training_inputs(patches))
    written = []
    for sky in options.skies:
        for folder in sorted(WEIGHTS.glob(f"{sky}/cycle-gan")) + [WEIGHTS / sky / "fold-1"]:
            facts = {"patches_sha256": patches.checksum(), "geometry": patches.meta["geometry"]}
            written.append(save_region(folder / REGION, *region, **facts))
    return written


if __name__ == "__main__":
    print(*main(), sep="\n")
