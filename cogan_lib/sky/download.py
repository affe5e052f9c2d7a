"""One file from one address: resumed after a cut, refused if it is a web page or half a file.

pooch does the temporary name, the checksum and the renaming; its own HTTP downloader starts from
zero after every cut, so `ResumingDownloader` takes its place. `fetch.py` chooses the addresses.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import shutil
import time
import zlib
from http.client import responses
from pathlib import Path

import requests
from tqdm import tqdm

from ..base.files import read_json, write_json
from ..base.foreign import MOST_UNPACKED, fits_headers

_GZIP = b"\x1f\x8b"  # how a packed file begins
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 60)  # s: for the connection, and for silence in mid-stream
EMPTY_ATTEMPTS = 2  # a mirror is left after so many attempts in a row that brought nothing new
WAIT = 2.0  # s between attempts


class Broken(Exception):
    """Error: the mirror's answer is of no use."""


class Cut(Exception):
    """Error: the attempt failed; another may not."""


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
            except (requests.RequestException, Cut):
                empty = 0 if _size(part) > before else empty + 1
                if empty == EMPTY_ATTEMPTS:
                    raise
                time.sleep(WAIT)
        validator = _validator(part)
        try:
            if is_packed(part):
                unpack(part, Path(output_file))
            else:
                shutil.move(part, output_file)
            check_fits(Path(output_file))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Broken("the packed file is damaged") from error
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
                headers["If-Range"] = str(read_json(validator).get("validator", ""))
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            status = answer.status_code
            words = f"HTTP {status} {responses.get(status, '')}".strip()
            if status >= 500 or status in (408, 429):  # it may pass: time out, too many requests
                raise Cut(words)
            if status == 416 and _range(answer).endswith(f"*/{have}"):
                return  # all of it is here already
            if status == 416 or (status == 206 and f" {have}-" not in _range(answer)):
                part.unlink(missing_ok=True)
                raise Cut("the server does not continue a cut download")
            if status not in (200, 206):
                raise Broken(words)
            start = have if status == 206 else 0
            length = int(answer.headers.get("Content-Length", 0))
            total = start + length if length else 0
            # servers say so of files that are packed themselves; lengths and ranges count the bytes
            # as sent, so that they must not be unpacked on the way
            encoded = "gzip" in (answer.raw.headers.pop("Content-Encoding", None) or "")
            if self.size and total and total != self.size and not encoded:
                raise Broken(f"offers {total} bytes in place of {self.size}")
            if total - start > shutil.disk_usage(part.parent).free:
                raise OSError(errno.ENOSPC, f"no room for {total / 1e9:.1f} GB")
            self._stream(answer, part, start, total)
        if _size(part) < total:
            raise Cut(f"only {_size(part)} of {total} bytes came")

    def _stream(self, answer: requests.Response, part: Path, start: int, total: int) -> None:
        """Append what comes to `part`, as it comes: packed or not is told by the content."""
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
                if stream.tell() == 0 and not chunk.startswith((_GZIP, b"SIMPLE  =")):
                    stream.close()
                    part.unlink()
                    _validator(part).unlink(missing_ok=True)
                    page = chunk.lstrip()[:1] == b"<"
                    raise Broken("a web page came" if page else "what came is no FITS file")
                stream.write(chunk)
                bar.update(len(chunk))


def is_packed(path: Path) -> bool:
    """Tell by its content whether a file is packed by gzip.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    with open(path, "rb") as stream:
        return stream.read(2) == _GZIP


def unpack(packed: Path, output: Path) -> None:
    """Unpack a .gz file, once or twice packed, unless it grows beyond what maps do.

    Parameters
    ----------
    packed, output : Path
        They may be the same file.

    Raises
    ------
    Broken
        If it grows too much.
    """
    most = max(MOST_UNPACKED[0] * _size(packed), MOST_UNPACKED[1])
    fresh = output.with_name(f".{output.name}.unpacked")
    try:
        with gzip.open(packed) as source, open(fresh, "wb") as plain:
            while chunk := source.read(1 << 20):
                plain.write(chunk)
                if plain.tell() > most:
                    raise Broken(f"unpacks to more than {most} bytes")
        fresh.replace(output)
    finally:
        fresh.unlink(missing_ok=True)
    if is_packed(output):  # a server that packs what is packed
        unpack(output, output)


def check_fits(path: Path) -> None:
    """Raise `Broken` unless the file is FITS and as long as its headers say.

    Parameters
    ----------
    path : Path

    Raises
    ------
    Broken
        If the file is no FITS file, or shorter than its headers say.
    """
    try:
        fits_headers(path)
    except Exception as error:  # see files.reading
        raise Broken(" ".join(str(error).split())[:200]) from error


def _validator(part: Path) -> Path:
    return part.with_suffix(".json")


def _range(answer: requests.Response) -> str:
    return answer.headers.get("Content-Range", "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def in_words(error: Exception) -> str:
    """Say in a few words why a request failed.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
    """
    if isinstance(error, Broken | Cut):
        return str(error)
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    return "no connection"
