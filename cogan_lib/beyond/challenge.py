"""A challenge: an embedded sky whose CO is withheld where a method will be judged.

`make_challenge` writes a folder for everybody, and a key for the scorer alone (`challenge_score`).

**The sky is seeded and the code is open**, so whoever knows the seed knows the truth: encrypting
the maps would hide nothing that the seed does not give away. So the seed itself is the secret, 128
bits of the system's randomness, too many to try. What is published is a *commitment*: the SHA-256
of a salt, the seed, and the checksums of the withheld tiles and of the published sky. It fixes the
truth before the first submission; when the challenge ends the scorer shows the key, and anybody can
compute the hash and make the sky again. No cryptography but Python's own hashes is needed.

**What is published**: the tracers everywhere, CO and its errors everywhere but in the project's
test longitudes and one tile's side around them (`split.TEST_BLOCKS`), from where nobody can draw a
cloud to its end. In the gap stands what a log-linear fit to the published pixels near the plane
says, so that the road takes the file as it is; a submission that is no better is not worth much.

**Where it is judged** is chosen from the published maps alone: the tiles that the road itself would
take as test tiles. So the list of places tells nothing about the truth.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

import healpy as hp
import numpy as np

from ..base.config import Settings
from ..base.files import (
    CoganError,
    atomic_path,
    parse_json,
    provenance,
    reading,
    sha256,
    write_json,
)
from ..base.foreign import check_npz
from ..sky.embedded import make_sky
from ..sky.harmonics import beam_lmax
from ..sky.skyfile import Sky, write_sky
from ..tiles.cutting import make_patches
from ..tiles.geometry import Geometry
from ..tiles.instrument import noise_tiles
from ..tiles.split import TEST_BLOCKS, distance_to_block
from ..tiles.tiling import cut_tiles, map_to_alm
from ..validation.blocks import separate_blocks
from ..validation.spectra import bin_edges
from .baselines import fit_loglinear

log = logging.getLogger(__name__)

SKY, PUBLIC = "sky.fits", "challenge.json"
SEED_BITS = 128
#: A seed of fewer bits can be found by trying.
FEWEST_BITS = 64
#: Fewer blocks of sky, and a verdict that leaves one of them out could not fail.
FEWEST_BLOCKS = 9
#: Latitude up to which pixels are fitted for the filling.
PLANE_DEG = 20.0
_NOTE = "CO in and around the test longitudes is a fit, not the truth"


@dataclass(frozen=True)
class Key:
    """What the scorer alone holds.

    Attributes
    ----------
    seed : int
        Of the sky and of its noise.
    salt : str
        Hexadecimal.
    public : dict
        The content of ``challenge.json``.
    truth, noise : ndarray, shape (targets, n, npix, npix), float32
        W of the withheld tiles, and the instrument's noise for generated ones [K km/s].
    """

    seed: int
    salt: str
    public: dict
    truth: np.ndarray
    noise: np.ndarray

    @property
    def geometry(self) -> Geometry:
        """Of the tiles."""
        return Geometry(**self.public["geometry"])

    @property
    def lonlat(self) -> np.ndarray:
        """Centres of the tiles, (n, 2), in degrees."""
        return np.array(self.public["places"], dtype=np.float64)


def make_challenge(
    folder: str | Path,
    settings: Settings,
    *,
    seed: int | None = None,
    key: str | Path | None = None,
) -> tuple[Path, Path]:
    """Make a challenge: ``sky.fits`` and ``challenge.json`` for everybody, a key for the scorer.

    Parameters
    ----------
    folder : path
        What is published.
    settings : Settings
        NSIDE and beam of the sky, the tiles, and the least signal to noise of a judged tile.
    seed : int, optional
        Of the sky. By default a secret one is drawn; one that is known, or that can be guessed,
        makes a challenge for practice.
    key : path, optional
        By default beside the folder, ``FOLDER-key.npz``. Nobody but you may read it.

    Returns
    -------
    folder, key : Path

    Raises
    ------
    CoganError
        If there is a key already, it would lie in the folder that is published, or the sky gives
        too few tiles, or ones that are too small for the beam.
    """
    folder = Path(folder)
    key = folder.with_name(f"{folder.name}-key.npz") if key is None else Path(key)
    if folder.resolve() in key.resolve().parents:
        raise CoganError(f"The key {key} would be published with {folder}; put it elsewhere.")
    for there in (key, folder / PUBLIC):
        if there.exists():
            raise CoganError(f"There is a challenge already ({there}); choose another name.")
    tile, beam = settings.tile_npix * settings.tile_pixel_arcmin / 60, settings.fwhm_arcmin
    bin_edges(tile, settings.tile_pixel_arcmin, beam)  # a verdict on such tiles has to be possible
    if seed is None:
        seed = secrets.randbits(SEED_BITS)
    elif 0 <= seed < 2**FEWEST_BITS:
        log.warning("This seed can be guessed, and with it the truth: a challenge for practice.")
    sky = make_sky(settings.nside, settings.fwhm_arcmin, seed)
    public, made = withhold(sky, settings, seed)
    write_sky(folder / SKY, public)
    salt, found = secrets.token_hex(32), sha256(folder / SKY)
    made = Key(made.seed, salt, made.public | {"sky_sha256": found}, made.truth, made.noise)
    committed = commitment(made)
    made.public.update(commitment=committed, challenge=committed[:12])
    save_key(key, made)  # first: a challenge without a key is none
    write_json(folder / PUBLIC, made.public)
    return folder, key


def withhold(sky: Sky, settings: Settings, seed: int) -> tuple[Sky, Key]:
    """Take the CO of the test longitudes out of a sky, and keep it as tiles.

    Parameters
    ----------
    sky : Sky
        With tracers, CO and its errors.
    settings : Settings
    seed : int
        For the noise; the sky's own.

    Returns
    -------
    public : Sky
        Its `meta` does not hold the seed.
    key : Key
        Without salt and commitment yet.

    Raises
    ------
    CoganError
        If there are too few tiles, or too few blocks of sky that do not touch.
    """
    geometry = Geometry(settings.tile_npix, settings.tile_pixel_arcmin, settings.projection)
    options = {"snr_min": settings.snr_min, "nthreads": settings.thread_count}
    hidden = is_withheld(sky.nside, geometry.side_deg)
    shown = plane_pixels(sky.nside, geometry.side_deg)
    inputs = np.stack([sky.maps[name] for name in sky.inputs])
    maps = dict(sky.maps)
    for name in sky.targets:
        fit = fit_loglinear(inputs[:, shown].swapaxes(0, 1), sky.maps[name][shown])
        maps[name] = sky.maps[name].copy()
        maps[name][hidden] = fit.predict(inputs[None, :, hidden, None])[0, :, 0]
    meta = {k: v for k, v in sky.meta.items() if k not in ("seed", "madefrom")}
    public = Sky(
        maps, sky.units, sky.fwhm_arcmin, meta | {"origin": "challenge", "withheld": _NOTE}
    )

    test = make_patches(public, geometry, settings.centre_nside, **options).select("test")
    apart = separate_blocks(test.lonlat, geometry.side_deg).max() + 1
    if apart < FEWEST_BLOCKS:
        raise CoganError(
            f"The withheld tiles lie in {apart} blocks of sky that do not touch, and a verdict "
            f"needs {FEWEST_BLOCKS}; lower snr_min or take smaller tiles."
        )
    lmax, threads = beam_lmax(sky.nside, sky.fwhm_arcmin), settings.thread_count
    truth, noise = [], []
    for name in sky.targets:
        alm = map_to_alm(sky.maps[name], lmax)
        truth.append(cut_tiles(alm, geometry, test.lonlat, threads))
        noise.append(noise_tiles(sky, name, geometry, test.lonlat, seed, threads))
    record = {
        "format": 1,
        "nside": sky.nside,
        "fwhm_arcmin": float(sky.fwhm_arcmin),
        "targets": sky.targets,
        "geometry": geometry.to_dict(),
        "withheld_longitudes_deg": [list(block) for block in TEST_BLOCKS],
        "guard_deg": geometry.side_deg,
        "places": test.lonlat.tolist(),
        "blocks": int(apart),
        "provenance": provenance(),
    }
    return public, Key(seed, "", record, np.stack(truth), np.stack(noise))


def is_withheld(nside: int, guard_deg: float) -> np.ndarray:
    """Find the pixels whose CO is withheld: the test longitudes and what is near them.

    Parameters
    ----------
    nside : int
    guard_deg : float
        Distance from a block up to which CO is withheld.

    Returns
    -------
    ndarray of bool, shape (12 * nside**2,)
        RING, Galactic.

    Examples
    --------
    >>> hidden = is_withheld(16, 8.0)
    >>> inside, near, outside = hp.ang2pix(16, [110.0, 125.0, 170.0], [0.0, 0.0, 0.0], lonlat=True)
    >>> hidden[[inside, near, outside]].tolist()
    [True, True, False]
    """
    lon, lat = hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)
    nearest = np.min([distance_to_block(lon, lat, block) for block in TEST_BLOCKS], axis=0)
    return nearest < guard_deg


def plane_pixels(nside: int, guard_deg: float) -> np.ndarray:
    """Find published pixels near the plane, in squares of 16 x 16 as `fit_loglinear` wants them.

    Pixels and not tiles: a tile is cut from a map's harmonics, which know the withheld part.

    Parameters
    ----------
    nside : int
    guard_deg : float
        As for `is_withheld`.

    Returns
    -------
    ndarray of int, shape (n, 16, 16)
    """
    hidden = is_withheld(nside, guard_deg)
    latitude = hp.pix2ang(nside, np.arange(hidden.size), lonlat=True)[1]
    shown = np.flatnonzero(~hidden & (np.abs(latitude) < PLANE_DEG))
    return shown[: shown.size // 256 * 256].reshape(-1, 16, 16)


def commitment(key: Key) -> str:
    """Compute the hash that is published before anybody has submitted.

    Parameters
    ----------
    key : Key

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    sums = [hashlib.sha256(np.asarray(x, "<f4").tobytes()).hexdigest()
            for x in (key.truth, key.noise)]  # fmt: skip
    told = [key.salt, str(key.seed), *sums, key.public["sky_sha256"]]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def save_key(path: str | Path, key: Key) -> Path:
    """Write a key that its owner alone may read.

    Parameters
    ----------
    path : path
    key : Key

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    told = {"seed": str(key.seed), "salt": key.salt, "public": key.public}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, truth=key.truth, noise=key.noise, told=json.dumps(told))
    Path(path).chmod(0o600)
    return Path(path)


def load_key(path: str | Path) -> Key:
    """Read a key, and check that it is the one that was committed to.

    Parameters
    ----------
    path : path

    Returns
    -------
    Key

    Raises
    ------
    CoganError
        If it is missing, damaged, or has been changed.
    """
    with reading(path, "key of a challenge", "take the file that `challenge` wrote"):
        check_npz(path)
        with np.load(path, allow_pickle=False) as content:
            told = parse_json(str(content["told"]))
            truth, noise = (np.asarray(content[name], np.float32) for name in ("truth", "noise"))
        key = Key(int(told["seed"]), told["salt"], told["public"], truth, noise)
        n, npix = len(key.lonlat), key.geometry.npix
        if not truth.shape == noise.shape == (len(key.public["targets"]), n, npix, npix):
            raise ValueError(f"its tiles have the shape {truth.shape}")
        kept = key.public["commitment"] == commitment(key)
    if not kept:
        raise CoganError(
            f"The key {path} is not the one that was committed to: its hash is another. Take the "
            "file that `challenge` wrote."
        )
    return key


def submission(sky: Sky, folder: str | Path, *, name: str, seed: int, members: int = 1) -> Sky:
    """Say in a CO sky's header what it is submitted to, and how it was made.

    Parameters
    ----------
    sky : Sky
        With the challenge's CO columns.
    folder : path
        Of the challenge.
    name : str
        Of the method, as the leaderboard shows it.
    seed : int
        With which the method made this sky.
    members : int
        How many skies were averaged in it, 1 for a single draw.

    Returns
    -------
    Sky
        For `write_sky`.

    Raises
    ------
    CoganError
        If the folder is no challenge, or its sky is not the published one.
    """
    path = Path(folder) / PUBLIC
    found = read_json_of(path)["sky_sha256"]
    with reading(Path(folder) / SKY, "sky of a challenge", "fetch the challenge again"):
        same = sha256(Path(folder) / SKY) == found
    if not same:
        raise CoganError(f"{Path(folder) / SKY} is not the sky of {path}; fetch both again.")
    facts = {"creator": name, "seed": seed, "members": members, "srcsha": found}
    return Sky(sky.maps, sky.units, sky.fwhm_arcmin, {**sky.meta, **facts})


def read_json_of(path: Path) -> dict:
    """Read a ``challenge.json``; what is none is a `CoganError`."""
    with reading(path, "challenge", "name the folder that `challenge` made"):
        content = parse_json(path.read_text("utf-8"))
        if not {"challenge", "sky_sha256", "places", "targets"} <= set(content):
            raise ValueError("it lacks entries")
        return content
