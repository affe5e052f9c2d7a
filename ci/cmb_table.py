"""Make the stored emulator of CMB spectra of chapter 11; needs camb, which nothing else does.

    pip install camb numpy scipy
    python ci/cmb_table.py cogan_lib/companions/cmb_maps/data/spectra.npz

ln C_l of the unlensed temperature is compressed to principal components, whose amplitudes are
cubic polynomials of (omega_b, omega_c, H0, n_s). A_s needs no fit: unlensed spectra are
proportional to it. The file says how it was made and how well it does on cosmologies held out.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from scipy.stats import qmc

#: The box: name, lowest, highest. A_s in units of 1e-9.
BOX = {
    "omega_b": (0.0190, 0.0260),
    "omega_c": (0.095, 0.145),
    "H0": (60.0, 76.0),
    "n_s": (0.88, 1.05),
    "A_s": (1.6, 2.7),
}
#: Of the table: highest multipole, and A_s [1e-9], tau, the neutrinos' mass [eV], T_CMB [K].
LMAX, A_S, TAU, M_NU, T_CMB = 1600, 2.1, 0.0544, 0.06, 2.7255
DEGREE, COMPONENTS, FITTED, HELD_OUT, SEED = 3, 12, 220, 40, 11


def spectrum(omega_b: float, omega_c: float, H0: float, n_s: float) -> np.ndarray:
    """C_l [uK^2] for l from 2 to LMAX."""
    import camb

    pars = camb.set_params(
        ombh2=omega_b, omch2=omega_c, H0=H0, ns=n_s, As=A_S * 1e-9, tau=TAU, mnu=M_NU, TCMB=T_CMB,
        lmax=LMAX + 200,
    )  # fmt: skip
    pars.DoLensing = False
    pars.WantTensors = False
    found = camb.get_results(pars).get_unlensed_scalar_cls(LMAX, CMB_unit="muK", raw_cl=True)
    return found[2 : LMAX + 1, 0]


def powers(unit: np.ndarray) -> np.ndarray:
    """All products of the parameters, each from -1 to 1, up to DEGREE of them."""
    columns = [np.ones(len(unit))]
    for degree in range(1, DEGREE + 1):
        for which in combinations_with_replacement(range(unit.shape[1]), degree):
            columns.append(np.prod(unit[:, which], axis=1))
    return np.stack(columns, axis=1)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, help=".npz to write")
    options = parser.parse_args()
    import camb

    unit = 2 * qmc.Sobol(4, seed=SEED).random(FITTED + HELD_OUT) - 1
    low, high = np.array([BOX[name] for name in list(BOX)[:4]]).T
    values = (low + high) / 2 + unit * (high - low) / 2
    logs = []
    for number, row in enumerate(values):
        logs.append(np.log(spectrum(*row) / A_S))
        if number % 20 == 0:
            print(number, len(values), flush=True)
    logs = np.array(logs)
    mean = logs[:FITTED].mean(axis=0)
    _, _, waves = np.linalg.svd(logs[:FITTED] - mean, full_matrices=False)
    waves = waves[:COMPONENTS]
    amplitudes = (logs[:FITTED] - mean) @ waves.T
    fit, *_ = np.linalg.lstsq(powers(unit[:FITTED]), amplitudes, rcond=None)
    apart = mean + powers(unit[FITTED:]) @ fit @ waves - logs[FITTED:]
    rms, worst = float(np.sqrt(np.mean(apart**2))), float(np.abs(apart).max())
    recipe = (
        f"camb {camb.__version__}, unlensed scalar TT, A_s {A_S}e-9, tau {TAU}, one sum of masses "
        f"{M_NU} eV, T_CMB {T_CMB} K, flat; {FITTED} Sobol points of seed {SEED}, {HELD_OUT} held "
        f"out; ln(C_l / A_s) = mean + polynomial of degree {DEGREE} @ {COMPONENTS} components."
    )
    np.savez_compressed(
        options.file,
        mean=mean.astype(np.float32), waves=waves.astype(np.float32), fit=fit,
        low=[box[0] for box in BOX.values()], high=[box[1] for box in BOX.values()],
        names=list(BOX), degree=DEGREE, lmax=LMAX, recipe=recipe, rms=rms, worst=worst,
    )  # fmt: skip
    print(recipe, f"rms {rms:.2e}, worst {worst:.2e}, {options.file.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
