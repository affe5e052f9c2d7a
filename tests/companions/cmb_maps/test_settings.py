"""The chapter's parameters have bounds."""

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.cmb_maps.settings import CmbMapsSettings


def test_bounds():
    assert CmbMapsSettings.check(steps=20, maps=16, sets=12).maps == 16
    with pytest.raises(CoganError):
        CmbMapsSettings.check(steps=0, maps=16, sets=12)
