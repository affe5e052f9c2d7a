"""The book's style, and what several chapters draw: pictures, bands, curves, tables.

Every figure is a matplotlib Figure and is not shown.

Colours are safe for colour-blind eyes: real data grey and black, generated data orange, baselines
blue.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import colors, patheffects
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..base.files import CoganError
from ..base.units import CO_SOFTENING

REAL, GENERATED, BASE = "#222222", "#d95f02", "#1b6ca8"
VIOLET = "#7a5195"
SPLIT_COLOURS = {"train": BASE, "validation": VIOLET, "test": GENERATED}
#: Of curves in one panel.
LINES = ("-", "--", "-.", ":")
COLOURS = (GENERATED, BASE, REAL, VIOLET)
#: Around what is written on a picture, so that it can be read on dark and bright.
RIM = (patheffects.withStroke(linewidth=1.6, foreground="k", alpha=0.6),)
#: Colour map and label of each column.
COLUMNS = {
    "DUST": ("cividis", "dust"),
    "N_HI": ("viridis", r"$N_\mathrm{HI}$"),
    "DUST_353": ("cividis", "dust 353 GHz"),
    "DUST_545": ("cividis", "dust 545 GHz"),
    "T_DUST": ("magma", "dust temperature"),
    "EBV_SFD": ("cividis", "E(B-V), SFD"),
    "H_ALPHA": ("plasma", r"H$\alpha$"),
    "RADIO_408": ("plasma", "408 MHz"),
    "W_CO10": ("inferno", r"$W_\mathrm{CO}$ 1-0"),
    "W_CO21": ("inferno", r"$W_\mathrm{CO}$ 2-1"),
}


def use() -> None:
    """Set matplotlib's defaults, and let notebooks show figures that were made without pyplot."""
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png")
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "image.origin": "lower",
            "image.interpolation": "nearest",
        }
    )


def column_norm(name: str, values: np.ndarray) -> colors.Normalize:
    """Choose the colour scale of a column: logarithmic for dust and HI, asinh for CO.

    Parameters
    ----------
    name : str
        Column of a sky file.
    values : ndarray
        What will be drawn; NaN is left out.

    Returns
    -------
    Normalize

    Raises
    ------
    CoganError
        If nothing of it can be drawn: all is NaN, or nothing above zero on a logarithmic scale.
    """
    line = name.startswith("W_")
    drawn = values[np.isfinite(values) if line else (values > 0) & np.isfinite(values)]
    if not drawn.size:
        raise CoganError(
            f"The column {name} has no value {'' if line else 'above zero '}that could be drawn; "
            "choose another column or place."
        )
    if line:
        top = float(np.percentile(drawn, 99.7))
        return colors.AsinhNorm(CO_SOFTENING, vmin=-CO_SOFTENING, vmax=max(top, 1.0))
    low, high = np.percentile(drawn, [0.5, 99.7])
    return colors.LogNorm(float(low), float(high))


def colour_bar(figure: Figure, image, axes, name: str, unit: str, **options) -> None:
    """Add a colour bar with few, readable ticks.

    Parameters
    ----------
    figure : Figure
    image : ScalarMappable
    axes : Axes or list of Axes
    name, unit : str
        Column of a sky file, and its unit.
    **options : object
        Passed to `Figure.colorbar`.
    """
    bar = figure.colorbar(image, ax=axes, **options)
    norm = image.norm
    if isinstance(norm, colors.AsinhNorm | colors.LogNorm):
        ticks = few_ticks(norm)
        bar.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
        bar.ax.minorticks_off()
    bar.set_label(column_label(name, unit))


def few_ticks(norm: colors.Normalize, apart: float = 0.14) -> list[float]:
    """Choose round numbers that stand apart on a colour bar.

    Parameters
    ----------
    norm : AsinhNorm or LogNorm
    apart : float
        Least distance of two, as a share of the bar.

    Returns
    -------
    list of float
        0 and powers of ten; where that is few, 2, 3 or 5 times them, too.

    Examples
    --------
    >>> few_ticks(colors.LogNorm(0.8, 1200.0))
    [1.0, 10.0, 100.0, 1000.0]
    """
    low, high = float(norm.vmin), float(norm.vmax)
    tens = 10.0 ** np.arange(-12, 31)
    chosen: list[float] = []
    for numbers in ([0.0, *tens], 3 * tens, 2 * tens, 5 * tens):
        for tick in numbers:
            inside = low <= tick <= high and (tick > 0 or low < 0)
            if inside and all(abs(norm(tick) - norm(other)) >= apart for other in chosen):
                chosen.append(float(tick))
        if len(chosen) >= 3:
            break
    if len(chosen) < 2:  # less than a factor of two
        chosen = [float(x) for x in MaxNLocator(3).tick_values(low, high) if low <= x <= high]
    return sorted(chosen)


def tick_label(tick: float) -> str:
    """Write a round number; as a power of ten where it has many digits.

    Parameters
    ----------
    tick : float

    Returns
    -------
    str

    Examples
    --------
    >>> tick_label(0.3), tick_label(200.0)
    ('0.3', '200')
    """
    if tick == 0 or 1e-3 <= abs(tick) < 1e4:
        return f"{tick:g}"
    power = int(np.floor(np.log10(abs(tick)) + 1e-9))
    factor = f"{tick / 10.0**power:.3g}"
    lead = "" if factor == "1" else rf"{factor}\times"
    return f"${lead}10^{{{power}}}$"


def column_label(name: str, unit: str) -> str:
    """Label a colour bar with name and unit of a column.

    Parameters
    ----------
    name, unit : str

    Returns
    -------
    str
    """
    unit = unit.replace("cm-2", r"cm$^{-2}$")
    label = COLUMNS.get(name, ("", name))[1]
    return f"{label} [{unit}]" if unit else label


def column_title(target: str) -> str:
    """Name a column in a title, a line of CO by its levels.

    Parameters
    ----------
    target : str
        Column of a sky file.

    Returns
    -------
    str

    Examples
    --------
    >>> column_title("W_CO21"), column_title("DUST")
    ('CO(2-1)', 'dust')
    """
    if target.startswith("W_CO") and target[4:].isdigit():
        return f"CO({'-'.join(target[4:])})"
    return COLUMNS.get(target, ("", target))[1]


def target_panels(
    sections: Mapping, size: tuple[float, float], rows: int = 1, columns: int = 1, **options
) -> tuple[Figure, dict[str, np.ndarray]]:
    """Lay out panels for several targets, one below the other.

    Parameters
    ----------
    sections : dict of target to anything
    size : (float, float)
        Width, and height per target, in inches.
    rows, columns : int
        Panels per target.
    **options : object
        Passed to `subplots`.

    Returns
    -------
    figure : Figure
    panels : dict of target to ndarray of Axes, shape (rows * columns,)
    """
    figure = Figure(figsize=(size[0], size[1] * len(sections)), layout="constrained")
    parts = figure.subfigures(len(sections), 1, squeeze=False)[:, 0]
    panels = {}
    for part, target in zip(parts, sections, strict=True):
        part.suptitle(column_title(target))
        panels[target] = part.subplots(rows, columns, squeeze=False, **options).ravel()
    return figure, panels


def band(axes, x, section: Mapping, colour: str, label: str) -> None:
    """Draw a median line with its 2.5-97.5 % band.

    Parameters
    ----------
    axes : Axes
    x : array_like, shape (n,)
    section : dict
        A report's {median, low, high}, each of length n.
    colour, label : str
    """
    axes.plot(x, section["median"], color=colour, label=label, marker="o", ms=3, lw=1.3)
    axes.fill_between(x, section["low"], section["high"], color=colour, alpha=0.18, lw=0)


def picture_panels(
    pictures: Mapping[str, np.ndarray],
    *,
    label: str = "",
    cmap: str = "gray",
    shared: bool = True,
    squares: Mapping[str, Mapping[str, int]] | None = None,
) -> Figure:
    """Draw plain pictures side by side, without sky coordinates, and squares around their middles.

    Parameters
    ----------
    pictures : dict of title to ndarray, shape (h, w)
    label : str
        What the colours mean.
    cmap : str
    shared : bool
        One colour scale for all, or each its own.
    squares : dict of title to dict of label to int
        Sides in pixels of the squares to draw.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(2.9 * len(pictures), 3.1), layout="constrained")
    line = figure.subplots(1, len(pictures), squeeze=False)[0]
    ends = [f(np.concatenate([p.ravel() for p in pictures.values()])) for f in (np.min, np.max)]
    for axes, (title, picture) in zip(line, pictures.items(), strict=True):
        low, high = ends if shared else (picture.min(), picture.max())
        image = axes.imshow(picture, cmap=cmap, vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(False)
        for (name, side), colour in zip(
            ((squares or {}).get(title) or {}).items(), (GENERATED, BASE), strict=False
        ):
            corner = np.array(picture.shape[::-1]) / 2 - side / 2 - 0.5
            box = Rectangle(corner, side, side, fill=False, ec=colour, lw=2, label=name)
            axes.add_patch(box)
        if axes.patches:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=9)
        if not shared:
            figure.colorbar(image, ax=axes, shrink=0.75)
    if shared:
        figure.colorbar(image, ax=list(line), shrink=0.75, label=label)
    return figure


def sentence_figure(text: str) -> Figure:
    """Write a sentence where there is nothing to draw.

    Parameters
    ----------
    text : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(6.0, 1.0), layout="constrained")
    axes = figure.add_subplot()  # a figure without axes is not shown
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]]):
    """Make a small table for the end of a cell.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences

    Returns
    -------
    IPython.display.HTML
    """
    from html import escape

    from IPython.display import HTML

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(str(c))}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line(cells, "td") for cells in rows)
    return HTML(
        f'<table class="table"><thead>{line(header, "th")}</thead><tbody>{body}</tbody></table>'
    )
