"""Settings of one cell among several, as a shell has them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from local.shell import ours
from local.surroundings import SETTINGS, known, withheld
from shared.platform.settings import SettingError
from shared.rules.cells import NAME

TWO = {"CELLS": "mumbai=1,delhi=2"}


def test_a_setting_with_a_cells_name_before_it_is_that_cells_and_takes_the_place_of_the_one_for_all() -> None:
    shell = TWO | {"CURRENCY": "INR", "DELHI_CURRENCY": "USD", "DELHI_DB_HOST": "db", "DELHI_DB_APP_USER": "app"}
    mumbai, delhi = (ours(shell | {"CELL": number}) for number in "12")
    assert mumbai == TWO | {"CELL": "1", "CURRENCY": "INR"}
    assert delhi == TWO | {"CELL": "2", "CURRENCY": "USD", "DB_HOST": "db", "DB_APP_USER": "app"}
    assert ours(shell | {"SHELL": "/bin/sh"}) == shell


def test_a_line_in_a_name_is_one_below_and_the_longest_name_that_fits_is_meant() -> None:
    cells = {"CELLS": "new=1,new-delhi=2"}
    shell = cells | {"NEW_DELHI_CURRENCY": "USD", "NEW_CURRENCY": "EUR"}
    assert ours(shell | {"CELL": "1"}) == cells | {"CELL": "1", "CURRENCY": "EUR"}
    assert ours(shell | {"CELL": "2"}) == cells | {"CELL": "2", "CURRENCY": "USD"}


@pytest.mark.parametrize("name", ["FOO", "CELL", "CELLS", "CELL_NAME", "SERVICE_PORT", "PATH", ""])
def test_what_no_cell_can_have_of_its_own_is_refused_by_name(name: str) -> None:
    for cell in ({}, {"CELL": "1"}):
        with pytest.raises(
            SettingError, match=f"^DELHI_{name} is set, and .* no setting that delhi can have of its own$"
        ):
            ours(TWO | cell | {f"DELHI_{name}": "1"})


@pytest.mark.parametrize("cell", ["0", "3", "01", "delhi"])
def test_a_cell_that_the_list_has_not_is_none(cell: str) -> None:
    """Or a slip would make a database beside those of the list."""
    with pytest.raises(SettingError, match=f"^CELL is {cell}, and CELLS has no cell of that number$"):
        ours(TWO | {"CELL": cell})
    assert ours({"CELL": cell}) == {"CELL": cell}


def test_several_cells_are_not_given_one_database() -> None:
    with pytest.raises(SettingError, match="set MUMBAI_DB_HOST, DELHI_DB_HOST"):
        ours(TWO | {"DB_HOST": "db"})
    for alone in ({"CELLS": "mumbai=1"}, TWO | {"CELL": "1"}):
        assert ours(alone | {"DB_HOST": "db"}) == alone | {"DB_HOST": "db"}


def test_a_name_that_means_something_without_a_cell_keeps_its_meaning_beside_a_cell_that_is_called_like_it() -> None:
    shell = {"CELLS": "db=1,lc=2", "DB_POOL_SIZE": "4", "LC_ALL": "C", "DB_DB_POOL_SIZE": "5"}
    assert ours(shell | {"CELL": "1"})["DB_POOL_SIZE"] == "5"
    assert ours(shell | {"CELL": "2"})["DB_POOL_SIZE"] == "4"
    assert ours(shell | {"CELL": "2"})["LC_ALL"] == "C"


@given(
    name=st.from_regex(NAME, fullmatch=True), setting=st.sampled_from(sorted(SETTINGS - {"CELL", "CELL_NAME", "CELLS"}))
)
def test_every_setting_can_be_a_cells_own_whatever_the_cell_is_called(name: str, setting: str) -> None:
    named = f"{name.upper().replace('-', '_')}_{setting}"
    assume(not known(named))  # WEBHOOK_RATE_LIMIT means what it means
    cells = {"CELLS": f"{name}=7"}
    assert ours(cells | {"CELL": "7", named: "own"})[setting] == "own"


def test_a_list_that_is_wrong_is_left_to_whoever_reads_the_settings() -> None:
    assert ours({"CELLS": "Mumbai", "MUMBAI_FOO": "1"}) == {"CELLS": "Mumbai"}


def test_a_cell_finds_its_own_settings_among_all_and_the_front_door_of_cells_sees_none() -> None:
    environment = TWO | {"DELHI_STRIPE_API_KEY": "k", "STRIPE_API_KEY": "k", "LOG_LEVEL": "INFO"}
    assert withheld("cell_delhi", environment) == []
    assert withheld("front_door", environment) == ["DELHI_STRIPE_API_KEY", "STRIPE_API_KEY"]
