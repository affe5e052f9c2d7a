"""YAML 1.2 as data: what profiles and the command line are written in."""

from __future__ import annotations

import re

import yaml

#: Scalars of YAML's version 1.2 (core schema): a tag, a pattern, and characters that can be first.
#: Version 1.1, which PyYAML reads, also takes 1:30 for 90, 010 for 8, yes for true, and 1e3 for a
#: word. 010 is 10 in one version and 8 in the other: a word here, which no number may be.
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


def read_yaml(text: str | bytes) -> object:
    """Read YAML 1.2: numbers, words, lists and mappings, which are data only.

    Parameters
    ----------
    text : str or bytes

    Returns
    -------
    object

    Raises
    ------
    ValueError
        Of one line, whatever is wrong.

    Examples
    --------
    >>> read_yaml("ratio: 1e3")
    {'ratio': 1000.0}
    """
    try:
        return _Loader(text).get_single_data()
    except Exception as error:  # PyYAML raises nearly everything, as at "!!bool x"
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(reason) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of version 1.2, and no key twice in a mapping."""

    yaml_implicit_resolvers: dict = {}

    def construct_yaml_int(self, node: yaml.Node) -> int:
        """Read decimal, 0o17 or 0xff."""
        return int(self.construct_scalar(node), 0)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        """Refuse a mapping that has a key twice, of which the last one would silently count."""
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} stands there twice")
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first)
    )
