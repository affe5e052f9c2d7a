"""The out-of-fold sky: the guard by value, each network's own part, blends, sentences."""

from dataclasses import replace

import healpy as hp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from cogan_lib.base.files import CoganError
from cogan_lib.beyond import crossfit, members
from cogan_lib.beyond.crossfit import out_of_fold, out_of_fold_members
from cogan_lib.sky.beam_limit import limit_to_beam
from cogan_lib.sky.skyfile import read_sky, write_sky
from cogan_lib.synthesis import skies, synthesis_grid, synthesise
from cogan_lib.tiles.bounds import HEADROOM
from cogan_lib.tiles.geometry import Geometry, tile_centres, tile_lonlat, tile_vectors
from cogan_lib.tiles.poses import border_of, draw_poses
from cogan_lib.tiles.scaling import scaling_from_dict
from cogan_lib.tiles.split import TRAIN, assign_split, blocks_of_fold, fold_of
from cogan_lib.validation.amplitude import middle_of
from tests.toys import SCALINGS, steep_sky, untrained

NSIDE, FWHM, NAME = 32, 240.0, "W_CO21"
GEOMETRY = Geometry(16, 60.0)
PIXELS = np.arange(12 * NSIDE**2)
QUIET = {"batch_size": 64, "progress": False}


@pytest.fixture(scope="module")
def sky():
    return steep_sky(NSIDE, FWHM)


@pytest.fixture(scope="module")
def constants(tmp_path_factory):
    """Of six generators number k says k K km/s, whatever it is given."""
    folder, found = tmp_path_factory.mktemp("constants"), {}
    for k in range(1, 7):
        flat = {"kind": "asinh", "softening": 0.3, "mean": float(np.arcsinh(k / 0.3)), "std": 1e-6}
        scalings = SCALINGS | {NAME: flat}
        found[k] = untrained(folder / str(k), GEOMETRY, FWHM, seed=k, scalings=scalings)
    return found


@pytest.fixture(scope="module")
def made(sky, constants):
    return out_of_fold(sky, constants, skysha="abc", **QUIET)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("noisy") / "1", GEOMETRY, FWHM, noise=(240.0, 900.0))


@pytest.mark.parametrize("fold", [1, 4])
def test_no_training_tile_shows_what_its_network_answers_for(fold):
    """Random tiles with context, and those of the grid, up to the poles."""
    test, validation = blocks_of_fold(fold)
    geometry, nside = Geometry(16, 30.0), 64
    whole, everywhere = geometry.grown(4), np.ones(12, dtype=bool)
    blocks = {"test": test, "validation": validation}
    centres, angles = draw_poses(1, 300, geometry, everywhere, context=4, **blocks)
    grid = tile_centres(16)
    lon, lat = (x[:, border_of(whole.npix)] for x in tile_lonlat(whole, grid))
    grid = grid[assign_split(lon, lat, geometry.side_deg, **blocks) == TRAIN]
    assert np.abs(grid[:, 1]).max() > 60
    seen = [tile_vectors(whole, centres, angles), tile_vectors(whole, grid)]
    seen = np.concatenate([v.reshape(-1, 3) for v in seen])
    _, joiner = synthesis_grid(geometry, nside, context=4)
    own = np.flatnonzero(fold_of(joiner.centres[:, 0]) == fold)
    reach = np.degrees(joiner.reach(joiner._centre_nside))
    answers = [
        joiner._pull(i, np.zeros((1, joiner.geometry.npix, joiner.geometry.npix)))[0] for i in own
    ]
    answers = np.unique(np.concatenate(answers))
    nearest = cKDTree(seen).query(np.stack(hp.pix2vec(nside, answers), axis=1))[0].min()
    assert np.degrees(2 * np.arcsin(nearest / 2)) >= geometry.side_deg - reach > 0


def test_each_network_answers_for_its_own_longitudes(sky, constants):
    joined = out_of_fold(sky, constants, beam_limited=False, **QUIET).maps[NAME]
    lon, lat = hp.pix2ang(NSIDE, PIXELS, lonlat=True)
    for k, lon_deg in ((1, 110), (2, 10), (4, 50), (6, 90), (1, 215), (3, 150)):
        middle = (np.abs(lon - lon_deg) < 1.5) & (np.abs(lat) < 5)
        assert middle.any()
        np.testing.assert_allclose(joined[middle], k, rtol=1e-4)
    assert (np.abs(joined - joined.round()) < 1e-3).mean() > 0.5


def test_the_join_is_filtered_once_as_a_whole(sky, constants, made):
    joined = out_of_fold(sky, constants, beam_limited=False, **QUIET).maps[NAME]
    expected = limit_to_beam(joined, FWHM)
    np.testing.assert_allclose(made.maps[NAME], expected, rtol=1e-3, atol=1e-3)


def test_a_seed_repeats_its_sky_and_its_file_tells_all_weights(sky, constants, made, tmp_path):
    reverse = {k: constants[k] for k in range(6, 0, -1)}
    again = out_of_fold(sky, reverse, skysha="abc", **QUIET)
    np.testing.assert_array_equal(again.maps[NAME], made.maps[NAME])
    assert again.meta == made.meta
    back = read_sky(write_sky(tmp_path / "co.fits", made))
    sums = [trained.content["weights_sha256"]["generator_ab"] for trained in constants.values()]
    assert [back.meta["weights"], *(back.meta[f"weights{i}"] for i in range(2, 7))] == sums
    assert back.meta["crossfit"] == 6 and back.meta["skysha"] == "abc"
    assert back.units == {NAME: "K km/s"} and back.meta["atbound"] == 0


def test_equal_networks_give_the_plain_sky(sky, noisy):
    """Members made together, and one that is made alone."""
    six = dict.fromkeys(range(1, 7), noisy)
    plain = list(skies(sky, [(noisy, 7), (noisy, 8)], **QUIET))
    both = [*crossfit.out_of_fold_skies(sky, six, [7, 8], **QUIET)]
    for joined, expected in zip(both, plain, strict=True):
        np.testing.assert_allclose(joined.maps[NAME], expected.maps[NAME], rtol=1e-5, atol=1e-5)
        assert joined.meta["member"] == expected.meta["member"] and joined.units == expected.units
    alone = out_of_fold(sky, six, 8, **QUIET)
    np.testing.assert_allclose(alone.maps[NAME], plain[1].maps[NAME], rtol=1e-5, atol=1e-5)
    assert not np.allclose(both[0].maps[NAME], both[1].maps[NAME], rtol=1e-2)


def test_what_was_cut_off_counts_once_for_the_fold_of_the_pixel(sky, constants, monkeypatch):
    """Fold 2 alone knows no dust above 1: its own bright pixels count, whatever others know."""
    narrow = SCALINGS["DUST"] | {"low": 0.0, "high": 1.0}
    scalings = constants[2].meta["scalings"] | {"DUST": narrow}
    monkeypatch.setitem(constants[2].meta, "scalings", scalings)
    made = out_of_fold(sky, constants, **QUIET)
    fold = fold_of(hp.pix2ang(NSIDE, PIXELS, lonlat=True)[0])
    too_bright = sky.maps["DUST"] > scaling_from_dict(narrow).limits(HEADROOM)[1]
    assert made.meta["cutabove"] == (too_bright & (fold == 2)).sum()
    assert made.meta["cutbelow"] == made.meta["atbound"] == 0
    alone = synthesise(sky, constants[2], **QUIET).meta["cutabove"]
    assert alone == too_bright.sum() and 0.05 < made.meta["cutabove"] / alone < 0.4


def test_mean_and_spread_are_those_of_the_members(sky, noisy, tmp_path):
    other = untrained(tmp_path / "2", GEOMETRY, FWHM, seed=2, noise=(240.0, 900.0))
    trainings, seen = {k: noisy if k % 2 else other for k in range(1, 7)}, []
    found = out_of_fold_members(sky, trainings, 3, 5, seen.append, **QUIET)
    each, maps = np.stack([one.maps[NAME] for one in seen]), found.maps
    np.testing.assert_array_equal(maps[NAME], each[0])
    np.testing.assert_allclose(maps[f"{NAME}_MEAN"], each.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(maps[f"{NAME}_STD"], each.std(0, ddof=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(maps[f"{NAME}_MID"], middle_of(each), rtol=1e-4, atol=1e-5)
    assert [one.meta["member"] for one in seen] == [5, 6, 7]
    assert found.meta["members"] == 3 and found.meta["crossfit"] == 6
    with pytest.raises(CoganError, match="at least two members"):
        out_of_fold_members(sky, trainings, 1, seed=5)
    with pytest.raises(CoganError, match="at least two members"):
        members.summarise(iter([seen[0]]))
    with pytest.raises(CoganError, match="at least two members"):
        members.summarise(iter([]))


def test_trainings_that_do_not_fit_get_a_sentence(sky, constants, noisy, tmp_path):
    some = {k: constants[k] for k in (1, 2, 4, 6)}
    seen = replace(constants[5], content=constants[5].content | {"fold": 5})
    minmax = untrained(
        tmp_path / "minmax", GEOMETRY, FWHM, scalings=dict.fromkeys(SCALINGS, {"kind": "minmax"})
    )
    for trainings, sentence in (
        (some, "it got 1, 2, 4, 6; folds 3, 5 missing"),
        ({}, "it got none; folds 1, 2, 3, 4, 5, 6"),
        ({k: constants[k] for k in range(1, 6)}, "fold 6 missing"),
        (constants | {0: noisy}, "it got 1, 2, 3, 4, 5, 6, 0"),
        (constants | {5: noisy}, "of different tiles, columns or noise"),
        (dict.fromkeys(range(1, 7), minmax), "takes its amplitude from real CO"),
        (constants | {2: seen}, "given for fold 2 was trained for fold 5"),
    ):
        with pytest.raises(CoganError, match=sentence):
            out_of_fold(sky, trainings, **QUIET)
