"""From text to object: the first JSON object of a reply, verified, or the reason in words.

Nothing in a reply is run or followed. What a validator refuses may be asked for again, with its
sentence in the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from ...base.files import CoganError
from .models import MOST_BYTES, WAYS, Model, Reply
from .objects import KINDS, TASKS, Proposal, Reason, reasons

#: So often a reply may be asked for, the first time included.
TRIES = 3
#: A word or number of JSON that is still being written is shorter.
_LONGEST_WORD = 20
#: So much of a refused reply is quoted to its author.
_QUOTED = 200


@dataclass(frozen=True)
class Attempt:
    """One reply, and what became of it.

    Attributes
    ----------
    reply : Reply
    accepted : Proposal or None
    reasons : list of Reason
        Why it is refused; empty if it is accepted.
    """

    reply: Reply
    accepted: Proposal | None
    reasons: list[Reason]


@dataclass(frozen=True)
class Exchange:
    """What was asked, answered and refused until a proposal passed, or the tries were over.

    Attributes
    ----------
    kind : str
    seed : int
    attempts : list of Attempt
    """

    kind: str
    seed: int
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def accepted(self) -> Proposal | None:
        """The proposal that passed, if one did."""
        return self.attempts[-1].accepted if self.attempts else None


def first_object(text: str) -> str:
    """Take the JSON object out of a text: what the first brace opens.

    Parameters
    ----------
    text : str
        Whatever a model said.

    Returns
    -------
    str
        As it stands there.

    Raises
    ------
    CoganError
        If there is none, it breaks off, a field stands twice, or the text is too long.

    Examples
    --------
    >>> first_object('Sure! ```json {"a": 1} ``` I hope this helps.')
    '{"a": 1}'
    """
    if len(text) > MOST_BYTES:
        raise CoganError(
            f"The reply has {len(text):,} letters and is not read: {MOST_BYTES:,} are allowed."
        )
    start = text.find("{")
    if start < 0:
        raise CoganError("The reply has no JSON object.")
    try:
        return text[start : _DECODER.raw_decode(text, start)[1]]
    except CoganError:
        raise
    except (ValueError, RecursionError) as error:
        said = getattr(error, "msg", "nested too deeply, or a number of too many digits")
        raise CoganError(f"The reply's JSON object is broken or breaks off ({said}).") from error


def _once(pairs: list[tuple[str, object]]) -> dict:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CoganError(f"The reply's JSON object says {twice[:40]!r} twice.")
    return dict(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def settled(text: str) -> bool:
    """Tell whether more text would change nothing: the object is whole, or broken for good.

    Parameters
    ----------
    text : str
        The beginning of a reply.

    Returns
    -------
    bool

    Examples
    --------
    >>> settled('{"a": 1'), settled('{"a": 1}'), settled('{"a": one, "b": two, "c": three')
    (False, True, True)
    """
    start = text.find("{")
    if start < 0:
        return False
    try:
        _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        # a number or a word that is not all there yet looks broken at its start
        return "Unterminated" not in error.msg and len(text) - error.pos > _LONGEST_WORD
    except (ValueError, RecursionError):
        return True
    return True


def read_reply(kind: str, reply: Reply) -> Attempt:
    """Verify a reply: syntax, fields, then physics.

    Parameters
    ----------
    kind : str
        One of `objects.KINDS`.
    reply : Reply

    Returns
    -------
    Attempt
    """
    try:
        return Attempt(reply, KINDS[kind].model_validate_json(first_object(reply.text)), [])
    except ValidationError as error:
        return Attempt(reply, None, reasons(error))
    except CoganError as problem:
        return Attempt(reply, None, [Reason("json", str(problem))])


def prompt_for(kind: str) -> str:
    """Write the first prompt: the task, and the fields of the answer.

    Parameters
    ----------
    kind : str
        One of `objects.KINDS`.

    Returns
    -------
    str

    Examples
    --------
    >>> print(prompt_for("planet").splitlines()[-1])
    {"period_day": number, "radius_earth": number, "eccentricity": number}
    """
    fields = KINDS[kind].model_json_schema()["properties"]
    shape = ", ".join(f'"{name}": {one["type"]}' for name, one in fields.items())
    ask = "Answer with one JSON object and nothing else, with numbers in place of the words:"
    return f"{TASKS[kind]}\n{ask}\n{{{shape}}}"


def prompt_again(kind: str, attempt: Attempt) -> str:
    """Write the next prompt: what was answered, and why it was refused.

    Parameters
    ----------
    kind : str
    attempt : Attempt
        Refused.

    Returns
    -------
    str
    """
    said = " ".join(attempt.reply.text.split())[:_QUOTED]
    why = " ".join(reason.sentence for reason in attempt.reasons)[: 2 * _QUOTED]
    again = f"You answered: {said}\nThis was refused: {why}\nAnswer again, and correct that."
    return f"{prompt_for(kind)}\n\n{again}"


def propose(model: Model, kind: str, seed: int, tries: int = TRIES, way: str = "free") -> Exchange:
    """Ask a model for an object, and again with the validator's sentence if it is refused.

    Parameters
    ----------
    model : Model
    kind : str
        One of `objects.KINDS`.
    seed : int
    tries : int
        How often to ask, at most.
    way : str
        'free', or 'constrained' to the object's JSON schema.

    Returns
    -------
    Exchange

    Raises
    ------
    CoganError
        If there is no such kind or way, or the model cannot answer.
    """
    return propose_many(model, kind, [seed], tries, way)[0]


def propose_many(
    model: Model, kind: str, seeds: Sequence[int], tries: int = TRIES, way: str = "free"
) -> list[Exchange]:
    """Do as `propose` for many seeds, all of a try at once.

    Parameters
    ----------
    model : Model
    kind : str
    seeds : sequence of int
    tries : int
    way : str

    Returns
    -------
    list of Exchange
        One a seed.
    """
    if kind not in KINDS:
        raise CoganError(f"There is no kind {kind!r}; choose from: {', '.join(KINDS)}.")
    if way not in WAYS:
        raise CoganError(f"There is no way {way!r}; choose from: {', '.join(WAYS)}.")
    if tries < 1:
        raise CoganError(f"tries is {tries}; ask at least once.")
    schema = KINDS[kind].model_json_schema() if way == "constrained" else None
    exchanges = [Exchange(kind, seed) for seed in seeds]
    for _ in range(tries):
        open_ones = [exchange for exchange in exchanges if exchange.accepted is None]
        if not open_ones:
            break
        prompts = [
            prompt_again(kind, exchange.attempts[-1]) if exchange.attempts else prompt_for(kind)
            for exchange in open_ones
        ]
        asked = [exchange.seed for exchange in open_ones]
        replies = model.replies(prompts, asked, schema=schema, until=settled)
        for exchange, reply in zip(open_ones, replies, strict=True):
            exchange.attempts.append(read_reply(kind, reply))
    return exchanges
