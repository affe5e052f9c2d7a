"""From text to object: syntax, fields, physics, and another try with the reason."""

import json

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals.models import MOST_BYTES, Model, Reply, way_of
from cogan_lib.companions.proposals.objects import KINDS
from cogan_lib.companions.proposals.replies import (
    first_object,
    prompt_for,
    propose,
    propose_many,
    read_reply,
    settled,
)
from cogan_lib.companions.proposals.wrong import POSSIBLE


class Parrot(Model):
    """Says what it was told to, one text a try, and keeps what it was asked."""

    name = "parrot"

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def replies(self, prompts, seeds, *, schema=None, tokens=0, until=None):
        text = self.texts[min(len(self.asked), len(self.texts) - 1)]
        self.asked.append((list(prompts), list(seeds), schema))
        return [
            Reply(text, prompt, way_of(schema), seed, "parrot", "", 0.0, "model")
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


def read(kind, text):
    return read_reply(kind, Parrot(text).reply("?", 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('Sure:\n```json\n{\n "a": {"b": [1]}\n}\n```\n{"c": 2}', '{\n "a": {"b": [1]}\n}'),
        ('{"a": "}"} and more }', '{"a": "}"}'),
        ('{"a": NaN}', '{"a": NaN}'),  # the validator's to refuse
    ],
)
def test_the_first_object_is_taken_as_it_stands(text, found):
    assert first_object(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object"),
        ("A flare of class M.", "no JSON object"),
        ('{"a": 1', "breaks off"),
        ('{"a": 1,}', "broken"),
        ("{'a': 1}", "broken"),
        ('f"{x}" {"a": 1}', "broken"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ('{"a":' * 3000, "breaks off"),
        ('{"a": ' + "9" * 9000 + "}", "breaks off"),
        ("{" * (MOST_BYTES + 1), "is not read"),
        ('__import__("os").system("touch x")', "no JSON object"),
    ],
)
def test_what_is_no_object_is_refused_in_one_sentence(text, words):
    with pytest.raises(CoganError, match=words) as refused:
        first_object(text)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_a_reply_ends_where_more_would_change_nothing():
    whole = 'So: {"a": 1.5e3, "b": "x, y", "c": true}'
    assert [settled(whole[:n]) for n in range(len(whole))] == [False] * len(whole)
    assert settled(whole) and settled(whole + " or") and settled('{"a": 1, "a": 1}')
    assert settled('{"period": about ten days or so, "b"')
    assert not settled('{"name": "a long name that has not come to its end yet')


@pytest.mark.parametrize("kind", KINDS)
def test_a_possible_object_is_accepted_within_words(kind):
    attempt = read(kind, f"Here you are: {json.dumps(POSSIBLE[kind])} Enjoy.")
    assert attempt.accepted.model_dump() == POSSIBLE[kind] and attempt.reasons == []
    prompt = prompt_for(kind)
    assert all(f'"{name}"' in prompt for name in POSSIBLE[kind])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"peak_w_m2": 200.0}, "range"),
        ({"peak_w_m2": float("nan")}, "not finite"),
        ({"rise_min": -3.0}, "range"),
        ({"goes_class": "X2.3"}, "class against peak"),
        ({"note": "bright"}, "extra"),
    ],
)
def test_what_json_allows_and_physics_does_not(changes, rule):
    attempt = read("flare", json.dumps(POSSIBLE["flare"] | changes))
    assert attempt.accepted is None and rule in [reason.rule for reason in attempt.reasons]


def test_another_try_has_the_reason_in_its_prompt_and_the_same_seed():
    hot = json.dumps(POSSIBLE["planet"] | {"eccentricity": 1.2})
    model = Parrot("No.", hot, json.dumps(POSSIBLE["planet"]), "never asked")
    exchange = propose(model, "planet", 7, tries=5)
    assert len(exchange.attempts) == 3 and exchange.accepted.period_day == 12.5
    (first,), (second,), (third,) = (prompts for prompts, _, _ in model.asked)
    assert first == prompt_for("planet") and second.startswith(first) and third.startswith(first)
    assert "no JSON object" in second and "eccentricity is 1.2" in third and hot in third
    assert all(seeds == [7] and schema is None for _, seeds, schema in model.asked)


def test_tries_end_and_only_the_refused_are_asked_again():
    model = Parrot("No.")
    done = propose_many(model, "galaxy", [1, 2], tries=2, way="constrained")
    assert [len(exchange.attempts) for exchange in done] == [2, 2]
    assert all(exchange.accepted is None for exchange in done)
    assert model.asked[0][2] == KINDS["galaxy"].model_json_schema()
    assert done[0].attempts[0].reply.way == "constrained"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "comet"}, "no kind 'comet'"),
        ({"way": "forced"}, "no way 'forced'"),
        ({"tries": 0}, "at least once"),
    ],
)
def test_a_wrong_request_is_one_sentence(options, words):
    with pytest.raises(CoganError, match=words):
        propose(Parrot("No."), **({"kind": "flare", "seed": 1} | options))
