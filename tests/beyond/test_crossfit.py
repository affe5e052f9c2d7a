"""The out-of-fold sky: shares, the guard by value, each network's own part, blends, sentences."""

import healpy as hp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from cogan_lib.base.files import CoganError
from cogan_lib.beyond import crossfit, members
from cogan_lib.beyond.crossfit import fold_weights, out_of_fold, out_of_fold_members
from cogan_lib.sky.skyfile import read_sky, write_sky
from cogan_lib.synthesis import skies, synthesis_grid, synthesise
from cogan_lib.tiles.bounds import HEADROOM
from cogan_lib.tiles.geometry import Geometry, tile_centres, tile_lonlat, tile_vectors
from cogan_lib.tiles.poses import border_of, draw_poses
from cogan_lib.tiles.scaling import scaling_from_dict
from cogan_lib.tiles.split import FOLDS, TRAIN, assign_split, blocks_of_fold, distance_to_block
from cogan_lib.validation.amplitude import middle_of
from tests.toys import SCALINGS, steep_sky, untrained

NSIDE, FWHM, NAME = 32, 240.0, "W_CO21"
GEOMETRY = Geometry(16, 60.0)
REACH = GEOMETRY.side_deg / 2
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


@pytest.mark.parametrize(("nside", "reach"), [(16, 20.0), (64, 4.0)])
def test_shares_are_of_the_whole(nside, reach):
    weights = fold_weights(nside, reach)
    assert weights.shape == (6, 12 * nside**2) and weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    lon, lat = hp.pix2ang(nside, np.arange(12 * nside**2), lonlat=True)
    far = np.array([np.min([distance_to_block(lon, lat, b) for b in f], 0) for f in FOLDS])
    assert not weights[far >= reach].any() and (weights[far < 0.99 * reach] > 0).all()
    others = np.array([np.delete(far, k, axis=0).min(0) for k in range(6)])
    deep = (far == 0) & (others >= reach)
    assert (weights[deep] == 1).all() and (deep.any() or reach > 10)
    alike = far[:, None] == far[None]  # as near, as large a share
    assert (np.abs(weights[:, None] - weights[None])[alike] == 0).all()


@pytest.mark.parametrize("fold", [1, 4])
def test_no_training_tile_shows_what_its_network_answers_for(fold):
    """Random tiles with context, and those of the grid, up to the poles."""
    test, validation = blocks_of_fold(fold)
    geometry, nside, reach = Geometry(16, 30.0), 64, 4.0
    whole, everywhere = geometry.grown(4), np.ones(12, dtype=bool)
    blocks = {"test": test, "validation": validation}
    centres, angles = draw_poses(1, 300, geometry, everywhere, context=4, **blocks)
    grid = tile_centres(16)
    lon, lat = (x[:, border_of(whole.npix)] for x in tile_lonlat(whole, grid))
    grid = grid[assign_split(lon, lat, geometry.side_deg, **blocks) == TRAIN]
    assert np.abs(grid[:, 1]).max() > 60
    seen = [tile_vectors(whole, centres, angles), tile_vectors(whole, grid)]
    seen = np.concatenate([v.reshape(-1, 3) for v in seen])
    answers = np.flatnonzero(fold_weights(nside, reach)[fold - 1] > 0)
    nearest = cKDTree(seen).query(np.stack(hp.pix2vec(nside, answers), axis=1))[0].min()
    apart = np.degrees(2 * np.arcsin(nearest / 2))
    # what the proof promises, and hardly more: tiles come as near as they may
    assert geometry.side_deg - reach <= apart < geometry.side_deg - reach + 1


def test_each_network_answers_for_its_own_longitudes(sky, constants, monkeypatch):
    monkeypatch.setattr(crossfit, "limit_to_beam", lambda values, fwhm_arcmin, positive: values)
    joined = out_of_fold(sky, constants, **QUIET).maps[NAME]
    weights = fold_weights(NSIDE, REACH)
    np.testing.assert_allclose(joined, np.arange(1, 7) @ weights, rtol=1e-4)
    lon, lat = hp.pix2ang(NSIDE, PIXELS, lonlat=True)
    for k, lon_deg in ((1, 110), (2, 10), (4, 50), (6, 90), (1, 215), (3, 150)):
        middle = (np.abs(lon - lon_deg) < 1.5) & (np.abs(lat) < 20)
        assert middle.any()
        np.testing.assert_allclose(joined[middle], k, rtol=1e-4)
    border = (np.abs(lon - 100) < 3) & (np.abs(lat) < 20)
    assert ((joined[border] > 1) & (joined[border] < 6)).all()
    one = out_of_fold(sky, constants, reach_deg=2.0, **QUIET).maps[NAME]
    assert (
        (np.abs(one - one.round()) < 1e-3).mean()
        > 0.7
        > (np.abs(joined - joined.round()) < 1e-3).mean()
    )


def test_the_join_is_filtered_once_as_a_whole(made):
    weights = fold_weights(NSIDE, REACH)
    expected = crossfit.limit_to_beam(np.arange(1, 7) @ weights, FWHM)
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


def test_what_was_cut_off_counts_once_for_the_fold_that_says_most(sky, constants, monkeypatch):
    """Fold 2 alone knows no dust above 1: its own bright pixels count, whatever others know."""
    narrow = SCALINGS["DUST"] | {"low": 0.0, "high": 1.0}
    scalings = constants[2].meta["scalings"] | {"DUST": narrow}
    monkeypatch.setitem(constants[2].meta, "scalings", scalings)
    made = out_of_fold(sky, constants, **QUIET)
    largest = fold_weights(NSIDE, REACH).argmax(axis=0)
    too_bright = sky.maps["DUST"] > scaling_from_dict(narrow).limits(HEADROOM)[1]
    assert made.meta["cutabove"] == (too_bright & (largest == 1)).sum()
    assert made.meta["cutbelow"] == made.meta["atbound"] == 0
    alone = synthesise(sky, constants[2], **QUIET).meta["cutabove"]
    assert alone == too_bright.sum() and 0.05 < made.meta["cutabove"] / alone < 0.4


def test_each_fold_translates_its_own_part_of_the_sky(sky):
    weights = fold_weights(NSIDE, REACH / 2)
    tiles = [len(synthesis_grid(GEOMETRY, NSIDE, where=w > 0)[1].centres) for w in weights]
    whole = len(synthesis_grid(GEOMETRY, NSIDE)[1].centres)
    assert max(tiles) < 0.6 * whole, "tiles are as wide as the blocks here"


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
    minmax = untrained(
        tmp_path / "minmax", GEOMETRY, FWHM, scalings=dict.fromkeys(SCALINGS, {"kind": "minmax"})
    )
    for trainings, options, sentence in (
        (some, {}, "it got 1, 2, 4, 6; folds 3, 5 missing"),
        ({}, {}, "it got none; folds 1, 2, 3, 4, 5, 6"),
        ({k: constants[k] for k in range(1, 6)}, {}, "fold 6 missing"),
        (constants | {0: noisy}, {}, "it got 1, 2, 3, 4, 5, 6, 0"),
        (constants | {5: noisy}, {}, "of different tiles, columns or noise"),
        (dict.fromkeys(range(1, 7), minmax), {}, "takes its amplitude from real CO"),
        (constants, {"reach_deg": 16.0}, "keep 16 degrees from its blocks"),
        (constants, {"reach_deg": 0.0}, "reach_deg"),
        (constants, {"reach_deg": float("nan")}, "reach"),
    ):
        with pytest.raises(CoganError, match=sentence):
            out_of_fold(sky, trainings, **options, **QUIET)
