"""A figure to play with that also works on a page without Python.

Where somebody sits at the kernel (JupyterLab, Colab), a `LiveFigure` has ipywidgets and draws anew
at each choice. In a run that nobody watches (papermill, Jupyter Book, nbconvert) it is HTML that
holds one picture for each choice, so that the page needs no kernel, no network and no library; on
paper, and where scripts are off, the picture that was chosen to start with remains.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ..base.files import CoganError

DPI = 110  # that of the book's other figures
MAX_PAGE_KB = 2000  # what the pictures of one figure may add to a page; the book's add a quarter

# The pictures are siblings of which one is shown; no ids, so that figures can't meet. The last
# control's value runs fastest. What a screen reader says at a step is value and sentence.
MOVE = (
    "const box = this.closest('.cogan-slider'), dials = [...box.querySelectorAll('input')];"
    "const shown = dials.reduce((n, dial) => n * (+dial.max + 1) + +dial.value, 0);"
    "const says = box.querySelector('.cogan-says'), answer = box.querySelector('.cogan-answer');"
    "box.querySelectorAll('img').forEach((img, i) => { img.hidden = i !== shown;"
    " if (i !== shown) return;"
    " dials.forEach(dial => { const text = JSON.parse(dial.dataset.texts)[+dial.value];"
    " dial.nextElementSibling.value = text; dial.setAttribute('aria-valuetext',"
    " says ? text + '. ' + img.dataset.says : text); });"
    " if (says) says.textContent = img.dataset.says;"
    " if (answer) { answer.textContent = '';"
    " box.querySelector('.cogan-paper').textContent = img.dataset.answer; } });"
)
CHOOSE = (
    "const box = this.closest('.cogan-slider'), img = box.querySelector('img:not([hidden])');"
    "box.querySelector('.cogan-answer').textContent ="
    " (this.textContent === img.dataset.right ? 'Right. ' : 'No. ') + img.dataset.answer;"
)


@dataclass(frozen=True)
class LiveFigure:
    """A figure with one or two controls: widgets in a kernel, stored pictures on a page.

    At the end of a cell it shows itself.

    Attributes
    ----------
    draw : callable
        Takes one value of each control and returns a matplotlib Figure, of one size for all.
    controls : dict of str to sequence
        One or two: what its values are, with their unit (``"threshold ν [sd]"``), and the values,
        numbers or words, in the order of the slider.
    alt : str
        What the picture shows, in words; labels, values and the sentence are added to it.
    describe : callable, optional
        Takes what `draw` takes and returns a sentence with the numbers that the picture shows.
    start : tuple, optional
        The values that are shown at first and on paper; those in the middle by default.
    choices : sequence of str
        Answers to the question that the picture asks, one button each; none: no question.
    answer : callable, optional
        With `choices`: takes what `draw` takes and returns the right choice, and a sentence.

    Raises
    ------
    CoganError
        If a control has no values, there are none or more than two, or `start` is not among them.
    """

    draw: Callable[..., Figure]
    controls: Mapping[str, Sequence]
    alt: str
    describe: Callable[..., str] | None = None
    start: tuple | None = None
    choices: Sequence[str] = ()
    answer: Callable[..., tuple[str, str]] | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody could move."""
        object.__setattr__(self, "controls", {k: list(v) for k, v in self.controls.items()})
        if not 1 <= len(self.controls) <= 2:
            raise CoganError(
                f"A live figure has one or two controls, not {len(self.controls)}: "
                f"{', '.join(self.controls) or 'none'}."
            )
        for label, values in self.controls.items():
            if not values:
                raise CoganError(f"The slider {label!r} has no values; give it at least one.")
        if self.start is None:
            middle = tuple(values[len(values) // 2] for values in self.controls.values())
            object.__setattr__(self, "start", middle)
        for value, (label, values) in zip(self.start, self.controls.items(), strict=True):
            if value not in values:
                raise CoganError(f"The slider {label!r} can't start at {value!r}, which it lacks.")

    def combinations(self) -> list[tuple]:
        """List what the controls can be set to, the last one fastest.

        Returns
        -------
        list of tuple
            What `draw`, `describe` and `answer` take.
        """
        return list(itertools.product(*self.controls.values()))

    def show(self):
        """Make what a cell shows.

        Returns
        -------
        ipywidgets.VBox or IPython.display.HTML
            Which of the two depends on who runs the notebook.

        Raises
        ------
        CoganError
            If `draw` returns no Figure, or the page would become too large.
        """
        return _live(self) if _somebody_is_there() else _page(self)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.show())


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
    return LiveFigure(draw, {label: values}, alt).show()


def _somebody_is_there() -> bool:
    """Whether the running cell could ask for input, which no headless run allows."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))


def _live(figure: LiveFigure):
    """Make the figure for a session with a kernel."""
    import ipywidgets

    lists = list(figure.controls.values())
    places = _places(figure)
    dials = [
        ipywidgets.SelectionSlider(
            options=[(_text(value), i) for i, value in enumerate(values)],
            value=place,
            description=label,
            continuous_update=False,  # else a slow picture falls behind the mouse
            style={"description_width": "initial"},
            layout={"width": "100%", "max_width": "40rem"},
        )
        for place, (label, values) in zip(places, figure.controls.items(), strict=True)
    ]
    picture, says, answer = (ipywidgets.HTML() for _ in range(3))

    def chosen() -> tuple:
        return tuple(values[dial.value] for dial, values in zip(dials, lists, strict=True))

    def show(_change=None) -> None:
        picture.value = _image(figure, chosen())
        if figure.describe:
            says.value = f'<p role="status">{html.escape(figure.describe(*chosen()))}</p>'
        answer.value = ""

    def choose(button) -> None:
        right, sentence = figure.answer(*chosen())
        word = "Right." if button.description == right else "No."
        answer.value = f'<p role="status">{word} {html.escape(sentence)}</p>'

    show()
    for dial in dials:
        dial.observe(show, names="value")
    parts = [picture, *dials, *([says] if figure.describe else [])]
    if figure.choices:
        buttons = [ipywidgets.Button(description=choice) for choice in figure.choices]
        for button in buttons:
            button.on_click(choose)
        parts += [ipywidgets.HBox(buttons), answer]
    return ipywidgets.VBox(parts)


def _page(figure: LiveFigure):
    """Make the figure for a page: all pictures, one of them shown, and the controls."""
    from IPython.display import HTML

    places = _places(figure)
    shown = 0
    for place, values in zip(places, figure.controls.values(), strict=True):
        shown = shown * len(values) + place
    images = [_image(figure, at, hidden=i != shown) for i, at in enumerate(figure.combinations())]
    size = sum(map(len, images)) / 1000
    if size > MAX_PAGE_KB:
        raise CoganError(
            f"The pictures of the slider {' and '.join(map(repr, figure.controls))} take "
            f"{size:.0f} kB, more than {MAX_PAGE_KB} kB; use fewer values or a smaller figure."
        )
    parts = [*images]
    said = html.escape(figure.describe(*figure.start)) if figure.describe else ""
    for place, (label, values) in zip(places, figure.controls.items(), strict=True):
        name, text = html.escape(label), html.escape(_text(values[place]))
        texts = html.escape(json.dumps([_text(one) for one in values], ensure_ascii=False))
        parts.append(
            '<label style="display: flex; flex-wrap: wrap; align-items: center; gap: 0 0.8rem; '
            'margin-top: 0.4rem">'
            f'<span>{name}</span>\n<input type="range" min="0" max="{len(values) - 1}" '
            f'value="{place}" autocomplete="off" aria-label="{name}" '
            f'aria-valuetext="{f"{text}. {said}" if said else text}" data-texts="{texts}" '
            f'style="flex: 1 1 12rem" oninput="{html.escape(MOVE)}">'
            '<output aria-live="off" style="min-width: 3em; font-variant-numeric: tabular-nums">'
            f"{text}</output></label>"
        )
    if said:
        parts.append(f'<p class="cogan-says" style="margin: 0.4rem 0">{said}</p>')
    if figure.choices:
        parts.append(_question(figure))
    return HTML(f'<div class="cogan-slider">\n{"".join(parts)}</div>')


def _question(figure: LiveFigure) -> str:
    """Make the buttons, the place where the answer comes, and the answer on paper."""
    buttons = "".join(
        f'<button type="button" onclick="{html.escape(CHOOSE)}">{html.escape(choice)}</button>\n'
        for choice in figure.choices
    )
    return (
        f'<div class="cogan-choices">{buttons}</div><p class="cogan-answer" role="status"></p>'
        f'<p class="cogan-paper">{html.escape(figure.answer(*figure.start)[1])}</p>'
    )


def _image(figure: LiveFigure, at: tuple, hidden: bool = False) -> str:
    """Make the picture of one choice as an ``<img>`` that carries its own file."""
    from matplotlib import pyplot
    from PIL import Image

    texts = [f"{label}: {_text(value)}" for label, value in zip(figure.controls, at, strict=True)]
    drawn = figure.draw(*at)
    if not isinstance(drawn, Figure):
        raise CoganError(
            f"For {', '.join(texts).replace(': ', ' = ')} `draw` returned a "
            f"{type(drawn).__name__}; let it return a matplotlib Figure."
        )
    full, small = io.BytesIO(), io.BytesIO()
    drawn.savefig(full, format="png", dpi=DPI, facecolor="white")
    pyplot.close(drawn)
    # 256 colours of the picture's own choice: no step to be seen, and a third of the size
    palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1, "dither": Image.Dither.NONE}
    picture = Image.open(full).convert("RGB").quantize(**palette)
    picture.save(small, format="png", optimize=True)
    said = figure.describe(*at) if figure.describe else ""
    data = {"value": ", ".join(_text(value) for value in at)}
    data |= {"says": said} if said else {}
    if figure.choices:
        data |= dict(zip(("right", "answer"), figure.answer(*at), strict=True))
    carried = " ".join(f'data-{name}="{html.escape(text)}"' for name, text in data.items())
    alt = html.escape(f"{figure.alt} {', '.join(texts)}.{f' {said}' if said else ''}")
    return (
        f'<img src="data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}" '
        f'width="{picture.width}" height="{picture.height}" {carried} alt="{alt}" '
        f'style="max-width: 100%; height: auto"{" hidden" if hidden else ""}>\n'
    )


def _places(figure: LiveFigure) -> list[int]:
    """Numbers of the values that are shown at first; of equal ones the one nearest the middle."""
    found = []
    for start, values in zip(figure.start, figure.controls.values(), strict=True):
        middle = len(values) // 2
        by_distance = sorted(range(len(values)), key=lambda i, middle=middle: abs(i - middle))
        found.append(next(i for i in by_distance if values[i] == start))
    return found


def _text(value: object) -> str:
    """Write a value as the reader sees it."""
    if isinstance(value, str):
        return value
    return f"{value:g}".replace("-", "−")
