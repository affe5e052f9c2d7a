"""The slider of stored pictures, the live one, and who gets which."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from cogan_lib.base.files import CoganError
from cogan_lib.plots import morphology as figures
from cogan_lib.plots import slider
from cogan_lib.validation import morphology
from tests.plots.reading import images
from tests.toy_reports import PIXEL, sky

ROOT = Path(__file__).resolve().parents[2]
VALUES = [-1.5, 0, 2.25]


def draw(value):
    """A figure whose first pixel tells the value: by pyplot, which keeps figures until closed."""
    figure = pyplot.figure(figsize=(1, 0.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow([[value]], vmin=-1.5, vmax=2.25, cmap="gray", aspect="auto")
    return figure


def pixels(image: dict[str, str]) -> np.ndarray:
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))


def test_a_page_holds_one_picture_a_value_and_shows_the_middle_one():
    page = slider.slider(draw, VALUES, "nu [sd]", "Grey.").data
    found = images(page)
    assert [image["data-value"] for image in found] == ["−1.5", "0", "2.25"]
    assert [image["alt"] for image in found][0] == "Grey. nu [sd]: −1.5."
    grey = [int(np.median(pixels(image))) for image in found]
    assert grey[0] < 5 and 90 < grey[1] < 115 and grey[2] > 250
    assert [" hidden>" in tag for tag in re.findall("<img[^>]*>", page)] == [True, False, True]
    (control,) = re.findall("<input[^>]*>", page)
    assert 'type="range" min="0" max="2" value="1"' in control and 'aria-valuetext="0"' in control
    assert ">0</output>" in page


def test_a_page_needs_nothing_else_and_two_sliders_share_no_name():
    page = slider.slider(draw, VALUES, "nu", "Grey.").data
    assert not re.search(r"https?:|\bsrc=\"(?!data:)|<script|<link|\b(id|name|for)=", page)
    assert "closest('.cogan-slider')" in page.replace("&#x27;", "'")  # it moves its own pictures


def test_words_are_escaped():
    page = slider.slider(draw, VALUES, 'a < "b"', '"><script>alert(1)</script>').data
    assert "<script" not in page and 'aria-label="a &lt; &quot;b&quot;"' in page
    assert len(images(page)) == len(VALUES)


def test_words_may_be_values():
    page = slider.slider(lambda word: draw(len(word)), ["a", "a<b"], "word", "Grey.").data
    assert [image["data-value"] for image in images(page)] == ["a", "a&lt;b"]


def test_bad_input_is_refused(monkeypatch):
    with pytest.raises(CoganError, match="'nu' has no values"):
        slider.slider(draw, np.array([]), "nu", "Grey.")
    with pytest.raises(CoganError, match="nu = 1 `draw` returned a NoneType"):
        slider.slider(lambda value: None, [1], "nu", "Grey.")
    monkeypatch.setattr(slider, "MAX_PAGE_KB", 0.1)
    with pytest.raises(CoganError, match="more than 0.1 kB; use fewer"):
        slider.slider(draw, VALUES, "nu", "Grey.")


def test_the_live_slider_draws_the_chosen_value(monkeypatch):
    monkeypatch.setattr(slider, "_somebody_is_there", lambda: True)
    drawn = []
    values = np.array([2.0, 2.0, 3.0])  # equal ones are no trouble
    box = slider.slider(lambda value: drawn.append(value) or draw(value), values, "nu", "Grey.")
    picture, control = box.children
    assert drawn == [2.0] and control.index == 1
    before = picture.value
    control.value = 2
    assert drawn == [2.0, 3.0] and picture.value != before
    (image,) = images(picture.value)
    assert image["alt"] == "Grey. nu: 3." and np.median(pixels(image)) > 250


def test_no_figure_is_left_open(monkeypatch):
    pyplot.close("all")
    slider.slider(draw, VALUES, "nu", "Grey.")
    monkeypatch.setattr(slider, "_somebody_is_there", lambda: True)
    slider.slider(draw, VALUES, "nu", "Grey.").children[1].value = 0
    assert pyplot.get_fignums() == []


def test_headless_runs_get_pictures_and_people_get_a_live_slider():
    """As nbclient (papermill, Jupyter Book) and as JupyterLab ask a kernel to run a cell."""
    code = (
        "from matplotlib.figure import Figure\nfrom cogan_lib.plots import slider\n"
        "slider.slider(lambda value: Figure((1, 1)), [1, 2], 'nu', 'Nothing.')"
    )
    manager, client = start_new_kernel(cwd=str(ROOT))
    try:
        kinds = {}
        for somebody in (False, True):
            shown = []
            client.execute_interactive(
                code, allow_stdin=somebody, output_hook=shown.append, timeout=200
            )
            (result,) = (m for m in shown if m["msg_type"] in ("execute_result", "display_data"))
            kinds[somebody] = set(result["content"]["data"]) - {"text/plain"}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert kinds == {False: {"text/html"}, True: {"application/vnd.jupyter.widget-view+json"}}


def test_points_lie_on_the_curves_and_nothing_but_them_moves():
    real, _, _ = sky(24)
    tiles = {"real": real[0], "generated sky": real[5]}
    places = []
    for nu in (0.0, 1.0):
        figure = figures.excursion_pair(tiles, "W_CO21", nu, pixel_arcmin=PIXEL)
        assert isinstance(figure, Figure)
        figure.canvas.draw()
        places.append([axes.get_position().bounds for axes in figure.axes])
        panels = figure.axes[-3:]
        for axes, i in zip(panels, range(3), strict=True):
            points = [line for line in axes.lines if line.get_marker() == "o"]
            for point, tile in zip(points, tiles.values(), strict=True):
                v = morphology.minkowski(tile[None], pixel_arcmin=PIXEL)[i][0]
                want = v[np.argmin(np.abs(morphology.THRESHOLDS - nu))]
                np.testing.assert_allclose(*point.get_xdata(), nu)
                np.testing.assert_allclose(*point.get_ydata(), want)
        above = (real[0] > real[0].mean() + nu * real[0].std()).mean()
        first = next(line for line in panels[0].lines if line.get_marker() == "o")
        np.testing.assert_allclose(*first.get_ydata(), above, atol=0.03)
    np.testing.assert_allclose(places[0], places[1])


def test_a_generator_that_makes_nothing_can_be_looked_at():
    real, _, _ = sky(24)
    tiles = {"real": real[0], "generated sky": np.zeros_like(real[0])}
    for nu in (-1.0, 0.0, 20.0):
        figures.excursion_pair(tiles, "W_CO10", nu, pixel_arcmin=PIXEL).canvas.draw()
