"""Slices cover the time that they are of, and are the same when they are read again."""

from datetime import UTC, datetime

from shared.reconciling.slices import MOST, Slices, after_the_second_of

BEGINS, ENDS = datetime(2026, 11, 26, tzinfo=UTC), datetime(2026, 11, 26, 17, 13, 7, tzinfo=UTC)


def test_there_is_no_gap_between_them_and_nothing_twice() -> None:
    parts = Slices.cut(BEGINS, ENDS).parts
    assert len(parts) == MOST
    assert (parts[0].begins, parts[-1].ends) == (BEGINS, ENDS)
    assert [part.ends for part in parts[:-1]] == [part.begins for part in parts[1:]]


def test_what_is_written_is_read_again() -> None:
    slices = Slices.cut(BEGINS, ENDS)
    slices = slices.with_part(1, slices.parts[1]._replace(after="txn_1"))
    for number in (0, 2, 3, 4, 5):
        slices = slices.with_part(number, slices.parts[number]._replace(is_read=True))
    assert Slices.read(BEGINS, slices.written()) == slices
    assert not slices.are_read()
    assert slices.with_part(1, slices.parts[1]._replace(after=None, is_read=True)).are_read()


def test_the_rest_of_a_second_is_read_with_it() -> None:
    assert after_the_second_of(ENDS.replace(microsecond=7)) == ENDS.replace(second=8)
