"""Parameters of companions, which stand beside the road's: ``line_transfer.npix``.

A notebook is a companion's if its name, without the number, is that of the companion's folder:
07-line-transfer.ipynb is that of cogan_lib/companions/line_transfer.
"""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules, resolve_name

import beside  # noqa: F401 - the library beside it, not an installed one

from cogan_lib import companions
from cogan_lib.base.config import Checked, Settings, load_profile, read_profile
from cogan_lib.base.files import CoganError


def companion_settings() -> dict[str, type[Checked]]:
    """The class of each companion's parameters."""
    names = sorted(found.name for found in iter_modules(companions.__path__))
    # line_transfer/settings.py has the class LineTransferSettings
    classes = {name: "".join(map(str.title, name.split("_"))) + "Settings" for name in names}
    room = companions.__name__
    return {name: resolve_name(f"{room}.{name}.settings:{classes[name]}") for name in names}


def companion_of(notebook: Path) -> str:
    """Name of the companion that a notebook would be about."""
    return notebook.stem.partition("-")[2].replace("-", "_")


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
