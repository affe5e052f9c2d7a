"""A slider that also works on a page without Python, and the pictures that the book slides through.

Where somebody sits at the kernel (JupyterLab, Colab), `slider` is an ipywidgets slider that draws
anew at each choice. In a run that nobody watches (papermill, Jupyter Book, nbconvert) it is HTML
that holds one picture a value, so that the page needs no kernel, no network and no library.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from ..base.files import CoganError

DPI = 110  # that of the book's other figures
MAX_PAGE_KB = 2000  # what the pictures of one slider may add to a page; the book's add a quarter

# The pictures are siblings of which one is shown; no ids, so that sliders can't meet.
MOVE = (
    "const shown = +this.value, box = this.closest('.cogan-slider');"
    "box.querySelectorAll('img').forEach((img, i) => { img.hidden = i !== shown;"
    " if (i === shown) { box.querySelector('output').value = img.dataset.value;"
    " this.setAttribute('aria-valuetext', img.dataset.value); } });"
)


def slider(draw: Callable[[object], Figure], values: Sequence, label: str, alt: str):
    """Show a slider over `values` and the picture that `draw` makes of the chosen one.

    Parameters
    ----------
    draw : callable
        Takes one of `values` and returns a matplotlib Figure, of one size for all values.
    values : sequence
        Numbers or words, in the order of the slider, which starts in the middle.
    label : str
        What the values are, with their unit: ``"threshold ν [sd]"``.
    alt : str
        What the picture shows, in words; label and value are added to it.

    Returns
    -------
    ipywidgets.VBox or IPython.display.HTML
        For the end of a cell; which of the two depends on who runs the notebook.

    Raises
    ------
    CoganError
        If there are no values, `draw` returns no Figure, or the page would become too large.
    """
    values = list(values)
    if not values:
        raise CoganError(f"The slider {label!r} has no values; give it at least one.")
    if _somebody_is_there():
        return _live(draw, values, label, alt)
    return _pictures(draw, values, label, alt)


def _somebody_is_there() -> bool:
    """Whether the running cell could ask for input, which no headless run allows."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))


def _live(draw, values: list, label: str, alt: str):
    """Make the slider for a session with a kernel."""
    import ipywidgets

    options = [(_text(value), i) for i, value in enumerate(values)]
    control = ipywidgets.SelectionSlider(
        options=options,
        value=len(values) // 2,
        description=label,
        continuous_update=False,  # else a slow picture falls behind the mouse
        style={"description_width": "initial"},
        layout={"width": "100%", "max_width": "40rem"},
    )
    picture = ipywidgets.HTML()

    def show(_change=None):
        picture.value = _image(draw, values[control.value], label, alt)

    show()
    control.observe(show, names="value")
    return ipywidgets.VBox([picture, control])


def _pictures(draw, values: list, label: str, alt: str):
    """Make the slider for a page: all pictures, one of them shown, and a range input."""
    from IPython.display import HTML

    middle = len(values) // 2
    images = [_image(draw, value, label, alt, hidden=i != middle) for i, value in enumerate(values)]
    size = sum(map(len, images)) / 1000
    if size > MAX_PAGE_KB:
        raise CoganError(
            f"The pictures of the slider {label!r} take {size:.0f} kB, more than {MAX_PAGE_KB} kB; "
            "use fewer values or a smaller figure."
        )
    name, text = html.escape(label), html.escape(_text(values[middle]))
    return HTML(
        f'<div class="cogan-slider">\n{"".join(images)}'
        '<label style="display: flex; flex-wrap: wrap; align-items: center; gap: 0 0.8rem; '
        'margin-top: 0.4rem">'
        f'<span>{name}</span>\n<input type="range" min="0" max="{len(values) - 1}" '
        f'value="{middle}" autocomplete="off" aria-label="{name}" aria-valuetext="{text}" '
        f'style="flex: 1 1 12rem" oninput="{html.escape(MOVE)}">\n'
        '<output aria-live="off" style="min-width: 3em; font-variant-numeric: tabular-nums">'
        f"{text}</output></label></div>"
    )


def _image(draw, value: object, label: str, alt: str, hidden: bool = False) -> str:
    """Make the picture of one value as an ``<img>`` that carries its own PNG."""
    from matplotlib import pyplot
    from PIL import Image

    figure = draw(value)
    if not isinstance(figure, Figure):
        raise CoganError(
            f"For {label} = {_text(value)} `draw` returned a {type(figure).__name__}; "
            "let it return a matplotlib Figure."
        )
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DPI, facecolor="white")
    pyplot.close(figure)
    # 256 colours of the picture's own choice: no step to be seen, and a third of the size
    palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1, "dither": Image.Dither.NONE}
    picture = Image.open(full).convert("RGB").quantize(**palette)
    picture.save(small, format="png", optimize=True)
    text = _text(value)
    return (
        f'<img src="data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}" '
        f'width="{picture.width}" height="{picture.height}" data-value="{html.escape(text)}" '
        f'alt="{html.escape(f"{alt} {label}: {text}.")}" style="max-width: 100%; height: auto"'
        f"{' hidden' if hidden else ''}>\n"
    )


def _text(value: object) -> str:
    """Write a value as the reader sees it."""
    return value if isinstance(value, str) else f"{value:g}".replace("-", "−")
