"""Catalogues of stars from strangers: read by value, and refused in one sentence."""

import logging

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table, vstack

from cogan_lib.base.files import CoganError, sha256
from cogan_lib.companions.extinction.catalogue import (
    Catalogue,
    diagrams,
    read_catalogue,
    sightlines,
)
from cogan_lib.companions.extinction.physics import CELL_DEG, COLOUR, LIMITS, MAGNITUDE, SIDE

#: The same columns by IRSA's names and by VizieR's.
IRSA = {
    "ra": "ra", "dec": "dec", "name": "designation", "J": "j_m", "J_error": "j_cmsig",
    "Ks": "k_m", "Ks_error": "k_cmsig", "quality": "ph_qual", "contamination": "cc_flg",
}  # fmt: skip
VIZIER = {
    "ra": "RAJ2000", "dec": "DEJ2000", "name": "_2MASS", "J": "Jmag", "J_error": "e_Jmag",
    "Ks": "Kmag", "Ks_error": "e_Kmag", "quality": "Qflg", "contamination": "Cflg",
}  # fmt: skip
UNITS = {"ra": "deg", "dec": "deg"} | dict.fromkeys(("J", "Ks", "J_error", "Ks_error"), "mag")
WRITTEN = {"csv": "ascii.csv", "tbl": "ascii.ipac", "vot": "votable", "fits": "fits"}

#: Row by row: what is wrong with a star, and the cut that takes it.
STARS = [
    ("AAA", "000", 12.345, 11.234, None),
    ("CUB", "0c0", 15.799, 14.299, None),  # H does not matter; just above both limits
    ("AAU", "000", 12.0, 11.0, "quality"),
    ("DAA", "000", 12.0, 11.0, "quality"),
    ("AAA", "00c", 12.0, 11.0, "contamination"),
    ("AAA", "p00", 12.0, 11.0, "contamination"),
    ("AAA", "000", 15.8, 14.0, "limits"),
    ("AAA", "000", 14.5, 14.3, "limits"),
    ("XAA", "000", np.nan, 11.0, "not measured"),
    ("AAA", "000", 99.99, 11.0, "not measured"),
]


def stars_table(names=IRSA, rows=None, **changes) -> Table:
    """A table like a query's answer: the stars around the Carina nebula, or random ones."""
    quality, contamination, J, Ks, _ = zip(*(STARS if rows is None else rows), strict=True)
    n = len(J)
    data = {
        "ra": 161.2 + 0.001 * np.arange(n),
        "dec": -59.7 + 0.002 * np.arange(n),
        "name": [f"{10450000 + i}-5942000" for i in range(n)],
        "J": MaskedColumn(J, mask=np.isnan(J)),
        "J_error": np.full(n, 0.024),
        "Ks": MaskedColumn(Ks, mask=np.isnan(Ks)),
        "Ks_error": np.full(n, 0.023),
        "quality": np.array(quality),
        "contamination": np.array(contamination),
    } | changes
    data = {role: values for role, values in data.items() if values is not None}
    table = Table({names.get(role, role): values for role, values in data.items()})
    for role, unit in UNITS.items():
        if role in data:
            table[names[role]].unit = unit
    return table


def write(table: Table, path, kind: str = "vot"):
    path = path / f"stars.{kind}"
    table.write(path, format=WRITTEN[kind], overwrite=True)
    return path


def many(n: int, seed: int = 1, half_deg: float = 2.0) -> Catalogue:
    """Random stars around l = 0, b = 0, of magnitudes with three decimals."""
    random = np.random.default_rng(seed)
    lon = random.uniform(-half_deg, half_deg, n) % 360
    Ks = np.round(random.uniform(4.0, LIMITS["Ks"] - 0.001, n), 3)
    J = np.round(Ks + random.uniform(-0.7, 6.2, n), 3)
    nothing = np.full(n, np.nan)
    lat = random.uniform(-half_deg, half_deg, n)
    return Catalogue(lon, lat, J, Ks, nothing, nothing, {"file": "many"})


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("names", [IRSA, VIZIER], ids=["IRSA", "VizieR"])
def test_the_same_stars_from_every_format_and_both_namings(names, kind, tmp_path):
    path = write(stars_table(names), tmp_path, kind)
    stars = read_catalogue(path)
    np.testing.assert_allclose(stars.J, [12.345, 15.799], atol=1e-9)
    np.testing.assert_allclose(stars.Ks, [11.234, 14.299], atol=1e-9)
    np.testing.assert_allclose(stars.J_error, 0.024, atol=1e-6)
    carina = SkyCoord([161.2, 161.201], [-59.7, -59.698], unit="deg").galactic
    np.testing.assert_allclose(stars.lon_deg, carina.l.deg, atol=1e-9)
    np.testing.assert_allclose(stars.lat_deg, carina.b.deg, atol=1e-9)
    content = stars.content
    assert content["file"] == path.name and content["sha256"] == sha256(path)
    assert content["rows"] == len(STARS) and content["stars"] == 2
    for cut, count in content["dropped"].items():
        assert count == sum(why == cut for *_, why in STARS), cut
    assert content["columns"] == {role: name for role, name in names.items() if role != "name"}


def test_single_precision_keeps_its_three_decimals(tmp_path):
    """VizieR's magnitudes are float32, in which 15.799 - 14.299 is not 1.5."""
    table = stars_table(VIZIER)
    for name in ("Jmag", "Kmag"):
        table[name] = table[name].astype(np.float32)
    stars = read_catalogue(write(table, tmp_path, "fits"))
    assert stars.J.tolist() == [12.345, 15.799] and stars.Ks.tolist() == [11.234, 14.299]


def test_clean_flags_alone_are_no_number(tmp_path):
    """A reader of CSV makes 0 of 000."""
    path = write(stars_table(rows=STARS[:1]), tmp_path, "csv")
    assert Table.read(path)["cc_flg"].dtype.kind == "i"
    assert len(read_catalogue(path).J) == 1


def test_a_text_of_vizier_with_units_and_dashes(tmp_path):
    """VizieR's tab-separated files have two rows below the names."""
    lines = [
        "#   VizieR Astronomical Server",
        "#Column\tJmag\t(F6.3)\t?(jmag) J selected default magnitude",
        "RAJ2000\tDEJ2000\t2MASS\tJmag\te_Jmag\tKmag\te_Kmag\tQflg\tCflg",
        "deg\tdeg\t\tmag\tmag\tmag\tmag\t\t",
        "----------\t----------\t-----------------\t------\t------\t------\t------\t---\t---",
        "161.200000\t-59.700000\t10444800-5942000 \t12.345\t 0.024\t11.234\t 0.023\tAAA\t000",
        "161.300000\t-59.700000\t10451200-5942000 \t      \t      \t11.234\t 0.023\tXAA\t000",
    ]
    path = tmp_path / "asu.tsv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    stars = read_catalogue(path)
    assert stars.J.tolist() == [12.345] and stars.content["dropped"]["not measured"] == 1
    path.write_text(
        "\n".join(lines).replace("mag\tmag\tmag\tmag", "mJy\tmJy\tmJy\tmJy") + "\n", "utf-8"
    )
    with pytest.raises(CoganError, match="Jmag of .* is in mJy"):
        read_catalogue(path)


def test_galactic_columns_alone_and_by_request(tmp_path):
    """IRSA rounds them to 0.001 deg, so that they come second unless they are asked for."""
    columns = {"glon": np.full(10, 287.5), "glat": np.full(10, -0.6), "l": np.full(10, -72.5)}
    path = write(stars_table(**columns), tmp_path)
    assert (read_catalogue(path).lon_deg != 287.5).all()
    asked = read_catalogue(path, columns={"lon": "l"})
    assert set(asked.lon_deg) == {287.5} and set(asked.lat_deg) == {-0.6}
    assert asked.content["dropped"]["copies"] == 0  # two stars, other magnitudes
    path = write(stars_table(ra=None, dec=None, **columns), tmp_path)
    assert read_catalogue(path).lon_deg.tolist() == [287.5, 287.5]


@pytest.mark.parametrize("unit", ["rad", "hourangle", "h", "degrees", "DEG", "arcsec"])
def test_places_are_converted_by_their_unit(unit, tmp_path):
    table = stars_table()
    angle = {"h": u.hourangle, "degrees": u.deg, "DEG": u.deg}.get(unit) or u.Unit(unit)
    table["ra"] = (table["ra"].quantity.to_value(angle)).tolist()
    table["ra"].unit = u.Unit(unit, parse_strict="silent")
    path = tmp_path / "stars.ecsv"
    table.write(path)
    right = read_catalogue(write(stars_table(), tmp_path))
    np.testing.assert_allclose(read_catalogue(path).lon_deg, right.lon_deg, atol=1e-9)


def test_without_flags_the_errors_decide_if_that_is_said(tmp_path):
    errors = [0.2, 0.22, -1.0, 0.0, np.nan, 9.99, 0.1, 0.1, 0.1, 0.1]
    table = stars_table(J_error=errors, quality=None, contamination=None)
    told = {"quality": None, "contamination": None}
    stars = read_catalogue(write(table, tmp_path), columns=told)
    assert stars.J.tolist() == [12.345]
    assert stars.content["dropped"]["quality"] == 5
    assert "quality" not in stars.content["columns"]


def test_other_names_are_said(tmp_path):
    path = write(stars_table({**IRSA, "J": "Jay", "quality": "grade"}), tmp_path)
    stars = read_catalogue(path, columns={"J": "Jay", "quality": "grade"})
    assert stars.content["columns"]["J"] == "Jay" and len(stars.J) == 2


def test_copies_count_once_and_are_told(tmp_path, caplog):
    """Two cone searches that overlap: the same rows again, and a close pair that is none."""
    pair = stars_table(ra=np.full(10, 161.2), dec=np.full(10, -59.7))
    table = vstack([stars_table(), stars_table(), pair, stars_table()])
    with caplog.at_level(logging.WARNING):
        stars = read_catalogue(write(table, tmp_path))
    assert stars.content["dropped"]["copies"] == 5
    assert len(stars.J) == 3 and "5 copies" in caplog.text
    assert "contamination flags take 50% of the stars" in caplog.text
    assert stars.content["stars"] + sum(stars.content["dropped"].values()) == 40


# --- refusals -------------------------------------------------------------------------------------


def ordinary(**changes):
    return lambda path: write(stars_table(**changes), path)


def text(content: str, name: str = "stars.csv"):
    def put(path):
        (path / name).write_text(content, "utf-8")
        return path / name

    return put


def with_unit(name: str, unit: str, kind: str = "vot"):
    def put(path):
        table = stars_table()
        table[name].unit = unit
        return write(table, path, kind)

    return put


def rows(n: int, faintest_J=LIMITS["J"], faintest_Ks=LIMITS["Ks"]):
    """Stars, more of them the fainter, that stop too early."""
    random = np.random.default_rng(2)
    Ks = LIMITS["Ks"] + np.log10(random.uniform(1e-3, 1, n)) / 0.3
    J = Ks + random.uniform(0.3, 2.5, n)
    kept = (faintest_J > J) & (faintest_Ks > Ks)
    return [("AAA", "000", *pair, None) for pair in zip(J[kept], Ks[kept], strict=True)]


def strip(first: float, n: int = 10, **changes):
    """Ten stars, ten degrees high."""
    changes = {"ra": first + 0.05 * np.arange(n), "dec": -62.0 + np.arange(n)} | changes
    table = stars_table(**changes)
    return lambda path: write(table, path, "csv")


def cut_off(path):
    whole = write(stars_table(), path, "fits")
    whole.write_bytes(whole.read_bytes()[:-2880])
    return whole


#: What the stranger brings, `columns=`, and a part of the sentence.
REFUSED = {
    "no file": (lambda path: path / "none.csv", None, "There is no table of stars"),
    "a folder": (lambda path: path, None, "damaged or no table of stars"),
    "empty file": (text(""), None, "is empty; download it again"),
    "no table": (lambda path: text("")(path).write_bytes(bytes(range(256)) * 9)
                 and path / "stars.csv", None, "damaged or no table of stars"),
    "a web page": (text("<html><body>quota exceeded, try later</body></html>"), None,
                   "holds no stars"),
    "VOTable of an error": (
        text("<?xml version='1.0'?><VOTABLE><RESOURCE type='results'><INFO name='QUERY_STATUS' "
             "value='ERROR'>timeout</INFO></RESOURCE></VOTABLE>", "stars.vot"),
        None, "damaged or no table of stars"),
    "FITS cut off": (cut_off, None, "damaged or no table of stars ("),
    "names alone": (text("ra,dec,j_m,k_m,ph_qual,cc_flg\n"), None, "holds no stars, only ra, dec"),
    "no header": (text("161.2,-59.7,12.3,AAA\n161.3,-59.7,12.4,AAA\n"), None,
                  "has no J magnitudes among 161.2, -59.7"),
    "no J": (ordinary(J=None), None,
             "has no J magnitudes among ra, dec, designation, j_cmsig"),
    "no Ks": (ordinary(Ks=None), None, "say which with columns={'Ks': '...'}"),
    "no places": (ordinary(ra=None), None, "has no positions among"),
    "no quality": (ordinary(quality=None), None, "or columns={'quality': None} to go by the err"),
    "no contamination": (ordinary(contamination=None), None,
                         "or columns={'contamination': None} to take all"),
    "neither flags nor errors": (ordinary(quality=None, J_error=None), {"quality": None},
                                 "has no errors of J"),
    "columns: no such column": (ordinary(), {"J": "Jay"}, "has no column 'Jay', which columns="),
    "columns: no such role": (ordinary(), {"H": "h_m"}, "columns= knows nothing of 'H'"),
    "columns: without J": (ordinary(), {"J": None}, "Nothing goes without J magnitudes"),
    "J in Jy": (with_unit("j_m", "Jy"), None, "Column j_m of"),
    "Ks in AB magnitudes": (with_unit("k_m", "mag(AB)", "tbl"), None, "is in mag(AB); give Vega"),
    "J a flux without unit": (ordinary(J=np.linspace(0.001, 2, 10)), None,
                              "are they fluxes, or unset?"),
    "J mostly unset": (ordinary(J=[12.0, 13.0, *[-9999.0] * 8]), None, "has the median -9999"),
    "Ks mostly unset": (ordinary(Ks=[12.0, 13.0, *[99.99] * 8]), None, "has the median 99.99"),
    "J all masked": (ordinary(J=np.full(10, np.nan)), None, "holds no value at all"),
    "J words": (ordinary(J=["bright"] * 10), None, "holds 'bright', which is no number"),
    "ra sexagesimal": (ordinary(ra=["10 44 48.0"] * 10), None, "holds '10 44 48.0', which is no"),
    "ra in metres": (with_unit("ra", "m"), None, "Column ra of"),
    "ra in hours, no unit": (strip(10.5), None, "has no unit and looks like hours"),
    "dec beyond the pole": (ordinary(dec=np.linspace(0, 91, 10)), None, "within 90 of the equator"),
    "places unset": (ordinary(ra=np.full(10, -9999.0)), None, "give degrees, at most 360"),
    "places masked": (ordinary(ra=np.full(10, np.nan)), None, "hold no positions"),
    "flags of two letters": (ordinary(quality=["AA"] * 10), None,
                             "holds 'AA'; quality flags of 2MASS are three of A B C"),
    "flags of four letters": (ordinary(contamination=["0000"] * 10), None, "holds '0000'"),
    "flags of extended sources": (ordinary(contamination=["a"] * 10), None, "holds 'a'"),
    "read flags as quality": (ordinary(quality=["222"] * 10), None, "holds '222'"),
    "numbers as quality": (ordinary(quality=[222] * 10), None, "holds '222'"),
    "nothing left": (ordinary(quality=["UUU"] * 10), None, "No star of"),
    "J and Ks swapped": (ordinary(), {"J": "k_m", "Ks": "j_m"}, "k_m and j_m are swapped"),
    "columns: a list": (ordinary(), ["j_m"], "give names by role, {'J': '...'}"),
    "stops at J = 14": (ordinary(rows=rows(20_000, 14.0)), None, "to stop before J = 15.8: 0"),
    "stops at Ks = 13": (ordinary(rows=rows(20_000, 99, 13.0)), None, "stop before Ks = 14.3: 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(name, tmp_path):
    bring, columns, words = REFUSED[name]
    path = bring(tmp_path)
    with pytest.raises(CoganError) as caught:
        read_catalogue(path, columns=columns)
    sentence = str(caught.value)
    assert words in sentence and sentence.endswith(".") and len(sentence) < 700
    assert "\n" not in sentence


def test_whole_catalogues_are_not_refused(tmp_path):
    """To the limits, and a narrow field of degrees below 24 without a unit."""
    stars = read_catalogue(write(stars_table(rows=rows(20_000)), tmp_path))
    assert stars.content["dropped"]["limits"] == 0
    assert len(read_catalogue(strip(10.5, ra=10.5 + np.arange(10))(tmp_path)).J) == 2


# --- diagrams -------------------------------------------------------------------------------------


def few(lon, lat, J=12.0, Ks=11.0) -> Catalogue:
    lon, lat, J, Ks = np.broadcast_arrays(*(np.asarray(x, float) for x in (lon, lat, J, Ks)))
    return Catalogue(lon, lat, J, Ks, 0 * J, 0 * J, {"file": "few"})


def test_a_known_star_is_in_a_known_pixel():
    """Row 0 is the brightest; a star on an edge counts for the fainter and redder pixel."""
    star = few([10.1], [0.1], J=[10.3], Ks=[9.5])
    counts, outside = diagrams(star, [10.25], [0.25])
    assert counts.shape == (1, SIDE, SIDE) and counts.dtype == np.int32
    row, column = (9.5 - 4.7) / 0.15, (0.8 + 0.5) / 0.1
    assert (round(row, 9), round(column, 9)) == (32, 13)
    assert counts.sum() == counts[0, 32, 13] == 1 and outside.tolist() == [0]


def test_stars_without_a_pixel_are_counted():
    stars = few(10.1, 0.1, J=[4.0, 14.0, 15.0, 12.0], Ks=[4.5, 8.0, 15.5, 11.0])
    counts, outside = diagrams(stars, 10.25, 0.25)
    assert counts.sum() == 1 and outside.tolist() == [3]


def test_cells_are_half_open_and_meet_at_longitude_zero():
    """A star on an edge falls into one cell of four, whatever the side of the cells."""
    for side in (0.5, 0.3, 0.1, 0.7):
        centres = (np.arange(-4, 4) + 0.5) * side
        lon, lat = (grid.ravel() for grid in np.meshgrid(centres, centres))
        edges = np.round(np.arange(-3, 4) * side, 9)
        inner = (np.concatenate([edges, lon]), np.concatenate([edges, lat]))
        stars = few(inner[0] % 360, inner[1])
        counts, _ = diagrams(stars, lon, lat, side)
        per_cell = counts.sum(axis=(1, 2)).reshape(8, 8)
        expected = np.ones((8, 8), int)
        expected[np.arange(1, 8), np.arange(1, 8)] += 1
        np.testing.assert_array_equal(per_cell, expected)


def test_wrap_at_longitude_zero():
    stars = few([359.9, 0.0, 0.1, 0.249, 0.25, 359.75, 359.74], 0.0)
    for centre in (0.0, 360.0, -360.0):
        counts, _ = diagrams(stars, centre, 0.0)
        assert counts.sum() == 5


def test_counts_are_those_of_histogram2d():
    """50,000 stars, exactly: whole thousandths of a magnitude against whole edges."""
    catalogue = many(50_000)
    lon, lat = sightlines(catalogue)
    assert lon.size == 36 and set(lon) == {0.25, 0.75, 1.25, 358.75, 359.25, 359.75}
    counts, outside = diagrams(catalogue, lon, lat)
    Ks, J = (np.rint(1000 * x).astype(int) for x in (catalogue.Ks, catalogue.J))
    edges = [np.rint(1000 * np.linspace(*limits, SIDE + 1)) for limits in (MAGNITUDE, COLOUR)]
    for edge in edges:
        edge[-1] -= 0.5  # NumPy's last bin has both its edges
    total = 0
    for i in range(lon.size):
        away = (catalogue.lon_deg - lon[i] + 180) % 360 - 180
        half = CELL_DEG / 2
        inside = (away >= -half) & (away < half)
        inside &= (catalogue.lat_deg >= lat[i] - half) & (catalogue.lat_deg < lat[i] + half)
        expected = np.histogram2d(Ks[inside], (J - Ks)[inside], bins=edges)[0]
        np.testing.assert_array_equal(counts[i], expected)
        assert counts[i].sum() + outside[i] == inside.sum()
        total += inside.sum()
    field = (np.abs((catalogue.lon_deg + 180) % 360 - 180) < 1.5) & (
        np.abs(catalogue.lat_deg) < 1.5
    )
    assert total == field.sum()


def test_inner_cells_alone_are_offered():
    """A cone: each cell that is offered lies within it."""
    random = np.random.default_rng(3)
    lon, lat = random.uniform(278, 282, 200_000), random.uniform(-2, 2, 200_000)
    inside = np.hypot(lon - 280, lat) < 1.6
    lon, lat = sightlines(few(lon[inside], lat[inside]))
    assert lon.size >= 12
    for x in (-0.25, 0.25):
        for y in (-0.25, 0.25):
            assert (np.hypot(lon + x - 280, lat + y) < 1.6).all()


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda c: diagrams(c, [100.0], [0.0]), "l from 358.00 to 2.00, b from -2.00 to 2.00 deg"),
        (lambda c: diagrams(c, [0.25, 0.25, 9], [0.25, 40, 0]), "nor in 1 others of 3"),
        (lambda c: diagrams(c, [0.0], [95.0]), "within 90 of the equator"),
        (lambda c: diagrams(c, [np.nan], [0.0]), "Places are a longitude and latitude"),
        (lambda c: diagrams(c, [0.0, 1.0], [0.0]), "shapes are (2,) and (1,)"),
        (lambda c: diagrams(c, np.zeros((2, 2)), np.zeros((2, 2))), "not shape (2, 2)"),
        (lambda c: diagrams(c, 0.0, 0.0, cell_deg=-1), "cell_deg is -1"),
        (lambda c: diagrams(c, 0.0, 0.0, cell_deg=180.0), "at most 90 deg, not 180"),
        (lambda c: sightlines(c, 0.7), "do not fit the sky"),
        (lambda c: sightlines(c, 0.001), "do not fit the sky"),
        (lambda c: sightlines(c, 5.0), "covers no cell of 5 deg and the eight around it"),
        (lambda c: sightlines(c, float("nan")), "cell_deg is nan"),
    ],
    ids=range(12),
)  # fmt: skip
def test_sightlines_that_cannot_be_are_refused(do, words):
    catalogue = many(20_000)
    with pytest.raises(CoganError) as caught:
        do(catalogue)
    sentence = str(caught.value)
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence


def test_a_hole_is_no_wall_of_dust():
    lon, lat = (x.ravel() for x in np.meshgrid(np.arange(0.05, 3, 0.1), np.arange(0.05, 3, 0.1)))
    hole = (np.floor(2 * lon) == 2) & (np.floor(2 * lat) == 2)
    catalogue = few(lon[~hole], lat[~hole])
    with pytest.raises(CoganError, match="l = 1.25, b = 1.25 deg: .* wall of dust"):
        diagrams(catalogue, [0.75, 1.25], [0.75, 1.25])
    assert len(sightlines(few(lon, lat))[0]) == 16
    with pytest.raises(CoganError, match="covers no cell"):
        sightlines(few(lon[~hole & (lon < 2) & (lat < 2)], lat[~hole & (lon < 2) & (lat < 2)]))
