"""A process of one cell that is led to the database of another ends, with one clear line, and is not begun again for ever."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
import urllib3

from local.place import CHECKOUT
from local.ports import pick
from tests.support.cluster import Place
from tests.support.functions import AsInTheImage, Functions

ENDED = "payment-service cannot start: CELL is {}, and the database {} is of cell {}\n"
# What operators run, and the status that says that it was not done.
PROGRAMS = {"shared.charging.by_hand": 1, "shared.events.resend": 1, "shared.reconciling.command": 2}


@pytest.mark.parametrize("served", [Functions, AsInTheImage])
def test_a_function_led_to_another_cell_s_database_does_not_start(
    served: Callable[..., Functions], place: Place
) -> None:
    place.be_cell(1)
    refused = re.escape(ENDED.format(2, place.name, 1))
    with pytest.raises(AssertionError, match=refused), served(["health"], place.environment | {"CELL": "2"}):
        raise LookupError("it started")


@pytest.mark.parametrize("served", [Functions, AsInTheImage])
def test_one_that_knows_of_no_cells_ends_at_its_first_statement_there(
    served: Callable[..., Functions], place: Place
) -> None:
    place.be_cell(1)
    with served(["health"], place.environment) as functions:
        with suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", functions.url("health") + "/health", retries=False, timeout=20)
            raise AssertionError("it was answered")
        assert functions.process("health").wait(20) != 0
        assert functions.log("health").count(ENDED.format(0, place.name, 1)) == 1


def test_a_function_of_a_cell_starts_beside_a_database_that_is_down(place: Place) -> None:
    nowhere = place.environment | {"CELL": "2", "DB_PORT": str(*pick(1))}
    with Functions(["health"], nowhere) as functions:
        assert urllib3.request("GET", functions.url("health") + "/health", retries=False, timeout=20).status == 503


def test_an_operator_s_program_led_there_ends_as_when_it_cannot_be_done(place: Place) -> None:
    environment = {"PATH": os.environ["PATH"], **place.environment, "CELL": "2"}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", name],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in PROGRAMS
    }
    for name, program in running.items():
        _, said = program.communicate(timeout=60)
        assert (program.returncode, said.removeprefix("reconcile: ")) == (
            PROGRAMS[name],
            ENDED.format(2, place.name, 0),
        )
