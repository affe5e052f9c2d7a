"""cogan: carbon monoxide skies from dust and HI maps with a Cycle-GAN.

A door (sub-package) holds a step of the road: `sky`, `tiles`, `gan`, `synthesis`, `validation`,
`beyond`; the book's chapters walk it in this order, and `road` from file to file. Importing the
package itself loads none of them; it only settles the number of CPU threads (see `base.threads`),
which NumPy, healpy and torch read when they are loaded.
"""

from importlib.metadata import PackageNotFoundError, version

from .base import threads

threads.settle(threads.default_threads())

try:
    __version__ = version("cogan")
except PackageNotFoundError:  # the bare folder, copied to a machine without being installed
    __version__ = "0+not-installed"

__all__ = ["__version__"]
