"""The power of the verdict: shares and their intervals are right, and what is stored is sound."""

from pathlib import Path

import pytest
import verdict_power

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.validation.two_sample import TESTS

STORED = Path(__file__).resolve().parents[2] / "book/results/real/verdict_power.json"


def report(p_value, **others):
    tests = {name: {"p_value": others.get(name, 0.5)} for name in TESTS}
    return {"p_value": p_value, "tiles": {"real": 79}, "blocks": 17} | tests


def test_shares_are_counted_fault_by_fault_with_wilsons_interval():
    fault, null = ("factor", 2.0), ("factor", 1.0)
    fails = {fault: report(0.01, paired_spectrum=0.005), null: report(0.3)}
    passes = {fault: report(0.05), null: report(0.04)}
    found = verdict_power.summary([fails, fails, fails, passes])
    assert found["tiles"] == 79 and found["blocks"] == 17
    by_fault = {(row["fault"], row["size"]): row["fails"] for row in found["faults"]}
    assert by_fault[null]["all"]["share"] == 0.25 and by_fault[fault]["pdf"]["share"] == 0
    # Wilson (1927) by hand: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    expected = {"share": 0.75, "low": 0.3006, "high": 0.9544}
    assert by_fault[fault]["all"] == by_fault[fault]["paired_spectrum"] == expected


def test_no_trials_are_refused():
    with pytest.raises(CoganError, match="at least 1"):
        verdict_power.main(["sky.fits", "out.json", "--trials", "0"])


def test_what_is_stored_keeps_its_false_alarms_and_shows_what_pairs_are_worth():
    if not STORED.exists():
        pytest.skip("no stored power")
    stored = read_json(STORED)
    assert set(stored["cases"]) == {"same places", "other places"}
    for case in stored["cases"].values():
        by_fault = {(row["fault"], row["size"]): row["fails"] for row in case["faults"]}
        for name in ("all", *TESTS):
            assert by_fault["factor", 1.0][name]["low"] <= 0.05, name
        assert by_fault["random phases", None]["all"]["share"] > 0.9
    by_fault = {
        (row["fault"], row["size"]): row["fails"]
        for row in stored["cases"]["same places"]["faults"]
    }
    for factor, least in ((1.3, 0.25), (2.0, 0.85)):
        found = by_fault["factor", factor]
        others = max(found[name]["share"] for name in ("spectrum", "minkowski", "pdf"))
        assert found["paired_spectrum"]["share"] >= max(least, 1.2 * others)
