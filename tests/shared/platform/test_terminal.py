"""What others wrote is read on an operator's terminal as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.terminal import printable
from tests.support import hostile


@given(st.text(st.characters()))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode("utf-8")


def test_what_is_meant_to_be_read_stays_as_it_is() -> None:
    said = "payment 412  PAY-1  5.00 INR  pending 0:07:41, ärger & 東京 (no answer)"
    assert printable(said) == said


@pytest.mark.parametrize("each", [*hostile.TERMINAL, *hostile.LINE_ENDS, *hostile.BIDI, "\ud800"])
def test_what_is_obeyed_is_spelt_out(each: str) -> None:
    assert printable(f"a{each}b") in (f"a{ascii(each)[1:-1]}b", f"a{each}b" if each.isprintable() else "")
