"""Language models that propose: one on this machine, one behind an endpoint, and replies recorded.

A model takes prompts and seeds and gives texts. What it says is only ever text: `replies` reads it,
and nothing of it is run. The packages of a live model are the optional extra ``[llm]``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol
from urllib.parse import quote

from ...base.files import CoganError

#: How a reply is drawn; the endpoint is asked for the same.
TEMPERATURE = 0.7
TOP_P = 0.9
#: Longest reply, in tokens; and in bytes, whatever the endpoint calls a token.
TOKENS = 120
MOST_BYTES = 20_000
#: Longest time that an endpoint may take for one reply.
TIMEOUT_S = 60.0
#: How a reply may be drawn.
WAYS = ("free", "constrained")
#: The environment variable that holds an endpoint's key; a key is never read from a file.
KEY = "COGAN_LLM_KEY"


@dataclass(frozen=True)
class Reply:
    """What a model said, and where it comes from.

    Attributes
    ----------
    text : str
        As it came.
    prompt : str
    way : str
        'free', or 'constrained' to a JSON schema.
    seed : int
    model : str
        Its name.
    checksum : str
        SHA-256 of the model's file; empty for an endpoint, of which nobody knows.
    seconds : float
        What it took: of an endpoint, by the clock; of a model on this machine, of the processor (of
        a batch, its share).
    ended : str
        Why it ends: 'settled' (more text would change nothing), 'model' (it stopped by itself), or
        'limit'.
    """

    text: str
    prompt: str
    way: str
    seed: int
    model: str
    checksum: str
    seconds: float
    ended: str


class Model(Protocol):
    """Whatever answers prompts: on this machine, behind an endpoint, or recorded."""

    name: str

    def replies(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        schema: dict | None = None,
        tokens: int = TOKENS,
        until: Callable[[str], bool] | None = None,
    ) -> list[Reply]:
        """Answer several prompts.

        Parameters
        ----------
        prompts : sequence of str
        seeds : sequence of int
            One a prompt; equal prompt and seed, equal reply, on an equal machine.
        schema : dict, optional
            JSON schema that the reply is constrained to.
        tokens : int
            Longest reply.
        until : function of str to bool, optional
            Whether a text is settled, and may end.

        Returns
        -------
        list of Reply
        """
        ...

    def reply(self, prompt: str, seed: int, **options) -> Reply:
        """Answer one prompt; `replies` for one."""
        return self.replies([prompt], [seed], **options)[0]


def way_of(schema: dict | None) -> str:
    """Name the way a reply is drawn: 'free', or 'constrained' to a schema.

    Parameters
    ----------
    schema : dict or None

    Returns
    -------
    str
    """
    return WAYS[schema is not None]


@contextmanager
def optional() -> Iterator[None]:
    """Say what to install where a package of the extra ``[llm]`` is imported and is not there.

    Raises
    ------
    CoganError
        In place of an ImportError.
    """
    try:
        yield
    except ImportError as error:
        raise CoganError(
            f"A live language model needs a package that is not there ({error}); install it with "
            "`pip install 'cogan[llm]'`, or take the recorded replies, `recorded()`."
        ) from error


class Endpoint(Model):
    """A model behind an address that speaks OpenAI's protocol; `endpoint` makes one."""

    def __init__(self, base_url: str, model: str, key: str, timeout_s: float) -> None:
        with optional():
            import openai
        self.name, self.timeout_s = model, timeout_s
        self._key, self._where = key, f"{_hidden(model, key)} at {_hidden(base_url, key)}"
        try:
            self.client = openai.OpenAI(
                base_url=base_url, api_key=key, timeout=timeout_s, max_retries=0
            )
        except Exception as error:  # what the packages below it raise differs by their versions
            reason = _reason(error, key)
        else:
            return
        raise CoganError(f"The model {self._where} can't be asked ({reason}); check the address.")

    def replies(self, prompts, seeds, *, schema=None, tokens=TOKENS, until=None) -> list[Reply]:
        """Answer one prompt after the other."""
        return [
            self._reply(prompt, seed, schema, tokens, until)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def _reply(self, prompt, seed, schema, tokens, until) -> Reply:
        asked = {"model": self.name, "messages": [{"role": "user", "content": prompt}]}
        asked |= {"seed": seed, "temperature": TEMPERATURE, "top_p": TOP_P, "max_tokens": tokens}
        if schema is not None:
            shape = {"name": "answer", "schema": schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": shape}
        started = time.perf_counter()
        text, ended = self._read(asked, started + self.timeout_s, until)
        seconds = time.perf_counter() - started
        return Reply(text, prompt, way_of(schema), seed, self.name, "", seconds, ended)

    def _read(self, asked: dict, deadline: float, until) -> tuple[str, str]:
        # A server can keep a read waiting with empty comments, or in its headers, for ever: the
        # clock is looked at here, while a thread that may be left behind does the waiting.
        pieces, call = SimpleQueue(), _Call()
        threading.Thread(target=self._listen, args=(asked, pieces, call), daemon=True).start()
        text = ""
        try:
            while len(text.encode("utf-8", "replace")) <= MOST_BYTES:
                if (left := deadline - time.perf_counter()) <= 0:
                    break
                try:
                    piece = pieces.get(timeout=left)
                except Empty:
                    break
                if isinstance(piece, str):
                    raise CoganError(
                        f"The endpoint gave no reply of {self._where} ({piece}); check that it is "
                        f"up, its address, the model's name and the key in {KEY}."
                    )
                said, finished = piece
                text += said
                if until and until(text):
                    return text, "settled"
                if finished:
                    return text, "limit" if finished == "length" else "model"
        finally:
            call.end()
        raise CoganError(
            f"The reply of {self._where} does not end (after {len(text):,} letters) and is not "
            "used; ask for fewer tokens or another."
        )

    def _listen(self, asked: dict, pieces: SimpleQueue, call: _Call) -> None:
        """Put what is said in the queue: pairs of text and why it ends, or what went wrong."""
        try:
            with self.client.chat.completions.create(stream=True, **asked) as stream:
                call.stream = stream
                for chunk in stream:
                    if call.over:
                        return
                    for choice in chunk.choices[:1]:
                        pieces.put(("" + (choice.delta.content or ""), choice.finish_reason))
            pieces.put(("", "stop"))
        except Exception as error:  # whatever a strange server makes the packages raise
            pieces.put(_reason(error, self._key))


class _Call:
    """One question to an endpoint, which can be given up while a thread waits for the answer."""

    def __init__(self) -> None:
        self.over, self.stream = False, None

    def end(self) -> None:
        """Wait no longer."""
        self.over = True
        if self.stream is not None:
            with suppress(Exception):  # the thread may be closing it, too
                self.stream.close()


def _hidden(text: str, key: str) -> str:
    """Put three stars in the place of the key, as it is and as an address spells it."""
    for spelt in sorted({key, quote(key), quote(key, safe="")}, key=len, reverse=True):
        text = text.replace(spelt, "***")
    return text


def _reason(error: Exception, key: str) -> str:
    """Say what went wrong, in a line without the key."""
    said = _hidden(str(error), key)  # before it is cut, which could leave half a key
    return " ".join(said.split())[:200] or type(error).__name__


def endpoint(base_url: str, model: str, timeout_s: float = TIMEOUT_S) -> Endpoint:
    """Take a model behind any address that speaks OpenAI's protocol.

    Parameters
    ----------
    base_url : str
        Such as ``http://127.0.0.1:8080/v1``.
    model : str
        Its name there.
    timeout_s : float
        Longest time for one reply.

    Returns
    -------
    Endpoint

    Raises
    ------
    CoganError
        If the key is not in the environment or can't be sent, the address is none or holds a
        password, or ``openai`` is not installed.
    """
    if "@" in base_url:
        raise CoganError(
            f"The address of an endpoint must hold no user:password@; set {KEY} to the key instead."
        )
    key = os.environ.get(KEY, "").strip()
    if not base_url.startswith(("http://", "https://")):
        shown = _hidden(base_url, key) if key else base_url
        raise CoganError(f"The address {shown!r} of an endpoint must start with http(s)://.")
    if not key:
        raise CoganError(
            f"There is no key for {base_url}: set the environment variable {KEY} (to any word, if "
            "the endpoint asks for none)."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise CoganError(f"The key in {KEY} must be of ASCII letters, digits and signs, no spaces.")
    return Endpoint(base_url, model, key, timeout_s)
