"""Settings and profiles: what is refused, and in which words."""

import pytest

from cogan_lib.base.config import PROFILE_FOLDER, Settings, load_profile
from cogan_lib.base.files import CoganError


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"nside": -64}, "nside should be greater than or equal to 8, but is -64"),
        ({"nside": 100}, "nside must be a power of two, but is 100"),
        ({"centre_nside": 12}, "centre_nside must be a power of two"),
        ({"nside": 256.0}, "nside should be a valid integer"),
        ({"nside": "256"}, "nside should be a valid integer"),
        ({"nsides": 64}, "no parameter 'nsides'; did you mean 'nside'"),
        ({"colour": "red"}, "no parameter 'colour'; see"),
        ({"run_dir": ""}, "run_dir should have at least 1 character"),
        ({"tile_npix": 66}, "tile_npix must be a multiple of 4"),
        ({"tile_npix": 80}, "must fit into a held-out block of 10 degrees"),
        ({"centre_nside": 4}, "raise centre_nside"),
        ({"fwhm_arcmin": 10.0}, "narrower than a pixel of nside 256"),
        ({"nside": 512, "fwhm_arcmin": 14.0}, "do not sample the sky's beam of 14 arcmin"),
        ({"device": "tpu"}, "device should be 'auto', 'cpu' or 'cuda'"),
        ({"max_minutes": float("nan")}, "max_minutes should be a finite number"),
        ({"paired": "yes"}, "paired should be a valid boolean"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError) as caught:
        Settings.check(**parameters)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message and "pydantic" not in message


def test_several_mistakes_are_all_named():
    with pytest.raises(CoganError, match=r"seed.*nside"):
        Settings.check(nside=-1, seed=-1)


def test_a_sky_file_brings_its_own_resolution():
    """The beam of the embedded sky is not held against the tiles of another sky."""
    assert Settings.check(sky_path="sky.fits", fwhm_arcmin=5.0).fwhm_arcmin == 5.0


def test_whole_numbers_are_good_enough_for_floats():
    assert Settings.check(fwhm_arcmin=30).fwhm_arcmin == 30.0


@pytest.mark.parametrize("path", sorted(PROFILE_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_profile_is_sound_and_has_its_own_run_folder(path):
    settings = load_profile(path.stem)
    assert settings.run_dir == f"runs/{path.stem}"
    for name in settings.model_fields_set:
        assert getattr(settings, name) != Settings.model_fields[name].default, f"{name} differs not"


def test_laptop_profile_is_the_default():
    assert load_profile("laptop") == Settings()


def test_overrides_take_the_place_of_the_profile():
    settings = load_profile("smoke", seed=7)
    assert (settings.nside, settings.seed) == (64, 7)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none", None, "no profile 'none'; choose one of: gpu, laptop, real, smoke"),
        ("bad.yaml", "nside: [", "not readable as YAML"),
        ("bad.yaml", "- nside", "section of its name"),
        ("bad.yaml", "nsid: 64", "did you mean 'nside'"),
        ("bad.yaml", "nside: {a: 1}", "nside should be a valid integer"),
        ("bad.yaml", "line_transfer: {1: 2}", "section of its name"),
    ],
)
def test_bad_profiles_are_refused(tmp_path, name, content, words):
    if content is not None:
        name = tmp_path / name
        name.write_text(content)
    with pytest.raises(CoganError, match=words):
        load_profile(name)
