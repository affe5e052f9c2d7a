"""Toy results files, as the runs write them."""

PROVENANCE = {
    "seed": 1, "git_commit": "abc", "made": "2026-01-01", "python": "3.12", "machine": "Linux",
    "sky_sha256": "f00", "versions": {"torch": "2.9"},
}  # fmt: skip

LINE = {
    "r2_heldout": 0.67,
    "r2_heldout_95": {"low": 0.6, "high": 0.72},
    "r2_heldout_loglinear": 0.61,
    "r2_heldout_loglinear_95": {"low": 0.5, "high": 0.7},
    "spectrum": {
        "ell": [100, 300, 900],
        "in_beam": [True, True, False],
        "paired_ratio": [0.9, 1.2, 5.0],
        "paired_ratio_95": {"low": [0.7, 1.1, 4.0], "high": [1.15, 1.35, 6.0]},
        "median_ratio": [0.8, 1.0, 4.0],
        "inside_2sigma": 1.0,
        "p_value": 0.01,
    },
    "spectrum_standardised": {"inside_2sigma": 1.0},
    "rho_ell_real_mock": [0.9, 0.4, 0.0],
    "rho_ell_real_mock_95": {"low": [0.8, 0.3, 0.0], "high": [0.95, 0.5, 0.1]},
    "rho_ell": {
        "DUST x real": {"mean_spectra": [0.8, 0.6, 0.1]},
        "DUST x mock": {"mean_spectra": [0.9, 0.5, 0.9]},
    },
    "minkowski": {
        "inside_2sigma": 0.97, "p_value": 0.2, "peak_ratio": {"V1": 1.1, "V2": 1.2},
        "peak_ratio_95": {"V1": {"low": 1.0, "high": 1.3}, "V2": {"low": 0.9, "high": 1.4}},
    },
    "shapes": {"inside_2sigma": 0.8},
}  # fmt: skip
REAL = {
    "validation": {"W_CO21": LINE},
    "training": {"seconds": 1080.0, "epochs": 31},
    "synthesis": {"seconds": 55.0},
    "provenance": PROVENANCE,
}


def beyond() -> dict:
    """Of chapter 06."""
    whole = {"rho": [0.9, 0.5], "ratio": [0.8, 1.2], "peaks": {"V1": 1.1, "V2": 1.3}}
    whole |= {"r2": 0.71, "crps": 0.41, "parameters": 347160, "seconds": 1800.7}
    clouds = whole | {"rho": None, "r2": None, "crps": None, "parameters": 0}
    inside = {"spectrum": 1.0, "minkowski": 0.97}
    keys = ("mock", "dust", "mock_beyond_dust", "mock_beyond_dust_hi")
    part = {key: {"value": 0.64 - i / 10, "p_value": 0.0007} for i, key in enumerate(keys)}
    totals = {"mock": {"mean": 0.06, "jackknife": 0.01}}
    totals["real_minus_zero"] = {"mean": 0.02, "jackknife": 0.005}
    training = ["CRPS", "R²", "coverage of 68 %", "power, first bin", "power, last bin"]
    training += ["spread/error"]
    run = {
        "line": "W_CO21",
        "tiles": 465,
        "members": 8,
        "came_along": True,
        "targets": [
            {"quantity": "R²", "paper": "–", "to reach": "0.72", "ours": "0.71", "met": "not met"}
        ],
        "trainings": [dict.fromkeys(training, 0.4) | {"members": "20 of seed 7", "R²": 0.7213}],
        "baselines": {"one member": whole, "cloud population": clouds},
        "verdicts": {
            "blurred": {"inside_2sigma": inside, "sharp": {"passes": False, "p_value": 0.002}},
            "too few": {"inside_2sigma": inside, "sharp": {}},
        },
        "high_latitude": {
            "b_min_deg": 20.0,
            "regions": {"unseen": part | {"share_of_sky": 0.61, "totals": totals}},
        },
    }
    return {"beyond": run, "provenance": PROVENANCE}


def emulator() -> dict:
    """Of chapter 07."""
    test = {"max_rel": 12.34, "zncc": 0.81, "ssim": 0.7, "below_10_percent": 0.4}
    row = {"core_minutes": 5.0, "git_commit": "abc", "parameters": 9409, "test": test,
           "train": test, "steps": 1600, "last_fall": 0.02}  # fmt: skip
    seeds = {"1": row, "2": row | {"core_minutes": 7.4}}
    summary = {key: {"mean": test[key], "std": 0.01} for key in ("max_rel", "zncc", "ssim")}
    once = {key: {"mean": test[key]} for key in summary}
    ways = {"solver": 10.0, "quick solver": 5.0, "trapezoid": 2.5, "coemunet": 4.0, "line": 2.0}
    errors = {"32": 0.1, "64": 0.02, "128": 0.0}
    error = {"median": 0.012, "within_5_percent": 0.75, "interval": [0.01, 0.02]}
    fitted = {key: error for key in ("mass_loss", "velocity", "spacing_au", "contrast")}
    return {
        "data": {
            "npix": 32, "channels": [0.0] * 7, "pictures": {"train": 100, "test": 20}, "models": 50,
            "mean_picture": {"max_rel": 57.0, "zncc": 0.6, "ssim": 0.5},
        },
        "trainings": {"coemunet": {"1": row}, "line": seeds},
        "summary": {"coemunet": once, "line": summary},
        "memory": row | {"pictures": 64},
        "elsewhere": {"grid of 64": test | {"pictures": 80, "max_rel_interval": [11.0, 13.0]}},
        "recovered": {"winds": 24, "noise_kelvin": 0.3,
                      "solver, smooth": fitted | {"core_seconds": {"median": 8.0}}},
        "resolution": {"150": {rule: errors for rule in ("exact", "trapezoid")}},
        "speed": {"npix": 32, "threads": 1, "batches": {"1": ways, "16": ways},
                  "ratios": {name: 10 / ms for name, ms in ways.items()},
                  "error": dict.fromkeys(ways, test)} | ways,
        "code": ["abc"],
        "provenance": PROVENANCE,
    }  # fmt: skip


def dust() -> dict:
    """Of chapter 08, as its script measures it."""
    rmse = {"network 1": 0.1, "network 2": 0.3, "linear regression": 0.5, "red clump": 1.0,
            "training mean": 2.0}  # fmt: skip
    scores = {name: {"rmse": [value] * 5, "bias": [0.0] * 5} for name, value in rmse.items()}
    shares = {"trained before": [0.3] * 5, "trained after": [0.66] * 5, "unseen after": [0.7] * 5}
    length = {"radial": 0.4, "transverse": 0.2, "ratio": 2.0}
    memory = {
        f"trained on {one}": {f"tested on {other}": [0.25] * 5 for other in ("frozen", "new")}
        for one in ("frozen", "new")
    }
    training = {"examples": 512_000, "minutes": 9.6}
    return {
        "trainings": {"1": training, "2": training},
        "evaluation": {
            **dict.fromkeys(("trained", "unseen", "shifted", "map"), scores),
            "coverage": {"1": shares, "2": {**shares, "trained after": [0.7] * 5}},
            "map_coverage": {"1": [0.5] * 5, "2": [0.7] * 5},
            "blur_kpc": {"network 1": 0.8},
            "correlation": {"real": length, "network 1": {**length, "ratio": 3.0}},
        },
        "memory": memory | {"examples": 12_800, "passes": 6},
        "on_gpu": {"remark": "One GPU.", "rows": [
            {"network": "document", "parameters": 53_748_452, "seed": 1, "examples": 800_000,
             "seconds": 36.0, "rmse": [0.11] * 5}]},
        "provenance": PROVENANCE,
    }  # fmt: skip


def cmb() -> dict:
    """Of chapter 11, as its script measures it, before it is summed up over the seeds."""
    slopes = {"generated": [0.9] * 5, "exact": [1.0] * 5, "paired": [0.95] * 5}
    row = {
        "ratio": [1.01] * 15, "scatter": [0.9, 1.1], "rms": 0.01, "worst": 0.03,
        "halved_step": 0.002,
        "nearest": 1.0, "moments": {"skewness": 0.01, "kurtosis": 0.02}, "shapes": [0.01] * 3,
        "shapes_exact": [0.02] * 3, "slopes": slopes, "ms_per_map": 17.0, "steps": 300,
        "posterior": dict.fromkeys(("n_s", "A_s"), {"bias": 0.1, "error": 0.05, "coverage": 0.7}),
    }  # fmt: skip
    training = {"steps": 1000, "patches": 64_000, "minutes": 9.6}
    tried = dict.fromkeys(("trig", "no filter", "linear", "ddpm", "shuffled", "log-normal"), row)
    field = {"skewness": 1.7, "kurtosis": 5.0, "ks": 0.01, "shapes": [0.02] * 3}
    return {
        "trainings": {"1": training, "2": training},
        "networks": {"1": row, "2": row | {"rms": 0.02}},
        "baselines": {
            "exact": row,
            "diagonal gaussian": row | {"rms": 0.08},
            "min-max": {"slopes": [0.1] * 5},
        },
        "tried": tried,
        "log_normal": {"field": dict.fromkeys(("generated", "exact again", "gaussian"), field)},
        "judged": [[0.0] * 5] * 5,
        "provenance": PROVENANCE,
    }


def three() -> dict:
    """Of chapter 11's comparison, as its script measures it, before it is summed up."""
    row = {
        "rms": 0.05, "worst": 0.1, "spread": [0.9] * 10, "spread_mean": 0.9, "correlation": 0.02,
        "ks": 0.01, "skewness": 1.7, "negative": 0.001, "auc": 0.6, "auc_pixels": 0.55,
        "minkowski": [0.01, 0.02, 0.03], "nearest": 1.0,
    }  # fmt: skip
    training = {
        "git_commit": "abc", "weights": 100_000, "weights_trained": 150_000, "steps": 1000,
        "core_seconds": 71.0, "seconds": 300.0,
    }  # fmt: skip
    kinds, seeds = ("vae", "gan", "flow"), (1, 2)
    names = [f"{kind}-{seed}" for kind in (*kinds, "vae mean", "flow, finer") for seed in seeds]
    density = {f"vae-{seed}": {"excess": 400.0, "active": 48, "explained": 0.5} for seed in seeds}
    density |= {f"flow-{seed}": {"excess": 20.0 * seed} for seed in seeds}
    fitted = row | {"core_seconds": 1.0, "excess": 8.0}
    return {
        "trainings": {f"{kind}-{seed}": training for kind in kinds for seed in seeds},
        "evaluation": {name: row for name in names} | {"gan-2": row | {"rms": 0.07}},
        "controls": {"exact": row, "log-gaussian": fitted, "gaussian": fitted},
        "density": density,
        "speed": {"ms": {"vae": 0.1, "gan": 0.1, "flow": 9.0, "exact": 0.05}},
        "exact": {"skewness": 1.75},
        "provenance": PROVENANCE,
    }


def holes() -> dict:
    """Of chapter 09, as its script measures it."""
    three = [0.5, 0.4, 0.6]
    row = dict.fromkeys(("bias", "median", "mean_abs", "rms", "failed"), three)
    both = {"P": {"annulus": row, "masked network 1": row}}
    both["B"] = both["P"]
    training = {"masked": {"minutes": 9.6}, "joint": {"minutes": 6.7}}
    wide = {"annulus": {"bias": -0.01, "rms": 0.02}}
    return {
        "trainings": {"1": training},
        "blank": both,
        "sources": {key: {name: one | {"thirds": [row] * 3} for name, one in part.items()}
                    for key, part in both.items()},
        "standard": {"annulus": {"median": 1.001, "95 %": [0.98, 1.02]}},
        "real": {"L1642_Herschel": {"blank": {"annulus": row}, "sources": {"annulus": row,
                                                                          "PSF fit": row}}},
        "detection": {"fbm": {"false_per_1000_beams": 0.52, "found": {"3-9": 0.25, "10-30": 0.9,
                                                                      "30-90": 1.0}}},
        "widths": {"0": wide, "0.05": wide},
        "kinds": {key: {"fbm": {"joint network 1": row}} for key in ("B", "P")},
        "texture": {"methods": {"annulus": {"variance": three, "pixels": three, "power": [1.0]}},
                    "k": [0.1]},
        "ablation": {"ours": row},
        "speed": {"gaussian": 8.54},
        "provenance": PROVENANCE,
    }  # fmt: skip


def stars() -> dict:
    """Of the spectra of chapter 10, as their script measures them."""
    sample = {"auc": 0.51, "auc_lines": 0.52, "depths": 0.03, "widths": 0.04, "p_value": 0.3,
              "nearest": 1.05}  # fmt: skip
    score = {"auc": 0.9, "found": 0.5}
    fit = {"chi2": 0.99, "own_chi2": 0.03, "error": 0.1, "bias": -0.4, "kl": [3.0, 2.5] + [0.0] * 6}
    evaluation = fit | {
        "active": 3,
        "chi2_real": 1.0,
        "probe": [0.95, 0.92, 0.94],
        "by_label": {"rms": 0.1, "median": 0.05, "worst_5_percent": 0.3},
        "samples": dict.fromkeys(("prior", "one Gaussian", "mixture", "labels", "real"), sample),
        "anomalies": {"double": {"chi2": score, "worst pixel": score}},
    }
    return {
        "trainings": {"1": {"minutes": 9.0, "core_minutes": 2.04},
                      "2": {"minutes": 11.0, "core_minutes": 2.5}},
        "evaluation": {"1": evaluation, "2": evaluation | {"chi2": 1.01, "active": 4}},
        "likelihoods": {"epochs": 20, "gaussian": fit | {"active": 4},
                        "bernoulli": fit | {"active": 2}},
        "kurucz": fit | {"epochs": 50, "active": 2, "probe": [0.97, 0.93],
                         "samples": dict.fromkeys(("prior", "mixture", "labels"), sample)},
        "provenance": PROVENANCE,
    }  # fmt: skip


def regions() -> dict:
    """Of chapter 10's images, as their script measures them."""
    tests = ("power", "flux", "shapes", "coverage", "auc", "nearest", "use")
    good = {"passes": dict.fromkeys(tests, True)}
    copies = {"passes": {**good["passes"], "nearest": False}}
    keys = ("power", "flux", "pixels", "radius", "thickness", "ellipticity", "asymmetry",
            "coverage", "auc", "nearest", "accuracy", "accuracy_real", "radius_rms",
            "radius_rms_real")  # fmt: skip
    return {
        "trainings": {"1": {"core_minutes": 5.2, "steps": 4000}},
        "evaluation": {"1": good},
        "failures": {"real": good, "copies": copies},
        "summary": dict.fromkeys(keys, {"mean": 0.512, "std": 0.031}),
        "speed": {"simulator": 3000.0, "generator": 2500.0},
        "provenance": PROVENANCE,
    }


def augmented() -> dict:
    """Of chapter 13's learning curves, as their script measures them, before they are summed up."""
    right = {"none": [0.5] * 8, "simulator": [0.8] * 8}
    better = {"none": [0.6] * 8, "simulator": [0.9] * 8}
    wrong = {"none": [0.8] * 8, "other skies": [0.6] * 8, "log-linear": [0.7] * 8}
    scores = {"accuracy": 0.95, "balanced": 0.5, "found": 0.0, "right": 0.0, "auc": 0.5}
    return {
        "regions": {"1": right, "2": better},
        "handed": {"1": {"none": [0.5] * 4, "90°": [0.7] * 4},
                   "2": {"none": [0.5] * 4, "90°": [0.6] * 4}},
        "CO": {"1": wrong, "2": wrong | {"log-linear": [0.8] * 8}},
        "rare": {"1": {"never": scores}, "2": {"never": scores}},
        "extra": {"regions": 2000, "handed": 2000, "CO": 1000},
        "order": {"regions": list(right), "handed": ["none", "90°"], "CO": list(wrong),
                  "rare": ["never"]},
        "measured": 0.921, "unbalanced": 512, "core_minutes": 21.0,
        "provenance": PROVENANCE,
    }  # fmt: skip


def suite() -> dict:
    """Of the validation suite, as its script measures it, before kinds are put together."""
    tests = ("memorisation", "classifier", "neighbours", "train_on_generated")

    def row(every, **counts):
        counts = dict.fromkeys(tests, 0) | counts
        found = {"caught": counts | {"all": every}, "alone": counts}
        return {"counts": found, "repeats": 4}

    good = {"caught": {"all": {"share": 0.05, "low": 0.03, "high": 0.08}}, "repeats": 200}
    return {
        "catches": {
            "regions, blurred, 50": row(4, classifier=4),
            "co, blurred, 50": row(2, classifier=1),
            "regions, copying, 50": row(4, memorisation=4),
            "co, copying, 50": row(4, memorisation=4),
        },
        "false_alarms": {"regions, 50": good, "co, 50": good},
        "speed": {"500": {"core_seconds": 2.1}},
        "bias": {"copies": {"slope": 1.0, "slope_error": 0.02, "sentence": "As it went in."}},
        "settings": {"kinds": ["regions", "co"], "sizes": [50], "faults": ["blurred", "copying"],
                     "strengths": {"blurred": 0.6, "copying": 0.2}},
        "provenance": PROVENANCE,
    }  # fmt: skip


def bench() -> dict:
    """Of `make bench`."""

    def work(target, ours, theirs=None, **facts):
        entry = {"title": "tiles to sphere", "unit": "tile", "rival": "reproject"}
        entry |= {"target": target, "agreement": "difference: 1e-07"}
        entry |= {"ours": {"seconds": ours, "peak_mb": 12.0} | facts}
        if theirs:
            note = "the rival joined one tile"
            entry["theirs"] = {"seconds": theirs, "peak_mb": None, "note": note}
        return entry

    def growing(seconds, memory, **facts):
        row = {"seconds": seconds, "peak_mb": memory, "tiles": 192} | facts
        return {"256": row, "512": {key: 4 * value for key, value in row.items()}}

    return {
        "machine": {"cpu": "A CPU", "cores": 2, "memory_gb": 24},
        "provenance": PROVENANCE,
        "limits": {"copy_bytes_s": 1e10, "flops_s_fp32": 1e11, "flops_s_bf16": 2e11},
        "works": {
            "join": work(10_000, 0.002, 22.0, bytes=2e6, flops=4e7, precision="fp32"),
            "spectra": work(2, 0.5),
            "minkowski": work(10, 1.0, 9.0),
        },
        "growth": {
            "cutting": growing(1.0, 50.0),
            "joining": growing(2.0, 20.0),
            "synthesis": growing(20.0, 100.0, generator_seconds=15.0, sampled=0.25),
            "generator": {"paper": {"seconds": 1.0}, "cogan": {"seconds": 0.1}},
            "analysis": {"seconds": 0.5, "lmax": 1500},
        },
        "profiles": {},
    }


def gpu() -> dict:
    """Of ci/gpu/collect.py."""
    row = {"preset": "paper", "npix": 128, "way": "plain", "precision": "32-true", "ratio": 1.0}
    row |= {"tiles_per_second": 134.3, "share_of_peak": 0.108, "seconds": 0.2}
    ours = row | {"way": "ours", "precision": "bf16-mixed", "ratio": 1.853}
    sky = {"nside": 2048, "tiles": 12288, "seconds": 174.3, "share_in_generator": 0.0546}
    sky |= {"gpu_peak_bytes": 1554125312, "host_peak_bytes": 5974765568}
    trained = {"best": {"score": 0.4887}, "seconds": 100.06, "steps": 2244, "epochs": 32}
    speed = {"cpu": {"threads": 16, "solver": 123.289, "coemunet": 14.78}}
    speed |= {"cuda": {"solver": 1.26, "coemunet": 0.475, "line": 0.252}}
    parts = {
        "machine": {"torch": "2.11"},
        "steps": {"rows": [row, ours, {"preset": "paper", "way": "compiled", "failed": "no"}]},
        "synthesis": {"cogan": sky, "paper": "no time left"},
        "real": {"cycle-gan": trained},
        "lines": {"64": {"speed": speed}},
    }
    parts = {name: {"numbers": numbers, "seconds": 1.0} for name, numbers in parts.items()}
    parts["processes"] = {"failed": "two: not done within 20 s.", "seconds": 45.7}
    parts["compiled"] = {"skipped": "no time was left"}
    return {"device": "NVIDIA H100 80GB", "torch": "2.11", "provenance": PROVENANCE, "parts": parts}


def proposals() -> dict:
    """Of chapter 12."""
    rate = {"rate": 0.125, "low": 0.05, "high": 0.28, "n": 32}
    first = rate | {"json": 0.75, "fields": 0.5}
    ways = {"free": first, "constrained": first | {"json": 1.0}, "reference": rate | {"rate": 1.0}}
    ways |= {"free, retried": rate | {"tries": 2.5}, "constrained, retried": rate | {"tries": 2}}
    reasons = {"free": {"json": 8, "range": 12}, "constrained": {"range": 30}}
    card = {"kept": 25, "repaired": 1, "refused": 0, "has_end": True, "writable": False}
    card["findings"] = [["error", "CRVAL1", "Elsewhere."], ["warning", "BUNIT", "Write adu."]]
    model = {"model": "toy", "licence": "Apache-2.0", "sha256": "f00" * 21, "replies": 800}
    model |= {"minutes": 41.2, "sampling": {"temperature": 0.7}}
    headers = {"document": {"Mars": card, "galaxy": card | {"has_end": False, "writable": True}}}
    headers |= {"replies": [card] * 16, "total": {"kept": 90, "repaired": 8, "refused": 70}}
    headers |= {"levels": {"error": 20, "warning": 9, "note": 3}, "ends": 4, "written": rate}
    headers["icrs_error_deg"] = {"mars": 21.93}
    acceptance = {kind: {"ways": ways, "reasons": reasons} for kind in ("flare", "planet")}
    run = {"acceptance": acceptance, "headers": headers, "model": model}
    return run | {"provenance": PROVENANCE}
