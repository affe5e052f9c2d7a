"""A challenge: what is published, what is not, and what the scorer says to good and bad files."""

import json
from dataclasses import replace

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.__main__ import main
from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.beyond import challenge, challenge_score
from cogan_lib.beyond.challenge_score import ledger_of, read_submission, score, score_tiles
from cogan_lib.sky.skyfile import Sky, read_sky, write_sky

SETTINGS = Settings.check(
    nside=64, fwhm_arcmin=90.0, tile_npix=16, tile_pixel_arcmin=30.0, centre_nside=16
)
WIDE = SETTINGS.model_copy(update={"fwhm_arcmin": 300.0})
SEED = 2**127 + 12345


def toy_sky(nside=64, fwhm_arcmin=90.0, seed=1):
    """One CO line near the plane, from dust and HI and a field of its own, with noise."""
    rng, size = np.random.default_rng(seed), hp.nside2npix(nside)
    fields = [hp.smoothing(rng.normal(size=size), np.radians(fwhm_arcmin / 60), iter=0)
              for _ in range(4)]  # fmt: skip
    dust, hi, own, noise = (field / field.std() for field in fields)
    lat = hp.pix2ang(nside, np.arange(size), lonlat=True)[1]
    near = np.exp(-((lat / 9) ** 2))
    co = 9 * near * np.exp(0.8 * dust + 0.3 * own) + 0.05 * noise
    maps = {"DUST": near * np.exp(dust), "N_HI": 1e21 * np.exp(hi / 2), "W_CO10": co}
    maps = {name: x.astype(np.float32) for name, x in maps.items()}
    maps["W_CO10_ERR"] = np.full(size, 0.05, np.float32)
    units = {"DUST": "MJy/sr", "N_HI": "cm-2", "W_CO10": "K km/s", "W_CO10_ERR": "K km/s"}
    return Sky(maps, units, fwhm_arcmin, {"origin": "synthetic", "seed": seed})


@pytest.fixture(autouse=True)
def few_halves(monkeypatch):
    """A coarser interval, in a tenth of the time."""
    monkeypatch.setattr(challenge_score, "HALVES", 4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and key of a challenge, and the truth."""
    patch = pytest.MonkeyPatch()
    patch.setattr(challenge, "make_sky", toy_sky)
    top = tmp_path_factory.mktemp("challenge")
    folder, key = challenge.make_challenge(top / "one", SETTINGS, seed=SEED)
    patch.undo()
    return folder, key, toy_sky(seed=SEED)


def submitted(made, path, maps=None, **changes):
    """A submission: the published sky's own CO, or these maps."""
    folder = made[0]
    sky = read_sky(folder / "sky.fits", ["W_CO10"])
    sky = replace(sky, maps={"W_CO10": sky.maps["W_CO10"] if maps is None else maps})
    sky = challenge.submission(sky, folder, name="the filling", seed=1)
    meta = {k: v for k, v in {**sky.meta, **changes}.items() if v is not None}
    return write_sky(path, replace(sky, meta=meta))


def test_tracers_are_published_and_the_truth_is_not(made):
    folder, key, truth = made
    public = read_sky(folder / "sky.fits")
    hidden = challenge.is_withheld(64, 8.0)
    for name in public.maps:
        same = public.maps[name] == truth.maps[name]
        assert same[~hidden].all() and (name != "W_CO10" or not same[hidden].any())
    assert sorted(path.name for path in folder.iterdir()) == ["challenge.json", "sky.fits"]
    secret = [str(SEED), challenge.load_key(key).salt]
    for path in folder.iterdir():
        assert not any(word.encode() in path.read_bytes() for word in secret)
    assert key.stat().st_mode & 0o077 == 0


def test_the_places_follow_from_the_published_maps_alone(made):
    other = toy_sky(seed=SEED)
    hidden = challenge.is_withheld(64, 8.0)
    other.maps["W_CO10"][hidden] *= 3  # another truth
    _, key = challenge.withhold(other, SETTINGS, SEED)
    assert key.public["places"] == read_json(made[0] / "challenge.json")["places"]
    assert not np.array_equal(key.truth, challenge.load_key(made[1]).truth)


def test_the_commitment_is_of_this_truth(made, tmp_path):
    key = challenge.load_key(made[1])
    public = read_json(made[0] / "challenge.json")
    assert key.seed == SEED and public["commitment"] == challenge.commitment(key)
    for changed in (
        replace(key, seed=key.seed + 1),
        replace(key, salt="0"),
        replace(key, truth=key.truth * 2),
        replace(key, noise=key.noise[:, ::-1]),
    ):
        with pytest.raises(CoganError, match="not the one that was committed to"):
            challenge.load_key(challenge.save_key(tmp_path / "key.npz", changed))


def test_a_truth_without_its_noise_is_better_than_the_filling(made):
    """The exact expectation would be one draw more; the truth itself shows that all fits."""
    key = challenge.load_key(made[1])
    good, bad = score_tiles(key, key.truth - key.noise), score_tiles(key, 2 * key.truth)
    assert good["passes"] and not bad["passes"] and good["high"] < bad["low"]
    assert good["r2"] > 0.9 and good["low"] <= good["score"] <= good["high"]


def test_a_submission_is_scored_and_counted(made, tmp_path, capsys):
    folder, key, _ = made
    write_sky(tmp_path / "co.fits", read_sky(folder / "sky.fits", ["W_CO10"]))
    mine, entry = tmp_path / "mine.fits", tmp_path / "mine.json"
    said = ["--name", "the filling (log-linear)", "--seed", "3", "--to", str(mine)]
    assert main(["submit", str(tmp_path / "co.fits"), str(folder), *said]) == 0
    assert main(["score", str(mine), "--truth", str(key)]) == 0
    first = read_json(entry)
    assert first["name"] == "the filling (log-linear)" and first["members"] == 1
    assert first["challenge"] == read_json(folder / "challenge.json")["challenge"]
    assert (first["attempt"], first["attempts"]) == (1, 1) and "R2" in capsys.readouterr().out
    again = score(mine, key, entry)
    assert {**first, "scored_by": 0} == {**again, "scored_by": 0}
    for name, value in first.items():  # rounded
        if isinstance(value, float):
            assert value == round(value, 3), name
    secret = [str(SEED), challenge.load_key(key).salt]
    assert not any(word in json.dumps(first) for word in secret)
    assert len(read_json(ledger_of(key))["submissions"]) == 1


BAD = {
    "has NSIDE 32, the challenge 64": dict(nside=32),
    "has a beam of 60 arcmin": dict(FWHM=60.0),
    "has the unit 'K'": dict(TUNIT1="K"),
    "1 pixels have no value": dict(hole=np.nan),
    "has no column W_CO10": dict(TTYPE1="CO"),
    "1 pixels have no value, one of them at l": dict(hole=np.inf),
    "reaches 1e\\+09 K km/s": dict(hole=1e9),
    "does not say in SRCSHA": dict(srcsha="0" * 64),
    "CREATOR is ''": dict(creator=None),
    "CREATOR is 'a . b": dict(creator="a | b"),
    "SEED is None": dict(seed=None),
    "SEED is -1": dict(seed=-1),
    "SEED is 'x'": dict(seed="x"),
    "MEMBERS is 0": dict(members=0),
    "MEMBERS is 1.5": dict(members=1.5),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_submission_is_one_sentence(made, tmp_path, message):
    changes = dict(BAD[message])
    nside, hole = changes.pop("nside", 64), changes.pop("hole", None)
    header = {key: changes.pop(key) for key in list(changes) if key.isupper()}
    values = np.ones(hp.nside2npix(nside), np.float32)
    path = submitted(made, tmp_path / "co.fits", values, **changes)
    with fits.open(path, mode="update") as parts:
        parts[1].header.update(header)
        if hole is not None:
            parts[1].data["W_CO10"][7] = hole
    with pytest.raises(CoganError, match=message) as problem:
        read_submission(path, read_json(made[0] / "challenge.json"))
    assert "\n" not in str(problem.value)


def test_bad_keys_and_folders_are_one_sentence(made, tmp_path):
    folder, key, truth = made
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "challenge.json").write_bytes((folder / "challenge.json").read_bytes())
    for call, message in (
        (lambda: score(folder / "sky.fits", tmp_path / "no.npz"), "no key of a challenge"),
        (lambda: score(folder / "sky.fits", folder / "challenge.json"), "no key of a challenge"),
        (lambda: challenge.make_challenge(folder, SETTINGS), "a challenge already"),
        (lambda: challenge.make_challenge(tmp_path / "a", SETTINGS, key=key), "already"),
        (lambda: challenge.make_challenge(tmp_path, SETTINGS, key=tmp_path / "k.npz"), "published"),
        (lambda: challenge.make_challenge(tmp_path / "b", WIDE), "larger tiles or a finer beam"),
        (lambda: challenge.submission(truth, tmp_path / "part", name="a", seed=1), "no sky of a"),
        (lambda: challenge.read_json_of(tmp_path / "challenge.json"), "no challenge"),
    ):
        with pytest.raises(CoganError, match=message):
            call()


def test_a_seed_that_can_be_guessed_is_warned_of(tmp_path, monkeypatch, caplog):
    def stop(*given):
        raise CoganError("enough")

    monkeypatch.setattr(challenge, "make_sky", stop)
    with pytest.raises(CoganError, match="enough"):
        challenge.make_challenge(tmp_path / "a", SETTINGS, seed=1)
    assert "can be guessed" in caplog.text


def test_a_sky_without_co_is_scored_and_fails(made):
    key = challenge.load_key(made[1])
    found = score_tiles(key, np.zeros_like(key.truth))
    assert not found["passes"] and found["r2_high"] < 0.1 and found["low"] > 0
