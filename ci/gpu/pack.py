"""Make the folder that a bare GPU machine needs beside the checkout: packages, a sky, checksums.

    python ci/gpu/pack.py OUT --sky path/to/sky.fits
    python ci/gpu/pack.py OUT --chapters             # for ci/gpu/chapters.py

That machine has PyTorch, NumPy, SciPy and no network. So the pack holds the packages that it lacks,
as the wheels of its Python, unpacked, without their tests and symbols; and a sky, from which its
tiles are cut there (the sky is smaller than its tiles). Checkout and pack stay below 60 MiB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # not an installed library

from cogan_lib.base.files import CoganError, git_commit, sha256, write_json
from cogan_lib.sky import Sky, read_sky
from cogan_lib.sky.embedded import make_sky

ROOT = Path(__file__).resolve().parents[2]
#: What `cogan_lib` imports and a machine for deep learning has not.
PACKAGES = (
    *("healpy", "ducc0", "astropy", "astropy-iers-data", "pyerfa", "pooch", "platformdirs"),
    *(
        "pydantic",
        "pydantic_core",
        "annotated-types",
        "typing-inspection",
        "typing_extensions",
        "lightning-fabric",
    ),
)
#: What runs a notebook and draws its figures, beside those. PySM is too large to travel: without it
#: one section of chapter 04 says that it is skipped.
OF_CHAPTERS = (
    "matplotlib", "contourpy", "cycler", "kiwisolver", "packaging", "pillow", "pyparsing",
    "python-dateutil", "six", "scikit-image", "lazy-loader", "filelock", "requests",
    "charset-normalizer", "idna", "urllib3", "certifi", "safetensors", "pyyaml", "tqdm",
    "ipykernel", "comm", "ipython", "ipython-pygments-lexers", "matplotlib-inline", "pexpect",
    "ptyprocess", "prompt-toolkit", "wcwidth", "pygments", "stack-data", "asttokens",
    "executing", "pure-eval", "traitlets", "jupyter-client", "jupyter-core", "psutil", "pyzmq",
    "tornado", "papermill", "nbclient", "nbformat", "fastjsonschema", "jsonschema",
    "jsonschema-specifications", "referencing", "rpds-py", "attrs", "click", "entrypoints",
    "tenacity", "ipywidgets",
)  # fmt: skip
#: What is left out of those: formats and fonts that no figure uses, pictures to try things on.
LEFT_OUT = ("nbextension", "avif", "sample_data", "skimage/data/", "/afm/", "/pdfcorefonts/")
PYTHON = "3.12"
#: pip takes a wheel of exactly these: all glibc versions up to that of the machine.
PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in range(5, 40)] + [
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"),
]
LIMIT_MIB = 60.0


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints what the folder holds and how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="folder to make; an older pack in it is replaced")
    parser.add_argument("--sky", type=Path, help="sky file; default: the embedded sky, NSIDE 256")
    parser.add_argument("--tiny", action="store_true", help="a toy sky and no packages: no network")
    parser.add_argument("--chapters", action="store_true", help="notebooks in place of a sky")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.chapters:
        pack_site(options.out / "site.tar.xz", (*PACKAGES, *OF_CHAPTERS))
        pack_notebooks(options.out / "colab.zip")
        return report(write_manifest(options.out))
    if options.tiny:
        sky = make_sky(64, 90.0, 1)
    else:
        sky = read_sky(options.sky) if options.sky else make_sky(256, 20.0, 1)
        pack_site(options.out / "site.tar.xz")
    pack_sky(options.out / "sky.npz", sky)
    return report(write_manifest(options.out))


def report(manifest: dict) -> int:
    """Print what there is, and how large it is."""
    for name, entry in manifest["files"].items():
        print(f"{entry['bytes'] / 2**20:8.1f} MiB  {name}")
    print(f"{manifest['checkout_mib']:8.1f} MiB  the checkout's tracked files")
    print(f"{manifest['total_mib']:8.1f} MiB  together, of at most {LIMIT_MIB:g}")
    return 0


def pack_site(path: Path, packages: tuple[str, ...] = PACKAGES) -> None:
    """Fetch the wheels that constraints.txt names for the machine's Python, and pack what is in
    them but tests, type stubs and the libraries' symbols."""
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {pin.split("==")[0].lower().replace("_", "-"): pin for pin in pins if "==" in pin}
    names = [name.replace("_", "-") for name in packages]
    if missing := [name for name in names if name not in pinned]:
        raise CoganError(f"constraints.txt does not pin {', '.join(missing)}.")
    wanted = [pinned[name] for name in names]
    with tempfile.TemporaryDirectory() as folder:
        wheels, site = Path(folder) / "wheels", Path(folder) / "site"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
        command += [word for name in PLATFORMS for word in ("--platform", name)]
        done = subprocess.run(
            [*command, "--dest", str(wheels), *wanted], capture_output=True, text=True
        )
        if done.returncode:
            raise CoganError(f"pip could not fetch the wheels: {done.stderr.strip()[-300:]}.")
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as content:
                for member in content.namelist():
                    folders = member.split("/")[:-1]
                    # astropy runs code of astropy/tests, the rest are tests
                    tests = "test" in folders or "tests" in folders[2:]
                    left = tests or any(part in member for part in LEFT_OUT)
                    stub = member.endswith(".pyi") and "skimage" not in member  # which reads them
                    if not left and not stub and not member.endswith((".pyx", ".map")):
                        content.extract(member, site)
        for library in site.rglob("*.so*"):  # a third of the bytes; without `strip` they stay
            subprocess.run(["strip", "--strip-unneeded", library], capture_output=True)
        with tarfile.open(path, "w:xz") as archive:
            archive.add(site, "site")


def pack_notebooks(path: Path) -> None:
    """The notebooks as Colab gets them."""
    sys.path.insert(0, str(ROOT / "ci"))
    from flavours import make_flavours

    with tempfile.TemporaryDirectory() as folder:
        make_flavours(ROOT / "book", Path(folder), "")
        path.write_bytes((Path(folder) / path.name).read_bytes())


def pack_sky(path: Path, sky: Sky) -> None:
    """Write a sky, compressed, with what a reader must know."""
    facts = {"units": sky.units, "fwhm_arcmin": sky.fwhm_arcmin, "origin": sky.meta.get("origin")}
    np.savez_compressed(path, facts=json.dumps(facts), **sky.maps)


def unpack_sky(path: Path) -> Sky:
    """The sky that `pack_sky` wrote."""
    with np.load(path) as content:
        facts = json.loads(str(content["facts"]))
        maps = {name: content[name] for name in facts["units"]}
    return Sky(maps, facts["units"], facts["fwhm_arcmin"], {"origin": str(facts["origin"])})


def write_manifest(out: Path) -> dict:
    """Checksums and sizes; raises `CoganError` if all together is too large to travel."""
    files = {
        path.name: {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(out.iterdir())
        if path.name != "manifest.json"
    }
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.split(b"\0")
    paths = [ROOT / name.decode() for name in tracked if name]
    checkout = sum(path.stat().st_size for path in paths if path.is_file())
    packed = sum(entry["bytes"] for entry in files.values())
    manifest = {
        "commit": git_commit(),
        "python": PYTHON,
        "files": files,
        "checkout_mib": checkout / 2**20,
        "total_mib": (checkout + packed) / 2**20,
    }
    if manifest["total_mib"] > LIMIT_MIB:
        raise CoganError(
            f"Checkout and folder are {manifest['total_mib']:.1f} MiB, but at most {LIMIT_MIB:g} "
            "travel; take a sky of a lower NSIDE."
        )
    write_json(out / "manifest.json", manifest)
    return manifest


def check_manifest(out: Path) -> dict:
    """The manifest of a folder whose files are those that were packed, or a `CoganError`."""
    try:
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CoganError(f"{out} is no pack: {error}; make one with ci/gpu/pack.py.") from None
    for name, entry in manifest["files"].items():
        if not (out / name).exists() or sha256(out / name) != entry["sha256"]:
            raise CoganError(f"{out / name} is missing or damaged; carry the folder again.")
    return manifest


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
