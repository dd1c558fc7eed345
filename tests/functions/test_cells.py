"""A function of one cell that is led to the database of another ends, with one clear line, and is not started again and again."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import urllib3

from tests.support.cluster import Place
from tests.support.functions import AsInTheImage, Functions

ENDED = "payment-service cannot start: CELL is 2, and the database {} is of cell 1\n"


@pytest.mark.parametrize("served", [Functions, AsInTheImage])
def test_a_function_led_to_another_cell_s_database_ends(served: Callable[..., Functions], place: Place) -> None:
    place.be_cell(1)
    with served(["health"], place.environment | {"CELL": "2"}) as functions:
        with suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", functions.url("health") + "/health", retries=False, timeout=20)
            raise AssertionError("it was answered")
        assert functions.process("health").wait(20) != 0
        assert functions.log("health").count(ENDED.format(place.name)) == 1
