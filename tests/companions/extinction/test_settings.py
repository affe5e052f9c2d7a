"""The chapter's own parameters."""

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.extinction.network import PRESETS
from cogan_lib.companions.extinction.settings import ExtinctionSettings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"network": "large"}, "network"),
        ({"minutes": 0.0}, "minutes should be greater than 0"),
        ({"minutes": 1e5}, "minutes should be less than or equal to 10000"),
        ({"examples": 10}, "examples should be greater than or equal to 50"),
        ({"map_step_deg": 0.01}, "map_step_deg should be greater than or equal to 0.1"),
        ({"map_step_deg": 5.0}, "map_step_deg should be less than or equal to 2.5"),
        ({"minuts": 1.0}, "no parameter 'minuts'; did you mean 'minutes'"),
        ({"nside": 64}, "no parameter 'nside'; see cogan_lib.companions.extinction.settings"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        ExtinctionSettings.check(**parameters)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_each_network_may_be_chosen(preset):
    assert ExtinctionSettings.check(network=preset).network == preset
