"""Live figures of chapters 04 to 06: joining, which one is real, and what more members give."""

from __future__ import annotations

from collections.abc import Sequence

import healpy as hp
import numpy as np
import torch

from ..base.units import CO_SOFTENING
from ..beyond.member_training import context_of, surroundings
from ..beyond.members import member_tiles
from ..gan.checkpoint import Checkpoint
from ..gan.noise import flat_noise
from ..sky.skyfile import Sky
from ..tiles import handover
from ..tiles.geometry import Geometry, tile_centres, tile_vectors
from ..tiles.joining import BLEND
from ..tiles.patches import interior
from ..tiles.tiling import cut_tiles, map_to_alm
from ..validation.amplitude import asinh_scale, middle_of
from ..validation.quiz import impostors
from ..validation.spectra import bin_edges, power_spectra
from .live import PLACE, panels, picture, small_sky
from .panels import scale_bar
from .slider import LiveFigure
from .style import BASE, GENERATED, column_norm, column_title

#: Places whose members are drawn; tiles on either side of a question.
PLACES, SHOWN = 3, 3
#: Of each tile that is joined, in asinh(W / 0.3 K km/s).
ERROR = 0.6
#: What the tests of the sharp verdict look at.
TESTS = {
    "spectrum": "the power on each scale",
    "minkowski": "the shapes (Minkowski curves)",
    "pdf": "the histogram of amplitudes",
    "classifier": "a classifier",
    "paired_spectrum": "the power of each tile over that of the real tile of its place",
}


def joining(sky: Sky, seed: int = 1) -> LiveFigure:
    """Join tiles that disagree, with zones of hand-over from narrow to wide.

    Parameters
    ----------
    sky : Sky
    seed : int
        Of what the tiles disagree on.

    Returns
    -------
    LiveFigure
        Of the width b of the zone, in spacings D of the centres.
    """
    line, piece = sky.targets[0], Geometry(96, 15.0)
    spacing, centres = hp.nside2resol(8), tile_centres(8)
    vectors, places = tile_vectors(piece, PLACE)[0], hp.ang2vec(*centres.T, lonlat=True)
    places = places[places @ vectors[48, 48] > np.cos(np.radians(28))]
    truth = np.arcsinh(cut_tiles(map_to_alm(sky.maps[line]), piece, PLACE)[0] / CO_SOFTENING)
    random = torch.Generator().manual_seed(seed)
    own = flat_noise(len(places), piece.npix, (6.0,), random).numpy()[:, 0]
    widths = [0.005, BLEND, 0.2, 0.5, 1.0]
    found = {}
    for width in widths:
        w = handover.weights(vectors, places, spacing, width)
        found[width] = w.max(axis=0), (w * own).sum(axis=0), handover.power_kept(w)
    nearest = handover.weights(vectors, places, spacing, 1e-4).argmax(axis=0)
    limits = {"vmin": -1.0, "vmax": float(truth.max()) + ERROR}
    across = nearest[:, 1:] != nearest[:, :-1]

    def step(joined: np.ndarray) -> float:
        """Rms difference of neighbours across borders, over that elsewhere."""
        jumps = np.diff(joined, axis=1) ** 2
        return float(np.sqrt(jumps[across].mean() / jumps[~across].mean()))

    def draw(width: float):
        share, joined, _ = found[width]
        figure, (left, right) = panels(3.0, 1, 1)
        image = picture(left, share, cmap="magma", vmin=0.0, vmax=1.0)
        figure.colorbar(image, ax=left, label="share of the strongest tile", shrink=0.85)
        shown = picture(right, truth + ERROR * joined, cmap="inferno", **limits)
        figure.colorbar(shown, ax=right, label="joined CO, asinh(W / 0.3)", shrink=0.85)
        scale_bar(right, piece.npix, piece.pixel_arcmin)
        return figure

    def describe(width: float) -> str:
        share, joined, kept = found[width]
        return (
            f"b = {width:g} D: in {(share > 0.9).mean():.0%} of the sky one tile speaks nearly "
            f"alone, {kept.mean():.0%} of the power on which tiles disagree is left "
            f"({joined.var() / own.var():.0%} in this draw), and a step across a border is "
            f"{step(joined):.1f} times one elsewhere."
        )

    return LiveFigure(
        draw, {"width b of the hand-over [D]": widths},
        "Left the cells of the tiles on a piece of sky, right the joined CO of tiles that each "
        "have an error of their own.",
        describe, start=(BLEND,),
    )  # fmt: skip


def members(sky: Sky, trainings: Sequence[Checkpoint], lonlat: np.ndarray, seed: int) -> LiveFigure:
    """Show one place of the sky as the mean of ever more members.

    Parameters
    ----------
    sky : Sky
        That the generators were trained for.
    trainings : sequence of Checkpoint
        Generators of members (`road.load_members`).
    lonlat : ndarray, shape (n, 2)
        Held-out places, of which up to three are taken, and the brightest is shown [deg].
    seed : int
        Of the members' noise.

    Returns
    -------
    LiveFigure
        Of the number of members.
    """
    first = trainings[0]
    line = first.meta["target_columns"][0]
    geometry = Geometry(**first.meta["geometry"])
    lonlat = lonlat[np.unique(np.linspace(0, len(lonlat) - 1, PLACES).round().astype(int))]
    real = cut_tiles(map_to_alm(sky.maps[line]), geometry, lonlat)
    around = surroundings(sky, first.meta["input_columns"], geometry, lonlat)
    counts = [1, 2, 4, 8]
    drawn = member_tiles(trainings, around, counts[-1], seed)[:, :, 0]
    drawn = interior(drawn, context_of(geometry))
    place = int(np.argmax(real.mean(axis=(1, 2))))
    grid = {"pixel_arcmin": geometry.pixel_arcmin}
    edges, in_beam = bin_edges(geometry.side_deg, geometry.pixel_arcmin, sky.fwhm_arcmin)
    y_real, y = asinh_scale(real), asinh_scale(drawn)

    def power(tiles: np.ndarray) -> np.ndarray:
        return power_spectra(tiles, edges=edges, **grid)[1][:, in_beam].mean(axis=0)

    of_real = power(y_real)
    error = {m: float(np.sqrt(((y[:m].mean(axis=0) - y_real) ** 2).mean())) for m in counts}
    kept = {m: power(y[:m].mean(axis=0)) / of_real for m in counts}
    norm = column_norm(line, real[place])
    top = float(y[:, place].std(axis=0).max())

    def draw(m: int):
        figure, axes = panels(2.8, 1, 1, 1, 1.15)
        picture(axes[0], real[place], norm=norm, cmap="inferno")
        picture(axes[1], middle_of(drawn[:m, place]), norm=norm, cmap="inferno")
        spread = y[:m, place].std(axis=0)
        image = picture(axes[2], spread, cmap="viridis", vmin=0.0, vmax=top)
        for one, title in zip(axes, (f"real {column_title(line)}", f"mean of {m}", "spread"),
                              strict=False):  # fmt: skip
            one.set_title(title)
        figure.colorbar(image, ax=axes[2], location="bottom", label="of asinh(W / 0.3)")
        axes[3].plot(counts, [error[n] / error[1] for n in counts], "o-", color=BASE,
                     label="error")  # fmt: skip
        axes[3].plot(counts, [kept[n][-1] for n in counts], "s--", color=GENERATED, label="power")
        axes[3].axvline(m, color="0.6", lw=0.8)
        axes[3].set(xscale="log", xlabel="members", ylim=(0, None), title="of the mean")
        axes[3].set_xticks(counts, [f"{n}" for n in counts])
        axes[3].minorticks_off()
        axes[3].legend()
        return figure

    def describe(m: int) -> str:
        return (
            f"{m} member{'s' if m > 1 else ''}: the mean is wrong by {error[m]:.2f} in "
            f"asinh(W / 0.3 K km/s), {error[m] / error[1]:.2f} times as much as one member alone, "
            f"and has {kept[m][-1]:.0%} of the real power on the smallest scale within the beam."
        )

    return LiveFigure(
        draw, {"members": counts},
        "Real CO of one held-out place, the mean of some members there, their spread, and error "
        "and power of the mean over the number of members.",
        describe, start=(4,),
    )  # fmt: skip


def quiz(sky: Sky | None = None, seed: int = 1) -> LiveFigure:
    """Ask which tiles are real; some impostors are plain, and some are for the tests to find.

    Parameters
    ----------
    sky : Sky, optional
        `live.small_sky` by default.
    seed : int
        Of places, sides and the verdict.

    Returns
    -------
    LiveFigure
        Of the number of the question.
    """
    sky = small_sky() if sky is None else sky
    line, geometry = sky.targets[0], Geometry(24, 40.0)
    lon, lat = np.arange(0, 360, 24), (-18.0, 0.0, 18.0)
    lonlat = np.array([(x, b) for x in lon for b in lat])
    blocks = np.repeat(np.arange(len(lon)), len(lat))  # 8 degrees apart
    real = cut_tiles(map_to_alm(sky.maps[line]), geometry, lonlat).astype(float)
    found = impostors(real, blocks, pixel_arcmin=geometry.pixel_arcmin,
                      fwhm_arcmin=sky.effective_fwhm_arcmin, seed=seed)  # fmt: skip
    random = np.random.default_rng(seed)
    order = random.permutation(len(found))
    sides = random.permutation([True, False] * (len(found) // 2))
    asked = {}
    for number, (which, left) in enumerate(zip(order, sides, strict=True), start=1):
        bright = random.permutation(np.flatnonzero(lonlat[:, 1] == 0))[: 2 * SHOWN]
        asked[number] = found[which], bright, bool(left)

    def draw(number: int):
        impostor, places, real_left = asked[number]
        sides = [real[places[:SHOWN]], impostor.images[places[SHOWN:]]]
        norm = column_norm(line, np.concatenate(sides))
        figure, axes = panels(1.75, *[1] * SHOWN, 0.15, *[1] * SHOWN)
        axes.pop(SHOWN).set_visible(False)
        for one, tile in zip(axes, np.concatenate(sides if real_left else sides[::-1]),
                             strict=True):  # fmt: skip
            picture(one, tile, norm=norm, cmap="inferno")
        axes[1].set_title("left")
        axes[SHOWN + 1].set_title("right")
        return figure

    def describe(number: int) -> str:
        return f"Question {number} of {len(asked)}: three tiles are real, three are not."

    def answer(number: int) -> tuple[str, str]:
        impostor, _, real_left = asked[number]
        sees = impostor.seen_by
        verdict = impostor.verdict
        right, other = ("left", "right") if real_left else ("right", "left")
        said = f"Real is what stands on the {right}; that on the {other} is {impostor.fault}. "
        if not sees:
            return right, f"{said}No test sees it (p = {verdict['p_value']:.2g})."
        best = verdict[sees[0]]
        return right, (
            f"{said}Over {verdict['tiles']['real']} tiles the sharp verdict gives p = "
            f"{verdict['p_value']:.2g}. What sees it best: {TESTS[sees[0]]} (distance "
            f"{best['distance']:.2g}, chance {best['chance']:.2g}); alone it is seen by "
            f"{len(sees)} of {len(TESTS)} tests."
        )

    return LiveFigure(
        draw, {"question": list(asked)},
        "Three tiles of CO on the left and three on the right: one side real, the other an "
        "impostor.",
        describe, start=(1,), choices=("left", "right"), answer=answer,
    )  # fmt: skip
