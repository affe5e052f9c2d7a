"""Live figures of chapter 01: beam, projection, split, scaling.

Each takes a sky, computes what is to be seen at every choice, and gives a `slider.LiveFigure`. A
small embedded sky will do (`small_sky`); the others are in `live_training` and `live_skies`.
"""

from __future__ import annotations

from functools import cache

import healpy as hp
import numpy as np
from matplotlib.figure import Figure

from ..base.units import CO_SOFTENING
from ..sky.embedded import make_sky
from ..sky.harmonics import alm2map
from ..sky.skyfile import Sky
from ..tiles import leak
from ..tiles.geometry import Geometry, tile_centres, tile_lonlat, tile_vectors
from ..tiles.scaling import PatchMinMax, Scaling
from ..tiles.split import TEST_BLOCKS, distance_to_block
from ..tiles.tiling import cut_tiles, map_to_alm
from .panels import scale_bar
from .slider import LiveFigure
from .style import BASE, COLUMNS, GENERATED, SPLIT_COLOURS, colour_bar, column_norm

#: Of the small sky, which takes a second or two to make.
NSIDE, FWHM_ARCMIN = 64, 110.0
#: A stretch of the plane where there is much to see, in Galactic degrees.
PLACE = np.array([[80.0, 0.0]])


@cache
def small_sky(seed: int = 1) -> Sky:
    """Make the embedded sky that is fine enough for the live figures; a second call is free.

    Parameters
    ----------
    seed : int

    Returns
    -------
    Sky
        NSIDE 64, a beam of 110 arcmin.
    """
    return make_sky(NSIDE, FWHM_ARCMIN, seed)


def panels(inches: float, *widths: float) -> tuple[Figure, list]:
    """Lay out the panels of a live figure, as wide as a page's column.

    Parameters
    ----------
    inches : float
        Height.
    *widths : float
        Of the panels, relative to each other.

    Returns
    -------
    figure : Figure
    axes : list of Axes
    """
    figure = Figure(figsize=(7.0, inches), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06)
    return figure, list(figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])


def picture(axes, values: np.ndarray, **options):
    """Draw a picture without ticks.

    Parameters
    ----------
    axes : Axes
    values : ndarray, shape (npix, npix)
    **options : object
        Passed to `imshow`.

    Returns
    -------
    AxesImage
    """
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    return axes.imshow(values, origin="lower", interpolation="nearest", **options)


def beam(sky: Sky) -> LiveFigure:
    """Show the resolution of a map: its beam, and the pixels that it is kept on.

    Parameters
    ----------
    sky : Sky

    Returns
    -------
    LiveFigure
        Of the beam's FWHM [arcmin] and of NSIDE.
    """
    line, own = sky.targets[0], sky.effective_fwhm_arcmin
    alm = map_to_alm(sky.maps[line])
    beams = [float(f"{own * factor:.2g}") for factor in (1.1, 1.5, 2.5, 4.0)]
    nsides = [sky.nside // n for n in (8, 4, 2, 1)]
    view = Geometry(96, 25.0)
    vectors = tile_vectors(view, PLACE)[0]
    found = {}
    for fwhm in beams:
        window = hp.gauss_beam(np.radians(np.sqrt(fwhm**2 - own**2) / 60), lmax=3 * sky.nside - 1)
        smooth = hp.almxfl(alm, window)
        for nside in nsides:
            kept = hp.resize_alm(
                smooth, 3 * sky.nside - 1, 3 * sky.nside - 1, 3 * nside - 1, 3 * nside - 1
            )
            found[fwhm, nside] = alm2map(kept, nside)[
                hp.vec2pix(nside, *np.moveaxis(vectors, -1, 0))
            ]
    norm = column_norm(line, found[beams[0], nsides[-1]])

    def draw(fwhm: float, nside: int) -> Figure:
        figure, (left, right) = panels(3.1, 1.15, 1)
        image = picture(left, found[fwhm, nside], norm=norm, cmap=COLUMNS[line][0])
        colour_bar(figure, image, left, line, sky.units[line], shrink=0.85)
        scale_bar(left, view.npix, view.pixel_arcmin)
        ell = np.arange(1, 3 * sky.nside)
        right.plot(ell, hp.gauss_beam(np.radians(fwhm / 60), lmax=ell[-1])[1:], color=GENERATED)
        right.axvline(3 * nside - 1, color=BASE, ls="--", label="the pixels end")
        right.set(xlabel=r"multipole $\ell$", ylabel="left by the beam", ylim=(0, 1.25))
        right.legend(loc="upper right")
        return figure

    def describe(fwhm: float, nside: int) -> str:
        pixel, last = hp.nside2resol(nside, arcmin=True), 3 * nside - 1
        left = hp.gauss_beam(np.radians(fwhm / 60), lmax=last)[-1]
        values = found[fwhm, nside]
        enough = "enough" if fwhm >= 2 * pixel else "too few"
        return (
            f"A beam of {fwhm:g}′ on pixels of {pixel:.0f}′ has {fwhm / pixel:.1f} pixels per "
            f"FWHM, {enough}: {left:.0%} of a wave's amplitude is left at the last multipole, "
            f"{last}. The brightest pixel here has {values.max():.1f} K km/s, the lowest "
            f"{values.min():.1f}.".replace("-", "−")
        )

    return LiveFigure(
        draw, {"beam FWHM [arcmin]": beams, "NSIDE": nsides},
        "A stretch of the Galactic plane in CO, and how much of each multipole the beam leaves.",
        describe, start=(beams[1], nsides[-1]),
    )  # fmt: skip


def projection(sky: Sky) -> LiveFigure:
    """Compare flat tiles by both projections: what equal area keeps, and what it costs.

    Parameters
    ----------
    sky : Sky

    Returns
    -------
    LiveFigure
        Of the projection and of the tile's side [deg].
    """
    name, npix = sky.inputs[0], 48
    alm, centre = map_to_alm(sky.maps[name]), np.array([[100.0, 50.0]])
    kinds = {"equal area (ZEA)": "ZEA", "gnomonic (TAN)": "TAN"}
    sides = [8, 20, 30, 40, 50, 58]
    cut = {}
    for kind, short in kinds.items():
        for side in sides:
            geometry = Geometry(npix, side * 60 / npix, short)
            vectors = tile_vectors(geometry, centre)[0]
            along_y, along_x = (np.gradient(vectors, axis=axis) for axis in (0, 1))
            area = np.linalg.norm(np.cross(along_x, along_y), axis=-1)
            area = area[1:-1, 1:-1] / area[npix // 2, npix // 2]  # differences end at the border
            cut[kind, side] = (cut_tiles(alm, geometry, centre)[0],
                               tile_lonlat(geometry, centre), area)  # fmt: skip
    norm = column_norm(name, cut["equal area (ZEA)", sides[-1]][0])
    least = min(area.min() for _, _, area in cut.values())

    def draw(kind: str, side: int) -> Figure:
        tile, (lon, lat), area = cut[kind, side]
        figure, (left, right) = panels(3.1, 1, 1)
        image = picture(left, tile, norm=norm, cmap=COLUMNS[name][0])
        lon = (lon[0] - 100 + 180) % 360 - 180
        for values in (lon, lat[0]):
            left.contour(values, levels=6, colors="white", linewidths=0.8, linestyles="solid")
        colour_bar(figure, image, left, name, sky.units[name], shrink=0.85)
        shown = picture(right, area, cmap="viridis", vmin=least, vmax=1.0)
        figure.colorbar(shown, ax=right, label="area of a pixel, middle: 1", shrink=0.85)
        return figure

    def describe(kind: str, side: int) -> str:
        area = cut[kind, side][2]
        return (
            f"{kind[0].upper()}{kind[1:]}, {side}° a side: a pixel in the corner shows "
            f"{area[0, 0]:.1%} of the sky that one in the middle shows."
        )

    return LiveFigure(
        draw, {"projection": list(kinds), "side of the tile [deg]": sides},
        "A flat tile of dust with lines of equal longitude and latitude, and the area of each of "
        "its pixels.",
        describe, start=("gnomonic (TAN)", 30),
    )  # fmt: skip


def split(nside: int = NSIDE, seed: int = 1) -> LiveFigure:
    """Show how tiles are dealt to training and test, and how much of the test sky a training sees.

    Parameters
    ----------
    nside : int
        Of the sky pixels that are counted.
    seed : int
        Of the tiles that are dealt at random.

    Returns
    -------
    LiveFigure
        Of the way of dealing, and of the least distance of training and test centres in sides.
    """
    geometry = Geometry(16, 30.0)
    lonlat = tile_centres(16)
    lonlat = lonlat[np.abs(lonlat[:, 1]) < 20]
    in_block = np.min([distance_to_block(*lonlat.T, block) for block in TEST_BLOCKS], axis=0) == 0
    at_random = np.random.default_rng(seed).permutation(in_block)
    ways = {"at random": at_random, "in blocks of longitude": in_block}
    guards = [0, 0.5, 1, 1.5]
    dealt = {}
    for way, test in ways.items():
        for guard in guards:
            train = leak.with_guard(lonlat, test, guard * geometry.side_deg)
            share = leak.shared_sky(geometry, lonlat, train, test, nside) if train.any() else 0.0
            dealt[way, guard] = train, test, share

    def draw(way: str, guard: float) -> Figure:
        train, test, _ = dealt[way, guard]
        figure, (axes,) = panels(2.5, 1)
        lost = ~train & ~test
        for label, which, colour in (
            ("training", train, SPLIT_COLOURS["train"]),
            ("test", test, SPLIT_COLOURS["test"]),
            ("left out", lost, "0.8"),
        ):
            axes.scatter(*lonlat[which].T, s=6, color=colour, label=f"{label} ({which.sum()})")
        axes.set(xlim=(360, 0), ylim=(-21, 21), xlabel="Galactic longitude [deg]",
                 ylabel="latitude [deg]")  # fmt: skip
        axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
        return figure

    def describe(way: str, guard: float) -> str:
        train, test, share = dealt[way, guard]
        return (
            f"Dealt {way}, with a guard of {guard:g} tiles: {share:.0%} of the test sky stands in "
            f"training tiles as well, and {train.sum()} of {(~test).sum()} tiles are left to "
            "train on."
        )

    return LiveFigure(
        draw, {"test tiles are dealt": list(ways), "guard [sides of a tile]": guards},
        "Centres of tiles along the Galactic plane: training, test, and left out.",
        describe, start=("at random", 0),
    )  # fmt: skip


def scaling(sky: Sky) -> LiveFigure:
    """Show two tiles of CO, a bright and a faint one, in network units by several scalings.

    Parameters
    ----------
    sky : Sky

    Returns
    -------
    LiveFigure
        Of the scaling.
    """
    line, geometry = sky.targets[0], Geometry(32, 45.0)
    lonlat = np.array([(lon, lat) for lat in (0.0, 12.0) for lon in range(40, 340, 30)])
    tiles = cut_tiles(map_to_alm(sky.maps[line]), geometry, lonlat).astype(float)
    order = np.argsort(tiles.max(axis=(1, 2)))
    pair = tiles[order[[-1, 1]]]
    lat = hp.pix2ang(sky.nside, np.arange(hp.nside2npix(sky.nside)), lonlat=True)[1]
    noise = sky.maps[line][np.abs(lat) > 60].astype(float)  # next to nothing else is there
    scalings = {f"asinh, w₀ = {w:g} K km/s": Scaling.fit("asinh", tiles, w)
                for w in (CO_SOFTENING / 10, CO_SOFTENING, 10 * CO_SOFTENING)}  # fmt: skip
    scalings[f"logarithm, floor {CO_SOFTENING:g} K km/s"] = Scaling.fit("log", tiles, CO_SOFTENING)
    scalings["each tile by its own range"] = PatchMinMax()
    scaled = {name: one.forward(pair) for name, one in scalings.items()}

    def draw(name: str) -> Figure:
        both = scaled[name]
        figure, (*pictures, right) = panels(2.9, 1, 1, 1.1)
        for axes, tile, title in zip(pictures, both, ("bright tile", "faint tile"), strict=True):
            image = picture(axes, tile, cmap="inferno", vmin=both.min(), vmax=both.max())
            axes.set_title(title)
        figure.colorbar(image, ax=pictures, label="network units", location="bottom", shrink=0.7)
        bins = np.linspace(both.min(), both.max() + 1e-6, 30)
        for tile, label, colour in zip(both, ("bright", "faint"), (GENERATED, BASE), strict=True):
            right.hist(tile.ravel(), bins, histtype="step", color=colour, lw=1.5, label=label)
        right.set(xlabel="network units", ylabel="pixels", yscale="log", ylim=(0.7, 1100))
        right.legend()
        return figure

    def describe(name: str) -> str:
        tops = pair.max(axis=(1, 2))
        said = (
            f"The brightest pixels of both tiles have {tops[0]:.0f} and {tops[1]:.1f} K km/s; in "
            "network units {:.2f} and {:.2f}".format(*scaled[name].max(axis=(1, 2)))
        )
        if isinstance(scalings[name], PatchMinMax):
            return f"{said}: which tile is the bright one is lost."
        spread = scalings[name].forward(noise).std()
        floor = (pair <= CO_SOFTENING).mean() if scalings[name].kind == "log" else 0.0
        lost = f", and {floor:.0%} of both tiles' pixels are at the floor" if floor else ""
        return f"{said}; noise has a spread of {spread:.2f} there{lost}."

    return LiveFigure(
        draw, {"scaling": list(scalings)},
        "A bright and a faint tile of CO in network units, on one scale of colours, and how often "
        "each value occurs.",
        describe, start=(list(scalings)[1],),
    )  # fmt: skip
