"""Files that somebody else wrote: looked at before they are read.

A header may claim anything, so what a file says of its size is compared with the size that it has
before memory is taken for it. Nothing in it is ever run: weights are safetensors and JSON, arrays
are plain numbers.
"""

from __future__ import annotations

import gzip
import io
import logging
import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .files import CoganError, reading

log = logging.getLogger(__name__)

HEADER_BYTES = 1 << 19  # of one FITS header: 6,500 lines
MOST_PARTS = 99  # of one FITS file
MOST_UNPACKED = 100, 1 << 26  # a .gz file may grow by this factor, or to so many bytes
_WIDTHS = dict(zip("LXBIJKAEDCMPQ", (1, 1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))
_MAP_KEYS = {"PIXTYPE", "ORDERING", "NSIDE", "INDXSCHM"}  # of a HEALPix part
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Table:
    """One part of a FITS file: a table, or a plain array as one column with an empty name.

    Parameters
    ----------
    path : path
    fix : str
        What to do about a damaged file, for the sentence of the error.
    hdu : int or str, optional
        Number of the part (the primary one is 0) or its EXTNAME.
    columns : sequence of str
        Where `hdu` is not given: names of which the part must have one, whatever their case.
    advice : str
        What to do where several parts may be meant.

    Attributes
    ----------
    header, primary : dict
        Keywords of the part and of the primary header, to numbers and texts; of a keyword that is
        there twice, the first.
    units : dict of str to str
        Of each column, in the file's order; empty where the file has none.
    shapes : dict of str to tuple of int
        Rows, and numbers in a row; of an array its axes.
    """

    def __init__(
        self,
        path: Path,
        fix: str = "download or make it again",
        hdu: int | str | None = None,
        columns: Sequence[str] = (),
        advice: str = "choose one with hdu=",
    ) -> None:
        from astropy.io import fits

        self._source = path, "FITS file", fix
        with reading(*self._source):
            headers = fits_headers(path)
            number = _choose(path, headers, hdu, columns, advice)
            _check_table(headers[number])
            check_sums(path, headers, {0, number})
            with fits.open(path, memmap=False, disable_image_compression=True) as hdus:
                part, self._data = hdus[number], hdus[number].data
                if self._data is None:
                    raise ValueError("it holds no data")
                self.header, self.primary = _keywords(headers[number]), _keywords(headers[0])
                self._numbers = {}
                self.units = {"": str(self.header.get("BUNIT", ""))}
                self.shapes = {"": self._data.shape}
                if self._data.dtype.names is not None:
                    columns = list(zip(self._data.names, part.columns, strict=True))
                    self._numbers = {name: i for i, (name, _) in enumerate(columns, 1)}
                    self.units = {name: str(column.unit or "") for name, column in columns}
                    rows = np.asarray(self._data).dtype
                    self.shapes = {
                        name: (len(self._data), *rows[i].shape)
                        for i, (name, _) in enumerate(columns)
                    }

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column's numbers as a flat array, masked where they are the TNULL of the file.

        astropy applies TSCAL, TZERO and an image's BLANK itself.
        """
        with reading(*self._source):
            if not self._numbers:
                return np.asarray(self._data).ravel()
            number = self._numbers[name]
            form = str(self.header.get(f"TFORM{number}", "")).strip()
            if not re.fullmatch(r"\d*[BIJKED]", form):
                raise ValueError(f"its column {name} holds no real numbers")
            values = np.asarray(self._data[name]).ravel()
            null = self.header.get(f"TNULL{number}")
            if not isinstance(null, int | float):
                return values
            stored = np.asarray(self._data)[self._data.dtype.names[number - 1]].ravel()
            none = stored == null
            return np.ma.MaskedArray(values, none) if none.any() else values

    def keyword(self, name: str, column: str) -> object:
        """Return a column's own keyword (TDIM of the third column is TDIM3), or None."""
        return self.header.get(f"{name}{self._numbers.get(column, 0)}")


def _keywords(header) -> dict:
    pairs = ((card.keyword, card.value) for card in reversed(header.cards))
    return {key: value for key, value in pairs if isinstance(value, str | int | float)}


def _choose(
    path: Path, headers: list, hdu: int | str | None, columns: Sequence[str], advice: str
) -> int:
    """Find the part that is meant; a `CoganError` lists them if that is not clear."""
    parts = [
        number for number, header in enumerate(headers) if header["NAXIS"] and _any_data(header)
    ]
    if hdu is not None:
        found = [n for n in range(len(headers)) if _is_part(n, headers[n], hdu)]
    else:
        asked = {name.strip().upper() for name in columns}
        found = [n for n in parts if asked & {name.upper() for name in _names(headers[n])}]
        found = found or parts
        maps = [n for n in found if _MAP_KEYS & set(headers[n]) or _like_map(headers[n])]
        found = maps or found[:1]
    if len(found) == 1 or not parts:
        return found[0] if found else min(1, len(headers) - 1)
    listed = "; ".join(
        f"{n} {headers[n].get('EXTNAME', '')} ({', '.join(_names(headers[n])[:6]) or 'array'})"
        for n in parts[:12]
    )
    asked = f"no part {hdu!r}" if hdu is not None else f"{len(found)} parts that may be meant"
    raise CoganError(f"{path} has {asked}; it has {listed}; {advice}.")


def _any_data(header) -> bool:
    """Tell whether a part has data: of the axes none is of length 0."""
    return all(header.get(f"NAXIS{axis}") != 0 for axis in range(1, min(header["NAXIS"], 9) + 1))


def _is_part(number: int, header, hdu: int | str) -> bool:
    name = str(header.get("EXTNAME", "PRIMARY" if number == 0 else "")).strip()
    return number == hdu or name.upper() == str(hdu).strip().upper()


def _names(header) -> list[str]:
    fields = header.get("TFIELDS", 0)
    count = min(fields, 999) if isinstance(fields, int) else 0
    return [str(header.get(f"TTYPE{n}", n)).strip() for n in range(1, count + 1)]


def _like_map(header) -> bool:
    """Tell whether there are 12, 48, 192, ... rows or numbers."""
    length = header.get("NAXIS2") if "TFIELDS" in header else header.get("NAXIS1")
    return isinstance(length, int) and length in {12 * 4**k for k in range(14)}


def fits_headers(path: Path) -> list:
    """Read the headers of a FITS file, plain or .gz, of which all bytes are there.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of astropy.io.fits.Header

    Raises
    ------
    ValueError
        If it is no FITS file or not all of it is there; and what astropy raises on broken headers.
    """
    from astropy.io.fits import Header

    size = path.stat().st_size
    with open(path, "rb") as stream:
        start = stream.read(9)
    packed = start.startswith(b"\x1f\x8b")
    if not packed and start != b"SIMPLE  =":
        raise ValueError("it is no FITS file")
    most = max(MOST_UNPACKED[0] * size, MOST_UNPACKED[1]) if packed else size
    headers, end = [], 0
    with gzip.open(path) if packed else open(path, "rb") as stream:
        while len(headers) <= MOST_PARTS:
            stream.seek(end)
            head = io.BytesIO(stream.read(HEADER_BYTES))
            if headers and not head.getvalue().startswith(b"XTENSION"):
                return headers
            headers.append(Header.fromfile(head))
            last = end + head.tell() + _data_bytes(headers[-1])
            end += head.tell() + -(-_data_bytes(headers[-1]) // 2880) * 2880
            if _ours(headers[-1]):  # we fill the last block, so it was cut; others may not
                last = end
            stream.seek(min(last, most) - 1)
            if last > most or not stream.read(1):
                has = f"at most {most}" if packed else size
                raise ValueError(f"it has {has} bytes, its headers say {end}")
    raise ValueError(f"it has more than {MOST_PARTS} parts")


def check_sums(path: Path, headers: list, numbers: set[int]) -> None:
    """Compare parts of a FITS file with their own CHECKSUM and DATASUM, where they have them.

    Parameters
    ----------
    path : Path
        Plain or .gz.
    headers : list of astropy.io.fits.Header
        As `fits_headers` gives them.
    numbers : set of int
        The parts to look at.

    Raises
    ------
    ValueError
        If a byte of ours has changed since; other people's files only get a warning, since many
        programs change a header and leave its sum.
    """
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    start = 0
    with gzip.open(path) if packed else open(path, "rb") as stream:
        for number, header in enumerate(headers[: max(numbers) + 1]):
            stream.seek(start)
            head = len(header.tostring())
            length = -(-_data_bytes(header) // 2880) * 2880
            start += head + length
            if number not in numbers or not {"CHECKSUM", "DATASUM"} & set(header):
                continue
            of_head, of_data = _sum32(stream, head), _sum32(stream, length)
            said = str(header.get("DATASUM", "")).strip()
            changed = "numbers" if said.isdigit() and int(said) != of_data else ""
            if "CHECKSUM" in header and _fold(of_head + of_data) not in (0, 0xFFFFFFFF):
                changed = changed or "header"
            if changed and _ours(header):
                raise ValueError(f"its {changed}: a byte has changed since its CHECKSUM was taken")
            if changed:
                log.warning("%s: its %s changed after its CHECKSUM was taken.", path, changed)


def _ours(header) -> bool:
    """Tell whether `skyfile.write_sky` wrote a part, and its sums."""
    return header.get("EXTNAME") == "SKY" and "CHECKSUM" in header


def _sum32(stream, length: int) -> int:
    """Take the FITS checksum of the next bytes: 32-bit words, carries added at the end."""
    total = 0
    while length > 0:
        chunk = stream.read(min(length, 1 << 24))
        if not chunk:
            break
        length -= len(chunk)
        words = np.frombuffer(chunk + bytes(-len(chunk) % 4), ">u4")
        total += int(words.sum(dtype=np.uint64))
    return _fold(total)


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _data_bytes(header) -> int:
    """Length of the data behind a header."""
    count = header["NAXIS"]
    if type(count) is not int or not 0 <= count <= 999:
        raise ValueError(f"its NAXIS is {count!r}")
    keys = ["BITPIX", *(f"NAXIS{axis}" for axis in range(1, count + 1))]
    bits, *axes = (header[key] for key in keys)
    groups = [header.get("PCOUNT", 0), header.get("GCOUNT", 1)]
    for key, value in zip(keys + ["PCOUNT", "GCOUNT"], [bits, *axes, *groups], strict=True):
        if type(value) is not int or (value < 0 and key != "BITPIX"):
            raise ValueError(f"its {key} is {value!r}")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise ValueError(f"its BITPIX is {bits}")
    return abs(bits) // 8 * groups[1] * (groups[0] + math.prod(axes)) if axes else 0


def _check_table(header) -> None:
    """Refuse a table whose columns are not those that its rows have room for."""
    kind = str(header.get("XTENSION", "IMAGE")).strip()
    if kind == "IMAGE":
        return
    fields = header.get("TFIELDS")
    if kind != "BINTABLE" or type(fields) is not int or not 1 <= fields <= 999:
        raise ValueError(f"its first extension is a {kind} of {fields} columns, no binary table")
    width = 0
    for number in range(1, fields + 1):
        form = str(header[f"TFORM{number}"]).strip()
        found = re.match(r"(\d{0,18})([LXBIJKAEDCMPQ])", form)
        if not found:
            raise ValueError(f"its TFORM{number} is {form!r}")
        repeat = int(found[1] or 1)
        width += -(-repeat // 8) if found[2] == "X" else repeat * _WIDTHS[found[2]]
    if header["NAXIS"] != 2 or width != header["NAXIS1"] or header["BITPIX"] != 8:
        raise ValueError(f"its columns take {width} bytes a row, NAXIS1 is {header.get('NAXIS1')}")
    names = [str(header.get(f"TTYPE{number}", number)).strip() for number in range(1, fields + 1)]
    if len(set(names)) < fields:
        raise ValueError("two of its columns have the same name")


def check_npz(path: str | Path) -> None:
    """Refuse an .npz file with compressed arrays, objects, or arrays larger than the file.

    Compressed ones may be a thousand times as large in memory; the files of a run are not.

    Parameters
    ----------
    path : path

    Raises
    ------
    ValueError
        For such a file.
    """
    with zipfile.ZipFile(path) as whole:
        for member in whole.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its {member.filename} is compressed")
            with whole.open(member) as stream:
                shape, _, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
            if dtype.hasobject:
                raise ValueError(f"its {member.filename} holds objects in place of numbers")
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"its {member.filename} has not as many numbers as it says")
