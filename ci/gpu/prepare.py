"""Made on the CPUs while the card is at work: tiles of the real sky, the fine sky and its tiles.

    python ci/gpu/prepare.py PACK WORK [--tiny]

Files appear whole: ``real.npz``, ``members.npz``, ``sky-2048.fits``, ``sky-2048.npz``;
``NAME.failed`` says why one does not.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from pack import unpack_sky

from cogan_lib.base.threads import default_threads
from cogan_lib.beyond import member_training
from cogan_lib.sky import write_sky
from cogan_lib.sky.embedded import make_sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry

#: The tiles of the real sky (the laptop profile's) and of the fine one (the gpu profile's).
REAL, FINE = Geometry(64, 7.5), Geometry(128, 1.5)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    threads, tiny = default_threads(), options.tiny
    geometry = (
        {"real": Geometry(32, 15.0), "fine": Geometry(32, 15.0)}
        if tiny
        else {"real": REAL, "fine": FINE}
    )

    if tiny:
        member_training.POSES = 100

    def real() -> None:
        sky = unpack_sky(options.pack / "sky.npz")
        centres = 16 if tiny else 32
        make_patches(sky, geometry["real"], centres, nthreads=threads).save(
            options.work / "real.npz"
        )

    def members() -> None:
        sky = unpack_sky(options.pack / "sky.npz")
        centres = 16 if tiny else 32
        member_training.member_patches(
            sky, geometry["real"], centres, fold=1, seed=1, nthreads=threads
        ).save(options.work / "members.npz")

    def fine() -> None:
        sky = unpack_sky(options.pack / "sky.npz") if tiny else make_sky(2048, 15.0, 1)
        write_sky(options.work / "sky-2048.fits", sky)
        print(f"{time.monotonic() - start:.1f} s: sky-2048.fits", flush=True)
        centres = 16 if tiny else 32
        make_patches(sky, geometry["fine"], centres, nthreads=threads).save(
            options.work / "sky-2048.npz"
        )

    start, failed = time.monotonic(), 0
    for name, work in (("real.npz", real), ("members.npz", members), ("sky-2048.npz", fine)):
        if (options.work / name).exists():
            continue
        try:
            work()
            print(f"{time.monotonic() - start:.1f} s: {name}", flush=True)
        except Exception:  # whoever waits for the file must hear of it
            (options.work / f"{name}.failed").write_text(traceback.format_exc(), "utf-8")
            traceback.print_exc()
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
