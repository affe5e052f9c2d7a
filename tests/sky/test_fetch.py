"""Downloads from a server on 127.0.0.1 that misbehaves on demand, and the road from small files
that mimic the real headers and column names to one sky."""

import gzip
import hashlib
import io
import json
import logging
import socket
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.sky import download
from cogan_lib.sky import fetch as fetch_module
from cogan_lib.sky.fetch import Product, fetch, fetch_all, products, verify
from cogan_lib.sky.prepare import prepare_sky, read_column, smooth_error
from cogan_lib.sky.skyfile import read_sky, write_sky
from tests.forks import context, start

NSIDE = 32
LMAX = 40
FWHM = 300.0  # arcmin, the common beam of the tests


# --- the mimics -----------------------------------------------------------------------------------


def random_alm(seed: int, monopole: float) -> np.ndarray:
    """a_lm of a smooth positive map with the mean `monopole`."""
    generator = np.random.default_rng(seed)
    size = hp.Alm.getsize(LMAX)
    alm = generator.normal(size=size) + 1j * generator.normal(size=size)
    degree, order = hp.Alm.getlm(LMAX)
    alm[order == 0] = alm[order == 0].real
    alm *= 0.2 * monopole / (degree + 3.0) ** 1.5
    alm[0] = monopole * np.sqrt(4 * np.pi)
    return alm


SIGNALS = {
    "DUST": random_alm(1, 5.0),
    "N_HI": random_alm(2, 3e20),
    "W_CO10": random_alm(3, 8.0),
    "W_CO21": random_alm(4, 5.0),
}


def table(columns: dict, units: dict, **header) -> bytes:
    """Bytes of a FITS file with one binary table in its first extension."""
    formats = {"f": "E", "i": "K", "u": "B"}
    fields = [
        fits.Column(
            name=name, format=formats[values.dtype.kind], unit=units.get(name), array=values
        )
        for name, values in columns.items()
    ]
    hdu = fits.BinTableHDU.from_columns(fields)
    hdu.header.update(header)
    hdus = fits.HDUList([fits.PrimaryHDU(), hdu])
    stream = io.BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()


def signal(name: str) -> np.ndarray:
    return hp.alm2map(SIGNALS[name], NSIDE, lmax=LMAX).astype(np.float32)


def nested(values: np.ndarray) -> np.ndarray:
    return hp.reorder(values, r2n=True)


def dust_file() -> bytes:
    keywords = {"PIXTYPE": "HEALPIX", "ORDERING": "NESTED", "COORDSYS": "GALACTIC", "NSIDE": NSIDE}
    return table({"I_STOKES": nested(signal("DUST"))}, {"I_STOKES": "MJy/sr"}, **keywords)


def hi_file(shuffled: bool = False) -> bytes:
    """One row a pixel and no HEALPix keywords at all."""
    rows = np.arange(12 * NSIDE**2)
    if shuffled:
        rows = np.random.default_rng(9).permutation(rows)
    lon, lat = hp.pix2ang(NSIDE, rows, lonlat=True)
    columns = {
        "HPXINDEX": rows,
        "RA2000": lon.astype(np.float32),
        "DEC2000": lat.astype(np.float32),
        "GLON": lon.astype(np.float32),
        "GLAT": lat.astype(np.float32),
        "NHI": signal("N_HI")[rows],
    }
    return table(columns, {})


def co_file(**renamed: str) -> bytes:
    """The eight columns of Planck CO Type 2, NESTED, with a few UNSEEN pixels."""
    columns, units = {}, {}
    for line in ("10", "21"):
        intensity = nested(signal(f"W_CO{line}"))
        intensity[[5, 6, 4000]] = hp.UNSEEN
        columns[f"I{line}"] = intensity
        columns[f"E{line}"] = np.full(intensity.size, 0.4, np.float32)
        columns[f"N{line}"] = np.zeros(intensity.size, np.float32)
        columns[f"M{line}"] = np.ones(intensity.size, np.uint8)
        units |= {f"{kind}{line}": "K_RJ km/sec" for kind in "IEN"}
    columns = {renamed.get(name, name): values for name, values in columns.items()}
    keywords = {"ORDERING": "NESTED", "COORDSYS": "GALACTIC", "AST-COMP": "CO-TYPE2"}
    return table(columns, units, **keywords)


@pytest.fixture(scope="module")
def mimics() -> dict[str, bytes]:
    return {"dust": dust_file(), "hi": hi_file(), "co": co_file()}


# --- the server -----------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serves ``self.files``; the first part of the address says how to misbehave."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.seen: list[tuple[str, str]] = []  # path, Range header

    def url(self, behaviour: str, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        _, behaviour, name = self.path.replace("%20", " ").split("/", 2)
        asked = self.headers.get("Range", "")
        visit = sum(path == self.path for path, _ in self.server.seen)
        self.server.seen.append((self.path, asked))
        data = self.server.files.get(name, b"")
        if behaviour.isdigit() or (behaviour == "dying" and visit in (1, 2)):
            return self.send_error(int(behaviour) if behaviour.isdigit() else 500)
        if behaviour in ("busy", "moved", "circle") and (behaviour != "busy" or visit == 0):
            where = f"/circle/{name}" if behaviour == "circle" else f"/good/{name}"
            self.send_response(429 if behaviour == "busy" else 302)
            self.send_header("Location", where)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if behaviour == "html":
            data = b"<!DOCTYPE html><html><body>Log in to download</body></html>"
        start, status = 0, 200
        tag = '"two"' if behaviour == "changing" and visit else '"one"'
        if asked and behaviour != "norange" and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            status = 206 if start < len(data) else 416
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(data)}")
        body = data[start:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", tag)
        if behaviour in ("gzip", "x-gzip"):  # as Apache says of every file that is packed
            self.send_header("Content-Encoding", behaviour)
        self.end_headers()
        cuts_once = behaviour in ("cut", "dying", "changing", "norange") and visit == 0
        if cuts_once or behaviour == "short":
            body = body[: len(body) // 2]
            self.close_connection = True
        if behaviour == "stalls" or (behaviour == "stalls once" and visit == 0):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(0.4)
            self.close_connection = True
            return None
        if behaviour == "slow":
            time.sleep(0.5)
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0.0)
    monkeypatch.setattr(download, "CHUNK", 4096)
    monkeypatch.setattr(download, "TIMEOUT", (1, 0.2))
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dust(server, mimics):
    """Make a dust product whose mirrors behave as named."""
    server.files["dust.fits"] = mimics["dust"]

    def make(*behaviours: str, **changes) -> Product:
        real = next(product for product in products() if product.role == "dust")
        urls = [server.url(behaviour, "dust.fits") for behaviour in behaviours]
        fields = vars(real) | {"file": "dust.fits", "urls": urls, "checksum": ""} | changes
        return Product(**fields)

    return make


def refusal(*args, **kwargs) -> str:
    """The sentence with which `fetch` refuses."""
    with pytest.raises(CoganError) as caught:
        fetch(*args, progress=False, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text


def part_of(product: Product, folder: Path) -> Path:
    """The partial file of the product's first mirror."""
    digest = hashlib.sha256(product.urls[0].encode()).hexdigest()[:8]
    return folder / f".{product.file}.{digest}.part"


# --- downloading ----------------------------------------------------------------------------------


def test_good_download_with_progress(dust, server, mimics, tmp_path, capsys):
    path = fetch(dust("good"), tmp_path / "new")
    assert path == tmp_path / "new" / "dust.fits"
    assert path.read_bytes() == mimics["dust"]
    bar = capsys.readouterr().err
    assert "dust.fits" in bar and "100%" in bar
    assert sorted(p.name for p in path.parent.iterdir()) == ["dust.fits", "dust.fits.json"]
    fetch(dust("good"), tmp_path / "new", progress=False)
    assert len(server.seen) == 1, "a file that is there is not downloaded again"


@pytest.mark.parametrize(
    "bad", ["403", "404", "429", "500", "503", "html", "short", "stalls", "circle"]
)
def test_next_mirror(dust, mimics, tmp_path, bad):
    path = fetch(dust(bad, "good"), tmp_path, progress=False)
    assert path.read_bytes() == mimics["dust"]
    assert not list(tmp_path.glob(".*")), "no mirror's part is left over"


def test_resume_after_a_cut(dust, server, mimics, tmp_path):
    path = fetch(dust("cut"), tmp_path, progress=False)
    assert path.read_bytes() == mimics["dust"]
    ranges = [asked for _, asked in server.seen]
    assert ranges[0] == "" and len(ranges) == 2
    resumed_at = int(ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert len(mimics["dust"]) / 3 < resumed_at <= len(mimics["dust"]) / 2


def test_resume_in_a_later_call(dust, server, mimics, tmp_path):
    product = dust("dying")
    assert "HTTP 500" in refusal(product, tmp_path)
    half = part_of(product, tmp_path).stat().st_size
    assert 0 < half < len(mimics["dust"])
    assert fetch(product, tmp_path, progress=False).read_bytes() == mimics["dust"]
    assert server.seen[-1][1] == f"bytes={half}-"
    assert not list(tmp_path.glob(".*")), "nothing is left over"


@pytest.mark.parametrize("behaviour", ["stalls%20once", "busy", "moved"])
def test_what_passes_is_tried_again(dust, mimics, tmp_path, behaviour):
    """A server that falls silent, has too many visitors, or has moved the file."""
    assert fetch(dust(behaviour), tmp_path, progress=False).read_bytes() == mimics["dust"]


@pytest.mark.parametrize("behaviour", ["norange", "changing"])
def test_starts_anew_where_it_cannot_resume(dust, mimics, tmp_path, behaviour):
    """The server ignores Range, or its file has changed between two attempts."""
    assert fetch(dust(behaviour), tmp_path, progress=False).read_bytes() == mimics["dust"]


def test_finished_part_is_taken(dust, server, mimics, tmp_path):
    product = dust("good")
    part_of(product, tmp_path).write_bytes(mimics["dust"])
    assert fetch(product, tmp_path, progress=False).read_bytes() == mimics["dust"]
    assert [asked for _, asked in server.seen] == [f"bytes={len(mimics['dust'])}-"]


def test_packed_mirror(dust, server, mimics, tmp_path):
    server.files["dust.fits.gz"] = gzip.compress(mimics["dust"])
    product = dust(urls=[server.url("good", "dust.fits.gz")])
    assert fetch(product, tmp_path, progress=False).read_bytes() == mimics["dust"]
    server.files["dust.fits.gz"] = server.files["dust.fits.gz"][:-400]
    assert "packed file is damaged" in refusal(product, tmp_path / "b")


@pytest.mark.parametrize("behaviour", ["gzip", "x-gzip", "good", "unpacked", "twice"])
def test_packed_files_as_servers_send_them(dust, server, mimics, tmp_path, behaviour):
    """Packed or not is told by the content, not by the address or the headers."""
    packed = gzip.compress(mimics["dust"])
    sent = {"unpacked": mimics["dust"], "twice": gzip.compress(packed)}.get(behaviour, packed)
    server.files["dust.fits.gz"] = sent
    encoded = "gzip" in behaviour
    url = server.url(behaviour if encoded else "good", "dust.fits.gz")
    product = dust(urls=[url], size=len(mimics["dust"]) if encoded else 0)
    assert fetch(product, tmp_path, progress=False).read_bytes() == mimics["dust"]
    assert {path.name for path in tmp_path.iterdir()} == {"dust.fits", "dust.fits.json"}


@pytest.mark.parametrize("name", ["dust.fits", "dust.fits.gz"])
@pytest.mark.parametrize("packed", [True, False])
def test_packed_files_saved_by_hand(dust, mimics, tmp_path, name, packed):
    """Under either name; no server is asked."""
    (tmp_path / name).write_bytes(gzip.compress(mimics["dust"]) if packed else mimics["dust"])
    path = fetch(dust("404"), tmp_path, progress=False)
    assert path == tmp_path / "dust.fits" and path.read_bytes() == mimics["dust"]
    path.write_bytes(gzip.compress(mimics["dust"])[:-500])
    assert "is damaged" in refusal(dust("404"), tmp_path)


@pytest.mark.parametrize(
    "behaviour, words",
    [
        ("html", "web page"),
        ("403", "HTTP 403 Forbidden"),
        ("404", "HTTP 404 Not Found"),
        ("429", "HTTP 429 Too Many Requests"),
        ("500", "HTTP 500"),
        ("short", "was cut"),
        ("stalls", "no answer in time"),
        ("circle", "redirects without end"),
    ],
)
def test_refusals_name_the_reason(dust, tmp_path, behaviour, words):
    text = refusal(dust(behaviour), tmp_path)
    assert words in text
    assert "by hand" in text and str(tmp_path) in text and "embedded sky" in text
    assert not (tmp_path / "dust.fits").exists()


def test_a_packed_file_that_grows_without_end(dust, server, monkeypatch, tmp_path):
    """The unpacking stops; the disk is not filled."""
    monkeypatch.setattr(download, "MOST_UNPACKED", (100, 1 << 20))
    server.files["dust.fits.gz"] = gzip.compress(b"SIMPLE  =" + bytes(1 << 25))
    text = refusal(dust(urls=[server.url("good", "dust.fits.gz")]), tmp_path)
    assert "unpacks to more than" in text
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_no_room_on_the_disk(dust, monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    text = refusal(dust("good"), tmp_path)
    assert "no room for 0.0 GB" in text and "200-400 MB" in text


def fetch_at_a_word(connection, entries: dict, folder: Path) -> None:
    connection.send("ready")
    connection.recv()
    connection.send(str(fetch(Product(**entries), folder, progress=False)))


def test_two_processes_fetch_the_same_file(dust, server, mimics, tmp_path):
    """One downloads, the others wait and find it; the file is whole."""
    product = dust("slow")
    pipes = [context().Pipe() for _ in range(3)]
    three = [start(fetch_at_a_word, there, vars(product), tmp_path) for _, there in pipes]
    assert [here.recv() for here, _ in pipes] == ["ready"] * 3
    for here, _ in pipes:
        here.send("now")
    told = [here.recv() for here, _ in pipes if here.poll(60)]
    assert told == [str(tmp_path / "dust.fits")] * 3
    for process in three:
        process.join()
    assert (tmp_path / "dust.fits").read_bytes() == mimics["dust"]
    assert len(server.seen) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dust.fits", "dust.fits.json"]


@pytest.mark.parametrize("name", ["../dust.fits", "/etc/dust.fits", "a/b.fits", "", ".hidden", "*"])
def test_a_registry_entry_writes_nowhere_else(dust, name):
    with pytest.raises(CoganError, match="a name without folders"):
        dust("good", file=name)


def test_half_a_file_at_the_server(dust, server, mimics, tmp_path):
    """Content-Length agrees, the FITS headers do not."""
    server.files["dust.fits"] = mimics["dust"][: 2880 * 7]
    text = refusal(dust("good"), tmp_path)
    assert "its headers say" in text
    assert not (tmp_path / "dust.fits").exists()


def test_known_size_and_checksum(dust, mimics, tmp_path):
    right = "md5:" + hashlib.md5(mimics["dust"]).hexdigest()
    size = len(mimics["dust"])
    path = fetch(dust("good", checksum=right, size=size), tmp_path, progress=False)
    assert not Path(f"{path}.json").exists(), "a known checksum needs no record"
    assert "in place of" in refusal(dust("good", size=size - 1), tmp_path / "b")
    wrong = "md5:" + "0" * 32
    assert "another checksum" in refusal(dust("good", checksum=wrong), tmp_path / "c")
    assert not (tmp_path / "c" / "dust.fits").exists()


def test_offline(dust, tmp_path):
    with socket.socket() as taken:  # and nobody listens
        taken.bind(("127.0.0.1", 0))
        product = dust(urls=[f"http://127.0.0.1:{taken.getsockname()[1]}/dust.fits"])
        text = refusal(product, tmp_path)
    assert "no connection" in text and "by hand" in text and "embedded sky" in text


def test_no_known_address(tmp_path):
    product = products("ghosh-2024")[-1]
    text = refusal(product, tmp_path)
    assert "no direct address" in text and product.page in text and product.file in text


def test_first_checksum_is_recorded_then_enforced(dust, server, mimics, tmp_path, caplog):
    product = dust("good")
    with caplog.at_level(logging.WARNING):
        path = fetch(product, tmp_path, progress=False)
    record = json.loads(Path(f"{path}.json").read_text("utf-8"))
    assert record["sha256"] == hashlib.sha256(mimics["dust"]).hexdigest()
    assert "later reads are checked" in caplog.text

    changed = bytearray(mimics["dust"])
    changed[-3000] ^= 1
    path.write_bytes(changed)
    assert "changed or is damaged" in refusal(product, tmp_path)

    path.unlink()
    server.files["dust.fits"] = bytes(changed)
    text = refusal(product, tmp_path)
    assert "another checksum" in text and "dust.fits.json" in text
    Path(f"{path}.json").unlink()
    assert fetch(product, tmp_path, progress=False).read_bytes() == changed


def test_file_saved_by_hand(dust, mimics, tmp_path):
    product = dust()
    (tmp_path / product.file).write_bytes(b"<html>not found</html>")
    assert "no FITS file" in refusal(product, tmp_path)
    (tmp_path / product.file).write_bytes(mimics["dust"])
    verify(product, fetch(product, tmp_path, progress=False))


def test_folder_that_cannot_be_written(dust, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    assert "Cannot write" in refusal(dust("good"), tmp_path / "file" / "folder")


def test_registry_is_complete():
    for target in tomllib.loads(fetch_module.REGISTRY.read_text("utf-8"))["targets"]:
        chosen = products(target)
        assert {"DUST", "N_HI"} < {name for product in chosen for name in product.columns}
        for product in chosen:
            assert product.confirmed and product.unconfirmed and product.citation
            assert all(url.startswith("https://") for url in product.urls)
    with pytest.raises(CoganError, match="planck-type2"):
        products("type9")


# --- preparing ------------------------------------------------------------------------------------


@pytest.fixture
def folder(mimics, tmp_path):
    """A folder that holds the mimics under the real names."""
    for product in products():
        (tmp_path / product.file).write_bytes(mimics[product.role])
    return tmp_path


@pytest.fixture
def no_checksum(monkeypatch, tmp_path_factory):
    """The real registry without the dust map's checksum, which a mimic cannot have."""
    text = fetch_module.REGISTRY.read_text("utf-8")
    dust = next(product for product in products() if product.role == "dust")
    changed = tmp_path_factory.mktemp("registry") / "registry.toml"
    changed.write_text(text.replace(dust.checksum, ""), "utf-8")
    monkeypatch.setattr(fetch_module, "REGISTRY", changed)


def expected(name: str, fwhm_in: float, nside: int) -> np.ndarray:
    beam = hp.gauss_beam(np.radians(np.sqrt(FWHM**2 - fwhm_in**2) / 60), lmax=LMAX)
    return hp.alm2map(hp.almxfl(SIGNALS[name], beam), nside, lmax=LMAX)


@pytest.mark.parametrize("nside", [16, 32])
def test_prepare_sky(folder, no_checksum, nside, tmp_path):
    sky = prepare_sky(folder, nside, FWHM, progress=False)
    assert sky.nside == nside and sky.fwhm_arcmin == FWHM
    assert list(sky.maps) == ["DUST", "N_HI", "W_CO10", "W_CO21", "W_CO10_ERR", "W_CO21_ERR"]
    assert sky.units["DUST"] == "MJy/sr" and sky.units["W_CO21_ERR"] == "K km/s"
    for name, own in {"DUST": 5.0, "N_HI": 16.2, "W_CO10": 15.0, "W_CO21": 15.0}.items():
        assert sky.maps[name].dtype == np.float32
        truth = expected(name, own, nside)
        structure = np.std(sky.maps[name] - truth) / np.std(truth)
        assert structure < 0.01, name
        assert np.mean(sky.maps[name]) == pytest.approx(np.mean(truth), rel=1e-3), "flux"
    assert sky.maps["W_CO10_ERR"] == pytest.approx(0.4 * 15 / FWHM, rel=1e-3)
    assert sky.meta["hifile"] == "NHI_HPX.fits" and len(sky.meta["cosha"]) == 64

    again = read_sky(write_sky(tmp_path / "sky.fits", sky))
    assert again.units == sky.units and again.meta["dustsha"] == sky.meta["dustsha"]


def test_rows_out_of_order(tmp_path):
    product = products()[1]
    (tmp_path / "hi.fits").write_bytes(hi_file(shuffled=True))
    values = read_column(tmp_path / "hi.fits", product, "N_HI", product.columns["N_HI"])
    assert np.array_equal(values, signal("N_HI"))


def test_columns_under_other_names(folder, no_checksum):
    co = folder / products()[-1].file
    co.write_bytes(co_file(I10="CARBON", E10="SPREAD"))
    with pytest.raises(CoganError, match="no column I10 .* it has CARBON, SPREAD, N10"):
        prepare_sky(folder, 16, FWHM, progress=False)
    names = {"W_CO10": "CARBON", "W_CO10_ERR": "SPREAD"}
    sky = prepare_sky(folder, 16, FWHM, columns=names, progress=False)
    assert np.mean(sky.maps["W_CO10"]) == pytest.approx(8.0, rel=1e-3)
    with pytest.raises(CoganError, match="columns names W_13CO"):
        prepare_sky(folder, 16, FWHM, columns={"W_13CO": "I10"}, progress=False)


def test_ghosh_target(folder, no_checksum):
    for product in products("ghosh-2024")[2:]:
        line = next(iter(product.columns))
        data = table({"ANY": signal(line)}, {"ANY": "K km s-1"}, ORDERING="RING", COORDSYS="G")
        (folder / product.file).write_bytes(data)
    sky = prepare_sky(folder, 16, FWHM, target="ghosh-2024", progress=False)
    assert list(sky.maps) == ["DUST", "N_HI", "W_CO10", "W_CO21"]
    assert sky.maps["W_CO21"] == pytest.approx(expected("W_CO21", 10.0, 16), rel=0.02)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((100, FWHM), "power of two"),
        ((32, 60.0), "finer pixels"),
        ((2048, 5.0), "16.2|15"),
        ((32, float("nan")), "finer pixels"),
    ],
)
def test_impossible_grids_are_refused_before_any_download(tmp_path, arguments, words):
    with pytest.raises(CoganError, match=words):
        prepare_sky(tmp_path / "none", *arguments, progress=False)
    assert not (tmp_path / "none").exists()


def test_another_quantity_is_refused(folder, no_checksum):
    dust = folder / products()[0].file
    header = {"ORDERING": "RING", "COORDSYS": "G"}
    dust.write_bytes(table({"I": signal("DUST")}, {"I": "K_CMB"}, **header))
    with pytest.raises(CoganError, match="K_CMB.*MJy/sr"):
        prepare_sky(folder, 16, FWHM, progress=False)


def test_error_of_smoothed_white_noise():
    """Against simulations: noise white on the sky, its level varying by a factor of three, seen
    through a beam and then smoothed."""
    nside, fwhm_in, fwhm_out, trials = 32, 400.0, 700.0, 200
    generator = np.random.default_rng(5)
    theta, phi = hp.pix2ang(nside, np.arange(12 * nside**2))
    level = 2 + np.cos(theta) * np.cos(phi)
    seen, smoothed = [], []
    for _ in range(trials):
        alm = hp.map2alm(level * generator.normal(size=level.size), lmax=2 * nside, iter=0)
        for fwhm, maps in ((fwhm_in, seen), (fwhm_out, smoothed)):
            beam = hp.gauss_beam(np.radians(fwhm / 60), lmax=2 * nside)
            maps.append(hp.alm2map(hp.almxfl(alm, beam), nside))
    found = smooth_error(np.std(seen, axis=0), nside, fwhm_in, fwhm_out)
    truth = np.std(smoothed, axis=0)
    assert np.mean(found / truth) == pytest.approx(1, abs=0.02)
    bright, faint = level > 2.7, level < 1.3
    for part in (bright, faint):
        assert np.mean(found[part]) == pytest.approx(np.mean(truth[part]), rel=0.05)


def test_fetch_all_from_local_mirrors(server, mimics, no_checksum, tmp_path):
    """The registry's own road, with its addresses turned to the local server."""
    text = fetch_module.REGISTRY.read_text("utf-8")
    for product in products():
        server.files[product.file] = mimics[product.role]
        text = text.replace(product.urls[0], server.url("good", product.file))
    fetch_module.REGISTRY.write_text(text, "utf-8")
    paths = fetch_all(tmp_path, progress=False)
    assert {path.name for path in paths.values()} == set(server.files)
