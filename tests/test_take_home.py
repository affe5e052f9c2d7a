"""A CO sky to take home: chapter 06's numbers, kept, cut out, in PySM; strangers get a sentence."""

import logging
from pathlib import Path

import healpy as hp
import numpy as np
import pysm3
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from pysm3 import units as u
from scipy import constants

from cogan_lib import take_home
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.beyond.extrapolation import (
    REGION,
    extrapolation,
    latitude,
    load_region,
    save_region,
    training_region,
)
from cogan_lib.beyond.members import synthesise_members
from cogan_lib.gan import pretrained
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.sky import cutout, write_cutout
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky
from cogan_lib.synthesis import synthesise
from cogan_lib.take_home import co_component, co_members, co_sky
from cogan_lib.tiles.geometry import Geometry
from tests.toys import file_size_limit, steep_sky, untrained

NSIDE, FWHM, TILE = 16, 360.0, Geometry(16, 90.0)


@pytest.fixture(scope="module")
def tracers():
    """Dust and HI that are brightest in the plane."""
    steep = steep_sky(NSIDE, FWHM)
    b = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2), lonlat=True)[1]
    shape = 0.12 + np.exp(-((b / 15) ** 2))
    return Sky({name: v * shape for name, v in steep.maps.items()}, steep.units, FWHM)


@pytest.fixture(scope="module")
def seen(tracers):
    """Training inputs: what lies within 20 degrees of the plane."""
    b = hp.pix2ang(NSIDE, np.arange(12 * NSIDE**2), lonlat=True)[1]
    return np.stack([tracers.maps[name][np.abs(b) < 20] for name in ("DUST", "N_HI")])[
        None, :, None
    ]


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory, seen):
    """Weights of toys, and their region, as they come with the package."""
    top = tmp_path_factory.mktemp("weights")
    for name, noise in (("fold-1", (4.0,)), ("cycle-gan", ())):
        untrained(top / "toy" / name, TILE, FWHM, noise=noise)
        save_region(top / "toy" / name / REGION, *training_region(seen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "WEIGHTS", top)
        yield top


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def ensemble(tracers, folder):
    return co_members(NSIDE, 3, tracers, folder=folder)


@pytest.fixture(scope="module")
def chapter_06(tracers, weights):
    """What chapter 06 would write, and its members one by one."""
    trained, one = load_checkpoint(weights / "toy" / "fold-1"), []
    options = {"seed": 1, "progress": False}
    return synthesise_members(tracers, [trained], 3, each=one.append, **options), one


def test_mean_and_spread_are_those_of_chapter_06(ensemble, chapter_06, tracers, seen):
    for name, values in chapter_06[0].maps.items():
        np.testing.assert_array_equal(ensemble.maps[name], values)
    flag, distance = extrapolation(tracers.maps, seen)
    np.testing.assert_array_equal(ensemble.maps["OUTSIDE"], flag)
    np.testing.assert_array_equal(ensemble.maps["OUTSIDE_DEX"], distance)
    assert 0 < (flag > 0).mean() < 1


def test_members_are_those_of_chapter_06_and_the_one_sky_that_of_04(
    tracers, chapter_06, folder, weights
):
    trained = load_checkpoint(weights / "toy" / "cycle-gan")
    wanted = chapter_06[1][1], synthesise(tracers, trained, progress=False)
    for member, sky in zip((2, None), wanted, strict=True):
        found = co_sky(NSIDE, member and np.int64(member), tracers, folder=folder)
        np.testing.assert_array_equal(found.maps["W_CO21"], sky.maps["W_CO21"])


def test_what_was_made_is_kept_until_something_else_is_asked(
    ensemble, tracers, folder, weights, monkeypatch, caplog
):
    made, line = [], "W_CO21"

    def skies(known, turns, nthreads, part, **facts):
        made.append(turns)
        yield Sky({line: np.ones(12 * NSIDE**2)}, {line: "K km/s"}, FWHM, facts)

    monkeypatch.setattr(take_home, "skies", skies)
    again = co_members(NSIDE, 3, tracers, folder=folder)
    np.testing.assert_array_equal(again.maps["W_CO21_STD"], ensemble.maps["W_CO21_STD"])
    file = write_sky(folder / "mine.fits", tracers)
    co_sky(NSIDE, 2**31 - 1, file, folder=folder)
    assert len(made) == 1
    write_sky(file, Sky({n: 1.01 * v for n, v in tracers.maps.items()}, tracers.units, FWHM))
    with caplog.at_level(logging.WARNING):  # plain Python shows no less
        co_sky(NSIDE, 2**31 - 1, file, folder=folder)
    assert len(made) == 2 and "was made otherwise (tracers was one of SHA-256" in caplog.text
    co_sky(NSIDE, 2**31 - 1, file, folder=folder)
    assert len(made) == 2


def test_another_nside_has_means_of_pixels_or_the_same_map_between_them(
    ensemble, chapter_06, tracers, folder
):
    one = [sky.maps["W_CO21"] for sky in chapter_06[1]]
    coarse = co_members(8, 3, tracers, folder=folder)
    low = np.stack([hp.ud_grade(values.astype(float), 8) for values in one])
    np.testing.assert_allclose(coarse.maps["W_CO21_MEAN"], low.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(coarse.maps["W_CO21_STD"], low.std(0, ddof=1), rtol=1e-3, atol=1e-5)
    outside = hp.ud_grade((ensemble.maps["OUTSIDE"] > 0).astype(float), 8) > 0
    np.testing.assert_array_equal(coarse.maps["OUTSIDE"] > 0, outside)
    pixel = np.sqrt(8 * np.log(2) / 12) * hp.nside2resol(8, arcmin=True)
    assert coarse.fwhm_arcmin == ensemble.effective_fwhm_arcmin == FWHM
    assert coarse.effective_fwhm_arcmin == pytest.approx(np.hypot(FWHM, pixel))
    fine = co_sky(2 * NSIDE, 1, tracers, folder=folder)
    assert fine.effective_fwhm_arcmin == FWHM
    back = hp.anafast(fine.maps["W_CO21"].astype(float), lmax=24, iter=3)
    np.testing.assert_allclose(back, hp.anafast(one[0].astype(float), lmax=24, iter=3), rtol=1e-3)


def test_a_coarse_pixel_is_as_wide_as_a_gaussian_of_its_effective_beam(tracers):
    """A point of a beam, averaged over pixels, has the variance that the header's beam has."""
    low, fine = 8, 256
    point = np.zeros(12 * fine**2)
    point[hp.ang2pix(fine, 37.0, 0.0, lonlat=True)] = 1.0
    beam = hp.smoothing(point, fwhm=np.radians(FWHM / 60), iter=3)
    spectrum = hp.anafast(hp.ud_grade(beam, low), lmax=2 * low, iter=3)
    known = Sky({"DUST": beam}, {"DUST": "mag"}, FWHM)
    wide = take_home._effective_fwhm(known, low)
    ell = np.arange(2 * low + 1)
    wanted = spectrum[0] * hp.gauss_beam(np.radians(wide / 60), 2 * low) ** 2
    near = ell <= 10
    np.testing.assert_allclose(spectrum[near], wanted[near], rtol=0.15)


def test_the_embedded_sky_replaces_no_file_of_somebodys(tracers, tmp_path, monkeypatch):
    """The road makes its sky.fits anew where that does not fit: it has a folder of its own."""
    (tmp_path / "sky.fits").write_bytes(b"of somebody else")
    monkeypatch.setattr(
        take_home.road,
        "need",
        lambda settings, name: write_sky(Path(settings.run_dir) / name, tracers),
    )
    (tmp_path / "embedded").mkdir()
    co = co_sky(NSIDE, 1, folder=tmp_path)
    assert co.meta["tracers"].startswith("the embedded sky")
    assert read_sky(tmp_path / "embedded" / "sky.fits").inputs == tracers.inputs
    assert (tmp_path / "sky.fits").read_bytes() == b"of somebody else"


def test_every_header_tells_the_origin(ensemble, tracers, folder, weights, tmp_path):
    path = folder / f"co-nside{NSIDE}-members-1-to-3.fits"
    headers = [fits.getheader(path, 1)]
    part = cutout(ensemble, 30, 5, 20)
    assert write_cutout(tmp_path / "part.fits", part).name == "part.fits"
    with fits.open(tmp_path / "part.fits", checksum=True) as again:
        assert [hdu.name for hdu in again[1:]] == list(ensemble.maps)
        assert {hdu.header["BUNIT"] for hdu in again[1:]} == {"K km/s", "", "dex"}
        headers += [hdu.header for hdu in again]
    sums = load_checkpoint(weights / "toy" / "fold-1").content["weights_sha256"]
    for header in headers:
        assert header["CREATOR"].startswith("cogan ") and header["TRACERS"] == "arrays"
        assert header["WEIGHTS"] == sums["generator_ab"] and header["TRAINSET"] == "toy/fold-1"
        assert len(header["SKYSHA"]) == 64 and '"members": 3' in header["MADEFROM"]
        assert '"numpy"' in header["VERSIONS"] and header["FWHM"] == FWHM
        assert header["MEMBER"] == 1 and header["MEMBERS"] == 3
        assert header["CHECKSUM"] and header["COMMIT"]
    first = (tmp_path / "part.fits").read_bytes()
    write_cutout(tmp_path / "part.fits", cutout(ensemble, 30, 5, 20))
    assert (tmp_path / "part.fits").read_bytes() == first


@pytest.mark.parametrize(
    ("frame", "projection", "place"),
    [("G", "ZEA", (0.5, -30)), ("G", "TAN", (209, 89)), ("C", "ZEA", (83.8, -5.4))],
)
def test_a_cutout_holds_the_map_at_its_places(ensemble, frame, projection, place, tmp_path):
    """Whoever reads the file with astropy and the map with healpy finds the same."""
    part = cutout(ensemble, *place, 25 * units.deg, frame=frame, projection=projection)
    with fits.open(write_cutout(tmp_path / "part.fits", part)) as file:
        wcs = WCS(file["W_CO21_MEAN"].header)
        shape = file["W_CO21_MEAN"].data.shape
        where = wcs.pixel_to_world(*np.meshgrid(np.arange(shape[1]), np.arange(shape[0])))
        l, b = where.galactic.l.deg, where.galactic.b.deg  # noqa: E741
        for name in ("W_CO21_MEAN", "W_CO21_STD"):
            wanted = hp.get_interp_val(ensemble.maps[name].astype(float), l, b, lonlat=True)
            np.testing.assert_allclose(file[name].data, wanted, rtol=1e-4, atol=1e-4)
        nearest = ensemble.maps["OUTSIDE"][hp.ang2pix(NSIDE, l, b, lonlat=True)]
        assert np.mean(file["OUTSIDE"].data == nearest) > 0.999
        middle = SkyCoord(*place, unit="deg", frame="galactic" if frame == "G" else "icrs")
        x, y = wcs.world_to_pixel(middle)
        assert x == pytest.approx((shape[1] - 1) / 2) and y == pytest.approx((shape[0] - 1) / 2)
        assert wcs.pixel_to_world(0, y).separation(middle).deg == pytest.approx(12.5, abs=1.0)


def test_pysm_sees_the_whole_line_of_the_member_that_was_asked_for(tracers, chapter_06, folder):
    """The band's mean brightness times its width is W nu0 / c, in power; members differ."""
    ghz = np.linspace(215, 245, 101)  # the line at 230.538
    flat = ghz**-2.0  # a band that is flat in temperature
    shown = []
    for member in (1, 2):
        simulated = pysm3.Sky(
            component_objects=[co_component(NSIDE, member, tracers, folder=folder)],
            output_unit="K_RJ",
        )
        emission = simulated.get_emission(ghz * u.GHz, flat)
        shown.append(emission[0].value * 30 * constants.c / 1e3 / 230.538)  # K GHz to K km/s
        assert not emission[1:].value.any()
        co = chapter_06[1][member - 1].maps["W_CO21"]
        np.testing.assert_allclose(shown[-1], co, rtol=1e-4, atol=1e-6)
    assert np.abs(shown[0] - shown[1]).max() > 1e-3


SHIPPED = Path(pretrained.__file__).parent / "weights"
STORED = read_json(Path(__file__).parents[1] / "book" / "results" / "beyond" / "report.json")


def test_the_package_has_a_region_for_all_weights_of_the_road():
    """Those of the real sky are of the very tiles that the stored results are of."""
    folders = [*SHIPPED.glob("*/fold-1"), *SHIPPED.glob("*/cycle-gan")]
    assert len(folders) == 5
    for folder in folders:
        low, region = load_region(folder / REGION)
        assert low.shape == (2,) and region.any() and region.ndim == 2
        real = folder.parent.name.startswith("planck")
        tiles = read_json(folder / REGION)["patches_sha256"]
        assert (tiles == STORED["provenance"]["patches_sha256"]) == real


@pytest.mark.slow
def test_the_real_sky_is_that_of_the_stored_chapter_06(real_data, tmp_path, monkeypatch):
    """Eight members from seed 1: mean, spread and flags in each band of latitude."""
    monkeypatch.setattr(pretrained, "WEIGHTS", SHIPPED)
    co, b = co_members(256, 8, real_data / "sky-nside256.fits", folder=tmp_path), latitude(256)
    for row in STORED["beyond"]["high_latitude"]["by_latitude"]:
        here = (b >= row["b_deg"][0]) & (b < row["b_deg"][1])
        shares = [np.mean(co.maps["OUTSIDE"][here] == flag) for flag in range(3)]
        assert shares == pytest.approx(row["flag_shares"], abs=1e-6)
        for column, name in (("W_CO21_MEAN", "mock"), ("W_CO21_STD", "spread")):
            mean = co.maps[column][here].mean(dtype=np.float64)
            assert mean == pytest.approx(row["mean"][name], rel=1e-2)


CO = Sky({"W_CO21": np.ones(48)}, {"W_CO21": "K km/s"}, 2000.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nside": 100}, "must be a power of two"),
        ({"nside": 4096}, "up to NSIDE 2048"),
        ({"member": -1}, "whole numbers from 0"),
        ({"member": 2**31}, "whole numbers from 0"),
        ({"member": 1.5}, "whole numbers from 0"),
        ({"member": True}, "whole numbers from 0"),
        ({"tracers": "nowhere.fits"}, "nowhere.fits"),
        ({"tracers": {"DUST": np.ones(48)}}, "give the path of a sky file, or arrays as"),
        ({"tracers": CO}, "for no tracers at 2000 arcmin; there are some for DUST"),
    ],
)
def test_strangers_get_a_sentence(given, words, folder):
    with pytest.raises(CoganError, match=words):
        co_sky(**{"nside": 8, "member": 1, **given}, folder=folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"N_HI": 1e-20}, "another unit than it says"),
        ({"DUST": 1000.0}, "another unit than it says"),
        ("unit", "for DUST .MJy/sr.*there are some for DUST .mag"),
        ("frame", "hardly in Galactic coordinates"),
        ("order", "hardly in Galactic coordinates"),
        ("hole", "has missing pixels"),
    ],
)
def test_tracers_that_are_not_what_they_say_get_a_sentence(tracers, change, words, folder):
    maps, given = dict(tracers.maps), dict(tracers.units)
    if isinstance(change, dict):
        maps = {name: values * change.get(name, 1.0) for name, values in maps.items()}
    elif change == "unit":
        given["DUST"] = "MJy/sr"
    elif change == "frame":
        maps = {n: hp.Rotator(coord=["G", "C"]).rotate_map_pixel(v) for n, v in maps.items()}
    elif change == "order":
        maps = {n: hp.reorder(v, r2n=True) for n, v in maps.items()}
    else:
        maps["DUST"] = maps["DUST"].copy()
        maps["DUST"][5] = np.nan
    with pytest.raises(CoganError, match=words):
        co_sky(NSIDE, 1, Sky(maps, given, FWHM), folder=folder)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lon": -30}, "from 0 to 360 .perhaps 330"),
        ({"lon": 400}, "perhaps 40"),
        ({"lat": 91}, "latitudes from -90 to 90"),
        ({"lon": np.nan}, "There is no place"),
        ({"lon": "l"}, "lon is 'l'; it must be an angle"),
        ({"size": 3 * units.m}, "must be an angle"),
        ({"size": 0}, "size 0 degrees"),
        ({"size": -2}, "size above 0"),
        ({"size": np.inf}, "size above 0"),
        ({"size": 180}, "60 at most"),
        ({"pixel_arcmin": 0}, "pixel_arcmin is 0"),
        ({"pixel_arcmin": 1e-3}, "8192 pixels a side"),
        ({"frame": "galactic"}, "the frame is 'G'"),
        ({"projection": "CAR"}, "'ZEA' or 'TAN'"),
    ],
)
def test_places_that_are_none_get_a_sentence(given, words):
    with pytest.raises(CoganError, match=words):
        cutout(CO, **{"lon": 10, "lat": 0, "size": 20, **given})


def test_few_members_and_a_full_disk_get_a_sentence(folder, ensemble, tmp_path):
    assert not list(folder.glob("*.part.npz"))
    with pytest.raises(CoganError, match="2 to 10,000"):
        co_members(NSIDE, 1, folder=folder)
    part = cutout(ensemble, 10, 0, 20)
    with file_size_limit(), pytest.raises(CoganError, match="Make room"):
        write_cutout(tmp_path / "part.fits", part)
    assert not list(tmp_path.glob("*.fits"))
    assert read_sky(folder / f"co-nside{NSIDE}-members-1-to-3.fits").targets == ["W_CO21"]
