"""The sky reader on broken bytes: a sky, or one sentence; no hang, no memory to speak of.

`make test` tries one hundred files, ``python -m pytest -m slow tests/sky/test_fuzz_skyfile.py -s``
ten thousand and prints what became of them.
"""

import gzip
import signal
import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky

NSIDE, SECONDS = 16, 10.0
CONSTANT = 8e6  # bytes beside four times the file: headers, and what astropy keeps of units
#: Values that a stranger may write into a header card, and cards that matter.
ABSURD = [
    *("-1", "0", "1", "2", "7", "999", "1000", "65536", "2147483647", "99999999999", "T", "F"),
    *("18446744073709551615", "1E300", "NAN", "''", "'X'", "'RING'", "'NESTED'", "'C'", "'E'"),
    *("'../../x'", "'9999999999E'", "'1PE(9)'", "'12288K'", "'L'", "'3072D'", "'(1,99999999)'"),
]
KEYS = [
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT"),
    *("TFIELDS", "TTYPE1", "TTYPE2", "TFORM1", "TFORM2", "TUNIT1", "TDIM1", "TSCAL1", "TZERO1"),
    *("TNULL1", "NSIDE", "ORDERING", "COORDSYS", "FWHM", "ZIMAGE", "BSCALE", "BZERO", "BLANK"),
    *("EXTEND", "THEAP", "GROUPS"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of good files: a sky, a foreign table of scaled integers, an array."""
    folder = tmp_path_factory.mktemp("good")
    values = np.linspace(1, 2, 12 * NSIDE**2, dtype=np.float32)
    units = {"DUST": "MJy/sr", "W_CO21": "K km/s"}
    write_sky(folder / "sky.fits", Sky(dict.fromkeys(units, values), units, 240.0, {"seed": 3}))
    counts = (100 * values).astype(np.int16).reshape(-1, 32)
    table = fits.BinTableHDU.from_columns([fits.Column("MAP", "32I", "K", array=counts)])
    table.header.update(ORDERING="NESTED", COORDSYS="C")
    table.writeto(folder / "table.fits")
    fits.setval(folder / "table.fits", "TSCAL1", value=0.01, ext=1)
    fits.writeto(folder / "array.fits", values, fits.Header({"ORDERING": "RING", "COORDSYS": "G"}))
    return [(folder / name).read_bytes() for name in ("sky.fits", "table.fits", "array.fits")]


def broken(whole: bytes, random: np.random.Generator) -> bytes:
    """The file after one to four accidents, most of them in its headers."""
    data = bytearray(whole)
    for _ in range(random.integers(1, 5)):
        header = 80 * int(random.integers(0, min(144, len(data) // 80 + 1)))
        match random.integers(0, 8):
            case 0:  # a flipped bit anywhere
                data[random.integers(len(data))] ^= 1 << random.integers(8)
            case 1 | 2:  # another byte in a header
                data[header + random.integers(80) if header + 80 < len(data) else 0] = (
                    random.integers(256)
                )
            case 3:  # cut
                del data[random.integers(1, len(data) + 1) :]
            case 4:  # a block of garbage, or the same block again
                at = int(random.integers(len(data)))
                data[at : at + 80] = random.bytes(80) if random.random() < 0.5 else data[:80]
            case _:  # an absurd value in a card that matters, old or new
                key = str(random.choice(KEYS))
                card = f"{key:8}= {random.choice(ABSURD):>20}".encode().ljust(80)
                at = data.find(f"{key:8}=".encode())
                at = header if at < 0 else at
                data[at : at + 80] = card
        if not data:
            return b""
    return gzip.compress(data, 1) if random.random() < 0.05 else bytes(data)


class Hang(BaseException):
    """The reader took too long; no reader catches this one."""


def fuzz(whole: list[bytes], folder, cases: int, seed: int) -> Counter:
    """What became of each case: 'read', or the beginning of the sentence."""
    random, found = np.random.default_rng(seed), Counter()
    path = folder / "case.fits"

    def too_slow(*_):
        raise Hang

    signal.signal(signal.SIGALRM, too_slow)
    tracemalloc.start()
    try:
        for case in range(cases):
            which = case % 3
            path.write_bytes(broken(whole[which], random))
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                if which:
                    read_map(path, to_unit="K" if which == 1 else None)
                else:  # and what could be read can be written
                    write_sky(folder / "again.fits", read_sky(path))
                found["read"] += 1
            except CoganError as error:
                text = str(error)
                assert "\n" not in text and len(text) < 700 and "case.fits" in text, text
                found[text.replace(str(path), "PATH")[:40]] += 1
            except Exception as error:
                kept = folder / "crash.fits"
                kept.write_bytes(path.read_bytes())
                raise AssertionError(f"case {case} of seed {seed}, kept as {kept}") from error
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            peak = tracemalloc.get_traced_memory()[1] - before
            size = path.stat().st_size
            found["slowest"] = max(found["slowest"], round(1e3 * (time.perf_counter() - start)))
            found["most bytes"] = max(found["most bytes"], peak)
            assert peak < 4 * size + CONSTANT, f"{peak} bytes for a file of {size}, case {case}"
    finally:
        tracemalloc.stop()
    return found


@pytest.mark.parametrize(
    ("columns", "order", "frame"), [(1, "RING", "G"), (4, "RING", "G"), (4, "NESTED", "C")]
)
def test_a_good_file_takes_less_than_four_times_its_size(tmp_path, columns, order, frame):
    names = ["DUST", "N_HI", "W_CO21", "W_CO21_ERR"][:columns]
    units = dict(zip(names, ["MJy/sr", "cm-2", "K km/s", "K km/s"], strict=False))
    values = np.linspace(1, 2, 12 * 128**2, dtype=np.float32)
    wide = 80.0  # with fewer than 2.2 pixels per FWHM rings are measured, which takes more
    path = write_sky(tmp_path / "sky.fits", Sky(dict.fromkeys(names, values), units, wide))
    fits.setval(path, "ORDERING", value=order, ext=1)
    fits.setval(path, "COORDSYS", value=frame, ext=1)
    read_sky(path)
    tracemalloc.start()
    try:
        read_sky(path)
        times = tracemalloc.get_traced_memory()[1] / path.stat().st_size
    finally:
        tracemalloc.stop()
    print(f"{columns} columns, {order}, {frame}: {times:.2f} times the file")
    assert times < 4


def test_broken_bytes_are_a_sky_or_a_sentence(whole, tmp_path):
    found = fuzz(whole, tmp_path, 100, seed=1)
    assert 5 < found["read"] < 95


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_thousand_broken_files(whole, tmp_path):
    start = time.perf_counter()
    found = fuzz(whole, tmp_path, 10_000, seed=2)
    print(f"\n10,000 files in {time.perf_counter() - start:.0f} s: {found['read']} read,")
    print(f"slowest {found.pop('slowest')} ms, most memory {found.pop('most bytes') / 1e6:.2f} MB")
    for words, count in found.most_common(25):
        print(f"{count:6d}  {words}")
