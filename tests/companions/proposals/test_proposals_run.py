"""The run of the numbers, and the recording that it stands on, with a model of few words."""

import json

import proposals_run
import pytest
from record_replies import Recorder

from cogan_lib.base.files import CoganError, read_json
from cogan_lib.companions.proposals import document, draws, models, objects
from cogan_lib.companions.proposals.models import Model, Reply, way_of
from cogan_lib.companions.proposals.replies import propose_many
from cogan_lib.companions.proposals.wrong import POSSIBLE


class Toy(Model):
    """Right for even seeds at once, for the others at the second try; never of headers."""

    name, batch = "toy", 3

    def __init__(self):
        self.asked = 0

    def provenance(self):
        return {"model": "toy", "sha256": "f00"}

    def replies(self, prompts, seeds, *, schema=None, tokens=0, until=None):
        self.asked += len(prompts)
        return [
            Reply(self.text(prompt, seed), prompt, way_of(schema), seed, "toy", "f00", 0.5, "model")
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def text(self, prompt, seed):
        if prompt == document.PROMPT:
            return "NAXIS1 = 12\nMars!\nCRVAL2  = 95.0" if seed % 2 else document.MARS
        if seed % 2 and "refused" not in prompt:
            return "No."
        kind = next(kind for kind, task in objects.TASKS.items() if prompt.startswith(task))
        return json.dumps(POSSIBLE[kind])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, live = tmp_path_factory.mktemp("replies"), Toy()
    for kind in objects.KINDS:
        model = Recorder(path / f"{kind}.json", live)
        for way in models.WAYS:
            propose_many(model, kind, range(1, 6), 3, way)
    document.propose_headers(Recorder(path / "header.json", live), [1, 2])
    assert live.asked == 4 * 2 * (5 + 3) + 2
    return path


def test_what_was_recorded_is_not_asked_again(folder):
    live = Toy()
    model = Recorder(folder / "planet.json", live)
    propose_many(model, "planet", range(1, 8), 3)
    assert live.asked == 3  # 6 and 7, and 7 again
    with pytest.raises(CoganError, match="another model"):
        live.provenance = lambda: {"model": "toy", "sha256": "bad"}
        Recorder(folder / "planet.json", live)


def test_the_run_counts_what_passes_and_why_not(folder, tmp_path, capsys, monkeypatch):
    path = tmp_path / "report.json"
    index = "index of the flares' peaks"
    monkeypatch.setattr(draws, "BIASES", {index: draws.BIASES[index]})
    order = [str(path), "--replies", str(folder), "--repeats", "4"]
    assert proposals_run.main(order) == 0
    report = read_json(path)
    ways = report["acceptance"]["flare"]["ways"]
    assert (ways["free"]["rate"], ways["free"]["n"], ways["free"]["json"]) == (0.4, 5, 0.4)
    assert ways["constrained, retried"]["rate"] == 1.0
    assert ways["constrained, retried"]["tries"] == pytest.approx(1.6)
    assert all(found["ways"]["reference"]["rate"] == 1 for found in report["acceptance"].values())
    assert report["acceptance"]["flare"]["reasons"]["free"] == {"json": 3}
    population = report["acceptance"]["flare"]["populations"]["free"]
    assert population["n"] == 5 and population["duplicates"] == 0.8
    found = report["headers"]
    assert found["document"]["Mars"]["kept"] == 25 and not found["document"]["Mars"]["writable"]
    assert found["total"] == {"kept": 26, "repaired": 2, "refused": 1}
    assert found["ends"] == 1 and found["levels"]["error"] >= 2
    assert found["icrs_error_deg"]["mars"] == pytest.approx(21.9, abs=0.1)
    assert [row["strength"] for row in report["draws"][index]] == [0.1, 0.2, 0.4, 0.8]
    assert report["model"]["replies"] > 60 and "flare" in capsys.readouterr().out
    report["acceptance"] = "kept"
    path.write_text(json.dumps(report), "utf-8")
    monkeypatch.setattr(proposals_run, "show", lambda report: None)
    assert proposals_run.main([*order, "--again", "headers"]) == 0
    assert read_json(path)["acceptance"] == "kept"
