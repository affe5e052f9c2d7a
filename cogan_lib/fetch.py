"""Downloading the public maps of ``registry.toml``: mirrors in order, resume after a cut,
checksums, and the refusal of a web page or half a file under a FITS name. `products.py` turns the
maps into a sky.

pooch does the temporary name, the checksum and the renaming; its own HTTP downloader starts from
zero after every cut, so `ResumingDownloader` takes its place.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
import time
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from .files import CoganError, read_json, sha256, write_json
from .reading import fits_headers

log = logging.getLogger(__name__)

REGISTRY = Path(__file__).with_name("registry.toml")
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 60)  # s: for the connection, and for silence in mid-stream
EMPTY_ATTEMPTS = 2  # a mirror is left after so many attempts in a row that brought nothing new
WAIT = 2.0  # s between attempts


@dataclass(frozen=True)
class Product:
    """One remote file; the fields are explained at the head of ``registry.toml``."""

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


def products(target: str = "planck-type2") -> list[Product]:
    """The registry's products that make a sky with this CO target: dust, H I, CO.

    Raises
    ------
    CoganError
        If there is no such target.
    """
    registry = tomllib.loads(REGISTRY.read_text())
    targets = registry["targets"]
    if target not in targets:
        raise CoganError(f"There is no CO target {target!r}; choose {' or '.join(targets)}.")
    names = registry["inputs"] + targets[target]
    return [Product(name=name, **registry["products"][name]) for name in names]


def fetch_all(
    folder: str | Path, target: str = "planck-type2", progress: bool = True
) -> dict[str, Path]:
    """`fetch` every product of a target; returns the paths by product name."""
    return {product.name: fetch(product, folder, progress) for product in products(target)}


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

    Raises
    ------
    CoganError
        No mirror gave the file; the file there is damaged or not the one seen before; `folder`
        cannot be written to.
    """
    folder = Path(folder).expanduser()
    path = folder / product.file
    if path.is_file():
        verify(product, path)
        return path
    pooch.get_logger().setLevel("WARNING")
    known = product.checksum or _recorded(path)
    reasons = []
    for url in product.urls:
        host = urlsplit(url).netloc
        log.info("Downloading %s (%s) from %s.", product.title, product.about, host)
        downloader = ResumingDownloader(path, product.size, progress)
        try:
            pooch.retrieve(url, known or None, product.file, folder, downloader=downloader)
        except (requests.RequestException, _Broken, _Cut) as error:
            reasons.append(f"{host}: {_plain(error)}")
        except ValueError:  # pooch's checksum error
            reasons.append(f"{host}: another checksum than {known}")
        except OSError as error:
            raise CoganError(
                f"Cannot write {path} ({error.strerror or error}); choose a folder that you may "
                f"write to, with room for {product.about}."
            ) from error
        else:
            for left in folder.glob(f".{path.name}.*"):  # of mirrors that failed half-way
                left.unlink()
            verify(product, path)
            return path
    tried = f" ({'; '.join(reasons)})" if reasons else ": no direct address is known"
    where = product.urls[0] if product.urls else product.page
    renewed = (
        f" If the archive has a new version, delete {_record(path)}." if _recorded(path) else ""
    )
    raise CoganError(
        f"Cannot download {product.title}{tried}. Download it by hand from {where} and save it as "
        f"{path}, or leave sky_path empty to work on the embedded sky.{renewed}"
    )


def verify(product: Product, path: Path) -> None:
    """Check a file against the registry's checksum, or against the one seen first.

    Where the registry has none, the first call records the file's SHA-256 in ``<file>.json``
    beside it and says so in the log.

    Raises
    ------
    CoganError
        Not FITS, shorter than its own headers say, or another checksum.
    """
    try:
        _check_fits(path)
    except _Broken as error:
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
        mend = "correct registry.toml" if product.checksum else f"delete {source}"
        raise CoganError(
            f"{path} has changed or is damaged: its {algorithm} is not the one in {source}. Delete "
            f"it and fetch it again; if the archive has a new version, {mend} too."
        )


class ResumingDownloader:
    """A downloader for `pooch.retrieve` that goes on where the last attempt was cut.

    The bytes gather in ``.<file>.<hash of the address>.part``, one for each mirror. HTTP ``Range``
    asks for the rest, ``If-Range`` makes the server start anew if its file has changed.

    Parameters
    ----------
    path : Path
        Final name of the file.
    size : int
        Expected bytes, 0 if unknown.
    progress : bool
        Show a progress bar.
    """

    def __init__(self, path: Path, size: int, progress: bool):
        self.path, self.size, self.progress = path, size, progress

    def __call__(self, url: str, output_file: str, manager: object) -> None:
        """Download `url` to `output_file` (the signature is pooch's; `manager` is not used)."""
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        part = self.path.with_name(f".{self.path.name}.{digest}.part")
        empty = 0
        while True:
            before = _size(part)
            try:
                self._get(url, part)
                break
            except (requests.RequestException, _Cut):
                empty = 0 if _size(part) > before else empty + 1
                if empty == EMPTY_ATTEMPTS:
                    raise
                time.sleep(WAIT)
        validator = _validator(part)
        try:
            if urlsplit(url).path.endswith(".gz"):
                with gzip.open(part) as packed, open(output_file, "wb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
            else:
                shutil.move(part, output_file)
            _check_fits(Path(output_file))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _Broken("the packed file is damaged") from error
        finally:
            part.unlink(missing_ok=True)
            validator.unlink(missing_ok=True)

    def _get(self, url: str, part: Path) -> None:
        """One attempt: append to `part` what is missing in it."""
        have, validator = _size(part), _validator(part)
        headers = {"Accept-Encoding": "identity"}  # lengths and ranges count the file's own bytes
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator.is_file():
                headers["If-Range"] = read_json(validator)["validator"]
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            status = answer.status_code
            if status >= 500:
                raise _Cut(f"HTTP {status}")
            if status == 416 and _range(answer).endswith(f"*/{have}"):
                return  # all of it is here already
            if status == 416 or (status == 206 and f" {have}-" not in _range(answer)):
                part.unlink(missing_ok=True)
                raise _Cut("the server does not continue a cut download")
            if status not in (200, 206):
                raise _Broken(f"HTTP {status}")
            start = have if status == 206 else 0
            length = int(answer.headers.get("Content-Length", 0))
            total = start + length if length else 0
            if self.size and total and total != self.size:
                raise _Broken(f"offers {total} bytes in place of {self.size}")
            self._stream(answer, part, start, total, packed=urlsplit(url).path.endswith(".gz"))
        if _size(part) < total:
            raise _Cut(f"only {_size(part)} of {total} bytes came")

    def _stream(
        self, answer: requests.Response, part: Path, start: int, total: int, packed: bool
    ) -> None:
        bar = tqdm(
            total=total or None,
            initial=start,
            unit="B",
            unit_scale=True,
            desc=self.path.name,
            disable=not self.progress,
        )
        tag = answer.headers.get("ETag", "")
        mark = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
        with bar, open(part, "ab" if start else "wb") as stream:
            if mark:
                write_json(_validator(part), {"validator": mark})
            for chunk in answer.iter_content(CHUNK):
                if stream.tell() == 0 and not chunk.startswith(
                    b"\x1f\x8b" if packed else b"SIMPLE  ="
                ):
                    stream.close()
                    part.unlink()
                    _validator(part).unlink(missing_ok=True)
                    page = chunk.lstrip()[:1] == b"<"
                    raise _Broken("a web page came" if page else "what came is no FITS file")
                stream.write(chunk)
                bar.update(len(chunk))


class _Broken(Exception):
    """This mirror's answer is of no use."""


class _Cut(Exception):
    """This attempt failed; another may not."""


def _check_fits(path: Path) -> None:
    """Raise `_Broken` unless the file is FITS and as long as its headers say."""
    with open(path, "rb") as stream:
        if stream.read(9) != b"SIMPLE  =":
            raise _Broken("it is no FITS file")
    try:
        fits_headers(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _Broken(str(error)) from error


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


def _validator(part: Path) -> Path:
    return part.with_suffix(".json")


def _range(answer: requests.Response) -> str:
    return answer.headers.get("Content-Range", "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _plain(error: Exception) -> str:
    """A request's failure in a few words."""
    if isinstance(error, _Broken | _Cut):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    return "no connection"
