"""References: dated, random enough, and easy to read aloud."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.cells import GREATEST_CELL
from shared.rules.identifiers import cell_of_reference, is_reference, new_reference

CELLS = st.integers(0, GREATEST_CELL)


@pytest.mark.parametrize("prefix", ["PAY", "REF"])
def test_a_reference_is_a_prefix_todays_date_and_sixteen_digits_of_five_bits(prefix: str) -> None:
    before = datetime.now(UTC)
    reference = new_reference(prefix, 0)
    assert re.fullmatch(prefix + r"-[0-9]{8}-[0-9A-HJKMNP-TV-Z]{16}", reference)
    day = datetime.strptime(reference.split("-")[1], "%Y%m%d").replace(tzinfo=UTC)
    assert before - timedelta(days=1) < day <= datetime.now(UTC)


def test_the_date_is_that_of_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            days = {f"{datetime.now(UTC):%Y%m%d}"}
            day = new_reference("PAY", 0).split("-")[1]
            assert day in days | {f"{datetime.now(UTC):%Y%m%d}"}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_every_one_of_the_eighty_bits_is_random() -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    drawn = [new_reference("PAY", 0).split("-")[2] for _ in range(2000)]
    assert len(set(drawn)) == 2000
    for place in range(16):
        # A digit that never came in 2,000 draws has a chance of 1 in 10^27.
        assert {digits[place] for digits in drawn} == set(alphabet)


@given(CELLS)
def test_a_reference_says_of_which_cell_it_is_and_of_the_only_one_nothing(cell: int) -> None:
    reference = new_reference("PAY", cell)
    assert reference.partition("-")[2][25:] == ("" if cell == 0 else f"-{cell}")
    assert cell_of_reference(reference) == cell
    assert is_reference(reference, "PAY", cell)
    assert not is_reference(reference, "REF", cell)


@given(CELLS, CELLS)
def test_two_cells_references_are_never_alike_though_all_that_is_random_is(one: int, other: int) -> None:
    with pytest.MonkeyPatch.context() as drawn:
        drawn.setattr("shared.rules.identifiers.secrets.token_bytes", bytes)
        references = {new_reference("REF", cell)[12:] for cell in (one, other)}
    assert len(references) == len({one, other})


@pytest.mark.parametrize("end", ["-0", "-07", f"-{GREATEST_CELL + 1}", "-", "-x", "-1-2", "-1 "])
def test_what_only_looks_like_a_reference_is_of_no_cell(end: str) -> None:
    reference = new_reference("PAY", 0) + end
    assert cell_of_reference(reference) is None
    assert not is_reference(reference, "PAY", 0)
