"""Downloading the public maps of ``registry.toml``.

Mirrors in order, resume after a cut, checksums, and the refusal of a web page or half a file under
a FITS name. `prepare.py` makes a sky of the maps.
"""

from __future__ import annotations

import logging
import re
import shutil
import tomllib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock, Timeout

from ..base.files import CoganError, read_json, sha256, write_json
from .download import Broken, Cut, ResumingDownloader, check_fits, in_words, is_packed, unpack

log = logging.getLogger(__name__)

REGISTRY = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class Product:
    """One remote file; the fields are explained at the head of ``registry.toml``.

    Parameters
    ----------
    name, role, title, about, page : str
        What it is, and where a reader finds it.
    file : str
        Name of the file in the folder of downloads.
    urls : list of str
        Mirrors, in order.
    checksum : str
        ``algorithm:digits``; empty where none is published.
    size : int
        Bytes; 0 if unknown.
    citation, licence, confirmed, unconfirmed : str
    fwhm_arcmin : float
        Beam of the maps.
    unit, order, frame, index : str
        What the file itself does not say.
    columns : dict of str to list of str
        Our columns, and their possible names in the file.
    """

    name: str
    role: str
    title: str
    file: str
    urls: list[str]
    page: str
    checksum: str
    size: int
    about: str
    citation: str
    licence: str
    fwhm_arcmin: float
    unit: str
    order: str
    frame: str
    index: str
    confirmed: str
    unconfirmed: str
    columns: dict[str, list[str]]

    def __post_init__(self) -> None:
        """Refuse a file name that would lead out of the folder."""
        if not re.fullmatch(r"\w[\w.+-]*", self.file):
            raise CoganError(
                f"The registry's product {self.name} has the file {self.file!r}; a name without "
                "folders is needed, so that nothing is written elsewhere."
            )


def products(target: str = "planck-type2", tracers: Sequence[str] = ()) -> list[Product]:
    """List the registry's products that make a sky with this CO target: dust, H I, tracers, CO.

    Parameters
    ----------
    target : {'planck-type2', 'ghosh-2024'}
    tracers : sequence of str
        Further tracers, by the names of their columns, such as DUST_353.

    Returns
    -------
    list of Product

    Raises
    ------
    CoganError
        If there is no such target or tracer.

    Examples
    --------
    >>> [product.role for product in products("planck-type2", ["EBV_SFD"])]
    ['dust', 'hi', 'esfd', 'co']
    """
    registry = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))
    targets = registry["targets"]
    if target not in targets:
        raise CoganError(f"There is no CO target {target!r}; choose {' or '.join(targets)}.")
    known = registry["tracers"]
    if strange := [name for name in tracers if name not in known]:
        raise CoganError(f"There is no tracer {', '.join(strange)}; choose of {', '.join(known)}.")
    names = registry["inputs"] + [known[name] for name in tracers] + targets[target]
    return [Product(name=name, **registry["products"][name]) for name in names]


def fetch_all(
    folder: str | Path,
    target: str = "planck-type2",
    progress: bool = True,
    tracers: Sequence[str] = (),
) -> dict[str, Path]:
    """Fetch every product of a target.

    Parameters
    ----------
    folder : path
    target, tracers
        As in `products`.
    progress : bool
        As in `fetch`.

    Returns
    -------
    dict of str to Path
        By product name.
    """
    return {product.name: fetch(product, folder, progress) for product in products(target, tracers)}


def fetch(product: Product, folder: str | Path, progress: bool = True) -> Path:
    """Return the product's checked file in `folder`; download it first if it is not there.

    A cut download stays beside it as ``.part`` and is taken up at the next call.

    Parameters
    ----------
    product : Product
    folder : path
        Made if need be.
    progress : bool
        Show a progress bar (tqdm, on stderr).

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        No mirror gave the file; the file there is damaged or not the one seen before; `folder`
        cannot be written to.
    """
    path = Path(folder).expanduser() / product.file
    _unpack_by_hand(path)
    if not path.is_file():
        with _alone(product, path):
            if not path.is_file():  # another process may have fetched it while this one waited
                _download(product, path, progress)
    verify(product, path)
    return path


def _unpack_by_hand(path: Path) -> None:
    """Unpack a file that somebody downloaded as .gz, whether or not its name still says so."""
    beside = path.with_name(f"{path.name}.gz")
    packed = path if path.is_file() else beside
    try:
        if packed.is_file() and is_packed(packed):
            unpack(packed, path)
        elif packed.is_file() and packed == beside:  # unpacked on the way, under the packed name
            shutil.copyfile(packed, path)
    except PermissionError:
        return  # read as it is
    except (EOFError, zlib.error, OSError, Broken) as error:
        raise CoganError(
            f"{packed} is damaged ({' '.join(str(error).split())[:100]}); delete it and fetch it "
            "again."
        ) from error


@contextmanager
def _alone(product: Product, path: Path) -> Iterator[None]:
    """Of several processes that want the same file, let one at a time try."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("Another process is downloading %s; waiting for it.", product.title)
            lock.acquire()
    except OSError as error:
        raise _cannot_write(product, path, error) from error
    try:
        yield
        Path(lock.lock_file).unlink()  # now that the file is there, nobody needs it
    finally:
        lock.release()


def _download(product: Product, path: Path, progress: bool) -> None:
    """Try the mirrors in order."""
    pooch.get_logger().setLevel("WARNING")
    known = product.checksum or _recorded(path)
    reasons = []
    for url in product.urls:
        host = urlsplit(url).netloc
        log.info("Downloading %s (%s) from %s.", product.title, product.about, host)
        downloader = ResumingDownloader(path, product.size, progress)
        try:
            pooch.retrieve(url, known or None, path.name, path.parent, downloader=downloader)
        except (requests.RequestException, Broken, Cut) as error:
            reasons.append(f"{host}: {in_words(error)}")
        except ValueError:  # pooch's checksum error
            reasons.append(f"{host}: another checksum than {known}")
        except OSError as error:
            raise _cannot_write(product, path, error) from error
        else:
            for left in path.parent.glob(f".{path.name}.*"):  # of mirrors that failed half-way
                if left.suffix != ".lock":
                    left.unlink()
            return
    tried = f" ({'; '.join(reasons)})" if reasons else ": no direct address is known"
    where = product.urls[0] if product.urls else product.page
    renewed = (
        f" If the archive has a new version, delete {_record(path)}." if _recorded(path) else ""
    )
    raise CoganError(
        f"Cannot download {product.title}{tried}. Download it by hand from {where} and save it as "
        f"{path}, or leave sky_path empty to work on the embedded sky.{renewed}"
    )


def _cannot_write(product: Product, path: Path, error: OSError) -> CoganError:
    return CoganError(
        f"Cannot write {path} ({error.strerror or error}); choose a folder that you may "
        f"write to, with room for {product.about}."
    )


def verify(product: Product, path: Path) -> None:
    """Check a file against the registry's checksum, or against the one seen first.

    Where the registry has none, the first call records the file's SHA-256 in ``<file>.json``
    beside it and says so in the log.

    Parameters
    ----------
    product : Product
    path : Path

    Raises
    ------
    CoganError
        Not FITS, shorter than its own headers say, or another checksum.
    """
    try:
        check_fits(path)
    except Broken as error:
        raise CoganError(f"{path} is damaged ({error}); delete it and fetch it again.") from error
    known = product.checksum or _recorded(path)
    if not known:
        seen = sha256(path)
        write_json(
            _record(path),
            {"file": path.name, "sha256": seen, "size": path.stat().st_size, "urls": product.urls},
        )
        log.warning(
            "No checksum of %s is published, so the one seen now (sha256 %s) was recorded in %s; "
            "later reads are checked against it.",
            path.name,
            seen,
            _record(path),
        )
        return
    algorithm, expected = known.split(":")
    if pooch.file_hash(str(path), alg=algorithm) != expected:
        source = "registry.toml" if product.checksum else _record(path).name
        fix = "correct registry.toml" if product.checksum else f"delete {source}"
        raise CoganError(
            f"{path} has changed or is damaged: its {algorithm} is not the one in {source}. Delete "
            f"it and fetch it again; if the archive has a new version, {fix} too."
        )


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _recorded(path: Path) -> str:
    """'sha256:...' as seen first, or '' if the file was never seen."""
    record = _record(path)
    if not record.is_file():
        return ""
    seen = read_json(record).get("sha256")
    if not isinstance(seen, str):
        raise CoganError(f"{record} holds no sha256; delete it to record the file's checksum anew.")
    return f"sha256:{seen}"
