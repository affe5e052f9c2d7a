"""Files and words from strangers: refused before memory is spent, and never run."""

import ast
import json
import os
import pickle
import re
import shutil
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from papermill.translators import PythonTranslator

from cogan_lib import road
from cogan_lib.base import files, session
from cogan_lib.base.config import Settings, load_profile
from cogan_lib.base.files import CoganError, read_json, sha256, write_json
from cogan_lib.gan import pretrained
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.sky.skyfile import Sky, read_map, read_sky, write_sky
from cogan_lib.tiles.patches import Patches
from tests.forks import run
from tests.toys import file_size_limit

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = sorted(pretrained.WEIGHTS.glob("*/cycle-gan"))[-1]
NSIDE = 8
UNITS = {"DUST": "MJy/sr", "W_CO21": "K km/s"}


def refusal(read, *arguments, most=20e6) -> str:
    """The sentence with which a reader refuses, having taken little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(CoganError) as caught:
            read(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    assert peak < most, f"{peak / 1e6:.0f} MB were taken before the refusal"
    return text


class Evil:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.fixture(autouse=True)
def nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "executed").exists()


# --- weights --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A copy of a checkpoint to spoil."""
    shutil.copytree(WEIGHTS, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def change(folder: Path, **entries) -> None:
    content = read_json(folder / "checkpoint.json")
    (folder / "checkpoint.json").write_text(json.dumps(content | entries), "utf-8")


def put_weights(folder: Path, data: bytes) -> Path:
    """Give the folder other weights, with a checksum that fits them."""
    path = folder / "generator_ab.safetensors"
    path.write_bytes(data)
    sums = read_json(folder / "checkpoint.json")["weights_sha256"]
    change(folder, weights_sha256=sums | {"generator_ab": sha256(path)})
    return path


def test_a_pickle_as_weights_is_not_run(folder):
    """Under the name of weights, with the right checksum; torch's zip format as well."""
    import torch

    put_weights(folder, pickle.dumps(Evil()))
    assert "is damaged" in refusal(load_checkpoint, folder)
    torch.save(Evil(), "evil.pt")
    put_weights(folder, Path("evil.pt").read_bytes())
    assert "is damaged" in refusal(load_checkpoint, folder)
    (folder / "checkpoint.json").write_bytes(pickle.dumps(Evil()))
    assert "damaged or no JSON file" in refusal(load_checkpoint, folder)
    assert pickle.loads(pickle.dumps(Evil())) is None and Path("executed").exists()  # it is evil
    Path("executed").unlink()


def tensors(**entries) -> bytes:
    """A safetensors file with this header and no numbers."""
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header


FLOAT = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        (1 << 62).to_bytes(8, "little") + b"{}",
        tensors(w=FLOAT | {"shape": [1 << 40], "data_offsets": [0, 1 << 42]}),
        tensors(w=FLOAT) + bytes(8),
        tensors(**{"../../../first.1.weight": FLOAT}) + bytes(8),
        b"PK\x03\x04" + bytes(400),
    ],
    ids=["empty", "long header", "huge", "another network", "../", "zip"],
)
def test_broken_weights_are_refused(folder, data):
    put_weights(folder, data)
    assert str(folder) in refusal(load_checkpoint, folder)


def test_weights_that_are_no_numbers_are_refused(folder):
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "generator_ab.safetensors")
    next(iter(weights.values())).view(-1)[0] = torch.nan
    save_file(weights, "nan.safetensors")
    put_weights(folder, Path("nan.safetensors").read_bytes())
    assert "NaN or infinite weights" in refusal(load_checkpoint, folder)


NETWORK = read_json(WEIGHTS / "checkpoint.json")["network"]
META = read_json(WEIGHTS / "checkpoint.json")
SCALING = META["scalings"]["DUST"]


@pytest.mark.parametrize(
    "entries",
    [
        {"network": NETWORK | {"features": 10**9}},
        {"network": NETWORK | {"features": 1024}},
        {"network": NETWORK | {"blocks": 10**9}},
        {"network": NETWORK | {"features": "16"}},
        {"network": NETWORK | {"noise": [1.0] * 1000}},
        {"network": {"__class__": "os.system"}},
        {"network": None},
        {"input_columns": ["DUST"] * 3},
        {"input_columns": "DUST"},
        {"target_columns": ["../../../etc/passwd"]},
        {"scalings": {}},
        {"scalings": META["scalings"] | {"DUST": SCALING | {"std": "x"}}},
        {"scalings": META["scalings"] | {"DUST": SCALING | {"kind": "eval"}}},
        {"geometry": {"npix": 1 << 40, "pixel_arcmin": 1e-9, "projection": "ZEA"}},
        {"geometry": META["geometry"] | {"shell": "rm"}},
        {"fwhm_arcmin": -20.0},
        {"fwhm_arcmin": "20"},
        {"weights_sha256": {"generator_ab": "../../x", "generator_ba": ""}},
        {"weights_sha256": []},
        {"format": "1; rm -rf /"},
    ],
    ids=lambda entries: json.dumps(entries)[:60],
)
def test_absurd_checkpoints_are_refused(folder, entries):
    change(folder, **entries)
    refusal(load_checkpoint, folder)


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": NaN}', "NaN is no finite number"),
        ('{"a": [1, -Infinity]}', "-Infinity is no finite number"),
        ('{"a": 1e999}', "1e999 is no finite number"),
        ("[" * 100_000, "damaged or no JSON file"),
        ('{"a":' * 100_000, "damaged or no JSON file"),
        ('{"a": ' + "9" * 5000 + "}", "damaged or no JSON file"),
        ("[1, 2]", "it holds no JSON object"),
        ("", "damaged or no JSON file"),
        ('{"a": 1', "damaged or no JSON file"),
        ("<html>quota exceeded</html>", "damaged or no JSON file"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_none_is_refused(text, words):
    Path("report.json").write_text(text, "utf-8")
    assert words in refusal(read_json, "report.json")
    assert "report.json" in refusal(session.add_to_report, ".", "x", {})


# --- arrays ---------------------------------------------------------------------------------------


def npz(path: Path, compression=zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", compression) as whole:
        for name, data in members.items():
            whole.writestr(f"{name}.npy", data)
    return path


def npy(description: str, data: bytes = b"") -> bytes:
    header = description.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


FLOATS = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(FLOATS.format((10**6, 10**6))), "not as many numbers as it says"),
        (npy(FLOATS.format((1 << 62, 4))), "not as many numbers as it says"),
        (npy(FLOATS.format((-1,))), "damaged"),
        (npy(FLOATS.format("__import__('pathlib').Path('executed').touch()")), "damaged"),
        (npy(FLOATS.format((10,) * 100)), "damaged"),
        (npy(FLOATS.replace("<f4", "|O").format((1,)), pickle.dumps([Evil()])), "holds objects"),
        (npy(FLOATS.replace("<f4", "<U99999999").format((9,))), "not as many numbers"),
        (pickle.dumps(Evil()), "damaged"),
        (b"", "damaged"),
    ],
)
def test_absurd_arrays_are_refused(data, words, tmp_path):
    path = npz(tmp_path / "patches.npz", inputs=data, targets=data)
    assert words in refusal(Patches.load, path)


def test_archives_and_bombs_are_refused(tmp_path):
    """Forty gigabytes of zeros in a few kilobytes; a path that climbs; a pickle as the file."""
    path = tmp_path / "patches.npz"
    zeros = npy(FLOATS.format((1 << 22,)), bytes(1 << 24))
    npz(path, zipfile.ZIP_DEFLATED, inputs=zeros, targets=zeros)
    assert path.stat().st_size < 1 << 16
    assert "is compressed" in refusal(Patches.load, path)
    npz(path, **{"../../inputs": zeros})
    assert "damaged" in refusal(Patches.load, path)
    assert not (tmp_path.parent.parent / "inputs.npy").exists()
    path.write_bytes(pickle.dumps(Evil()))
    assert "damaged" in refusal(Patches.load, path)
    for name in ("sky.fits", "sky.fits.zip"):
        npz(tmp_path / name, sky=zeros)
        assert "no FITS file" in refusal(read_sky, tmp_path / name)


# --- FITS -----------------------------------------------------------------------------------------


def sky_file(path: Path) -> Path:
    values = np.linspace(1, 2, 12 * NSIDE**2, dtype=np.float32)
    return write_sky(path, Sky(dict.fromkeys(UNITS, values), UNITS, 600.0))


def card(path: Path, key: str, value: object) -> None:
    """Overwrite a card of the table's header, or put it over the comment-like OBJECT card."""
    data = bytearray(path.read_bytes())
    at = data.find(f"{key:8}=".encode(), 2880 if key != "SIMPLE" else 0)
    at = data.find(b"OBJECT  =") if at < 0 else at
    data[at : at + 80] = f"{key:8}= {value!s:>20}".encode().ljust(80)[:80]
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NAXIS", 999),
        ("NAXIS", 999999999999),
        ("NAXIS", -1),
        ("NAXIS1", 2147483647),
        ("NAXIS1", 0),
        ("NAXIS2", 99999999999999999),
        ("NAXIS2", -768),
        ("NAXIS2", 1.5),
        ("NAXIS2", "T"),
        ("BITPIX", 7),
        ("BITPIX", -8),
        ("PCOUNT", 99999999999999),
        ("PCOUNT", -99),
        ("GCOUNT", 99999999999999),
        ("TFIELDS", 999999999),
        ("TFIELDS", 3),
        ("TFIELDS", 0),
        ("TFORM1", "'9999999E'"),
        ("TFORM1", "'1PE(999)'"),
        ("TFORM1", "'4A      '"),
        ("TFORM1", "'Z       '"),
        ("TFORM2", "'        '"),
        ("TTYPE2", "'DUST    '"),
        ("TTYPE1", "'../../x '"),
        ("XTENSION", "'TABLE   '"),
        ("XTENSION", "'FOREIGN '"),
        ("NSIDE", 1 << 40),
        ("NSIDE", 8.5),
        ("NSIDE", "NAN"),
        ("TDIM1", "'(99999,99999)'"),
        ("THEAP", -5),
    ],
)
def test_absurd_headers_are_refused(tmp_path, key, value):
    path = sky_file(tmp_path / "sky.fits")
    card(path, key, value)
    try:
        sky = read_sky(path)
    except CoganError:
        assert str(path) in refusal(read_sky, path)
    else:  # names and heaps that nobody reads
        assert key in ("TTYPE1", "THEAP", "TDIM1") and "W_CO21" in sky.maps


def test_a_header_without_end_and_a_thousand_parts(tmp_path):
    path = tmp_path / "sky.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + b"COMMENT ".ljust(80) * 100_000)
    assert "is damaged" in refusal(read_sky, path)
    empty = fits.ImageHDU(name="X")
    fits.HDUList([fits.PrimaryHDU(), *[empty] * 200]).writeto(path, overwrite=True)
    assert "more than 99 parts" in refusal(read_sky, path)


def test_a_packed_file_that_would_fill_memory(tmp_path):
    """Eighty megabytes of zeros, packed to eighty kilobytes."""
    import gzip

    path = tmp_path / "sky.fits.gz"
    header = fits.PrimaryHDU(np.zeros(1, np.float64)).header
    header["NAXIS1"] = 10 << 20
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(header.tostring().encode())
        for _ in range(80):
            stream.write(bytes(1 << 20))
    assert "its headers say" in refusal(read_map, path)


def test_a_compressed_image_is_not_unpacked(tmp_path):
    image = fits.CompImageHDU(np.zeros((64, 64), np.float32))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits")
    text = refusal(read_map, tmp_path / "a.fits")
    assert "holds no real numbers" in text


# --- words ----------------------------------------------------------------------------------------

NASTY = [
    "runs/x; touch executed",
    "runs/$(touch executed)",
    "runs/`touch executed`",
    "runs/'; import os; os.system('touch executed') #",
    'runs/"""+__import__("os").system("touch executed")+"""',
    "runs/{seed}{0.__class__}",
    "runs/%s%n",
    "runs/a b&c|d>e",
    "runs/\\",
    "runs/${HOME}",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_are_names(name, tmp_path, monkeypatch):
    """A run folder of that name is made, and papermill writes a literal that Python reads back."""
    monkeypatch.setattr(session, "_show_log", lambda: None)
    settings = Settings.check(run_dir=name, sky_path=name, device="cpu", threads=1)
    assert session.start(settings) == Path(name) and (tmp_path / name).is_dir()
    write_json(Path(name) / "report.json", {"name": name})
    assert read_json(Path(name) / "report.json") == {"name": name}
    with pytest.raises(CoganError, match="There is no file"):
        read_sky(name + "/sky.fits")

    source = PythonTranslator.codify({"run_dir": name, "seed": 1})
    values = {a.targets[0].id: ast.literal_eval(a.value) for a in ast.parse(source).body}
    assert values == {"run_dir": name, "seed": 1}
    chapter = load_notebook_node(str(sorted((ROOT / "book").glob("01-*.ipynb"))[0]))
    cells = parameterize_notebook(chapter, {"run_dir": name}).cells
    (made,) = [c.source for c in cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert ast.literal_eval(ast.parse(made).body[0].value) == name


@pytest.mark.parametrize("name", ["himmel_größe.fits", "天空.fits", "ciel d'été 100%.fits"])
def test_a_sky_of_any_name_is_taken(name, tmp_path):
    """Its name stands in the header of the run's sky, and comes back."""
    values = np.linspace(1, 2, 12 * 64**2, dtype=np.float32)
    write_sky(tmp_path / name, Sky(dict.fromkeys(UNITS, values), UNITS, 90.0))
    path = road.sky_file(Settings.check(sky_path=name, run_dir="run ü", device="cpu", threads=1))
    assert read_sky(path).meta["source"] == name


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x1b[2J", "\ud800", "a" * 5000])
def test_names_that_no_file_can_have(name):
    with pytest.raises(CoganError, match="run_dir"):
        Settings.check(run_dir=name)
    with pytest.raises(CoganError, match="sky_path"):
        Settings.check(sky_path=name)


def test_a_profile_is_data(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("run_dir: !!python/object/apply:os.system ['touch executed']", "utf-8")
    assert "not readable as YAML" in refusal(load_profile, path)
    bomb = [f"&a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path.write_text(f"seed: [&a0 [x,x,x,x,x,x,x,x,x], {', '.join(bomb)}]", "utf-8")
    assert "seed" in refusal(load_profile, path)
    path.write_text("[" * 600, "utf-8")
    text = refusal(load_profile, path)
    assert "evil.yaml" in text and "recursion" in text


def test_nothing_in_the_library_runs_text():
    """No eval, exec, shell or unpickling; subprocess gets lists."""
    risky = re.compile(
        r"(?<!\.)\b(eval|exec|__import__|import_module|compile)\("
        r"|shell=True|os\.(system|popen)|pickle\.load|yaml\.load\(|allow_pickle=True"
    )
    for path in [*(ROOT / "cogan_lib").rglob("*.py"), *(ROOT / "ci").glob("*.py")]:
        found = [line for line in path.read_text("utf-8").splitlines() if risky.search(line)]
        assert not found, f"{path.name}: {found}"
        loads = re.findall(r"torch\.load\(.*", path.read_text("utf-8"))
        assert all("weights_only=True" in call for call in loads)
    assert files.git_commit()


# --- whole files or none --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sky.fits", "co.fits"])
def test_a_sky_cut_anywhere_is_refused_by_name(tmp_path, name):
    path = sky_file(tmp_path / name)
    whole = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        text = refusal(read_sky, path)
        assert str(path) in text and "is damaged" in text and "make it again" in text
    path.write_bytes(whole[:-1])
    assert str(path) in refusal(read_sky, path)


@pytest.mark.parametrize(("name", "limit"), [("sky.fits", 1_000), ("co.fits", 100_000)])
def test_a_full_disk_leaves_the_old_sky(tmp_path, name, limit):
    """A limit on the size of files stands for the full disk: it strikes in the middle of one."""
    path = sky_file(tmp_path / name)
    before = path.read_bytes()
    with file_size_limit(limit), pytest.raises(CoganError) as refusal:
        write_sky(path, large_sky())
    text = str(refusal.value)
    assert text.startswith("Cannot write") and str(path) in text and "Make room" in text
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]


def large_sky() -> Sky:
    return Sky({"DUST": np.full(12 * 64**2, 7, np.float32)}, {"DUST": "MJy/sr"}, 90.0)


def test_a_sky_that_may_not_be_read():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        path = sky_file(Path(folder) / "sky.fits")
        path.chmod(0)
        uid = os.geteuid()
        try:
            os.seteuid(65534 if uid == 0 else uid)  # to root everything is permitted
            assert "may not read" in refusal(read_sky, path)
            with pytest.raises(CoganError, match="Cannot write"):
                sky_file(Path("/") / "sky.fits")
        finally:
            os.seteuid(uid)


def write_large_sky(folder: Path, _: int) -> None:
    write_sky(folder / "sky.fits", large_sky())


@pytest.mark.parametrize("moment", [("touch", 1), ("half", 1), ("touch", 2)])
def test_a_writer_that_is_stopped_leaves_the_old_sky(tmp_path, moment):
    """SIGKILL while a sky is being written: the old one is whole, and the next writer succeeds."""
    path = sky_file(tmp_path / "run" / "sky.fits")
    before = path.read_bytes()
    assert not run(write_large_sky, path.parent, moment)
    assert path.read_bytes() == before
    assert run(write_large_sky, path.parent) and path.read_bytes() != before
