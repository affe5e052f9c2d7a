"""Parameters of companions, which stand beside the road's: ``line_transfer.npix``.

A notebook has those of the companions whose settings it imports; a chapter may be of two, whose
parameters then have different names.
"""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import beside  # noqa: F401 - the library beside it, not an installed one

from cogan_lib import companions
from cogan_lib.base.config import Checked, Settings, load_profile, read_profile
from cogan_lib.base.files import CoganError


def companion_settings() -> dict[str, type[Checked]]:
    """The class of each companion's parameters; headers are checked without any."""
    rooms = Path(next(iter(companions.__path__))).glob("*/settings.py")
    names = sorted(path.parent.name for path in rooms)
    # line_transfer/settings.py has the class LineTransferSettings
    classes = {name: "".join(map(str.title, name.split("_"))) + "Settings" for name in names}
    room = companions.__name__
    return {name: resolve_name(f"{room}.{name}.settings:{classes[name]}") for name in names}


def companions_of(notebook: Path) -> list[str]:
    """Names of the companions that a notebook is about, sorted; none for a chapter of the road."""
    found = re.findall(r"cogan_lib\.companions\.(\w+)\.settings\b", notebook.read_text("utf-8"))
    return sorted(set(found))


def read_parameters(
    profile: str, overrides: dict[str, object]
) -> tuple[Settings, dict[str, object]]:
    """Settings of the road, and what is set of the companions' parameters, all of it checked.

    Parameters
    ----------
    profile : str
        A name, or the path of a .yaml file.
    overrides : dict
        Parameters that take the place of the profile's; a companion's by its dotted name.

    Returns
    -------
    settings : Settings
    dotted : dict
        From ``companion.parameter`` to its value.
    """
    dotted = {
        f"{section}.{name}": value
        for section, values in read_profile(profile)[1].items()
        for name, value in values.items()
    }
    dotted |= {name: value for name, value in overrides.items() if "." in name}
    known, sections = companion_settings(), {}
    for name, value in dotted.items():
        section, _, parameter = name.partition(".")
        if section not in known:
            raise CoganError(
                f"There is no companion {section!r} with parameters; choose from: "
                f"{', '.join(known)}."
            )
        sections.setdefault(section, {})[parameter] = value
    for section, values in sections.items():
        known[section].check(**values)
    plain = {name: value for name, value in overrides.items() if "." not in name}
    return load_profile(profile, **plain), dotted
