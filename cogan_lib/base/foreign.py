"""Files that somebody else wrote: looked at before they are read.

A header may claim anything, so what a file says of its size is compared with the size that it has
before memory is taken for it. Nothing in it is ever run: weights are safetensors and JSON, arrays
are plain numbers.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zipfile
from pathlib import Path

import numpy as np

from .files import reading

HEADER_BYTES = 1 << 19  # of one FITS header: 6,500 lines
MOST_PARTS = 99  # of one FITS file
MOST_UNPACKED = 100, 1 << 26  # a .gz file may grow by this factor, or to so many bytes
_WIDTHS = dict(zip("LXBIJKAEDCMPQ", (1, 1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Table:
    """The first table of a FITS file, or its plain array as one column with an empty name.

    Attributes
    ----------
    header : dict
        Keywords to numbers and texts; of a keyword that is there twice, the first.
    units : dict of str to str
        Of each column, in the file's order; empty where the file has none.
    """

    def __init__(self, path: Path, fix: str = "download or make it again") -> None:
        from astropy.io import fits

        self._source = path, "FITS file", fix
        with reading(*self._source):
            headers = fits_headers(path)
            number = min(1, len(headers) - 1)
            _check_table(headers[number])
            with fits.open(path, memmap=False, disable_image_compression=True) as hdus:
                cards, self._data = reversed(hdus[number].header.cards), hdus[number].data
                if self._data is None:
                    raise ValueError("it holds no data")
                pairs = ((card.keyword, card.value) for card in cards)
                self.header = {k: v for k, v in pairs if isinstance(v, str | int | float)}
                self._formats = {}
                self.units = {"": str(self.header.get("BUNIT", ""))}
                if self._data.dtype.names is not None:
                    columns = list(zip(self._data.names, hdus[number].columns, strict=True))
                    self.units = {name: str(column.unit or "") for name, column in columns}
                    self._formats = {name: str(column.format) for name, column in columns}

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column's numbers as a flat array."""
        with reading(*self._source):
            if not re.fullmatch(r"\d*[BIJKED]", self._formats.get(name, "E")):
                raise ValueError(f"its column {name} holds no real numbers")
            return np.asarray(self._data[name] if self._formats else self._data).ravel()


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
            end += head.tell() + -(-_data_bytes(headers[-1]) // 2880) * 2880
            stream.seek(min(end, most) - 1)
            if end > most or not stream.read(1):
                has = f"at most {most}" if packed else size
                raise ValueError(f"it has {has} bytes, its headers say {end}")
    raise ValueError(f"it has more than {MOST_PARTS} parts")


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
