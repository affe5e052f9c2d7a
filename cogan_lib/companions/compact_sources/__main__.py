"""Take the compact sources out of a FITS image, and measure their fluxes.

    python -m cogan_lib.companions.compact_sources MAP.fits --catalogue CAT.csv --fwhm 18arcsec

It writes MAP_cleaned.fits, with the extensions IMAGE (without sources), SOURCES (what was taken
out) and MASK, and MAP_cleaned.ecsv, the table of fluxes.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ...base.files import CoganError
from . import io, tool

log = logging.getLogger("cogan_lib.companions.compact_sources")  # run as a module, __name__ differs


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
        If something given cannot be used, before any work; or the results cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m cogan_lib.companions.compact_sources", description=__doc__.split("\n")[0]
    )
    parser.add_argument("map", type=Path, help="FITS file with a 2D image")
    parser.add_argument(
        "--catalogue", type=Path,
        help="CSV, ECSV, VOTable or FITS table with ra and dec, glon and glat, or x and y (pixels "
        "from 0); sources are found by photutils without one",
    )  # fmt: skip
    parser.add_argument("--fwhm", help="of the beam: 18arcsec, or pixels (default: BMAJ and BMIN)")
    parser.add_argument("--engine", default="gaussian", help="gaussian, masked or joint")
    parser.add_argument("--threshold", type=float, default=5.0, help="of the search, in local rms")
    parser.add_argument("--unit", help="of the image, in place of its BUNIT")
    parser.add_argument(
        "--blank", type=float, help="pixels of this value have no data (NaN hasn't)"
    )
    parser.add_argument("--out", type=Path, help="FITS file to write (default: MAP_cleaned.fits)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    options = parser.parse_args(arguments)

    out = options.out or _default_out(options.map)
    written = (out, io.table_path(out))
    for path in written:
        if options.map.exists() and path.exists() and path.samefile(options.map):
            raise CoganError(f"The result would replace the image {path}; give another name.")
        if options.catalogue and path.resolve() == options.catalogue.resolve():
            raise CoganError(f"The result would replace the catalogue {path}; give another name.")
        if path.exists() and not options.overwrite:
            raise CoganError(f"{path} is there already; give --overwrite, or --out with a name.")

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    result = tool.remove_sources(
        options.map, options.catalogue, fwhm=options.fwhm, engine=options.engine,
        threshold=options.threshold, unit=options.unit, blank=options.blank,
    )  # fmt: skip
    tool.write(result, out)
    said = result.table.meta
    log.info(
        "%d of %d sources removed by the engine %s; wrote %s and %s",
        said["measured"], len(result.table), said["engine"], *written,
    )  # fmt: skip
    return 0


def _default_out(path: Path) -> Path:
    """MAP_cleaned.fits beside MAP.fits, MAP.fits.gz or MAP.fz."""
    stem = path.name
    for ending in (".gz", ".fz", ".bz2", ".fits", ".fit", ".fts"):
        stem = stem.removesuffix(ending)
    return path.with_name(f"{stem}_cleaned.fits")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
