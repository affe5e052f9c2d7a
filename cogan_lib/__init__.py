"""cogan: carbon monoxide skies from dust and HI maps with a Cycle-GAN.

One module a step of the road: `sky`, `tiling`, `scaling`, `patches`, `networks`, `losses`,
`training`, `synthesis`, `spectra`, `morphology`, `validation`; the book's chapters walk it in this
order. Importing the package itself loads none of them; it only settles the number of CPU threads
(see `threads`), which NumPy, healpy and torch read when they are loaded.
"""

from importlib.metadata import PackageNotFoundError, version

from . import threads

threads.settle(threads.default_threads())

try:
    __version__ = version("cogan")
except PackageNotFoundError:  # the bare folder, copied to a machine without being installed
    __version__ = "0+not-installed"

__all__ = ["__version__"]
