"""Catalogues of every kind, and the places that they name."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from cogan_lib.companions.compact_sources import io, sources
from tests.companions.compact_sources import toy

X, Y = np.array([40.25, 120.5, 200.75]), np.array([50.0, 48.5, 60.25])


@pytest.fixture
def image():
    return io.image_of(toy.sky()[0], toy.wcs())


def tables():
    places = toy.wcs().pixel_to_world(X, Y)
    text = places.to_string("hmsdms", sep=":", precision=5)
    return {
        "ra dec": Table({"RA": places.ra.deg, "DEC": places.dec.deg}),
        "radians": Table({"ra": places.ra.to(u.rad), "dec": places.dec.to(u.rad)}),
        "hours": Table({"ra": places.ra.to(u.hourangle), "dec": places.dec.to(u.deg)}),
        "sexagesimal": Table([[t.split()[i] for t in text] for i in (0, 1)], names=("ra", "dec")),
        "vizier": Table({"RAJ2000": places.ra.deg, "DEJ2000": places.dec.deg}),
        "galactic": Table({"GLON": places.galactic.l.deg, "GLAT": places.galactic.b.deg}),
        "pixels": Table({"x": X, "y": Y}),
        "photutils": Table({"x_centroid": X, "y_centroid": Y}),
    }


@pytest.mark.parametrize("kind", tables())
def test_columns(image, kind):
    found = sources.positions(tables()[kind], image)
    np.testing.assert_allclose(found["x"], X, atol=2e-3)
    np.testing.assert_allclose(found["y"], Y, atol=2e-3)
    assert list(found["id"]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["c.csv", "c.ecsv", "c.vot", "c.fits", "c.txt"])
def test_files(image, tmp_path, name):
    table = tables()["ra dec"]
    table["ID"] = ["a", "b", "c"]
    form = {"c.vot": "votable", "c.txt": "ascii"}.get(name)
    table.write(tmp_path / name, format=form)
    found = sources.positions(tmp_path / name, image)
    np.testing.assert_allclose(found["x"], X, atol=1e-3)
    assert [str(name) for name in found["id"]] == ["a", "b", "c"]


@pytest.mark.parametrize("frame", ["GLON-CAR GLAT-CAR", "RA---SIN DEC--SIN"])
def test_frames_of_the_image(frame):
    wcs = toy.wcs(frame=frame)
    image = io.image_of(toy.sky()[0], wcs)
    places = wcs.pixel_to_world(X, Y)
    for table in (
        Table({"ra": places.icrs.ra.deg, "dec": places.icrs.dec.deg}),
        Table({"l": places.galactic.l.deg, "b": places.galactic.b.deg}),
    ):
        np.testing.assert_allclose(sources.positions(table, image)["x"], X, atol=1e-4)


def test_what_is_far_away_or_missing_has_no_place(image):
    here = toy.wcs().pixel_to_world(X[0], Y[0])
    other_side = SkyCoord(here.ra + 180 * u.deg, -here.dec)  # TAN would draw it on the image
    table = Table(
        {"ra": [here.ra.deg, other_side.ra.deg, 80.0, np.nan],
         "dec": [here.dec.deg, other_side.dec.deg, 60.0, 1.0]}
    )  # fmt: skip
    found = sources.positions(table, image)
    inside = sources.inside(found["x"], found["y"], image)
    assert inside.tolist() == [True, False, False, False]
    assert np.isnan(found["x"][[1, 3]]).all()


def test_masked_rows_have_no_place(image):
    table = Table({"x": np.ma.masked_equal([5.0, -1.0], -1.0), "y": [6.0, 7.0]})
    assert np.isnan(sources.positions(table, image)["x"][1])


def test_structure_is_not_found_nor_are_ragged_edges():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :300]
    values = rng.normal(size=(300, 300)) + 100 * np.exp(-((x - 150) ** 2 + (y - 150) ** 2) / 2e3)
    values[rng.uniform(size=values.shape) < np.clip((20 - x) / 10, 0, 1)] = np.nan
    values[:, :25] *= 4
    toy.add(values, [80.0], [200.0], [30.0])
    found = sources.detect(io.image_of(values), toy.FWHM)
    assert np.hypot(found["x"][0] - 80, found["y"][0] - 200) < 0.5 and len(found) < 4
