"""The companion's own parameters, in profiles and on the command line."""

import companion_settings
import pytest

from cogan_lib.base.config import PROFILE_FOLDER, read_profile
from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer.settings import Settings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"npix": 36}, "npix must be a multiple of 8"),
        ({"npix": 8}, "npix should be greater than or equal to 16"),
        ({"models": 9}, "models should be greater than or equal to 10"),
        ({"minutes": 0.0}, "minutes should be greater than 0"),
        ({"minuts": 1.0}, "no parameter 'minuts'; did you mean 'minutes'"),
        ({"nside": 64}, "no parameter 'nside'; see cogan_lib.companions.line_transfer.settings"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        Settings.check(**parameters)


def test_profiles_set_them_in_a_section_and_commands_by_a_dotted_name():
    for path in PROFILE_FOLDER.glob("*.yaml"):
        for name, values in read_profile(path.stem)[1].items():
            own = companion_settings.companion_settings()[name].check(**values)
            assert all(getattr(own, key) == value for key, value in values.items())
    settings, dotted = companion_settings.read_parameters(
        "smoke", {"line_transfer.minutes": 0.1, "seed": 3}
    )
    assert settings.seed == 3
    assert dotted == {
        "line_transfer.npix": 16,
        "line_transfer.models": 20,
        "line_transfer.minutes": 0.1,
    }
    with pytest.raises(CoganError, match="npix must be a multiple of 8"):
        companion_settings.read_parameters("smoke", {"line_transfer.npix": 20})
    with pytest.raises(CoganError, match="no companion 'lines' .* choose from: line_transfer"):
        companion_settings.read_parameters("smoke", {"lines.npix": 16})
