"""Settings and profiles: what is refused, and in which words."""

import pytest

from cogan_lib.base.config import (
    PROFILE_FOLDER,
    Settings,
    from_command_line,
    load_profile,
    read_profile,
)
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
        ({"context": 15}, "context is 15; it must be even"),
        ({"poses": 3}, "3 poses are fewer than the 4 tiles of a step"),
        ({"faint_share": 0.4}, "only random tiles can be faint; set poses"),
        ({"faint_share": 1.1, "poses": 9}, "faint_share should be less than or equal to 1"),
        ({"context": 16, "target_scaling": "minmax"}, "knows a tile, not its surroundings"),
        ({"device": "tpu"}, "device should be 'auto', 'cpu' or 'cuda'"),
        ({"max_minutes": float("nan")}, "max_minutes should be a finite number"),
        ({"paired": "yes"}, "paired should be a valid boolean"),
        ({"sky_path": "~/sky.fits"}, "~ is a word of the shell"),
        ({"run_dir": "~"}, "~ is a word of the shell"),
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


def test_laptop_profile_is_the_default_with_shorter_budgets():
    assert load_profile("laptop") == Settings(max_steps=2500, members=3)


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
        ("bad.yaml", "seed: 1\nnside: 64\nseed: 2", "'seed' stands there twice"),
        ("bad.yaml", "seed: 010", "seed should be a valid integer, but is '010'"),
        ("bad.yaml", "paired: yes", "paired should be a valid boolean, but is 'yes'"),
    ],
)
def test_bad_profiles_are_refused(tmp_path, name, content, words):
    if content is not None:
        name = tmp_path / name
        name.write_text(content, "utf-8")
    with pytest.raises(CoganError, match=words):
        load_profile(name)


# ---------------------------------------------------------------- YAML 1.2, as others read it


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0), ("1E3", 1000.0), ("1.5e-3", 0.0015), (".5", 0.5), ("1.", 1.0),
        ("12", 12), ("-12", -12), ("+7", 7), ("0", 0), ("0o17", 15), ("0xff", 255),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", ""),
        ("010", "010"), ("1:30", "1:30"), ("1_000", "1_000"), ("2026-01-01", "2026-01-01"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("y", "y"), ("'1e3'", "1e3"), ("<<", "<<"),
        ("1e", "1e"), ("1.2.3", "1.2.3"), ("[1, 1e1]", [1, 10.0]), ("größe", "größe"),
    ],
)  # fmt: skip
def test_command_lines_and_profiles_read_yaml_1_2(tmp_path, text, value):
    (found,) = from_command_line([("seed", text)]).values()
    assert found == value and type(found) is type(value)
    if text:
        (tmp_path / "own.yaml").write_text(f"seed: {text}", "utf-8")
        (found,) = read_profile(tmp_path / "own.yaml")[0].values()
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("max_minutes", "1:30", "max_minutes should be a valid number, but is '1:30'"),
        ("seed", "010", "seed should be a valid integer, but is '010'"),
        ("seed", "1_000", "seed should be a valid integer, but is '1_000'"),
        ("seed", "1e3", "seed should be a valid integer, but is 1000.0"),
        ("paired", "yes", "paired should be a valid boolean, but is 'yes'"),
        ("sky_path", "null", "sky_path should be a valid string, but is None"),
    ],
)
def test_what_is_no_number_is_refused_and_not_guessed(name, text, words):
    with pytest.raises(CoganError, match=words):
        Settings.check(**from_command_line([(name, text)]))


UNREADABLE = ["[1", "{a", "{a: 1, a: 2}", "!!bool x", "!!timestamp x", "!!map [1]", "*x", "'"]


@pytest.mark.parametrize("text", [*UNREADABLE, "[" * 600])
def test_unreadable_values_get_a_sentence(text):
    with pytest.raises(CoganError, match="of nside is not readable as YAML") as refusal:
        from_command_line([("nside", text)])
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(CoganError, match="seed is given twice"):
        from_command_line([("seed", "1"), ("nside", "64"), ("seed", "2")])


def test_a_profile_is_utf_8_whatever_the_locale(tmp_path):
    for start in (b"", b"\xef\xbb\xbf"):  # with a mark, as some editors write it
        (tmp_path / "own.yaml").write_bytes(start + "run_dir: runs/fünf  # ℓ".encode())
        assert load_profile(tmp_path / "own.yaml").run_dir == "runs/fünf"
