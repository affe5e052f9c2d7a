"""Can a figure's texts be read at the width of the book's column, and do they stand apart?"""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

COLUMN_INCHES, LEAST_POINTS = 700 / 96, 8


def texts(figure):
    """All that is written in a figure: neither hidden, nor a tick beyond the end of its axis."""
    FigureCanvasAgg(figure).draw()
    beyond = set()
    for axes in figure.axes:
        if not axes.get_visible():
            beyond |= set(axes.findobj(Text))
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * max(1, abs(low), abs(high))
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not (low - slack <= tick.get_loc() <= high + slack and axes.axison):
                    beyond |= {tick.label1, tick.label2}
    drawn = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [text for text in drawn if text not in beyond]


def check_legible(figure):
    """Assert that texts are large enough, within the figure, and not on top of each other."""
    drawn = texts(figure)
    shrunk = min(1.0, COLUMN_INCHES / figure.get_figwidth())
    for text in drawn:
        assert text.get_fontsize() * shrunk >= LEAST_POINTS, text.get_text()
    inside = figure.bbox.padded(1)
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
    for text, box in boxes:
        assert inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1), text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.padded(-0.5).overlaps(b.padded(-0.5)), (one, other)
