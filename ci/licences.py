"""List the licence of every package that is installed with cogan; 1 if one has none that we know.

python ci/licences.py
"""

from __future__ import annotations

import importlib.metadata
import re
import sys

#: Words by which a free licence is known, in a package's own metadata.
FREE = re.compile(
    r"\b(0?BSD|MIT|Apache|PSF|PSFL|Python Software Foundation|ISC|ISCL|MPL|Mozilla Public|L?GPL|"
    r"GNU (Lesser )?General Public|Unlicense|HPND|MIT-CMU|Zlib|CC0|Public Domain|BSL)",
    re.IGNORECASE,
)
#: Licences that the packages' metadata do not say, or that are not free; looked up by hand.
BY_HAND = {
    "axe": "MIT; axe-core, which it carries, MPL-2.0",
    "nvidia": "NVIDIA's own; the CUDA libraries that torch brings on Linux",
    "cuda": "NVIDIA's own; the CUDA libraries that torch brings on Linux",
}


def main() -> int:
    """Print name, version and licence of each package."""
    unknown = []
    packages = {dist.name.lower(): dist for dist in importlib.metadata.distributions()}
    packages.pop("cogan", None)
    for name, package in sorted(packages.items()):
        licence = BY_HAND.get(re.split("[-_.]", name)[0]) or said(package.metadata)
        print(f"{name:32} {package.version:16} {licence or 'UNKNOWN'}")
        if not licence:
            unknown.append(name)
    if unknown:
        print(f"No known licence: {', '.join(unknown)}. Look it up and add it to BY_HAND.")
    return min(1, len(unknown))


def said(metadata) -> str:
    """A package's own words on its licence, the shortest first; '' if none is known."""
    kinds = metadata.get_all("Classifier", [])
    kinds = [kind.split(" :: ")[-1] for kind in kinds if kind.startswith("License ::")]
    first_line = (metadata.get("License") or "").strip().split("\n")[0]
    for words in (metadata.get("License-Expression"), ", ".join(kinds), first_line):
        if words and FREE.search(words):
            return words
    return ""


if __name__ == "__main__":
    sys.exit(main())
