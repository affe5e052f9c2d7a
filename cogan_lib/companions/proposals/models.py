"""Language models that propose: one on this machine, one behind an endpoint, and replies recorded.

A model takes prompts and seeds and gives texts. What it says is only ever text: `replies` reads it,
and nothing of it is run. The packages of a live model are the optional extra ``[llm]``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

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
        self.openai = openai
        self.name, self.base_url, self.timeout_s = model, base_url, timeout_s
        self.client = self.openai.OpenAI(
            base_url=base_url, api_key=key, timeout=timeout_s, max_retries=0
        )

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
        try:
            with self.client.chat.completions.create(stream=True, **asked) as stream:
                text, ended = self._read(stream, started, until)
        except (self.openai.OpenAIError, OSError, ValueError) as error:
            if isinstance(error, CoganError):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise CoganError(
                f"The endpoint {self.base_url} gave no reply of {self.name} ({reason}); check that "
                f"it is up, its address, the model's name and the key in {KEY}."
            ) from error
        seconds = time.perf_counter() - started
        way = way_of(schema)
        return Reply(text, prompt, way, seed, self.name, "", seconds, ended)

    def _read(self, stream, started: float, until) -> tuple[str, str]:
        text = ""
        for chunk in stream:
            said = chunk.choices[0].delta.content if chunk.choices else None
            text += said or ""
            late = time.perf_counter() - started > self.timeout_s
            if late or len(text.encode("utf-8", "replace")) > MOST_BYTES:
                raise CoganError(
                    f"The reply of {self.name} at {self.base_url} does not end (after "
                    f"{len(text):,} letters) and is not used; ask for fewer tokens or another."
                )
            if until and until(text):
                return text, "settled"
            if chunk.choices and chunk.choices[0].finish_reason:
                return text, "limit" if chunk.choices[0].finish_reason == "length" else "model"
        return text, "model"


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
        If the key is not in the environment, the address is none, or ``openai`` is not installed.
    """
    if not base_url.startswith(("http://", "https://")):
        raise CoganError(f"The address {base_url!r} of an endpoint must start with http(s)://.")
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise CoganError(
            f"There is no key for {base_url}: set the environment variable {KEY} (to any word, if "
            "the endpoint asks for none)."
        )
    return Endpoint(base_url, model, key, timeout_s)
