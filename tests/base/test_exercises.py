"""What a reader is told about an answer; nothing raises."""

import numpy as np
import pytest

from cogan_lib.base.exercises import attempt


def check_half(half):
    """4 -> 2."""
    if half(4) != 2:  # pytest adds words of its own to a failed assert
        raise AssertionError(f"half(4) is 2, not {half(4)}")
    print("Right.")


def check_value(value):
    """Is it 3?"""
    if value != 3:
        raise AssertionError("Not yet: it is a prime below 5.")
    print("Right: 3")


def check_silent(value):
    """No words."""
    if not value:
        raise AssertionError


def unwritten(a, b=2, *, c): ...


def half_written(x):
    y = x  # noqa: F841 - the reader has not gone on


@pytest.mark.parametrize(
    ("check", "answers", "said"),
    [
        (check_half, [unwritten], "No answer yet."),
        (check_value, [...], "No answer yet."),
        (check_half, [lambda x: x / 2], "Right."),
        (check_half, [lambda x: x], "Not yet: half(4) is 2, not 4."),
        (check_half, [half_written], "Not yet: half(4) is 2, not None."),
        (check_half, [None], "Your answer raised TypeError: 'NoneType' object is not callable"),
        (check_half, [lambda: 2], "Your answer raised TypeError: "),
        (check_value, [5], "Not yet: it is a prime below 5."),
        (check_value, [3], "Right: 3"),
        (check_silent, [0], "Not yet: check_silent says no more than that."),
        (check_value, [np.zeros(3)], "Your answer raised ValueError: The truth value"),
    ],
)
def test_an_attempt_says_what_is_wrong(check, answers, said, capsys):
    attempt(check, *answers)
    out = capsys.readouterr().out
    assert out.startswith(said) and out.count("\n") == 1


def test_one_of_two_answers_is_not_enough(capsys):
    attempt(lambda one, other: print("asked"), lambda x: x, unwritten)
    assert capsys.readouterr().out == "No answer yet.\n"
