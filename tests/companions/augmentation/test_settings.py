"""The chapter's own parameters."""

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.augmentation.settings import AugmentationSettings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"seeds": 1}, "seeds should be greater than or equal to 2"),
        ({"sizes": 9}, "sizes should be less than or equal to 4"),
        ({"step": 10}, "no parameter 'step'; did you mean 'steps'"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        AugmentationSettings.check(**parameters)
