"""Train the networks of chapter 09 with several seeds and write the numbers that the book quotes.

    python ci/compact_sources_run.py runs/compact book/results/compact-sources/report.json \
        [--regions path/to/maps]

A network that has been trained, and a part that has been measured, is not done again unless it is
named with --again. Backgrounds and sources of the measurements are of seeds that no training has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import numpy as np
import torch

from cogan_lib.base.files import CoganError, provenance, read_json, write_json
from cogan_lib.base.threads import default_threads
from cogan_lib.companions.compact_sources import (
    engines,
    evaluation,
    gaussian,
    joint,
    losses,
    masks,
    network,
    rivals,
    training,
    truth,
)
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.io import Image, beam_px, read_image
from cogan_lib.companions.compact_sources.sources import detect
from cogan_lib.companions.compact_sources.tool import remove_sources
from cogan_lib.learn.blocks import count_parameters
from cogan_lib.learn.fit import Plan
from cogan_lib.learn.metrics import seconds_each

TEST_SEED, CUTOUTS = 10**7, 600
NOISES = {"P": 0.1, "B": 0.0}
BEAM = Beam("gaussian", truth.FWHM_PX)
#: Radius of the plain fit [FWHM]: beyond, more background comes in than source.
FIT_FWHM = 1.25
#: Real maps: width of the beam, if the header has none, and the value that stands for no data.
MAPS = {
    "L1642_Herschel_PSW250": ("18.2arcsec", 0.0),
    "gc_bolocam_gps": (None, None),
    "W5_WISE12um": ("24arcsec", None),
}
#: Epochs of a training of the ablation.
ABLATED = 3
PARTS = (
    *("blank", "sources", "widths", "standard", "texture", "kinds", "detection", "speed"),
    *("ablation", "real"),
)


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for weights")
    parser.add_argument("report", type=Path, help="JSON file to write, or to go on with")
    parser.add_argument("--epochs", type=float, default=60, help="of the masked network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--again", choices=PARTS, nargs="*", default=[])
    parser.add_argument("--regions", type=Path, help="folder of real maps")
    options = parser.parse_args(arguments)
    torch.set_num_threads(default_threads())
    report = read_json(options.report) if options.report.exists() else {}
    for part in options.again:
        report.pop(part, None)
    for seed in options.seeds:
        if str(seed) not in report.setdefault("trainings", {}):
            report["trainings"][str(seed)] = train(options, seed)
            write_json(options.report, report)
    nets = {seed: load(options, seed) for seed in options.seeds}
    measure: dict[str, Callable[[], dict]] = {
        "blank": lambda: blank(nets),
        "sources": lambda: sources(nets),
        "widths": lambda: widths(nets),
        "standard": lambda: standard(nets),
        "texture": lambda: texture(nets),
        "kinds": lambda: kinds(nets),
        "detection": detection,
        "speed": speed,
        "ablation": lambda: ablation(options),
        "real": lambda: real(nets, options.regions),
    }
    parts = [part for part in PARTS if part != "real" or options.regions]
    if not options.regions:
        print("real maps: not measured without --regions")
    for part in parts:
        if part not in report:
            report[part] = measure[part]()
            write_json(options.report, report | {"provenance": provenance(TEST_SEED)})
            print(part, report[part], flush=True)
    return 0


def train(options: argparse.Namespace, seed: int) -> dict:
    """Train both networks, or take up what was trained."""
    folders = {kind: options.folder / f"{kind}-{seed}" for kind in ("masked", "joint")}
    if not folders["masked"].exists():
        plan = Plan(options.epochs, rate=2e-3, batch=32, seed=seed)
        training.train_masked(folders["masked"], network.PRESETS["small"], plan)
    if not folders["joint"].exists():
        plan = Plan(joint.EPOCHS, rate=joint.RATE, batch=joint.BATCH, seed=seed)
        joint.train_joint(folders["joint"], plan)
    found = {}
    for kind, read in (("masked", network.load_masked), ("joint", joint.load_joint)):
        net, card = read(folders[kind])
        found[kind] = {
            "git_commit": card["provenance"]["git_commit"],
            "parameters": count_parameters(net),
            "minutes": card["history"][-1]["seconds"] / 60,
        }
    return found


def load(options: argparse.Namespace, seed: int):
    return (
        network.load_masked(options.folder / f"masked-{seed}"),
        joint.load_joint(options.folder / f"joint-{seed}"),
    )


def scene(pixel_rms: float, number: int, n: int = CUTOUTS, kinds=truth.KINDS, **more):
    """Held-out cut-outs, their sources, and the holes that hide these."""
    rng = np.random.default_rng([TEST_SEED, number])
    found = truth.backgrounds(n, rng, pixel_rms=pixel_rms, kinds=kinds)
    seen = truth.inject(found, rng, beam=BEAM, **more)
    hole = masks.hole(truth.SIDE, masks.hole_radius(seen.flux / seen.rms, BEAM), seen.x, seen.y)
    return found, seen, hole


def fills(image, hole, nets, beam=BEAM) -> dict[str, np.ndarray]:
    """What each method that sees no source puts into the holes."""
    found = {
        "annulus": rivals.annulus(image, hole, beam.fwhm_px),
        "Background2D": rivals.mesh(image, hole, beam.fwhm_px),
        "biharmonic": rivals.biharmonic(image, hole),
        "Gaussian process": gaussian.fill(image, hole, beam.fwhm_px)[0],
    }
    for seed, ((net, card), _) in nets.items():
        found[f"masked network {seed}"] = engines.fill_by(net, card, image, hole)
    return found


def blank(nets) -> dict:
    """Holes without a source: the flux that a method finds there, over the rms."""
    found = {}
    for name, pixel_rms in NOISES.items():
        _, seen, hole = scene(pixel_rms, 1)
        found[name] = in_blank(seen, hole, nets)
    return found


def in_blank(seen, hole, nets, beam=BEAM) -> dict:
    """The same, of cut-outs at hand."""
    rows = {}
    for method, filled in fills(seen.background, hole, nets, beam).items():
        error = rivals.flux_above(seen.background, filled, hole, seen.x, seen.y, beam) / seen.rms
        rows[method] = plain(evaluation.error_measures(error))
    return rows


def answers(seen, hole, nets, beam=BEAM) -> dict[str, np.ndarray]:
    """Fluxes by all methods."""
    place = seen.x, seen.y, beam
    core = np.full(len(hole), FIT_FWHM * beam.fwhm_px)
    small = masks.hole(truth.SIDE, core, seen.x, seen.y)
    found = {
        name: rivals.flux_above(seen.image, filled, hole, *place)
        for name, filled in fills(seen.image, hole, nets, beam).items()
    }
    found["PSF fit"] = rivals.psf_fit(seen.image, small, *place)[0]
    return found | looking(seen, hole, nets, beam)


def looking(seen, hole, nets, beam=BEAM) -> dict[str, np.ndarray]:
    """Fluxes by those methods that see the source and its surroundings."""
    place = seen.x, seen.y, beam
    found = {
        "Gaussian process, joint": gaussian.joint(seen.image, hole, *place, engines.WIDTH_PRIOR)[0]
    }
    fit = joint.fitted(seen.image, *place)
    found["typical spectrum, joint"] = fit.rms * fit.flux.numpy()
    for seed, (_, (net, _)) in nets.items():
        found[f"joint network {seed}"] = fit.rms * joint.corrected(net, fit)
    return found


def sources(nets) -> dict:
    """Errors of the flux over the rms: altogether, by decade of the flux, by third of the rms."""
    found = {}
    for name, pixel_rms in NOISES.items():
        _, seen, hole = scene(pixel_rms, 2)
        rows = {}
        for method, flux in answers(seen, hole, nets).items():
            error = (flux - seen.flux) / seen.rms
            decades = evaluation.by_group(error, seen.flux / seen.rms)
            edges = np.quantile(seen.rms, [0, 1 / 3, 2 / 3, 1])
            thirds = evaluation.by_group(error, seen.rms, edges)
            rows[method] = plain(evaluation.error_measures(error)) | {
                "decades": {f"{a:g}-{b:g}": plain(values) for (a, b), values in decades.items()},
                "thirds": [plain(values) for values in thirds.values()],
            }
        found[name] = rows
    return found


def widths(nets) -> dict:
    """Relative errors at S/N 100 where the real beam is wider than what methods are told."""
    found = {}
    for wider in (0.0, 0.05):
        _, seen, hole = scene(NOISES["P"], 3, 200, snr=(100.0, 100.0), fwhm_error=wider)
        found[f"{wider:g}"] = {
            method: {
                "bias": float(np.mean(flux / seen.flux - 1)),
                "rms": float(np.sqrt(np.mean((flux / seen.flux - 1) ** 2))),
            }
            for method, flux in answers(seen, hole, nets).items()
        }
    return found


def standard(nets) -> dict:
    """Measured over real flux of sources of 100 to 1,000 rms on smooth ground: noise alone."""
    rng = np.random.default_rng([TEST_SEED, 6])
    noise = truth.backgrounds(300, rng, pixel_rms=NOISES["P"]).noise
    seen = truth.inject(noise, rng, beam=BEAM, snr=(100.0, 1000.0))
    hole = masks.hole(truth.SIDE, masks.hole_radius(seen.flux / seen.rms, BEAM), seen.x, seen.y)
    found = {}
    for method, flux in answers(seen, hole, nets).items():
        low, middle, high = np.quantile(flux / seen.flux, [0.025, 0.5, 0.975])
        found[method] = {"median": float(middle), "95 %": [float(low), float(high)]}
    return found


def detection() -> dict:
    """Extended emission taken for sources, and the share of real ones found, by kind (P)."""
    side, step, least = 512, 64, 5.0
    places = np.stack(np.meshgrid(*[np.arange(step // 2, side, step)] * 2), -1).reshape(-1, 2)
    found = {}
    for number, kind in enumerate(truth.KINDS):
        rng = np.random.default_rng([TEST_SEED, 20 + number])
        images = truth.backgrounds(4, rng, kinds=(kind,), side=side, pixel_rms=NOISES["P"]).image
        false, shares = 0, []
        for image in images:
            false += len(found_in(image, least))
            with_sources, flux = image.copy(), []
            for x, y in places:
                part = np.s_[y - 16 : y + 17, x - 16 : x + 17]
                # so many of the rms of the pixels around, as everywhere in this chapter
                flux.append(np.exp(rng.uniform(np.log(3), np.log(100))))
                with_sources[part] += flux[-1] * image[part].std() * BEAM.image(33, 16, 16)
            seen = found_in(with_sources, least)
            near = np.hypot(*(places[:, None] - seen[None]).T).min(0) < BEAM.fwhm_px / 2
            shares.append([near[(low <= np.array(flux)) & (np.array(flux) < 3 * low)].mean()
                           for low in (3.0, 10.0, 30.0)])  # fmt: skip
        beams = len(images) * side**2 / BEAM.area_px
        found[kind] = {
            "false_per_1000_beams": 1000 * false / beams,
            "found": dict(zip(("3-9", "10-30", "30-90"), np.mean(shares, 0).tolist(), strict=True)),
        }
    return found


def found_in(image: np.ndarray, threshold: float) -> np.ndarray:
    """Columns and rows of what is detected."""
    try:
        table = detect(Image(image), BEAM.fwhm_px, threshold)
    except CoganError:  # nothing
        return np.empty((0, 2))
    return np.stack([table["x"], table["y"]], 1)


def texture(nets) -> dict:
    """Variance in blank holes over around, and the power after over before."""
    _, seen, hole = scene(NOISES["P"], 4)
    image, rng = seen.background, np.random.default_rng(TEST_SEED)
    filled = fills(image, hole, nets)
    filled["Gaussian process, a draw"] = gaussian.sample(image, hole, BEAM.fwhm_px, rng)
    found = {}
    for name, values in filled.items():
        k, ratio = evaluation.power_ratio(values, image)
        found[name] = {
            "variance": list(map(float, evaluation.variance_ratio(values, hole))),
            "power": ratio.value.tolist(),
            "pixels": list(map(float, evaluation.pixel_distance(values, image, hole))),
        }
    return {"methods": found, "k": k.tolist()}


def kinds(nets) -> dict:
    """The process, a fit by one typical spectrum, and the joint network on each kind."""
    found = {name: {} for name in NOISES}
    for name, pixel_rms in NOISES.items():
        for number, kind in enumerate(truth.KINDS):
            _, seen, hole = scene(pixel_rms, 10 + number, kinds=(kind,))
            rows = looking(seen, hole, nets)
            found[name][kind] = {
                method: plain(evaluation.error_measures((values - seen.flux) / seen.rms))
                for method, values in rows.items()
            }
    return found


def real(nets, folder: Path) -> dict:
    """Holes without a source, and sources of 10 to 1,000 rms put in, on cut-outs of real maps."""
    found = {}
    for number, (name, (fwhm, no_data)) in enumerate(MAPS.items()):
        image = read_image(folder / f"{name}.fits", blank=no_data)
        beam = Beam("gaussian", beam_px(image, fwhm))
        rng = np.random.default_rng([TEST_SEED, 30 + number])
        cutouts = truth.cutouts_of(image.values, 300, rng)
        seen = truth.inject(cutouts, rng, beam=beam, snr=(10.0, 1000.0))
        hole = masks.hole(truth.SIDE, masks.hole_radius(seen.flux / seen.rms, beam), seen.x, seen.y)
        errors = {
            method: plain(evaluation.error_measures((flux - seen.flux) / seen.rms))
            for method, flux in answers(seen, hole, nets, beam).items()
        }
        found[name] = {"blank": in_blank(seen, hole, nets, beam), "sources": errors}
    return found


def speed() -> dict:
    """Seconds for a map of 2,000 x 2,000 with 500 sources, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = np.random.default_rng(TEST_SEED)
    image = rng.normal(size=(2000, 2000)).astype(np.float32)
    places = rng.uniform(20, 1980, (500, 2))
    for x, y in places:
        part = np.s_[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        image[part] += (
            50
            * BEAM.image(25, x - int(x) + 12, y - int(y) + 12)[
                : image[part].shape[0], : image[part].shape[1]
            ]
        )
    found = {}
    for name in engines.ENGINES:
        task = {name: lambda name=name: remove_sources(
            image, places, fwhm=BEAM.fwhm_px, engine=name, progress=False)}  # fmt: skip
        found |= seconds_each(task, rounds=1)
    torch.set_num_threads(threads)
    return {name: values[0] for name, values in found.items()}


def ablation(options: argparse.Namespace) -> dict:
    """Blank holes after short trainings that differ by one choice; equal seed, equal examples."""
    _, seen, hole = scene(NOISES["P"], 5, 300)
    image, found = seen.background, {}
    choices = {
        "ours": {},
        "modulus in place of square": {"weights": {"valid": 0.1, "hole": 6.0}},
        "scaled by the whole cut-out": {"how": "unmasked"},
        "document's scaling": {"how": "document"},
        "released code's factor": {"ratio": False},
        "document's losses": {"weights": losses.DOCUMENT},
    }
    for left_out in losses.DOCUMENT:
        rest = {name: value for name, value in losses.DOCUMENT.items() if name != left_out}
        choices[f"document's losses without {left_out}"] = {"weights": rest}
    for name, choice in choices.items():
        folder = options.folder / "ablation" / name.replace(" ", "-").replace("'", "")
        if not folder.exists():
            plan = Plan(ABLATED, rate=2e-3, batch=32, seed=1)
            training.train_masked(folder, network.PRESETS["small"], plan, **choice)
        net, card = network.load_masked(folder)
        values = engines.fill_by(net, card, seen.image, hole)
        error = rivals.flux_above(image, values, hole, seen.x, seen.y, BEAM) / seen.rms
        found[name] = plain(evaluation.error_measures(error))
    return found


def plain(measures: dict[str, evaluation.Measured]) -> dict[str, list[float]]:
    return {name: [float(part) for part in values] for name, values in measures.items()}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")
