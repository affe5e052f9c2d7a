"""The checkout that these scripts lie in: its library is used, whichever one is installed.

In an environment that was copied together with its checkout, the original's library is installed.
Import this before the library. And a word that the terminal's encoding has not is shown escaped, it
ends no run.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
