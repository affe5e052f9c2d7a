"""The chapter's own parameters."""

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.hii_regions.settings import HiiRegionsSettings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"game_minutes": 0.0}, "minutes should be greater than 0"),
        ({"images": 10}, "images should be greater than or equal to 1000"),
        ({"imags": 2000}, "no parameter 'imags'; did you mean 'images'"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        HiiRegionsSettings.check(**parameters)
