"""An exercise's check, run on an answer that may be missing or wrong, without an error."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType


def attempt(check: Callable[..., object], *answers: object) -> None:
    """Try an answer and print what the check says; a wrong answer ends no notebook.

    Parameters
    ----------
    check : callable
        Raises an AssertionError whose message says what is wrong, and prints what it likes if
        the answer is right.
    *answers : object
        What `check` takes: functions or values. One that is still ``...`` has not been given.

    Examples
    --------
    >>> def check_double(double):
    ...     assert double(2) == 4, f"double(2) is 4, not {double(2)}"
    ...     print("Right.")
    >>> def double(x): ...
    >>> attempt(check_double, double)
    No answer yet.
    >>> attempt(check_double, lambda x: x + 1)
    Not yet: double(2) is 4, not 3.
    >>> attempt(check_double, lambda x: 2 * x)
    Right.
    """
    if any(_is_missing(answer) for answer in answers):
        print("No answer yet.")
        return
    try:
        check(*answers)
    except AssertionError as error:
        sentence = str(error).strip().removeprefix("Not yet:").strip()
        sentence = sentence or f"{check.__name__} says no more than that"
        print(f"Not yet: {sentence}{'' if sentence[-1] in '.!?' else '.'}")
    except Exception as error:  # noqa: BLE001 - whatever an answer may do
        print(f"Your answer raised {type(error).__name__}: {error}")


def _unwritten() -> None: ...


def _is_missing(answer: object) -> bool:
    """Whether an answer is ``...``, or a function with nothing else in it."""
    if isinstance(answer, FunctionType):
        empty, code = _unwritten.__code__, answer.__code__
        return (code.co_code, code.co_consts) == (empty.co_code, empty.co_consts)
    return answer is ...
