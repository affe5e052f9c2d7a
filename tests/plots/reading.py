"""What the tests of live figures read from a page."""

import re


def images(page: str) -> list[dict[str, str]]:
    """Attributes of each ``<img>``."""
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall("<img[^>]*>", page)]
