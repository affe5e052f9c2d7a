"""What the GPU run measures and trains, one function a part; `run.py` calls them in order of value.

Each takes the `Run` and returns plain numbers. Parts that need files take them from `run.work`;
`prepare.py` makes the large ones on the CPUs while the first parts use the card.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import healpy as hp
import numpy as np
import torch
from steps import device_name, machine, preset_settings, step_rows
from torch.nn import functional

from cogan_lib import synthesis
from cogan_lib.base.files import CoganError, read_json
from cogan_lib.base.threads import default_threads
from cogan_lib.beyond.member_training import flow_network
from cogan_lib.gan import generate as gan_generate
from cogan_lib.gan.checkpoint import load_checkpoint
from cogan_lib.gan.epoch_check import best_of
from cogan_lib.gan.flow_training import FlowPlan, train_flow
from cogan_lib.gan.training import train
from cogan_lib.sky import read_sky, write_sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches

HERE = Path(__file__).resolve().parent
#: Steps per second of an H100: of `paper_part` and, where several trainings share the card, of the
#: Cycle-GAN of `real_part`, by the stored gpu.json; of a flow (32 tiles a step) by its checkpoint.
PACE = {"paper": 7.0, "cogan": 16.7, "cycle-gan": 22.4, "fold-1": 21.0}
FLOW_TILES = 32


@dataclass
class Run:
    """One call of run.py: its folders and its clock."""

    pack: Path
    work: Path
    results: Path
    tiny: bool
    left: Callable[[], float]
    log: Callable[[str], None]

    @property
    def device(self) -> str:
        """'cuda', or 'cpu' in a dry run."""
        return "cuda" if torch.cuda.is_available() else "cpu"

    def prepared(self, name: str, wait: float) -> Path:
        """A file of prepare.py's, which may still be at work on it: waited for so many seconds."""
        path, end = self.work / name, time.monotonic() + wait
        while not path.exists():
            if time.monotonic() > end or (self.work / f"{name}.failed").exists():
                raise CoganError(f"{name} is not there after {wait:.0f} s; see prepare.log.")
            time.sleep(0.5)
        return path


def machine_part(run: Run) -> dict:
    """(a) What the card can do at best."""
    return machine(run.device, run.tiny)


def steps_part(run: Run, compiled: bool = False) -> dict:
    """(b) Tiles a second of a training step; only the shape of the tiles matters here."""
    peaks = machine(run.device, run.tiny)["peaks_flops"]
    patches = Patches.load(run.prepared("real.npz", 120))
    batch, rows = 2 if run.tiny else 32, []
    a, b = (torch.from_numpy(x)[:batch] for x in patches.scaled("train"))
    for preset, lines, side in (("paper", 2, 128), ("cogan", 1, 64)):
        side = 32 if run.tiny else side
        tiles = [
            functional.interpolate(x, (side, side)) for x in (a, b[:, :1].repeat(1, lines, 1, 1))
        ]
        settings = replace(
            preset_settings(preset, a.shape[1], lines, batch, run.tiny),
            device=run.device,
        )
        rows += step_rows(preset, settings, *tiles, peaks, run.tiny, compiled)
    return {"rows": rows}


def compiled_part(run: Run) -> dict:
    """(b) once more, after torch.compile, which takes its time (and gains nothing on a CPU)."""
    return {"rows": []} if run.device == "cpu" else steps_part(run, compiled=True)


def paper_part(run: Run, asked: float = 170.0) -> dict:
    """(c) The paper's preset on tiles of 128 pixels of 1.5 arcmin, and ours beside it."""
    patches = Patches.load(run.prepared("sky-2048.npz", run.left() - 120))
    found = {
        "tiles": {
            name: int((patches.split == i).sum())
            for i, name in enumerate(("train", "validation", "test"))
        }
    }
    budget = 0.5 if run.tiny else max(30.0, min(asked, run.left() - 150))
    for preset, seconds in (("paper", budget), ("cogan", budget / 8)):
        found[preset] = train_for(run, patches, preset, seconds, f"2048-{preset}")
    return found


def steps_in(seconds: float, pace: float) -> int:
    """The steps that an H100 takes in so long, less a tenth: the learning rate follows them."""
    return max(1, int(0.9 * seconds * pace))


def train_for(run: Run, patches: Patches, preset: str, seconds: float, name: str) -> dict:
    """Train a preset for so long; the numbers of its log, and the checkpoint in ``work/name``."""
    n_inputs, n_targets = patches.inputs.shape[1], patches.targets.shape[1]
    batch = min(4 if run.tiny else 32, int((patches.split == 0).sum()))
    settings = replace(
        preset_settings(preset, n_inputs, n_targets, batch, run.tiny),
        device=run.device,
        max_steps=steps_in(seconds, PACE[preset]),
        max_minutes=seconds / 60,
        precision="bf16-mixed" if run.device == "cuda" else "32-true",
    )
    start = time.monotonic()
    if run.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    result = train(patches, settings, run.work / name)
    return {
        **summary(result.history),
        "batch": batch,
        "precision": settings.precision,
        "wall_seconds": time.monotonic() - start,
        "gpu_peak_bytes": torch.cuda.max_memory_allocated() if run.device == "cuda" else None,
    }


def summary(history: list[dict]) -> dict:
    """The best epoch, the whole log thinned to a hundred lines, and the speed."""
    last = history[-1]
    thinned = history[:: max(1, len(history) // 100)]
    return {
        "best": best_of(history),
        "epochs": len(history),
        "steps": last["steps"],
        "seconds": last["seconds"],
        "steps_per_second": last["steps"] / last["seconds"],
        "history": thinned,
    }


def synthesis_part(run: Run) -> dict:
    """(d) The full sky at the finest grid with both presets: seconds from file to file, memory."""
    import resource

    source, found, looks = run.prepared("sky-2048.fits", 5), {}, {}
    for preset in ("cogan", "paper"):
        folder = run.work / f"2048-{preset}" / "checkpoint"
        if not folder.exists():
            found[preset] = "no checkpoint: its training did not run"
            continue
        if run.left() < 45 and not run.tiny:
            found[preset] = "no time left"
            continue
        trained, clock = load_checkpoint(folder), {"generator": 0.0}
        trained.generator.to(run.device)
        translate = gan_generate.translate

        def timed(*arguments, translate=translate, clock=clock):
            start = time.monotonic()
            try:
                return translate(*arguments)
            finally:
                clock["generator"] += time.monotonic() - start

        if run.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.monotonic()
        gan_generate.translate = timed
        try:
            sky = read_sky(source)
            read = time.monotonic() - start
            co = synthesis.synthesise(sky, trained, nthreads=default_threads(), progress=False)
        finally:
            gan_generate.translate = translate
        made = time.monotonic() - start
        write_sky(run.work / f"co-{preset}.fits", co)
        wall = time.monotonic() - start
        for name, values in co.maps.items():
            looks[f"{preset}_{name}"] = coarse(values)
            looks[f"real_{name}"] = coarse(sky.maps[name])
        np.savez_compressed(run.results / "skies.npz", **looks)
        _, joiner = synthesis.synthesis_grid(
            synthesis.Geometry(**trained.meta["geometry"]), sky.nside
        )
        found[preset] = {
            "nside": sky.nside,
            "tiles": len(joiner.centres),
            "npix": joiner.geometry.npix,
            "seconds": wall,
            "read_seconds": read,
            "write_seconds": wall - made,
            "generator_seconds": clock["generator"],
            "share_in_generator": clock["generator"] / wall,
            "threads": default_threads(),
            "gpu_peak_bytes": torch.cuda.max_memory_allocated() if run.device == "cuda" else None,
            "host_peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "finite": bool(all(np.isfinite(m).all() for m in co.maps.values())),
            "mean": {name: float(m.mean(dtype=np.float64)) for name, m in co.maps.items()},
            "real_mean": {name: float(sky.maps[name].mean(dtype=np.float64)) for name in co.maps},
        }
        run.log(
            f"  {preset}: {wall:.1f} s, {found[preset]['share_in_generator']:.0%} in the generator"
        )
    return found


def coarse(values: np.ndarray) -> np.ndarray:
    """A map of NSIDE 256 or less, in half precision: to look at, here and where it returns."""
    return hp.ud_grade(values, min(256, hp.npix2nside(values.size))).astype(np.float16)


def real_part(run: Run, asked: float = 100.0) -> dict:
    """(e) The cogan preset and a generator of members on the real sky, side by side."""
    for name in ("real.npz", "members.npz"):
        run.prepared(name, 240)
    seconds = 0.5 if run.tiny else max(30.0, min(asked, run.left() - 20))
    names = ["cycle-gan", "fold-1"]
    command = [sys.executable, str(HERE / "parts.py"), str(run.work), f"{seconds}"]
    command += ["tiny"] if run.tiny else []
    started = [subprocess.Popen([*command, name], stdout=subprocess.DEVNULL) for name in names]
    end = time.monotonic() + seconds + 90
    try:
        for process in started:
            process.wait(max(1.0, end - time.monotonic()))
    finally:
        for process in started:
            process.kill()
    with tarfile.open(run.results / "real.tar", "w") as archive:
        for name in names:
            for path in sorted((run.work / name).glob("checkpoint*/*")):
                archive.add(path, f"{name}/{path.name}")
            log = run.work / name / "training_log.csv"
            if log.exists():  # a flow's is in its checkpoint
                archive.add(log, f"{name}/training_log.csv")
    return {name: read_json(run.work / name / "summary.json") for name in names}


def train_real(work: Path, seconds: float, name: str, tiny: bool) -> None:
    """One of the trainings of `real_part`, in a process of its own."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limit = {"max_steps": steps_in(seconds, PACE[name]), "max_minutes": seconds / 60}
    if name == "fold-1":
        found = train_members(Patches.load(work / "members.npz"), work / name, device, tiny, limit)
    else:
        patches = Patches.load(work / "real.npz")
        channels, batch = (patches.inputs.shape[1], patches.targets.shape[1]), 8 if tiny else 16
        settings = preset_settings("cogan", *channels, batch, tiny)
        settings = replace(settings, seed=1, device=device, **limit)
        found = summary(train(patches, settings, work / name).history)
    (work / name / "summary.json").write_text(json.dumps(found), "utf-8")


def train_members(patches: Patches, folder: Path, device: str, tiny: bool, limit: dict) -> dict:
    """The road's generator of members; its last row of the log."""
    meta = patches.meta
    network = flow_network(
        Geometry(**meta["geometry"]), meta["fwhm_arcmin"], len(meta["target_columns"])
    )
    if tiny:
        network = replace(network, features=4, blocks=1)
    minutes = limit["max_minutes"]
    plan = FlowPlan(limit["max_steps"], 8 if tiny else FLOW_TILES, 1, device, minutes)
    made = train_flow(patches, network, plan, folder / "checkpoint", fold=1)
    return load_checkpoint(made).metrics


def processes_part(run: Run) -> dict:
    """(g) The losses of one process on the card against those of two on the CPUs."""
    profile = ["-m", "cogan_lib", "train", "--profile", "smoke", "-p", "max_steps", "50"]
    profile += ["-p", "threads", "2"]
    environment = os.environ | {"NVIDIA_TF32_OVERRIDE": "0"}
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    runs = {
        "one": [sys.executable, *profile, "-p", "device", run.device],
        "two": [*launched, "2", *profile, "-p", "device", "cpu"],
    }
    losses, made = {}, ("sky.fits", "patches.npz")
    for name, command in runs.items():
        folder = run.work / f"processes-{name}"
        folder.mkdir(exist_ok=True)
        for file in made if name == "two" else ():
            shutil.copy(run.work / "processes-one" / file, folder / file)
        seconds = max(20.0, min(120.0, run.left()))
        try:
            done = subprocess.run(
                [*command, "-p", "run_dir", str(folder)],
                cwd=HERE.parents[1],
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise CoganError(f"{name}: not done within {seconds:.0f} s.") from None
        if done.returncode:
            raise CoganError(f"{name}: {done.stderr.strip()[-400:]}")
        header, row = (folder / "training_log.csv").read_text("utf-8").splitlines()[:2]
        values = dict(zip(header.split(","), row.split(","), strict=True))
        kept = ("generator", "adversarial", "cycle", "discriminator_a", "discriminator_b")
        losses[name] = {key: float(values[key]) for key in kept}
    apart = [abs(losses["one"][k] / losses["two"][k] - 1) for k in losses["one"]]
    return {"losses": losses, "largest_relative_difference": max(apart), "device": device_name()}


def main() -> None:
    """``parts.py WORK SECONDS [tiny] NAME``: one training of `real_part`."""
    work, seconds, *rest = sys.argv[1:]
    train_real(Path(work), float(seconds), rest[-1], "tiny" in rest)


if __name__ == "__main__":
    main()
