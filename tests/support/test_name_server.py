"""The name server of the tests answers only those who ask it, and while it is silent their look-ups hang."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest

from tests.support.name_server import NameServer

LOOK_UP = "import socket; print(socket.getaddrinfo('payments-database.test', 5432, type=socket.SOCK_STREAM)[0][4])"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as names:
        names.lead("payments-database.test", "127.0.0.2")
        yield names


def looking_up(names: NameServer, look_up: str = LOOK_UP) -> "subprocess.Popen[str]":
    environment = {"PATH": os.environ["PATH"], **names.environment}
    return subprocess.Popen(
        [sys.executable, "-c", look_up], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_name_leads_where_it_was_led_last(names: NameServer) -> None:
    for address in ("127.0.0.2", "127.0.0.3"):
        names.lead("payments-database.test", address)
        assert looking_up(names).communicate()[0] == f"('{address}', 5432)\n"


def test_an_unknown_name_leads_nowhere_and_other_names_are_looked_up_as_ever(names: NameServer) -> None:
    assert "gaierror" in looking_up(names, LOOK_UP.replace("payments", "other")).communicate()[1]
    assert "127.0.0.1" in looking_up(names, LOOK_UP.replace("payments-database.test", "127.0.0.1")).communicate()[0]


def test_a_look_up_hangs_while_it_is_silent(names: NameServer) -> None:
    with names.silent():
        asking = looking_up(names)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                asking.communicate(timeout=2)
        finally:
            asking.kill()
            asking.communicate()


def test_whoever_looks_the_name_up_elsewhere_fails(names: NameServer) -> None:
    """As libpq does by itself."""
    with pytest.raises(psycopg2.OperationalError, match="could not translate host name"):
        psycopg2.connect(host="payments-database.test", user="nobody", connect_timeout=5)
