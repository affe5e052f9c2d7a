"""Scalings are invertible, splits share no sky, patches files come back as they were written."""

import tracemalloc
from dataclasses import replace

import healpy as hp
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles.cutting import make_patches
from cogan_lib.tiles.geometry import Geometry, tile_centres, tile_lonlat, tile_vectors
from cogan_lib.tiles.patches import Patches, rotate
from cogan_lib.tiles.scaling import PatchMinMax, Scaling, scaling_from_dict
from cogan_lib.tiles.split import (
    FOLDS,
    TEST,
    TEST_BLOCKS,
    TRAIN,
    UNUSED,
    VALIDATION,
    VALIDATION_BLOCKS,
    assign_split,
    distance_to_block,
)
from tests.toys import toy_patches

GEOMETRY = Geometry(32, 15.0)


@pytest.mark.parametrize("kind", ["log", "asinh"])
def test_scaling_inverts_in_numpy_and_torch(kind):
    rng = np.random.default_rng(1)
    values = rng.lognormal(0, 2, (50, 8, 8))
    scaling = Scaling.fit(kind, values, 0.3 if kind == "asinh" else None)
    scaled = scaling.forward(values)
    assert scaled.mean() == pytest.approx(0, abs=1e-9) and scaled.std() == pytest.approx(1)
    np.testing.assert_allclose(scaling.inverse(scaled), values, rtol=1e-9)
    tensor = torch.from_numpy(values)
    torch.testing.assert_close(scaling.forward(tensor), torch.from_numpy(scaled))
    torch.testing.assert_close(scaling.inverse(scaling.forward(tensor)), tensor)
    assert scaling_from_dict(scaling.to_dict()) == scaling


def test_asinh_keeps_noise_below_zero_and_log_has_a_floor():
    asinh = Scaling("asinh", 0.3, 0.0, 1.0)
    assert asinh.inverse(asinh.forward(np.array([-0.2])))[0] == pytest.approx(-0.2)
    log = Scaling("log", 1e-3, 0.0, 1.0)
    assert log.inverse(log.forward(np.array([-5.0])))[0] == pytest.approx(1e-3)


def test_patch_minmax_forgets_the_amplitude():
    rng = np.random.default_rng(1)
    tiles = rng.random((3, 2, 8, 8))
    scaling = PatchMinMax()
    scaled = scaling.forward(tiles)
    assert scaled.min() == -1 and scaled.max() == 1
    np.testing.assert_allclose(scaling.forward(7 * tiles), scaled, atol=1e-12)
    np.testing.assert_allclose(scaling.inverse(scaled, scaling.extremes(tiles)), tiles, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("cubic", np.ones(3)),
        ("log", np.array([-1.0, -2.0])),
        ("log", np.array([2.0, 2.0])),
        ("asinh", np.array([np.nan, 1.0])),
        ("asinh", np.array([])),
    ],
)
def test_bad_scalings_get_a_sentence(kind, values):
    with pytest.raises(CoganError):
        Scaling.fit(kind, values, None if kind == "log" else 1.0)


@pytest.mark.parametrize(
    "content", [{}, {"kind": "log"}, {"kind": "log", "softening": 1, "mean": 0, "std": 0}]
)
def test_scalings_from_files_are_checked(content):
    with pytest.raises(CoganError, match="does not describe a scaling"):
        scaling_from_dict(content)


def test_distance_to_block_against_brute_force():
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    block = (345, 360)
    grid_lon, grid_lat = np.meshgrid(np.linspace(*block, 61), np.linspace(-90, 90, 721))
    inside = hp.ang2vec(grid_lon.ravel(), grid_lat.ravel(), lonlat=True)
    brute = np.degrees(np.arccos(np.clip(hp.ang2vec(lon, lat, lonlat=True) @ inside.T, -1, 1))).min(
        1
    )
    np.testing.assert_allclose(distance_to_block(lon, lat, block), brute, atol=0.3)


def test_no_test_pixel_is_within_a_tile_of_a_training_one():
    centres = tile_centres(16)
    centres = centres[np.abs(centres[:, 1]) < 35]
    lon, lat = tile_lonlat(GEOMETRY, centres)
    edge = np.ones((32, 32), dtype=bool)
    edge[1:-1, 1:-1] = False
    split = assign_split(lon[:, edge], lat[:, edge], GEOMETRY.side_deg)
    assert all((split == label).sum() > 5 for label in (TRAIN, VALIDATION, TEST, UNUSED))
    border = tile_vectors(GEOMETRY, centres)[:, edge]
    tree = cKDTree(border[split == TRAIN].reshape(-1, 3))
    for label, blocks in ((TEST, TEST_BLOCKS), (VALIDATION, VALIDATION_BLOCKS)):
        held_out = border[split == label].reshape(-1, 3)
        nearest = tree.query(held_out)[0].min()  # a chord
        assert np.degrees(2 * np.arcsin(nearest / 2)) >= GEOMETRY.side_deg
        lons = lon[split == label].ravel()
        assert np.logical_or.reduce([(lons >= a) & (lons <= b) for a, b in blocks]).all()


def test_turn_agrees_in_numpy_and_torch_and_has_eight_elements():
    tile = np.arange(16.0).reshape(1, 4, 4)
    seen = set()
    for flip in (False, True):
        for quarter in range(4):
            rotated = rotate(tile, flip, quarter)
            np.testing.assert_array_equal(
                rotated, rotate(torch.from_numpy(tile), flip, quarter).numpy()
            )
            seen.add(rotated.tobytes())
    assert len(seen) == 8


@pytest.fixture(scope="module")
def toy_sky():
    """Smooth positive maps over the whole sky, with CO everywhere above the noise."""
    nside = 64
    np.random.seed(4)  # noqa: NPY002
    field = hp.synfast(np.r_[0, 0, np.arange(2.0, 100) ** -2.5], nside, fwhm=np.radians(1.5))
    field = 0.5 * field / field.std()
    ones = np.ones(12 * nside**2)
    maps = {
        "DUST": np.exp(field),
        "N_HI": 1e21 * np.exp(field / 2),
        "W_CO21": 5 * np.exp(2 * field),
    }
    maps["W_CO21_ERR"] = 0.05 * ones
    units = {"DUST": "MJy/sr", "N_HI": "cm-2", "W_CO21": "K km/s", "W_CO21_ERR": "K km/s"}
    return Sky(maps, units, 90.0)


@pytest.fixture(scope="module")
def patches(toy_sky):
    return make_patches(toy_sky, GEOMETRY, 16, sky_sha256="abc")


def test_patches_round_trip_and_scale(patches, tmp_path):
    back = Patches.load(patches.save(tmp_path / "patches.npz"))
    np.testing.assert_array_equal(back.inputs, patches.inputs)
    assert back.meta == patches.meta and back.meta["provenance"]["sky_sha256"] == "abc"
    a, b = back.scaled("train")
    assert a.shape[1:] == (2, 32, 32) and b.shape[1:] == (1, 32, 32) and a.dtype == np.float32
    assert abs(b.mean()) < 1e-5 and b.std() == pytest.approx(1, abs=1e-4)
    assert len(back.select("test").targets) == (back.split == TEST).sum() > 0
    physical = back.target_scalings[0].inverse(b[:, 0].astype(float))
    np.testing.assert_allclose(physical, back.select("train").targets[:, 0], rtol=1e-4)


def test_minmax_patches_reach_from_minus_one_to_one(toy_sky):
    _, b = make_patches(toy_sky, GEOMETRY, 16, target_scaling="minmax").scaled("train")
    np.testing.assert_allclose(b.min((2, 3)), -1, atol=1e-5)
    np.testing.assert_allclose(b.max((2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["asinh", "minmax"])
def test_scaling_a_split_holds_neither_a_copy_nor_double_precision(kind):
    """Bit by bit what scaling all at once gives, in little more memory than the result's."""
    few = toy_patches(40, npix=32, scaling=kind)
    many = {name: np.repeat(getattr(few, name), 50, axis=0) for name in ("inputs", "targets")}
    many["lonlat"], many["split"] = np.zeros((2000, 2)), np.repeat(few.split, 50)
    patches = replace(few, **many)
    tracemalloc.start()
    scaled = patches.scaled("train")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * sum(array.nbytes for array in scaled)
    chosen = patches.select("train")
    for found, tiles, scalings in (
        (scaled[0], chosen.inputs, patches.input_scalings),
        (scaled[1], chosen.targets, patches.target_scalings),
    ):
        whole = [s.forward(tiles[:, i].astype(np.float64)) for i, s in enumerate(scalings)]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.stack(whole, axis=1).astype(np.float32))


def test_signal_to_noise_selects(toy_sky, patches):
    few = make_patches(toy_sky, GEOMETRY, 16, snr_min=90.0)
    assert len(few.split) < len(patches.split)
    with pytest.raises(CoganError, match="tiles are left"):
        make_patches(toy_sky, GEOMETRY, 16, snr_min=1e6)


def test_bad_skies_and_files_get_a_sentence(toy_sky, patches, tmp_path):
    without = {k: v for k, v in toy_sky.maps.items() if k != "N_HI"}
    with pytest.raises(CoganError, match="are needed"):
        make_patches(Sky(without, toy_sky.units, 90.0), GEOMETRY, 16)
    without = {k: v for k, v in toy_sky.maps.items() if k != "W_CO21_ERR"}
    with pytest.raises(CoganError, match="no column W_CO21_ERR"):
        make_patches(Sky(without, toy_sky.units, 90.0), GEOMETRY, 16)
    with pytest.raises(CoganError, match="chapter 01 makes it"):
        Patches.load(tmp_path / "none.npz")
    path = patches.save(tmp_path / "patches.npz")
    whole = path.read_bytes()
    for share in (0.0, 0.3, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CoganError, match="damaged"):
            Patches.load(path)
    np.savez(path, inputs=np.array([object()], dtype=object))
    with pytest.raises(CoganError, match="damaged"):
        Patches.load(path)


def test_what_rounding_leaves_of_a_constant_map_is_no_input():
    constant = 3e20 * (1 + 1e-5 * np.random.default_rng(1).normal(size=1000))
    with pytest.raises(CoganError, match="values that are all alike"):
        Scaling.fit("log", constant)
    assert Scaling.fit("log", 3e20 * (1 + 0.01 * np.random.default_rng(1).normal(size=1000)))


GUARDED = (*TEST_BLOCKS, *VALIDATION_BLOCKS)


def test_context_is_kept_for_networks_and_taken_off_for_comparisons(toy_sky, patches, tmp_path):
    wide = make_patches(toy_sky, GEOMETRY, 16, context=4)
    assert wide.inputs.shape[-1] == wide.targets.shape[-1] == 40 and wide.context == 4
    assert wide.meta["geometry"] == patches.meta["geometry"] and patches.context == 0
    for split in ("validation", "test"):
        one, other = wide.select(split), patches.select(split)
        np.testing.assert_array_equal(one.lonlat, other.lonlat)
        np.testing.assert_allclose(one.targets, other.targets, rtol=1e-5, atol=1e-5)
        assert one.context == 0 and one.inputs.shape == other.inputs.shape
        whole = wide.select(split, context=True)
        np.testing.assert_array_equal(whole.inputs[..., 4:-4, 4:-4], one.inputs)
        scaled, _ = wide.scaled(split)
        expected = wide.input_scalings[0].forward(whole.inputs[:, 0].astype(float))
        np.testing.assert_allclose(scaled[:, 0], expected, rtol=1e-5, atol=1e-5)
    lon, lat = tile_lonlat(GEOMETRY.grown(4), wide.lonlat[wide.split == TRAIN])
    nearest = min(distance_to_block(lon, lat, block).min() for block in GUARDED)
    assert nearest >= GEOMETRY.side_deg
    assert 0 < (wide.split == TRAIN).sum() < (patches.split == TRAIN).sum()
    back = Patches.load(wide.save(tmp_path / "wide.npz"))
    assert back.context == 4 and back.checksum() == wide.checksum() != wide.interior().checksum()
    with pytest.raises(CoganError, match="do not fit together"):
        replace(wide, meta=wide.meta | {"context": 2}).check()
    with pytest.raises(CoganError, match="damaged|context"):
        Patches.load(replace(wide, meta=wide.meta | {"context": -4}).save(tmp_path / "bad.npz"))
    with pytest.raises(CoganError, match="surroundings"):
        make_patches(toy_sky, GEOMETRY, 16, target_scaling="minmax", context=4)


def test_random_poses_replace_the_training_tiles_alone(toy_sky, patches, tmp_path):
    options = {"poses": 40, "context": 4, "faint_share": 0.5, "seed": 3}
    random = make_patches(toy_sky, GEOMETRY, 16, **options)
    train, held_out = random.split == TRAIN, patches.split != TRAIN
    assert train.sum() == 40 and not random.angles[~train].any() and random.angles[train].all()
    np.testing.assert_array_equal(random.lonlat[~train], patches.lonlat[held_out])
    np.testing.assert_allclose(
        random.interior().targets[~train], patches.targets[held_out], rtol=1e-5, atol=1e-5
    )
    whole = GEOMETRY.grown(4)
    lon, lat = tile_lonlat(whole, random.lonlat[train], random.angles[train])
    assert min(distance_to_block(lon, lat, b).min() for b in GUARDED) >= GEOMETRY.side_deg
    # a tile's pixel is the map's value there, to the map's own pixels
    i = list(toy_sky.maps).index("DUST")
    nearby = hp.get_interp_val(toy_sky.maps["DUST"], lon, lat, lonlat=True)
    np.testing.assert_allclose(random.inputs[train][:, i], nearby, rtol=0.1)
    chosen = random.select("train")
    np.testing.assert_array_equal(chosen.angles, random.angles[train])
    back = Patches.load(random.save(tmp_path / "random.npz"))
    np.testing.assert_array_equal(back.angles, random.angles)
    again = make_patches(toy_sky, GEOMETRY, 16, **options)
    assert back.checksum() == random.checksum() == again.checksum()
    other = make_patches(toy_sky, GEOMETRY, 16, **options | {"seed": 4})
    assert other.checksum() != random.checksum()
    turned = replace(random, angles=random.angles + train)
    assert turned.checksum() != random.checksum()


def test_files_of_before_have_neither_context_nor_angles(patches, tmp_path):
    with np.load(patches.save(tmp_path / "patches.npz")) as content:
        assert sorted(content) == ["inputs", "lonlat", "meta", "split", "targets"]
    assert "context" not in patches.meta and set(patches.meta["selection"]) == {
        *("snr_min", "min_share", "centre_nside")
    }
    back = Patches.load(tmp_path / "patches.npz")
    assert back.context == 0 and back.angles is None


@pytest.mark.parametrize("poses", [0, 40])
def test_a_fold_has_its_own_test_tiles_and_none_for_validation(poses, toy_sky, patches, tmp_path):
    usual = make_patches(toy_sky, GEOMETRY, 16, sky_sha256="abc", fold=0)
    assert usual.meta.keys() == patches.meta.keys() and usual.checksum() == patches.checksum()
    assert usual.meta["selection"] == patches.meta["selection"]
    third = make_patches(toy_sky, GEOMETRY, 16, fold=3, poses=poses, seed=2)
    assert set(third.split) == {TRAIN, TEST}
    blocks = FOLDS[2]
    lon, lat = tile_lonlat(GEOMETRY, third.lonlat, third.angles)
    far = np.min([distance_to_block(lon, lat, b).min(axis=(1, 2)) for b in blocks], axis=0)
    assert (far[third.split == TRAIN] >= GEOMETRY.side_deg).all()
    inside = np.logical_or.reduce([distance_to_block(lon, lat, b) == 0 for b in blocks])
    assert inside[third.split == TEST].all() and (third.split == TEST).sum() >= 4
    back = Patches.load(third.save(tmp_path / "third.npz"))
    assert back.meta["selection"]["fold"] == 3 and back.checksum() == third.checksum()
    for asked in (back.select, back.scaled):
        with pytest.raises(CoganError, match="fold 3, which has none for validation"):
            asked("validation")
        assert len(asked("test")[0] if asked == back.scaled else asked("test").inputs) >= 4
    with pytest.raises(CoganError, match="no fold 7"):
        make_patches(toy_sky, GEOMETRY, 16, fold=7)
