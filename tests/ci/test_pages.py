"""Stored results become pages: every number comes from a file, and what it lacks is said."""

import copy
import json
import shutil
import tomllib
from pathlib import Path

import pages
import pytest
import yaml
from augmentation_run import over_seeds as over_examples
from cmb_maps_run import over_seeds as over_maps
from extinction_run import over_seeds
from formats import duration
from growth_figure import draw_growth
from stellar_spectra_run import summary
from suite_run import together as over_kinds
from three_models_run import over_seeds as over_models

from cogan_lib.base.files import CoganError
from tests.ci import toy_results as toy

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "real": "results/real/report.json",
    "beyond": "results/beyond/report.json",
    "emulator": "results/line-transfer/report.json",
    "cmb": "results/cmb-maps/report.json",
    "dust": "results/extinction/report.json",
    "holes": "results/compact-sources/report.json",
    "stars": "results/stellar-spectra/report.json",
    "regions": "results/hii-regions/report.json",
    "proposals": "results/proposals/report.json",
    "three": "results/three-models/report.json",
    "augmented": "results/augmentation/report.json",
    "suite": "results/suite/report.json",
    "bench": "results/bench/bench.json",
    "gpu": "results/gpu/gpu.json",
}


@pytest.fixture
def stage(tmp_path):
    """A staged book without results of its own."""
    shutil.copytree(ROOT / "book" / "_includes", tmp_path / "_includes")
    return tmp_path


def store(stage, name, content):
    path = stage / FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def read(stage, name):
    return (stage / "_generated" / f"{name}.md").read_text("utf-8")


def written(stage, name, status=None):
    pages.write_pages(stage, status)
    return read(stage, name)


def rows(text, table=None):
    """The cells of each row of a page's list-tables, or of the one of that name."""
    if table:
        text = text.partition(f":name: {table}\n")[2].partition("````")[0]
    found = [row.split("````")[0] for row in text.split("* - ")[1:]]
    return [[cell.strip() for cell in row.split("\n  -")] for row in found]


def claim(stage, report, start):
    """Ours and status of the claim that begins so."""
    store(stage, "real", report)
    row = next(row for row in rows(written(stage, "reproduction")) if row[0].startswith(start))
    return row[2], row[3].partition("]")[0].removeprefix("[")


def changed(content, path, value):
    """A copy with another value at a dotted path; without it, if the value is `...`."""
    content = copy.deepcopy(content)
    *above, last = path.split(".")
    place = content
    for key in above:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


def test_without_results_every_page_says_so_or_is_empty(stage):
    text = written(stage, "reproduction")
    assert "no results on the real sky" in text and "not run yet" in text
    assert "{{" not in text and "The run behind" not in text
    for name in ("headline", "beyond-run", "companions", "suite"):
        assert read(stage, name).strip() == ""
    for name in ("cost-ratios", "cost-growth", "cost-paper"):
        assert "make bench" in read(stage, name)
    assert "`laptop`" in read(stage, "cost-profiles")
    assert "not run here" in read(stage, "cost-profiles")
    assert "not measured" in read(stage, "gpu")


def test_the_stored_results_of_the_book_make_its_pages(stage):
    shutil.copytree(ROOT / "book" / "results", stage / "results")
    assert "MaxRel" in written(stage, "companions")
    for path in (stage / "_generated").iterdir():
        assert not {"None", "{{", "{%"} & set(path.read_text("utf-8").split()), path


@pytest.mark.parametrize(
    ("name", "content", "path"),
    [
        ("real", toy.REAL, "provenance.seed"),
        ("beyond", toy.beyond(), "beyond"),
        ("beyond", toy.beyond(), "beyond.high_latitude.b_min_deg"),
        ("emulator", toy.emulator(), "speed"),
        ("emulator", toy.emulator(), "summary.line.zncc.mean"),
        ("bench", toy.bench(), "growth.analysis"),
        ("gpu", toy.gpu(), "provenance"),
    ],
)
def test_an_incomplete_file_is_one_sentence_that_names_the_missing_path(stage, name, content, path):
    store(stage, name, changed(content, path, ...))
    with pytest.raises(CoganError, match=rf"{FILES[name]} has no {path}; .*run ") as problem:
        pages.write_pages(stage)
    assert "\n" not in str(problem.value)


def test_numbers_of_the_report_reach_the_pages(stage):
    store(stage, "real", toy.REAL)
    text = written(stage, "reproduction")
    assert "R² = 0.670 [0.60, 0.72]; a log-linear fit of the same inputs 0.610 [0.50, 0.70]" in text
    # the row of the length also needs the batch: not recorded here
    assert "epochs, 18 minutes" not in text.partition("The run behind")[0]
    assert "| Training | 31 epochs, 18 minutes |" in text
    assert "R² = 0.67 [0.60, 0.72], against 0.61 [0.50, 0.70]" in read(stage, "headline")
    bins = rows(text, "tab-real-w-co21")[1:]
    assert bins == [
        ["100", "0.90", "0.70 to 1.15", "0.80", "0.90"],
        ["300", "1.20", "1.10 to 1.35", "1.00", "0.40"],
    ]


def test_bins_beyond_the_beam_do_not_count(stage):
    ours, status = claim(stage, toy.REAL, "Power on small scales")
    assert "0.90 to 1.20 for ell 100 to 300" in ours
    assert status == "reproduced"


@pytest.mark.parametrize(
    ("path", "value", "start", "status"),
    [
        ("spectrum.paired_ratio", [0.9, 2.0, 1.0], "Power on small scales", "approximated"),
        ("spectrum.paired_ratio", [0.9, 7.0, 1.0], "Power on small scales", "not"),
        ("rho_ell_real_mock", [0.9, 0.75, 0.0], "The small structure is", "reproduced"),
        ("rho_ell_real_mock", [0.9, 0.7, 0.0], "The small structure is", "approximated"),
        ("rho_ell_real_mock", [0.9, 0.3, 0.0], "The small structure is", "not"),
        ("r2_heldout", 0.5, "The amplitude of CO", "not"),
        ("minkowski.inside_2sigma", 0.8, "The Minkowski functionals", "approximated"),
        ("spectrum.p_value", 0.2, "Can chance alone", "reproduced"),
        ("spectrum.p_value", None, "Can chance alone", "not measured"),
        ("rho_ell", {}, "Generated CO follows the dust", "not measured"),
    ],
)
def test_a_status_follows_its_number(stage, path, value, start, status):
    report = changed(toy.REAL, f"validation.W_CO21.{path}", value)
    assert claim(stage, report, start)[1] == status


def test_of_two_lines_the_worse_counts(stage):
    report = changed(toy.REAL, "validation.W_CO10", {**toy.LINE, "r2_heldout": 0.1})
    ours, status = claim(stage, report, "The amplitude of CO")
    assert status == "not"
    assert "CO J=1-0: R² = 0.100" in ours and "CO J=2-1: R² = 0.670" in ours
    assert "CO J=1-0" not in claim(stage, report, "CO is extended")[0]  # says nothing of lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"why": None}, "why missing"),
        ({"status": "reproduced", "reproduced": "a >= 1"}, "either"),
        ({"status": "perfect"}, "no status 'perfect'"),
        ({"ours": "{{ run.a | }}"}, "expected token"),
        ({"paper": "one | two"}, "5 columns"),
    ],
)
def test_malformed_rows_are_refused(stage, change, message):
    row = {"claim": "c", "paper": "p", "ours": "o", "why": "w", "status": "not", **change}
    row = {key: value for key, value in row.items() if value is not None}
    page = {"define": {}, "headline": {}, "sections": [{"title": "t", "rows": [row]}]}
    (stage / "_includes" / "reproduction.yaml").write_text(yaml.safe_dump(page), "utf-8")
    (stage / "_includes" / "headline.md.j2").unlink()
    store(stage, "real", toy.REAL)
    with pytest.raises(CoganError, match=message):
        pages.write_pages(stage)


def test_figures_come_with_caption_and_alt(stage):
    store(stage, "real", toy.REAL)
    listed = stage / "results" / "real" / "figures.yaml"
    listed.write_text("- {file: sky.png, caption: The sky., alt: An ellipse.}\n", "utf-8")
    with pytest.raises(CoganError, match="not there"):
        pages.write_pages(stage)
    (listed.parent / "sky.png").touch()
    text = written(stage, "reproduction")
    assert "```{figure} results/real/sky.png" in text
    assert ":name: fig-results-real-sky\n:alt: An ellipse." in text
    listed.write_text("- {file: sky.png, caption: The sky.}\n", "utf-8")
    with pytest.raises(CoganError, match="alt"):
        pages.write_pages(stage)


def test_every_number_of_chapter_06_is_in_its_table(stage):
    store(stage, "beyond", toy.beyond())
    text = written(stage, "beyond-run")
    for piece in (
        *("465 held-out tiles", "8 skies", "code abc", "came with the package", "not met"),
        *("0.710", "0.90 → 0.50", "0.80 to 1.20", "1.10, 1.30", "347,160", "1,801"),
        *("20 of seed 7", "0.721", "0.400", "Members", "CRPS"),
        *("100% / 97%", "fails, p = 0.002", "0.64 (p = 0.0007)", "61% of the sky"),
        "3.0 times the mean of the real map (zero level removed): 0.060 ± 0.010 K km/s",
    ):
        assert piece in text, piece
    assert text.count("````{list-table}") == 5 and "None" not in text
    clouds = rows(text, "tab-beyond-baselines")[-1]
    assert clouds == ["cloud population", "–", "–", "0.80 to 1.20", "1.10, 1.30", "–", "0", "1,801"]


def test_a_companion_brings_its_rows(stage):
    store(stage, "emulator", toy.emulator())
    text = written(stage, "companions")
    networks = rows(text, "tab-line-transfer")
    assert networks[3][5:] == ["57.0 %", "0.600", "0.500"]
    assert networks[4][1:] == [
        *("9,409", "1", "1,600", "5.0 to 5.0", "12.3 %", "0.810", "0.700")
    ]  # of one seed no scatter
    assert networks[5][2:6] == ["2", "1,600", "5.0 to 7.4", "12.3 ± 0.0 %"]
    assert rows(text, "tab-line-elsewhere")[1][2] == "12.3 % (11.0 to 13.0)"
    fits = rows(text, "tab-line-recovered")
    assert fits[1] == ["solver, smooth", *["1.2 % (1 to 2); 75 %"] * 4, "8.0"] and len(fits) == 2
    assert rows(text, "tab-line-resolution")[1][2:] == ["10 %", "2 %", "–"]
    speed = rows(text, "tab-line-speed")
    assert [row[3] for row in speed[1:]] == ["1", "2.0", "4.0", "2.5", "5.0"]
    assert "would be 10 microseconds for a wind" in " ".join(text.split())


def test_errors_of_the_seeds_are_their_mean_and_scatter(stage):
    report = toy.dust()
    store(stage, "dust", report | over_seeds(report["evaluation"]))
    text = written(stage, "companions")
    assert "2 trainings" in text and "512,000 to 512,000 examples each" in text
    errors = rows(text, "tab-dust-errors")
    assert errors[1] == ["nine sightlines of the training", "network", *["0.20 ± 0.14"] * 5]
    assert errors[2][1:] == ["linear regression", *["0.50"] * 5]
    assert len(errors) == 1 + 4 * 4
    assert rows(text, "tab-dust-coverage")[2][1:] == ["66% to 70%"] * 5
    assert rows(text, "tab-dust-coverage")[4][1:] == ["50% to 70%"] * 5
    assert rows(text, "tab-dust-fingers")[2] == [
        *("network 1", "0.40", "0.20", "3.00", "1.50", "0.80")
    ]
    assert len(rows(text, "tab-dust-memory")) == 5
    assert rows(text, "tab-dust-document")[1][:5] == [
        "document",
        "53,748,452",
        "1",
        "800,000",
        "36",
    ]


def test_maps_of_the_background_have_their_verdict(stage):
    report = toy.cmb()
    store(stage, "cmb", report | {"summary": over_maps(report)})
    text = written(stage, "companions")
    verdict = rows(text, "tab-cmb-verdict")
    assert verdict[1][1:] == ["0.015", "0.0150 ± 0.0071", "0.0100"]
    assert verdict[3][2] == "0.90 to 1.10"
    assert rows(text, "tab-cmb-slopes")[4] == [
        "n_s",
        "0.950 ± 0.000",
        "0.90 ± 0.00",
        "1.00",
        "0.10",
    ]
    assert rows(text, "tab-cmb-posterior")[3][:2] == ["exact, another seed", "+0.10 ± 0.05"]
    assert rows(text, "tab-cmb-tried")[6][:3] == ["independent cosine amplitudes", "–", "0.080"]
    assert rows(text, "tab-cmb-lognormal")[1] == [
        *("generated", "1.70", "5.00", "0.010", "0.020", "0.020", "0.020")
    ]


def test_three_models_stand_side_by_side(stage):
    report = toy.three()
    store(stage, "three", report | {"summary": over_models(report)})
    text = written(stage, "companions")
    assert "6 trainings in all, each of 71 to 71 seconds" in " ".join(text.split())
    fields = rows(text, "tab-three-fields")
    assert len(fields) == 1 + 5 + 3
    assert fields[3][:2] == ["generator", "0.060 ± 0.014"]
    assert fields[6][:4] == ["exact fields", "0.050", "0.100", "0.90"]
    assert rows(text, "tab-three-shapes")[1][1] == "0.010 ± 0.000"
    offers = rows(text, "tab-three-offers")
    assert offers[1][-1] == "48 active units, 50% of the variance"
    assert offers[2][1:6] == ["150,000", "1,000", "71", "0.10", "none"]
    assert offers[3][5] == "30 ± 14"


def test_measures_of_holes_have_their_intervals(stage):
    store(stage, "holes", toy.holes())
    text = written(stage, "companions")
    assert rows(text, "tab-holes-blank")[1][1:] == ["0.50 (0.40–0.60)"] * 2 + ["+0.50"]
    assert rows(text, "tab-holes-sources")[2][3] == "50.0%"
    assert rows(text, "tab-holes-widths")[1][1:] == ["-1.0%", "2.0%", "-1.0%", "2.0%"]
    assert rows(text, "tab-holes-kinds")[1][:2] == ["fbm", "joint network 1"]
    assert rows(text, "tab-holes-rms")[1][1:] == ["0.50"] * 3
    assert rows(text, "tab-holes-real")[2] == ["L1642", "PSF fit", "–", "0.50", "50%"]
    assert rows(text, "tab-holes-standard")[1] == ["annulus", "1.001", "0.980–1.020"]
    assert rows(text, "tab-holes-detection")[1] == ["fbm", "0.52", "25%", "90%", "100%"]
    assert rows(text, "tab-holes-speed")[1] == ["gaussian", "8.5"]


def test_spectra_have_their_scatter_over_the_seeds(stage):
    report = toy.stars()
    store(stage, "stars", report | {"summary": summary(report["evaluation"])})
    text = written(stage, "companions")
    assert "2.0 to 2.5 core minutes" in text and "(9 to 11 minutes" in text
    fit = rows(text, "tab-spectra-fit")
    assert fit[1] == ["χ² per pixel of reconstructions", "0.97 to 1.03", "1.000 ± 0.014"]
    assert fit[3][2] == "3 to 4" and fit[5][::2] == [
        "R² of a linear probe for log g",
        "0.920 ± 0.000",
    ]
    assert len(fit) == 8
    samples = rows(text, "tab-spectra-samples")
    assert len(samples) == 6 and samples[3][1] == "0.510 ± 0.000" and samples[5][5] == "0.3 to 0.3"
    likelihoods = rows(text, "tab-spectra-likelihoods")
    assert likelihoods[2] == ["cross-entropy", "0.990", "0.030", "-0.40", "2", "5.5"]
    assert rows(text, "tab-spectra-anomalies")[1] == ["double", *["0.900", "50%"] * 2]
    assert rows(text, "tab-spectra-kurucz")[3][1] == "0.970, 0.930"
    store(
        stage, "stars", changed(report, "kurucz", ...) | {"summary": summary(report["evaluation"])}
    )
    assert rows(written(stage, "companions"), "tab-spectra-kurucz")[1][1] == "not measured"


def test_failures_of_generated_regions_say_which_test_sees_them(stage):
    store(stage, "regions", toy.regions())
    text = written(stage, "companions")
    assert "1 trainings" in text and "3,000" in text
    measures = rows(text, "tab-hii-measures")
    assert measures[1][1:] == ["at most 0.10", "0.512 ± 0.031"] and len(measures) == 15
    seen = rows(text, "tab-hii-verdicts")
    assert [row[0] for row in seen[1:]] == ["trained, seed 1", "copies", "real"]
    assert seen[1][1:] == ["passes"] * 7
    assert seen[2][1:] == ["passes"] * 5 + ["sees it", "passes"]


def test_proposals_are_counted_by_kind_and_way(stage):
    store(stage, "proposals", toy.proposals())
    text = written(stage, "companions")
    assert "800 replies" in text and "41 core" in text and "f00f00f00f00…" in text
    rates = rows(text, "tab-proposals-acceptance")
    assert len(rates) == 1 + 2 * 5 and rates[1] == [
        "flare", "free text", "0.125", "0.050 to 0.280", "32", "0.75", "0.50",
    ]  # fmt: skip
    assert rates[5] == ["flare", "reference sampler", "1.000", "0.050 to 0.280", "32", "", ""]
    assert rows(text, "tab-proposals-reasons")[1][2] == "range 12, json 8"
    cards = rows(text, "tab-proposals-headers")
    assert cards[1] == ["the document, Mars", "25", "1", "0", "1", "1", "yes", "no"]
    assert cards[3] == ["the model, all", "90", "8", "70", "20", "9", "4 of 16", "0.12"]
    assert "21.9 degrees off" in text


def test_gains_are_bold_where_they_are_more_than_chance(stage):
    report = toy.augmented()
    store(stage, "augmented", report | {"summary": over_examples(report)})
    text = written(stage, "companions")
    assert "2 seeds" in text and "is right in 92.1%" in text
    regions = rows(text, "tab-augmentation-regions")
    assert regions[1] == ["none", *["0.550"] * 8]
    assert regions[2] == ["simulator", *["**+0.300 ± 0.000**"] * 8]
    co = rows(text, "tab-augmentation-co")
    assert co[2][:2] == ["other skies", "**+0.200 ± 0.000**"]  # a smaller error is a gain
    assert co[3][:2] == ["log-linear", "+0.050 ± 0.635"]
    assert len(rows(text, "tab-augmentation-handed")) == 3
    never = rows(text, "tab-augmentation-rare")[1]
    assert never[:3] == ["never", "0.950 ± 0.000", "0.500 ± 0.000"]


def test_the_suite_says_what_it_catches_and_what_one_test_alone_misses(stage):
    report = toy.suite()
    store(stage, "suite", report | {"all_kinds": over_kinds(report)})
    text = written(stage, "suite")
    assert "2 kinds of images (regions, co)" in " ".join(text.split())
    assert "5.0% [0.030, 0.080] (co, 50 images, 200 times)." in " ".join(text.split())
    caught = rows(text, "tab-suite-catches")
    assert [row[:3] for row in caught[1:]] == [
        ["blurred", "0.6", "50"],
        ["copying", "0.2", "50"],
    ]
    assert caught[1][3] == "75% [0.41, 0.93]"  # 6 of 8, of two kinds
    assert caught[2][4:] == ["100%", "0%", "0%", "0%"]
    assert rows(text, "tab-suite-bias")[1] == ["copies", "1.00 ± 0.02", "As it went in."]


def test_a_new_companion_needs_no_python(stage, tmp_path):
    folder = tmp_path / "companions" / "second"
    folder.mkdir(parents=True)
    page = {"title": "Second", "results": FILES["real"], "again": "run it again", "text": "Words."}
    page["tables"] = [
        {"name": "tab-second", "caption": "Ours", "header": "What | Ours",
         "rows": "seed | {{ run.provenance.seed }}"}
    ]  # fmt: skip
    (folder / "page.yaml").write_text(yaml.safe_dump(page), "utf-8")
    store(stage, "real", toy.REAL)
    pages.write_pages(stage, library=tmp_path)
    text = (stage / "_generated" / "companions.md").read_text("utf-8")
    assert text.startswith("## Second\n\nWords.") and rows(text, "tab-second")[1] == ["seed", "1"]
    del page["results"]
    (folder / "page.yaml").write_text(yaml.safe_dump(page), "utf-8")
    with pytest.raises(CoganError, match="second/page.yaml has no results"):
        pages.write_pages(stage, library=tmp_path)


def test_ratios_limits_and_what_is_met(stage):
    store(stage, "bench", toy.bench())
    text = written(stage, "cost-ratios")
    join, spectra, minkowski = rows(text, "tab-cost-ratios")[1:]
    # the limit is the slower of 2 MB at 10 GB/s and 40 MFLOP at 100 GFLOP/s: 0.4 of 2 ms
    assert join[1:8] == ["2 ms", "reproject: 22 s", "11,000", "10,000", "yes", "12 / –", "20%"]
    assert spectra[2:6] == ["reproject: not measured", "–", "2", ""]
    assert minkowski[3:6] == ["9", "10", "no"]
    assert "difference: 1e-07; the rival joined one tile." in text


def test_growth_says_where_the_time_goes(stage):
    store(stage, "bench", toy.bench())
    text = written(stage, "cost-growth")
    assert "786,432" in text and "3,145,728" in text and text.count("75%") == 3
    # at NSIDE 512: 20 s beside a generator of 768 tiles at one second each
    assert f"would have {768 / 788:.0%}" in text
    assert f"holds {400e6 / 3145728:.0f} bytes per pixel" in text
    draw_growth(stage)
    assert (stage / "_generated" / "cost-growth.png").stat().st_size > 5000


def test_arithmetic_on_paper(stage):
    store(stage, "bench", toy.bench())
    text = written(stage, "cost-paper")
    assert "805,306,368, 196,608" in text  # pixels and tiles of NSIDE 8192
    # 256 times the pixels of NSIDE 512; the transforms of two maps 16 cubed times
    for seconds in (256 * 60.0, 256 * (20.0 - 1.0), 4096 * 1.0, 256 * 79.0 + 4096 * 1.0):
        assert duration(seconds) in text
    assert duration(1000 * 80.0) in text and "25 GB" in text


def test_a_caption_with_a_back_tick_is_refused():
    with pytest.raises(CoganError, match="back tick"):
        pages.table("Taking `.icrs`", "A | B", caller=lambda: "1 | 2")


def test_tables_take_the_run_that_is_built(stage):
    names = ("01-data-preparation", "03-training")
    chapters = {
        name: {"seconds": 10.0 * n, "peak_mb": 100 * n, "date": "2026-02-03T04:05"}
        for n, name in zip((1, 60), names, strict=True)
    }
    status = {"profile": "smoke", "machine": {"cores": 2}, "chapters": chapters}
    store(stage, "bench", toy.bench())
    table = rows(written(stage, "cost-profiles", status), "tab-cost-profiles")
    smoke = next(row for row in table if row[0] == "`smoke`")
    assert table[0][5:7] == ["1", "3"]
    assert smoke[-5:] == ["10 s", "10 minutes", "10.2 minutes", "6,000", "2026-02-03, 2 cores"]
    times = [line.split("|")[-2].strip() for line in read(stage, "chapters").splitlines()]
    assert times[2:6] == ["", "10 s", "", "10 minutes"]  # of chapters 0 to 3


def test_what_a_gpu_gives_and_what_it_did_not(stage):
    store(stage, "gpu", toy.gpu())
    text = written(stage, "gpu")
    assert "one NVIDIA H100 80GB with PyTorch 2.11" in text
    steps = {f"{row[0]} {row[2]}": row[1:] for row in rows(text, "tab-gpu-steps")}
    assert steps["H100 plain"][3:] == ["134", "1.00", "10.8%"]
    assert steps["H100 ours"][2:5] == ["16 bits (bfloat16)", "134", "1.85"]
    assert steps["H100 compiled"][3] == "failed"
    assert steps["T4 ours"][3] == steps["A100 ours"][3] == "not measured"
    whole, paper = rows(text, "tab-gpu-synthesis")[1:]
    assert whole == ["cogan", "2048", "12,288", "2.91 minutes", "5%", "1.6", "6.0"]
    assert paper[3] == "not measured (no time left)"
    assert rows(text, "tab-gpu-trainings")[1][2:5] == ["100 s", "2,244", "0.489"]
    card = rows(text, "tab-gpu-lines")[2]
    assert card == ["64³", "NVIDIA H100 80GB", "1.26", "0.47", "0.25", "2.7", "5.0"]
    assert "beside two on the CPUs: the run failed (two: not done within 20 s.)." in text
    assert "`torch.compile`: not measured (no time was left)." in text
    assert "Trainings on the embedded sky at NSIDE 2048: not measured." in text


def test_benchmarks_are_no_part_of_the_tests():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    assert "benchmarks" in options["norecursedirs"], "nor is their conftest.py loaded"
    assert not list((ROOT / "tests" / "benchmarks").glob("test_*.py"))
